"""Objects of other libraries: columns of data frames, and conversion to known objects.

The rest of the package reads numpy, pandas, polars, lists and tuples only.
"""

import sys
from collections.abc import Callable
from functools import wraps
from inspect import isfunction, signature
from typing import Any, TypeVar

import numpy as np
from sklearn import get_config
from sklearn.utils import _array_api
from sklearn.utils._array_api import get_namespace_and_device

Function = TypeVar("Function", bound=Callable[..., Any])
Class = TypeVar("Class", bound=type)

_KNOWN = ("builtins", "numpy", "pandas", "polars", "scipy")


def reads_all_containers(function: Function) -> Function:
    """Let a function or method read the objects of other libraries.

    Its arguments are converted with `to_native`. Under scikit-learn's array API
    dispatch, arrays that it returns are in the namespace and on the device of its first
    array argument.
    """

    @wraps(function)
    def converted(*args: Any, **kwargs: Any) -> Any:
        native = [to_native(value) for value in args]
        options = {name: to_native(value) for name, value in kwargs.items()}
        result = function(*native, **options)
        return _like(_array_among([*args, *kwargs.values()]), result)

    return converted  # type: ignore[return-value]


def methods_read_all_containers(cls: Class) -> Class:
    """Apply `reads_all_containers` to the public methods of a class that take X."""
    for name, method in list(vars(cls).items()):
        if name.startswith("_"):
            continue
        if isfunction(method) and "X" in signature(method).parameters:
            setattr(cls, name, reads_all_containers(method))
        elif hasattr(method, "fn"):  # of `available_if`
            method.fn = reads_all_containers(method.fn)
    return cls


def to_native(X: Any) -> Any:
    """Return X as an object of numpy, pandas or polars, with its names.

    pyarrow objects become pandas objects, narwhals objects their native objects, and
    arrays of torch or another array API library numpy arrays. The items of a list or
    tuple are converted, too. Other objects are returned as they are.

    Examples
    --------
    >>> import torch
    >>> from sklearn_seqae._libraries import to_native
    >>> to_native([torch.ones(2)])
    [array([1., 1.], dtype=float32)]
    """
    if type(X) in (list, tuple):
        if all(_library_of(kind) in _KNOWN for kind in {type(item) for item in X}):
            return X
        return type(X)(map(to_native, X))
    library = _library_of(type(X))
    if library == "pyarrow" and hasattr(X, "to_pandas"):
        return X.to_pandas()
    if library == "narwhals" and hasattr(X, "to_native"):
        return to_native(X.to_native())
    if type(X).__name__ == "LazyFrame":
        raise TypeError("A LazyFrame holds no data yet. Call collect() on it first.")
    if library == "torch" and hasattr(X, "detach"):
        return _from_torch(X)
    if _is_array(X) and get_config()["array_api_dispatch"]:
        return _move_to(X, xp=get_namespace_and_device(np.empty(0))[0], device="cpu")
    return X


def _from_torch(X: Any) -> Any:
    if str(X.layout) != "torch.strided":
        raise TypeError(
            "Sparse data was passed, but dense data is required. Use X.to_dense()."
        )
    X = X.detach().cpu()
    return (X.float() if str(X.dtype) == "torch.bfloat16" else X).numpy()


def _move_to(array: Any, *, xp: Any, device: Any) -> Any:
    """Return an array in the namespace `xp` and on the device."""
    if hasattr(_array_api, "move_to"):
        return _array_api.move_to(array, xp=xp, device=device)
    if isinstance(xp.empty(0), np.ndarray):  # in older scikit-learn
        return _array_api._convert_to_numpy(array, get_namespace_and_device(array)[0])
    return xp.asarray(array, device=device)


def _library_of(kind: type) -> str:
    return kind.__module__.partition(".")[0]


def _is_array(X: Any) -> bool:
    """Return whether X is an array of an array API library other than numpy."""
    if _library_of(type(X)) in _KNOWN or isinstance(X, (type, np.ndarray)):
        return False
    is_tensor = _library_of(type(X)) == "torch" and hasattr(X, "detach")
    return is_tensor or hasattr(X, "__array_namespace__")


def _array_among(values: list) -> Any:
    """Return the first array of another library, also if it is an item of a list."""
    firsts = [v[0] if type(v) in (list, tuple) and v else v for v in values]
    return next((first for first in firsts if _is_array(first)), None)


def _like(array: Any, result: Any) -> Any:
    if array is None or not get_config()["array_api_dispatch"]:
        return result
    if type(result) in (list, tuple):
        return type(result)(_like(array, item) for item in result)
    if isinstance(result, np.ndarray) and result.dtype.kind in "biuf":
        xp, _, device = get_namespace_and_device(array)
        return _move_to(np.require(result, requirements="W"), xp=xp, device=device)
    return result


# Data frames


def library_of(X: Any) -> str | None:
    """Return the library of a data frame or Series, without importing it."""
    for name in ("pandas", "polars"):
        library = sys.modules.get(name)
        if library is not None and isinstance(X, (library.DataFrame, library.Series)):
            return name
    return None


def dtype_names(X: Any) -> list[str]:
    """Return the names of the dtypes of X, in lower case."""
    dtypes = X.dtypes if hasattr(X, "columns") else [getattr(X, "dtype", "")]
    return [str(getattr(dtype, "name", dtype)).lower() for dtype in dtypes]


def columns_of(X: Any, form: str) -> list:
    """Return the columns of a data frame, or a Series, as arrays or lists."""
    if form == "pandas":
        is_frame = hasattr(X, "columns")
        columns = [X.iloc[:, i] for i in range(X.shape[1])] if is_frame else [X]
        return [column.to_numpy() for column in columns]
    columns = X.get_columns() if hasattr(X, "columns") else [X]
    # A nested list becomes an array of arrays in to_numpy.
    nested = [str(column.dtype).startswith("List(List") for column in columns]
    return [
        column.to_list() if is_nested else column.to_numpy()
        for column, is_nested in zip(columns, nested, strict=True)
    ]
