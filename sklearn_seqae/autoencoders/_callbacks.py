"""The bridge to `sklearn.callback`: progress bars, monitors and early ends of a fit."""

import copy

from sklearn_seqae.training.callbacks import EpochTasks

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # it is experimental, and may move without notice

    class CallbackSupportMixin:
        """In the place of the one that this scikit-learn does not have."""


def callback_context(estimator):
    """Return the context of a fit, or None if the estimator has no callbacks.

    scikit-learn tears it down after `fit`, and looks for it on the estimator.
    """
    if getattr(estimator, "_skl_callbacks", None):
        return estimator._init_callback_context(max_subtasks=None)
    return None


class FitTasks:
    """The tasks of a fit: its trainings, and in each of them its epochs.

    Without callbacks nothing is made, and nothing is called.

    Parameters
    ----------
    context : CallbackContext or None
        As `callback_context` returns it.

    estimator : BaseAutoencoder
        What is fitted.

    X : {array-like, sequences}
        What `fit` was given. To an autoencoder it is also the target, without which
        monitors do not score.

    attributes_of : callable
        Takes a training and its module, and returns the attributes that the estimator
        would have with them.
    """

    def __init__(self, context, estimator, X, attributes_of):
        self.context, self.training = context, None
        self.told = {"estimator": estimator, "X": X, "y": X}
        self.attributes_of = attributes_of

    def begin(self, n_trainings):
        """Tell the callbacks that so many trainings begin."""
        if self.context is not None:
            self.context.max_subtasks = n_trainings
            self.context.call_on_fit_task_begin(**self.told)

    def end(self):
        """Tell the callbacks that the estimator is fitted."""
        if self.context is not None:
            # A copy of it as it is now stands for the one that was fitted.
            self.context.call_on_fit_task_end(**self.told, reconstruction_attributes={})

    def begin_training(self, run, name, n_epochs):
        """Tell the callbacks that a training begins.

        Returns
        -------
        callbacks : list of skorch callbacks
            They tell of each epoch.
        """
        if self.context is None:
            return []
        task = self.context.subcontext(task_name=name, max_subtasks=n_epochs)
        task.call_on_fit_task_begin(**self.told)

        def now():
            estimator = self.told["estimator"]
            module = copy.deepcopy(run.net.average_)
            return {**vars(estimator), **self.attributes_of(run, module)}

        told = {**self.told, "reconstruction_attributes": now}
        self.training = task, told
        return [EpochTasks(task, told)]

    def end_training(self):
        """Tell the callbacks that the training has ended."""
        if self.context is not None:
            task, told = self.training
            task.call_on_fit_task_end(**told)
