"""The bridge to `sklearn.callback`: progress bars, monitors and early ends of a fit."""

import copy
from dataclasses import replace

from sklearn_seqae.autoencoders._trainer import Trainer
from sklearn_seqae.training.callbacks import EpochTasks

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # it is experimental, and may move without notice

    class CallbackSupportMixin:
        """In the place of the one that this scikit-learn does not have."""


class FitTasks:
    """The tasks of a fit: its trainings, and in each of them its epochs.

    Without callbacks nothing is made, and nothing is called.

    Parameters
    ----------
    estimator : BaseAutoencoder
        What is fitted; `set_callbacks` has given it its callbacks.

    X : {array-like, sequences}
        What `fit` was given. To an autoencoder it is also the target, without which
        monitors do not score.
    """

    def __init__(self, estimator, X):
        self.context = None
        self.told = {"estimator": estimator, "X": X, "y": X}
        if getattr(estimator, "_skl_callbacks", None):
            self.context = estimator._init_callback_context(max_subtasks=None)

    def begin(self, n_trainings):
        """Say that so many trainings are about to begin."""
        if self.context is not None:
            self.context.max_subtasks = n_trainings
            self.context.call_on_fit_task_begin(**self.told)

    def end(self):
        """Say that the estimator is fitted."""
        if self.context is not None:
            # A copy of it as it is now stands for the one that was fitted.
            self.context.call_on_fit_task_end(**self.told, reconstruction_attributes={})

    def begin_training(self, trained, name, n_epochs):
        """Say that a training begins, and have it say so of each epoch.

        Returns
        -------
        end : callable
            To be called at its end.
        """
        if self.context is None:
            return lambda: None
        task = self.context.subcontext(task_name=name, max_subtasks=n_epochs)
        task.call_on_fit_task_begin(**self.told)

        def now():
            return _fitted_attributes(self.told["estimator"], trained)

        told = {**self.told, "reconstruction_attributes": now}
        trained.net.callbacks_.insert(0, ("epoch_tasks", EpochTasks(task, told)))

        def end():
            del trained.net.callbacks_[0]
            task.call_on_fit_task_end(**told)

        return end


def _fitted_attributes(estimator, trained):
    """What an estimator would have if the training ended now."""
    module = copy.deepcopy(trained.net.average_)
    preview = copy.copy(estimator)
    preview._keep(replace(trained, net=Trainer.make_net(estimator, module)), None)
    return vars(preview)
