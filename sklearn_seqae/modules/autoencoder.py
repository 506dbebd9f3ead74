"""Autoencoder: a linear path with a learned correction of code and output."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from sklearn_seqae.modules.batch import ShardSize
from sklearn_seqae.modules.bottleneck import truncate
from sklearn_seqae.modules.linear_path import LinearPath, ResampledLinearPath

LOG_VARIANCE_RANGE = -20.0, 10.0  # exp neither underflows nor overflows


class Autoencoder(nn.Module):
    """Autoencoder with an encoder, a decoder and an optional linear path.

    With a linear path, code = L_e x + u f_e(x) and output = L_d code + v f_d(code). The
    networks f_e and f_d are learned corrections of the linear path. Their units u and v
    are those of PCA's residual. Without networks, the linear path alone is PCA, or the
    mean if there are no components.

    A forecaster is a second decoder, for the next steps. For binary cross-entropy, the
    outputs are logits. The encoder of a variational code returns corrections of the
    mean and of the log variance.

    Shape
    -----
    - encode: (N, D) or (N, T, C) to (N, Z)
    - posterior: (N, D) or (N, T, C) to mean (N, Z) and log variance (N, Z)
    - decode: (N, Z) to (N, D) or (N, T, C)
    - forecast: (N, Z) to (N, T, C)

    Parameters
    ----------
    n_components : int
        Z.

    encoder, decoder : torch.nn.Module or None
        Networks. None for the linear path alone; the decoder is also None if there is
        only a forecast.

    linear_path : LinearPath or None
        Linear path; None without one.

    forecaster : torch.nn.Module or None, default=None
        Decoder of the forecast.

    n_ahead : int or None, default=None
        Number of time steps of the forecast.

    is_ordered : bool, default=False
        Whether codes can be truncated. Decoders receive which components are present.

    is_logistic : bool, default=False
        Whether outputs are logits.

    is_variational : bool, default=False
        Whether the encoder also returns log variances.

    has_sigmoid : bool, default=False
        Whether outputs are those of a sigmoid. It requires that there is no linear
        path.
    """

    encoder_unit: Tensor
    decoder_unit: Tensor
    forecaster_unit: Tensor
    code_scale: Tensor
    code_spread: Tensor
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
        has_sigmoid: bool = False,
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
        self.has_sigmoid = has_sigmoid
        self.register_buffer("encoder_unit", torch.ones(n_components))
        self.register_buffer("decoder_unit", torch.ones(n_components))
        self.register_buffer("forecaster_unit", torch.ones(n_components))
        self.register_buffer("code_scale", torch.ones(n_components))
        self.register_buffer("code_spread", torch.ones(n_components))
        self.register_buffer("residual_scale", torch.ones(()))
        self.register_buffer("log_variance", torch.zeros(n_components))

    @torch.no_grad()
    def set_units(self, **units: Tensor) -> None:
        """Set the units of the inputs and outputs of the networks.

        Parameters
        ----------
        encoder_unit : Tensor of shape (Z,) or ()
            u, unit of the encoder's correction.

        decoder_unit, forecaster_unit : Tensor of shape (Z,)
            v, unit of the decoder's and the forecaster's correction, for a code
            truncated to its first 1, ..., Z components.

        code_scale : Tensor of shape (Z,) or (), optional
            Divisor of the code before it enters the decoder.

        code_spread : Tensor of shape (Z,), optional
            Standard deviation of each component, for finite differences.

        residual_scale : Tensor of shape (), optional
            Divisor of the residual of the linear path before it enters the encoder.

        log_variance : Tensor of shape (Z,), optional
            Log variance of a variational code before the correction.
        """
        for name, value in units.items():
            getattr(self, name).copy_(value)

    @property
    def min_shard(self) -> ShardSize:
        """Smallest shard of a batch that takes little more than its share of time."""
        sizes = [net.min_shard for net in self._networks() if net is not None]
        return ShardSize(*(max(size) for size in zip(*sizes, strict=True)))

    def _networks(self) -> tuple[Any, Any, Any]:
        return self.encoder, self.decoder, self.forecaster

    def n_products(self, n_steps: int) -> int:
        """Return the number of products that a row of n steps takes in the networks."""
        steps = (n_steps, n_steps, self.n_ahead or n_steps)
        return sum(
            network.n_products(n)
            for network, n in zip(self._networks(), steps, strict=True)
            if network is not None
        )

    def encode(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map samples to codes (N, Z); a variational code is its mean."""
        return self.posterior(x, lengths)[0]

    def posterior(
        self, x: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Map samples to the mean (N, Z) and the log variance of codes.

        The log variance, (Z,) or (N, Z), is only used in a variational autoencoder.
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
            log_variance = (log_variance + log_ratio).clamp(*LOG_VARIANCE_RANGE)
        if code is None:
            return correction, log_variance
        return code + self.encoder_unit * correction, log_variance

    def decode(
        self,
        code: Tensor,
        lengths: Tensor | None = None,
        n_steps: int | None = None,
        kept: Tensor | None = None,
        **teacher_options: Tensor | None,
    ) -> Tensor:
        """Map codes (N, Z) to samples.

        Parameters
        ----------
        code : Tensor of shape (N, Z)
            Latent codes.

        lengths : Tensor of shape (N,) or None
            Number of time steps of each sequence; None without padding.

        n_steps : int or None
            T, number of time steps of the output; None for tables.

        kept : Tensor of shape (N,), int64, or None
            Number of components that are kept in each row; None for all.

        **teacher_options
            `teacher` and `free_running` of a conditional decoder in training.

        Returns
        -------
        output : Tensor of shape (N, D) or (N, T, C)
        """
        path = None if self.linear_path is None else self.linear_path.decode
        network, unit = self.decoder, self.decoder_unit
        return self._decode(
            network, path, unit, code, lengths, n_steps, kept, teacher_options
        )

    def forecast(
        self,
        code: Tensor,
        lengths: Tensor | None = None,
        n_steps: int | None = None,
        kept: Tensor | None = None,
        **teacher_options: Tensor | None,
    ) -> Tensor:
        """Map codes (N, Z) to the next steps. The parameters are as in `decode`."""
        path: Callable[..., Tensor] | None = None
        if self.linear_path is not None:
            path = cast(ResampledLinearPath, self.linear_path).forecast
        network, unit = self.forecaster, self.forecaster_unit
        return self._decode(
            network, path, unit, code, lengths, n_steps, kept, teacher_options
        )

    def _decode(
        self,
        network: nn.Module | None,
        path: Callable[..., Tensor] | None,
        units: Tensor,
        code: Tensor,
        lengths: Tensor | None,
        n_steps: int | None,
        kept: Tensor | None,
        teacher_options: dict[str, Any],
    ) -> Tensor:
        """Add the correction of a network to the output of the linear path."""
        unit = units[-1]
        if kept is not None:
            code = truncate(code, kept)
            unit = units[kept - 1]
            unit = unit[:, None] if n_steps is None else unit[:, None, None]
        decoder_input = code / self.code_scale
        if self.is_ordered:
            present = torch.ones_like(code)
            if kept is not None:
                present = truncate(present, kept)
            decoder_input = torch.cat([decoder_input, present], dim=1)
        output = None if path is None else path(code, lengths, n_steps)
        if network is None:
            assert output is not None
            return output
        if teacher_options:
            teacher = self._true_correction(teacher_options["teacher"], output, unit)
            teacher_options = {**teacher_options, "teacher": teacher}
        correction: Tensor = network(
            decoder_input, lengths, n_steps, output, **teacher_options
        )
        if output is not None:
            return output + unit * correction
        return correction.sigmoid() if self.has_sigmoid else correction

    def _true_correction(
        self, target: Tensor, output: Tensor | None, unit: Tensor
    ) -> Tensor:
        """Return the correction with which the linear output equals the target."""
        if output is None:
            return target - 0.5 if self.is_logistic or self.has_sigmoid else target
        if self.is_logistic:
            return target - output.sigmoid()
        return (target - output) / unit.where(unit > 0, 1)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Reconstruct samples, or forecast if there is no decoder."""
        n_steps = x.shape[1] if x.ndim == 3 else None
        code = self.encode(x, lengths)
        if self.forecaster is not None and self.decoder is None:
            return self.forecast(code, None, self.n_ahead)
        return self.decode(code, lengths, n_steps)
