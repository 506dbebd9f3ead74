"""Mini-batches of a data set in memory."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from sklearn_seqae.modules.batch import Batch


class Batches:
    """Data set on a device that is divided into random batches in each epoch.

    Variable-length sequences are bucketed: rows are shuffled, and then sorted by length
    within pools of many batches. The length of a batch is the length of its longest
    sequence.

    Parameters
    ----------
    x : Tensor of shape (N, D) or (N, T, C)
        Samples, zero on padding. Or rows that are read when a batch needs them: an
        object with the methods and attributes of a tensor that this class uses, and
        with `pool_rows`, the number of rows to read at once.

    lengths : Tensor of shape (N,), int64, or None
        Number of steps of each sequence; None without padding.

    batch_size : int
        Number of rows in a batch. The last batch may be smaller.

    generator : torch.Generator or None
        Source of the order of rows and batches; None to keep the order.

    least : int, default=1
        Minimum number of batches in an epoch. All rows are repeated until there are
        enough batches.

    target : Tensor of shape (N, ...) or None, default=None
        Target of each sample; None if samples are their own targets.

    weight : Tensor of shape (N,) or None, default=None
        Sample weights with mean 1; None: all are 1.

    observed, target_observed : Tensor, bool, or None, default=None
        Masks in the shape of `x` and `target`, False where a value is missing; None if
        none is.

    inputs : Tensor of shape (K, N, ...) or None, default=None
        Inputs of the encoder, in turn for each pass over the rows; None: `x`.
    """

    POOL = 32  # number of batches that are sorted by length together

    def __init__(
        self,
        x: Any,
        lengths: Tensor | None = None,
        *,
        batch_size: int,
        generator: torch.Generator | None = None,
        least: int = 1,
        target: Tensor | None = None,
        weight: Tensor | None = None,
        observed: Tensor | None = None,
        target_observed: Tensor | None = None,
        inputs: Tensor | None = None,
    ):
        self.x = x
        self.weight = weight
        self.lengths = lengths
        self.batch_size = batch_size
        self.generator = generator
        self.target = target
        self.observed = observed
        self.target_observed = target_observed
        self.inputs = inputs
        self.n_passes = 0
        self.n_repeats = -(-least // -(-len(x) // batch_size))
        self.n_values: float = x.numel()
        if lengths is not None:
            self.n_values = int(lengths.sum()) * x.shape[2]
        if weight is not None:
            values_of_row: Any = math.prod(x.shape[1:])
            if lengths is not None:
                values_of_row = lengths * x.shape[2]
            self.n_values = float((weight * values_of_row).sum())
        if observed is not None:
            self.observed = observed = self._without_padding(observed)
            counts = observed.flatten(1).sum(1)
            self.n_values = float((counts if weight is None else weight * counts).sum())

    def _without_padding(self, observed: Tensor) -> Tensor:
        """Return the mask of the values, False on padding."""
        if self.lengths is None:
            return observed
        step = torch.arange(observed.shape[1], device=observed.device)
        return observed & (step < self.lengths[:, None])[:, :, None]

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.x)

    @property
    def n_batches(self) -> int:
        """Number of batches in an epoch."""
        return self.n_repeats * -(-len(self) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of one epoch."""
        for _ in range(self.n_repeats):
            yield from self._one_pass()
            self.n_passes += 1

    def pools(self) -> Iterator[Batch]:
        """Yield the rows of many batches, which are to be divided, of one epoch.

        This is for rows without padding. The batches are the same as in `__iter__`.
        """
        for _ in range(self.n_repeats):
            yield from self._pools_of_pass()

    def _pools_of_pass(self) -> Iterator[Batch]:
        """Yield pools that contain each row once."""
        # Rows are copied for many batches at once, which is faster.
        most = getattr(self.x, "pool_rows", None)
        n_batches = self.POOL
        if most is not None:
            n_batches = min(max(most // self.batch_size, 1), self.POOL)
        for rows in torch.split(self._order(), self.batch_size * n_batches):
            rows = rows.to(self.x.device)
            x, others = self.x.index_select(0, rows), self._beside(rows)
            batch = Batch(x, None, None, x.numel(), **others)
            yield batch if self.observed is None else batch.rows(0, len(x))

    def _order(self) -> Tensor:
        """Return the order of the rows in an epoch."""
        if self.generator is None:
            return torch.arange(len(self))
        return torch.randperm(len(self), generator=self.generator)

    def _one_pass(self) -> Iterator[Batch]:
        """Yield batches that contain each row once."""
        if self.lengths is None:
            for pool in self._pools_of_pass():
                for start in range(0, len(pool.x), self.batch_size):
                    yield pool.rows(start, start + self.batch_size)
            return
        rows = self._order()
        for chosen in self._bucketed(rows, self.lengths):
            lengths = self.lengths[chosen]
            longest = int(lengths.max())
            x = self.x[:, :longest][chosen]
            mask = torch.arange(longest, device=x.device) < lengths[:, None]
            n_values = int(lengths.sum()) * x.shape[2]
            batch = Batch(x, lengths, mask, n_values, **self._beside(chosen))
            yield batch if self.observed is None else batch.rows(0, len(x))

    def _beside(self, rows: Tensor) -> dict[str, Any]:
        """Return the other fields of a batch; None if there are none."""
        names = ("target", "weight", "observed", "target_observed")
        fields = {name: getattr(self, name) for name in names}
        if self.inputs is not None:
            fields["noisy"] = self.inputs[self.n_passes % len(self.inputs)]
        return {
            name: None if field is None else field.index_select(0, rows)
            for name, field in fields.items()
        }

    def _bucketed(self, rows: Tensor, lengths: Tensor) -> list[Tensor]:
        """Divide rows into batches of similar length."""
        batches: list[Tensor] = []
        for pool in torch.split(rows, self.batch_size * self.POOL):
            pool = pool[lengths[pool].cpu().argsort(stable=True)]
            batches.extend(torch.split(pool, self.batch_size))
        if self.generator is None:
            return batches
        order = torch.randperm(len(batches), generator=self.generator)
        return [batches[i] for i in order.tolist()]
