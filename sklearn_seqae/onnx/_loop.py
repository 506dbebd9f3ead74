"""The loop of a conditional decoder, with a number of steps that stays symbolic.

The tracing exporter of torch unrolls loops in Python. The loop of a scripted function
becomes the operator Loop of ONNX.
"""

import warnings
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn


class Cell(nn.Module):
    """One step of a recurrent layer, written out.

    Parameters
    ----------
    layer : torch.nn.LSTM, torch.nn.GRU or torch.nn.RNN
        Layer with one direction.
    """

    w_in: Tensor
    w: Tensor
    b_in: Tensor
    b: Tensor

    def __init__(self, layer: nn.RNNBase):
        super().__init__()
        self.kind = type(layer).__name__
        self.n_hidden = layer.hidden_size
        self.size = layer.hidden_size * (2 if self.kind == "LSTM" else 1)
        names = "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"
        for name, key in zip(names, ("w_in", "w", "b_in", "b"), strict=True):
            self.register_buffer(key, getattr(layer, name).detach())

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        """Return the next state (N, size), which begins with the output."""
        hidden = state[:, : self.n_hidden]
        inside = x @ self.w_in.t() + self.b_in
        before = hidden @ self.w.t() + self.b
        if self.kind == "LSTM":
            gates = (inside + before).chunk(4, 1)
            kept = gates[1].sigmoid() * state[:, self.n_hidden :]
            memory = kept + gates[0].sigmoid() * gates[2].tanh()
            return torch.cat([gates[3].sigmoid() * memory.tanh(), memory], 1)
        if self.kind == "GRU":
            of_x, of_hidden = inside.chunk(3, 1), before.chunk(3, 1)
            reset = (of_x[0] + of_hidden[0]).sigmoid()
            update = (of_x[1] + of_hidden[1]).sigmoid()
            new = (of_x[2] + reset * of_hidden[2]).tanh()
            return (1 - update) * new + update * hidden
        return (inside + before).tanh()


class Loop(nn.Module):
    """Decode patches in order, each from the previous one.

    Shape
    -----
    - Input: `x` (N, P, n_in); `base` (N, P, n_out), the output of the linear path in
      logits, or zeros
    - Output: (N, P, n_out)

    Parameters
    ----------
    decoder : RecurrentDecoder
        Conditional decoder.
    """

    def __init__(self, decoder: Any):
        super().__init__()
        cells = [Cell(layer) for layer in decoder.stack.forward_layers]
        self.cells: Any = nn.ModuleList(cells)
        self.size = sum(cell.size for cell in cells)
        self.head = decoder.head
        self.n_out = decoder.head.out_features
        self.is_logistic = decoder.is_logistic

    def forward(self, x: Tensor, base: Tensor) -> Tensor:
        """Compute the patches."""
        state = torch.zeros(x.shape[0], self.size)
        previous = torch.zeros(x.shape[0], self.n_out)
        patches = torch.zeros(x.shape[0], 0, self.n_out)
        for p in range(x.shape[1]):
            output = torch.cat([x[:, p], previous], 1)
            states = torch.zeros(x.shape[0], 0)
            start = 0
            for cell in self.cells:
                after = cell(output, state[:, start : start + cell.size])
                output = after[:, : cell.n_hidden]
                states = torch.cat([states, after], 1)
                start += cell.size
            state = states
            patch = self.head(output)
            patches = torch.cat([patches, patch[:, None]], 1)
            previous = patch
            if self.is_logistic:
                previous = (base[:, p] + patch).sigmoid() - base[:, p].sigmoid()
        return patches


def script_loops(module: nn.Module) -> None:
    """Replace the loops of the conditional decoders of a module by scripted ones."""
    decoder: Any
    for decoder in module.modules():
        if getattr(decoder, "is_conditional", False):
            n_out = decoder.head.out_features
            decoder._decode_steps = partial(_decode, _scripted(decoder), n_out)


def _scripted(decoder: Any) -> Any:
    """Return the loop of a decoder as a scripted function.

    The exporter accepts scripted functions, not scripted modules.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch.jit
        scripted = torch.jit.script(Loop(decoder).eval())
        graph = torch.jit.freeze(scripted).graph.copy()
    graph.eraseInput(0)  # the module, whose weights are constants now
    return torch._C._create_function_from_graph("loop", graph)


def _decode(
    loop: Any, n_out: int, x: Tensor, linear_patches: Tensor | None, *_: Any
) -> Tensor:
    if linear_patches is None:
        linear_patches = torch.zeros_like(x[:, :, :1]).expand(-1, -1, n_out)
    patches: Tensor = loop(x, linear_patches)
    return patches
