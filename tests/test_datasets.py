"""The data sets that are shipped, and the generators."""

import numpy as np
import pandas as pd
import pytest

from sklearn_seqae.datasets import (
    load_nyc_taxi,
    make_ragged_sequences,
    make_sine_sequences,
)


def test_taxi_target_marks_the_labelled_windows():
    taxi = load_nyc_taxi()
    assert taxi.data.shape == (10320, 1) and taxi.data.dtype == np.float64
    assert taxi.target.sum() == 1035
    starts = taxi.windows[:, 0]
    assert taxi.target[np.isin(taxi.timestamps, starts)].all()
    assert not taxi.target[np.isin(taxi.timestamps, starts - 1800)].any()
    assert taxi.target[np.isin(taxi.timestamps, taxi.anomaly_points)].all()


def test_taxi_names_one_event_for_each_window():
    taxi = load_nyc_taxi()
    assert len(taxi.events) == len(taxi.windows) == len(taxi.anomaly_points) == 5


def test_taxi_steps_are_half_hours_of_whole_days():
    timestamps = load_nyc_taxi().timestamps
    assert (np.diff(timestamps) == np.timedelta64(30, "m")).all()
    assert len(timestamps) % 48 == 0
    assert timestamps[0] == np.datetime64("2014-07-01")


def test_taxi_as_frame_holds_the_same_values_by_time():
    plain, framed = load_nyc_taxi(), load_nyc_taxi(as_frame=True)
    assert isinstance(framed.data.index, pd.DatetimeIndex)
    assert framed.data.index.freq == pd.Timedelta("30min")
    np.testing.assert_array_equal(framed.data, plain.data)
    np.testing.assert_array_equal(framed.target, plain.target)
    np.testing.assert_array_equal(framed.windows, plain.windows)
    assert list(framed.frame.columns) == [*framed.feature_names, framed.target.name]
    assert plain.frame is None


@pytest.mark.parametrize("as_frame", [False, True])
def test_taxi_return_X_y_is_data_and_target(as_frame):
    taxi = load_nyc_taxi(as_frame=as_frame)
    X, y = load_nyc_taxi(return_X_y=True, as_frame=as_frame)
    assert type(X) is type(taxi.data) and type(y) is type(taxi.target)
    np.testing.assert_array_equal(X, taxi.data)
    np.testing.assert_array_equal(y, taxi.target)


def test_taxi_calls_share_no_memory():
    load_nyc_taxi().data[:] = 0
    assert load_nyc_taxi().data.any()


def test_taxi_licence_is_installed_beside_the_data():
    from importlib.resources import files

    notice = files("sklearn_seqae") / "data" / "nyc_taxi-LICENSE.txt"
    assert "Copyright 2014-2024 Numenta" in notice.read_text(encoding="utf-8")


def test_ragged_sequences_have_the_asked_lengths_channels_and_classes():
    X, y = make_ragged_sequences(
        200, n_channels=3, n_classes=4, min_length=5, max_length=9, random_state=0
    )
    assert {len(sequence) for sequence in X} == set(range(5, 10))
    assert {sequence.shape[1] for sequence in X} == {3}
    assert set(y) == set(range(4))


def test_ragged_sequences_follow_random_state():
    X, y = make_ragged_sequences(10, random_state=3)
    again, y_again = make_ragged_sequences(10, random_state=3)
    np.testing.assert_array_equal(y, y_again)
    for sequence, same in zip(X, again, strict=True):
        np.testing.assert_array_equal(sequence, same)


def test_ragged_sequences_leave_the_global_generator_alone():
    before = np.random.get_state()[1].copy()
    make_ragged_sequences(5, random_state=0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_ragged_sequences_of_one_step_are_finite():
    X, _ = make_ragged_sequences(3, min_length=1, max_length=1, random_state=0)
    assert all(np.isfinite(sequence).all() for sequence in X)


def test_sine_sequences_are_consecutive_pieces_of_sine_and_cosine():
    X = make_sine_sequences()
    assert X.shape == (200, 50, 2)
    np.testing.assert_allclose((X**2).sum(axis=2), 1)
    time = np.linspace(0, 100, 10_000)
    np.testing.assert_array_equal(X[..., 0].ravel(), np.sin(time))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_samples": 0}, ValueError, "n_samples == 0, must be >= 1"),
        ({"n_channels": 1.5}, TypeError, "n_channels must be an instance of int"),
        ({"min_length": 9, "max_length": 8}, ValueError, "max_length == 8, must be"),
        ({"noise": -1}, ValueError, "noise == -1, must be >= 0"),
    ],
)
def test_ragged_sequences_refuse_what_cannot_be_made(options, error, message):
    with pytest.raises(error, match=message):
        make_ragged_sequences(**options)
