"""Small real data sets and generators of sequences."""

from importlib.resources import files
from numbers import Integral, Real

import numpy as np
from sklearn.utils import Bunch, check_random_state, check_scalar

__all__ = ["load_nyc_taxi", "make_ragged_sequences", "make_sine_sequences"]


def load_nyc_taxi(*, return_X_y=False, as_frame=False):
    """Load New York City's taxi demand, with its labeled anomalies.

    The data is the number of passengers in each half hour of 215 days, from 1 July 2014
    to 31 January 2015, from the Numenta Anomaly Benchmark (NAB). Five intervals are
    labeled as anomalies: the marathon, Thanksgiving, Christmas, New Year and a snow
    storm.

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.

    as_frame : bool, default=False
        If True, the data is a pandas DataFrame and the target a Series, both
        indexed by time, and the windows are a DataFrame.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : {ndarray, DataFrame} of shape (10320, 1)
            The number of passengers in each half hour.
        target : {ndarray, Series} of shape (10320,)
            1 if the half hour is in an interval labeled as an anomaly, else 0.
        frame : DataFrame of shape (10320, 2)
            Only if ``as_frame=True``: data and target.
        feature_names : list
            The name of the data's column.
        target_names : list
            The names of the values 0 and 1 of the target.
        timestamps : ndarray of shape (10320,), dtype datetime64[s]
            The beginning of each half hour.
        windows : {ndarray, DataFrame} of shape (5, 2)
            The first and the last half hour of each labeled window.
        anomaly_points : ndarray of shape (5,), dtype datetime64[s]
            The time of each labeled anomaly.
        events : list
            Event in each window.
        DESCR : str
            The full description of the data set.

    (data, target) : tuple if ``return_X_y=True``
        Two ndarrays, or a DataFrame and a Series if ``as_frame=True``.

    Notes
    -----
    The data is distributed under the MIT license of NAB, which is installed with it.

    Examples
    --------
    >>> from sklearn_seqae.datasets import load_nyc_taxi
    >>> taxi = load_nyc_taxi()
    >>> taxi.data.shape
    (10320, 1)
    >>> days = taxi.data.reshape(-1, 48, 1)
    >>> days.shape
    (215, 48, 1)
    """
    folder = files("sklearn_seqae") / "data"
    with (folder / "nyc_taxi.npz").open("rb") as file:
        stored = dict(np.load(file, allow_pickle=False))
    data = stored["demand"].astype(np.float64)[:, np.newaxis]
    timestamps = stored["start"] + np.arange(len(data)) * np.timedelta64(1800, "s")
    windows = stored["windows"]
    first, last = windows.T[:, :, np.newaxis]
    target = ((first <= timestamps) & (timestamps <= last)).any(axis=0).astype(int)
    frame = None
    if as_frame:
        data, target, windows, frame = _taxi_frames(data, target, windows, timestamps)
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        frame=frame,
        feature_names=["demand"],
        target_names=["normal", "anomaly"],
        timestamps=timestamps,
        windows=windows,
        anomaly_points=stored["anomaly_points"],
        events=["marathon", "Thanksgiving", "Christmas", "New Year", "snow storm"],
        DESCR=(folder / "nyc_taxi.rst").read_text(encoding="utf-8"),
    )


def _taxi_frames(data, target, windows, timestamps):
    """Return data, target, windows and both of the first as pandas objects."""
    import pandas as pd

    index = pd.DatetimeIndex(timestamps, name="timestamp", freq="30min")
    data = pd.DataFrame(data, index=index, columns=["demand"])
    target = pd.Series(target, index=index, name="anomaly")
    windows = pd.DataFrame(windows, columns=["start", "end"])
    return data, target, windows, pd.concat([data, target], axis=1)


def make_ragged_sequences(
    n_samples=100,
    *,
    n_channels=2,
    n_classes=3,
    min_length=20,
    max_length=60,
    noise=0.05,
    random_state=None,
):
    """Generate variable-length sine waves, with one frequency for each class.

    A sequence of class k has k + 1 periods between its first and its last time step,
    for any length, with a random amplitude and phase. Each channel has a fixed phase
    shift to the previous one. Without noise, the sequences of a class have two degrees
    of freedom: amplitude and phase.

    Parameters
    ----------
    n_samples : int, default=100
        Number of sequences.

    n_channels : int, default=2
        Number of channels, the same in every sequence.

    n_classes : int, default=3
        Number of classes.

    min_length : int, default=20
        Minimum number of time steps of a sequence.

    max_length : int, default=60
        Maximum number of time steps of a sequence.

    noise : float, default=0.05
        Standard deviation of the Gaussian noise that is added to every value.

    random_state : int, RandomState instance or None, default=None
        Seed of lengths, classes, amplitudes, phases and noise. Pass an int for the same
        sequences in every call.

    Returns
    -------
    X : list of n_samples ndarrays, each of shape (n_steps, n_channels)
        The sequences.

    y : ndarray of shape (n_samples,)
        The class of each sequence.

    Examples
    --------
    >>> from sklearn_seqae.datasets import make_ragged_sequences
    >>> X, y = make_ragged_sequences(n_samples=4, random_state=0)
    >>> [len(sequence) for sequence in X]
    [20, 23, 23, 59]
    >>> y
    array([1, 1, 2, 0])
    """
    for name, value in {
        "n_samples": n_samples,
        "n_channels": n_channels,
        "n_classes": n_classes,
        "min_length": min_length,
    }.items():
        check_scalar(value, name, Integral, min_val=1)
    check_scalar(max_length, "max_length", Integral, min_val=min_length)
    check_scalar(noise, "noise", Real, min_val=0)
    rng = check_random_state(random_state)

    lengths = rng.randint(min_length, max_length + 1, size=n_samples)
    y = rng.randint(n_classes, size=n_samples)
    amplitudes = rng.uniform(0.5, 1.5, size=n_samples)
    phases = rng.uniform(size=n_samples)
    lags = np.arange(n_channels) / (2 * n_channels)
    X = []
    for length, swings, amplitude, phase in zip(
        lengths, y + 1, amplitudes, phases, strict=True
    ):
        time = np.linspace(0, 1, length)[:, np.newaxis]
        wave = amplitude * np.sin(2 * np.pi * (swings * time + phase - lags))
        X.append(wave + rng.normal(scale=noise, size=wave.shape))
    return X, y


def make_sine_sequences(n_samples=200, *, n_steps=50):
    """Cut a sine and a cosine into sequences of equal length.

    Both curves run from 0 to 100 radians, about 16 periods, and are cut into
    ``n_samples`` consecutive pieces. The sequences are deterministic: they differ only
    in the phase.

    Parameters
    ----------
    n_samples : int, default=200
        Number of sequences.

    n_steps : int, default=50
        Number of time steps of each sequence.

    Returns
    -------
    X : ndarray of shape (n_samples, n_steps, 2)
        The sequences: the first channel is the sine, the second the cosine.

    Examples
    --------
    >>> from sklearn_seqae.datasets import make_sine_sequences
    >>> make_sine_sequences().shape
    (200, 50, 2)
    """
    check_scalar(n_samples, "n_samples", Integral, min_val=1)
    check_scalar(n_steps, "n_steps", Integral, min_val=1)
    time = np.linspace(0, 100, n_samples * n_steps)
    waves = np.column_stack([np.sin(time), np.cos(time)])
    return waves.reshape(n_samples, n_steps, 2)
