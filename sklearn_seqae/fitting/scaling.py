"""Scaling of samples for the networks, and whitening of latent codes."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_seqae._sequences import resample


@dataclass(frozen=True)
class Scaling:
    """Subtract a center and divide by one scale, in the precision of X.

    As in PCA, each feature is centred but keeps its units. The scale is the overall
    standard deviation of X.

    Parameters
    ----------
    mean : ndarray of shape (D,) or (S, C)
        Training mean of each column, or mean sequence of S steps.

    center : ndarray of shape (D,) or (1, C)
        Mean of each column, or of each channel, which is subtracted.

    scale : float
        Divisor.
    """

    mean: NDArray
    center: NDArray
    scale: float

    @classmethod
    def fit(
        cls,
        values: NDArray,
        lengths: NDArray | None,
        *,
        n_steps: int | None,
        centered: bool,
        weight: NDArray | None = None,
    ) -> "Scaling":
        """Compute the mean and the scale of training rows.

        Parameters
        ----------
        values : ndarray of shape (N, D) or (N, T, C)
            Training rows.

        lengths : ndarray of shape (N,) or None
            Number of time steps of each sequence.

        n_steps : int or None
            S, number of steps of the mean sequence; None for tables.

        centered : bool
            False if the values have a fixed domain: they are not scaled.

        weight : ndarray of shape (N,), default=None
            Sample weights.
        """
        full = values if n_steps is None else resample(values, lengths, n_steps)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = weighted_mean(full, weight)
            center = mean if n_steps is None else mean.mean(axis=0, keepdims=True)
            if not centered:
                return cls(mean, np.zeros_like(center), 1.0)
            left = full - center.astype(full.dtype)
            largest = float(np.abs(left).max())
            scale = 1.0
            if 0 < largest < np.inf:  # squares of huge values would overflow
                squares = weighted_mean(np.square(left / largest), weight)
                scale = largest * float(np.sqrt(np.mean(squares)))
        return cls(mean, center, scale)

    def apply(self, values: NDArray, lengths: NDArray | None) -> NDArray:
        """Scale values to the units of the network: float32, zero on padding."""
        with np.errstate(over="ignore", invalid="ignore"):
            left = values - self.center.astype(values.dtype)
            result = (left / self.scale).astype(np.float32)
        if not np.isfinite(result).all():
            raise ValueError(
                "Input X contains infinity or a value too large for dtype('float32')."
                " after centring and scaling. Scale X, or remove its extreme values."
            )
        return _clear_padding(result, lengths)

    def undo(
        self, values: NDArray, lengths: NDArray | None, dtype: np.dtype
    ) -> NDArray:
        """Scale values to the units of X, in float64 before the last cast."""
        result = (values * np.float64(self.scale) + self.center).astype(dtype)
        return _clear_padding(result, lengths)


def mean_sample(
    values: NDArray,
    lengths: NDArray | None,
    n_steps: int | None,
    weight: NDArray | None,
) -> NDArray:
    """Return the mean row of a table, or the mean sequence of `n_steps` steps."""
    full = values if n_steps is None else resample(values, lengths, n_steps)
    with np.errstate(over="ignore", invalid="ignore"):
        return weighted_mean(full, weight)


def weighted_mean(values: NDArray, weight: NDArray | None) -> NDArray:
    """Return the weighted mean row in float64."""
    if weight is None:
        return values.mean(axis=0, dtype=np.float64)
    return np.average(values.astype(np.float64), axis=0, weights=weight)


def along(mean: NDArray, values: NDArray, lengths: NDArray | None) -> NDArray:
    """Resample a mean sequence to the length of each row of values."""
    if values.ndim == 2:
        return mean
    n_steps = values.shape[1]
    if lengths is None:
        return resample(mean[None], None, n_steps)[0]
    result = np.zeros((len(values), n_steps, mean.shape[1]))
    for length in np.unique(lengths):
        result[lengths == length, :length] = resample(mean[None], None, int(length))
    return result


class Whitening(NamedTuple):
    """Mean, factor and inverse factor of the whitening of latent codes.

    The factors are triangular: the first k whitened components depend on the first k
    components alone. For PCA's codes they are diagonal, the standard deviations.
    """

    mean: NDArray  # (Z,)
    factor: NDArray  # (Z, Z)
    inverse: NDArray  # (Z, Z)

    @classmethod
    def fit(cls, codes: NDArray, weight: NDArray | None = None) -> "Whitening":
        """Measure the codes of training rows."""
        codes = codes.astype(np.float64)
        mean, width = weighted_mean(codes, weight), codes.shape[1]
        covariance = np.zeros((width, width))
        if len(codes) > 1:
            covariance += np.cov(codes, rowvar=False, aweights=weight)
        floor = np.finfo(np.float32).eps * max(np.trace(covariance), 1e-30)
        inverse = np.linalg.cholesky(covariance + floor * np.eye(width)).T
        parts = mean, np.linalg.inv(inverse), inverse
        return cls(*(array.astype(np.float32) for array in parts))


def _clear_padding(values: NDArray, lengths: NDArray | None) -> NDArray:
    if lengths is not None:
        values[np.arange(values.shape[1]) >= lengths[:, None]] = 0
    return values
