"""Nearest-point codes: the latent codes whose decoding is nearest to the samples.

The encoder's code is the start of damped Gauss-Newton steps on the loss of the
reconstruction (Levenberg, 1944). The derivatives of the decoder are finite differences,
so any decoder can be used.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.bottleneck import size_weights
from sklearn_seqae.modules.dense_tile import DenseTiles
from sklearn_seqae.modules.losses import row_losses
from sklearn_seqae.modules.stacked_weights import aligned_size
from sklearn_seqae.modules.stacks import step_mask

Decode = Callable[[Tensor, Tensor | None, int | None], Tensor]

FRACTIONS = (1.0, 1 / 3)  # of a step, until the loss falls
DAMPING = 1e-3  # relative to the mean squared derivative
DIFFERENCE = 0.01  # size of the finite differences, relative to the spread of the codes
MIN_DECREASE = 1e-6  # predicted decrease of the loss, relative to it: less is rounding
MIN_CURVATURE = 1e-3  # of a loss whose second derivative may be 0
MOST_SIZES = 8  # of an ordered code, whose derivatives are computed
TINY = 1e-30
LEAST_ROWS, LEAST_VALUES = 4, 32  # of a matrix product, for which torch calls BLAS


class Sizes(NamedTuple):
    """Numbers of components with which a code is decoded, and their weights."""

    sizes: Sequence[int]
    weights: Sequence[float]

    @classmethod
    def of(cls, module: Autoencoder, n_components: int) -> "Sizes":
        """Return all sizes of an ordered code; the only one of another code.

        As in the training, sizes are weighted by the inverse of PCA's loss.
        """
        if not module.is_ordered:
            return cls([n_components], [1.0])
        weights = size_weights(module.decoder_unit[:n_components].double())
        return cls(range(1, n_components + 1), (weights / n_components).tolist())

    def some(self) -> "Sizes":
        """Return at most `MOST_SIZES` of the sizes, the largest included."""
        count = len(self.sizes)
        if count <= MOST_SIZES:
            return self
        powers = range(1, MOST_SIZES + 1)
        kept = sorted({round(count ** (i / MOST_SIZES)) for i in powers})
        return Sizes(kept, [self.weights[size - 1] for size in kept])


def decoder_of(module: Autoencoder, *, ahead: bool = False) -> Decode:
    """Return the decoder, or the forecaster, of codes (N, k).

    If components are ordered, k may be less than the latent size.
    """
    network = module.forecast if ahead else module.decode
    width = len(module.code_scale)

    def decode(code: Tensor, lengths: Tensor | None, n_steps: int | None) -> Tensor:
        size = code.shape[1]
        if size == width:
            return network(code, lengths, n_steps)
        kept = torch.full((code.shape[0],), size, device=code.device)
        code = torch.nn.functional.pad(code, (0, width - size))
        return network(code, lengths, n_steps, kept)

    return decode


def nearest_codes(
    decode: Decode,
    code: Tensor,
    x: Tensor,
    lengths: Tensor | None = None,
    *,
    n_steps: int,
    loss: str,
    spread: Tensor,
    sizes: Sizes,
    observed: Tensor | None = None,
) -> Tensor:
    """Move codes to where the loss of their decoding is least.

    A code moves only if its loss falls. Products have a fixed shape for each sample, so
    the result of a sample does not depend on the others in a batch of one size, if this
    holds for `decode`.

    Parameters
    ----------
    decode : callable
        Function of codes (N, k), lengths and the number of time steps that returns the
        output: logits for binary cross-entropy.

    code : Tensor of shape (N, Z)
        Codes to start from.

    x : Tensor of shape (N, D) or (N, T, C)
        Samples, zero on padding.

    lengths : Tensor of shape (N,) or None, default=None
        Number of time steps of each sequence; None without padding.

    n_steps : int
        Number of Gauss-Newton steps.

    loss : str
        A key of `modules.losses.LOSSES`.

    spread : Tensor of shape (Z,)
        Spread of each component of the codes.

    sizes : Sizes
        Sizes of the code whose losses are added.

    observed : Tensor in the shape of `x`, bool, or None, default=None
        False where a value is missing, which has no loss; None if none is.

    Returns
    -------
    code : Tensor of shape (N, Z)
    """
    difference = DIFFERENCE * spread
    problem = _Problem(decode, x, lengths, loss, difference, observed)
    losses, output = problem.losses(code, sizes)
    for _ in range(n_steps):
        products = problem.products(code, sizes.some(), output)
        direction, decrease = _solve(products, code.shape[1])
        moves = decrease > MIN_DECREASE * losses
        for fraction in FRACTIONS:
            if not moves.any():
                break
            moved = code + fraction * direction
            found, moved_output = problem.losses(moved, sizes)
            falls = moves & (found < losses)
            code = torch.where(falls[:, None], moved, code)
            losses = torch.where(falls, found, losses)
            falls_all = falls.view(-1, *[1] * (output.ndim - 1))
            output = torch.where(falls_all, moved_output, output)
            moves = moves & ~falls
    return code


class TileDecoder:
    """Decoder of codes (N, k) with written-out passes of one number of rows.

    Parameters
    ----------
    tiles : dict
        `DenseTiles` by the number of components.
    """

    def __init__(self, tiles: dict[int, DenseTiles]):
        self.tiles = tiles

    def __call__(self, code: Tensor, *unused: object) -> Tensor:
        """Return the output."""
        return self.of_tile(code).clone(memory_format=torch.contiguous_format)

    def of_tile(self, code: Tensor) -> Tensor:
        """Return the output in a buffer, valid until the next call."""
        return self.tiles[code.shape[1]](code)


class _Problem:
    """Least-squares problems of a batch of samples."""

    def __init__(
        self,
        decode: Decode,
        x: Tensor,
        lengths: Tensor | None,
        loss: str,
        difference: Tensor,
        observed: Tensor | None,
    ):
        self.decode = decode
        self.x = x
        self.lengths = lengths
        self.loss = loss
        self.difference = difference
        self.n_steps = x.shape[1] if x.ndim == 3 else None
        self.mask = observed
        if lengths is not None:
            steps = step_mask(lengths, x.shape[1])
            self.mask = steps[:, :, 0] if observed is None else steps & observed

    def losses(self, code: Tensor, sizes: Sizes) -> tuple[Tensor, Tensor]:
        """Return the loss of each sample, summed over the sizes, and the output."""
        total, output = code.new_zeros(len(code)), code
        for size, weight in zip(*sizes, strict=True):
            output = self.decode(code[:, :size], self.lengths, self.n_steps)
            each = row_losses(self.loss, output, self.x, self.mask)
            total = total + weight * each
        return total, output

    def products(self, code: Tensor, sizes: Sizes, output: Tensor) -> Tensor:
        """Return the products of the derivatives and the residual.

        They are J^T W J, with the negative gradient J^T W r as the row after it, summed
        over the sizes.

        Shape: `code` (N, Z), `output` as the samples, result (N, P, P) with P > Z.
        """
        total = self._products(code, code.shape[1], output) * sizes.weights[-1]
        for size, weight in zip(sizes.sizes[:-1], sizes.weights[:-1], strict=True):
            output = self.decode(code[:, :size], self.lengths, self.n_steps)
            total += self._products(code, size, output) * weight
        return total

    def _products(self, code: Tensor, k: int, output: Tensor) -> Tensor:
        """Return the products for codes with k components, zero for the others."""
        (n, width), output = code.shape, output.flatten(1)
        gradient, curvature = derivatives(self.loss, output, self.x.flatten(1))
        # Aligned products that are not small have the same bits for each sample.
        n_values = output.shape[1]
        padded = aligned_size(max(n_values, LEAST_VALUES))
        rows = code.new_zeros(n, max(width + 1, LEAST_ROWS), padded)
        left, right = rows[:, :k, :n_values], rows[:, width, :n_values]
        moved = code[:, :k] + torch.diag(self.difference[:k])[:, None]  # (k, N, k)
        for column, each in zip(left.unbind(1), self._decode_each(moved), strict=True):
            torch.sub(each.flatten(1), output, out=column)
        left /= self.difference[:k, None]
        right.copy_(gradient)
        if curvature is not None:
            root = curvature.sqrt()
            left *= root[:, None]
            right /= root
        if self.mask is not None:
            mask = self.mask
            if mask.ndim < self.x.ndim:
                mask = mask.repeat_interleave(self.x.shape[2], 1)
            rows[:, :, :n_values] *= mask.flatten(1)[:, None]
        return torch.bmm(rows, rows.transpose(1, 2))

    def _decode_each(self, codes: Tensor) -> Iterable[Tensor]:
        """Decode (K, N, k). Each output may be valid only until the next."""
        if isinstance(self.decode, TileDecoder):
            return map(self.decode.of_tile, codes)
        n_codes = len(codes)
        lengths = None if self.lengths is None else self.lengths.repeat(n_codes)
        output = self.decode(codes.flatten(0, 1), lengths, self.n_steps)
        return output.view(n_codes, -1, *output.shape[1:])


def derivatives(
    loss: str, output: Tensor, target: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Return the negative gradient of the loss, and a positive curvature.

    The curvature is that of a quadratic function above the loss, or the second
    derivative of binary cross-entropy. None: 1 everywhere.
    """
    if loss == "binary_cross_entropy":
        p = output.sigmoid()
        return target - p, (p * (1 - p)).clamp(min=MIN_CURVATURE)
    residual = target - output
    if loss == "squared_error":
        return residual, None
    size = residual.abs()
    if loss == "huber":
        return residual.clamp(-1, 1), 1 / size.clamp(min=1)
    return residual.sign(), 1 / size.clamp(min=MIN_CURVATURE)


def _solve(products: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the damped steps (N, k), and the decrease of the loss that they predict.

    For the squared error, the decrease is that of the sum of squares.
    """
    products = products.double()
    right = products[:, k, :k]
    padded = -(-k // LEAST_ROWS) * LEAST_ROWS
    matrix = products.new_zeros(len(products), padded, padded)
    matrix[:, :k, :k] = products[:, :k, :k]
    diagonal = matrix.diagonal(dim1=1, dim2=2)
    diagonal += (DAMPING * diagonal.sum(1, keepdim=True) / k).clamp(min=TINY)
    diagonal[:, k:] = 1
    factor, _ = torch.linalg.cholesky_ex(matrix)
    column = products.new_zeros(len(products), padded, 1)
    column[:, :k, 0] = right
    step = torch.cholesky_solve(column, factor)[:, :k, 0]
    decrease = (step * right).sum(1)
    is_usable = step.isfinite().all(1) & decrease.isfinite()
    step = torch.where(is_usable[:, None], step, 0)
    return step.float(), torch.where(is_usable, decrease, 0).float()
