"""Batches of samples, and the losses of their rows."""

from typing import Any, Generic, NamedTuple, TypeVar

from torch import Tensor

Values = TypeVar("Values")  # Tensor, or ndarray after `AutoencoderNet.measure`


class Batch(NamedTuple):
    """Batch of samples with the mask of their padding."""

    x: Tensor  # (N, D) or (N, T, C)
    lengths: Tensor | None  # (N,), number of time steps; None without padding
    mask: Tensor | None  # (N, T), bool, False on padding; None without padding
    n_values: int  # number of observed values
    target: Tensor | None = None  # (N, ...); None: x is the target
    weight: Tensor | None = None  # (N,), sample weights; None: all are 1
    # Random numbers of a training step
    noisy: Tensor | None = None  # as x, input of the encoder; None: it is x
    drawn: Tensor | None = None  # (N, ...), random numbers of the bottleneck
    # As x and target, bool, False on padding and where a value is missing; None if
    # none is
    observed: Tensor | None = None
    target_observed: Tensor | None = None

    def rows(self, start: int, stop: int) -> "Batch":
        """Return some of the rows, padded to the longest of them."""
        fields: dict[str, Any] = {
            name: values[start:stop] if isinstance(values, Tensor) else values
            for name, values in self._asdict().items()
        }
        x, lengths = fields["x"], fields["lengths"]
        n_values = x.numel()
        if lengths is not None:
            longest = int(lengths.max())
            for name in ("x", "mask", "noisy", "observed"):
                if fields[name] is not None:
                    fields[name] = fields[name][:, :longest]
            n_values = int(lengths.sum()) * x.shape[2]
        if fields["observed"] is not None:
            n_values = int(fields["observed"].sum())
        return Batch(**{**fields, "n_values": n_values})


class ShardSize(NamedTuple):
    """Size of a shard, a part of a batch that is computed in a thread."""

    n_rows: int
    n_products: float  # of its forward pass


class RowLosses(NamedTuple, Generic[Values]):
    """Losses of each row, summed over the values of the row.

    For several epochs, each array has a leading axis of epochs.
    """

    total: Values  # (N,), minimized loss, including the penalty
    loss: Values  # (N,), loss of the reconstruction, or of the forecast
    squared_error: Values  # (N,), squared error of the reconstruction or forecast
    # (N, Z), squared error with codes truncated to 1, ..., Z components; (N, 0) if
    # components are not ordered
    squared_error_by_size: Values
