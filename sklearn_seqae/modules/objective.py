"""Training objectives: reconstruction, forecast, or both."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.batch import Batch, RowLosses
from sklearn_seqae.modules.bottleneck import NestedDropout, Plain
from sklearn_seqae.modules.losses import masked_loss, row_losses
from sklearn_seqae.modules.noise import Noise
from sklearn_seqae.modules.resampling import time_warp

OBJECTIVES = ("reconstruct", "predict", "composite")


class Part(NamedTuple):
    """Output of the network and its target."""

    output: Tensor  # (N, D) or (N, T, C)
    target: Tensor
    mask: Tensor | None  # (N, T), None where no step is padding
    share: Tensor | float  # (N,), number of values of a sample over those of its target


@dataclass(frozen=True)
class Objective:
    """Objective of a training: losses of the reconstruction, the forecast, or both.

    Parameters
    ----------
    loss : str
        A key of `modules.losses.LOSSES`.

    kind : {"reconstruct", "predict", "composite"}, default="reconstruct"
        "reconstruct": reconstruct the clean target, or the sample if there is none.
        "predict": forecast the target, or the sequence without its first step if there
        is none. "composite": the sum of both losses.

    warp : float, default=0
        Strength of random time warping of the training sequences, drawn anew in each
        epoch. With few rows it reduces overfitting.

    scheduled_sampling : float, default=0
        Fraction of the steps at which a conditional decoder receives its own output
        in training instead of the true value (Bengio et al., 2015).

    generator : torch.Generator, default=None
        Source of the time warps and of the scheduled sampling.

    bottleneck : callable, default=Plain()
        Encoder with a constraint: an object of `modules.bottleneck`.

    noise : Noise, default=None
        Corruption of a sample before it is encoded.
    """

    loss: str
    kind: str = "reconstruct"
    warp: float = 0.0
    scheduled_sampling: float = 0.0
    generator: torch.Generator | None = None
    bottleneck: Callable = field(default_factory=Plain)
    noise: Noise | None = None

    def __call__(self, module: Autoencoder, batch: Batch) -> Tensor:
        """Return the mean loss of a batch, for training."""
        if self.generator is not None and self.warp:
            batch = _warped(batch, self.warp, self.generator)
        seen = self.seen(batch, in_training=True)
        encoded = self.bottleneck(module, seen, batch.lengths, True)
        weights, penalty = encoded.weights, encoded.penalty
        if batch.weight is not None:
            weights = batch.weight if weights is None else batch.weight * weights
            penalty = None if penalty is None else batch.weight * penalty
        parts = self.parts(module, encoded.code, batch, encoded.kept, in_training=True)
        losses = [
            masked_loss(self.loss, output, target, mask, weights)
            for output, target, mask, _ in parts
        ]
        if penalty is not None:
            losses.append(penalty.sum() / batch.n_values)
        return torch.stack(losses).sum() if len(losses) > 1 else losses[0]

    def seen(self, batch: Batch, in_training: bool = False) -> Tensor:
        """Return the input of the encoder."""
        if self.noise is None:
            return batch.x
        return self.noise(batch.x, batch.mask, in_training)

    def rows(self, module: Autoencoder, batch: Batch) -> RowLosses[Tensor]:
        """Return the losses of each row, multiplied by its weight.

        The loss of a forecast is scaled to the number of values of the sample. For a
        variational code, the total is measured with one fixed draw, the other losses
        with the mean, which `transform` returns.
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

    def _rows(self, module: Autoencoder, batch: Batch) -> RowLosses[Tensor]:
        encoded = self.bottleneck(module, self.seen(batch), batch.lengths, False)
        code = encoded.code if encoded.mean is None else encoded.mean
        if not isinstance(self.bottleneck, NestedDropout):
            losses, square = self._losses_and_square(module, code, batch, None)
            total = sum(losses)
            if encoded.mean is not None:
                drawn, _ = self._losses_and_square(module, encoded.code, batch, None)
                total = sum(drawn)
            if encoded.penalty is not None:
                total = total + encoded.penalty
            return RowLosses(total, losses[0], square, code.new_zeros((len(code), 0)))
        each = [
            self._losses_and_square(
                module, code, batch, torch.full((len(code),), k, device=code.device)
            )
            for k in range(1, code.shape[1] + 1)
        ]
        sums = torch.stack(
            [torch.stack(losses).sum(0) for losses, _ in each], dim=1
        )  # (N, Z)
        squares = torch.stack([square for _, square in each], dim=1)
        total = (sums * self.bottleneck.size_weights).mean(1)
        return RowLosses(total, each[-1][0][0], squares[:, -1], squares)

    def parts(
        self,
        module: Autoencoder,
        code: Tensor,
        batch: Batch,
        kept: Tensor | None = None,
        in_training: bool = False,
    ) -> Iterator[Part]:
        """Decode codes into the outputs of the objective, the reconstruction first."""
        n_steps = batch.x.shape[1] if batch.x.ndim == 3 else None
        if self.kind != "predict":
            target = batch.x
            if self.kind == "reconstruct" and batch.target is not None:
                target = batch.target[:, : target.shape[1]]  # padded like x
            truth = self._truth(module.decoder, target) if in_training else {}
            output = module.decode(code, batch.lengths, n_steps, kept, **truth)
            yield Part(output, target, batch.mask, 1.0)
        if self.kind != "reconstruct":
            target, lengths, mask, share = _ahead(batch)
            truth = self._truth(module.forecaster, target) if in_training else {}
            output = module.forecast(code, lengths, target.shape[1], kept, **truth)
            yield Part(output, target, mask, share)

    def _truth(self, decoder: Any, target: Tensor) -> dict[str, Tensor | None]:
        if not getattr(decoder, "is_conditional", False):
            return {}
        free_running = None
        if self.scheduled_sampling:
            free_running = (
                torch.rand(target.shape[:2], generator=self.generator)
                < self.scheduled_sampling
            )
            free_running = free_running.to(target.device)
        return {"teacher": target, "free_running": free_running}

    def _losses_and_square(
        self, module: Autoencoder, code: Tensor, batch: Batch, kept: Tensor | None
    ) -> tuple[list[Tensor], Tensor]:
        """Return the loss of each part, and the squared error of the first."""
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


def _ahead(batch: Batch) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | float]:
    """Return the target of a forecast: values, lengths, mask, and the share."""
    x, lengths, mask = batch.x, batch.lengths, batch.mask
    n_steps = x.shape[1] if lengths is None else lengths
    if batch.target is not None:
        return batch.target, None, None, n_steps / batch.target.shape[1]
    shorter = None if lengths is None else lengths - 1
    mask = None if mask is None else mask[:, 1:]
    return x[:, 1:], shorter, mask, n_steps / (n_steps - 1)


def _warped(batch: Batch, strength: float, generator: torch.Generator) -> Batch:
    """Warp a batch in time, together with its target."""
    x, target = batch.x, batch.target
    if target is None:
        return batch._replace(x=time_warp(x, batch.lengths, strength, generator))
    both = torch.cat([x, target[:, : x.shape[1]]], dim=2)
    both = time_warp(both, batch.lengths, strength, generator)
    x, target = both.split(x.shape[2], dim=2)
    return batch._replace(x=x, target=target)
