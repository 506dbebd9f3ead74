"""skorch callbacks of the package."""

from typing import Any

from skorch.callbacks import Callback

from sklearn_seqae.training.net import StopTraining


class EpochLog(Callback):
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


class EpochTasks(Callback):
    """Callback that makes each epoch a task of `sklearn.callback`.

    Parameters
    ----------
    task : sklearn.callback.CallbackContext
        Task of the training.

    arguments : dict
        Arguments of the hooks. A hook that returns True stops the training.
    """

    def __init__(self, task: Any, arguments: dict[str, Any]):
        self.task = task
        self.arguments = arguments

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        """Begin a task."""
        self.epoch_ = self.task.subcontext(task_name="epoch")
        self.epoch_.call_on_fit_task_begin(**self.arguments)

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """End the task, and stop the training if a hook returns True."""
        if self.epoch_.call_on_fit_task_end(**self.arguments):
            raise StopTraining
