"""Which feature, and when: what the detector says beside the score."""

import numpy as np
import pandas as pd
import pytest
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError

from sklearn_seqae import AutoencoderAnomalyDetector, displays
from sklearn_seqae.anomaly._attribution import Attribution
from tests.instances import dense, recurrent

PLAIN = {"contamination": 0.05, "random_state": 0}


@pytest.fixture(scope="module")
def plant():
    """500 rows of 8 columns with 3 causes, and 100 of them with a wrong value each."""
    rng = np.random.RandomState(0)
    rows = rng.normal(size=(600, 3)) @ rng.normal(size=(3, 8))
    rows += 0.2 * rng.normal(size=rows.shape)
    planted = rng.randint(8, size=100)
    spoilt = rows[500:].copy()
    spoilt[np.arange(100), planted] += rng.choice([-4, 4], size=100)
    return rows[:500], spoilt, planted


@pytest.mark.parametrize("estimator", [PCA(3), dense(3, max_iter=20)], ids=str)
def test_the_feature_that_was_spoilt_is_the_first_cause(plant, estimator):
    X, spoilt, planted = plant
    model = AutoencoderAnomalyDetector(estimator, **PLAIN).fit(X)
    causes = model.explain(spoilt, n_causes=1)
    assert len(causes) > 50
    right = causes["feature"] == [f"x{planted[row]}" for row in causes["row"]]
    assert right.mean() >= 0.9


def test_causes_are_tidy(plant):
    X, spoilt, _ = plant
    columns = [f"sensor{i}" for i in range(8)]
    frame = pd.DataFrame(spoilt, columns=columns).add_suffix("")
    frame.index = [f"row{i}" for i in range(100)]
    model = AutoencoderAnomalyDetector(PCA(3), **PLAIN)
    model.fit(pd.DataFrame(X, columns=columns))
    causes = model.explain(frame)
    assert list(causes.columns) == ["row", "feature", "value", "expected", "share"]
    alarms = frame.index[model.predict(frame) == -1]
    assert list(causes["row"].unique()) == list(alarms)
    assert causes.groupby("row").size().eq(3).all()
    assert causes.groupby("row")["share"].is_monotonic_decreasing.all()
    assert causes["share"].between(0, 1).all()
    errors = model.reconstruction_errors(frame)
    for cause in causes.itertuples():
        assert cause.value == frame.loc[cause.row, cause.feature]
        expected = cause.value - errors.loc[cause.row, cause.feature]
        assert cause.expected == pytest.approx(expected)


def test_without_alarms_there_are_no_causes(plant):
    model = AutoencoderAnomalyDetector(PCA(3), **PLAIN).fit(plant[0])
    quiet = plant[0][[model.score_samples(plant[0]).argmax()]]
    assert len(model.explain(quiet)) == 0


@pytest.mark.parametrize("n_features", [1, 8])
def test_errors_are_what_x_is_more_than_its_reconstruction(plant, n_features):
    X = plant[0][:, :n_features]
    model = AutoencoderAnomalyDetector(PCA(1), **PLAIN).fit(X)
    pca = PCA(1).fit(X)
    expected = X - pca.inverse_transform(pca.transform(X))
    np.testing.assert_allclose(model.reconstruction_errors(X), expected, atol=1e-9)
    assert (model.feature_scores(X) >= 0).all()


@pytest.mark.parametrize("width", [3, 8, 120])
def test_an_attribution_is_the_decrease_in_distance_by_the_most_likely_value(width):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(90, width)) @ rng.normal(size=(width, width)) + 5
    rows[:, 1] = 5 + 1e-9 * rng.normal(size=90)  # nearly constant
    new = rows[:7] + rng.normal(size=(7, width))
    new[:, 1] = 5.3
    found = Attribution().fit(rows, 4.0).of(new)
    spread = rows.std(axis=0)
    spread = np.maximum(spread, 0.01 * np.sqrt(np.mean(spread**2)))
    standardized = (rows - rows.mean(axis=0)) / spread
    covariance = LedoitWolf().fit(standardized)
    others = (new - rows.mean(axis=0)) / spread
    before = covariance.mahalanobis(others)
    for column in (0, 1, width - 1):
        rest = np.delete(np.arange(width), column)
        within = covariance.covariance_[np.ix_(rest, rest)]
        slopes = np.linalg.solve(within, covariance.covariance_[rest, column])
        corrected = others.copy()
        corrected[:, column] = others[:, rest] @ slopes
        decrease = before - covariance.mahalanobis(corrected)
        np.testing.assert_allclose(found[:, column], decrease, rtol=1e-3, atol=1e-6)


