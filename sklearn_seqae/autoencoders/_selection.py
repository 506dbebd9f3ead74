"""Which epoch to keep: measured on rows that neither PCA nor the network has seen."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, stdtrit
from sklearn.model_selection import KFold, ShuffleSplit

SURE = 2.5  # standard errors, of very many rows
SURE_OF_A_SIZE = 1.0  # the same, of one size of an ordered code
ROUNDING = 1e-8  # of the squared error with one component
WORTH_IT = 0.01  # of the start's error
REFIT_BELOW = 40_000  # rows, above which those held out would change little


def held_out_splits(
    n, validation_fraction, seed, *, enough, most, n_components, in_blocks=False
):
    """Pairs of (training rows, held-out rows).

    With few rows a single split is a lottery: then there are more of them, folds of
    `validation_fraction`, until enough rows have been held out once.

    Parameters
    ----------
    n : int
        Rows.

    validation_fraction : float
        Share of the rows in each fold.

    seed : int
        Source of the shuffling.

    enough : int
        Rows to hold out.

    most : int
        Most rows of one split.

    n_components : int
        Rows that PCA needs at least; folds are smaller where these would lack.

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
        return [np.split(np.arange(n), [n - most])]
    split = ShuffleSplit(1, test_size=most, random_state=seed)
    return list(split.split(np.empty(n)))


@dataclass
class Selection:
    """What the held-out rows say of each epoch, epoch 0 first.

    The columns are those of `Objective.rows`: what is trained on, the loss, the
    squared error, and for ordered codes the squared errors of each size.

    Parameters
    ----------
    course : ndarray of shape (E + 1, M, 3 or more)
        Of each epoch and held-out row.

    mean, pca : ndarray of shape (M, 3 or more)
        The same of the training mean and of PCA.

    n_values : int
        Real values in the held-out rows.

    is_penalised : bool, default=False
        Whether what is trained on is the loss and a penalty, at whose cost the loss
        may well rise.

    fraction : float or None, default=None
        Share of the squared error that is to be explained, by the fewest components.
    """

    course: np.ndarray
    mean: np.ndarray
    pca: np.ndarray
    n_values: int
    is_penalised: bool = False
    fraction: float | None = None

    @classmethod
    def join(cls, parts):
        """Put the folds side by side; one that stopped early stays as it was."""
        longest = max(len(part.course) for part in parts)
        courses = [
            np.pad(
                part.course, ((0, longest - len(part.course)), (0, 0), (0, 0)), "edge"
            )
            for part in parts
        ]
        return cls(
            course=np.concatenate(courses, axis=1),
            mean=np.concatenate([part.mean for part in parts]),
            pca=np.concatenate([part.pca for part in parts]),
            n_values=sum(part.n_values for part in parts),
            is_penalised=parts[0].is_penalised,
            fraction=parts[0].fraction,
        )

    @property
    def valid_losses(self):
        """Mean over the held-out values of what is trained on, for each epoch."""
        return self.course[:, :, 0].sum(axis=1) / self.n_values

    @property
    def scores(self):
        """Share of the mean's loss that each epoch explains; R² for squared error."""
        return explained(self.course[:, :, 1].sum(axis=1), self.mean[:, 1].sum())

    def r2(self):
        """Held-out R² of the best epoch, of PCA and of the training mean."""
        model = self.course[self.best_epoch(), :, 2].sum()
        mean, pca = self.mean[:, 2].sum(), self.pca[:, 2].sum()
        return {
            "model": float(explained(model, mean)),
            "pca": float(explained(pca, mean)),
            "mean": 0.0,
        }

    def r2_by_size(self):
        """Held-out R² of ordered codes cut to 1, ..., Z components.

        Returns
        -------
        model, pca : ndarray of shape (Z,)
        """
        mean = self.mean[:, 2].sum()
        model = self.course[self.best_epoch(), :, 3:].sum(axis=0)
        return explained(model, mean), explained(self.pca[:, 3:].sum(axis=0), mean)

    def best_epoch(self):
        """The epoch of the least held-out loss, if that is surely worth it.

        What is compared with epoch 0 are the roots of the rows' losses: losses
        themselves are heavy-tailed, one outlying row would decide. Their mean gain,
        less `SURE` times its standard error (with few rows as much more as Student's t
        asks for), must be more than `WORTH_IT`; else the start is kept. The mean gain
        of an ordered code must be so at each of its sizes, and surely one.

        Where a fraction is asked for, it is the epoch that reaches it with the fewest
        components, and the gain is that of a code of this size.
        """
        losses = [self.loss_of(rows) for rows in self.course]
        best = int(np.argmin(losses))
        column, sure, worth_it = 0, SURE, WORTH_IT
        if self.fraction is not None:
            last = self.course.shape[2] - 1
            column = min(2 + int(np.ceil(losses[best])), last)
            sure, worth_it = SURE_OF_A_SIZE, 0
        start, end = np.sqrt(self.course[[0, best], :, column])
        return best if sure_gain(start - end, sure) > worth_it * start.mean() else 0

    def loss_of(self, rows):
        """Loss of an epoch; infinite where an ordered code is not worth it at any size.

        So it is where a forecast gains at the cost of the reconstruction beside it; a
        penalty may gain at that cost. Where a fraction is asked for, it is the number
        of components that reach it.
        """
        if self.fraction is not None:
            return components_needed(rows, self.mean, self.fraction)
        start = self.course[0]
        if self.is_penalised:
            return rows[:, 0].sum()
        if rows[:, 1].sum() > start[:, 1].sum():
            return np.inf
        now, then = rows[:, 3:].sum(axis=0), start[:, 3:].sum(axis=0)
        counts = then > ROUNDING * then.max(initial=0)
        gain = sure_gain(np.sqrt(start[:, 3:]) - np.sqrt(rows[:, 3:]), SURE_OF_A_SIZE)
        if ((now > (1 - WORTH_IT) * then) | (gain <= 0))[counts].any():
            return np.inf
        return rows[:, 0].sum()


def sure_gain(gain, sure):
    """Mean gain of the rows, less so many standard errors: of few, by Student's t."""
    n = len(gain)
    if n < 2:
        return -np.inf
    sure = stdtrit(n - 1, ndtr(sure))
    return gain.mean(axis=0) - sure * gain.std(axis=0, ddof=1) / np.sqrt(n)


def components_needed(rows, mean, fraction):
    """Components that explain a fraction of the squared error, between two sizes too.

    More than there are where all of them do not.
    """
    total = mean[:, 2].sum()
    allowed = (1 - fraction) * total
    left = np.r_[total, rows[:, 3:].sum(axis=0)]
    reached = np.flatnonzero(left <= allowed)
    if not len(reached):
        return len(left) + left[-1] / total
    size = int(reached[0])
    if size == 0:
        return 0.0
    return size - (allowed - left[size]) / (left[size - 1] - left[size])


def explained(error, reference):
    """Return 1 - error / reference, and 0 where the reference is 0."""
    if reference == 0:
        return np.zeros_like(error)
    return 1 - error / reference
