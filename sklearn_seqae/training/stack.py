"""Nets that are trained together, in one computation for each batch."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sklearn_seqae.modules.batch import Batch
from sklearn_seqae.modules.dense_step import DenseStep, padded_rows
from sklearn_seqae.modules.stacked_weights import StackedWeights
from sklearn_seqae.training.batches import Batches


class NetStack:
    """Nets with networks of one shape that are trained together.

    The weights of all nets are in one tensor, so that a batch takes one computation
    and one step of the optimizer. Each net has the same bits alone or among others.

    Parameters
    ----------
    nets : list of AutoencoderNet
        Initialized nets with the same parameters. Only a single net has callbacks.

    batches : list of Batches
        Training rows of each net, in the same number of batches.

    step : DenseStep
        Training step of all networks.
    """

    def __init__(self, nets: list[Any], batches: list[Batches], step: DenseStep):
        self.nets, self.batches, self.step = nets, batches, step
        self.averaged: StackedWeights | None = None
        if not nets[0].one_cycle:
            self.averaged = StackedWeights([net.averaged_weights_ for net in nets])
        self.weights = nn.Parameter(step.weights.values)
        self.weights.grad = step.weights.gradients
        self.updates = nets[0].make_updates(
            nets[0].make_optimizer([{"params": [self.weights]}]),
            batches[0].n_batches,
            [self.weights],
            [] if self.averaged is None else [self.averaged.values],
        )
        self.losses: dict[int, float] = {}

    def train_epoch(self, net: Any) -> float:
        """Return the mean loss of the next epoch of a net.

        The first call trains all nets for one epoch. The others return their losses.
        """
        if id(net) not in self.losses:
            self._keep_training()
            means = net.train_on(self._computations(net.has_batch_hooks))
            ids = map(id, self.nets)
            self.losses = dict(zip(ids, np.atleast_1d(means).tolist(), strict=True))
        return self.losses.pop(id(net))

    def _computations(
        self, has_rows: bool
    ) -> Iterator[tuple[Batch | None, Callable[[], tuple[Tensor, Any]]]]:
        """Yield the rows of each batch, and a function that computes its gradients.

        Rows are those of the only net, or None if they are not needed.
        """
        size, gains = self.batches[0].batch_size, [net.gain for net in self.nets]
        for pools in zip(*(each.pools() for each in self.batches), strict=True):
            compute = partial(next, self.step(pools, size, gains))
            for start in range(0, len(pools[0].x), size):
                yield pools[0].rows(start, start + size) if has_rows else None, compute

    def weights_of(self, net: Any) -> Tensor:
        """Return the weights of a net (P,)."""
        return self.weights.detach()[self.nets.index(net)]

    def has_weights(self, net: Any) -> bool:
        """Return whether a net still has the weights that are trained."""
        return self.step.weights.has(self.nets.index(net))

    @property
    def places(self) -> list[slice]:
        """Places of the weights of a net."""
        return self.step.weights.places

    def _keep_training(self) -> None:
        """Keep the nets whose training has not ended."""
        kept = [k for k, net in enumerate(self.nets) if net.stack_ is self]
        if len(kept) == len(self.nets):
            return
        self.nets = [self.nets[k] for k in kept]
        self.batches = [self.batches[k] for k in kept]
        self.step.take(kept)
        self.weights.data = self.step.weights.values
        self.weights.grad = self.step.weights.gradients
        state = self.updates.optimizer.state[self.weights]
        for name, value in state.items():
            if value.ndim:
                state[name] = value[kept]
        if self.averaged is not None:
            self.averaged.take(kept)
            self.updates.averaged = [self.averaged.values]


def weighted_means(
    losses: Sequence[Any], n_values: Sequence[Any]
) -> NDArray[np.float64]:
    """Return the mean loss of batches, weighted by their numbers of values."""
    if isinstance(losses[0], Tensor):
        stacked = torch.stack(list(losses)).cpu().numpy()
    else:  # numbers of float32
        stacked = np.asarray(losses, dtype=np.float32)
    return np.asarray(np.average(stacked, axis=0, weights=n_values), dtype=np.float64)


def train_together(nets: Sequence[Any], batches: Sequence[Batches]) -> None:
    """Train nets together from now on, as far as they have networks of one shape.

    A net whose gradients are computed by autograd is left alone.

    Parameters
    ----------
    nets : sequence of AutoencoderNet
        Initialized nets with the same parameters. Only a single net has callbacks.

    batches : sequence of Batches
        Training rows of each net.
    """
    groups: dict[Any, list[tuple[Any, Batches, DenseStep]]] = {}
    for net, rows in zip(nets, batches, strict=True):
        step = net.make_step(rows) if net.clip is None else None
        if step is not None:
            n_rows = padded_rows(len(rows), rows.batch_size)
            key: Any = step.shape, n_rows, rows.n_batches
            if step.shape is None or rows.batch_size == 1:
                key = id(net)
            groups.setdefault(key, []).append((net, rows, step))
    for group in groups.values():
        members, data, steps = map(list, zip(*group, strict=True))
        stack = NetStack(members, data, DenseStep.stack(steps))
        for net in members:
            net.stack_, net.updates_ = stack, stack.updates
            net.optimizer_ = stack.updates.optimizer
