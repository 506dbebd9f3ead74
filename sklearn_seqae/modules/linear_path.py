"""Linear path of the autoencoder, initialized with PCA."""

import torch
from torch import Tensor, nn

from sklearn_seqae.modules.layers import empty
from sklearn_seqae.modules.resampling import resample, stretch


class LinearPath(nn.Module):
    """Linear encoder and decoder, which `initialize` sets to PCA.

    Shape
    -----
    - encode: (N, D) to (N, Z)
    - decode: (N, Z) to (N, D)

    Parameters
    ----------
    n_features, n_components : int
        D and Z.
    """

    def __init__(self, *, n_features: int, n_components: int):
        super().__init__()
        self.encoder = empty(nn.Linear, n_features, n_components)
        self.decoder = empty(nn.Linear, n_components, n_features)

    @torch.no_grad()
    def initialize(
        self,
        *,
        components: Tensor,
        loadings: Tensor,
        mean: Tensor,
        intercept: Tensor,
        generator: torch.Generator,
    ) -> None:
        """Set code = components (x - mean) and output = code loadings + intercept.

        If K < Z, the other components have small random encoder weights and zero
        decoder weights. They do not change the output, but they can be trained.

        Parameters
        ----------
        components, loadings : Tensor of shape (K, D), K <= Z
            Weights of the encoder and of the decoder.

        mean, intercept : Tensor of shape (D,)
            Subtracted by the encoder, and added by the decoder.

        generator : torch.Generator
            Source of the random numbers.
        """
        k, d = components.shape
        self.encoder.weight.normal_(0, 0.1 / d**0.5, generator=generator)
        self.encoder.weight[:k] = components
        self.encoder.bias.copy_(-(self.encoder.weight @ mean))
        self.decoder.weight.zero_()
        self.decoder.weight[:, :k] = loadings.T
        self.decoder.bias.copy_(intercept)

    @torch.no_grad()
    def rescale(self, encoder_factor: Tensor, decoder_factor: Tensor) -> None:
        """Multiply the encoder weights and all decoder weights of each component."""
        self.encoder.weight.mul_(encoder_factor[:, None])
        self.encoder.bias.mul_(encoder_factor)
        self.decoder.weight.mul_(decoder_factor)

    def encode(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map (N, D) to (N, Z)."""
        code: Tensor = self.encoder(x)
        return code

    def decode(
        self, code: Tensor, lengths: Tensor | None = None, n_steps: int | None = None
    ) -> Tensor:
        """Map (N, Z) to (N, D)."""
        output: Tensor = self.decoder(code)
        return output


class ResampledLinearPath(LinearPath):
    """Linear path for sequences, which are resampled to a common length.

    Shape
    -----
    - encode: (N, T, C), lengths (N,) or None, to (N, Z)
    - decode, forecast: (N, Z), lengths (N,) or None, T, to (N, T, C)

    Parameters
    ----------
    n_steps, n_channels, n_components : int
        Common length of the resampled sequences, C and Z.

    n_ahead : int or None, default=None
        Number of time steps of the forecast, which is linear in the code; None without
        a forecast.
    """

    def __init__(
        self,
        *,
        n_steps: int,
        n_channels: int,
        n_components: int,
        n_ahead: int | None = None,
    ):
        super().__init__(n_features=n_steps * n_channels, n_components=n_components)
        self.n_steps = n_steps
        self.n_channels = n_channels
        self.n_ahead = n_ahead
        if n_ahead is not None:
            self.forecaster = empty(nn.Linear, n_components, n_ahead * n_channels)

    @torch.no_grad()
    def initialize_forecast(self, *, loadings: Tensor, intercept: Tensor) -> None:
        """Set forecast = code loadings + intercept.

        Parameters
        ----------
        loadings : Tensor of shape (K, n_ahead * C), K <= Z
            Weights of the forecaster.

        intercept : Tensor of shape (n_ahead * C,)
            Bias of the forecaster.
        """
        self.forecaster.weight.zero_()
        self.forecaster.weight[:, : len(loadings)] = loadings.T
        self.forecaster.bias.copy_(intercept)

    @torch.no_grad()
    def rescale(self, encoder_factor: Tensor, decoder_factor: Tensor) -> None:
        """Multiply the encoder weights and all decoder weights of each component."""
        super().rescale(encoder_factor, decoder_factor)
        if self.n_ahead is not None:
            self.forecaster.weight.mul_(decoder_factor)

    def encode(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map (N, T, C) to (N, Z)."""
        return super().encode(resample(x, lengths, self.n_steps).flatten(1))

    def decode(
        self, code: Tensor, lengths: Tensor | None = None, n_steps: int | None = None
    ) -> Tensor:
        """Map (N, Z) to (N, T, C)."""
        flat = super().decode(code)
        steps = torch.unflatten(flat, 1, (self.n_steps, self.n_channels))
        return stretch(steps, lengths, n_steps or self.n_steps)

    def forecast(
        self, code: Tensor, lengths: Tensor | None = None, n_steps: int | None = None
    ) -> Tensor:
        """Map (N, Z) to the next steps, (N, T, C)."""
        steps = torch.unflatten(self.forecaster(code), 1, (-1, self.n_channels))
        return stretch(steps, lengths, n_steps or steps.shape[1])
