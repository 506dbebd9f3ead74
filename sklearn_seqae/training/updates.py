"""Updates of the weights in training, and the learning-rate schedules."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.adamw import adamw
from torch.optim.swa_utils import get_ema_multi_avg_fn

WARM_UP = 100  # number of steps of the learning-rate warm-up
MEMORY = 100  # time constant of the moving average of the weights, in steps


class Updates:
    """Updates of weights by an optimizer, with a schedule and a moving average.

    There are two schedules. A constant learning rate after a short warm-up is combined
    with an exponential moving average of the weights (Polyak and Juditsky, 1992).
    Training can stop after any epoch. One cycle (Smith and Topin, 2019) needs fewer
    steps, but their number must be known before.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        Optimizer of the weights.

    n_steps : int
        Number of steps of one cycle.

    weights, averaged : list of Tensor
        Weights, and their moving averages. One cycle has no averages.

    one_cycle : bool
        Whether the learning rate goes through one cycle.

    has_schedule : bool, default=True
        False if the learning rate is set elsewhere.

    is_stack : bool, default=False
        Whether the weights are one tensor, and no callback follows the optimizer.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        n_steps: int,
        *,
        weights: list[Tensor],
        averaged: list[Tensor],
        one_cycle: bool,
        has_schedule: bool = True,
        is_stack: bool = False,
    ):
        self.optimizer = optimizer
        self.weights, self.averaged = weights, averaged
        self.one_cycle = one_cycle
        self.is_stack = is_stack
        self.n_steps = 0
        self.scheduler: Any = None
        if has_schedule and one_cycle:
            self.scheduler = torch.optim.lr_scheduler.OneCycleLR(
                optimizer,
                [group["lr"] for group in optimizer.param_groups],
                total_steps=n_steps,
                cycle_momentum=False,
            )
        elif has_schedule:
            self.scheduler = torch.optim.lr_scheduler.LinearLR(
                optimizer, start_factor=1 / WARM_UP, total_iters=WARM_UP
            )

    @torch.no_grad()
    def step(self) -> None:
        """Update the weights from their gradients."""
        if self.n_steps and self.is_stack:
            self._step_of_stack()
        else:
            self.optimizer.step()
        if self.scheduler and (self.one_cycle or self.n_steps < WARM_UP):
            self.scheduler.step()
        self.n_steps += 1
        if not self.one_cycle:
            self._average()

    def _step_of_stack(self) -> None:
        """Take a step of AdamW for one tensor, without the hooks of the optimizer.

        Torch's function takes two thirds of the time of its class, with the same bits.
        """
        (weights,), (group,) = self.weights, self.optimizer.param_groups
        state = self.optimizer.state[weights]
        beta1, beta2 = group["betas"]
        adamw(
            [weights],
            [cast(Tensor, weights.grad)],
            [state["exp_avg"]],
            [state["exp_avg_sq"]],
            [],
            [state["step"]],
            fused=True,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )

    def _average(self) -> None:
        """Update the moving average. Its time constant increases."""
        memory = min(MEMORY, 1 + self.n_steps / 10)
        stride = 4 if memory > 20 else 1  # a long average changes slowly
        if self.n_steps % stride:
            return
        decay = (1 - 1 / memory) ** stride
        update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        update(self.averaged, self.weights, self.n_steps)

    def state(self) -> dict[str, Any]:
        """Return the weights and everything that changes in a step."""
        scheduler = self.scheduler
        return {
            "n_steps": self.n_steps,
            "weights": self.weights,
            "averaged": self.averaged,
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None if scheduler is None else scheduler.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from the result of `state`, with arrays in place of tensors."""
        self.n_steps = state["n_steps"]
        copy_arrays(state["weights"], self.weights)
        copy_arrays(state["averaged"], self.averaged)
        optimizer = state["optimizer"]
        groups = self.optimizer.param_groups
        weights = [weight for group in groups for weight in group["params"]]
        moments = {
            number: {name: _like(weights[number], a) for name, a in each.items()}
            for number, each in optimizer["state"].items()
        }
        self.optimizer.load_state_dict({**optimizer, "state": moments})
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])

    def continue_from(self, other: "Updates", places: list[slice]) -> None:
        """Continue the updates of one tensor (1, P) with the weights as its parts.

        Parameters
        ----------
        other : Updates
            Updates of the tensor.

        places : list of slice
            Place of each weight in the tensor.
        """
        self.n_steps = other.n_steps
        (tensor,) = other.weights
        for old, new in zip(
            other.optimizer.param_groups, self.optimizer.param_groups, strict=True
        ):
            new.update({k: v for k, v in old.items() if k != "params"})
        if self.scheduler is not None:
            self.scheduler.load_state_dict(other.scheduler.state_dict())
        for weight, place in zip(self.weights, places, strict=True):
            self.optimizer.state[weight] = {
                name: value[0, place].reshape(weight.shape)
                if value.ndim
                else value.clone()
                for name, value in other.optimizer.state[tensor].items()
            }


@torch.no_grad()
def copy_arrays(arrays: Sequence[NDArray[Any]], weights: Sequence[Tensor]) -> None:
    """Copy arrays into weights, on their devices."""
    for array, weight in zip(arrays, weights, strict=True):
        weight.copy_(torch.from_numpy(array))


def _like(weight: Tensor, array: NDArray[Any]) -> Tensor:
    """Convert an array to a tensor, with the layout in memory of a weight.

    The fused optimizer goes through the memory of a weight and of its moments.
    """
    tensor = torch.from_numpy(array)
    if array.shape != weight.shape:  # the number of steps
        return tensor
    return torch.empty_like(weight, requires_grad=False).copy_(tensor)
