"""skorch callbacks of the package."""

from typing import Any

from skorch.callbacks import Callback

from sklearn_seqae.training.net import StopTraining


class EpochLog(Callback):  # type: ignore[misc]  # skorch is not typed
    """Callback that prints one line per epoch.

    Parameters
    ----------
    name : str
        Prefix of the lines.
    """

    def __init__(self, name: str):
        self.name = name

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Print the losses and the seconds of the epoch."""
        row = net.history[-1]
        parts = [f"[{self.name}] epoch {row['epoch']:>4}/{net.max_epochs}"]
        parts.append(f"training loss {row['train_loss']:.5g}")
        if "valid_loss" in row:
            parts.append(f"validation loss {row['valid_loss']:.5g}")
        parts.append(f"{row['dur']:.2f} s")
        print("  ".join(parts))


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
