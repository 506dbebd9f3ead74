"""Values of columns and sequences as numbers, and arrays with missing values.

An error names what is no number. A missing value is NaN.
"""

import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite, check_array

from sklearn_seqae._libraries import columns_of, dtype_names, library_of

MOST_LETTERS = 40  # of a text in a message
ROUNDING = 2 * np.finfo(np.float64).eps  # relative error of a mean
MIN_SHARE = 0.5  # of observed values in a resampled step
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


def has_gaps(values: NDArray[Any]) -> bool:
    """Return whether an array of floats contains NaN."""
    return bool(np.isnan(values.min(initial=0)))


def unmasked(X: Any) -> Any:
    """Return masked arrays, and lists of them, as arrays with NaN at masked entries.

    Other objects are returned as they are.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seqae._numbers import unmasked
    >>> unmasked(np.ma.masked_equal([1, 2], 2))
    array([ 1., nan])
    """
    if isinstance(X, np.ma.MaskedArray):
        if X.dtype.kind in "biu":
            X = X.astype(np.float64)
        return X.filled(None if X.dtype == object else np.nan)
    if isinstance(X, (list, tuple)) and any(map(_holds_masked, X)):
        return type(X)([unmasked(item) for item in X])
    return X


def _holds_masked(item: Any) -> bool:
    if isinstance(item, (list, tuple)) and item and not np.isscalar(item[0]):
        return any(map(_holds_masked, item))
    return isinstance(item, np.ma.MaskedArray)


def check_finite(
    steps: np.ndarray, lengths: np.ndarray, name: str, *, allow_nan: bool
) -> None:
    """Raise a ValueError that names the sequence with the first infinite value."""
    options: dict[str, Any] = {"allow_nan": allow_nan, "estimator_name": name}
    try:
        assert_all_finite(steps, input_name="X", **options)
    except ValueError as error:
        is_finite = np.isfinite(steps) | (np.isnan(steps) & allow_nan)
        step = np.flatnonzero(~is_finite.all(axis=1))[0]
        number = np.searchsorted(np.cumsum(lengths), step, side="right")
        message = f"{error}\nThe first such value is in sequence {number}."
        raise ValueError(message) from None


def resample(
    values: np.ndarray, lengths: np.ndarray | None, n_steps: int
) -> np.ndarray:
    """Resample every sequence to `n_steps`, linearly in relative time.

    A step of the result is missing if more than half of it comes from missing values.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seqae._numbers import resample
    >>> resample(np.array([[[0.0], [1.0], [2.0]]]), None, 5).ravel()
    array([0. , 0.5, 1. , 1.5, 2. ])
    """
    if lengths is None:
        lengths = np.full(len(values), values.shape[1])
    if (lengths == n_steps).all():
        return values[:, :n_steps]
    if has_gaps(values):
        observed = ~np.isnan(values)
        share = resample(observed.astype(values.dtype), lengths, n_steps)
        total = resample(np.where(observed, values, 0), lengths, n_steps)
        result = np.full(total.shape, np.nan, dtype=values.dtype)
        np.divide(total, share, out=result, where=share >= MIN_SHARE)
        return result
    # Integers: steps that coincide with a step of the original stay exact.
    last = (lengths - 1)[:, np.newaxis]
    before, rest = np.divmod(np.arange(n_steps) * last, max(1, n_steps - 1))
    after = before + (rest > 0)
    weight = (rest / max(1, n_steps - 1)).astype(values.dtype)[..., np.newaxis]
    rows = np.arange(len(values))[:, np.newaxis]
    return (1 - weight) * values[rows, before] + weight * values[rows, after]


def overall_scale(
    values: np.ndarray, center: Any, weight: np.ndarray | None = None
) -> float:
    """Return the overall standard deviation of values about a center.

    If the values differ from the center by rounding errors only, it is their largest
    absolute value, or 1. Squares neither overflow nor underflow.

    Parameters
    ----------
    values : ndarray of shape (N, ...)
        Rows.

    center : ndarray
        Center that is subtracted from each row.

    weight : ndarray of shape (N,), default=None
        Weights of the rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seqae._numbers import overall_scale
    >>> overall_scale(np.array([[1e200], [3e200]]), np.array([2e200]))
    1e+200
    """
    deviations = values - np.asarray(center).astype(values.dtype)
    observed = ~np.isnan(deviations) if has_gaps(values) else None
    if observed is not None:
        deviations, values = (np.nan_to_num(each) for each in (deviations, values))
    largest = float(np.abs(deviations).max(initial=0))
    size = float(np.abs(values).max(initial=0))
    if largest <= ROUNDING * size or not np.isfinite(largest):
        return size if 0 < size < np.inf else 1.0
    squares = np.square(deviations / largest).reshape(len(values), -1)
    if observed is not None:
        weights = np.ones(len(values)) if weight is None else weight
        counts = observed.reshape(len(values), -1).sum(axis=1)
        total = weights @ squares.sum(axis=1, dtype=np.float64)
        return largest * float(np.sqrt(total / (weights @ counts)))
    mean = np.average(squares.mean(axis=1, dtype=np.float64), weights=weight)
    return largest * float(np.sqrt(mean))
