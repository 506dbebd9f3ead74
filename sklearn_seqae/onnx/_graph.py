"""The computations that are exported, as torch modules."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_seqae.modules.stacks import step_mask
from sklearn_seqae.onnx._loop import script_loops
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

    before : sequence of `Scale` or `Projection`
        Steps before the model.

    reconstructs : bool
        Whether to return the reconstruction in place of the latent codes.
    """

    def __init__(self, model: Any, before: Sequence[Any], *, reconstructs: bool):
        super().__init__()
        module = copy.deepcopy(model.module).cpu().eval().requires_grad_(False)
        model = replace(model, module=module)
        self.encoder = model.sample_encoder().eval()
        self.module = module  # of `decode`
        script_loops(module)
        self.decode = model.decoder(None, ahead=False)
        self.refine = NearestCodes(model) if model.refinement_steps else None
        self.scale = model.scaling.scale
        self.reconstructs = reconstructs
        self.before = list(before)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Compute the output."""
        for step in self.before:
            x = step(x)
        code, n_steps, lengths = self._encode(x, lengths)
        if not self.reconstructs:
            return self.encoder.in_units(code, x.dtype)
        return self._rebuild(x, code, lengths, n_steps)

    def both(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return latent codes and reconstruction."""
        for step in self.before:
            x = step(x)
        code, n_steps, lengths = self._encode(x, lengths)
        codes = self.encoder.in_units(code, x.dtype)
        return codes, self._rebuild(x, code, lengths, n_steps)

    def _encode(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Any, Any]:
        """Return scaled codes, and the number of time steps or None."""
        if self.encoder.n_channels is not None and lengths is None:
            # Exported graphs have no branches, so every batch has lengths.
            steps = torch.ones_like(self.encoder.scaled(x)[:, :, 0])
            lengths = steps.sum(1).long()
        scaled = self.encoder.scaled(x, lengths)
        code = self.encoder.encoder(scaled, lengths)
        if self.refine is not None:
            code = self.refine(code, scaled, lengths)
        return code, None if lengths is None else scaled.shape[1], lengths

    def _rebuild(
        self, x: Tensor, code: Tensor, lengths: Tensor | None, n_steps: Any
    ) -> Tensor:
        """Return the reconstruction in the shape of X."""
        output = self.decode(code, lengths, n_steps)
        output = output.double() * self.scale + self.encoder.center.double()
        if lengths is None:
            output = output.reshape(x.shape)
        elif x.ndim == 2:
            output = output.flatten(1)
        output = output.to(x.dtype)
        for step in reversed(self.before):
            output = step.undo(output)
        if lengths is not None and x.ndim == 3:
            output = torch.where(step_mask(lengths, output.shape[1]), output, 0)
        return output


class LinearGraph(nn.Module):
    """Map samples to the codes of PCA, and to their reconstruction.

    Parameters
    ----------
    steps : sequence of `Scale` or `Projection`
        Steps, the last of which is PCA.
    """

    def __init__(self, steps: Sequence[Any]):
        super().__init__()
        self.steps = list(steps)

    def both(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return latent codes and reconstruction."""
        codes = x
        for step in self.steps:
            codes = step(codes)
        output = codes
        for step in reversed(self.steps):
            output = step.undo(output)
        return codes, output
