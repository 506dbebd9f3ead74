"""Attribution of an alarm to features and time steps."""

import numpy as np
from sklearn.covariance import LedoitWolf

from sklearn_seqae.anomaly.scoring import evenly

MOST_STEPS = 50_000  # maximum number of training rows or errors
LEAST = 1e-2  # standard deviation of a feature, relative to the usual one


class Attribution:
    """Contribution of each feature to the anomaly score.

    It is the decrease in squared Mahalanobis distance when only this feature is
    corrected. For tables it is computed from the row itself, because a corrupted
    feature changes the reconstruction of all others. For series and sequences it is
    computed from the residual at each time step, which depends on the steps around it.
    """

    def fit(self, rows):
        """Fit to training rows, or to residuals of training steps, (M, C)."""
        rows = rows[evenly(len(rows), MOST_STEPS)].astype(np.float64)
        rows = np.nan_to_num(rows)
        self.center = rows.mean(axis=0)
        spread = rows.std(axis=0)
        usual = np.sqrt(np.mean(np.square(spread)))
        self.scale = np.maximum(spread, LEAST * usual) if usual else spread + 1
        covariance = LedoitWolf().fit((rows - self.center) / self.scale)
        self.precision = covariance.precision_
        return self

    def of(self, rows):
        """Return the attribution to each feature, in the shape of the rows (..., C)."""
        scaled = (rows - self.center) / self.scale
        return np.square(scaled @ self.precision) / np.diag(self.precision)

    def of_sequences(self, errors, samples):
        """Return the attributions of residuals (N, T, C), 0 on padding."""
        attributions = self.of(errors)
        if samples.lengths is not None:
            attributions[~samples.mask] = 0
        return attributions


def intervals(scores, is_alarm, gap, min_drop):
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
    """
    alarms = np.flatnonzero(is_alarm)
    if not len(alarms):
        return []
    runs = np.split(alarms, np.flatnonzero(np.diff(alarms) >= gap) + 1)
    found = [(run[0], run[-1], scores[run].min()) for run in runs]
    if min_drop:
        rest = scores[~is_alarm].min(initial=0)
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


def explanation(label, values, errors, attributions, names, n_causes, times=None):
    """Return the records of one alarm from (T, C) values, errors and attributions."""
    total = attributions.sum(axis=0)
    first = np.argsort(-total, kind="stable")[:n_causes]
    records = []
    for c in first:
        step = int(attributions[:, c].argmax())
        value = float(values[step, c])
        expected = value - float(errors[step, c])
        share = float(total[c] / max(total.sum(), np.finfo(float).tiny))
        time = step if times is None else times[step]
        records.append((label, time, names[c], value, expected, share))
    return records
