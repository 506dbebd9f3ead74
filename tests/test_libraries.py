"""Objects of other libraries are read by every estimator and function."""

import contextlib
import inspect

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

import sklearn_seqae
from sklearn_seqae import displays
from sklearn_seqae.conversion import (
    sequences_from_long,
    sequences_from_padded,
    sequences_to_long,
)
from sklearn_seqae.windows import merge_scores, merge_windows, sliding_windows
from tests.containers import NAMED_TABLES, SEQUENCES, TABLES, items
from tests.instances import classifier, convolutional, dense, detector, recurrent

SHORT = {"early_stopping": False, "max_iter": 1}
CLASSIFIER = classifier(dense(**SHORT), **SHORT)
READ_TABLES = [
    dense(**SHORT),
    recurrent(**SHORT),
    convolutional(**SHORT),
    detector(PCA(2)),
    detector(PCA(2), window_size=4),
    CLASSIFIER,
]
READ_SEQUENCES = [
    recurrent(**SHORT),
    detector(recurrent(**SHORT)),
    classifier(recurrent(**SHORT), **SHORT),
    sklearn_seqae.SequenceScaler(),
]
METHODS = (
    *("transform", "reconstruct", "score_samples", "decision_function", "p_values"),
    *("predict", "predict_proba", "reconstruction_errors", "feature_scores"),
)


def named(estimators):
    return pytest.mark.parametrize(
        "estimator", estimators, ids=lambda e: type(e).__name__
    )


@pytest.fixture(scope="module")
def table():
    return np.random.default_rng(0).normal(size=(24, 4))


@pytest.fixture(scope="module")
def sequences():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(3 + i % 3, 2)) for i in range(12)]


def assert_close(found, wanted, method):
    """The order of the values in memory may change the last bits."""
    np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-9, err_msg=method)


EXPECTED = {}  # results of each estimator, by data


def expected(estimator, X):
    """Return the results of an estimator that is fitted to plain arrays."""
    key = id(estimator), id(X)
    if key not in EXPECTED:
        EXPECTED[key] = results(clone(estimator).fit(X, np.arange(len(X)) % 2), X)
    return EXPECTED[key]


def results(model, X):
    return {m: getattr(model, m)(X) for m in METHODS if hasattr(model, m)}


def assert_same(found, wanted):
    assert found.keys() == wanted.keys()
    for method, value in wanted.items():
        for one, other in zip(items(found[method]), items(value), strict=True):
            assert_close(np.squeeze(one), np.squeeze(other), method)


@named(READ_TABLES)
@pytest.mark.parametrize("kind", TABLES)
def test_tables_of_all_libraries_are_read_as_the_array(estimator, kind, table):
    X = TABLES[kind](table)
    model = clone(estimator).fit(X, np.arange(len(table)) % 2)
    found = results(model, X)
    for method, wanted in expected(estimator, table).items():
        assert_close(np.asarray(found[method]), wanted, method)
    if kind in NAMED_TABLES:
        assert model.feature_names_in_.tolist() == ["x0", "x1", "x2", "x3"]


@named(READ_SEQUENCES)
@pytest.mark.parametrize("kind", SEQUENCES)
def test_sequences_of_all_libraries_are_read_as_the_list(estimator, kind, sequences):
    X = SEQUENCES[kind](sequences)
    model = clone(estimator).fit(X, np.arange(len(sequences)) % 2)
    assert_same(results(model, X), expected(estimator, sequences))


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("pyarrow", pd.DataFrame),
        ("record_batch", pd.DataFrame),
        ("narwhals_pandas", pd.DataFrame),
        ("narwhals_polars", pl.DataFrame),
        ("tensor", np.ndarray),
    ],
)
def test_reconstructions_are_in_the_converted_container(kind, form, table):
    X = TABLES[kind](table)
    rebuilt = dense(**SHORT).fit(X).reconstruct(X)
    assert type(rebuilt) is form
    if form is not np.ndarray:
        assert list(rebuilt.columns) == ["x0", "x1", "x2", "x3"]


@pytest.mark.parametrize(
    "lazy", [lambda X: X.lazy(), lambda X: nw.from_native(X.lazy())]
)
def test_lazy_frames_must_be_collected(lazy, table):
    with pytest.raises(TypeError, match=r"Call collect\(\)"):
        dense().fit(lazy(pl.DataFrame(table)))


def test_sparse_tensors_are_refused(table):
    with pytest.raises(TypeError, match="Sparse data was passed"):
        dense().fit(torch.tensor(table).to_sparse())


@pytest.mark.parametrize("kind", ["pyarrow", "narwhals_polars", "record_batch"])
def test_functions_read_all_libraries(kind):
    values = np.arange(12.0).reshape(6, 2)
    X = TABLES[kind](values)
    windows = sliding_windows(values, 3)
    np.testing.assert_array_equal(sliding_windows(X, 3), windows)
    padded = [row[:, np.newaxis] for row in values]
    np.testing.assert_array_equal(sequences_from_padded(X), padded)
    read, ids, times = sequences_from_long(
        TABLES[kind](np.array([[1.0, 0, 5], [1, 1, 6]])), id="x0", time="x1"
    )
    np.testing.assert_array_equal(read, [[[5.0], [6.0]]])
    scores = pa.chunked_array([[1.0, 2.0]])
    np.testing.assert_array_equal(merge_scores(scores, 2), [1.0, 1.5, 2.0])


# Array API dispatch


