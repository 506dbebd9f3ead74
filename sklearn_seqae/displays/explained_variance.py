"""Explained variance by number of components."""

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d

from sklearn_seqae.displays._canvas import (
    check_matplotlib,
    colours,
    ink,
    new_or_given,
)
from sklearn_seqae.displays._reading import part_with


class ExplainedVarianceDisplay:
    """Explained variance by number of components, compared with PCA.

    Create it with `from_estimator` or `from_ratios`. The horizontal distance between
    the curves is the number of components that the autoencoder saves.

    Parameters
    ----------
    explained_variance_ratio : ndarray of shape (n_components,)
        Explained variance added by each component.

    pca_explained_variance_ratio : ndarray of shape (n_components,), default=None
        Explained variance added by each component of PCA.

    name : str, default="autoencoder"
        Name of the curve in the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.

    figure_ : matplotlib Figure
        Figure of the axes.

    line_ : matplotlib Artist
        The curve.

    pca_line_ : matplotlib Artist or None
        The curve of PCA.

    See Also
    --------
    LossCurveDisplay : Loss by epoch.

    Examples
    --------
    >>> from sklearn_seqae.displays import ExplainedVarianceDisplay
    >>> display = ExplainedVarianceDisplay.from_ratios([0.6, 0.3], [0.5, 0.2])
    >>> display.ax_.get_ylabel()
    'explained variance, cumulative'
    """

    def __init__(
        self,
        explained_variance_ratio,
        pca_explained_variance_ratio=None,
        *,
        name="autoencoder",
    ):
        self.explained_variance_ratio = explained_variance_ratio
        self.pca_explained_variance_ratio = pca_explained_variance_ratio
        self.name = name

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, name=None):
        """Draw the explained variance of a fitted estimator.

        Parameters
        ----------
        estimator : estimator instance
            Fitted estimator with `explained_variance_ratio_`, such as an autoencoder
            with ``bottleneck="ordered"``, and optionally
            `pca_explained_variance_ratio_`; or a Pipeline with such a step.

        ax : matplotlib Axes, default=None
            Axes to draw in. If None, a new figure.

        name : str, default=None
            Name of the curve; by default the name of the class.

        Returns
        -------
        display : ExplainedVarianceDisplay
            Display with the artists.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        part = part_with(
            estimator,
            "explained_variance_ratio_",
            "Fit an autoencoder with bottleneck='ordered' and early_stopping=True.",
        )
        return cls.from_ratios(
            part.explained_variance_ratio_,
            getattr(part, "pca_explained_variance_ratio_", None),
            ax=ax,
            name=type(part).__name__ if name is None else name,
        )

    @classmethod
    def from_ratios(cls, ratio, pca_ratio=None, *, ax=None, name="autoencoder"):
        """Draw ratios of explained variance.

        Parameters
        ----------
        ratio : array-like of shape (n_components,)
            Explained variance added by each component.

        pca_ratio : array-like of shape (n_components,), default=None
            Explained variance added by each component of PCA, of the same length.

        ax : matplotlib Axes, default=None
            Axes to draw in. If None, a new figure.

        name : str, default="autoencoder"
            Name of the curve.

        Returns
        -------
        display : ExplainedVarianceDisplay
            Display with the artists.
        """
        check_matplotlib(f"{cls.__name__}.from_ratios")
        ratio = column_or_1d(ratio)
        if pca_ratio is not None:
            pca_ratio = column_or_1d(pca_ratio)
            check_consistent_length(ratio, pca_ratio)
        return cls(ratio, pca_ratio, name=name).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw in. If None, a new figure.

        Returns
        -------
        self : ExplainedVarianceDisplay
            Display with the artists.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        from matplotlib.ticker import MaxNLocator

        ax = new_or_given(ax)
        total = np.cumsum(self.explained_variance_ratio)
        sizes = np.arange(1, len(total) + 1)
        style = {"markersize": 5, "clip_on": False, "zorder": 3}
        self.pca_line_ = None
        (self.line_,) = ax.plot(
            sizes, total, color=colours()[0], marker="o", label=self.name, **style
        )
        least = total.min()
        if self.pca_explained_variance_ratio is not None:
            of_pca = np.cumsum(self.pca_explained_variance_ratio)
            (self.pca_line_,) = ax.plot(
                *(sizes, of_pca, "--s"), color=ink(), alpha=0.6, label="PCA", **style
            )
            least = min(least, of_pca.min())
        ax.set(
            xlabel="number of components",
            ylabel="explained variance, cumulative",
            ylim=(min(0, least), 1),  # it may be negative on validation rows
        )
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.legend(loc="lower right")
        self.ax_, self.figure_ = ax, ax.figure
        return self
