"""The recurrent encoder and decoder for padded batches of sequences."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sklearn_seqae.modules.layers import CELLS, linear, recurrent, reverse, zero_linear

__all__ = ["CELLS", "RecurrentDecoder", "RecurrentEncoder"]


def real_steps(lengths: Tensor, n_steps: int) -> Tensor:
    """Mask of the steps that are not padding: (N,) to (N, n_steps, 1), bool."""
    return (torch.arange(n_steps, device=lengths.device) < lengths[:, None])[:, :, None]


def time_features(
    n: int, n_steps: int, lengths: Tensor | None, n_features: int, device: torch.device
) -> Tensor:
    """Cosines of relative time, so that a cell knows how far the sequence has come.

    Feature f at step t of a sequence of length L is cos(pi * f * t / (L - 1)), for
    f = 1, ..., `n_features`: the first half-waves of a discrete cosine transform.

    Returns
    -------
    features : Tensor of shape (n, n_steps, n_features)
    """
    step = torch.arange(n_steps, device=device, dtype=torch.float32)
    last = (
        torch.full((1,), n_steps, device=device) if lengths is None else lengths
    ) - 1
    angle = math.pi * step / last.clamp(min=1)[:, None]  # (1 or N, T)
    frequency = torch.arange(1, n_features + 1, device=device)
    return torch.cos(angle[:, :, None] * frequency).expand(n, -1, -1)


class RecurrentStack(nn.Module):
    """Recurrent layers, one on another, each forward or in both directions.

    Padding stands at the end, so the forward direction never sees it before the
    real steps are over; the backward direction reads each sequence's own reversal.

    Shape
    -----
    - Input: `(N, T, n_in)`, lengths `(N,)` or None
    - Output: `(N, T, n_out)`, what stands on padding means nothing
    """

    def __init__(
        self,
        *,
        n_in: int,
        hidden_layer_sizes: Sequence[int],
        cell: str,
        bidirectional: bool,
        generator: torch.Generator,
    ):
        super().__init__()
        self.forward_layers = nn.ModuleList()
        self.backward_layers = nn.ModuleList()
        for n_hidden in hidden_layer_sizes:
            self.forward_layers.append(
                recurrent(cell, n_in, n_hidden, generator=generator)
            )
            if bidirectional:
                self.backward_layers.append(
                    recurrent(cell, n_in, n_hidden, generator=generator)
                )
            n_in = n_hidden * (1 + bidirectional)
        self.n_out = n_in

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Map (N, T, n_in) to (N, T, n_out), both directions side by side."""
        for i, layer in enumerate(self.forward_layers):
            ahead = layer(x)[0]
            if self.backward_layers:
                back = self.backward_layers[i](reverse(x, lengths))[0]
                ahead = torch.cat([ahead, reverse(back, lengths)], dim=2)
            x = ahead
        return x


class RecurrentEncoder(nn.Module):
    """Read a sequence into a code.

    Shape
    -----
    - Input: `x` (N, T, C), `lengths` (N,) or None where no step is padding
    - Output: (N, Z)

    Parameters
    ----------
    n_channels, n_components : int
        C and Z.

    hidden_layer_sizes : sequence of int
        Units of each recurrent layer.

    cell : {"lstm", "gru", "rnn"}
        The kind of cell.

    bidirectional : bool
        Whether each layer also reads backwards.

    n_time_features : int
        Cosines of relative time beside each step; 0 for none.

    pooling : {"last", "mean_max"}
        What the code is computed from: the last state of each direction, or the
        mean and the maximum of the states over the real steps.

    zero_head : bool
        Whether the last layer starts at zero.

    generator : torch.Generator
        Source of every random number.
    """

    def __init__(
        self,
        *,
        n_channels: int,
        n_components: int,
        hidden_layer_sizes: Sequence[int],
        cell: str,
        bidirectional: bool,
        n_time_features: int,
        pooling: str,
        zero_head: bool,
        generator: torch.Generator,
    ):
        super().__init__()
        self.n_time_features = n_time_features
        self.pooling = pooling
        self.stack = RecurrentStack(
            n_in=n_channels + n_time_features,
            hidden_layer_sizes=hidden_layer_sizes,
            cell=cell,
            bidirectional=bidirectional,
            generator=generator,
        )
        n_pooled = self.stack.n_out * (2 if pooling == "mean_max" else 1)
        if zero_head:
            self.head = zero_linear(n_pooled, n_components)
        else:
            self.head = linear(n_pooled, n_components, generator=generator)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map (N, T, C) to (N, Z)."""
        if self.n_time_features:
            n, n_steps, _ = x.shape
            time = time_features(n, n_steps, lengths, self.n_time_features, x.device)
            x = torch.cat([x, time], dim=2)
        states = self.stack(x, lengths)  # (N, T, H)
        if self.pooling == "mean_max":
            return self.head(self._mean_max(states, lengths))
        return self.head(self._last(states, lengths))

    def _mean_max(self, states: Tensor, lengths: Tensor | None) -> Tensor:
        if lengths is None:
            return torch.cat([states.mean(1), states.amax(1)], dim=1)
        real = real_steps(lengths, states.shape[1])
        mean = states.masked_fill(~real, 0).sum(1) / lengths[:, None]
        highest = states.masked_fill(~real, -math.inf).amax(1)
        return torch.cat([mean, highest], dim=1)

    def _last(self, states: Tensor, lengths: Tensor | None) -> Tensor:
        if lengths is None:
            last = states[:, -1]
        else:
            last = states[torch.arange(len(states), device=states.device), lengths - 1]
        if not self.stack.backward_layers:
            return last
        half = self.stack.n_out // 2  # the backward direction ends at the first step
        return torch.cat([last[:, :half], states[:, 0, half:]], dim=1)


class RecurrentDecoder(nn.Module):
    """Write a sequence from a code: the code is every step's input.

    Shape
    -----
    - Input: `code` (N, Z), `lengths` (N,) or None, `n_steps` T
    - Output: (N, T, C), what stands on padding means nothing

    Parameters
    ----------
    n_channels, n_components : int
        C and Z.

    hidden_layer_sizes, cell, bidirectional, n_time_features, zero_head, generator
        As in `RecurrentEncoder`.
    """

    def __init__(
        self,
        *,
        n_channels: int,
        n_components: int,
        hidden_layer_sizes: Sequence[int],
        cell: str,
        bidirectional: bool,
        n_time_features: int,
        zero_head: bool,
        generator: torch.Generator,
    ):
        super().__init__()
        self.n_time_features = n_time_features
        self.stack = RecurrentStack(
            n_in=n_components + n_time_features,
            hidden_layer_sizes=hidden_layer_sizes,
            cell=cell,
            bidirectional=bidirectional,
            generator=generator,
        )
        if zero_head:
            self.head = zero_linear(self.stack.n_out, n_channels)
        else:
            self.head = linear(self.stack.n_out, n_channels, generator=generator)

    def forward(self, code: Tensor, lengths: Tensor | None, n_steps: int) -> Tensor:
        """Map (N, Z) to (N, T, C)."""
        x = code[:, None].expand(-1, n_steps, -1)  # (N, T, Z)
        if self.n_time_features:
            time = time_features(
                len(code), n_steps, lengths, self.n_time_features, code.device
            )
            x = torch.cat([x, time], dim=2)
        return self.head(self.stack(x, lengths))
