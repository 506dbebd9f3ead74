"""Missing values: reading, reconstruction, imputation and detection."""

import pickle
import warnings
from copy import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from sklearn_seqae import SequenceScaler
from sklearn_seqae._inputs import InputFormat, parse
from sklearn_seqae._numbers import resample
from sklearn_seqae.conversion import sequences_from_padded
from sklearn_seqae.windows import sliding_windows
from tests.containers import RAGGED_CONTAINERS, items, with_gaps
from tests.instances import classifier, convolutional, dense, detector, recurrent

FAMILIES = {"dense": dense, "recurrent": recurrent, "convolutional": convolutional}
each_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


# Reading --------------------------------------------------------------------------

TABLE = np.array([[1.0, np.nan, 3.0], [4.0, 5.0, 6.0]])
COLUMNS = list("abc")
TABLES = {
    "array": TABLE,
    "float32": TABLE.astype(np.float32),
    "list": [[1.0, None, 3.0], [4.0, 5.0, 6.0]],
    "objects": np.array([[1.0, None, 3.0], [4.0, 5.0, 6.0]], dtype=object),
    "pandas": pd.DataFrame(TABLE, columns=COLUMNS),
    "nullable": pd.DataFrame(TABLE, columns=COLUMNS).convert_dtypes(),
    "pandas objects": pd.DataFrame([[1, pd.NA, 3], [4, 5, 6]], columns=COLUMNS),
    "arrow": pd.DataFrame(TABLE, columns=COLUMNS).astype("float64[pyarrow]"),
    "polars": pl.DataFrame({"a": [1.0, 4.0], "b": [None, 5.0], "c": [3.0, 6.0]}),
    "polars int": pl.DataFrame({"a": [1, 4], "b": [None, 5], "c": [3, 6]}),
    "masked": np.ma.masked_equal([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], 2.0),
    "masked int": np.ma.masked_equal([[1, 2, 3], [4, 5, 6]], 2),
}


