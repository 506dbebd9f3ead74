"""Devices of torch by name."""

import torch


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
