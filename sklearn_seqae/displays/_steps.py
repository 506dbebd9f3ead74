"""Plots along the time steps of a series: shaded intervals and dates."""

import numpy as np

from sklearn_seqae.displays._canvas import colours, ink, scale_of_colours

MOST_OUTLINED = 200  # runs


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
        Label, colour and alpha.

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
    """Draw each channel of a series. A few channels have different colours."""
    series = series.reshape(len(series), -1)
    n_channels = series.shape[1]
    if names is None:
        several = [f"x{channel}" for channel in range(n_channels)]
        names = several if n_channels > 1 else ["series"]
    blue, _, green, purple = colours()  # orange is for alarms
    looks = [ink(), green, purple, blue]
    if n_channels > len(looks):
        ax.plot(times, series, color=ink(), lw=0.6, alpha=0.5)
    else:
        for values, name, colour in zip(series.T, names, looks, strict=False):
            ax.plot(times, values, color=colour, lw=1, label=str(name))
    ax.set_ylabel(str(names[0]) if n_channels == 1 else "series")
    if 1 < n_channels <= len(looks):
        legend_above(ax)


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
    shown = np.unique(np.linspace(0, n_features - 1, 10).astype(int))
    ax.set_yticks(shown, [str(names[number]) for number in shown])
    ax.invert_yaxis()
    # Beside the axes, so that all panels have the same width.
    place = ax.inset_axes([1.01, 0, 0.015, 1])
    ax.figure.colorbar(heat_map, cax=place, label="contribution")
    return heat_map


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
