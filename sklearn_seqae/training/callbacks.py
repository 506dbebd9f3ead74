"""Callbacks of our own, beside the ones that users pass."""

from typing import Any

from skorch.callbacks import Callback

from sklearn_seqae.training.net import StopTraining


class EpochLog(Callback):
    """Print one readable line for each epoch.

    Parameters
    ----------
    name : str
        What the lines begin with.
    """

    def __init__(self, name: str):
        self.name = name

    def on_epoch_end(self, net, **kwargs) -> None:
        """Print the losses and the seconds of the epoch."""
        row = net.history[-1]
        parts = [f"[{self.name}] epoch {row['epoch']:>4}/{net.max_epochs}"]
        parts.append(f"training loss {row['train_loss']:.5g}")
        if "valid_loss" in row:
            parts.append(f"validation loss {row['valid_loss']:.5g}")
        parts.append(f"{row['dur']:.2f} s")
        print("  ".join(parts))


class EpochTasks(Callback):
    """Make each epoch a task of `sklearn.callback`.

    Parameters
    ----------
    task : sklearn.callback.CallbackContext
        The training that the epochs are parts of.

    told : dict
        What the hooks are called with. One that returns True ends the training.
    """

    def __init__(self, task: Any, told: dict[str, Any]):
        self.task = task
        self.told = told

    def on_epoch_begin(self, net, **kwargs) -> None:
        """Begin a task."""
        self.epoch_ = self.task.subcontext(task_name="epoch")
        self.epoch_.call_on_fit_task_begin(**self.told)

    def on_epoch_end(self, net, **kwargs) -> None:
        """End the task, and the training where a hook asks for it."""
        if self.epoch_.call_on_fit_task_end(**self.told):
            raise StopTraining
