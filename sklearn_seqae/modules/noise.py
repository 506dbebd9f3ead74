"""Corruption of the input of a denoising autoencoder."""

import torch
from torch import Tensor

from sklearn_seqae.modules.bottleneck import fixed_generator, normal_like

NOISES = ("gaussian", "masking")


class Noise:
    """Corruption of samples for a denoising autoencoder (Vincent et al., 2010).

    Parameters
    ----------
    kind : {"gaussian", "masking"}
        "gaussian": add noise from N(0, level**2). "masking": set random values to zero,
        which is the mean of centered data.

    level : float
        Standard deviation of the noise, or fraction of masked values.

    generator : torch.Generator
        Source of the noise in training. In validation, the noise is the same in each
        epoch.
    """

    def __init__(self, kind: str, level: float, generator: torch.Generator):
        self.kind = kind
        self.level = level
        self.generator = generator

    def __call__(
        self, x: Tensor, mask: Tensor | None = None, in_training: bool = False
    ) -> Tensor:
        """Corrupt (N, D) or (N, T, C), except padding."""
        generator = self.generator if in_training else fixed_generator()
        if self.kind == "gaussian":
            noisy = x + self.level * normal_like(x, generator)
        else:
            drawn = torch.rand(x.shape, generator=generator).to(x.device)
            noisy = torch.where(drawn < self.level, 0, x)
        return noisy if mask is None else torch.where(mask[:, :, None], noisy, x)
