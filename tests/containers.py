"""Sequences in every container that users keep them in, and back to plain arrays."""

import io

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import torch


def _as_objects(sequences):
    cells = np.empty(len(sequences), dtype=object)
    cells[:] = sequences
    return cells


def _as_columns(sequences):
    """Return one list of 1-D arrays per channel."""
    n_channels = sequences[0].shape[1]
    return {f"channel{c}": [s[:, c] for s in sequences] for c in range(n_channels)}


def _as_polars(sequences):
    columns = _as_columns(sequences)
    return pl.DataFrame({name: pl.Series(cells) for name, cells in columns.items()})


# Each takes a list of (T_i, C) arrays.
RAGGED_CONTAINERS = {
    "list": list,
    "tuple": tuple,
    "object": _as_objects,
    "pandas": lambda sequences: pd.DataFrame(_as_columns(sequences)),
    "polars": _as_polars,
}
# These need equal lengths; a flat row is read with a `sample_shape`.
EQUAL_CONTAINERS = {"array": np.stack, **RAGGED_CONTAINERS}


def flat(sequences):
    return np.stack(sequences).reshape(len(sequences), -1)


def items(output):
    """Return what a method gave as a list with one array per sample."""
    if isinstance(output, pd.DataFrame | pl.DataFrame):
        columns = [output[name].to_list() for name in output.columns]
        return [np.stack(cells, axis=-1) for cells in zip(*columns, strict=True)]
    if isinstance(output, pd.Series | pl.Series):
        return [np.asarray(cell) for cell in output.to_list()]
    return [np.asarray(item) for item in output]


def with_gaps(X, fraction=0.2, seed=0):
    """Return X with a random fraction of its values missing."""
    hidden = np.random.RandomState(seed).uniform(size=X.shape) < fraction
    return np.where(hidden, np.nan, X)


# Libraries whose objects are converted. Each takes an (N, D) array.


def _frame(X):
    return pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])


NAMED_TABLES = {
    "pandas": _frame,
    "polars": lambda X: pl.DataFrame(_frame(X)),
    "pyarrow": lambda X: pa.Table.from_pandas(_frame(X)),
    "record_batch": lambda X: pa.RecordBatch.from_pandas(_frame(X)),
    "narwhals_pandas": lambda X: nw.from_native(_frame(X)),
    "narwhals_polars": lambda X: nw.from_native(pl.DataFrame(_frame(X))),
    "narwhals_pyarrow": lambda X: nw.from_native(pa.Table.from_pandas(_frame(X))),
    "nullable": lambda X: _frame(X).convert_dtypes(),
    "arrow_numbers": lambda X: _frame(X).astype("float64[pyarrow]"),
    "text": lambda X: _frame(X).astype(str),
    "text_and_numbers": lambda X: _frame(X).astype({"x1": str}),
    "text_objects": lambda X: _frame(X).astype(str).astype(object),
    "text_categories": lambda X: _frame(X).astype(str).astype("category"),
    "text_arrow": lambda X: _frame(X).astype(str).astype("string[pyarrow]"),
    "text_polars": lambda X: pl.DataFrame(_frame(X)).cast(pl.String),
}
TABLES = {
    **NAMED_TABLES,
    "text_array": lambda X: X.astype(str),
    "text_bytes": lambda X: X.astype("S"),
    "text_object_array": lambda X: X.astype(str).astype(object),
    "text_list": lambda X: X.astype(str).tolist(),
    "tensor": torch.tensor,
    "tensor_with_grad": lambda X: torch.tensor(X, requires_grad=True),
    "list_of_tensors": lambda X: list(torch.tensor(X)),
}


def _parquet(sequences, backend):
    frame = pd.DataFrame({"s": [sequence.tolist() for sequence in sequences]})
    file = io.BytesIO()
    frame.to_parquet(file)
    return pd.read_parquet(file, dtype_backend=backend)


def _nested(sequences):
    return pa.array([sequence.tolist() for sequence in sequences])


# Each takes a list of (T_i, C) arrays, as RAGGED_CONTAINERS.
SEQUENCES = {
    "parquet_nullable": lambda x: _parquet(x, "numpy_nullable"),
    "parquet_arrow": lambda x: _parquet(x, "pyarrow"),
    "pyarrow_columns": lambda x: pa.table(_as_columns(x)),
    "pyarrow_column": lambda x: pa.table({"s": _nested(x)}),
    "pyarrow_array": _nested,
    "chunked_array": lambda x: pa.chunked_array([_nested(x)]),
    "record_batch": lambda x: pa.RecordBatch.from_pydict({"s": _nested(x)}),
    "narwhals_pandas": lambda x: nw.from_native(pd.DataFrame(_as_columns(x))),
    "narwhals_polars": lambda x: nw.from_native(_as_polars(x)),
    "narwhals_pyarrow": lambda x: nw.from_native(pa.table({"s": _nested(x)})),
    "narwhals_series": lambda x: nw.from_native(
        pl.Series("s", [item.tolist() for item in x]), series_only=True
    ),
    "polars_nested": lambda x: pl.DataFrame({"s": [item.tolist() for item in x]}),
    "list_of_pyarrow": lambda x: [pa.Table.from_pandas(_frame(item)) for item in x],
    "list_of_narwhals": lambda x: [nw.from_native(_frame(item)) for item in x],
    "list_of_tensors": lambda x: [torch.tensor(item) for item in x],
    "list_of_text": lambda x: [item.astype(str) for item in x],
    "arrays_of_arrays": lambda x: pd.Series([_as_objects(list(item)) for item in x]),
}
