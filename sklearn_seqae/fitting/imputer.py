"""Linear estimate of missing values, from a factor model of the training rows."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from sklearn_seqae._numbers import has_gaps, resample
from sklearn_seqae._sequences import Samples
from sklearn_seqae.fitting.pca_init import flatten, solver_for, some_rows
from sklearn_seqae.fitting.scaling import weighted_mean

MAX_RANK = 32  # maximum number of factors
MAX_ROWS = 2000  # maximum number of training rows
MAX_ITER = 60  # of the EM algorithm
TOL = 1e-4  # relative change of the noise variance at which it stops
PRIOR_ROWS = 3  # number of values that the mean noise variance counts as
MIN_NOISE = 1e-3  # noise variance of a feature, relative to the mean variance
MAX_COPIED = 2**25  # maximum number of values of all copies
TILE_ROWS = 64  # products of one shape have the same bits for each row

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LinearImputer:
    """Factor model that estimates the missing values of a row from the observed ones.

    It is probabilistic PCA with a noise variance for each feature. Missing values are
    estimated by their conditional mean. Sequences are resampled to a common length.

    Parameters
    ----------
    mean : ndarray of shape (P,)
        Mean of each value of a row, in scaled units.

    loadings : ndarray of shape (K, P)
        Loadings of the factors, whose prior is N(0, I), in float32 after `fit`.

    noise : ndarray of shape (P,)
        Noise variance of each value.

    n_steps : int or None
        Common length of resampled sequences; None for tables.
    """

    mean: Array
    loadings: NDArray[Any]
    noise: Array
    n_steps: int | None

    @classmethod
    def fit(
        cls, samples: Samples, *, n_steps: int | None, n_factors: int, seed: int
    ) -> "LinearImputer":
        """Fit the factor model with the EM algorithm.

        Without missing values, the factors are the components of PCA.

        Parameters
        ----------
        samples : Samples
            Training rows, scaled. Missing values are NaN.

        n_steps : int or None
            Common length of resampled sequences; None for tables.

        n_factors : int
            Number of factors, limited to `MAX_RANK` and a quarter of the rows.

        seed : int
            Source of every random number.
        """
        rows = some_rows(len(samples), seed, MAX_ROWS)
        flat = flatten(samples.values, samples.lengths, n_steps, rows)
        weight = np.ones(len(flat))
        if samples.weight is not None:
            weight = samples.weight[rows]
        model = _initial(flat, weight, n_factors, seed)
        if has_gaps(flat):
            model = _expectation_maximization(model, flat, weight)
        loadings = model.loadings.astype(np.float32)  # most of the state
        return replace(model, loadings=loadings, n_steps=n_steps)

    def fill(
        self, values: NDArray[Any], lengths: NDArray[np.int64] | None
    ) -> NDArray[Any]:
        """Return scaled values with estimates in place of NaN, in a new array."""
        if not has_gaps(values):
            return values
        gaps = np.isnan(values)
        rows = np.flatnonzero(gaps.reshape(len(values), -1).any(axis=1))
        some = None if lengths is None else lengths[rows]
        flat = flatten(values[rows], some, self.n_steps, slice(None))
        estimates = self._estimates(flat)
        filled = values.copy()
        shape = (len(rows), -1, *values.shape[2:])
        parts = _stretch(estimates.reshape(shape), some, values.shape[1])
        filled[rows] = np.where(gaps[rows], parts, values[rows])
        return filled

    def _estimates(self, flat: Array) -> Array:
        """Return the conditional mean of each row (N, P), in tiles of one shape."""
        found = []
        for start in range(0, len(flat), TILE_ROWS):
            tile = np.full((TILE_ROWS, flat.shape[1]), np.nan)
            part = flat[start : start + TILE_ROWS]
            tile[: len(part)] = part
            factors, _ = self.posterior(tile)
            found.append((self.mean + factors @ self.loadings)[: len(part)])
        return np.concatenate(found)

    def posterior(self, flat: Array) -> tuple[Array, Array]:
        """Return mean (N, K) and covariance (N, K, K) of the factors of rows (N, P)."""
        observed, n_factors = ~np.isnan(flat), len(self.loadings)
        loadings = self.loadings.astype(np.float64)
        precision = (observed / self.noise) @ _products(loadings).T
        precision = precision.reshape(len(flat), n_factors, n_factors)
        covariance: Any = np.linalg.inv(precision + np.eye(n_factors))
        centered = np.where(observed, flat - self.mean, 0) / self.noise
        projected = centered @ loadings.T
        return (covariance @ projected[:, :, None])[:, :, 0], covariance


def fill_gaps(samples: Samples, imputer: LinearImputer | None) -> Samples:
    """Fill the missing values of scaled samples, and of their targets.

    `observed` and `target_observed` of the result are their masks. In the target of a
    forecast, the mean of the other rows is filled in.
    """
    target, target_observed = samples.target, None
    if target is not None and has_gaps(target):
        target_observed = ~np.isnan(target)
        target = np.where(target_observed, target, weighted_mean(target, None))
        target = target.astype(np.float32)
    samples = replace(samples, target=target, target_observed=target_observed)
    if samples.observed is None or imputer is None:
        return samples
    return replace(samples, values=imputer.fill(samples.values, samples.lengths))


def hide_more(
    samples: Samples, imputer: LinearImputer | None, seed: int, n_copies: int
) -> NDArray[np.float32] | None:
    """Return copies (K, N, ...) of filled samples in which more values are estimated.

    What is missing in another row is hidden in a row, too. A row of which nothing would
    be left is not changed. If nothing is missing, the result is None.

    Parameters
    ----------
    samples : Samples
        Result of `fill_gaps`.

    imputer : LinearImputer or None
        Estimate of the hidden values.

    seed : int
        Source of the other rows.

    n_copies : int
        Maximum number of copies; fewer if the samples are large.
    """
    if samples.observed is None or imputer is None:
        return None
    random = np.random.default_rng(seed)
    values, observed = samples.values, samples.observed
    n_copies = int(np.clip(MAX_COPIED // values.size, 1, n_copies))
    copies = np.empty((n_copies, *values.shape), dtype=np.float32)
    for copy in copies:
        shown = observed & observed[random.permutation(len(values))]
        axes = tuple(range(1, values.ndim))
        shown = np.where(shown.any(axis=axes, keepdims=True), shown, observed)
        hidden = np.where(shown, values, np.nan).astype(np.float32)
        copy[:] = imputer.fill(hidden, samples.lengths)
    return copies


def _initial(flat: Array, weight: Array, n_factors: int, seed: int) -> LinearImputer:
    """Return the factor model of PCA. Missing values are replaced by the mean."""
    mean = weighted_mean(flat, weight)
    centered = np.where(np.isnan(flat), 0, flat - mean)
    centered *= np.sqrt(weight)[:, None]
    n_factors = max(1, min(n_factors, MAX_RANK, len(flat) // 4, flat.shape[1]))
    pca = PCA(n_factors, svd_solver=solver_for(*flat.shape), random_state=seed)
    with np.errstate(invalid="ignore", divide="ignore"):  # one row: 0 / 0
        pca.fit(np.concatenate([centered, -centered]))  # the mean remains 0
    spread = np.sqrt(np.square(centered @ pca.components_.T).mean(axis=0))
    loadings = spread[:, None] * pca.components_
    residual = centered - centered @ pca.components_.T @ pca.components_
    squares, counts = np.square(residual).sum(axis=0), weight @ ~np.isnan(flat)
    total = np.square(centered).sum() / max(counts.sum(), 1)
    return LinearImputer(mean, loadings, _smoothed(squares, counts, total), None)


def _expectation_maximization(
    model: LinearImputer, flat: Array, weight: Array
) -> LinearImputer:
    """Return the factor model of rows with missing values (Rubin and Thayer, 1982).

    The loadings have the prior N(0, 1 / K), so that features with few values do not
    have large ones.
    """
    (n, width), n_factors = flat.shape, len(model.loadings)
    observed = ~np.isnan(flat)
    values = np.where(observed, flat, 0)
    weighted = observed * weight[:, None]
    counts = weighted.sum(axis=0)
    mean = weighted_mean(flat, weight)
    total = (weighted * np.square(values - mean)).sum() / max(counts.sum(), 1)
    prior = np.append(np.full(n_factors, float(n_factors)), 1e-6)
    for _ in range(MAX_ITER):
        factors, covariance = model.posterior(flat)
        inputs = np.column_stack([factors, np.ones(n)])
        moments = inputs[:, :, None] * inputs[:, None]
        moments[:, :n_factors, :n_factors] += covariance
        size = n_factors + 1
        left = (weighted.T @ moments.reshape(n, -1)).reshape(width, size, size)
        diagonal = np.arange(size)
        left[:, diagonal, diagonal] += model.noise[:, None] * prior
        right = (weighted * values).T @ inputs
        solution = np.linalg.solve(left, right[:, :, None])[:, :, 0]
        loadings, mean = solution[:, :-1].T, solution[:, -1]
        errors = values - mean - factors @ loadings
        spread = covariance.reshape(n, -1) @ _products(loadings)
        squares = (weighted * (np.square(errors) + spread)).sum(axis=0)
        noise = _smoothed(squares, counts, total)
        change = abs(np.log(noise) - np.log(model.noise)).mean()
        model = LinearImputer(mean, loadings, noise, None)
        if change < TOL:
            break
    return model


def _smoothed(squares: Array, counts: Array, total: float) -> Array:
    """Return noise variances from sums of squares, with the mean of all as a prior."""
    usual = squares.sum() / max(counts.sum(), 1)
    noise: Array = (squares + PRIOR_ROWS * usual) / (counts + PRIOR_ROWS)
    least = MIN_NOISE * max(total, float(np.finfo(np.float32).tiny))
    result: Array = noise.clip(least)
    return result


def _products(loadings: Array) -> Array:
    """Return the products of each pair of factors, (K * K, P)."""
    products: Array = (loadings[:, None] * loadings).reshape(-1, loadings.shape[1])
    return products


def _stretch(
    parts: NDArray[Any], lengths: NDArray[np.int64] | None, n_steps: int
) -> NDArray[Any]:
    """Resample parts (N, S, C) to the length of each sequence, zero on padding."""
    if parts.ndim == 2:
        return parts
    if lengths is None:
        return resample(parts, None, n_steps)
    result = np.zeros((len(parts), n_steps, parts.shape[2]))
    for length in map(int, np.unique(lengths)):
        rows = lengths == length
        result[rows, :length] = resample(parts[rows], None, length)
    return result
