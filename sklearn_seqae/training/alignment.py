"""Matrix products whose rows do not depend on their memory addresses.

For small matrices, the order in which a BLAS library computes a sum depends on the
address of the row. The last bits of a result then depend on the position of the row in
the batch. Here columns of zeros are added until the address of each row is a multiple
of 64 bytes. The zeros do not change the sums.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear, pad
from torch.overrides import TorchFunctionMode

ALIGNMENT = 16  # number of float32 values in 64 bytes, the widest register
PRODUCTS = (torch.matmul, torch.mm, Tensor.matmul, Tensor.mm, Tensor.__matmul__)
CELLS = (torch.gru, torch.rnn_tanh)  # oneDNN computes an LSTM, and copies the rows


def aligned(x: Tensor) -> Tensor:
    """Add columns of zeros, so that the size of a row is a multiple of 64 bytes."""
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
        self._padded: dict[int, tuple[Any, Any]] = {}  # weights, padded weights

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call `func`, with padded matrices if it is a product of matrices."""
        if func is linear:
            x, weight, *bias = args
            return linear(
                aligned(x), self._cached(weight, lambda: aligned(weight)), *bias
            )
        if func in PRODUCTS and args[1].ndim == 2:
            return linear(aligned(args[0]), aligned(args[1].T))
        if func in CELLS:
            return self._recurrent(func, *args)
        return func(*args, **(kwargs or {}))

    def _cached(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return the padded weights of a layer, which are the same for all tiles."""
        if id(key) not in self._padded:
            self._padded[id(key)] = (
                key,
                make(),
            )  # an id is unique as long as its object exists
        return self._padded[id(key)][1]

    def _recurrent(
        self,
        func: Callable[..., Any],
        x: Tensor,
        h: Tensor,
        weights: list[Tensor],
        *options: Any,
    ) -> tuple[Tensor, Tensor]:
        """Call a recurrent layer with additional inputs and hidden units.

        Their weights are zero, so the additional units are zero at every step.
        """
        n_in, n_hidden = x.shape[-1], h.shape[-1]
        more_in, more_hidden = -n_in % ALIGNMENT, -n_hidden % ALIGNMENT

        def padded(weight: Tensor) -> Tensor:
            gates = torch.unflatten(weight, 0, (-1, n_hidden))
            if weight.ndim == 1:
                return pad(gates, (0, more_hidden)).flatten()
            columns = more_in if weight.shape[1] == n_in else more_hidden
            return pad(gates, (0, columns, 0, more_hidden)).flatten(0, 1)

        if more_in or more_hidden:
            weights = self._cached(weights, lambda: [padded(w) for w in weights])
            x, h = pad(x, (0, more_in)), pad(h, (0, more_hidden))
        output, h = func(x, h, weights, *options)
        return output[..., :n_hidden], h[..., :n_hidden]
