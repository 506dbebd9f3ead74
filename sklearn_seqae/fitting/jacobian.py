"""Mean Jacobian of the decoder of a fitted model."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sklearn_seqae.fitting.encoder import WhiteningTensors
from sklearn_seqae.fitting.model import FittedModel
from sklearn_seqae.training.isolation import isolated

DIFFERENCE = 1e-5  # relative to the spread of the codes
MOST_VALUES = 2**21  # maximum number of values that are decoded at once


@isolated()
def mean_jacobian(
    model: FittedModel,
    codes: NDArray[Any],
    n_steps: int | None,
    *,
    ahead: bool = False,
) -> NDArray[np.float64]:
    """Return the derivatives of the decoder, averaged over latent codes.

    They are central differences in float64, so any decoder can be used, and those of a
    linear decoder are exact up to rounding.

    Parameters
    ----------
    model : FittedModel
        Model with its decoder and whitening. It is not changed.

    codes : ndarray of shape (N, K)
        Latent codes, as `FittedModel.encode` returns them.

    n_steps : int or None
        T, number of time steps to decode; None for tables and images.

    ahead : bool, default=False
        Whether to use the forecast instead of the reconstruction.

    Returns
    -------
    jacobian : ndarray of shape (K, D) or (K, T, C)
        Derivatives in the units of X per unit of the codes.
    """
    module = copy.deepcopy(model.module).cpu().double()
    model = replace(model, module=module)
    white, k = model.whitening_tensors(), codes.shape[1]
    differences = DIFFERENCE * module.code_spread[:k]
    if white is not None:
        white = WhiteningTensors(*(part.double() for part in white))
        differences = torch.full_like(differences, DIFFERENCE)
    decode = model.decoder(white, ahead)
    tensor = torch.from_numpy(codes.astype(np.float64) / model.code_unit)
    moves = torch.diag(differences)
    total: Any = 0.0
    n_values = 2 * k * model.spec.n_features * (n_steps or 1)
    n_rows = max(1, MOST_VALUES // n_values)
    with torch.no_grad():
        for start in range(0, len(tensor), n_rows):
            part = tensor[start : start + n_rows]
            moved = torch.stack([part + moves[:, None], part - moves[:, None]])
            output = decode(moved.flatten(0, 2), None, n_steps).double()
            above, below = output.view(2, k, len(part), *output.shape[1:])
            total = total + (above - below).sum(1)
    unit = model.scaling.scale / model.code_unit
    sizes = (2 * len(codes) * differences).view(-1, *[1] * (total.ndim - 1))
    jacobian: NDArray[np.float64] = (total / sizes).numpy() * unit
    return jacobian


def code_of_mean(model: FittedModel) -> NDArray[np.float64]:
    """Return the encoder's code of the training mean, (1, K)."""
    mean = model.scaling.mean[np.newaxis]
    x = torch.from_numpy(model.scaling.apply(mean, None)).to(model.device)
    with isolated(), torch.no_grad():
        code = model.encoder()(x).cpu().numpy().astype(np.float64)
    result: NDArray[np.float64] = code * model.code_unit
    return result
