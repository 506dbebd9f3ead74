"""Which epoch to keep: measured on rows that neither PCA nor the network has seen."""

from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import KFold, ShuffleSplit

SURE = 2.5  # standard errors
WORTH_IT = 0.01  # of the start's error
MOST_HELD_OUT = 5000  # rows, enough to tell the epochs apart
REFIT_BELOW = 40_000  # rows, above which those held out would change little


def held_out_splits(n, validation_fraction, seed, *, enough, n_components):
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

    n_components : int
        Rows that PCA needs at least; folds are smaller where these would lack.
    """
    if n < 2:
        return []
    n_folds = n_used = max(2, round(1 / validation_fraction))
    if n - n / n_folds <= n_components:
        n_folds = 10
    n_folds = min(n, n_folds)
    n_used = min(n_used, n_folds, -(-enough * n_folds // n))
    if n_used > 1 or n / n_folds < MOST_HELD_OUT:
        split = KFold(n_folds, shuffle=True, random_state=seed)
        return list(split.split(np.empty(n)))[:n_used]
    split = ShuffleSplit(1, test_size=MOST_HELD_OUT, random_state=seed)
    return list(split.split(np.empty(n)))


@dataclass
class Selection:
    """What the held-out rows say of each epoch, epoch 0 first.

    Parameters
    ----------
    losses, squared_errors : ndarray of shape (E + 1, M)
        Of each epoch and held-out row, summed over the row's values.

    mean_losses, mean_squared_errors, reference_squared_errors : ndarray of shape (M,)
        The same of the training mean and of the reference (PCA).

    n_values : int
        Real values in the held-out rows.
    """

    losses: np.ndarray
    squared_errors: np.ndarray
    mean_losses: np.ndarray
    mean_squared_errors: np.ndarray
    reference_squared_errors: np.ndarray
    n_values: int

    @classmethod
    def join(cls, parts):
        """Put the folds side by side; one that stopped early stays as it was."""
        longest = max(len(part.losses) for part in parts)

        def rows(name):
            each = [getattr(part, name) for part in parts]
            if each[0].ndim == 2:
                missing = [longest - len(one) for one in each]
                each = [
                    np.pad(one, ((0, more), (0, 0)), mode="edge")
                    for one, more in zip(each, missing, strict=True)
                ]
            return np.concatenate(each, axis=-1)

        *per_row, last = cls.__dataclass_fields__
        total = {last: sum(part.n_values for part in parts)}
        return cls(**{name: rows(name) for name in per_row}, **total)

    @property
    def valid_losses(self):
        """Mean loss over the held-out values, of each epoch."""
        return self.losses.sum(axis=1) / self.n_values

    @property
    def scores(self):
        """Share of the mean's loss that each epoch explains; R² for squared error."""
        return explained(self.losses.sum(axis=1), self.mean_losses.sum())

    def r2(self):
        """Held-out R² of the best epoch, of PCA and of the training mean."""
        mean = self.mean_squared_errors.sum()
        model = self.squared_errors[self.best_epoch()].sum()
        pca = self.reference_squared_errors.sum()
        return {
            "model": float(explained(model, mean)),
            "pca": float(explained(pca, mean)),
            "mean": 0.0,
        }

    def best_epoch(self):
        """The epoch of the least held-out loss, if that is surely worth it.

        What is compared with epoch 0 are the roots of the rows' losses: losses
        themselves are heavy-tailed, one outlying row would decide. Their mean gain,
        less `SURE` times its standard error, must be more than `WORTH_IT`; else the
        start is kept.
        """
        best = int(np.argmin(self.losses.sum(axis=1)))
        start = np.sqrt(self.losses[0])
        gain = start - np.sqrt(self.losses[best])
        sure_gain = gain.mean() - SURE * gain.std() / np.sqrt(len(gain))
        return best if sure_gain > WORTH_IT * start.mean() else 0


def explained(error, reference):
    """Return 1 - error / reference, and 0 where the reference is 0."""
    if reference == 0:
        return np.zeros_like(error)
    return 1 - error / reference
