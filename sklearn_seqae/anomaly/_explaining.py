"""Features that contribute to an alarm, and the moment of an event."""

import numpy as np

from sklearn_seqae.anomaly._intervals import find_intervals
from sklearn_seqae.anomaly._scaling import in_units_of_x, scaled_samples
from sklearn_seqae.large.rows import in_memory


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


def explain_alarms(detector, X, n_causes):
    """Return the data frame of `AutoencoderAnomalyDetector.explain`."""
    import pandas as pd

    columns = ["row", "time", "feature", "value", "expected", "share"]
    if detector._windows is not None:
        columns.insert(1, "peak")
        records = explain_intervals(detector, detector._read_series(X), n_causes)
    else:
        records = explain_rows(detector, detector._read(X), n_causes)
    frame = pd.DataFrame.from_records(records, columns=columns)
    if detector._windows is None and detector._input_format.form != "sequences":
        del frame["time"]
    return frame


def explain_rows(detector, samples, n_causes):
    """Return the records of the alarms among samples."""
    known = scaled_samples(detector.scaler_, samples)
    parts, errors = detector._model.look(known)
    is_alarm = detector._decide(detector._model.scores_of(parts)) < 0
    if samples.observed is not None:
        is_alarm &= samples.has_values
    rows = np.flatnonzero(is_alarm)
    if not len(rows):
        return []
    alarms, errors = in_memory(samples.take(rows)), errors[rows]
    if errors.ndim == 3:
        errors = errors[:, : alarms.values.shape[1]]
    attributions = detector._attribution.of_samples(
        detector._model, in_memory(known.take(rows)), errors
    )
    errors = in_units_of_x(detector.scaler_, alarms.values, errors)
    width, index = attributions.shape[-1], samples.container.index
    labels, names = rows if index is None else index[rows], names_of(detector, width)
    records = []
    for label, *each in zip(labels, alarms.values, errors, attributions, strict=True):
        values, left, shares = (part.reshape(-1, width) for part in each)
        records += explanation(label, values, left, shares, names, n_causes)
    return records


def explain_intervals(detector, series, n_causes):
    """Return the records of the intervals of alarms in series."""
    scores, errors = detector._look(series, sharp=True)
    found = find_intervals(detector, series, scores, errors)
    records = []
    for row, (number, start, end, _) in enumerate(found):
        at = slice(start, end + 1)
        left = errors[number][at]
        # Missing values, and steps without a score, are no causes.
        attributions = np.nan_to_num(detector._attribution.of_steps(left))
        times = series.labels(number)[at]
        peak = times[attributions.max(axis=1).argmax()]
        values = series.items[number][at]
        some = explanation(
            row,
            values,
            in_units_of_x(detector.scaler_, values, left),
            attributions,
            series.names,
            n_causes,
            times,
        )
        records += [(row, peak, *rest) for row, *rest in some]
    return records
