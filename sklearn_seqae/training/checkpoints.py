"""Checkpoints: files from which an interrupted fit continues."""

import hashlib
import json
import math
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from sklearn_seqae._files import DamagedFileError, read_file, temporary_of, write_file
from sklearn_seqae._version import __version__
from sklearn_seqae._warn import warn

MAGIC = b"sklearn-seqae checkpoint"
FORMAT_VERSION = 1
ATTEMPTS = 5  # to write a file
PACKAGES = ("numpy", "scipy", "scikit-learn", "skorch", "torch")
WITHOUT_EFFECT = ("checkpoint", "verbose", "n_jobs", "memory")  # on the bits of a fit


class Checkpoint:
    """Progress of the trainings of a fit, in a file.

    The file contains arrays and plain values only. It is replaced as a whole after each
    epoch, so a process may be killed at any moment. A damaged file is ignored with a
    warning.

    Parameters
    ----------
    path : Path
        Path of the file. Its folder is created when the file is written.

    key : str
        Digest of everything that determines the fit. A file with another key is
        ignored.

    seed : int
        Seed of the fit. The seed of the file replaces it.

    is_kept : bool
        Whether the file is kept when the fit is done, for a fit around this one.
    """

    def __init__(self, path: Path, key: str, seed: int, *, is_kept: bool):
        self.path, self.key, self.seed, self.is_kept = path, key, seed, is_kept
        self._trainings: dict[str, tuple[Any, bytes]] = {}
        self._lock = Lock()
        self._left = list(path.parent.glob(temporary_of(path, "*").name))
        with suppress(FileNotFoundError):
            self._read()

    def _read(self) -> None:
        try:
            header, data = read_file(self.path, MAGIC)
            if header.get("key") != self.key:
                raise DamagedFileError("it belongs to another fit")
        except DamagedFileError as error:
            warn(
                f"The checkpoint {str(self.path)!r} is ignored, and the fit begins "
                f"anew: {error}."
            )
            return
        self.seed, start = header["seed"], 0
        for name, state, size in header["trainings"]:
            self._trainings[name] = state, bytes(data[start : start + size])
            start += size

    def get(self, name: str) -> Any:
        """Return the state of a training; None if it has not been saved."""
        if name not in self._trainings:
            return None
        state, data = self._trainings[name]
        return _restored(state, BytesIO(data))

    def save(self, name: str, state: Any) -> None:
        """Save the state of a training: arrays, tensors and plain values."""
        arrays: list[np.ndarray] = []
        packed = _packed(state, arrays)
        data = b"".join(array.tobytes() for array in arrays)
        with self._lock:  # trainings may run side by side
            self._trainings[name] = packed, data
            header = {
                "key": self.key,
                "seed": self.seed,
                "trainings": [
                    [name, state, len(data)]
                    for name, (state, data) in self._trainings.items()
                ],
            }
            parts = [data for _, data in self._trainings.values()]
            self._write(header, parts)

    def _write(self, header: dict[str, Any], parts: list[bytes]) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                return write_file(self.path, MAGIC, header, *parts)
            except FileNotFoundError:  # an equal fit is done and removes the folder
                if attempt == ATTEMPTS:
                    raise

    def close(self) -> None:
        """Remove the file and what an interrupted `save` has left: the fit is done."""
        if self.is_kept:
            return
        for path in (self.path, *self._left):
            path.unlink(missing_ok=True)


