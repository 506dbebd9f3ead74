"""Convert sequences from and to long tables and padded arrays."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_consistent_length

from sklearn_seqae._layout import refuse_triple
from sklearn_seqae._libraries import reads_all_containers
from sklearn_seqae._numbers import as_floats, refuse_masked

__all__ = ["sequences_from_long", "sequences_from_padded", "sequences_to_long"]


@reads_all_containers
def sequences_from_long(
    frame: Any, *, id: Any, time: Any, values: Any = None
) -> tuple[list[NDArray], Any, list[NDArray]]:
    """Read sequences from a long table that has one row for each time step.

    Parameters
    ----------
    frame : DataFrame of pandas or polars, pyarrow Table or narwhals DataFrame
        Table with rows in any order. Each row must have an id and a time, and each time
        must be unique in a sequence.

    id : column name or list of column names
        Column with the id of the sequence. Several columns identify a sequence
        together.

    time : column name
        Column by which the rows of a sequence are sorted. Text that holds numbers or
        times raises a ValueError: as text, "10" precedes "9".

    values : column name or list of column names, default=None
        Columns of the channels. If None, all other columns. Numeric text is converted.

    Returns
    -------
    sequences : list of ndarray of shape (n_steps, n_channels)
        Sequences, in the order in which their ids first occur. Missing values are NaN.

    ids : ndarray of shape (n_sequences,), or list of tuple
        The id of each sequence; tuples if `id` is a list.

    times : list of ndarray of shape (n_steps,)
        The times of each sequence.

    See Also
    --------
    sequences_to_long : The inverse function.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_seqae.conversion import sequences_from_long
    >>> frame = pd.DataFrame(
    ...     {"id": ["b", "a", "b"], "time": [2, 1, 1], "value": [0.2, 0.3, 0.1]}
    ... )
    >>> sequences, ids, times = sequences_from_long(frame, id="id", time="time")
    >>> [sequence.ravel().tolist() for sequence in sequences], ids.tolist()
    ([[0.1, 0.2], [0.3]], ['b', 'a'])
    """
    import pandas as pd

    keys = list(id) if _is_list(id) else [id]
    if values is not None:
        values = list(values) if _is_list(values) else [values]
    values = _check_frame(frame, keys, time, values)
    columns = {name: frame[name].to_numpy() for name in (*keys, time)}
    codes = {
        name: pd.factorize(column, sort=name == time)[0]
        for name, column in columns.items()
    }
    for name, codes_of in codes.items():
        missing = codes_of < 0
        if missing.any():
            raise ValueError(
                f"Column {name!r} must have a value in each row. Got {missing.sum()} "
                f"missing, the first in row {missing.argmax()}. Drop these rows."
            )
    _refuse_text(columns[time], time)
    steps = _as_floats(frame[values], "frame")
    numbers, first = _number(np.column_stack([codes[name] for name in keys]))
    ids: Any = columns[keys[0]][first]
    if _is_list(id):
        ids = list(zip(*(columns[name][first].tolist() for name in keys), strict=True))
    order_of, moments = codes[time], columns[time]
    order = np.lexsort((order_of, numbers))
    numbers, order_of = numbers[order], order_of[order]
    twice = (np.diff(numbers) == 0) & (np.diff(order_of) == 0)
    if twice.any():
        row = order[twice.argmax()]
        raise ValueError(
            "Each time must be unique in a sequence. Got several rows with id "
            f"{ids[numbers[twice.argmax()]]} at time {moments[row]}. Aggregate them, "
            "for example with a group_by on the columns of id and time."
        )
    seams = np.flatnonzero(np.diff(numbers)) + 1
    return np.split(steps[order], seams), ids, np.split(moments[order], seams)


def _check_frame(frame: Any, keys: list, time: Any, values: list | None) -> list:
    """Return the columns of the channels, after checking all columns by name."""
    if not hasattr(frame, "columns"):
        raise TypeError(
            "frame must be a DataFrame with columns of ids, times and values. Got "
            f"{type(frame).__name__}."
        )
    names = list(frame.columns)
    for name in (*keys, time, *(values or ())):
        if name not in names:
            raise ValueError(f"frame must have the column {name!r}. Got {names}.")
        if names.count(name) > 1:
            raise ValueError(
                f"frame must have the column {name!r} once. Got it {names.count(name)} "
                "times. Rename the columns."
            )
    if not keys:
        raise ValueError("id must name one column at least. Got an empty list.")
    _check_names("id and time", [*keys, time])
    if values is None:
        values = [name for name in names if name not in (*keys, time)]
    if not values:
        raise ValueError(
            f"frame must have one column of values at least. Got {names}, which are "
            "the columns of id and time."
        )
    _check_names("values", values)
    if not len(frame):
        raise ValueError("frame must have one row at least. Got none.")
    return values


def _check_names(what: str, names: list) -> None:
    """Raise a ValueError for a name that occurs twice."""
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"The column names of {what} must differ. Got {', '.join(twice)} more than "
            "once. Choose other names."
        )


def _is_list(names: Any) -> bool:
    """Return whether names are several column names; a tuple may be one name."""
    return isinstance(names, (list, np.ndarray)) or hasattr(names, "to_list")


def _refuse_text(moments: NDArray, name: Any) -> None:
    """Raise a ValueError for numbers or times as text, which sort as text."""
    if moments.dtype.kind not in "OUST" or not isinstance(moments[0], str):
        return
    import pandas as pd

    for parse, remedy, what in (
        (pd.to_numeric, f"pandas.to_numeric(frame[{name!r}])", "numbers"),
        (_to_datetime, f"pandas.to_datetime(frame[{name!r}])", "times"),
    ):
        try:
            parse(pd.Series(moments, dtype=object))
        except (TypeError, ValueError):
            continue
        raise ValueError(
            f"Column {name!r} holds {what} as text, which does not sort in the order "
            f"of time. Got {str(moments[0])!r}. Convert it first: frame[{name!r}] = "
            f"{remedy}."
        )


def _to_datetime(column: Any) -> Any:
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a format that pandas cannot infer
        return pd.to_datetime(column)


def _number(codes: NDArray) -> tuple[NDArray, NDArray]:
    """Number rows (n, n_keys) in the order of their first occurrence.

    Returns
    -------
    numbers : ndarray of shape (n,)
        Number of each row; equal rows have one number.

    first : ndarray of int
        The first row with each number.
    """
    _, first, inverse = np.unique(codes, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[inverse.ravel()], first[order]


@reads_all_containers
def sequences_to_long(
    sequences: Sequence,
    *,
    ids: Sequence | None = None,
    times: Sequence | None = None,
    id: str | list[str] = "id",
    time: str = "time",
    values: str | Sequence[str] | None = None,
    form: str = "pandas",
) -> Any:
    """Convert sequences to a long table that has one row for each time step.

    Parameters
    ----------
    sequences : sequence of array-like of shape (n_steps, n_channels) or (n_steps,)
        Sequences of any lengths.

    ids : sequence, default=None
        Id of each sequence; tuples if `id` is a list. If None, 0, 1, ...

    times : sequence of array-like of shape (n_steps,), default=None
        Times of each sequence. If None, 0, 1, ...

    id : str or list of str, default="id"
        Name of the column of the ids; a list of names if each id is a tuple.

    time : str, default="time"
        Name of the column of the times.

    values : str or list of str, default=None
        Names of the columns of the channels. If None, "channel0", "channel1", ...

    form : {"pandas", "polars"}, default="pandas"
        Library of the data frame.

    Returns
    -------
    frame : DataFrame
        Columns of ids, times and channels, one sequence after another.

    See Also
    --------
    sequences_from_long : The inverse function.

    Examples
    --------
    >>> from sklearn_seqae.conversion import sequences_to_long
    >>> sequences_to_long([[[0.1], [0.2]], [[0.3]]], ids=["b", "a"])
      id  time  channel0
    0  b     0       0.1
    1  b     1       0.2
    2  a     0       0.3
    """
    if form not in ("pandas", "polars"):
        raise ValueError(f"form must be 'pandas' or 'polars'. Got {form!r} instead.")
    series = _read_items(sequences)
    lengths = [len(one) for one in series]
    keys = list(id) if _is_list(id) else [id]
    names = _columns_of_ids(ids, keys, _is_list(id), len(series))
    moments = [np.arange(n) for n in lengths] if times is None else list(times)
    check_consistent_length(series, *names, moments)
    for number, (n, own) in enumerate(zip(lengths, moments, strict=True)):
        n_times = np.size(own)
        if n_times != n:
            raise ValueError(
                f"times must hold one time for each step. Got {n_times} for the {n} "
                f"steps of sequence {number}."
            )
    steps = np.concatenate(series)
    if values is None:
        values = [f"channel{c}" for c in range(steps.shape[1])]
    values = [values] if isinstance(values, str) else list(values)
    if len(values) != steps.shape[1]:
        raise ValueError(
            f"values must hold one name for each channel. Got {len(values)} names for "
            f"{steps.shape[1]} channels."
        )
    _check_names("id, time and values", [*keys, time, *values])
    repeated = (np.repeat(column, lengths) for column in names)
    columns = dict(zip(keys, repeated, strict=True)) | {time: np.concatenate(moments)}
    columns |= dict(zip(values, steps.T, strict=True))
    if form == "polars":
        import polars as pl

        return pl.DataFrame(columns)
    import pandas as pd

    return pd.DataFrame(columns).infer_objects()


def _read_items(sequences: Sequence) -> list[NDArray]:
    """Return sequences as arrays (n_steps, n_channels)."""
    refuse_masked(sequences, "sequences")
    refuse_triple(sequences)
    if not hasattr(sequences, "__len__") or hasattr(sequences, "columns"):
        raise TypeError(
            "sequences must be a list of arrays, one for each sequence. Got "
            f"{type(sequences).__name__}."
        )
    if not len(sequences):
        raise ValueError("sequences must hold one sequence at least. Got none.")
    items = [
        _as_floats(one, f"sequence {number}", ensure_min_samples=0)
        for number, one in enumerate(sequences)
    ]
    items = [one[:, np.newaxis] if one.ndim == 1 else one for one in items]
    for number, item in enumerate(items):
        if not item.size:
            raise ValueError(
                f"Found sequence {number} with shape {item.shape}, while a minimum of "
                "1 time step and 1 channel is required."
            )
        if item.ndim != 2:
            raise ValueError(
                "sequences must have shape (n_steps, n_channels) or (n_steps,). Got "
                f"shape {item.shape} in sequence {number}."
            )
        if item.shape[1] != items[0].shape[1]:
            raise ValueError(
                "sequences must have the same number of channels. Got "
                f"{items[0].shape[1]} in sequence 0 and {item.shape[1]} in sequence "
                f"{number}."
            )
    return items


def _columns_of_ids(
    ids: Sequence | None, keys: list, are_tuples: bool, n_sequences: int
) -> list[NDArray]:
    """Return one array for each name of a column of ids."""
    if ids is None:
        ids = [(i,) * len(keys) for i in range(n_sequences)]
        are_tuples = True
    if not are_tuples:
        names = np.asarray(ids)
        if names.ndim != 1:
            raise ValueError(
                f"ids are tuples, but id={keys[0]!r} names one column. Pass a list of "
                f"{names.shape[1]} names as id."
            )
        return [names]
    for number, one in enumerate(ids):
        if not isinstance(one, (tuple, list)) or len(one) != len(keys):
            raise ValueError(
                f"ids must hold a tuple of {len(keys)} values for id={keys}. Got "
                f"{one!r} for sequence {number}."
            )
    return [np.asarray(column) for column in zip(*ids, strict=True)]


@reads_all_containers
def sequences_from_padded(X: Any) -> list[NDArray]:
    """Convert an array of variable-length sequences, padded with NaN, to a list.

    Parameters
    ----------
    X : array-like of shape (n_sequences, n_steps, n_channels)
        Sequences with NaN in all channels after their last step. An array of shape
        (n_sequences, n_steps) has one channel.

    Returns
    -------
    sequences : list of ndarray of shape (n_steps, n_channels)
        Sequences without padding; views of X if X is an array of floats.

    Examples
    --------
    >>> from sklearn_seqae.conversion import sequences_from_padded
    >>> nan = float("nan")
    >>> sequences = sequences_from_padded([[[1.0], [2.0]], [[3.0], [nan]]])
    >>> [sequence.ravel().tolist() for sequence in sequences]
    [[1.0, 2.0], [3.0]]
    """
    values = _as_floats(X, "X", ensure_min_samples=0)
    if values.ndim == 2:
        values = values[:, :, np.newaxis]
    if values.ndim != 3 or 0 in values.shape:
        raise ValueError(
            "X must have shape (n_sequences, n_steps, n_channels), with at least 1 of "
            f"each. Got shape {values.shape}."
        )
    missing = np.isnan(values)
    real = ~missing.all(axis=2)
    lengths = np.where(real.any(axis=1), real.shape[1] - real[:, ::-1].argmax(1), 0)
    if not lengths.all():
        raise ValueError(
            f"Sequence {lengths.argmin()} of X is empty: it holds NaN only. Drop it."
        )
    inside = missing.any(axis=2) & (np.arange(real.shape[1]) < lengths[:, np.newaxis])
    if inside.any():
        number, step = np.argwhere(inside)[0]
        raise ValueError(
            f"Input X contains NaN inside sequence {number}, in step {step} of its "
            f"{lengths[number]}. NaN is only allowed in all channels after the last "
            "step. Impute it, or drop the sequence."
        )
    return [one[:n] for one, n in zip(values, lengths, strict=True)]


def _as_floats(X: Any, name: str, **params: Any) -> NDArray:
    return as_floats(
        X,
        input_name=name,
        ensure_2d=False,
        allow_nd=True,
        ensure_all_finite="allow-nan",
        **params,
    )
