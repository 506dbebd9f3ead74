"""What the tests of displays read from matplotlib's artists."""


def data_of(line):
    return line.get_xdata(), line.get_ydata()


def legend_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]
