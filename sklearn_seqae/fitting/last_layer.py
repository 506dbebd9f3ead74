"""Closed-form refit of the decoder's last layer to nearest-point codes."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from sklearn_seqae._sequences import Samples
from sklearn_seqae.fitting.config import TrainingConfig
from sklearn_seqae.fitting.family import Family
from sklearn_seqae.fitting.runs import TrainingRun
from sklearn_seqae.fitting.selection import Selection, joined_rows
from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.batch import Batch
from sklearn_seqae.modules.bottleneck import truncate
from sklearn_seqae.modules.linear_path import LinearPath, ResampledLinearPath
from sklearn_seqae.modules.nearest import TINY, Sizes
from sklearn_seqae.training.batches import Batches

STRENGTHS = (1.0, 0.1, 0.01, 0.001)  # of the ridge regression
MOST_COPIES = 4  # of a sequence, with random time warps


class LastLayer:
    """Ridge regression of the residuals on the inputs of the decoder's last layer.

    In a table, the output is also linear in the weights of the linear path, which are
    refitted together with it. The penalty is on the change of the weights.

    Parameters
    ----------
    module : Autoencoder
        Autoencoder with a linear path and a decoder that has a `last_layer`. Its
        weights at this time are those before the refit.
    """

    def __init__(self, module: Autoencoder):
        self.module = module
        self.decoder = cast(Any, module.decoder)
        self.is_table = not isinstance(module.linear_path, ResampledLinearPath)
        self.weights: list[Tensor] = [self.decoder.last_layer.weight]
        if self.is_table:
            loadings = cast(LinearPath, module.linear_path).decoder
            self.weights += [loadings.weight, loadings.bias]
        self._start = [weight.detach().clone() for weight in self.weights]
        self._products: Any = 0.0
        self._moments: Any = 0.0

    @torch.no_grad()
    def add(self, code: Tensor, batch: Batch) -> None:
        """Add the rows of a batch, with their codes (N, Z).

        The residuals of an ordered code are those of several sizes, weighted as in the
        training. Missing values and padding have no residual.
        """
        sizes = Sizes.of(self.module, code.shape[1]).some()
        for size, weight in zip(*sizes, strict=True):
            inputs, residuals = self._of_size(code, batch, size)
            if batch.weight is not None:
                root = batch.weight.sqrt().view(-1, *[1] * (inputs.ndim - 1))
                inputs, residuals = root * inputs, root * residuals
            inputs = inputs.flatten(0, -2).cpu().double()
            residuals = residuals.flatten(0, -2).cpu().double()
            self._products = self._products + weight * inputs.T @ inputs
            self._moments = self._moments + weight * inputs.T @ residuals

    def _of_size(self, code: Tensor, batch: Batch, size: int) -> tuple[Tensor, Tensor]:
        """Return the inputs and the residuals of codes truncated to a size."""
        module, x, lengths = self.module, batch.x, batch.lengths
        kept = None
        if module.is_ordered:
            kept = torch.full((len(code),), size, device=code.device)
            code = truncate(code, kept)
        captured: list[Tensor] = []
        handle = self.decoder.last_layer.register_forward_pre_hook(
            lambda _, given: captured.append(given[0])
        )
        try:
            n_steps = x.shape[1] if x.ndim == 3 else None
            residuals = x - module.decode(code, lengths, n_steps, kept)
        finally:
            handle.remove()
        mask = batch.mask if batch.observed is None else batch.observed
        if mask is not None:
            residuals = residuals * (mask if mask.ndim == x.ndim else mask[:, :, None])
        inputs = module.decoder_unit[size - 1] * captured[0]
        if self.is_table:
            ones = torch.ones_like(code[:, :1])
            of_path = torch.cat([ones, code / module.code_spread], dim=1)
            inputs = torch.cat([inputs, module.decoder_unit[-1] * of_path], dim=1)
        if batch.mask is not None:  # some patches are padding
            steps = batch.mask[:, :, None].expand_as(x).to(x.dtype)
            patches = self.decoder.to_last_layer(steps, lengths)
            inputs = inputs * patches.amax(-1, keepdim=True)
        return inputs, self.decoder.to_last_layer(residuals, lengths)

    @torch.no_grad()
    def refit(self, strength: float) -> None:
        """Replace the weights by the refitted ones.

        Parameters
        ----------
        strength : float
            Strength of the penalty, relative to the mean square of the inputs.
        """
        products = self._products.clone()
        diagonal = products.diagonal()
        diagonal += (strength * diagonal.mean()).clamp(min=TINY)
        change = torch.linalg.solve(products, self._moments)
        module, width = self.module, self.decoder.last_layer.in_features
        changes = [change[:width].T]
        if self.is_table:
            columns = float(module.decoder_unit[-1]) * change[width:].T
            if self.decoder.rotated_out:
                columns = self.decoder.basis.T.cpu().double() @ columns
            spread = module.code_spread.cpu().double()
            changes += [columns[:, 1:] / spread, columns[:, 0]]
        for weight, start, each in zip(self.weights, self._start, changes, strict=True):
            weight.copy_(start.cpu() + each)


class LastLayerRefit:
    """Refit of the decoder's last layer after a training.

    The training minimizes the error with the codes of the encoder. The refit minimizes
    the error with the nearest-point codes, in closed form.

    Parameters
    ----------
    config : TrainingConfig
        Parameters of the fit.

    family : Family
        Family of the networks.

    samples : Samples
        Training samples.

    batches_of : callable
        Function of a `TrainingRun` and of samples that returns their batches.
    """

    def __init__(
        self,
        config: TrainingConfig,
        family: Family,
        samples: Samples,
        batches_of: Callable[[TrainingRun, Samples], Batches],
    ):
        self.config = config
        self.family = family
        self._batches_of = batches_of
        purpose = family.objective, samples.target is not None
        self.refinement_steps = config.n_refinement_steps(*purpose)
        self._is_wanted = (
            self.refinement_steps > 0
            and config.loss == "squared_error"
            and config.wants_nearest(*purpose)
        )

    def is_in(self, run: TrainingRun) -> bool:
        """Return whether the last layer of a training can be refitted."""
        decoder: Any = run.net.module_.decoder
        return self._is_wanted and getattr(decoder, "last_layer", None) is not None

    def weights_of(self, run: TrainingRun) -> str:
        """Return which weights of the epochs are needed, for `ValidationMonitor`."""
        return "all" if self.is_in(run) else "none"

    def select(
        self, runs: list[TrainingRun], parts: list[Samples], selection: Selection
    ) -> Selection:
        """Add refits of the best epoch to the selection, if there can be any.

        Parameters
        ----------
        runs, parts : list of TrainingRun, list of Samples
            Training of each fold with its kept weights, and its training rows.

        selection : Selection
            Losses of the validation rows of all folds.
        """
        epoch = selection.epoch_to_refit
        if not epoch or not self.is_in(runs[0]):
            return selection
        folds = []
        for run, part in zip(runs, parts, strict=True):
            reached = min(epoch, max(run.states))  # a fold may have stopped before
            run.restore_weights(min(e for e in run.states if e >= reached))
            layer = self._regression(run, part)
            losses = []
            for strength in STRENGTHS:
                layer.refit(strength)
                assert run.held_out is not None
                losses.append(
                    run.net.measure(
                        run.held_out,
                        run.net.module_,
                        refinement_steps=self.refinement_steps,
                    )
                )
            folds.append(losses)
        pooled = [joined_rows(list(each)) for each in zip(*folds, strict=True)]
        return selection.with_refits(epoch, STRENGTHS, pooled)

    def refit(self, run: TrainingRun, part: Samples, strength: float) -> None:
        """Refit the last layer of a training. An infinite strength changes nothing."""
        if strength < np.inf:
            self._regression(run, part).refit(strength)

    @torch.no_grad()
    def _regression(self, run: TrainingRun, part: Samples) -> LastLayer:
        """Return the regression for training rows and warped copies of them."""
        net: Any = run.net
        module, criterion = net.module_.eval(), net.criterion_
        seed, most, n_copies = self.config.seed, self.family.refit_rows, 0
        if len(part) > most:
            rows = np.random.default_rng(seed).permutation(len(part))[:most]
            part = part.take(np.sort(rows))
        elif self.family.warp(len(part)):
            n_copies = min(most // len(part) - 1, MOST_COPIES)
        batches = self._batches_of(run, part)
        generator = torch.Generator().manual_seed(seed)
        layer = LastLayer(module)
        for is_warped in [False] + [True] * n_copies:
            for batch in batches:
                if is_warped:
                    batch = criterion.warped(batch, generator)
                layer.add(criterion.codes(module, batch, self.refinement_steps), batch)
        return layer
