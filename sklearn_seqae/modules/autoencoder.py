"""The autoencoder: an encoder and a decoder, each beside a linear path."""

from typing import cast

import torch
from torch import Tensor, nn

from sklearn_seqae.modules.bottleneck import cut
from sklearn_seqae.modules.linear_path import LinearPath

LOG_VARIANCES = -20.0, 10.0  # beyond, exp would lose itself


class Autoencoder(nn.Module):
    """Put an encoder, a decoder and, where there is one, a linear path together.

    With a linear path, code = L_e x + u f_e(x) and output = L_d code + v f_d(code):
    the networks f correct what the linear path says, in units u and v of the size
    of what there is to correct. Without networks the linear path stands alone: PCA,
    or with no component the mean.

    Shape
    -----
    - encode: (N, D) or (N, T, C) to (N, Z)
    - posterior: as encode, but to two of (N, Z)
    - decode: (N, Z) to (N, D) or (N, T, C)
    - forecast: (N, Z) to (N, T, C)

    A forecaster is a second decoder, for what is ahead of the sample. The output of
    both is what the loss takes: for binary cross-entropy, logits. The encoder of a
    variational code gives a correction of its log variance beside that of its mean.
    """

    encoder_unit: Tensor
    decoder_unit: Tensor
    forecaster_unit: Tensor
    code_scale: Tensor
    residual_scale: Tensor
    log_variance: Tensor

    def __init__(
        self,
        *,
        n_components: int,
        encoder: nn.Module | None,
        decoder: nn.Module | None,
        linear_path: LinearPath | None,
        forecaster: nn.Module | None = None,
        n_ahead: int | None = None,
        is_ordered: bool = False,
        is_logistic: bool = False,
        is_variational: bool = False,
    ):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.forecaster = forecaster
        self.linear_path = linear_path
        self.n_ahead = n_ahead
        self.is_ordered = is_ordered
        self.is_logistic = is_logistic
        self.is_variational = is_variational
        self.register_buffer("encoder_unit", torch.ones(n_components))
        self.register_buffer("decoder_unit", torch.ones(n_components))
        self.register_buffer("forecaster_unit", torch.ones(n_components))
        self.register_buffer("code_scale", torch.ones(n_components))
        self.register_buffer("residual_scale", torch.ones(()))
        self.register_buffer("log_variance", torch.zeros(n_components))

    @property
    def work(self) -> int:
        """Multiply-adds for each row of a table or step of a sequence, roughly."""
        parts = [self.encoder, self.decoder, self.linear_path]
        return sum(
            getattr(part, "work", None) or sum(w.numel() for w in part.parameters())
            for part in parts
            if part is not None
        )

    @torch.no_grad()
    def set_units(self, **units: Tensor) -> None:
        """Set the units in which the networks speak and hear.

        Parameters
        ----------
        encoder_unit : Tensor of shape (Z,) or ()
            u, of the encoder's corrections.

        decoder_unit, forecaster_unit : Tensor of shape (Z,)
            v, of the decoder's and the forecaster's corrections, for a code cut to
            its first 1, ..., Z components.

        code_scale : Tensor of shape (Z,) or (), optional
            What the code is divided by before the decoder's network hears it.

        residual_scale : Tensor of shape (), optional
            What the residual of the linear path is divided by before the
            encoder's network hears it.

        log_variance : Tensor of shape (Z,), optional
            Of a variational code, before the encoder corrects it.
        """
        for name, value in units.items():
            getattr(self, name).copy_(value)

    def encode(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map samples to codes (N, Z); to the mean of variational ones."""
        return self.posterior(x, lengths)[0]

    def posterior(
        self, x: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Map samples to the mean and the log variance of codes, (N, Z) each.

        The second is of use in a variational autoencoder alone.
        """
        encoder, path = cast(nn.Module, self.encoder), self.linear_path
        code = residual = None
        if path is not None:
            code = path.encode(x, lengths)
            if self.encoder is None:
                return code, self.log_variance
            if encoder.takes_residual:
                n_steps = x.shape[1] if x.ndim == 3 else None
                residual = x - path.decode(code, lengths, n_steps)
                residual = residual / self.residual_scale
        correction, log_variance = encoder(x, lengths, residual), self.log_variance
        if self.is_variational:
            correction, log_ratio = correction.chunk(2, dim=1)
            log_variance = (log_variance + log_ratio).clamp(*LOG_VARIANCES)
        if code is None:
            return correction, log_variance
        return code + self.encoder_unit * correction, log_variance

    def decode(
        self,
        code: Tensor,
        lengths: Tensor | None = None,
        n_steps: int | None = None,
        kept: Tensor | None = None,
        **truth: Tensor | None,
    ) -> Tensor:
        """Map codes (N, Z) to samples of `n_steps` steps (None for tables).

        With `kept` (N,), int64, each row sees its first so many components alone. The
        `truth` that a conditional decoder sees in training is `given` and `own`.
        """
        path = None if self.linear_path is None else self.linear_path.decode
        network, unit = self.decoder, self.decoder_unit
        return self._write(network, path, unit, code, lengths, n_steps, kept, truth)

    def forecast(
        self,
        code: Tensor,
        lengths: Tensor | None = None,
        n_steps: int | None = None,
        kept: Tensor | None = None,
        **truth: Tensor | None,
    ) -> Tensor:
        """Map codes (N, Z) to what is ahead; arguments are those of `decode`."""
        path = None if self.linear_path is None else self.linear_path.forecast
        network, unit = self.forecaster, self.forecaster_unit
        return self._write(network, path, unit, code, lengths, n_steps, kept, truth)

    def _write(self, network, path, units, code, lengths, n_steps, kept, truth):
        unit = units[-1]
        if kept is not None:
            code = cut(code, kept)
            unit = units[kept - 1]
            unit = unit[:, None] if n_steps is None else unit[:, None, None]
        heard = code / self.code_scale
        if self.is_ordered:
            present = torch.ones_like(code)
            if kept is not None:
                present = cut(present, kept)
            heard = torch.cat([heard, present], dim=1)
        output = None if path is None else path(code, lengths, n_steps)
        if network is None:
            return output
        if truth:
            truth = {**truth, "given": self._to_correct(truth["given"], output, unit)}
        correction = network(heard, lengths, n_steps, output, **truth)
        return correction if output is None else output + unit * correction

    def _to_correct(self, given, output, unit):
        """What the network should have added to `output`, as it hears it."""
        if output is None:
            return given - 0.5 if self.is_logistic else given
        if self.is_logistic:
            return given - output.sigmoid()
        return (given - output) / unit.where(unit > 0, 1)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Reconstruct samples in the shape in which they came, or else forecast."""
        n_steps = x.shape[1] if x.ndim == 3 else None
        code = self.encode(x, lengths)
        if self.forecaster is not None and self.decoder is None:
            return self.forecast(code, None, self.n_ahead)
        return self.decode(code, lengths, n_steps)
