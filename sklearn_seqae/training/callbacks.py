"""skorch callbacks of the package, and a check of those of the user."""

import copy
from collections.abc import Iterable
from time import perf_counter
from typing import Any

from skorch.callbacks import (
    BatchScoring,
    Callback,
    EpochScoring,
    InputShapeSetter,
    LoadInitState,
    PassthroughScoring,
)

from sklearn_seqae.training.net import StopTraining

UNSUPPORTED = (BatchScoring, InputShapeSetter, LoadInitState, PassthroughScoring)


class EpochLog(Callback):  # type: ignore[misc]  # skorch is not typed
    """Callback that prints one line per epoch, with the explained part of the loss.

    A line before the first epoch shows that the training has begun.

    Parameters
    ----------
    prefix : str
        Name of the estimator and of the training.

    n_epochs : int
        Maximum number of epochs.

    unit : str
        Name of 1 - loss / loss of the mean: R² for the squared error.

    mean_losses : dict of float
        Loss of the training mean, for "train_loss" and, with validation rows,
        "valid_loss".
    """

    def __init__(
        self, prefix: str, n_epochs: int, unit: str, mean_losses: dict[str, float]
    ):
        self.prefix = prefix
        self.n_epochs = n_epochs
        self.unit = unit
        self.mean_losses = mean_losses

    def on_train_begin(self, net: Any, X: Any = None, **kwargs: Any) -> None:
        """Print the size of an epoch before the first one begins."""
        n_batches = -(-len(X) // net.batch_size)
        print(f"{self.prefix}: {len(X)} samples, {n_batches} batches in a pass")

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        """Note the time."""
        self.start_ = perf_counter()

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Print the explained part of the losses and the seconds of the epoch."""
        row = net.history[-1]
        parts = [f"{self.prefix}, epoch {row['epoch']:>3} of {self.n_epochs}"]
        kinds = {"train_loss": "training", "valid_loss": "validation"}
        for key, mean in self.mean_losses.items():
            share = 1 - row[key] / mean if mean > 0 else 0.0
            parts.append(f"{kinds[key]} {self.unit} {share:.4f}")
        seconds = perf_counter() - self.start_
        print(f"{parts[0]}: {', '.join(parts[1:])} ({seconds:.2f} s)")


def check_callbacks(callbacks: Iterable[Any]) -> None:
    """Raise a ValueError if an item is no callback of skorch, or cannot work.

    Parameters
    ----------
    callbacks : iterable
        Callbacks, their classes, or pairs of a name and one of them.
    """
    for item in callbacks:
        is_pair = isinstance(item, tuple) and len(item) == 2
        callback = item[1] if is_pair and isinstance(item[0], str) else item
        kind = callback if isinstance(callback, type) else type(callback)
        if not issubclass(kind, Callback):
            advice = ""
            if hasattr(kind, "on_fit_task_end"):
                advice = " Pass callbacks of scikit-learn to set_callbacks."
            raise ValueError(
                "The 'skorch_callbacks' parameter must be a list of skorch callbacks, "
                f"or of pairs of a name and a callback. Got {item!r}.{advice}"
            )
        if issubclass(kind, UNSUPPORTED) or (
            issubclass(kind, EpochScoring) and getattr(callback, "on_train", False)
        ):
            raise ValueError(
                f"The callback {kind.__name__} is not supported in 'skorch_callbacks': "
                "training batches have no predictions, and the networks are made by "
                "the estimator. To record a score, use EpochScoring with "
                "on_train=False."
            )


def check_monitors(callbacks: Iterable[Any], *, has_validation: bool) -> None:
    """Raise a ValueError if a callback monitors what is not recorded.

    Parameters
    ----------
    callbacks : iterable of skorch callbacks
        Callbacks of the user.

    has_validation : bool
        Whether there are validation rows.
    """
    callbacks = [item[1] if isinstance(item, tuple) else item for item in callbacks]
    scoring = [each for each in callbacks if isinstance(each, EpochScoring)]
    scores = {each.initialize().name_ for each in copy.deepcopy(scoring)}
    for callback in callbacks:
        monitor, name = getattr(callback, "monitor", None), type(callback).__name__
        if not isinstance(monitor, str):
            continue
        if monitor.removesuffix("_best") in scores:
            raise ValueError(
                f"The callback {name} monitors {monitor!r}, the score of an "
                "EpochScoring, which is not recorded in the training on all samples. "
                "Monitor 'valid_loss' or 'train_loss'."
            )
        is_loss = monitor.removesuffix("_best") in ("train_loss", "valid_loss")
        if monitor.startswith(("train_", "valid_")) and not is_loss:
            raise ValueError(
                f"The callback {name} monitors {monitor!r}, which is not recorded. "
                "Monitor 'valid_loss' or 'train_loss'."
            )
        if monitor.startswith("valid_loss") and not has_validation:
            raise ValueError(
                f"The callback {name} monitors {monitor!r}, which is not recorded "
                "without validation rows. Set early_stopping=True, or monitor "
                "'train_loss'."
            )


class EpochTasks(Callback):  # type: ignore[misc]  # skorch is not typed
    """Callback that reports each epoch as a task to the callbacks of scikit-learn.

    Parameters
    ----------
    task : sklearn.callback.CallbackContext
        Task of the training, the parent of the tasks of the epochs.

    arguments : dict
        Arguments of the hooks. If a hook returns True, the training stops.
    """

    def __init__(self, task: Any, arguments: dict[str, Any]):
        self.task = task
        self.arguments = arguments

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        """Begin the task of an epoch."""
        self.epoch_ = self.task.subcontext(task_name="epoch")
        self.epoch_.call_on_fit_task_begin(**self.arguments)

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """End the task of an epoch, and stop the training if a hook returns True."""
        if self.epoch_.call_on_fit_task_end(**self.arguments):
            raise StopTraining
