"""Validation splits, and the record of the validation losses."""

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold, ShuffleSplit
from torch import Tensor

from sklearn_seqae.fitting.config import TrainingConfig
from sklearn_seqae.fitting.selection import Losses, Selection
from sklearn_seqae.modules.batch import RowLosses
from sklearn_seqae.training.batches import Batches
from sklearn_seqae.training.net import AutoencoderNet

MAX_FOLDS = 5
MAX_VALIDATION_ROWS = 5000  # maximum number of validation rows of one split
MAX_VALIDATION_ROWS_ORDERED = 1000  # for ordered codes, decoded once for each size

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
        self.lowest_loss = self.lowest_kept_loss = np.inf
        self.n_without_improvement = 0
        self.record(net.measure(data))

    def record(self, rows: Losses) -> bool:
        """Record the losses after an epoch, for the first time at epoch 0.

        Returns
        -------
        stops : bool
            Whether the loss did not improve for `n_iter_no_change` epochs.
        """
        self.history.append(rows)
        epoch, loss = len(self.history) - 1, rows.total.sum()
        if loss < self.lowest_loss - self.config.tol * self.history[0].total.sum():
            self.n_without_improvement = 0
        else:
            self.n_without_improvement += 1
        self.lowest_loss = min(self.lowest_loss, loss)
        if self.keeps_weights:
            self._keep_if_best(
                epoch, self._selection([self.history[0]]).selection_loss(rows)
            )
        return self.n_without_improvement >= self.config.n_iter_no_change

    def selection(self) -> Selection:
        """Return the recorded losses."""
        return self._selection(self.history)

    def _selection(self, history: list[Losses]) -> Selection:
        stacked = (np.stack(arrays) for arrays in zip(*history, strict=True))
        return Selection(
            history=RowLosses(*stacked),
            mean=self.mean,
            pca=self.pca,
            n_values=self.data.n_values,
            is_penalized=self.config.is_penalized,
            fraction=self.config.fraction,
        )

    def _keep_if_best(self, epoch: int, loss: float) -> None:
        """Copy the weights of epoch 0, or of an epoch with a lower loss."""
        if epoch > 0 and loss >= self.lowest_kept_loss:
            return
        self.lowest_kept_loss = loss
        weights = self.net.average_.state_dict().items()
        copy = {name: weight.clone() for name, weight in weights}
        self.states = {0: self.states.get(0, copy), epoch: copy}
