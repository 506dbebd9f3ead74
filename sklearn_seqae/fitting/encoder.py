"""Differentiable encoders of a fitted model."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.resampling import time_warp
from sklearn_seqae.modules.stacks import step_mask


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


class SampleEncoder(nn.Module):
    """Differentiable encoder from samples in the units of X to latent codes.

    Its codes are those of `transform` with ``refinement_steps=0``. It is independent of
    the model if its encoder is that of a copy.

    Shape
    -----
    - Input: `x`, complete samples in the shape that `fit` read: (N, D), (N, T, C),
      (N, H, W) or (N, H, W, C); `lengths` (N,) or None without padding
    - Output: (N, Z), the codes, in the dtype of `x`

    Parameters
    ----------
    encoder : Encoder
        Encoder of scaled samples, without whitening.

    center : Tensor
        Center that is subtracted from the samples.

    scale, code_unit : float
        Divisor of the samples, and factor of the codes.

    whitening : WhiteningTensors or None
        Whitening of the codes; None without whitening.

    n_channels : int or None
        Number of channels of a sequence; None for tables and images, whose samples are
        flattened.

    max_steps : int or None, default=None
        Number of time steps that are read of longer sequences; None: all.
    """

    center: Tensor
    mean: Tensor | None
    factor: Tensor | None

    def __init__(
        self,
        encoder: Encoder,
        *,
        center: Tensor,
        scale: float,
        code_unit: float,
        whitening: WhiteningTensors | None,
        n_channels: int | None,
        max_steps: int | None = None,
    ):
        super().__init__()
        self.encoder = encoder
        self.scale = scale
        self.code_unit = code_unit
        self.n_channels = n_channels
        self.max_steps = max_steps
        self.register_buffer("center", center)
        mean, factor, _ = whitening or (None, None, None)
        self.register_buffer("mean", mean)
        self.register_buffer("factor", factor)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map samples to latent codes."""
        return self.in_units(self.encoder(self.scaled(x, lengths), lengths), x.dtype)

    def scaled(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Scale samples, and set their padding to zero."""
        if self.n_channels is None:
            x = x.flatten(1)
        elif x.ndim == 2:
            x = x.reshape(x.shape[0], -1, self.n_channels)
        if self.max_steps is not None:
            x = x[:, -self.max_steps :]
        x = ((x - self.center.to(x.dtype)) / self.scale).float()
        if lengths is None or self.n_channels is None:
            return x
        return torch.where(step_mask(lengths, x.shape[1]), x, 0)

    def in_units(self, code: Tensor, dtype: torch.dtype) -> Tensor:
        """Whiten scaled codes, and multiply them by their unit."""
        if self.mean is not None and self.factor is not None:
            code = (code - self.mean) @ self.factor
        return code.to(dtype) * self.code_unit
