"""The one data door: any container of samples -> floats and lengths, and back.

Each container is read by one of three readers: a table (2-D, one row per sample), a
3-D array, or cells that each hold one sequence (lists, object arrays, data frames).
A fitted estimator reads lists as it did in fit, whatever lengths a batch happens to
have, and takes no table where it was fitted on sequences, nor the reverse.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.utils import assert_all_finite, check_array
from sklearn.utils.validation import _check_feature_names, _check_n_features

from sklearn_seqae.containers import (
    Container,
    cells_of,
    container_of,
    is_column_of_tables,
    is_table,
    ndim_of,
    not_a_number,
    refuse_masked,
    stack,
)


@dataclass(frozen=True)
class Samples:
    """What the networks see of X, and the way back to X's own container.

    `values` may be X itself or a view of it: never write to it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seqae.preprocessing import SequenceScaler
    >>> from sklearn_seqae.sequences import read_sequences
    >>> X = [np.ones((2, 1)), np.zeros((3, 1))]
    >>> samples = read_sequences(SequenceScaler(), X, reset=True)
    >>> samples.values.shape, samples.lengths
    ((2, 3, 1), array([2, 3]))
    >>> [item.shape for item in samples.restore(samples.values)]
    [(2, 1), (3, 1)]
    """

    values: np.ndarray  # (N, D), or (N, T, C) with zeros beyond each sequence's end
    lengths: np.ndarray | None  # (N,); None where every sequence fills its T steps
    container: Container
    target: np.ndarray | None = None  # (N, ...), what is learned of each sample
    weight: np.ndarray | None = None  # (N,), how much each counts; None: all alike

    def __len__(self) -> int:
        return len(self.values)

    @property
    def kind(self) -> str:
        """The word for X's container that `pack` takes."""
        return self.container.kind

    @property
    def n_steps_of_each(self) -> np.ndarray:
        """(N,), the steps of each sequence, whether or not there is padding."""
        if self.lengths is None:
            return np.full(len(self), self.values.shape[1])
        return self.lengths

    @property
    def mask(self) -> np.ndarray | None:
        """(N, T) bool, True on real steps; None where all are real."""
        if self.lengths is None:
            return None
        return np.arange(self.values.shape[1]) < self.lengths[:, np.newaxis]

    @property
    def steps(self) -> np.ndarray:
        """(sum of T, C), the real steps of all sequences, read-only."""
        if self.lengths is None:
            steps = self.values.reshape(-1, self.values.shape[-1]).view()
        else:
            steps = self.values[self.mask]
        steps.flags.writeable = False
        return steps

    def pad(self, steps: np.ndarray) -> np.ndarray:
        """Return (N, T, C) values with these real steps; undoes `steps`."""
        n_samples, n_steps = self.values.shape[:2]
        return _pad(steps, self.lengths, n_samples, n_steps)

    def take(self, rows: Any) -> "Samples":
        """Return these rows, trimmed to the longest sequence among them."""
        container = self.container.take(rows)
        target = None if self.target is None else self.target[rows]
        weight = None if self.weight is None else self.weight[rows]
        if self.lengths is None:
            return Samples(self.values[rows], None, container, target, weight)
        lengths = self.lengths[rows]
        n_steps = lengths.max(initial=1)
        values = self.values[:, :n_steps][rows]
        real = lengths if (lengths < n_steps).any() else None
        return Samples(values, real, container, target, weight)

    def restore(self, values: np.ndarray, lengths: np.ndarray | None = None) -> Any:
        """Put values, one row per sample, into the kind of container X was."""
        lengths = self.lengths if lengths is None else lengths
        return self.container.wrap(values, lengths)

    def to_frame(self, values: np.ndarray, form: str) -> Any:
        """Put (N, T, C) values into a data frame, "pandas" or "polars", of sequences.

        It has one column per channel, and X's index where X has one.
        """
        columns = [f"channel{c}" for c in range(values.shape[2])]
        index = self.container.index if form == "pandas" else None
        return Container("ragged1d", form, columns, index).wrap(values, self.lengths)


def read_table(estimator: Any, X: Any, *, reset: bool) -> Samples:
    """Read a table of shape (n_samples, n_features) as scikit-learn reads it."""
    if holds_sequences(X):
        name = type(estimator).__name__
        ndim = ndim_of(X) if hasattr(X, "shape") else 0
        found = f"array with dim {ndim}" if ndim > 2 else "sequences"
        advice = "RecurrentAutoencoderTransformer, which reads sequences"
        if ndim > 3:
            advice = "ConvolutionalAutoencoderTransformer, which reads images"
        raise ValueError(
            f"Found {found}, while dim <= 2 is required by {name}. Use {advice}."
        )
    _check_feature_names(estimator, X, reset=reset)
    samples = read_rows(estimator, X, "table")
    check_features(estimator, samples, reset=reset)
    return samples


