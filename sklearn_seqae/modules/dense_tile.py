"""Forward passes of a dense autoencoder for tiles of one size, in buffers.

For small networks, calling modules and allocating tensors takes as long as the matrix
products. Here the operations are listed once and write into buffers. In the buffers,
rows are features and columns are samples: a product then treats all samples alike, and
the bits of a sample depend neither on its position nor on its address in memory.
"""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.dense import DenseNetwork
from sklearn_seqae.modules.dense_step import PASSES
from sklearn_seqae.modules.linear_path import LinearPath

BLOCK = 48  # a multiple of the number of samples in a block of a BLAS kernel
MOST_BLOCKS = 8  # in a tile
TILE_VALUES = 2**18  # maximum number of values of a layer in a larger tile
N_TILES = 32  # tiles that are computed at once, if there are enough samples
WIDE = 256  # features of a layer, up to which a block has the bits of a tile


def encoder_tile(
    module: Autoencoder, n_components: int, whitening: Any = None
) -> "DenseTiles | None":
    """Return the pass from scaled samples (N, D) to their codes (N, K).

    Parameters
    ----------
    module : Autoencoder
        Autoencoder. The pass is valid until its weights are replaced.

    n_components : int
        K, number of components of the codes.

    whitening : WhiteningTensors or None, default=None
        Whitening of the codes; None without whitening.

    Returns
    -------
    tiles : DenseTiles or None
        None if the pass is not written out for this module.
    """
    build = partial(_encoder, module, n_components, whitening)
    return _tiles(module.encoder, module.linear_path, build)


@torch.no_grad()
def _encoder(
    module: Autoencoder, n_components: int, whitening: Any, n_rows: int
) -> "DenseTile":
    network, path = cast(DenseNetwork, module.encoder), cast(Any, module.linear_path)
    tile = DenseTile(n_rows, network.low)
    x = tile.input = tile.buffer(network.rotated_in or len(network.low))
    start = None if path is None else tile.linear(path.encoder, x, n_components)
    unit = _column(module.encoder_unit[:n_components])
    code = tile.network(network, x, start, unit, n_components)
    if whitening is not None:
        tile.append(torch.sub, code, _column(whitening.mean), out=code)
        code = tile.append(torch.mm, whitening.factor.t(), code)
    tile.output = code
    return tile


def decoder_tile(
    module: Autoencoder,
    n_components: int,
    whitening: Any = None,
    *,
    as_logits: bool = False,
) -> "DenseTiles | None":
    """Return the pass from codes (N, K) to samples in scaled units (N, D).

    The parameters and the result are as in `encoder_tile`. K may be less than the
    latent size if codes are ordered. With `as_logits`, no sigmoid is added for binary
    cross-entropy.
    """
    has_sigmoid = module.is_logistic and not as_logits
    build = partial(_decoder, module, n_components, whitening, has_sigmoid)
    return _tiles(module.decoder, module.linear_path, build)


@torch.no_grad()
def _decoder(
    module: Autoencoder,
    n_components: int,
    whitening: Any,
    has_sigmoid: bool,
    n_rows: int,
) -> "DenseTile":
    network, path = cast(DenseNetwork, module.decoder), cast(Any, module.linear_path)
    k = n_components
    tile = DenseTile(n_rows, network.low)
    width = len(module.code_scale)
    code = tile.buffer(width).zero_()
    tile.input = code[:k]
    if whitening is not None:  # the factor is triangular, so k rows suffice
        mean, inverse = _column(whitening.mean[:k]), whitening.inverse[:k, :k]
        tile.input = tile.buffer(k)
        tile.append(torch.addmm, mean, inverse.t(), tile.input, out=code[:k])
    start = None if path is None else tile.linear(path.decoder, code)
    x = tile.buffer(width * (1 + module.is_ordered)).zero_()
    x[width : width + k] = 1  # which components are present
    tile.append(torch.div, code, _column(module.code_scale), out=x[:width])
    tile.output = tile.network(network, x, start, module.decoder_unit[k - 1])
    if has_sigmoid:
        tile.append(torch.sigmoid, tile.output, out=tile.output)
    return tile


def _tiles(
    network: nn.Module | None,
    path: nn.Module | None,
    build: Callable[[int], "DenseTile"],
) -> "DenseTiles | None":
    """Return the pass of a network, or None if it is not written out."""
    if not _is_written_out(network, path):
        return None
    network = cast(DenseNetwork, network)
    fewest = BLOCK if _widest(network) <= WIDE else None
    return DenseTiles(build, tile_rows(network), fewest)


def _widest(network: DenseNetwork) -> int:
    """Return the largest number of features of a layer."""
    layers = cast("list[nn.Linear]", list(network.layers)[::2])
    sizes = [layer.out_features for layer in layers]
    outside = network.rotated_in or network.rotated_out or 1
    return max(len(network.low), outside, *sizes)


