"""What a network is trained for, and measured by."""

import torch
from torch import Tensor, nn

from sklearn_seqae.modules.losses import masked_loss, row_losses


class Reconstruction:
    """Give back what came in.

    Parameters
    ----------
    loss : str
        A key of `modules.losses.LOSSES`.
    """

    def __init__(self, loss: str):
        self.loss = loss

    def __call__(self, module: nn.Module, batch) -> Tensor:
        """Mean loss of a batch, to train on."""
        output = module(batch.x, batch.lengths)
        return masked_loss(self.loss, output, batch.x, batch.mask)

    def rows(self, module: nn.Module, batch) -> Tensor:
        """Loss and squared error of each row, summed over its values: (N, 2)."""
        output = module(batch.x, batch.lengths)
        losses = row_losses(self.loss, output, batch.x, batch.mask)
        if self.loss == "squared_error":
            return torch.stack([losses, losses], dim=1)
        if self.loss == "binary_cross_entropy":
            output = output.sigmoid()
        squares = row_losses("squared_error", output, batch.x, batch.mask)
        return torch.stack([losses, squares], dim=1)
