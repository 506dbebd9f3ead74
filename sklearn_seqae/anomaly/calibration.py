"""Calibration of samples: thresholds for a given false-alarm rate, and p-values.

Higher scores are more normal, as in scikit-learn. Calibration scores come from samples
that the model has not seen: each fold is scored by a model of the other folds
(cross-conformal prediction; Vovk, Gammerman and Shafer, 2005; Angelopoulos and Bates,
2023).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta
from sklearn.model_selection import KFold

N_FOLDS = 5


@dataclass(frozen=True)
class Conformal:
    """Empirical distribution of the scores of normal samples.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Calibration scores in ascending order.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seqae.anomaly.calibration import Conformal
    >>> calibration = Conformal(np.arange(99))
    >>> calibration.threshold(0.05)
    4.0
    >>> calibration.p_values(np.array([0.5, 3.0, 99.0]))
    array([0.02, 0.05, 1.  ])
    """

    scores: NDArray

    unit = "training samples"
    coverage = "90 %"  # of `interval`

    def p_values(self, scores: NDArray) -> NDArray:
        """Return the fraction of normal samples with such a low score.

        Values are in [1 / (n + 1), 1].
        """
        n_below = np.searchsorted(self.scores, scores, side="right")
        return (1 + n_below) / (len(self.scores) + 1)

    def threshold(self, rate: float) -> float:
        """Return the score below which the p-value is at most `rate`.

        If there are fewer than 1 / rate - 1 scores, it is the lowest score.
        """
        return float(self.scores[self._rank(rate)])

    def interval(self, rate: float) -> tuple[float, float]:
        """Return the central 90 % interval of the true rate at ``threshold(rate)``.

        The rate below the k-th lowest of n scores has a beta distribution.
        """
        k = self._rank(rate) + 1
        low, high = beta.ppf([0.05, 0.95], k, len(self.scores) + 1 - k)
        return float(low), float(high)

    @property
    def n_independent(self) -> int:
        """Number of scores."""
        return len(self.scores)

    def _rank(self, rate: float) -> int:
        n = len(self.scores)
        rank = int(np.floor(max(rate * (n + 1) - 1, 0) + 1e-9))
        return min(rank, n - 1)


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
