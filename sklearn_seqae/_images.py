"""Parse images, and sequences of one length, into flat rows.

The rows have shape (N, height * width * channels). A sequence is an image that is one
pixel wide.
"""

from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np

from sklearn_seqae._containers import container_of, depth
from sklearn_seqae._layout import refuse_triple
from sklearn_seqae._numbers import as_floats
from sklearn_seqae._sequences import (
    Samples,
    parse_sequences,
    raise_other_kind,
    read_rows,
)


def holds_images(X: Any, sample_shape: Any = None) -> bool:
    """Return whether X holds images: 4-D, or 3-D with an image `sample_shape`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seqae._images import holds_images
    >>> X = np.ones((10, 8, 8))
    >>> holds_images(X), holds_images(X, sample_shape=(8, 8))
    (False, True)
    """
    least = 3 if _is_image(sample_shape) else 4
    if hasattr(X, "shape"):
        return len(X.shape) >= least
    return isinstance(X, (list, tuple)) and depth(X) >= least


def parse_images(
    X: Any,
    *,
    name: str,
    sample_shape: Any = None,
    kind: str | None = None,
    shape: tuple | None = None,
    n_features: int | None = None,
) -> Samples:
    """Read images, or sequences of one length, as rows of a table.

    Parameters
    ----------
    X : 4-D array, 3-D array, table, or what `parse_sequences` takes
        Images or sequences.

    name : str
        Class of the estimator, for messages.

    sample_shape : tuple, default=None
        How to read a row of a table: (height, width) or (height, width, n_channels) as
        an image, (-1, n_channels) as a sequence. If None, a sequence of one channel.
        With (height, width), a 3-D array holds images.

    kind : str, default=None
        Kind of container that `fit` saw; None in `fit`.

    shape : (height, width, n_channels), default=None
        Shape of the samples that `fit` saw.

    n_features : int, default=None
        Number of features that `fit` saw.

    Returns
    -------
    samples : Samples
        Samples with values (N, D). The container has the shape.
    """
    refuse_triple(X)
    is_image = holds_images(X, sample_shape)
    if kind is not None and kind.startswith("image") != is_image:
        raise_other_kind(X, kind, name, n_features)
    if is_image:
        samples, found = _read_stack(X, sample_shape, name)
    elif _is_image(sample_shape):
        samples, found = _read_table(X, sample_shape, shape is not None, name)
    else:
        samples, found = _read_sequences(X, sample_shape, kind, n_features, name)
    samples = replace(
        samples,
        values=samples.values.reshape(len(samples), -1),
        container=replace(samples.container, shape=found),
        observed=None,
    )
    # Another number of features is another fault, which `inputs.check` reports.
    if shape is not None and found != shape and samples.n_features == n_features:
        raise ValueError(
            f"X has samples of shape {found}, but {name} is "
            f"expecting samples of shape {shape} as input: (height, "
            "width, n_channels), or of a sequence (n_steps, 1, n_channels)."
        )
    return samples


def _is_image(sample_shape: Any) -> bool:
    return sample_shape is not None and tuple(sample_shape[:1]) != (-1,)


def _with_channels(sample_shape: Any) -> tuple:
    """(height, width, n_channels) of the parameter `sample_shape`."""
    valid = all(isinstance(n, Integral) and int(n) > 0 for n in sample_shape)
    if len(sample_shape) not in (2, 3) or not valid:
        raise ValueError(
            "The 'sample_shape' parameter must be None, (-1, n_channels), (height, "
            f"width) or (height, width, n_channels). Got {sample_shape!r} instead."
        )
    return (*map(int, sample_shape), 1)[:3]


def _read_stack(X: Any, sample_shape: Any, name: str) -> tuple[Samples, tuple]:
    """Values (N, height * width, channels) of a stack or list of images."""
    if not hasattr(X, "shape"):
        shapes = [np.shape(image) for image in X]
        other = next((shape for shape in shapes if shape != shapes[0]), None)
        if other is not None:
            raise ValueError(
                f"X must hold images of one shape. Got {shapes[0]} and {other}."
            )
    values = as_floats(X, name, allow_nd=True, ensure_all_finite="allow-nan")
    if values.ndim > 4:
        raise ValueError(
            f"Found array with dim {values.ndim}, while dim <= 4 is required by {name}."
        )
    kind = "image" if values.ndim == 4 else "image2d"
    shape = (*values.shape[1:], 1)[:3]
    if 0 in shape:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={values.shape}) while a minimum "
            f"of 1 is required by {name}."
        )
    given = shape if sample_shape is None else tuple(sample_shape)
    if shape not in (given, (*given, 1)):
        raise ValueError(
            f"X must hold samples of the 'sample_shape' {given!r}. Got "
            f"an array of shape {values.shape}. Change 'sample_shape', or X."
        )
    flat = values.reshape(len(values), -1, shape[2])
    return Samples(flat, None, container_of(X, kind)), shape


def _read_table(
    X: Any, sample_shape: Any, is_fitted: bool, name: str
) -> tuple[Samples, tuple]:
    """Values (N, D) of a table whose rows are images."""
    shape = _with_channels(sample_shape)
    samples = read_rows(X, "flat", name)
    n_features = samples.values.shape[1]
    if not is_fitted and n_features != np.prod(shape):
        raise ValueError(
            f"X has {n_features} features, but sample_shape={tuple(sample_shape)!r} "
            f"needs {np.prod(shape)} for each image."
        )
    return samples, shape


def _read_sequences(
    X: Any,
    sample_shape: Any,
    kind: str | None,
    n_features: int | None,
    name: str,
) -> tuple[Samples, tuple]:
    """Values (N, T, C) of sequences of one length."""
    samples = parse_sequences(
        X, name=name, sample_shape=sample_shape, kind=kind, n_features=n_features
    )
    if samples.lengths is not None:
        raise ValueError(
            f"X must hold sequences of one length to be read by "
            f"{name}. Got lengths from {samples.lengths.min()} to "
            f"{samples.lengths.max()}. Use RecurrentAutoencoderTransformer, which "
            "reads sequences of any length."
        )
    _, n_steps, n_channels = samples.values.shape
    return samples, (n_steps, 1, n_channels)
