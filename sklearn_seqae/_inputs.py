"""Input validation: parse X in any form, and compare it with the X of `fit`.

`parse` is a pure function of X. `check` sets or compares the number and the names of
the features of an estimator. `read` does both.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    _check_sample_weight,
)

from sklearn_seqae._images import holds_images, parse_images
from sklearn_seqae._layout import warn_of_layout
from sklearn_seqae._numbers import unmasked
from sklearn_seqae._sequences import (
    Samples,
    check_steps,
    feature_names,
    holds_sequences,
    parse_sequences,
    parse_table,
    refuse_missing,
)
from sklearn_seqae.large.sparse import is_sparse, read_sparse


@dataclass(frozen=True)
class InputFormat:
    """Format of samples: from the parameters and, after `fit`, from its X.

    Parameters
    ----------
    form : {"table", "sequences", "images"}
        Kind of samples.

    sample_shape : tuple, default=None
        Parameter `sample_shape`: how to read rows of a table.

    kind : str, default=None
        Kind of container that `fit` saw, as in `Container`; None before `fit`.

    shape : (height, width, n_channels), default=None
        Shape of the images that `fit` saw.

    n_features : int, default=None
        Number of columns or channels that `fit` saw.

    frame_shape : tuple of int, default=None
        Shape of each frame of the videos that `fit` saw; None for other samples.

    max_steps : int, default=None
        Time steps that the network sees of longer sequences, the last ones; None: all.
        `parse` returns the whole sequences, whose features `check` compares.
    """

    form: str
    sample_shape: tuple | None = None
    kind: str | None = None
    shape: tuple | None = None
    n_features: int | None = None
    max_steps: int | None = None
    frame_shape: tuple[int, ...] | None = None

    def fitted_to(self, samples: Samples) -> "InputFormat":
        """Return the format with the kind and the shape of the samples of `fit`."""
        return replace(
            self,
            kind=samples.kind,
            shape=samples.container.shape,
            n_features=samples.n_features,
            frame_shape=samples.container.frame_shape,
        )

    def unfitted(self) -> "InputFormat":
        """Return the format as the parameters gave it."""
        return InputFormat(self.form, self.sample_shape)


def form_of(X: Any, sample_shape: Any = None) -> str:
    """Return the form of X from its shape: "images", "sequences" or "table".

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seqae._inputs import form_of
    >>> form_of(np.ones((5, 3))), form_of(np.ones((5, 3, 2)))
    ('table', 'sequences')
    """
    if holds_images(X, sample_shape):
        return "images"
    return "sequences" if holds_sequences(X, sample_shape) else "table"


def parse(
    X: Any,
    input_format: InputFormat,
    *,
    name: str,
    allow_nan: bool = True,
    accept_sparse: bool = False,
) -> Samples:
    """Parse X without an estimator.

    Parameters
    ----------
    X : {array-like, sequences, images}
        In any container.

    input_format : InputFormat
        Format of X. After `fit`, samples of another kind raise a ValueError.

    name : str
        Class of the estimator, for messages.

    allow_nan : bool, default=True
        Whether values may be missing: NaN, or masked entries of masked arrays.

    accept_sparse : bool, default=False
        Whether a table may be sparse.

    Returns
    -------
    samples : Samples
        Samples. Missing values are NaN.

    Raises
    ------
    ValueError, TypeError
        If X cannot be read, naming the input, what was expected and what was found.
    """
    if accept_sparse and input_format.form == "table" and is_sparse(X):
        samples = read_sparse(X, name=name)
    else:
        samples = _parse(unmasked(X), input_format, name)
    if not allow_nan and isinstance(samples.values, np.ndarray):
        refuse_missing(samples, name)
    return samples


def _parse(X: Any, input_format: InputFormat, name: str) -> Samples:
    form, shape, kind = input_format.form, input_format.sample_shape, input_format.kind
    if shape is not None and input_format.kind is None:
        _check_sample_shape(shape)
    if _is_single(X):
        raise ValueError(
            f"Expected 2D array, got {type(X).__name__} instead: X of {name} must be "
            "an array, a data frame or a list of samples. Reshape your data."
        )
    if form == "table":
        return parse_table(X, name=name)
    if form == "images":
        return parse_images(
            X,
            name=name,
            sample_shape=shape,
            kind=kind,
            shape=input_format.shape,
            n_features=input_format.n_features,
        )
    return parse_sequences(
        X,
        name=name,
        sample_shape=shape,
        kind=kind,
        n_features=input_format.n_features,
        frame_shape=input_format.frame_shape,
    )


def _is_single(X: Any) -> bool:
    """Return whether X is None, a number, text, or another object without samples."""
    if hasattr(X, "shape") or hasattr(X, "__array__"):
        return False
    return not hasattr(X, "__len__") or isinstance(X, (str, bytes, Mapping, Set))


def parse_codes(X: Any, *, name: str) -> np.ndarray:
    """Read latent codes of shape (n_samples, n_components)."""
    return parse(X, InputFormat("table"), name=name, allow_nan=False).values


def is_int(value: Any) -> bool:
    """Return whether a value is an integer, and not True or False."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def _check_sample_shape(shape: Any) -> None:
    """Raise a ValueError unless a sample shape holds int, of which one may be -1."""
    for number, size in enumerate(shape):
        if not is_int(size) or (size < 1 and not (number == 0 and size == -1)):
            raise ValueError(
                "The 'sample_shape' parameter must be None or a tuple of int values >= "
                f"1, whose first value may be -1. Got {shape!r} instead."
            )


