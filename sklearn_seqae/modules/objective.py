"""What a network is trained for, and measured by."""

import torch
from torch import Tensor

from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.bottleneck import NestedDropout
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

    nested : NestedDropout, default=None
        Whether, and how, codes are trained that are cut to fewer components.
    """

    def __init__(
        self,
        loss: str,
        *,
        warp: float = 0.0,
        generator: torch.Generator | None = None,
        nested: NestedDropout | None = None,
    ):
        self.loss = loss
        self.warp = warp
        self.generator = generator
        self.nested = nested

    def __call__(self, module: Autoencoder, batch) -> Tensor:
        """Mean loss of a batch, to train on."""
        x, lengths = batch.x, batch.lengths
        if self.generator is not None and self.warp:
            x = time_warp(x, lengths, self.warp, self.generator)
        if self.nested is None:
            return masked_loss(self.loss, module(x, lengths), x, batch.mask)
        kept = self.nested.draw(len(x))
        n_steps = x.shape[1] if x.ndim == 3 else None
        output = module.decode(module.encode(x, lengths), lengths, n_steps, kept)
        losses = row_losses(self.loss, output, x, batch.mask)
        return (losses * self.nested.weights[kept - 1]).sum() / batch.n_values

    def rows(self, module: Autoencoder, batch) -> Tensor:
        """Losses of each row, summed over its values: (N, 3), nested (N, 3 + Z).

        First what is trained on, then the loss and the squared error; nested, then
        the squared errors of codes cut to 1, ..., Z components.
        """
        x, lengths, n = batch.x, batch.lengths, len(batch.x)
        n_steps = x.shape[1] if x.ndim == 3 else None
        code = module.encode(x, lengths)
        if self.nested is None:
            loss, square = self._loss_and_square(module, code, batch, n_steps, None)
            return torch.stack([loss, loss, square], dim=1)
        sizes = range(1, code.shape[1] + 1)
        each = [
            self._loss_and_square(
                module, code, batch, n_steps, torch.full((n,), k, device=x.device)
            )
            for k in sizes
        ]
        losses = torch.stack([loss for loss, _ in each], dim=1)  # (N, Z)
        squares = torch.stack([square for _, square in each], dim=1)
        trained = (losses * self.nested.weights).mean(1)
        last = torch.stack([trained, losses[:, -1], squares[:, -1]], dim=1)
        return torch.cat([last, squares], dim=1)

    def _loss_and_square(self, module, code, batch, n_steps, kept):
        output = module.decode(code, batch.lengths, n_steps, kept)
        loss = row_losses(self.loss, output, batch.x, batch.mask)
        if self.loss == "squared_error":
            return loss, loss
        if self.loss == "binary_cross_entropy":
            output = output.sigmoid()
        return loss, row_losses("squared_error", output, batch.x, batch.mask)
