"""What the displays draw of samples: reconstructions, codes and scores."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import AutoencoderAnomalyDetector, SequenceScaler
from sklearn_seqae.displays import (
    AnomalyScoreDisplay,
    LatentSpaceDisplay,
    ReconstructionDisplay,
)
from tests.drawing import legend_of, limits_of
from tests.instances import convolutional, recurrent

pytestmark = pytest.mark.usefixtures("pyplot")


# ReconstructionDisplay


def test_series_lie_under_their_reconstructions(ragged):
    model = recurrent().fit(ragged)
    display = ReconstructionDisplay.from_estimator(model, ragged, indices=[3, 7])
    assert [ax.get_title() for ax in display.axes_] == ["sample 3", "sample 7"]
    rebuilt = model.reconstruct([ragged[3], ragged[7]])
    for panel, (number, output) in enumerate(zip([3, 7], rebuilt, strict=True)):
        for channel in range(3):
            drawn = display.sample_artists_[panel][channel].get_ydata()
            np.testing.assert_allclose(drawn, ragged[number][:, channel])
            drawn = display.reconstruction_artists_[panel][channel].get_ydata()
            np.testing.assert_allclose(drawn, output[:, channel])
    colours = {line.get_color() for line in display.reconstruction_artists_[0]}
    assert len(colours) == 3
    names = [text.get_text() for text in display.figure_.legends[0].get_texts()]
    assert names[:2] == ["sample", "reconstruction"]
    assert names[2:] == ["channel 0", "channel 1", "channel 2"]
    assert display.ax_.get_xlabel() == "time step"


def test_channels_beyond_the_colours_differ_in_line_style():
    X = np.random.RandomState(0).normal(size=(1, 4, 6))
    display = ReconstructionDisplay.from_reconstructions(X, X)
    looks = [(n.get_color(), n.get_ls()) for n in display.reconstruction_artists_[0]]
    assert len(set(looks)) == 6


@pytest.mark.parametrize("objective", ["predict", "composite"])
@pytest.mark.parametrize("horizon", [None, 3])
def test_a_forecast_goes_on_in_another_line_style(digits, objective, horizon):
    options = {"objective": objective, "horizon": horizon, "max_iter": 1}
    model = make_pipeline(SequenceScaler(), recurrent(**options)).fit(digits)
    display = ReconstructionDisplay.from_estimator(model, digits, indices=[5])
    scaler, autoencoder = (step for _, step in model.steps)
    ahead = scaler.inverse_transform(autoencoder.predict(scaler.transform(digits[5:6])))
    start = 1 if horizon is None else digits.shape[1]
    for channel, line in enumerate(display.forecast_artists_[0]):
        np.testing.assert_allclose(line.get_ydata(), ahead[0, :, channel], rtol=1e-5)
        assert line.get_xdata()[0] == start
        assert line.get_linestyle() != display.sample_artists_[0][0].get_linestyle()
    rebuilt = display.reconstruction_artists_
    assert bool(rebuilt) == (objective == "composite")
    if rebuilt:  # of the steps that are read, the last
        assert rebuilt[0][0].get_xdata()[-1] == digits.shape[1] - 1
    names = [text.get_text() for text in display.figure_.legends[0].get_texts()]
    assert "forecast" in names and ("reconstruction" in names) == bool(rebuilt)


def test_rows_of_flat_series_are_series_to_an_estimator_that_reads_them_so(digits):
    flat = digits.reshape(60, -1)
    model = recurrent(sample_shape=(-1, 3)).fit(flat)
    display = ReconstructionDisplay.from_estimator(model, flat)
    assert display.kind == "sequence"
    assert len(display.axes_) == 4
    np.testing.assert_array_equal(
        display.sample_artists_[1][2].get_ydata(), digits[1, :, 2]
    )


def test_images_stand_above_their_reconstructions():
    X = load_digits().data[:50]
    pca = PCA(5).fit(X)
    display = ReconstructionDisplay.from_estimator(pca, X, sample_shape=(8, 8))
    assert display.axes_.shape == (2, 4)
    rebuilt = pca.inverse_transform(pca.transform(X[:4])).reshape(-1, 8, 8)
    for row, images in enumerate([X[:4].reshape(-1, 8, 8), rebuilt]):
        for ax, image in zip(display.axes_[row], images, strict=True):
            np.testing.assert_allclose(ax.images[0].get_array(), image)
            assert ax.images[0].get_clim() == (0, X[:4].max())
    assert [ax.get_ylabel() for ax in display.axes_[:, 0]] == [
        "sample",
        "reconstruction",
    ]


@pytest.mark.parametrize(
    "sample_shape, shape",
    [((8, 8), (8, 8)), (None, (8, 8, 1)), ((8, 8), (64,))],
    ids=["3-D", "4-D", "rows"],
)
def test_a_model_of_images_knows_their_shape(sample_shape, shape):
    X = load_digits().data[:50].reshape(-1, *shape)
    model = convolutional(sample_shape=sample_shape).fit(X)
    display = ReconstructionDisplay.from_estimator(model, X)
    assert display.kind == "image"
    shown = display.reconstruction_artists_[1].get_array()
    np.testing.assert_array_equal(shown, model.reconstruct(X)[1].reshape(8, 8))


def test_images_in_colour_are_brought_to_what_can_be_shown():
    X = np.random.RandomState(0).uniform(0, 255, size=(2, 4, 4, 3))
    display = ReconstructionDisplay.from_reconstructions(X, X, sample_shape=(4, 4, 3))
    shown = display.sample_artists_[0].get_array()
    assert shown.min() >= 0 and shown.max() <= 1


def test_rows_are_pairs_of_bars_with_the_names_of_the_columns():
    X = load_wine(as_frame=True).data
    pipe = make_pipeline(StandardScaler(), PCA(3)).fit(X)
    display = ReconstructionDisplay.from_estimator(pipe, X, indices=[5])
    np.testing.assert_allclose(
        [bar.get_width() for bar in display.sample_artists_[0]], X.iloc[5]
    )
    np.testing.assert_allclose(
        [bar.get_width() for bar in display.reconstruction_artists_[0]],
        pipe.inverse_transform(pipe.transform(X.iloc[[5]]))[0],
    )
    names = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert names == list(X.columns)
    assert display.ax_.get_xlabel() == "value"


@pytest.mark.parametrize(
    "wrap",
    [
        FrozenEstimator,
        lambda model: AutoencoderAnomalyDetector(FrozenEstimator(model)),
        lambda model: make_pipeline(SequenceScaler(), model),
    ],
    ids=["FrozenEstimator", "detector", "Pipeline"],
)
def test_ragged_series_are_reconstructed_by_what_holds_the_model(wrap, ragged):
    holder = wrap(recurrent().fit(ragged)).fit(ragged, None)
    display = ReconstructionDisplay.from_estimator(holder, ragged, indices=[0])
    assert len(display.reconstruction_artists_[0][0].get_ydata()) == len(ragged[0])


def test_reconstructions_must_have_the_shapes_of_their_samples():
    with pytest.raises(ValueError, match=r"of the same shapes.* Got shapes \[\(2,\)\]"):
        ReconstructionDisplay.from_reconstructions([[1, 2]], [[1, 2, 3]])
    with pytest.raises(ValueError, match=r"images of shape \(3, 3\)"):
        ReconstructionDisplay.from_reconstructions(
            np.ones((2, 8)), np.ones((2, 8)), sample_shape=(3, 3)
        )


# LatentSpaceDisplay


@pytest.mark.parametrize(
    ("n_components", "n_panels"), [(1, 1), (2, 1), (3, 1), (4, 6), (7, 10)]
)
def test_codes_are_points_in_as_many_panels_as_they_need(n_components, n_panels):
    codes = np.random.RandomState(0).normal(size=(12, n_components))
    display = LatentSpaceDisplay.from_codes(codes)
    assert len(display.axes_) == n_panels
    assert (display.ax_.name == "3d") == (n_components == 3)
    shown = display.scatters_[0].get_offsets().data
    first = [np.arange(12), codes[:, 0]] if n_components == 1 else codes.T[:2]
    if n_components != 3:
        np.testing.assert_allclose(shown, np.transpose(first))
    assert display.ax_.get_ylabel() == f"component {min(2, n_components)}"


def test_components_can_be_chosen():
    codes = np.random.RandomState(0).normal(size=(12, 7))
    display = LatentSpaceDisplay.from_codes(codes, components=[6, 2])
    np.testing.assert_allclose(display.scatters_[0].get_offsets(), codes[:, [6, 2]])
    assert display.ax_.get_xlabel() == "component 7"
    with pytest.raises(ValueError, match=r"'components' parameter must hold int .*7"):
        LatentSpaceDisplay.from_codes(codes, components=[7])


@pytest.mark.parametrize("n_components", [2, 3, 4])
@pytest.mark.parametrize(
    "labels", [["b", "a", "c"] * 4, [10, 9, 8] * 4, [True, None, "x"] * 4]
)
def test_categories_have_a_legend_of_their_names(n_components, labels):
    codes = np.random.RandomState(0).normal(size=(12, n_components))
    labels = pd.Series(labels, name="kind", dtype=None if labels[0] != 1 else object)
    display = LatentSpaceDisplay.from_codes(codes, labels)
    legends = [ax.get_legend() for ax in display.figure_.axes if ax.get_legend()]
    assert len(legends) == 1
    assert legends[0].get_title().get_text() == "kind"
    names = [text.get_text() for text in legends[0].get_texts()]
    assert names == [str(label) for label in sorted(set(labels), key=str)] or (
        names == ["8", "9", "10"]
    )
    assert display.colorbar_ is None


def test_numbers_have_a_colour_bar():
    codes = np.random.RandomState(0).normal(size=(12, 2))
    display = LatentSpaceDisplay.from_codes(codes, codes[:, 0], label_name="demand")
    np.testing.assert_array_equal(display.scatters_[0].get_array(), codes[:, 0])
    assert display.colorbar_.ax.get_ylabel() == "demand"
    assert display.ax_.get_legend() is None


def test_codes_of_a_detector_are_those_of_its_autoencoder(ragged):
    model = recurrent().fit(ragged)
    detector = AutoencoderAnomalyDetector(FrozenEstimator(model)).fit(ragged)
    display = LatentSpaceDisplay.from_estimator(detector, ragged)
    np.testing.assert_array_equal(
        display.scatters_[0].get_offsets(), model.transform(ragged)
    )


# AnomalyScoreDisplay


@pytest.mark.parametrize(
    "wrap",
    [lambda forest: forest, lambda forest: make_pipeline(StandardScaler(), forest)],
    ids=["alone", "Pipeline"],
)
def test_alarms_are_the_scores_beyond_the_threshold(wrap, wine):
    detector = wrap(
        IsolationForest(n_estimators=10, contamination=0.1, random_state=0)
    ).fit(wine)
    display = AnomalyScoreDisplay.from_estimator(detector, wine)
    np.testing.assert_array_equal(
        display.line_.get_ydata(), -detector.score_samples(wine)
    )
    found = np.flatnonzero(detector.predict(wine) == -1)
    np.testing.assert_array_equal(display.alarms_.get_xdata(), found)
    threshold = display.threshold_line_.get_ydata()[0]
    assert display.alarms_.get_ydata().min() > threshold
    assert legend_of(display.ax_) == ["score", "threshold", "alarm"]
    assert display.line_.get_linestyle() == "None"
    assert display.series_ax_ is None and display.alarm_spans_ == []
    assert display.ax_.get_xlabel() == "sample"
    assert display.ax_.get_ylabel() == "anomaly score"


def test_the_series_is_above_the_score_and_the_labels_are_shaded():
    times = pd.date_range("2024-01-01", periods=6)
    series = np.arange(6.0)
    display = AnomalyScoreDisplay.from_scores(
        -series, threshold=-3.5, labels=[1, 0, 0, 1, 1, 0], series=series, times=times
    )
    np.testing.assert_array_equal(display.series_ax_.lines[0].get_ydata(), series)
    assert display.series_ax_.get_ylabel() == "series"
    assert display.line_.get_linestyle() == "-"
    assert len(display.label_spans_) == 4  # two runs in two panels
    day = display.ax_.convert_xunits(times.to_numpy())[0]
    spans = np.array([limits_of(span) for span in display.label_spans_[::2]]) - day
    np.testing.assert_allclose(spans, [(-0.5, 0.5), (2.5, 4.5)])
    assert legend_of(display.ax_) == ["score", "threshold", "alarm", "labeled"]
    assert display.ax_.get_xlabel() == "time"


@pytest.mark.parametrize(
    "labels", [[0, 1, 0], [False, True, False], [1, -1, 1], np.array([1, -1, 1])]
)
def test_labels_are_truths_or_those_of_scikit_learn(labels):
    display = AnomalyScoreDisplay.from_scores([-1, -2, -3], labels=labels)
    assert [limits_of(span) for span in display.label_spans_] == [(0.5, 1.5)]


def test_other_labels_and_lengths_are_refused():
    with pytest.raises(ValueError, match="'labels' parameter must hold True or 1"):
        AnomalyScoreDisplay.from_scores([-1, -2], labels=[3, 4])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        AnomalyScoreDisplay.from_scores([-1, -2], labels=[0, 1, 1])


class WithObjective(PCA):
    """A transformer of another package, with a parameter of that name."""

    def __init__(self, n_components=None, objective="mse"):
        super().__init__(n_components)
        self.objective = objective


def test_a_foreign_objective_is_no_forecast(pyplot):
    X = np.random.RandomState(0).normal(size=(20, 4))
    model = WithObjective(2).fit(X)
    display = ReconstructionDisplay.from_estimator(model, X)
    assert len(display.axes_) == 4