def read(
    estimator: Any,
    X: Any,
    input_format: InputFormat,
    *,
    check_names: bool = True,
    min_steps: int = 1,
    allow_nan: bool = True,
    accept_sparse: bool = False,
) -> Samples:
    """Parse X as `fit` did, and compare it with what `fit` saw.

    Parameters
    ----------
    estimator : estimator
        Its `n_features_in_` and `feature_names_in_` are compared with X.

    X : {array-like, sequences, images}
        In any container.

    input_format : InputFormat
        As `fit` made it.

    check_names : bool, default=True
        False for input that is the output of another method, without its names.

    min_steps : int, default=1
        The least number of time steps of each sequence.

    allow_nan : bool, default=True
        Whether values may be missing.

    accept_sparse : bool, default=False
        Whether a table may be sparse.

    Returns
    -------
    samples : Samples
        The last `max_steps` of `input_format` of each sequence.

    Raises
    ------
    ValueError, TypeError
        If X cannot be read, if the number or the names of the features are not those
        of `fit`, or if a sequence is too short.
    """
    if check_names:  # first, as in scikit-learn: wrong columns may hold no numbers
        _check_names(estimator, feature_names(X), reset=False)
    name = type(estimator).__name__
    options: Any = {"allow_nan": allow_nan, "accept_sparse": accept_sparse}
    samples = parse(X, input_format, name=name, **options)
    check(estimator, samples, reset=False, check_names=False, min_steps=min_steps)
    return samples.last(input_format.max_steps)


def check(
    estimator: Any,
    samples: Samples,
    *,
    reset: bool,
    check_names: bool = True,
    min_steps: int = 1,
) -> None:
    """Set (in `fit`) or compare the number of features and their names.

    Parameters
    ----------
    estimator : estimator
        Its `n_features_in_` and `feature_names_in_` are set or compared.

    samples : Samples
        What was read of X.

    reset : bool
        True in `fit`.

    check_names : bool, default=True
        False for input that is the output of another method, without its names.

    min_steps : int, default=1
        The least number of time steps of each sequence.

    Raises
    ------
    ValueError
        If the number or the names of the features are not those of `fit`, or if a
        sequence is too short.
    """
    if check_names:
        _check_names(estimator, samples.feature_names, reset)
    if reset:
        warn_of_layout(samples)
    row = np.broadcast_to(0.0, (1, samples.n_features))
    _check_n_features(estimator, row, reset=reset)
    if min_steps > 1:
        check_steps(samples, min_steps, type(estimator).__name__)


def _check_names(estimator: Any, names: Any, reset: bool) -> None:
    known = getattr(estimator, "feature_names_in_", None)
    if names is None:
        if known is not None:
            _check_feature_names(estimator, np.empty((0, 0)), reset=reset)
        return
    if reset or known is None or not np.array_equal(known, names):
        import pandas as pd

        header = pd.DataFrame(columns=pd.Index(names, dtype=object))
        _check_feature_names(estimator, header, reset=reset)


def check_weights(sample_weight: Any, X: Any) -> np.ndarray:
    """Validate the weights of the rows of X: none is negative, and not all are 0."""
    weight = _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )
    if not weight.any():  # in earlier versions of scikit-learn
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weight


def with_values(samples: Samples, name: str) -> Samples:
    """Drop samples without any observed value; `name` is the class, for messages.

    Raises
    ------
    ValueError
        If no sample is left.
    """
    if samples.observed is None or samples.has_values.all():
        return samples
    if not samples.has_values.any():
        raise ValueError(
            "Found array with 0 sample(s) that have an observed value while a minimum "
            f"of 1 is required by {name}."
        )
    return samples.take(np.flatnonzero(samples.has_values))
