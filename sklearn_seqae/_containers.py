"""Containers of samples: recognize the container of X, and wrap results in it.

X is a table if scikit-learn reads it as 2-D, including a list of 1-D arrays of one
length. A list of 1-D arrays of several lengths contains sequences of one channel, and
so do 1-D object arrays, Series and items of shape (T, 1).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sklearn_seqae._libraries import columns_of, dtype_names, library_of
from sklearn_seqae._numbers import as_numbers, refuse_masked
from sklearn_seqae.large.rows import Rows

_LISTS = ("object", "list", "large_list", "fixed_size_list", "array")


@dataclass(frozen=True)
class Container:
    """Container of X, which wraps results in the same container.

    Parameters
    ----------
    kind : {"table", "flat", "array", "ragged", "ragged1d", "image", "image2d"}
        "flat" is a table whose rows are sequences or images; "ragged1d" has 1-D
        items, "image2d" images without an axis for channels.
    form : {"array", "list", "tuple", "pandas", "polars"}
        Library of the object; "array" is numpy.
    columns : sequence of names, default=None
        Columns of a data frame; None for a Series or a list of items.
    index : pandas.Index, default=None
    name : str, default=None
        Name of a Series.
    shape : (height, width, n_channels), default=None
        Shape of each sample if values are flat rows; a sequence has a width of 1.
    items : list of Container, default=None
        Containers of the items of a list of data frames; None for other items.
    frame_shape : (height, width) or (height, width, n_channels), default=None
        Shape of each time step of videos, whose channels are the flat frames.
    """

    kind: str
    form: str = "array"
    columns: Any = None
    index: Any = None
    name: Any = None
    shape: Any = None
    items: Any = None
    frame_shape: Any = None

    def take(self, rows: Any) -> "Container":
        index = None if self.index is None else self.index[rows]
        items = self.items
        if items is not None:
            items = [items[row] for row in np.arange(len(items))[rows]]
        return replace(self, index=index, items=items)

    def take_columns(self, columns: slice) -> "Container":
        """Keep some columns of a table. Other kinds are not changed."""
        if self.kind != "flat" or self.columns is None:
            return self
        return replace(self, columns=self.columns[columns])

    def wrap(self, values: np.ndarray, lengths: np.ndarray | None) -> Any:
        """Wrap values of shape (N, D) or (N, T, C) in this container."""
        if isinstance(values, Rows):
            return values.select()
        if self.kind in ("table", "flat"):
            return self._wrap_table(values.reshape(len(values), -1))
        if self.kind.startswith("image"):
            return self._wrap_images(values)
        if self.shape is not None:
            values = values.reshape(len(values), -1, self.shape[-1])
        if self.frame_shape is not None:
            values = values.reshape(*values.shape[:2], *self.frame_shape)
        if self.kind == "array":
            return values
        if self.columns is None:
            return self._wrap_items(_items(values, lengths, self.kind == "ragged1d"))
        if len(self.columns) == 1:
            columns = [_items(values, lengths, self.kind == "ragged1d")]
        else:
            channels = np.split(values, values.shape[2], axis=2)
            columns = [_items(channel, lengths, True) for channel in channels]
        return self._wrap_cells(columns)

    def _wrap_table(self, values: np.ndarray) -> Any:
        if self.form == "pandas":
            import pandas as pd

            return pd.DataFrame(values, index=self.index, columns=self.columns)
        if self.form == "polars":
            import polars as pl

            return pl.DataFrame(values, schema=list(self.columns), orient="row")
        return values

    def _wrap_images(self, values: np.ndarray) -> Any:
        shape = self.shape[:2] if self.kind == "image2d" else self.shape
        images = values.reshape(len(values), *shape)
        return images if self.form == "array" else self._wrap_items(list(images))

    def _wrap_items(self, items: list) -> Any:
        if self.items is not None:
            pairs = zip(items, self.items, strict=True)
            items = [container.wrap_item(item) for item, container in pairs]
        if self.form == "list":
            return items
        if self.form == "tuple":
            return tuple(items)
        if self.form == "pandas":
            import pandas as pd

            return pd.Series(_objects(items), index=self.index, name=self.name)
        if self.form == "polars":
            return _polars_series(self.name, items)
        return _objects(items)

    def wrap_item(self, values: np.ndarray) -> Any:
        """Wrap the last rows of an item of a list in its own container."""
        index = None if self.index is None else self.index[-len(values) :]
        if self.columns is not None:
            return replace(self, index=index)._wrap_table(values)
        return replace(self, index=index)._wrap_column(values)

    def _wrap_column(self, values: np.ndarray) -> Any:
        if self.form == "pandas":
            import pandas as pd

            return pd.Series(values.reshape(-1), index=self.index, name=self.name)
        if self.form == "polars":
            import polars as pl

            return pl.Series(self.name, values.reshape(-1))
        return values

    def _wrap_cells(self, columns: list[list]) -> Any:
        if self.form == "polars":
            import polars as pl

            named = zip(self.columns, columns, strict=True)
            return pl.DataFrame([_polars_series(name, cells) for name, cells in named])
        cells = np.column_stack([_objects(column) for column in columns])
        if self.form == "pandas":
            import pandas as pd

            return pd.DataFrame(cells, index=self.index, columns=self.columns)
        return cells


# Recognize a container


def container_of(X: Any, kind: str) -> Container:
    """Return the container of X, which is read as this kind of samples."""
    form = library_of(X)
    if form is None:
        if isinstance(X, (list, tuple)):
            items = None
            if X and all(library_of(item) is not None for item in X):
                items = [container_of(item, "table") for item in X]
            form = "list" if isinstance(X, list) else "tuple"
            return Container(kind, form, items=items)
        of_cells = kind.startswith("ragged") and X.ndim == 2
        return Container(kind, columns=range(X.shape[1]) if of_cells else None)
    columns = getattr(X, "columns", None)
    index = X.index if form == "pandas" else None
    return Container(kind, form, columns, index, X.name if columns is None else None)


def depth(item: Any) -> int:
    """Return the number of dimensions of an item without converting it."""
    is_nested = isinstance(item, np.ndarray) and item.dtype == object and item.ndim == 1
    if is_nested or isinstance(item, (list, tuple)):
        return 1 + (depth(item[0]) if len(item) else 0)
    return len(item.shape) if hasattr(item, "shape") else 0


def ndim_of(X: Any) -> int:
    return len(X.shape) if hasattr(X, "shape") else depth(X)


def is_table(X: Any) -> bool:
    """Return whether scikit-learn reads a list as 2-D: 1-D items of one length."""
    if not isinstance(X, (list, tuple)) or any(depth(item) != 1 for item in X):
        return False
    return len({len(item) for item in X}) == 1


def cells_of(X: Any) -> list | None:
    """Return the columns of X whose cells hold sequences; None if they hold numbers."""
    columns: list
    form = library_of(X)
    if form is not None:
        if not any(name.startswith(_LISTS) for name in dtype_names(X)):
            return None
        columns = columns_of(X, form)
    elif isinstance(X, (list, tuple)):
        columns = [X]
    elif isinstance(X, np.ndarray) and X.dtype == object and X.ndim in (1, 2):
        columns = [X] if X.ndim == 1 else list(X.T)
    else:
        return None
    found = any(depth(cell) > 0 for column in columns for cell in column)
    return columns if found else None


def check_columns_of_cells(X: Any, columns: list) -> None:
    """Raise a ValueError for a column of numbers or text among columns of sequences."""
    labels = X.columns if hasattr(X, "columns") else range(len(columns))
    for label, column in zip(labels, columns, strict=True):
        values = [cell for cell in column if not _is_missing(cell)]
        if values and all(depth(cell) == 0 for cell in values):
            raise ValueError(
                f"Column {label!r} of X must hold sequences, as other columns do. Got "
                f"{values[0]!s} in its first row. Leave the column out of X, or repeat "
                "its value in each time step of the sequence."
            )


def is_column_of_tables(cells: list | None) -> bool:
    """Return whether one column holds all channels: its name is not a channel."""
    return cells is not None and len(cells) == 1 and depth(cells[0][0]) > 1


# Convert cells to steps, and values to cells


def stack(cells: Sequence) -> tuple[np.ndarray, np.ndarray, tuple]:
    """Return the steps of all sequences, (sum of T, C), lengths and shape of a step.

    The shape of a step is () for one channel without an axis, (C,), or that of a frame.
    """
    items = [_as_item(number, cell) for number, cell in enumerate(cells)]
    n_channels = items[0].shape[1:]
    for number, item in enumerate(items):
        if item.shape[1:] != n_channels:
            raise ValueError(
                "X must hold sequences of the same number of channels. Got shape "
                f"{items[0].shape} in sequence 0 and {item.shape} in sequence {number}."
            )
    lengths = np.fromiter(map(len, items), dtype=np.int64, count=len(items))
    stacked = np.concatenate(items)
    width = math.prod(n_channels)
    return stacked.reshape(len(stacked), width), lengths, n_channels


def _as_item(number: int, cell: Any) -> np.ndarray:
    refuse_masked(cell, f"sequence {number} of X")
    if isinstance(cell, np.ndarray) and cell.dtype == object and cell.ndim == 1:
        cell = list(cell)
    try:
        item = np.asarray(cell)
    except ValueError as error:
        if isinstance(cell, (list, tuple)):
            _check_steps_of(number, cell)
        raise ValueError(f"Sequence {number} of X is not an array: {error}") from error
    if item.ndim not in (1, 2, 3, 4):
        if _is_missing(cell):
            raise ValueError(f"Input X contains NaN: sequence {number} is missing.")
        raise ValueError(
            "X must hold sequences of shape (n_steps, n_channels) or (n_steps,), or "
            "videos of shape (n_steps, height, width[, n_channels]). Got "
            f"{type(cell).__name__} of {item.ndim} dimensions in sequence {number}."
        )
    try:
        return as_numbers(item)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"X must hold sequences of numbers. Sequence {number} holds {error}. "
            "Convert your data to numeric values explicitly instead."
        ) from None


def _check_steps_of(number: int, steps: Sequence) -> None:
    """Raise a ValueError if time steps differ in their number of channels."""
    widths = [len(step) if depth(step) else 0 for step in steps]
    if len(set(widths)) <= 1:
        return
    missing = next((i for i, step in enumerate(steps) if _is_missing(step)), None)
    if missing is not None:
        raise ValueError(
            f"Input X contains NaN: step {missing} of sequence {number} is missing."
        )
    other = next(i for i, width in enumerate(widths) if width != widths[0])
    raise ValueError(
        f"X must hold the same number of channels in each time step. Got {widths[0]} "
        f"in step 0 and {widths[other]} in step {other} of sequence {number}."
    )


def _is_missing(cell: Any) -> bool:
    return depth(cell) == 0 and str(cell) in ("None", "nan", "<NA>", "NaT")


def _items(values: np.ndarray, lengths: np.ndarray | None, one_d: bool) -> list:
    """Return one array per sequence, without its padding."""
    if one_d and values.shape[2] == 1:
        values = values[:, :, 0]
    if lengths is None:
        return list(values)
    return [item[:n] for item, n in zip(values, lengths, strict=True)]


def _objects(items: list) -> np.ndarray:
    return np.fromiter(items, dtype=object, count=len(items))


def _polars_series(name: str, items: list) -> Any:
    import polars as pl

    if items[0].ndim == 2:
        return pl.Series(name, [item.tolist() for item in items])
    # Thirty times faster than a Series made of 100,000 arrays.
    rows = np.repeat(np.arange(len(items)), [len(item) for item in items])
    steps = pl.DataFrame({"row": rows, "steps": np.concatenate(items)})
    cells = steps.group_by("row", maintain_order=True).agg("steps")
    return cells["steps"].alias(name)
