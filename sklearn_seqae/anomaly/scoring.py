"""How strange samples are: by their errors, and in the joint space they span.

Each score is fitted to the `Parts` of the training samples and gives a distance for
each sample: the larger, the stranger.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestNeighbors

N_NEIGHBORS = 5
MOST_NEIGHBORS = 20_000  # training samples that are searched
WEIGHT_OF_ERRORS = 0.5  # beside the sample itself
CORE = 0.6  # share of the training samples that a trimmed covariance is made of
ROUNDS = 3  # of trimming
LEAST_SPREAD = 0.1  # of a column, as a share of the usual one
SAME = 1e-5  # of the usual distance: what rounding may make of a sample itself
TILE = 512  # rows


@dataclass(frozen=True)
class Parts:
    """What a fitted estimator makes of samples, one row for each.

    `samples` and `errors` are (N, D), sequences brought to one length and laid flat;
    `codes` are (N, Z), None where the score has no use for them.
    """

    samples: np.ndarray
    errors: np.ndarray
    mean_squares: np.ndarray  # (N,), of a sequence over its own steps only
    codes: np.ndarray | None = None

    def take(self, rows):
        """Return some of the samples."""
        codes = None if self.codes is None else self.codes[rows]
        return Parts(
            self.samples[rows], self.errors[rows], self.mean_squares[rows], codes
        )


class Reconstruction:
    """The mean squared error."""

    needs_codes = False

    def fit(self, parts):
        return self

    def distances(self, parts):
        return parts.mean_squares


class Mahalanobis:
    """The Mahalanobis distance in the joint space of a sample and its errors.

    An error that is usual in one place is strange in another, and a sample may be
    strange though it is reconstructed well. The covariance is shrunk (Ledoit and
    Wolf, 2004). It is made of the training samples nearest to the centre, found in a
    few rounds, so that anomalies among them do not widen it.

    Parameters
    ----------
    core : float, default=CORE
        Share of the training samples that make the covariance; 1 takes all of them.
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
    """For windows and sequences, whose errors are too many for a covariance.

    The squared Mahalanobis distance of the code plus the squared error, each in units
    of its training mean, as Hotelling's statistic and the squared prediction error
    are put together where processes are monitored by PCA (Yue and Qin, 2001).
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
    """A centre and a shrunk covariance."""

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
        """Squared Mahalanobis distance of each row to the centre."""
        white = in_tiles(lambda tile: tile @ self.factor, rows - self.center)
        return np.square(white).sum(axis=1)


class Nearest:
    """The mean distance to the nearest training samples, in units of the place.

    Neighbours are found in the joint space of a sample and its errors, which count
    half, in the units of X. The distance is divided by the root of the neighbours'
    own mean distance to theirs: half way from the distance itself to the local
    outlier factor, so that a sample is strange where it is far from others and
    farther than they are from each other. A training sample is no neighbour of
    itself.
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
        """Distances to the neighbours of each row, and which they are."""
        parts = [
            self._neighbors_of_few(joint[start : start + TILE])
            for start in range(0, len(joint), TILE)
        ]
        return tuple(np.concatenate(part) for part in zip(*parts, strict=True))

    def _neighbors_of_few(self, joint):
        who = self.search.kneighbors(joint, return_distance=False)
        # The search rounds; these are the same bits whatever rows stand beside.
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
    """Rows of n, all of them or `most` that are spread evenly."""
    return np.arange(n) if n <= most else np.linspace(0, n - 1, most).astype(int)


def in_tiles(function, rows):
    """Apply a function of a matrix to tiles of one shape, so that rows stay apart.

    The last bits of a product depend on how many rows it has.
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
