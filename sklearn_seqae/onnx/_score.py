"""The anomaly score that is exported, as a torch module."""

from typing import Any

import torch
from torch import Tensor, nn

from sklearn_seqae.anomaly.scoring import (
    EXPONENT,
    INSIDE,
    LARGEST,
    LARGEST_OF_32,
    LEAST_SHARE,
    MOST_OF_GROUPS,
    N_AROUND,
    N_NEIGHBORS,
    SAME,
    WEIGHT_OF_ERRORS,
    Mahalanobis,
    MahalanobisOfCode,
    Nearest,
    NearKnown,
    Reconstruction,
)
from sklearn_seqae.modules.stacks import step_mask


class ScoreGraph(nn.Module):
    """Map samples to their anomaly scores.

    Shape
    -----
    - Input: `x` as the detector reads it, padded; windows are (N, T, C); `lengths` (N,)
      or None
    - Output: (N,), float64

    Parameters
    ----------
    graph : Graph or LinearGraph
        Computation of the estimator of the detector.

    scaler : Scale or None
        Scaling before the estimator.

    model : object of `anomaly._model`
        Fitted estimator and score.

    is_flat : bool
        Whether the estimator reads windows as flat rows.
    """

    def __init__(self, graph: Any, scaler: Any, model: Any, *, is_flat: bool):
        super().__init__()
        self.graph = graph
        self.scaler = scaler
        self.unit = float(model.unit)
        self.n_steps = model.n_steps
        self.distances = DISTANCES[type(model.scorer)](model.scorer)
        self.is_flat = is_flat

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Compute the scores."""
        x, codes, rebuilt = self.look(x, lengths)
        return self.scores(x, codes, rebuilt, lengths)

    def look(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return scaled samples, latent codes and reconstructions."""
        if self.scaler is not None:
            x = self.scaler(x)
        if self.is_flat:
            x = x.flatten(1)
        return x, *self.graph.both(x, lengths)

    def scores(
        self, x: Tensor, codes: Tensor, rebuilt: Tensor, lengths: Tensor | None
    ) -> Tensor:
        """Return the scores of samples from their reconstructions."""
        if self.n_steps is not None and lengths is None:
            # Exported graphs have no branches, so every batch has lengths.
            lengths = torch.ones_like(x[:, :, 0]).sum(1).long()
        values, errors = x.double(), x.double() - rebuilt.double().reshape(x.shape)
        values, errors = (
            (each / self.unit).clamp(-LARGEST, LARGEST) for each in (values, errors)
        )
        n_values: Any = errors[0].numel()
        if lengths is not None:
            mask = step_mask(lengths, x.shape[1])
            values, errors = (torch.where(mask, each, 0) for each in (values, errors))
            n_values = (lengths * x.shape[2]).double()
        mean_squares = errors.square().flatten(1).sum(1) / n_values
        if self.n_steps is not None and lengths is not None:
            values, errors = (
                _resample(each, lengths, self.n_steps) for each in (values, errors)
            )
        flat = values.flatten(1), errors.flatten(1)
        return -self.distances(*flat, mean_squares, codes.double())


class _Reconstruction(nn.Module):
    def __init__(self, scorer: Reconstruction):
        super().__init__()

    def forward(
        self, samples: Tensor, errors: Tensor, mean_squares: Tensor, codes: Tensor
    ) -> Tensor:
        return mean_squares


class _Covariance:
    """Squared Mahalanobis distance of a `ShrunkCovariance`."""

    def __init__(self, covariance: Any):
        self.center = torch.tensor(covariance.center)
        self.vectors = torch.tensor(covariance.vectors)
        self.variances = torch.tensor(covariance.variances)
        self.rest = float(covariance.rest)

    def squares(self, rows: Tensor) -> Tensor:
        left = rows - self.center
        along = left @ self.vectors
        squares = (along.square() / self.variances).sum(1)
        if self.vectors.shape[0] == self.vectors.shape[1]:
            return squares
        others = left.square().sum(1) - along.square().sum(1)
        return squares + others.clamp(min=0) / self.rest


class _Mahalanobis(nn.Module):
    def __init__(self, scorer: Mahalanobis):
        super().__init__()
        self.covariance = _Covariance(scorer.covariance)

    def forward(
        self, samples: Tensor, errors: Tensor, mean_squares: Tensor, codes: Tensor
    ) -> Tensor:
        return self.covariance.squares(torch.cat([samples, errors], 1)).sqrt()


class _MahalanobisOfCode(nn.Module):
    def __init__(self, scorer: MahalanobisOfCode):
        super().__init__()
        self.covariance = _Covariance(scorer.covariance)
        self.scale = torch.tensor(scorer.scale)
        self.usual_square = float(scorer.usual_square)

    def forward(
        self, samples: Tensor, errors: Tensor, mean_squares: Tensor, codes: Tensor
    ) -> Tensor:
        codes = (codes.flatten(1) / self.scale).clamp(-LARGEST, LARGEST)
        of_code = self.covariance.squares(codes) / len(self.scale)
        return of_code + mean_squares / self.usual_square


