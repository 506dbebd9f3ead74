"""skorch net with a fast training loop."""

import copy
from collections.abc import Callable, Generator, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch import NeuralNet
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    EpochTimer,
    LRScheduler,
)
from skorch.dataset import Dataset
from torch import Tensor, nn

from sklearn_seqae.modules.stacked_weights import release
from sklearn_seqae.training.batches import Batches
from sklearn_seqae.training.parallel import Threads
from sklearn_seqae.training.stack import NetStack, train_together, weighted_means
from sklearn_seqae.training.updates import Updates

BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_grad_computed")


class StopTraining(Exception):
    """Exception with which a callback stops the training. It is not an error."""


def _loss_and_gradients(
    term: Callable[[], Tensor], weights: Sequence[Tensor], gain: float
) -> tuple[Tensor, Sequence[Tensor | None]]:
    """Compute a term of the loss, and the gradients of `gain` times the term.

    Terms are computed in several threads, which must not write to the same `grad`.
    """
    loss = term()
    factor = torch.full_like(loss, gain)
    return loss.detach(), torch.autograd.grad(loss, weights, factor, allow_unused=True)


class AutoencoderNet(NeuralNet):  # type: ignore[misc]  # skorch is not typed
    """skorch net that trains on `Batches`, with a function of module and batch as loss.

    skorch manages the module, the optimizer, the history, the callbacks and the device.
    Its loop over the batches is replaced, because it is five times slower for a small
    network.

    `Updates` describes the two learning-rate schedules. The moving average of the
    weights is measured and kept.

    Parameters
    ----------
    module : torch.nn.Module
        Network with its initial weights.

    criterion : callable
        Function of (module, batch) that returns the mean loss of the batch. Its method
        `rows` takes the same arguments and returns a named tuple of tensors with one
        row for each row of the batch. The field `total` is the minimized loss, summed
        over the values of the row. Its optional method `step` takes the module and
        returns a faster computation of the gradients, or None. Its optional method
        `shards` takes (module, batch) and returns functions without arguments, whose
        results sum to the loss of the batch. They are computed in threads. Its optional
        method `resume` takes the number of batches before those that follow.

    lr : float, default=1e-3
        Learning rate after the warm-up.

    slow : float, default=0
        Learning rate of `module.linear_path`, relative to `lr`; 0 to freeze it.

    weight_decay : float, default=0
        Decoupled weight decay (Loshchilov and Hutter, 2019), except for the linear
        path.

    max_epochs : int, default=100
        Maximum number of epochs.

    one_cycle : bool, default=False
        If True, the learning rate goes through one cycle of `max_epochs`, and the
        weights are not averaged.

    clip : float or None, default=None
        Maximum norm of the gradient; None: no limit.

    gain : float, default=1
        Factor of the loss before the gradient is computed. Without it, the gradient of
        a very small loss would be negligible next to the epsilon of the optimizer.

    callbacks : list of skorch callbacks or None, default=None
        Callbacks. Hooks of batches are called only if a callback overrides them.

    device : str, default="cpu"
        Device of the module.

    **kwargs
        Other parameters of `skorch.NeuralNet`.
    """

    def __init__(
        self,
        module: nn.Module,
        criterion: Callable[..., Tensor],
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

    def initialize_callbacks(self) -> "AutoencoderNet":
        """Initialize the callbacks, which are copies of those of the user."""
        super().initialize_callbacks()
        for _, callback in self.callbacks_:
            if isinstance(callback, EpochScoring):
                callback.use_caching = False  # there are no cached predictions
            if isinstance(callback, Checkpoint):
                callback.f_criterion = None  # the criterion is a function
        return self

    @property
    def _default_callbacks(self) -> list[tuple[str, Callback]]:
        return [("epoch_timer", EpochTimer())]

    def initialize_criterion(self) -> "AutoencoderNet":
        """Store the criterion, which is a function and not a torch module."""
        self.criterion_ = self.criterion
        return self

    def initialize_optimizer(self, triggered_directly: None = None) -> "AutoencoderNet":
        """Make the optimizer and the moving average of the weights."""
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
        self.stack_: NetStack | None = None
        self.updates_: Any = None
        self.optimizer_ = self._weight_optimizer()
        return self

    def _weight_optimizer(self) -> torch.optim.Optimizer:
        """Make an optimizer of the weights, with a group for the linear path."""
        path = getattr(self.module_, "linear_path", None)
        slow = set() if path is None else set(path.parameters())
        groups = [
            {"params": [w for w in self.weights_ if w not in slow], "lr": self.lr},
            {
                "params": [w for w in self.weights_ if w in slow],
                "lr": self.lr * self.slow,
                "weight_decay": 0.0,
            },
        ]
        return self.make_optimizer([group for group in groups if group["params"]])

    def make_optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Make an optimizer of groups of weights."""
        optimizer: torch.optim.Optimizer = self.optimizer(
            groups,
            lr=self.lr,
            betas=(0.9, 0.95) if self.one_cycle else (0.9, 0.999),
            weight_decay=self.weight_decay,
            fused=True,
            **self.get_params_for("optimizer"),
        )
        return optimizer

    def train(
        self,
        train: Batches,
        valid: Batches | None = None,
        *,
        n_epochs: int | None = None,
        valid_losses: list[float] | None = None,
        callbacks: Sequence[Callback] = (),
        state: dict[str, Any] | None = None,
        together: bool = True,
    ) -> Generator[tuple[float, Any], None, None]:
        """Train, and yield after each epoch. The caller may stop after any epoch.

        Parameters
        ----------
        train : Batches
            Training rows.

        valid : Batches or None, default=None
            Validation rows to measure after each epoch.

        n_epochs : int or None, default=None
            Number of epochs; None for `max_epochs`.

        valid_losses : list of float or None, default=None
            Validation losses of an earlier training, to record for callbacks if
            `valid` is None.

        callbacks : sequence of skorch callbacks, default=()
            Callbacks of this training, called before the callbacks of the net.

        state : dict or None, default=None
            Result of the method `state` of an equal net after an epoch, from which the
            training continues.

        together : bool, default=True
            Whether all weights may become one tensor. The state of such a training is
            of this tensor, so another net has to have the same batches to continue it.

        Yields
        ------
        loss, rows : float, named tuple of ndarray or None
            Mean training loss of the epoch, and the result of `measure` for the
            validation rows after it.

        Raises
        ------
        ValueError
            If a loss or a weight is no longer finite.
        """
        if n_epochs == 0:
            return
        self.threads_ = Threads()
        self.lowest_: dict[str, float] = {}
        net_callbacks: list[tuple[str, Callback]] = self.callbacks_  # type: ignore[has-type]
        self.callbacks_ = [("", callback) for callback in callbacks] + net_callbacks
        if self.stack_ is None and together:
            train_together([self], [train])
        if self.stack_ is None:
            self._begin(train)
        self.batch_size = train.batch_size  # read by ProgressBar
        data = {"dataset_train": train, "dataset_valid": self._dataset(valid)}
        if state is not None:
            self.history.extend(state["history"])
            self.lowest_ = state["lowest"]
            self.updates_.load_state(state["updates"])
            if hasattr(self.criterion_, "resume"):
                self.criterion_.resume(self.updates_.n_steps)
        self.notify("on_train_begin", X=train.x, y=None)
        last = self.max_epochs if n_epochs is None else n_epochs
        try:
            for epoch in range(0 if state is None else len(state["history"]), last):
                self.notify("on_epoch_begin", **data)
                self.run_single_epoch(train, training=True, prefix="train")
                rows = None
                if valid is not None:
                    rows = self.measure(valid)
                    self._record_loss("valid", float(rows.total.sum() / valid.n_values))
                elif valid_losses is not None:
                    self._record_loss("valid", valid_losses[epoch])
                self._check_finite()
                stop = self._epoch_is_last(data)
                yield self.history[-1]["train_loss"], rows
                if stop:
                    break
        finally:
            self.module_.load_state_dict(self.average_.state_dict())
            self.notify("on_train_end", X=train.x, y=None)
            self.callbacks_ = net_callbacks
            self.stack_ = None
            release(self.weights_ + self.averaged_weights_)
            self.threads_.close()
            del self.threads_

    def state(self) -> dict[str, Any]:
        """Return what `train` needs to continue after an epoch."""
        return {
            "history": list(self.history),
            "lowest": self.lowest_,
            "updates": self.updates_.state(),
        }

    def _begin(self, train: Batches) -> None:
        """Make what updates the weights."""
        weights = self.weights_, self.averaged_weights_
        self.updates_ = self.make_updates(self.optimizer_, train.n_batches, *weights)

    @property
    def _has_callbacks(self) -> bool:
        """Whether callbacks may change or observe the training."""
        return len(self.callbacks_) > len(self._default_callbacks)

    def _epoch_is_last(self, data: dict[str, Any]) -> bool:
        """Call the hooks, and return whether a callback stops the training."""
        self._swap_weights()  # callbacks see the weights that are measured and kept
        try:
            self.notify("on_epoch_end", **data)
        except StopTraining:
            return True
        finally:
            self._swap_weights()
        return False

    def _swap_weights(self) -> None:
        """Exchange the weights of the module with their average, for callbacks."""
        if self.average_ is self.module_ or not self._has_callbacks:
            return
        pairs = zip(self.weights_, self.averaged_weights_, strict=True)
        for weight, average in pairs:
            weight.data, average.data = average.data, weight.data

    def _dataset(self, valid: Batches | None) -> Any:
        """Return the validation rows as callbacks expect them."""
        is_scored = any(isinstance(cb, EpochScoring) for _, cb in self.callbacks_)
        if valid is None or not is_scored:
            return valid
        target = valid.x if valid.target is None else valid.target
        return Dataset(valid.x.cpu(), target.cpu().flatten(1))

    def predict(self, X: Any) -> NDArray[Any]:
        """Reconstruct samples of one length, flattened, for `EpochScoring`."""
        module = self.module_.eval()
        with torch.no_grad():
            output: Tensor = module(torch.as_tensor(X).to(self.device))
        output = output.sigmoid() if module.is_logistic else output
        flat: NDArray[Any] = output.flatten(1).cpu().numpy()
        return flat

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Call the hook of every callback.

        `EarlyStopping` of skorch raises KeyboardInterrupt to stop. This is replaced by
        `StopTraining`. A KeyboardInterrupt of the user is raised again.
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
        """Train for one epoch and record the mean loss."""
        if not self.module_.training:
            self._set_training(True)
        loss = self._train_epoch(iterator)
        if not self.history[-1]["batches"]:  # Checkpoint reads the last batch
            self.history.new_batch()
            self.history.record_batch(prefix + "_loss", loss)
        self._record_loss(prefix, loss)

    def _record_loss(self, prefix: str, loss: float) -> None:
        """Record a loss of the epoch, and whether it is the lowest of the training."""
        name = prefix + "_loss"
        is_best = name not in self.lowest_ or loss < self.lowest_[name]
        if is_best:
            self.lowest_[name] = loss
        self.history.record(name, loss)
        self.history.record(name + "_best", is_best)

    def _train_epoch(self, batches: Batches) -> float:
        """Train for one epoch, and return the mean loss."""
        if not any(weight.requires_grad for weight in self.weights_):
            raise ValueError(
                "The callbacks in 'skorch_callbacks' freeze all weights, so nothing is "
                "left to train. Freeze fewer weights."
            )
        if self.stack_ is not None and self._has_callbacks:
            if self.make_step(batches) is None or not self.stack_.has_weights(self):
                self._leave_stack(batches)
        if self.stack_ is not None:
            return self.stack_.train_epoch(self)
        computations = ((rows, partial(self._autograd, rows)) for rows in batches)
        return float(self.train_on(computations))

    def train_on(
        self, computations: Iterable[tuple[Any, Callable[[], tuple[Tensor, Any]]]]
    ) -> NDArray[np.float64]:
        """Train on batches, and return the mean loss.

        Parameters
        ----------
        computations : iterable of (Batch, callable)
            Batches, and functions that compute their gradients. A function returns the
            mean loss and the number of values.
        """
        hooks = self.has_batch_hooks
        losses, n_values = [], []
        for batch, compute in computations:
            if hooks:
                self.notify("on_batch_begin", batch=batch, training=True)
            loss, number = compute()
            if hooks:
                named = list(self.module_.named_parameters())
                options = {"batch": batch, "training": True}
                self.notify("on_grad_computed", named_parameters=named, **options)
            if self.clip is not None:
                nn.utils.clip_grad_norm_(self.weights_, self.clip)
            self.updates_.step()
            # Small tensors that are kept between large ones would fragment the memory.
            losses.append(loss.tolist() if loss.is_cpu else loss)
            n_values.append(number)
            if hooks:
                self.history.record_batch("train_loss", loss.item())
                self.history.record_batch("train_batch_size", len(batch.x))
                self.notify("on_batch_end", loss=loss, y_pred=None, **options)
        return weighted_means(losses, n_values)

    def _leave_stack(self, batches: Batches) -> None:
        """Continue with autograd, because a callback has changed the module."""
        stack, updates = self.stack_, self.updates_
        assert stack is not None
        release(self.weights_ + self.averaged_weights_)
        self.optimizer_ = self._weight_optimizer()
        self._begin(batches)
        self.updates_.continue_from(updates, stack.places)
        self.stack_ = None

    def make_step(self, batches: Batches) -> Any:
        """Return the criterion's own training step; None to use autograd."""
        make = getattr(self.criterion_, "step", None)
        is_other = batches.target is not None or batches.observed is not None
        if make is None or batches.lengths is not None or is_other:
            return None
        n_shards = getattr(self.criterion_, "n_shards", None)
        shape = batches.batch_size, batches.x.shape[1]
        if n_shards is not None and n_shards(self.module_, *shape) > 1:
            return None
        return make(self.module_)

    def _autograd(self, batch: Any) -> tuple[Tensor, int]:
        """Compute the gradients of a batch with autograd."""
        for weight in self.weights_:  # this is faster than zero_grad
            weight.grad = None
        terms = [partial(self.criterion_, self.module_, batch)]
        if hasattr(self.criterion_, "shards"):
            terms = self.criterion_.shards(self.module_, batch)
        if len(terms) == 1:
            loss = terms[0]()
            loss.backward(torch.full_like(loss, self.gain))
            return loss.detach(), batch.n_values
        weights = [weight for weight in self.weights_ if weight.requires_grad]
        compute = partial(_loss_and_gradients, weights=weights, gain=self.gain)
        losses, gradients = zip(*self.threads_.map(compute, terms), strict=True)
        for weight, *parts in zip(weights, *gradients, strict=True):
            if parts[0] is not None:
                weight.grad = sum(parts, torch.zeros_like(weight))
        return torch.stack(losses).sum(), batch.n_values

    def make_updates(
        self,
        optimizer: torch.optim.Optimizer,
        n_batches: int,
        weights: list[Any],
        averaged: list[Any],
    ) -> Updates:
        """Make the updates of weights, without a schedule if a callback has its own."""
        return Updates(
            optimizer,
            self.max_epochs * n_batches,
            weights=weights,
            averaged=averaged,
            one_cycle=self.one_cycle,
            has_schedule=not any(
                isinstance(cb, LRScheduler) for _, cb in self.callbacks_
            ),
            is_stack=optimizer is not self.optimizer_ and not self._has_callbacks,
        )

    def measure(
        self, batches: Batches, module: nn.Module | None = None, **options: Any
    ) -> Any:
        """Return the losses of each row.

        Parameters
        ----------
        batches : Batches
            Rows to measure, in the order of the batches.

        module : torch.nn.Module or None, default=None
            Module to measure; None for the net's module with averaged weights.

        **options
            Keyword arguments of `criterion.rows`.

        Returns
        -------
        rows : named tuple of ndarray, float64
            Result of `criterion.rows` for the rows of all batches.
        """
        module = self.average_ if module is None else module
        if module.training:
            module.eval()
        with torch.no_grad():
            rows = [self.criterion_.rows(module, batch, **options) for batch in batches]
        fields = (torch.cat(parts) for parts in zip(*rows, strict=True))
        return type(rows[0])(*(f.cpu().numpy().astype(np.float64) for f in fields))

    @property
    def has_batch_hooks(self) -> bool:
        """Return whether a callback overrides a hook of batches."""
        return any(
            getattr(type(callback), hook) is not getattr(Callback, hook)
            for _, callback in self.callbacks_
            for hook in BATCH_HOOKS
        )

    def _check_finite(self) -> None:
        """Raise a ValueError if a loss or a weight is not finite."""
        row = self.history[-1]
        losses = [row["train_loss"], row.get("valid_loss", 0.0)]
        weights: list[Tensor] = self.weights_
        if self.stack_ is not None:
            weights = [self.stack_.weights_of(self)]
        if np.isfinite(losses).all() and all(w.isfinite().all() for w in weights):
            return
        raise ValueError(
            f"The training diverged: the loss is not finite in epoch {row['epoch']} "
            f"(training loss {losses[0]:g}). Lower 'learning_rate_init' (now "
            f"{self.lr:g}), or scale X."
        )
