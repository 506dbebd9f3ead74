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


SITES = {
    "site": ["a", "a", "b", "b"],
    "meter": [1, 2, 1, 1],
    "time": [0, 0, 1, 0],
    "load": [1.0, 2.0, 3.0, 4.0],
}


@pytest.mark.parametrize("form", FRAMES)
def test_several_columns_may_identify_a_sequence(form):
    keys = {"id": ["site", "meter"], "values": "load"}
    sequences, ids, times = sequences_from_long(
        FRAMES[form](SITES), time="time", **keys
    )
    assert ids == [("a", 1), ("a", 2), ("b", 1)]
    assert_same(sequences, [[[1.0]], [[2.0]], [[4.0], [3.0]]])
    assert_same(times, [[0], [0], [0, 1]])
    written = sequences_to_long(sequences, ids=ids, times=times, form=form, **keys)
    order = [0, 1, 3, 2]
    expected = {name: [column[i] for i in order] for name, column in SITES.items()}
    assert written.equals(FRAMES[form](expected))


@pytest.mark.parametrize("form", FRAMES)
@pytest.mark.parametrize(
    ("times", "match"),
    [
        (["9", "10", "9", "10"], "'time' holds numbers as text.* Got '9'.*to_numeric"),
        (
            ["1.2.2024", "2.2.2024"] * 2,
            "'time' holds times as text.*pandas.to_datetime",
        ),
        (["2024-01-01", "2024-01-02"] * 2, "'time' holds times as text.*to_datetime"),
    ],
)
def test_times_as_text_are_refused_with_the_conversion(form, times, match):
    frame = FRAMES[form]({**SITES, "time": times})
    with pytest.raises(ValueError, match=match):
        sequences_from_long(frame, id="site", time="time", values="load")


@pytest.mark.parametrize("form", FRAMES)
def test_numeric_text_is_read_as_numbers(form):
    frame = FRAMES[form]({"id": [1, 1], "time": [1, 0], "a": ["1.5", "2"]})
    sequences, _, _ = sequences_from_long(frame, id="id", time="time")
    np.testing.assert_array_equal(sequences[0], [[2.0], [1.5]])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"id": []}, "id must name one column at least"),
        ({"id": "time"}, "names of id and time must differ. Got time more than once"),
        ({"id": ["site", "site"]}, "Got site more than once"),
        ({"values": ["load", "load"]}, "names of values must differ. Got load"),
        ({"values": []}, "one column of values at least"),
        ({"values": "power"}, "must have the column 'power'"),
        ({"id": ["site", "who"]}, "must have the column 'who'"),
    ],
)
def test_columns_of_a_long_table_must_differ_and_exist(options, match):
    options = {"id": "site", "time": "time", "values": "load", **options}
    with pytest.raises(ValueError, match=match):
        sequences_from_long(pd.DataFrame(SITES), **options)


@pytest.mark.parametrize(
    ("frame", "error", "match"),
    [
        (pd.DataFrame(SITES)[:0], ValueError, "frame must have one row at least"),
        (
            pd.DataFrame(SITES)[["site", "time"]],
            ValueError,
            "column of values at least",
        ),
        (pd.DataFrame(SITES).to_numpy(), TypeError, "must be a DataFrame.* ndarray"),
        (None, TypeError, "must be a DataFrame.* NoneType"),
        (
            pd.DataFrame(SITES).rename(columns={"meter": "load"}),
            ValueError,
            "must have the column 'load' once. Got it 2 times",
        ),
    ],
)
def test_what_is_no_long_table_is_refused(frame, error, match):
    values = "load" if hasattr(frame, "columns") and "load" in frame.columns else None
    with pytest.raises(error, match=match):
        sequences_from_long(frame, id="site", time="time", values=values)


def test_a_column_that_is_not_there_is_named():
    frame = pd.DataFrame({"id": [1], "time": [0], "a": [1.0]})
    with pytest.raises(ValueError, match=r"'when'. Got \['id', 'time', 'a'\]"):
        sequences_from_long(frame, id="id", time="when")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"form": "arrow"}, "form must be 'pandas' or 'polars'"),
        ({"times": [[0], [0]]}, "Got 1 for the 2 steps of sequence 1"),
        ({"times": [[0], 0]}, "Got 1 for the 2 steps of sequence 1"),
        ({"ids": ["a"]}, "inconsistent numbers of samples"),
        ({"id": "time"}, "id, time and values must differ. Got time more than once"),
        ({"values": ["id", "b"]}, "must differ. Got id more than once"),
        ({"values": ["b", "b"]}, "must differ. Got b more than once"),
        ({"id": ["a", "a"]}, "must differ. Got a more than once"),
        ({"values": "a"}, "one name for each channel. Got 1 names for 2 channels"),
        ({"ids": [("a", 1), ("a", 2)]}, "Pass a list of 2 names as id"),
        (
            {"ids": ["a", "b"], "id": ["x", "y"]},
            "tuple of 2 values.*'a' for sequence 0",
        ),
    ],
)
def test_what_does_not_fit_the_sequences_is_refused(options, match):
    with pytest.raises(ValueError, match=match):
        sequences_to_long(some_sequences([1, 2]), **options)


MASKED = np.ma.masked_array([[1.0, 2.0, 99.0]], mask=[[0, 0, 1]])


@pytest.mark.parametrize(
    ("sequences", "error", "match"),
    [
        ([], ValueError, "one sequence at least"),
        (None, TypeError, "must be a list of arrays.* Got NoneType"),
        (pd.DataFrame(SITES), TypeError, "must be a list of arrays.* Got DataFrame"),
        ([np.ones(2), None], ValueError, "sequence 1 must be an array"),
        ([1.0, 2.0], ValueError, "sequence 0 must be an array"),
        ([np.ones((2, 1)), np.ones((0, 1))], ValueError, "Found sequence 1 with shape"),
        (
            [np.ones((2, 1)), np.ones((2, 2))],
            ValueError,
            "1 in sequence 0 and 2 in seq",
        ),
        ([np.ones((2, 1, 1))], ValueError, r"Got shape \(2, 1, 1\) in sequence 0"),
        ([["1", "b"]], ValueError, "sequence 0 must hold numbers. Got the text 'b'"),
        ([[[1.0], [1.0, 2.0]]], ValueError, "sequence 0 must hold one number in each"),
        ([MASKED], TypeError, "Masked arrays are not supported"),
        (([np.ones((1, 1))], np.ones(1), [np.ones(1)]), ValueError, "Unpack it"),
    ],
)
def test_what_are_no_sequences_is_refused(sequences, error, match):
    with pytest.raises(error, match=match):
        sequences_to_long(sequences)


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


@pytest.mark.parametrize(
    ("X", "error", "match"),
    [
        (MASKED, TypeError, "Masked arrays are not supported"),
        (list(MASKED), TypeError, "Masked arrays are not supported"),
        (None, ValueError, "X must be an array. Got the single value None"),
        ([[1.0], [1.0, 2.0]], ValueError, "items have different lengths"),
        ([], ValueError, r"with at least 1 of each. Got shape \(0,\)"),
        (np.ones((2, 0, 1)), ValueError, r"Got shape \(2, 0, 1\)"),
        (np.ones((2, 3, 0)), ValueError, r"Got shape \(2, 3, 0\)"),
        (pd.DataFrame({"a": ["x"]}), ValueError, "Column 'a' holds the text 'x'"),
    ],
)
def test_what_is_no_padded_array_is_refused(X, error, match):
    with pytest.raises(error, match=match):
        sequences_from_padded(X)
