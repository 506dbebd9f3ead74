"""Stacked recurrent layers, and their inputs: patches of time steps, and time."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_seqae.modules.layers import recurrent, reverse


def step_mask(lengths: Tensor, n_steps: int) -> Tensor:
    """Return a mask (N, n_steps, 1), bool, which is False on padding."""
    return (torch.arange(n_steps, device=lengths.device) < lengths[:, None])[:, :, None]


def time_features(
    n: int, n_steps: int, lengths: Tensor | None, n_features: int, device: torch.device
) -> Tensor:
    """Return cosines of relative time, as inputs of the recurrent cells.

    Feature f at step t of a sequence of length L is cos(pi * f * t / (L - 1)), for
    f = 1, ..., `n_features`. These are the first half-waves of a discrete cosine
    transform.

    Parameters
    ----------
    n, n_steps, n_features : int
        Shape of the output.

    lengths : Tensor of shape (n,) or None
        Number of steps of each sequence; None without padding.

    device : torch.device
        Device of the output.

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
    """Stacked recurrent layers, unidirectional or bidirectional.

    Padding is at the end, so it does not affect the forward direction. The input of the
    backward direction is each sequence reversed without its padding.

    Shape
    -----
    - Input: (N, T, n_in), `lengths` (N,) or None without padding
    - Output: (N, T, n_out), undefined on padding

    Parameters
    ----------
    n_in : int
        Number of input channels.

    hidden_layer_sizes : sequence of int
        Units of each layer and direction.

    cell : {"lstm", "gru", "rnn"}
        Type of the cell.

    bidirectional : bool
        Whether each layer also reads the sequence backwards.

    generator : torch.Generator
        Source of every random number.
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

    def n_products(self, n_steps: int) -> int:
        """Return the number of products of a row of n steps."""
        return n_steps * sum(weight.numel() for weight in self.parameters())

    def step(self, x: Tensor, states: list[Any]) -> Tensor:
        """Compute one step of the forward direction: map (N, 1, n_in) to (N, 1, n_out).

        `states` contains the state of each layer, None before the first step. It is
        updated in place.
        """
        for i, layer in enumerate(self.forward_layers):
            x, states[i] = layer(x, states[i])
        return x

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Map (N, T, n_in) to (N, T, n_out), both directions concatenated."""
        for i, layer in enumerate(self.forward_layers):
            output = layer(x)[0]
            if self.backward_layers:
                backward = self.backward_layers[i](reverse(x, lengths))[0]
                output = torch.cat([output, reverse(backward, lengths)], dim=2)
            x = output
        return x


def to_patches(x: Tensor, lengths: Tensor | None, size: int) -> Tensor:
    """Concatenate the channels of `size` steps: (N, ceil(T / size), size * C).

    Values on padding are set to zero. Shape: `x` (N, T, C), `lengths` (N,) or None.
    """
    if lengths is not None:
        x = x * step_mask(lengths, x.shape[1])
    if size > 1:  # also without missing steps: exported graphs have no branches
        x = nn.functional.pad(x, (0, 0, 0, -x.shape[1] % size))
    return x.reshape(x.shape[0], -1, size * x.shape[2])
