"""Anomaly scores of a series whose rows arrive one after the other."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from sklearn_seqae._libraries import reads_all_containers
from sklearn_seqae.anomaly._explaining import names_of
from sklearn_seqae.anomaly._scaling import scaled
from sklearn_seqae.anomaly._time import check_times, time_index

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AnomalyStream"]


class AnomalyStream:
    """Anomaly scores of the rows of one series as they arrive.

    Create it with :meth:`AutoencoderAnomalyDetector.stream`. The stream keeps the last
    ``window_size_ - 1`` rows, so that the time of an update does not depend on the
    number of earlier rows. It scores each row, independently of the `step` of the
    detector. It can be pickled at any time. Later fits of the detector do not change
    it.

    Parameters
    ----------
    detector : AutoencoderAnomalyDetector
        Fitted detector with a `window_size` and ``alignment="trailing"``.

    history : array-like of shape (n_steps, n_channels), default=None
        Rows that precede the first update.

    Attributes
    ----------
    n_rows_seen_ : int
        Number of rows so far, including the history.

    See Also
    --------
    AutoencoderAnomalyDetector.score_samples : Scores of a whole series.

    Notes
    -----
    Scores are bitwise identical to ``detector.score_samples`` of the whole series with
    ``step=1``, for updates with any number of rows. All streams of a detector share its
    arrays in memory, and also in a pickle of several streams.

    A stream is not safe to update from several threads at once.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from sklearn_seqae import AutoencoderAnomalyDetector
    >>> series = np.sin(np.arange(600) / 8)[:, None]
    >>> detector = AutoencoderAnomalyDetector(
    ...     PCA(2), window_size=50, alignment="trailing", false_alarm_rate=0.2
    ... )
    >>> stream = detector.fit(series[:300]).stream(history=series[:300])
    >>> bool(stream.update(series[300:301])["alarm"].any())
    False
    >>> stream.update([[4.0]])["alarm"]
    301    True
    Name: alarm, dtype: bool
    """

    def __init__(self, detector: Any, history: Any = None) -> None:
        check_is_fitted(detector)
        if detector._windows is None:
            raise ValueError(
                "A stream requires a series, whose rows are time steps in order. Set "
                "'window_size' of the detector and refit."
            )
        if not detector._windows.trailing:
            raise ValueError(
                "A stream requires alignment='trailing'. Got a detector that was "
                "fitted with alignment='centered', whose scores depend on later rows. "
                "Set alignment='trailing' and refit."
            )
        self._detector = copy(detector)  # a later fit replaces all attributes
        self._windows = replace(detector._windows, step=1)
        self._rows: Any = None  # scaled, since the last gap, at most window_size_ - 1
        self._n_missing = 0  # number of the last rows that have no value
        self._last: Any = None  # index of the last row, if it holds times
        self._kind: Any = None  # of the rows of the last full check
        self.n_rows_seen_ = 0
        if history is not None:
            self._follow(*self._read(history))

    @reads_all_containers
    def update(self, rows: Any, explain: bool = False) -> pd.DataFrame:
        """Score new rows, and store the rows that the next update needs.

        If an error is raised, the stream does not change.

        Parameters
        ----------
        rows : array-like of shape (n_new_steps, n_channels)
            Rows that follow the previous rows.

        explain : bool, default=False
            Whether to return the contribution of each feature, too.

        Returns
        -------
        frame : DataFrame of shape (n_new_steps, n_columns)
            Frame with the index of the rows, or with their numbers if they have no
            index, and the columns

            - ``score``: anomaly score, higher is more normal. It is NaN before the
              first full window, also after a gap in time, and after many missing
              steps;
            - ``p_value``: as from `p_values` of the detector;
            - ``alarm``: whether the detector predicts an anomaly, False without a
              score;
            - ``attribution_<feature>``, with `explain`: as from `feature_scores` of the
              detector.

        Raises
        ------
        ValueError
            If rows are invalid, if a time does not follow the last one, or if the
            features are not those of `fit`.
        """
        import pandas as pd

        item, index = self._read(rows)
        first = self.n_rows_seen_
        scores, errors = self._follow(item, index)
        if index is None:
            index = pd.RangeIndex(first, first + len(item))
        detector = self._detector
        columns = [scores, detector._p_values_of(scores), detector._decide(scores) < 0]
        names = ["score", "p_value", "alarm"]
        if explain:
            columns += [*detector._attribution.of_steps(errors, scores).T]
            names += [f"attribution_{n}" for n in names_of(detector, item.shape[1])]
        frame = pd.DataFrame(dict(enumerate(columns)), index=index)
        frame.columns = _labels(*names)
        return frame

    def _read(self, rows: Any) -> tuple[NDArray, Any]:
        """Return the values (T, C) of rows as `fit` reads them, and their index."""
        kind, values = _kind_of(rows)
        is_known = kind is not None and kind == self._kind
        if is_known and len(values) and np.isfinite(values).all():
            return values, getattr(rows, "index", None)
        n_features = self._detector.n_features_in_
        if np.ndim(rows) == 1 and n_features > 1 and len(rows) == n_features:
            raise ValueError(
                f"Expected rows of {n_features} columns, got one row without its "
                "second dimension. Pass a table of one row, for example "
                "frame.iloc[[0]] or array[:1]."
            )
        samples = self._detector._read(rows)
        if samples.values.ndim != 2:
            raise ValueError(
                f"A stream follows one series. Got a list of {len(samples)} series. "
                "Use one stream for each series."
            )
        if kind is not None and values.dtype == samples.values.dtype:
            self._kind = kind  # no checks but of values: they take half of an update
        return samples.values, samples.container.index

    def _follow(self, item: NDArray, index: Any) -> tuple[NDArray, NDArray]:
        """Append rows. Return the scores (T,) and residuals (T, C) of their windows."""
        times = time_index(index)
        check_times(times, "X")
        edges = [0, *self._rows_after_gaps(times), len(item)]
        scores, errors = np.full(len(item), np.nan), np.full(item.shape, np.nan)
        item = scaled(self._detector.scaler_, item)
        rows = item[:0] if self._rows is None else self._rows
        n_missing = self._n_missing
        n_kept = max(1, self._windows.size - 1)  # switches: compared with the last row
        for number, (first, stop) in enumerate(pairwise(edges)):
            n_missing = 0 if number > 0 else n_missing
            pieces = self._windows.kept(item[first:stop], n_missing)
            n_missing = _n_missing_at_the_end(item[first:stop], n_missing)
            n_missing = min(n_missing, self._windows.most_missing + 1)
            for start, end in ((first + at.start, first + at.stop) for at in pieces):
                if number > 0 or start > 0:
                    rows = item[:0]
                rows = np.concatenate([rows, item[start:end]])
                n_scored = min(end - start, len(rows) - self._windows.size + 1)
                if n_scored > 0:
                    found = self._detector._look_at(self._windows, rows)
                    last = slice(end - n_scored, end)
                    scores[last], errors[last] = (each[-n_scored:] for each in found)
                rows = rows[max(0, len(rows) - n_kept) :]
        is_cut = n_missing > self._windows.most_missing
        self._rows, self._n_missing = item[:0] if is_cut else rows.copy(), n_missing
        self._last = None if times is None else times[-1:]
        self.n_rows_seen_ += len(item)
        return scores, errors

    def _rows_after_gaps(self, index: Any) -> list[int]:
        """Return the numbers of the new rows that follow a gap in time."""
        calendar = self._detector._calendar
        if self.n_rows_seen_ == 0:
            return [] if calendar is None else calendar.gaps(index).tolist()
        last = self._last
        if (index is None) != (last is None):
            raise ValueError(
                "The rows of a stream must all have times in their index, or none of "
                f"them. Got rows {'without' if index is None else 'with'} times."
            )
        if index is None:
            return []
        joined = last.append(index)
        if type(joined) is not type(last) or not joined[1] > joined[0]:
            raise ValueError(
                "The times of the rows must follow the last time of the stream, "
                f"{last[0]!r}. Got {index[0]!r}. Pass each row once, in order."
            )
        return [] if calendar is None else (calendar.gaps(joined) - 1).tolist()


@cache
def _labels(*names: str) -> pd.Index:
    """Return an index of columns. To convert strings takes a tenth of an update."""
    import pandas as pd

    return pd.Index(names)


def _n_missing_at_the_end(item: NDArray, n_missing: int) -> int:
    """Return the number of the last rows without values, after `n_missing` of them."""
    has_values = np.flatnonzero(~np.isnan(item).all(axis=1))
    if len(has_values):
        return len(item) - 1 - int(has_values[-1])
    return n_missing + len(item)


def _kind_of(rows: Any) -> tuple[Any, Any]:
    """Return what rows of one kind have in common, and their values as an array."""
    if isinstance(rows, np.ndarray):
        names, values = None, rows
    elif hasattr(rows, "columns") and hasattr(rows, "to_numpy"):
        names, values = tuple(rows.columns), rows.to_numpy()
    else:
        return None, None
    return (type(rows), names, values.dtype, values.shape[1:]), values
