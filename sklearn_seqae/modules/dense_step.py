"""Training step of a dense autoencoder, with a written-out backward pass.

For small networks, autograd takes longer than the matrix products. `DenseStep` computes
the same gradients without it, in buffers that are allocated once.
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


class Layer(NamedTuple):
    """Weights of a linear layer, its gradients and the activation after it."""

    weight: Tensor  # (n_out, n_in)
    transposed: Tensor  # (n_in, n_out), view of the weight
    bias: Tensor | None  # (n_out,)
    weight_grad: Tensor
    bias_grad: Tensor | None
    activation: Activation | None


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
    if (module.encoder_unit != unit).any() or (others != 1).any():
        return None
    if any(_has_hooks(part) for part in module.modules()):
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


def _has_hooks(module: nn.Module) -> bool:
    """Return whether a callback has registered hooks, which only autograd calls."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or any(w._backward_hooks for w in module.parameters(recurse=False))
    )


def _layers(network: nn.Module | None) -> list[Layer]:
    """Return the layers of a network. Their gradients are allocated."""
    layers, modules = [], list(cast(DenseNetwork, network).layers)
    for linear, activation in zip(modules[::2], [*modules[1::2], None], strict=True):
        for parameter in linear.parameters():
            if parameter.grad is None:
                parameter.grad = torch.empty_like(parameter)
        weight, bias = cast(nn.Linear, linear).weight, cast(nn.Linear, linear).bias
        layers.append(
            Layer(
                weight.detach(),
                weight.detach().t(),
                None if bias is None else bias.detach(),
                cast(Tensor, weight.grad),
                None if bias is None else bias.grad,
                PASSES.get(type(activation)),
            )
        )
    return layers


class NetworkPass:
    """Forward and backward pass of a network for batches of one size.

    Parameters
    ----------
    layers : list of Layer
        Layers of the network.

    n_rows : int
        Number of rows in a batch.

    unit : float
        Factor of the output.
    """

    def __init__(self, layers: list[Layer], n_rows: int, unit: float):
        self.layers = layers
        self.units = [1.0] * (len(layers) - 1) + [unit]
        self.linear, self.hidden, self.grads = [], [], []
        for layer in layers[:-1]:
            shape, activation = (n_rows, len(layer.weight)), layer.activation
            linear = layer.weight.new_empty(shape)
            saves_input = activation is not None and activation.saves_input
            self.linear.append(linear)
            self.hidden.append(torch.empty_like(linear) if saves_input else linear)
            self.grads.append(torch.empty_like(linear))

    def forward(self, x: Tensor, offset: Tensor | None, out: Tensor) -> Tensor:
        """Write the output, multiplied by the unit, into `out`.

        Parameters
        ----------
        x : Tensor of shape (N, n_in)
            Inputs.

        offset : Tensor of shape (N, n_out) or None
            Added to the output in place of the bias of the last layer.

        out : Tensor of shape (N, n_out)
            Receives the output.
        """
        self.inputs = [x, *self.hidden]
        hidden = zip(self.layers, self.inputs, self.linear, self.hidden, strict=False)
        for layer, before, linear, after in hidden:
            torch.addmm(cast(Tensor, layer.bias), before, layer.transposed, out=linear)
            if layer.activation is not None:
                layer.activation.forward(linear, out=after)
        last, unit = self.layers[-1], self.units[-1]
        offset = cast(Tensor, last.bias) if offset is None else offset
        return torch.addmm(
            offset, self.inputs[-1], last.transposed, alpha=unit, out=out
        )

    def backward(self, gradient: Tensor, out: Tensor | None = None) -> None:
        """Write the gradients of the weights and, into `out`, of the input.

        Parameters
        ----------
        gradient : Tensor of shape (N, n_out)
            Gradient of the loss with respect to the output.

        out : Tensor of shape (N, n_in) or None, default=None
            Receives the gradient with respect to the input; None if it is not needed.
        """
        for k in range(len(self.layers) - 1, -1, -1):
            layer, alpha = self.layers[k], self.units[k]
            _product(gradient.t(), self.inputs[k], alpha=alpha, out=layer.weight_grad)
            if layer.bias_grad is not None:
                torch.sum(gradient, 0, out=layer.bias_grad)
            before = self.grads[k - 1] if k else out
            if before is None:
                return
            _product(gradient, layer.weight, alpha=alpha, out=before)
            activation = self.layers[k - 1].activation if k else None
            if activation is not None:
                saved = self.linear[k - 1]
                activation.backward(before, saved, grad_input=before)
            gradient = before


