"""Intervals of alarms: where an event starts and ends, and its moment."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.utils import estimator_html_repr

from sklearn_seqae import AutoencoderAnomalyDetector
from sklearn_seqae.anomaly._intervals import IntervalRule
from tests.drawing import with_attributes
from tests.instances import dense

WINDOW, N_STEPS = 48, 3000
both_alignments = pytest.mark.parametrize("alignment", ["centered", "trailing"])


def wave(n_steps=N_STEPS, n_channels=1, seed=0):
    steps = np.arange(n_steps)[:, np.newaxis]
    noise = np.random.RandomState(seed).normal(size=(n_steps, n_channels))
    return np.sin(steps / 4 + np.arange(n_channels)) + 0.1 * noise


def detector(estimator=None, **options):
    options = {"window_size": WINDOW, "false_alarm_rate": 0.02, **options}
    return AutoencoderAnomalyDetector(
        PCA(6) if estimator is None else estimator, random_state=0, **options
    )


def with_events(X, lengths, seed=1):
    """Plant events of these lengths, 400 steps apart. Return X and their edges."""
    X, rng, edges = X.copy(), np.random.RandomState(seed), []
    for number, length in enumerate(lengths):
        start = 300 + 400 * number + rng.randint(50)
        kind, at = number % 3, slice(start, start + length)
        if kind == 0:
            X[at] += 2
        elif kind == 1:
            X[at] += 1.5 * rng.normal(size=X[at].shape)
        else:
            X[at] *= -1.5
        edges.append((start, start + length - 1))
    return X, edges


def overlaps(found, edges):
    """Return the best IoU of each event with an interval."""
    ious = []
    for start, end in edges:
        shared = np.minimum(found["end"], end) - np.maximum(found["start"], start) + 1
        joint = np.maximum(found["end"], end) - np.minimum(found["start"], start) + 1
        ious.append((np.maximum(shared, 0) / joint).max())
    return np.array(ious)


@both_alignments
@pytest.mark.parametrize("estimator", [PCA(6), dense(6)], ids=["PCA", "dense"])
@pytest.mark.parametrize("step", [1, 5])
@pytest.mark.filterwarnings("ignore:A false-alarm rate of")
def test_an_interval_is_as_long_as_its_event(estimator, alignment, step):
    X, edges = with_events(wave(seed=2), [5, 10, 20, 40, 70, 100])
    model = detector(estimator, alignment=alignment, step=step).fit(wave())
    found = model.detect_intervals(X)
    assert np.median(overlaps(found, edges)) > 0.8
    starts = found["start"].to_numpy()
    away = [np.abs(starts - start).min() for start, _ in edges]
    assert np.median(away) <= 0.05 * WINDOW


@both_alignments
def test_what_is_an_alarm_does_not_depend_on_intervals(alignment):
    X, edges = with_events(wave(seed=2), [20, 40])
    model = detector(alignment=alignment).fit(wave())
    p = model.p_values(X)
    labels = model.predict(X)
    np.testing.assert_array_equal(labels == -1, p <= model.false_alarm_rate)
    found = model.detect_intervals(X)
    # The steps whose windows contain a part of the interval.
    before = WINDOW - 1 if alignment == "centered" else 0
    for interval in found.itertuples():
        near = slice(max(0, interval.start - before), interval.end + WINDOW)
        alarms = model.score_samples(X)[near][labels[near] == -1]
        assert interval.score == alarms.min()


@both_alignments
def test_the_moment_of_an_event_is_named(alignment):
    X = wave(n_channels=3, seed=2)
    X[1500:1510, 1] += 1
    X[1506, 1] += 4
    times = pd.date_range("2026-01-01", periods=N_STEPS, freq="min")
    names = ["a", "b", "c"]
    train = pd.DataFrame(wave(n_channels=3), index=times, columns=names)
    model = detector(alignment=alignment).fit(train)
    causes = model.explain(pd.DataFrame(X, index=times, columns=names), n_causes=1)
    assert list(causes.columns[:3]) == ["row", "peak", "time"]
    event = causes[causes["peak"] == times[1506]]
    assert list(event["feature"]) == ["b"] and list(event["time"]) == [times[1506]]
    assert event["value"].item() == X[1506, 1]
    assert abs(event["expected"].item() - wave(n_channels=3)[1506, 1]) < 1


RULE = {"size": 10, "trailing": False, "gap": 10, "min_drop": 0.0, "usual": 1.0}


def intervals_of(errors, alarms, cuts=(), **options):
    is_alarm = np.zeros(len(errors), dtype=bool)
    is_alarm[alarms] = True
    scores = np.where(is_alarm, -5.0, -1.0)
    found = IntervalRule(**{**RULE, **options}).intervals(
        scores, is_alarm, np.asarray(errors, dtype=float), cuts
    )
    return [(start, end) for start, end, _ in found]


def quiet(*events, n=60):
    errors = np.full(n, 0.5)
    for start, end in events:
        errors[start : end + 1] = 4
    return errors


@pytest.mark.parametrize(
    ("events", "alarms", "options", "expected"),
    [
        pytest.param([(20, 24)], slice(12, 32), {}, [(20, 24)], id="one event"),
        pytest.param([], slice(12, 32), {}, [(12, 31)], id="no step stands out"),
        pytest.param([(20, 22), (25, 27)], slice(12, 35), {}, [(20, 27)], id="near"),
        pytest.param(
            [(15, 17), (38, 40)], slice(8, 48), {}, [(15, 17), (38, 40)], id="far"
        ),
        pytest.param(
            [(15, 17), (38, 40)], slice(8, 48), {"gap": 30}, [(15, 40)], id="gap"
        ),
        pytest.param(
            [(12, 14), (40, 42)],
            [*range(8, 20), *range(34, 46)],
            {"gap": 20},
            [(12, 42)],
            id="alarms closer than the gap, events farther apart",
        ),
        pytest.param(
            [(20, 24)], slice(23, 33), {"trailing": True}, [(20, 24)], id="trailing"
        ),
        pytest.param(
            [(20, 24)],
            slice(23, 33),
            {"trailing": True, "cuts": [22]},
            [(22, 24)],
            id="trailing, after a cut",
        ),
        pytest.param(
            [(18, 24)], slice(12, 32), {"cuts": [22]}, [(18, 21), (22, 24)], id="cut"
        ),
    ],
)
def test_an_interval_is_the_range_of_large_errors(events, alarms, options, expected):
    assert intervals_of(quiet(*events), alarms, **options) == expected


@pytest.mark.parametrize(
    ("min_drop", "kept"), [(0, [0, 1, 2]), (0.3, [0, 1, 2]), (0.5, [0, 2]), (0.7, [])]
)
def test_intervals_before_the_last_large_drop_are_kept(min_drop, kept):
    events, lowest = [(10, 12), (40, 41), (70, 73)], [-9.0, -3.0, -10.0]
    errors, scores = quiet(*events, n=100), np.full(100, -1.0)
    scores[90] = -2.0  # the lowest score outside of the alarms
    for (start, end), score in zip(events, lowest, strict=True):
        scores[start : end + 1] = score
    rule = IntervalRule(**{**RULE, "min_drop": min_drop})
    found = rule.intervals(scores, scores < -2, errors)
    expected = [(*event, score) for event, score in zip(events, lowest, strict=True)]
    assert found == [expected[number] for number in kept]


def test_steps_that_cause_an_alarm_by_themselves_are_an_interval():
    is_exact = np.isin(np.arange(60), [10, 11, 12, 40])
    rule, scores = IntervalRule(**RULE), np.where(is_exact, -5.0, -1.0)
    found = rule.intervals(scores, is_exact, quiet(), (), is_exact)
    assert found == [(10, 12, -5), (40, 40, -5)]


def test_steps_without_an_error_are_in_no_interval():
    errors = quiet((20, 24))
    errors[25:29] = errors[16:20] = np.nan
    assert intervals_of(errors, slice(12, 32)) == [(20, 24)]
    errors[22] = np.nan  # inside of an event
    assert intervals_of(errors, slice(12, 32)) == [(20, 24)]


def test_without_alarms_there_are_no_intervals():
    assert intervals_of(quiet((20, 24)), slice(0, 0)) == []


@pytest.mark.filterwarnings("ignore:A false-alarm rate of")
def test_the_summary_names_threshold_rate_window_and_calibration():
    model = detector(alignment="trailing", scaler="standard", step=2).fit(wave())
    text = model.summary()
    low, high = model.false_alarm_rate_interval_
    n_windows = model._calibration.n_independent
    for part in (
        *("PCA", "StandardScaler", "48 time steps, trailing, step 2"),
        *(f"{model.offset_:.4g}", "0.02 of the normal time steps"),
        *(f"{low:.2g} to {high:.2g}", f"{n_windows} windows that do not overlap"),
        f"{len(model.calibration_scores_):,} time steps",
    ):
        assert part in text


@with_attributes
@pytest.mark.filterwarnings("ignore:A false-alarm rate of")
def test_the_diagram_has_the_summary():
    model = detector(alignment="trailing", scaler="standard", step=2).fit(wave())
    html = estimator_html_repr(model)
    assert "Detector summary" in html and f"{model.offset_:.4g}" in html
    assert "Detector summary" not in estimator_html_repr(clone(model))
    model.set_false_alarm_rate(0.1)
    assert "0.1 of the normal" in model.summary()
    rows = wave(60, 3)
    shares = AutoencoderAnomalyDetector(PCA(2), contamination=0.1).fit(rows).summary()
    assert "10.00% of the samples" in shares and "60 samples" in shares
    with pytest.raises(NotFittedError):
        clone(model).summary()
