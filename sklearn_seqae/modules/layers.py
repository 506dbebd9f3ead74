"""Layers whose initial weights are drawn from an explicit generator.

The constructors of torch draw from the global generator. The functions of this file
allocate a layer without drawing, and then draw its weights from their `generator`.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

Layer = TypeVar("Layer", bound=nn.Module)

ACTIVATIONS = {
    "identity": nn.Identity,
    "logistic": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
}
_is_drawn: ContextVar[bool] = ContextVar("is_drawn", default=True)
CELLS: dict[str, type[nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


@contextmanager
def without_initial_weights() -> Iterator[None]:
    """Leave the weights of new layers undefined in the block: they will be loaded."""
    token = _is_drawn.set(False)
    try:
        yield
    finally:
        _is_drawn.reset(token)


def empty(layer_class: Callable[..., Layer], *sizes: int, **options: Any) -> Layer:
    """Make a layer whose weights are allocated but not initialized.

    The constructors of torch do not draw random numbers on the device "meta".

    Parameters
    ----------
    layer_class : type
        Class of the layer.

    *sizes, **options
        Arguments of its constructor.

    Returns
    -------
    layer : torch.nn.Module
        Layer on the CPU.
    """
    return layer_class(*sizes, **options, device="meta").to_empty(device="cpu")


def linear(n_in: int, n_out: int, *, generator: torch.Generator) -> nn.Linear:
    """Make a linear layer with the initialization of torch.

    Weights and biases are uniform in [-b, b], b = 1 / sqrt(n_in).

    Parameters
    ----------
    n_in, n_out : int
        Numbers of inputs and outputs.

    generator : torch.Generator
        Source of every random number.

    Returns
    -------
    layer : torch.nn.Linear
    """
    layer = empty(nn.Linear, n_in, n_out)
    if not _is_drawn.get():
        return layer
    bound = 1 / math.sqrt(max(n_in, 1))
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
    return layer


def zero_linear(n_in: int, n_out: int) -> nn.Linear:
    """Make a linear layer without bias, initialized with zeros."""
    layer = empty(nn.Linear, n_in, n_out, bias=False)
    nn.init.zeros_(layer.weight)
    return layer


def convolution(
    n_in: int,
    n_out: int,
    *,
    larger: tuple[int, int],
    kernel: int,
    generator: torch.Generator | None,
    transposed: bool = False,
) -> nn.Module:
    """Make a convolution of stride 2 with the initialization of torch.

    Weights and biases are uniform in [-b, b], b = 1 / sqrt(inputs per output).

    Parameters
    ----------
    n_in, n_out : int
        Numbers of input and output channels.

    larger : (int, int)
        Height and width of the larger image. Along an axis of a single pixel, kernel
        and stride are 1.

    kernel : int
        Size of the kernel, padded by (kernel - 1) // 2 on both sides.

    generator : torch.Generator or None
        Source of every random number. None: zero weights and no bias.

    transposed : bool, default=False
        If False, the layer halves height and width. If True, it doubles them.

    Returns
    -------
    layer : torch.nn.Conv2d or torch.nn.ConvTranspose2d
    """
    sizes = [kernel if n > 1 else 1 for n in larger]
    strides = [2 if n > 1 else 1 for n in larger]
    layer: nn.Module = empty(
        nn.ConvTranspose2d if transposed else nn.Conv2d,
        n_in,
        n_out,
        kernel_size=sizes,
        stride=strides,
        padding=[(size - 1) // 2 for size in sizes],
        bias=generator is not None,
    )
    if not _is_drawn.get():
        return layer
    # Each output of a transposed convolution receives one of n_strides kernel values.
    n_strides = math.prod(strides) if transposed else 1
    bound = math.sqrt(n_strides / (n_in * math.prod(sizes)))
    with torch.no_grad():
        for weight in layer.parameters():
            if generator is None:
                weight.zero_()
            else:
                weight.uniform_(-bound, bound, generator=generator)
    return layer


def recurrent(
    cell: str, n_in: int, n_hidden: int, *, generator: torch.Generator
) -> nn.RNNBase:
    """Make one recurrent layer with orthogonal recurrent weights.

    Input weights are uniform (Glorot and Bengio, 2010) and biases are 0. The bias of
    the forget gate of an LSTM is 1, so a new network keeps its state (Jozefowicz et
    al., 2015).

    Parameters
    ----------
    cell : {"lstm", "gru", "rnn"}
        Type of the cell.

    n_in, n_hidden : int
        Numbers of input channels and hidden units.

    generator : torch.Generator
        Source of every random number.

    Returns
    -------
    layer : torch.nn.LSTM, torch.nn.GRU or torch.nn.RNN
        Layer for one direction, with input (N, T, n_in).
    """
    layer = empty(CELLS[cell], n_in, n_hidden, batch_first=True)
    if not _is_drawn.get():
        return layer
    weights = dict(layer.named_parameters())
    with torch.no_grad():
        for block in torch.split(weights["weight_ih_l0"], n_hidden):
            nn.init.xavier_uniform_(block, generator=generator)
        for block in torch.split(weights["weight_hh_l0"], n_hidden):
            nn.init.orthogonal_(block, generator=generator)
        weights["bias_ih_l0"].zero_()
        weights["bias_hh_l0"].zero_()
        if cell == "lstm":  # order of the gates: input, forget, cell, output
            weights["bias_ih_l0"][n_hidden : 2 * n_hidden] = 1
    return layer


def reverse(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Reverse each sequence within its own length, without its padding.

    Shape: `x` (N, T, C) and `lengths` (N,) or None; output (N, T, C).
    """
    if lengths is None:
        return x.flip(1)
    step = torch.arange(x.shape[1], device=x.device)
    source = lengths[:, None] - 1 - step  # (N, T), negative on padding
    source = torch.where(source >= 0, source, step)
    return x.gather(1, source[:, :, None].expand_as(x))
