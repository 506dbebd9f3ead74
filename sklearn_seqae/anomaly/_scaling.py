"""Scaling of features or channels inside a detector."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.preprocessing import RobustScaler, StandardScaler

from sklearn_seqae._sequences import Samples
from sklearn_seqae.anomaly._model import takes_sequences
from sklearn_seqae.large.rows import LARGE, Rows

SCALERS = {"standard": StandardScaler, "robust": RobustScaler}


def fitted_scaler(scaler: Any, rows: Any) -> Any:
    """Return the fitted scaler of a detector's `scaler` parameter, None without one.

    `rows` have one column for each feature or channel, (n, C). A column without any
    observed value is not scaled.
    """
    if scaler is None:
        return None
    if isinstance(rows, Rows):
        raise ValueError(
            "With a 'scaler', sparse X must not be larger than "
            f"{LARGE} entries, zeros included. Set scaler=None, and scale X before the "
            "detector, for example with MaxAbsScaler."
        )
    unseen = np.isnan(rows).all(axis=0)
    if unseen.any():
        rows = np.where(unseen, 0, rows)
    if isinstance(scaler, str):
        return SCALERS[scaler]().fit(rows)
    unfitted = clone(scaler)
    if takes_sequences(unfitted):
        raise ValueError(
            "The 'scaler' parameter must transform tables: it is fitted on one row for "
            f"each sample or time step. Got {scaler!r}. Use the scaler of the columns, "
            "for example StandardScaler()."
        )
    return unfitted.fit(rows)


def scaled(scaler: Any, rows: NDArray) -> NDArray:
    """Scale rows (..., C). Without a scaler, return the rows themselves."""
    return rows if scaler is None else _applied(scaler, "transform", rows)


def scaled_samples(scaler: Any, samples: Any) -> Any:
    """Scale the features of a table, or the channels of images and sequences.

    `samples` may be None.
    """
    if scaler is None or samples is None:
        return samples
    if samples.values.ndim == 3:
        steps = samples.steps
        return replace(samples, values=samples.pad(scaled(scaler, steps)))
    rows = scaled(scaler, rows_of(samples))
    return replace(samples, values=rows.reshape(samples.values.shape))


def rows_of(samples: Samples) -> Any:
    """Return rows (n, C) with a column for each feature or channel."""
    if samples.values.ndim == 3:
        return samples.steps
    if isinstance(samples.values, Rows):
        return samples.values
    return samples.values.reshape(-1, samples.n_features)


def in_units_of_x(scaler: Any, values: NDArray, errors: NDArray) -> NDArray:
    """Return residuals in the units of the values, from those of scaled values.

    Both have the channels in their last axis, or flat images in their rows. Residuals
    are NaN where the scaled ones are, for steps without a score and missing values.
    """
    if scaler is None:
        return errors
    shape = errors.shape
    rows, left = (each.reshape(-1, scaler.n_features_in_) for each in (values, errors))
    result = np.full(left.shape, np.nan)
    known = ~np.isnan(left).all(axis=1)
    rebuilt = scaled(scaler, rows[known]) - left[known]
    result[known] = rows[known] - _applied(scaler, "inverse_transform", rebuilt)
    return result.reshape(shape)


def _applied(scaler: Any, method: str, rows: NDArray) -> NDArray:
    flat = rows.reshape(-1, rows.shape[-1])
    if not len(flat):
        return rows
    result = np.asarray(getattr(scaler, method)(flat), dtype=rows.dtype)
    if result.shape != flat.shape:
        raise ValueError(
            "The 'scaler' parameter must keep the number of columns. Got "
            f"{result.shape[1:]} from {flat.shape[1:]} columns by {scaler!r}."
        )
    if not np.isfinite(result[~np.isnan(flat)]).all():
        raise ValueError(
            f"The 'scaler' parameter must return finite values. {scaler!r} returned "
            "NaN or infinity. Use a scaler that is defined for all values of X."
        )
    return result.reshape(rows.shape)
