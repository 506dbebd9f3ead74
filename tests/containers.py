"""Sequences in every container that users keep them in, and back to plain arrays."""

import numpy as np
import pandas as pd
import polars as pl


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
