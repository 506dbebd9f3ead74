"""Nearest-point codes with operations that can be exported.

These are the steps of `modules.nearest`, without branches on values, and with the
solution of the equations written out.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sklearn_seqae.modules.nearest import (
    DAMPING,
    DIFFERENCE,
    FRACTIONS,
    MIN_DECREASE,
    TINY,
    Sizes,
    decoder_of,
    derivatives,
)
from sklearn_seqae.modules.stacks import step_mask

MOST_COMPONENTS = 16  # whose equations are written out


class NearestCodes:
    """Move codes to the points whose decoding is nearest to the samples.

    Shape
    -----
    - Input: `code` (N, Z), `x` as scaled samples, `lengths` (N,) or None
    - Output: (N, Z)

    Parameters
    ----------
    model : FittedModel
        Model with its decoder.
    """

    def __init__(self, model: Any):
        size = model.n_components
        self.decode = decoder_of(model.module)
        self.sizes = Sizes.of(model.module, size)
        self.loss = model.config.loss
        self.n_steps = model.refinement_steps
        self.difference = (DIFFERENCE * model.module.code_spread[:size]).tolist()

    def __call__(self, code: Tensor, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Return the codes."""
        losses, output = self._losses(code, x, lengths)
        for _ in range(self.n_steps):
            direction, decrease = self._direction(code, x, lengths, output)
            moves = decrease > MIN_DECREASE * losses
            for fraction in FRACTIONS:
                moved = code + fraction * direction
                found, moved_output = self._losses(moved, x, lengths)
                falls = moves & (found < losses)
                code = torch.where(falls[:, None], moved, code)
                losses = torch.where(falls, found, losses)
                output = torch.where(falls[:, None], moved_output, output)
                moves = moves & ~falls
        return code

    def _flat(self, code: Tensor, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Return the decoding of codes as rows."""
        return self.decode(code, lengths, x.shape[1] if x.ndim == 3 else None).flatten(
            1
        )

    def _losses(
        self, code: Tensor, x: Tensor, lengths: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return the loss of each sample, summed over the sizes, and the output."""
        total, output = code.new_zeros(()), code
        for size, weight in zip(*self.sizes, strict=True):
            output = self._flat(code[:, :size], x, lengths)
            each = _loss(self.loss, output, x.flatten(1)) * _mask(x, lengths)
            total = total + weight * each.sum(1)
        return total, output

    def _direction(
        self, code: Tensor, x: Tensor, lengths: Tensor | None, output: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the damped step, and the decrease of the loss that it predicts."""
        k, some = len(self.difference), self.sizes.some()
        total: Any = 0.0
        for size, weight in zip(*some, strict=True):
            if size < k:
                output_of_size = self._flat(code[:, :size], x, lengths)
            else:
                output_of_size = output
            products = self._products(code[:, :size], x, lengths, output_of_size)
            right = F.pad(products[:, :, size:], (0, 0, 0, k - size))
            left = F.pad(products[:, :, :size], (0, k - size, 0, k - size))
            total = total + weight * torch.cat([left, right], dim=2)
        matrix, right = total.double().split([k, 1], dim=2)
        trace = sum(matrix[:, i, i] for i in range(k))
        damping = (DAMPING / k * trace).clamp(min=TINY)
        matrix = matrix + damping[:, None, None] * torch.eye(k, dtype=matrix.dtype)
        step = _solve(matrix, right)[:, :, 0]
        decrease = (step * right[:, :, 0]).sum(1)
        return step.float(), decrease.float()

    def _products(
        self, code: Tensor, x: Tensor, lengths: Tensor | None, output: Tensor
    ) -> Tensor:
        """Return J^T W J and, in the last column, the negative gradient J^T r."""
        size = code.shape[1]
        difference = torch.tensor(self.difference[:size])
        moved = (code[None] + torch.diag(difference)[:, None]).flatten(0, 1)
        repeated = None if lengths is None else lengths.repeat(size)
        n_steps = x.shape[1] if x.ndim == 3 else None
        each = self.decode(moved, repeated, n_steps).flatten(1)
        left = each.reshape(size, -1, output.shape[1]) - output
        left = (left / difference[:, None, None]).transpose(0, 1)  # (N, size, V)
        gradient, curvature = derivatives(self.loss, output, x.flatten(1))
        mask = _mask(x, lengths)
        weighted = left * (mask if curvature is None else mask * curvature)[:, None]
        square = weighted @ left.transpose(1, 2)
        return torch.cat([square, left @ (gradient * mask)[:, :, None]], dim=2)


def _mask(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Return 1 for values, and 0 for padding, as rows."""
    ones = torch.ones_like(x)
    if lengths is not None:
        ones = ones * step_mask(lengths, x.shape[1])
    return ones.flatten(1)


def _loss(loss: str, output: Tensor, target: Tensor) -> Tensor:
    """Return the loss of each value."""
    if loss == "binary_cross_entropy":
        return F.softplus(output) - output * target
    size = (target - output).abs()
    if loss == "absolute_error":
        return size
    if loss == "squared_error":
        return size * size
    near = size.clamp(max=1)
    return near * (size - 0.5 * near)


def _solve(matrix: Tensor, right: Tensor) -> Tensor:
    """Solve symmetric positive definite equations (N, K, K) for (N, K, 1).

    Gauss-Jordan elimination: no exporter of torch knows `torch.linalg.solve`.
    """
    k = matrix.shape[1]
    both = torch.cat([matrix, right], dim=2)
    for i in range(k):
        row = both[:, i : i + 1] / both[:, i : i + 1, i : i + 1]
        others = both - both[:, :, i : i + 1] * row
        both = torch.cat([others[:, :i], row, others[:, i + 1 :]], dim=1)
    return both[:, :, k:]
