"""A batch of samples, and the losses of its rows."""

from typing import Generic, NamedTuple, TypeVar

from torch import Tensor

Values = TypeVar("Values")  # Tensor, or ndarray once they are measured


class Batch(NamedTuple):
    """Samples, with what tells their values from padding."""

    x: Tensor  # (N, D) or (N, T, C)
    lengths: Tensor | None  # (N,), None where no step is padding
    mask: Tensor | None  # (N, T), None where no step is padding
    n_values: int  # values without padding, the weight of this batch in a mean
    target: Tensor | None = None  # (N, ...), None where x is the target
    weight: Tensor | None = None  # (N,), sample weights; None: all are 1


class RowLosses(NamedTuple, Generic[Values]):
    """Losses of each row, summed over the values of the row.

    For several epochs each array has a leading axis of epochs.
    """

    total: Values  # (N,), the loss that is minimized, with its penalty
    loss: Values  # (N,), of the reconstruction, or of a forecast alone
    squared_error: Values  # (N,), of the same
    squared_error_by_size: (
        Values  # (N, Z), of codes cut to 1, ..., Z components; (N, 0) if not ordered
    )
