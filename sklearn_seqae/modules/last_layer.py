"""Closed-form refit of the decoder's last layer."""

from typing import Any

import torch
from torch import Tensor

from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.batch import Batch
from sklearn_seqae.modules.bottleneck import truncate
from sklearn_seqae.modules.linear_path import ResampledLinearPath
from sklearn_seqae.modules.nearest import TINY, Sizes


class LastLayer:
    """Ridge regression of the residuals on the inputs of the decoder's last layer.

    In a table, the output is also linear in the weights of the linear path, which are
    refitted together with it. The penalty is on the change of the weights.

    Parameters
    ----------
    module : Autoencoder
        Autoencoder with a linear path and a decoder that has a `last_layer`. The
        weights are those before the refit.
    """

    def __init__(self, module: Autoencoder):
        self.module = module
        self.decoder: Any = module.decoder
        self.is_table = not isinstance(module.linear_path, ResampledLinearPath)
        self._products: Any = 0.0
        self._moments: Any = 0.0

    @torch.no_grad()
    def add(self, code: Tensor, batch: Batch) -> None:
        """Add the rows of a batch, with their codes (N, Z).

        The residuals of an ordered code are those of several sizes, weighted as in the
        training. Missing values and padding have no residual.
        """
        sizes = Sizes.of(self.module, code.shape[1]).some()
        for size, weight in zip(*sizes, strict=True):
            inputs, residuals = self._of_size(code, batch, size)
            if batch.weight is not None:
                root = batch.weight.sqrt().view(-1, *[1] * (inputs.ndim - 1))
                inputs, residuals = root * inputs, root * residuals
            inputs = inputs.flatten(0, -2).cpu().double()
            residuals = residuals.flatten(0, -2).cpu().double()
            self._products = self._products + weight * inputs.T @ inputs
            self._moments = self._moments + weight * inputs.T @ residuals

    def _of_size(self, code: Tensor, batch: Batch, size: int) -> tuple[Tensor, Tensor]:
        """Return the inputs and the residuals of codes truncated to a size."""
        module, x, lengths = self.module, batch.x, batch.lengths
        kept = None
        if module.is_ordered:
            kept = torch.full((len(code),), size, device=code.device)
            code = truncate(code, kept)
        captured: list[Tensor] = []
        handle = self.decoder.last_layer.register_forward_pre_hook(
            lambda _, given: captured.append(given[0])
        )
        try:
            n_steps = x.shape[1] if x.ndim == 3 else None
            residuals = x - module.decode(code, lengths, n_steps, kept)
        finally:
            handle.remove()
        mask = batch.mask if batch.observed is None else batch.observed
        if mask is not None:
            residuals = residuals * (mask if mask.ndim == x.ndim else mask[:, :, None])
        inputs = module.decoder_unit[size - 1] * captured[0]
        if self.is_table:
            ones = torch.ones_like(code[:, :1])
            of_path = torch.cat([ones, code / module.code_spread], dim=1)
            inputs = torch.cat([inputs, module.decoder_unit[-1] * of_path], dim=1)
        if batch.mask is not None:  # some patches are padding
            steps = batch.mask[:, :, None].expand_as(x).to(x.dtype)
            patches = self.decoder.to_last_layer(steps, lengths)
            inputs = inputs * patches.amax(-1, keepdim=True)
        return inputs, self.decoder.to_last_layer(residuals, lengths)

    @torch.no_grad()
    def weights(self, strength: float) -> dict[str, Tensor]:
        """Return the refitted weights by their names in the module.

        Parameters
        ----------
        strength : float
            Strength of the penalty, relative to the mean square of the inputs.
        """
        products = self._products.clone()
        diagonal = products.diagonal()
        diagonal += (strength * diagonal.mean()).clamp(min=TINY)
        change = torch.linalg.solve(products, self._moments)
        module, layer = self.module, self.decoder.last_layer
        changes = {layer.weight: change[: layer.in_features].T}
        if self.is_table:
            path: Any = module.linear_path
            columns = float(module.decoder_unit[-1]) * change[layer.in_features :].T
            if self.decoder.rotated_out:
                columns = self.decoder.basis.T.cpu().double() @ columns
            changes[path.decoder.bias] = columns[:, 0]
            spread = module.code_spread.cpu().double()
            changes[path.decoder.weight] = columns[:, 1:] / spread
        return {
            name: (weight.cpu() + changes[weight]).to(weight)
            for name, weight in module.named_parameters()
            if weight in changes
        }
