"""Devices of torch by name."""

import torch


def available_devices() -> list[str]:
    """Return the devices on which torch can compute, the fastest kind last."""
    devices = ["cpu"]
    if torch.accelerator.is_available():
        kind = torch.accelerator.current_accelerator()
        assert kind is not None
        numbers = range(torch.accelerator.device_count())
        devices += [kind.type, *(f"{kind.type}:{number}" for number in numbers)]
    return devices


def is_available(name: str) -> bool:
    """Return whether torch can compute on a device."""
    return name in ("auto", "cpu") or name in available_devices()


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
        return devices[min(1, len(devices) - 1)]
    if not is_available(name):
        raise ValueError(
            "The 'device' parameter must be 'auto' or a device that is available here: "
            f"{', '.join(map(repr, devices))}. Got {name!r} instead."
        )
    return name
