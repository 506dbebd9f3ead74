"""The data door's second leaf: samples of one shape, as rows of a table, and back.

Images, and sequences that all have one length, go to the networks as flat rows
(N, height * width * channels). A sequence is an image that is one pixel wide.
"""

from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils.validation import _check_feature_names

from sklearn_seqae.containers import container_of, depth
from sklearn_seqae.sequences import (
    Samples,
    as_floats,
    check_features,
    raise_other_kind,
    read_rows,
    read_sequences,
)


def holds_images(X: Any, sample_shape: Any = None) -> bool:
    """Whether X holds images by its shape: 4-D, or 3-D with an image `sample_shape`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seqae.images import holds_images
    >>> X = np.ones((10, 8, 8))
    >>> holds_images(X), holds_images(X, sample_shape=(8, 8))
    (False, True)
    """
    least = 3 if _is_image(sample_shape) else 4
    if hasattr(X, "shape"):
        return len(X.shape) >= least
    return isinstance(X, (list, tuple)) and depth(X) >= least


def read_images(
    estimator: Any, X: Any, *, sample_shape: Any = None, reset: bool
) -> Samples:
    """Read images, or sequences of one length, as rows of a table.

    Parameters
    ----------
    estimator : estimator
        Named in errors. Its `n_features_in_` and `feature_names_in_` are set
        (`reset=True`) or compared: columns of a table, else channels. So is the
        shape of its samples, `_sample_shape`: (height, width, n_channels).
    X : 4-D array, 3-D array, table, or what `read_sequences` takes
    sample_shape : tuple, default=None
        How a row of a table is read: (height, width) or (height, width, n_channels)
        an image, (-1, n_channels) a sequence. None: a sequence of one channel.
        (height, width) also says that a 3-D array holds images.
    reset : bool
        True in fit.

    Returns
    -------
    samples : Samples
        Its values are (N, D).
    """
    kind = None if reset else getattr(estimator, "_input_kind", None)
    is_image = holds_images(X, sample_shape)
    if kind is not None and kind.startswith("image") != is_image:
        raise_other_kind(estimator, X, kind)
    if is_image:
        samples, shape = _read_stack(estimator, X, sample_shape, reset)
    elif _is_image(sample_shape):
        samples, shape = _read_table(estimator, X, sample_shape, reset)
    else:
        samples, shape = _read_sequences(estimator, X, sample_shape, reset)
    if reset:
        estimator._sample_shape = shape
    elif shape != estimator._sample_shape:
        raise ValueError(
            f"X has samples of shape {shape}, but {type(estimator).__name__} is "
            f"expecting samples of shape {estimator._sample_shape} as input: (height, "
            "width, n_channels), or of a sequence (n_steps, 1, n_channels)."
        )
    values = samples.values.reshape(len(samples), -1)
    return replace(
        samples, values=values, container=replace(samples.container, shape=shape)
    )


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


def _read_stack(
    estimator: Any, X: Any, sample_shape: Any, reset: bool
) -> tuple[Samples, tuple]:
    """Values (N, height * width, channels) of a stack or list of images."""
    _check_feature_names(estimator, X, reset=reset)
    if not hasattr(X, "shape"):
        shapes = [np.shape(image) for image in X]
        other = next((shape for shape in shapes if shape != shapes[0]), None)
        if other is not None:
            raise ValueError(
                f"X must hold images of one shape. Got {shapes[0]} and {other}."
            )
    values = as_floats(estimator, X, allow_nd=True)
    name = type(estimator).__name__
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
    samples = Samples(flat, None, container_of(X, kind))
    check_features(estimator, samples, reset=reset)
    return samples, shape


def _read_table(
    estimator: Any, X: Any, sample_shape: Any, reset: bool
) -> tuple[Samples, tuple]:
    """Values (N, D) of a table whose rows are images."""
    shape = _with_channels(sample_shape)
    _check_feature_names(estimator, X, reset=reset)
    samples = read_rows(estimator, X, "flat")
    n_features = samples.values.shape[1]
    if reset and n_features != np.prod(shape):
        raise ValueError(
            f"X has {n_features} features, but sample_shape={tuple(sample_shape)!r} "
            f"needs {np.prod(shape)} for each image."
        )
    check_features(estimator, samples, reset=reset)
    return samples, shape


def _read_sequences(
    estimator: Any, X: Any, sample_shape: Any, reset: bool
) -> tuple[Samples, tuple]:
    """Values (N, T, C) of sequences of one length."""
    samples = read_sequences(estimator, X, sample_shape=sample_shape, reset=reset)
    if samples.lengths is not None:
        raise ValueError(
            f"X must hold sequences of one length to be read by "
            f"{type(estimator).__name__}. Got lengths from {samples.lengths.min()} to "
            f"{samples.lengths.max()}. Use RecurrentAutoencoderTransformer, which "
            "reads sequences of any length."
        )
    _, n_steps, n_channels = samples.values.shape
    return samples, (n_steps, 1, n_channels)
