"""Every statistic is computed in scaled units: nothing depends on the units of X."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA

from sklearn_seqae import AutoencoderAnomalyDetector
from tests.instances import (
    CONVOLUTIONAL,
    DENSE,
    QUICK_ROWS,
    RECURRENT,
    classifier,
    convolutional,
    dense,
    detector,
    name,
    recurrent,
)

RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(40, 3)) @ RNG.normal(size=(3, 6))
TABLE /= TABLE.std()
SEQUENCES = RNG.normal(size=(30, 8, 2)).cumsum(axis=1)
SEQUENCES /= SEQUENCES.std()
RAGGED = [one[: 4 + number % 5] for number, one in enumerate(SEQUENCES)]
SERIES = np.sin(np.arange(400) / 4)[:, np.newaxis] + 0.1 * RNG.normal(size=(400, 2))
SERIES /= SERIES.std()

AUTOENCODERS = [
    *[(DENSE[row], TABLE) for row in QUICK_ROWS["dense"]],
    *[(RECURRENT[row], SEQUENCES) for row in QUICK_ROWS["recurrent"]],
    (recurrent(), RAGGED),
    *[(CONVOLUTIONAL[row], SEQUENCES) for row in QUICK_ROWS["convolutional"]],
    (dense(0.9), TABLE),
    (dense(bottleneck="variational"), TABLE),
]
DETECTORS = [
    *[
        (detector(PCA(2), score_method=method, contamination=0.1), TABLE)
        for method in ("nearest", "mahalanobis", "reconstruction")
    ],
    (detector(dense(), contamination=0.1), TABLE),
    (detector(recurrent(1), contamination=0.1), RAGGED),
    (detector(PCA(2), window_size=20, contamination=0.1), SERIES),
    (detector(PCA(2), window_size=20, false_alarm_rate=0.1), SERIES),
]


def times(data, factor):
    """Multiply an array, or each array of a list."""
    if isinstance(data, list):
        return [factor * one for one in data]
    return factor * data


def transformed(data, scale, shift):
    if isinstance(data, list):
        return [scale * one + shift * scale for one in data]
    return scale * data + shift * scale


def of_all_steps(data):
    return np.concatenate([np.ravel(one) for one in data])


def assert_close(found, expected):
    """Assert equality to 1e-6, in units in which the spread of X is 1."""
    np.testing.assert_allclose(
        of_all_steps(found), of_all_steps(expected), rtol=1e-6, atol=1e-6
    )


@pytest.fixture(scope="module")
def fitted():
    """Fit each estimator once to X in its own units."""
    cache = {}

    def get(estimator, X):
        if id(estimator) not in cache:
            cache[id(estimator)] = clone(estimator).fit(X)
        return cache[id(estimator)]

    return get


def named(cases):
    """Name cases of an estimator and an X by the estimator."""
    return [pytest.param(*case, id=name(case[0])[:60]) for case in cases]


def in_units(test):
    """Run a test with a random unit besides its examples."""
    drawn = given(exponent=st.floats(-150, 150), shift=st.floats(-1000, 1000))
    return settings(max_examples=1, derandomize=True)(drawn(test))


@pytest.mark.parametrize("estimator, X", named(AUTOENCODERS))
@example(exponent=-150, shift=-1000)
@example(exponent=150, shift=0)
@in_units
def test_autoencoders_do_not_depend_on_the_units(estimator, X, fitted, exponent, shift):
    scale = 10.0**exponent
    model = fitted(estimator, X)
    other = clone(estimator).fit(transformed(X, scale, shift))
    found, expected = other.transform(transformed(X, scale, shift)), model.transform(X)
    has_unit = not estimator.whiten and estimator.bottleneck != "variational"
    assert_close(found / scale if has_unit else found, expected)
    np.testing.assert_array_equal(other.best_epoch_, model.best_epoch_)
    assert_close([other.loss_curve_], [model.loss_curve_])
    if model.held_out_r2_ is not None:
        assert other.held_out_r2_ == pytest.approx(model.held_out_r2_, abs=1e-6)
    score = other.score(transformed(X, scale, shift))
    assert score == pytest.approx(model.score(X), abs=1e-6)
    decoded = other.inverse_transform(found)
    assert_close(
        times(decoded, 1 / scale),
        transformed(model.inverse_transform(expected), 1, shift),
    )


@pytest.mark.parametrize("estimator, X", named(DETECTORS))
@example(exponent=-150, shift=-1000)
@example(exponent=150, shift=0)
@in_units
def test_detectors_do_not_depend_on_the_units(estimator, X, fitted, exponent, shift):
    scale = 10.0**exponent
    other_X = transformed(X, scale, shift)
    model, other = fitted(estimator, X), clone(estimator).fit(other_X)
    for method in ("score_samples", "decision_function", "predict", "p_values"):
        found, expected = getattr(other, method)(other_X), getattr(model, method)(X)
        assert_close([found], [expected])
    assert other.offset_ == pytest.approx(model.offset_, abs=1e-6, rel=1e-6)
    assert_close([other.feature_scores(other_X)], [model.feature_scores(X)])
    assert_close(
        times(other.reconstruction_errors(other_X), 1 / scale),
        model.reconstruction_errors(X),
    )


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_codes_of_a_model_that_keeps_pca_are_those_of_pca(scale):
    X = scale * load_iris().data
    expected = PCA(2).fit_transform(X)
    for model in (
        dense(learning_rate_init=1e-9),
        recurrent(learning_rate_init=1e-9, sample_shape=(-1, 2)),
        convolutional(learning_rate_init=1e-9, sample_shape=(2, 2)),
        dense(learning_rate_init=1e-9, bottleneck="ordered"),
    ):
        codes = model.fit_transform(X)
        assert model.best_epoch_ == 0
        np.testing.assert_allclose(
            np.abs(codes), np.abs(expected), rtol=1e-4, atol=1e-5 * scale
        )


def test_variational_and_whitened_codes_have_no_unit():
    for options in ({"bottleneck": "variational"}, {"whiten": True}):
        for init in ("pca", "random"):
            codes = dense(**options, init=init).fit_transform(1000 * TABLE)
            assert (codes.std(axis=0) < 2).all()


@pytest.mark.parametrize("scale", [1e-200, 1e200])
@pytest.mark.parametrize("method", ["nearest", "mahalanobis", "reconstruction"])
def test_extreme_units_hide_no_anomaly(scale, method):
    model = detector(PCA(2), score_method=method, contamination=0.1)
    model.fit(scale * TABLE)
    outlier = np.full((1, 6), 1e10 * scale)
    assert np.isfinite(model.score_samples(outlier)).all()
    assert model.predict(outlier)[0] == -1
    assert (model.score_samples(scale * TABLE) > model.score_samples(outlier)).all()


CONSTANT = [
    np.full((20, 3), 0.1),
    np.tile([[1e-3, -7.3, 1e5]], (20, 1)),
    np.zeros((20, 3)),
    np.full((20, 3), 1e200),
]


@pytest.mark.parametrize("X", CONSTANT, ids=range(len(CONSTANT)))
@pytest.mark.parametrize("estimator", [dense(), recurrent(), convolutional()], ids=name)
def test_constant_data_have_a_score_of_zero_and_are_reconstructed(estimator, X):
    model = clone(estimator).fit(X)
    assert model.score(X) == 0
    assert model.held_out_r2_ == {"model": 0, "pca": 0, "mean": 0}
    largest = np.abs(X).max()
    np.testing.assert_allclose(model.reconstruct(X), X, atol=1e-6 * largest)


@pytest.mark.parametrize("X", CONSTANT, ids=range(len(CONSTANT)))
def test_a_detector_of_constant_data_is_finite_and_finds_what_differs(X):
    model = AutoencoderAnomalyDetector(PCA(1), contamination=0.1).fit(X)
    assert (model.predict(X) == 1).all()
    other = X[:1] + 2 * np.abs(X).max() + 1
    assert model.predict(other)[0] == -1
    assert np.isfinite(model.feature_scores(np.vstack([X, other]))).all()


def test_a_sequence_that_is_the_same_in_all_samples_has_a_score_of_zero():
    X = np.tile(SEQUENCES[:1], (20, 1, 1))
    assert recurrent().fit(X).score(X) == 0


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_classifier_does_not_depend_on_the_units(scale):
    y = np.where(TABLE[:, 0] > 0, "a", "b")
    model = classifier(dense()).fit(TABLE, y)
    other = classifier(dense()).fit(scale * TABLE, y)
    probabilities = other.predict_proba(scale * TABLE)
    np.testing.assert_allclose(probabilities, model.predict_proba(TABLE), atol=1e-5)
    np.testing.assert_allclose(other.coef_ * scale, model.coef_, rtol=1e-4, atol=1e-5)


def test_coefficients_of_the_classifier_are_in_units_of_the_codes():
    X, y = 1000 * TABLE, np.where(TABLE[:, 0] > 0, "a", "b")
    model = classifier(dense()).fit(X, y)
    logits = model.estimator_.transform(X) @ model.coef_.T + model.intercept_
    odds = np.exp(logits)
    np.testing.assert_allclose(
        odds / odds.sum(axis=1, keepdims=True), model.predict_proba(X), rtol=1e-5
    )


@pytest.mark.parametrize("offset", [1e12, 1e13, 1e14])
def test_data_far_from_zero_are_not_called_constant(offset):
    X = load_iris().data + offset
    assert dense().fit(X).score(X) > 0.9
