"""Trainings of one fit, and their observers."""

from collections.abc import Generator
from dataclasses import dataclass, field
from threading import Event
from typing import Any, Protocol

from torch import Tensor

from sklearn_seqae.fitting.family import NetworkSpec
from sklearn_seqae.fitting.scaling import Scaling
from sklearn_seqae.fitting.selection import Selection
from sklearn_seqae.training.batches import Batches
from sklearn_seqae.training.net import AutoencoderNet
from sklearn_seqae.training.parallel import Cancelled
from sklearn_seqae.training.stack import train_together


@dataclass
class TrainingRun:
    """One training: its net, its scaling and its losses.

    Parameters
    ----------
    net : AutoencoderNet
        Trained net.

    scaling : Scaling
        Scaling of the training rows.

    spec : NetworkSpec
        Shape of the network.

    loss_curve : list of float
        Mean training loss of each epoch.

    states : dict
        Weights after some epochs, by the number of the epoch.

    selection : Selection or None
        Losses of the validation rows; None without validation rows.
    """

    net: AutoencoderNet
    scaling: Scaling
    spec: NetworkSpec
    loss_curve: list[float] = field(default_factory=list)
    states: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    selection: Selection | None = None

    def restore_weights(self, epoch: int) -> None:
        """Restore the weights after an epoch in `states`."""
        self.net.module_.load_state_dict(self.states[epoch])


class Listener(Protocol):
    """Observer of the trainings of a fit."""

    @property
    def follows(self) -> bool:
        """Whether trainings must come one after the other."""

    def begin(self, n_trainings: int) -> None:
        """Called before the first training."""

    def begin_training(self, run: TrainingRun, name: str, n_epochs: int) -> list[Any]:
        """Called before a training of at most n epochs.

        Returns
        -------
        callbacks : list of skorch callbacks
            Callbacks of this training.
        """

    def end_training(self) -> None:
        """Called after a training."""


# A training yields its run and its rows before the first epoch and after each epoch.
Training = Generator[tuple[TrainingRun, Batches], None, None]


def finish(training: Training, failed: Event) -> TrainingRun:
    """Train to the end, unless a training in another thread has failed."""
    run, _ = next(training)
    for _ in training:
        if failed.is_set():
            raise Cancelled
    return run


def finish_together(trainings: list[Training]) -> list[TrainingRun]:
    """Train to the end, one epoch of all trainings after the other."""
    runs, batches = zip(*map(next, trainings), strict=True)
    train_together([run.net for run in runs], batches)
    while trainings:
        trainings = [each for each in trainings if next(each, None) is not None]
    return list(runs)
