"""The encoder of a fitted autoencoder as the start of another network."""

import torch
from torch import nn

from sklearn_seqae.modules.resampling import time_warp


class Encoder(nn.Module):
    """What `transform` computes, open to gradients.

    It is the autoencoder's own module: whatever trains this one trains that one.

    Shape
    -----
    - Input: `x` (N, D) or (N, T, C), scaled as the autoencoder does; `lengths` (N,)
      or None
    - Output: (N, Z), the codes

    Parameters
    ----------
    module : Autoencoder
        The network.

    n_components : int
        Z, where the code is wider than what is kept of it.

    white : list of Tensor or None
        Mean, factor and inverse factor that make codes white.

    warp : float
        Strength of the time warps in training mode.

    generator : torch.Generator or None
        Source of the warps.
    """

    def __init__(self, module, *, n_components, white, warp=0.0, generator=None):
        super().__init__()
        self.module = module
        self.n_components = n_components
        self.white = white
        self.warp = warp
        self.generator = generator

    def forward(self, x, lengths=None):
        """Map samples to codes."""
        if self.training and self.warp:
            x = time_warp(x, lengths, self.warp, self.generator)
        code = self.module.encode(x, lengths)[:, : self.n_components]
        if self.white is None:
            return code
        return (code - self.white[0]) @ self.white[1]


@torch.no_grad()
def even_out(module):
    """Let the network speak of all components in one unit, and say what it said.

    To a reconstruction small components matter little, and the network corrects them
    in small units. What tells classes apart may be in any of them.
    """
    unit = module.encoder_unit
    largest = unit.max()
    largest = largest.where(largest > 0, 1)  # PCA left nothing, and it was silent
    last = [layer for layer in module.encoder.modules() if type(layer) is nn.Linear][-1]
    last.weight.mul_((unit / largest)[:, None])
    module.set_units(encoder_unit=largest)


class TuningMixin:
    """Hand out the encoder, and samples in its units, to be trained further."""

    def _encoder(self, *, warp=0.0, generator=None):
        return Encoder(
            self.module_,
            n_components=self.n_components_,
            white=self._white(),
            warp=warp,
            generator=generator,
        )

    def _encoder_to_tune(self, n_rows, generator):
        """The encoder, its samples warped as in the training of n rows."""
        if self.module_.linear_path is None:
            return self._encoder()
        even_out(self.module_)
        return self._encoder(warp=self._warp(n_rows), generator=generator)

    def _tensors(self, samples):
        """Samples as tensors (values, lengths or None), scaled and on the device."""
        x = self._scaling.apply(samples.values, samples.lengths)
        lengths = samples.lengths
        if lengths is not None:
            lengths = torch.from_numpy(lengths).to(self.device)
        return torch.from_numpy(x).to(self.device), lengths
