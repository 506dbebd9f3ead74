"""Differentiable encoder of a fitted model."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.resampling import time_warp


class WhiteningTensors(NamedTuple):
    """`Whitening` as tensors."""

    mean: Tensor  # (Z,)
    factor: Tensor  # (Z, Z)
    inverse: Tensor  # (Z, Z)


class Encoder(nn.Module):
    """Differentiable encoder from scaled samples to latent codes in scaled units.

    The codes of `transform` are these codes times `FittedModel.code_unit`. It shares
    the weights of the autoencoder. Training one trains the other.

    Shape
    -----
    - Input: `x` (N, D) or (N, T, C), scaled; `lengths` (N,) or None
    - Output: (N, Z), the codes

    Parameters
    ----------
    module : Autoencoder
        The torch module.

    n_components : int
        Z, number of components of the codes.

    whitening : WhiteningTensors or None
        Whitening of the codes; None without whitening.

    warp : float, default=0
        Strength of the time warping in training mode.

    generator : torch.Generator or None, default=None
        Source of the time warping.
    """

    def __init__(
        self,
        module: Autoencoder,
        *,
        n_components: int,
        whitening: WhiteningTensors | None,
        warp: float = 0.0,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        self.module = module
        self.n_components = n_components
        self.whitening = whitening
        self.warp = warp
        self.generator = generator

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map samples to latent codes."""
        if self.training and self.warp and self.generator is not None:
            x = time_warp(x, lengths, self.warp, self.generator)
        code = self.module.encode(x, lengths)[:, : self.n_components]
        if self.whitening is None:
            return code
        return (code - self.whitening.mean) @ self.whitening.factor
