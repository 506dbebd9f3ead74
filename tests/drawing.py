"""What the tests of displays read from matplotlib's artists, and of diagrams."""

import pytest
from sklearn.base import BaseEstimator

with_attributes = pytest.mark.skipif(
    not hasattr(BaseEstimator, "_get_fitted_attr_html"),
    reason="the diagrams of this scikit-learn have no fitted attributes",
)


def data_of(line):
    return line.get_xdata(), line.get_ydata()


def limits_of(span):
    """Return where a vertical span begins and ends. It is a polygon before 3.9."""
    box = span.get_path().transformed(span.get_patch_transform()).get_extents()
    return box.x0, box.x1


def legend_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]
