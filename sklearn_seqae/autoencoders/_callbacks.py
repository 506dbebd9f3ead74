"""Support of `sklearn.callback`: progress bars, monitors, and stopping a fit."""

import copy
from typing import Any

from sklearn_seqae.training.callbacks import EpochTasks

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # experimental in scikit-learn: it may move

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Placeholder for a version of scikit-learn without callbacks."""


def callback_context(estimator):
    """Return the context of a fit, or None if the estimator has no callbacks.

    scikit-learn finds the context on the estimator and tears it down after `fit`.
    """
    if getattr(estimator, "_skl_callbacks", None):
        return estimator._init_callback_context(max_subtasks=None)
    return None


class FitTasks:
    """Tasks of a fit: its trainings, and the epochs of each training.

    Without callbacks, all methods do nothing.

    Parameters
    ----------
    context : CallbackContext or None
        Result of `callback_context`.

    estimator : BaseAutoencoder
        Estimator that is fitted.

    X : {array-like, sequences}
        Argument of `fit`. It is also passed as the target, which scoring monitors
        require.

    attributes_of : callable
        Takes a training and its module. Returns the fitted attributes that the
        estimator would have if the training stopped now.
    """

    def __init__(self, context, estimator, X, attributes_of):
        self.context: Any = context
        self.training: Any = None
        self.arguments = {"estimator": estimator, "X": X, "y": X}
        self.attributes_of = attributes_of

    @property
    def follows(self):
        """Whether there are callbacks, which follow one training after the other."""
        return self.context is not None

    def begin(self, n_trainings):
        """Notify the callbacks that `n_trainings` trainings begin."""
        if self.context is not None:
            self.context.max_subtasks = n_trainings
            self.context.call_on_fit_task_begin(**self.arguments)

    def end(self):
        """Notify the callbacks that the estimator is fitted."""
        if self.context is not None:
            # The estimator already has its fitted attributes.
            self.context.call_on_fit_task_end(
                **self.arguments, reconstruction_attributes={}
            )

    def begin_training(self, run, name, n_epochs):
        """Notify the callbacks that a training begins.

        Returns
        -------
        callbacks : list of skorch callbacks
            They notify the callbacks of each epoch.
        """
        if self.context is None:
            return []
        task = self.context.subcontext(task_name=name, max_subtasks=n_epochs)
        task.call_on_fit_task_begin(**self.arguments)

        def now():
            estimator = self.arguments["estimator"]
            module = copy.deepcopy(run.net.module_)  # with averaged weights
            return {**vars(estimator), **self.attributes_of(run, module)}

        arguments = {**self.arguments, "reconstruction_attributes": now}
        self.training = task, arguments
        return [EpochTasks(task, arguments)]

    def end_training(self):
        """Notify the callbacks that the training has ended."""
        if self.context is not None:
            task, arguments = self.training
            task.call_on_fit_task_end(**arguments)
