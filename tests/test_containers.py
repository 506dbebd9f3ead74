import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.model_selection import train_test_split

from sklearn_seqae._sequences import pack
from tests.containers import EQUAL_CONTAINERS, RAGGED_CONTAINERS, items
from tests.reading import (
    EQUAL,
    LINES,
    RAGGED,
    Reader,
    assert_holds,
    objects,
    random_sequences,
    read,
)

# Containers that tests.containers does not know: items of one channel, whole
# sequences as cells, and numpy's table of cells.
ARROW = pd.ArrowDtype(pa.large_list(pa.float64()))
LINE_CONTAINERS = {
    "list": list,
    "tuple": tuple,
    "object": objects,
    "series": lambda x: pd.Series(objects(x), index=list("abcd"), name="ecg"),
    "polars_series": lambda x: pl.Series("ecg", x),
    "nested_list": lambda x: [item.tolist() for item in x],
    "tensors": lambda x: [torch.as_tensor(item) for item in x],
    "list_of_series": lambda x: [pd.Series(item) for item in x],
    "lists": lambda x: pd.DataFrame({"ecg": [item.tolist() for item in x]}),
    "arrow": lambda x: pd.DataFrame({"ecg": pl.Series(x).to_pandas()}).astype(ARROW),
}
WHOLE_CONTAINERS = {
    "series": lambda x: pd.Series(objects(x)),
    "one_column": lambda x: pd.DataFrame({"ecg": objects(x)}),
    "polars_series": lambda x: pl.Series("ecg", [item.tolist() for item in x]),
    "table_of_cells": lambda x: np.column_stack(
        [objects([item[:, c] for item in x]) for c in range(3)]
    ),
    "tensors": lambda x: [torch.as_tensor(item) for item in x],
    "frames": lambda x: [pd.DataFrame(item) for item in x],
}


def test_ragged_containers_are_read(ragged_container):
    assert_holds(read(ragged_container(RAGGED)), RAGGED)


def test_equal_containers_are_read(equal_container):
    assert_holds(read(equal_container(EQUAL)), EQUAL)


@pytest.mark.parametrize("container", LINE_CONTAINERS.values(), ids=LINE_CONTAINERS)
def test_items_of_one_dimension_have_one_channel(container):
    X = container(LINES)
    samples = read(X)
    assert_holds(samples, [line[:, np.newaxis] for line in LINES])
    assert samples.kind == "ragged1d"
    back = samples.restore(samples.values)
    assert type(back) is type(X)
    for item, line in zip(items(back), LINES, strict=True):
        np.testing.assert_array_equal(item.ravel(), line)


@pytest.mark.parametrize("container", WHOLE_CONTAINERS.values(), ids=WHOLE_CONTAINERS)
@pytest.mark.parametrize("sequences", [RAGGED, EQUAL], ids=["ragged", "equal"])
def test_whole_sequences_come_back_as_they_came(container, sequences):
    X = container(sequences)
    samples = read(X)
    assert_holds(samples, sequences)
    back = samples.restore(samples.values)
    assert type(back) is type(X)
    np.testing.assert_array_equal(read(back).values, samples.values)
    if isinstance(X, np.ndarray):
        assert back.shape == X.shape


@pytest.mark.parametrize("container", RAGGED_CONTAINERS.values(), ids=RAGGED_CONTAINERS)
def test_what_comes_back_is_what_came(container):
    X = container(RAGGED)
    samples = read(X)
    back = samples.restore(samples.values)
    assert type(back) is type(X)
    for item, expected in zip(items(back), items(X), strict=True):
        np.testing.assert_array_equal(item, expected)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("form", ["table", "sequences"])
def test_tables_come_back_with_their_names(frame, form):
    X = frame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    samples = read(X, form=form)
    assert samples.restore(samples.values).equals(X)


def test_index_and_name_come_back():
    X = LINE_CONTAINERS["series"](LINES).iloc[[2, 0]]
    samples = read(X)
    pd.testing.assert_series_equal(samples.restore(samples.values), X)
    X = RAGGED_CONTAINERS["pandas"](RAGGED).set_axis([7, 5, 3, 1])
    samples = read(X)
    back = samples.take([2, 0]).restore(samples.take([2, 0]).values)
    assert back.index.tolist() == [3, 7]
    assert back.columns.tolist() == X.columns.tolist()


@pytest.mark.parametrize("container", EQUAL_CONTAINERS.values(), ids=EQUAL_CONTAINERS)
def test_any_part_of_a_container_is_read(container):
    X, Y = train_test_split(container(random_sequences([4] * 9)), random_state=0)
    reader = Reader().fit(X)
    assert len(reader.samples) + len(reader.read(Y)) == 9


def test_taken_rows_are_trimmed_to_the_longest():
    samples = read(RAGGED)
    taken = samples.take(np.array([0, 1]))
    assert_holds(taken, RAGGED[:2])
    assert_holds(samples.take(slice(2, 3)), RAGGED[2:3])
    assert_holds(samples.take(samples.lengths > 3), RAGGED[2:])


def test_pack_gives_arrays_and_lists():
    samples = read(RAGGED)
    assert pack(samples.values, None, "flat").shape == (4, 15)
    assert pack(samples.values, None, "array") is samples.values
    for item, x in zip(
        pack(samples.values, samples.lengths, "ragged"), RAGGED, strict=True
    ):
        np.testing.assert_array_equal(item, x)
    lines = pack(samples.values[:, :, :1], samples.lengths, "ragged1d")
    assert [line.shape for line in lines] == [(3,), (1,), (5,), (4,)]


@settings(max_examples=60)
@given(data=st.data(), n_channels=st.integers(1, 3))
def test_reading_and_restoring_are_each_others_reverse(data, n_channels):
    lengths = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=6))
    values = st.floats(-1e6, 1e6, width=32)
    X = [data.draw(hnp.arrays(np.float32, (n, n_channels), elements=values))
         for n in lengths]  # fmt: skip
    samples = read(X)
    assert_holds(samples, X)
    assert samples.values.dtype == np.float32
    for item, x in zip(samples.restore(samples.values), X, strict=True):
        np.testing.assert_array_equal(item, x)
