"""Layers that draw their first weights from an explicit generator.

torch's own constructors read and advance the process-wide generator; these build
the layer without weights and fill it from the generator that they are given.
"""

import math
from collections.abc import Callable
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
CELLS: dict[str, type[nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


def empty(layer_class: Callable[..., Layer], *sizes: int, **options: Any) -> Layer:
    """Make a layer whose weights are allocated but not drawn.

    On the device "meta" torch's constructors draw nothing, so no generator moves.
    """
    return layer_class(*sizes, **options, device="meta").to_empty(device="cpu")


def linear(n_in: int, n_out: int, *, generator: torch.Generator) -> nn.Linear:
    """Make a linear layer, uniform within 1 / sqrt(n_in) as torch's own.

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
    bound = 1 / math.sqrt(max(n_in, 1))
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
    return layer


def zero_linear(n_in: int, n_out: int) -> nn.Linear:
    """Make a linear layer of zeros without bias: silent until it has learned."""
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
    """Make a convolution of stride 2, uniform within 1 / sqrt(values an output sees).

    Parameters
    ----------
    n_in, n_out : int
        Channels.

    larger : (int, int)
        Rows and columns of the image that it halves, or doubles to. Along an axis of
        a single pixel, kernel and stride are 1.

    kernel : int
        Size of the kernel, padded by (kernel - 1) // 2 on both sides.

    generator : torch.Generator or None
        Source of every random number. None: all weights are zero, without bias.

    transposed : bool, default=False
        Whether it doubles an image.

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
    shared = math.prod(strides) if transposed else 1
    bound = math.sqrt(shared / (n_in * math.prod(sizes)))
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

    Input weights are Glorot uniform, biases zero, and an LSTM's forget gate starts
    at 1, so that a new network remembers (Jozefowicz et al., 2015).

    Parameters
    ----------
    cell : {"lstm", "gru", "rnn"}
        The kind of cell.

    n_in, n_hidden : int
        Numbers of input channels and hidden units.

    generator : torch.Generator
        Source of every random number.

    Returns
    -------
    layer : torch.nn.LSTM, torch.nn.GRU or torch.nn.RNN
        One forward layer that takes (N, T, n_in).
    """
    layer = empty(CELLS[cell], n_in, n_hidden, batch_first=True)
    weights = dict(layer.named_parameters())
    with torch.no_grad():
        for block in weights["weight_ih_l0"].split(n_hidden):
            nn.init.xavier_uniform_(block, generator=generator)
        for block in weights["weight_hh_l0"].split(n_hidden):
            nn.init.orthogonal_(block, generator=generator)
        weights["bias_ih_l0"].zero_()
        weights["bias_hh_l0"].zero_()
        if cell == "lstm":  # the gates stand in the order input, forget, cell, output
            weights["bias_ih_l0"][n_hidden : 2 * n_hidden] = 1
    return layer


def reverse(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Reverse each sequence within its own length; padding stays where it is.

    Shape: `x` (N, T, C) and `lengths` (N,) or None; output (N, T, C).
    """
    if lengths is None:
        return x.flip(1)
    step = torch.arange(x.shape[1], device=x.device)
    source = lengths[:, None] - 1 - step  # (N, T), negative on padding
    source = torch.where(source >= 0, source, step)
    return x.gather(1, source[:, :, None].expand_as(x))
