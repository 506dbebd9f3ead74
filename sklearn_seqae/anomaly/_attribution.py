"""Attribution of an alarm to features and time steps."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_seqae.anomaly._covariance import ShrunkCovariance, evenly
from sklearn_seqae.anomaly.scoring import LEAST_RESIDUAL, scaled_by
from sklearn_seqae.training.blas import one_blas_thread

MOST_STEPS = 50_000  # maximum number of training rows or errors
NARROW = 100  # features up to which the covariance is kept
WORK = 2e10  # multiply-adds for the covariance of many features
LEAST = 1e-2  # standard deviation of a feature, relative to the usual one


class Attribution:
    """Contribution of each feature to the anomaly score.

    It is the decrease in squared Mahalanobis distance when only this feature is
    corrected. For tables it is computed from the row itself, because a corrupted
    feature changes the reconstruction of all others. For series and sequences it is
    computed from the residual at each time step, which depends on the steps around it.
    """

    @one_blas_thread()
    def fit(
        self, rows: NDArray, unit: float, known: NDArray | None = None
    ) -> "Attribution":
        """Fit to training rows, or to residuals of training steps, (M, C).

        `unit` is the scale of X. `known` are centred and scaled rows in float32 that a
        score keeps already.

        The covariance of many features is only computed by `of`, from rows in float32:
        scores and labels do not need it.
        """
        width = rows.shape[1]
        most = MOST_STEPS if width <= NARROW else int(np.sqrt(WORK / width))
        rows = np.nan_to_num(rows[evenly(len(rows), min(most, MOST_STEPS))])
        rows = scaled_by(unit, rows)
        self.center = rows.mean(axis=0)
        left = rows - self.center
        spread = left.std(axis=0)
        usual = max(np.sqrt(np.mean(np.square(spread))), LEAST_RESIDUAL)
        self.unit, self.scale = unit, np.maximum(spread, LEAST * usual)
        self._covariance: ShrunkCovariance | None = None
        self._rows: Any = None
        if width <= NARROW:
            self._covariance = ShrunkCovariance().fit(left / self.scale)
            return self
        self._rows = left.astype(np.float32)
        if known is not None and np.array_equal(known, self._rows):
            self._rows = known  # one array in memory and in a pickle
        return self

    @one_blas_thread()
    def of(self, rows: NDArray) -> NDArray:
        """Return the attribution to each feature, in the shape of the rows (..., C)."""
        covariance = self._covariance
        if covariance is None:
            covariance = ShrunkCovariance().fit(self._rows / self.scale)
        scaled = (scaled_by(self.unit, rows) - self.center) / self.scale
        squares = np.square(covariance.times_precision(scaled))
        return squares / covariance.precision_diagonal

    def of_samples(self, model, samples, errors=None):
        """Return the attributions of samples, 0 for missing values.

        `errors` are their residuals, if they are known.
        """
        if samples.values.ndim == 2:
            found = self.of(model.complete(samples))
        else:
            errors = model.look(samples)[1] if errors is None else errors
            errors = errors[:, : samples.values.shape[1]]
            errors = np.nan_to_num(errors) if samples.observed is not None else errors
            found = self.of_sequences(errors, samples)
        if samples.observed is not None:
            found[~samples.observed] = 0
        return found

    def of_steps(self, errors):
        """Return the attributions of residuals (T, C) of a series.

        They are 0 for missing values, and NaN for steps without any residual.
        """
        gaps = np.isnan(errors)
        found = self.of(np.nan_to_num(errors))
        found[gaps] = 0
        found[gaps.all(axis=1)] = np.nan
        return found

    def of_sequences(self, errors, samples):
        """Return the attributions of residuals (N, T, C), 0 on padding."""
        attributions = self.of(errors)
        if samples.lengths is not None:
            attributions[~samples.mask] = 0
        return attributions


def intervals(scores, is_alarm, gap, min_drop, cuts=()):
    """Return (start, end, lowest score) of each interval of alarms.

    Parameters
    ----------
    scores : ndarray of shape (T,)
        Scores of the time steps.

    is_alarm : ndarray of bool of shape (T,)
        Alarms.

    gap : int
        Alarms that are fewer than `gap` time steps apart belong to one interval.

    min_drop : float
        As in `AutoencoderAnomalyDetector.detect_intervals`.

    cuts : array-like of int, default=()
        Steps after a gap in time. No interval spans a gap.
    """
    alarms = np.flatnonzero(is_alarm)
    if not len(alarms):
        return []
    piece = np.searchsorted(cuts, alarms, side="right")
    is_new = (np.diff(alarms) >= gap) | (np.diff(piece) > 0)
    runs = np.split(alarms, np.flatnonzero(is_new) + 1)
    found = [(run[0], run[-1], scores[run].min()) for run in runs]
    if min_drop:
        rest = np.nanmin(scores[~is_alarm], initial=0)
        found = _pruned(found, rest, min_drop)
    return found


def _pruned(intervals, rest, min_drop):
    """Keep the intervals before the last relative drop of at least `min_drop`."""
    order = np.argsort([score for *_, score in intervals], kind="stable")
    away = -np.append([intervals[i][2] for i in order], rest)
    drops = (away[:-1] - away[1:]) / np.maximum(away[:-1], np.finfo(float).tiny)
    last = np.flatnonzero(drops >= min_drop)[-1:]
    kept = order[: last[0] + 1] if len(last) else order[:0]
    return [intervals[i] for i in sorted(kept)]


def names_of(estimator, n_features):
    """Return the names of the features, x0, x1, ... if X had none."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None or len(names) != n_features:
        return [f"x{c}" for c in range(n_features)]
    return list(names)


def explanation(label, values, errors, attributions, names, n_causes, times=None):
    """Return the records of one alarm from (T, C) values, errors and attributions.

    Features without any value are left out.
    """
    total = attributions.sum(axis=0)
    order = np.argsort(-total, kind="stable")
    first = [c for c in order if not np.isnan(values[:, c]).all()][:n_causes]
    records = []
    for c in first:
        step = int(attributions[:, c].argmax())
        value = float(values[step, c])
        expected = value - float(errors[step, c])
        share = float(total[c] / max(total.sum(), np.finfo(float).tiny))
        time = step if times is None else times[step]
        records.append((label, time, names[c], value, expected, share))
    return records
