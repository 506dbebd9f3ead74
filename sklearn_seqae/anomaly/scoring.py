"""Anomaly scores: distances from residuals, samples and latent codes.

A score is fitted to the `Parts` of the training samples. It returns a distance for each
sample; larger distances are more anomalous.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import minimum_spanning_tree
from sklearn.neighbors import NearestNeighbors

from sklearn_seqae._numbers import overall_scale
from sklearn_seqae.anomaly._covariance import ShrunkCovariance, evenly, tile_rows

N_NEIGHBORS = 5
N_AROUND = 20  # neighbors that show the distances inside a group
GROUP = 0.03  # fraction of the training samples in a large group
INSIDE = 0.9  # distance to a large group, relative to `N_AROUND`, that is usual
# The largest factor of a sample in a small group. Many normal samples may be in small
# groups, as repeated measurements are; a larger factor would raise the threshold.
MOST_OF_GROUPS = 2.0
MOST_NEIGHBORS = 20_000  # maximum number of training samples to search
WEIGHT_OF_ERRORS = 0.5  # relative to the sample
CORE = 0.6  # fraction of the training samples in a trimmed covariance
ROUNDS = 3  # of trimming
LEAST_SPREAD = 0.1  # standard deviation of a column, relative to the usual one
OUTLYING = (4.0, 1.6)  # Mahalanobis and plain distance, relative to their medians
LEAST_SHARE = 0.05  # of `Nearest.shares`: a known anomaly itself has a finite score
EXPONENT = 2  # of the share
WORK = 1e9  # multiply-adds for a covariance
LARGEST = 1e100  # in units of the training samples: squares in float64 are finite
LARGEST_OF_32 = 1e30  # the same in float32
LEAST_RESIDUAL = 1e-6  # rounding error of float32, relative to the spread of X
SAME = 1e-5  # distance of equal samples after rounding, relative to the usual one


@dataclass(frozen=True)
class Parts:
    """Samples, residuals and latent codes, one row for each sample.

    `samples` and `errors` are (N, D), in units of the training samples; sequences are
    resampled to one length and flattened. `codes` are (N, Z), in their own units, or
    None if the score does not use them.
    """

    samples: np.ndarray
    errors: np.ndarray
    mean_squares: np.ndarray  # (N,), for a sequence over its own steps only
    codes: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> "Parts":
        """Return some of the samples."""
        codes = None if self.codes is None else self.codes[rows]
        return Parts(
            self.samples[rows], self.errors[rows], self.mean_squares[rows], codes
        )


def scaled_by(unit: Any, values: np.ndarray) -> np.ndarray:
    """Divide values by the unit of the training samples, and clip them."""
    with np.errstate(over="ignore"):
        return np.clip(values.astype(np.float64) / unit, -LARGEST, LARGEST)


class Reconstruction:
    """Mean squared reconstruction error."""

    needs_codes = False

    def fit(self, parts: Parts) -> Any:
        return self

    def distances(self, parts: Parts) -> np.ndarray:
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

    def __init__(self, core: float = CORE) -> None:
        self.core = core

    def fit(self, parts: Parts) -> Any:
        n = len(parts.mean_squares)
        n_core = max(min(n, 2), int(np.ceil(self.core * n)))
        rows = np.arange(n)
        for _ in range(ROUNDS if self.core < 1 else 1):
            self.covariance = ShrunkCovariance().fit(self._joint(parts.take(rows)))
            away = self.distances(parts)
            rows = np.argsort(away, kind="stable")[:n_core]
        return self

    def distances(self, parts: Parts) -> np.ndarray:
        return np.sqrt(self.covariance.squares(self._joint(parts)))

    @staticmethod
    def _joint(parts: Parts) -> np.ndarray:
        return np.hstack([parts.samples, parts.errors])


class MahalanobisOfCode:
    """Distance for windows and sequences, which have too many residuals.

    It is the squared Mahalanobis distance of the latent code plus the squared error,
    each in units of its training mean. Process monitoring combines Hotelling's
    statistic of PCA and the squared prediction error in this way (Yue and Qin, 2001).
    """

    needs_codes = True

    def fit(self, parts: Parts) -> Any:
        assert parts.codes is not None
        unit = overall_scale(parts.codes, parts.codes.mean(axis=0))
        spread = unit * (parts.codes / unit).std(axis=0)
        self.scale = np.maximum(spread, LEAST_SPREAD * unit)
        self.covariance = ShrunkCovariance().fit(self._codes(parts))
        self.usual_square = max(parts.mean_squares.mean(), LEAST_RESIDUAL**2)
        return self

    def distances(self, parts: Parts) -> np.ndarray:
        codes = self._codes(parts)
        of_code = self.covariance.squares(codes) / codes.shape[1]
        return of_code + parts.mean_squares / self.usual_square

    def _codes(self, parts: Parts) -> np.ndarray:
        assert parts.codes is not None
        return scaled_by(self.scale, parts.codes)


def are_outlying(parts: Parts) -> np.ndarray:
    """Return which training samples are far from the others, (N,).

    They are far from the center in two distances: the Mahalanobis distance of the most
    central samples, and the plain distance. The Mahalanobis distance alone is large if
    a feature that is almost constant has another value. It is estimated from fewer
    samples if there are many features.
    """
    n, p = parts.samples.shape
    most = max(WORK / (2 * p) ** 2, np.sqrt(WORK / (2 * p)))
    scorer = Mahalanobis().fit(parts.take(evenly(n, int(most))))
    joint = np.hstack([parts.samples, WEIGHT_OF_ERRORS * parts.errors])
    plain = np.linalg.norm(joint - np.median(joint, axis=0), axis=1)
    far = scorer.distances(parts), plain
    limits = [
        limit * np.median(each) for each, limit in zip(far, OUTLYING, strict=True)
    ]
    if min(limits) == 0:  # half of the samples are equal
        return np.zeros(n, dtype=bool)
    return (far[0] > limits[0]) & (far[1] > limits[1])


def distances_to_groups(away: np.ndarray, who: np.ndarray) -> np.ndarray:
    """Return the distance of each training sample to a large group, (N,).

    Groups merge in the order of their distances (single linkage). The result is the
    distance at which the group of a sample becomes large, or infinite if it never does.
    It is 0 if each sample alone is large.

    Parameters
    ----------
    away, who : ndarray of shape (N, K)
        Distances to neighbors, and their numbers.
    """
    n, k = who.shape
    least = GROUP * n
    if least <= 1:
        return np.zeros(n)
    lengths = np.maximum(away, np.finfo(away.dtype).tiny)  # 0 would be no edge
    edges = lengths.ravel(), who.ravel(), np.arange(0, n * k + 1, k)
    tree = minimum_spanning_tree(csr_array(edges, shape=(n, n))).tocoo()
    found = np.full(n, np.inf)
    groups = [[row] for row in range(n)]  # of each sample
    for edge in np.argsort(tree.data, kind="stable"):
        large, small = groups[tree.row[edge]], groups[tree.col[edge]]
        if len(large) < len(small):
            large, small = small, large
        if len(large) + len(small) >= least:
            for group in (large, small):
                if len(group) < least:
                    found[group] = tree.data[edge]
        large.extend(small)
        for row in small:
            groups[row] = large
    return found


class Nearest:
    """Mean distance to the nearest training samples, relative to their local spread.

    Neighbors are searched in the joint space of a sample and its residual, in the
    units of X divided by one scale; the residual has half weight. The mean distance is
    divided by the square root of the mean distance between those neighbors and their
    own neighbors. This lies between the plain distance and the local outlier factor
    (Breunig et al., 2000). A training sample is not its own neighbor.

    Groups of anomalies among the training samples would be neighbors of each other.
    If some training samples are outlying, the distance is the geometric mean of two:
    to all training samples, and to those that are not outlying. It is then multiplied
    by the distance to a large group of training samples, divided by the mean distance
    to the nearest ones, if this ratio exceeds 1, and by 2 at most: a sample in a small
    group is near to others, but the group is far from the rest.

    The training samples are kept centered, in float32.
    """

    needs_codes = False
    to_group: np.ndarray | None = None  # of one that was fitted before groups counted

    def fit(self, parts: Parts) -> "Nearest":
        rows = evenly(len(parts.samples), MOST_NEIGHBORS)
        self.center = parts.samples.mean(axis=0)
        self.samples, self.errors = self._rounded(parts.take(rows))
        joint = np.hstack([self.samples, self.errors])
        self.is_usual = ~are_outlying(parts.take(rows))
        away, who = self._neighbors(joint, joint, 0.0, N_AROUND)
        # Of all training samples, and of those that are not outlying.
        self.spreads = [away[:, :N_NEIGHBORS].mean(axis=1)]
        if not self.is_usual.all():
            usual = joint[self.is_usual]
            self.spreads.append(self._neighbors(usual, usual, 0.0)[0].mean(axis=1))
        self.to_group = distances_to_groups(away, who)
        is_far = np.isinf(self.to_group)
        if is_far.all():  # there are small groups only
            self.to_group[:] = 0
        elif is_far.any():
            near = joint[~is_far]
            away, _ = self._neighbors(joint[is_far], near, 0.0, 1)
            self.to_group[is_far] = away[:, 0]
        return self

    def distances(self, parts: Parts) -> np.ndarray:
        return self.search(self.joint(parts))[0]

    def search(self, joint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the distances of rows of `joint`, and their plain mean distances.

        The latter are those to the nearest training samples that are not outlying.
        """
        reference = np.hstack([self.samples, self.errors])
        least = self.spreads[0].mean() / 3
        away, who = self._neighbors(joint, reference, least, N_AROUND)
        distances, usual = self._relative(away, who, self.spreads[0])
        if len(self.spreads) == 2:
            reference, spread = reference[self.is_usual], self.spreads[1]
            found = self._neighbors(joint, reference, spread.mean() / 3)
            others, usual = self._relative(*found, spread)
            distances = np.sqrt(distances * others)
        if self.to_group is None:
            return distances, usual
        to_group = np.maximum(away, self.to_group[who]).min(axis=1)
        inside = INSIDE * np.maximum(away.mean(axis=1), least)
        ratio = np.divide(to_group, inside, out=np.ones_like(inside), where=inside > 0)
        return distances * np.clip(ratio, 1, MOST_OF_GROUPS), usual

    @staticmethod
    def _relative(
        away: np.ndarray, who: np.ndarray, spread: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean distances, relative to the local spread and plain."""
        away, who = away[:, :N_NEIGHBORS], who[:, :N_NEIGHBORS]
        around = np.maximum(spread[who].mean(axis=1), spread.mean() / 3)
        mean = away.mean(axis=1)
        relative = np.divide(mean, np.sqrt(around), out=mean.copy(), where=around > 0)
        return relative, mean

    def joint(self, parts: Parts) -> np.ndarray:
        """Return samples in the joint space."""
        return np.hstack(self._rounded(parts))

    def _rounded(self, parts: Parts) -> tuple[np.ndarray, np.ndarray]:
        """Return centered samples and weighted residuals in float32."""
        both = (parts.samples - self.center, WEIGHT_OF_ERRORS * parts.errors)
        samples, errors = (
            np.clip(each, -LARGEST_OF_32, LARGEST_OF_32).astype(np.float32)
            for each in both
        )
        return samples, errors

    def _neighbors(
        self,
        joint: np.ndarray,
        reference: np.ndarray,
        least: float,
        n_neighbors: int = N_NEIGHBORS,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the distances to the neighbors of each row, and their numbers.

        `least` is a small distance.
        """
        n = min(n_neighbors + 1, len(reference))
        search = NearestNeighbors(n_neighbors=n, algorithm="brute").fit(reference)
        size = tile_rows(joint.shape[1])
        parts = [
            self._neighbors_of_few(
                search, reference, joint[start : start + size], least
            )
            for start in range(0, len(joint), size)
        ]
        away, who = zip(*parts, strict=True)
        return np.concatenate(away), np.concatenate(who)

    @staticmethod
    def _neighbors_of_few(
        search: NearestNeighbors, reference: np.ndarray, joint: np.ndarray, least: float
    ) -> tuple[np.ndarray, np.ndarray]:
        who = search.kneighbors(joint, return_distance=False)
        # The search rounds. These bits do not depend on the other rows.
        left = np.subtract(reference[who], joint[:, np.newaxis], dtype=np.float64)
        away = np.square(left, out=left).sum(axis=2)
        order = np.argsort(away, axis=1, kind="stable")
        away = np.sqrt(np.take_along_axis(away, order, axis=1))
        who = np.take_along_axis(who, order, axis=1)
        if who.shape[1] == 1:
            return away, who
        is_itself = away[:, :1] <= SAME * least
        return (
            np.where(is_itself, away[:, 1:], away[:, :-1]),
            np.where(is_itself, who[:, 1:], who[:, :-1]),
        )


class NearKnown:
    """Another score, which is larger near known anomalies.

    The distance is divided by the square of a share: the distance to the nearest known
    anomaly, divided by its sum with the mean distance to the nearest training samples
    that are not outlying, in the space of `Nearest.joint`. A normal sample is much
    nearer to the training samples than to known anomalies, so its distance hardly
    changes. An anomaly of another kind is about as far from both, so its distance is
    about four times as large.

    Parameters
    ----------
    scorer : object of `scoring`
        The other score.
    """

    def __init__(self, scorer: Any) -> None:
        self.needs_codes = scorer.needs_codes
        is_nearest = isinstance(scorer, Nearest)
        self.nearest = scorer if is_nearest else Nearest()
        self.scorer = None if is_nearest else scorer

    def fit(self, parts: Parts, known: Parts) -> "NearKnown":
        """Fit to training samples, and to known anomalies, which are not among them."""
        self.nearest.fit(parts)
        if self.scorer is not None:
            self.scorer.fit(parts)
        self.known = self.nearest.joint(known)
        return self

    def distances(self, parts: Parts) -> np.ndarray:
        joint = self.nearest.joint(parts)
        distances, usual = self.nearest.search(joint)
        if self.scorer is not None:
            distances = self.scorer.distances(parts)
        away = np.full(len(joint), np.inf)
        for row in self.known:
            np.minimum(away, np.linalg.norm(joint - row, axis=1), out=away)
        both = away + usual
        shares = np.divide(away, both, out=np.ones_like(both), where=both > 0)
        return distances / np.maximum(shares, LEAST_SHARE) ** EXPONENT


SCORES: dict[str, type] = {
    "reconstruction": Reconstruction,
    "mahalanobis": Mahalanobis,
    "nearest": Nearest,
}


def scorer_of(method: str, *, is_clean: bool, form: str, is_labelled: bool) -> Any:
    """Return the score for a `score_method`.

    Parameters
    ----------
    method : str
        A key of `SCORES`, or "auto".

    is_clean : bool
        Whether all training samples are assumed to be normal.

    form : {"table", "sparse", "images", "sequences", "windows"}
        Kind of samples.

    is_labelled : bool
        Whether there are known anomalies.
    """
    is_near = method == "auto" and is_labelled and form not in ("windows", "sparse")
    if method == "auto":
        is_clean = is_clean or form == "sequences"
        method = "nearest" if is_clean and form != "windows" else "mahalanobis"
    is_nearest = method == "nearest" and form == "sparse"  # it would keep dense rows
    is_joint = method == "mahalanobis" and form in ("sequences", "windows", "sparse")
    scorer = MahalanobisOfCode() if is_nearest or is_joint else SCORES[method]()
    return NearKnown(scorer) if is_near else scorer
