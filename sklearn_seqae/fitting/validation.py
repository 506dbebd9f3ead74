"""Validation splits, and the monitor of the validation rows during a training."""

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

MOST_HELD_OUT = 5000  # rows of one split, enough to tell the epochs apart
MOST_HELD_OUT_ORDERED = 1000  # where each row is decoded once for each size

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

    With few rows a single split depends on chance: then there are more of them, folds
    of `validation_fraction`, until enough rows have been held out once.

    Parameters
    ----------
    n : int
        Rows.

    validation_fraction : float
        Share of the rows in each fold.

    seed : int
        Source of the shuffling.

    enough : int
        Rows to hold out, over all folds.

    most : int
        Most rows of one split.

    n_components : int
        Rows that PCA needs at least; folds are smaller where it would have fewer.

    in_blocks : bool, default=False
        Whether neighbouring rows are held out together, the last ones first: windows
        of one series overlap, and a random share of them would have been seen.
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
    """Record the losses of the validation rows, and end a training that gains nothing.

    Parameters
    ----------
    config : TrainingConfig
        Its `tol` and `n_iter_no_change` are used.

    net : AutoencoderNet
        What is trained.

    data : Batches
        The validation rows.

    keeps_weights : bool
        Whether the weights of epoch 0 and of the best epoch are kept.

    mean, pca : RowLosses of ndarray of shape (M, ...)
        Losses of each validation row for the training mean and for PCA.

    Attributes
    ----------
    states : dict
        Weights by epoch: of epoch 0 and of the best one.
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
        self.course: list[Losses] = []
        self.states: dict[int, dict[str, Tensor]] = {}
        self.least = self.least_kept = np.inf
        self.misses = 0
        self.record(net.measure(data))

    def record(self, rows: Losses) -> bool:
        """Record the losses after one more epoch; True when the training should stop.

        Epoch 0 is the first.
        """
        self.course.append(rows)
        epoch, loss = len(self.course) - 1, rows.total.sum()
        if loss < self.least - self.config.tol * self.course[0].total.sum():
            self.misses = 0
        else:
            self.misses += 1
        self.least = min(self.least, loss)
        if self.keeps_weights:
            self._keep_if_best(epoch, self._selection([self.course[0]]).loss_of(rows))
        return self.misses >= self.config.n_iter_no_change

    def selection(self) -> Selection:
        """Return what was recorded."""
        return self._selection(self.course)

    def _selection(self, course: list[Losses]) -> Selection:
        stacked: Any = (np.stack(arrays) for arrays in zip(*course, strict=True))
        return Selection(
            course=RowLosses(*stacked),
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
