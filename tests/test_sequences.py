import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_seqae._numbers import resample
from sklearn_seqae._sequences import holds_sequences
from sklearn_seqae.conversion import sequences_from_long
from tests.containers import EQUAL_CONTAINERS, RAGGED_CONTAINERS
from tests.reading import (
    EQUAL,
    LINES,
    RAGGED,
    Reader,
    assert_holds,
    objects,
    read,
    read_table,
)


def test_rows_are_sequences_in_time_major_order():
    X = np.stack(EQUAL)
    flat = X.reshape(len(X), -1)
    np.testing.assert_array_equal(read(flat, sample_shape=(-1, 3)).values, X)
    assert read(flat).values.shape == (3, 12, 1)
    samples = read(flat.tolist(), sample_shape=(-1, 3))
    np.testing.assert_array_equal(samples.restore(samples.values), flat)


def test_lists_of_one_length_are_a_table_unless_fit_saw_ragged_ones():
    equal = [np.arange(3.0), np.arange(3.0)]
    assert read(equal).kind == "flat"
    assert read(objects(equal)).kind == "ragged1d"
    assert not holds_sequences(equal)
    fitted = Reader().fit(LINES)
    assert fitted.read(equal).kind == "ragged1d"
    assert fitted.read(equal[:1]).values.shape == (1, 3, 1)
    assert Reader().fit(equal).read(equal[:1]).kind == "flat"


@pytest.mark.parametrize(
    ("fitted", "other", "match"),
    [
        (np.ones((4, 5, 2)), np.ones((4, 5)), r"must hold sequences.*\(4, 5\)"),
        (np.ones((4, 5)), np.ones((4, 5, 1)), "must hold a table with 5 columns"),
        (np.ones((4, 5)), LINES, "must hold a table with 5 columns"),
        (LINES, [], "0 sample"),
        (np.ones((4, 5, 2)), RAGGED, "X has 3 features, but Reader is expecting 2"),
        (RAGGED, LINES, "X has 1 features, but Reader is expecting 3"),
        (np.ones((4, 5)), np.ones((4, 6)), "X has 6 features, but Reader is expecting"),
    ],
)
def test_only_what_fit_saw_is_read(fitted, other, match):
    with pytest.raises(ValueError, match=match):
        Reader().fit(fitted).read(other)


def test_sequences_of_all_kinds_fit_one_estimator():
    fitted = Reader().fit(np.stack(EQUAL))
    for container in RAGGED_CONTAINERS.values():
        X = container(RAGGED)
        assert_holds(fitted.read(X, check_names=False), RAGGED)


def test_features_are_columns_or_channels():
    assert Reader().fit(np.ones((4, 6))).n_features_in_ == 6
    assert Reader().fit(np.ones((4, 6, 2))).n_features_in_ == 2
    assert Reader().fit(RAGGED).n_features_in_ == 3
    fitted = Reader().fit(RAGGED_CONTAINERS["pandas"](RAGGED))
    assert fitted.feature_names_in_.tolist() == ["channel0", "channel1", "channel2"]
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.read(RAGGED_CONTAINERS["pandas"](RAGGED).iloc[:, ::-1])
    whole = Reader().fit(pd.DataFrame({"ecg": objects(RAGGED)}))
    assert whole.n_features_in_ == 3
    assert not hasattr(whole, "feature_names_in_")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, bool])
@pytest.mark.parametrize("container", EQUAL_CONTAINERS.values(), ids=EQUAL_CONTAINERS)
def test_float32_stays_and_all_else_becomes_float64(dtype, container):
    if dtype is np.float16 and container is EQUAL_CONTAINERS["polars"]:
        dtype = np.float64  # older polars have no float16
    X = container([(x > 0).astype(dtype) for x in EQUAL])
    expected = np.float32 if dtype is np.float32 else np.float64
    samples = read(X)
    assert samples.values.dtype == expected
    assert read(samples.restore(samples.values)).values.dtype == expected


def test_arrays_are_not_copied():
    for X in np.ones((5, 4, 3), dtype=np.float32), np.ones((5, 4, 3))[:, ::-1]:
        assert np.shares_memory(read(X).values, X)
    assert np.shares_memory(read(X[:, :, 0]).values, X)
    with pytest.raises(ValueError, match="read-only"):
        read(X).steps[:] = 0


DAY = pd.DataFrame({"a": [datetime.datetime(2020, 1, 1)]})


def spoiled(sequences, value, number):
    sequences = [x.copy() for x in sequences]
    sequences[number][-1, 1] = value
    return sequences


@pytest.mark.parametrize(("value", "word"), [(np.inf, "inf"), (-np.inf, "inf")])
def test_infinite_values_are_refused(value, word, equal_container):
    X = spoiled(EQUAL, value, 2)
    with pytest.raises(ValueError, match=f"Input X contains {word}"):
        read(equal_container(X))
    with pytest.raises(ValueError, match=f"Input X contains {word}"):
        Reader().fit(EQUAL).read(equal_container(X), check_names=False)


