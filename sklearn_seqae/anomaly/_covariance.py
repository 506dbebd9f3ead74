"""Shrunk covariance, also of few rows with many columns."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf

LEAST_VARIANCE = 1e-6  # of a direction, as a share of the largest variance


MOST_TILE_ROWS = 512
TILE_VALUES = 2**22  # maximum number of values of a tile


def evenly(n: int, most: int) -> NDArray:
    """Return up to `most` of n rows, spread evenly."""
    return np.arange(n) if n <= most else np.linspace(0, n - 1, most).astype(int)


def tile_rows(n_columns: int) -> int:
    """Return the number of rows of a tile."""
    return int(np.clip(TILE_VALUES // max(n_columns, 1), 1, MOST_TILE_ROWS))


def in_tiles(function: Callable[[NDArray], NDArray], rows: NDArray) -> NDArray:
    """Apply a function of a matrix to tiles of one shape.

    The last bits of a product depend on its number of rows.
    """
    if not len(rows):
        return function(rows)
    size, results = tile_rows(rows.shape[1]), []
    for start in range(0, len(rows), size):
        tile = rows[start : start + size]
        if len(tile) < size:
            tile = np.vstack([tile, np.zeros((size - len(tile), rows.shape[1]))])
        results.append(function(tile))
    return np.concatenate(results)[: len(rows)]


class ShrunkCovariance:
    """Covariance of Ledoit and Wolf (2004), kept in the span of the rows.

    With n rows and p > n columns, the shrunk covariance is the same in all directions
    that are orthogonal to the rows. So n directions and one variance for all others
    represent it, at a cost linear in p.

    Attributes
    ----------
    center : ndarray of shape (p,)
        Mean of the rows.

    vectors : ndarray of shape (p, r)
        Orthonormal directions, r at most min(n, p).

    variances : ndarray of shape (r,)
        Variance along each direction.

    rest : float
        Variance in every other direction.
    """

    def fit(self, rows: NDArray) -> "ShrunkCovariance":
        """Fit to rows of shape (n, p)."""
        n, p = rows.shape
        self.center = rows.mean(axis=0, dtype=np.float64)
        if n == 1:  # no covariance: the plain distance
            self.vectors, self.variances, self.rest = np.zeros((p, 0)), np.zeros(0), 1.0
            return self
        if p <= n:
            covariance = LedoitWolf().fit(rows)
            self.center = covariance.location_
            variances, self.vectors = np.linalg.eigh(covariance.covariance_)
            rest = variances[0]
        else:
            variances, self.vectors, rest = _in_span(rows - self.center)
        largest = variances.max(initial=0)
        least = LEAST_VARIANCE * largest if largest > 0 else 1.0
        self.variances, self.rest = np.maximum(variances, least), max(rest, least)
        return self

    def squares(self, rows: NDArray) -> NDArray:
        """Return the squared Mahalanobis distance of each row (N, p) to the center."""
        left = rows - self.center
        along = in_tiles(lambda tile: tile @ self.vectors, left)
        squares = (np.square(along) / self.variances).sum(axis=1)
        if self.vectors.shape[1] == len(self.center):
            return squares
        others = np.square(left).sum(axis=1) - np.square(along).sum(axis=1)
        return squares + np.maximum(others, 0) / self.rest

    def times_precision(self, rows: NDArray) -> NDArray:
        """Multiply centered rows (..., p) with the inverse of the covariance."""
        along = rows @ self.vectors
        return rows / self.rest + (along * self._excess) @ self.vectors.T

    @property
    def precision_diagonal(self) -> NDArray:
        """Diagonal of the inverse of the covariance, (p,)."""
        return 1 / self.rest + np.square(self.vectors) @ self._excess

    @property
    def _excess(self) -> NDArray:
        return 1 / self.variances - 1 / self.rest


def _in_span(centered: NDArray) -> tuple[NDArray, NDArray, float]:
    """Return variances, directions and the variance of the rest, for n < p."""
    n, p = centered.shape
    gram = centered @ centered.T / n
    variances, left = np.linalg.eigh(gram)
    kept = variances > 1e-12 * variances[-1]
    variances, left = variances[kept], left[:, kept]
    vectors = (centered.T @ left) / np.sqrt(n * variances)
    # The optimal shrinkage, from sums of squares that the Gram matrix holds.
    mean = np.trace(gram) / p
    squares = np.square(gram).sum()
    beta = (n * np.square(np.diag(gram)).sum() - squares) / (p * n)
    delta = squares / p - mean**2
    shrinkage = min(beta, delta) / delta if beta > 0 and delta > 0 else 0.0
    return (1 - shrinkage) * variances + shrinkage * mean, vectors, shrinkage * mean
