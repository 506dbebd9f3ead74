"""Training on tables with more columns than rows, in their row space."""

import copy
from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.batch import Batch, RowLosses
from sklearn_seqae.modules.dense import DenseNetwork
from sklearn_seqae.modules.dense_step import DenseStep
from sklearn_seqae.modules.linear_path import LinearPath
from sklearn_seqae.modules.objective import Objective

ROUNDING = 1e-4  # of an output outside the row space, in scaled units


class RowSpaceObjective:
    """Objective for training rows that are coordinates in a basis of their row space.

    Squared errors are the same in these coordinates, and a training step is much
    faster. Validation rows are not in the row space and are measured in all columns,
    with the nearest points of their projections.

    Parameters
    ----------
    objective : Objective
        Objective with the squared error.

    module : Autoencoder
        Autoencoder to train. Its linear path is frozen.

    basis : Tensor of shape (R, D)
        Orthonormal rows that span the training rows.
    """

    def __init__(self, objective: Objective, module: Autoencoder, basis: Tensor):
        self.objective = objective
        self.basis = basis
        self.column_ratio = len(basis) / basis.shape[1]
        self.projected = in_row_space(module, basis)

    def __call__(self, module: Autoencoder, batch: Batch) -> Tensor:
        """Return the loss of coordinates (N, R), averaged over all D columns."""
        return self.objective(self.projected, batch) * self.column_ratio

    def n_shards(self, module: Autoencoder, n_rows: int, n_steps: int) -> int:
        """Return the number of shards of a batch, as `Objective.n_shards` does."""
        return self.objective.n_shards(self.projected, n_rows, n_steps)

    def shards(self, module: Autoencoder, batch: Batch) -> list[Callable[[], Tensor]]:
        """Divide the loss of coordinates into terms, as `Objective.shards` does."""
        terms = self.objective.shards(self.projected, batch)
        return [partial(self._per_column, term) for term in terms]

    def _per_column(self, term: Callable[[], Tensor]) -> Tensor:
        return term() * self.column_ratio

    def step(self, module: Autoencoder) -> DenseStep | None:
        """Return a faster step for coordinates, as `Objective.step` does."""
        return self.objective.step(self.projected, self.column_ratio)

    def rows(
        self, module: Autoencoder, batch: Batch, refinement_steps: int = 0
    ) -> RowLosses[Tensor]:
        """Return the losses of each row of a batch (N, D), as `Objective.rows` does."""
        return self.objective.rows(module, batch, refinement_steps, self._projected)

    def _projected(self, module: Autoencoder, x: Tensor) -> tuple[Autoencoder, Tensor]:
        return in_row_space(module, self.basis), x @ self.basis.T


@torch.no_grad()
def row_space(module: Autoencoder) -> Tensor | None:
    """Return the basis of the space of all outputs (R, D); None: all columns."""
    decoder, path = module.decoder, module.linear_path
    if not isinstance(decoder, DenseNetwork) or not decoder.rotated_out or path is None:
        return None
    basis, weight = decoder.basis, path.decoder.weight
    columns = torch.cat([weight * module.code_spread, path.decoder.bias[:, None]], 1)
    outside = columns - basis.T @ (basis @ columns)
    return None if outside.abs().max() > ROUNDING else basis


@torch.no_grad()
def in_row_space(module: Autoencoder, basis: Tensor) -> Autoencoder:
    """Return the autoencoder for coordinates x @ basis.T (N, R).

    Its linear path is projected. It shares the weights of the networks.
    """
    full = module.linear_path
    assert full is not None
    n_components = full.encoder.out_features
    path = LinearPath(n_features=len(basis), n_components=n_components)
    path.encoder.weight.copy_(full.encoder.weight @ basis.T)
    path.encoder.bias.copy_(full.encoder.bias)
    path.decoder.weight.copy_(basis @ full.decoder.weight)
    path.decoder.bias.copy_(basis @ full.decoder.bias)
    path.requires_grad_(False)
    projected = Autoencoder(
        n_components=n_components,
        encoder=_without_projection(module.encoder),
        decoder=_without_projection(module.decoder),
        linear_path=path,
        is_ordered=module.is_ordered,
    )
    projected.set_units(**dict(module.named_buffers(recurse=False)))
    return projected.to(basis.device)


def _without_projection(network: nn.Module | None) -> DenseNetwork:
    """Return a network with the same weights, and coordinates as input and output."""
    shallow_copy = copy.copy(cast(DenseNetwork, network))
    shallow_copy.rotated_in = shallow_copy.rotated_out = None
    return shallow_copy
