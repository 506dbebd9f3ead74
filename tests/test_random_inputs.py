"""Random input of every container, dtype and shape has a documented outcome.

A call returns finite values (or NaN where a time step has no score), or it raises an
error of this package or of scikit-learn that names the input. numpy, torch, pandas and
polars raise nothing, and no RuntimeWarning is issued.
"""

import re
import traceback
import warnings
from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from sklearn_seqae import SequenceScaler
from tests.instances import (
    METHODS,
    classifier,
    convolutional,
    dense,
    detector,
    recurrent,
)

RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(24, 4))
SEQUENCES = RNG.normal(size=(24, 5, 2))
RAGGED = [one[: 2 + number % 4] for number, one in enumerate(SEQUENCES)]
IMAGES = RNG.normal(size=(24, 4, 4, 1))
SERIES = np.sin(np.arange(120) / 4)[:, np.newaxis] + 0.1 * RNG.normal(size=(120, 2))
LABELS = np.arange(24) % 2

ONE = {"max_iter": 1, "early_stopping": False}
# The estimator, and training data for the methods other than `fit`.
ESTIMATORS = {
    "dense": (dense(**ONE), TABLE),
    "ordered": (dense(bottleneck="ordered", **ONE), TABLE),
    "with validation": (dense(max_iter=1), TABLE),
    "logistic": (dense(loss="binary_cross_entropy", **ONE), np.abs(TABLE) % 1),
    "recurrent": (recurrent(**ONE), SEQUENCES),
    "recurrent, lengths": (recurrent(**ONE), RAGGED),
    "recurrent, table": (recurrent(sample_shape=(-1, 2), **ONE), TABLE),
    "forecast": (recurrent(objective="predict", horizon=1, **ONE), SEQUENCES),
    "convolutional": (convolutional(**ONE), IMAGES),
    "convolutional, sequences": (convolutional(**ONE), SEQUENCES),
    "scaler": (SequenceScaler(), RAGGED),
    "detector": (detector(PCA(2), contamination=0.1), TABLE),
    "detector, nearest": (detector(PCA(1), score_method="nearest"), TABLE),
    "detector, sequences": (detector(recurrent(**ONE), contamination=0.1), RAGGED),
    "windows": (detector(PCA(1), window_size=4, contamination=0.1), SERIES),
    "trailing": (
        detector(PCA(1), window_size=4, alignment="trailing", contamination=0.1),
        SERIES,
    ),
    "classifier": (classifier(dense(**ONE), early_stopping=False, max_iter=1), TABLE),
    "pipeline": (make_pipeline(SequenceScaler(), recurrent(**ONE)), RAGGED),
}
CALLS = ("fit", "inverse_transform", "score", *METHODS)
DTYPES = ("float64", "float32", "float16", "int8", "uint16", "bool", "object", "str")
VALUES = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "fractions": lambda rng, shape: rng.uniform(size=shape),
    "integers": lambda rng, shape: rng.integers(0, 3, size=shape).astype(float),
    "constant": lambda rng, shape: np.full(shape, 7.3),
    "zero": lambda rng, shape: np.zeros(shape),
    "huge": lambda rng, shape: 1e200 * rng.normal(size=shape),
    "tiny": lambda rng, shape: 1e-200 * rng.normal(size=shape),
    "outlier": lambda rng, shape: np.where(
        rng.uniform(size=shape) < 0.05, 1e30, rng.normal(size=shape)
    ),
    "missing": lambda rng, shape: np.where(
        rng.uniform(size=shape) < 0.1, np.nan, rng.normal(size=shape)
    ),
    "infinite": lambda rng, shape: np.where(
        rng.uniform(size=shape) < 0.1, np.inf, rng.normal(size=shape)
    ),
}


def as_objects(items):
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def of_rows(make):
    """Return a container of an array of two dimensions; of others the array itself."""
    return lambda array: make(array) if array.ndim == 2 else array


def named(array):
    return {f"column{c}": array[:, c] for c in range(array.shape[1])}


CONTAINERS = {
    "array": lambda array: array,
    "fortran": np.asfortranarray,
    "list": lambda array: array.tolist(),
    "list of arrays": list,
    "tuple": tuple,
    "object array": lambda array: as_objects(list(array)),
    "pandas": of_rows(pd.DataFrame),
    "pandas, names": of_rows(lambda array: pd.DataFrame(named(array))),
    "pandas, cells": lambda array: pd.DataFrame({"curve": list(array)}),
    "series of cells": lambda array: pd.Series(list(array), dtype=object),
    "frames": lambda array: [pd.DataFrame(one) for one in array if one.ndim == 2],
    "polars": of_rows(lambda array: pl.DataFrame(named(array))),
    "pyarrow": of_rows(lambda array: pa.table(named(array))),
    "torch": lambda array: torch.from_numpy(array.copy()),
    "masked": lambda array: np.ma.masked_array(array, mask=array != array),
    "sparse": of_rows(scipy.sparse.csr_array),
    "set": lambda array: {len(array)},
    "dict": lambda array: {"x": array},
    "text": lambda array: "text",
    "none": lambda array: None,
    "number": lambda array: float(array.size),
}


