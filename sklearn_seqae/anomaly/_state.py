"""State of a fitted detector: its parts are stored as their attributes."""

from typing import Any

import numpy as np

from sklearn_seqae._inputs import InputFormat
from sklearn_seqae._state import PlainState
from sklearn_seqae.anomaly._attribution import Attribution
from sklearn_seqae.anomaly._channels import ChannelAttribution, Channels
from sklearn_seqae.anomaly._covariance import ShrunkCovariance
from sklearn_seqae.anomaly._model import Model
from sklearn_seqae.anomaly._series import Windows
from sklearn_seqae.anomaly._tail import Tail
from sklearn_seqae.anomaly._time import Calendar
from sklearn_seqae.anomaly.calibration import Conformal
from sklearn_seqae.anomaly.scoring import (
    SCORES,
    MahalanobisOfCode,
    Nearest,
    NearKnown,
)


class PlainDetectorState(PlainState):
    """`PlainState` of a detector."""

    _state_classes = (
        *(Attribution, Calendar, ChannelAttribution, Channels, Conformal, InputFormat),
        *(Model, ShrunkCovariance),
        *(Tail, Windows, MahalanobisOfCode, NearKnown, *SCORES.values()),
    )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        known = vars(self)
        if "_model" not in known or "switches_" in known:
            return
        # It was fitted before there were switches, and usual training samples.
        known["switches_"] = None
        if known["_windows"] is not None:
            is_switch = np.zeros(known["n_features_in_"], dtype=bool)
            known.update(switches_=is_switch, _channels=Channels(is_switch))
        scorer = known["_model"].scorer
        if isinstance(scorer, Nearest):
            is_usual = np.ones(len(scorer.samples), dtype=bool)
            vars(scorer).update(spreads=[vars(scorer)["spread"]], is_usual=is_usual)
