"""Calibration: thresholds for a given false-alarm rate, and conformal p-values.

Higher scores are more normal, as in scikit-learn. Calibration scores come from samples
that the model has not seen: each fold is scored by a model of the other folds
(cross-conformal prediction; Vovk, Gammerman and Shafer, 2005; Angelopoulos and Bates,
2023).
"""

import numpy as np
from sklearn.model_selection import KFold

from sklearn_seqae._warn import warn

N_FOLDS = 5


def threshold(scores, rate, n_independent=None):
    """Return the score below which new normal samples fall with probability `rate`.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Scores of normal samples.

    rate : float
        False-alarm rate in (0, 1).

    n_independent : int, default=None
        Number of independent samples among the scores; None for all of them.
        Neighbouring steps of a series share their windows, so they are not independent.

    Returns
    -------
    offset : float
        Threshold. If there are fewer than 1 / rate - 1 scores, the lowest score, with a
        warning.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seqae.anomaly.calibration import threshold
    >>> threshold(np.arange(99), 0.05)
    4.0
    """
    n = len(scores) if n_independent is None else n_independent
    below = (rate * (n + 1) - 1) / n  # fraction of the scores that may lie below
    if below < -1e-9:
        needed = np.ceil(1 / rate - 1 - 1e-9)
        which = "training samples"
        if n < len(scores):
            which = "training windows that do not overlap"
        warn(
            f"A false-alarm rate of {rate:g} needs at least {needed:.9g} {which} "
            f"to be calibrated. Got {n}: the threshold is the lowest of "
            "their scores, and the rate may be higher. Fit on more samples, or set a "
            "higher 'false_alarm_rate'.",
        )
    rank = int(np.floor(max(below, 0) * len(scores) + 1e-9))
    rank = min(rank, len(scores) - 1)
    return float(np.partition(scores, rank)[rank])


def p_values(scores, calibration, n_independent=None):
    """Return the fraction of normal samples that score as low.

    Parameters
    ----------
    scores : ndarray of shape (m,)
        Scores of new samples.

    calibration : ndarray of shape (n,)
        Scores of normal samples, in ascending order.

    n_independent : int, default=None
        Number of independent samples among `calibration`; None for all of them.

    Returns
    -------
    p : ndarray of shape (m,)
        Values in [1 / (n + 1), 1], where n is the number of independent samples.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seqae.anomaly.calibration import p_values
    >>> p_values(np.array([-1.0, 1.5, 9.0]), np.array([1.0, 2.0, 3.0]))
    array([0.25, 0.5 , 1.  ])
    """
    n_below = np.searchsorted(calibration, scores, side="right")
    n = len(calibration) if n_independent is None else n_independent
    return (1 + n * n_below / len(calibration)) / (n + 1)


def folds(n):
    """Yield the rows of each fold and all other rows; nothing for too few rows."""
    if n >= 2 * N_FOLDS:
        # A fixed seed: the threshold does not depend on chance.
        yield from KFold(N_FOLDS, shuffle=True, random_state=0).split(np.zeros(n))


def blocks(lengths, window_size, step=1):
    """Divide series into blocks of time that are held out in turn.

    Long series are cut. Short series stay whole and share a block.

    Parameters
    ----------
    lengths : sequence of int
        Number of steps of each series, at least `window_size`.

    window_size, step : int
        Size and stride of the windows. No piece of a cut series is shorter than three
        windows. If there are too few windows for folds, there are no blocks.

    Returns
    -------
    blocks : list of list of (int, slice)
        Pieces of each block: the number of a series and a slice of its steps.
    """
    n_windows = sum((length - window_size) // step + 1 for length in lengths)
    size = max(3 * window_size, -(-sum(lengths) // N_FOLDS))
    found: dict[int, list[tuple[int, slice]]] = {}
    before = 0
    for number, length in enumerate(lengths):
        edges = np.linspace(0, length, max(1, length // size) + 1).astype(int)
        for start, end in zip(edges[:-1], edges[1:], strict=True):
            middle = before + (start + end) / 2
            block = int(N_FOLDS * middle / sum(lengths))
            found.setdefault(block, []).append((number, slice(start, end)))
        before += length
    enough = n_windows >= 2 * N_FOLDS and len(found) > 1
    return list(found.values()) if enough else []
