"""The autoencoder: an encoder and a decoder, each beside a linear path."""

from typing import cast

import torch
from torch import Tensor, nn

from sklearn_seqae.modules.bottleneck import cut
from sklearn_seqae.modules.linear_path import LinearPath


class Autoencoder(nn.Module):
    """Put an encoder, a decoder and, where there is one, a linear path together.

    With a linear path, code = L_e x + u f_e(x) and output = L_d code + v f_d(code):
    the networks f correct what the linear path says, in units u and v of the size
    of what there is to correct. Without networks the linear path stands alone: PCA,
    or with no component the mean.

    Shape
    -----
    - encode: (N, D) or (N, T, C) to (N, Z)
    - decode: (N, Z) to (N, D) or (N, T, C)

    The output of `decode` and `forward` is what the loss takes: for binary
    cross-entropy, logits.
    """

    encoder_unit: Tensor
    decoder_unit: Tensor
    code_scale: Tensor
    residual_scale: Tensor

    def __init__(
        self,
        *,
        n_components: int,
        encoder: nn.Module | None,
        decoder: nn.Module | None,
        linear_path: LinearPath | None,
        is_ordered: bool = False,
    ):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.linear_path = linear_path
        self.is_ordered = is_ordered
        self.register_buffer("encoder_unit", torch.ones(n_components))
        self.register_buffer("decoder_unit", torch.ones(n_components))
        self.register_buffer("code_scale", torch.ones(n_components))
        self.register_buffer("residual_scale", torch.ones(()))

    @torch.no_grad()
    def set_units(self, **units: Tensor) -> None:
        """Set the units in which the networks speak and hear.

        Parameters
        ----------
        encoder_unit : Tensor of shape (Z,) or ()
            u, of the encoder's corrections.

        decoder_unit : Tensor of shape (Z,)
            v, of the decoder's corrections, for a code cut to its first 1, ..., Z
            components.

        code_scale : Tensor of shape (Z,) or (), optional
            What the code is divided by before the decoder's network hears it.

        residual_scale : Tensor of shape (), optional
            What the residual of the linear path is divided by before the
            encoder's network hears it.
        """
        for name, value in units.items():
            getattr(self, name).copy_(value)

    def encode(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map samples to codes (N, Z)."""
        encoder, path = cast(nn.Module, self.encoder), self.linear_path
        if path is None:
            return encoder(x, lengths, None)
        code = path.encode(x, lengths)
        if self.encoder is None:
            return code
        residual = None
        if encoder.takes_residual:
            n_steps = x.shape[1] if x.ndim == 3 else None
            residual = (x - path.decode(code, lengths, n_steps)) / self.residual_scale
        return code + self.encoder_unit * encoder(x, lengths, residual)

    def decode(
        self,
        code: Tensor,
        lengths: Tensor | None = None,
        n_steps: int | None = None,
        kept: Tensor | None = None,
    ) -> Tensor:
        """Map codes (N, Z) to samples of `n_steps` steps (None for tables).

        With `kept` (N,), int64, each row sees its first so many components alone.
        """
        unit = self.decoder_unit[-1]
        present = torch.ones_like(code)
        if kept is not None:
            present = cut(present, kept)
            code = cut(code, kept)
            unit = self.decoder_unit[kept - 1]
            unit = unit[:, None] if n_steps is None else unit[:, None, None]
        decoder, path = cast(nn.Module, self.decoder), self.linear_path
        heard = code / self.code_scale
        if self.is_ordered:
            heard = torch.cat([heard, present], dim=1)
        if path is None:
            return decoder(heard, lengths, n_steps, None)
        output = path.decode(code, lengths, n_steps)
        if self.decoder is None:
            return output
        return output + unit * decoder(heard, lengths, n_steps, output)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Reconstruct samples, in the shape in which they came."""
        n_steps = x.shape[1] if x.ndim == 3 else None
        return self.decode(self.encode(x, lengths), lengths, n_steps)
