"""The time index of a series: its order, its gaps, and time among the columns."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sklearn_seqae._layout import refuse_panel
from sklearn_seqae._sequences import holds_sequences
from sklearn_seqae._warn import warn

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

TIME_INDEXES = ("DatetimeIndex", "PeriodIndex", "TimedeltaIndex")
TOLERANCE = 1.5  # a step is a gap if it exceeds the longest usual one by this factor
USUAL = 3  # occurrences from which on a longer step belongs to the calendar


def time_index(index: pd.Index | None) -> pd.Index | None:
    """Return the index if it holds times, else None."""
    return index if type(index).__name__ in TIME_INDEXES else None


@dataclass(frozen=True)
class Calendar:
    """Longest step between two rows that is no gap, learned from the training series.

    Steps longer than 1.5 times the median belong to the calendar if they occur at least
    three times: weekends, nights without trading, months.

    Parameters
    ----------
    median, longest : float
        Median step and longest step of the calendar, in nanoseconds.
    """

    median: float
    longest: float

    @classmethod
    def fit(cls, indexes: list[pd.Index | None]) -> Calendar | None:
        """Learn the calendar of some series; None if no series has times."""
        steps = [steps_of(index) for index in indexes if index is not None]
        lengths = np.concatenate(steps) if steps else np.zeros(0)
        if not len(lengths):
            return None
        median = float(np.median(lengths))
        long = lengths[lengths > TOLERANCE * median]
        # Whole multiples of the median: times that jitter are equal then.
        _, number, count = np.unique(
            np.rint(long / median), return_inverse=True, return_counts=True
        )
        usual = long[count[number] >= USUAL]
        return cls(median, float(usual.max(initial=median)))

    def gaps(self, index: pd.Index | None) -> NDArray[np.int64]:
        """Return the numbers of the rows that follow a gap."""
        if index is None:
            return np.zeros(0, dtype=np.int64)
        limit = TOLERANCE * max(self.median, self.longest)
        return np.flatnonzero(steps_of(index) > limit) + 1


def steps_of(index: pd.Index) -> NDArray[np.float64]:
    """Return the time between consecutive rows, in nanoseconds (UTC)."""
    if type(index).__name__ == "PeriodIndex":
        index = index.to_timestamp()
    return np.diff(index.asi8.astype(np.float64)) * _nanoseconds(index)


def _nanoseconds(index: Any) -> float:
    return {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}[index.unit]


def check_times(index: pd.Index | None, which: str) -> None:
    """Raise a ValueError unless the times of a series increase.

    Parameters
    ----------
    index : pandas Index or None
        As `time_index` returns it.

    which : str
        The series, for messages.
    """
    if index is None:
        return
    if index.hasnans:
        row = int(np.flatnonzero(index.isna())[0])
        raise ValueError(
            f"The index of {which} must hold a time in every row. Got NaT in row "
            f"{row}. Drop these rows, or fill in their times."
        )
    steps = np.diff(index.asi8)
    if (steps > 0).all():
        return
    row = int(np.flatnonzero(steps <= 0)[0]) + 1
    if index.is_monotonic_increasing or index.sort_values().has_duplicates:
        twice = index[index.duplicated()][0]
        advice = "aggregate them, for example with .groupby(level=0).mean()"
        if getattr(index, "tz", "") is None:
            advice += ", or use .tz_localize if a clock change repeats an hour"
        raise ValueError(
            f"The index of {which} must hold each time once, in increasing order. Got "
            f"{twice} in more than one row. Sort the rows with .sort_index() and "
            f"{advice}."
        )
    raise ValueError(
        f"The index of {which} must increase. Got {index[row]} in row {row} after "
        f"{index[row - 1]}. Sort the rows with .sort_index()."
    )


def warn_of_gaps(gaps: list[str]) -> None:
    """Warn once of all gaps at which series are cut."""
    if not gaps:
        return
    shown = "; ".join(gaps[:3])
    more = f" and {len(gaps) - 3} more" if len(gaps) > 3 else ""
    warn(
        f"The times of X have gaps ({shown}{more}). No window spans a gap.",
    )


def as_series(X: Any) -> Any:
    """Return a one-dimensional X as a table with one channel.

    Raises
    ------
    ValueError
        If X is a panel of several entities, or if a column holds times.
    """
    if hasattr(X, "to_frame") and hasattr(X, "name") and not holds_sequences(X):
        X = X.to_frame()
    elif isinstance(X, np.ndarray) and X.ndim == 1 and X.dtype.kind in "biuf":
        X = X[:, np.newaxis]
    for number, item in enumerate(X if isinstance(X, (list, tuple)) else [X]):
        which = "X" if item is X else f"series {number} of X"
        _check_columns(item, which)
    return X


def _is_numeric(column: Any) -> bool:
    """Return whether a Series holds numbers."""
    dtype: Any = getattr(column, "dtype", None)
    if hasattr(dtype, "is_numeric"):  # polars
        return bool(dtype.is_numeric())
    return getattr(dtype, "kind", "O") in "biuf"


def _check_columns(item: Any, which: str) -> None:
    refuse_panel(item, which)
    if not hasattr(item, "columns"):
        return
    for name in item.columns:
        if _holds_times(item[name]):
            raise ValueError(
                f"Column {name!r} of {which} holds times, which are not a channel. "
                f"Make it the index with {set_index(item, name)}, as a DatetimeIndex."
            )


def set_index(X: Any, name: Any) -> str:
    """Return the code that makes a column the index. polars has no index."""
    convert = "" if hasattr(X, "set_index") else ".to_pandas()"
    return f"X{convert}.set_index({name!r})"


def _holds_times(column: Any) -> bool:
    name = str(getattr(column, "dtype", "")).lower()
    if name.startswith(("datetime", "date", "period", "timedelta", "duration")):
        return True
    if not name.startswith(("object", "str", "string", "utf8", "large_string")):
        return False
    import pandas as pd

    values = [value for value in column.head(5).to_list() if value is not None]
    if not values or not all(isinstance(value, str) for value in values):
        return False
    if pd.to_numeric(pd.Series(values), errors="coerce").notna().all():
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bool(pd.to_datetime(pd.Series(values), errors="coerce").notna().all())


def warn_of_counters(X: Any) -> None:
    """Warn of columns that rise by the same step in every row, such as a year."""
    if not hasattr(X, "columns") or len(X) < 3:
        return
    for name in X.columns:
        if not _is_numeric(X[name]):
            continue
        steps = np.diff(np.asarray(X[name], dtype=np.float64))
        if steps[0] > 0 and (steps == steps[0]).all():
            warn(
                f"Column {name!r} of X rises by {steps[0]:g} in every row. If it holds "
                f"times, make it the index with {set_index(X, name)}.",
            )
