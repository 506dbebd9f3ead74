"""Convolutional encoder and decoder for images and sequences of one length.

Inputs and outputs are flat rows (N, H * W * C), which are images inside the networks. A
sequence is an image that is one pixel wide.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sklearn_seqae.modules.batch import ShardSize
from sklearn_seqae.modules.layers import ACTIVATIONS, convolution, linear, zero_linear

__all__ = ["ACTIVATIONS", "ConvolutionalDecoder", "ConvolutionalEncoder"]

MIN_SHARD = ShardSize(32, 100e6)

Size = tuple[int, int]


def sizes_of(size: Size, n_stages: int) -> list[Size]:
    """Return the sizes of an image before and after each stage, halves rounded up."""
    sizes = [size]
    for _ in range(n_stages):
        rows, columns = sizes[-1]
        sizes.append(((rows + 1) // 2, (columns + 1) // 2))
    return sizes


def to_images(rows: Tensor, size: Size) -> Tensor:
    """View (N, H * W * C) as (N, C, H, W). Channels are last in memory."""
    return rows.reshape(rows.shape[0], *size, -1).permute(0, 3, 1, 2)


def to_rows(images: Tensor) -> Tensor:
    """View (N, C, H, W) as (N, H * W * C)."""
    return images.permute(0, 2, 3, 1).flatten(1)


def _n_products(layers: Sequence[nn.Module], sizes: Sequence[Size]) -> int:
    """Return the number of products in layers that are applied at H * W positions."""
    return sum(
        math.prod(size) * sum(weight.numel() for weight in layer.parameters())
        for layer, size in zip(layers, sizes, strict=True)
    )


class ConvolutionalEncoder(nn.Module):
    """Convolutional encoder: stages of stride 2, then a linear layer.

    Shape
    -----
    - Input: `x` (N, H * W * C), `lengths` (ignored), `residual` (N, H * W * C) or None
      without a linear path
    - Output: (N, Z)

    Parameters
    ----------
    shape : (int, int, int)
        H, W and C.

    filters : sequence of int
        Number of filters of each stage.

    n_components : int
        Z.

    activation : str
        A key of `ACTIVATIONS`.

    kernel_size : int
        Height and width of the kernels, odd. Those of the decoder have one more.

    beside_pca : bool
        If True, the encoder is a correction of a linear path. It also receives the
        residual of that path, and its last layer is initialized with zeros. If False,
        it is the plain architecture of the literature.

    generator : torch.Generator
        Source of every random number.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, int, int],
        filters: Sequence[int],
        n_components: int,
        activation: str,
        kernel_size: int,
        beside_pca: bool,
        generator: torch.Generator,
    ):
        super().__init__()
        *size, n_channels = shape
        self.sizes = sizes_of((size[0], size[1]), len(filters))
        self.takes_residual = beside_pca
        self.activation = ACTIVATIONS[activation]()
        widths = [n_channels * (1 + beside_pca), *filters]
        self.stages = nn.ModuleList(
            convolution(
                n_in, n_out, larger=larger, kernel=kernel_size, generator=generator
            )
            for n_in, n_out, larger in zip(
                widths[:-1], widths[1:], self.sizes[:-1], strict=True
            )
        )
        n_last = widths[-1] * math.prod(self.sizes[-1])
        if beside_pca:
            self.head = zero_linear(n_last, n_components)
        else:
            self.head = linear(n_last, n_components, generator=generator)

    min_shard = MIN_SHARD

    def n_products(self, n_steps: int | None = None) -> int:
        """Return the number of products of one row."""
        return _n_products([*self.stages, self.head], [*self.sizes[1:], (1, 1)])

    def forward(
        self, x: Tensor, lengths: Tensor | None, residual: Tensor | None
    ) -> Tensor:
        """Map (N, H * W * C) to (N, Z)."""
        images = to_images(x, self.sizes[0])
        if residual is not None:
            images = torch.cat([images, to_images(residual, self.sizes[0])], dim=1)
        for stage in self.stages:
            images = self.activation(stage(images))
        code: Tensor = self.head(to_rows(images))
        return code


class ConvolutionalDecoder(nn.Module):
    """Convolutional decoder: a linear layer, then transposed stages of stride 2.

    The output of a stage is cropped to the size of its image. With a linear path, the
    last stage also receives the output of that path through a skip connection, and is
    initialized with zeros.

    Shape
    -----
    - Input: `code` (N, Z), `lengths` and `n_steps` (ignored), `linear_output`
      (N, H * W * C) or None without a linear path
    - Output: (N, H * W * C)

    Parameters
    ----------
    shape, filters, n_components, activation, kernel_size, beside_pca, generator
        As in `ConvolutionalEncoder`. `filters` are in the order of the encoder.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, int, int],
        filters: Sequence[int],
        n_components: int,
        activation: str,
        kernel_size: int,
        beside_pca: bool,
        generator: torch.Generator,
    ):
        super().__init__()
        *size, n_channels = shape
        self.sizes = sizes_of((size[0], size[1]), len(filters))[::-1]
        self.activation = ACTIVATIONS[activation]()
        widths = [n_channels, *filters][::-1]
        n_first = widths[0] * math.prod(self.sizes[0])
        if beside_pca and not filters:
            self.head = zero_linear(n_components, n_first)
        else:
            self.head = linear(n_components, n_first, generator=generator)
        self.stages = nn.ModuleList()
        for n_in, n_out, larger in zip(
            widths[:-1], widths[1:], self.sizes[1:], strict=True
        ):
            is_zero = beside_pca and len(self.stages) == len(filters) - 1
            stage = convolution(
                n_in,
                n_out,
                larger=larger,
                kernel=kernel_size + 1,
                generator=None if is_zero else generator,
                transposed=True,
            )
            self.stages.append(stage)
        self.skip = None
        if beside_pca and filters:
            self.skip = convolution(
                n_channels,
                filters[0],
                larger=self.sizes[-1],
                kernel=kernel_size,
                generator=generator,
            )

    min_shard = MIN_SHARD

    def n_products(self, n_steps: int | None = None) -> int:
        """Return the number of products of one row."""
        number = _n_products([self.head, *self.stages], [(1, 1), *self.sizes[:-1]])
        if self.skip is None:
            return number
        return number + _n_products([self.skip], [self.sizes[-2]])

    def forward(
        self,
        code: Tensor,
        lengths: Tensor | None,
        n_steps: int | None,
        linear_output: Tensor | None,
    ) -> Tensor:
        """Map (N, Z) to (N, H * W * C)."""
        images = to_images(self.head(code), self.sizes[0])
        last = len(self.stages) - 1
        for i, stage in enumerate(self.stages):
            if i == last and self.skip is not None and linear_output is not None:
                # Detached: the skip connection does not train the linear path.
                images = images + self.skip(
                    to_images(linear_output.detach(), self.sizes[-1])
                )
            rows, columns = self.sizes[i + 1]
            images = stage(self.activation(images))[:, :, :rows, :columns]
        return to_rows(images)
