"""Overlapping windows of long series."""

from collections.abc import Iterator, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from sklearn.utils import check_array, check_scalar

from sklearn_seqae._libraries import reads_all_containers
from sklearn_seqae._numbers import as_array, as_floats, numbers_of, refuse_scalar

__all__ = ["merge_scores", "merge_windows", "sliding_windows"]


@reads_all_containers
def sliding_windows(X: Any, window_size: int, *, step: int = 1) -> NDArray:
    """Cut a long series into overlapping windows.

    Parameters
    ----------
    X : array-like of shape (n_steps,) or (n_steps, n_channels), or several of them
        One series; or several series, as a list of arrays or a 3-D array. No window
        spans two series. A data frame of pandas, polars, pyarrow or narwhals is one
        series. Masked arrays raise a TypeError.

    window_size : int
        Number of time steps of a window.

    step : int, default=1
        Stride: number of time steps between the starts of consecutive windows. The last
        ``(n_steps - window_size) % step`` steps are in no window.

    Returns
    -------
    windows : ndarray of shape (n_windows, window_size, n_channels)
        Windows. For one series, a read-only view without a copy; for several, a new
        array. NaN is allowed.

    See Also
    --------
    merge_windows : The inverse function.
    merge_scores : Convert a score per window to a score per time step.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seqae.windows import sliding_windows
    >>> windows = sliding_windows(np.arange(6), window_size=4, step=2)
    >>> windows.shape
    (2, 4, 1)
    >>> windows[:, :, 0]
    array([[0, 1, 2, 3],
           [2, 3, 4, 5]])
    """
    _check_sizes(window_size, step)
    if not _holds_several(X):
        return _windows_of(_as_series(X, "X"), window_size, step, "X")
    if len(X) == 0:
        raise ValueError("X must hold one series at least. Got none.")
    names = [f"series {number} of X" for number in range(len(X))]
    series = [_as_series(one, name) for one, name in zip(X, names, strict=True)]
    for one, name in zip(series, names, strict=True):
        if one.shape[1] != series[0].shape[1]:
            raise ValueError(
                "X must hold series of the same number of channels. Got "
                f"{series[0].shape[1]} in series 0 and {one.shape[1]} in {name}."
            )
    return np.concatenate(
        [
            _windows_of(one, window_size, step, name)
            for one, name in zip(series, names, strict=True)
        ]
    )


@reads_all_containers
def merge_windows(
    windows: Any, *, step: int = 1, n_steps: int | Sequence[int] | None = None
) -> NDArray | list[NDArray]:
    """Merge overlapping windows into a series: the mean where windows overlap.

    It is the inverse of `sliding_windows`.

    Parameters
    ----------
    windows : array-like of shape (n_windows, window_size, n_channels)
        Windows in the order of time; (n_windows, window_size) has one channel.

    step : int, default=1
        Stride: number of time steps between the starts of consecutive windows.

    n_steps : int or sequence of int, default=None
        Length of the series, or of each of several series. If None, one series that
        ends with its last window.

    Returns
    -------
    X : ndarray of shape (n_steps, n_channels), or a list of them
        Series; a list if `n_steps` is a sequence. Steps that are in no window are NaN.

    See Also
    --------
    sliding_windows : Cut a series into windows.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seqae.windows import merge_windows
    >>> windows = np.array([[[1.0], [2.0]], [[4.0], [3.0]]])
    >>> merge_windows(windows).ravel()
    array([1., 3., 3.])
    >>> merge_windows(windows, step=2, n_steps=5).ravel()
    array([ 1.,  2.,  4.,  3., nan])
    """
    values = _as_floats(windows, "windows")
    if values.ndim == 2:
        values = values[:, :, np.newaxis]
    if values.ndim != 3:
        raise ValueError(
            "windows must have shape (n_windows, window_size, n_channels). Got "
            f"shape {values.shape}."
        )
    window_size = values.shape[1]
    _check_sizes(window_size, step)
    parts = _parts(len(values), window_size, step, n_steps)
    merged = [_mean_of_windows(values[rows], step, total) for rows, total in parts]
    return merged[0] if n_steps is None or np.ndim(n_steps) == 0 else merged


@reads_all_containers
def merge_scores(
    scores: Any,
    window_size: int,
    *,
    step: int = 1,
    n_steps: int | Sequence[int] | None = None,
) -> NDArray | list[NDArray]:
    """Return the mean score of the windows that contain each time step.

    Parameters
    ----------
    scores : array-like of shape (n_windows,)
        Score of each window, in the order of time.

    window_size : int
        Number of time steps of a window.

    step : int, default=1
        Stride: number of time steps between the starts of consecutive windows.

    n_steps : int or sequence of int, default=None
        Length of the series, or of each of several series. If None, one series that
        ends with its last window.

    Returns
    -------
    scores : ndarray of shape (n_steps,), or a list of them
        Scores; a list if `n_steps` is a sequence. A step that is in no window is NaN.

    See Also
    --------
    sliding_windows : Cut a series into windows.

    Examples
    --------
    >>> from sklearn_seqae.windows import merge_scores
    >>> merge_scores([0.0, 1.0, 5.0], window_size=2)
    array([0. , 0.5, 3. , 5. ])
    >>> merge_scores([0.0, 1.0, 5.0], window_size=2, step=2, n_steps=7)
    array([ 0.,  0.,  1.,  1.,  5.,  5., nan])
    """
    _check_sizes(window_size, step)
    values = _as_floats(scores, "scores")
    if values.ndim != 1:
        raise ValueError(
            f"scores must hold one number for each window. Got shape {values.shape}."
        )
    parts = _parts(len(values), window_size, step, n_steps)
    merged = [
        mean_of_scores(
            values[rows],
            np.arange(rows.stop - rows.start) * step,
            window_size,
            total,
        )
        for rows, total in parts
    ]
    return merged[0] if n_steps is None or np.ndim(n_steps) == 0 else merged


