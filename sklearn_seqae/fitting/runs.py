"""Trainings of one fit, and their observers."""

from collections.abc import Callable, Generator
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Condition, Event
from typing import Any, Protocol

from torch import Tensor

from sklearn_seqae.fitting.family import NetworkSpec
from sklearn_seqae.fitting.imputer import LinearImputer
from sklearn_seqae.fitting.scaling import Scaling
from sklearn_seqae.fitting.selection import Selection
from sklearn_seqae.fitting.validation import ValidationMonitor
from sklearn_seqae.training.batches import Batches
from sklearn_seqae.training.net import AutoencoderNet
from sklearn_seqae.training.parallel import Cancelled, map_in_threads
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

    imputer : LinearImputer or None
        Estimate of missing values. None if no training row has any, until the end of
        the fit.
    """

    net: AutoencoderNet
    scaling: Scaling
    spec: NetworkSpec
    loss_curve: list[float] = field(default_factory=list)
    states: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    selection: Selection | None = None
    imputer: LinearImputer | None = None

    def record(self, monitor: ValidationMonitor | None) -> dict[str, Any]:
        """Return the losses so far for a checkpoint."""
        state = None if monitor is None else monitor.state()
        return {"loss_curve": self.loss_curve, "monitor": state}

    def restore(self, record: Any, monitor: ValidationMonitor | None) -> None:
        """Restore the losses from a checkpoint; None for a new training."""
        if record is None:
            return
        self.loss_curve = record["loss_curve"]
        if monitor is not None:
            monitor.load_state(record["monitor"])

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


def finish(training: Training, failed: Event | None = None) -> TrainingRun:
    """Train to the end, unless a training in another thread has failed."""
    together = _together.get()
    if together is not None:
        return together.finish(training)
    run, _ = next(training)
    for _ in training:
        if failed is not None and failed.is_set():
            raise Cancelled
    return run


def train_folds(
    train: Callable[[int, Event], TrainingRun],
    *,
    n_folds: int,
    n_rows: int,
    n_threads: int,
) -> list[TrainingRun]:
    """Train once for each validation fold.

    If the folds so far show a clear gain, or that a significant gain is unlikely, the
    others are left out (`Selection.is_decided`). The result does not depend on the
    number of threads: a fold is dropped if those before it decide.

    Parameters
    ----------
    train : callable
        Function of the number of a fold, and of an event that is set if another fold
        has failed.

    n_folds, n_rows : int
        Number of folds, and of validation rows of all folds.

    n_threads : int
        Number of folds after the first that are trained side by side.
    """

    def run_of(fold: int, failed: Event) -> TrainingRun | ValueError:
        try:
            return train(fold, failed)
        except ValueError as error:  # it diverged
            return error

    runs: list[TrainingRun] = []

    def keep(run: TrainingRun | ValueError) -> bool:
        if isinstance(run, ValueError):
            raise run
        runs.append(run)
        return joined(runs).is_decided(n_rows)

    is_decided = keep(run_of(0, Event()))
    for start in range(1, n_folds, n_threads):
        if is_decided:
            break
        folds = range(start, min(start + n_threads, n_folds))
        for run in map_in_threads(run_of, folds):
            # The others of its threads are dropped: without threads, they would not
            # have been trained.
            if is_decided:
                break
            is_decided = keep(run)
    return runs


def joined(runs: list[TrainingRun]) -> Selection:
    """Return the validation losses of all folds."""
    return Selection.join([run.selection for run in runs if run.selection])


class Together:
    """Fits whose trainings are finished together, one epoch of all after the other.

    Each fit has its own thread, but only one of them computes at a time. A fit waits
    when it comes to a training. When all fits wait, their trainings are finished in
    one computation for each batch, if their networks have one shape.

    Parameters
    ----------
    n_fits : int
        Number of fits.
    """

    def __init__(self, n_fits: int):
        self._turn = Condition()
        self._n_fits = n_fits
        self._waiting: list[_Waiting] = []

    def fit(self, function: Callable[[], Any], failed: Event) -> Any:
        """Call a function that fits, unless the event `failed` is set meanwhile."""
        with self._turn:
            token = _together.set(self)
            self._failed = failed
            try:
                return function()
            except BaseException:  # fits that have not begun will not begin
                failed.set()
                raise
            finally:
                _together.reset(token)
                self._n_fits -= 1
                self._finish_if_all_wait()

    def finish(self, training: Training) -> TrainingRun:
        """Train to the end, together with the other fits."""
        mine = _Waiting(training)
        self._waiting.append(mine)
        self._finish_if_all_wait()
        self._turn.wait_for(lambda: mine.is_over or self._failed.is_set())
        if mine.error is not None:
            raise mine.error
        if mine.run is None:
            raise Cancelled
        return mine.run

    def _finish_if_all_wait(self) -> None:
        if self._failed.is_set():
            self._turn.notify_all()
        if not self._waiting or len(self._waiting) < self._n_fits:
            return
        waiting, self._waiting = self._waiting, []
        try:
            self._finish_all(waiting)
        except BaseException as error:
            for each in waiting:
                each.error = error
        self._turn.notify_all()

    def _finish_all(self, waiting: list["_Waiting"]) -> None:
        trainings = [each.training for each in waiting]
        runs, batches = zip(*map(next, trainings), strict=True)
        train_together([run.net for run in runs], batches)
        while trainings:
            if self._failed.is_set():
                raise Cancelled
            trainings = [each for each in trainings if next(each, None) is not None]
        for each, run in zip(waiting, runs, strict=True):
            each.run = run


@dataclass
class _Waiting:
    """Training of a fit that waits for the others, and what became of it."""

    training: Training
    run: TrainingRun | None = None
    error: BaseException | None = None

    @property
    def is_over(self) -> bool:
        """Whether the training has ended."""
        return self.run is not None or self.error is not None


_together: ContextVar[Together | None] = ContextVar("together", default=None)
