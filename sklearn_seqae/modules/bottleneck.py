"""Bottlenecks: constraints on the latent code.

A bottleneck encodes a batch and returns a penalty, which the objective adds to the
loss. A penalty is computed from the code divided by its root mean square over the
batch. Otherwise the network could reduce it by scaling the code down and the decoder
up.
"""

import math
from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch
from torch import Tensor

from sklearn_seqae.modules.stacks import step_mask

if TYPE_CHECKING:  # the autoencoder imports this file
    from sklearn_seqae.modules.autoencoder import Autoencoder

MAX_EXACT_COMPONENTS = 8  # maximum latent size with an exact Jacobian
MIN_MEAN_SQUARE = 1e-12  # avoids a division by zero
MIN_RESIDUAL = 1e-6  # rounding error, relative to the spread of X
WARM_UP = 100  # steps in which the weight of a variational code rises to its value


class Encoded(NamedTuple):
    """Latent code with its penalty and truncation."""

    code: Tensor  # (N, Z)
    penalty: Tensor | None = None  # (N,), added to the losses of the rows
    kept: Tensor | None = None  # (N,), number of components kept; None: all
    weights: Tensor | None = None  # (N,), weights of the losses; None: all are 1
    mean: Tensor | None = None  # (N, Z), mean of a code that is drawn at random


class Bottleneck(Protocol):
    """Interface of a bottleneck: encode a batch (N, D) or (N, T, C).

    `draw_for` draws the random numbers of a training batch, with one row for each
    sample, for the argument `drawn`. `is_by_row` says whether the code and the penalty
    of a row do not depend on the other rows of the batch.
    """

    is_by_row: bool

    def draw_for(self, module: "Autoencoder", x: Tensor) -> Tensor | None: ...

    def __call__(
        self,
        module: "Autoencoder",
        x: Tensor,
        lengths: Tensor | None,
        in_training: bool,
        drawn: Tensor | None = None,
    ) -> Encoded: ...


def truncate(code: Tensor, kept: Tensor) -> Tensor:
    """Set the components after the first `kept` of each row to zero.

    Shape: `code` (N, Z), `kept` (N,), int64; output (N, Z).
    """
    component = torch.arange(code.shape[1], device=code.device)
    return torch.where(component < kept[:, None], code, 0)


def size_weights(unit: Tensor) -> Tensor:
    """Return the weights of the loss of an ordered code with 1, ..., Z components.

    They are such that the losses of PCA, whose residuals are `unit` (Z,), are equal.
    """
    unit = unit.clamp(min=MIN_RESIDUAL)
    return (unit[-1] / unit).square()


def loss_per_nat(loss: str, unit: Tensor) -> Tensor:
    """Return the loss that corresponds to one nat of information.

    The loss is interpreted as a negative log-likelihood with noise of scale `unit`. For
    the squared error, this is Gaussian noise with the standard deviation `unit`.
    """
    if loss == "binary_cross_entropy":
        return torch.ones_like(unit)
    if loss == "absolute_error":
        return unit
    return unit.square() * (1 if loss == "huber" else 2)


class Plain:
    """Bottleneck without a constraint, apart from the latent size."""

    is_by_row = True

    def draw_for(self, module: "Autoencoder", x: Tensor) -> None:
        """Draw nothing."""

    def __call__(
        self,
        module: "Autoencoder",
        x: Tensor,
        lengths: Tensor | None,
        in_training: bool,
        drawn: Tensor | None = None,
    ) -> Encoded:
        """Encode a batch."""
        return Encoded(module.encode(x, lengths))


