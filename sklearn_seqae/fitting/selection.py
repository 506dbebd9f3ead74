"""Model selection: the best epoch, from the losses of the validation rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from sklearn_seqae.modules.batch import RowLosses

SURE = 2.5  # standard errors that a gain must exceed, for many rows
SURE_OF_A_SIZE = 1.0  # the same for each size of an ordered code
ROUNDING = 1e-8  # rounding error, relative to the squared error with one component
MIN_GAIN = 0.01  # relative to the error at epoch 0

Losses = RowLosses[NDArray[np.float64]]


@dataclass(frozen=True)
class Selection:
    """Losses of the validation rows at each epoch, and the best epoch.

    Parameters
    ----------
    history : RowLosses of ndarray of shape (E + 1, M, ...)
        Losses of each epoch, epoch 0 first, and each validation row.

    mean, pca : RowLosses of ndarray of shape (M, ...)
        Losses of the training mean and of PCA for each validation row.

    n_values : int
        Number of values in the validation rows, without padding.

    is_penalized : bool, default=False
        Whether the total includes a penalty. Then the loss itself may rise.

    fraction : float or None, default=None
        Fraction of variance to explain with the smallest number of components.
    """

    history: Losses
    mean: Losses
    pca: Losses
    n_values: float
    is_penalized: bool = False
    fraction: float | None = None

    @classmethod
    def join(cls, parts: list["Selection"]) -> "Selection":
        """Join the folds. A fold that stopped early repeats its last epoch."""
        longest = max(part.n_epochs for part in parts) + 1

        def pad(history: NDArray) -> NDArray:
            missing = (0, longest - len(history))
            return np.pad(history, [missing] + [(0, 0)] * (history.ndim - 1), "edge")

        histories = [RowLosses(*map(pad, part.history)) for part in parts]
        return cls(
            history=_joined(histories, axis=1),
            mean=_joined([part.mean for part in parts]),
            pca=_joined([part.pca for part in parts]),
            n_values=sum(part.n_values for part in parts),
            is_penalized=parts[0].is_penalized,
            fraction=parts[0].fraction,
        )

    @property
    def n_epochs(self) -> int:
        """Number of epochs that were trained."""
        return len(self.history.total) - 1

    @property
    def valid_losses(self) -> NDArray:
        """Mean total validation loss at each epoch."""
        return self.history.total.sum(axis=1) / self.n_values

    @property
    def scores(self) -> NDArray:
        """1 minus loss over loss of the mean at each epoch; R² for squared error."""
        return explained(self.history.loss.sum(axis=1), self.mean.loss.sum())

    def r2(self) -> dict[str, float]:
        """Return the validation R² of the best epoch, of PCA and of the mean."""
        model = self.history.squared_error[self.best_epoch()].sum()
        mean, pca = self.mean.squared_error.sum(), self.pca.squared_error.sum()
        return {
            "model": float(explained(model, mean)),
            "pca": float(explained(pca, mean)),
            "mean": 0.0,
        }

    def r2_by_size(self) -> tuple[NDArray, NDArray]:
        """Return the validation R² of ordered codes truncated to 1, ..., Z components.

        Returns
        -------
        model, pca : ndarray of shape (Z,)
        """
        mean = self.mean.squared_error.sum()
        model = self.history.squared_error_by_size[self.best_epoch()].sum(axis=0)
        pca = self.pca.squared_error_by_size.sum(axis=0)
        return explained(model, mean), explained(pca, mean)

    def best_epoch(self) -> int:
        """Return the epoch of the smallest validation loss if its gain is significant.

        The square roots of the rows' losses are compared with those at epoch 0, because
        the losses are heavy-tailed and one outlier would decide. The mean gain minus
        `SURE` standard errors (with few rows according to Student's t) must exceed
        `MIN_GAIN`; otherwise epoch 0 is kept. For ordered codes, the gain must also be
        significant at each size, by one standard error.

        With a fraction, the best epoch reaches it with the smallest number of
        components, and the gain is that of a code of this size.
        """
        losses = [self.loss_of(rows) for rows in self._epochs()]
        best = int(np.argmin(losses))
        measure, sure, min_gain = self.history.total, SURE, MIN_GAIN
        if self.fraction is not None:
            sizes = self.history.squared_error_by_size
            size = min(int(np.ceil(losses[best])), sizes.shape[2])
            measure = sizes[:, :, size - 1] if size else self.history.squared_error
            sure, min_gain = SURE_OF_A_SIZE, 0
        start, end = np.sqrt(measure[[0, best]])
        return best if sure_gain(start - end, sure) > min_gain * start.mean() else 0

    def loss_of(self, rows: Losses) -> float:
        """Return the loss of an epoch, by which epochs are compared.

        It is infinite if an ordered code has no gain at some size, or if the loss of
        the reconstruction rises while another part of the total falls (except for a
        penalty). With a fraction, it is the number of components that reach it.
        """
        if self.fraction is not None:
            return components_needed(rows, self.mean, self.fraction)
        start = self.at(0)
        if self.is_penalized:
            return rows.total.sum()
        if rows.loss.sum() > start.loss.sum():
            return np.inf
        by_size, at_start = rows.squared_error_by_size, start.squared_error_by_size
        now, then = by_size.sum(axis=0), at_start.sum(axis=0)
        counts = then > ROUNDING * then.max(initial=0)
        gain = sure_gain(np.sqrt(at_start) - np.sqrt(by_size), SURE_OF_A_SIZE)
        if ((now > (1 - MIN_GAIN) * then) | (gain <= 0))[counts].any():
            return np.inf
        return rows.total.sum()

    def at(self, epoch: int) -> Losses:
        """Return the losses of the validation rows at one epoch."""
        return RowLosses(*(losses[epoch] for losses in self.history))

    def _epochs(self) -> list[Losses]:
        return [self.at(epoch) for epoch in range(self.n_epochs + 1)]


def _joined(parts: list[Losses], axis: int = 0) -> Losses:
    fields = zip(*parts, strict=True)
    return RowLosses(*(np.concatenate(arrays, axis=axis) for arrays in fields))


def sure_gain(gain: NDArray, sure: float) -> Any:
    """Return the mean gain minus `sure` standard errors, according to Student's t."""
    n = len(gain)
    if n < 2:
        return np.full(gain.shape[1:], -np.inf)
    sure = stdtrit(n - 1, ndtr(sure))
    return gain.mean(axis=0) - sure * gain.std(axis=0, ddof=1) / np.sqrt(n)


def components_needed(rows: Losses, mean: Losses, fraction: float) -> float:
    """Return the interpolated number of components that explain a fraction.

    It exceeds the latent size if all components together do not.
    """
    total = mean.squared_error.sum()
    allowed = (1 - fraction) * total
    left = np.r_[total, rows.squared_error_by_size.sum(axis=0)]
    reached = np.flatnonzero(left <= allowed)
    if not len(reached):
        return len(left) + left[-1] / total
    size = int(reached[0])
    if size == 0:
        return 0.0
    return size - (allowed - left[size]) / (left[size - 1] - left[size])


def explained(error: Any, reference: Any) -> Any:
    """Return 1 - error / reference, or 0 if the reference is 0."""
    if reference == 0:
        return np.zeros_like(error)
    return 1 - error / reference