@pytest.fixture
def dispatch():
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(config_context(array_api_dispatch=True))
        except ImportError as error:
            pytest.skip(f"scikit-learn cannot dispatch: {error}")
        yield


def assert_tensors(found, wanted):
    """The values are those without dispatch, in tensors."""
    for method, value in wanted.items():
        result = found[method]
        if isinstance(value, list):
            assert isinstance(result, list)
            pairs = zip(result, value, strict=True)
        else:
            pairs = [(result, value)]
        for one, other in pairs:
            assert isinstance(one, torch.Tensor), method
            assert one.device.type == "cpu"
            assert_close(one.numpy(), other, method)


@named(READ_TABLES)
def test_tensors_come_back_as_tensors_under_dispatch(estimator, table, dispatch):
    X = torch.tensor(table)
    model = clone(estimator).fit(X, torch.arange(len(X)) % 2)
    assert_tensors(results(model, X), expected(estimator, table))
    if hasattr(model, "inverse_transform"):
        assert isinstance(model.inverse_transform(model.transform(X)), torch.Tensor)
    assert not any(isinstance(value, torch.Tensor) for value in vars(model).values())
    assert not get_tags(model).array_api_support


@named(READ_SEQUENCES)
@pytest.mark.parametrize("kind", ["list", "3-D"])
def test_sequences_of_tensors_under_dispatch(estimator, kind, sequences, dispatch):
    if kind == "list":
        X = [torch.tensor(sequence) for sequence in sequences]
        model = clone(estimator).fit(X, np.arange(len(X)) % 2)
        assert_tensors(results(model, X), expected(estimator, sequences))
        return
    arrays = np.stack([sequence[:3] for sequence in sequences])
    y = np.arange(len(arrays)) % 2
    found = results(clone(estimator).fit(torch.tensor(arrays), y), torch.tensor(arrays))
    assert_tensors(found, results(clone(estimator).fit(arrays, y), arrays))


def test_float32_tensors_keep_their_dtype(table, dispatch):
    X = torch.tensor(table, dtype=torch.float32)
    model = dense(**SHORT).fit(X)
    codes = model.transform(X)
    assert codes.dtype == model.inverse_transform(codes).dtype == torch.float32


def test_a_pipeline_behind_a_scaler_dispatches(table, dispatch):
    X = torch.tensor(table)
    pipeline = make_pipeline(StandardScaler(), dense(**SHORT)).fit(X)
    codes = pipeline.transform(X)
    assert isinstance(codes, torch.Tensor)
    rebuilt = pipeline.inverse_transform(codes)
    assert isinstance(rebuilt, torch.Tensor)
    assert rebuilt.shape == X.shape
    scaled = StandardScaler().fit_transform(table)
    wanted = dense(**SHORT).fit(scaled).transform(scaled)
    np.testing.assert_allclose(codes.numpy(), wanted, atol=1e-6)


def test_a_forecast_of_tensors_is_a_tensor(dispatch):
    X = torch.tensor(np.random.default_rng(0).normal(size=(12, 6, 2)))
    model = recurrent(objective="composite", horizon=2, **SHORT).fit(X)
    ahead = model.predict(X)
    assert isinstance(ahead, torch.Tensor)
    assert ahead.shape == (12, 2, 2)


def test_windows_of_tensors_are_tensors(dispatch):
    windows = sliding_windows(torch.arange(6.0), 3)
    assert isinstance(windows, torch.Tensor)
    merged = merge_windows(windows)
    torch.testing.assert_close(merged[:, 0], torch.arange(6.0))


def test_set_output_and_dispatch_give_a_data_frame(table, dispatch):
    X = torch.tensor(table)
    model = dense(**SHORT).set_output(transform="pandas").fit(X)
    assert isinstance(model.transform(X), pd.DataFrame)


@named([dense(init="random"), recurrent(init="random"), convolutional(init="random")])
def test_a_convergence_warning_names_the_line_of_the_caller(estimator, table):
    with pytest.warns(ConvergenceWarning) as caught:
        clone(estimator).set_params(max_iter=1).fit(table)
    assert [warning.filename for warning in caught] == [__file__]


# Every public function


def public_functions():
    """Yield each public function with an argument of samples."""
    for name in sklearn_seqae.__all__:
        value = getattr(sklearn_seqae, name)
        if isinstance(value, type):
            for method in dir(value):
                function = inspect.getattr_static(value, method)
                function = getattr(function, "fn", function)
                if method[0] != "_" and inspect.isfunction(function):
                    yield f"{name}.{method}", function
    for name in displays.__all__:
        for method in vars(getattr(displays, name)):
            function = inspect.getattr_static(getattr(displays, name), method)
            if isinstance(function, classmethod) and method[0] != "_":
                yield f"{name}.{method}", function.__func__
    for function in (
        *(sequences_from_long, sequences_from_padded, sequences_to_long),
        *(sliding_windows, merge_windows, merge_scores),
    ):
        yield function.__name__, function


SAMPLES = {"X", "codes", "scores", "frame", "sequences", "windows"}


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(function, id=name)
        for name, function in public_functions()
        if SAMPLES & set(inspect.signature(function).parameters)
        and function.__module__.startswith("sklearn_seqae")
    ],
)
def test_every_public_function_reads_all_containers(function):
    """`reads_all_containers` wraps it: this is what `converted` is."""
    functions = [function]
    while hasattr(functions[-1], "__wrapped__"):
        functions.append(functions[-1].__wrapped__)
    assert any(one.__code__.co_name == "converted" for one in functions)