class _Fit:
    """Folder of the checkpoints of the fits inside of a fit, and how often each ran."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.counts: Counter[str] = Counter()


_around: ContextVar[_Fit | None] = ContextVar("around", default=None)


def is_on(checkpoint: str | None) -> bool:
    """Return whether a fit with this parameter has a checkpoint."""
    return checkpoint is not None or _around.get() is not None


def open_checkpoint(
    checkpoint: str | None, inputs: Any, seed: int, *, is_seeded: bool
) -> Checkpoint | None:
    """Open the checkpoint of a fit, in the folder of `fits_inside` if there is one.

    Parameters
    ----------
    checkpoint : str or None
        Path of a folder; None: no checkpoint.

    inputs : object
        Data and parameters that determine the fit, without the seed.

    seed : int
        Seed of the fit.

    is_seeded : bool
        Whether the user determines the seed. If not, the seed of the file is used.

    Returns
    -------
    checkpoint : Checkpoint or None
    """
    around = _around.get()
    if around is None and checkpoint is None:
        return None
    key = digest_of([inputs, seed if is_seeded else None])
    if around is None:
        assert checkpoint is not None
        return Checkpoint(_folder(checkpoint) / key, key, seed, is_kept=False)
    around.counts[key] += 1  # equal fits have files of their own
    name = f"{key}-{around.counts[key]}"
    return Checkpoint(around.folder / name, key, seed, is_kept=True)


@contextmanager
def fits_inside(checkpoint: str | None, inputs: Any) -> Iterator[None]:
    """Keep the checkpoints of all fits in the block until it ends without an error.

    Parameters
    ----------
    checkpoint : str or None
        Path of a folder, in which a folder for these fits is made; None: the fits have
        their own checkpoints.

    inputs : object
        Data and parameters that determine the name of the folder.
    """
    if checkpoint is None or _around.get() is not None:
        yield
        return
    fit = _Fit(_folder(checkpoint) / digest_of(inputs))
    token = _around.set(fit)
    try:
        yield
    finally:
        _around.reset(token)
    shutil.rmtree(fit.folder, ignore_errors=True)


def _folder(checkpoint: str) -> Path:
    folder = Path(checkpoint)
    if folder.exists() and not folder.is_dir():
        raise ValueError(
            "The 'checkpoint' parameter must be the path of a folder. Got the path "
            f"{checkpoint!r} of a file instead."
        )
    return folder


def parameters_of(estimator: Any) -> dict[str, Any]:
    """Return the parameters of an estimator that determine its fit, nested ones too."""
    params = estimator.get_params()
    return {
        name: value
        for name, value in params.items()
        if name.split("__")[-1] not in WITHOUT_EFFECT
    }


def digest_of(inputs: Any) -> str:
    """Return the SHA-256 digest of values, arrays, dataclasses and package versions."""
    arrays: list[np.ndarray] = []
    packed = _packed([FORMAT_VERSION, _versions(), inputs], arrays)
    digest = hashlib.sha256(json.dumps(packed).encode())
    for array in arrays:
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


@cache
def _versions() -> list[str]:
    return [__version__, *map(version, PACKAGES)]


def _packed(value: Any, arrays: list[np.ndarray]) -> Any:
    """Convert a value for JSON. Arrays and tensors are appended to `arrays`."""
    if hasattr(value, "detach"):  # a tensor of torch
        value = value.detach().cpu().numpy()
    if hasattr(value, "to_numpy"):  # a data frame
        value = value.to_numpy()
    if hasattr(value, "arrays"):  # rows that are read in chunks
        value = value.arrays
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        value = value.tolist()
    if isinstance(value, np.ndarray):
        arrays.append(np.ascontiguousarray(value))
        return {"array": value.dtype.str, "shape": list(value.shape)}
    if isinstance(value, dict):  # keys may be numbers
        return {"items": [[k, _packed(v, arrays)] for k, v in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_packed(each, arrays) for each in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    # The rest is for digests only.
    kind = type(value)
    state: Any = getattr(value, "__qualname__", None)  # a function or a class
    if is_dataclass(value):
        state = {f.name: getattr(value, f.name) for f in fields(value)}
    elif isinstance(value, np.random.RandomState):
        state = value.get_state(legacy=False)
    name = f"{kind.__module__}.{kind.__qualname__}"
    return {"kind": name, "state": _packed(state, arrays)}


def _restored(packed: Any, data: BytesIO) -> Any:
    """Invert `_packed` for arrays and plain values."""
    if isinstance(packed, list):
        return [_restored(each, data) for each in packed]
    if not isinstance(packed, dict):
        return packed
    if "items" in packed:
        return {key: _restored(each, data) for key, each in packed["items"]}
    dtype, shape = np.dtype(packed["array"]), packed["shape"]
    # A bytearray, because torch needs memory that it may write to.
    values = bytearray(data.read(dtype.itemsize * math.prod(shape)))
    return np.frombuffer(values, dtype).reshape(shape)
