"""Convert sequences from and to long tables and padded arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array, check_consistent_length

__all__ = ["sequences_from_long", "sequences_from_padded", "sequences_to_long"]


def sequences_from_long(
    frame: Any, *, id: Any, time: Any, values: Sequence | None = None
) -> tuple[list[NDArray], NDArray, list[NDArray]]:
    """Read sequences from a long table that has one row for each time step.

    Parameters
    ----------
    frame : pandas or polars DataFrame
        Table with rows in any order. Each row must have an id and a time, and each time
        must be unique in a sequence.

    id, time : column name
        Column with the id of the sequence, and column by which the rows of a sequence
        are sorted.

    values : list of column names, default=None
        Columns of the channels. If None, all other columns.

    Returns
    -------
    sequences : list of ndarray of shape (n_steps, n_channels)
        Sequences, in the order in which their ids first occur. Missing values are NaN.

    ids : ndarray of shape (n_sequences,)
        The id of each sequence.

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

    for name in (id, time, *(values or ())):
        if name not in frame.columns:
            raise ValueError(
                f"frame must have the column {name!r}. Got {list(frame.columns)}."
            )
    if values is None:
        values = [name for name in frame.columns if name not in (id, time)]
    ids, moments = frame[id].to_numpy(), frame[time].to_numpy()
    numbers, names = pd.factorize(ids)
    order_of, _ = pd.factorize(moments, sort=True)
    for name, codes in ((id, numbers), (time, order_of)):
        missing = codes < 0
        if missing.any():
            raise ValueError(
                f"Column {name!r} must have a value in each row. Got {missing.sum()} "
                f"missing, the first in row {missing.argmax()}. Drop these rows."
            )
    steps = check_array(
        frame[list(values)],
        dtype=[np.float64, np.float32],
        ensure_all_finite="allow-nan",
        input_name="frame",
    )
    order = np.lexsort((order_of, numbers))
    numbers, order_of = numbers[order], order_of[order]
    twice = (np.diff(numbers) == 0) & (np.diff(order_of) == 0)
    if twice.any():
        row = order[twice.argmax()]
        raise ValueError(
            "Each time must be unique in a sequence. Got several rows with id "
            f"{ids[row]} at time {moments[row]}. Aggregate them, for example with "
            "a group_by on both columns."
        )
    seams = np.flatnonzero(np.diff(numbers)) + 1
    return np.split(steps[order], seams), names, np.split(moments[order], seams)


def sequences_to_long(
    sequences: Sequence,
    *,
    ids: Sequence | None = None,
    times: Sequence | None = None,
    id: str = "id",
    time: str = "time",
    values: Sequence[str] | None = None,
    form: str = "pandas",
) -> Any:
    """Convert sequences to a long table that has one row for each time step.

    Parameters
    ----------
    sequences : sequence of array-like of shape (n_steps, n_channels) or (n_steps,)
        Sequences of any lengths.

    ids : sequence, default=None
        Id of each sequence. If None, 0, 1, ...

    times : sequence of array-like of shape (n_steps,), default=None
        Times of each sequence. If None, 0, 1, ...

    id, time : str, default="id" and "time"
        Names of the columns of the ids and of the times.

    values : list of str, default=None
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
    series = [_as_floats(one, f"sequence {i}") for i, one in enumerate(sequences)]
    series = [one[:, np.newaxis] if one.ndim == 1 else one for one in series]
    lengths = [len(one) for one in series]
    names = np.arange(len(series)) if ids is None else np.asarray(ids)
    moments = [np.arange(n) for n in lengths] if times is None else list(times)
    check_consistent_length(series, names, moments)
    for number, (n, own) in enumerate(zip(lengths, moments, strict=True)):
        if len(own) != n:
            raise ValueError(
                f"times must hold one time for each step. Got {len(own)} for the {n} "
                f"steps of sequence {number}."
            )
    steps = np.concatenate(series)
    if values is None:
        values = [f"channel{c}" for c in range(steps.shape[1])]
    columns = {id: np.repeat(names, lengths), time: np.concatenate(moments)}
    columns |= dict(zip(values, steps.T, strict=True))
    if form == "polars":
        import polars as pl

        return pl.DataFrame(columns)
    import pandas as pd

    return pd.DataFrame(columns).infer_objects()


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
    values = _as_floats(X, "X")
    if values.ndim == 2:
        values = values[:, :, np.newaxis]
    if values.ndim != 3:
        raise ValueError(
            "X must have shape (n_sequences, n_steps, n_channels). Got shape "
            f"{values.shape}."
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


def _as_floats(X: Any, name: str) -> NDArray:
    return check_array(
        X,
        dtype=[np.float64, np.float32],
        ensure_2d=False,
        allow_nd=True,
        ensure_all_finite="allow-nan",
        input_name=name,
    )
