"""Windows of long series, and the way back to values and scores of each step."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sklearn_seqae.windows import merge_scores, merge_windows, sliding_windows

FLOATS = st.floats(-1e6, 1e6)


@st.composite
def a_series(draw, n_channels=None):
    """Draw (a series, a window size that it is long enough for, a step)."""
    n_channels = draw(st.integers(1, 3)) if n_channels is None else n_channels
    n_steps = draw(st.integers(1, 30))
    window_size = draw(st.integers(1, n_steps))
    dtype = draw(st.sampled_from([np.float64, np.float32]))
    numbers = st.floats(-1e6, 1e6, width=32)
    series = draw(arrays(dtype, (n_steps, n_channels), elements=numbers))
    return series, window_size, draw(st.integers(1, 8))


def covered_steps(n_windows, window_size, step):
    starts = step * np.arange(n_windows)
    return (starts[:, np.newaxis] + np.arange(window_size)).ravel()


@given(a_series())
def test_windows_hold_the_steps_from_their_start(drawn):
    series, window_size, step = drawn
    windows = sliding_windows(series, window_size, step=step)
    starts = range(0, len(series) - window_size + 1, step)
    assert windows.shape == (len(starts), window_size, series.shape[1])
    for window, start in zip(windows, starts, strict=True):
        np.testing.assert_array_equal(window, series[start : start + window_size])


@given(a_series())
def test_merging_undoes_the_cutting_to_the_last_bit(drawn):
    series, window_size, step = drawn
    windows = sliding_windows(series, window_size, step=step)
    merged = merge_windows(windows, step=step, n_steps=len(series))
    assert merged.dtype == series.dtype
    covered = np.unique(covered_steps(len(windows), window_size, step))
    np.testing.assert_array_equal(merged[covered], series[covered])
    assert np.isnan(np.delete(merged, covered, axis=0)).all()


@given(a_series(), st.data())
def test_merging_takes_the_mean_of_what_covers_a_step(drawn, data):
    series, window_size, step = drawn
    shape = sliding_windows(series, window_size, step=step).shape
    windows = data.draw(arrays(np.float64, shape, elements=FLOATS))
    merged = merge_windows(windows, step=step, n_steps=len(series))
    owners = covered_steps(len(windows), window_size, step)
    values = windows.reshape(-1, windows.shape[2])
    for t in np.unique(owners):
        expected = values[owners == t].mean(axis=0)
        np.testing.assert_allclose(merged[t], expected, rtol=1e-9, atol=1e-6)


@given(a_series(n_channels=1), st.data())
def test_a_step_has_the_mean_score_of_the_windows_that_cover_it(drawn, data):
    series, window_size, step = drawn
    n_windows = len(sliding_windows(series, window_size, step=step))
    scores = data.draw(arrays(np.float64, n_windows, elements=FLOATS))
    merged = merge_scores(scores, window_size, step=step, n_steps=len(series))
    assert merged.shape == (len(series),)
    starts = step * np.arange(n_windows)
    for t, score in enumerate(merged):
        over = scores[(starts <= t) & (t < starts + window_size)]
        expected = over.mean() if len(over) else np.nan
        np.testing.assert_allclose(score, expected, rtol=1e-9, atol=1e-9)


def test_a_small_score_survives_beside_large_ones():
    scores = np.full(1000, 1e-9)
    scores[:100] = 1e12
    np.testing.assert_allclose(merge_scores(scores, 7)[200:], 1e-9, rtol=1e-12)


@given(st.lists(a_series(n_channels=2), min_size=1, max_size=4), st.data())
@settings(max_examples=50)
def test_several_series_are_cut_and_merged_without_a_seam(drawn, data):
    several = [series for series, _, _ in drawn]
    lengths = [len(series) for series in several]
    window_size = data.draw(st.integers(1, min(lengths)))
    windows = sliding_windows(several, window_size)
    alone = [sliding_windows(series, window_size) for series in several]
    np.testing.assert_array_equal(windows, np.concatenate(alone))
    merged = merge_windows(windows, n_steps=lengths)
    for one, series in zip(merged, several, strict=True):
        np.testing.assert_array_equal(one, series)
    scores = np.arange(len(windows), dtype=float)
    spread = merge_scores(scores, window_size, n_steps=lengths)
    ends = np.cumsum([len(own) for own in alone])
    for own, part in zip(spread, np.split(scores, ends[:-1]), strict=True):
        np.testing.assert_array_equal(own, merge_scores(part, window_size))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_windows_of_one_series_are_a_read_only_view(dtype):
    series = np.arange(20, dtype=dtype).reshape(10, 2)
    windows = sliding_windows(series, 4, step=2)
    assert np.shares_memory(windows, series)
    assert not windows.flags.writeable
    assert windows.dtype == dtype


def test_a_stack_of_series_is_read_as_a_list_of_them():
    stack = np.arange(24.0).reshape(3, 8, 1)
    np.testing.assert_array_equal(
        sliding_windows(stack, 5), sliding_windows(list(stack), 5)
    )


@pytest.mark.parametrize("form", ["list", "pandas", "polars"])
def test_one_series_may_come_in_any_container(form):
    values = np.arange(10.0).reshape(5, 2)
    series = values.tolist()
    if form != "list":
        frames = pytest.importorskip(form)
        series = frames.DataFrame({"a": values[:, 0], "b": values[:, 1]})
    np.testing.assert_array_equal(
        sliding_windows(series, 3), sliding_windows(values, 3)
    )


def test_missing_values_stay_missing_where_they_are():
    series = np.arange(6.0)
    series[2] = np.nan
    merged = merge_windows(sliding_windows(series, 3))
    np.testing.assert_array_equal(merged[:, 0], series)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: sliding_windows(np.ones(3), 4), "Found X with 3 time step.* of 4"),
        (
            lambda: sliding_windows([np.ones(5), np.ones(3)], 4),
            "Found series 1 of X with 3 time step.*smaller window_size",
        ),
        (
            lambda: sliding_windows([np.ones((5, 1)), np.ones((5, 2))], 4),
            "same number of channels. Got 1 in series 0 and 2 in series 1",
        ),
        (lambda: sliding_windows([np.ones((2, 2, 2))], 1), "Found array with dim 3"),
        (lambda: sliding_windows(np.zeros((0, 2, 1)), 1), "one series at least"),
        (lambda: sliding_windows(np.ones(3), 0), "window_size == 0"),
        (lambda: sliding_windows(np.ones(3), 2, step=0), "step == 0"),
        (lambda: merge_windows(np.ones(3)), "windows must have shape"),
        (
            lambda: merge_windows(np.ones((3, 2, 1)), n_steps=9),
            "n_steps=9 does not fit 3 windows",
        ),
        (lambda: merge_scores(np.ones((3, 1)), 2), r"Got shape \(3, 1\)"),
        (
            lambda: merge_scores(np.ones(3), 2, n_steps=[1, 4]),
            r"n_steps=\[1, 4\] does not fit 3 windows",
        ),
        (lambda: merge_scores([0.0, np.inf], 2), "contains infinity"),
        (lambda: merge_scores([0.0, 1.0], 2, n_steps=3.5), "n_steps must be.* Got 3.5"),
        (lambda: merge_scores(["a"], 2), "scores must hold numbers. Got the text 'a'"),
        (lambda: merge_scores(None, 2), "scores must be an array"),
        (lambda: merge_windows([[1.0], [1.0, 2.0]]), "windows must hold one number"),
        (lambda: sliding_windows(["1", "b"], 2), "X must hold numbers. Got the text"),
        (lambda: sliding_windows(None, 2), "X must be an array"),
        (
            lambda: sliding_windows([np.ones(3), None], 2),
            "series 1 of X must be an arr",
        ),
        (lambda: sliding_windows([[1.0], [1.0, 2.0]], 2), "different lengths"),
        (
            lambda: sliding_windows(pd.DataFrame({"a": ["1", "x"]}), 2),
            "Column 'a' holds the text 'x'",
        ),
    ],
)
def test_an_error_says_what_came_and_what_to_do(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_sizes_must_be_whole_numbers():
    with pytest.raises(TypeError, match="window_size"):
        sliding_windows(np.ones(3), 2.0)


MASKED = np.ma.masked_array([1.0, 2.0, 99.0], mask=[0, 0, 1])


@pytest.mark.parametrize(
    "call",
    [
        lambda: sliding_windows(MASKED, 2),
        lambda: sliding_windows([np.ones(3), MASKED], 2),
        lambda: sliding_windows([MASKED, MASKED], 2),
        lambda: merge_windows(MASKED[:, np.newaxis]),
        lambda: merge_windows([MASKED, MASKED]),
        lambda: merge_scores(MASKED, 2),
    ],
)
def test_masked_arrays_are_refused(call):
    with pytest.raises(TypeError, match="Masked arrays are not supported"):
        call()


def test_numeric_text_is_read_as_numbers():
    for text in (["1", "2", "3"], pd.Series(["1", "2", "3"])):
        np.testing.assert_array_equal(
            sliding_windows(text, 2)[:, :, 0], [[1.0, 2.0], [2.0, 3.0]]
        )
