"""Training step of a dense autoencoder, with a written-out backward pass.

For small networks, autograd takes longer than the matrix products. `DenseStep` computes
the same gradients without it, in buffers that are allocated once. In all of them, rows
are features and columns are samples: products with a small latent code are faster.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.batch import Batch
from sklearn_seqae.modules.dense import DenseNetwork
from sklearn_seqae.modules.linear_path import LinearPath

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
    return DenseStep(module, factor)


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
    """Linear layer with the activation after it, and its buffers for N samples."""

    weight: Tensor  # (n_out, n_in)
    transposed: Tensor  # (n_in, n_out), view of the weight
    bias: Tensor | None  # (n_out, 1)
    weight_grad: Tensor
    bias_grad: Tensor | None  # (n_out,)
    activation: Activation | None
    sums: Tensor  # (n_out, N), before the activation
    output: Tensor  # (n_out, N), the same tensor if the activation saves its output
    output_transposed: Tensor  # (N, n_out), view of the output
    output_grad: Tensor  # (n_out, N)


class NetworkPass:
    """Forward and backward pass of a network for batches of one size.

    Parameters
    ----------
    network : DenseNetwork
        Network. The gradients of its weights are allocated.

    n_rows : int
        N, number of samples in a batch.
    """

    def __init__(self, network: DenseNetwork, n_rows: int):
        modules = list(network.layers)
        pairs = zip(modules[::2], [*modules[1::2], None], strict=True)
        self.layers = [_layer(cast(nn.Linear, a), b, n_rows) for a, b in pairs]
        self.hidden, self.last = self.layers[:-1], self.layers[-1]

    def forward(
        self, x: Tensor, offset: Tensor | None, unit: float, out: Tensor
    ) -> Tensor:
        """Write the output into `out`.

        Parameters
        ----------
        x : Tensor of shape (n_in, N)
            Inputs.

        offset : Tensor of shape (n_out, N) or None
            Added to the output in place of the bias of the last layer.

        unit : float
            Factor of the output before the offset is added.

        out : Tensor of shape (n_out, N)
            Receives the output.
        """
        for layer in self.hidden:
            torch.addmm(cast(Tensor, layer.bias), layer.weight, x, out=layer.sums)
            if layer.activation is not None:
                layer.activation.forward(layer.sums, out=layer.output)
            x = layer.output
        start = cast(Tensor, self.last.bias) if offset is None else offset
        return torch.addmm(start, self.last.weight, x, alpha=unit, out=out)

    def backward(
        self, gradient: Tensor, x: Tensor, x_grad: Tensor | None = None
    ) -> None:
        """Write the gradients of the weights and of the input.

        Parameters
        ----------
        gradient : Tensor of shape (n_out, N)
            Gradient of the loss with respect to the output without its unit.

        x : Tensor of shape (n_in, N)
            Inputs.

        x_grad : Tensor of shape (n_in, N) or None, default=None
            Receives the gradient with respect to the inputs; None if it is not needed.
        """
        for k in range(len(self.hidden), 0, -1):
            layer, before = self.layers[k], self.layers[k - 1]
            _write_gradients(layer, gradient, before.output_transposed)
            torch.mm(layer.transposed, gradient, out=before.output_grad)
            gradient = before.output_grad
            if before.activation is not None:
                before.activation.backward(gradient, before.sums, grad_input=gradient)
        first = self.layers[0]
        _write_gradients(first, gradient, x.t())
        if x_grad is not None:
            torch.mm(first.transposed, gradient, out=x_grad)


def _layer(linear: nn.Linear, activation: nn.Module | None, n_rows: int) -> Layer:
    """Allocate the buffers of a layer, and the gradients where there are none."""
    for parameter in linear.parameters():
        if parameter.grad is None:
            parameter.grad = torch.empty_like(parameter)
    weight, bias = linear.weight.detach(), linear.bias
    kind = None if activation is None else PASSES[type(activation)]
    sums = output = weight.new_empty(len(weight), n_rows)
    if kind is not None and kind.saves_input:
        output = torch.empty_like(sums)
    return Layer(
        weight=weight,
        transposed=weight.t(),
        bias=None if bias is None else bias.detach()[:, None],
        weight_grad=cast(Tensor, linear.weight.grad),
        bias_grad=None if bias is None else bias.grad,
        activation=kind,
        sums=sums,
        output=output,
        output_transposed=output.t(),
        output_grad=torch.empty_like(sums),
    )


def _write_gradients(layer: Layer, gradient: Tensor, x_transposed: Tensor) -> None:
    """Write the gradients of the weights of a layer with inputs (N, n_in)."""
    torch.mm(gradient, x_transposed, out=layer.weight_grad)
    if layer.bias_grad is not None:
        torch.sum(gradient, 1, out=layer.bias_grad)


class BatchPass:
    """Loss and gradients of batches of one size, in their buffers.

    Parameters
    ----------
    module : Autoencoder
        Dense autoencoder. Its linear path is frozen.

    factor : float
        Factor of the loss.

    n_rows : int
        N, number of samples in a batch.
    """

    def __init__(self, module: Any, factor: float, n_rows: int):
        self.encoder = NetworkPass(module.encoder, n_rows)
        self.decoder = NetworkPass(module.decoder, n_rows)
        self.path, self.units = None, (1.0, 1.0)
        if module.linear_path is not None:
            self.path = FrozenDecoder.of(module)
            self.units = float(module.encoder_unit[-1]), float(module.decoder_unit[-1])
        self.code, self.error = self.encoder.last.sums, self.decoder.last.sums
        self.code_grad = self.encoder.last.output_grad
        self.error_in_units = self.decoder.last.output_grad
        self.clamped = torch.empty_like(self.code) if self.path else self.code
        self.is_outside = torch.empty_like(self.code, dtype=torch.bool)
        self.weighted = torch.empty_like(self.error)
        self.n_values = self.error.numel()
        self.factor = factor / self.n_values

    def __call__(
        self,
        target: Tensor,
        x: Tensor,
        linear_code: Tensor | None,
        weight: Tensor | None,
        gain: float,
    ) -> Tensor:
        """Return the mean loss, and write the gradients of `gain` times the loss.

        Parameters
        ----------
        target, x : Tensor of shape (D, N)
            Samples, and the same samples clamped to the range of the encoder.

        linear_code : Tensor of shape (Z, N) or None
            Codes of the linear path; None without one.

        weight : Tensor of shape (1, N) or None
            Sample weights; None: all are 1.

        gain : float
            Factor of the gradients.
        """
        path, code, error, (u, v) = self.path, self.code, self.error, self.units
        self.encoder.forward(x, linear_code, u, out=code)
        offset = None
        if path is not None:
            torch.clamp(code, path.low, path.high, out=self.clamped)
            offset = torch.addmm(path.bias, path.weight, code, out=error)
        self.decoder.forward(self.clamped, offset, v, out=error).sub_(target)

        weighted = error
        if weight is not None:
            weighted = torch.mul(error, weight, out=self.weighted)
        loss = torch.dot(error.view(-1), weighted.view(-1)).mul_(self.factor)
        gradient = weighted.mul_(2 * gain * self.factor)
        if path is None:
            self.decoder.backward(gradient, code, self.code_grad)
        else:
            in_units = torch.mul(gradient, v, out=self.error_in_units)
            self.decoder.backward(in_units, self.clamped, self.code_grad)
            torch.ne(self.clamped, code, out=self.is_outside)
            self.code_grad.masked_fill_(self.is_outside, 0)
            self.code_grad.addmm_(path.transposed, gradient).mul_(u)
        self.encoder.backward(self.code_grad, x)
        return loss


class FrozenDecoder(NamedTuple):
    """Decoder of the linear path, and the range of the code for the network."""

    weight: Tensor  # (D, Z)
    transposed: Tensor  # (Z, D), view of the weight
    bias: Tensor  # (D, 1)
    low: Tensor  # (Z, 1)
    high: Tensor  # (Z, 1)

    @classmethod
    def of(cls, module: Any) -> "FrozenDecoder":
        """Return the decoder of an autoencoder."""
        decoder, network = module.linear_path.decoder, module.decoder
        weight, bias = decoder.weight.detach(), decoder.bias.detach()
        columns = (values[:, None] for values in (bias, network.low, network.high))
        return cls(weight, weight.t(), *columns)


class DenseStep:
    """Training steps of a dense autoencoder.

    It is valid until weights are replaced or frozen. The gradients are attributes
    `grad` of the weights, and every step overwrites them.

    Parameters
    ----------
    module : Autoencoder
        Dense autoencoder. Its linear path is frozen.

    factor : float
        Factor of the loss.
    """

    def __init__(self, module: Autoencoder, factor: float):
        self.module: Any = module
        self.factor = factor
        self.passes: dict[int, BatchPass] = {}

    def __call__(
        self, rows: Batch, batch_size: int, gain: float = 1.0
    ) -> Iterator[tuple[Tensor, int]]:
        """Divide rows into batches, and compute the gradients of each of them.

        What does not change in training, the code of the linear path and the clamped
        input, is computed for all rows at once.

        Parameters
        ----------
        rows : Batch
            Rows in the order of the training.

        batch_size : int
            Number of rows in a batch. The last batch may be smaller.

        gain : float, default=1
            Factor of the gradients.

        Yields
        ------
        loss, n_values : Tensor of shape (), int
            Mean loss of a batch, and its number of values. Its gradients are valid
            until the next batch.
        """
        target = rows.x.t()
        x, code, weight = target, None, rows.weight
        path = self.module.linear_path
        if path is not None:
            low, high = self.module.encoder.low, self.module.encoder.high
            x = target.clamp(low[:, None], high[:, None])
            bias = path.encoder.bias.detach()[:, None]
            code = torch.addmm(bias, path.encoder.weight.detach(), target)
        if weight is not None:
            weight = weight[None]
        parts = [_split(part, batch_size) for part in (target, x, code, weight)]
        for target, x, code, weight in zip(*parts, strict=False):
            n_rows = target.shape[1]
            if n_rows not in self.passes:
                self.passes[n_rows] = BatchPass(self.module, self.factor, n_rows)
            batch = self.passes[n_rows]
            yield batch(target, x, code, weight, gain), batch.n_values


def _split(values: Tensor | None, batch_size: int) -> Iterable[Any]:
    """Divide columns into batches; endless None if there are no values."""
    return repeat(None) if values is None else torch.split(values, batch_size, dim=1)
