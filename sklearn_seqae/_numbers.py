"""Values of columns and sequences as numbers; an error names what is no number."""

import datetime
from typing import Any

import numpy as np
from sklearn.utils import check_array

from sklearn_seqae._libraries import columns_of, dtype_names, library_of

MOST_LETTERS = 40  # of a text in a message
NUMERIC = "Convert your data to numeric values explicitly instead."

# Starts of the names of dtypes that are not numbers.
_OTHER_DTYPES = (
    *("str", "utf8", "large_string", "bytes", "binary", "large_binary"),
    *("date", "time", "duration", "period", "interval"),
    *("object", "list", "large_list", "fixed_size_list", "array", "struct"),
    *("cat", "enum", "dict", "decimal", "null"),
)
_TIMES = (
    np.datetime64,
    np.timedelta64,
    datetime.date,
    datetime.time,
    datetime.timedelta,
)


def refuse_masked(X: Any, name: str = "X") -> None:
    """Raise a TypeError for masked arrays: numpy would silently drop the mask."""
    is_list = isinstance(X, (list, tuple)) and len(X) > 0
    kinds = {type(X), *map(type, X)} if is_list else {type(X)}
    if any(issubclass(kind, np.ma.MaskedArray) for kind in kinds):
        raise TypeError(
            f"Masked arrays are not supported: {name} must hold a number in each "
            "entry. Impute the masked values and pass X.filled(), or drop their "
            "samples."
        )
    first = X[0] if is_list else None
    if isinstance(first, (list, tuple)) and first and not np.isscalar(first[0]):
        for item in X:
            refuse_masked(item, name)


def as_floats(
    X: Any,
    name: str | None = None,
    *,
    advice: str = NUMERIC,
    input_name: str = "X",
    **params: Any,
) -> np.ndarray:
    """Return X as an array of floats; `params` are those of `check_array`.

    Numeric text is converted. `name` is the class of the estimator, for messages.
    """
    reader = "" if name is None else f" to be read by {name}"
    X = as_array(X, input_name, reader)
    if not params.get("ensure_2d", True):
        refuse_scalar(X, input_name)
    X = numbers_of(X, f"{input_name} must hold numbers{reader}", advice)
    params |= {"estimator": name, "input_name": input_name}
    return check_array(X, dtype=[np.float64, np.float32], **params)


def as_array(X: Any, name: str = "X", reader: str = "") -> Any:
    """Return lists as arrays; arrays, data frames and Series as they are.

    Raises
    ------
    TypeError
        If X is a masked array, or a list of them.

    ValueError
        If X is a list whose items have different lengths.
    """
    refuse_masked(X, name)
    if hasattr(X, "shape"):
        return X
    try:
        return np.asarray(X)
    except ValueError:
        raise ValueError(
            f"{name} must hold one number in each entry{reader}. Got a list whose "
            "items have different lengths or dimensions."
        ) from None


def refuse_scalar(X: Any, name: str) -> None:
    """Raise a ValueError for a single value in place of an array."""
    if len(X.shape) == 0:
        raise ValueError(f"{name} must be an array. Got the single value {X}.")


def numbers_of(X: Any, where: str, advice: str = NUMERIC) -> Any:
    """Return X itself if its dtypes are numbers, otherwise an array of its numbers.

    Parameters
    ----------
    X : ndarray, DataFrame or Series
        Values. Text is converted if all text of a column is numeric.

    where : str
        What must hold numbers, for messages: "X must hold numbers to be read by PCA".

    advice : str, default=NUMERIC
        What to do, for messages.

    Raises
    ------
    ValueError, TypeError
        If a column holds times, text that is no number, or other objects. The error
        names the column.
    """
    is_other = any(name.startswith(_OTHER_DTYPES) for name in dtype_names(X))
    if not is_other or 0 in X.shape:
        return X
    form = library_of(X)
    columns: list = [X]
    labels: list = [None]
    if form is not None:
        columns = columns_of(X, form)
        labels = list(X.columns) if hasattr(X, "columns") else [X.name]
    elif X.ndim == 2:
        columns, labels = list(X.T), list(range(X.shape[1]))
    numbers = []
    for label, values in zip(labels, columns, strict=True):
        try:
            values = np.asarray(values)
            if form is not None and values.ndim > 1:
                raise ValueError("several values in each row")
            numbers.append(as_numbers(values))
        except (TypeError, ValueError) as error:
            found = "Got" if label is None else f"Column {label!r} holds"
            raise type(error)(f"{where}. {found} {error}. {advice}") from None
    return np.column_stack(numbers) if len(X.shape) == 2 else numbers[0]


def as_numbers(values: np.ndarray) -> np.ndarray:
    """Return values as numbers. An error describes the first value that is none.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seqae._numbers import as_numbers
    >>> as_numbers(np.array(["1.5", None], dtype=object))
    array([1.5, nan])
    """
    kind = values.dtype.kind
    if kind in "biufc":
        return values
    if kind in "mM":
        raise ValueError(f"times of dtype {values.dtype}")
    if kind == "O":
        time = next((v for v in values.ravel() if isinstance(v, _TIMES)), None)
        if time is not None:
            raise ValueError(f"the time {str(time)!r}")
        is_missing = [type(v).__name__ == "NAType" for v in values.ravel()]
        if any(is_missing):
            missing = np.reshape(is_missing, values.shape)
            values = np.where(missing, np.nan, values)
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError):
        for value in values.ravel():
            _check_number(value)
        raise


def _check_number(value: Any) -> None:
    if isinstance(value, (list, tuple, np.ndarray)):
        raise ValueError(f"{value!r} where one number is expected")
    if value is None:
        return
    try:
        float(value)
    except ValueError:
        text = str(value)
        text = text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}..."
        raise ValueError(f"the text {text!r}, which is no number") from None
    except TypeError as error:
        raise TypeError(f"{value!r}: {error}") from None
