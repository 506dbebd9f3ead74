"""Dense encoder and decoder for rows of a table."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sklearn_seqae.modules.batch import ShardSize
from sklearn_seqae.modules.layers import ACTIVATIONS, linear, zero_linear

__all__ = ["ACTIVATIONS", "DenseNetwork"]


class DenseNetwork(nn.Module):
    """Linear layers with an activation function between them.

    Encoder and decoder are of this class, with `sizes` in reverse order. `forward`
    ignores all arguments but the first; networks for sequences use them.

    Shape
    -----
    - Input: (N, sizes[0]), or (N, `rotated_in`)
    - Output: (N, sizes[-1]), or (N, `rotated_out`)

    Parameters
    ----------
    sizes : sequence of int
        Number of units of each layer, including input and output.

    activation : str
        A key of `ACTIVATIONS`.

    zero_head : bool
        If True, the network is a correction of a linear path: its last layer is
        initialized with zeros, and its inputs are clamped to the training range. If
        False, it is the plain architecture of the literature.

    generator : torch.Generator
        Source of every random number.

    rotated_in, rotated_out : int or None, default=None
        D, number of columns of the input or the output, if a fixed orthonormal `basis`
        projects them; None without a projection.

    Examples
    --------
    >>> import torch
    >>> from sklearn_seqae.modules.dense import DenseNetwork
    >>> net = DenseNetwork(
    ...     sizes=(4, 8, 2), activation="silu", zero_head=True,
    ...     generator=torch.Generator().manual_seed(0),
    ... )
    >>> net(torch.ones(3, 4)).shape, net(torch.ones(3, 4)).abs().sum().item()
    (torch.Size([3, 2]), 0.0)
    """

    low: Tensor
    high: Tensor
    basis: Tensor
    takes_residual = False
    min_shard = ShardSize(512, 200e6)  # measured, as for the other networks

    def __init__(
        self,
        *,
        sizes: Sequence[int],
        activation: str,
        zero_head: bool,
        generator: torch.Generator,
        rotated_in: int | None = None,
        rotated_out: int | None = None,
    ):
        layers: list[nn.Module] = []
        for n_in, n_out in zip(sizes[:-2], sizes[1:-1], strict=True):
            layers.append(linear(n_in, n_out, generator=generator))
            layers.append(ACTIVATIONS[activation]())
        if zero_head:
            layers.append(zero_linear(sizes[-2], sizes[-1]))
        else:
            layers.append(linear(sizes[-2], sizes[-1], generator=generator))
        super().__init__()
        self.layers = nn.Sequential(*layers)

        self.register_buffer("low", torch.full((sizes[0],), -math.inf))
        self.register_buffer("high", torch.full((sizes[0],), math.inf))
        self.is_clamped = zero_head
        self.rotated_in, self.rotated_out = rotated_in, rotated_out
        basis = None
        if rotated_in:
            basis = torch.zeros(sizes[0], rotated_in)
        elif rotated_out:
            basis = torch.zeros(sizes[-1], rotated_out)
        self.register_buffer("basis", basis)

    @torch.no_grad()
    def set_range(self, x: Tensor) -> None:
        """Clamp inputs to the range of the training rows `x`.

        Outside this range, only the linear path extrapolates.

        Parameters
        ----------
        x : Tensor of shape (N, D')
            Training rows. D' may be less than the number of inputs; the other inputs
            are not clamped.
        """
        if self.rotated_in:
            x = x @ self.basis.T
        self.low[: x.shape[1]] = x.amin(0)
        self.high[: x.shape[1]] = x.amax(0)

    @torch.no_grad()
    def widen_range(self, x: Tensor) -> None:
        """Widen the range of the inputs to that of more training rows `x`."""
        if self.rotated_in:
            x = x @ self.basis.T
        low, high = self.low[: x.shape[1]], self.high[: x.shape[1]]
        torch.minimum(low, x.amin(0), out=low)
        torch.maximum(high, x.amax(0), out=high)

    def n_products(self, n_steps: int | None = None) -> int:
        """Return the number of products of one row."""
        return sum(weight.numel() for weight in self.parameters())

    def forward(self, x: Tensor, *unused: object) -> Tensor:
        """Map (N, sizes[0]) to (N, sizes[-1]), with D columns on a projected side."""
        if self.rotated_in:
            x = x @ self.basis.T
        if self.is_clamped:
            x = x.clamp(self.low, self.high)
        x = self.layers(x)
        return x @ self.basis if self.rotated_out else x
