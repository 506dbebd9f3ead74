"""Validation splits, and the monitor of the validation losses."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold, ShuffleSplit
from torch import Tensor

from sklearn_seqae.fitting.config import TrainingConfig
from sklearn_seqae.fitting.selection import Losses, Selection
from sklearn_seqae.modules.batch import RowLosses
from sklearn_seqae.training.batches import Batches
from sklearn_seqae.training.net import AutoencoderNet

MOST_HELD_OUT = 5000  # maximum number of validation rows of one split
MOST_HELD_OUT_ORDERED = 1000  # the same if each row is decoded once for each size

Split = tuple[NDArray, NDArray]


def held_out_splits(
    n: int,
    validation_fraction: float,
    seed: int,
    *,
    enough: int,
    most: int,
    n_components: int,
    in_blocks: bool = False,
) -> list[Split]:
    """Return pairs of training rows and validation rows.

    A single split of few rows depends on chance. So folds of `validation_fraction` are
    used until enough rows have been held out once.

    Parameters
    ----------
    n : int
        Number of rows.

    validation_fraction : float
        Fraction of the rows in each fold.

    seed : int
        Seed of the shuffling.

    enough : int
        Number of rows to hold out, over all folds.

    most : int
        Maximum number of validation rows of one split.

    n_components : int
        Minimum number of rows for PCA. Folds are smaller if it would have fewer.

    in_blocks : bool, default=False
        Whether a fold is a block of consecutive rows, the last ones first. Windows of
        one series overlap, so random folds would share time steps with training rows.
    """
    if n < 2:
        return []
    n_folds = n_used = max(2, round(1 / validation_fraction))
    if n - n / n_folds <= n_components:
        n_folds = 10
    n_folds = min(n, n_folds)
    n_used = min(n_used, n_folds, -(-enough * n_folds // n))
    if n_used > 1 or n / n_folds < most:
        if in_blocks:
            return list(KFold(n_folds).split(np.empty(n)))[::-1][:n_used]
        split = KFold(n_folds, shuffle=True, random_state=seed)
        return list(split.split(np.empty(n)))[:n_used]
    if in_blocks:
        return [(np.arange(n - most), np.arange(n - most, n))]
    split = ShuffleSplit(1, test_size=most, random_state=seed)
    return list(split.split(np.empty(n)))


class ValidationMonitor:
    """Record the losses of the validation rows, and stop without improvement.

    Parameters
    ----------
    config : TrainingConfig
        Configuration with `tol` and `n_iter_no_change`.

    net : AutoencoderNet
        Net that is trained.

    data : Batches
        Validation rows.

    keeps_weights : bool
        Whether the weights of epoch 0 and of the best epoch are kept.

    mean, pca : RowLosses of ndarray of shape (M, ...)
        Losses of each validation row for the training mean and for PCA.

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
    ):
        self.config = config
        self.net = net
        self.data = data
        self.keeps_weights = keeps_weights
        self.mean = mean
        self.pca = pca
        self.history: list[Losses] = []
        self.states: dict[int, dict[str, Tensor]] = {}
        self.least = self.least_kept = np.inf
        self.misses = 0
        self.record(net.measure(data))

    def record(self, rows: Losses) -> bool:
        """Record the losses after an epoch. Return True if the training should stop.

        The first call is for epoch 0.
        """
        self.history.append(rows)
        epoch, loss = len(self.history) - 1, rows.total.sum()
        if loss < self.least - self.config.tol * self.history[0].total.sum():
            self.misses = 0
        else:
            self.misses += 1
        self.least = min(self.least, loss)
        if self.keeps_weights:
            self._keep_if_best(epoch, self._selection([self.history[0]]).loss_of(rows))
        return self.misses >= self.config.n_iter_no_change

    def selection(self) -> Selection:
        """Return the recorded losses."""
        return self._selection(self.history)

    def _selection(self, history: list[Losses]) -> Selection:
        stacked: Any = (np.stack(arrays) for arrays in zip(*history, strict=True))
        return Selection(
            history=RowLosses(*stacked),
            mean=self.mean,
            pca=self.pca,
            n_values=self.data.n_values,
            is_penalized=self.config.is_penalized,
            fraction=self.config.fraction,
        )

    def _keep_if_best(self, epoch: int, loss: float) -> None:
        if epoch > 0 and loss >= self.least_kept:
            return
        self.least_kept = loss
        weights = self.net.average_.state_dict().items()
        copy = {name: weight.clone() for name, weight in weights}
        self.states = {0: self.states.get(0, copy), epoch: copy}