def read_sequences(
    estimator: Any,
    X: Any,
    *,
    sample_shape: Any = None,
    reset: bool,
    ensure_min_steps: int = 1,
    check_names: bool = True,
) -> Samples:
    """Read sequences from any container.

    Parameters
    ----------
    estimator : estimator
        Named in errors. Its `n_features_in_` and `feature_names_in_` are set
        (`reset=True`) or compared: columns of a table, else channels.
    X : 3-D array, table, list, object array, data frame or Series
    sample_shape : (-1, n_channels), default=None
        How a row of a table is read, in time-major order. None: one channel.
    reset : bool
        True in fit.
    ensure_min_steps : int, default=1
        The length that each sequence must have at least.
    check_names : bool, default=True
        False for input that is another method's output and may have lost its names.

    Returns
    -------
    samples : Samples
    """
    kind = None if reset else getattr(estimator, "_input_kind", None)
    cells = cells_of(X)
    if cells is not None and kind in (None, "flat") and is_table(X):
        cells = None
    is_array = cells is None and ndim_of(X) > 2
    if kind is not None and (kind == "flat") == (is_array or cells is not None):
        raise_other_kind(estimator, X, kind)
    if check_names:
        named = None if is_column_of_tables(cells) else X
        _check_feature_names(estimator, named, reset=reset)
    if cells is not None:
        samples = _read_cells(estimator, X, cells)
    elif is_array:
        samples = _read_array(estimator, X)
    else:
        samples = _as_sequences(read_rows(estimator, X, "flat"), sample_shape)
    _check_steps(estimator, samples, 1)
    check_features(estimator, samples, reset=reset)
    _check_steps(estimator, samples, ensure_min_steps)
    return samples


def holds_sequences(X: Any, sample_shape: Any = None) -> bool:
    """Whether X holds sequences by its own shape: 3-D, or cells of sequences.

    A 3-D array is a stack of images where `sample_shape` is (height, width).
    """
    if cells_of(X) is not None:
        return not is_table(X)
    is_image = sample_shape is not None and sample_shape[0] != -1
    return ndim_of(X) > 2 and not is_image


def pack(
    values: np.ndarray, lengths: np.ndarray | None, kind: str, shape: Any = None
) -> Any:
    """Put values into the container that `Samples.kind` names: array or list."""
    form = "list" if kind.startswith("ragged") else "array"
    return Container(kind, form, shape=shape).wrap(values, lengths)


def resample(
    values: np.ndarray, lengths: np.ndarray | None, n_steps: int
) -> np.ndarray:
    """Bring every sequence to `n_steps`, linear in its own relative time.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seqae.sequences import resample
    >>> resample(np.array([[[0.0], [1.0], [2.0]]]), None, 5).ravel()
    array([0. , 0.5, 1. , 1.5, 2. ])
    """
    if lengths is None:
        lengths = np.full(len(values), values.shape[1])
    if (lengths == n_steps).all():
        return values[:, :n_steps]
    # Whole numbers keep the steps that fall on a step of the original exact.
    last = (lengths - 1)[:, np.newaxis]
    before, rest = np.divmod(np.arange(n_steps) * last, max(1, n_steps - 1))
    after = before + (rest > 0)
    weight = (rest / max(1, n_steps - 1)).astype(values.dtype)[..., np.newaxis]
    rows = np.arange(len(values))[:, np.newaxis]
    return (1 - weight) * values[rows, before] + weight * values[rows, after]


# The three readers


def read_rows(estimator: Any, X: Any, kind: str) -> Samples:
    return Samples(as_floats(estimator, X), None, container_of(X, kind))


def _as_sequences(samples: Samples, sample_shape: Any) -> Samples:
    n_channels = 1
    if sample_shape is not None:
        if len(sample_shape) != 2 or sample_shape[0] != -1 or sample_shape[1] < 1:
            raise ValueError(
                "The 'sample_shape' parameter must be None or (-1, n_channels) to "
                f"read rows as sequences. Got {sample_shape!r} instead."
            )
        n_channels = sample_shape[1]
    n_samples, n_features = samples.values.shape
    if n_features % n_channels:
        raise ValueError(
            f"X has {n_features} features, which sample_shape={sample_shape!r} does "
            f"not divide: a row must hold {n_channels} channels for each time step."
        )
    values = samples.values.reshape(n_samples, -1, n_channels)
    return replace(samples, values=values)


def _read_array(estimator: Any, X: Any) -> Samples:
    values = as_floats(estimator, X, allow_nd=True)
    required = f"is required by {type(estimator).__name__}."
    if values.ndim > 3:
        raise ValueError(
            f"Found array with dim {values.ndim}, while dim <= 3 {required}"
        )
    if values.shape[2] == 0:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={values.shape}) while a minimum "
            f"of 1 {required}"
        )
    return Samples(values, None, container_of(X, "array"))


