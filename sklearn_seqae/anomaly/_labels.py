"""A few labels: known anomalies are kept out of training and calibration."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_seqae._containers import Container
from sklearn_seqae._sequences import Samples
from sklearn_seqae._warn import warn
from sklearn_seqae.anomaly._scaling import rows_of

VALUES = "-1 for a known anomaly, 1 for a known normal one, and 0 if it is unknown"


def known_anomalies(labels: Any, samples: Samples, is_series: bool) -> Any:
    """Validate labels.

    Parameters
    ----------
    labels : array-like, list of array-like, or None
        Labels of samples, or of the time steps of one series or several.

    samples : Samples
        Parsed X.

    is_series : bool
        Whether X holds series, which have one label for each time step.

    Returns
    -------
    is_anomaly : ndarray of bool of shape (n,), or None
        True for known anomalies, for each sample or each step of all series. None if
        there are none.
    """
    if labels is None:
        return None
    unit = "time step" if is_series else "sample"
    if is_series and samples.values.ndim == 3:
        flat = _labels_of_series(labels, samples.n_steps_of_each)
    else:
        flat = _checked(labels, len(samples), "labels", "X", unit)
    is_anomaly = flat == -1
    if not is_anomaly.any():
        hint = " 1 marks a known normal one, not an anomaly." if flat.any() else ""
        warn(
            "labels has no effect, because it contains no known anomaly. Pass one "
            f"integer for each {unit}: {VALUES}.{hint}"
        )
        return None
    if is_anomaly.all():
        raise ValueError(
            f"labels marks each {unit} of X as a known anomaly, so none is left to fit "
            f"the detector. Pass X with normal {unit}s, too."
        )
    return is_anomaly


def _labels_of_series(labels: Any, lengths: NDArray) -> NDArray:
    """Return the labels of the steps of all series, one after the other."""
    found = len(labels) if hasattr(labels, "__len__") else "a scalar"
    if found != len(lengths):
        raise ValueError(
            f"labels must be a list of {len(lengths)} arrays, one for each series of "
            f"X. Got {found}."
        )
    pairs = enumerate(zip(labels, lengths, strict=True))
    parts = [
        _checked(each, n, f"labels[{i}]", f"series {i} of X", "time step")
        for i, (each, n) in pairs
    ]
    return np.concatenate(parts)


def _checked(labels: Any, n: int, name: str, of: str, unit: str) -> NDArray:
    flat = np.asarray(labels)
    if flat.shape != (n,):
        raise ValueError(
            f"{name} has the shape {flat.shape}, but {of} has {n} {unit}s. Pass one "
            f"integer for each {unit}: {VALUES}."
        )
    is_number = flat.dtype.kind in "iuf" or flat.dtype == object
    wrong = flat if not is_number else flat[~np.isin(flat, [-1, 0, 1])]
    if len(wrong):
        raise ValueError(
            f"{name} must contain one integer for each {unit}: {VALUES}. Got "
            f"{wrong.tolist()[0]!r} instead."
        )
    return flat.astype(np.int8)


def split(
    is_anomaly: Any, samples: Samples, is_series: bool
) -> tuple[Samples, Samples | None]:
    """Return what a detector is fitted on, and the samples that are known anomalies.

    For series, the first are time steps as a table, and the others None.
    """
    if is_anomaly is None:
        return samples, None
    if is_series:
        return Samples(rows_of(samples)[~is_anomaly], None, Container("table")), None
    rest, known = (
        samples.take(np.flatnonzero(each)) for each in (~is_anomaly, is_anomaly)
    )
    if known.observed is not None:
        known = known.take(np.flatnonzero(known.has_values))
    return rest, known if len(known) else None


def cut(
    pieces: list[tuple[int, slice]], is_anomaly: Any, lengths: list[int], size: int
) -> list[tuple[int, slice]]:
    """Return the pieces of series between known anomalies, at least a window long.

    Parameters
    ----------
    pieces : list of (int, slice)
        Numbers and steps of series.

    is_anomaly : ndarray of bool or None
        Result of `known_anomalies`.

    lengths : list of int
        Number of steps of each series.

    size : int
        Number of time steps of a window.
    """
    if is_anomaly is None:
        return pieces
    of_each = np.split(is_anomaly, np.cumsum(lengths)[:-1])
    found = []
    for number, at in pieces:
        here = np.flatnonzero(of_each[number][at]) + at.start
        starts, stops = [at.start, *(here + 1)], [*here, at.stop]
        found += [
            (number, slice(int(start), int(stop)))
            for start, stop in zip(starts, stops, strict=True)
            if stop - start >= size
        ]
    if not found:
        raise ValueError(
            f"All windows of window_size={size} time steps contain a known anomaly, so "
            "none is left to fit the detector. Pass a longer series, or a smaller "
            "'window_size'."
        )
    return found
