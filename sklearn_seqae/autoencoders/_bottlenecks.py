"""From the parameters `bottleneck` and `noise` to what the networks train with."""

from dataclasses import replace
from numbers import Integral

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklearn_seqae.modules.bottleneck import PENALTIES, NestedDropout
from sklearn_seqae.modules.noise import Noise

LEAST_UNIT = 0.1  # of the spread of X, where PCA leaves nothing
CURVATURE = 0.1  # p (1 - p) of a usual p: of binary cross-entropy, by the logits
ROUNDING = 1e-6  # of the spread of X


def _is_variational(estimator):
    if estimator.bottleneck == "variational":
        return True
    raise AttributeError(
        f"bottleneck={estimator.bottleneck!r} cannot be sampled. Use "
        "bottleneck='variational'."
    )


class BottleneckMixin:
    """What follows from the parameters `bottleneck`, `noise` and their like."""

    @property
    def _fraction(self):
        """Share of the variance to explain, where `n_components` is one."""
        is_number = isinstance(self.n_components, Integral)
        return None if is_number else float(self.n_components)

    def _is_ordered(self):
        return self.bottleneck == "ordered" or self._fraction is not None

    def _is_penalised(self):
        return self.bottleneck in PENALTIES

    def _trains_in_span(self, samples):
        """Whether errors, and all else, are the same in the span of the rows."""
        alters = self.noise is not None or samples.target is not None
        return self.loss == "squared_error" and not (alters or self._is_penalised())

    def _check_bottleneck(self):
        if self._is_penalised() and self._fraction is not None:
            raise ValueError(
                f"With bottleneck={self.bottleneck!r} the 'n_components' parameter of "
                f"{type(self).__name__} must be an int. Got {self.n_components!r} "
                "instead. A fraction needs components in order: use "
                "bottleneck='ordered'."
            )
        if self.noise == "masking" and self.noise_level > 1:
            raise ValueError(
                "With noise='masking' the 'noise_level' parameter of "
                f"{type(self).__name__} must be a float in the range [0, 1]. Got "
                f"{self.noise_level!r} instead."
            )

    @available_if(_is_variational)
    def sample(self, n_samples=1, random_state=None):
        """Draw new samples: decoded codes from N(0, I).

        Only with ``bottleneck="variational"``.

        Parameters
        ----------
        n_samples : int, default=1
            Number of samples to draw.

        random_state : int, RandomState instance or None, default=None
            Source of the codes.

        Returns
        -------
        X : ndarray or list of ndarray
            In the units and the form of `inverse_transform`.
        """
        check_is_fitted(self)
        if random_state is None:  # not numpy's own generator
            random_state = np.random.RandomState()
        generator = check_random_state(random_state)
        codes = generator.normal(size=(n_samples, self.n_components_))
        if self._whitening is not None:
            codes = (codes - self._whitening[0]) @ self._whitening[1]
        return self.inverse_transform(codes)


def noise_of(estimator, generator):
    """What is done to samples before the encoder sees them; None for nothing."""
    if estimator.noise is None:
        return None
    return Noise(estimator.noise, estimator.noise_level, generator)


def bottleneck_of(estimator, module, generator):
    """What encodes in training."""
    if estimator._is_ordered():
        unit = module.decoder_unit.clamp(min=ROUNDING)  # each size's loss starts at 1
        return NestedDropout(
            (unit[-1] / unit).square(),
            generator,
            favours_large=estimator._fraction is not None,  # it is reached among these
        )
    if not estimator._is_penalised():
        return None
    penalty = PENALTIES[estimator.bottleneck]
    return penalty(estimator.loss, estimator.bottleneck_weight, generator)


def corrupted(samples, estimator, seed):
    """Samples as the encoder sees them, for PCA."""
    noise = noise_of(estimator, torch.Generator().manual_seed(seed))
    if noise is None:
        return samples
    x = torch.from_numpy(samples.values)
    mask = None if samples.mask is None else torch.from_numpy(samples.mask)
    return replace(samples, values=noise(x, mask, in_training=True).numpy())


@torch.no_grad()
def as_probabilistic_pca(module, codes, loss):
    """Bring a start as PCA to codes of which N(0, I) is the prior.

    Of Tipping and Bishop (1999): of the variance of each component, what PCA leaves in
    any other direction is noise, and the code shrinks by as much.

    Parameters
    ----------
    module : Autoencoder
        Its units are set.

    codes : Tensor of shape (N, Z)
        PCA's, of the training rows.

    loss : str
        A key of `modules.losses.LOSSES`.
    """
    spread, path = codes.std(0, correction=0), module.linear_path
    total = path.decoder.weight.square().sum(0) * spread.square()
    noise = module.decoder_unit[-1].square()
    if loss == "binary_cross_entropy":
        noise = torch.ones_like(noise) / CURVATURE
        total = total + noise
    variance = (noise / total.maximum(noise)).clamp(min=ROUNDING)
    shrunk = (1 - variance).sqrt()
    way_in = torch.where(spread > 0, shrunk / spread, 0)
    path.rescale(way_in, shrunk * spread)
    module.set_units(
        log_variance=variance.log(),
        code_scale=torch.ones_like(spread),
        encoder_unit=module.encoder_unit * way_in.where(way_in > 0, 1),
    )
