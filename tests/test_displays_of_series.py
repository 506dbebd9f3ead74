"""What AnomalyScoreDisplay draws for a detector of the steps of a series."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import AutoencoderAnomalyDetector, SequenceScaler
from sklearn_seqae.displays import AnomalyScoreDisplay, ReconstructionDisplay
from tests.drawing import data_of, legend_of, limits_of
from tests.instances import recurrent

pytestmark = pytest.mark.usefixtures("pyplot")

DAYS = pd.date_range("2024-01-01", periods=400, freq="D")


@pytest.fixture(scope="module")
def series():
    """400 steps of two channels; the second stands still from 200 to 215."""
    steps = np.arange(400)
    waves = np.column_stack([np.sin(steps / 3), np.cos(steps / 3)])
    waves[200:215, 1] = 0
    return waves + 0.05 * np.random.RandomState(0).normal(size=waves.shape)


@pytest.fixture(scope="module")
def frame(series):
    return pd.DataFrame(series * [5, 1], index=DAYS, columns=["inflow", "outflow"])


def detector():
    return AutoencoderAnomalyDetector(PCA(3), window_size=20, contamination=0.06)


def draw(X, model=None, **options):
    model = detector() if model is None else model
    return AnomalyScoreDisplay.from_estimator(model.fit(X), X, **options)


def runs_of(spans):
    """First and last step of each span."""
    limits = [limits_of(span) for span in spans]
    return [(start + 0.5, end - 0.5) for start, end in limits]


def test_the_series_is_above_the_line_of_its_scores(series):
    display = draw(series)
    for channel, line in enumerate(display.series_ax_.lines):
        np.testing.assert_array_equal(line.get_ydata(), series[:, channel])
    steps, scores = data_of(display.line_)
    np.testing.assert_array_equal(steps, np.arange(400))
    np.testing.assert_array_equal(scores, -detector().fit(series).score_samples(series))
    assert display.line_.get_linestyle() == "-"
    assert display.ax_.get_xlabel() == "time step"
    assert legend_of(display.series_ax_) == ["x0", "x1"]
    colours = [line.get_color() for line in display.series_ax_.lines]
    assert len({*colours, display.alarms_.get_color()}) == 3


def test_alarms_are_shaded_as_intervals_in_both_panels(series):
    display = draw(series, labels=np.arange(400) // 10 == 20)
    found = detector().fit(series).detect_intervals(series)
    expected = found[["start", "end"]].to_numpy()
    assert len(expected)
    assert np.abs(expected - [200, 214]).max() <= 1  # the alarms are 195 to 218
    shaded = [display.ax_, display.series_ax_]
    for panel, spans in zip(
        shaded, [display.alarm_spans_[::2], display.alarm_spans_[1::2]], strict=True
    ):
        assert {span.axes for span in spans} == {panel}
        np.testing.assert_allclose(runs_of(spans), expected)
    assert runs_of(display.label_spans_) == [(200, 209)] * 2
    assert legend_of(display.ax_) == ["score", "threshold", "alarm", "labeled"]


def test_given_intervals_are_shaded_in_place_of_alarms():
    scores = np.where(np.arange(50) // 10 == 2, -5.0, -1.0)
    steps = np.isin(np.arange(50), [22, 23, 24])
    display = AnomalyScoreDisplay.from_scores(
        scores, threshold=-3, times=np.arange(50), intervals=steps
    )
    assert runs_of(display.alarm_spans_) == [(22, 24)]
    assert len(display.alarms_.get_ydata()) == 10
    assert legend_of(display.ax_) == ["score", "threshold", "alarm"]
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        AnomalyScoreDisplay.from_scores(scores, intervals=steps[1:])


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_alarms_are_told_from_labels_by_their_colour(series, style, pyplot):
    with pyplot.style.context(style):
        display = draw(series, labels=np.arange(400) == 7)
    alarm, label = display.alarm_spans_[0], display.label_spans_[0]
    red, _, blue, _ = alarm.get_facecolor()
    assert red > 0.8 and blue < 0.2  # to the color-blind, too, the opposite of blue
    red, _, blue, _ = label.get_facecolor()
    assert red < 0.4 and blue > 0.6


def test_one_step_of_many_is_outlined_but_not_thousands_of_them():
    one, many = np.zeros(5000), np.arange(5000) % 2
    widths = [
        AnomalyScoreDisplay.from_scores(-scores, threshold=-0.5, times=np.arange(5000))
        .alarm_spans_[0]
        .get_linewidth()
        for scores in (np.where(np.arange(5000) == 9, 1, one), many)
    ]
    assert widths[0] > 0 and widths[1] == 0


@pytest.mark.parametrize(
    "wrap",
    [
        lambda model, X: model.fit(X),
        lambda model, X: make_pipeline(StandardScaler(), model).fit(X),
        lambda model, X: FrozenEstimator(make_pipeline(PCA(2), model).fit(X)),
    ],
    ids=["alone", "Pipeline", "FrozenEstimator"],
)
def test_names_and_times_are_those_of_the_data_frame(wrap, frame):
    model = wrap(detector(), frame)
    display = AnomalyScoreDisplay.from_estimator(model, frame, features=True)
    assert legend_of(display.series_ax_) == ["inflow", "outflow"]
    names = [label.get_text() for label in display.features_ax_.get_yticklabels()]
    assert names == ["inflow", "outflow"]
    np.testing.assert_array_equal(
        display.series_ax_.lines[0].get_ydata(), frame["inflow"]
    )
    assert display.features_ax_.get_xlabel() == "time"
    at = display.ax_.convert_xunits(DAYS.to_numpy())
    drawn = display.ax_.convert_xunits(display.line_.get_xdata())
    np.testing.assert_array_equal(drawn, at)
    ticks = [tick.get_text() for tick in display.features_ax_.get_xticklabels()]
    assert max(map(len, ticks)) <= 4  # each part of a date once


def test_the_features_are_those_of_what_comes_to_the_detector(series):
    scaled = StandardScaler().fit_transform(series)
    display = draw(series, make_pipeline(StandardScaler(), detector()), features=True)
    alone = draw(scaled, features=True)
    np.testing.assert_allclose(
        display.heat_map_.get_array(), alone.heat_map_.get_array()
    )
    widths = {
        round(ax.get_position().width, 6)
        for ax in (display.series_ax_, display.ax_, display.features_ax_)
    }
    assert len(widths) == 1  # a step is at the same place in all


def test_one_channel_gives_its_name_to_the_axis(series):
    display = draw(series[:, 1:])
    assert display.series_ax_.get_ylabel() == "series"
    assert display.series_ax_.get_legend() is None
    display = draw(pd.DataFrame(series[:, 1:], columns=["outflow"]))
    assert display.series_ax_.get_ylabel() == "outflow"


CHANNELS = {
    "many": ([1, 1, 2, 1, 3, 1], 0),
    "small": ([1, 1000], 0),
    "far": ([1, 2], [0, 1e4]),
    "constant": ([1, 1000, 0], 5),
}


@pytest.mark.parametrize("kind", CHANNELS)
def test_many_channels_or_those_of_other_ranges_are_drawn_in_their_own(kind, series):
    factors, offsets = CHANNELS[kind]
    X = np.resize(series[:, :1], (400, len(factors))) * factors + offsets
    X[100:120, 0] = np.nan
    X = pd.DataFrame(X, columns=[f"channel {i}" for i in range(X.shape[1])])
    scores = -np.arange(400)
    ax = AnomalyScoreDisplay.from_scores(scores, series=X).series_ax_
    assert [tick.get_text() for tick in ax.get_yticklabels()] == list(X.columns)
    low, high = sorted(ax.get_ylim())
    for lane, line in enumerate(ax.lines):
        values, shown = X.iloc[:, lane], line.get_ydata()
        varies = values.max() > values.min()
        assert np.nanmax(shown) - np.nanmin(shown) == pytest.approx(0.8 * varies)
        assert low < lane - 0.5 < np.nanmin(shown) <= np.nanmax(shown) < lane + 0.5
        assert lane + 0.5 < high
        if varies:  # higher values are higher in the picture
            assert values.idxmax() == np.nanargmin(shown)
    assert ax.yaxis_inverted() and ax.get_legend() is None


def test_another_series_may_stand_above_or_none(series):
    raw = pd.DataFrame({"tons": series[:, 0] * 7 + 3})
    display = draw(series, series=raw)
    np.testing.assert_array_equal(display.series_ax_.lines[0].get_ydata(), raw["tons"])
    assert display.series_ax_.get_ylabel() == "tons"
    display = draw(series, series=None)
    assert display.series_ax_ is None
    assert display.line_.get_linestyle() == "-"
    assert display.ax_.get_xlabel() == "time step"
    assert {span.axes for span in display.alarm_spans_} == {display.ax_}


@pytest.mark.parametrize("library", [pd, pl], ids=["pandas", "polars"])
def test_columns_of_text_are_not_drawn(series, library):
    X = library.DataFrame({"inflow": series[:, 0], "site": ["a", "b"] * 200})
    scaled = make_column_transformer((StandardScaler(), ["inflow"]))
    display = draw(X, make_pipeline(scaled, detector()))
    assert display.series_ax_.get_ylabel() == "inflow"


@pytest.mark.parametrize(
    "wrap",
    [
        lambda X: [X],
        lambda X: X[np.newaxis],
        lambda X: [pd.DataFrame(X)],
        lambda X: pd.DataFrame({"cells": [X]}),
    ],
    ids=["list", "array", "list of frames", "cells"],
)
def test_a_list_of_one_series_is_that_series(series, wrap):
    model = make_pipeline(SequenceScaler(), detector())
    display = draw(wrap(series), model, features=True)
    np.testing.assert_array_equal(display.series_ax_.lines[1].get_ydata(), series[:, 1])
    assert len(display.line_.get_ydata()) == 400
    assert display.alarm_spans_


def test_several_series_are_refused_with_what_to_do(series):
    several = [series[:300], series[100:]]
    model = detector().fit(several)
    with pytest.raises(ValueError, match=r"draws one series. Got 2.*\[X\[0\]\]"):
        AnomalyScoreDisplay.from_estimator(model, several)
    display = AnomalyScoreDisplay.from_estimator(model, several[:1])
    assert len(display.line_.get_ydata()) == 300


@pytest.mark.parametrize("alignment", ["centered", "trailing"])
@pytest.mark.parametrize("scaled", [False, True])
def test_a_reconstruction_of_a_series_is_x_minus_its_residuals(
    frame, alignment, scaled
):
    model = detector().set_params(alignment=alignment)
    if scaled:
        model = make_pipeline(StandardScaler(), model)
    model.fit(frame)
    display = ReconstructionDisplay.from_estimator(model, frame)
    drawn = np.column_stack(
        [line.get_ydata() for line in display.reconstruction_artists_[0]]
    )
    last, X = model, frame
    if scaled:
        last, X = model[-1], model[:-1].set_output(transform="pandas").transform(frame)
    expected = X - last.reconstruction_errors(X)
    if scaled:
        expected = model[0].inverse_transform(expected)
    np.testing.assert_allclose(drawn, expected)
    assert {"inflow", "outflow"} <= {
        t.get_text() for t in display.figure_.legends[0].get_texts()
    }


@pytest.mark.parametrize("held", ["scaler", "pipeline", "detector"])
def test_scaled_sequences_of_any_lengths_are_drawn(series, held):
    X = [series[:30], series[30:70], series[70:90] * 3]
    model = {
        "scaler": SequenceScaler(),
        "pipeline": make_pipeline(SequenceScaler(), recurrent()),
        "detector": make_pipeline(
            SequenceScaler(), AutoencoderAnomalyDetector(recurrent(), contamination=0.1)
        ),
    }[held]
    display = ReconstructionDisplay.from_estimator(model.fit(X), X)
    assert [len(lines[0].get_ydata()) for lines in display.reconstruction_artists_] == [
        30,
        40,
        20,
    ]
