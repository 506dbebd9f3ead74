"""Layouts of X that are mistaken for tables or sequences: what to convert them with."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_seqae._containers import depth, ndim_of
from sklearn_seqae._numbers import has_gaps
from sklearn_seqae._warn import warn

FROM_LONG = (
    "Convert a long table, which has one row for each time step, with "
    "sklearn_seqae.conversion.sequences_from_long(X, id=..., time=...)."
)


def refuse_panel(X: Any, which: str = "X") -> None:
    """Raise a ValueError for a table with a MultiIndex of entity and time."""
    if type(getattr(X, "index", None)).__name__ == "MultiIndex":
        raise ValueError(
            f"The index of {which} is a MultiIndex, so its rows belong to several "
            "entities. Convert it to a list of sequences with "
            "sklearn_seqae.conversion.sequences_from_long(X.reset_index(), id=..., "
            "time=...)."
        )


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


def warn_of_layout(samples: Any) -> None:
    """Warn if X seems to have swapped axes, or to be a long table."""
    shape = samples.container.shape or (samples.values.shape[1], 1)
    n_channels = samples.n_features
    if samples.kind == "array" and tuple(shape[:2]) == (1, 1) and n_channels > 1:
        warn(
            f"X has one time step of {n_channels} channels in each sequence. The shape "
            "of X is (n_samples, n_steps, n_channels). If X has one channel, and time "
            "is its last axis, pass X.swapaxes(1, 2).",
        )
    if samples.kind == "flat" and samples.container.columns is not None:
        rows = samples.values.reshape(len(samples), -1)
        if rows.shape[1] > 2 and _are_id_and_time(rows[:, 0], rows[:, 1]):
            warn(
                "Each row of X is read as a sequence, but the first two columns of X "
                f"seem to be the id and the time of a long table. {FROM_LONG}",
            )


def _are_id_and_time(ids: np.ndarray, times: np.ndarray) -> bool:
    """Return whether times rise from row to row of an id and restart with the next."""
    same = ids[1:] == ids[:-1]
    n_ids = len(ids) - np.count_nonzero(same)
    if not 1 < n_ids <= len(ids) / 2 or (ids % 1).any():
        return False
    return len(np.unique(ids)) == n_ids and np.array_equal(np.diff(times) > 0, same)


def refuse_triple(X: Any) -> None:
    """Raise a ValueError for the result of `sequences_from_long` as a whole."""
    if not isinstance(X, tuple) or len(X) != 3:
        return
    if depth(X[0]) == 3 and len({len(part) for part in X}) == 1:
        raise ValueError(
            "X is the tuple that sequences_from_long returns. Unpack it with "
            "sequences, ids, times = X, and pass the sequences."
        )


def refuse_scalars(X: Any, name: str) -> None:
    """Raise a ValueError for one column of numbers."""
    if ndim_of(X) == 1 and len(X) and hasattr(X, "shape"):
        raise ValueError(
            f"Expected 2D array, got 1D array instead: {name} reads sequences, but X "
            "has one value in each row. Reshape your data using X[np.newaxis] if it is "
            "one sequence, or sklearn_seqae.windows.sliding_windows if it is one long "
            "series. "
            f"{FROM_LONG}"
        )
