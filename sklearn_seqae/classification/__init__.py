"""A classifier that starts from an autoencoder."""

from sklearn_seqae.classification.classifier import AutoencoderClassifier

__all__ = ["AutoencoderClassifier"]
