"""Save and load fitted estimators in files that run no code."""

import io
import os
import platform
import zlib
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from importlib.metadata import version
from typing import Any
from zipfile import ZipFile

from sklearn.utils.validation import check_is_fitted

from sklearn_seqae._files import DamagedFileError, read_file, write_file
from sklearn_seqae._version import __version__

__all__ = ["TRUSTED_TYPES", "ModelFileError", "load", "save"]

TRUSTED_TYPES = [
    "sklearn_seqae.anomaly.detector.AutoencoderAnomalyDetector",
    "sklearn_seqae.autoencoders.convolutional.ConvolutionalAutoencoderTransformer",
    "sklearn_seqae.autoencoders.dense.DenseAutoencoderTransformer",
    "sklearn_seqae.autoencoders.recurrent.RecurrentAutoencoderTransformer",
    "sklearn_seqae.classification.classifier.AutoencoderClassifier",
    "sklearn_seqae.preprocessing.SequenceScaler",
]

MAGIC = b"sklearn-seqae model"
FORMAT_VERSION = 1
SCHEMA = "schema.json"  # member of an archive of skops: the description of the objects
PACKAGES = ("numpy", "scikit-learn", "skops", "torch")


class ModelFileError(ValueError):
    """Error for a file that `load` cannot read: damaged, foreign or newer.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_seqae import persistence
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "notes.txt"
    ...     _ = path.write_text("not a model")
    ...     try:
    ...         persistence.load(path)
    ...     except persistence.ModelFileError as error:
    ...         print(str(error).replace(str(path), "notes.txt"))
    Cannot load 'notes.txt': its first line is not 'sklearn-seqae model'. Expected a
    complete file of sklearn_seqae.persistence.save.
    """


