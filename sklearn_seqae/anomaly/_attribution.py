"""Attribution of an alarm to features and time steps."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_seqae.anomaly._covariance import ShrunkCovariance, evenly
from sklearn_seqae.anomaly.scoring import LEAST_RESIDUAL, scaled_by
from sklearn_seqae.training.blas import one_blas_thread

MOST_STEPS = 50_000  # maximum number of training rows or errors
NARROW = 100  # features up to which the covariance is kept
WORK = 2e10  # multiply-adds for the covariance of many features
LEAST = 1e-2  # standard deviation of a feature, relative to the usual one


class Attribution:
    """Contribution of each feature to the anomaly score.

    It is the decrease in squared Mahalanobis distance when only this feature is
    corrected. For tables it is computed from the row itself, because a corrupted
    feature changes the reconstruction of all others. For series and sequences it is
    computed from the residual at each time step, which depends on the steps around it.
    """

    @one_blas_thread()
    def fit(
        self, rows: NDArray, unit: float, known: NDArray | None = None
    ) -> "Attribution":
        """Fit to training rows, or to residuals of training steps, (M, C).

        `unit` is the scale of X. `known` are centered and scaled rows in float32 that a
        score keeps already.

        The covariance of many features is only computed by `of`, from rows in float32:
        scores and labels do not need it.
        """
        width = rows.shape[1]
        most = MOST_STEPS if width <= NARROW else int(np.sqrt(WORK / width))
        rows = np.nan_to_num(rows[evenly(len(rows), min(most, MOST_STEPS))])
        rows = scaled_by(unit, rows)
        self.center = rows.mean(axis=0)
        left = rows - self.center
        spread = left.std(axis=0)
        usual = max(np.sqrt(np.mean(np.square(spread))), LEAST_RESIDUAL)
        self.unit, self.scale = unit, np.maximum(spread, LEAST * usual)
        self._covariance: ShrunkCovariance | None = None
        self._rows: Any = None
        if width <= NARROW:
            self._covariance = ShrunkCovariance().fit(left / self.scale)
            return self
        self._rows = left.astype(np.float32)
        if known is not None and np.array_equal(known, self._rows):
            self._rows = known  # one array in memory and in a pickle
        return self

    @one_blas_thread()
    def of(self, rows: NDArray) -> NDArray:
        """Return the attribution to each feature, in the shape of the rows (..., C)."""
        covariance = self._covariance
        if covariance is None:
            covariance = ShrunkCovariance().fit(self._rows / self.scale)
        scaled = (scaled_by(self.unit, rows) - self.center) / self.scale
        squares = np.square(covariance.times_precision(scaled))
        return squares / covariance.precision_diagonal

    def of_samples(self, model, samples, errors=None):
        """Return the attributions of samples, 0 for missing values.

        `errors` are their residuals, if they are known.
        """
        if samples.values.ndim == 2:
            found = self.of(model.complete(samples)[:])  # sparse rows as an array
        else:
            errors = model.look(samples)[1] if errors is None else errors
            errors = errors[:, : samples.values.shape[1]]
            errors = np.nan_to_num(errors) if samples.observed is not None else errors
            found = self.of_sequences(errors, samples)
        if samples.observed is not None:
            found[~samples.observed] = 0
        return found

    def of_steps(self, errors, scores=None):
        """Return the attributions of residuals (T, C) of a series.

        They are 0 for missing values, and NaN for steps without a score. If `scores`
        are not known, steps without any residual have no score.
        """
        gaps = np.isnan(errors)
        found = self.of(np.nan_to_num(errors))
        found[gaps] = 0
        has_none = gaps.all(axis=1) if scores is None else np.isnan(scores)
        found[has_none] = np.nan
        return found

    def of_sequences(self, errors, samples):
        """Return the attributions of residuals (N, T, C), 0 on padding."""
        attributions = self.of(errors)
        if samples.lengths is not None:
            attributions[~samples.mask] = 0
        return attributions
