"""Shared parts of the displays: import of matplotlib, colors, panels."""

import numpy as np

# Okabe and Ito's palette for the color-blind: blue, orange, green and purple, which
# have enough contrast.
ON_LIGHT = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
ON_DARK = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":")
MOST_LETTERS = 24  # of a name


def check_matplotlib(caller):
    """Raise an ImportError that names the extra if matplotlib is missing."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{caller} requires matplotlib. You can install matplotlib with "
            "`pip install 'sklearn-seqae[plot]'`"
        ) from error


def ink():
    """Return the color of text: dark in light styles, light in dark ones."""
    import matplotlib as mpl

    return mpl.rcParams["text.color"]


def is_dark():
    """Return whether the current style is dark."""
    from matplotlib.colors import to_rgb

    return sum(to_rgb(ink())) > 1.5


def colours():
    """Return four colors for the current style, light or dark."""
    return ON_DARK if is_dark() else ON_LIGHT


def scale_of_colours():
    """Return viridis without the end that has no contrast to the background."""
    import matplotlib as mpl
    from matplotlib.colors import ListedColormap

    ends = (0.3, 1.0) if is_dark() else (0.0, 0.9)
    return ListedColormap(mpl.colormaps["viridis"](np.linspace(*ends, 256)))


def colour_and_marker(number):
    """Return the color and the marker of a category; 28 pairs are distinct."""
    return colours()[number % 4], MARKERS[number % len(MARKERS)]


def new_or_given(ax):
    """Return `ax`, or the axes of a new figure if it is None."""
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained")[1] if ax is None else ax


def panels(ax, n_rows, n_columns, *, size, **options):
    """Return an array of axes, in a new figure or in place of given axes.

    Parameters
    ----------
    ax : matplotlib Axes or None
        Axes that the panels replace. It is not drawn.

    n_rows, n_columns : int
        Shape of the array.

    size : tuple of float
        Width and height of a panel in a new figure, in inches.

    **options
        Options of matplotlib's `subplots`.
    """
    import matplotlib.pyplot as plt
    from matplotlib.gridspec import GridSpec

    if ax is None:
        width, height = size
        figure = plt.figure(
            figsize=(n_columns * width, n_rows * height), layout="constrained"
        )
        return figure.subplots(n_rows, n_columns, squeeze=False, **options)
    ax.set_axis_off()
    place = ax.get_subplotspec()
    if place is None:  # placed by coordinates
        left, bottom, right, top = ax.get_position().extents
        edges = {"left": left, "bottom": bottom, "right": right, "top": top}
        grid = GridSpec(n_rows, n_columns, figure=ax.figure, **edges)
    else:
        grid = place.subgridspec(n_rows, n_columns)
    return grid.subplots(squeeze=False, **options)


def diverging_colours():
    """Return a color map from blue over the background, which is 0, to orange."""
    import matplotlib as mpl
    from matplotlib.colors import LinearSegmentedColormap

    blue, orange, *_ = colours()
    ground = mpl.rcParams["axes.facecolor"]
    return LinearSegmentedColormap.from_list("loadings", [blue, ground, orange])


def short(name):
    """Return a name as text, without the middle of a long one."""
    text, half = str(name), MOST_LETTERS // 2
    return text if len(text) <= MOST_LETTERS else f"{text[:half]}…{text[-half + 1 :]}"


def name_of_feature(key):
    """Return a name for an entry of an index of features, such as "x0, step 3"."""
    if not isinstance(key, tuple):
        return str(key)
    if len(key) == 2:
        return f"{key[1]}, step {key[0]}"
    return ", ".join(str(level) for level in key)


def outline():
    """Return an outline of text in the color of the background."""
    import matplotlib as mpl
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=2.5, foreground=mpl.rcParams["axes.facecolor"])]
