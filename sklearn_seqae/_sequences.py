"""Parse tables and sequences in any container into values and lengths.

There are three readers: for tables (2-D, one row per sample), for 3-D arrays, and for
cells that each contain one sequence (lists, object arrays, data frames). With the
`kind` of `fit`, lists are read as in `fit`, and other kinds raise a ValueError.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import _get_feature_names

from sklearn_seqae._containers import (
    Container,
    cells_of,
    check_columns_of_cells,
    container_of,
    is_column_of_tables,
    is_table,
    ndim_of,
    stack,
)
from sklearn_seqae._layout import (
    FROM_LONG,
    raise_other_kind,
    refuse_padding,
    refuse_panel,
    refuse_scalars,
    refuse_triple,
)
from sklearn_seqae._numbers import NUMERIC, as_floats, check_finite, has_gaps
from sklearn_seqae.large.rows import take_rows


@dataclass(frozen=True)
class Samples:
    """Samples of X as arrays, with the container of X.

    `values` may be X itself or a view of it: never write to it. Missing values are NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seqae._sequences import parse_sequences
    >>> X = [np.ones((2, 1)), np.zeros((3, 1))]
    >>> samples = parse_sequences(X, name="Example")
    >>> samples.values.shape, samples.lengths
    ((2, 3, 1), array([2, 3]))
    >>> [item.shape for item in samples.restore(samples.values)]
    [(2, 1), (3, 1)]
    """

    values: np.ndarray  # (N, D), or (N, T, C) with zeros beyond each sequence's end
    lengths: np.ndarray | None  # (N,); None where every sequence fills its T steps
    container: Container
    target: np.ndarray | None = None  # (N, ...), clean target of each sample
    weight: np.ndarray | None = None  # (N,), sample weights; None: all are 1
    feature_names: np.ndarray | None = None  # names of columns or channels
    # As `values` and `target`, False where a value is missing; None if none is
    observed: np.ndarray | None = None
    target_observed: np.ndarray | None = None

    def __post_init__(self) -> None:
        is_array = isinstance(self.values, np.ndarray)  # other rows are complete
        if is_array and self.observed is None and has_gaps(self.values):
            object.__setattr__(self, "observed", ~np.isnan(self.values))

    def __len__(self) -> int:
        return len(self.values)

    @property
    def kind(self) -> str:
        """Kind of the container, for `pack`."""
        return self.container.kind

    @property
    def n_features(self) -> int:
        """Number of columns of a table, else of channels."""
        if self.kind in ("table", "flat"):
            return math.prod(self.values.shape[1:])
        shape = self.container.shape
        return self.values.shape[-1] if shape is None else shape[-1]

    @property
    def n_steps_of_each(self) -> np.ndarray:
        """Number of steps of each sequence, (N,)."""
        if self.lengths is None:
            return np.full(len(self), self.values.shape[1])
        return self.lengths

    @property
    def median_steps(self) -> int | None:
        """Median number of steps of the sequences; None for rows of a table."""
        if self.values.ndim == 2:
            return None
        return int(np.median(self.n_steps_of_each))

    @property
    def size(self) -> tuple[int, int]:
        """Number of samples, and of values of a sample of median length."""
        n_steps = self.median_steps
        return len(self), self.values.shape[-1] * (1 if n_steps is None else n_steps)

    @property
    def mask(self) -> np.ndarray | None:
        """Mask (N, T), False on padding; None without padding."""
        if self.lengths is None:
            return None
        return np.arange(self.values.shape[1]) < self.lengths[:, np.newaxis]

    @property
    def n_observed(self) -> np.ndarray:
        """Number of observed values of each sample, at least 1, (N,)."""
        observed = ~np.isnan(self.values)
        if self.mask is not None:
            observed &= self.mask[:, :, np.newaxis]
        counts: np.ndarray = observed.reshape(len(self), -1).sum(axis=1)
        return counts.clip(1)

    def filled(self, estimates: np.ndarray) -> np.ndarray:
        """Return the values, with estimates of the missing ones."""
        return np.where(np.isnan(self.values), estimates, self.values)

    @property
    def has_values(self) -> np.ndarray:
        """Whether each sample has an observed value, (N,)."""
        observed = np.isfinite(self.values)
        if self.mask is not None:
            observed &= self.mask[:, :, np.newaxis]
        result: np.ndarray = observed.reshape(len(self), -1).any(axis=1)
        return result

    @property
    def steps(self) -> np.ndarray:
        """Steps of all sequences without padding, (sum of T, C), read-only."""
        if self.lengths is None:
            steps = self.values.reshape(-1, self.values.shape[-1]).view()
        else:
            steps = self.values[self.mask]
        steps.flags.writeable = False
        return steps

    def pad(self, steps: np.ndarray) -> np.ndarray:
        """Return values (N, T, C) from `steps`."""
        n_samples, n_steps = self.values.shape[:2]
        return _pad(steps, self.lengths, n_samples, n_steps)

    def take(self, rows: Any) -> "Samples":
        """Return these rows, trimmed to the longest sequence among them."""
        container = self.container.take(rows)
        target = None if self.target is None else self.target[rows]
        weight = None if self.weight is None else self.weight[rows]
        beside: dict[str, Any]
        beside = {"container": container, "target": target, "weight": weight}
        beside["observed"] = None  # is found from the values
        if self.lengths is None:
            return replace(self, values=take_rows(self.values, rows), **beside)
        lengths = self.lengths[rows]
        n_steps = lengths.max(initial=1)
        values = self.values[:, :n_steps][rows]
        padded = lengths if (lengths < n_steps).any() else None
        return replace(self, values=values, lengths=padded, **beside)

    def between(self, starts: np.ndarray, ends: np.ndarray) -> "Samples":
        """Keep the time steps of each sequence from one (N, 1) up to another."""
        lengths = (ends - starts)[:, 0]
        step = np.arange(lengths.max(initial=1))
        kept = step < lengths[:, np.newaxis]
        rows = np.arange(len(self))[:, np.newaxis]
        values = self.values[rows, np.where(kept, starts + step, 0)]
        if self.lengths is None:
            n_channels = values.shape[2]
            first, last = int(starts[0, 0]), int(ends[0, 0])
            columns = slice(first * n_channels, last * n_channels)
            container = self.container.take_columns(columns)
            return replace(self, values=values, container=container, observed=None)
        values[~kept] = 0
        lengths = None if kept.all() else lengths
        return replace(self, values=values, lengths=lengths, observed=None)

    def last(self, n_steps: int | None) -> "Samples":
        """Keep the last time steps of longer sequences; None keeps all."""
        if n_steps is None or self.values.shape[1] <= n_steps:
            return self
        ends = self.n_steps_of_each[:, np.newaxis]
        return self.between(np.maximum(0, ends - n_steps), ends)

    def split_ahead(self, horizon: int) -> "Samples":
        """Remove the last time steps of each sequence; they become the target."""
        ends = self.n_steps_of_each[:, np.newaxis]
        rows = np.arange(len(self))[:, np.newaxis]
        target = self.values[rows, ends - horizon + np.arange(horizon)]
        return replace(self.between(0 * ends, ends - horizon), target=target)

    def restore(self, values: np.ndarray, lengths: np.ndarray | None = None) -> Any:
        """Wrap values, one row per sample, in the container of X."""
        lengths = self.lengths if lengths is None else lengths
        return self.container.wrap(values, lengths)

    def to_frame(self, values: np.ndarray, form: str) -> Any:
        """Wrap values (N, T, C) in a data frame of sequences, "pandas" or "polars".

        It has one column per channel, and the index of X.
        """
        columns = [f"channel{c}" for c in range(values.shape[2])]
        index = self.container.index if form == "pandas" else None
        return Container("ragged1d", form, columns, index).wrap(values, self.lengths)


def parse_table(X: Any, *, name: str) -> Samples:
    """Read a table of shape (n_samples, n_features) as scikit-learn reads it."""
    if holds_sequences(X):
        ndim = ndim_of(X) if hasattr(X, "shape") else 0
        found = f"array with dim {ndim}" if ndim > 2 else "sequences"
        advice = "RecurrentAutoencoderTransformer, which reads sequences"
        if isinstance(X, (list, tuple)):
            missing = [number for number, row in enumerate(X) if row is None]
            if missing:
                raise ValueError(f"Input X contains NaN: row {missing[0]} is missing.")
        if ndim > 3:
            advice = "ConvolutionalAutoencoderTransformer, which reads images"
        raise ValueError(
            f"Found {found}, while dim <= 2 is required by {name}. Use {advice}."
        )
    return read_rows(X, "table", name)


def parse_sequences(
    X: Any,
    *,
    name: str,
    sample_shape: Any = None,
    kind: str | None = None,
    n_features: int | None = None,
    frame_shape: tuple[int, ...] | None = None,
) -> Samples:
    """Read sequences from any container.

    Parameters
    ----------
    X : 3-D array, table, list, object array, data frame or Series
        Sequences.

    name : str
        Class of the estimator, for messages.

    sample_shape : (-1, n_channels), default=None
        How to read a row of a table, in time-major order. If None, one channel.

    kind : str, default=None
        Kind of container that `fit` saw; None in `fit`.

    n_features : int, default=None
        Number of features that `fit` saw, for messages.

    frame_shape : tuple of int, default=None
        Shape of each frame of the videos that `fit` saw; None for other sequences.

    Returns
    -------
    samples : Samples
    """
    refuse_triple(X)
    cells = cells_of(X)
    if cells is not None and kind in (None, "flat") and is_table(X):
        cells = None
    is_array = cells is None and ndim_of(X) > 2
    if kind is not None and (kind == "flat") == (is_array or cells is not None):
        raise_other_kind(X, kind, name, n_features)
    if cells is not None:
        samples = _read_cells(X, cells, name)
    elif is_array:
        samples = _read_array(X, name)
    else:
        refuse_panel(X)
        refuse_scalars(X, name)
        advice = f"{NUMERIC} {FROM_LONG}" if hasattr(X, "columns") else NUMERIC
        rows = read_rows(X, "flat", name, advice=advice)
        samples = _as_sequences(rows, sample_shape)
    check_steps(samples, 1, name)
    found = samples.container.frame_shape
    # Another number of features is another fault, which `inputs.check` reports.
    if kind and found != frame_shape and samples.n_features == n_features:
        shapes = [shape or (n_features,) for shape in (found, frame_shape)]
        raise ValueError(
            f"X has time steps of shape {shapes[0]}, but {name} is expecting time "
            f"steps of shape {shapes[1]} as input. Reshape X."
        )
    return samples


def holds_sequences(X: Any, sample_shape: Any = None) -> bool:
    """Return whether X holds sequences: 3-D, or cells of sequences.

    A 3-D array is a stack of images where `sample_shape` is (height, width).
    """
    if cells_of(X) is not None:
        return not is_table(X)
    is_image = sample_shape is not None and sample_shape[0] != -1
    return ndim_of(X) > 2 and not is_image


def feature_names(X: Any, cells: list | None = None) -> np.ndarray | None:
    """Return the names of columns or channels; None where X has none.

    Parameters
    ----------
    X : {array-like, sequences, images}
        In any container.

    cells : list, default=None
        What `cells_of` returns for X, if that is known.
    """
    if isinstance(X, (list, tuple)):
        return _names_of_items(X)
    if isinstance(X, np.ndarray):
        return None
    cells = cells_of(X) if cells is None else cells
    if cells is not None and is_column_of_tables(cells):
        return None
    names = list(getattr(X, "columns", ()))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(
            f"The column names of X must differ. Got {twice!r} {names.count(twice)} "
            "times. Rename the columns."
        )
    return _get_feature_names(X)


def _names_of_items(X: Sequence) -> np.ndarray | None:
    """Return the names of the columns of a list of data frames."""
    if not X or not all(hasattr(item, "columns") for item in X):
        return None
    first = _get_feature_names(X[0])
    for number, item in enumerate(X):
        names = _get_feature_names(item)
        if not np.array_equal(names, first):
            raise ValueError(
                f"The feature names of sequence {number} of X should match those of "
                f"sequence 0. Got {list(item.columns)} and {list(X[0].columns)}. "
                "Select the same columns in the same order."
            )
    return first


def pack(
    values: np.ndarray,
    lengths: np.ndarray | None,
    kind: str,
    *,
    shape: Any = None,
    frame_shape: Any = None,
) -> Any:
    """Wrap values in the container of a `Samples.kind`: array or list."""
    form = "list" if kind.startswith("ragged") else "array"
    container = Container(kind, form, shape=shape, frame_shape=frame_shape)
    return container.wrap(values, lengths)


# Readers


def read_rows(X: Any, kind: str, name: str, **params: Any) -> Samples:
    names = feature_names(X)
    values = as_floats(X, name, ensure_all_finite="allow-nan", **params)
    return Samples(values, None, container_of(X, kind), feature_names=names)


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
    return replace(samples, values=values, observed=None)


def _read_array(X: Any, name: str) -> Samples:
    values = as_floats(X, name, allow_nd=True, ensure_all_finite="allow-nan")
    required = f"is required by {name}."
    if values.ndim > 5:
        raise ValueError(
            f"Found array with dim {values.ndim}, while dim <= 5 {required}"
        )
    if 0 in values.shape[2:]:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={values.shape}) while a minimum "
            f"of 1 {required}"
        )
    container = container_of(X, "array")
    if values.ndim > 3:  # videos, whose time steps are frames
        container = replace(container, frame_shape=values.shape[2:])
        values = values.reshape(*values.shape[:2], math.prod(values.shape[2:]))
    refuse_padding(values, name)
    return Samples(values, None, container)


def _read_cells(X: Any, cells: list, name: str) -> Samples:
    check_columns_of_cells(X, cells)
    stacks, lengths, shapes = zip(*map(stack, cells), strict=True)
    ndims = [1 + len(shape) for shape in shapes]
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
    steps = as_floats(stacked, name, ensure_min_samples=0, ensure_all_finite=False)
    check_finite(steps, lengths[0], name, allow_nan=True)

    n_steps = lengths[0].max()
    padded = (lengths[0] < n_steps).any()
    real = lengths[0] if padded else None
    kind = "ragged1d" if len(cells) == 1 and ndims[0] == 1 else "ragged"
    values = _pad(steps, real, len(lengths[0]), n_steps)
    container = container_of(X, kind)
    if ndims[0] > 2:
        container = replace(container, frame_shape=shapes[0])
    return Samples(values, real, container, feature_names=feature_names(X, cells))


# Checks


def check_steps(samples: Samples, minimum: int, name: str) -> None:
    """Raise a ValueError if a sequence has fewer than `minimum` time steps."""
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
            f"minimum of {minimum} is required by {name}."
        )


def refuse_missing(samples: Samples, name: str) -> None:
    """Raise a ValueError if a value is missing, in scikit-learn's words."""
    if samples.kind.startswith("ragged"):
        lengths = samples.n_steps_of_each
        check_finite(samples.steps, lengths, name, allow_nan=False)
    else:
        assert_all_finite(samples.values, estimator_name=name, input_name="X")


# Padding


def _pad(
    steps: np.ndarray, lengths: np.ndarray | None, n_samples: int, n_steps: int
) -> np.ndarray:
    shape = (n_samples, n_steps, steps.shape[-1])
    if lengths is None:
        return steps.reshape(shape)
    values = np.zeros(shape, dtype=steps.dtype)
    values[np.arange(n_steps) < lengths[:, np.newaxis]] = steps
    return values