def save(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Save a fitted estimator to a file.

    The file is replaced as a whole: after an error or a crash, the old file is still
    there. It contains arrays and plain values in the format of skops, a header, and a
    checksum. This requires skops (``pip install 'sklearn-seqae[persistence]'``).

    Parameters
    ----------
    estimator : estimator
        Fitted estimator of this package or of scikit-learn, such as a Pipeline or a
        ColumnTransformer. Of a fitted search, only `best_estimator_` is saved.

    path : path-like
        Path of the file.

    Raises
    ------
    ImportError
        If skops is not installed.
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If the estimator contains an object of another package, or a function. `load`
        could not trust it.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_seqae import DenseAutoencoderTransformer, persistence
    >>> X = load_iris().data
    >>> model = DenseAutoencoderTransformer(2, max_iter=5, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     persistence.save(model, f"{folder}/model.seqae")
    ...     loaded = persistence.load(f"{folder}/model.seqae")
    >>> bool((loaded.transform(X) == model.transform(X)).all())
    True
    """
    skops = _skops()
    check_is_fitted(estimator)
    estimator = getattr(estimator, "best_estimator_", estimator)
    advice = (
        "Remove it from the estimator before you save, for example with "
        "set_params(skorch_callbacks=None), or use joblib."
    )
    try:
        data = skops.dumps(estimator)
    except TypeError as error:  # UnsupportedTypeException is one, too
        raise TypeError(
            f"Cannot save {type(estimator).__name__}: {error} {advice}"
        ) from error
    foreign = set(_untrusted_types(data)) - set(TRUSTED_TYPES)
    if foreign:
        raise TypeError(
            f"Cannot save {type(estimator).__name__}: expected objects of "
            "sklearn_seqae and scikit-learn only, got "
            f"{', '.join(sorted(foreign))}. {advice}"
        )
    write_file(path, MAGIC, _header(estimator), *_shortened(data))


def load(path: str | os.PathLike[str], device: str | None = None) -> Any:
    """Load an estimator from a file of `save`.

    No code from the file is run. Only classes of this package and those of scikit-learn
    that skops trusts are created. There is no fallback to pickle. The checksum detects
    damage. It does not prove who wrote the file.

    Parameters
    ----------
    path : path-like
        Path of the file.

    device : str, default=None
        Device for all networks in the file, as the parameter `device` of the
        autoencoders. If None, each uses the device of its fit, or the CPU with a
        warning if that device is not available here.

    Returns
    -------
    estimator : estimator
        Fitted estimator. With the same versions of the packages and the same kind of
        CPU, its results are bitwise identical to those of the saved estimator.

    Raises
    ------
    ImportError
        If skops is not installed.
    ModelFileError
        If the file is damaged, incomplete, of another format or of a newer version.
    OSError
        If the file cannot be read.
    ValueError
        If the device is not available.

    Examples
    --------
    See :func:`save`.
    """
    skops = _skops()
    try:
        header, data = read_file(path, MAGIC)
    except DamagedFileError as error:
        raise _error(path, str(error)) from error
    number = header.get("format_version")
    if type(number) is not int or not 1 <= number <= FORMAT_VERSION:
        raise _error(
            path,
            f"it has format version {number!r}, and this version of sklearn-seqae "
            f"({__version__}) reads 1 to {FORMAT_VERSION}. Update sklearn-seqae",
        )
    with _on(device):
        try:
            return skops.loads(_archive(data), trusted=TRUSTED_TYPES)
        except Warning:  # an error by the filters of the user
            raise
        except Exception as error:  # the content decides which exception is raised
            written = header.get("versions")
            raise _error(
                path,
                f"its content is not a model that this version reads ({error}). It was "
                f"written with {written}",
            ) from error


def _on(device: str | None) -> AbstractContextManager[None]:
    """Return the context that loads models on a device. Only a device needs torch."""
    if device is None:
        return nullcontext()
    from sklearn_seqae.training.devices import replaced_by

    return replaced_by(device)


def _skops() -> Any:
    """Return the module skops.io."""
    try:
        import skops.io
    except ImportError as error:
        raise ImportError(
            "sklearn_seqae.persistence requires skops. Install it with "
            "pip install 'sklearn-seqae[persistence]'."
        ) from error
    return skops.io


def _error(path: str | os.PathLike[str], reason: str) -> ModelFileError:
    return ModelFileError(
        f"Cannot load {str(path)!r}: {reason}. Expected a complete file of "
        "sklearn_seqae.persistence.save."
    )


def _header(estimator: Any) -> dict[str, Any]:
    """Return what the first lines of a file say about it."""
    kind = type(estimator)
    names = getattr(estimator, "feature_names_in_", None)
    n_features = getattr(estimator, "n_features_in_", None)
    fitted = getattr(estimator, "model_", None)
    form = getattr(fitted, "input_format", getattr(estimator, "_input_format", None))
    shape = getattr(form, "shape", None)
    return {
        "format_version": FORMAT_VERSION,
        "class": f"{kind.__module__}.{kind.__qualname__}",
        "n_features_in": None if n_features is None else int(n_features),
        "feature_names_in": None if names is None else list(names),
        "input_form": getattr(form, "form", None),
        "input_shape": None if shape is None else [int(n) for n in shape],
        "versions": {
            "python": platform.python_version(),
            "sklearn-seqae": __version__,
            **_versions(),
        },
    }


@cache
def _versions() -> dict[str, str]:
    """Return the installed versions of the packages that compute."""
    return {name: version(name) for name in PACKAGES}


def _untrusted_types(data: bytes) -> list[str]:
    """Return the classes in an archive that skops does not trust.

    The arrays are left out, because reading them takes time.
    """
    buffer = io.BytesIO()
    with ZipFile(io.BytesIO(data)) as archive, ZipFile(buffer, "w") as target:
        for name in archive.namelist():
            target.writestr(name, archive.read(name) if name == SCHEMA else b"")
    found: list[str] = _skops().get_untrusted_types(data=buffer.getvalue())
    return found


def _shortened(data: bytes) -> list[bytes | memoryview]:
    """Compress the end of a zip archive, the description of the objects, which is long.

    Arrays precede it. They stay as they are, which is faster than a new archive. The
    result is in parts.
    """
    with ZipFile(io.BytesIO(data)) as archive:
        start = archive.getinfo(SCHEMA).header_offset
    end = zlib.compress(data[start:])
    return [memoryview(data)[:start], end, len(end).to_bytes(8, "big")]


def _archive(data: memoryview) -> bytes:
    """Invert `_shortened`."""
    start = len(data) - 8 - int.from_bytes(data[-8:], "big")
    return b"".join([data[:start], zlib.decompress(data[start:-8])])
