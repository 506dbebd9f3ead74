"""Model selection: which epoch is kept, by rows that training has not seen."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from sklearn_seqae.modules.batch import RowLosses

SURE = 2.5  # standard errors, of very many rows
SURE_OF_A_SIZE = 1.0  # the same, of one size of an ordered code
ROUNDING = 1e-8  # of the squared error with one component
WORTH_IT = 0.01  # of the error at epoch 0

Losses = RowLosses[NDArray[np.float64]]


@dataclass(frozen=True)
class Selection:
    """Losses of the validation rows at each epoch, and the epoch that they select.

    Parameters
    ----------
    course : RowLosses of ndarray of shape (E + 1, M, ...)
        Of each epoch, epoch 0 first, and each validation row.

    mean, pca : RowLosses of ndarray of shape (M, ...)
        The same of the training mean and of PCA.

    n_values : int
        Values in the validation rows, without padding.

    is_penalized : bool, default=False
        Whether the total is the loss and a penalty: then the loss may rise.

    fraction : float or None, default=None
        Share of the squared error to explain, with the fewest components.
    """

    course: Losses
    mean: Losses
    pca: Losses
    n_values: float
    is_penalized: bool = False
    fraction: float | None = None

    @classmethod
    def join(cls, parts: list["Selection"]) -> "Selection":
        """Put the folds side by side; one that stopped early keeps its last epoch."""
        longest = max(part.n_epochs for part in parts) + 1

        def pad(course: NDArray) -> NDArray:
            missing = (0, longest - len(course))
            return np.pad(course, [missing] + [(0, 0)] * (course.ndim - 1), "edge")

        courses = [RowLosses(*map(pad, part.course)) for part in parts]
        return cls(
            course=_joined(courses, axis=1),
            mean=_joined([part.mean for part in parts]),
            pca=_joined([part.pca for part in parts]),
            n_values=sum(part.n_values for part in parts),
            is_penalized=parts[0].is_penalized,
            fraction=parts[0].fraction,
        )

    @property
    def n_epochs(self) -> int:
        """Number of epochs that were trained."""
        return len(self.course.total) - 1

    @property
    def valid_losses(self) -> NDArray:
        """Mean total loss of a validation value at each epoch."""
        return self.course.total.sum(axis=1) / self.n_values

    @property
    def scores(self) -> NDArray:
        """Share of the mean's loss that each epoch explains; R² for squared error."""
        return explained(self.course.loss.sum(axis=1), self.mean.loss.sum())

    def r2(self) -> dict[str, float]:
        """Held-out R² of the best epoch, of PCA and of the training mean."""
        model = self.course.squared_error[self.best_epoch()].sum()
        mean, pca = self.mean.squared_error.sum(), self.pca.squared_error.sum()
        return {
            "model": float(explained(model, mean)),
            "pca": float(explained(pca, mean)),
            "mean": 0.0,
        }

    def r2_by_size(self) -> tuple[NDArray, NDArray]:
        """Held-out R² of ordered codes cut to 1, ..., Z components.

        Returns
        -------
        model, pca : ndarray of shape (Z,)
        """
        mean = self.mean.squared_error.sum()
        model = self.course.squared_error_by_size[self.best_epoch()].sum(axis=0)
        pca = self.pca.squared_error_by_size.sum(axis=0)
        return explained(model, mean), explained(pca, mean)

    def best_epoch(self) -> int:
        """Return the epoch of the least held-out loss, if its gain is significant.

        The roots of the rows' losses are compared with those at epoch 0: the losses
        themselves are heavy-tailed, and one outlying row would decide. Their mean gain,
        less `SURE` times its standard error (with few rows by Student's t), must be
        more than `WORTH_IT`; otherwise epoch 0 is kept. The mean gain of an ordered
        code must be so at each of its sizes, by one standard error.

        Where a fraction is asked for, the best epoch is the one that reaches it with
        the fewest components, and the gain is that of a code of this size.
        """
        losses = [self.loss_of(rows) for rows in self._epochs()]
        best = int(np.argmin(losses))
        measure, sure, worth_it = self.course.total, SURE, WORTH_IT
        if self.fraction is not None:
            sizes = self.course.squared_error_by_size
            size = min(int(np.ceil(losses[best])), sizes.shape[2])
            measure = sizes[:, :, size - 1] if size else self.course.squared_error
            sure, worth_it = SURE_OF_A_SIZE, 0
        start, end = np.sqrt(measure[[0, best]])
        return best if sure_gain(start - end, sure) > worth_it * start.mean() else 0

    def loss_of(self, rows: Losses) -> float:
        """Return the loss of an epoch, by which epochs are compared.

        It is infinite where an ordered code has no gain at some size, and where a
        forecast gains at the cost of the reconstruction beside it; a penalty may gain
        at that cost. Where a fraction is asked for, it is the number of components
        that reach it.
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
        if ((now > (1 - WORTH_IT) * then) | (gain <= 0))[counts].any():
            return np.inf
        return rows.total.sum()

    def at(self, epoch: int) -> Losses:
        """Return the losses of the validation rows at one epoch."""
        return RowLosses(*(losses[epoch] for losses in self.course))

    def _epochs(self) -> list[Losses]:
        return [self.at(epoch) for epoch in range(self.n_epochs + 1)]


def _joined(parts: list[Losses], axis: int = 0) -> Losses:
    fields = zip(*parts, strict=True)
    return RowLosses(*(np.concatenate(arrays, axis=axis) for arrays in fields))


def sure_gain(gain: NDArray, sure: float) -> Any:
    """Mean gain of the rows, less so many standard errors: of few, by Student's t."""
    n = len(gain)
    if n < 2:
        return np.full(gain.shape[1:], -np.inf)
    sure = stdtrit(n - 1, ndtr(sure))
    return gain.mean(axis=0) - sure * gain.std(axis=0, ddof=1) / np.sqrt(n)


def components_needed(rows: Losses, mean: Losses, fraction: float) -> float:
    """Components that explain a fraction of the squared error, between sizes too.

    More than there are where all of them together do not.
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
    """Return 1 - error / reference, and 0 where the reference is 0."""
    if reference == 0:
        return np.zeros_like(error)
    return 1 - error / reference
