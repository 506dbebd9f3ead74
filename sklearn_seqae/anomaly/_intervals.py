"""Intervals of alarms, narrowed to the time steps that cause them.

A window that touches an event has a low score, so the alarms of a short event cover up
to two windows. The residual of each step is therefore taken from the most normal of the
windows that contain the step: beside an event this window does not contain the event.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_scalar

from sklearn_seqae._params import Integral, Real

# Chosen on simulated series, as in benchmarks/intervals.py with other seeds.
USUAL_SHARE = 0.9  # quantile of the step errors of the training series
LEAST_SHARE = 0.1  # sum of the errors of an event, relative to the largest event


def step_errors(attribution: Any, errors: NDArray) -> NDArray:
    """Return the standardized error (T,) of residuals (T, C): of the worst channel.

    `attribution` is the fitted `Attribution`. Missing values have no error, and steps
    without residuals are NaN.
    """
    squares: NDArray = attribution.of_steps(errors).max(axis=1)
    return np.sqrt(squares)


def usual_error(errors: list[NDArray]) -> float:
    """Return the step error that sets events apart, from those of training series."""
    known = np.concatenate(errors)
    return float(np.quantile(known[~np.isnan(known)], USUAL_SHARE))


@dataclass(frozen=True)
class IntervalRule:
    """How alarms of one series become intervals.

    Parameters
    ----------
    size : int
        Number of time steps of a window.

    trailing : bool
        If True, the score of a step is that of the window that ends with it. Its cause
        may be up to a window before the alarm.

    gap : int
        Alarms, or events, that are fewer than `gap` time steps apart belong to one
        interval.

    min_drop : float
        As in `AutoencoderAnomalyDetector.detect_intervals`.

    usual : float
        Step error that sets events apart.
    """

    size: int
    trailing: bool
    gap: int
    min_drop: float
    usual: float

    def intervals(
        self,
        scores: NDArray,
        is_alarm: NDArray,
        errors: NDArray,
        cuts: Any = (),
        is_exact: Any = False,
    ) -> list[tuple[int, int, float]]:
        """Return (start, end, lowest score) of each interval.

        Parameters
        ----------
        scores : ndarray of shape (T,)
            Scores of the time steps.

        is_alarm : ndarray of bool of shape (T,)
            Alarms.

        errors : ndarray of shape (T,)
            Step errors.

        cuts : array-like of int, default=()
            Steps after a gap in time. No interval spans a gap.

        is_exact : ndarray of bool of shape (T,), default=False
            Steps that would cause an alarm by themselves.
        """
        found = [
            (int(run[0]), int(run[-1]), float(scores[run].min()))
            for run in _runs(np.flatnonzero(is_alarm & is_exact), 2, cuts)
        ]
        alarms = np.flatnonzero(is_alarm & ~np.asarray(is_exact))
        for group in _runs(alarms, self.gap, cuts):
            events: list[tuple[int, int, float]] = []
            runs = _runs(group, min(self.gap, self.size), cuts)
            for run in runs:
                for start, end in self._events(run, errors, cuts):
                    first = start if self.trailing else start - self.size + 1
                    near = run[(run >= first) & (run < end + self.size)]
                    near = near if len(near) else run
                    events.append((start, end, float(scores[near].min())))
            if len(runs) > 1:  # `gap` is larger than the window
                events = [
                    (
                        min(start for start, _, _ in events),
                        max(end for _, end, _ in events),
                        min(score for _, _, score in events),
                    )
                ]
            found += events
        found = _merged(found, self.gap, cuts)
        if self.min_drop:
            rest = np.nanmin(scores[~is_alarm], initial=0)
            found = _pruned(found, rest, self.min_drop)
        return found

    def _events(
        self, run: NDArray, errors: NDArray, cuts: Any
    ) -> list[tuple[int, int]]:
        """Return the ranges of steps that cause a run of alarms, or the whole run.

        A range has the largest sum of errors above the usual one. Further ranges are
        events of their own if their sums are not much smaller.
        """
        first, last = int(run[0]), int(run[-1])
        if self.trailing:
            piece = max([0, *(cut for cut in cuts if cut <= first)])
            first = max(piece, first - self.size + 1)
        found: list[tuple[int, int, float]] = []
        excess = errors[first : last + 1] - self.usual
        _add_ranges(found, np.nan_to_num(excess, nan=-self.usual), first)
        if not found:
            return [(int(run[0]), last)]
        return [(start, end) for start, end, _ in found]


def frame_of_intervals(detector, X, gap, min_drop):
    """Return the data frame of `AutoencoderAnomalyDetector.detect_intervals`."""
    import pandas as pd

    if detector._windows is None:
        raise ValueError(
            "detect_intervals requires a series, whose rows are time steps in order. "
            "Set 'window_size' and refit."
        )
    if gap is not None:
        check_scalar(gap, "gap", Integral, min_val=1)
    limits: dict[str, Any] = {"max_val": 1, "include_boundaries": "left"}
    check_scalar(min_drop, "min_drop", Real, min_val=0, **limits)
    series = detector._read_series(X)
    scores, errors = detector._look(series, sharp=True)
    found = find_intervals(detector, series, scores, errors, gap, min_drop)
    rows = [
        (number, *series.labels(number)[[start, end]], score)
        for number, start, end, score in found
    ]
    frame = pd.DataFrame(rows, columns=["series", "start", "end", "score"])
    return frame.drop(columns="series") if series.is_one else frame


def find_intervals(detector, series, scores, errors, gap=None, min_drop=0.0):
    """Return (series, start, end, score) of each interval. None spans a gap in time.

    Scores (T,) and sharp residuals (T, C) are those of each series.
    """
    windows = detector._windows
    gap = windows.size if gap is None else gap
    rule = IntervalRule(
        windows.size, windows.trailing, gap, min_drop, detector._usual_error
    )
    found = []
    for number, each in enumerate(scores):
        cuts = [at.start for i, at in series.pieces if i == number and at.start > 0]
        away = step_errors(detector._attribution, errors[number])
        alarms = detector._decide(each) < 0
        is_exact = detector._channels.are_lowered(each, errors[number])
        some = rule.intervals(each, alarms, away, cuts, is_exact)
        found += [(number, *interval) for interval in some]
    return found


def _runs(alarms: NDArray, gap: int, cuts: Any) -> list[NDArray]:
    """Divide alarms where they are at least `gap` steps apart, and at cuts."""
    if not len(alarms):
        return []
    piece = np.searchsorted(cuts, alarms, side="right")
    is_new = (np.diff(alarms) >= gap) | (np.diff(piece) > 0)
    return np.split(alarms, np.flatnonzero(is_new) + 1)


def _add_ranges(found, excess, offset):
    """Append (start, end, sum) of the range with the largest sum, and of others."""
    pending = [(0, len(excess))]
    while pending:
        start, end = pending.pop()
        if start == end:
            continue
        # The range of the largest sum lies between two cumulative sums.
        sums = np.concatenate([[0.0], np.cumsum(excess[start:end])])
        rise = sums - np.minimum.accumulate(sums)
        stop = int(rise.argmax())
        least = LEAST_SHARE * found[0][2] if found else 0.0
        if rise[stop] <= least:
            continue
        begin = stop - 1 - int(sums[:stop][::-1].argmin())
        found.append((offset + start + begin, offset + start + stop - 1, rise[stop]))
        pending += [(start + stop, end), (start, start + begin)]


def _merged(found, gap, cuts):
    """Merge intervals fewer than `gap` steps apart, unless a cut is between them."""
    merged: list[tuple[int, int, float]] = []
    for start, end, score in sorted(found):
        if merged and not any(merged[-1][1] < cut <= start for cut in cuts):
            first, last, lowest = merged[-1]
            if start - last < gap:
                merged[-1] = (first, max(last, end), min(lowest, score))
                continue
        merged.append((start, end, score))
    return merged


def _pruned(intervals, rest, min_drop):
    """Keep the intervals before the last relative drop of at least `min_drop`."""
    order = np.argsort([score for *_, score in intervals], kind="stable")
    away = -np.append([intervals[i][2] for i in order], rest)
    drops = (away[:-1] - away[1:]) / np.maximum(away[:-1], np.finfo(float).tiny)
    last = np.flatnonzero(drops >= min_drop)[-1:]
    kept = order[: last[0] + 1] if len(last) else order[:0]
    return [intervals[i] for i in sorted(kept)]
