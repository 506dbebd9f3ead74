"""Autoencoders for tables, images and sequences that stand where PCA stands.

Names are loaded when they are first used: ``import sklearn_seqae`` itself
imports neither torch nor matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from sklearn_seqae._version import __version__ as __version__

if TYPE_CHECKING:  # for editors and type checkers, which cannot see lazy names
    from sklearn_seqae.anomaly import AutoencoderAnomalyDetector
    from sklearn_seqae.autoencoders import (
        ConvolutionalAutoencoderTransformer,
        DenseAutoencoderTransformer,
        RecurrentAutoencoderTransformer,
    )
    from sklearn_seqae.classification import AutoencoderClassifier
    from sklearn_seqae.preprocessing import SequenceScaler

__all__ = [
    "AutoencoderAnomalyDetector",
    "AutoencoderClassifier",
    "ConvolutionalAutoencoderTransformer",
    "DenseAutoencoderTransformer",
    "RecurrentAutoencoderTransformer",
    "SequenceScaler",
    "anomaly",
    "autoencoders",
    "classification",
    "conversion",
    "datasets",
    "displays",
    "preprocessing",
    "windows",
]

_HOME_OF = {
    "AutoencoderAnomalyDetector": "sklearn_seqae.anomaly",
    "AutoencoderClassifier": "sklearn_seqae.classification",
    "ConvolutionalAutoencoderTransformer": "sklearn_seqae.autoencoders",
    "DenseAutoencoderTransformer": "sklearn_seqae.autoencoders",
    "RecurrentAutoencoderTransformer": "sklearn_seqae.autoencoders",
    "SequenceScaler": "sklearn_seqae.preprocessing",
}


def __getattr__(name):
    if name in _HOME_OF:
        value = getattr(import_module(_HOME_OF[name]), name)
        globals()[name] = value  # so that the next look-up is a plain one
        return value
    if name in __all__:
        return import_module(f"sklearn_seqae.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
