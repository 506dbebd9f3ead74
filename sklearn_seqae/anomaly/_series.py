"""Windows of long series, and one value per time step from values of windows."""

from dataclasses import dataclass

import numpy as np

from sklearn_seqae._containers import Container
from sklearn_seqae._sequences import Samples
from sklearn_seqae.anomaly._covariance import evenly
from sklearn_seqae.windows import merge_scores, sliding_windows

MOST_WINDOWS = 2048  # maximum number of training windows
TOGETHER = 1024  # number of windows scored at once
LONGEST_PERIOD = 1000  # steps
USUAL_WINDOW = 100  # steps, without a period


@dataclass(frozen=True)
class Series:
    """One long series or several, and the container of results per time step."""

    items: list  # (T, C) arrays
    is_one: bool
    container: Container
    names: list  # names of the channels

    @classmethod
    def of(cls, samples):
        """Make series from one table, whose rows are time steps, or from several."""
        is_one = samples.values.ndim == 2
        if is_one:
            items = [samples.values]
        else:
            pairs = zip(samples.values, samples.n_steps_of_each, strict=True)
            items = [item[:n] for item, n in pairs]
        names = samples.feature_names
        if names is None:
            names = [f"x{c}" for c in range(items[0].shape[1])]
        return cls(items, is_one, samples.container, list(names))

    @property
    def lengths(self):
        return [len(item) for item in self.items]

    @property
    def times(self):
        """Times of a single series; None if there are none."""
        index = self.container.index if self.is_one else None
        is_time = index is not None and type(index).__name__ == "DatetimeIndex"
        return index if is_time else None

    def restore(self, steps):
        """Return one value or one row per time step in the container of X."""
        if not self.is_one:
            return steps
        if self.times is None:
            return steps[0]
        import pandas as pd

        if steps[0].ndim == 1:
            return pd.Series(steps[0], index=self.times)
        return pd.DataFrame(steps[0], index=self.times, columns=self.names)

    def without(self, block):
        """Return the items without some pieces, (number, slice) in order."""
        left = []
        for number, item in enumerate(self.items):
            start = 0
            for at in (at for i, at in block if i == number):
                left.append(item[start : at.start])
                start = at.stop
            left.append(item[start:])
        return left

    def check(self, window_size):
        """Raise a ValueError if a series is shorter than a window."""
        for number, item in enumerate(self.items):
            if len(item) < window_size:
                which = "X" if self.is_one else f"series {number} of X"
                raise ValueError(
                    f"Found {which} with {len(item)} sample(s), its time steps, while "
                    f"a minimum of {window_size} is required by window_size="
                    f"{window_size}. Pass a longer series, or refit with a smaller "
                    "'window_size'."
                )


