"""Refit of the decoder's last layer on nearest-point codes, by validation rows."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from sklearn_seqae._sequences import Samples
from sklearn_seqae.fitting.config import TrainingConfig
from sklearn_seqae.fitting.family import Family
from sklearn_seqae.fitting.runs import TrainingRun
from sklearn_seqae.fitting.selection import Selection, joined_rows
from sklearn_seqae.modules.last_layer import LastLayer
from sklearn_seqae.training.batches import Batches

STRENGTHS = (1.0, 0.1, 0.01, 0.001)  # of the ridge regression
MOST_COPIES = 4  # of a sequence, with random time warps


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
                self._load(run, layer, strength)
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
            self._load(run, self._regression(run, part), strength)

    def _load(self, run: TrainingRun, layer: LastLayer, strength: float) -> None:
        run.net.module_.load_state_dict(layer.weights(strength), strict=False)

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
