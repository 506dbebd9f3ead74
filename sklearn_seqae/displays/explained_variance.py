"""How much each number of components explains."""

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
    """Explained fraction by number of components, beside that of PCA.

    It is drawn by `from_estimator` or by `from_ratios`. The curve of an ordered
    autoencoder above that of PCA says how many components it saves: read both at the
    same height.

    Parameters
    ----------
    explained_variance_ratio : ndarray of shape (n_components,)
        What each component explains beyond those before it.

    pca_explained_variance_ratio : ndarray of shape (n_components,), default=None
        The same of PCA.

    name : str, default="autoencoder"
        What the curve is called in the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.

    figure_ : matplotlib Figure
        The figure that the axes are in.

    line_ : matplotlib Artist
        The curve.

    pca_line_ : matplotlib Artist or None
        The curve of PCA.

    See Also
    --------
    LossCurveDisplay : How the loss falls.

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
        """Draw what the components of a fitted estimator explain.

        Parameters
        ----------
        estimator : estimator instance
            Has `explained_variance_ratio_`, as an autoencoder with
            ``bottleneck="ordered"`` has after fit, and for the second curve
            `pca_explained_variance_ratio_`; or a Pipeline with such a step.

        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.

        name : str, default=None
            Name of the curve; by default that of the estimator's class.

        Returns
        -------
        display : ExplainedVarianceDisplay
            Holds what was drawn.
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
        """Draw given ratios.

        Parameters
        ----------
        ratio : array-like of shape (n_components,)
            What each component explains beyond those before it.

        pca_ratio : array-like of shape (n_components,), default=None
            The same of PCA, of as many components.

        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.

        name : str, default="autoencoder"
            Name of the curve.

        Returns
        -------
        display : ExplainedVarianceDisplay
            Holds what was drawn.
        """
        check_matplotlib(f"{cls.__name__}.from_ratios")
        ratio = column_or_1d(ratio)
        if pca_ratio is not None:
            pca_ratio = column_or_1d(pca_ratio)
            check_consistent_length(ratio, pca_ratio)
        return cls(ratio, pca_ratio, name=name).plot(ax=ax)

    def plot(self, ax=None):
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        self : ExplainedVarianceDisplay
            With the artists.
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
            ylim=(min(0, least), 1),  # on held-out rows it may be negative
        )
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.legend(loc="lower right")
        self.ax_, self.figure_ = ax, ax.figure
        return self
