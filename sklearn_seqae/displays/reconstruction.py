"""Samples with their reconstructions."""

import numpy as np
from sklearn.utils import _safe_indexing

from sklearn_seqae._introspection import (
    objective_of,
    reconstruct,
    scores_time_steps,
)
from sklearn_seqae._libraries import reads_all_containers
from sklearn_seqae.displays._canvas import (
    LINES,
    check_matplotlib,
    colours,
    ink,
    panels,
)
from sklearn_seqae.displays._reading import (
    forecast,
    forecaster_of,
    layout_of,
    one_series,
    parts_of,
    read_samples,
)

MOST_SHOWN = 4  # samples by default, and maximum in a row of panels
AHEAD = (0, (1, 0.8))  # line style of forecasts, densely dotted
ENTRY_WIDTH = 1.6  # width of an entry of the legend, in inches
MOST_NAMED = 30  # maximum number of columns with names


class ReconstructionDisplay:
    """Samples with their reconstructions: series, images, or rows of a table.

    Create it with `from_estimator` or `from_reconstructions`. In a series, each channel
    has a color; the sample is a wide pale line, the reconstruction a thin line, and a
    forecast a dotted line. Images are above their reconstructions. Rows of a table are
    pairs of bars.

    Parameters
    ----------
    samples, reconstructions : list of ndarray
        Rows (D,), sequences (T, C), or images (H, W) or (H, W, C). Reconstructions may
        be None if there are forecasts.

    kind : {"row", "sequence", "image"}
        Kind of the samples.

    titles : list of str
        Title of each sample.

    names : list of str, default=None
        Names of the columns or channels.

    forecasts : list of ndarray, default=None
        Forecast of each sequence.

    starts : list of int, default=None
        Time step at which each forecast begins.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The first panel.

    axes_ : ndarray of matplotlib Axes
        Panels: (n_samples,), or (2, n_samples) for images.

    figure_ : matplotlib Figure
        Figure of the axes.

    sample_artists_, reconstruction_artists_, forecast_artists_ : list
        Lines, bars or image of each panel.

    See Also
    --------
    LatentSpaceDisplay : Latent codes of samples.

    Examples
    --------
    >>> from sklearn_seqae.displays import ReconstructionDisplay
    >>> display = ReconstructionDisplay.from_reconstructions(
    ...     [[1.0, 2.0], [3.0, 4.0]], [[1.1, 1.9], [2.9, 4.1]]
    ... )
    >>> [ax.get_title() for ax in display.axes_]
    ['sample 0', 'sample 1']
    """

    def __init__(
        self,
        samples,
        reconstructions,
        *,
        kind,
        titles,
        names=None,
        forecasts=None,
        starts=None,
    ):
        self.samples = samples
        self.reconstructions = reconstructions
        self.kind = kind
        self.titles = titles
        self.names = names
        self.forecasts = forecasts
        self.starts = starts

    @classmethod
    @reads_all_containers
    def from_estimator(
        cls, estimator, X, *, indices=None, sample_shape=None, titles=None, ax=None
    ):
        """Draw samples with their reconstructions or forecasts.

        Parameters
        ----------
        estimator : estimator instance
            Fitted autoencoder, detector, or any transformer with
            `inverse_transform`, such as PCA or a Pipeline.

        X : {array-like, sequences}
            Samples in any container that the estimator accepts. For a detector with a
            `window_size`, one series.

        indices : array-like of int, default=None
            Samples to draw; by default the first four.

        sample_shape : tuple of int, default=None
            Shape of an image in a row of X, such as (28, 28), or (-1, n_channels) for
            sequences; by default that of the estimator.

        titles : list of str, default=None
            Titles of the drawn samples; by default their numbers.

        ax : matplotlib Axes, default=None
            Axes that the panels replace. If None, a new figure.

        Returns
        -------
        display : ReconstructionDisplay
            Display with the artists.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        if any(map(scores_time_steps, parts_of(estimator))):
            return cls._draw_series(estimator, X, titles, ax)
        how = layout_of(estimator, sample_shape)
        length = X.shape[0] if hasattr(X, "shape") else len(X)
        if indices is None:
            indices = range(min(MOST_SHOWN, length))
        indices = np.asarray(indices, dtype=int)
        X = _safe_indexing(X, indices)
        if titles is None:
            titles = [f"sample {index}" for index in indices]
        forecaster = forecaster_of(estimator)
        if forecaster is None:
            return cls._draw(X, reconstruct(estimator, X), how, titles, ax)
        rebuilt = None
        if objective_of(forecaster) == "composite":
            rebuilt = reconstruct(estimator, X)
        ahead = forecast(estimator, X), forecaster.model_.family.horizon is None
        return cls._draw(X, rebuilt, how, titles, ax, ahead)

    @classmethod
    def _draw_series(cls, estimator, X, titles, ax):
        one = one_series(X, caller=cls.__name__)
        rebuilt = np.asarray(reconstruct(estimator, one), dtype=np.float64)
        sample = np.asarray(one, dtype=np.float64)
        names = getattr(one, "columns", None)
        return cls(
            [sample.reshape(len(sample), -1)],
            [rebuilt.reshape(len(sample), -1)],
            kind="sequence",
            titles=["series"] if titles is None else titles,
            names=None if names is None else [str(name) for name in names],
        ).plot(ax=ax)

    @classmethod
    @reads_all_containers
    def from_reconstructions(
        cls, X, X_reconstructed, *, sample_shape=None, titles=None, ax=None
    ):
        """Draw samples and their reconstructions.

        Parameters
        ----------
        X, X_reconstructed : {array-like, sequences}
            Samples, all of which are drawn, and their reconstructions.

        sample_shape : tuple of int, default=None
            Shape of an image in a row of X, such as (28, 28), or (-1, n_channels) for
            sequences. If None, a 2-D X is a table.

        titles : list of str, default=None
            Titles of the samples; by default their numbers.

        ax : matplotlib Axes, default=None
            Axes that the panels replace. If None, a new figure.

        Returns
        -------
        display : ReconstructionDisplay
            Display with the artists.
        """
        check_matplotlib(f"{cls.__name__}.from_reconstructions")
        how = {"sample_shape": sample_shape, "sequences": False}
        return cls._draw(X, X_reconstructed, how, titles, ax)

    @classmethod
    def _draw(cls, X, X_reconstructed, how, titles, ax, ahead=None):
        samples, kind, names = read_samples(X, caller=cls.__name__, **how)
        if titles is None:
            titles = [f"sample {index}" for index in range(len(samples))]
        forecasts = starts = rebuilt = None
        if ahead is not None:
            forecasts, _, _ = read_samples(ahead[0], caller=cls.__name__, **how)
            starts = [1 if ahead[1] else len(sample) for sample in samples]
        if X_reconstructed is not None:
            rebuilt, _, _ = read_samples(X_reconstructed, caller=cls.__name__, **how)
            cls._check(samples, rebuilt, titles, same=forecasts is None)
        options = {"kind": kind, "titles": titles, "names": names}
        options |= {"forecasts": forecasts, "starts": starts}
        return cls(samples, rebuilt, **options).plot(ax=ax)

    @staticmethod
    def _check(samples, rebuilt, titles, same):
        shapes = [[item.shape for item in items] for items in (samples, rebuilt)]
        if not same:  # a forecaster may read only the last steps
            shapes = [[shape[1:] for shape in own] for own in shapes]
        if shapes[0] != shapes[1] or len(titles) != len(samples):
            raise ValueError(
                "X and X_reconstructed must hold samples of the same shapes, with one "
                f"title for each. Got shapes {shapes[0]} and {shapes[1]}, and "
                f"{len(titles)} title(s)."
            )

    def plot(self, ax=None):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes that the panels replace. If None, a new figure.

        Returns
        -------
        self : ReconstructionDisplay
            Display with the artists.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        self.sample_artists_, self.reconstruction_artists_ = [], []
        self.forecast_artists_ = []
        if self.kind == "image":
            self._plot_images(ax)
        else:
            self._plot_panels(ax)
        self.ax_ = self.axes_.flat[0]
        self.figure_ = self.ax_.figure
        return self

    def _plot_panels(self, ax):
        n = len(self.samples)
        n_columns = min(n, MOST_SHOWN)
        height = 2.8
        if self.kind == "row":
            height = 1 + 0.25 * min(len(self.samples[0]), MOST_NAMED)
        size = (max(3.0, 6.0 / n_columns), height)
        grid = panels(ax, -(-n // n_columns), n_columns, size=size, sharey=True)
        draw = {"sequence": self._plot_sequence, "row": self._plot_row}[self.kind]
        for panel in grid.flat[n:]:
            panel.set_axis_off()
        self.axes_ = np.array(grid.flat[:n])
        for number, panel in enumerate(self.axes_):
            draw(panel, number)
            panel.set_title(self.titles[number])
        for panel in grid[:, 0]:
            panel.set_ylabel("column" if self.kind == "row" else "value")
        handles, names = self._legend()
        if ax is None:  # below the panels, in as many columns as fit
            figure = self.axes_[0].figure
            n_columns = max(1, int(figure.get_figwidth() / ENTRY_WIDTH))
            options = {"loc": "outside lower center", "ncols": n_columns}
            figure.legend(handles, names, **options)
        else:
            self.axes_[0].legend(handles, names, fontsize="small")

    def _legend(self):
        drawn = {
            "sample": self.sample_artists_,
            "reconstruction": self.reconstruction_artists_,
            "forecast": self.forecast_artists_,
        }
        drawn = {name: artists[0] for name, artists in drawn.items() if artists}
        if self.kind == "row":
            return list(drawn.values()), list(drawn)
        channels = drawn.get("reconstruction") or drawn["forecast"]
        handles, names = [lines[0] for lines in drawn.values()], list(drawn)
        if len(channels) > 1:
            default = [f"channel {number}" for number in range(len(channels))]
            handles, names = handles + channels, names + (self.names or default)
        return handles, names

    def _plot_sequence(self, ax, number):
        sample = self.samples[number]
        one = sample.shape[1] == 1
        pale = {"alpha": 0.4, "lw": 3}
        if one:
            pale["color"] = ink()
        self.sample_artists_.append(_lines(ax, 0, sample, ls="-", **pale))
        if self.reconstructions is not None:
            rebuilt = self.reconstructions[number]
            lines = _lines(ax, len(sample) - len(rebuilt), rebuilt, lw=1.4)
            self.reconstruction_artists_.append(lines)
        if self.forecasts is not None:
            ahead = {"color": colours()[1]} if one else {}
            start, values = self.starts[number], self.forecasts[number]
            lines = _lines(ax, start, values, ls=AHEAD, lw=2, **ahead)
            self.forecast_artists_.append(lines)
        ax.set_xlabel("time step")

    def _plot_row(self, ax, number):
        sample, rebuilt = self.samples[number], self.reconstructions[number]
        columns = np.arange(len(sample))
        pale = {"color": ink(), "alpha": 0.5, "height": 0.4}
        self.sample_artists_.append(ax.barh(columns - 0.2, sample, **pale))
        self.reconstruction_artists_.append(
            ax.barh(columns + 0.2, rebuilt, color=colours()[0], height=0.4)
        )
        ax.set(xlabel="value", ylim=(len(columns) - 0.4, -0.6))  # the first on top
        if self.names is not None and len(columns) <= MOST_NAMED:
            ax.set_yticks(columns, self.names)

    def _plot_images(self, ax):
        n = len(self.samples)
        self.axes_ = panels(ax, 2, n, size=(1.6, 1.7))
        low = min(image.min() for image in self.samples)
        high = max(image.max() for image in self.samples)
        rows = [
            ("sample", self.samples, self.sample_artists_),
            ("reconstruction", self.reconstructions, self.reconstruction_artists_),
        ]
        for axes, (name, images, artists) in zip(self.axes_, rows, strict=True):
            axes[0].set_ylabel(name)
            for panel, image in zip(axes, images, strict=True):
                if image.ndim == 3 and image.shape[2] == 3:  # colors want [0, 1]
                    shown = np.clip((image - low) / max(high - low, 1e-12), 0, 1)
                    artists.append(panel.imshow(shown))
                else:
                    grey = {"cmap": "gray", "vmin": low, "vmax": high}
                    artists.append(panel.imshow(image, **grey))
                panel.set(xticks=[], yticks=[])
        for panel, title in zip(self.axes_[0], self.titles, strict=True):
            panel.set_title(title)


def _lines(ax, start, values, **style):
    """Draw each channel in its color, from a time step on."""
    lines = []
    for channel, series in enumerate(values.T):
        own = {"color": colours()[channel % 4], "ls": LINES[channel // 4 % len(LINES)]}
        steps = np.arange(start, start + len(series))
        lines.extend(ax.plot(steps, series, **{**own, **style}))
    return lines