@dataclass(frozen=True)
class Windows:
    """Cut series into windows, and combine results of windows per time step.

    Parameters
    ----------
    size, step : int
        Number of time steps of a window, and from one window to the next.

    trailing : bool
        If True, the last window that has ended scores a time step, otherwise the mean
        of all windows that contain it.

    as_sequences : bool
        If True, windows are (T, C), otherwise flat rows.
    """

    size: int
    step: int
    trailing: bool
    as_sequences: bool

    def of(self, item):
        """Return a view (n_windows, size, C) of one series."""
        return sliding_windows(item, self.size, step=self.step)

    def samples(self, windows):
        """Return windows in the format that the estimator reads."""
        if self.as_sequences:
            return Samples(np.ascontiguousarray(windows), None, Container("array"))
        rows = windows.reshape(len(windows), -1)
        return Samples(rows, None, Container("table"))

    def to_fit(self, items):
        """Return training windows, spread evenly over the series."""
        views = [self.of(item) for item in items if len(item) >= self.size]
        ends = np.cumsum([len(view) for view in views])
        chosen = evenly(ends[-1], MOST_WINDOWS)
        number = np.searchsorted(ends, chosen, side="right")
        start = np.r_[0, ends][number]
        parts = [view[(chosen - start)[number == i]] for i, view in enumerate(views)]
        return self.samples(np.concatenate(parts))

    def scores(self, model, item, unknown):
        """Return one score per time step of one series.

        `unknown` is the score of the steps before the end of the first trailing window.
        """
        view = self.of(item)
        scores = [model.scores(self.samples(part)) for part in _few(view)]
        return self._to_steps(np.concatenate(scores), item, unknown)

    def scores_and_errors(self, model, item, unknown):
        """Return scores (T,) and residuals (T, C) of the time steps of one series."""
        scores, total, count = [], np.zeros(item.shape), np.zeros((len(item), 1))
        first = 0
        for part in _few(self.of(item)):
            parts, errors = model.look(self.samples(part))
            scores.append(model.scores_of(parts))
            self._add(errors.reshape(part.shape), first, total, count)
            first += len(part)
        steps = self._to_steps(np.concatenate(scores), item, unknown)
        return steps, total / np.maximum(count, 1)

    def _to_steps(self, scores, item, unknown):
        """Convert one score per window into one score per time step."""
        if not self.trailing:
            return merge_scores(scores, self.size, step=self.step, n_steps=len(item))
        ended = (np.arange(len(item)) - self.size + 1) // self.step
        known = np.minimum(ended, len(scores) - 1)
        return np.where(ended >= 0, scores[known], unknown)

    def _add(self, errors, first, total, count):
        """Add the residuals of windows, from number `first` on, to their steps."""
        start, n = first * self.step, len(errors)
        last = [self.size - 1] if self.trailing else range(self.size)
        for offset in last:
            begin = start + offset
            at = slice(begin, begin + (n - 1) * self.step + 1, self.step)
            total[at] += errors[:, offset]
            count[at] += 1

    def held_out(self, model, item, at, unknown):
        """Return the scores of a held-out piece of a series, except beside a cut.

        Fewer windows score the steps beside a cut than in the whole series. Steps at
        the ends of the series itself are kept: new series are scored in the same way.
        """
        scores = self.scores(model, item[at], unknown)
        edge = self.size - 1
        first = edge if self.trailing or at.start > 0 else 0
        last = edge if not self.trailing and at.stop < len(item) else 0
        return scores[first : len(scores) - last]

    def errors(self, model, item):
        """Return the residual at each time step, (T, C)."""
        total, count, first = np.zeros(item.shape), np.zeros((len(item), 1)), 0
        for part in _few(self.of(item)):
            errors = model.look(self.samples(part))[1].reshape(part.shape)
            self._add(errors, first, total, count)
            first += len(part)
        return total / np.maximum(count, 1)


def _few(view):
    for start in range(0, len(view), TOGETHER):
        yield view[start : start + TOGETHER]


def automatic_window(items):
    """Return two periods of the series, from 100 to 250 steps, at most a quarter.

    The period is the lag at which the autocorrelation, averaged over the channels,
    has its highest peak.
    """
    shortest = min(len(item) for item in items)
    longest = max(items, key=len)
    period = dominant_period(longest)
    size = USUAL_WINDOW if period is None else 2 * period
    size = int(np.clip(size, USUAL_WINDOW, 5 * USUAL_WINDOW // 2))
    return max(1, min(size, shortest // 4))


def dominant_period(item):
    """Return the lag of the highest peak of the autocorrelation, or None.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seqae.anomaly._series import dominant_period
    >>> dominant_period(np.sin(np.arange(500) * 2 * np.pi / 24)[:, None])
    24
    """
    values = item[:20_000].astype(np.float64)
    values = values - values.mean(axis=0)
    n = len(values)
    spectrum = np.abs(np.fft.rfft(values, 2 * n, axis=0)) ** 2
    correlation = np.fft.irfft(spectrum, axis=0)[: min(LONGEST_PERIOD, n // 3) + 1]
    power = correlation[0]
    if not (power > 0).any():
        return None
    curve = (correlation[:, power > 0] / power[power > 0]).mean(axis=1)
    inner = curve[1:-1]
    peaks = np.flatnonzero((inner > curve[:-2]) & (inner >= curve[2:])) + 1
    peaks = peaks[peaks >= 3]
    if not len(peaks):
        return None
    return int(peaks[np.argmax(curve[peaks])])
