"""Series in time: order, gaps, calendars, and the containers of lists."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.decomposition import PCA

from sklearn_seqae import AutoencoderAnomalyDetector, SequenceScaler
from sklearn_seqae.anomaly._time import Calendar, steps_of, warn_of_gaps
from tests.instances import recurrent

WINDOW = 24
HOURS = pd.date_range("2024-03-01", periods=600, freq="h")


def wave(n=600, n_channels=1):
    steps = np.arange(n)[:, np.newaxis] / 4 + np.arange(n_channels)
    noise = np.random.RandomState(0).normal(size=(n, n_channels))
    return np.sin(steps) + 0.05 * noise


def frame(index=HOURS, n_channels=1):
    names = ["load", "wind", "sun"][:n_channels]
    return pd.DataFrame(wave(len(index), n_channels), index=index, columns=names)


def detector(**options):
    options = {"window_size": WINDOW, "contamination": 0.02, **options}
    return AutoencoderAnomalyDetector(PCA(3), random_state=0, **options)


INDEXES = {
    "datetime": HOURS,
    "with time zone": HOURS.tz_localize("Europe/Berlin", nonexistent="shift_forward"),
    "seconds": HOURS.as_unit("s"),
    "period": HOURS.to_period("h"),
    "timedelta": HOURS - HOURS[0],
}
every_index = pytest.mark.parametrize("name", INDEXES)
WRONG = {
    "reversed": (lambda index: index[::-1], "must increase.*sort_index"),
    "shuffled": (lambda index: index[np.argsort(np.sin(np.arange(600)))], "sort_index"),
    "twice": (lambda index: index[[*range(300), *range(299, 599)]], "aggregate"),
    "NaT": (lambda index: index.where(np.arange(600) != 7), "NaT in row 7"),
}


@pytest.fixture(scope="module", params=INDEXES)
def index_and_model(request):
    index = INDEXES[request.param].drop_duplicates()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return index, detector().fit(frame(index))


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", ["datetime", "period", "timedelta"])
def test_an_index_that_does_not_increase_is_refused(name, wrong):
    change, message = WRONG[wrong]
    bad = frame()
    bad.index = change(INDEXES[name])
    model = detector().fit(frame(INDEXES[name]))
    for method in (detector().fit, model.predict, model.detect_intervals):
        with pytest.raises(ValueError, match=message):
            method(bad)
        with pytest.raises(ValueError, match="series 1 of X"):
            method([frame(INDEXES[name]), bad])


def test_results_carry_the_index_of_x(index_and_model):
    index, model = index_and_model
    X = frame(index)
    X.iloc[300:310] = 4
    for method in ("score_samples", "decision_function", "p_values", "step_scores"):
        assert getattr(model, method)(X).index.equals(index)
    found = model.detect_intervals(X)
    assert found["start"].isin(index).all() and found["end"].isin(index).all()
    assert (found["start"] <= index[300]).any()
    assert model.explain(X)["time"].isin(index).all()


def test_windows_are_cut_at_gaps_with_one_warning():
    model = detector().fit(frame())
    X = frame()
    X.iloc[295:305] = 4
    gappy = X.drop(X.index[300:400])
    with pytest.warns(UserWarning, match="gaps.*after 2024-03-13 11:00") as caught:
        found = model.detect_intervals(gappy)
    assert len(caught) == 1
    gap = HOURS[350]
    assert len(found) and not ((found["start"] < gap) & (found["end"] > gap)).any()
    with pytest.warns(UserWarning):
        scores = model.score_samples(gappy)
    halves = [model.score_samples(part) for part in (X[:300], X[400:])]
    np.testing.assert_array_equal(scores, np.concatenate(halves))


@pytest.mark.parametrize("alignment", ["centered", "trailing"])
def test_intervals_are_pruned_over_the_whole_series(alignment):
    model = detector(alignment=alignment, contamination=0.05).fit(frame())
    X = frame()
    X.iloc[200:210] = 40
    gappy = X.drop(X.index[300:400])
    with pytest.warns(UserWarning, match="gaps"):
        kept = model.detect_intervals(gappy, min_drop=0.8)
    assert len(kept) == 1
    assert kept["start"][0] <= HOURS[200] <= kept["end"][0]


def test_pieces_shorter_than_a_window_have_no_score():
    model = detector().fit(frame())
    X = frame().drop(HOURS[310:340]).drop(HOURS[350:380])
    with pytest.warns(UserWarning, match="gaps"):
        scores = model.score_samples(X)
    np.testing.assert_array_equal(scores.isna(), X.index.isin(HOURS[340:350]))
    pieces = frame().drop(HOURS[20:400]).drop(HOURS[420:])
    with (
        pytest.warns(UserWarning),
        pytest.raises(ValueError, match="without a gap.*minimum of 24"),
    ):
        model.score_samples(pieces)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_steps_do_not_depend_on_the_unit_of_the_index(unit):
    seconds = np.cumsum([0, 1, 1, 2, 1, 1, 7])
    index = pd.Timestamp("2024-03-01") + pd.to_timedelta(seconds, unit="s")
    expected = np.diff(seconds) * 1e9
    for each in (index, index - index[0], index.tz_localize("Europe/Berlin")):
        np.testing.assert_array_equal(steps_of(each.as_unit(unit)), expected)
    np.testing.assert_array_equal(
        steps_of(pd.period_range("2024-03-01", periods=3, freq="min")), 60e9
    )
    gaps = Calendar.fit([index]).gaps(index.as_unit(unit))
    np.testing.assert_array_equal(gaps, [3, 6])


@pytest.mark.parametrize("n_nights, is_gap", [(2, True), (3, False)])
def test_a_long_step_belongs_to_the_calendar_from_its_third_occurrence_on(
    n_nights, is_gap
):
    hours = np.cumsum([*[*[1] * 9, 15] * n_nights, *[1] * 9])
    index = HOURS[0] + pd.to_timedelta(hours, unit="h")
    assert (len(Calendar.fit([index]).gaps(index)) > 0) == is_gap
    new = HOURS[0] + pd.to_timedelta([0, 1, 16, 17], unit="h")
    np.testing.assert_array_equal(
        Calendar.fit([index]).gaps(new), [2] if is_gap else []
    )


CALENDARS = {
    "business hours": HOURS[(HOURS.hour >= 9) & (HOURS.hour < 17)],
    "weekdays": pd.bdate_range("2020-01-01", periods=600),
    "months": pd.date_range("1980-01-01", periods=500, freq="MS"),
    "jitter": HOURS + pd.to_timedelta(np.arange(600) % 7, unit="s"),
}


@pytest.mark.parametrize("name", CALENDARS)
def test_a_calendar_has_no_gaps(name):
    X = frame(CALENDARS[name])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = detector(window_size=8).fit(X)
        assert not model.score_samples(X[-20:]).isna().any()
    with pytest.warns(UserWarning, match="gaps"):
        model.score_samples(X.drop(X.index[40:140]))


def test_a_panel_is_refused_with_a_pointer_to_the_conversion():
    index = pd.MultiIndex.from_product([["a", "b"], range(300)], names=["id", "time"])
    panel = pd.DataFrame(wave(), index=index, columns=["load"])
    for fit in (detector().fit, recurrent().fit):
        with pytest.raises(ValueError, match="MultiIndex.*sequences_from_long"):
            fit(panel)


@pytest.mark.parametrize(
    "one",
    [
        lambda x: x,
        lambda x: pd.Series(x, index=HOURS, name="load"),
        lambda x: pl.Series("load", x),
    ],
    ids=["array", "pandas", "polars"],
)
def test_one_channel_may_be_one_dimensional(one):
    x = one(wave()[:, 0])
    model = detector().fit(x)
    expected = detector().fit(wave()).score_samples(wave())
    np.testing.assert_array_equal(model.score_samples(x), expected)
    assert np.shape(model.reconstruction_errors(x)) == (600,)


@pytest.mark.parametrize("times", [HOURS, HOURS.astype(str), HOURS.to_period("h")])
def test_a_column_of_times_is_named(times):
    X = frame().reset_index(drop=True).assign(stamp=times)
    message = r"Column 'stamp' of {} holds.*set_index\('stamp'\)"
    with pytest.raises(ValueError, match=message.format("X")):
        detector().fit(X)
    with pytest.raises(ValueError, match=message.format("series 1 of X")):
        detector().fit([X[["load"]], X])


@pytest.mark.parametrize("has_text", [False, True])
def test_a_column_that_counts_is_warned_about(has_text):
    X = frame().assign(year=np.arange(600) + 1.0)
    if has_text:  # numbers as text, in a column before it
        X.insert(0, "text", X.iloc[:, 0].astype(str))
    with pytest.warns(UserWarning, match=r"Column 'year'.*rises by 1.*set_index"):
        detector().fit(X)


# Lists of data frames


def frames(n_channels=2):
    whole = frame(n_channels=n_channels)
    return [whole[:200], whole[200:450], whole[450:]]


@pytest.mark.parametrize(
    "estimator",
    [detector(), recurrent(), SequenceScaler()],
    ids=lambda e: type(e).__name__,
)
def test_names_of_frames_in_a_list_are_checked(estimator):
    X = frames()
    estimator.fit(X)
    assert list(estimator.feature_names_in_) == ["load", "wind"]
    method = estimator.predict if hasattr(estimator, "predict") else estimator.transform
    swapped = [x[["wind", "load"]] for x in X]
    with pytest.raises(ValueError, match="(?i)feature names"):
        method(swapped)
    with pytest.raises(ValueError, match="feature names of sequence 1"):
        method([X[0], swapped[1], X[2]])
    with pytest.raises(ValueError, match="feature names of sequence 1"):
        estimator.fit([X[0], swapped[1], X[2]])


def test_items_of_a_list_come_back_with_their_own_index():
    X = frames()
    model = detector().fit(X)
    results = {
        "scores": model.score_samples(X),
        "errors": model.reconstruction_errors(X),
        "features": model.feature_scores(X),
        "reconstructions": recurrent().fit(X).reconstruct(X),
        "scaled": SequenceScaler().fit_transform(X),
    }
    for name, items in results.items():
        for item, x in zip(items, X, strict=True):
            assert item.index.equals(x.index), name
            if item.ndim == 2:
                assert list(item.columns) == ["load", "wind"], name
    scaler = SequenceScaler().fit(X)
    for item, x in zip(scaler.inverse_transform(scaler.transform(X)), X, strict=True):
        pd.testing.assert_frame_equal(item, x)


def test_polars_frames_in_a_list_come_back_as_polars():
    X = [pl.DataFrame(x.reset_index(drop=True)) for x in frames()]
    scaled = SequenceScaler().fit_transform(X)
    assert [item.columns for item in scaled] == [["load", "wind"]] * 3


# Text


@pytest.mark.parametrize("dtype", ["str", object, "string[pyarrow]"])
def test_numeric_text_is_a_channel_and_no_time(dtype):
    X = frame()
    text = X.astype(str).astype(dtype)
    expected = detector().fit(X).score_samples(X)
    for one in (text, text["load"]):
        scores = detector().fit(one).score_samples(one)
        pd.testing.assert_series_equal(scores, expected)


@pytest.mark.parametrize("convert", [lambda X: X, pl.DataFrame])
def test_times_as_text_are_refused_with_the_index(convert):
    X = frame().reset_index(drop=True).assign(when="2024-03-01 10:00")
    with pytest.raises(ValueError, match=r"Column 'when'.*holds times.*set_index"):
        detector().fit(convert(X))


def test_a_time_index_survives_pyarrow():
    X = frame()
    table = pa.Table.from_pandas(X)
    scores = detector().fit(table).score_samples(table)
    pd.testing.assert_series_equal(
        scores, detector().fit(X).score_samples(X), check_freq=False
    )


@pytest.mark.parametrize(
    ("n_gaps", "named"), [(1, "(a)"), (3, "(a; b; c)"), (5, "(a; b; c and 2 more)")]
)
def test_at_most_three_gaps_are_named_and_the_others_counted(n_gaps, named):
    with pytest.warns(UserWarning, match="The times of X have gaps") as caught:
        warn_of_gaps(list("abcde"[:n_gaps]))
    assert named in str(caught[0].message)
