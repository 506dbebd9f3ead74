"""Training objectives: reconstruction, forecast, or both."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise, repeat
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.batch import Batch, RowLosses
from sklearn_seqae.modules.bottleneck import (
    Bottleneck,
    NestedDropout,
    Plain,
    Variational,
)
from sklearn_seqae.modules.dense_step import DenseStep, has_hooks, make_step
from sklearn_seqae.modules.losses import masked_loss, n_observed, row_losses
from sklearn_seqae.modules.nearest import Sizes, decoder_of, nearest_codes
from sklearn_seqae.modules.noise import Noise
from sklearn_seqae.modules.resampling import time_warp

Space = Callable[[Autoencoder, Tensor], tuple[Autoencoder, Tensor]]

OBJECTIVES = ("reconstruct", "predict", "composite")
LARGE_SHARD = 200e6  # products; for more, torch frees and takes memory at each step


class Part(NamedTuple):
    """Output of a decoder or a forecaster, and its target."""

    output: Tensor  # (N, D) or (N, T, C)
    target: Tensor  # the shape of `output`
    # (N, T), False on padding, or as `target`, also False where it is missing; or None
    mask: Tensor | None
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
        return self._training_loss(module, self._draw(module, batch))

    def shards(self, module: Autoencoder, batch: Batch) -> list[Callable[[], Tensor]]:
        """Divide the mean loss of a batch into terms that can be computed in threads.

        All random numbers are drawn for the batch, in this call.

        Parameters
        ----------
        module : Autoencoder
            Autoencoder to train.

        batch : Batch
            Training rows.

        Returns
        -------
        terms : list of callable
            Functions that compute the loss of some of the rows. Their sum is the mean
            loss of the batch. There is a single term if the batch is small, if the loss
            is not a sum over rows, or if a hook of torch has to see the whole batch.
        """
        n_shards = self.n_shards(module, *batch.x.shape[:2])
        batch = self._draw(module, batch)
        if n_shards == 1 or not self._is_divisible(module):
            return [partial(self._training_loss, module, batch)]
        sizes = self._n_values(batch)
        bounds = [len(batch.x) * i // n_shards for i in range(n_shards + 1)]
        shards = [
            batch.rows(start, stop)._replace(n_values=batch.n_values)
            for start, stop in pairwise(bounds)
        ]
        return [partial(self._training_loss, module, shard, sizes) for shard in shards]

    def resume(self, n_batches: int) -> None:
        """Continue a training after a number of batches."""
        if isinstance(self.bottleneck, Variational):
            self.bottleneck.n_batches = n_batches

    def n_shards(self, module: Autoencoder, n_rows: int, n_steps: int) -> int:
        """Return the number of shards of a batch, a power of two.

        It depends on shapes alone, so that no result depends on the number of threads.
        """
        smallest = module.min_shard
        n_products = n_rows * module.n_products(n_steps)
        n_shards, large = 1, 2 * smallest.n_products
        while min(n_rows / (2 * smallest.n_rows), n_products / large) >= n_shards:
            n_shards, large = 2 * n_shards, max(large, LARGE_SHARD)
        return n_shards

    def _is_divisible(self, module: Autoencoder) -> bool:
        """Return whether shards have the loss, the draws and the hooks of the batch."""
        draws_later = self.scheduled_sampling and any(
            getattr(decoder, "is_conditional", False)
            for decoder in (module.decoder, module.forecaster)
        )
        is_on_cpu = module.code_scale.device.type == "cpu"
        is_by_row = self.bottleneck.is_by_row
        return is_on_cpu and is_by_row and not draws_later and not has_hooks(module)

    def _draw(self, module: Autoencoder, batch: Batch) -> Batch:
        """Draw the random numbers of a training batch, except scheduled sampling."""
        if self.generator is not None and self.warp:
            batch = _warped(batch, self.warp, self.generator)
        noisy = batch.noisy
        if self.noise is not None:
            clean = batch.x if noisy is None else noisy
            noisy = self.noise(clean, batch.mask, True)
        drawn = self.bottleneck.draw_for(module, batch.x if noisy is None else noisy)
        return batch._replace(noisy=noisy, drawn=drawn)

    def _n_values(self, batch: Batch) -> list[float]:
        """Return the number of observed values of each part."""
        targets = []
        if self.kind != "predict":
            targets.append(self._reconstruction_target(batch))
        if self.kind != "reconstruct":
            target, _, mask, _ = _forecast_target(batch)
            targets.append((target, mask))
        return [int(n_observed(target, mask)) for target, mask in targets]

    def _reconstruction_target(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Return the target of the reconstruction, and its mask."""
        if self.kind == "reconstruct" and batch.target is not None:
            return batch.target[:, : batch.x.shape[1]], batch.mask  # padded like x
        return batch.x, batch.mask if batch.observed is None else batch.observed

    def _training_loss(
        self, module: Autoencoder, batch: Batch, sizes: list[float] | None = None
    ) -> Tensor:
        """Return the loss of a batch whose random numbers have been drawn.

        For a shard, `sizes` are the numbers of values of each part of the whole batch.
        """
        x = batch.x if batch.noisy is None else batch.noisy
        encoded = self.bottleneck(module, x, batch.lengths, True, batch.drawn)
        weights, penalty = encoded.weights, encoded.penalty
        if batch.weight is not None:
            weights = batch.weight if weights is None else batch.weight * weights
            penalty = None if penalty is None else batch.weight * penalty
        parts = self.parts(module, encoded.code, batch, encoded.kept, in_training=True)
        losses = [
            masked_loss(self.loss, output, target, mask, weights, n_values)
            for (output, target, mask, _), n_values in zip(
                parts, sizes or repeat(None), strict=False
            )
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

    def encoder_input(self, batch: Batch) -> Tensor:
        """Return the samples of a batch with the noise of validation, if any."""
        x = batch.x if batch.noisy is None else batch.noisy
        return x if self.noise is None else self.noise(x, batch.mask)

    def rows(
        self,
        module: Autoencoder,
        batch: Batch,
        refinement_steps: int = 0,
        space: Space | None = None,
    ) -> RowLosses[Tensor]:
        """Return the losses of each row, multiplied by its weight.

        They are those of nearest-point codes if there are refinement steps. With
        `space`, the nearest points are found for the autoencoder and the samples that
        it returns, in coordinates with the same distances.

        The loss of a forecast is scaled to the number of values of the sample. For a
        variational code, the total is measured with a code that is drawn at random, in
        the same way in each epoch. The other losses are measured with the mean, which
        `transform` returns.
        """
        rows = self._rows(module, batch, refinement_steps, space)
        if batch.weight is None:
            return rows
        return RowLosses(
            total=rows.total * batch.weight,
            loss=rows.loss * batch.weight,
            squared_error=rows.squared_error * batch.weight,
            squared_error_by_size=rows.squared_error_by_size * batch.weight[:, None],
        )

    def _rows(
        self,
        module: Autoencoder,
        batch: Batch,
        refinement_steps: int,
        space: Space | None,
    ) -> RowLosses[Tensor]:
        x = self.encoder_input(batch)
        encoded = self.bottleneck(module, x, batch.lengths, False)
        code = encoded.code if encoded.mean is None else encoded.mean
        if refinement_steps:
            shown = batch.observed
            if shown is not None and batch.noisy is not None:
                shown = shown & (batch.noisy == batch.x)  # the others are hidden
            inner, points = module, x
            if space is not None and shown is None:
                inner, points = space(module, x)
            code = nearest_codes(
                decoder_of(inner),
                code,
                points,
                batch.lengths,
                n_steps=refinement_steps,
                loss=self.loss,
                spread=module.code_spread,
                sizes=Sizes.of(module, code.shape[1]),
                observed=shown,
            )
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
            target, mask = self._reconstruction_target(batch)
            options = self._teacher_options(module.decoder, target, in_training)
            output = module.decode(code, batch.lengths, n_steps, kept, **options)
            yield Part(output, target, mask, 1.0)
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
        scale = n_steps / batch.target.shape[1]
        return batch.target, None, batch.target_observed, scale
    shorter = None if lengths is None else lengths - 1
    mask = mask if batch.observed is None else batch.observed
    mask = None if mask is None else mask[:, 1:]
    return x[:, 1:], shorter, mask, n_steps / (n_steps - 1)


def _warped(batch: Batch, strength: float, generator: torch.Generator) -> Batch:
    """Warp the time axis of a batch and of its target."""
    x = batch.x
    if batch.target is None and batch.observed is None:
        return batch._replace(x=time_warp(x, batch.lengths, strength, generator))
    fields = {"x": x, "noisy": batch.noisy, "observed": batch.observed}
    if batch.target is not None:
        fields["target"] = batch.target[:, : x.shape[1]]
    parts: dict[str, Any] = {
        name: part.to(x.dtype) for name, part in fields.items() if part is not None
    }
    all_parts = torch.cat(list(parts.values()), dim=2)
    warped = time_warp(all_parts, batch.lengths, strength, generator)
    parts = dict(zip(parts, torch.split(warped, x.shape[2], dim=2), strict=True))
    if "observed" in parts:  # if at least half of a warped value is
        parts["observed"] = parts["observed"] >= 0.5
    return batch._replace(**parts)
