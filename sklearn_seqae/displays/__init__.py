"""Displays: plots in one line, with the interface of scikit-learn's displays.

They accept any fitted object with the required methods or attributes. They require
matplotlib (``pip install 'sklearn-seqae[plot]'``).
"""

from sklearn_seqae.displays.anomaly_score import AnomalyScoreDisplay
from sklearn_seqae.displays.explained_variance import ExplainedVarianceDisplay
from sklearn_seqae.displays.latent_space import LatentSpaceDisplay
from sklearn_seqae.displays.loadings import LoadingsDisplay
from sklearn_seqae.displays.loss_curve import LossCurveDisplay
from sklearn_seqae.displays.reconstruction import ReconstructionDisplay
from sklearn_seqae.displays.traversal import TraversalDisplay

__all__ = [
    "AnomalyScoreDisplay",
    "ExplainedVarianceDisplay",
    "LatentSpaceDisplay",
    "LoadingsDisplay",
    "LossCurveDisplay",
    "ReconstructionDisplay",
    "TraversalDisplay",
]
