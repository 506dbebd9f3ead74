"""Loadings of the features on the components."""

import numpy as np

from sklearn_seqae._libraries import reads_all_containers
from sklearn_seqae.displays._canvas import (
    LINES,
    check_matplotlib,
    colours,
    diverging_colours,
    ink,
    new_or_given,
    panels,
    short,
)
from sklearn_seqae.displays._reading import components_to_draw, loadings_of

MOST_SHOWN = 4  # components by default, and maximum of panels in a row
MOST_BARS = 30  # features; more are drawn as a heat map
MOST_LINES = 8  # channels; more are drawn as a heat map
MOST_NAMES = 20  # on the axis of a heat map


class LoadingsDisplay:
    """Loadings: how much each feature changes per unit of each component.

    Create it with `from_estimator` or `from_loadings`. Up to 30 features are bars, with
    a panel for each component, and more are a heat map. Sequences have a line for each
    channel over the time steps. Images are drawn as images.

    Parameters
    ----------
    loadings : DataFrame of shape (n_features, n_components)
        Loadings, as an autoencoder returns them. Levels of the index named "step" and
        "channel" are those of sequences, "row" and "column" those of images.

    components : list of int, default=None
        Components to draw, from 0; by default up to the first four.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The first panel.

    axes_ : ndarray of matplotlib Axes
        Panels.

    figure_ : matplotlib Figure
        Figure of the axes.

    artists_ : list
        Bars, lines or image of each panel.

    colorbar_ : matplotlib Colorbar or None
        Color bar of heat maps and images.

    See Also
    --------
    TraversalDisplay : Reconstruction along each component.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_seqae.displays import LoadingsDisplay
    >>> loadings = pd.DataFrame([[0.8, -0.6], [0.6, 0.8]], index=["height", "weight"])
    >>> display = LoadingsDisplay.from_loadings(loadings)
    >>> [ax.get_title() for ax in display.axes_]
    ['component 1', 'component 2']
    """

    def __init__(self, loadings, *, components=None):
        self.loadings = loadings
        self.components = components

    @classmethod
    @reads_all_containers
    def from_estimator(cls, estimator, X=None, *, components=None, ax=None):
        """Draw the loadings of a fitted estimator.

        Parameters
        ----------
        estimator : estimator instance
            Fitted autoencoder or PCA; or a Pipeline, a search or a detector that
            contains one. The units are those of the input of this autoencoder.

        X : {array-like, sequences, images}, default=None
            Samples over which the loadings of an autoencoder are averaged. If None,
            those at the latent code of the training mean.

        components : list of int, default=None
            Components to draw, from 0; by default up to the first four.

        ax : matplotlib Axes, default=None
            Axes that the panels replace. If None, a new figure.

        Returns
        -------
        display : LoadingsDisplay
            Display with the artists.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        loadings = loadings_of(estimator, X)
        return cls(loadings, components=components).plot(ax=ax)

    @classmethod
    def from_loadings(cls, loadings, *, components=None, ax=None):
        """Draw given loadings.

        Parameters
        ----------
        loadings : DataFrame of shape (n_features, n_components)
            Loadings, with the features as index.

        components : list of int, default=None
            Components to draw, from 0; by default up to the first four.

        ax : matplotlib Axes, default=None
            Axes that the panels replace. If None, a new figure.

        Returns
        -------
        display : LoadingsDisplay
            Display with the artists.
        """
        check_matplotlib(f"{cls.__name__}.from_loadings")
        return cls(loadings, components=components).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes that the panels replace. If None, a new figure.

        Returns
        -------
        self : LoadingsDisplay
            Display with the artists.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        shown = components_to_draw(self.components, self.loadings.shape[1], MOST_SHOWN)
        values = self.loadings.to_numpy(dtype=float)[:, shown]
        names = list(self.loadings.index.names)
        self.artists_, self.colorbar_ = [], None
        titles = [f"component {component + 1}" for component in shown]
        if names == ["step", "channel"]:
            self._plot_sequences(values, titles, ax)
        elif names[:2] == ["row", "column"]:
            self._plot_images(values, titles, ax)
        elif len(values) <= MOST_BARS:
            self._plot_bars(values, titles, ax)
        else:
            self._plot_heat_map(values, titles, ax)
        self.ax_ = self.axes_[0]
        self.figure_ = self.ax_.figure
        return self

    def _levels(self):
        """Return the values of each level of the index, in the order of the rows."""
        index = self.loadings.index
        return [list(index.get_level_values(name).unique()) for name in index.names]

    def _panels(self, ax, titles, height, **options):
        """Make a panel for each component, in rows of at most four."""
        n = len(titles)
        n_columns = min(n, MOST_SHOWN)
        size = (max(2.6, 6.4 / n_columns), height)
        grid = panels(ax, -(-n // n_columns), n_columns, size=size, **options)
        for panel in grid.flat[n:]:
            panel.set_axis_off()
        self.axes_ = np.array(grid.flat[:n])
        for panel, title in zip(self.axes_, titles, strict=True):
            panel.set_title(title)
        return grid

    def _plot_bars(self, values, titles, ax):
        rows = np.arange(len(values))
        height = max(2, 1 + 0.25 * len(values))
        self._panels(ax, titles, height, sharey=True)
        for panel, column in zip(self.axes_, values.T, strict=True):
            bars = panel.barh(rows, column, color=colours()[0], height=0.7)
            self.artists_.append(bars)
            panel.axvline(0, color=ink(), lw=0.8)
            panel.set(xlabel="loading", ylim=(len(rows) - 0.4, -0.6))
            panel.set_yticks(rows, [short(name) for name in self.loadings.index])

    def _plot_heat_map(self, values, titles, ax):
        ax = new_or_given(ax)
        self.axes_ = np.array([ax])
        image = self._draw_map(ax, values, ax=ax)
        rows = _few(len(values))
        ax.set_yticks(rows, [short(self.loadings.index[row]) for row in rows])
        ax.set_xticks(range(len(titles)), [title.split()[1] for title in titles])
        ax.set_xlabel("component")
        self.artists_.append(image)

    def _plot_sequences(self, values, titles, ax):
        steps, channels = self._levels()
        names = [short(name) for name in channels]
        values = values.reshape(len(steps), len(channels), -1)
        grid = self._panels(ax, titles, 2.6, sharey=True, sharex=True)
        if len(names) > MOST_LINES:
            largest = np.abs(values).max()
            for panel, map_ in zip(self.axes_, np.moveaxis(values, 2, 0), strict=True):
                last = self._draw_map(panel, map_.T, largest)
                self.artists_.append(last)
                rows = _few(len(names))
                panel.set_yticks(rows, [names[row] for row in rows])
            self._add_colour_bar(last)
        else:
            for panel, lines in zip(self.axes_, np.moveaxis(values, 2, 0), strict=True):
                panel.axhline(0, color=ink(), lw=0.8)
                self.artists_.append(_lines(panel, steps, lines, names))
            for panel in grid[:, 0]:
                panel.set_ylabel("loading")
            if len(names) > 1:
                _legend(ax, self.axes_)
        for panel in self.axes_:
            panel.set_xlabel("time step")
            panel.label_outer()

    def _plot_images(self, values, titles, ax):
        levels = self._levels()
        images = values.reshape(*map(len, levels), -1)
        n_channels, n = images.shape[2:]
        grid = panels(ax, n_channels, n, size=(1.9, 1.9))
        largest = np.abs(values).max()
        for channel in range(n_channels):
            for component in range(n):
                panel = grid[channel, component]
                image = images[:, :, channel, component]
                self.artists_.append(self._draw_map(panel, image, largest))
                panel.set(xticks=[], yticks=[], aspect="equal")
        for panel, title in zip(grid[0], titles, strict=True):
            panel.set_title(title)
        if n_channels > 1:
            for panel, name in zip(grid[:, 0], levels[2], strict=True):
                panel.set_ylabel(short(name))
        self.axes_ = grid.ravel()
        self._add_colour_bar(self.artists_[-1])

    def _draw_map(self, panel, values, largest=None, ax=None):
        """Draw values in colors from blue to orange, symmetric about 0."""
        if largest is None:
            largest = np.abs(values).max()
        image = panel.imshow(
            values,
            aspect="auto",
            interpolation="nearest",
            cmap=diverging_colours(),
            vmin=-largest,
            vmax=largest,
        )
        if ax is not None:
            self._add_colour_bar(image)
        return image

    def _add_colour_bar(self, image):
        axes = list(self.axes_)
        figure = axes[0].figure
        self.colorbar_ = figure.colorbar(image, ax=axes, label="loading")


def _few(n):
    """Return at most 20 numbers below n, at equal distances."""
    return np.unique(np.linspace(0, n - 1, min(n, MOST_NAMES)).astype(int))


def _lines(panel, steps, values, names):
    lines = []
    for channel, (series, name) in enumerate(zip(values.T, names, strict=True)):
        look = {"color": colours()[channel % 4], "ls": LINES[channel // 4]}
        lines += panel.plot(steps, series, label=name, **look)
    return lines


def _legend(ax, axes):
    handles, names = axes[0].get_legend_handles_labels()
    if ax is None:
        axes[0].figure.legend(handles, names, loc="outside lower center", ncols=4)
    else:
        axes[0].legend(handles, names, fontsize="small")
