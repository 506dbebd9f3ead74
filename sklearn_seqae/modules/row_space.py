"""Training on tables with more columns than rows, in the row space."""

import copy
from typing import Any

import torch
from torch import Tensor

from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.batch import Batch, RowLosses
from sklearn_seqae.modules.dense import DenseNetwork
from sklearn_seqae.modules.linear_path import LinearPath
from sklearn_seqae.modules.objective import Objective


class RowSpaceObjective:
    """Objective for training rows given as coordinates in a basis of their row space.

    Squared errors are the same in these coordinates, and a training step is many times
    faster. Validation rows are outside the row space and are measured in all columns.

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
        self.share = len(basis) / basis.shape[1]
        self.twin = in_row_space(module, basis)

    def __call__(self, module: Autoencoder, batch: Batch) -> Tensor:
        """Return the mean loss of coordinates (N, R), over all D columns."""
        return self.objective(self.twin, batch) * self.share

    def rows(self, module: Autoencoder, batch: Batch) -> RowLosses[Tensor]:
        """Return the losses of each row of (N, D), as `Objective.rows`."""
        return self.objective.rows(module, batch)


@torch.no_grad()
def in_row_space(module: Autoencoder, basis: Tensor) -> Autoencoder:
    """Return the autoencoder for coordinates x @ basis.T. It shares the networks."""
    full = module.linear_path
    assert full is not None
    n_components = full.encoder.out_features
    path = LinearPath(n_features=len(basis), n_components=n_components)
    path.encoder.weight.copy_(full.encoder.weight @ basis.T)
    path.encoder.bias.copy_(full.encoder.bias)
    path.decoder.weight.copy_(basis @ full.decoder.weight)
    path.decoder.bias.copy_(basis @ full.decoder.bias)
    path.requires_grad_(False)
    twin = Autoencoder(
        n_components=n_components,
        encoder=_unrotated(module.encoder),
        decoder=_unrotated(module.decoder),
        linear_path=path,
        is_ordered=module.is_ordered,
    )
    twin.set_units(**dict(module.named_buffers(recurse=False)))
    return twin.to(basis.device)


def _unrotated(network: Any) -> DenseNetwork:
    shallow: DenseNetwork = copy.copy(network)  # with the same weights
    shallow.rotated_in = shallow.rotated_out = None
    return shallow
