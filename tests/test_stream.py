"""Scores of rows as they arrive, compared with the scores of the whole series."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA, KernelPCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import AutoencoderAnomalyDetector
from sklearn_seqae.anomaly import AnomalyStream
from tests.instances import dense, recurrent

SIZE, N_STEPS = 12, 150
ESTIMATORS = {
    "PCA": PCA(3),
    "scaled PCA": make_pipeline(StandardScaler(), PCA(3)),
    "kernel PCA": KernelPCA(3, kernel="rbf", fit_inverse_transform=True),
    "dense": dense(),
    "PCA and dense": make_pipeline(PCA(5), dense()),
    "recurrent": recurrent(),
}


def series_of(n_steps, seed=0):
    rng, steps = np.random.RandomState(seed), np.arange(n_steps)
    values = np.column_stack([np.sin(steps / 3), np.cos(steps / 5)])
    values += 0.1 * rng.normal(size=values.shape)
    times = pd.date_range("2026-01-01", periods=n_steps, freq="h")
    return pd.DataFrame(values, times, ["pressure", "flow"])


def detector_around(estimator, **options):
    options = {"contamination": 0.05, "alignment": "trailing"} | options
    return AutoencoderAnomalyDetector(estimator, window_size=SIZE, **options)


@pytest.fixture(scope="module")
def detectors():
    train = series_of(200, seed=1)
    return {
        name: detector_around(estimator).fit(train)
        for name, estimator in ESTIMATORS.items()
    }


@pytest.fixture(scope="module")
def detector(detectors):
    return detectors["PCA"]


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.filterwarnings("ignore:The times of X have gaps")
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_scores_have_the_bits_of_the_whole_series(detectors, name, data):
    detector, whole = detectors[name], series_of(N_STEPS)
    hours = np.arange(N_STEPS)
    for after in data.draw(st.lists(st.integers(1, N_STEPS - SIZE), max_size=3)):
        hours[after:] += 24
    whole.index = pd.Timestamp("2026-01-01") + pd.to_timedelta(hours, "h")
    sizes = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=12))
    edges = np.unique(np.minimum(np.cumsum([0, *sizes, N_STEPS]), N_STEPS))
    n_history = data.draw(st.sampled_from([0, edges[1]]))
    stream = detector.stream(whole[:n_history] if n_history else None)
    found = []
    for start, end in zip(edges[:-1], edges[1:], strict=True):
        if end <= n_history:
            continue
        found.append(stream.update(whole[start:end], explain=True))
        if data.draw(st.booleans()):
            stream = pickle.loads(pickle.dumps(stream))
    given = pd.concat(found)
    expected = detector.score_samples(whole)[n_history:]
    pd.testing.assert_series_equal(
        given["score"], expected, check_exact=True, check_names=False, check_freq=False
    )
    labels = detector.predict(whole)[n_history:]
    np.testing.assert_array_equal(given["alarm"], labels == -1)
    np.testing.assert_array_equal(
        given["p_value"], detector.p_values(whole)[n_history:]
    )
    shares = detector.feature_scores(whole)[n_history:]
    names = ["attribution_pressure", "attribution_flow"]
    assert list(given.columns) == ["score", "p_value", "alarm", *names]
    np.testing.assert_allclose(given[names], shares, rtol=1e-9)


@pytest.mark.parametrize("name", ["dense", "recurrent"])
@pytest.mark.parametrize("chunk", [1, 2, 7, 40])
def test_missing_values_are_gaps_in_a_stream_too(detectors, name, chunk):
    whole = series_of(N_STEPS)
    random = np.random.RandomState(0)
    whole = whole.mask(random.uniform(size=whole.shape) < 0.05)
    # Up to a quarter of a window is a gap inside windows. More is a cut.
    for start, length in ((30, 3), (60, 4), (90, 13), (106, 1), (146, 4)):
        whole.iloc[start : start + length] = np.nan
    stream = detectors[name].stream()
    parts = [whole[i : i + chunk] for i in range(0, N_STEPS, chunk)]
    given = pd.concat([stream.update(part, explain=True) for part in parts])
    expected = detectors[name].score_samples(whole)
    np.testing.assert_array_equal(given["score"], expected)
    assert expected.iloc[30:33].notna().all()
    cut = [63, *range(64, 75), *range(93, 114), 149]
    assert np.isnan(expected.iloc[cut]).all()
    assert expected.notna().sum() == N_STEPS - len(cut) - (SIZE - 1)
    np.testing.assert_array_equal(given["p_value"].isna(), expected.isna())
    shares = detectors[name].feature_scores(whole)
    np.testing.assert_allclose(given.iloc[:, 3:], shares, rtol=1e-9)


@pytest.mark.parametrize("chunk", [1, 5, 60])
@pytest.mark.filterwarnings("ignore:The times of X have gaps")
def test_missing_rows_before_and_after_a_gap_in_time_are_no_long_run(detectors, chunk):
    whole = series_of(60)
    whole.index = whole.index.where(
        np.arange(60) < 30, whole.index + pd.Timedelta("9h")
    )
    whole.iloc[28:32] = np.nan  # at most three in a row are inside windows
    stream = detectors["dense"].stream()
    parts = [whole[i : i + chunk] for i in range(0, 60, chunk)]
    given = pd.concat([stream.update(part)["score"] for part in parts])
    expected = detectors["dense"].score_samples(whole)
    np.testing.assert_array_equal(given, expected)
    scored = [*range(SIZE - 1, 30), *range(30 + SIZE - 1, 60)]
    np.testing.assert_array_equal(np.flatnonzero(expected.notna()), scored)


def test_each_row_is_scored_for_any_step():
    train, whole = series_of(200, seed=1), series_of(N_STEPS)
    sparse = detector_around(PCA(3), step=5).fit(train)
    scores = sparse.stream().update(whole)["score"]
    assert scores.isna().sum() == SIZE - 1
    known = sparse.score_samples(whole)
    assert known.isna().sum() > SIZE
    pd.testing.assert_series_equal(
        scores[known.notna()], known.dropna(), check_exact=True, check_names=False
    )


def test_rows_after_a_gap_have_no_score_and_no_alarm(detector):
    whole = series_of(60)
    later = whole[30:].set_index(whole.index[30:] + pd.Timedelta("3h"))
    stream = detector.stream(history=whole[:30])
    frame = stream.update(later * 100)
    assert frame["score"].isna().sum() == SIZE - 1
    assert not frame["alarm"][: SIZE - 1].any() and frame["alarm"][SIZE - 1 :].all()
    assert frame["p_value"].isna().equals(frame["score"].isna())


def test_what_a_stream_keeps_does_not_grow(detector):
    whole = series_of(N_STEPS)
    stream = detector.stream(whole[:20])
    before = len(pickle.dumps(stream))
    for _ in range(20):
        whole.index += pd.Timedelta(hours=N_STEPS)
        stream.update(whole)
    assert len(pickle.dumps(stream)) == pytest.approx(before, abs=200)
    assert stream.n_rows_seen_ == 20 + 20 * N_STEPS


def test_streams_share_the_arrays_of_their_detector(detector):
    one, ten = (
        len(pickle.dumps([detector.stream() for _ in range(n)])) for n in (1, 10)
    )
    assert ten - one < one


def test_a_later_fit_does_not_change_a_stream():
    whole = series_of(N_STEPS)
    detector = detector_around(PCA(3)).fit(series_of(200, seed=1))
    stream, expected = detector.stream(), detector.score_samples(whole)
    detector.set_params(window_size=8).fit(whole * 5)
    given = stream.update(whole)["score"]
    pd.testing.assert_series_equal(given, expected, check_exact=True, check_names=False)


@pytest.mark.parametrize(
    "convert", [np.asarray, pl.from_pandas, lambda X: X.to_numpy().tolist()]
)
def test_rows_without_times_are_numbered(convert):
    train, whole = series_of(200, seed=1), series_of(N_STEPS)
    detector = detector_around(PCA(3)).fit(convert(train))
    stream = detector.stream(convert(whole[:40]))
    frames = [stream.update(convert(whole[s : s + 10])) for s in range(40, 100, 10)]
    frame = pd.concat(frames)
    assert list(frame.index) == list(range(40, 100))
    expected = detector.score_samples(convert(whole))[40:100]
    np.testing.assert_array_equal(frame["score"], expected)


def test_an_index_that_is_no_time_is_kept(detector):
    rows = series_of(20).set_axis([f"r{i}" for i in range(20)])
    assert list(detector.stream().update(rows).index) == list(rows.index)


def zoned(frame):
    return frame.tz_localize("Europe/Berlin")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (lambda X: X[29:31], "must follow the last time of the stream"),
        (lambda X: X[30:40][::-1], "must increase"),
        (lambda X: zoned(X[30:31]), "must follow the last time of the stream"),
        (lambda X: X[30:31].reset_index(drop=True), "Got rows without times"),
        (lambda X: X[30:31] + np.inf, "infinity"),
        (lambda X: X[30:30], "0 sample"),
        (lambda X: X[30:40][["flow"]], "[Ff]eature names"),
        (lambda X: X[30:40].iloc[:, ::-1], "[Ff]eature names"),
        (lambda X: [X[30:40], X[30:40]], "one stream for each series"),
    ],
)
def test_invalid_rows_raise_and_leave_the_stream_as_it_was(detector, rows, message):
    whole = series_of(60)
    stream = detector.stream(whole[:20])
    stream.update(whole[20:30])
    with pytest.raises(ValueError, match=message):
        stream.update(rows(whole))
    given = stream.update(whole[30:])["score"]
    np.testing.assert_array_equal(given, detector.score_samples(whole)[30:])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window_size": None}, "Set 'window_size'"),
        ({"alignment": "centered"}, "requires alignment='trailing'"),
    ],
)
def test_other_detectors_cannot_stream(options, message):
    detector = detector_around(PCA(2)).set_params(**options)
    detector.fit(series_of(100).to_numpy())
    with pytest.raises(ValueError, match=message):
        detector.stream()
    with pytest.raises(ValueError, match=message):
        AnomalyStream(detector)


def test_one_row_without_its_second_dimension_is_named(detector):
    rows = series_of(SIZE)
    for row in (rows.iloc[0], rows.to_numpy()[0]):
        with pytest.raises(ValueError, match="Pass a table of one row"):
            detector.stream().update(row)
