"""Channels with at most two values are checked by themselves, not scored jointly."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import AutoencoderAnomalyDetector
from sklearn_seqae.anomaly._channels import Channels
from sklearn_seqae.persistence import load, save
from tests.instances import dense, recurrent

SIZE, N = 24, 3000
RNG = np.random.RandomState(0)
STEPS = np.arange(N)
CLOCK = (STEPS // 150) % 2  # changes often
ON_ONCE = (STEPS >= 1500).astype(float)  # never switched off
CONSTANT = np.full(N, 3.0)
SENSORS = np.column_stack([np.sin(STEPS / 8), np.cos(STEPS / 11)])
SENSORS += 0.1 * RNG.normal(size=SENSORS.shape)
NAMES = ["clock", "heat", "pump", "flow", "valve"]
X = np.column_stack([CLOCK, SENSORS[:, 0], ON_ONCE, SENSORS[:, 1], CONSTANT])
IS_SWITCH = np.array([True, False, True, False, True])


def detector(estimator=None, **options):
    estimator = PCA(4, random_state=0) if estimator is None else estimator
    options = {"window_size": SIZE, "random_state": 0, **options}
    return AutoencoderAnomalyDetector(estimator, **options)


@pytest.fixture(scope="module", params=["centered", "trailing"])
def fitted(request):
    return detector(alignment=request.param).fit(X)


FROZEN = FrozenEstimator(PCA(4).fit(RNG.normal(size=(99, 5 * SIZE))))


def changed(channel, at, value):
    """The first 600 steps with another value of a channel."""
    series = X[:600].copy()
    series[at, channel] = value
    return series


def test_switches_have_at_most_two_values(fitted):
    np.testing.assert_array_equal(fitted.switches_, IS_SWITCH)
    with_gaps = X.copy()
    with_gaps[::7, 0] = np.nan
    model = detector(dense(), contamination=0.1).fit(with_gaps)
    np.testing.assert_array_equal(model.switches_, IS_SWITCH)


@pytest.mark.parametrize(
    ("series", "options"),
    [
        (X[:, [0, 2, 4]], {}),  # no sensor
        (X[:, [0]], {}),
        (X[:, [1, 3]], {}),  # no switch
        (X, {"switches": None}),
        (
            X,
            {"estimator": FrozenEstimator(PCA(4).fit(RNG.normal(size=(99, 5 * SIZE))))},
        ),
    ],
    ids=["switches", "one switch", "sensors", "None", "frozen"],
)
def test_all_channels_are_scored_jointly_without_switches(series, options):
    model = detector(contamination=0.05, **options).fit(series)
    assert not model.switches_.any()
    windows = model.estimator_.n_features_in_
    assert windows == SIZE * series.shape[1]


@pytest.mark.parametrize("scaler", [None, "standard"])
@pytest.mark.parametrize(
    "estimator",
    [None, dense(), pytest.param(recurrent(), marks=pytest.mark.slow)],
    ids=["default", "dense", "recurrent"],
)
def test_scores_without_events_are_those_of_the_sensors(estimator, scaler):
    options = {"contamination": 0.05, "scaler": scaler, "window_size": "auto"}
    if estimator is not None:
        options["step"] = 6
    model = detector(estimator, **options).fit(X)
    sensors = detector(estimator, **options).fit(SENSORS)
    assert model.window_size_ == sensors.window_size_
    np.testing.assert_array_equal(
        model.score_samples(X), sensors.score_samples(SENSORS)
    )
    np.testing.assert_array_equal(
        model.calibration_scores_, sensors.calibration_scores_
    )
    for method in ("reconstruction_errors", "feature_scores"):
        found = getattr(model, method)(X)
        np.testing.assert_array_equal(
            found[:, ~IS_SWITCH], getattr(sensors, method)(SENSORS)
        )
        np.testing.assert_allclose(found[:, IS_SWITCH], 0, atol=1e-12)


def test_calibration_scores_are_those_of_the_sensors(fitted):
    sensors = clone(fitted).fit(SENSORS)
    np.testing.assert_array_equal(
        fitted.calibration_scores_, sensors.calibration_scores_
    )
    assert fitted.offset_ == sensors.offset_
    assert fitted.false_alarm_rate_interval_ == sensors.false_alarm_rate_interval_


@pytest.mark.parametrize(
    ("channel", "at", "value"), [(4, 300, 4.0), (4, 300, -9.0), (0, 300, 0.5)]
)
def test_a_value_that_training_never_showed_is_an_alarm(fitted, channel, at, value):
    series = changed(channel, at, value)
    before, after = (fitted.score_samples(each) for each in (X[:600], series))
    differs = ~((before == after) | np.isnan(before))
    assert np.flatnonzero(differs).tolist() == [at]
    assert fitted.predict(series)[at] == -1
    n = len(fitted.calibration_scores_)
    assert fitted.p_values(series)[at] <= 1.01 / (n + 1)


def test_a_transition_that_training_never_showed_is_an_alarm(fitted):
    series = np.vstack([X[-100:], X[:50]])
    assert series[99, 2] == 1 and series[100, 2] == 0  # off
    away = detector(alignment=fitted.alignment).fit(X[:, [1, 3]])
    scores = fitted.score_samples(series), away.score_samples(series[:, [1, 3]])
    known = ~np.isnan(scores[0])
    differs = np.flatnonzero(known & (scores[0] != scores[1]))
    assert set(differs) <= {100}
    event = fitted._channels.scores[1]
    assert scores[0][100] == min(event, scores[1][100])


def residual_of_step(before, value, low, high, rises, falls):
    """The residual of a switch at one step, in words of the class `Channels`."""
    if np.isnan(value):
        return np.nan
    if value not in (low, high):
        nearest = low if abs(value - low) <= abs(value - high) else high
        return 0 if value == before else value - nearest
    is_known = {(low, high): rises, (high, low): falls}.get((before, value), True)
    return 0 if is_known else value - before


@pytest.mark.parametrize("case", range(6))
def test_residuals_of_switches_are_those_of_single_steps(case):
    rng = np.random.default_rng(case)
    training = np.array([[0, 2, 5], [0, 3, 5], [1, 3, 5], [0, 3, 5.0]])
    channels = Channels(np.ones(3, dtype=bool)).fit([training[:2], training[2:]])
    assert channels.rises[:2].tolist() == [False, True]
    assert channels.falls[:2].tolist() == [True, False]
    series = rng.choice([0, 1, 2, 3, 5, 2.5, 0.25, np.nan], size=(200, 3))
    found = channels.residuals(series)
    before = np.vstack([np.full(3, np.nan), series[:-1]])
    for c, known in enumerate([(0, 1, False, True), (2, 3, True, False), (5, 5, 0, 0)]):
        expected = [
            residual_of_step(*pair, *known)
            for pair in zip(before[:, c], series[:, c], strict=True)
        ]
        np.testing.assert_array_equal(found[:, c], expected)


def test_rates_count_the_events_of_held_out_blocks_and_one_more(fitted):
    n = len(fitted.calibration_scores_)
    n_events = np.array([0, 1, 0])  # other blocks do not show that the pump rises
    np.testing.assert_array_equal(fitted._channels.rates, (1 + n_events) / (1 + n))


def test_events_that_occur_in_training_are_less_rare():
    rare = X.copy()
    rare[1000:1100:2, 4] = 4  # 50 of 3,000 steps, in one block
    model = detector().fit(rare)
    often = model._channels.rates[2]
    assert 0.01 < often < 0.02 and (model._channels.rates[:1] < 0.001).all()
    series = changed(4, 300, 5.0)
    assert model.predict(series)[300] == 1  # as rare as 2 %
    model.set_false_alarm_rate(0.05)
    assert model.predict(series)[300] == -1
    assert 0.9 * often < model.p_values(series)[300] <= often


def test_a_state_that_lasts_is_one_event(fitted):
    series = changed(4, slice(300, None), 4.0)
    before, after = (fitted.score_samples(each) for each in (X[:600], series))
    differs = ~((before == after) | np.isnan(before))
    assert np.flatnonzero(differs).tolist() == [300]
    series[450, 4] = 5
    assert fitted.predict(series)[[450, 451]].tolist() == [-1, -1]  # there and back


def test_predict_and_p_values_agree_for_any_rate(fitted):
    model = pickle.loads(pickle.dumps(fitted))
    series = changed(4, slice(300, 310), 4.0)
    series[400:410, 1] = 2
    for rate in (0.0005, 0.01, 0.2):
        model.set_false_alarm_rate(rate)
        p = model.p_values(series)
        np.testing.assert_array_equal(model.predict(series) == -1, p <= rate)


def test_an_event_is_explained(fitted):
    frame = pd.DataFrame(changed(4, 300, 4.0), columns=NAMES)
    model = clone(fitted).fit(pd.DataFrame(X, columns=NAMES))
    intervals = model.detect_intervals(frame)
    assert [300, 300] in intervals[["start", "end"]].values.tolist()
    causes = model.explain(frame)
    row = intervals.index[intervals["start"] == 300][0]
    cause = causes[causes["row"] == row].iloc[0]
    assert cause[["feature", "time", "value"]].tolist() == ["valve", 300, 4.0]
    assert cause["expected"] == pytest.approx(3) and cause["share"] > 0.5
    scores = model.feature_scores(frame)
    assert scores[300].argmax() == 4 and scores[299, 4] == scores[301, 4] == 0
    assert model.reconstruction_errors(frame)[300, 4] == pytest.approx(1)


@pytest.mark.parametrize("size", [1, SIZE])
@pytest.mark.parametrize("scaler", [None, "standard"])
def test_a_stream_has_the_bits_of_the_whole_series(size, scaler):
    options = {"window_size": size, "alignment": "trailing", "scaler": scaler}
    model = detector(PCA(1, random_state=0), **options).fit(X)
    series = np.vstack([changed(4, slice(300, 303), 4.0), X[-100:], X[:50]])
    rng, stream, parts, first = np.random.RandomState(0), model.stream(), [], 0
    while first < len(series):
        n = rng.randint(1, 9)
        parts.append(stream.update(series[first : first + n], explain=True))
        first += n
    frame = pd.concat(parts)
    np.testing.assert_array_equal(frame["score"], model.score_samples(series))
    np.testing.assert_array_equal(frame["alarm"], model.predict(series) == -1)
    np.testing.assert_array_equal(frame.iloc[:, 3:], model.feature_scores(series))
    assert frame["alarm"][300] and frame["alarm"][700]


def test_several_series_share_their_switches():
    parts = [X[:1400], X[1400:]]
    model = detector().fit(parts)
    np.testing.assert_array_equal(model.switches_, IS_SWITCH)
    scores = model.score_samples([X[:600], changed(4, 300, 4.0)])
    assert np.flatnonzero(scores[0] != scores[1]).tolist() == [300]


def test_known_anomalies_do_not_define_switches():
    series = changed(4, slice(300, 310), 4.0)
    labels = np.zeros(600, dtype=int)
    labels[300:310] = -1
    model = detector(contamination=0.05).fit(series, labels=labels)
    assert model.switches_[4]
    assert model.predict(series)[300] == -1


def test_missing_values_of_a_switch_are_no_events():
    model = detector(dense(), contamination=0.05).fit(X)
    series = X[:600].copy()
    series[200:210, [0, 4]] = np.nan
    np.testing.assert_array_equal(
        model.score_samples(series), model.score_samples(X[:600])
    )
    assert np.isnan(model.reconstruction_errors(series)[200:210, [0, 4]]).all()


def test_a_pipeline_around_a_fitted_step_scores_all_channels():
    scaler = FrozenEstimator(StandardScaler().fit(RNG.normal(size=(99, 5 * SIZE))))
    model = detector(make_pipeline(scaler, PCA(2)), contamination=0.1).fit(X)
    assert not model.switches_.any()


def test_files_and_pickles_keep_switches(fitted, tmp_path):
    series = changed(4, 300, 4.0)
    save(fitted, tmp_path / "detector")
    copies = load(tmp_path / "detector"), pickle.loads(pickle.dumps(fitted))
    for copy in copies:
        for method in ("score_samples", "predict", "feature_scores"):
            np.testing.assert_array_equal(
                getattr(copy, method)(series), getattr(fitted, method)(series)
            )
        pd.testing.assert_frame_equal(copy.explain(series), fitted.explain(series))


def test_the_summary_names_the_number_of_switches(fitted):
    assert "3 of 5 channels, not scored jointly" in fitted.summary()


def test_samples_have_no_switches():
    table = X[::20]
    model = AutoencoderAnomalyDetector(PCA(2), contamination=0.1).fit(table)
    assert model.switches_ is None and model.estimator_.n_features_in_ == 5
