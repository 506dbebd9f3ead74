"""Batches of scaled samples."""

from typing import Any

import numpy as np
import torch

from sklearn_seqae._sequences import Samples
from sklearn_seqae.training.batches import Batches


def make_batches(data: Samples, device: str, inputs: Any, **options: Any) -> Batches:
    """Make batches on a device.

    Parameters
    ----------
    data : Samples
        Samples in the units of the network, with filled gaps.

    device : str
        Device of the batches.

    inputs : ndarray of shape (K, N, ...) or None
        Inputs of the encoder, as in `Batches`.

    **options
        Other parameters of `Batches`.
    """
    weight = None if data.weight is None else data.weight.astype(np.float32)
    arrays = {
        "lengths": data.lengths,
        "target": data.target,
        "weight": weight,
        "observed": data.observed,
        "target_observed": data.target_observed,
        "inputs": inputs,
    }
    x: Any = data.values
    if isinstance(x, np.ndarray):
        x = torch.from_numpy(x)
    x = x.to(device)
    tensors: dict[str, Any] = {
        name: None if array is None else torch.from_numpy(array).to(device)
        for name, array in arrays.items()
    }
    return Batches(x, **tensors, **options)