@pytest.mark.parametrize("X", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("form", ["table", "sequences", "images"])
def test_every_kind_of_missing_value_is_nan(X, form):
    samples = parse(X, InputFormat(form), name="Reader")
    np.testing.assert_array_equal(samples.values.reshape(2, 3), TABLE)
    expected = ~np.isnan(TABLE)
    np.testing.assert_array_equal(samples.observed.reshape(2, 3), expected)
    assert samples.take(np.array([1])).observed is None


LINES = [np.array([1.0, np.nan, 3.0]), np.array([4.0, 5.0])]
SEQUENCES = {
    "list": [line[:, None] for line in LINES],
    "lists": [[1.0, None, 3.0], [4.0, 5.0]],
    "masked": [np.ma.masked_invalid(LINES[0]), np.ma.array(LINES[1])],
    "pandas": pd.Series(LINES),
    "polars": pl.DataFrame({"s": [[1.0, None, 3.0], [4.0, 5.0]]}),
}


@pytest.mark.parametrize("X", SEQUENCES.values(), ids=SEQUENCES)
def test_missing_steps_of_sequences_are_nan(X):
    samples = parse(X, InputFormat("sequences"), name="Reader")
    np.testing.assert_array_equal(
        samples.values[..., 0], [[1.0, np.nan, 3.0], [4.0, 5.0, 0.0]]
    )
    np.testing.assert_array_equal(samples.lengths, [3, 2])
    np.testing.assert_array_equal(samples.has_values, [True, True])


def test_windows_and_conversion_refuse_masked_arrays():
    X = np.ma.masked_equal(np.ones((9, 2)), 0)
    for function in (lambda X: sliding_windows(X, 3), sequences_from_padded):
        with pytest.raises(TypeError, match="Masked arrays are not supported"):
            function(X)


@pytest.mark.parametrize(
    "estimator", [recurrent(), convolutional(), SequenceScaler(), detector(recurrent())]
)
def test_padding_is_no_missing_value(estimator, digits):
    X = digits.copy()
    X[3, -2:] = np.nan
    with pytest.raises(ValueError, match=r"sequence 3 .*sequences_from_padded\(X\)"):
        clone(estimator).fit(X)
    X[3, -1, 0] = 1.0  # one channel is there
    clone(estimator).fit(X)
    X[3] = np.nan  # nothing is there
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clone(estimator).fit(X)


ALLOW = {
    "dense": (dense(), True),
    "recurrent": (recurrent(), True),
    "convolutional": (convolutional(), True),
    "classifier": (classifier(dense()), True),
    "scaler": (SequenceScaler(), True),
    "detector": (detector(None), True),
    "detector of dense": (detector(dense()), True),
    "detector of Pipeline": (detector(make_pipeline(StandardScaler(), dense())), True),
    "detector of PCA": (detector(PCA(1)), False),
    "detector of frozen PCA": (detector(FrozenEstimator(PCA(1))), False),
    "detector of Pipeline of PCA": (detector(make_pipeline(PCA(2), dense())), False),
}


@pytest.mark.parametrize("estimator, allows", ALLOW.values(), ids=ALLOW)
def test_the_tag_is_that_of_the_estimator_inside(estimator, allows):
    assert get_tags(estimator).input_tags.allow_nan is allows


def test_a_detector_around_pca_refuses_missing_values(factors, gappy):
    with pytest.raises(ValueError, match="Input X contains NaN"):
        detector(PCA(1)).fit(gappy)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        detector(PCA(1)).fit(factors).score_samples(gappy)


# Models ---------------------------------------------------------------------------


@each_family
def test_models_read_gaps_in_fit_and_later(family, factors, gappy):
    for X in (factors, gappy):
        model = family().fit(X)
        assert np.isfinite(model.transform(gappy)).all()
        assert np.isfinite(model.reconstruct(gappy)).all()
        assert model.score(gappy) > 0.5
        imputed, observed = model.impute(gappy), ~np.isnan(gappy)
        np.testing.assert_array_equal(imputed[observed], gappy[observed])
        plain = copy(model)
        plain.model_ = replace(model.model_, refinement_steps=0)
        np.testing.assert_array_equal(
            imputed[~observed], plain.reconstruct(gappy)[~observed]
        )
        restored = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(restored.impute(gappy), imputed)


@each_family
def test_gaps_in_some_rows_do_not_change_the_others(family, factors, gappy):
    model = family().fit(factors)
    mixed = factors.copy()
    mixed[::3] = gappy[::3]
    codes, expected = model.transform(mixed), model.transform(factors)
    complete = ~np.isnan(mixed).any(axis=1)
    np.testing.assert_array_equal(codes[complete], expected[complete])
    np.testing.assert_allclose(codes[:1], model.transform(mixed[:1]), rtol=1e-5)


@each_family
def test_imputation_is_much_better_than_the_mean(family, factors, gappy):
    hidden = np.isnan(gappy)

    def error(imputed):
        return np.sqrt(np.mean(np.square(imputed - factors)[hidden]))

    of_mean = error(SimpleImputer().fit_transform(gappy))
    assert error(family().fit(gappy).impute(gappy)) < 0.4 * of_mean
    assert error(family().fit(factors).impute(gappy)) < 0.4 * of_mean


@each_family
def test_rows_without_values_are_the_mean(family, factors, gappy):
    model = family().fit(gappy)
    X = gappy[:4].copy()
    X[2] = np.nan
    with pytest.warns(UserWarning, match=r"1 sample\(s\) without .* in row 2") as seen:
        rebuilt = model.reconstruct(X)
    assert len(seen) == 1
    mean = np.reshape(model.mean_, -1)
    np.testing.assert_allclose(rebuilt[2], mean)
    with pytest.warns(UserWarning, match="without any observed value"):
        codes = model.transform(X)
    np.testing.assert_allclose(codes[2], model.transform(mean[None])[0], atol=1e-5)


def test_sequences_of_several_lengths_are_imputed(ragged):
    X = [with_gaps(item, seed=i) for i, item in enumerate(ragged)]
    model = recurrent(4).fit(X)
    for container in RAGGED_CONTAINERS.values():
        for given, item in zip(items(model.impute(container(X))), X, strict=True):
            observed = ~np.isnan(item)
            np.testing.assert_array_equal(given[observed], item[observed])
            assert np.isfinite(given).all()


def test_impute_keeps_the_container(gappy):
    X = pd.DataFrame(gappy, index=np.arange(300)[::-1]).rename(columns=str)
    imputed = dense().fit(X).impute(X)
    assert imputed.index.equals(X.index) and imputed.columns.equals(X.columns)
    assert not imputed.isna().any(axis=None)
    masked = np.ma.masked_invalid(gappy)
    given = dense().fit(masked).impute(masked)
    np.testing.assert_array_equal(given, dense().fit(gappy).impute(gappy))


def test_a_forecast_does_not_impute():
    with pytest.raises(AttributeError, match="has no attribute 'impute'"):
        recurrent(objective="predict").impute(np.ones((3, 4, 1)))


def test_codes_with_nan_are_refused(factors):
    model = dense().fit(factors)
    with pytest.raises(ValueError, match="contains NaN"):
        model.inverse_transform([[0.0, np.nan]])


def test_missing_steps_are_missing_after_resampling():
    values = np.array([[[0.0], [np.nan], [np.nan], [3.0]]])
    np.testing.assert_array_equal(resample(values, None, 4), values)
    found = resample(values, None, 7).ravel()
    expected = [0, 0, np.nan, np.nan, np.nan, 3, 3]
    np.testing.assert_array_equal(found, expected)


def test_the_scaler_ignores_missing_values(ragged):
    X = [with_gaps(item, seed=i) for i, item in enumerate(ragged)]
    scaler = SequenceScaler().fit(X)
    steps = np.concatenate(X)
    np.testing.assert_allclose(scaler.scaler_.mean_, np.nanmean(steps, axis=0))
    for given, item in zip(scaler.transform(X), X, strict=True):
        np.testing.assert_array_equal(np.isnan(given), np.isnan(item))


def test_a_classifier_reads_gaps(wine):
    y = (wine[:, 0] > 0).astype(int)
    X = with_gaps(wine, 0.1)
    model = classifier(dense(4)).fit(X, y)
    assert model.score(X, y) > 0.8


# Detectors ------------------------------------------------------------------------

METHODS = ["nearest", "mahalanobis", "reconstruction"]


@pytest.mark.parametrize("method", METHODS)
def test_gaps_do_not_raise_alarms(method, factors):
    train, new = factors[::2], factors[1::2]
    model = detector(dense(), score_method=method, false_alarm_rate=0.05).fit(train)
    complete = np.mean(model.predict(new) == -1)
    for seed in range(3):
        found = np.mean(model.predict(with_gaps(new, 0.3, seed)) == -1)
        assert found <= complete + 0.05


@pytest.mark.parametrize("method", METHODS)
def test_anomalies_are_found_beside_gaps(method, factors):
    model = detector(dense(), score_method=method).fit(with_gaps(factors, 0.05))
    X = factors[:50].copy()
    X[:, 1] += 4
    X[:, 5] = np.nan
    assert np.mean(model.predict(X) == -1) > 0.9
    causes = model.explain(X, n_causes=8)
    assert (causes.groupby("row").first()["feature"] == "x1").mean() > 0.9
    assert "x5" not in set(causes["feature"])
    assert (model.feature_scores(X)[:, 5] == 0).all()
    np.testing.assert_array_equal(np.isnan(model.reconstruction_errors(X)), np.isnan(X))


def test_a_row_without_values_has_no_score(factors):
    model = detector(dense()).fit(factors)
    X = factors[:3].copy()
    X[1] = np.nan
    scores = model.score_samples(X)
    np.testing.assert_array_equal(np.isnan(scores), [False, True, False])
    assert model.predict(X)[1] == 1
    np.testing.assert_array_equal(scores[[0, 2]], model.score_samples(X[[0, 2]]))
    np.testing.assert_array_equal(np.isnan(model.p_values(X)), np.isnan(scores))
    selected = model.select(np.r_[X, X[:2] + 9], alpha=0.3)
    np.testing.assert_array_equal(selected[[1, 3, 4]], [False, True, False])
    assert not model.select(X[1:2]).any()


def test_sequences_with_gaps_are_scored(ragged):
    X = [with_gaps(item, 0.05, seed=i) for i, item in enumerate(ragged)]
    model = detector(recurrent()).fit(X)
    assert np.isfinite(model.score_samples(X)).all()
    assert np.isfinite(model.feature_scores(X)).all()


@pytest.mark.parametrize("estimator", [dense(2, max_iter=10), None])
def test_series_are_cut_where_many_steps_are_missing(estimator):
    steps = np.arange(500)
    series = np.column_stack([np.sin(steps / 5), np.cos(steps / 5)])
    random = np.random.RandomState(0)
    series += 0.05 * random.normal(size=series.shape)
    X = with_gaps(series, 0.05)
    X[200:203] = np.nan  # a gap inside windows
    X[300:310] = np.nan  # more than a quarter of a window
    X[400:405] = 4.0
    X[400:405, 1] = np.nan
    model = detector(estimator, window_size=20).fit(X[:250])
    scores = model.score_samples(X)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(scores)), range(300, 310))
    found = model.detect_intervals(X)
    assert found["start"].between(380, 404).any()
    assert (model.predict(X[:380]) == -1).mean() < 0.05
    assert model.explain(X)["value"].notna().all()
