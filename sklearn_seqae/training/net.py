"""The one skorch subclass: a lean loop over ready batches."""

import copy
from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, EpochTimer
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from sklearn_seqae.training.batches import Batches

WARM_UP = 100  # steps over which the learning rate rises
MEMORY = 100  # steps that the averaged weights remember, once there are as many
BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_grad_computed")


class StopTraining(Exception):
    """A callback asks for the end of the training: no fault."""


class AutoencoderNet(NeuralNet):
    """A skorch net that trains on `Batches` and is told the loss of a batch.

    skorch manages the parts (module, optimizer, history, callbacks, device); the
    loop over the batches is our own. skorch's takes five times as long on a small
    network.

    The learning rate is constant after a short warm-up, and what is measured and kept
    is an exponential moving average of the weights, which settles as a decaying rate
    would, but at any time (Polyak and Juditsky, 1992); or it goes through one cycle
    (Smith and Topin, 2019), which needs fewer steps but a horizon.

    Parameters
    ----------
    module : torch.nn.Module
        The network, its first weights in place.

    criterion : callable
        Takes (module, batch) and returns the mean loss of the batch. Its method
        `rows` takes the same and returns a named tuple of tensors with a row for each
        row of the batch. The first of them, `total`, is the loss that is minimized,
        summed over the values of the row.

    lr : float, default=1e-3
        Learning rate after the warm-up.

    slow : float, default=0
        Learning rate of the weights in `module.linear_path`, as a share of `lr`; 0
        leaves them as they are.

    weight_decay : float, default=0
        Decoupled weight decay (Loshchilov and Hutter, 2019).

    max_epochs : int, default=100
        Most epochs; training may end before.

    one_cycle : bool, default=False
        Whether the learning rate goes through one cycle of `max_epochs`, and the
        weights are not averaged.

    clip : float or None, default=None
        Largest norm of the gradient.

    gain : float, default=1
        What the loss is multiplied with for the gradient, where losses are so
        small that the optimizer would take them for rounding.

    callbacks : list of skorch callbacks or None, default=None
        Beside the loop. Hooks on batches are called only when one has any.

    device : str, default="cpu"
        Where to train.
    """

    def __init__(
        self,
        module: nn.Module,
        criterion: Callable,
        *,
        lr: float = 1e-3,
        slow: float = 0.0,
        weight_decay: float = 0.0,
        max_epochs: int = 100,
        one_cycle: bool = False,
        clip: float | None = None,
        gain: float = 1.0,
        callbacks: list[Callback] | None = None,
        device: str = "cpu",
        **kwargs: Any,
    ):
        super().__init__(
            module,
            criterion,
            optimizer=torch.optim.AdamW,
            lr=lr,
            max_epochs=max_epochs,
            callbacks=callbacks,
            train_split=None,
            device=device,
            verbose=0,
            **kwargs,
        )
        self.slow = slow
        self.weight_decay = weight_decay
        self.one_cycle = one_cycle
        self.clip = clip
        self.gain = gain

    @property
    def _default_callbacks(self) -> list[tuple[str, Callback]]:
        return [("epoch_timer", EpochTimer())]

    def initialize_criterion(self) -> "AutoencoderNet":
        """Keep the criterion as it is: a function, not a torch module."""
        self.criterion_ = self.criterion
        return self

    def initialize_optimizer(self, triggered_directly: None = None) -> "AutoencoderNet":
        """Make the optimizer; the fused form is one call for all weights."""
        path = getattr(self.module_, "linear_path", None)
        if path is not None:
            path.requires_grad_(self.slow > 0)
        self.average_ = self.module_
        if not self.one_cycle:
            self.average_ = copy.deepcopy(self.module_)
        self.weights_, self.averaged_weights_ = (
            [weight for weight in module.parameters() if weight.requires_grad]
            for module in (self.module_, self.average_)
        )
        self.n_steps_ = 0
        slow = set() if path is None else set(path.parameters())
        groups = [
            {"params": [w for w in self.weights_ if w not in slow], "lr": self.lr},
            {
                "params": [w for w in self.weights_ if w in slow],
                "lr": self.lr * self.slow,
                "weight_decay": 0.0,
            },
        ]
        self.optimizer_ = self.optimizer(
            [group for group in groups if group["params"]],
            betas=(0.9, 0.95) if self.one_cycle else (0.9, 0.999),
            weight_decay=self.weight_decay,
            fused=True,
        )
        return self

    def train(
        self,
        train: Batches,
        valid: Batches | None = None,
        *,
        n_epochs: int | None = None,
        valid_losses: list[float] | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> Generator[tuple[float, Any], None, None]:
        """Train epoch by epoch; the caller stops when it has seen enough.

        Parameters
        ----------
        train, valid : Batches
            What to train on, and what to measure on after each epoch.

        n_epochs : int, default=None
            Epochs to run; `max_epochs` by default.

        valid_losses : list of float, default=None
            Known losses to record where there is no `valid`, for callbacks that
            watch them.

        callbacks : sequence of skorch callbacks, default=()
            Called in this training alone, before the callbacks of the net.

        Yields
        ------
        loss, rows : float, named tuple of ndarray or None
            Mean loss of the epoch over `train`, and the losses of each row of
            `valid` after it, as `measure` returns them.

        Raises
        ------
        ValueError
            If a loss or a weight is no longer finite.
        """
        self.scheduler_ = self._make_scheduler(self.max_epochs * train.n_batches)
        of_the_net: list[tuple[str, Callback]] = self.callbacks_  # type: ignore[has-type]
        self.callbacks_ = [("", callback) for callback in callbacks] + of_the_net
        data = {"dataset_train": train, "dataset_valid": valid}
        self.notify("on_train_begin", X=train.x, y=None)
        try:
            for epoch in range(self.max_epochs if n_epochs is None else n_epochs):
                self.notify("on_epoch_begin", **data)
                self.run_single_epoch(train, training=True, prefix="train")
                rows = None
                if valid is not None:
                    rows = self.measure(valid)
                    valid_loss = float(rows.total.sum() / valid.n_values)
                    self.history.record("valid_loss", valid_loss)
                elif valid_losses is not None:
                    self.history.record("valid_loss", valid_losses[epoch])
                self._check_finite()
                stop = self._epoch_is_last(data)
                yield self.history[-1]["train_loss"], rows
                if stop:
                    break
        finally:
            self.module_.load_state_dict(self.average_.state_dict())
            self.notify("on_train_end", X=train.x, y=None)
            self.callbacks_ = of_the_net

    def _epoch_is_last(self, data: dict[str, Any]) -> bool:
        try:
            self.notify("on_epoch_end", **data)
        except StopTraining:
            return True
        return False

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Call the hook of every callback.

        skorch's EarlyStopping stops by raising KeyboardInterrupt; here that is
        told from a user's Ctrl-C, which goes on to the caller.
        """
        getattr(self, method_name)(self, **cb_kwargs)
        for _, callback in self.callbacks_:
            try:
                getattr(callback, method_name)(self, **cb_kwargs)
            except KeyboardInterrupt:
                if isinstance(callback, EarlyStopping) and (
                    callback.misses_ >= callback.patience
                ):
                    raise StopTraining from None
                raise

    def run_single_epoch(
        self,
        iterator: Batches,
        training: bool,
        prefix: str,
        step_fn: None = None,
        **fit_params: Any,
    ) -> None:
        """Go once through the batches and record the mean loss."""
        self._set_training(training)
        self.history.record(prefix + "_loss", self._train_epoch(iterator))

    def _train_epoch(self, batches: Batches) -> float:
        module, criterion = self.module_, self.criterion_
        optimizer, scheduler = self.optimizer_, self.scheduler_
        hooks = self._has_batch_hooks()
        losses, n_values = [], []
        for batch in batches:
            if hooks:
                self.notify("on_batch_begin", batch=batch, training=True)
            for weight in self.weights_:  # zero_grad takes longer to say so
                weight.grad = None
            loss = criterion(module, batch)
            loss.backward(torch.full_like(loss, self.gain))
            if self.clip is not None:
                nn.utils.clip_grad_norm_(self.weights_, self.clip)
            optimizer.step()
            if self.one_cycle or self.n_steps_ < WARM_UP:
                scheduler.step()
            self._average()
            losses.append(loss.detach())
            n_values.append(batch.n_values)
            if hooks:
                self.history.record_batch("train_loss", loss.item())
                self.notify("on_batch_end", batch=batch, training=True, loss=loss)
        return float(np.average(torch.stack(losses).cpu().numpy(), weights=n_values))

    def _make_scheduler(self, n_steps: int) -> torch.optim.lr_scheduler.LRScheduler:
        if self.one_cycle:
            return torch.optim.lr_scheduler.OneCycleLR(
                self.optimizer_,
                [group["lr"] for group in self.optimizer_.param_groups],
                total_steps=n_steps,
                cycle_momentum=False,
            )
        return torch.optim.lr_scheduler.LinearLR(
            self.optimizer_, start_factor=1 / WARM_UP, total_iters=WARM_UP
        )

    @torch.no_grad()
    def _average(self) -> None:
        """Let the averaged weights follow; the average is short at first."""
        self.n_steps_ += 1
        if self.one_cycle:
            return
        memory = min(MEMORY, 1 + self.n_steps_ / 10)
        stride = 4 if memory > 20 else 1  # a long memory forgives a few steps
        if self.n_steps_ % stride:
            return
        follow: Callable[[list[Tensor], list[Tensor], int], None]
        follow = get_ema_multi_avg_fn((1 - 1 / memory) ** stride)
        follow(self.averaged_weights_, self.weights_, self.n_steps_)

    def measure(self, batches: Batches, module: nn.Module | None = None) -> Any:
        """Measure the losses of each row, of the averaged module or of another.

        Rows come in the order of the batches, which is the same in each call.

        Returns
        -------
        rows : named tuple of ndarray, float64
            What the criterion's `rows` returns, for the rows of all batches.
        """
        module = self.average_ if module is None else module
        module.eval()
        with torch.no_grad():
            rows = [self.criterion_.rows(module, batch) for batch in batches]
        fields = (torch.cat(parts) for parts in zip(*rows, strict=True))
        return type(rows[0])(*(f.cpu().numpy().astype(np.float64) for f in fields))

    def _has_batch_hooks(self) -> bool:
        return any(
            getattr(type(callback), hook) is not getattr(Callback, hook)
            for _, callback in self.callbacks_
            for hook in BATCH_HOOKS
        )

    def _check_finite(self) -> None:
        row = self.history[-1]
        losses = [row["train_loss"], row.get("valid_loss", 0.0)]
        if np.isfinite(losses).all() and all(w.isfinite().all() for w in self.weights_):
            return
        raise ValueError(
            f"The training diverged: the loss is not finite in epoch {row['epoch']} "
            f"(training loss {losses[0]:g}). Lower 'learning_rate_init' (now "
            f"{self.lr:g}), or scale X."
        )
