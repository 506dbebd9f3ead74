"""Sequences from long tables and padded arrays, and the way back."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_seqae.conversion import (
    sequences_from_long,
    sequences_from_padded,
    sequences_to_long,
)

FRAMES = {"pandas": pd.DataFrame, "polars": pl.DataFrame}
TIMES = {
    "numbers": lambda n: np.arange(n) * 0.5,
    "days": lambda n: np.datetime64("2024-01-30", "us") + np.arange(n) * 86_400_000_000,
    "names": lambda n: np.array([f"t{i:03}" for i in range(n)], dtype=object),
}


def some_sequences(lengths, n_channels=2, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, n_channels)) for n in lengths]


def assert_same(sequences, expected):
    for one, other in zip(sequences, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    n_channels=st.integers(1, 3),
    form=st.sampled_from(list(FRAMES)),
    times=st.sampled_from(list(TIMES)),
    seed=st.integers(0, 100),
)
@settings(max_examples=50)
def test_long_tables_give_back_the_sequences(lengths, n_channels, form, times, seed):
    sequences = some_sequences(lengths, n_channels)
    ids = [f"s{i}" for i in range(len(lengths))]
    moments = [TIMES[times](n) for n in lengths]
    frame = sequences_to_long(sequences, ids=ids, times=moments, form=form)
    assert isinstance(frame, FRAMES[form])
    rows = np.random.default_rng(seed).permutation(len(frame))
    shuffled = frame.iloc[rows] if form == "pandas" else frame[rows]
    read, names, read_times = sequences_from_long(shuffled, id="id", time="time")
    order = [ids.index(name) for name in names]
    assert sorted(names) == sorted(ids)
    assert_same(read, [sequences[i] for i in order])
    assert_same(read_times, [moments[i] for i in order])


@pytest.mark.parametrize("form", FRAMES)
def test_reading_and_writing_a_long_table_changes_nothing_in_it(form):
    frame = FRAMES[form](
        {"who": [3, 3, 1], "when": [0, 7, 2], "b": [0.1, 0.2, 0.3], "a": [1.0, 2, 3]}
    )
    sequences, ids, times = sequences_from_long(frame, id="who", time="when")
    written = sequences_to_long(
        sequences,
        ids=ids,
        times=times,
        id="who",
        time="when",
        values=["b", "a"],
        form=form,
    )
    assert written.equals(frame)


def test_times_with_a_zone_keep_it():
    when = pd.date_range("2024-03-31", periods=3, freq="h", tz="Europe/Paris")
    frame = pd.DataFrame({"id": 0, "time": when, "channel0": [1.0, 2.0, 3.0]})
    sequences, ids, times = sequences_from_long(frame[::-1], id="id", time="time")
    written = sequences_to_long(sequences, ids=ids, times=times)
    assert list(written["time"]) == list(when)
    assert written["time"].dt.tz is not None


@pytest.mark.parametrize("form", FRAMES)
def test_only_the_named_columns_are_channels(form):
    frame = FRAMES[form](
        {"id": [1, 1], "time": [0, 1], "a": [1, 2], "b": [3, 4], "c": ["x", "y"]}
    )
    sequences, _, _ = sequences_from_long(frame, id="id", time="time", values=["b"])
    np.testing.assert_array_equal(sequences[0], [[3.0], [4.0]])


@pytest.mark.parametrize("form", FRAMES)
def test_a_missing_value_is_nan(form):
    frame = FRAMES[form]({"id": [1, 1], "time": [0, 1], "a": [1.0, None]})
    sequences, _, _ = sequences_from_long(frame, id="id", time="time")
    np.testing.assert_array_equal(sequences[0], [[1.0], [np.nan]])


@pytest.mark.parametrize("form", FRAMES)
@pytest.mark.parametrize(
    ("columns", "match"),
    [
        ({"time": [0, 1, 0]}, "Got several rows with id 7 at time 0"),
        ({"time": [0.0, 1.0, None]}, "'time' must have a value.* first in row 2"),
        ({"id": ["a", None, "b"]}, "'id' must have a value.* first in row 1"),
        ({"a": ["x", "y", "z"]}, "Column 'a' holds the text 'x'"),
    ],
)
def test_a_bad_long_table_is_refused(form, columns, match):
    frame = FRAMES[form](
        {"id": [7, 7, 7], "time": [0, 1, 2], "a": [1.0, 2.0, 3.0], **columns}
    )
    with pytest.raises(ValueError, match=match):
        sequences_from_long(frame, id="id", time="time")


def test_a_column_that_is_not_there_is_named():
    frame = pd.DataFrame({"id": [1], "time": [0], "a": [1.0]})
    with pytest.raises(ValueError, match=r"'when'. Got \['id', 'time', 'a'\]"):
        sequences_from_long(frame, id="id", time="when")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"form": "arrow"}, "form must be 'pandas' or 'polars'"),
        ({"times": [[0], [0]]}, "Got 1 for the 2 steps of sequence 1"),
        ({"ids": ["a"]}, "inconsistent numbers of samples"),
    ],
)
def test_what_does_not_fit_the_sequences_is_refused(options, match):
    with pytest.raises(ValueError, match=match):
        sequences_to_long(some_sequences([1, 2]), **options)


@given(
    lengths=st.lists(st.integers(1, 8), min_size=1, max_size=5),
    n_channels=st.integers(1, 3),
    beyond=st.integers(0, 2),
)
def test_padding_is_cut(lengths, n_channels, beyond):
    sequences = some_sequences(lengths, n_channels)
    padded = np.full((len(lengths), max(lengths) + beyond, n_channels), np.nan)
    for row, sequence in zip(padded, sequences, strict=True):
        row[: len(sequence)] = sequence
    read = sequences_from_padded(padded)
    assert_same(read, sequences)
    assert all(np.shares_memory(one, padded) for one in read)


@pytest.mark.parametrize(
    ("place", "match"),
    [
        ((1, 0), "NaN inside sequence 1, in step 0 of its 3"),
        ((1, 2, 0), "NaN inside sequence 1, in step 2 of its 3"),
        ((1,), "Sequence 1 of X is empty"),
    ],
)
def test_missing_values_before_the_end_are_refused(place, match):
    padded = np.ones((2, 3, 2))
    padded[place] = np.nan
    with pytest.raises(ValueError, match=match):
        sequences_from_padded(padded)


def test_a_padded_table_has_one_channel():
    read = sequences_from_padded([[1.0, 2.0], [3.0, np.nan]])
    assert [one.shape for one in read] == [(2, 1), (1, 1)]
