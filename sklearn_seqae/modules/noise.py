"""What is done to samples before a denoising encoder sees them."""

import torch
from torch import Tensor

from sklearn_seqae.modules.bottleneck import fixed_generator, normal_like

NOISES = ("gaussian", "masking")


class Noise:
    """Corrupt samples, which the network then learns to give back clean.

    Of Vincent et al. (2010).

    Parameters
    ----------
    kind : {"gaussian", "masking"}
        What is done: add numbers from N(0, level**2), or set values to zero, their
        mean.

    level : float
        The standard deviation, or the share of the values.

    generator : torch.Generator
        Source of the noise in training. Measured, it is the same in each epoch.
    """

    def __init__(self, kind: str, level: float, generator: torch.Generator):
        self.kind = kind
        self.level = level
        self.generator = generator

    def __call__(
        self, x: Tensor, mask: Tensor | None = None, in_training: bool = False
    ) -> Tensor:
        """Corrupt (N, D) or (N, T, C); padding stays as it is."""
        generator = self.generator if in_training else fixed_generator()
        if self.kind == "gaussian":
            noisy = x + self.level * normal_like(x, generator)
        else:
            drawn = torch.rand(x.shape, generator=generator).to(x.device)
            noisy = torch.where(drawn < self.level, 0, x)
        return noisy if mask is None else torch.where(mask[:, :, None], noisy, x)
