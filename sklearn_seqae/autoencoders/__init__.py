"""Autoencoders as scikit-learn transformers."""

from sklearn_seqae.autoencoders.convolutional import (
    ConvolutionalAutoencoderTransformer,
)
from sklearn_seqae.autoencoders.dense import DenseAutoencoderTransformer
from sklearn_seqae.autoencoders.recurrent import RecurrentAutoencoderTransformer

__all__ = [
    "ConvolutionalAutoencoderTransformer",
    "DenseAutoencoderTransformer",
    "RecurrentAutoencoderTransformer",
]
