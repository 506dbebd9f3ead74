"""Training objectives: reconstruction, forecast, or both."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.batch import Batch, RowLosses
from sklearn_seqae.modules.bottleneck import Bottleneck, NestedDropout, Plain
from sklearn_seqae.modules.dense_step import DenseStep, make_step
from sklearn_seqae.modules.losses import masked_loss, row_losses
from sklearn_seqae.modules.noise import Noise
from sklearn_seqae.modules.resampling import time_warp

OBJECTIVES = ("reconstruct", "predict", "composite")


class Part(NamedTuple):
    """Output of a decoder or a forecaster, and its target."""

    output: Tensor  # (N, D) or (N, T, C)
    target: Tensor  # the shape of `output`
    mask: Tensor | None  # (N, T), bool, False on padding; None without padding
    scale: Tensor | float  # (N,), values of a sample divided by values of its target


@dataclass(frozen=True)
class Objective:
    """Objective of a training: loss of the reconstruction, the forecast, or both.

    Parameters
    ----------
    loss : str
        A key of `modules.losses.LOSSES`.

    kind : {"reconstruct", "predict", "composite"}, default="reconstruct"
        "reconstruct": reconstruct the target, or the sample if there is no target.
        "predict": forecast the target, or the sequence without its first step if there
        is no target. "composite": the sum of both losses.

    warp : float, default=0
        Strength of random time warping of the training sequences, which differs in each
        epoch. With few rows, it reduces overfitting.

    scheduled_sampling : float, default=0
        Fraction of the steps at which a conditional decoder receives its own output
        in training instead of the true value (Bengio et al., 2015).

    generator : torch.Generator or None, default=None
        Source of the time warping and of the scheduled sampling.

    bottleneck : Bottleneck, default=Plain()
        Constraint on the latent code: an object of `modules.bottleneck`.

    noise : Noise or None, default=None
        Corruption of samples before they are encoded.
    """

    loss: str
    kind: str = "reconstruct"
    warp: float = 0.0
    scheduled_sampling: float = 0.0
    generator: torch.Generator | None = None
    bottleneck: Bottleneck = field(default_factory=Plain)
    noise: Noise | None = None

    def __call__(self, module: Autoencoder, batch: Batch) -> Tensor:
        """Return the mean loss of a batch, for training."""
        if self.generator is not None and self.warp:
            batch = _warped(batch, self.warp, self.generator)
        x = self.encoder_input(batch, in_training=True)
        encoded = self.bottleneck(module, x, batch.lengths, True)
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

    def step(self, module: Autoencoder, factor: float = 1.0) -> DenseStep | None:
        """Return a step with the gradients of this objective that is faster.

        Parameters
        ----------
        module : Autoencoder
            Autoencoder to train. The rows are their own targets.

        factor : float, default=1
            Factor of the loss.

        Returns
        -------
        step : DenseStep or None
            None if the gradients are computed by autograd.
        """
        is_plain = (
            self.loss == "squared_error"
            and self.kind == "reconstruct"
            and isinstance(self.bottleneck, Plain)
            and not (self.warp or self.noise)
        )
        return make_step(module, factor) if is_plain else None

    def encoder_input(self, batch: Batch, in_training: bool = False) -> Tensor:
        """Return the samples of a batch with noise, if there is any."""
        if self.noise is None:
            return batch.x
        return self.noise(batch.x, batch.mask, in_training)

    def rows(self, module: Autoencoder, batch: Batch) -> RowLosses[Tensor]:
        """Return the losses of each row, multiplied by its weight.

        The loss of a forecast is scaled to the number of values of the sample. For a
        variational code, the total is measured with a code that is drawn at random, in
        the same way in each epoch. The other losses are measured with the mean, which
        `transform` returns.
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
        encoded = self.bottleneck(
            module, self.encoder_input(batch), batch.lengths, False
        )
        code = encoded.code if encoded.mean is None else encoded.mean
        if not isinstance(self.bottleneck, NestedDropout):
            losses, square = self._losses_and_square(module, code, batch, None)
            total = cast(Tensor, sum(losses))
            if encoded.mean is not None:
                drawn, _ = self._losses_and_square(module, encoded.code, batch, None)
                total = cast(Tensor, sum(drawn))
            if encoded.penalty is not None:
                total = total + encoded.penalty
            return RowLosses(total, losses[0], square, code.new_zeros((len(code), 0)))
        # Each item is the losses and the squared error of codes with k components.
        each = [
            self._losses_and_square(
                module, code, batch, torch.full((len(code),), k, device=code.device)
            )
            for k in range(1, code.shape[1] + 1)
        ]
        sums = [torch.stack(losses).sum(0) for losses, _ in each]
        squares = torch.stack([square for _, square in each], dim=1)
        total = (torch.stack(sums, dim=1) * self.bottleneck.size_weights).mean(1)
        return RowLosses(total, each[-1][0][0], squares[:, -1], squares)

    def parts(
        self,
        module: Autoencoder,
        code: Tensor,
        batch: Batch,
        kept: Tensor | None = None,
        in_training: bool = False,
    ) -> Iterator[Part]:
        """Yield the outputs of the objective, the reconstruction first.

        Parameters
        ----------
        module : Autoencoder
            Autoencoder with its decoder or forecaster.

        code : Tensor of shape (N, Z)
            Codes of the batch.

        batch : Batch
            Batch with the targets.

        kept : Tensor of shape (N,), int64, default=None
            Number of components to keep in each row; None for all.

        in_training : bool, default=False
            Whether a conditional decoder receives the true values.
        """
        n_steps = batch.x.shape[1] if batch.x.ndim == 3 else None
        if self.kind != "predict":
            target = batch.x
            if self.kind == "reconstruct" and batch.target is not None:
                target = batch.target[:, : target.shape[1]]  # padded like x
            options = self._teacher_options(module.decoder, target, in_training)
            output = module.decode(code, batch.lengths, n_steps, kept, **options)
            yield Part(output, target, batch.mask, 1.0)
        if self.kind != "reconstruct":
            target, lengths, mask, scale = _forecast_target(batch)
            options = self._teacher_options(module.forecaster, target, in_training)
            output = module.forecast(code, lengths, target.shape[1], kept, **options)
            yield Part(output, target, mask, scale)

    def _teacher_options(
        self, decoder: nn.Module | None, target: Tensor, in_training: bool
    ) -> dict[str, Tensor | None]:
        """Return the keyword arguments of a conditional decoder in training.

        `teacher` is the true values; `free_running` (N, T), bool, is True at steps at
        which the decoder receives its own output instead.
        """
        if not in_training or not getattr(decoder, "is_conditional", False):
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
        """Return the loss of each part, and the squared error of the first part."""
        losses: list[Tensor] = []
        squares: list[Tensor] = []
        for output, target, mask, scale in self.parts(module, code, batch, kept):
            losses.append(row_losses(self.loss, output, target, mask) * scale)
            if self.loss == "binary_cross_entropy":
                output = output.sigmoid()
            if not squares and self.loss == "squared_error":
                squares.append(losses[0])
            elif not squares:
                square = row_losses("squared_error", output, target, mask)
                squares.append(square * scale)
        return losses, squares[0]


def _forecast_target(
    batch: Batch,
) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | float]:
    """Return the target of a forecast: values, lengths, mask and `Part.scale`."""
    x, lengths, mask = batch.x, batch.lengths, batch.mask
    n_steps = x.shape[1] if lengths is None else lengths
    if batch.target is not None:
        return batch.target, None, None, n_steps / batch.target.shape[1]
    shorter = None if lengths is None else lengths - 1
    mask = None if mask is None else mask[:, 1:]
    return x[:, 1:], shorter, mask, n_steps / (n_steps - 1)


def _warped(batch: Batch, strength: float, generator: torch.Generator) -> Batch:
    """Warp the time axis of a batch and of its target."""
    x, target = batch.x, batch.target
    if target is None:
        return batch._replace(x=time_warp(x, batch.lengths, strength, generator))
    both = torch.cat([x, target[:, : x.shape[1]]], dim=2)
    both = time_warp(both, batch.lengths, strength, generator)
    x, target = torch.split(both, x.shape[2], dim=2)
    return batch._replace(x=x, target=target)