def test_the_sequence_with_the_first_infinity_is_named(ragged_container):
    spoilt = spoiled(spoiled(spoiled(RAGGED, np.nan, 0), np.inf, 1), np.inf, 3)
    with pytest.raises(ValueError, match=r"contains inf.(.|\n)*in sequence 1\."):
        read(ragged_container(spoilt))


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_a_missing_sequence_is_named(missing):
    with pytest.raises(ValueError, match="contains NaN: sequence 1 is missing"):
        read(pd.Series([LINES[0], missing, LINES[2]], dtype=object))


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (np.ones((0, 3, 2)), r"0 sample\(s\)"),
        (np.ones((5, 0, 2)), r"0 time step\(s\) \(shape=\(5, 0, 2\)\)"),
        (np.ones((5, 3, 0)), r"0 feature\(s\) \(shape=\(5, 3, 0\)\)"),
        ([np.ones((2, 1)), np.ones((0, 1))], r"sequence 1 with 0 time step\(s\)"),
        ([np.ones((2, 0)), np.ones((3, 0))], r"0 feature\(s\)"),
        ([np.ones((0, 2)), np.ones((0, 2))], r"0 time step\(s\)"),
        (np.ones((0, 3)), r"0 sample\(s\)"),
        (np.ones((3, 0)), r"0 feature\(s\) \(shape=\(3, 0\)\)"),
        (np.ones((2,) * 6), "dim 6, while dim <= 5 is required by Reader"),
        (np.ones(5), r"Expected 2D array.*X\[np.newaxis\].*sequences_from_long"),
        (1.0, "Reshape your data"),
        ([], "Reshape your data"),
        ([np.ones((2, 3)), np.ones((2, 2))], r"same number of channels.*sequence 1"),
        ([np.ones((2, 3)), np.ones(3)], r"same number of channels.*sequence 1"),
        ([np.ones(2), 3.0], "float of 0 dimensions in sequence 1"),
        ([np.ones((2, 2, 2, 2, 2))], "5 dimensions in sequence 0"),
        (
            [[[1.0], [2.0, 3.0]], [[1.0]]],
            "channels in each time step. Got 1 in step 0 and 2 in step 1 of sequence 0",
        ),
        ([[[1.0], None], [[1.0]]], "contains NaN: step 1 of sequence 0 is missing"),
        ([[1.0, 2.0], [3.0, [4.0]]], "one number in each entry to be read by Reader"),
        (np.ones((3, 3)) * 1j, "Complex data not supported"),
        ([np.ones((3, 1)) * 1j, np.ones((2, 1))], "Complex data not supported"),
        (np.array([["1", "b"]]), "must hold numbers.*Column 1 holds the text 'b'"),
        ([["1", "b"]], "must hold numbers"),
        ([np.array(["1"]), np.array(["1", "b"])], "Sequence 1 holds the text 'b'"),
        (np.ones((3, 2), dtype="M8[s]"), "Column 0 holds times of dtype datetime64"),
        (
            np.array([[DAY.iloc[0, 0]]], dtype=object),
            "Column 0 holds the time '2020-01-01",
        ),
        (DAY, "Column 'a' holds times of dtype datetime64"),
        (pl.DataFrame(DAY), "Column 'a' holds times of dtype datetime64"),
        (pl.DataFrame({"a": ["1"], "b": ["x"]}), "Column 'b' holds the text 'x'"),
        (pd.DataFrame({"a": ["1"], "b": ["x"]}), "Column 'b' holds the text 'x'"),
        (pd.DataFrame({"b": ["x"]}).astype("category"), "'b' holds the text 'x'"),
        (pl.DataFrame({"b": ["x"]}).cast(pl.Categorical), "'b' holds the text 'x'"),
    ],
)
def test_what_is_no_sequence_is_refused(X, match):
    reader = Reader()
    with pytest.raises(ValueError, match=match):
        reader.fit(X)
    assert not hasattr(reader, "samples")


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (sp.csr_array(np.eye(3)), "[Ss]parse"),
        (np.array([[{}, 1]], dtype=object), "argument must be .* string.* number"),
    ],
)
def test_what_is_of_no_fitting_type_is_refused(X, match):
    with pytest.raises(TypeError, match=match):
        read(X)


def test_channels_of_a_row_have_one_length():
    X = pd.DataFrame({"a": [[1.0], [1.0, 2.0]], "b": [[1.0], [1.0]]})
    with pytest.raises(ValueError, match="lengths 2 and 1 in row 1, columns 0 and 1"):
        read(X)
    X = pd.DataFrame({"a": objects(RAGGED), "b": objects(RAGGED)})
    with pytest.raises(ValueError, match="2 dimensions in 2 columns"):
        read(X)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize(("values", "first"), [([1.5, 2.0], "1.5"), (["x", "y"], "x")])
