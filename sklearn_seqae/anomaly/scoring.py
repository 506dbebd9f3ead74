"""Anomaly scores: distances from residuals, samples and latent codes.

A score is fitted to the `Parts` of the training samples. It returns a distance for each
sample; larger distances are more anomalous.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestNeighbors

N_NEIGHBORS = 5
MOST_NEIGHBORS = 20_000  # maximum number of training samples to search
WEIGHT_OF_ERRORS = 0.5  # relative to the sample
CORE = 0.6  # fraction of the training samples in a trimmed covariance
ROUNDS = 3  # of trimming
LEAST_SPREAD = 0.1  # standard deviation of a column, relative to the usual one
SAME = 1e-5  # distance of equal samples after rounding, relative to the usual one
TILE = 512  # rows


@dataclass(frozen=True)
class Parts:
    """Samples, residuals and latent codes, one row for each sample.

    `samples` and `errors` are (N, D); sequences are resampled to one length and
    flattened. `codes` are (N, Z), or None if the score does not use them.
    """

    samples: np.ndarray
    errors: np.ndarray
    mean_squares: np.ndarray  # (N,), for a sequence over its own steps only
    codes: np.ndarray | None = None

    def take(self, rows):
        """Return some of the samples."""
        codes = None if self.codes is None else self.codes[rows]
        return Parts(
            self.samples[rows], self.errors[rows], self.mean_squares[rows], codes
        )


class Reconstruction:
    """Mean squared reconstruction error."""

    needs_codes = False

    def fit(self, parts):
        return self

    def distances(self, parts):
        return parts.mean_squares


class Mahalanobis:
    """Mahalanobis distance in the joint space of a sample and its residual.

    A residual can be normal for one sample and anomalous for another, and an anomalous
    sample can be reconstructed well. The covariance is shrunk (Ledoit and Wolf, 2004).
    It is estimated from the most central training samples, found in a few rounds, so
    that anomalies in the training data do not inflate it.

    Parameters
    ----------
    core : float, default=CORE
        Fraction of the training samples in the covariance. 1 uses all of them.
    """

    needs_codes = False

    def __init__(self, core=CORE):
        self.core = core

    def fit(self, parts):
        n = len(parts.mean_squares)
        n_core = max(min(n, 2), int(np.ceil(self.core * n)))
        rows = np.arange(n)
        for _ in range(ROUNDS if self.core < 1 else 1):
            self.ellipse = Ellipse().fit(self._joint(parts.take(rows)))
            away = self.distances(parts)
            rows = np.argsort(away, kind="stable")[:n_core]
        return self

    def distances(self, parts):
        return np.sqrt(self.ellipse.squares(self._joint(parts)))

    @staticmethod
    def _joint(parts):
        return np.hstack([parts.samples, parts.errors])


class MahalanobisOfCode:
    """Distance for windows and sequences, which have too many residuals.

    It is the squared Mahalanobis distance of the latent code plus the squared error,
    each in units of its training mean. Process monitoring combines Hotelling's
    statistic of PCA and the squared prediction error in this way (Yue and Qin, 2001).
    """

    needs_codes = True

    def fit(self, parts):
        spread = parts.codes.std(axis=0)
        usual = np.sqrt(np.mean(np.square(spread)))
        self.scale = np.maximum(spread, LEAST_SPREAD * usual) if usual else spread + 1
        self.ellipse = Ellipse().fit(parts.codes / self.scale)
        self.usual_square = parts.mean_squares.mean() or 1.0
        return self

    def distances(self, parts):
        squares = self.ellipse.squares(parts.codes / self.scale)
        of_code = squares / parts.codes.shape[1]
        return of_code + parts.mean_squares / self.usual_square


class Ellipse:
    """Center and shrunk covariance."""

    def fit(self, rows):
        if len(rows) == 1:  # no covariance: the plain distance
            self.center, self.factor = rows[0], np.eye(rows.shape[1])
            return self
        covariance = LedoitWolf().fit(rows)
        values, vectors = np.linalg.eigh(covariance.covariance_)
        least = 1e-6 * values[-1] if values[-1] > 0 else 1.0
        self.center = covariance.location_
        self.factor = vectors / np.sqrt(np.maximum(values, least))
        return self

    def squares(self, rows):
        """Return the squared Mahalanobis distance of each row to the center."""
        white = in_tiles(lambda tile: tile @ self.factor, rows - self.center)
        return np.square(white).sum(axis=1)


class Nearest:
    """Mean distance to the nearest training samples, relative to their local spread.

    Neighbours are searched in the joint space of a sample and its residual, in the
    units of X; the residual has half weight. The mean distance is divided by the square
    root of the mean distance between those neighbours and their own neighbours. This
    lies between the plain distance and the local outlier factor (Breunig et al., 2000).
    A training sample is not its own neighbour.
    """

    needs_codes = False

    def fit(self, parts):
        joint = self._joint(parts)
        self.reference = joint[evenly(len(joint), MOST_NEIGHBORS)]
        n = min(N_NEIGHBORS + 1, len(self.reference))
        self.search = NearestNeighbors(n_neighbors=n, algorithm="brute")
        self.search.fit(self.reference)
        self.least = 0.0
        self.spread = self._neighbors(self.reference)[0].mean(axis=1)
        self.least = self.spread.mean() / 3
        return self

    def distances(self, parts):
        away, who = self._neighbors(self._joint(parts))
        around = np.maximum(self.spread[who].mean(axis=1), self.least)
        mean = away.mean(axis=1)
        return np.divide(mean, np.sqrt(around), out=mean, where=around > 0)

    @staticmethod
    def _joint(parts):
        return np.hstack([parts.samples, WEIGHT_OF_ERRORS * parts.errors])

    def _neighbors(self, joint):
        """Return the distances to the neighbours of each row, and their numbers."""
        parts = [
            self._neighbors_of_few(joint[start : start + TILE])
            for start in range(0, len(joint), TILE)
        ]
        return tuple(np.concatenate(part) for part in zip(*parts, strict=True))

    def _neighbors_of_few(self, joint):
        who = self.search.kneighbors(joint, return_distance=False)
        # The search rounds. These bits do not depend on the other rows.
        away = np.square(self.reference[who] - joint[:, np.newaxis]).sum(axis=2)
        order = np.argsort(away, axis=1, kind="stable")
        away = np.sqrt(np.take_along_axis(away, order, axis=1))
        who = np.take_along_axis(who, order, axis=1)
        if who.shape[1] == 1:
            return away, who
        is_itself = away[:, :1] <= SAME * self.least
        return (
            np.where(is_itself, away[:, 1:], away[:, :-1]),
            np.where(is_itself, who[:, 1:], who[:, :-1]),
        )


def evenly(n, most):
    """Return up to `most` of n rows, spread evenly."""
    return np.arange(n) if n <= most else np.linspace(0, n - 1, most).astype(int)


def in_tiles(function, rows):
    """Apply a function of a matrix to tiles of one shape.

    The last bits of a product depend on its number of rows.
    """
    if not len(rows):
        return function(rows)
    results = []
    for start in range(0, len(rows), TILE):
        tile = rows[start : start + TILE]
        if len(tile) < TILE:
            tile = np.vstack([tile, np.zeros((TILE - len(tile), rows.shape[1]))])
        results.append(function(tile))
    return np.concatenate(results)[: len(rows)]


SCORES = {
    "reconstruction": Reconstruction,
    "mahalanobis": Mahalanobis,
    "nearest": Nearest,
}
