"""The computation that is exported, as a torch module."""

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_seqae.modules.stacks import step_mask
from sklearn_seqae.onnx._nearest import NearestCodes


class Graph(nn.Module):
    """Map samples to latent codes or to their reconstruction, in the units of X.

    Shape
    -----
    - Input: `x` as the estimator reads it, padded; `lengths` (N,) or None
    - Output: (N, Z), or in the shape of `x`

    Parameters
    ----------
    model : FittedModel
        Model, with or without nearest-point codes. It is copied to the CPU.

    scaler : tuple of ndarray or None
        Mean and scale of a StandardScaler before the model; None without one.

    reconstructs : bool
        Whether to return the reconstruction in place of the latent codes.
    """

    def __init__(self, model: Any, scaler: Any, *, reconstructs: bool):
        super().__init__()
        module = copy.deepcopy(model.module).cpu().eval().requires_grad_(False)
        model = replace(model, module=module)
        self.encoder = model.sample_encoder().eval()
        self.module = module  # of `decode`
        self.decode = model.decoder(None, ahead=False)
        self.refine = NearestCodes(model) if model.refinement_steps else None
        self.scale = model.scaling.scale
        self.reconstructs = reconstructs
        self.scaler = None
        if scaler is not None:
            self.scaler = [torch.tensor(values).double() for values in scaler]

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Compute the output."""
        dtype = x.dtype
        if self.scaler is not None:
            mean, scale = self.scaler
            x = ((x.double() - mean) / scale).to(dtype)
        if self.encoder.n_channels is not None and lengths is None:
            # Exported graphs have no branches, so every batch has lengths.
            steps = torch.ones_like(self.encoder.scaled(x)[:, :, 0])
            lengths = steps.sum(1).long()
        scaled = self.encoder.scaled(x, lengths)
        code = self.encoder.encoder(scaled, lengths)
        if self.refine is not None:
            code = self.refine(code, scaled, lengths)
        if not self.reconstructs:
            return self.encoder.in_units(code, dtype)
        n_steps = None if lengths is None else scaled.shape[1]
        output = self.decode(code, lengths, n_steps)
        output = output.double() * self.scale + self.encoder.center.double()
        if lengths is None:
            output = output.reshape(x.shape)
        elif x.ndim == 2:
            output = output.flatten(1)
        output = output.to(dtype)
        if self.scaler is not None:
            output = (output.double() * scale + mean).to(dtype)
        if lengths is not None and x.ndim == 3:
            output = torch.where(step_mask(lengths, output.shape[1]), output, 0)
        return output
