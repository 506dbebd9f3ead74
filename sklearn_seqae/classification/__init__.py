"""Classifier that fine-tunes the encoder of an autoencoder."""

from sklearn_seqae.classification.classifier import AutoencoderClassifier

__all__ = ["AutoencoderClassifier"]
