"""Model selection: the best epoch, from the losses of the validation rows."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from sklearn_seqae.modules.batch import RowLosses

STANDARD_ERRORS = 2.5  # number of standard errors that a gain must exceed
INTERIM_STANDARD_ERRORS = 3.0  # the same before all folds are trained
STANDARD_ERRORS_PER_SIZE = 1.0  # the same for each size of an ordered code
ROUNDING = 1e-8  # rounding error, relative to the squared error with one component
UNSEEN_GAIN = 1.5  # standard errors by which other folds may gain more than the first
LEAST_VARIANCE = 1e-12  # rounding error of float32, squared, in scaled units
MIN_GAIN = 0.01  # minimum gain, relative to the error at epoch 0

Losses = RowLosses[NDArray[np.float64]]


@dataclass(frozen=True)
class Selection:
    """Losses of the validation rows at each epoch, and the best epoch.

    Parameters
    ----------
    history : RowLosses of ndarray of shape (E + 1, M, ...)
        Losses of each of M validation rows after each of E epochs, epoch 0 first.

    mean, pca : RowLosses of ndarray of shape (M, ...)
        Losses of the training mean and of PCA for each validation row.

    n_values : float
        Number of values in the validation rows, without padding.

    is_penalized : bool, default=False
        Whether the total includes a penalty. The loss without the penalty may then
        rise.

    fraction : float or None, default=None
        Fraction of variance to explain with as few components as possible.

    refined : RowLosses of ndarray of shape (R, M, ...) or None, default=None
        Losses with nearest-point codes after some epochs, epoch 0 first. They decide
        which epoch is the best. None: `history` does.

    refined_epochs : tuple of int of length R, default=()
        These epochs.
    """

    history: Losses
    mean: Losses
    pca: Losses
    n_values: float
    is_penalized: bool = False
    fraction: float | None = None
    refined: Losses | None = None
    refined_epochs: tuple[int, ...] = ()

    @classmethod
    def join(cls, parts: list["Selection"]) -> "Selection":
        """Join the folds. The last epoch of a fold that stopped early is repeated."""
        longest = max(parts, key=lambda part: part.n_epochs)
        epochs = range(longest.n_epochs + 1)
        refined = None
        if longest.refined is not None:
            each = [part._refined_at(longest.refined_epochs) for part in parts]
            refined = _joined(each, axis=1)
        return cls(
            history=_joined([_at(part.history, epochs) for part in parts], axis=1),
            mean=_joined([part.mean for part in parts]),
            pca=_joined([part.pca for part in parts]),
            n_values=sum(part.n_values for part in parts),
            is_penalized=parts[0].is_penalized,
            fraction=parts[0].fraction,
            refined=refined,
            refined_epochs=longest.refined_epochs,
        )

    def _refined_at(self, epochs: tuple[int, ...]) -> Losses:
        """Return the losses with nearest-point codes after epochs of another fold."""
        assert self.refined is not None
        return _at(self.refined, np.searchsorted(self.refined_epochs, epochs))

    @property
    def compared(self) -> Losses:
        """Losses after the epochs that are compared, epoch 0 first."""
        return self.history if self.refined is None else self.refined

    @property
    def n_epochs(self) -> int:
        """Number of epochs that were trained."""
        return len(self.history.total) - 1

    @property
    def has_variance(self) -> bool:
        """Whether the validation rows differ from the training mean."""
        total = float(self.mean.squared_error.sum())
        return total > LEAST_VARIANCE * self.n_values

    @property
    def valid_losses(self) -> NDArray[np.float64]:
        """Mean total validation loss at each epoch."""
        losses: NDArray[np.float64] = self.history.total.sum(axis=1) / self.n_values
        return losses

    @property
    def scores(self) -> NDArray[np.float64]:
        """1 minus loss over loss of the mean at each epoch; R² for squared error."""
        losses, reference = self.history.loss.sum(axis=1), self.mean.loss.sum()
        return explained(losses, reference, self.n_values)

    def r2(self) -> dict[str, float]:
        """Return the validation R² of the best epoch, of PCA and of the mean."""
        model = self.compared.squared_error[self._best()].sum()
        mean, pca = self.mean.squared_error.sum(), self.pca.squared_error.sum()
        return {
            "model": float(explained(model, mean, self.n_values)),
            "pca": float(explained(pca, mean, self.n_values)),
            "mean": 0.0,
        }

    def r2_by_size(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the validation R² of ordered codes truncated to 1, ..., Z components.

        Returns
        -------
        model, pca : ndarray of shape (Z,)
        """
        mean = self.mean.squared_error.sum()
        model = self.compared.squared_error_by_size[self._best()].sum(axis=0)
        pca = self.pca.squared_error_by_size.sum(axis=0)
        return (
            explained(model, mean, self.n_values),
            explained(pca, mean, self.n_values),
        )

    def best_epoch(self, n_errors: float = STANDARD_ERRORS) -> int:
        """Return the epoch with the lowest validation loss if its gain is significant.

        The square roots of the rows' losses are compared with those at epoch 0, because
        the losses are heavy-tailed and one outlier could determine the result. The mean
        gain minus `n_errors` standard errors must exceed `MIN_GAIN`; otherwise epoch 0
        is kept. For few rows, the number of standard errors follows from Student's t
        distribution. For ordered codes, the gain must also be significant at each size,
        by one standard error.

        With a fraction, the best epoch reaches it with the smallest number of
        components, and the gain is the gain at this size, which must exceed one
        standard error.
        """
        best = self._best(n_errors)
        return best if self.refined is None else self.refined_epochs[best]

    def _best(self, n_errors: float = STANDARD_ERRORS) -> int:
        """Return the position of the best epoch among those that are compared."""
        losses, compared = self._selection_losses, self.compared
        best = int(np.argmin(losses))
        losses_of_rows, min_gain = compared.total, MIN_GAIN
        if self.fraction is not None:
            sizes = compared.squared_error_by_size
            size = min(int(np.ceil(losses[best])), sizes.shape[2])
            losses_of_rows = compared.squared_error
            if size > 0:
                losses_of_rows = sizes[:, :, size - 1]
            n_errors, min_gain = STANDARD_ERRORS_PER_SIZE, 0.0
        start, end = np.sqrt(losses_of_rows[[0, best]])
        is_better = gain_lower_bound(start - end, n_errors) > min_gain * start.mean()
        return best if is_better else 0

    def is_decided(self, n_rows: int) -> bool:
        """Return whether more folds are unlikely to change which epoch is kept.

        The best epoch is kept if the gain of these rows exceeds
        `INTERIM_STANDARD_ERRORS` standard errors (Haybittle, 1971; Peto et al., 1976).
        Epoch 0 is kept if a significant gain is unlikely. With ordered codes and with a
        penalty, all folds are needed.

        Parameters
        ----------
        n_rows : int
            Number of validation rows of all folds.
        """
        if self.is_penalized or self.compared.squared_error_by_size.shape[2]:
            return False
        return self._is_futile(n_rows) or self.best_epoch(INTERIM_STANDARD_ERRORS) > 0

    def _is_futile(self, n_rows: int) -> bool:
        """Return whether a significant gain of all n rows is unlikely.

        The gain of the rows of other folds is assumed to be `UNSEEN_GAIN` standard
        errors higher than the gain of these rows, at their best epoch. If the mean over
        all n rows is then not significant, `best_epoch` will keep epoch 0 (stochastic
        curtailment; Lan, Simon and Halperin, 1982).
        """
        best = int(np.argmin(self._selection_losses))
        start, end = np.sqrt(self.compared.total[[0, best]])
        gain, n = start - end, len(start)
        if n < 2:
            return False
        spread = gain.std(ddof=1)
        others = gain.mean() + UNSEEN_GAIN * spread / np.sqrt(n)
        mean = (n * gain.mean() + (n_rows - n) * others) / n_rows
        needed = MIN_GAIN * start.mean() + STANDARD_ERRORS * spread / np.sqrt(n_rows)
        return bool(mean <= needed)

    def selection_loss(self, rows: Losses) -> float:
        """Return the loss of an epoch for the comparison of epochs.

        It is infinite if an ordered code has no gain at some size. It is also infinite
        if the loss of the reconstruction is larger than at epoch 0, unless there is a
        penalty. With a fraction, it is the number of components that explain it.
        """
        if self.fraction is not None:
            return components_needed(rows, self.mean, self.fraction)
        start, total = _at(self.compared, 0), float(rows.total.sum())
        if self.is_penalized:
            return total
        if rows.loss.sum() > start.loss.sum():
            return np.inf
        by_size, at_start = rows.squared_error_by_size, start.squared_error_by_size
        error, start_error = by_size.sum(axis=0), at_start.sum(axis=0)
        # A size whose error is rounding error only cannot be improved.
        is_compared = start_error > ROUNDING * start_error.max(initial=0)
        gain = gain_lower_bound(
            np.sqrt(at_start) - np.sqrt(by_size), STANDARD_ERRORS_PER_SIZE
        )
        if ((error > (1 - MIN_GAIN) * start_error) | (gain <= 0))[is_compared].any():
            return np.inf
        return total

    @cached_property
    def _selection_losses(self) -> list[float]:
        """Loss of each epoch that is compared, for the comparison."""
        compared = self.compared
        positions = range(len(compared.total))
        return [self.selection_loss(_at(compared, i)) for i in positions]


