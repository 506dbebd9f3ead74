"""Read estimators and samples for the displays."""

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array, column_or_1d

from sklearn_seqae._images import holds_images
from sklearn_seqae._introspection import (
    held_by,
    in_its_units,
    input_of_held,
    objective_of,
    refuse,
    steps_of,
)
from sklearn_seqae._sequences import holds_sequences, parse_sequences, parse_table


def parts_of(estimator):
    """Yield an estimator and its fitted parts, the last step first."""
    if not isinstance(estimator, FrozenEstimator):  # it forwards all attributes
        yield estimator
    if isinstance(estimator, Pipeline):
        for step in reversed(steps_of(estimator)):
            yield from parts_of(step)
    elif held_by(estimator) is not None:
        yield from parts_of(held_by(estimator))


def part_with(estimator, attribute, advice):
    """Return the part of a fitted estimator that has an attribute.

    Parameters
    ----------
    estimator : estimator
        Fitted estimator.

    attribute : str
        Required attribute.

    advice : str
        Advice in the error if no part has it.
    """
    for part in parts_of(estimator):
        if getattr(part, attribute, None) is not None:
            return part
    return refuse(estimator, attribute, advice)


def encode(estimator, X):
    """Return the codes of X, also from a detector or a search around a transformer."""
    if hasattr(estimator, "transform"):
        return estimator.transform(X)
    if held_by(estimator) is not None:
        return encode(held_by(estimator), input_of_held(estimator, X))
    return refuse(estimator, "transform", "Pass a fitted transformer.")


def forecaster_of(estimator):
    """Return the part that forecasts, or None."""
    for part in parts_of(estimator):
        if objective_of(part) != "reconstruct":
            return part
    return None


def forecast(estimator, X):
    """Return the forecast of a fitted estimator, in the units of X."""
    if isinstance(estimator, Pipeline):
        return in_its_units(estimator, X, forecast)
    if objective_of(estimator) != "reconstruct":
        return estimator.predict(X)
    return forecast(held_by(estimator), X)


def before(estimator, part, X):
    """Return X as the input of a part: of the last step, or of an estimator in it."""
    if estimator is part:
        return X
    if isinstance(estimator, Pipeline):
        *steps, estimator = steps_of(estimator)
        for step in steps:
            X = step.transform(X)
        return before(estimator, part, X)
    return before(held_by(estimator), part, input_of_held(estimator, X))


def one_series(X, *, caller):
    """Return the only series of X. Raise a ValueError for several."""
    if not holds_sequences(X):
        return X
    if len(X) > 1:
        raise ValueError(
            f"{caller} draws one series. Got {len(X)}. Pass one of them as a list with "
            "one item: [X[0]]."
        )
    if isinstance(X, (list, tuple, np.ndarray)):
        return X[0]
    return read_samples(X, sample_shape=None, sequences=True, caller=caller)[0][0]


def columns_of(X):
    """Return the numeric columns of a table, or None if there are none."""
    if not hasattr(X, "columns"):
        X = np.asarray(X)
        return X if X.dtype.kind in "biuf" else None
    names = [name for name in X.columns if np.asarray(X[name]).dtype.kind in "biuf"]
    return X[names] if names else None


def read_labels(labels):
    """Return which labels mark anomalies: True or 1, or -1 among 1."""
    labels = column_or_1d(labels)
    for expected, anomaly in [((0, 1), 1), ((-1, 1), -1)]:
        if np.isin(labels, expected).all():
            return labels == anomaly
    raise ValueError(
        "The 'labels' parameter must hold True or 1 for anomalies and False or 0 for "
        f"other samples, or -1 and 1. Got the values {list(np.unique(labels)[:5])}."
    )


def read_samples(X, *, sample_shape, sequences, caller):
    """Parse X into a list of samples.

    Parameters
    ----------
    X : {array-like, sequences}
        Samples in any container.

    sample_shape : tuple of int or None
        Shape of an image, or (-1, n_channels).

    sequences : bool
        Whether a table holds a sequence in each row.

    caller : str
        Name for errors.

    Returns
    -------
    samples : list of ndarray
        Rows (D,), sequences (T, C), or images (H, W) or (H, W, C).

    kind : {"row", "sequence", "image"}
        Kind of the samples.

    names : list of str or None
        Names of the columns or channels, if X has names.
    """
    is_image = sample_shape is not None and sample_shape[0] != -1
    if is_image or holds_images(X):
        values = check_array(X, allow_nd=True, input_name="X", estimator=caller)
        if not is_image:
            sample_shape = values.shape[1:]
        try:
            return list(values.reshape(-1, *sample_shape)), "image", None
        except ValueError as error:
            raise ValueError(
                f"X must hold images of shape {tuple(sample_shape)!r}. Got an array "
                f"of shape {values.shape}. Change 'sample_shape'."
            ) from error
    if sequences or sample_shape is not None or holds_sequences(X):
        read = parse_sequences(X, name=caller, sample_shape=sample_shape)
        pairs = zip(read.values, read.n_steps_of_each, strict=True)
        items = [steps[:n] for steps, n in pairs]
        kind = "sequence"
    else:
        read = parse_table(X, name=caller)
        items, kind = list(read.values), "row"
    names = read.feature_names
    if names is not None and len(names) == items[0].shape[-1]:
        return items, kind, [str(name) for name in names]
    return items, kind, None
