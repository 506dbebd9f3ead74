"""What happens to the code between the encoder and the decoder.

A bottleneck encodes a batch and says what else than the loss of the reconstruction is
to be made small. Penalties are about the code divided by its root mean square over the
batch, so that to shrink the code and grow the decoder gains nothing.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sklearn_seqae.modules.stacks import real_steps

EXACT_UP_TO = 8  # components whose Jacobian is computed, not estimated
TINY = 1e-12  # of a mean square, below which a component is nothing but rounding
WARM_UP = 100  # steps over which a variational code's weight rises


class Passed(NamedTuple):
    """A code on its way to the decoder."""

    code: Tensor  # (N, Z)
    penalty: Tensor | None = None  # (N,), beside the losses, summed as they are
    kept: Tensor | None = None  # (N,), how many components are; None: all
    weights: Tensor | None = None  # (N,), of the losses
    mean: Tensor | None = None  # (N, Z), where the code is drawn about it


def cut(code: Tensor, kept: Tensor) -> Tensor:
    """Clear what follows the first `kept` components of each row.

    Shape: `code` (N, Z), `kept` (N,), int64; output (N, Z).
    """
    component = torch.arange(code.shape[1], device=code.device)
    return torch.where(component < kept[:, None], code, 0)


def price_of_a_nat(loss: str, unit: Tensor) -> Tensor:
    """Loss, summed over a row's values, that is worth one nat of information.

    So the loss becomes the likelihood of a noise of the size `unit` (for the squared
    error a Gaussian of that standard deviation), or is one already.
    """
    if loss == "binary_cross_entropy":
        return torch.ones_like(unit)
    if loss == "absolute_error":
        return unit
    return unit.square() * (1 if loss == "huber" else 2)


class Plain:
    """Pass the code on as it is."""

    def __call__(
        self, module: Any, x: Tensor, lengths: Tensor | None, in_training: bool
    ) -> Passed:
        """Encode a batch."""
        return Passed(module.encode(x, lengths))


class NestedDropout:
    """Train codes cut after a random component, so that components come in order.

    Of Rippel, Gelbart and Adams (2014), but with each size weighted by the inverse of
    its own loss at the start: otherwise the short codes, which leave most, would
    drown the long ones.

    Parameters
    ----------
    size_weights : Tensor of shape (Z,)
        Of the loss of a code cut to 1, ..., Z components.

    generator : torch.Generator
        Source of the sizes.

    favours_large : bool, default=False
        Whether every other size is drawn from the larger half; else all sizes are
        equally likely.
    """

    def __init__(
        self,
        size_weights: Tensor,
        generator: torch.Generator,
        favours_large: bool = False,
    ):
        self.size_weights = size_weights
        self.generator = generator
        self.favours_large = favours_large

    def __call__(
        self, module: Any, x: Tensor, lengths: Tensor | None, in_training: bool
    ) -> Passed:
        """Encode a batch, and cut it in training."""
        code = module.encode(x, lengths)
        if not in_training:
            return Passed(code)
        kept = self.draw(len(code))
        return Passed(code, kept=kept, weights=self.size_weights[kept - 1])

    def draw(self, n: int) -> Tensor:
        """Draw the size of n codes, from 1 to Z: (n,), int64."""
        width = len(self.size_weights)
        kept = torch.randint(1, width + 1, (n,), generator=self.generator)
        if self.favours_large:
            low, shape = width // 2 + 1, kept[::2].shape
            kept[::2] = torch.randint(low, width + 1, shape, generator=self.generator)
        return kept.to(self.size_weights.device)


class Penalty:
    """Pass the code on, at a price that a subclass says.

    The price of a row is `weight` times what `of` says of it, for each of its values
    and in nats of a noise of the size of what PCA leaves: so the same weight means the
    same on any data. Measured, it is what it is with one fixed draw.

    Parameters
    ----------
    loss : str
        A key of `modules.losses.LOSSES`.

    weight : float
        How much the penalty counts.

    generator : torch.Generator
        Source of every random number in training.
    """

    def __init__(self, loss: str, weight: float, generator: torch.Generator):
        self.loss = loss
        self.weight = weight
        self.generator = generator

    def __call__(
        self, module: Any, x: Tensor, lengths: Tensor | None, in_training: bool
    ) -> Passed:
        """Encode a batch."""
        code = module.encode(x, lengths)
        if module.encoder is None:  # PCA, which networks are compared with
            return Passed(code)
        size = (code.square().mean(0) + TINY).sqrt()
        each = self.of(module, x, lengths, code, size, in_training)
        n_values: Any = x[0].numel()
        if lengths is not None:
            n_values = lengths * x.shape[2]
        return Passed(code, self.price(module) * n_values * each)

    def price(self, module: Any) -> Tensor:
        """What one nat costs."""
        return self.weight * price_of_a_nat(self.loss, module.decoder_unit[-1])

    def of(
        self,
        module: Any,
        x: Tensor,
        lengths: Tensor | None,
        code: Tensor,
        size: Tensor,
        in_training: bool,
    ) -> Tensor:
        """Penalty of each row (N,), of codes (N, Z) of root mean square `size` (Z,)."""
        raise NotImplementedError


class Sparse(Penalty):
    """The mean absolute value of the code ("l1")."""

    def of(self, module, x, lengths, code, size, in_training):
        """Penalty of each row."""
        return (code / size).abs().mean(1)


class RarelyActive(Penalty):
    """The divergence of each component's mean activation from a small one ("kl").

    Of Ng (2011), whose activations are sigmoids. A code divided by its root mean square
    cannot be pushed to where those are zero, so activation is counted from zero on
    either side: 2 sigmoid(|c|) - 1.
    """

    TARGET = 0.05

    def of(self, module, x, lengths, code, size, in_training):
        """Penalty of each row, which is that of the batch."""
        active = torch.tanh((code / size).abs() / 2).mean(0)
        active = active.clamp(1e-6, 1 - 1e-6)
        target = torch.full_like(active, self.TARGET)
        divergence = target * (target / active).log()
        divergence = divergence + (1 - target) * ((1 - target) / (1 - active)).log()
        return divergence.mean().expand(len(code))


class Contractive(Penalty):
    """The squared Frobenius norm of the encoder's Jacobian ("contractive").

    Of Rifai et al. (2011). It is counted in units of the step along which x moves by
    its own spread in each value, as the mean over the components. Exact for small codes
    of networks that can be differentiated twice; beyond, it is estimated by the change
    along one random direction (Hutchinson, 1990), over a finite step.
    """

    STEP = 0.05  # of the spread of X

    def of(self, module, x, lengths, code, size, in_training):
        """Penalty of each row."""
        twice = getattr(module.encoder, "is_twice_differentiable", True)
        if code.shape[1] <= EXACT_UP_TO and twice:
            squares = squared_jacobian(module, x, lengths, in_training)
        else:
            generator = self.generator if in_training else fixed_generator()
            direction = normal_like(x, generator)
            if lengths is not None:
                direction = direction * real_steps(lengths, x.shape[1])
            there = module.encode(x + self.STEP * direction, lengths)
            squares = ((there - code) / self.STEP).square()
        return (squares / size.square()).mean(1)


def squared_jacobian(
    module: Any, x: Tensor, lengths: Tensor | None = None, in_training: bool = False
) -> Tensor:
    """Squared norm of the gradient of each component by x: (N, Z)."""
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
    """A code drawn from what the encoder thinks possible, at the price of its nats.

    Of Kingma and Welling (2014): the loss and the divergence from N(0, I) are a bound
    of the likelihood. The weight (beta; Higgins et al., 2017) rises over the first
    steps.
    """

    def __init__(self, loss: str, weight: float, generator: torch.Generator):
        super().__init__(loss, weight, generator)
        self.n_calls = 0

    def __call__(
        self, module: Any, x: Tensor, lengths: Tensor | None, in_training: bool
    ) -> Passed:
        """Encode a batch, and draw codes."""
        if module.encoder is None:
            return Passed(module.encode(x, lengths))
        mean, log_variance = module.posterior(x, lengths)
        generator = self.generator if in_training else fixed_generator()
        code = mean + (log_variance / 2).exp() * normal_like(mean, generator)
        price = self.price(module)
        if in_training:
            self.n_calls += 1
            price = price * min(1.0, self.n_calls / WARM_UP)
        return Passed(code, price * divergence(mean, log_variance), mean=mean)


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of N(mean, variance) from N(0, I), in nats: (N,)."""
    return (mean.square() + log_variance.expm1() - log_variance).sum(1) / 2


def normal_like(x: Tensor, generator: torch.Generator) -> Tensor:
    """Draw from N(0, 1) in the shape of x, on its device."""
    return torch.randn(x.shape, generator=generator).to(x.device)


def fixed_generator() -> torch.Generator:
    """The generator of what is measured, the same in each epoch."""
    return torch.Generator().manual_seed(math.isqrt(2**31))


PENALTIES: dict[str, type[Penalty]] = {
    "l1": Sparse,
    "kl": RarelyActive,
    "contractive": Contractive,
    "variational": Variational,
}
BOTTLENECKS = ("plain", "ordered", *PENALTIES)
