"""What a network is trained for, and measured by."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.batch import RowLosses
from sklearn_seqae.modules.bottleneck import NestedDropout, Plain
from sklearn_seqae.modules.losses import masked_loss, row_losses
from sklearn_seqae.modules.noise import Noise
from sklearn_seqae.modules.resampling import time_warp

OBJECTIVES = ("reconstruct", "predict", "composite")


class Part(NamedTuple):
    """What the network gave, and what it should have given."""

    output: Tensor  # (N, D) or (N, T, C)
    target: Tensor
    mask: Tensor | None  # (N, T), None where no step is padding
    share: Tensor | float  # (N,), values of a sample to those of its target


@dataclass(frozen=True)
class Objective:
    """Give back what came in, or what it should have been, or what is ahead of it.

    Parameters
    ----------
    loss : str
        A key of `modules.losses.LOSSES`.

    kind : {"reconstruct", "predict", "composite"}, default="reconstruct"
        "reconstruct": the batch's target, or where it has none the sample itself.
        "predict": the target, or where there is none the sequence itself without its
        first step. "composite": the sample and what is ahead, and the sum of both
        losses.

    warp : float, default=0
        Sequences are trained on in randomly time-warped copies, anew in each
        epoch, of this strength. With few rows it keeps a network from learning
        them by heart.

    own : float, default=0
        Share of the steps at which a conditional decoder sees its own output in
        training, not the truth (scheduled sampling, Bengio et al., 2015).

    generator : torch.Generator, default=None
        Source of the warps and of those steps.

    bottleneck : callable, default=Plain()
        What encodes: one of `modules.bottleneck`.

    noise : Noise, default=None
        What is done to a sample before it is encoded.
    """

    loss: str
    kind: str = "reconstruct"
    warp: float = 0.0
    own: float = 0.0
    generator: torch.Generator | None = None
    bottleneck: Callable = field(default_factory=Plain)
    noise: Noise | None = None

    def __call__(self, module: Autoencoder, batch) -> Tensor:
        """Mean loss of a batch, to train on."""
        if self.generator is not None and self.warp:
            batch = _warped(batch, self.warp, self.generator)
        seen = self.seen(batch, in_training=True)
        passed = self.bottleneck(module, seen, batch.lengths, True)
        weights, penalty = passed.weights, passed.penalty
        if batch.weight is not None:
            weights = batch.weight if weights is None else batch.weight * weights
            penalty = None if penalty is None else batch.weight * penalty
        parts = self.parts(module, passed.code, batch, passed.kept, in_training=True)
        losses = [
            masked_loss(self.loss, output, target, mask, weights)
            for output, target, mask, _ in parts
        ]
        if penalty is not None:
            losses.append(penalty.sum() / batch.n_values)
        return torch.stack(losses).sum() if len(losses) > 1 else losses[0]

    def seen(self, batch, in_training: bool = False) -> Tensor:
        """What the encoder sees of a batch."""
        if self.noise is None:
            return batch.x
        return self.noise(batch.x, batch.mask, in_training)

    def rows(self, module: Autoencoder, batch) -> RowLosses[Tensor]:
        """Losses of each row, times its weight.

        A forecast counts as if it had as many values as the sample. The loss that a
        variational code is trained with is measured with a code drawn once, its other
        losses with the mean that `transform` returns.
        """
        rows = self._rows(module, batch)
        if batch.weight is None:
            return rows
        return RowLosses(
            total=rows.total * batch.weight,
            loss=rows.loss * batch.weight,
            squared_error=rows.squared_error * batch.weight,
            squared_error_by_size=rows.squared_error_by_size * batch.weight[:, None],
        )

    def _rows(self, module: Autoencoder, batch) -> RowLosses[Tensor]:
        passed = self.bottleneck(module, self.seen(batch), batch.lengths, False)
        code = passed.code if passed.mean is None else passed.mean
        if not isinstance(self.bottleneck, NestedDropout):
            losses, square = self._losses_and_square(module, code, batch, None)
            total = sum(losses)
            if passed.mean is not None:
                drawn, _ = self._losses_and_square(module, passed.code, batch, None)
                total = sum(drawn)
            if passed.penalty is not None:
                total = total + passed.penalty
            return RowLosses(total, losses[0], square, code.new_zeros((len(code), 0)))
        each = [
            self._losses_and_square(
                module, code, batch, torch.full((len(code),), k, device=code.device)
            )
            for k in range(1, code.shape[1] + 1)
        ]
        sums = torch.stack([sum(losses) for losses, _ in each], dim=1)  # (N, Z)
        squares = torch.stack([square for _, square in each], dim=1)
        total = (sums * self.bottleneck.size_weights).mean(1)
        return RowLosses(total, each[-1][0][0], squares[:, -1], squares)

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
            own = batch.x
            if self.kind == "reconstruct" and batch.target is not None:
                own = batch.target[:, : own.shape[1]]  # padded as all rows need it
            truth = self._truth(module.decoder, own) if in_training else {}
            output = module.decode(code, batch.lengths, n_steps, kept, **truth)
            yield Part(output, own, batch.mask, 1.0)
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


def _warped(batch, strength: float, generator: torch.Generator):
    """Warp a batch in time, and the target of a pair with it."""
    x, target = batch.x, batch.target
    if target is None:
        return batch._replace(x=time_warp(x, batch.lengths, strength, generator))
    both = torch.cat([x, target[:, : x.shape[1]]], dim=2)
    both = time_warp(both, batch.lengths, strength, generator)
    x, target = both.split(x.shape[2], dim=2)
    return batch._replace(x=x, target=target)
