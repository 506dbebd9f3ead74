"""Callbacks of our own, beside the ones that users pass."""

from skorch.callbacks import Callback


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
