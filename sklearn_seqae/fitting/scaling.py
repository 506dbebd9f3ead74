"""Scaling of samples for the networks, and whitening of latent codes."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_seqae._numbers import has_gaps, overall_scale, resample
from sklearn_seqae._sequences import Samples
from sklearn_seqae.large.rows import in_parts

LARGEST_VALUE = 1e15  # in scaled units: sums of squares are finite in float32
LEAST_SPREAD = 64 * float(np.finfo(np.float32).eps)  # of codes, relative to their mean


@dataclass(frozen=True)
class Scaling:
    """Scaling of samples: subtract a center, and divide by one scale.

    As in PCA, each feature is centered, but features are not standardized. The scale is
    the overall standard deviation of X. The precision is that of X.

    Parameters
    ----------
    mean : ndarray of shape (D,) or (S, C)
        Training mean of each column, or mean sequence of S steps.

    center : ndarray of shape (D,) or (1, C)
        Mean of each column, or of each channel, which is subtracted. 0 if values have
        a fixed domain.

    scale : float
        Divisor, in the units of X.
    """

    mean: NDArray[np.float64]
    center: NDArray[np.float64]
    scale: float

    @classmethod
    def fit(
        cls,
        values: NDArray[Any],
        lengths: NDArray[np.int64] | None,
        *,
        n_steps: int | None,
        centered: bool,
        weight: NDArray[np.float64] | None = None,
    ) -> "Scaling":
        """Compute the mean, the center and the scale of training rows.

        Parameters
        ----------
        values : ndarray of shape (N, D) or (N, T, C)
            Training rows.

        lengths : ndarray of shape (N,) or None
            Number of time steps of each sequence.

        n_steps : int or None
            S, number of steps of the mean sequence; None for tables.

        centered : bool
            False if the values have a fixed domain. They are then not scaled.

        weight : ndarray of shape (N,), default=None
            Sample weights.
        """
        full = values if n_steps is None else resample(values, lengths, n_steps)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = weighted_mean(full, weight)
            center = mean if n_steps is None else mean.mean(axis=0, keepdims=True)
            if not centered:
                return cls(mean, np.zeros_like(center), 1.0)
            return cls(mean, center, overall_scale(full, center, weight))

    def apply(
        self, values: NDArray[Any], lengths: NDArray[np.int64] | None
    ) -> NDArray[np.float32]:
        """Scale values to the units of the network.

        Parameters
        ----------
        values : ndarray of shape (N, D) or (N, T, C)
            Values in the units of X.

        lengths : ndarray of shape (N,) or None
            Number of time steps of each sequence; None without padding.

        Returns
        -------
        scaled : ndarray of the same shape, float32
            Scaled values, zero on padding, NaN if missing.

        Raises
        ------
        ValueError
            If a scaled value is not finite in float32.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            centered_values = values - self.center.astype(values.dtype)
            centered_values /= self.scale  # in place: no other array of this size
            result = centered_values.astype(np.float32, copy=False)
        if not (np.isfinite(result) | np.isnan(values)).all():
            raise ValueError(
                "Input X contains infinity or a value too large for dtype('float32') "
                "after centering and scaling. Scale X, or remove its extreme values."
            )
        return _clear_padding(result, lengths)

    def total_variance(self, samples: Samples) -> float:
        """Return the variance of training samples, summed over all values of one."""
        squares, n_observed, n_values = 0.0, 0, 0
        for part in in_parts(samples):
            values, weight = part.values.astype(np.float64), part.weight
            left = (values - along(self.mean, values, part.lengths)) / self.scale
            if weight is not None:
                left *= np.sqrt(weight).reshape(-1, *[1] * (left.ndim - 1))
            if part.mask is not None:
                left = left[part.mask]
            observed = ~np.isnan(left)
            squares += float(np.where(observed, np.square(left), 0).sum())
            n_observed += int(np.count_nonzero(observed))
            n_values += left.size
        if samples.observed is not None:  # as if the others had the mean square
            squares = squares / n_observed * n_values
        return self.scale**2 * squares / max(1, len(samples) - 1)

    def undo(
        self,
        values: NDArray[Any],
        lengths: NDArray[np.int64] | None,
        dtype: np.dtype[Any],
    ) -> NDArray[Any]:
        """Scale values back to the units of X, in float64, then cast to `dtype`."""
        # numpy 1 computes float32 times a scalar of float64 in float32.
        result = np.multiply(values, self.scale, dtype=np.float64) + self.center
        result = result.astype(dtype)
        return _clear_padding(result, lengths)


