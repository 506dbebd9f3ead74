"""Training step of dense autoencoders, with a written-out backward pass.

For small networks, autograd takes longer than the matrix products. `DenseStep` computes
the same gradients without it, in buffers that are allocated once, for K networks of one
shape in one computation. The first axis of all buffers is that of the networks. In each
network, rows are features and columns are samples: products with a small latent code
are faster. The results of a network have the same bits alone or among others.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from itertools import repeat
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.batch import Batch
from sklearn_seqae.modules.dense import DenseNetwork
from sklearn_seqae.modules.linear_path import LinearPath
from sklearn_seqae.modules.stacked_weights import (
    StackedWeights,
    aligned,
    aligned_stack,
)

PADDING = 8  # the last batch is padded to a multiple of this number of rows
VECTOR = 64  # values, a multiple of what a vectorized loop computes at once
aten = torch.ops.aten


class Activation(NamedTuple):
    """Operations of an activation function that write into a given tensor."""

    forward: Callable[..., Tensor]
    backward: Callable[..., Tensor]  # of the gradient and of the saved values
    saves_input: bool = False  # whether the saved values are inputs or outputs


PASSES: dict[type, Activation | None] = {
    nn.Identity: None,
    nn.Sigmoid: Activation(torch.sigmoid, aten.sigmoid_backward.grad_input),
    nn.Tanh: Activation(torch.tanh, aten.tanh_backward.grad_input),
    nn.ReLU: Activation(
        aten.relu.out, partial(aten.threshold_backward.grad_input, threshold=0)
    ),
    nn.SiLU: Activation(aten.silu.out, aten.silu_backward.grad_input, True),
}


def make_step(module: Autoencoder, factor: float = 1.0) -> "DenseStep | None":
    """Return the training step of a dense autoencoder.

    Parameters
    ----------
    module : Autoencoder
        Autoencoder that is trained with the mean squared error of its reconstruction.

    factor : float, default=1
        Factor of the loss.

    Returns
    -------
    step : DenseStep or None
        None if the step is not written out for this module.
    """
    path, networks = module.linear_path, (module.encoder, module.decoder)
    if module.forecaster is not None or module.is_ordered or module.is_variational:
        return None
    if module.has_sigmoid:
        return None
    if path is not None and (type(path) is not LinearPath or _is_trained(path)):
        return None
    if not all(_is_written_out(network, path) for network in networks):
        return None
    unit, others = module.encoder_unit[0], module.code_scale
    if unit.device.type != "cpu":  # the passes are tested on the CPU
        return None
    if (module.encoder_unit != unit).any() or (others != 1).any():
        return None
    if has_hooks(module):
        return None
    return DenseStep([module], [factor])


def _is_written_out(network: nn.Module | None, path: LinearPath | None) -> bool:
    """Return whether both passes are written out for a network."""
    if not isinstance(network, DenseNetwork):
        return False
    kinds = [type(layer) for layer in network.layers]
    return (
        not (network.rotated_in or network.rotated_out)
        and network.is_clamped == (path is not None)
        and len(kinds) % 2 == 1
        and all(kind is nn.Linear for kind in kinds[::2])
        and all(kind in PASSES for kind in kinds[1::2])
        and all(weight.requires_grad for weight in network.parameters())
    )


def _is_trained(module: nn.Module) -> bool:
    return any(weight.requires_grad for weight in module.parameters())


def has_hooks(module: nn.Module) -> bool:
    """Return whether a callback has registered hooks, which only autograd calls."""
    return any(
        part._forward_hooks
        or part._forward_pre_hooks
        or part._backward_hooks
        or part._backward_pre_hooks
        for part in module.modules()
    ) or any(
        weight._backward_hooks or weight._post_accumulate_grad_hooks
        for weight in module.parameters()
    )


class Layer(NamedTuple):
    """Linear layer of K networks with the activation after it, and its buffers."""

    weight: Tensor  # (K, n_out, n_in)
    transposed: Tensor  # (K, n_in, n_out), view of the weight
    bias: Tensor | None  # (K, n_out, 1)
    weight_grad: Tensor
    bias_grad: Tensor | None  # (K, n_out)
    activation: Activation | None
    sums: "Buffer"  # before the activation
    output: "Buffer"  # the same buffer if the activation saves its output
    output_grad: "Buffer"


class Buffer(NamedTuple):
    """Values of the units of K networks for N samples.

    Vectorized functions compute the last few values of a tensor with other bits.
    Therefore, they are applied to the memory, where the values of each network are
    padded.
    """

    values: Tensor  # (K, n, N), view of the memory
    transposed: Tensor  # (K, N, n), view of the values
    memory: Tensor  # (K, P), zero on padding

    @classmethod
    def like(cls, weight: Tensor, n_rows: int) -> "Buffer":
        """Allocate the outputs of a weight (K, n, n_in)."""
        n_networks, n_units, _ = weight.shape
        n_values = n_units * n_rows
        memory = weight.new_zeros(n_networks, -(-n_values // VECTOR) * VECTOR)
        values = memory[:, :n_values].view(n_networks, n_units, n_rows)
        return cls(values, values.transpose(1, 2), memory)


class NetworkPass:
    """Forward and backward pass of K networks for batches of one size.

    Parameters
    ----------
    network : DenseNetwork
        One of the networks.

    views : iterator of (Tensor, Tensor)
        Weights (K, ...) and their gradients, in the order of the parameters.

    n_rows : int
        N, number of samples in a batch.

    unit : Tensor of shape (K, 1, 1) or None
        Unit of the output of each network; None without units.
    """

    def __init__(
        self,
        network: DenseNetwork,
        views: Iterator[tuple[Tensor, Tensor]],
        n_rows: int,
        unit: Tensor | None,
    ):
        modules = list(network.layers)
        pairs = zip(modules[::2], [*modules[1::2], None], strict=True)
        layers = [_layer(cast(nn.Linear, a), b, views, n_rows) for a, b in pairs]
        self.unit, self.unscaled = unit, layers[-1].weight
        if unit is not None:
            scaled = aligned(self.unscaled, *self.unscaled.shape)
            layers[-1] = layers[-1]._replace(
                weight=scaled, transposed=scaled.transpose(1, 2)
            )
        self.layers, self.hidden, self.last = layers, layers[:-1], layers[-1]

    def forward(self, x: Tensor, offset: Tensor | None, out: Tensor) -> Tensor:
        """Write the output into `out`.

        Parameters
        ----------
        x : Tensor of shape (K, n_in, N)
            Inputs.

        offset : Tensor of shape (K, n_out, N) or None
            Added to the output in place of the bias of the last layer.

        out : Tensor of shape (K, n_out, N)
            Receives the output.
        """
        for layer in self.hidden:
            sums, output = layer.sums, layer.output
            torch.baddbmm(cast(Tensor, layer.bias), layer.weight, x, out=sums.values)
            if layer.activation is not None:
                layer.activation.forward(sums.memory, out=output.memory)
            x = output.values
        if self.unit is not None:
            torch.mul(self.unscaled, self.unit, out=self.last.weight)
        start = cast(Tensor, self.last.bias) if offset is None else offset
        return torch.baddbmm(start, self.last.weight, x, out=out)

    def backward(
        self, gradient: Tensor, x_transposed: Tensor, x_grad: Tensor | None = None
    ) -> None:
        """Write the gradients of the weights and of the input.

        Parameters
        ----------
        gradient : Tensor of shape (K, n_out, N)
            Gradient of the loss with respect to the output.

        x_transposed : Tensor of shape (K, N, n_in)
            Inputs.

        x_grad : Tensor of shape (K, n_in, N) or None, default=None
            Receives the gradient with respect to the inputs; None if it is not needed.
        """
        for k in range(len(self.hidden), 0, -1):
            layer, before = self.layers[k], self.layers[k - 1]
            _write_gradients(layer, gradient, before.output.transposed)
            after, (gradient, _, memory) = gradient, before.output_grad
            torch.bmm(layer.transposed, after, out=gradient)
            if before.activation is not None:
                before.activation.backward(
                    memory, before.sums.memory, grad_input=memory
                )
        first = self.layers[0]
        _write_gradients(first, gradient, x_transposed)
        if self.unit is not None:
            self.last.weight_grad.mul_(self.unit)
        if x_grad is not None:
            torch.bmm(first.transposed, gradient, out=x_grad)


def _layer(
    linear: nn.Linear,
    activation: nn.Module | None,
    views: Iterator[tuple[Tensor, Tensor]],
    n_rows: int,
) -> Layer:
    """Take the weights of a layer from the views, and allocate its buffers."""
    (weight, weight_grad), bias, bias_grad = next(views), None, None
    if linear.bias is not None:
        bias, bias_grad = next(views)
    kind = None if activation is None else PASSES[type(activation)]
    sums = output = Buffer.like(weight, n_rows)
    if kind is not None and kind.saves_input:
        output = Buffer.like(weight, n_rows)
    return Layer(
        weight=weight,
        transposed=weight.transpose(1, 2),
        bias=None if bias is None else bias[:, :, None],
        weight_grad=weight_grad,
        bias_grad=bias_grad,
        activation=kind,
        sums=sums,
        output=output,
        output_grad=Buffer.like(weight, n_rows),
    )


def _write_gradients(layer: Layer, gradient: Tensor, x_transposed: Tensor) -> None:
    """Write the gradients of the weights of a layer with inputs (K, N, n_in)."""
    torch.bmm(gradient, x_transposed, out=layer.weight_grad)
    if layer.bias_grad is not None:
        torch.sum(gradient, 2, out=layer.bias_grad)


class Path(NamedTuple):
    """Frozen linear paths of K networks, with the ranges of their inputs."""

    encoder: Tensor  # (K, Z, D)
    encoder_bias: Tensor  # (K, Z, 1)
    decoder: Tensor  # (K, D, Z)
    decoder_transposed: Tensor  # (K, Z, D), view of the decoder
    decoder_bias: Tensor  # (K, D, 1)
    low: Tensor  # (K, D, 1), range of the samples for the encoder
    high: Tensor
    code_low: Tensor  # (K, Z, 1), range of the code for the decoder
    code_high: Tensor
    encoder_unit: Tensor  # (K, 1, 1)
    decoder_unit: Tensor

    @classmethod
    def of(cls, modules: list[Any]) -> "Path":
        """Return the linear paths of autoencoders."""

        def stack(of: Callable[[Any], Tensor]) -> Tensor:
            tensor = aligned_stack([of(module).detach() for module in modules])
            return tensor[:, :, None] if tensor.ndim == 2 else tensor

        decoder = stack(lambda m: m.linear_path.decoder.weight)
        return cls(
            encoder=stack(lambda m: m.linear_path.encoder.weight),
            encoder_bias=stack(lambda m: m.linear_path.encoder.bias),
            decoder=decoder,
            decoder_transposed=decoder.transpose(1, 2),
            decoder_bias=stack(lambda m: m.linear_path.decoder.bias),
            low=stack(lambda m: m.encoder.low),
            high=stack(lambda m: m.encoder.high),
            code_low=stack(lambda m: m.decoder.low),
            code_high=stack(lambda m: m.decoder.high),
            encoder_unit=stack(lambda m: m.encoder_unit[-1:]),
            decoder_unit=stack(lambda m: m.decoder_unit[-1:]),
        )


class Columns(NamedTuple):
    """Samples of K networks, as columns, with what does not change in training."""

    x: Tensor  # (K, D, N), clamped to the range of the encoder
    negative: Tensor  # (K, D, N), negative samples, plus the bias of the linear path
    linear_code: Tensor | None  # (K, Z, N), code of the linear path
    weight: Tensor | None  # (K, 1, N), 0 for padding; None: all are 1

    def split(self, batch_size: int) -> Iterator["Columns"]:
        """Divide columns into batches."""
        parts = (
            repeat(None) if values is None else torch.split(values, batch_size, dim=2)
            for values in self
        )
        return map(Columns._make, zip(*parts, strict=False))


class BatchPass:
    """Losses and gradients of batches of one size, in their buffers.

    Parameters
    ----------
    step : DenseStep
        Training step.

    n_rows : int
        N, number of samples in a batch of each network.
    """

    def __init__(self, step: "DenseStep", n_rows: int):
        views, path, module = iter(step.weights.views), step.path, step.modules[0]
        units = (None, None) if path is None else (path.encoder_unit, path.decoder_unit)
        self.path = path
        self.encoder = NetworkPass(module.encoder, views, n_rows, units[0])
        self.decoder = NetworkPass(module.decoder, views, n_rows, units[1])
        self.code = self.encoder.last.sums.values
        self.error = self.decoder.last.sums.values
        self.code_grad = self.encoder.last.output_grad.values
        self.clamped = aligned(self.code, *self.code.shape) if path else self.code
        self.is_outside = torch.empty_like(self.code, dtype=torch.bool)
        self.weighted = aligned(self.error, *self.error.shape)
        self.clamped_transposed = self.clamped.transpose(1, 2)
        self.errors, self.weighted_errors = (
            self.error.flatten(1),
            self.weighted.flatten(1),
        )

    def __call__(self, batch: Columns, factor: Tensor) -> Tensor:
        """Write the gradients, and return the sums of the squared errors (K,).

        Parameters
        ----------
        batch : Columns
            Samples of each network.

        factor : Tensor of shape (K, 1, 1)
            Factors of the errors in the gradients.
        """
        path, code, error = self.path, self.code, self.error
        self.encoder.forward(batch.x, batch.linear_code, out=code)
        if path is None:
            self.decoder.forward(code, None, out=error).add_(batch.negative)
        else:
            torch.clamp(code, path.code_low, path.code_high, out=self.clamped)
            torch.baddbmm(batch.negative, path.decoder, code, out=error)
            self.decoder.forward(self.clamped, error, out=error)

        weighted, errors = error, self.errors
        if batch.weight is not None:
            weighted = torch.mul(error, batch.weight, out=self.weighted)
            errors = self.weighted_errors
        sums: Tensor = torch.linalg.vecdot(self.errors, errors)
        gradient = weighted.mul_(factor)
        self.decoder.backward(gradient, self.clamped_transposed, self.code_grad)
        if path is not None:
            torch.ne(self.clamped, code, out=self.is_outside)
            self.code_grad.masked_fill_(self.is_outside, 0)
            self.code_grad.baddbmm_(path.decoder_transposed, gradient)
        self.encoder.backward(self.code_grad, batch.x.transpose(1, 2))
        return sums


class DenseStep:
    """Training steps of K dense autoencoders of one shape.

    It is valid until weights are replaced or frozen. The gradients are attributes
    `grad` of the weights, and every step overwrites them.

    Parameters
    ----------
    modules : list of Autoencoder
        Dense autoencoders. Their linear paths are frozen.

    factors : list of float
        Factor of the loss of each of them.
    """

    def __init__(self, modules: list[Any], factors: list[float]):
        self.modules, self.factors = modules, factors

    @cached_property
    def weights(self) -> StackedWeights:
        """Weights of the networks, in one tensor."""
        return StackedWeights([_weights_of(module) for module in self.modules])

    @cached_property
    def path(self) -> Path | None:
        """Linear paths of the networks."""
        has_path = self.modules[0].linear_path is not None
        return Path.of(self.modules) if has_path else None

    @cached_property
    def passes(self) -> dict[int, BatchPass]:
        """Passes by the number of samples in a batch."""
        return {}

    @property
    def shape(self) -> tuple[Any, ...] | None:
        """Shape of the networks. Networks of one shape can be stacked.

        It is None if the networks cannot be stacked: products with a vector would have
        other bits in a stack.
        """
        module = self.modules[0]
        kinds = [
            type(layer) for layer in [*module.encoder.layers, *module.decoder.layers]
        ]
        shapes = [weight.shape for weight in _weights_of(module)]
        if any(1 in shape for shape in shapes):
            return None
        return (*kinds, *shapes, module.linear_path is None)

    @classmethod
    def stack(cls, steps: list["DenseStep"]) -> "DenseStep":
        """Return one step for the networks of several steps of one shape."""
        modules = [module for step in steps for module in step.modules]
        return cls(modules, [factor for step in steps for factor in step.factors])

    def take(self, kept: list[int]) -> None:
        """Keep some of the networks only."""
        self.modules = [self.modules[k] for k in kept]
        self.factors = [self.factors[k] for k in kept]
        self.weights.take(kept)
        del self.path, self.passes

    def __call__(
        self, rows: Sequence[Batch], batch_size: int, gains: Sequence[float]
    ) -> Iterator[tuple[Tensor, list[int]]]:
        """Divide rows into batches, and compute the gradients of each of them.

        Parameters
        ----------
        rows : sequence of Batch
            Rows of each network in the order of the training. All have the same number
            of full batches; the last batch may be smaller.

        batch_size : int
            Number of rows in a batch.

        gains : sequence of float
            Factor of the gradients of each network.

        Yields
        ------
        losses, n_values : Tensor of shape (K,), list of int
            Mean loss of a batch of each network, and its number of values. The
            gradients are valid until the next batch.
        """
        starts = range(0, len(rows[0].x), batch_size)
        sizes = [
            [min(len(batch.x) - start, batch_size) for batch in rows]
            for start in starts
        ]
        columns, scales = self._columns(rows, batch_size), {}
        gain = columns.x.new_tensor(gains)[:, None, None]
        for size, batch in zip(sizes, columns.split(batch_size), strict=True):
            n_rows = batch.x.shape[2]
            if tuple(size) not in scales:
                numbers = [n * batch.x.shape[1] for n in size]
                pairs = zip(self.factors, numbers, strict=True)
                scale = gain.new_tensor([factor / number for factor, number in pairs])
                scales[tuple(size)] = scale, 2 * gain * scale[:, None, None], numbers
            if n_rows not in self.passes:
                self.passes[n_rows] = BatchPass(self, n_rows)
            scale, factor, numbers = scales[tuple(size)]
            yield self.passes[n_rows](batch, factor).mul_(scale), numbers

    def _columns(self, rows: Sequence[Batch], batch_size: int) -> Columns:
        """Stack the rows of the networks, with padding in the last batch."""
        n_rows = {padded_rows(len(batch.x), batch_size) for batch in rows}
        (n,) = n_rows
        weight = None
        if any(len(b.x) < n or b.weight is not None for b in rows):
            ones = [
                torch.ones_like(b.x[:, 0]) if b.weight is None else b.weight
                for b in rows
            ]
            weight = aligned_stack(ones, n)[:, None]
        samples = aligned_stack([batch.x for batch in rows], n)
        target = x = samples.transpose(1, 2)
        negative = aligned(samples, *samples.shape).transpose(1, 2)
        torch.neg(target, out=negative)
        code, path = None, self.path
        if path is not None:
            x = aligned(samples, *samples.shape).transpose(1, 2)
            torch.clamp(target, path.low, path.high, out=x)
            code = aligned(samples, *path.encoder_bias.shape[:2], n)
            torch.baddbmm(path.encoder_bias, path.encoder, target, out=code)
            negative.add_(path.decoder_bias)
        return Columns(x, negative, code, weight)


def _weights_of(module: Any) -> list[nn.Parameter]:
    """Return the weights of the networks, encoder first."""
    return [*module.encoder.parameters(), *module.decoder.parameters()]


def padded_rows(n_rows: int, batch_size: int) -> int:
    """Return the number of rows with padding in the last batch.

    The last batches of two folds may differ by one row. They are stacked if both have
    the same size with padding.
    """
    n_last = n_rows % batch_size
    return n_rows - n_last + min(-(-n_last // PADDING) * PADDING, batch_size)
