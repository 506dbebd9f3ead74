"""Training on tables of more columns than rows, in the span of these rows."""

import copy

import torch
from torch import Tensor

from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.batch import RowLosses
from sklearn_seqae.modules.dense import DenseNetwork
from sklearn_seqae.modules.linear_path import LinearPath
from sklearn_seqae.modules.objective import Objective


class RowSpaceObjective:
    """An objective for training rows that come as coordinates in a basis of theirs.

    Squared errors are the same there, and a step is many times faster. Other rows,
    of which the basis leaves something, are measured in all columns.

    Parameters
    ----------
    objective : Objective
        Of the squared error.

    module : Autoencoder
        What is trained; its linear path stays as it is.

    basis : Tensor of shape (R, D)
        Orthonormal rows that span the training rows.
    """

    def __init__(self, objective: Objective, module: Autoencoder, basis: Tensor):
        self.objective = objective
        self.share = len(basis) / basis.shape[1]
        self.twin = in_span(module, basis)

    def __call__(self, module: Autoencoder, batch) -> Tensor:
        """Mean loss of a batch of coordinates (N, R), over all D columns."""
        return self.objective(self.twin, batch) * self.share

    def rows(self, module: Autoencoder, batch) -> RowLosses[Tensor]:
        """Losses of each row of (N, D), as the objective's own."""
        return self.objective.rows(module, batch)


@torch.no_grad()
def in_span(module: Autoencoder, basis: Tensor) -> Autoencoder:
    """The same autoencoder for coordinates x @ basis.T; its networks are shared."""
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


def _unrotated(network) -> DenseNetwork:
    shallow = copy.copy(network)  # has the same weights
    shallow.rotated_in = shallow.rotated_out = None
    return shallow
