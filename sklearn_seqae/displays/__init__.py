"""Pictures in one line, as scikit-learn's displays draw them.

They take any fitted object with the methods or attributes that they draw, and need
matplotlib, which the extra "plot" installs.
"""

from sklearn_seqae.displays.anomaly_score import AnomalyScoreDisplay
from sklearn_seqae.displays.explained_variance import ExplainedVarianceDisplay
from sklearn_seqae.displays.latent_space import LatentSpaceDisplay
from sklearn_seqae.displays.loss_curve import LossCurveDisplay
from sklearn_seqae.displays.reconstruction import ReconstructionDisplay

__all__ = [
    "AnomalyScoreDisplay",
    "ExplainedVarianceDisplay",
    "LatentSpaceDisplay",
    "LossCurveDisplay",
    "ReconstructionDisplay",
]
