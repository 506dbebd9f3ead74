"""Arrays with missing values: NaN, and the masks of masked arrays."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite

ROUNDING = 2 * np.finfo(np.float64).eps  # relative error of a mean
MIN_SHARE = 0.5  # of observed values in a resampled step


def has_gaps(values: NDArray[Any]) -> bool:
    """Return whether an array of floats contains NaN."""
    return bool(np.isnan(values.min(initial=0)))


def unmasked(X: Any) -> Any:
    """Return masked arrays, and lists of them, as arrays with NaN at masked entries.

    Other objects are returned as they are.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seqae._missing import unmasked
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


def refuse_padding(values: NDArray[Any], name: str) -> None:
    """Raise a ValueError for a 3-D array that seems to be padded with NaN.

    Parameters
    ----------
    values : ndarray of shape (N, T, C)
        Sequences.

    name : str
        Class of the estimator.
    """
    if not values.size or not has_gaps(values[:, -1]):
        return
    is_missing = np.isnan(values).all(axis=2)
    # A sequence without any value is missing, and not padded.
    is_padded = is_missing[:, -1] & ~is_missing.all(axis=1)
    if is_padded.any():
        raise ValueError(
            f"The last time steps of sequence {is_padded.argmax()} of X are NaN in all "
            f"channels. {name} reads NaN as missing values, and not as padding. If X "
            "is padded, convert it with "
            "sklearn_seqae.conversion.sequences_from_padded(X). If the last steps are "
            "missing, pass the list of sequences, list(X)."
        )


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
    >>> from sklearn_seqae._missing import resample
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
    >>> from sklearn_seqae._missing import overall_scale
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