class NestedDropout:
    """Nested dropout, which orders components (Rippel, Gelbart and Adams, 2014).

    In training, codes are truncated after a random component. The loss of each size is
    weighted by the inverse of its initial loss. Otherwise the loss of the short codes,
    which is much larger, would dominate.

    Parameters
    ----------
    size_weights : Tensor of shape (Z,)
        Weights of the loss of a code truncated to 1, ..., Z components.

    generator : torch.Generator
        Source of the random sizes.

    oversamples_large : bool, default=False
        If True, every other size is drawn from the larger half of the sizes. If False,
        all sizes are equally likely.
    """

    is_by_row = True

    def __init__(
        self,
        size_weights: Tensor,
        generator: torch.Generator,
        oversamples_large: bool = False,
    ):
        self.size_weights = size_weights
        self.generator = generator
        self.oversamples_large = oversamples_large

    def __call__(
        self,
        module: "Autoencoder",
        x: Tensor,
        lengths: Tensor | None,
        in_training: bool,
        drawn: Tensor | None = None,
    ) -> Encoded:
        """Encode a batch, and truncate the codes in training."""
        code = module.encode(x, lengths)
        if drawn is None:
            return Encoded(code)
        return Encoded(code, kept=drawn, weights=self.size_weights[drawn - 1])

    def draw_for(self, module: "Autoencoder", x: Tensor) -> Tensor:
        """Draw the sizes of the codes of a batch."""
        return self.draw(len(x))

    def draw(self, n: int) -> Tensor:
        """Draw the sizes of n codes, from 1 to Z. Return (n,), int64."""
        width = len(self.size_weights)
        kept = torch.randint(1, width + 1, (n,), generator=self.generator)
        if self.oversamples_large:
            low, shape = width // 2 + 1, kept[::2].shape
            kept[::2] = torch.randint(low, width + 1, shape, generator=self.generator)
        return kept.to(self.size_weights.device)


class Penalty:
    """Base class of penalties on the code.

    The penalty of a row is `weight` times the result of `row_penalties`, times the
    number of values of the row. It is in nats, with noise of the scale of PCA's
    residual. A weight therefore has the same effect on any data. Validation uses the
    same random numbers in each epoch.

    Parameters
    ----------
    loss : str
        A key of `modules.losses.LOSSES`.

    weight : float
        Weight of the penalty.

    generator : torch.Generator
        Source of every random number in training.
    """

    is_by_row = False  # codes are divided by their size over the batch

    def __init__(self, loss: str, weight: float, generator: torch.Generator):
        self.loss = loss
        self.weight = weight
        self.generator = generator

    def draw_for(self, module: "Autoencoder", x: Tensor) -> Tensor | None:
        """Draw nothing."""
        return None

    def __call__(
        self,
        module: "Autoencoder",
        x: Tensor,
        lengths: Tensor | None,
        in_training: bool,
        drawn: Tensor | None = None,
    ) -> Encoded:
        """Encode a batch."""
        code = module.encode(x, lengths)
        if module.encoder is None:  # PCA, the reference of the model selection
            return Encoded(code)
        size = (code.square().mean(0) + MIN_MEAN_SQUARE).sqrt()
        penalties = self.row_penalties(module, x, lengths, code, size, in_training)
        n_values: Tensor | int = x[0].numel()
        if lengths is not None:
            n_values = lengths * x.shape[2]
        return Encoded(code, self.scale(module) * n_values * penalties)

    def scale(self, module: "Autoencoder") -> Tensor:
        """Return the loss of one nat, times the weight."""
        return self.weight * loss_per_nat(self.loss, module.decoder_unit[-1])

    def row_penalties(
        self,
        module: "Autoencoder",
        x: Tensor,
        lengths: Tensor | None,
        code: Tensor,
        size: Tensor,
        in_training: bool,
    ) -> Tensor:
        """Return the penalty of each row, (N,), before it is scaled.

        `size` (Z,) is the root mean square of each component over the batch.
        """
        raise NotImplementedError


class L1Sparsity(Penalty):
    """Penalty "l1": mean absolute value of the code."""

    def row_penalties(
        self,
        module: "Autoencoder",
        x: Tensor,
        lengths: Tensor | None,
        code: Tensor,
        size: Tensor,
        in_training: bool,
    ) -> Tensor:
        """Return the penalty of each row."""
        return (code / size).abs().mean(1)


class KLSparsity(Penalty):
    """Penalty "kl": Kullback-Leibler divergence of activations from a small target.

    The divergence is between the mean activation of each component over the batch and
    `TARGET`. Ng (2011) uses sigmoid activations. These cannot be close to 0 for a code
    divided by its root mean square, so the activation is 2 sigmoid(|c|) - 1 here.
    """

    TARGET = 0.05

    def row_penalties(
        self,
        module: "Autoencoder",
        x: Tensor,
        lengths: Tensor | None,
        code: Tensor,
        size: Tensor,
        in_training: bool,
    ) -> Tensor:
        """Return the penalty of the batch for each row."""
        active = torch.tanh((code / size).abs() / 2).mean(0)
        active = active.clamp(1e-6, 1 - 1e-6)
        target = torch.full_like(active, self.TARGET)
        divergence = target * (target / active).log()
        divergence = divergence + (1 - target) * ((1 - target) / (1 - active)).log()
        return divergence.mean().expand(len(code))


