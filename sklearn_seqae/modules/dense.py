"""Dense encoder and decoder for rows of a table."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sklearn_seqae.modules.layers import ACTIVATIONS, linear, zero_linear

__all__ = ["ACTIVATIONS", "DenseNetwork"]


class DenseNetwork(nn.Module):
    """Linear layers with an activation function between them.

    The encoder and the decoder are both of this class, with sizes in reverse order. The
    other arguments of `forward` are ignored; networks for sequences use them.

    Shape
    -----
    - Input: `(N, sizes[0])`
    - Output: `(N, sizes[-1])`

    Parameters
    ----------
    sizes : sequence of int
        Number of units of each layer, including input and output.

    activation : str
        A key of `ACTIVATIONS`.

    zero_head : bool
        If True, initialize the last layer with zeros, for a correction of a linear
        path.

    generator : torch.Generator
        Source of every random number.

    rotated_in, rotated_out : int, default=None
        D, if the input or the output has D columns and is projected by a fixed
        orthonormal `basis`; None without a projection.

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

        Beyond this range, only the linear path extrapolates.
        """
        if self.rotated_in:
            x = x @ self.basis.T
        self.low[: x.shape[1]] = x.amin(0)
        self.high[: x.shape[1]] = x.amax(0)

    def forward(self, x: Tensor, *unused: object) -> Tensor:
        """Map (N, sizes[0]) to (N, sizes[-1]), or from or to (N, D)."""
        if self.rotated_in:
            x = x @ self.basis.T
        if self.is_clamped:
            x = x.clamp(self.low, self.high)
        x = self.layers(x)
        return x @ self.basis if self.rotated_out else x
