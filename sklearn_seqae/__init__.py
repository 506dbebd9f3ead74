"""Drop-in autoencoder alternatives to PCA: for tables, images and sequences.

Names are loaded on first use: ``import sklearn_seqae`` imports neither torch nor
matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sklearn_seqae._version import __version__ as __version__

if TYPE_CHECKING:  # type checkers and editors do not run __getattr__
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
    "persistence",
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


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        value = getattr(import_module(_HOME_OF[name]), name)
        globals()[name] = value
        return value
    if name in __all__:
        return import_module(f"sklearn_seqae.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
