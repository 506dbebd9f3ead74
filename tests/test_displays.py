"""What the displays draw, and whom they refuse."""

import builtins

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import AutoencoderAnomalyDetector, displays
from sklearn_seqae.displays import (
    AnomalyScoreDisplay,
    ExplainedVarianceDisplay,
    LatentSpaceDisplay,
    LoadingsDisplay,
    LossCurveDisplay,
    ReconstructionDisplay,
    TraversalDisplay,
    _canvas,
)
from tests.drawing import data_of, legend_of
from tests.instances import dense

pytestmark = pytest.mark.usefixtures("pyplot")


class Ordered:
    """Looks like an ordered autoencoder after fit."""

    explained_variance_ratio_ = np.array([0.6, 0.3, 0.05])
    pca_explained_variance_ratio_ = np.array([0.5, 0.2, 0.1])

    def fit(self, X, y=None):
        return self


def luminance(colour):
    """Relative luminance as WCAG 2 defines it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    ]
    return np.dot(linear, [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize(
    ("colours", "ground"),
    [(_canvas.ON_LIGHT, "#ffffff"), (_canvas.ON_DARK, "#111111")],
    ids=["light", "dark"],
)
def test_colours_stand_out_from_the_ground(colours, ground):
    for colour in colours:
        dark, light = sorted([luminance(colour), luminance(ground)])
        assert (light + 0.05) / (dark + 0.05) >= 2.9


def test_colours_follow_the_style(pyplot):
    with pyplot.style.context("dark_background"):
        display = ExplainedVarianceDisplay.from_ratios([0.5], [0.4])
        assert display.line_.get_color() == _canvas.ON_DARK[0]
        assert display.pca_line_.get_color() == "white"
    display = ExplainedVarianceDisplay.from_ratios([0.5], [0.4])
    assert display.line_.get_color() == _canvas.ON_LIGHT[0]
    assert display.pca_line_.get_color() == "black"


# ExplainedVarianceDisplay


def test_explained_variance_is_cumulated_beside_that_of_pca():
    display = ExplainedVarianceDisplay.from_estimator(Ordered())
    sizes, total = data_of(display.line_)
    np.testing.assert_array_equal(sizes, [1, 2, 3])
    np.testing.assert_allclose(total, [0.6, 0.9, 0.95])
    np.testing.assert_allclose(data_of(display.pca_line_)[1], [0.5, 0.7, 0.8])
    assert legend_of(display.ax_) == ["Ordered", "PCA"]
    assert display.ax_.get_xlabel() == "number of components"
    assert display.ax_.get_ylabel() == "explained variance, cumulative"
    assert display.figure_ is display.ax_.figure


def test_explained_variance_of_pca_itself_is_one_curve():
    X = np.random.RandomState(0).normal(size=(20, 3))
    display = ExplainedVarianceDisplay.from_estimator(PCA().fit(X), name="all of it")
    assert data_of(display.line_)[1][-1] == pytest.approx(1)
    assert display.pca_line_ is None
    assert legend_of(display.ax_) == ["all of it"]


def test_explained_variance_below_zero_is_shown():
    display = ExplainedVarianceDisplay.from_ratios([-0.2, 0.5])
    assert display.ax_.get_ylim() == (-0.2, 1)


def test_explained_variance_wants_ratios_of_one_length():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ExplainedVarianceDisplay.from_ratios([0.5, 0.2], [0.3])
    with pytest.raises(ValueError, match="y should be a 1d array"):
        ExplainedVarianceDisplay.from_ratios([[0.5, 0.2], [0.3, 0.1]])


@pytest.mark.parametrize(
    "wrap",
    [lambda e: make_pipeline(StandardScaler(), e), FrozenEstimator],
    ids=["Pipeline", "FrozenEstimator"],
)
def test_the_estimator_is_found_inside_of_others(wrap):
    display = ExplainedVarianceDisplay.from_estimator(wrap(Ordered()))
    assert legend_of(display.ax_) == ["Ordered", "PCA"]


# LossCurveDisplay


def test_losses_are_drawn_by_epoch_with_the_best_one_marked(digits):
    model = dense(max_iter=4).fit(digits.reshape(60, -1))
    display = LossCurveDisplay.from_estimator(model)
    epochs, losses = data_of(display.validation_line_)
    np.testing.assert_array_equal(epochs, np.arange(model.n_iter_ + 1))
    np.testing.assert_array_equal(losses, model.validation_loss_curve_)
    assert np.argmin(losses) == model.best_epoch_ or model.best_epoch_ == 0
    assert display.best_line_.get_xdata() == [model.best_epoch_] * 2
    epochs, losses = data_of(display.training_line_)
    np.testing.assert_array_equal(epochs, np.arange(1, model.n_iter_ + 1))
    np.testing.assert_array_equal(losses, model.loss_curve_)
    assert f"best: epoch {model.best_epoch_}" in legend_of(display.ax_)
    assert display.ax_.get_xlabel() == "epoch"
    assert display.ax_.get_ylabel() == "loss"


def test_without_held_out_rows_the_training_loss_is_alone(digits):
    model = dense(max_iter=4, early_stopping=False).fit(digits.reshape(60, -1))
    display = LossCurveDisplay.from_estimator(model)
    epochs, losses = data_of(display.training_line_)
    np.testing.assert_array_equal(epochs, [1, 2, 3, 4])
    np.testing.assert_array_equal(losses, model.loss_curve_)
    assert display.validation_line_ is display.best_line_ is None
    assert legend_of(display.ax_) == ["training"]


@pytest.mark.parametrize(
    ("losses", "scale"),
    [([1.0, 0.5], "linear"), ([1.0, 0.05], "log"), ([1.0, 0.0], "linear")],
)
def test_the_scale_is_logarithmic_where_it_helps(losses, scale):
    assert LossCurveDisplay.from_losses(losses).ax_.get_yscale() == scale


# All of them

DRAW = {
    "AnomalyScoreDisplay": lambda ax: AnomalyScoreDisplay.from_scores(
        [-1, -2, -3], threshold=-2.5, labels=[0, 0, 1], series=[0, 1, 2], ax=ax
    ),
    "ExplainedVarianceDisplay": lambda ax: ExplainedVarianceDisplay.from_ratios(
        [0.5, 0.2], ax=ax
    ),
    "LatentSpaceDisplay": lambda ax: LatentSpaceDisplay.from_codes(
        np.eye(4), ["a", "b", "c", "d"], ax=ax
    ),
    "LatentSpaceDisplay in space": lambda ax: LatentSpaceDisplay.from_codes(
        np.eye(3), ["a", "b", "c"], ax=ax
    ),
    "LoadingsDisplay": lambda ax: LoadingsDisplay.from_loadings(
        pd.DataFrame(np.eye(3)), ax=ax
    ),
    "LoadingsDisplay as a heat map": lambda ax: LoadingsDisplay.from_loadings(
        pd.DataFrame(np.eye(40, 2)), ax=ax
    ),
    "LossCurveDisplay": lambda ax: LossCurveDisplay.from_losses([2, 1], ax=ax),
    "ReconstructionDisplay": lambda ax: ReconstructionDisplay.from_reconstructions(
        np.eye(5), np.eye(5), ax=ax
    ),
    "ReconstructionDisplay of images": lambda ax: (
        ReconstructionDisplay.from_reconstructions(
            np.eye(4), np.eye(4), sample_shape=(2, 2), ax=ax
        )
    ),
    "TraversalDisplay": lambda ax: TraversalDisplay.from_estimator(
        PCA(2).fit(np.eye(4)), np.eye(4), ax=ax
    ),
}


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_displays_draw_on_given_axes_and_again(draw, pyplot):
    figure, (left, right) = pyplot.subplots(1, 2)
    placed = figure.add_axes([0.5, 0.5, 0.2, 0.2])
    display = draw(left)
    assert display.figure_ is figure
    half = figure.get_size_inches()[0] * figure.dpi / 2
    assert display.ax_.get_window_extent().x1 <= half
    for ax in (right, placed):
        assert display.plot(ax=ax) is display
        assert display.ax_.get_window_extent().x0 >= half * 0.99
    figure.canvas.draw()


def test_every_display_is_tested():
    assert {name.partition(" ")[0] for name in DRAW} == set(displays.__all__)
    assert {display.__name__ for display, *_ in LACKING} == set(displays.__all__)


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_without_matplotlib_the_extra_is_named(draw, monkeypatch):
    load = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return load(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r"requires matplotlib.*seqae\[plot\]"):
        draw(None)


X = np.array([[0.0], [1.0]])
LACKING = [
    (AnomalyScoreDisplay, (X,), "score_samples. Pass a fitted outlier detector"),
    (ExplainedVarianceDisplay, (), "explained_variance_ratio_. Fit an autoencoder"),
    (LatentSpaceDisplay, (X,), "transform. Pass a fitted transformer"),
    (LoadingsDisplay, (), "loadings, components_. Pass a fitted autoencoder, or PCA"),
    (LossCurveDisplay, (), "loss_curve_. Pass an estimator that records its loss"),
    (ReconstructionDisplay, (X,), "reconstruct, inverse_transform. Pass a fitted"),
    (TraversalDisplay, (X,), "inverse_transform. Pass a fitted autoencoder"),
]


@pytest.mark.parametrize(("display", "data", "message"), LACKING)
def test_an_estimator_that_lacks_what_is_drawn_is_refused(display, data, message):
    with pytest.raises(NotFittedError, match="This Ridge instance is not fitted yet"):
        display.from_estimator(Ridge(), *data)
    ridge = Ridge().fit(X, X.ravel())
    message = f"Ridge has none of the following attributes: {message}"
    with pytest.raises(AttributeError, match=message):
        display.from_estimator(ridge, *data)


@pytest.mark.parametrize(("display", "data", "message"), LACKING)
def test_an_autoencoder_must_be_fitted(display, data, message):
    model = AutoencoderAnomalyDetector() if "score_samples" in message else dense()
    with pytest.raises(NotFittedError):
        display.from_estimator(model, *data)


def test_an_autoencoder_without_order_has_no_explained_variances(wine):
    with pytest.raises(AttributeError, match="bottleneck='ordered'"):
        ExplainedVarianceDisplay.from_estimator(dense(max_iter=1).fit(wine))


@pytest.mark.parametrize("n_components", [3, 0.5])
def test_an_ordered_code_is_drawn_beside_pca(n_components, wine):
    model = dense(n_components, bottleneck="ordered", max_iter=2).fit(wine)
    display = ExplainedVarianceDisplay.from_estimator(model)
    sizes, total = data_of(display.line_)
    assert sizes[-1] == model.n_components_
    assert total[-1] == pytest.approx(model.explained_variance_ratio_.sum())
    assert legend_of(display.ax_) == ["DenseAutoencoderTransformer", "PCA"]
