"""Devices of torch by name."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

_replacement: ContextVar[str | None] = ContextVar("replacement", default=None)


@contextmanager
def replaced_by(device: str) -> Iterator[None]:
    """Replace the device of every model that is loaded in the block.

    Parameters
    ----------
    device : str
        Device as in `find_device`.
    """
    find_device(device)
    token = _replacement.set(device)
    try:
        yield
    finally:
        _replacement.reset(token)


def device_to_load(device: str) -> str:
    """Return the device of a model that is loaded, replaced in `replaced_by`."""
    return _replacement.get() or device


def available_devices() -> list[str]:
    """Return the devices on which torch can compute, accelerators last."""
    devices = ["cpu", "cpu:0"]
    if torch.accelerator.is_available():
        kind = torch.accelerator.current_accelerator()
        assert kind is not None
        numbers = range(torch.accelerator.device_count())
        devices += [kind.type, *(f"{kind.type}:{number}" for number in numbers)]
    return devices


def is_available(name: str) -> bool:
    """Return whether torch can compute on a device."""
    return name == "auto" or name in available_devices()


def find_device(name: str) -> str:
    """Return the name of an available device.

    Parameters
    ----------
    name : str
        Device, or "auto" for the accelerator if there is one, and else the CPU.

    Raises
    ------
    ValueError
        If there is no such device.

    Examples
    --------
    >>> from sklearn_seqae.training.devices import find_device
    >>> find_device("cpu")
    'cpu'
    """
    devices = available_devices()
    if name == "auto":
        return devices[2] if len(devices) > 2 else "cpu"
    if name not in devices:
        raise ValueError(
            "The 'device' parameter must be 'auto' or a device that is available here: "
            f"{', '.join(map(repr, devices))}. Got {name!r} instead."
        )
    return name
