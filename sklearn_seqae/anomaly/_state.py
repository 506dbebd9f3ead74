"""State of a fitted detector: its parts are stored as their attributes."""

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
from sklearn_seqae.anomaly.scoring import SCORES, MahalanobisOfCode, NearKnown


class PlainDetectorState(PlainState):
    """`PlainState` of a detector."""

    _state_classes = (
        *(Attribution, Calendar, ChannelAttribution, Channels, Conformal, InputFormat),
        *(Model, ShrunkCovariance),
        *(Tail, Windows, MahalanobisOfCode, NearKnown, *SCORES.values()),
    )