@st.composite
def calls(draw):
    """Draw an estimator, a method and X.

    X is like the training data in three of four cases. The others have another shape,
    or sequences of several lengths.
    """
    name = draw(st.sampled_from(sorted(ESTIMATORS)))
    methods = [method for method in CALLS if hasattr(fitted(name), method)]
    method = draw(st.sampled_from(methods))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kinds = [*["same"] * 5, *VALUES]
    kind, dtype = draw(st.sampled_from(kinds)), draw(st.sampled_from(DTYPES))
    container = draw(st.sampled_from(["array", *CONTAINERS]))
    values = VALUES.get(kind, VALUES["normal"])
    if draw(st.integers(0, 3)):
        like = ESTIMATORS[name][1]
        if method == "inverse_transform" and hasattr(fitted(name), "n_components_"):
            like = RNG.normal(size=(24, fitted(name).n_components_))
        rows = slice(draw(st.sampled_from([0, 12, 23])), 24)
        like = like if len(like) > 24 else like[rows]
        if kind != "same":
            like = refilled(like, values, rng)
        return name, method, contained(as_type(like, dtype), container)
    if draw(st.booleans()):
        lengths = draw(st.lists(st.integers(0, 6), max_size=12))
        tail = draw(st.sampled_from([(), (1,), (2,), (2, 2)]))
        items = [values(rng, (n, *tail)) for n in lengths]
        return name, method, contained(as_type(items, dtype), container)
    shape = draw(st.lists(st.sampled_from([0, 1, 2, 4, 12]), max_size=5).map(tuple))
    return name, method, contained(as_type(values(rng, shape), dtype), container)


def refilled(like, values, rng):
    """Return other values in the shape of an array, or of each array of a list."""
    if isinstance(like, list):
        return [values(rng, one.shape) for one in like]
    return values(rng, like.shape)


def as_type(values, dtype):
    if isinstance(values, list):
        return [as_type(one, dtype) for one in values]
    with np.errstate(all="ignore"):
        return np.asarray(values).astype(dtype)


def contained(array, container):
    """Put an array, or a list of arrays, into a container that can hold it."""
    refused = (TypeError, ValueError, AttributeError, pa.ArrowInvalid)
    try:
        return CONTAINERS[container](array)
    except (*refused, pl.exceptions.PolarsError):
        return array


@cache
def fitted(name):
    estimator, X = ESTIMATORS[name]
    return clone(estimator).fit(X, LABELS if len(X) == len(LABELS) else None)


def labels_for(X):
    """Return labels of two classes for the samples of X, as far as X has samples."""
    shape = getattr(X, "shape", None)
    if shape is None:
        shape = (len(X),) if hasattr(X, "__len__") else ()
    return np.arange(shape[0] if shape else 1) % 2


OWN_FILES = re.compile(r"[/\\](sklearn_seqae|sklearn)[/\\]")
NAMED = re.compile(
    r"\bX\b|\by\b|[Ss]equence|[Ss]ample|[Ff]eature|array|parameter|[Cc]olumn|[Ss]eries|"
    r"horizon|lengths|window"
)
RAW = re.compile(
    r"broadcast|setting an array element|inhomogeneous|unhashable|out of bounds|index "
    r"out of range|has no attribute|mat1 and mat2|size mismatch|unsupported operand|"
    r"ufunc|zero-size array|cannot reshape|not subscriptable|must be real number"
)


def check_outcome(name, method, X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = fitted(name)
        # sklearn.decomposition.PCA divides by the variance of constant data.
        own = r"sklearn_seqae|tests"
        warnings.filterwarnings("error", category=RuntimeWarning, module=own)
        try:
            if method == "fit":
                clone(model).fit(X, labels_for(X))
                return "result"
            is_labelled = name == "classifier" and method == "score"
            options = {"y": labels_for(X)} if is_labelled else {}
            result = getattr(model, method)(X, **options)
        except (ValueError, TypeError) as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            assert OWN_FILES.search(last.filename), (last, error)
            assert NAMED.search(str(error)) and not RAW.search(str(error)), error
            return "error"
    check_values(name, result)
    return "result"


def check_values(name, result):
    if isinstance(result, pd.DataFrame | pd.Series):
        result = result.select_dtypes("number") if result.ndim == 2 else result
        result = result.to_numpy()
    if isinstance(result, pl.DataFrame):
        result = result.to_numpy()
    if isinstance(result, list | tuple):
        for one in result:
            check_values(name, one)
        return
    if isinstance(result, torch.Tensor):
        result = result.numpy()
    values = np.asarray(result)
    if values.dtype == object:
        for one in values.ravel():
            check_values(name, one)
    elif values.dtype.kind == "f":
        has_gaps = name in ("windows", "trailing", "scaler")
        finite = np.isfinite(values) | (np.isnan(values) & has_gaps)
        assert finite.all(), values


@pytest.mark.parametrize("n", [100, pytest.param(2000, marks=pytest.mark.slow)])
def test_every_call_has_a_documented_outcome(n):
    outcomes = []

    @settings(
        max_examples=n,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(call=calls())
    def check(call):
        outcomes.append(check_outcome(*call))

    check()
    for outcome in ("result", "error"):
        assert outcomes.count(outcome) > n / 5