def _at(losses: Losses, positions: Any) -> Losses:
    """Take losses at some positions of the first axis, at most the last one."""
    last = len(losses.total) - 1
    return RowLosses(*(field[np.minimum(positions, last)] for field in losses))


def _joined(parts: list[Losses], axis: int = 0) -> Losses:
    """Concatenate losses along the axis of the rows."""
    fields = zip(*parts, strict=True)
    return RowLosses(*(np.concatenate(arrays, axis=axis) for arrays in fields))


def gain_lower_bound(gain: NDArray[np.float64], n_errors: float) -> NDArray[np.float64]:
    """Return the mean gain minus a number of standard errors.

    Parameters
    ----------
    gain : ndarray of shape (M, ...)
        Gain of each validation row.

    n_errors : float
        Number of standard errors for a normal distribution. It is converted to the
        quantile of Student's t distribution with M - 1 degrees of freedom.

    Returns
    -------
    bound : ndarray of shape (...)
        Lower confidence bound of the mean gain; -inf if there is a single row.
    """
    n = len(gain)
    if n < 2:
        return np.full(gain.shape[1:], -np.inf)
    n_errors = stdtrit(n - 1, ndtr(n_errors))
    bound: NDArray[np.float64] = gain.mean(axis=0) - n_errors * gain.std(
        axis=0, ddof=1
    ) / np.sqrt(n)
    return bound


