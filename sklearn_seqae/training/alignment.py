"""Matrix products whose rows do not depend on where they lie in memory.

For small matrices, BLAS libraries choose the order of a sum by the address at which a
row begins: the same row gives other last bits a few places further down. Here every
row of a product begins at a multiple of 64 bytes, by columns of zeros, which add
nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear, pad
from torch.overrides import TorchFunctionMode

ALIGNMENT = 16  # values of float32: 64 bytes, the widest register and a cache line
PRODUCTS = (torch.matmul, torch.mm, Tensor.matmul, Tensor.mm, Tensor.__matmul__)
CELLS = (torch.gru, torch.rnn_tanh)  # an LSTM is computed by oneDNN, which repacks


def aligned(x: Tensor) -> Tensor:
    """Add columns of zeros until each row begins at a multiple of 64 bytes."""
    return pad(x, (0, -x.shape[-1] % ALIGNMENT)).contiguous()


class AlignedProducts(TorchFunctionMode):
    """Context in which linear layers, products and recurrent cells are aligned.

    Examples
    --------
    >>> import torch
    >>> from sklearn_seqae.training.alignment import AlignedProducts
    >>> row, weight = torch.rand(13), torch.rand(13, 2)
    >>> with AlignedProducts():
    ...     product = row.expand(256, 13) @ weight
    >>> bool((product == product[0]).all())
    True
    """

    def __init__(self) -> None:
        super().__init__()
        self._padded: dict[int, tuple[Any, Any]] = {}  # weights and their padded form

    def __torch_function__(
        self,
        func: Callable,
        types: Iterable[type],
        args: tuple = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call `func`, with padded matrices where it is a product of matrices."""
        if func is linear:
            x, weight, *bias = args
            return linear(
                aligned(x), self._once(weight, lambda: aligned(weight)), *bias
            )
        if func in PRODUCTS and args[1].ndim == 2:
            return linear(aligned(args[0]), aligned(args[1].T))
        if func in CELLS:
            return self._recurrent(func, *args)
        return func(*args, **(kwargs or {}))

    def _once(self, key: Any, make: Callable[[], Any]) -> Any:
        """Pad the weights of a layer once for all tiles."""
        if id(key) not in self._padded:
            self._padded[id(key)] = key, make()  # the key stays alive with its id
        return self._padded[id(key)][1]

    def _recurrent(
        self, func: Callable, x: Tensor, h: Tensor, weights: list[Tensor], *options: Any
    ) -> tuple[Tensor, Tensor]:
        """Call a recurrent layer whose further hidden units are zero at every step."""
        n_in, n_hidden = x.shape[-1], h.shape[-1]
        more_in, more_hidden = -n_in % ALIGNMENT, -n_hidden % ALIGNMENT

        def padded(weight: Tensor) -> Tensor:
            gates = weight.unflatten(0, (-1, n_hidden))
            if weight.ndim == 1:
                return pad(gates, (0, more_hidden)).flatten()
            columns = more_in if weight.shape[1] == n_in else more_hidden
            return pad(gates, (0, columns, 0, more_hidden)).flatten(0, 1)

        if more_in or more_hidden:
            weights = self._once(weights, lambda: [padded(w) for w in weights])
            x, h = pad(x, (0, more_in)), pad(h, (0, more_hidden))
        output, h = func(x, h, weights, *options)
        return output[..., :n_hidden], h[..., :n_hidden]