class Contractive(Penalty):
    """Penalty "contractive": squared Frobenius norm of the encoder's Jacobian.

    See Rifai et al. (2011). The unit of x is its standard deviation. The norm is
    divided by the number of components. It is exact for up to `MAX_EXACT_COMPONENTS`
    components of networks that can be differentiated twice. Otherwise it is estimated
    from a finite step in one random direction (Hutchinson, 1990).
    """

    STEP = 0.05  # size of the finite step, relative to the standard deviation of X

    def row_penalties(
        self,
        module: "Autoencoder",
        x: Tensor,
        lengths: Tensor | None,
        code: Tensor,
        size: Tensor,
        in_training: bool,
    ) -> Tensor:
        """Return the penalty of each row."""
        is_twice = getattr(module.encoder, "is_twice_differentiable", True)
        if code.shape[1] <= MAX_EXACT_COMPONENTS and is_twice:
            squares = squared_jacobian(module, x, lengths, in_training)
        else:
            generator = self.generator if in_training else fixed_generator()
            direction = normal_like(x, generator)
            if lengths is not None:
                direction = direction * step_mask(lengths, x.shape[1])
            shifted_code = module.encode(x + self.STEP * direction, lengths)
            squares = ((shifted_code - code) / self.STEP).square()
        return (squares / size.square()).mean(1)


def squared_jacobian(
    module: "Autoencoder",
    x: Tensor,
    lengths: Tensor | None = None,
    in_training: bool = False,
) -> Tensor:
    """Return the squared norm of the gradient of each component with respect to x.

    Shape: `x` (N, D) or (N, T, C), `lengths` (N,) or None; output (N, Z).
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        code = module.encode(x, lengths)
        gradients = [
            torch.autograd.grad(
                component.sum(), x, create_graph=in_training, retain_graph=True
            )[0]
            for component in code.unbind(1)
        ]
    return torch.stack([g.flatten(1).square().sum(1) for g in gradients], dim=1)


class Variational(Penalty):
    """Penalty "variational": random code, and its divergence from N(0, I).

    With weight 1, the loss plus the divergence is an upper bound of the negative
    log-likelihood (Kingma and Welling, 2014). The weight (beta in Higgins et al., 2017)
    rises linearly over the first steps.
    """

    is_by_row = True

    def __init__(self, loss: str, weight: float, generator: torch.Generator):
        super().__init__(loss, weight, generator)
        self.n_batches = 0

    def draw_for(self, module: "Autoencoder", x: Tensor) -> Tensor:
        """Draw from N(0, 1) in the shape of the codes."""
        self.n_batches += 1
        shape = len(x), len(module.log_variance)
        return torch.randn(shape, generator=self.generator).to(x.device)

    def __call__(
        self,
        module: "Autoencoder",
        x: Tensor,
        lengths: Tensor | None,
        in_training: bool,
        drawn: Tensor | None = None,
    ) -> Encoded:
        """Encode a batch and draw codes."""
        if module.encoder is None:
            return Encoded(module.encode(x, lengths))
        mean, log_variance = module.posterior(x, lengths)
        if drawn is None:
            drawn = normal_like(mean, fixed_generator())
        code = mean + (log_variance / 2).exp() * drawn
        scale = self.scale(module)
        if in_training:
            scale = scale * min(1.0, self.n_batches / WARM_UP)
        return Encoded(code, scale * divergence(mean, log_variance), mean=mean)


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence from N(0, I) in nats, (N,).

    Shape: `mean` and `log_variance` (N, Z).
    """
    return (mean.square() + log_variance.expm1() - log_variance).sum(1) / 2


def normal_like(x: Tensor, generator: torch.Generator) -> Tensor:
    """Draw from N(0, 1) in the shape of x, on its device."""
    return torch.randn(x.shape, generator=generator).to(x.device)


def fixed_generator() -> torch.Generator:
    """Return the generator for validation, with the same numbers in each epoch."""
    return torch.Generator().manual_seed(math.isqrt(2**31))


PENALTIES: dict[str, type[Penalty]] = {
    "l1": L1Sparsity,
    "kl": KLSparsity,
    "contractive": Contractive,
    "variational": Variational,
}
BOTTLENECKS = ("plain", "ordered", *PENALTIES)