def mean_sample(
    values: NDArray[Any],
    lengths: NDArray[np.int64] | None,
    n_steps: int | None,
    weight: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """Return the mean row of a table, or the mean sequence of `n_steps` steps."""
    full = values if n_steps is None else resample(values, lengths, n_steps)
    with np.errstate(over="ignore", invalid="ignore"):
        return weighted_mean(full, weight)


def weighted_mean(
    values: NDArray[Any], weight: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return the weighted mean row in float64.

    The mean of values that are all the same is that value, without rounding error.
    """
    mean: NDArray[np.float64]
    if has_gaps(values):
        return _mean_of_observed(values, weight)
    if weight is None:
        mean = values.mean(axis=0, dtype=np.float64)
    else:
        mean = np.average(values.astype(np.float64), axis=0, weights=weight)
    return np.clip(mean, values.min(axis=0), values.max(axis=0))


def _mean_of_observed(
    values: NDArray[Any], weight: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return the weighted mean of the observed values of each column.

    Without any, it is that of the other time steps of the channel, or 0.
    """
    observed = ~np.isnan(values)
    weights = observed.astype(np.float64)
    if weight is not None:
        weights *= weight.reshape(-1, *[1] * (values.ndim - 1))
    counts = weights.sum(axis=0)
    filled = np.where(observed, values, 0)
    total = (weights * filled).sum(axis=0)
    mean = np.zeros(counts.shape)
    np.divide(total, counts, out=mean, where=counts > 0)
    if mean.ndim == 2:
        steps = counts.sum(axis=0)
        of_channel = total.sum(axis=0) / np.maximum(steps, np.finfo(float).tiny)
        mean = np.where(counts > 0, mean, of_channel)
    low, high = np.fmin.reduce(values), np.fmax.reduce(values)
    result: NDArray[np.float64] = np.where(counts > 0, np.clip(mean, low, high), mean)
    return result


def along(
    mean: NDArray[np.float64], values: NDArray[Any], lengths: NDArray[np.int64] | None
) -> NDArray[Any]:
    """Resample a mean sequence to the length of each row of `values`.

    Parameters
    ----------
    mean : ndarray of shape (D,) or (S, C)
        Mean row of a table, which is returned as it is, or mean sequence.

    values : ndarray of shape (N, D) or (N, T, C)
        Rows that the mean is compared with.

    lengths : ndarray of shape (N,) or None
        Number of time steps of each sequence; None without padding.

    Returns
    -------
    means : ndarray of shape (D,), (T, C) or (N, T, C)
        Means that can be subtracted from `values`, zero on padding.
    """
    if values.ndim == 2:
        return mean
    n_steps = values.shape[1]
    if lengths is None:
        resampled: NDArray[Any] = resample(mean[None], None, n_steps)[0]
        return resampled
    result = np.zeros((len(values), n_steps, mean.shape[1]))
    for length in np.unique(lengths):
        result[lengths == length, :length] = resample(mean[None], None, int(length))
    return result


class Whitening(NamedTuple):
    """Mean, factor and inverse factor of the whitening of latent codes.

    Codes are whitened as (code - mean) @ factor. The factors are triangular: the first
    k whitened components depend only on the first k components. For PCA's codes, the
    factors are diagonal, and the inverse contains the standard deviations.
    """

    mean: NDArray[np.float32]  # (Z,)
    factor: NDArray[np.float32]  # (Z, Z)
    inverse: NDArray[np.float32]  # (Z, Z)

    @classmethod
    def fit(
        cls, codes: NDArray[Any], weight: NDArray[np.float64] | None = None
    ) -> "Whitening":
        """Compute the whitening from codes (N, Z) of training rows."""
        codes = codes.astype(np.float64)
        mean, width = weighted_mean(codes, weight), codes.shape[1]
        covariance = np.zeros((width, width))
        if len(codes) > 1:
            covariance += np.cov(codes, rowvar=False, aweights=weight)
        # A component without variance would make the covariance singular. If all codes
        # are the same, their variance is the rounding error of the network.
        ridge = np.finfo(np.float32).eps * max(np.trace(covariance), 1e-30)
        ridge += (LEAST_SPREAD * np.abs(mean).max()) ** 2
        inverse = np.linalg.cholesky(covariance + ridge * np.eye(width)).T
        parts = mean, np.linalg.inv(inverse), inverse
        return cls(*(array.astype(np.float32) for array in parts))


def _clear_padding(
    values: NDArray[Any], lengths: NDArray[np.int64] | None
) -> NDArray[Any]:
    """Set values on padding to zero, in place."""
    if lengths is not None and (lengths < values.shape[1]).any():
        values[np.arange(values.shape[1]) >= lengths[:, None]] = 0
    return values


def scaled_array(samples: Samples, scaling: Scaling) -> Samples:
    """Return samples and their targets in the units of the network.

    Raises
    ------
    ValueError
        If the squares of a value would not be finite in float32.
    """
    values, target = scaling.apply(samples.values, samples.lengths), samples.target
    low = np.fmin.reduce(values, axis=None, initial=0)
    high = np.fmax.reduce(values, axis=None, initial=0)
    if max(high, -low) > LARGEST_VALUE:
        raise_too_large(samples, values)
    if target is not None:
        target = scaling.apply(target, None)
    return replace(samples, values=values, target=target)


def raise_too_large(samples: Samples, values: NDArray[Any]) -> None:
    """Raise a ValueError that names the column and the value."""
    position = np.unravel_index(np.nanargmax(np.abs(values)), values.shape)
    names, column = samples.feature_names, int(position[-1])
    which = str(column)
    if names is not None and len(names) == values.shape[-1]:
        which = repr(names[column])
    value = samples.values[position]
    raise ValueError(
        f"Column {which} of X holds {value:.3g}, which is {abs(values[position]):.0e} "
        "times the overall standard deviation of the training rows: the loss is not "
        "finite. Scale X, or remove this value."
    )
