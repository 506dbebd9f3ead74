"""Validation splits, and the record of the validation losses."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import KFold, ShuffleSplit
from torch import Tensor

from sklearn_seqae._sequences import Samples
from sklearn_seqae.fitting.config import TrainingConfig
from sklearn_seqae.fitting.family import Family
from sklearn_seqae.fitting.selection import Losses, Selection
from sklearn_seqae.modules.batch import RowLosses
from sklearn_seqae.training.batches import Batches
from sklearn_seqae.training.net import AutoencoderNet

MAX_FOLDS = 5
EPOCH_RATIO = 1.5  # between epochs at which nearest-point codes are measured
MAX_VALIDATION_ROWS = 5000  # maximum number of validation rows of one split
MAX_VALIDATION_ROWS_ORDERED = 1000  # for ordered codes, decoded once for each size
# Attributes of a monitor that are numbers and change in training.
NUMBERS = (
    "next_refined",
    "lowest_loss",
    "lowest_refined_loss",
    "lowest_kept_loss",
    "n_without_improvement",
)

Split = tuple[NDArray[np.int64], NDArray[np.int64]]  # training and validation rows


def validation_splits(
    n: int,
    validation_fraction: float,
    seed: int,
    *,
    n_enough: int,
    n_max: int,
    n_components: int,
    in_blocks: bool = False,
) -> list[Split]:
    """Return pairs of training rows and validation rows.

    The result of a single split of few rows depends on chance. Folds are therefore used
    until enough rows have been held out once.

    Parameters
    ----------
    n : int
        Number of rows.

    validation_fraction : float
        Fraction of the rows in each fold.

    seed : int
        Seed of the shuffling.

    n_enough : int
        Number of rows to hold out, over all folds.

    n_max : int
        Maximum number of validation rows of one split.

    n_components : int
        Number of components of PCA, which needs more training rows than that. Folds are
        smaller if there would be fewer.

    in_blocks : bool, default=False
        Whether a fold is a block of consecutive rows, the last ones first. Windows of
        one series overlap, so random folds would share time steps with training rows.

    Returns
    -------
    splits : list of (ndarray, ndarray)
        Training rows and validation rows of each split; empty for a single row.
    """
    if n < 2:
        return []
    n_folds = n_used = max(2, round(1 / validation_fraction))
    if n - n / n_folds <= n_components:
        n_folds = 10
    n_folds = min(n, n_folds)
    n_used = min(n_used, n_folds, MAX_FOLDS, -(-n_enough * n_folds // n))
    if n_used > 1 or n / n_folds < n_max:
        if in_blocks:
            return list(KFold(n_folds).split(np.empty(n)))[::-1][:n_used]
        split = KFold(n_folds, shuffle=True, random_state=seed)
        return list(split.split(np.empty(n)))[:n_used]
    if in_blocks:
        return [(np.arange(n - n_max), np.arange(n - n_max, n))]
    split = ShuffleSplit(1, test_size=n_max, random_state=seed)
    return list(split.split(np.empty(n)))


def splits_of(samples: Samples, config: TrainingConfig, family: Family) -> list[Split]:
    """Return the validation splits; an empty list without early stopping."""
    if not config.early_stopping:
        return []
    is_forecast = family.objective != "reconstruct"
    return validation_splits(
        len(samples),
        config.validation_fraction,
        config.seed,
        n_enough=family.enough_held_out,
        n_max=MAX_VALIDATION_ROWS_ORDERED if config.is_ordered else MAX_VALIDATION_ROWS,
        n_components=int(config.n_components),  # 0 for a fraction
        in_blocks=is_forecast and samples.target is not None,
    )


class ValidationMonitor:
    """Record of the validation losses, with the rule for early stopping.

    Parameters
    ----------
    config : TrainingConfig
        Configuration. `tol` and `n_iter_no_change` determine when to stop.

    net : AutoencoderNet
        Net in training. It is measured at once, for epoch 0.

    data : Batches
        Validation rows.

    keeps_weights : bool
        Whether to keep the weights after epoch 0 and after the best epoch.

    mean, pca : RowLosses of ndarray of shape (M, ...)
        Losses of each validation row for the training mean and for PCA.

    refinement_steps : int, default=0
        Number of steps to nearest-point codes, which decide which epoch is the best.
        Their losses are measured after `EPOCH_RATIO` times more epochs each; in one
        cycle of the learning rate, after 1/2, 3/4 and all of the epochs. 0: the codes
        of the encoder decide, after each epoch.

    Attributes
    ----------
    states : dict
        Weights after epoch 0 and after the best epoch.
    """

    def __init__(
        self,
        config: TrainingConfig,
        net: AutoencoderNet,
        data: Batches,
        *,
        keeps_weights: bool,
        mean: Losses,
        pca: Losses,
        refinement_steps: int = 0,
    ):
        self.config = config
        self.net = net
        self.data = data
        self.keeps_weights = keeps_weights
        self.mean = mean
        self.pca = pca
        self.refinement_steps = refinement_steps
        self.history: list[Losses] = []
        self.refined: dict[int, Losses] = {}
        self.next_refined = 0
        self.states: dict[int, dict[str, Tensor]] = {}
        self.lowest_loss = self.lowest_refined_loss = self.lowest_kept_loss = np.inf
        self.n_without_improvement = 0
        self.record(net.measure(data))

    def record(self, rows: Losses) -> bool:
        """Record the losses after an epoch, for the first time at epoch 0.

        Returns
        -------
        stops : bool
            Whether the loss did not improve for `n_iter_no_change` epochs, neither with
            the codes of the encoder nor with nearest-point codes.
        """
        self.history.append(rows)
        epoch = len(self.history) - 1
        self.n_without_improvement += 1
        self.lowest_loss = self._lowest(rows, self.lowest_loss)
        if not self.refinement_steps:
            self._keep_if_best(epoch, rows)
        elif epoch == self.next_refined:
            self._record_refined(self._measure_refined())
        if self.n_without_improvement < self.config.n_iter_no_change:
            return False
        if self.refinement_steps and epoch not in self.refined:
            refined = self._measure_refined()
            if self.n_without_improvement == 0:
                return False
            self._record_refined(refined)
        return True

    def _lowest(self, rows: Losses, lowest: float) -> float:
        """Return the lowest loss so far, and note an improvement by `tol`."""
        loss = float(rows.total.sum())
        if loss < lowest - self.config.tol * self.history[0].total.sum():
            self.n_without_improvement = 0
        return min(lowest, loss)

    def _measure_refined(self) -> Losses:
        """Return the losses with nearest-point codes after the last epoch."""
        steps = self.refinement_steps
        rows: Losses = self.net.measure(self.data, refinement_steps=steps)
        self.lowest_refined_loss = self._lowest(rows, self.lowest_refined_loss)
        return rows

    def _record_refined(self, rows: Losses) -> None:
        """Record the losses with nearest-point codes after the last epoch."""
        epoch = len(self.history) - 1
        self.refined[epoch] = rows
        self._keep_if_best(epoch, rows)
        if self.net.one_cycle:  # the best epochs are late
            n_epochs = self.config.max_iter
            late = n_epochs // 2, 3 * n_epochs // 4, n_epochs
            self.next_refined = next((e for e in late if e > epoch), epoch + 1)
        else:
            self.next_refined = max(epoch + 1, round(EPOCH_RATIO * epoch))

    def selection(self) -> Selection:
        """Return the recorded losses, at the end of the training."""
        if self.refinement_steps and len(self.history) - 1 not in self.refined:
            self._record_refined(self._measure_refined())
        return self._selection(self.history, self.refined)

    def state(self) -> dict[str, Any]:
        """Return what the epochs so far have changed."""
        return {
            "history": _stacked(self.history),
            "refined": [[epoch, tuple(rows)] for epoch, rows in self.refined.items()],
            "states": {epoch: w for epoch, w in self.states.items() if epoch > 0},
            **{name: getattr(self, name) for name in NUMBERS},
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from the result of `state`, with arrays in place of tensors."""
        epochs = zip(*state["history"], strict=True)
        self.history = [RowLosses(*losses) for losses in epochs]
        self.refined = {epoch: RowLosses(*rows) for epoch, rows in state["refined"]}
        for epoch, weights in state["states"].items():
            tensors = {name: torch.from_numpy(w) for name, w in weights.items()}
            self.states[epoch] = tensors
        for name in NUMBERS:
            setattr(self, name, state[name])

    def _selection(
        self, history: list[Losses], refined: dict[int, Losses]
    ) -> Selection:
        return Selection(
            history=_stacked(history),
            refined=_stacked(list(refined.values())) if refined else None,
            refined_epochs=tuple(refined),
            mean=self.mean,
            pca=self.pca,
            n_values=self.data.n_values,
            is_penalized=self.config.is_penalized,
            fraction=self.config.fraction,
        )

    def _keep_if_best(self, epoch: int, rows: Losses) -> None:
        """Copy the weights of epoch 0, or of an epoch with a lower loss."""
        if not self.keeps_weights:
            return
        start = {0: self.refined[0]} if self.refinement_steps else {}
        loss = self._selection(self.history[:1], start).selection_loss(rows)
        if epoch > 0 and loss >= self.lowest_kept_loss:
            return
        self.lowest_kept_loss = loss
        weights = self.net.average_.state_dict().items()
        copy = {name: weight.clone() for name, weight in weights}
        self.states = {0: self.states.get(0, copy), epoch: copy}


def _stacked(history: list[Losses]) -> Losses:
    """Stack the losses of epochs along a new first axis."""
    return RowLosses(*(np.stack(fields) for fields in zip(*history, strict=True)))