class _Neighbors(nn.Module):
    """Search of the nearest rows of a reference, which the graph contains."""

    def __init__(self, reference: Tensor, spread: Any, n_neighbors: int):
        super().__init__()
        self.reference = reference  # float32
        self.spread = torch.tensor(spread)
        self.least = float(spread.mean() / 3)
        self.n_neighbors = n_neighbors

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the distances to the neighbors, and their numbers."""
        reference = self.reference.double()
        squares = reference.square().sum(1) - 2 * rows @ reference.t()  # + a constant
        n = min(self.n_neighbors + 1, len(reference))
        who = squares.topk(n, dim=1, largest=False)[1]
        left = reference[who] - rows[:, None]
        away, order = left.square().sum(2).topk(n, dim=1, largest=False)
        away, who = away.sqrt(), who.gather(1, order)
        if n > 1:
            is_itself = away[:, :1] <= SAME * self.least
            away = torch.where(is_itself, away[:, 1:], away[:, :-1])
            who = torch.where(is_itself, who[:, 1:], who[:, :-1])
        return away, who

    def relative(self, away: Tensor, who: Tensor) -> Tensor:
        """Return the mean distance to neighbors, relative to the local spread."""
        away, who = away[:, :N_NEIGHBORS], who[:, :N_NEIGHBORS]
        around = self.spread[who].mean(1).clamp(min=self.least)
        return away.mean(1) / _or_one(around).sqrt()


def _or_one(values: Tensor) -> Tensor:
    """Return the positive values, and 1 in place of the others."""
    return torch.where(values > 0, values, torch.ones_like(values))


class _Nearest(nn.Module):
    """Distance to the nearest training samples, and to those that are not outlying."""

    def __init__(self, scorer: Nearest):
        super().__init__()
        self.center = torch.tensor(scorer.center)
        both = [torch.tensor(each) for each in (scorer.samples, scorer.errors)]
        reference = torch.cat(both, 1)
        usual = reference[torch.tensor(scorer.is_usual)]
        references = (reference, usual)[: len(scorer.spreads)]
        numbers = N_AROUND, N_NEIGHBORS
        self.searches = nn.ModuleList(
            map(_Neighbors, references, scorer.spreads, numbers)
        )
        to_group = scorer.to_group
        self.to_group = None if to_group is None else torch.tensor(to_group)

    def joint(self, samples: Tensor, errors: Tensor) -> Tensor:
        """Return samples in the joint space, rounded to float32."""
        rows = torch.cat([samples - self.center, WEIGHT_OF_ERRORS * errors], 1)
        return rows.clamp(-LARGEST_OF_32, LARGEST_OF_32).float().double()

    def usual(self, rows: Tensor) -> Tensor:
        """Return the mean distance to the neighbors that are not outlying."""
        away: Tensor = self.searches[-1](rows)[0]
        return away[:, :N_NEIGHBORS].mean(1)

    def forward(
        self, samples: Tensor, errors: Tensor, mean_squares: Tensor, codes: Tensor
    ) -> Tensor:
        rows = self.joint(samples, errors)
        searches: Any = self.searches  # each of them a `_Neighbors`
        first, *others = searches
        away, who = first(rows)
        distances: Tensor = first.relative(away, who)
        for other in others:
            distances = (distances * other.relative(*other(rows))).sqrt()
        if self.to_group is None:
            return distances
        to_group = torch.maximum(away, self.to_group[who]).amin(1)
        inside = INSIDE * away.mean(1).clamp(min=first.least)
        ratio = torch.where(inside > 0, to_group / _or_one(inside), 1.0)
        return distances * ratio.clamp(1, MOST_OF_GROUPS)


class _NearKnown(nn.Module):
    """Another distance, which is larger near known anomalies."""

    def __init__(self, scorer: NearKnown):
        super().__init__()
        self.nearest = _Nearest(scorer.nearest)
        other = scorer.nearest if scorer.scorer is None else scorer.scorer
        self.distances = DISTANCES[type(other)](other)
        self.known = torch.tensor(scorer.known)

    def forward(
        self, samples: Tensor, errors: Tensor, mean_squares: Tensor, codes: Tensor
    ) -> Tensor:
        rows = self.nearest.joint(samples, errors)
        left = rows[:, None] - self.known.double()
        away = left.square().sum(2).sqrt().amin(1)
        both = away + self.nearest.usual(rows)
        share = away / _or_one(both)
        share = torch.where(both > 0, share, torch.ones_like(share))
        distance: Tensor = self.distances(samples, errors, mean_squares, codes)
        return distance / share.clamp(min=LEAST_SHARE) ** EXPONENT


DISTANCES: dict[type, Any] = {
    Reconstruction: _Reconstruction,
    Mahalanobis: _Mahalanobis,
    MahalanobisOfCode: _MahalanobisOfCode,
    Nearest: _Nearest,
    NearKnown: _NearKnown,
}


def _resample(values: Tensor, lengths: Tensor, n_steps: int) -> Tensor:
    """Interpolate sequences (N, T, C) in float64 to `n_steps` of relative time."""
    steps = torch.arange(n_steps) * (lengths[:, None] - 1)
    divisor = max(1, n_steps - 1)
    before = torch.div(steps, divisor, rounding_mode="floor")
    rest = steps - before * divisor
    after = before + (rest > 0).long()
    weight = (rest.double() / divisor)[:, :, None]
    low, high = (
        values.gather(1, index[:, :, None].expand(-1, -1, values.shape[2]))
        for index in (before, after)
    )
    return (1 - weight) * low + weight * high