# Reading


def _check_sizes(window_size: int, step: int) -> None:
    check_scalar(window_size, "window_size", Integral, min_val=1)
    check_scalar(step, "step", Integral, min_val=1)


def _holds_several(X: Any) -> bool:
    if isinstance(X, np.ndarray) and X.dtype != object:
        return X.ndim == 3
    is_list = isinstance(X, list | tuple | np.ndarray)
    return is_list and any(len(getattr(item, "shape", ())) > 0 for item in X)


def _as_series(X: Any, name: str) -> NDArray:
    """Read one series (T, C) of any number type, without a copy where it can be."""
    X = as_array(X, name)
    refuse_scalar(X, name)
    series = check_array(
        numbers_of(X, f"{name} must hold numbers"),
        ensure_2d=False,
        ensure_all_finite="allow-nan",
        ensure_min_samples=0,
        input_name=name,
    )
    return series[:, np.newaxis] if series.ndim == 1 else series


def _as_floats(X: Any, name: str) -> NDArray:
    return as_floats(
        X,
        input_name=name,
        ensure_2d=False,
        allow_nd=True,
        ensure_all_finite="allow-nan",
    )


# Windows


def _windows_of(series: NDArray, window_size: int, step: int, name: str) -> NDArray:
    if len(series) < window_size:
        raise ValueError(
            f"Found {name} with {len(series)} time step(s) (shape={series.shape}) "
            f"while a minimum of {window_size} is required by "
            f"window_size={window_size}. Choose a smaller window_size, or leave the "
            "series out."
        )
    windows = sliding_window_view(series, window_size, axis=0)[::step]
    return windows.swapaxes(1, 2)


def _parts(
    n_windows: int, window_size: int, step: int, n_steps: int | Sequence[int] | None
) -> Iterator[tuple[slice, int]]:
    """Yield the windows of each series, and its number of steps."""
    if n_steps is None:
        n_steps = (n_windows - 1) * step + window_size
    totals = np.atleast_1d(n_steps)
    for total in totals.tolist():
        check_scalar(total, "n_steps", Integral, min_val=1)
    counts = (totals - window_size) // step + 1
    if (totals < window_size).any() or counts.sum() != n_windows:
        raise ValueError(
            f"n_steps={n_steps!r} does not fit {n_windows} windows of window_size="
            f"{window_size} and step={step}: a series has (n_steps - window_size) // "
            f"step + 1 windows. Pass the n_steps and the step that they were cut with."
        )
    ends = np.cumsum(counts)
    for count, end, total in zip(counts, ends, totals, strict=True):
        yield slice(end - count, end), int(total)


def _mean_of_windows(windows: NDArray, step: int, n_steps: int) -> NDArray:
    """Follow the mean of what covers each step: equal values leave it as it is."""
    n, window_size, n_channels = windows.shape
    mean = np.zeros((n_steps, n_channels), dtype=windows.dtype)
    covered = np.zeros((n_steps, 1), dtype=windows.dtype)
    for offset in range(window_size):
        at = slice(offset, offset + (n - 1) * step + 1, step)
        covered[at] += 1
        mean[at] += (windows[:, offset] - mean[at]) / covered[at]
    mean[covered[:, 0] == 0] = np.nan
    return mean


def mean_of_scores(
    scores: NDArray, starts: NDArray, window_size: int, n_steps: int
) -> NDArray:
    """Return the mean score of the windows that contain each step; NaN without any."""
    n_covered = starts[-1] + window_size
    # Two columns: the scores, and ones to count the windows.
    at_start = np.zeros((n_covered + window_size - 1, 2))
    at_start[starts + window_size - 1] = np.column_stack([scores, np.ones(len(scores))])
    total, count = _moving_sums(at_start, window_size).T
    result = np.full(n_steps, np.nan)
    covered = np.flatnonzero(count)
    result[covered] = total[covered] / count[covered]
    return result


def _moving_sums(values: NDArray, width: int) -> NDArray:
    """Sums of `width` neighbors, put together from sums of 1, 2, 4, ... of them.

    Differences of cumulative sums would lose small scores beside large ones.
    """
    n = len(values) - width + 1
    total = np.zeros_like(values[:n])
    block, size, offset = values, 1, 0
    while True:
        if width & size:
            total += block[offset : offset + n]
            offset += size
        if offset == width:
            return total
        block = block[:-size] + block[size:]
        size *= 2
