"""What the displays draw of components: loadings, biplots and traversals."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import AutoencoderAnomalyDetector, SequenceScaler
from sklearn_seqae.displays import (
    LatentSpaceDisplay,
    LoadingsDisplay,
    TraversalDisplay,
)
from tests.drawing import legend_of
from tests.instances import convolutional, dense, recurrent

pytestmark = pytest.mark.usefixtures("pyplot")

LONG = "a very long name of a measurement: "


@pytest.fixture(scope="module")
def table():
    return load_wine(as_frame=True).data


def names_of(ax):
    return [text.get_text() for text in ax.get_yticklabels()]


# LoadingsDisplay


def test_few_features_are_bars_with_their_names(table):
    model = make_pipeline(StandardScaler(), dense(early_stopping=False)).fit(table)
    display = LoadingsDisplay.from_estimator(model, table)
    loadings = model[-1].loadings(model[0].transform(table))
    for panel, (_, column) in enumerate(loadings.items()):
        widths = [bar.get_width() for bar in display.artists_[panel]]
        np.testing.assert_allclose(widths, column)
    assert [ax.get_title() for ax in display.axes_] == ["component 1", "component 2"]
    assert names_of(display.ax_)[:2] == ["alcohol", "malic_acid"]
    assert display.ax_.get_ylim() == (12.6, -0.6)  # the first feature is on top
    assert display.colorbar_ is None


def test_many_features_are_a_heat_map_around_0():
    values = np.random.RandomState(0).normal(size=(300, 3))
    loadings = pd.DataFrame(values, index=[f"{LONG}{i}" for i in range(300)])
    display = LoadingsDisplay.from_loadings(loadings)
    image = display.artists_[0]
    np.testing.assert_array_equal(image.get_array(), values)
    assert image.get_clim() == (-np.abs(values).max(), np.abs(values).max())
    assert len(names_of(display.ax_)) == 20
    assert names_of(display.ax_)[-1] == "a very long …rement: 299"
    assert display.colorbar_.ax.get_ylabel() == "loading"


def test_sequences_are_a_line_for_each_channel(digits):
    model = recurrent(2, early_stopping=False).fit(digits)
    display = LoadingsDisplay.from_estimator(model, digits)
    values = model.loadings(digits).to_numpy().reshape(8, 3, 2)
    for component, lines in enumerate(display.artists_):
        for channel, line in enumerate(lines):
            np.testing.assert_array_equal(line.get_xdata(), np.arange(8))
            np.testing.assert_allclose(line.get_ydata(), values[:, channel, component])
    names = [text.get_text() for text in display.figure_.legends[0].get_texts()]
    assert names == ["x0", "x1", "x2"]
    assert display.ax_.get_ylabel() == "loading"


def test_many_channels_are_a_heat_map_in_their_order():
    values = np.random.RandomState(0).normal(size=(4, 12, 1))
    index = pd.MultiIndex.from_product(
        [range(4), [f"x{i}" for i in range(12)]], names=["step", "channel"]
    )
    loadings = pd.DataFrame(values.reshape(48, 1), index=index)
    display = LoadingsDisplay.from_loadings(loadings)
    np.testing.assert_array_equal(display.artists_[0].get_array(), values[:, :, 0].T)
    assert names_of(display.ax_) == [f"x{i}" for i in range(12)]


@pytest.mark.parametrize("n_channels", [1, 3])
def test_images_are_drawn_as_images(digits, n_channels):
    images = np.repeat(digits[..., None], n_channels, axis=3)
    model = convolutional(2, early_stopping=False).fit(images)
    display = LoadingsDisplay.from_estimator(model)
    expected = model.loadings().to_numpy().reshape(8, 3, n_channels, 2)
    drawn = [image.get_array() for image in display.artists_]
    for number, image in enumerate(drawn):
        channel, component = divmod(number, 2)
        np.testing.assert_array_equal(image, expected[:, :, channel, component])
    assert display.ax_.get_aspect() == 1


@pytest.mark.parametrize(
    "wrap",
    [
        clone,
        lambda e: make_pipeline(StandardScaler(), e),
        lambda e: GridSearchCV(e, {"random_state": [0]}, cv=2),
        lambda e: AutoencoderAnomalyDetector(e, scaler="standard"),
    ],
    ids=["alone", "Pipeline", "GridSearchCV", "detector"],
)
def test_the_autoencoder_is_found_inside_of_others(wrap, wine):
    display = LoadingsDisplay.from_estimator(wrap(dense()).fit(wine), wine)
    assert display.loadings.shape == (13, 2)
    assert len(display.artists_) == 2


def test_pca_has_loadings_too(table):
    display = LoadingsDisplay.from_estimator(PCA(2).fit(table))
    widths = [bar.get_width() for bar in display.artists_[0]]
    np.testing.assert_array_equal(widths, PCA(2).fit(table).components_[0])
    assert names_of(display.ax_)[0] == "alcohol"


def test_components_are_chosen(wine):
    model = dense(5, early_stopping=False).fit(wine)
    display = LoadingsDisplay.from_estimator(model, components=[4, 0])
    assert [ax.get_title() for ax in display.axes_] == ["component 5", "component 1"]
    assert len(LoadingsDisplay.from_estimator(model).axes_) == 4
    with pytest.raises(ValueError, match=r"int values in \[0, 5\).*Got \[5\]"):
        LoadingsDisplay.from_estimator(model, components=[5])


# The biplot


@pytest.mark.parametrize("estimator", [PCA(3), dense(3, early_stopping=False)])
def test_the_biplot_has_arrows_along_the_loadings(estimator, table):
    model = make_pipeline(StandardScaler(), clone(estimator)).fit(table)
    display = LatentSpaceDisplay.from_estimator(
        model, table, loadings=True, components=[2, 0]
    )
    loadings = display.loadings.to_numpy()[:, [2, 0]]
    lengths = np.hypot(*loadings.T)
    assert len(display.arrows_) == 8
    longest = np.argsort(-lengths)[:8]
    assert list(display.arrows_) == list(table.columns[longest])
    arrows = display.arrows_.values()
    moves = np.array([np.subtract(arrow.xy, arrow.xyann) for arrow in arrows])
    factor = moves[0] / loadings[longest[0]]
    assert factor[0] == pytest.approx(factor[1]) and factor[0] > 0
    np.testing.assert_allclose(moves, factor * loadings[longest], rtol=1e-6)
    for arrow in arrows:  # inside the panel
        low, high = np.transpose([display.ax_.get_xlim(), display.ax_.get_ylim()])
        assert (low < arrow.xy).all() and (arrow.xy < high).all()


def test_the_names_of_arrows_do_not_overlap(pyplot):
    random = np.random.RandomState(0)
    codes, names = random.normal(size=(50, 2)), [f"{LONG}{i}" for i in range(300)]
    loadings = pd.DataFrame(random.normal(size=(300, 2)), index=names)
    loadings.iloc[:5] = [3, 3]
    display = LatentSpaceDisplay.from_codes(codes, loadings=loadings)
    display.figure_.canvas.draw()
    boxes = [text.get_window_extent() for text in display.ax_.texts if text.get_text()]
    assert len(boxes) == 8
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])


def test_features_of_sequences_are_named_by_channel_and_step(digits):
    model = recurrent(2, early_stopping=False).fit(digits)
    display = LatentSpaceDisplay.from_estimator(model, digits, loadings=True)
    names = {f"x{channel}, step {step}" for step in range(8) for channel in range(3)}
    assert set(display.arrows_) < names


@pytest.mark.parametrize("components", [None, [0], [0, 1, 2]])
def test_the_biplot_has_two_components(wine, components):
    model = dense(3, early_stopping=False).fit(wine)
    with pytest.raises(ValueError, match=r"two components.*components=\[0, 1\]"):
        LatentSpaceDisplay.from_estimator(
            model, wine, loadings=True, components=components
        )


# TraversalDisplay


def codes_along(codes, component):
    moved = np.tile(np.median(codes, axis=0), (7, 1))
    quantiles = np.linspace(0.05, 0.95, 7)
    moved[:, component] = np.quantile(codes[:, component], quantiles)
    return moved


def test_rows_change_in_standard_deviations(table):
    model = make_pipeline(StandardScaler(), dense(early_stopping=False)).fit(table)
    display = TraversalDisplay.from_estimator(model, table)
    codes = model.transform(table)
    for component, points in enumerate(display.artists_):
        decoded = model.inverse_transform(codes_along(codes, component))
        changes = (decoded - decoded[3]) / table.to_numpy().std(axis=0)
        drawn = [each.get_offsets()[:, 0] for each in points]
        np.testing.assert_allclose(drawn, changes, rtol=1e-4, atol=1e-4)
    assert names_of(display.ax_)[0] == "alcohol"
    assert display.ax_.get_xlabel() == "change / std"
    assert display.colorbar_.ax.get_ylabel() == "quantile of the component"


@pytest.mark.parametrize("n_features", [3, 300])
def test_the_features_that_change_most_are_drawn(n_features):
    random = np.random.RandomState(0)
    X = random.normal(size=(60, 2)) @ random.normal(size=(2, n_features))
    X[:, 1] = 7.0
    display = TraversalDisplay.from_estimator(PCA(2).fit(X), X)
    assert len(names_of(display.ax_)) == min(n_features, 30)
    if n_features > 30:
        assert "x1" not in names_of(display.ax_)


@pytest.mark.parametrize("scaled", [False, True])
def test_sequences_are_lines_also_of_several_lengths(ragged, scaled):
    model = recurrent(2, early_stopping=False)
    model = make_pipeline(SequenceScaler(), model) if scaled else model
    model.fit(ragged)
    display = TraversalDisplay.from_estimator(model, ragged)
    assert display.axes_.shape == (2, 3)
    decoded = model.inverse_transform(codes_along(model.transform(ragged), 1))
    drawn = [line.get_ydata() for line in display.artists_[1]]
    expected = [item[:, channel] for channel in range(3) for item in decoded]
    np.testing.assert_allclose(drawn, expected, rtol=1e-5, atol=1e-6)
    assert display.axes_[1, 0].get_ylabel() == "component 2"
    assert display.axes_[0, 2].get_title() == "x2"


@pytest.mark.parametrize("n_channels", [1, 3])
def test_images_are_a_row_for_each_component(digits, n_channels):
    images = np.repeat(digits[..., None], n_channels, axis=3)
    model = convolutional(2, early_stopping=False).fit(images)
    display = TraversalDisplay.from_estimator(model, images)
    assert display.axes_.shape == (2, 7)
    assert display.ax_.get_title() == "5%"
    decoded = model.inverse_transform(codes_along(model.transform(images), 0))
    shown = display.artists_[0][6].get_array()
    if n_channels == 1:
        np.testing.assert_allclose(shown, decoded[6, :, :, 0], rtol=1e-5, atol=1e-6)
    else:
        assert shown.shape == (8, 3, 3) and 0 <= shown.min() <= shown.max() <= 1


def test_flat_rows_of_images_are_drawn_as_images(digits):
    rows = digits.reshape(60, 24)
    display = TraversalDisplay.from_estimator(
        PCA(2).fit(rows), rows, sample_shape=(8, 3)
    )
    assert display.artists_[0][0].get_array().shape == (8, 3)


def test_a_legend_or_names_are_missing_where_there_is_one_channel(digits):
    model = recurrent(2, early_stopping=False).fit(digits[:, :, :1])
    display = LoadingsDisplay.from_estimator(model)
    assert not display.figure_.legends
    display = TraversalDisplay.from_estimator(model, digits[:, :, :1])
    assert display.ax_.get_title() == ""


def test_on_given_axes_the_legend_is_inside(digits, pyplot):
    model = recurrent(2, early_stopping=False).fit(digits)
    ax = pyplot.subplots()[1]
    display = LoadingsDisplay.from_estimator(model, ax=ax)
    assert legend_of(display.ax_) == ["x0", "x1", "x2"]