def tile_rows(network: DenseNetwork) -> int:
    """Return the number of samples of a tile. It is smaller for wide networks."""
    widest = _widest(network)
    return BLOCK * min(max(TILE_VALUES // (BLOCK * widest), 1), MOST_BLOCKS)


class DenseTiles:
    """Pass for tiles of samples of several sizes, in threads of the caller.

    A sample has the same bits in a tile of `n_rows` samples, in `n_tiles` of them that
    are computed at once, and in a tile of `fewest` samples.

    Parameters
    ----------
    build : callable
        Function of the number of samples of a tile that returns a `DenseTile`.

    n_rows : int
        Number of samples of a tile.

    fewest : int or None, default=None
        Number of samples of a tile for few samples; None: `n_rows`.
    """

    def __init__(
        self,
        build: Callable[[int], "DenseTile"],
        n_rows: int,
        fewest: int | None = None,
    ):
        self.n_rows = n_rows
        self._fewest = fewest or n_rows
        # BLAS libraries divide the features of wide layers, depending on the samples.
        self.n_tiles = N_TILES if n_rows == BLOCK * MOST_BLOCKS else None
        self._build = build
        self._own = threading.local()  # threads cannot share buffers

    def rows_for(self, n_samples: int) -> int:
        """Return the number of samples of the tiles for some samples."""
        return self._fewest if n_samples <= self._fewest else self.n_rows

    def __call__(self, tile: Tensor, *unused: object) -> Tensor:
        """Compute the outputs of a tile (N, ...), valid until the next call."""
        passes = self._own.__dict__.setdefault("passes", {})
        if len(tile) not in passes:
            passes[len(tile)] = self._build(len(tile))
        output: Tensor = passes[len(tile)](tile)
        return output


class DenseTile:
    """List of operations for a tile of samples, with their buffers.

    Shape
    -----
    - Input: (N, number of inputs)
    - Output: (N, number of outputs), valid until the next call

    Parameters
    ----------
    n_rows : int
        N, number of samples of a tile.

    example : Tensor
        Tensor with the dtype of the buffers.

    Attributes
    ----------
    input, output : Tensor of shape (number of inputs or outputs, N)
        First and last buffer.
    """

    input: Tensor
    output: Tensor

    def __init__(self, n_rows: int, example: Tensor):
        self.n_rows = n_rows
        self._example = example
        self.steps: list[Callable[[], Any]] = []

    def __call__(self, tile: Tensor) -> Tensor:
        """Compute all operations."""
        self.input.copy_(tile.t())
        for step in self.steps:
            step()
        return self.output.t()

    def buffer(self, n: int) -> Tensor:
        """Return a new buffer for n features."""
        return self._example.new_empty(n, self.n_rows)

    def append(
        self,
        operation: Callable[..., Any],
        *arguments: Tensor,
        out: Tensor | None = None,
    ) -> Tensor:
        """Append an operation, and return its output buffer.

        Without `out`, the buffer is a new one, with the rows of the second last
        argument: the first factor of a matrix product.
        """
        if out is None:
            out = self.buffer(len(arguments[-2]))
        self.steps.append(partial(operation, *arguments, out=out))
        return out

    def linear(
        self, layer: nn.Linear, x: Tensor, n_outputs: int | None = None
    ) -> Tensor:
        """Append the first outputs of a linear layer."""
        bias, weight = layer.bias[:n_outputs], layer.weight[:n_outputs]
        return self.append(torch.addmm, _column(bias), weight, x)

    def network(
        self,
        network: DenseNetwork,
        x: Tensor,
        start: Tensor | None,
        unit: Tensor,
        n_outputs: int | None = None,
    ) -> Tensor:
        """Append a network.

        Parameters
        ----------
        network : DenseNetwork
            Network.

        x : Tensor of shape (n_in, N)
            Its inputs.

        start : Tensor of shape (n_out, N) or None
            Output of the linear path, to which the output of the network is added;
            None without a linear path.

        unit : Tensor of shape () or (n_out, 1)
            Factor of the output of the network, if it is added to a linear path.

        n_outputs : int or None, default=None
            Number of outputs, the first ones; None for all.
        """
        if network.rotated_in:
            x = self.append(torch.mm, network.basis, x)
        if network.is_clamped:  # on broadcast limits, `clamp` is slow
            clamped = self.buffer(len(x))
            self.append(torch.maximum, x, _column(network.low), out=clamped)
            x = self.append(torch.minimum, clamped, _column(network.high), out=clamped)
        *layers, last = cast("list[nn.Linear]", list(network.layers))
        for layer, function in zip(layers[::2], layers[1::2], strict=True):
            x = self.linear(layer, x)
            activation = PASSES[type(function)]
            if activation is not None:
                self.append(activation.forward, x, out=x)
        if start is None:
            return self.linear(last, x, n_outputs)
        weight = last.weight
        if network.rotated_out:
            x, weight = self.append(torch.mm, weight, x), network.basis.t()
        return self.append(torch.addmm, start, weight[:n_outputs] * unit, x, out=start)


def _is_written_out(network: nn.Module | None, path: nn.Module | None) -> bool:
    """Return whether the operations of a network and its linear path are known."""
    if type(network) is not DenseNetwork or type(path) not in (LinearPath, type(None)):
        return False
    layers = list(network.layers)
    parts: list[Any] = [network, network.layers, *layers]
    if path is not None:
        parts += [path, path.encoder, path.decoder]
    return (
        len(layers) % 2 == 1
        and all(type(layer) is nn.Linear for layer in layers[::2])
        and all(type(layer) in PASSES for layer in layers[1::2])
        and network.is_clamped == (path is not None)
        and network.low.device.type == "cpu"  # the operations are tested on the CPU
        and not any(part._forward_hooks or part._forward_pre_hooks for part in parts)
    )


def _column(values: Tensor) -> Tensor:
    return values[:, None]
