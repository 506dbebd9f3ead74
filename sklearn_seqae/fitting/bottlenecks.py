"""Bottleneck and noise of a training, made from the configuration."""

from dataclasses import replace

import torch
from torch import Tensor

from sklearn_seqae._sequences import Samples
from sklearn_seqae.fitting.config import TrainingConfig
from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.bottleneck import (
    PENALTIES,
    Bottleneck,
    NestedDropout,
    Plain,
    size_weights,
)
from sklearn_seqae.modules.noise import Noise

MIN_UNIT = 0.1  # unit of the correction if PCA has no residual, relative to X
CURVATURE = 0.1  # p (1 - p) of a typical p: curvature of binary cross-entropy
ROUNDING = 1e-6  # rounding error, relative to the spread of X


def make_noise(config: TrainingConfig, generator: torch.Generator) -> Noise | None:
    """Make the corruption of the encoder's input. Return None without noise."""
    if config.noise is None:
        return None
    return Noise(config.noise, config.noise_level, generator)


def make_bottleneck(
    config: TrainingConfig, module: Autoencoder, generator: torch.Generator
) -> Bottleneck:
    """Make the bottleneck for a network whose units are set."""
    if config.is_ordered:
        # With a fraction, the latent size is an estimate that is a little too large:
        # the size that reaches the fraction is one of the large ones.
        return NestedDropout(
            size_weights(module.decoder_unit),
            generator,
            oversamples_large=config.fraction is not None,
        )
    if not config.is_penalized:
        return Plain()
    penalty = PENALTIES[config.bottleneck]
    return penalty(config.loss, config.bottleneck_weight, generator)


def corrupted(samples: Samples, config: TrainingConfig) -> Samples:
    """Return the noisy samples that the encoder receives, for PCA."""
    noise = make_noise(config, torch.Generator().manual_seed(config.seed))
    if noise is None:
        return samples
    x = torch.from_numpy(samples.values)
    mask = None if samples.mask is None else torch.from_numpy(samples.mask)
    return replace(samples, values=noise(x, mask, in_training=True).numpy())


@torch.no_grad()
def to_probabilistic_pca(module: Autoencoder, codes: Tensor, loss: str) -> None:
    """Turn PCA into probabilistic PCA (Tipping and Bishop, 1999).

    Codes are scaled to the prior N(0, I). The noise variance is the residual variance
    of PCA. It shrinks the code of each component.

    Parameters
    ----------
    module : Autoencoder
        Autoencoder whose units are set.

    codes : Tensor of shape (N, Z)
        PCA's codes of the training rows.

    loss : str
        A key of `modules.losses.LOSSES`.
    """
    spread, path = codes.std(0, correction=0), module.linear_path
    assert path is not None
    total = path.decoder.weight.square().sum(0) * spread.square()
    noise = module.decoder_unit[-1].square()
    if loss == "binary_cross_entropy":
        noise = torch.ones_like(noise) / CURVATURE
        total = total + noise
    variance = (noise / total.maximum(noise)).clamp(min=ROUNDING)
    shrunk = (1 - variance).sqrt()
    encoder_factor = torch.where(spread > 0, shrunk / spread, 0)
    path.rescale(encoder_factor, shrunk * spread)
    module.set_units(
        log_variance=variance.log(),
        code_scale=torch.ones_like(spread),
        code_spread=torch.ones_like(spread),
        encoder_unit=module.encoder_unit * encoder_factor.where(encoder_factor > 0, 1),
    )
