"""Weights and other tensors of several networks of one shape, in one tensor."""

import math
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
            self._starts.append(self._starts[-1] + aligned_size(weight.numel()))
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


def aligned_size(size: int) -> int:
    """Return a number of values rounded up to a multiple of `ALIGNMENT`."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def aligned(example: Tensor, n_networks: int, *shape: int) -> Tensor:
    """Allocate a tensor (K, ...) like the example, with an aligned address for each K.

    The bits of the products of a network are then the same alone and among others.
    """
    size = math.prod(shape)
    memory = example.new_empty(n_networks, aligned_size(size))
    return memory[:, :size].view(n_networks, *shape)


def aligned_stack(tensors: Sequence[Tensor], n_rows: int | None = None) -> Tensor:
    """Copy K tensors to aligned addresses of one tensor, with zeros up to `n_rows`."""
    shape = len(tensors[0]) if n_rows is None else n_rows, *tensors[0].shape[1:]
    stacked = aligned(tensors[0], len(tensors), *shape)
    for place, tensor in zip(stacked, tensors, strict=True):
        place[: len(tensor)] = tensor
        place[len(tensor) :] = 0
    return stacked


def release(weights: Sequence[nn.Parameter]) -> None:
    """Make weights own their memory, without gradients."""
    for weight in weights:
        weight.data, weight.grad = weight.data.clone(), None
