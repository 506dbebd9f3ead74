"""Progress of one training, in the checkpoint of its fit."""

from collections.abc import Callable, Generator
from typing import Any

import torch

from sklearn_seqae.training.batches import Batches
from sklearn_seqae.training.checkpoints import Checkpoint
from sklearn_seqae.training.net import AutoencoderNet
from sklearn_seqae.training.updates import copy_arrays


class Progress:
    """Progress of one training, which is saved after each epoch.

    Without a checkpoint, nothing is saved.

    Parameters
    ----------
    checkpoint : Checkpoint or None
        Checkpoint of the fit.

    name : str
        Name of the training in the fit.

    net : AutoencoderNet
        Initialized net.

    batches : Batches
        Training rows. Their generator is the source of all random numbers.

    record : callable
        Function without arguments that returns the results so far, as arrays and plain
        values.

    Attributes
    ----------
    restored : object or None
        Result of `record` at the last epoch in the checkpoint. None for a new training.
    """

    def __init__(
        self,
        checkpoint: Checkpoint | None,
        name: str,
        net: AutoencoderNet,
        batches: Batches,
        record: Callable[[], Any],
    ):
        self.checkpoint, self.name = checkpoint, name
        self.net, self.batches, self.record = net, batches, record
        self._saved = {} if checkpoint is None else checkpoint.get(name) or {}
        self.restored = self._saved.get("record")

    def epochs(self, *arguments: Any, **options: Any) -> Generator[Any, None, None]:
        """Train as `AutoencoderNet.train`, from the last epoch in the checkpoint on."""
        if "weights" in self._saved:  # the training is over
            self.net.history.extend(self._saved["history"])
            for weights in (self.net.weights_, self.net.averaged_weights_):
                copy_arrays(self._saved["weights"], weights)
            options["n_epochs"] = 0
        elif self._saved:
            assert self.batches.generator is not None
            state = torch.from_numpy(self._saved["generator"])
            self.batches.generator.set_state(state)
            options["state"] = self._saved["net"]
        return self.net.train(self.batches, *arguments, **options)

    def save(self) -> None:
        """Save the progress after an epoch."""
        if self.checkpoint is not None:
            assert self.batches.generator is not None
            generator = self.batches.generator.get_state()
            self._save(self.checkpoint, generator=generator, net=self.net.state())

    def end(self) -> None:
        """Save the results of the training."""
        if self.checkpoint is not None and "weights" not in self._saved:
            weights, history = self.net.weights_, list(self.net.history)
            self._save(self.checkpoint, weights=weights, history=history)

    def _save(self, checkpoint: Checkpoint, **state: Any) -> None:
        checkpoint.save(self.name, {"record": self.record(), **state})
