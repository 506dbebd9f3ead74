"""Inference in tiles of one fixed shape.

The last bits of a float32 product depend on the shape of the batch and on the memory
address of the row. Therefore, all tiles have the same number of rows, padded with
zeros. The padded length of a sequence depends only on its own length. Every row is
aligned in memory. The result of a row then has the same bits alone, in another order,
or among a million other rows.
"""

from collections.abc import Callable, Iterator, Sequence
from threading import Event

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sklearn_seqae.training.alignment import AlignedProducts
from sklearn_seqae.training.isolation import available_threads, isolated
from sklearn_seqae.training.parallel import Cancelled, map_in_threads

Tile = tuple[NDArray[np.int64] | slice, int | None]  # rows, and their number of steps
TABLE_ROWS = 256  # number of rows of a tile of a table
SEQUENCE_ROWS = 32  # number of sequences of a tile


def padded_length(
    length: NDArray[np.int64], usual_length: int = 0
) -> NDArray[np.int64]:
    """Return the padded length of sequences, the limit of their bucket of lengths.

    There are eight buckets between a power of two and the next.

    Parameters
    ----------
    length : ndarray of int
        Number of time steps of each sequence.

    usual_length : int, default=0
        Usual length of the data. Sequences of this length are not padded. 0: none.

    Returns
    -------
    padded : ndarray of int
        Padded length of each sequence.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seqae.training.inference import padded_length
    >>> padded_length(np.array([1, 7, 9, 50, 100, 101]), usual_length=50)
    array([  1,   7,   9,  50, 104, 104])
    """
    step = 2 ** np.maximum(np.floor(np.log2(np.maximum(length, 1))) - 3, 0)
    bucket = (np.ceil(length / step) * step).astype(np.int64)
    return np.where(length == usual_length, usual_length, bucket)


def in_tiles(
    function: Callable[..., Tensor],
    x: NDArray[np.float32],
    lengths: NDArray[np.int64] | None = None,
    *,
    n_steps: int | None = None,
    usual_length: int = 0,
    tile_rows: int | None = None,
    in_threads: bool = False,
    device: str = "cpu",
) -> NDArray[np.float32]:
    """Apply `function` to all rows of `x`, tile by tile.

    Parameters
    ----------
    function : callable
        Function of (tile, lengths, n_steps): tensors and the number of time steps of
        the tile; lengths and n_steps are None for tables. It returns a tensor with one
        row for each row of the tile.

    x : ndarray of shape (N, D) or (N, T, C), float32
        Rows, zero on padding. To decode sequences, rows are codes (N, Z).

    lengths : ndarray of shape (N,) or None
        Number of time steps of each sequence; None for tables.

    n_steps : int or None, default=None
        Number of time steps of the result, if the function returns (N, T, C).

    usual_length : int, default=0
        As in `padded_length`.

    tile_rows : int or None, default=None
        Number of rows of a tile; None: 256 for tables and 32 for sequences.

    in_threads : bool, default=False
        Whether to compute several tiles side by side. For small operations, Python
        computes as long as torch, and threads do not help.

    device : str, default="cpu"
        Device of the tiles.

    Returns
    -------
    result : ndarray of shape (N, ...), float32
        Results, zero on padding.
    """
    if tile_rows is None:
        tile_rows = TABLE_ROWS if lengths is None else SEQUENCE_ROWS
    tiles = list(_tiles(len(x), lengths, usual_length, tile_rows))
    result = np.zeros(0, dtype=np.float32)

    def compute(tile: Tile) -> NDArray[np.float32]:
        """Return the results of the rows of a tile."""
        rows, steps = tile
        values, tile_lengths = _one_tile(x, lengths, rows, steps, tile_rows)
        if tile_lengths is not None:
            tile_lengths = tile_lengths.to(device)
        output = function(values.to(device), tile_lengths, steps)
        found: NDArray[np.float32] = output[: len(x[rows])].cpu().numpy()
        return found

    def store(tile: Tile, found: NDArray[np.float32]) -> None:
        if found.ndim == 3:
            found = found[:, :n_steps]
            result[tile[0], : found.shape[1]] = found
        else:
            result[tile[0]] = found

    def compute_some(some: Sequence[Tile], failed: Event) -> None:
        with isolated(), torch.inference_mode(), AlignedProducts():
            for tile in some:
                if failed.is_set():
                    raise Cancelled
                store(tile, compute(tile))

    with isolated(), torch.inference_mode(), AlignedProducts():
        for tile in tiles[:1]:
            found = compute(tile)
            shape: tuple[int, ...] = found.shape[1:]
            if found.ndim == 3 and n_steps is not None:  # the output is sequences
                shape = (n_steps, shape[1])
            result = np.zeros((len(x), *shape), dtype=np.float32)
            store(tile, found)
    n_threads = available_threads() if in_threads else 1
    pieces = [tiles[1 + first :: n_threads] for first in range(n_threads)]
    map_in_threads(compute_some, [piece for piece in pieces if piece])
    return result


def _tiles(
    n: int, lengths: NDArray[np.int64] | None, usual_length: int, tile_rows: int
) -> Iterator[Tile]:
    """Yield the rows of each tile and its number of steps."""
    if lengths is None:
        for start in range(0, n, tile_rows):
            yield slice(start, start + tile_rows), None
        return
    padded = padded_length(lengths, usual_length)
    for steps in np.unique(padded):
        rows = np.flatnonzero(padded == steps)
        for start in range(0, len(rows), tile_rows):
            yield rows[start : start + tile_rows], int(steps)


def _one_tile(
    x: NDArray[np.float32],
    lengths: NDArray[np.int64] | None,
    rows: NDArray[np.int64] | slice,
    steps: int | None,
    tile_rows: int,
) -> tuple[Tensor, Tensor | None]:
    """Return rows of x and their lengths, padded to the shape of a tile."""
    part = x[rows]
    if steps is not None and x.ndim == 3:
        part = part[:, :steps]
        shape: tuple[int, ...] = (tile_rows, steps, x.shape[2])
    else:
        shape = (tile_rows, *x.shape[1:])
    tile = torch.zeros(shape)  # torch allocates at a multiple of 64 bytes
    tile.numpy()[tuple(slice(n) for n in part.shape)] = part
    if lengths is None or steps is None:
        return tile, None
    tile_lengths = np.full(tile_rows, steps, dtype=np.int64)
    tile_lengths[: len(part)] = lengths[rows]
    return tile, torch.from_numpy(tile_lengths)
