"""A detector that scales inside, compared with scaling before it."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    PolynomialFeatures,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from sklearn_seqae import AutoencoderAnomalyDetector, SequenceScaler, displays
from tests.instances import convolutional, dense, recurrent

SCALERS = {
    "standard": StandardScaler(),
    "robust": RobustScaler(),
    "transformer": MinMaxScaler(),
    "nonlinear": QuantileTransformer(n_quantiles=50),
}
UNITS = np.array([1.0, 1000.0, 0.001])
RNG = np.random.RandomState(0)
TABLE = (RNG.normal(size=(200, 3)) @ RNG.normal(size=(3, 3)) + 3) * UNITS
STEPS = np.arange(900)[:, np.newaxis]
SERIES = np.sin(STEPS / [4, 5, 6]) + 0.1 * RNG.normal(size=(900, 3))
SERIES = pd.DataFrame(
    (SERIES + 2) * UNITS,
    index=pd.date_range("2026-01-01", periods=900, freq="min"),
    columns=["power", "mass", "gap"],
)
SEQUENCES = [TABLE[4 * i : 4 * i + n] for i, n in enumerate([5, 7, 6] * 15)]
IMAGES = RNG.normal(size=(40, 6, 6, 3)).cumsum(axis=1) * UNITS


def parameter(name):
    return name if name in ("standard", "robust") else SCALERS[name]


def detector(estimator=None, **options):
    options = {"false_alarm_rate": 0.1, "random_state": 0, **options}
    return AutoencoderAnomalyDetector(
        PCA(2) if estimator is None else estimator, **options
    )


def series_detector(**options):
    return detector(window_size=12, alignment="trailing", contamination=0.02, **options)


every_scaler = pytest.mark.parametrize("name", SCALERS)


@every_scaler
def test_scores_of_a_table_are_those_of_a_scaled_table(name):
    options = {"contamination": 0.1}
    model = detector(scaler=parameter(name), **options).fit(TABLE)
    scaler = clone(SCALERS[name]).fit(TABLE)
    plain = detector(**options).fit(scaler.transform(TABLE))
    for method in ("score_samples", "predict", "p_values", "feature_scores"):
        np.testing.assert_array_equal(
            getattr(model, method)(TABLE),
            getattr(plain, method)(scaler.transform(TABLE)),
        )
    assert type(model.scaler_) is type(scaler)


@every_scaler
def test_residuals_are_in_the_units_of_x(name):
    model = detector(scaler=parameter(name), contamination=0.1).fit(TABLE)
    scaler = clone(SCALERS[name]).fit(TABLE)
    scaled = scaler.transform(TABLE)
    pca = PCA(2, random_state=0).fit(scaled)
    rebuilt = scaler.inverse_transform(pca.inverse_transform(pca.transform(scaled)))
    np.testing.assert_allclose(
        model.reconstruction_errors(TABLE) / UNITS, (TABLE - rebuilt) / UNITS, atol=1e-9
    )
    causes = model.explain(TABLE, n_causes=3)
    for cause in causes.itertuples():
        column = int(cause.feature[1:])
        assert cause.value == TABLE[cause.row, column]
        assert cause.expected == pytest.approx(rebuilt[cause.row, column])


def test_each_fold_has_its_own_scaler():
    model = detector(scaler="standard").fit(TABLE)
    before = detector().fit(StandardScaler().fit_transform(TABLE))
    # The folds of `before` have seen the statistics of the held-out rows.
    assert (model.calibration_scores_ != before.calibration_scores_).any()
    np.testing.assert_allclose(
        model.calibration_scores_, before.calibration_scores_, rtol=0.2
    )


def test_one_scale_for_all_features_does_not_change_the_detector():
    plain = detector(contamination=0.1).fit(TABLE)
    other = detector(scaler=None, contamination=0.1).fit(TABLE)
    assert other.scaler_ is None
    np.testing.assert_array_equal(
        plain.score_samples(TABLE), other.score_samples(TABLE)
    )


@every_scaler
def test_a_series_keeps_units_names_and_times(name):
    X = SERIES.copy()
    X.iloc[700:710, 2] += 0.004
    model = series_detector(scaler=parameter(name)).fit(SERIES)
    scaler = clone(SCALERS[name]).set_output(transform="pandas").fit(SERIES)
    plain = series_detector().fit(scaler.transform(SERIES))
    pd.testing.assert_series_equal(
        model.score_samples(X), plain.score_samples(scaler.transform(X))
    )
    intervals = model.detect_intervals(X)
    pd.testing.assert_frame_equal(
        intervals, plain.detect_intervals(scaler.transform(X))
    )
    errors = model.reconstruction_errors(X)
    assert list(errors.columns) == list(X.columns) and errors.index.equals(X.index)
    assert errors[:11].isna().all(axis=None) and errors[11:].notna().all(axis=None)
    causes = model.explain(X, n_causes=1)
    event = causes[causes["peak"].between(X.index[700], X.index[709])]
    assert list(event["feature"]) == ["gap"]
    assert event["value"].item() == X.loc[event["time"].item(), "gap"]
    low, high = SERIES["gap"].min(), SERIES["gap"].max()
    assert low - 0.001 < event["expected"].item() < high + 0.001


def test_channels_in_other_units_have_the_same_alarms():
    X = SERIES.copy()
    X.iloc[700:710, 2] += 0.004
    model = series_detector(scaler="standard").fit(SERIES)
    same = series_detector(scaler="standard").fit(SERIES / UNITS)
    np.testing.assert_array_equal(model.predict(X), same.predict(X / UNITS))
    assert (model.predict(X)[700:710] == -1).any()
    assert (series_detector().fit(SERIES).predict(X)[700:710] == 1).all()


@pytest.mark.parametrize("name", ["standard", "robust", "transformer"])
def test_a_stream_has_the_bits_of_the_scaled_series(name):
    model = series_detector(scaler=parameter(name)).fit(SERIES)
    stream = model.stream(history=SERIES[:100])
    frames = []
    for start in range(100, 160, 3):
        frames.append(stream.update(SERIES[start : start + 3], explain=True))
        stream = pickle.loads(pickle.dumps(stream))
    frame = pd.concat(frames)
    whole = model.score_samples(SERIES)[100:160]
    pd.testing.assert_series_equal(
        frame["score"], whole, check_exact=True, check_names=False, check_freq=False
    )
    names = [f"attribution_{name}" for name in SERIES.columns]
    shares = model.feature_scores(SERIES)[100:160]
    np.testing.assert_allclose(frame[names], shares, rtol=1e-9)


@pytest.mark.parametrize(
    ("X", "estimator"),
    [(SEQUENCES, recurrent()), (IMAGES, convolutional())],
    ids=["sequences", "images"],
)
def test_channels_of_sequences_and_images_are_scaled(X, estimator):
    model = detector(estimator, scaler="standard", contamination=0.1).fit(X)
    if isinstance(X, list):
        scaler = SequenceScaler().fit(X)
        scaled = scaler.transform(X)
    else:
        flat = StandardScaler().fit_transform(X.reshape(-1, 3))
        scaled = flat.reshape(X.shape)
    plain = detector(estimator, contamination=0.1).fit(scaled)
    np.testing.assert_array_equal(model.score_samples(X), plain.score_samples(scaled))
    errors, known = model.reconstruction_errors(X), plain.reconstruction_errors(scaled)
    for error, expected in zip(errors, known, strict=True):
        shape = (1,) * (np.ndim(expected) - 1) + (3,)
        scale = model.scaler_.scale_.reshape(shape)
        np.testing.assert_allclose(error / scale, expected, rtol=1e-4, atol=1e-6)


def test_displays_draw_in_the_units_of_x(pyplot):
    model = detector(dense(2), scaler="standard", contamination=0.1).fit(TABLE)
    display = displays.ReconstructionDisplay.from_estimator(
        model, TABLE, indices=[0, 1]
    )
    expected = TABLE - model.reconstruction_errors(TABLE)
    np.testing.assert_allclose(np.stack(display.reconstructions), expected[:2])
    codes = displays.LatentSpaceDisplay.from_estimator(model, TABLE).codes
    scaled = StandardScaler().fit_transform(TABLE)
    np.testing.assert_allclose(codes, model.estimator_.transform(scaled), rtol=1e-5)


@pytest.mark.parametrize(
    ("scaler", "message"),
    [
        ("minmax", "'scaler' parameter"),
        (PolynomialFeatures(), "'scaler' parameter"),  # no inverse_transform
        (PCA(2), "'scaler' parameter must keep the number of columns"),
        (SequenceScaler(), "'scaler' parameter must transform tables"),
    ],
)
def test_other_scalers_are_refused(scaler, message):
    with pytest.raises(ValueError, match=message):
        detector(scaler=scaler).fit(TABLE)


def test_a_class_is_no_scaler():
    with pytest.raises(TypeError, match="provide an instance"):
        detector(scaler=StandardScaler).fit(TABLE)


def test_a_scaler_that_returns_nan_is_named():
    class Log(StandardScaler):
        def transform(self, X, copy=None):
            with np.errstate(invalid="ignore"):
                return np.log(X)

    with pytest.raises(ValueError, match="'scaler' parameter must return finite"):
        detector(scaler=Log()).fit(TABLE - 100)


def test_the_scaler_of_the_caller_is_not_fitted():
    scaler = StandardScaler()
    detector(scaler=scaler).fit(TABLE)
    with pytest.raises(NotFittedError):
        scaler.transform(TABLE)


def test_the_last_step_of_a_pipeline_has_all_methods():
    """The documented way where the scaler has to be a step."""
    scaler = StandardScaler().set_output(transform="pandas")
    pipeline = make_pipeline(scaler, series_detector()).fit(SERIES)
    inside = series_detector(scaler="standard").fit(SERIES)
    pd.testing.assert_series_equal(
        pipeline.score_samples(SERIES), inside.score_samples(SERIES)
    )
    for name in ("detect_intervals", "explain", "stream", "p_values"):
        assert not hasattr(pipeline, name) and hasattr(pipeline[-1], name)
    scaled = pipeline[:-1].transform(SERIES)
    pd.testing.assert_frame_equal(
        pipeline[-1].detect_intervals(scaled), inside.detect_intervals(SERIES)
    )
    stream = pipeline[-1].stream(history=scaled[:100])
    rows = pipeline[:-1].transform(SERIES[100:110])
    expected = inside.stream(history=SERIES[:100]).update(SERIES[100:110])
    pd.testing.assert_frame_equal(stream.update(rows), expected)
