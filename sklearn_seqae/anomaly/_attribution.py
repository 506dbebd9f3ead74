"""Attribution of an alarm: which feature, and when."""

import numpy as np
from sklearn.covariance import LedoitWolf

from sklearn_seqae.anomaly.scoring import evenly

MOST_STEPS = 50_000  # of training rows or errors
LEAST = 1e-2  # spread of a feature, as a share of the usual one


class Attribution:
    """Contribution of each feature to the anomaly score.

    It is the decrease in squared Mahalanobis distance when only this feature is
    corrected. In tables it is about the row itself: a corrupted feature spoils the
    reconstruction of all others. In series and sequences it is about the error at each
    time step, which depends on the steps around.
    """

    def fit(self, rows):
        """Fit to training rows, or to errors of training steps, (M, C)."""
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
        """Attribution to each feature, in the shape of the rows (..., C)."""
        scaled = (rows - self.center) / self.scale
        return np.square(scaled @ self.precision) / np.diag(self.precision)

    def of_sequences(self, errors, samples):
        """Attribution to each feature of errors (N, T, C), 0 on padding."""
        attributions = self.of(errors)
        if samples.lengths is not None:
            attributions[~samples.mask] = 0
        return attributions


def intervals(scores, is_alarm, gap, min_drop):
    """Return (start, end, lowest score) of each stretch of alarms.

    Parameters
    ----------
    scores : ndarray of shape (T,)
        Of the time steps.

    is_alarm : ndarray of bool of shape (T,)
        Which are alarms.

    gap : int
        Alarms less than so many time steps apart are one interval.

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
        found = _outstanding(found, rest, min_drop)
    return found


def _outstanding(intervals, rest, min_drop):
    """Intervals up to the last whose distance falls by `min_drop` to the next."""
    order = np.argsort([score for *_, score in intervals], kind="stable")
    away = -np.append([intervals[i][2] for i in order], rest)
    drops = (away[:-1] - away[1:]) / np.maximum(away[:-1], np.finfo(float).tiny)
    last = np.flatnonzero(drops >= min_drop)[-1:]
    kept = order[: last[0] + 1] if len(last) else []
    return [intervals[i] for i in sorted(kept)]


def explanation(label, values, errors, attributions, names, n_causes, times=None):
    """Return records for one alarm, of (T, C) values, errors and attributions."""
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
