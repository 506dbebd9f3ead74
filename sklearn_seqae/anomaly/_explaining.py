"""Intervals of alarms, and the features that contribute to an alarm."""

import numpy as np


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


def explain_rows(detector, samples, n_causes):
    """Return the records of the alarms among samples."""
    parts, errors = detector._model.look(samples)
    rows = np.flatnonzero(detector._decide(detector._model.scores_of(parts)) < 0)
    alarms, errors = samples.take(rows), errors[rows]
    if not len(rows):
        return []
    if samples.values.ndim == 2:
        attributions = detector._attribution.of(alarms.values)
    else:
        errors = errors[:, : alarms.values.shape[1]]
        attributions = detector._attribution.of_sequences(errors, alarms)
    width, index = attributions.shape[-1], samples.container.index
    labels, names = rows if index is None else index[rows], names_of(detector, width)
    records = []
    for label, *each in zip(labels, alarms.values, errors, attributions, strict=True):
        values, left, shares = (part.reshape(-1, width) for part in each)
        records += explanation(label, values, left, shares, names, n_causes)
    return records


def explain_intervals(detector, series, n_causes):
    """Return the records of the intervals of alarms in series."""
    scores, errors = detector._look(series)
    records = []
    for row, (number, start, end, _) in enumerate(detector._intervals(series, scores)):
        at = slice(start, end + 1)
        left = np.nan_to_num(errors[number][at])  # steps without a score
        records += explanation(
            row,
            series.items[number][at],
            left,
            detector._attribution.of(left),
            series.names,
            n_causes,
            series.labels(number)[at],
        )
    return records
