"""Channels of series: sensors, which are scored jointly, and switches.

A switch has at most two values in the training series. Scored jointly, many switches
hide the few sensors, and the residuals of their edges hide what is measured. So only
sensors are reconstructed. A switch is checked by itself: an event is a change to a
value that does not occur in the training series, or a change between the two values in
a direction that does not occur there. A new state that lasts is one event, because it
may last for ever. The score of an event is the quantile of the sensors' scores at the
rate of such events.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from sklearn_seqae._introspection import steps_of


def find_switches(rows: NDArray) -> NDArray[np.bool_]:
    """Return which channels of time steps (T, C) have at most two values.

    If no other channel is left, no channel is a switch. Neither is a channel without
    any value.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seqae.anomaly._channels import find_switches
    >>> find_switches(np.array([[0, 1.5, 7], [1, 1.6, 7], [0, 1.7, 7]]))
    array([ True, False,  True])
    """
    low, high = np.fmin.reduce(rows), np.fmax.reduce(rows)
    is_switch = ((rows == low) | (rows == high) | np.isnan(rows)).all(axis=0)
    is_switch &= ~np.isnan(low)
    return is_switch & ~is_switch.all()


def is_fitted_before(estimator: Any) -> bool:
    """Return whether an estimator, or a step of it, was fitted on all channels."""
    if isinstance(estimator, Pipeline):
        return any(map(is_fitted_before, steps_of(estimator)))
    return isinstance(estimator, FrozenEstimator)


class Channels:
    """Sensors and switches of series.

    Parameters
    ----------
    is_switch : ndarray of bool of shape (C,)
        Result of `find_switches`, for K switches.

    Attributes
    ----------
    low, high : ndarray of shape (K,)
        Values of each switch in the training series.

    rises, falls : ndarray of bool of shape (K,)
        Whether the training series contain the transition from low to high, and from
        high to low.

    rates : ndarray of shape (K,)
        Fraction of the normal time steps with an event of each switch.

    scores, attributions : ndarray of shape (K,)
        Anomaly score of an event, and its attribution to the switch.
    """

    def __init__(self, is_switch: NDArray[np.bool_]) -> None:
        self.is_switch = is_switch

    @property
    def is_sensor(self) -> NDArray[np.bool_]:
        """Which channels are sensors, (C,)."""
        return ~self.is_switch

    def sensors(self, items: list[NDArray]) -> list[NDArray]:
        """Return the sensors of series."""
        if not self.is_switch.any():
            return items
        return [item[:, self.is_sensor] for item in items]

    def fit(self, items: list[NDArray]) -> "Channels":
        """Find the values and transitions of the switches in pieces of series."""
        items = [item[:, self.is_switch] for item in items]
        steps = np.concatenate(items)
        self.low, self.high = np.fmin.reduce(steps), np.fmax.reduce(steps)
        self.rises, self.falls = (
            np.any([self._goes(item, *pair).any(axis=0) for item in items], axis=0)
            for pair in ((self.low, self.high), (self.high, self.low))
        )
        return self

    @staticmethod
    def _goes(item: NDArray, start: NDArray, end: NDArray) -> NDArray[np.bool_]:
        """Return at which steps but the first a switch goes from a value to another."""
        return (item[:-1] == start) & (item[1:] == end)

    def residuals(self, item: NDArray) -> NDArray:
        """Return the residuals (T, K) of the switches of a piece.

        A residual is 0 unless there is an event. The expected value of an unknown value
        is the nearest known one, and at an unknown transition the value before it. The
        first step of a piece, and a step after a missing one, is a change.
        """
        item = item[:, self.is_switch]
        to_low, to_high = item - self.low, item - self.high
        residuals = np.where(np.abs(to_low) <= np.abs(to_high), to_low, to_high)
        rises = self._goes(item, self.low, self.high) & ~self.rises
        falls = self._goes(item, self.high, self.low) & ~self.falls
        residuals[1:][item[1:] == item[:-1]] = 0
        change = self.high - self.low
        residuals[1:] += rises * change - falls * change
        return residuals

    def look(
        self, windows: Any, model: Any, item: NDArray, sharp: bool = False
    ) -> tuple[NDArray, NDArray]:
        """Return `Windows.look` of the sensors, with the residuals of the switches."""
        if not self.is_switch.any():
            return windows.look(model, item, sharp)
        errors = np.empty(item.shape)
        scores, of_sensors = windows.look(model, item[:, self.is_sensor], sharp)
        errors[:, self.is_sensor] = of_sensors
        errors[:, self.is_switch] = self.residuals(item)
        errors[np.isnan(scores) & np.isnan(of_sensors).all(axis=1)] = np.nan
        return scores, errors

    def events(self, errors: NDArray) -> NDArray[np.bool_]:
        """Return the steps with an event of each switch, (T, K)."""
        of_switches = errors[:, self.is_switch]
        return (of_switches != 0) & ~np.isnan(of_switches)

    def calibrate(self, known: list[tuple[NDArray, NDArray]], attribution: Any) -> Any:
        """Set how rare events are, from the results of `look` for normal steps.

        Return the attribution of all channels, from that of the sensors.
        """
        if not self.is_switch.any():
            return attribution
        is_scored = [~np.isnan(scores) for scores, _ in known]
        n_steps = sum(map(np.sum, is_scored))
        n_events = [
            self.events(errors)[scored].sum(axis=0)
            for (_, errors), scored in zip(known, is_scored, strict=True)
        ]
        self.rates = (1 + np.sum(n_events, axis=0)) / (1 + n_steps)
        steps = np.concatenate([errors[:, self.is_sensor] for _, errors in known])
        largest = attribution.of_steps(steps).max(axis=1)
        self.attributions = np.quantile(largest[~np.isnan(largest)], 1 - self.rates)
        return ChannelAttribution(attribution, self)

    def place(self, calibration: Any) -> None:
        """Set the scores of events: those of the sensors that are as rare."""
        if not self.is_switch.any():
            return
        scores = [calibration.threshold(rate) for rate in self.rates]
        self.scores = np.nextafter(scores, -np.inf)

    def lowered(self, scores: NDArray, errors: NDArray) -> NDArray:
        """Return the scores of sensors and switches: the lower one of each step."""
        return np.minimum(scores, self._of_events(errors))

    def are_lowered(self, scores: NDArray, errors: NDArray) -> NDArray[np.bool_]:
        """Return at which steps an event determines the score, (T,)."""
        are: NDArray[np.bool_] = scores == self._of_events(errors)
        return are

    def _of_events(self, errors: NDArray) -> NDArray:
        """Return the lowest score of the events of each step, infinite without one."""
        if not self.is_switch.any():
            return np.full(len(errors), np.inf)
        lowest: NDArray = np.where(self.events(errors), self.scores, np.inf).min(axis=1)
        return lowest


class ChannelAttribution:
    """Attribution of the time steps of series to sensors and switches.

    Parameters
    ----------
    sensors : Attribution
        Attribution to the sensors.

    channels : Channels
        Calibrated channels.
    """

    def __init__(self, sensors: Any, channels: Channels) -> None:
        self.sensors, self.channels = sensors, channels

    def of_steps(self, errors: NDArray, scores: NDArray | None = None) -> NDArray:
        """Return the attributions of residuals (T, C), as `Attribution.of_steps`."""
        known, found = self.channels, np.zeros(errors.shape)
        of_sensors = self.sensors.of_steps(errors[:, known.is_sensor], scores)
        found[:, known.is_sensor] = of_sensors
        found[:, known.is_switch] = known.events(errors) * known.attributions
        found[np.isnan(of_sensors).all(axis=1)] = np.nan
        return found
