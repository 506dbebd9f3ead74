"""Reconstructions along each component of the latent code."""

import numpy as np

from sklearn_seqae._libraries import reads_all_containers
from sklearn_seqae.displays._canvas import (
    check_matplotlib,
    ink,
    panels,
    scale_of_colours,
    short,
)
from sklearn_seqae.displays._reading import (
    before,
    components_to_draw,
    layout_of,
    part_with,
    read_samples,
)

MOST_SHOWN = 4  # components by default, and channels
MOST_NAMED = 30  # features
QUANTILES = np.linspace(0.05, 0.95, 7)


class TraversalDisplay:
    """Reconstruction as one component moves from its 5 % to its 95 % quantile.

    Create it with `from_estimator`. The other components keep their median. Each image
    is drawn, with a row of images for each component. Sequences are lines, and the
    features of a table are points on a line, in units of their standard deviation. The
    color is the quantile.

    Parameters
    ----------
    reconstructions : list of list of ndarray
        For each component, the reconstruction at each quantile: rows (D,), sequences
        (T, C), or images (H, W) or (H, W, C).

    kind : {"row", "sequence", "image"}
        Kind of the reconstructions.

    components : list of int
        Components, from 0.

    spread : ndarray of shape (D,), default=None
        Standard deviation of each feature of a table.

    names : list of str, default=None
        Names of the features or channels.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The first panel.

    axes_ : ndarray of matplotlib Axes
        Panels, with a row for each component; of a table, a panel for each component.

    figure_ : matplotlib Figure
        Figure of the axes.

    artists_ : list
        Points, lines or images, a list for each component.

    colorbar_ : matplotlib Colorbar or None
        Color bar of the quantiles.

    See Also
    --------
    LoadingsDisplay : How much each feature changes per unit of each component.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.decomposition import PCA
    >>> from sklearn_seqae.displays import TraversalDisplay
    >>> X = load_wine(as_frame=True).data
    >>> display = TraversalDisplay.from_estimator(PCA(2).fit(X), X)
    >>> [ax.get_title() for ax in display.axes_]
    ['component 1', 'component 2']
    """

    def __init__(self, reconstructions, *, kind, components, spread=None, names=None):
        self.reconstructions = reconstructions
        self.kind = kind
        self.components = components
        self.spread = spread
        self.names = names

    @classmethod
    @reads_all_containers
    def from_estimator(
        cls, estimator, X, *, components=None, sample_shape=None, ax=None
    ):
        """Draw the reconstructions along the components.

        Parameters
        ----------
        estimator : estimator instance
            Fitted transformer with `inverse_transform`; or a Pipeline, a search or a
            detector that contains one.

        X : {array-like, sequences, images}
            Samples whose latent codes determine the quantiles.

        components : list of int, default=None
            Components to draw, from 0; by default up to the first four.

        sample_shape : tuple of int, default=None
            Shape of an image in a row of X, such as (28, 28), or (-1, n_channels) for
            sequences; by default that of the estimator.

        ax : matplotlib Axes, default=None
            Axes that the panels replace. If None, a new figure.

        Returns
        -------
        display : TraversalDisplay
            Display with the artists.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        advice = "Pass a fitted autoencoder, or a transformer with 'inverse_transform'."
        part = part_with(estimator, "inverse_transform", advice)
        X = before(estimator, part, X)
        codes = np.asarray(part.transform(X))
        shown = components_to_draw(components, codes.shape[1], MOST_SHOWN)
        n = len(QUANTILES)
        moved = np.tile(np.median(codes, axis=0), (len(shown) * n, 1))
        for number, component in enumerate(shown):
            values = np.quantile(codes[:, component], QUANTILES)
            moved[number * n : (number + 1) * n, component] = values
        layout = layout_of(part, sample_shape)
        decoded, kind, _ = read_samples(
            part.inverse_transform(moved), caller=cls.__name__, **layout
        )
        samples, _, names = read_samples(X, caller=cls.__name__, **layout)
        spread = np.nanstd(samples, axis=0) if kind == "row" else None
        groups = [decoded[i * n : (i + 1) * n] for i in range(len(shown))]
        options = {"components": shown, "spread": spread, "names": names}
        return cls(groups, kind=kind, **options).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes that the panels replace. If None, a new figure.

        Returns
        -------
        self : TraversalDisplay
            Display with the artists.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        self.artists_, self.colorbar_ = [], None
        titles = [f"component {component + 1}" for component in self.components]
        draw = {
            "row": self._plot_rows,
            "sequence": self._plot_sequences,
            "image": self._plot_images,
        }
        draw[self.kind](titles, ax)
        if self.kind != "image":
            self._add_colour_bar()
        self.ax_ = self.axes_.flat[0]
        self.figure_ = self.ax_.figure
        return self

    def _plot_rows(self, titles, ax):
        """Draw the change of each feature, relative to the median."""
        spread = np.where(self.spread > 0, self.spread, 1)
        values = np.array(self.reconstructions)  # (components, quantiles, D)
        changes = (values - values[:, len(QUANTILES) // 2, np.newaxis]) / spread
        largest = np.abs(changes).max(axis=(0, 1))
        rows = np.sort(np.argsort(-largest, kind="stable")[:MOST_NAMED])
        size = max(2.6, 6.4 / len(titles)), max(2.4, 1 + 0.25 * len(rows))
        grid = panels(ax, 1, len(titles), size=size, sharey=True, sharex=True)
        self.axes_ = grid[0]
        names = self.names or [f"x{row}" for row in range(changes.shape[2])]
        heights = np.arange(len(rows))
        for panel, change, title in zip(self.axes_, changes, titles, strict=True):
            change = change[:, rows]
            panel.axvline(0, color=ink(), lw=0.8)
            ends = change.min(axis=0), change.max(axis=0)
            panel.hlines(heights, *ends, color=ink(), lw=1, alpha=0.5)
            points = [
                panel.scatter(each, heights, color=colour, s=22, zorder=3)
                for each, colour in zip(change, _colours(), strict=True)
            ]
            self.artists_.append(points)
            panel.set(title=title, xlabel="change / std", ylim=(len(rows) - 0.5, -0.5))
            panel.set_yticks(heights, [short(names[row]) for row in rows])

    def _plot_sequences(self, titles, ax):
        n_channels = min(self.reconstructions[0][0].shape[1], MOST_SHOWN)
        size = max(2.6, 6.4 / n_channels), 2.0
        shared = {"sharex": True, "sharey": "col"}
        self.axes_ = panels(ax, len(titles), n_channels, size=size, **shared)
        names = self.names or [f"x{channel}" for channel in range(n_channels)]
        for row, title, values in zip(
            self.axes_, titles, self.reconstructions, strict=True
        ):
            lines = []
            for channel, panel in enumerate(row):
                for series, colour in zip(values, _colours(), strict=True):
                    lines += panel.plot(series[:, channel], color=colour, lw=1.4)
            self.artists_.append(lines)
            row[0].set_ylabel(title)
        for panel, name in zip(self.axes_[0], names, strict=False):
            if n_channels > 1:
                panel.set_title(short(name))
        for panel in self.axes_[-1]:
            panel.set_xlabel("time step")

    def _plot_images(self, titles, ax):
        self.axes_ = panels(ax, len(titles), len(QUANTILES), size=(1.1, 1.2))
        every = np.array(self.reconstructions)
        low, high = every.min(), every.max()
        for row, title, images in zip(
            self.axes_, titles, self.reconstructions, strict=True
        ):
            shown = []
            for panel, image in zip(row, images, strict=True):
                if image.ndim == 3 and image.shape[2] != 3:
                    image = image[:, :, 0]
                if image.ndim == 3:  # colors want [0, 1]
                    image = (image - low) / max(high - low, 1e-12)
                    shown.append(panel.imshow(image))
                else:
                    shown.append(panel.imshow(image, cmap="gray", vmin=low, vmax=high))
                panel.set(xticks=[], yticks=[])
            self.artists_.append(shown)
            row[0].set_ylabel(title)
        for panel, quantile in zip(self.axes_[0], QUANTILES, strict=True):
            panel.set_title(f"{quantile:.0%}")

    def _add_colour_bar(self):
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        mappable = ScalarMappable(Normalize(0.05, 0.95), scale_of_colours())
        axes = list(self.axes_.flat)
        self.colorbar_ = axes[0].figure.colorbar(
            mappable, ax=axes, label="quantile of the component"
        )


def _colours():
    """Return a color for each quantile."""
    return scale_of_colours()(np.linspace(0, 1, len(QUANTILES)))