def _product(a: Tensor, b: Tensor, *, alpha: float, out: Tensor) -> None:
    """Write the product alpha a b of two matrices into `out`."""
    torch.addmm(out, a, b, beta=0, alpha=alpha, out=out)


class BatchPass:
    """Loss and gradients of batches of one size, in their buffers.

    Parameters
    ----------
    step : DenseStep
        Step with the layers of the networks.

    n_rows : int
        Number of rows in a batch.
    """

    def __init__(self, step: "DenseStep", n_rows: int):
        self.step = step
        self.encoder = NetworkPass(step.encoder, n_rows, step.units[0])
        self.decoder = NetworkPass(step.decoder, n_rows, step.units[1])
        last = step.decoder[-1].weight
        self.code = last.new_empty(n_rows, len(step.encoder[-1].weight))
        self.clamped = torch.empty_like(self.code) if step.path else self.code
        self.code_grad = torch.empty_like(self.code)
        self.is_outside = torch.empty_like(self.code, dtype=torch.bool)
        self.error = last.new_empty(n_rows, len(last))
        self.weighted = torch.empty_like(self.error)
        self.mean_factor = step.factor / self.error.numel()

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
        target, x : Tensor of shape (N, D)
            Rows, and the same rows clamped to the range of the encoder.

        linear_code : Tensor of shape (N, Z) or None
            Codes of the linear path; None without one.

        weight : Tensor of shape (N, 1) or None
            Sample weights; None: all are 1.

        gain : float
            Factor of the gradients.
        """
        path, code, error = self.step.path, self.code, self.error
        self.encoder.forward(x, linear_code, out=code)
        offset = None
        if path is not None:
            network = self.step.module.decoder
            torch.clamp(code, network.low, network.high, out=self.clamped)
            offset = torch.addmm(path.bias, code, path.transposed, out=error)
        self.decoder.forward(self.clamped, offset, out=error).sub_(target)

        weighted = error
        if weight is not None:
            weighted = torch.mul(error, weight, out=self.weighted)
        loss = torch.dot(error.view(-1), weighted.view(-1)).mul_(self.mean_factor)
        gradient = weighted.mul_(2 * gain * self.mean_factor)
        self.decoder.backward(gradient, out=self.code_grad)
        if path is not None:
            torch.ne(self.clamped, code, out=self.is_outside)
            self.code_grad.masked_fill_(self.is_outside, 0)
            self.code_grad.addmm_(gradient, path.weight)
        self.encoder.backward(self.code_grad)
        return loss


class FrozenDecoder(NamedTuple):
    """Weights of the decoder of the linear path."""

    weight: Tensor  # (D, Z)
    transposed: Tensor  # (Z, D), view of the weight
    bias: Tensor  # (D,)


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
        self.encoder, self.decoder = _layers(module.encoder), _layers(module.decoder)
        self.path, self.units = None, (1.0, 1.0)
        if module.linear_path is not None:
            decoder = module.linear_path.decoder
            weight, bias = decoder.weight.detach(), decoder.bias.detach()
            self.path = FrozenDecoder(weight, weight.t(), bias)
            units = module.encoder_unit[-1], module.decoder_unit[-1]
            self.units = float(units[0]), float(units[1])
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
        x, code, weight = rows.x, None, rows.weight
        if self.path is not None:
            x = x.clamp(self.module.encoder.low, self.module.encoder.high)
            with torch.no_grad():
                code = self.module.linear_path.encode(rows.x)
        if weight is not None:
            weight = weight[:, None]
        parts = (_split(part, batch_size) for part in (rows.x, x, code, weight))
        for target, x, code, weight in zip(*parts, strict=False):
            n_rows = len(target)
            if n_rows not in self.passes:
                self.passes[n_rows] = BatchPass(self, n_rows)
            loss = self.passes[n_rows](target, x, code, weight, gain)
            yield loss, target.numel()


def _split(values: Tensor | None, batch_size: int) -> Iterable[Any]:
    """Divide rows into batches; endless None if there are no values."""
    return repeat(None) if values is None else torch.split(values, batch_size)
