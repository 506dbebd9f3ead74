"""What a network is trained for, and measured by."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.bottleneck import NestedDropout
from sklearn_seqae.modules.losses import masked_loss, row_losses
from sklearn_seqae.modules.resampling import time_warp

OBJECTIVES = ("reconstruct", "predict", "composite")


class Part(NamedTuple):
    """What the network gave, and what it should have given."""

    output: Tensor  # (N, D) or (N, T, C)
    target: Tensor
    mask: Tensor | None  # (N, T), None where no step is padding
    share: Tensor | float  # (N,), values of a sample to those of its target


class Objective:
    """Give back what came in, or what is ahead of it, or both.

    Parameters
    ----------
    loss : str
        A key of `modules.losses.LOSSES`.

    kind : {"reconstruct", "predict", "composite"}, default="reconstruct"
        "predict": the batch's target, or where it has none the sequence itself
        without its first step. "composite": both, and the sum of both losses.

    warp : float, default=0
        Sequences are trained on in randomly time-warped copies, anew in each
        epoch, of this strength. With few rows it keeps a network from learning
        them by heart.

    own : float, default=0
        Share of the steps at which a conditional decoder sees its own output in
        training, not the truth (scheduled sampling, Bengio et al., 2015).

    generator : torch.Generator, default=None
        Source of the warps and of those steps.

    nested : NestedDropout, default=None
        Whether, and how, codes are trained that are cut to fewer components.
    """

    def __init__(
        self,
        loss: str,
        *,
        kind: str = "reconstruct",
        warp: float = 0.0,
        own: float = 0.0,
        generator: torch.Generator | None = None,
        nested: NestedDropout | None = None,
    ):
        self.loss = loss
        self.kind = kind
        self.warp = warp
        self.own = own
        self.generator = generator
        self.nested = nested

    def __call__(self, module: Autoencoder, batch) -> Tensor:
        """Mean loss of a batch, to train on."""
        if self.generator is not None and self.warp:
            x = time_warp(batch.x, batch.lengths, self.warp, self.generator)
            batch = batch._replace(x=x)
        code = module.encode(batch.x, batch.lengths)
        if self.nested is None:
            kept = weights = None
        else:
            kept = self.nested.draw(len(code))
            weights = self.nested.weights[kept - 1]
        parts = self.parts(module, code, batch, kept, in_training=True)
        losses = [
            masked_loss(self.loss, output, target, mask, weights)
            for output, target, mask, _ in parts
        ]
        return torch.stack(losses).sum() if len(losses) > 1 else losses[0]

    def rows(self, module: Autoencoder, batch) -> Tensor:
        """Losses of each row, summed over its values: (N, 3), nested (N, 3 + Z).

        First what is trained on, then the loss and the squared error of the
        reconstruction, or of the forecast where that is all; nested, then the squared
        errors of codes cut to 1, ..., Z components. A forecast counts as if it had
        as many values as the sample.
        """
        code = module.encode(batch.x, batch.lengths)
        if self.nested is None:
            losses, square = self._losses_and_square(module, code, batch, None)
            return torch.stack([sum(losses), losses[0], square], dim=1)
        each = [
            self._losses_and_square(
                module, code, batch, torch.full((len(code),), k, device=code.device)
            )
            for k in range(1, code.shape[1] + 1)
        ]
        sums = torch.stack([sum(losses) for losses, _ in each], dim=1)  # (N, Z)
        squares = torch.stack([square for _, square in each], dim=1)
        trained = (sums * self.nested.weights).mean(1)
        last = torch.stack([trained, each[-1][0][0], squares[:, -1]], dim=1)
        return torch.cat([last, squares], dim=1)

    def parts(
        self,
        module: Autoencoder,
        code: Tensor,
        batch,
        kept: Tensor | None = None,
        in_training: bool = False,
    ) -> Iterator[Part]:
        """Decode codes into what the objective asks for, the reconstruction first."""
        n_steps = batch.x.shape[1] if batch.x.ndim == 3 else None
        if self.kind != "predict":
            truth = self._truth(module.decoder, batch.x) if in_training else {}
            output = module.decode(code, batch.lengths, n_steps, kept, **truth)
            yield Part(output, batch.x, batch.mask, 1.0)
        if self.kind != "reconstruct":
            target, lengths, mask, share = _ahead(batch)
            truth = self._truth(module.forecaster, target) if in_training else {}
            output = module.forecast(code, lengths, target.shape[1], kept, **truth)
            yield Part(output, target, mask, share)

    def _truth(self, decoder, target: Tensor) -> dict[str, Tensor | None]:
        if not getattr(decoder, "is_conditional", False):
            return {}
        own = None
        if self.own:
            own = torch.rand(target.shape[:2], generator=self.generator) < self.own
            own = own.to(target.device)
        return {"given": target, "own": own}

    def _losses_and_square(self, module, code, batch, kept):
        """Loss of each part, and the squared error of the first."""
        losses: list[Tensor] = []
        squares: list[Tensor] = []
        for output, target, mask, share in self.parts(module, code, batch, kept):
            losses.append(row_losses(self.loss, output, target, mask) * share)
            if self.loss == "binary_cross_entropy":
                output = output.sigmoid()
            if not squares and self.loss == "squared_error":
                squares.append(losses[0])
            elif not squares:
                square = row_losses("squared_error", output, target, mask)
                squares.append(square * share)
        return losses, squares[0]


def _ahead(batch) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | float]:
    """The target of a forecast: its values, lengths and mask, and the share."""
    x, lengths, mask = batch.x, batch.lengths, batch.mask
    n_steps = x.shape[1] if lengths is None else lengths
    if batch.target is not None:
        return batch.target, None, None, n_steps / batch.target.shape[1]
    shorter = None if lengths is None else lengths - 1
    mask = None if mask is None else mask[:, 1:]
    return x[:, 1:], shorter, mask, n_steps / (n_steps - 1)
