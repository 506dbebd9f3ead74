"""Rows of large or sparse X, which are read a few at a time."""

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGE = 2**26  # values of X: a larger X is read in chunks
CHUNK = 2**20  # values of a chunk
PART = 2**22  # values of a part whose reconstruction is computed at once
ROUNDING = 2 * np.finfo(np.float64).eps  # relative error of a mean
SAMPLE = 2**24  # values of a random sample of rows


def is_large(shape: tuple[int, ...]) -> bool:
    """Return whether X of this shape is read in chunks.

    This depends on the shape alone, so a memory map has the bits of the array.
    """
    return math.prod(shape) > LARGE


def take_rows(values: Any, rows: Any) -> Any:
    """Return some rows of an array, or `Rows` of them."""
    return values.take(rows) if isinstance(values, Rows) else values[rows]


def in_parts(samples: Any) -> Iterator[Any]:
    """Yield samples in parts that are arrays; small samples are one part."""
    values = samples.values
    if not is_large(values.shape):
        yield in_memory(samples)
        return
    for some in Rows(values).slices(PART):
        yield in_memory(samples.take(some))


def in_memory(samples: Any) -> Any:
    """Return samples whose values are an array."""
    if not isinstance(samples.values, Rows):
        return samples
    return replace(samples, values=samples.values[:])


class Rows:
    """Rows of an array, a memory map or a sparse matrix, without missing values.

    Indexing returns an array of some of the rows. `take` chooses rows without reading
    them.

    Parameters
    ----------
    source : ndarray of shape (N, ...), or sparse matrix or array in CSR format
        Values.

    chosen : ndarray of int, default=None
        Rows of the source; None for all.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse import csr_array
    >>> from sklearn_seqae.large.rows import Rows
    >>> rows = Rows(csr_array(np.eye(4))).take(np.array([3, 1]))
    >>> len(rows), rows[:1]
    (2, array([[0., 0., 0., 1.]]))
    """

    def __init__(self, source: Any, chosen: NDArray[np.int64] | None = None):
        self.source = source
        self.chosen = chosen

    def __len__(self) -> int:
        return self.source.shape[0] if self.chosen is None else len(self.chosen)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the rows as an array."""
        return (len(self), *self.source.shape[1:])

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the values."""
        return np.dtype(self.source.dtype)

    @property
    def is_sparse(self) -> bool:
        """Whether the source is a sparse matrix or array."""
        return not isinstance(self.source, np.ndarray)

    @property
    def n_sampled(self) -> int:
        """Number of rows of a random sample."""
        return min(len(self), max(1, SAMPLE // max(1, math.prod(self.shape[1:]))))

    def take(self, rows: Any) -> "Rows":
        """Choose some of the rows, without reading them."""
        chosen = np.arange(len(self)) if self.chosen is None else self.chosen
        return Rows(self.source, chosen[rows])

    def select(self, rows: Any = slice(None)) -> Any:
        """Return some of the rows in the format of the source."""
        if self.chosen is not None:
            rows = self.chosen[rows]
        return self.source[rows]

    @property
    def arrays(self) -> list[NDArray[Any]]:
        """Arrays that determine the rows, for a digest."""
        chosen = [] if self.chosen is None else [self.chosen]
        if not self.is_sparse:
            return [self.source, *chosen]
        source = self.source
        return [source.data, source.indices, source.indptr, *chosen]

    def copy(self) -> NDArray[Any]:
        """Return all rows in a new array."""
        return np.array(self[:])

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        found = self.select(rows)
        values: NDArray[Any] = found.toarray() if self.is_sparse else found
        return values

    def slices(self, n_values: int | None = None) -> Iterator[slice]:
        """Yield slices of rows with at most n values each; None: those of a chunk."""
        n_values = CHUNK if n_values is None else n_values
        size = max(1, n_values // max(1, math.prod(self.shape[1:])))
        for start in range(0, len(self), size):
            yield slice(start, min(start + size, len(self)))

    def chunks(self) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Yield the rows in chunks: their slice, and their values in float64."""
        for some in self.slices():
            yield some, self[some].astype(np.float64)

    @cached_property
    def extremes(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Lowest and highest value of each column, in the shape of a row."""
        if self.is_sparse:
            found = self.select()
            low, high = (each(axis=0).toarray() for each in (found.min, found.max))
            return low.ravel(), high.ravel()
        parts = (self[some] for some in self.slices())
        ends = [(part.min(axis=0), part.max(axis=0)) for part in parts]
        lows, highs = zip(*ends, strict=True)
        return np.min(lows, axis=0), np.max(highs, axis=0)

    def mean(self, weight: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return the weighted mean row.

        The mean of values that are all the same is that value.
        """
        if weight is None:
            weight = np.ones(len(self))
        total: Any = 0
        if self.is_sparse:
            total = weight @ self.select().astype(np.float64)
        else:
            for some, part in self.chunks():
                total = total + np.tensordot(weight[some], part, axes=1)
        low, high = self.extremes
        result: NDArray[np.float64] = np.clip(total / weight.sum(), low, high)
        return result

    def overall_scale(
        self, center: NDArray[np.float64], weight: NDArray[np.float64] | None = None
    ) -> float:
        """Return the overall standard deviation, as `_numbers.overall_scale` does."""
        ends = np.stack([each.astype(np.float64) for each in self.extremes])
        largest, size = float(np.abs(ends - center).max()), float(np.abs(ends).max())
        if largest <= ROUNDING * size or not np.isfinite(largest):
            return size if 0 < size < np.inf else 1.0
        if weight is None:
            weight = np.ones(len(self))
        total = 0.0
        for some, part in self.chunks():
            squares = np.square((part - center) / largest).reshape(len(part), -1)
            total += float(weight[some] @ squares.sum(axis=1))
        n_values = weight.sum() * math.prod(self.shape[1:])
        return largest * float(np.sqrt(total / n_values))
