"""How the loss falls from epoch to epoch."""

import numpy as np
from sklearn.utils import column_or_1d

from sklearn_seqae.displays._canvas import (
    check_matplotlib,
    colours,
    ink,
    new_or_given,
)
from sklearn_seqae.displays._reading import part_with

LOG_FROM = 10  # times that the largest loss exceeds the smallest


class LossCurveDisplay:
    """Training and validation loss by epoch, the best epoch marked.

    Create it with `from_estimator` or `from_losses`. Epoch 0 is the network before
    training: with ``init="pca"``, PCA. The axis is logarithmic if the losses span a
    factor of ten or more.

    Parameters
    ----------
    training_loss : ndarray of shape (n_epochs,)
        Training loss of epoch 1, 2, ...; it may be empty.

    validation_loss : ndarray of shape (n_validated_epochs + 1,), default=None
        Validation loss of epoch 0, 1, ...

    best_epoch : int, default=None
        Epoch of the weights that were kept.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.

    figure_ : matplotlib Figure
        Figure of the axes.

    training_line_, validation_line_ : matplotlib Artist or None
        The curves.

    best_line_ : matplotlib Artist or None
        Marker of the best epoch.

    See Also
    --------
    ReconstructionDisplay : Samples with their reconstructions.

    Examples
    --------
    >>> from sklearn_seqae.displays import LossCurveDisplay
    >>> display = LossCurveDisplay.from_losses([1.0, 0.5], [1.2, 0.7, 0.6])
    >>> display.ax_.get_xlabel()
    'epoch'
    """

    def __init__(self, training_loss, validation_loss=None, *, best_epoch=None):
        self.training_loss = training_loss
        self.validation_loss = validation_loss
        self.best_epoch = best_epoch

    @classmethod
    def from_estimator(cls, estimator, *, ax=None):
        """Draw the losses of a fitted estimator.

        Parameters
        ----------
        estimator : estimator instance
            Fitted estimator with `loss_curve_` and optionally `validation_loss_curve_`
            and `best_epoch_`; or a Pipeline, a search or a detector that contains one.

        ax : matplotlib Axes, default=None
            Axes to draw in. If None, a new figure.

        Returns
        -------
        display : LossCurveDisplay
            Display with the artists.

        Notes
        -----
        With early stopping, both losses are those of the model selection: the mean
        over the folds. The final training on all rows has the best number of epochs.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        part = part_with(
            estimator, "loss_curve_", "Pass an estimator that records its loss."
        )
        validation = getattr(part, "validation_loss_curve_", None)
        best = None if validation is None else getattr(part, "best_epoch_", None)
        return cls.from_losses(part.loss_curve_, validation, best_epoch=best, ax=ax)

    @classmethod
    def from_losses(
        cls, training_loss, validation_loss=None, *, best_epoch=None, ax=None
    ):
        """Draw given losses.

        Parameters
        ----------
        training_loss : array-like of shape (n_epochs,)
            Training loss of epoch 1, 2, ...; it may be empty.

        validation_loss : array-like of shape (n_validated_epochs + 1,), default=None
            Validation loss of epoch 0, 1, ...

        best_epoch : int, default=None
            Epoch of the weights that were kept.

        ax : matplotlib Axes, default=None
            Axes to draw in. If None, a new figure.

        Returns
        -------
        display : LossCurveDisplay
            Display with the artists.
        """
        check_matplotlib(f"{cls.__name__}.from_losses")
        training_loss = column_or_1d(training_loss)
        if validation_loss is not None:
            validation_loss = column_or_1d(validation_loss)
        return cls(training_loss, validation_loss, best_epoch=best_epoch).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw in. If None, a new figure.

        Returns
        -------
        self : LossCurveDisplay
            Display with the artists.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        from matplotlib.ticker import MaxNLocator

        ax = new_or_given(ax)
        blue, orange, *_ = colours()
        self.training_line_ = self.validation_line_ = self.best_line_ = None
        losses = np.asarray(self.training_loss, dtype=float)
        if len(losses):
            epochs = np.arange(1, len(losses) + 1)
            style = {"color": blue, "ls": "--", "label": "training"}
            (self.training_line_,) = ax.plot(epochs, losses, **style)
        if self.validation_loss is not None:
            epochs = np.arange(len(self.validation_loss))
            style = {"color": orange, "label": "validation"}
            (self.validation_line_,) = ax.plot(epochs, self.validation_loss, **style)
            losses = np.concatenate([losses, self.validation_loss])
        if self.best_epoch is not None:
            label = f"best: epoch {self.best_epoch}"
            style = {"color": ink(), "ls": ":", "alpha": 0.7, "label": label}
            self.best_line_ = ax.axvline(self.best_epoch, **style)
        if len(losses) and losses.min() > 0 and losses.max() >= LOG_FROM * losses.min():
            ax.set_yscale("log")
        ax.set(xlabel="epoch", ylabel="loss")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.legend()
        self.ax_, self.figure_ = ax, ax.figure
        return self
