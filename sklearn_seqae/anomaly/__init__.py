"""Anomaly detection by reconstruction error."""

from sklearn_seqae.anomaly.detector import AutoencoderAnomalyDetector

__all__ = ["AutoencoderAnomalyDetector"]
