"""Containers of samples: recognize the container of X, and wrap results in it.

X is a table if scikit-learn reads it as 2-D, including a list of 1-D arrays of one
length. A list of 1-D arrays of several lengths contains sequences of one channel, and
so do 1-D object arrays, Series and items of shape (T, 1).
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

_NOT_NUMBERS = ("str", "bytes", "utf8", "large_string", "date", "time", "duration")
_LISTS = ("object", "list", "large_list", "fixed_size_list", "array")
_OBJECTS = (*_LISTS, "cat", "enum")


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
    """

    kind: str
    form: str = "array"
    columns: Any = None
    index: Any = None
    name: Any = None
    shape: Any = None
    items: Any = None

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
        if self.kind in ("table", "flat"):
            return self._wrap_table(values.reshape(len(values), -1))
        if self.kind.startswith("image"):
            return self._wrap_images(values)
        if self.shape is not None:
            values = values.reshape(len(values), -1, self.shape[-1])
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


def library_of(X: Any) -> str | None:
    """Return the library of a data frame or Series, without importing it."""
    for name in ("pandas", "polars"):
        library = sys.modules.get(name)
        if library is not None and isinstance(X, (library.DataFrame, library.Series)):
            return name
    return None


def _dtype_names(X: Any) -> list[str]:
    dtypes = X.dtypes if hasattr(X, "columns") else [getattr(X, "dtype", "")]
    return [str(getattr(dtype, "name", dtype)).lower() for dtype in dtypes]


def not_a_number(X: Any) -> str | None:
    """Return a description of a value in X that numpy would wrongly convert."""
    names = _dtype_names(X)
    found = next((name for name in names if name.startswith(_NOT_NUMBERS)), None)
    if found is None and any(name.startswith(_OBJECTS) for name in names):
        kinds = (str, bytes, np.datetime64, np.timedelta64)
        values = np.asarray(X).ravel()
        found = next((repr(v) for v in values if isinstance(v, kinds)), None)
    return found


def refuse_masked(X: Any) -> None:
    """Raise a TypeError for masked arrays: numpy would silently drop the mask."""
    if isinstance(X, np.ma.MaskedArray):
        raise TypeError(
            "Masked arrays are not supported: X must hold a number in each entry. "
            "Impute the masked values and pass X.filled(), or drop their samples."
        )


def refuse_panel(X: Any, which: str = "X") -> None:
    """Raise a ValueError for a table with a MultiIndex of entity and time."""
    if type(getattr(X, "index", None)).__name__ == "MultiIndex":
        raise ValueError(
            f"The index of {which} is a MultiIndex, so its rows belong to several "
            "entities. Convert it to a list of sequences with "
            "sklearn_seqae.conversion.sequences_from_long(X.reset_index(), id=..., "
            "time=...)."
        )


def depth(item: Any) -> int:
    """Return the number of dimensions of an item without converting it."""
    if hasattr(item, "shape"):
        return len(item.shape)
    if isinstance(item, (list, tuple)):
        return 1 + (depth(item[0]) if item else 0)
    return 0


def ndim_of(X: Any) -> int:
    return len(X.shape) if hasattr(X, "shape") else np.asarray(X).ndim


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
        if not any(name.startswith(_LISTS) for name in _dtype_names(X)):
            return None
        columns = _columns_of(X, form)
    elif isinstance(X, (list, tuple)):
        columns = [X]
    elif isinstance(X, np.ndarray) and X.dtype == object and X.ndim in (1, 2):
        columns = [X] if X.ndim == 1 else list(X.T)
    else:
        return None
    found = any(depth(cell) > 0 for column in columns for cell in column)
    return columns if found else None


def is_column_of_tables(cells: list | None) -> bool:
    """Return whether one column holds all channels: its name is not a channel."""
    return cells is not None and len(cells) == 1 and depth(cells[0][0]) > 1


def _columns_of(X: Any, form: str) -> list:
    if form == "pandas":
        is_frame = hasattr(X, "columns")
        columns = [X.iloc[:, i] for i in range(X.shape[1])] if is_frame else [X]
        return [column.to_numpy() for column in columns]
    columns = X.get_columns() if hasattr(X, "columns") else [X]
    # A nested list becomes an array of arrays in to_numpy.
    nested = [str(column.dtype).startswith("List(List") for column in columns]
    return [
        column.to_list() if is_nested else column.to_numpy()
        for column, is_nested in zip(columns, nested, strict=True)
    ]


# Convert cells to steps, and values to cells


def stack(cells: Sequence) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the steps of all sequences, (sum of T, C), lengths and dimensions."""
    items = [_as_item(number, cell) for number, cell in enumerate(cells)]
    ndim, n_channels = items[0].ndim, items[0].shape[1:]
    for number, item in enumerate(items):
        if item.shape[1:] != n_channels:
            raise ValueError(
                "X must hold sequences of the same number of channels. Got shape "
                f"{items[0].shape} in sequence 0 and {item.shape} in sequence {number}."
            )
    lengths = np.fromiter(map(len, items), dtype=np.int64, count=len(items))
    stacked = np.concatenate(items)
    return stacked[:, np.newaxis] if ndim == 1 else stacked, lengths, ndim


def _as_item(number: int, cell: Any) -> np.ndarray:
    refuse_masked(cell)
    try:
        item = np.asarray(cell)
    except ValueError as error:
        raise ValueError(f"Sequence {number} of X is not an array: {error}") from error
    if item.ndim not in (1, 2):
        if str(cell) in ("None", "nan", "<NA>", "NaT"):
            raise ValueError(f"Input X contains NaN: sequence {number} is missing.")
        raise ValueError(
            "X must hold sequences of shape (n_steps, n_channels) or (n_steps,). Got "
            f"{type(cell).__name__} of {item.ndim} dimensions in sequence {number}."
        )
    return item


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
