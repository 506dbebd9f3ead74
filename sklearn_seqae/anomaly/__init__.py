"""Anomaly detection by the error of a reconstruction."""

from sklearn_seqae.anomaly.detector import AutoencoderAnomalyDetector

__all__ = ["AutoencoderAnomalyDetector"]
