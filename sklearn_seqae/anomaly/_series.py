"""Windows of long series, and one value per time step from values of windows."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sklearn_seqae._containers import Container
from sklearn_seqae._numbers import has_gaps
from sklearn_seqae._sequences import Samples
from sklearn_seqae.anomaly._channels import Channels
from sklearn_seqae.anomaly._covariance import evenly
from sklearn_seqae.anomaly._scaling import fitted_scaler, scaled
from sklearn_seqae.anomaly._time import (
    Calendar,
    check_times,
    time_index,
    warn_of_gaps,
)
from sklearn_seqae.training.blas import one_blas_thread
from sklearn_seqae.windows import mean_of_scores, sliding_windows

TABLE = Container("table")
MOST_WINDOWS = 2048  # maximum number of training windows
TOGETHER = 1024  # number of windows scored at once
TILE_BLOCK = 48  # a multiple of the number of rows in a block of a BLAS kernel
MOST_TILE_BLOCKS = 8  # in a tile
TILE_VALUES = 2**17  # usual number of values of a tile
LONGEST_PERIOD = 1000  # steps
USUAL_WINDOW = 100  # steps, without a period
MISSING_SHARE = 0.25  # of a window: maximum length of a run of missing steps inside


@dataclass(frozen=True)
class Series:
    """One long series or several, and the container of results per time step.

    Parameters
    ----------
    items : list of ndarray of shape (T, C)
        The series.

    is_one : bool
        Whether X is a single series.

    container : Container
        Container of X.

    names : list
        Names of the channels.

    pieces : list of (int, slice)
        Pieces without gaps in time: the number of a series and its steps.
    """

    items: list[NDArray]
    is_one: bool
    container: Container
    names: list[Any]
    pieces: list[tuple[int, slice]]

    @classmethod
    def of(cls, samples: Samples, calendar: Calendar | None = None) -> "Series":
        """Make series from one table, whose rows are time steps, or from several.

        With a calendar, series are cut at gaps in time.
        """
        is_one = samples.values.ndim == 2
        if is_one:
            items = [samples.values]
        else:
            pairs = zip(samples.values, samples.n_steps_of_each, strict=True)
            items = [item[:n] for item, n in pairs]
        names: Any = samples.feature_names
        if names is None:
            names = [f"x{c}" for c in range(items[0].shape[1])]
        indexes = _time_indexes(samples.container, len(items), is_one)
        pieces, gaps = [], []
        for number, (item, index) in enumerate(zip(items, indexes, strict=True)):
            which = "X" if is_one else f"series {number} of X"
            check_times(index, which)
            cuts = [] if calendar is None else calendar.gaps(index).tolist()
            gaps += [f"after {index[cut - 1]}" for cut in cuts if index is not None]
            edges = [0, *cuts, len(item)]
            pieces += [
                (number, slice(start, end))
                for start, end in zip(edges[:-1], edges[1:], strict=True)
            ]
        warn_of_gaps(gaps)
        return cls(items, is_one, samples.container, list(names), pieces)

    @property
    def indexes(self) -> list[Any]:
        """Time index of each series; None if it has none."""
        return _time_indexes(self.container, len(self.items), self.is_one)

    def restore(self, steps: list[NDArray]) -> Any:
        """Return one value or one row per time step in the container of X."""
        if not self.is_one:
            return [
                _with_index(values, index, self.names)
                for values, index in zip(steps, self.indexes, strict=True)
            ]
        return _with_index(steps[0], self.indexes[0], self.names)

    def labels(self, number: int) -> Any:
        """Times of the steps of a series, or their numbers."""
        index = self.indexes[number]
        return np.arange(len(self.items[number])) if index is None else index

    def whole_pieces(
        self, window_size: int, may_miss: bool = False
    ) -> list[tuple[int, slice]]:
        """Pieces that are at least as long as a window.

        With `may_miss`, a long series with missing steps may have none.

        Raises
        ------
        ValueError
            If a series has no such piece.
        """
        whole = [(i, at) for i, at in self.pieces if at.stop - at.start >= window_size]
        for number, item in enumerate(self.items):
            if number in {i for i, _ in whole}:
                continue
            is_missing = np.isnan(item).all(axis=1).any()
            if may_miss and is_missing and len(item) >= window_size:
                continue
            which = "X" if self.is_one else f"series {number} of X"
            longest = max(
                (at.stop - at.start for i, at in self.pieces if i == number), default=0
            )
            between = "" if longest == len(item) else " without a gap"
            raise ValueError(
                f"Found {which} with {longest} sample(s), its time steps{between}, "
                f"while a minimum of {window_size} is required by window_size="
                f"{window_size}. Pass a longer series, or refit with a smaller "
                "'window_size'."
            )
        return whole

    def cut_at_missing(self, windows: "Windows") -> "Series":
        """Cut series where many steps in a row have no value; see `Windows.kept`."""
        pieces = [
            (number, slice(at.start + kept.start, at.start + kept.stop))
            for number, at in self.pieces
            for kept in windows.kept(self.items[number][at])
        ]
        return replace(self, pieces=pieces)

    def take(self, pieces: list[tuple[int, slice]]) -> list[NDArray]:
        """Return the values of pieces."""
        return [self.items[number][at] for number, at in pieces]


def without(
    items: list[tuple[int, NDArray]], block: list[tuple[int, slice]]
) -> list[NDArray]:
    """Return what is left of numbered items without some pieces, in order."""
    left = []
    for number, item in items:
        start = 0
        for at in (at for i, at in block if i == number):
            left.append(item[start : at.start])
            start = at.stop
        left.append(item[start:])
    return left


def _time_indexes(container: Container, n: int, is_one: bool) -> list[Any]:
    if is_one:
        return [time_index(container.index)]
    if container.items is None:
        return [None] * n
    return [time_index(item.index) for item in container.items]


def _with_index(values: NDArray, index: Any, names: list[Any]) -> Any:
    if index is None:
        return values
    import pandas as pd

    if values.ndim == 1:
        return pd.Series(values, index=index)
    return pd.DataFrame(values, index=index, columns=names)


@dataclass(frozen=True)
class Windows:
    """Cut series into windows, and combine results of windows per time step.

    Parameters
    ----------
    size, step : int
        Number of time steps of a window, and from one window to the next. The last
        window ends with the last step, so that the newest step is always scored.

    trailing : bool
        If True, the window that ends with a time step scores it, otherwise the mean of
        all windows that contain it. Steps without such a window are NaN.

    as_sequences : bool
        If True, windows are (T, C), otherwise flat rows.
    """

    size: int
    step: int
    trailing: bool
    as_sequences: bool

    @property
    def most_missing(self) -> int:
        """Maximum number of missing steps in a row inside windows."""
        return int(MISSING_SHARE * self.size)

    def kept(self, item: NDArray, n_missing: int = 0) -> list[slice]:
        """Return the pieces of a series that are left without long runs of gaps.

        These are more than `most_missing` steps in a row without any value. Trailing
        windows score the first steps of a run before its length is known, so these are
        kept. `n_missing` is the number of such steps directly before the series.
        """
        is_missing = np.isnan(item).all(axis=1)
        flags = np.r_[False, np.ones(n_missing, dtype=bool), is_missing, False]
        edges = np.diff(flags.astype(np.int8))
        starts, ends = (np.flatnonzero(edges == k) - n_missing for k in (1, -1))
        is_long = ends - starts > self.most_missing
        starts = starts[is_long] + (self.most_missing if self.trailing else 0)
        bounds = zip([0, *ends[is_long]], [*starts, len(item)], strict=True)
        return [slice(int(start), int(end)) for start, end in bounds if end > start]

    def starts(self, n_steps: int) -> NDArray[np.int64]:
        """Return the first step of each window."""
        last = n_steps - self.size
        starts = np.arange(0, last + 1, self.step)
        return starts if starts[-1] == last else np.append(starts, last)

    def samples(self, windows: NDArray) -> Samples:
        """Return windows in the format that the estimator reads."""
        if self.as_sequences:
            # In a list, missing steps at the end of a window are no padding.
            container = Container("array")
            if has_gaps(windows):
                container = Container("ragged", "list")
            return Samples(np.ascontiguousarray(windows), None, container)
        return Samples(windows.reshape(len(windows), -1), None, TABLE)

    def tile_rows(self, model: Any, n_channels: int) -> int | None:
        """Return the number of windows that are reconstructed at once, or None.

        The last bits of a matrix product depend on its number of rows, so the number is
        fixed: a window has the same score alone or among others. With a multiple of 48,
        all rows of a tile are treated alike.
        """
        if model.divides_into_tiles:
            return None
        n_blocks = TILE_VALUES // (TILE_BLOCK * self.size * n_channels)
        return TILE_BLOCK * int(np.clip(n_blocks, 1, MOST_TILE_BLOCKS))

    def to_fit(self, items: list[NDArray]) -> Samples:
        """Return training windows, spread evenly over the pieces of series."""
        items = [item for item in items if len(item) >= self.size]
        all_starts = [self.starts(len(item)) for item in items]
        ends = np.cumsum([len(starts) for starts in all_starts])
        chosen = evenly(ends[-1], MOST_WINDOWS)
        number = np.searchsorted(ends, chosen, side="right")
        first = np.r_[0, ends][number]
        parts = [
            sliding_windows(item, self.size)[starts[(chosen - first)[number == i]]]
            for i, (item, starts) in enumerate(zip(items, all_starts, strict=True))
        ]
        return self.samples(np.concatenate(parts))

    @one_blas_thread()
    def look(
        self, model: Any, item: NDArray, sharp: bool = False
    ) -> tuple[NDArray, NDArray]:
        """Return scores (T,) and residuals (T, C) of a piece, reconstructing once.

        If `sharp`, the residual of a step is that of the most normal window that
        contains it.
        """
        starts = self.starts(len(item))
        view = sliding_window_view(item, self.size, axis=0).swapaxes(1, 2)
        total, count = np.zeros(item.shape), np.zeros((len(item), 1))
        best = np.full(len(item), -np.inf)
        scores = []
        n_rows = self.tile_rows(model, item.shape[1])
        for first in range(0, len(starts), n_rows or TOGETHER):
            some = starts[first : first + (n_rows or TOGETHER)]
            padded = np.pad(some, (0, max(0, (n_rows or 0) - len(some))), mode="edge")
            parts, errors = model.look(self.samples(view[padded]), len(some))
            scores.append(model.scores_of(parts))
            errors = errors.reshape(len(some), self.size, -1)
            if sharp:
                _keep_best(best, total, count, some, scores[-1], errors)
                continue
            for offset in [self.size - 1] if self.trailing else range(self.size):
                total[some + offset] += errors[:, offset]
                count[some + offset] += 1
        with np.errstate(invalid="ignore"):
            residuals = total / count  # NaN without a window
        return self._to_steps(np.concatenate(scores), starts, len(item)), residuals

    def _to_steps(self, scores: NDArray, starts: NDArray, n_steps: int) -> NDArray:
        """Convert one score per window into one score per time step."""
        if not self.trailing:
            return mean_of_scores(scores, starts, self.size, n_steps)
        result = np.full(n_steps, np.nan)
        result[starts + self.size - 1] = scores
        return result

    def of_block(self, make_model, scaler, items, is_switch, block):
        """Return `held_out` of the pieces of a block, by a model of all other pieces.

        Parameters
        ----------
        make_model : callable
            Makes a model of samples, `Model`, and other values after it.

        scaler : transformer, str or None
            Parameter of the detector. It is fitted on all other pieces.

        items : list of ndarray
            Steps of each series, not scaled.

        is_switch : ndarray of bool of shape (C,)
            Which channels are switches.

        block : list of (int, slice)
            A block of `calibration.blocks`.
        """
        rest = without(list(enumerate(items)), block)
        scaler = fitted_scaler(scaler, np.concatenate(rest))
        rest = [scaled(scaler, each) for each in rest]
        channels = Channels(is_switch).fit(rest)
        model, *_ = make_model(self.to_fit(channels.sensors(rest)))
        look = partial(channels.look, self, model, sharp=True)
        return [
            self.held_out(look, scaled(scaler, items[number]), at)
            for number, at in block
        ]

    def held_out(self, look: Any, item: NDArray, at: slice) -> tuple[NDArray, NDArray]:
        """Return scores and sharp residuals of a held-out part, except beside a cut.

        Fewer windows score the steps beside a cut than in the whole piece. Steps at the
        ends of the piece itself are kept: new series are scored in the same way.
        """
        scores, errors = look(item[at])
        edge = self.size - 1
        first = edge if not self.trailing and at.start > 0 else 0
        last = edge if not self.trailing and at.stop < len(item) else 0
        kept = slice(first, len(scores) - last)
        return scores[kept], errors[kept]


def _keep_best(best, total, count, starts, scores, errors):
    """Store the residuals of windows that are the most normal ones of a step so far."""
    for offset in range(errors.shape[1]):
        steps = starts + offset
        better = scores > best[steps]
        steps = steps[better]
        best[steps] = scores[better]
        total[steps], count[steps] = errors[better, offset], 1


def checked_window(size: Any, step: int, items: list[NDArray]) -> int:
    """Return the number of time steps of a window, at least `step`.

    `items` are the series for `automatic_window`.
    """
    if size == "auto":
        size = automatic_window(items)
    if step > size:
        raise ValueError(
            f"The 'step' parameter must be at most the window size, {size}. Got "
            f"{step}. With a larger step, time steps are in no window."
        )
    return int(size)  # True is 1, as in scikit-learn


def automatic_window(items: list[NDArray]) -> int:
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


def dominant_period(item: NDArray) -> int | None:
    """Return the lag of the highest peak of the autocorrelation, or None.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seqae.anomaly._series import dominant_period
    >>> dominant_period(np.sin(np.arange(500) * 2 * np.pi / 24)[:, None])
    24
    """
    values = item[:20_000].astype(np.float64)
    if has_gaps(values):
        values = np.where(np.isnan(values), np.nanmean(values, axis=0), values)
        values = np.nan_to_num(values)
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


def of_each(function, values):
    """Apply a function to values, or to the values of each of several series."""
    several = isinstance(values, list)
    return [function(each) for each in values] if several else function(values)