def _read_cells(estimator: Any, X: Any, cells: list) -> Samples:
    stacks, lengths, ndims = zip(*map(stack, cells), strict=True)
    for column, other in enumerate(lengths):
        if (other != lengths[0]).any():
            row = np.flatnonzero(other != lengths[0])[0]
            raise ValueError(
                "X must hold sequences of one length in all channels of a row. Got "
                f"lengths {lengths[0][row]} and {other[row]} in row {row}, columns 0 "
                f"and {column}."
            )
    if len(cells) > 1 and max(ndims) > 1:
        raise ValueError(
            "X must hold 1-D sequences, one column for each channel. Got sequences "
            f"of {max(ndims)} dimensions in {len(cells)} columns."
        )
    stacked = stacks[0] if len(cells) == 1 else np.concatenate(stacks, axis=1)
    steps = as_floats(estimator, stacked, ensure_min_samples=0, ensure_all_finite=False)
    _check_finite(estimator, steps, lengths[0])

    n_steps = lengths[0].max()
    padded = (lengths[0] < n_steps).any()
    real = lengths[0] if padded else None
    kind = "ragged1d" if len(cells) == 1 and ndims[0] == 1 else "ragged"
    values = _pad(steps, real, len(lengths[0]), n_steps)
    return Samples(values, real, container_of(X, kind))


# Checks


def as_floats(estimator: Any, X: Any, **params: Any) -> np.ndarray:
    if isinstance(X, (list, tuple)):
        X = np.asarray(X)
    refuse_masked(X)
    bad = not_a_number(X)
    if bad is not None:
        raise ValueError(
            f"X must hold numbers to be read by {type(estimator).__name__}. Got {bad}. "
            "Convert your data to numeric values explicitly instead."
        )
    dtypes = [np.float64, np.float32]
    return check_array(X, dtype=dtypes, estimator=estimator, input_name="X", **params)


def raise_other_kind(estimator: Any, X: Any, kind: str) -> None:
    name = type(estimator).__name__
    shape = X.shape if hasattr(X, "shape") else (len(X),)
    if shape[:1] == (0,):
        raise ValueError(
            f"Found array with 0 sample(s) (shape={shape}) while a minimum of 1 is "
            f"required by {name}."
        )
    expected, advice = "sequences", "Use X[np.newaxis] for a single one,"
    if kind == "flat":
        expected = f"a table with {estimator.n_features_in_} columns"
        advice = "Flatten sequences of that length,"
    elif kind.startswith("image"):
        expected = "images"
    raise ValueError(
        f"X must hold {expected}, as {name} got in fit. Got {type(X).__name__} of "
        f"shape {shape}. {advice} or refit."
    )


def _check_steps(estimator: Any, samples: Samples, minimum: int) -> None:
    shape, lengths = samples.values.shape, samples.lengths
    shortest = shape[1] if lengths is None else lengths.min()
    if shortest < minimum:
        what, unit = "array", "time step(s)"
        if lengths is not None:
            what = f"sequence {lengths.argmin()}"
        elif samples.kind == "flat":
            unit, n_channels = "feature(s)", shape[2]
            shortest, minimum = shortest * n_channels, minimum * n_channels
            shape = (len(samples), shortest)
        raise ValueError(
            f"Found {what} with {shortest} {unit} (shape={shape}) while a "
            f"minimum of {minimum} is required by {type(estimator).__name__}."
        )


def _check_finite(estimator: Any, steps: np.ndarray, lengths: np.ndarray) -> None:
    name = type(estimator).__name__
    try:
        assert_all_finite(steps, estimator_name=name, input_name="X")
    except ValueError as error:
        step = np.flatnonzero(~np.isfinite(steps).all(axis=1))[0]
        number = np.searchsorted(np.cumsum(lengths), step, side="right")
        message = f"{error}\nThe first such value is in sequence {number}."
        raise ValueError(message) from None


def check_features(estimator: Any, samples: Samples, *, reset: bool) -> None:
    """Set or compare the number of features, and keep the kind of input of fit."""
    values = samples.values
    if samples.kind in ("table", "flat"):
        features = values.reshape(len(values), -1)
    else:
        features = values[:, 0]
    _check_n_features(estimator, features, reset=reset)
    if reset:
        estimator._input_kind = samples.kind


# Padding and its reverse


def _pad(
    steps: np.ndarray, lengths: np.ndarray | None, n_samples: int, n_steps: int
) -> np.ndarray:
    shape = (n_samples, n_steps, steps.shape[-1])
    if lengths is None:
        return steps.reshape(shape)
    values = np.zeros(shape, dtype=steps.dtype)
    values[np.arange(n_steps) < lengths[:, np.newaxis]] = steps
    return values
