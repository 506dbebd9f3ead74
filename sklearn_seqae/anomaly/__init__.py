"""Anomaly detection by reconstruction error."""

from sklearn_seqae.anomaly.detector import AutoencoderAnomalyDetector
from sklearn_seqae.anomaly.stream import AnomalyStream

__all__ = ["AnomalyStream", "AutoencoderAnomalyDetector"]
