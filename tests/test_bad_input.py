"""Bad input, per container, gets scikit-learn's own words before any training."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import clone

from sklearn_seqae import SequenceScaler
from sklearn_seqae.conversion import sequences_from_long
from tests.containers import RAGGED_CONTAINERS
from tests.instances import convolutional, dense, detector, recurrent

TABLES = [dense(), recurrent(), convolutional(), detector(dense())]
tables = pytest.mark.parametrize("estimator", TABLES, ids=lambda e: type(e).__name__)
SEQUENCES = [recurrent(), detector(recurrent())]
sequences = pytest.mark.parametrize(
    "estimator", SEQUENCES, ids=lambda e: type(e).__name__
)
METHODS = ["transform", "reconstruct", "score", "score_samples", "predict"]


FITTED = {}  # by estimator and data, which are kept alive with their ids


def fitted_to(estimator, good):
    """Return an estimator that is fitted once for each data set."""
    key = id(estimator), id(good)
    if key not in FITTED:
        FITTED[key] = clone(estimator).fit(good), estimator, good
    return FITTED[key][0]


def assert_refused(estimator, X, words, *, error=ValueError, good=None):
    """X is refused by fit and, where good data to fit on are given, by every method."""
    with pytest.raises(error, match=words):
        clone(estimator).fit(X)
    if good is None:
        return
    fitted = fitted_to(estimator, good)
    for method in METHODS:
        if hasattr(fitted, method):
            with pytest.raises(error, match=words):
                getattr(fitted, method)(X)


def changed(array, value):
    array = np.array(array)
    array[(-1,) * array.ndim] = value
    return array


not_finite = pytest.mark.parametrize(
    "value, word", [(np.inf, "infinity"), (-np.inf, "infinity")]
)


@tables
@not_finite
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_that_are_not_finite_in_tables(estimator, wine, value, word, dtype):
    X = changed(wine.astype(dtype), value)
    assert_refused(estimator, X, f"Input X contains {word}", good=wine.astype(dtype))


@sequences
@not_finite
def test_values_that_are_not_finite_in_3d_arrays(estimator, digits, value, word):
    X = changed(digits, value)
    assert_refused(estimator, X, f"Input X contains {word}", good=digits)


@sequences
@not_finite
def test_values_that_are_not_finite_name_the_sequence(
    estimator, ragged, ragged_container, value, word
):
    X = ragged_container([*ragged[:17], changed(ragged[17], value), *ragged[18:]])
    words = rf"(?s)Input X contains {word}.*17|17.*contains {word}"
    assert_refused(estimator, X, words, good=ragged)


@tables
def test_no_samples_or_features(estimator, wine):
    assert_refused(estimator, wine[:0], "0 sample", good=wine)
    assert_refused(estimator, wine[:, :0], r"0 feature\(s\)")


@sequences
@pytest.mark.parametrize(
    "X, words",
    [
        (np.empty((0, 8, 3)), "0 sample"),
        (np.empty((9, 0, 3)), "0 time step"),
        (np.empty((9, 8, 0)), "0 (channel|feature)"),
        ([], "Expected 2D array"),
        ([np.ones((4, 2)), np.ones((0, 2))], "0 time step"),
        ([np.ones((4, 0)), np.ones((3, 0))], "0 (channel|feature)"),
        ([np.ones((4, 2)), np.ones((3, 1))], "(channel|feature)"),
    ],
)
def test_no_samples_steps_or_channels(estimator, X, words):
    assert_refused(estimator, X, words)


@tables
def test_another_number_of_columns(estimator, wine):
    fitted = clone(estimator).fit(wine)
    words = f"X has 5 features, but {type(estimator).__name__} is expecting 13"
    for method in METHODS:
        if hasattr(fitted, method):
            with pytest.raises(ValueError, match=words):
                getattr(fitted, method)(wine[:, :5])


def test_a_width_that_sample_shape_does_not_divide(wine):
    assert_refused(recurrent(sample_shape=(-1, 5)), wine, "sample_shape")


def test_dense_refuses_sequences_and_names_the_family(digits, ragged):
    for X in (digits, ragged):
        assert_refused(dense(), X, "RecurrentAutoencoderTransformer")


@tables
@pytest.mark.parametrize(
    "change, error, words",
    [
        (lambda X: X.astype(complex), ValueError, "Complex data not supported"),
        (lambda X: np.full(X.shape, "a"), ValueError, "Column 0 holds the text 'a'"),
        (lambda X: np.full(X.shape, "1 m"), ValueError, "the text '1 m', which is no"),
        (lambda X: X.astype("M8[s]"), ValueError, "holds times of dtype datetime64"),
        (lambda X: X[0], ValueError, "Reshape your data|Expected 2D array"),
        (lambda X: 3.0, ValueError, "Expected 2D array|scalar"),
        (lambda X: None, (TypeError, ValueError), "."),
    ],
    ids="complex letters units dates 1d scalar none".split(),
)
def test_what_is_no_table_of_numbers(estimator, wine, change, error, words):
    assert_refused(estimator, change(wine), words, error=error, good=wine)


@sequences
@pytest.mark.parametrize(
    "change, words",
    [
        (lambda x: x.astype(complex), "[Cc]omplex"),
        (lambda x: np.full(x.shape, "a"), "the text 'a', which is no number"),
        (lambda x: x.astype("M8[s]"), "times of dtype datetime64"),
    ],
    ids=["complex", "strings", "dates"],
)
@pytest.mark.parametrize("kind", ["3-D", "list"])
def test_what_is_no_sequence_of_numbers(estimator, digits, ragged, kind, change, words):
    X = change(digits) if kind == "3-D" else [change(each) for each in ragged]
    good = digits if kind == "3-D" else ragged
    assert_refused(estimator, X, words, error=(TypeError, ValueError), good=good)


@pytest.mark.parametrize("X", [["ab", "cd"], [None, None], np.ones((4, 3, 2, 2, 2, 2))])
@sequences
def test_what_is_no_sequence_at_all(estimator, X):
    assert_refused(estimator, X, ".", error=(TypeError, ValueError))


@pytest.mark.slow
@tables
@pytest.mark.parametrize(
    "change",
    [
        lambda X: X.astype(np.float16),
        lambda X: X.astype(np.int32),
        lambda X: X > 0,
        lambda X: X.astype(object),
        lambda X: X.tolist(),
        lambda X: torch.tensor(X),
        lambda X: pd.DataFrame(X),
        lambda X: pd.DataFrame(X).astype("Float64"),
        lambda X: pd.DataFrame(X).astype("float64[pyarrow]"),
        lambda X: pl.DataFrame(X),
    ],
    ids="f16 int bool object list torch pandas nullable pyarrow polars".split(),
)
def test_every_kind_of_number_works(estimator, wine, change):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.filterwarnings("ignore", message=".*(R²|PCA|mean)")  # the guard
        fitted = clone(estimator).fit(change(wine))
        method = "transform" if hasattr(fitted, "transform") else "score_samples"
        assert np.isfinite(getattr(fitted, method)(change(wine))).all()


@tables
@pytest.mark.parametrize(
    "change",
    [
        np.asfortranarray,
        lambda X: X[::-1, ::-1],
        lambda X: np.repeat(X, 2, axis=1)[:, ::2],
        lambda X: np.broadcast_to(X[:1], X.shape),
    ],
    ids=["fortran", "negative", "strided", "broadcast"],
)
def test_layouts_work_without_warnings(estimator, wine, change):
    X = change(wine)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*(R²|PCA|mean)")
        fitted = clone(estimator).fit(X)
        method = "transform" if hasattr(fitted, "transform") else "score_samples"
        seen = getattr(fitted, method)(X)
        np.testing.assert_array_equal(seen, getattr(fitted, method)(np.array(X)))


@pytest.mark.parametrize(
    "estimator",
    [dense(), recurrent(), convolutional()],
    ids=["dense", "recurrent", "convolutional"],
)
def test_read_only_memmaps_work_without_warnings(estimator, wine, tmp_path):
    np.save(tmp_path / "X.npy", wine)
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*(R²|PCA|mean)")
        clone(estimator).fit(X).reconstruct(X)
    np.testing.assert_array_equal(X, wine)


@pytest.mark.parametrize("kind", RAGGED_CONTAINERS)
def test_a_missing_sequence_is_refused(ragged, kind):
    if kind == "polars":  # which has nulls of its own
        X = pl.DataFrame({"a": [[1.0, 2.0], None, [3.0]]})
    elif kind == "pandas":
        X = pd.DataFrame({"a": [ragged[0][:, 0], None, ragged[1][:, 0]]})
    else:
        X = RAGGED_CONTAINERS[kind]([ragged[0], None, ragged[1]])
    assert_refused(recurrent(), X, ".", error=(TypeError, ValueError))


NUMBERED = {"id": [1, 1, 2, 2], "time": [0, 1, 0, 1], "load": [1.0, 2.0, 3.0, 4.0]}


@pytest.mark.parametrize("estimator", [recurrent(), convolutional()], ids=str)
@pytest.mark.parametrize("library", [pd, pl])
def test_a_long_table_is_refused_with_the_conversion(estimator, library):
    long = library.DataFrame({**NUMBERED, "id": list("aabb")})
    assert_refused(estimator, long, "Column 'id' holds the text 'a'.*sequences_from")
    days = pd.date_range("2024-01-01", periods=4)
    long = library.DataFrame({**NUMBERED, "time": days})
    assert_refused(estimator, long, "Column 'time' holds times.*sequences_from_long")
    assert_refused(estimator, long["load"], "one value in each row.*sequences_from")


@pytest.mark.parametrize("estimator", [recurrent(), convolutional()], ids=str)
@pytest.mark.parametrize("library", [pd, pl])
def test_a_long_table_of_numbers_is_warned_about(estimator, library):
    with pytest.warns(
        UserWarning, match="id and the time of a long.*sequences_from_long"
    ):
        clone(estimator).fit(library.DataFrame(NUMBERED))


def test_a_table_of_rising_numbers_is_no_long_table(wine):
    frame = pd.DataFrame(np.sort(np.floor(wine), axis=0))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*long table")
        recurrent().fit(frame)


@pytest.mark.parametrize("estimator", [recurrent(), convolutional()], ids=str)
def test_the_result_of_sequences_from_long_must_be_unpacked(estimator):
    read = sequences_from_long(pd.DataFrame(NUMBERED), id="id", time="time")
    assert_refused(estimator, read, "sequences, ids, times = X")


@pytest.mark.parametrize(
    "estimator",
    [recurrent(), convolutional(), SequenceScaler(), detector(recurrent())],
    ids=lambda e: type(e).__name__,
)
def test_swapped_axes_are_warned_about(estimator, digits):
    X = digits[:, :, :1]
    with pytest.warns(UserWarning, match=r"one time step of 8 channels.*X.swapaxes\(1"):
        clone(estimator).fit(X.swapaxes(1, 2))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*swapaxes")
        clone(estimator).fit(X)
        clone(estimator).fit(X[:, :1])


@tables
def test_a_name_that_two_columns_have_is_named(estimator, wine):
    X = pd.DataFrame(wine[:, :3], columns=["a", "b", "a"])
    assert_refused(estimator, X, "names of X must differ. Got 'a' 2 times")


@tables
@pytest.mark.parametrize(
    "values, found",
    [
        ([1.0, pd.Period("2024")], "Period"),
        ([1.0, {"b": 2}], "dict"),
        ([1.0, [2.0]], r"\[2.0\] where one number is expected"),
    ],
)
def test_objects_that_are_no_numbers_name_their_column(estimator, values, found):
    X = pd.DataFrame({"a": [1.0, 2.0]})
    X["b"] = pd.Series(values, dtype=object)
    words = f"Column 'b'.*{found}|Column 'a' of X must hold sequences|Found sequences"
    assert_refused(estimator, X, words, error=(TypeError, ValueError))


@sequences
@pytest.mark.parametrize(
    "cells, words",
    [
        ([[[1.0], None], [[1.0]]], "step 1 of sequence 0 is missing"),
        ([[[1.0]], [[1.0], [1.0, 2.0]]], "1 in step 0 and 2 in step 1 of sequence 1"),
        ([[1.0], [1.0, "b"]], "Sequence 1 holds the text 'b'"),
    ],
)
def test_nested_lists_name_the_sequence(estimator, cells, words):
    assert_refused(estimator, cells, words)
    assert_refused(estimator, pd.DataFrame({"s": cells}), words)
