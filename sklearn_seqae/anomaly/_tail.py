"""Tail of the scores of a series: rare false alarms from few independent windows.

One series of 6,000 steps has about 100 windows that do not overlap. The distances
beyond a high quantile follow approximately a generalized Pareto distribution (Pickands,
1975). Its shape cannot be estimated from so few windows by maximum likelihood, so it is
shrunk toward the exponential distribution.

P-values are predictive: they include the uncertainty of the estimates, so that the
realized rate is right on average over series, and thresholds are lower if there are few
windows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import t

from sklearn_seqae.anomaly._covariance import evenly

SHARE = 0.2  # fraction of the scores in the tail
SHAPE_SPREAD = 0.1  # standard deviation of the shape before any score is seen
PER_WINDOW = 3.0  # effective scores for each window that does not overlap others
FEWEST = 2.0  # effective scores in the tail
MOST = 2000  # scores of the tail that are read
LEAST_SHAPE = -0.4  # below -0.5 the information is not defined
TINY = np.finfo(float).tiny
LARGEST_LOG = 700.0  # of a number in float64


@dataclass(frozen=True)
class Tail:
    """Distribution of the scores of normal time steps; lower scores are anomalous.

    Above `start` it is the empirical distribution, below a generalized Pareto
    distribution.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Calibration scores in ascending order.

    n_independent : int
        Number of windows that do not overlap.

    n_effective : float
        Number of independent scores in the tail.

    start : float
        Score below which the tail begins.

    share : float
        Fraction of the scores in the tail.

    shape, log_scale : float
        Parameters of the generalized Pareto distribution of ``start - score``.
    """

    scores: NDArray
    n_independent: int
    n_effective: float
    start: float
    share: float
    shape: float
    log_scale: float

    unit = "training windows that do not overlap"
    coverage = "about 85 %"  # of `interval`, measured on simulated series

    @classmethod
    def fit(
        cls, scores: NDArray, n_independent: int, per_window: float = PER_WINDOW
    ) -> "Tail":
        """Fit to calibration scores in ascending order.

        `per_window` is the number of effective scores for each window that does not
        overlap others.
        """
        n = len(scores)
        n_effective = max(FEWEST, per_window * SHARE * n_independent)
        known = scores, n_independent, n_effective
        n_tail = max(1, int(SHARE * n))
        start = float(scores[min(n_tail, n - 1)])
        excesses = start - scores[:n_tail]
        excesses = excesses[excesses > 0]
        share = len(excesses) / n
        if not len(excesses):
            return cls(*known, start, 0.0, 0.0, 0.0)
        unit = excesses.mean()
        some = excesses[evenly(len(excesses), MOST)] / unit

        def loss(parameters: NDArray) -> float:
            shape, log_scale = parameters
            logs = np.minimum(_minus_log_survival(some, shape, log_scale), LARGEST_LOG)
            mean = (log_scale + (1 + shape) * logs).mean()
            prior = 0.5 * (shape / SHAPE_SPREAD) ** 2
            return float(n_effective * mean + prior)

        shape, log_scale = minimize(loss, [0.01, 0.0], method="Nelder-Mead").x
        log_scale = float(log_scale + np.log(unit))
        return cls(*known, start, share, float(shape), log_scale)

    def p_values(self, scores: NDArray) -> NDArray:
        """Return the probability of such a low score, NaN for NaN.

        The fraction of lower scores is increased as in conformal p-values. With n
        effective scores in an exponential tail, the predictive distribution is a
        generalized Pareto distribution with a shape of 1 / n.
        """
        p = self._fractions(scores, self.shape + 1 / self.n_effective)
        n = self.n_independent
        most = (1 + n * self.share) / (1 + n)
        in_tail = p * most / self.share if self.share else 0 * p
        return np.where(scores < self.start, in_tail, (1 + n * p) / (1 + n))

    def _fractions(self, scores: NDArray, shape: float) -> NDArray:
        """Return the fractions of lower scores, NaN for NaN."""
        p = np.searchsorted(self.scores, scores, side="right") / len(self.scores)
        excess = np.maximum(self.start - scores, 0)
        logs = _minus_log_survival(excess, shape, self.log_scale)
        p = np.where(excess > 0, self.share * np.exp(-logs), np.maximum(p, self.share))
        return np.where(np.isnan(scores), np.nan, p)

    def threshold(self, rate: float) -> float:
        """Return the score below which the p-value is at most `rate`."""
        low, high = float(self.scores[0]), float(self.scores[-1])
        width = max(high - low, np.finfo(float).tiny)
        while self._p_value(low) > rate:
            low, width = low - width, 2 * width
        while np.nextafter(low, high) < high:
            inside = np.nextafter(low, high), np.nextafter(high, low)
            middle = float(np.clip(low + (high - low) / 2, *inside))
            if self._p_value(middle) <= rate:
                low = middle
            else:
                high = middle
        return high

    def _p_value(self, score: float) -> float:
        return float(self.p_values(np.array([score]))[0])

    def interval(self, rate: float) -> tuple[float, float]:
        """Return the approximate 90 % interval of the true rate at ``threshold(rate)``.

        The logarithm of the rate has approximately Student's t distribution, with as
        many degrees of freedom as effective scores in the tail. Its variance is that of
        the fraction of scores in the tail plus that of the parameters.
        """
        offset = np.array([self.threshold(rate)])
        center = float(np.clip(self._fractions(offset, self.shape)[0], TINY, 1))
        known = max(center, self.share)
        n_windows = self.n_effective / (PER_WINDOW * SHARE)
        variance = (1 - known) / (known * n_windows)
        if center < self.share:
            variance += self._variance_of_parameters(np.log(self.share / center))
        quantile = t.ppf(0.95, self.n_effective)
        factor = np.exp(min(quantile * np.sqrt(variance), LARGEST_LOG))
        return float(center / factor), float(min(center * factor, 1.0))

    def _variance_of_parameters(self, log_ratio: float) -> float:
        """Return the variance of log p due to shape and scale (delta method)."""
        shape = max(self.shape, LEAST_SHAPE)
        by_scale, by_shape = log_ratio, log_ratio**2 / 2  # for a shape of 0
        if abs(shape) > 1e-4:
            by_scale = -np.expm1(-shape * log_ratio) / shape
            by_shape = (log_ratio - by_scale) / shape
        # Fisher information of the generalized Pareto distribution (Smith, 1984).
        information = np.array([[2, 1], [1, 1 + shape]])
        information /= (1 + shape) * (1 + 2 * shape)
        information *= self.n_effective
        information[0, 0] += SHAPE_SPREAD**-2
        slopes = np.array([by_shape, by_scale])
        return float(slopes @ np.linalg.solve(information, slopes))


def _minus_log_survival(excess: NDArray, shape: float, log_scale: float) -> NDArray:
    """Return minus the logarithm of the probability of a larger excess.

    It is infinite beyond the end of a distribution with a negative shape.
    """
    x = excess * np.exp(-log_scale)
    if abs(shape) < 1e-8:
        return x
    with np.errstate(divide="ignore", over="ignore"):
        logs: NDArray = np.log1p(np.maximum(shape * x, -1)) / shape
    return logs
