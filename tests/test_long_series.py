"""The detector on long series: a value per time step, from windows."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import AutoencoderAnomalyDetector, DenseAutoencoderTransformer
from sklearn_seqae.anomaly._series import Windows, dominant_period
from sklearn_seqae.anomaly._tail import PER_WINDOW, SHARE
from sklearn_seqae.datasets import load_nyc_taxi
from tests.instances import dense, recurrent

WINDOW = 20
METHODS = ["score_samples", "decision_function", "predict", "p_values"]
LABELS = np.repeat([1, -1, 1], [300, 15, 185])


def detector(estimator=None, **options):
    options = {"window_size": WINDOW, "contamination": 0.05, **options}
    estimator = PCA(4) if estimator is None else estimator
    return AutoencoderAnomalyDetector(estimator, random_state=0, **options)


@pytest.fixture(scope="module")
def series():
    """500 steps of two channels; from step 300 on the second stands still for 15."""
    steps = np.arange(500)
    noise = np.random.RandomState(0).normal(size=(500, 2)) * 0.1
    waves = np.column_stack([np.sin(steps / 3), np.cos(steps / 3) * 20])
    waves[300:315, 1] = 0
    return waves + noise * [1, 20]


@pytest.mark.parametrize(
    "estimator",
    [PCA(4), make_pipeline(StandardScaler(), PCA(4)), dense(), recurrent()],
    ids=["PCA", "Pipeline", "dense", "recurrent"],
)
@pytest.mark.parametrize("alignment", ["centered", "trailing"])
def test_each_time_step_has_a_value(series, estimator, alignment):
    model = detector(estimator, alignment=alignment).fit(series)
    for method in METHODS:
        values = getattr(model, method)(series)
        first = WINDOW - 1 if alignment == "trailing" else 0
        assert values.shape == (500,) and np.isfinite(values[first:]).all()
    for method in ("reconstruction_errors", "feature_scores"):
        assert getattr(model, method)(series).shape == (500, 2)
    assert model.step_scores(series).shape == (500,)


@pytest.mark.parametrize("step", [1, 3])
@pytest.mark.parametrize("alignment", ["centered", "trailing"])
def test_the_anomalous_steps_are_found(series, step, alignment):
    model = make_pipeline(StandardScaler(), detector(step=step, alignment=alignment))
    scores = model.fit(series).score_samples(series)
    scored = ~np.isnan(scores)
    assert roc_auc_score(LABELS[scored], scores[scored]) > 0.9
    intervals = model[-1].detect_intervals(model[0].transform(series))
    best = intervals.loc[intervals["score"].idxmin()]
    assert best["start"] <= 315 + WINDOW and best["end"] >= 300


def test_the_default_reads_windows_as_rows_of_a_dense_network(series):
    model = AutoencoderAnomalyDetector(
        window_size=WINDOW, contamination=0.1, random_state=0
    ).fit(series / [1, 20])
    assert isinstance(model.estimator_, DenseAutoencoderTransformer)
    assert model.estimator_.n_features_in_ == 2 * WINDOW
    assert roc_auc_score(LABELS, model.score_samples(series / [1, 20])) > 0.9


def test_the_default_puts_pca_before_the_network_where_windows_are_wide(series):
    wide = np.hstack([series / [1, 20]] * 7)
    model = AutoencoderAnomalyDetector(
        window_size=WINDOW, contamination=0.1, step=5, random_state=0
    ).fit(wide)
    assert [type(step).__name__ for _, step in model.estimator_.steps] == [
        "PCA",
        "DenseAutoencoderTransformer",
    ]
    assert roc_auc_score(LABELS, model.score_samples(wide)) > 0.9


TRAILING = ("score_samples", "reconstruction_errors", "feature_scores")


@pytest.mark.parametrize("rows", [[100], [100, 101, 350], [499]])
@pytest.mark.parametrize("estimator", [dense(2), recurrent(2)], ids=["dense", "lstm"])
def test_trailing_scores_of_a_series_so_far_are_the_same_bits(series, estimator, rows):
    model = detector(estimator, alignment="trailing").fit(series)
    for row, method in product(rows, TRAILING):
        whole = getattr(model, method)(series)
        so_far = getattr(model, method)(series[: row + 1])
        np.testing.assert_array_equal(so_far, whole[: row + 1], err_msg=method)


@pytest.mark.parametrize("row", [100, 101, 350, 498])
def test_trailing_scores_use_nothing_later(series, row):
    model = detector(alignment="trailing").fit(series)  # PCA: numpy's own products
    other = series.copy()
    other[row + 1 :] *= -5
    for method in TRAILING:
        whole = getattr(model, method)(series)[: row + 1]
        np.testing.assert_array_equal(getattr(model, method)(other)[: row + 1], whole)
        so_far = getattr(model, method)(series[: row + 1])
        np.testing.assert_allclose(so_far, whole, rtol=1e-9, err_msg=method)


def test_centered_scores_are_the_mean_of_the_windows_that_cover_a_step(series):
    model = detector().fit(series)
    alone = [model.score_samples(series[i : i + WINDOW])[0] for i in range(81, 101)]
    np.testing.assert_allclose(model.score_samples(series)[100], np.mean(alone))


STEPS = [*METHODS, "reconstruction_errors", "feature_scores", "step_scores"]


@pytest.mark.parametrize("step", [1, 7])
@pytest.mark.parametrize("alignment", ["centered", "trailing"])
def test_steps_without_a_window_have_no_score_in_any_method(series, step, alignment):
    model = detector(alignment=alignment, step=step).fit(series)
    ends = np.append(np.arange(WINDOW - 1, 500, step), 499)
    scored = np.isin(np.arange(500), ends) | (alignment == "centered")
    for method in STEPS:
        values = np.asarray(getattr(model, method)(series)).reshape(500, -1)
        if method == "predict":
            assert (values[~scored] == 1).all()
        else:
            np.testing.assert_array_equal(np.isnan(values).any(axis=1), ~scored)
    assert not np.isnan(model.calibration_scores_).any()


@pytest.mark.parametrize("step", [1, 7, WINDOW])
@pytest.mark.parametrize("n", [WINDOW, WINDOW + 1, 2 * WINDOW - 3])
@pytest.mark.parametrize("alignment", ["centered", "trailing"])
def test_the_newest_step_of_a_short_series_is_scored(series, step, n, alignment):
    model = detector(alignment=alignment, step=step).fit(series)
    for method in [*STEPS, "explain", "detect_intervals"]:
        assert getattr(model, method)(series[-n:]) is not None
    newest = model.score_samples(series[-n:])[-1]
    np.testing.assert_allclose(newest, model.score_samples(series)[-1])


@pytest.mark.parametrize("step", [1, 3, 5])
@pytest.mark.parametrize("size", [1, 5])
@pytest.mark.parametrize("n_steps", [5, 6, 11, 20])
def test_windows_start_a_step_apart_and_the_last_one_ends_with_the_series(
    n_steps, size, step
):
    starts = Windows(size, min(step, size), False, False).starts(n_steps)
    assert starts[0] == 0 and starts[-1] == n_steps - size
    gaps = np.diff(starts)
    assert (gaps[:-1] == min(step, size)).all()
    assert ((gaps > 0) & (gaps <= min(step, size))).all()


def test_a_step_larger_than_the_window_is_refused(series):
    with pytest.raises(
        ValueError, match="'step' parameter must be at most .* 20. Got 21"
    ):
        detector(step=WINDOW + 1).fit(series)


def test_no_window_crosses_the_seam_of_two_series(series):
    parts = [series[:200], series[200:]]
    model = detector().fit(parts)
    for method in [*METHODS, "reconstruction_errors", "step_scores"]:
        both = getattr(model, method)(parts)
        assert [len(values) for values in both] == [200, 300]
        for values, part in zip(both, parts, strict=True):
            np.testing.assert_array_equal(values, getattr(model, method)([part])[0])
    intervals = model.detect_intervals(parts)
    assert list(intervals.columns) == ["series", "start", "end", "score"]
    strange = intervals.loc[intervals["score"].idxmin()]
    assert strange["series"] == 1 and strange["start"] <= 115 <= strange["end"] + WINDOW


def test_times_come_back(series):
    times = pd.date_range("2024-01-01", periods=500, freq="h")
    X = pd.DataFrame(series, index=times, columns=["load", "heat"])
    model = detector().fit(X)
    for method in ("score_samples", "decision_function", "p_values", "step_scores"):
        values = getattr(model, method)(X)
        pd.testing.assert_index_equal(values.index, times)
        plain = getattr(model, method)(series_like(X))
        np.testing.assert_array_equal(values, plain)
    errors = model.reconstruction_errors(X)
    assert list(errors.columns) == ["load", "heat"]
    intervals = model.detect_intervals(X)
    assert intervals["start"].isin(times).all() and intervals["end"].isin(times).all()
    assert (intervals["end"] >= intervals["start"]).all()
    assert model.explain(X)["time"].isin(times).all()


def series_like(X):
    """The same columns without their times."""
    return X.reset_index(drop=True)


def test_the_automatic_window_has_two_periods():
    steps = np.arange(3000)
    for period, expected in [(70, 140), (9, 100), (400, 250)]:
        X = np.sin(steps * 2 * np.pi / period)[:, None]
        model = detector(window_size="auto", step=50).fit(X)
        assert model.window_size_ == pytest.approx(expected, abs=2)


@pytest.mark.parametrize("seed", range(8))
def test_the_period_is_the_highest_peak_of_the_autocorrelation(seed):
    rng, steps = np.random.RandomState(seed), np.arange(600)
    values = sum(
        rng.uniform(0.2, 1) * np.sin(2 * np.pi * steps / period)
        for period in rng.uniform(5, 90, size=4)
    )
    values = values + rng.normal(size=600)
    values -= values.mean()
    curve = np.correlate(values, values, "full")[599:800]
    peaks = np.flatnonzero((curve[1:-1] > curve[:-2]) & (curve[1:-1] >= curve[2:])) + 1
    peaks = peaks[peaks >= 3]
    assert dominant_period(values[:, np.newaxis]) == peaks[np.argmax(curve[peaks])]


@pytest.mark.parametrize("n_channels", [1, 2])
def test_gaps_do_not_change_the_period(n_channels):
    steps = np.arange(500)
    values = np.sin(2 * np.pi * steps / 24)[:, np.newaxis] + np.arange(n_channels) * 1e3
    values[np.random.RandomState(0).uniform(size=500) < 0.1] = np.nan
    assert dominant_period(values) == 24


def test_an_automatic_window_leaves_four_in_a_short_series(series):
    assert detector(window_size="auto").fit(series[:200]).window_size_ == 50
    constant = np.ones((300, 1))
    assert detector(window_size="auto").fit(constant).window_size_ == 75


def test_a_series_shorter_than_the_window_raises(series):
    with pytest.raises(ValueError, match="X with 10 sample.*minimum of 20"):
        detector().fit(series[:10])
    with pytest.raises(ValueError, match="series 1 of X with 10 sample"):
        detector().fit([series, series[:10]])
    with pytest.raises(ValueError, match="refit with a smaller 'window_size'"):
        detector().fit(series).predict(series[:10])


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_steps_are_calibrated_by_blocks_that_were_held_out(rate):
    found = []
    for seed in range(6):
        noise = np.random.RandomState(seed).normal(size=(3000, 1))
        X = np.sin(np.arange(3000) / 5)[:, None] + 0.3 * noise
        model = detector(contamination="auto", false_alarm_rate=rate).fit(X[:2000])
        found.append(np.mean(model.predict(X[2000:]) == -1))
    assert np.mean(found) == pytest.approx(rate, rel=0.4)


@pytest.mark.parametrize("length", [WINDOW, 2 * WINDOW])
def test_short_series_are_calibrated_by_models_that_have_not_seen_them(length):
    steps = np.random.RandomState(0).uniform(0, 9, size=(100, 1)) + np.arange(length)
    noise = np.random.RandomState(1).normal(size=steps.shape)
    X = (np.sin(steps / 5) + 0.3 * noise)[:, :, np.newaxis]
    model = detector(PCA(10), contamination="auto", false_alarm_rate=0.1).fit(X[:60])
    flagged = np.mean(np.stack(model.predict(X[60:])) == -1)
    assert flagged == pytest.approx(0.1, abs=0.06)
    assert len(model.calibration_scores_) == 60 * length


@pytest.mark.parametrize(("alignment", "n_edges"), [("centered", 8), ("trailing", 5)])
def test_steps_beside_a_cut_do_not_calibrate(series, alignment, n_edges):
    options = {"contamination": "auto", "false_alarm_rate": 0.1}
    model = detector(alignment=alignment, **options).fit(series)
    n = 500 - n_edges * (WINDOW - 1)  # five pieces; ends of the series are no cuts
    assert len(model.calibration_scores_) == n
    assert model._calibration.n_independent == n // WINDOW


@pytest.mark.parametrize("step", [1, 5])
@pytest.mark.parametrize(("alignment", "share"), [("centered", 0.5), ("trailing", 1)])
def test_windows_that_do_not_overlap_are_counted(series, alignment, share, step):
    n_steps = 500 if alignment == "centered" else 500 - WINDOW + 1
    tail = detector(alignment=alignment, step=step).fit(series)._calibration
    n = n_steps // WINDOW
    assert tail.n_independent == n
    # A centered score depends on the steps before and after: fewer are independent.
    assert tail.n_effective == pytest.approx(share * PER_WINDOW * SHARE * n)


def test_few_windows_are_warned_about_in_fit(series):
    with pytest.warns(UserWarning, match="99 training windows that do not overlap"):
        model = detector(contamination="auto").fit(series)
    low, high = model.false_alarm_rate_interval_
    assert low < 0.01 / 2 and high > 0.01 * 2


@pytest.mark.filterwarnings("ignore:A false-alarm rate of 0.01 needs")
@pytest.mark.parametrize("window_size", [24, 48])
def test_weeks_of_taxis_without_labels_are_flagged_at_the_rate(window_size):
    taxi = load_nyc_taxi()
    weeks = (taxi.data[: 30 * 336] / taxi.data.std()).reshape(30, 336, 1)
    labelled = taxi.target[: 30 * 336].reshape(30, 336).any(axis=1)
    ordinary = weeks[~labelled]
    found = []
    for fitted, new in [(0, 1), (1, 0)]:
        model = detector(PCA(8), window_size=window_size, contamination="auto")
        model.fit(ordinary[fitted::2])
        found.append(np.mean(np.stack(model.predict(ordinary[new::2])) == -1))
        assert np.mean(np.stack(model.predict(weeks[labelled])) == -1) > 0.02
    # One direction has more alarms: 2 to 5 July contain a holiday without a label.
    assert 0 < np.mean(found) < 0.02 and max(found) < 0.025


def test_the_default_code_is_narrow_where_windows_are_few(series):
    few = series.reshape(10, 50, 2)
    model = AutoencoderAnomalyDetector(window_size=50, false_alarm_rate=0.2).fit(few)
    assert model.estimator_.n_components == 2


def test_the_size_of_the_code_is_searched_with_labels_in_the_order_of_time(series):
    pipeline = make_pipeline(StandardScaler(), detector(contamination=0.1))
    name = "autoencoderanomalydetector__"
    search = GridSearchCV(
        pipeline,
        {f"{name}estimator__n_components": [2, 6], f"{name}window_size": [10, 20]},
        scoring="roc_auc",
        cv=TimeSeriesSplit(2, test_size=400),
    ).fit(np.vstack([series, series]), np.tile(LABELS, 2))
    assert search.best_score_ > 0.9


def test_a_copy_of_a_fitted_detector_scores_alike(series):
    import pickle

    model = detector(dense()).fit(series)
    copied = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        copied.score_samples(series), model.score_samples(series)
    )
    again = clone(model).fit(series)
    np.testing.assert_array_equal(
        again.score_samples(series), model.score_samples(series)
    )
