"""From scores to a threshold whose rate of false alarms is known.

Scores are as scikit-learn's: the higher, the more normal. Those that a threshold is
made of must come from samples that the model has not seen: each fold is scored by a
model of the others (cross-conformal prediction; Vovk, Gammerman and Shafer, 2005;
Angelopoulos and Bates, 2023).
"""

import warnings

import numpy as np
from sklearn.model_selection import KFold

N_FOLDS = 5


def threshold(scores, rate):
    """Return the score below which new normal samples fall with probability `rate`.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Of normal samples.

    rate : float
        In (0, 1).

    Returns
    -------
    offset : float
        With fewer scores than the rate needs, 1 / rate - 1, the least of them, with a
        warning.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seqae.anomaly.calibration import threshold
    >>> threshold(np.arange(99), 0.05)
    4.0
    """
    rank = int(np.floor(rate * (len(scores) + 1) + 1e-9))
    if rank < 1:
        needed = int(np.ceil(1 / rate - 1 - 1e-9))
        warnings.warn(
            f"A false-alarm rate of {rate:g} needs at least {needed} training samples "
            f"to be calibrated. Got {len(scores)}: the threshold is the lowest of "
            "their scores, and the rate may be higher. Fit on more samples, or set a "
            "higher 'false_alarm_rate'.",
            UserWarning,
            stacklevel=2,
        )
    return float(np.partition(scores, max(rank, 1) - 1)[max(rank, 1) - 1])


def p_values(scores, calibration):
    """Return the share of normal samples that are as strange.

    Parameters
    ----------
    scores : ndarray of shape (m,)
        Of new samples.

    calibration : ndarray of shape (n,)
        Of normal samples, in ascending order.

    Returns
    -------
    p : ndarray of shape (m,)
        In [1 / (n + 1), 1].

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seqae.anomaly.calibration import p_values
    >>> p_values(np.array([-1.0, 1.5, 9.0]), np.array([1.0, 2.0, 3.0]))
    array([0.25, 0.5 , 1.  ])
    """
    as_strange = np.searchsorted(calibration, scores, side="right")
    return (1 + as_strange) / (len(calibration) + 1)


def folds(n):
    """Yield the rows of each fold and the others; none where there are too few."""
    if n >= 2 * N_FOLDS:
        # A fixed order: the threshold is no matter of chance.
        yield from KFold(N_FOLDS, shuffle=True, random_state=0).split(np.zeros(n))


def blocks(lengths, window_size):
    """Cut series into blocks of time that are held out in turn.

    Parameters
    ----------
    lengths : sequence of int
        Steps of each series.

    window_size : int
        The shortest block has three windows, shorter series no block.

    Returns
    -------
    blocks : list of (int, slice)
        The series and the steps of each block.
    """
    least = 3 * window_size
    size = max(least, -(-sum(lengths) // N_FOLDS))
    found = []
    for number, length in enumerate(lengths):
        count = max(1, length // size) if length >= least else 0
        edges = np.linspace(0, length, count + 1).astype(int)
        found += [
            (number, slice(start, end))
            for start, end in zip(edges[:-1], edges[1:], strict=True)
        ]
    return found if len(found) > 1 else []
