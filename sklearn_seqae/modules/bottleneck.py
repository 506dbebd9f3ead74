"""What happens to the code between the encoder and the decoder."""

import torch
from torch import Tensor


def cut(code: Tensor, kept: Tensor) -> Tensor:
    """Clear what follows the first `kept` components of each row.

    Shape: `code` (N, Z), `kept` (N,), int64; output (N, Z).
    """
    component = torch.arange(code.shape[1], device=code.device)
    return torch.where(component < kept[:, None], code, 0)


class NestedDropout:
    """Train codes cut after a random component, so that components come in order.

    Of Rippel, Gelbart and Adams (2014), but with each size weighted by the inverse of
    its own loss at the start: otherwise the short codes, which leave most, would
    drown the long ones.

    Parameters
    ----------
    weights : Tensor of shape (Z,)
        Of the loss of a code cut to 1, ..., Z components.

    generator : torch.Generator
        Source of the sizes.
    """

    def __init__(self, weights: Tensor, generator: torch.Generator):
        self.weights = weights
        self.generator = generator

    def draw(self, n: int) -> Tensor:
        """Draw the size of n codes, uniform from 1 to Z: (n,), int64."""
        kept = torch.randint(1, len(self.weights) + 1, (n,), generator=self.generator)
        return kept.to(self.weights.device)