def components_needed(rows: Losses, mean: Losses, fraction: float) -> float:
    """Return the interpolated number of components that explain a fraction.

    It is larger than the latent size if all components together explain less than the
    fraction.
    """
    total = mean.squared_error.sum()
    allowed = (1 - fraction) * total
    # Squared error with 0, 1, ..., Z components.
    errors = np.r_[total, rows.squared_error_by_size.sum(axis=0)]
    reached = np.flatnonzero(errors <= allowed)
    if not len(reached):
        return float(len(errors) + errors[-1] / total)
    size = int(reached[0])
    if size == 0:
        return 0.0
    above, below = errors[size - 1], errors[size]
    return float(size - (allowed - below) / (above - below))


def explained(
    error: NDArray[np.float64], reference: float, n_values: float
) -> NDArray[np.float64]:
    """Return 1 - error / reference, or 0 if the reference is a rounding error.

    Both are sums over n values, in scaled units. `error` is an array of any shape or a
    number.
    """
    if reference <= LEAST_VARIANCE * n_values:
        return np.zeros_like(error)
    return 1 - error / reference


def mean_curve(curves: list[list[float]]) -> list[float]:
    """Return the mean of curves. The last value of a shorter curve is repeated."""
    longest = max(map(len, curves))
    padded = [np.pad(curve, (0, longest - len(curve)), "edge") for curve in curves]
    mean: list[float] = np.mean(padded, axis=0).tolist()
    return mean