def test_errors_of_sequences_keep_their_shapes(ragged):
    model = AutoencoderAnomalyDetector(recurrent(), **PLAIN).fit(ragged)
    errors = model.reconstruction_errors(ragged)
    rebuilt = model.estimator_.reconstruct(ragged)
    for x, error, back in zip(ragged, errors, rebuilt, strict=True):
        np.testing.assert_allclose(x - error, back, atol=1e-6)
    steps = model.step_scores(ragged)
    assert [len(each) for each in steps] == [len(each) for each in ragged]
    features = model.feature_scores(ragged)
    assert features.shape == (len(ragged), 3)
    totals = [each.mean() for each in steps]
    np.testing.assert_allclose(features.sum(axis=1), totals)


def test_a_channel_and_a_moment_are_found_in_sequences(digits):
    model = AutoencoderAnomalyDetector(recurrent(), **PLAIN).fit(digits)
    spoilt = digits[:30].copy()
    spoilt[:, 4, 1] += 6
    causes = model.explain(spoilt, n_causes=1)
    assert len(causes) > 20
    assert (causes["feature"] == "x1").mean() >= 0.9
    assert (causes["time"] == 4).mean() >= 0.9


@pytest.mark.parametrize("scaler", [None, "standard"])
def test_an_alarm_of_a_short_sequence_is_explained_by_its_own_steps(ragged, scaler):
    model = AutoencoderAnomalyDetector(recurrent(), scaler=scaler, **PLAIN).fit(ragged)
    row = [len(item) for item in ragged].index(4)
    X = [ragged[model.score_samples(ragged).argmax()], ragged[row].copy()]
    X[1][2, 1] += 9
    causes = model.explain(X, n_causes=9)
    assert (causes["row"] == 1).all() and set(causes["feature"]) == {"x0", "x1", "x2"}
    assert causes[["feature", "time"]].iloc[0].tolist() == ["x1", 2]
    assert causes["share"].sum() == pytest.approx(1)
    expected = X[1] - model.reconstruction_errors(X)[1]
    for cause in causes.itertuples():
        at = cause.time, int(cause.feature[1:])
        assert cause.value == X[1][at]
        assert cause.expected == pytest.approx(expected[at])


def test_a_channel_and_an_interval_are_found_in_a_series():
    rng = np.random.RandomState(0)
    steps = np.arange(2000)
    phases = rng.uniform(0, 6, size=(1, 6))
    X = np.sin(steps[:, None] / 7 + phases) + 0.05 * rng.normal(size=(2000, 6))
    model = AutoencoderAnomalyDetector(PCA(8), window_size=30, **PLAIN).fit(X[:1000])
    right = []
    for channel in range(6):
        spoilt = X[1000:].copy()
        spoilt[500:520, channel] += 1.5
        intervals = model.detect_intervals(spoilt)
        causes = model.explain(spoilt, n_causes=1)
        assert list(causes["row"]) == list(range(len(intervals)))
        worst = intervals["score"].idxmin()
        cause = causes.loc[worst]
        right.append(cause["feature"] == f"x{channel}" and 490 < cause["time"] < 530)
    assert np.mean(right) >= 0.9


def test_what_needs_time_steps_says_so(plant):
    model = AutoencoderAnomalyDetector(PCA(3), **PLAIN).fit(plant[0])
    with pytest.raises(ValueError, match="step.*set 'window_size'"):
        model.step_scores(plant[0])
    with pytest.raises(ValueError, match="detect_intervals requires a series"):
        model.detect_intervals(plant[0])


@pytest.mark.parametrize(
    "method",
    [
        *["reconstruction_errors", "feature_scores", "step_scores", "explain"],
        *["detect_intervals", "p_values"],
    ],
)
def test_methods_before_fit_raise(plant, method):
    with pytest.raises(NotFittedError):
        getattr(AutoencoderAnomalyDetector(PCA(3)), method)(plant[0])


@pytest.mark.usefixtures("pyplot")
def test_the_display_draws_the_features_below(plant):
    X, spoilt, planted = plant
    model = AutoencoderAnomalyDetector(PCA(3), **PLAIN).fit(X)
    display = displays.AnomalyScoreDisplay.from_estimator(model, spoilt, features=True)
    heat = display.heat_map_.get_array().reshape(8, 100)
    np.testing.assert_allclose(np.square(heat).T, model.feature_scores(spoilt))
    assert display.features_ax_ is not display.ax_
