"""A batch of samples, and the losses of its rows."""

from typing import Generic, NamedTuple, TypeVar

from torch import Tensor

Values = TypeVar("Values")  # Tensor, or ndarray after `AutoencoderNet.measure`


class Batch(NamedTuple):
    """Batch of samples with the mask of their padding."""

    x: Tensor  # (N, D) or (N, T, C)
    lengths: Tensor | None  # (N,), None where no step is padding
    mask: Tensor | None  # (N, T), None where no step is padding
    n_values: int  # number of values without padding
    target: Tensor | None = None  # (N, ...), None where x is the target
    weight: Tensor | None = None  # (N,), sample weights; None: all are 1


class RowLosses(NamedTuple, Generic[Values]):
    """Losses of each row, summed over the values of the row.

    For several epochs each array has a leading axis of epochs.
    """

    total: Values  # (N,), minimized loss, with its penalty
    loss: Values  # (N,), loss of the reconstruction, or of the forecast
    squared_error: Values  # (N,), squared error of the same
    squared_error_by_size: (
        Values  # (N, Z), with codes truncated to 1, ..., Z; (N, 0) if not ordered
    )
