"""Plots along the time steps of a series: shaded intervals and dates."""

import numpy as np

from sklearn_seqae.displays._canvas import colours, ink, scale_of_colours

MOST_OUTLINED = 200  # runs
MOST_NAMES = 10  # along an axis
FLAT = 0.1  # range of a channel relative to that of all, below which it looks flat


def edges_of(ax, times):
    """Return half a step before and after each time, in the units of the axis."""
    places = np.asarray(ax.convert_xunits(times), dtype=float)
    steps = np.diff(places) if len(places) > 1 else np.ones(1)
    left = places - np.append(steps[:1], steps[: len(places) - 1]) / 2
    right = places + np.append(steps[: len(places) - 1], steps[-1:]) / 2
    return left, right


def shade(panels, times, flags, **style):
    """Shade each run of flagged steps, from half a step before to one after.

    Shades have an outline, so that one step of many thousands is visible. If there are
    very many runs, the outlines would cover the panel and are omitted.

    Parameters
    ----------
    panels : list of Axes
        Axes. A legend of the first one names the shades.

    times : ndarray of shape (n_steps,)
        Times of the steps.

    flags : ndarray of bool of shape (n_steps,)
        Steps to shade.

    **style
        Label, color and alpha.

    Returns
    -------
    spans : list of Artist
        One span for each run in each panel.
    """
    left, right = edges_of(panels[0], times)
    change = np.diff(flags.astype(int), prepend=0, append=0)
    starts, ends = np.flatnonzero(change > 0), np.flatnonzero(change < 0)
    style["lw"] = 0.8 if len(starts) <= MOST_OUTLINED else 0
    spans = []
    for start, end in zip(starts, ends, strict=True):
        for panel in panels:
            spans.append(panel.axvspan(left[start], right[end - 1], **style))
            style["label"] = None  # once in the legend
    return spans


def plot_channels(ax, times, series, names):
    """Draw each channel of a series.

    A few channels have different colors on one axis. Many channels, or channels with
    very different ranges, are drawn one above the other, each in its own range.
    """
    series = series.reshape(len(series), -1)
    n_channels = series.shape[1]
    if names is None:
        several = [f"x{channel}" for channel in range(n_channels)]
        names = several if n_channels > 1 else ["series"]
    blue, _, green, purple = colours()  # orange is for alarms
    looks = [ink(), green, purple, blue]
    if n_channels > len(looks) or _some_look_flat(series):
        _plot_lanes(ax, times, series, names)
        return
    for values, name, colour in zip(series.T, names, looks, strict=False):
        ax.plot(times, values, color=colour, lw=1, label=str(name))
    ax.set_ylabel(str(names[0]) if n_channels == 1 else "series")
    if n_channels > 1:
        legend_above(ax)


def _ranges_of(series):
    """Return the lowest and the highest value of each channel, 0 without any."""
    low, high = np.fmin.reduce(series), np.fmax.reduce(series)
    return np.nan_to_num(low), np.nan_to_num(high)


def _some_look_flat(series):
    """Return whether a channel that varies would look flat on the axis of all."""
    low, high = _ranges_of(series.astype(float))
    ranges = high - low
    return bool((ranges[ranges > 0] < FLAT * (high.max() - low.min())).any())


def _plot_lanes(ax, times, series, names):
    """Draw channels one above the other, the first one at the top."""
    series = series.astype(float)
    low, high = _ranges_of(series)
    middle, ranges = (low + high) / 2, np.where(high > low, high - low, 1)
    n_channels = len(ranges)
    lanes = np.arange(n_channels)
    heights = lanes - 0.8 * (series - middle) / ranges  # the axis is inverted
    ax.plot(times, heights, color=ink(), lw=0.8 if n_channels <= MOST_NAMES else 0.5)
    name_rows(ax, names, n_channels)
    ax.set_ylim(n_channels - 0.4, -0.6)
    ax.set_ylabel("own ranges")


def plot_heat_map(ax, times, features, names):
    """Draw the contribution of each feature at each step as a heat map."""
    left, right = edges_of(ax, times)
    n_features = features.shape[1]
    # The square root: otherwise one large alarm would hide all others.
    heat_map = ax.pcolormesh(
        np.append(left, right[-1:]),
        np.arange(n_features + 1) - 0.5,
        np.sqrt(np.maximum(features, 0)).T,
        cmap=scale_of_colours(),
        rasterized=True,
    )
    if names is None:
        names = [f"x{number}" for number in range(n_features)]
    name_rows(ax, names, n_features)
    ax.invert_yaxis()
    # Beside the axes, so that all panels have the same width.
    place = ax.inset_axes([1.01, 0, 0.015, 1])
    ax.figure.colorbar(heat_map, cax=place, label="contribution")
    return heat_map


def name_rows(ax, names, n_rows):
    """Write the names of rows 0, 1, ... beside the axes, or some of many."""
    shown = np.unique(np.linspace(0, n_rows - 1, MOST_NAMES).astype(int))
    ax.set_yticks(shown, [str(names[number]) for number in shown])


def legend_above(ax, *entries):
    """Put the legend above the axes, so that it hides no data."""
    ax.legend(
        *entries,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        borderaxespad=0,
        columnspacing=1.5,
        handlelength=1.5,
        fontsize="small",
        ncols=4,
        frameon=False,
    )


def write_dates_short(axis):
    """Use a concise date format if an axis has dates."""
    from matplotlib.dates import ConciseDateFormatter, DateLocator

    locator = axis.get_major_locator()
    if isinstance(locator, DateLocator):
        axis.set_major_formatter(ConciseDateFormatter(locator, tz=locator.tz))
