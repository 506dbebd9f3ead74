"""What a network is trained for, and measured by."""

import torch
from torch import Tensor, nn

from sklearn_seqae.modules.losses import masked_loss, row_losses
from sklearn_seqae.modules.resampling import time_warp


class Reconstruction:
    """Give back what came in.

    Parameters
    ----------
    loss : str
        A key of `modules.losses.LOSSES`.

    warp : float, default=0
        Sequences are trained on in randomly time-warped copies, anew in each
        epoch, of this strength. With few rows it keeps a network from learning
        them by heart.

    generator : torch.Generator, default=None
        Source of the warps.
    """

    def __init__(
        self,
        loss: str,
        *,
        warp: float = 0.0,
        generator: torch.Generator | None = None,
    ):
        self.loss = loss
        self.warp = warp
        self.generator = generator

    def __call__(self, module: nn.Module, batch) -> Tensor:
        """Mean loss of a batch, to train on."""
        x = batch.x
        if self.generator is not None and self.warp:
            x = time_warp(x, batch.lengths, self.warp, self.generator)
        output = module(x, batch.lengths)
        return masked_loss(self.loss, output, x, batch.mask)

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
