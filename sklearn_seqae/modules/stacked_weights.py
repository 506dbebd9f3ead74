"""Weights of several networks of one shape, in one tensor."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

ALIGNMENT = 16  # values, 64 bytes: the bits of a product depend on its address


class StackedWeights:
    """Weights of K networks of one shape, in one tensor.

    Until it is released, every weight and its gradient are views of `values` and
    `gradients`. An optimizer of `values` then takes one step for all networks.

    Parameters
    ----------
    networks : sequence of list of nn.Parameter
        Weights of each network. Weights at the same place have the same shape.

    Attributes
    ----------
    values, gradients : Tensor of shape (K, P)
        Weights of the networks, and their gradients, which are zero at first.
    """

    def __init__(self, networks: Sequence[list[nn.Parameter]]):
        self.networks = list(networks)
        self._starts = [0]
        for weight in self.networks[0]:
            size = -(-weight.numel() // ALIGNMENT) * ALIGNMENT
            self._starts.append(self._starts[-1] + size)
        example = self.networks[0][0]
        self.values = example.new_zeros(len(networks), self._starts[-1])
        for k, weights in enumerate(self.networks):
            for weight, place in zip(weights, self._views(self.values), strict=True):
                place[k] = weight.detach()
        self._share(torch.zeros_like(self.values))

    @property
    def places(self) -> list[slice]:
        """Places of the weights in `values`."""
        starts = zip(self._starts, self.networks[0], strict=False)
        return [slice(start, start + weight.numel()) for start, weight in starts]

    def has(self, k: int) -> bool:
        """Return whether the weights of a network are still views of `values`."""
        return all(
            weight.data_ptr() == values[k].data_ptr()
            for weight, (values, _) in zip(self.networks[k], self.views, strict=True)
        )

    def _views(self, values: Tensor) -> list[Tensor]:
        """Return views (K, ...) of the values of each weight."""
        pairs = zip(self.places, self.networks[0], strict=True)
        return [
            values[:, place].view(len(values), *weight.shape) for place, weight in pairs
        ]

    def _share(self, gradients: Tensor) -> None:
        """Make weights and gradients views of the two tensors."""
        self.gradients = gradients
        self.views = list(
            zip(self._views(self.values), self._views(gradients), strict=True)
        )
        for k, weights in enumerate(self.networks):
            for weight, (values, gradient) in zip(weights, self.views, strict=True):
                weight.data, weight.grad = values[k], gradient[k]

    def take(self, kept: list[int]) -> None:
        """Keep some of the networks only."""
        self.networks = [self.networks[k] for k in kept]
        self.values = self.values[kept]
        self._share(self.gradients[kept])


def release(weights: Sequence[nn.Parameter]) -> None:
    """Make weights own their memory, without gradients."""
    for weight in weights:
        weight.data, weight.grad = weight.data.clone(), None
