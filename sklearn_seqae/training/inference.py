"""Inference in tiles of one fixed shape.

The last bits of a float32 product depend on the shape of the batch and on the memory
address of the row. Therefore, all tiles have the same number of rows, padded with
zeros. The padded length of a sequence depends only on its own length. Every row is
aligned in memory. The result of a row then has the same bits alone, in another order,
or among a million other rows.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from itertools import repeat
from threading import Event
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sklearn_seqae.training.alignment import AlignedProducts
from sklearn_seqae.training.isolation import available_threads, isolated
from sklearn_seqae.training.parallel import Cancelled, map_in_threads

Conversion = Callable[[NDArray[Any], NDArray[np.int64] | None], NDArray[Any]]
TABLE_ROWS = 256  # number of rows of a tile of a table
SEQUENCE_ROWS = 32  # number of sequences of a tile
MOST_SEQUENCES = 128  # the same for short sequences of the usual length
USUAL_STEPS = 4096  # maximum number of time steps of such a tile
PIECE_VALUES = 2**16


class Piece(NamedTuple):
    """Rows of one or several tiles."""

    rows: NDArray[np.int64] | slice
    steps: int | None  # padded length of the sequences; None for tables
    tile_rows: int


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
    x: NDArray[Any],
    lengths: NDArray[np.int64] | None = None,
    *,
    before: Conversion | None = None,
    after: Conversion | None = None,
    n_steps: int | None = None,
    usual_length: int = 0,
    tile_rows: int | None = None,
    n_tiles: int | None = None,
    is_aligned: bool = False,
    in_threads: bool = False,
    device: str = "cpu",
) -> NDArray[Any]:
    """Apply `function` to all rows of `x`, tile by tile.

    Parameters
    ----------
    function : callable
        Function of (tile, lengths, n_steps): tensors and the number of time steps of
        the tile; lengths and n_steps are None for tables. It returns a tensor with one
        row for each row of the tile, which is only read before the next call.

    x : ndarray of shape (N, D) or (N, T, C)
        Rows, zero on padding. To decode sequences, rows are codes (N, Z).

    lengths : ndarray of shape (N,) or None
        Number of time steps of each sequence; None for tables.

    before, after : callable or None, default=None
        Functions of (rows, lengths) that convert rows of `x` to float32, and float32
        results to the values that are returned, for the rows of a tile.

    n_steps : int or None, default=None
        Number of time steps of the result, if the function returns (N, T, C).

    usual_length : int, default=0
        As in `padded_length`.

    tile_rows : int or None, default=None
        Number of rows of a tile; None: 256 for tables, 32 for sequences, and up to 128
        for short sequences of the usual length.

    n_tiles : int or None, default=None
        Number of tiles of a table that `function` computes at once, if there are enough
        rows, with the same bits as one after the other. None: it computes one tile.

    is_aligned : bool, default=False
        Whether the products of `function` do not depend on memory addresses. If False,
        they are computed by `AlignedProducts`.

    in_threads : bool, default=False
        Whether to compute several tiles side by side. For small operations, Python
        computes as long as torch, and threads do not help.

    device : str, default="cpu"
        Device of the tiles.

    Returns
    -------
    result : ndarray of shape (N, ...)
        Results, zero on padding.
    """
    if lengths is None:
        pieces = _pieces_of_table(x, tile_rows or TABLE_ROWS, n_tiles)
    else:
        pieces = _pieces_of_sequences(lengths, tile_rows, usual_length)
    result: NDArray[Any] = np.zeros(0, dtype=np.float32)
    products = nullcontext if is_aligned else AlignedProducts

    def compute(piece: Piece) -> NDArray[Any]:
        """Return the converted results of the rows of a piece."""
        rows, steps, tile_rows = piece
        part = x[rows] if steps is None or x.ndim == 2 else x[rows, :steps]
        part_lengths = None if lengths is None else lengths[rows]
        if before is not None:
            part = before(part, part_lengths)
        values = _outputs(function, part, part_lengths, steps, tile_rows, device)
        if values.ndim == 3:
            values = values[:, :n_steps]
        return values if after is None else after(values, part_lengths)

    def store(piece: Piece, found: NDArray[Any]) -> None:
        if found.ndim == 3:
            result[piece.rows, : found.shape[1]] = found
        else:
            result[piece.rows] = found

    def compute_some(some: Sequence[Piece], failed: Event) -> None:
        with isolated(), torch.inference_mode(), products():
            for piece in some:
                if failed.is_set():
                    raise Cancelled
                store(piece, compute(piece))

    with isolated(), torch.inference_mode(), products():
        for piece in pieces[:1]:
            found = compute(piece)
            shape: tuple[int, ...] = found.shape[1:]
            if found.ndim == 3 and n_steps is not None:  # the output is sequences
                shape = (n_steps, shape[1])
            result = np.zeros((len(x), *shape), dtype=found.dtype)
            store(piece, found)
    n_threads = available_threads() if in_threads else 1
    parts = [pieces[1 + first :: n_threads] for first in range(n_threads)]
    map_in_threads(compute_some, [part for part in parts if part])
    return result


def _pieces_of_table(
    x: NDArray[Any], tile_rows: int, n_tiles: int | None
) -> list[Piece]:
    """Return pieces of several tiles: of `n_tiles` that are computed at once."""
    most = max(1, PIECE_VALUES // max(1, tile_rows * x[:1].size))
    n_rows = (n_tiles or most) * tile_rows
    return [
        Piece(
            slice(start, start + n_rows),
            None,
            n_rows if n_tiles and start + n_rows <= len(x) else tile_rows,
        )
        for start in range(0, len(x), n_rows)
    ]


def _pieces_of_sequences(
    lengths: NDArray[np.int64], tile_rows: int | None, usual_length: int
) -> list[Piece]:
    """Return pieces of one tile. Its size depends on the length of its sequences."""
    pieces = []
    padded = padded_length(lengths, usual_length)
    for steps in map(int, np.unique(padded)):
        n_rows = tile_rows or SEQUENCE_ROWS
        if tile_rows is None and steps == usual_length:  # most data has many of them
            n_rows = int(np.clip(USUAL_STEPS // steps, SEQUENCE_ROWS, MOST_SEQUENCES))
        rows = np.flatnonzero(padded == steps)
        for start in range(0, len(rows), n_rows):
            some = rows[start : start + n_rows]
            is_run = some[-1] - some[0] == len(some) - 1  # a slice is not copied
            which = slice(some[0], some[-1] + 1) if is_run else some
            pieces.append(Piece(which, steps, n_rows))
    return pieces


def _outputs(
    function: Callable[..., Tensor],
    part: NDArray[np.float32],
    lengths: NDArray[np.int64] | None,
    steps: int | None,
    tile_rows: int,
    device: str,
) -> NDArray[np.float32]:
    """Return the results of `function` for the rows of a piece."""
    found = []
    for tile, tile_lengths in _tiles(part, lengths, steps, tile_rows):
        if tile_lengths is not None:
            tile_lengths = tile_lengths.to(device)
        output = function(tile.to(device), tile_lengths, steps)
        found.append(output.clone(memory_format=torch.contiguous_format))
    values = found[0] if len(found) == 1 else torch.cat(found)
    return values[: len(part)].cpu().numpy()


def _tiles(
    part: NDArray[np.float32],
    lengths: NDArray[np.int64] | None,
    steps: int | None,
    n_rows: int,
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Yield tiles of the rows of a piece, and their lengths, padded to one shape."""
    n_tiles = -(-len(part) // n_rows)
    shape: tuple[int, ...] = (n_tiles * n_rows, *part.shape[1:])
    if steps is not None and part.ndim == 3:
        shape = (n_tiles * n_rows, steps, part.shape[2])
    tiles = torch.zeros(shape)  # torch allocates at a multiple of 64 bytes
    tiles.numpy()[tuple(slice(n) for n in part.shape)] = part
    split_lengths: Iterable[Tensor | None] = repeat(None)
    if lengths is not None and steps is not None:
        padded = np.full(len(tiles), steps, dtype=np.int64)
        padded[: len(part)] = lengths
        split_lengths = torch.split(torch.from_numpy(padded), n_rows)
    yield from zip(torch.split(tiles, n_rows), split_lengths, strict=False)