def test_a_column_without_sequences_is_named(frame, values, first):
    X = frame({"a": [[1.0], [1.0, 2.0]], "age": values})
    with pytest.raises(ValueError, match=f"Column 'age'.* Got {first} in its first"):
        read(X)
    table = np.column_stack([objects(LINES), np.arange(4)])
    with pytest.raises(ValueError, match="Column 1 of X must hold sequences"):
        read(table)


def test_the_result_of_sequences_from_long_must_be_unpacked():
    long = pd.DataFrame({"id": [1, 1, 2], "time": [0, 1, 0], "load": [1.0, 2.0, 3.0]})
    with pytest.raises(ValueError, match="sequences, ids, times = X"):
        read(sequences_from_long(long, id="id", time="time"))


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_a_long_table_is_refused_with_the_conversion(frame):
    long = frame({"id": ["a", "a"], "time": [0, 1], "load": [1.0, 2.0]})
    with pytest.raises(ValueError, match="'id' holds the text 'a'.*from_long"):
        read(long)
    with pytest.raises(ValueError, match="one value in each row.*sequences_from_long"):
        read(long["load"])


@pytest.mark.parametrize("sample_shape", [(-1, 5), (-1, 0), (3, 4), (-1, 1, 1)])
def test_rows_that_the_shape_does_not_fit_are_refused(sample_shape):
    with pytest.raises(ValueError, match="sample_shape"):
        read(np.ones((3, 12)), sample_shape=sample_shape)


@pytest.mark.parametrize(
    "X, unit",
    [
        (np.ones((3, 4)), "feature"),
        (np.ones((3, 4, 1)), "time step"),
        (LINES, "time step"),
    ],
)
def test_sequences_can_be_too_short(X, unit):
    with pytest.raises(ValueError, match=unit + r"\(s\).*minimum of 5 is required"):
        read(X, min_steps=5)


@pytest.mark.parametrize("dtype", ["Float64", "Int64", "float64[pyarrow]", "boolean"])
def test_nulls_of_nullable_columns_are_missing_values(dtype):
    X = pd.DataFrame({"a": [1, 0], "b": [0, 1]}).astype(dtype)
    np.testing.assert_array_equal(read(X).values[..., 0], np.eye(2))
    X.iloc[1, 1] = None
    expected = [[1, 0], [0, np.nan]]
    np.testing.assert_array_equal(read(X).values[..., 0], expected)
    np.testing.assert_array_equal(read(X).observed[..., 0], ~np.isnan(expected))
    found = read(pl.DataFrame({"a": [1.0, None]})).values
    np.testing.assert_array_equal(found.ravel(), [1, np.nan])


@pytest.mark.parametrize(
    ("X", "family"),
    [
        (np.ones((3, 4, 1)), "Recurrent"),
        (RAGGED, "Recurrent"),
        (np.ones((3, 4, 1, 1)), "Convolutional"),
    ],
)
def test_a_table_is_no_stack_of_sequences_or_images(X, family):
    with pytest.raises(ValueError, match=rf"dim <= 2 .*Use {family}Autoencoder"):
        read_table(X)


@pytest.mark.parametrize("X", [np.ones((3, 4)), pd.DataFrame({"a": [1]}), [[1.0], [2]]])
def test_a_table_is_read_as_scikit_learn_reads_it(X):
    samples = read_table(X)
    np.testing.assert_array_equal(samples.values, np.asarray(X))
    assert samples.mask is None and not holds_sequences(X)


def test_holds_sequences_tells_sequences_from_tables(equal_container):
    assert holds_sequences(equal_container(EQUAL))
    assert holds_sequences(LINES)
    assert not holds_sequences(np.ones((3, 4)), sample_shape=(-1, 2))
    assert not holds_sequences(np.ones((3, 4, 4)), sample_shape=(4, 4))


@settings(max_examples=60)
@given(
    lengths=st.lists(st.integers(1, 7), min_size=1, max_size=5),
    n_steps=st.integers(1, 9),
)
def test_resample_keeps_lines_and_ends(lengths, n_steps):
    X = [np.linspace([0.0, 5.0], [1.0, 3.0], n) for n in lengths]
    samples = read(X)
    out = resample(samples.values, samples.lengths, n_steps)
    assert out.shape == (len(X), n_steps, 2)
    for n, before, after in zip(lengths, X, out, strict=True):
        np.testing.assert_array_equal(after[0], before[0])
        if n == n_steps:
            np.testing.assert_array_equal(after, before)
        if n > 1 and n_steps > 1:
            expected = np.linspace([0.0, 5.0], [1.0, 3.0], n_steps)
            np.testing.assert_allclose(after, expected, atol=1e-12)
        else:
            assert (after == after[0]).all()
