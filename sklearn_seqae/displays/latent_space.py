"""Samples in the latent space."""

from typing import Any

import numpy as np
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from sklearn_seqae._libraries import reads_all_containers
from sklearn_seqae.displays._canvas import (
    check_matplotlib,
    colour_and_marker,
    colours,
    ink,
    name_of_feature,
    new_or_given,
    outline,
    panels,
    scale_of_colours,
    short,
)
from sklearn_seqae.displays._reading import components_to_draw, encode, loadings_of

MOST_SHOWN = 5  # components in a grid of pairs
MOST_ARROWS = 8  # features
LETTER, LINE = 0.02, 0.05  # of a name, relative to the panel
MOST_CATEGORIES = 20  # distinct numbers, above which labels are numeric


class LatentSpaceDisplay:
    """Latent codes as points: in 2-D, in 3-D, or in a grid of pairs of components.

    Create it with `from_estimator` or `from_codes`. One component is plotted against
    the number of the sample, two in 2-D, three in 3-D, and more as a grid of pairs.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_components)
        Latent codes.

    labels : ndarray of shape (n_samples,), default=None
        Labels for the colors: categories with a legend, numbers with a color bar.

    label_name : str, default=None
        Title of the legend or of the color bar.

    components : list of int, default=None
        Components to draw, from 0; by default up to the first five.

    loadings : DataFrame of shape (n_features, n_components), default=None
        Loadings, which are drawn as arrows over two components (a biplot). An arrow
        points in the direction in which its feature increases fastest, and its length
        is proportional to the rate. Up to eight features with the longest arrows are
        drawn.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot; of a grid, the first panel.

    axes_ : list of matplotlib Axes
        All panels.

    figure_ : matplotlib Figure
        Figure of the axes.

    scatters_ : list of matplotlib Artist
        Points of each panel, one artist for each category.

    colorbar_ : matplotlib Colorbar or None
        Color bar of numeric labels.

    arrows_ : dict of matplotlib Annotation
        Arrows of the loadings by the name of the feature, the longest first.

    See Also
    --------
    ReconstructionDisplay : Samples with their reconstructions.

    Examples
    --------
    >>> from sklearn_seqae.displays import LatentSpaceDisplay
    >>> display = LatentSpaceDisplay.from_codes([[0, 1], [2, 3]], ["cat", "dog"])
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['cat', 'dog']
    """

    def __init__(
        self, codes, labels=None, *, label_name=None, components=None, loadings=None
    ):
        self.codes = codes
        self.labels = labels
        self.label_name = label_name
        self.components = components
        self.loadings = loadings

    @classmethod
    @reads_all_containers
    def from_estimator(
        cls,
        estimator,
        X,
        labels=None,
        *,
        label_name=None,
        components=None,
        loadings=False,
        ax=None,
    ):
        """Draw the latent codes of X.

        Parameters
        ----------
        estimator : estimator instance
            Fitted transformer, or a search or a detector that contains one.

        X : {array-like, sequences}
            Samples in any container that `transform` accepts.

        labels : array-like of shape (n_samples,), default=None
            Labels for the colors.

        label_name : str, default=None
            Title of the legend; by default the name of a Series.

        components : list of int, default=None
            Components to draw, from 0; by default up to the first five.

        loadings : bool, default=False
            Whether to draw the loadings of the features over two components, averaged
            over X. The estimator then contains an autoencoder, or PCA.

        ax : matplotlib Axes, default=None
            Axes to draw in. With three or more components, new axes replace it. If
            None, a new figure.

        Returns
        -------
        display : LatentSpaceDisplay
            Display with the artists.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        return cls.from_codes(
            encode(estimator, X),
            labels,
            label_name=label_name,
            components=components,
            loadings=loadings_of(estimator, X) if loadings else None,
            ax=ax,
        )

    @classmethod
    @reads_all_containers
    def from_codes(
        cls,
        codes,
        labels=None,
        *,
        label_name=None,
        components=None,
        loadings=None,
        ax=None,
    ):
        """Draw latent codes.

        Parameters
        ----------
        codes : array-like of shape (n_samples, n_components)
            Latent codes.

        labels : array-like of shape (n_samples,), default=None
            Labels for the colors.

        label_name : str, default=None
            Title of the legend; by default the name of a Series.

        components : list of int, default=None
            Components to draw, from 0; by default up to the first five.

        loadings : DataFrame of shape (n_features, n_components), default=None
            Loadings to draw over two components, with the features as index.

        ax : matplotlib Axes, default=None
            Axes to draw in. With three or more components, new axes replace it. If
            None, a new figure.

        Returns
        -------
        display : LatentSpaceDisplay
            Display with the artists.
        """
        check_matplotlib(f"{cls.__name__}.from_codes")
        codes = check_array(codes, input_name="codes")
        if label_name is None:
            label_name = getattr(labels, "name", None)
        if labels is not None:
            labels = column_or_1d(labels)
            check_consistent_length(codes, labels)
        options = {"label_name": label_name, "components": components}
        return cls(codes, labels, loadings=loadings, **options).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw in. With three or more components, new axes replace it. If
            None, a new figure.

        Returns
        -------
        self : LatentSpaceDisplay
            Display with the artists.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        shown = components_to_draw(self.components, self.codes.shape[1], MOST_SHOWN)
        if self.loadings is not None and len(shown) != 2:
            raise ValueError(
                "Loadings are drawn over two components. Got "
                f"{len(shown)}. Pass two in 'components', such as components=[0, 1]."
            )
        self.scatters_, self.colorbar_, self.arrows_ = [], None, {}
        if len(shown) > 3:
            self._plot_pairs(shown, ax)
        else:
            options: dict[str, Any] = {"loc": "best"}
            if ax is None and len(shown) < 3:
                options = {"loc": "upper left", "bbox_to_anchor": (1.02, 1)}
            ax = self._plot_one(shown, ax)
            if self.loadings is not None:
                self._plot_arrows(ax, shown)
            self._explain_colours(ax, options)
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        return self

    def _plot_one(self, shown, ax):
        """Draw one panel, in space where there are three components."""
        if len(shown) < 3:
            ax = new_or_given(ax)
        else:
            if getattr(ax, "name", None) != "3d":
                space = {"projection": "3d"}
                ax = panels(ax, 1, 1, size=(6.4, 4.8), subplot_kw=space)[0, 0]
            for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
                axis.set_pane_color((0, 0, 0, 0))  # they are light in dark styles
        self.axes_ = [ax]
        self._plot_panel(ax, shown)
        return ax

    def _plot_arrows(self, ax, shown):
        """Draw the features with the largest loadings as arrows from the median."""
        slopes = self.loadings.to_numpy(dtype=float)[:, shown]
        lengths = np.hypot(*slopes.T)
        longest = np.argsort(-lengths, kind="stable")[:MOST_ARROWS]
        start = np.median(self.codes[:, shown], axis=0)
        reach = np.abs(self.codes[:, shown] - start).max(axis=0)
        fits = np.abs(slopes[longest]) / np.where(reach > 0, reach, 1)
        steps = slopes[longest] / max(fits.max(), np.finfo(float).tiny)
        drawn = lengths[longest] > 0
        longest, steps = longest[drawn], steps[drawn]
        names = [name_of_feature(self.loadings.index[feature]) for feature in longest]
        style = {"arrowstyle": "-|>", "color": ink(), "lw": 1.2, "shrinkA": 0}
        for step, name in zip(steps, names, strict=True):
            arrow = ax.annotate("", start + step, xytext=start, arrowprops=style)
            self.arrows_[name] = arrow
        _write_names(ax, start + steps, names, steps[:, 0] < 0)

    def _plot_pairs(self, shown, ax):
        """Draw a triangle of panels: each component over each one before it."""
        n = len(shown) - 1
        grid = panels(ax, n, n, size=(1.9, 1.9), sharex="col", sharey="row")
        self.axes_ = []
        for row in range(n):
            for column in range(n):
                panel = grid[row, column]
                if column > row:
                    panel.set_axis_off()
                    continue
                self.axes_.append(panel)
                self._plot_panel(panel, [shown[column], shown[row + 1]])
                panel.label_outer()
        # In the empty corner, over more than one panel: that must not move them.
        self._explain_colours(grid[0, -1], {"loc": "upper right"})
        if grid[0, -1].get_legend():
            grid[0, -1].get_legend().set_in_layout(False)

    def _plot_panel(self, ax, components):
        points = [self.codes[:, component] for component in components]
        names = [f"component {component + 1}" for component in components]
        if len(points) == 1:
            points = [np.arange(len(self.codes)), *points]
            names = ["sample", *names]
        style = {"s": 18, "linewidths": 0, "alpha": 0.85}
        if self.labels is None:
            self.scatters_.append(ax.scatter(*points, color=colours()[0], **style))
        elif _are_numbers(self.labels):
            scatter = ax.scatter(
                *points, c=self.labels, cmap=scale_of_colours(), **style
            )
            self.scatters_.append(scatter)
        else:
            # As they are, not as text, so that 10 comes after 9.
            for number, category in enumerate(_categories(self.labels)):
                rows = self.labels == category
                colour, marker = colour_and_marker(number)
                self.scatters_.append(
                    ax.scatter(
                        *(values[rows] for values in points),
                        color=colour,
                        marker=marker,
                        label=str(category),
                        **style,
                    )
                )
        for axis, name in zip("xyz", names, strict=False):
            getattr(ax, f"set_{axis}label")(name)

    def _explain_colours(self, ax, options):
        """Put a color bar beside the panels, or a legend into an axes."""
        if self.labels is None:
            return
        if _are_numbers(self.labels):
            self.colorbar_ = ax.figure.colorbar(
                self.scatters_[0], ax=self.axes_, label=self.label_name, pad=0.1
            )
            return
        handles, names = self.axes_[0].get_legend_handles_labels()
        ax.legend(handles, names, title=self.label_name, **options)


def _are_numbers(labels):
    """Return whether labels are numeric rather than categories."""
    if labels.dtype.kind not in "iuf":
        return False
    distinct = np.unique(labels)
    return len(distinct) > MOST_CATEGORIES or (distinct != np.round(distinct)).any()


def _categories(labels):
    try:
        return np.unique(labels)
    except TypeError:  # of several types, which have no order
        return sorted(set(labels), key=str)


def _write_names(ax, tips, names, is_left):
    """Write names beside the tips of arrows, on the left or right, without overlap."""
    names = [short(name) for name in names]
    ax.margins(0.1)
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    width, line = LETTER * (right - left), LINE * (top - bottom)
    for side, sign in ((is_left, -1), (~is_left, 1)):
        rows = np.flatnonzero(side)
        rows = rows[np.argsort(tips[rows, 1])]
        heights = tips[rows, 1].copy()
        for i in range(1, len(rows)):
            heights[i] = max(heights[i], heights[i - 1] + line)
        if len(rows):
            heights -= (heights - tips[rows, 1]).mean()
            bottom, top = min(bottom, heights[0] - line), max(top, heights[-1] + line)
        for row, height in zip(rows, heights, strict=True):
            x = tips[row, 0] + sign * width
            ax.text(
                *(x, height, names[row]),
                ha="right" if sign < 0 else "left",
                va="center",
                fontsize="small",
                path_effects=outline(),
            )
            end = x + sign * width * len(names[row])
            left, right = min(left, end), max(right, end)
    ax.set(xlim=(left, right), ylim=(bottom, top))
