"""Recurrent encoder and decoder for padded batches of sequences."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_seqae.modules.batch import ShardSize
from sklearn_seqae.modules.layers import CELLS, linear, reverse, zero_linear
from sklearn_seqae.modules.stacks import (
    RecurrentStack,
    step_mask,
    time_features,
    to_patches,
)

__all__ = ["CELLS", "RecurrentDecoder", "RecurrentEncoder", "recurrent_networks"]

TIME_FEATURES = 8  # number of cosines of relative time, with a linear path
MAX_PATCHES = 16  # maximum number of recurrent steps for the usual length


def recurrent_networks(
    *,
    n_outputs: int,
    n_decoder_inputs: int,
    n_steps: int,
    n_ahead: int | None,
    reconstructs: bool,
    hidden_layer_sizes: Sequence[int],
    decoder_sizes: Sequence[int],
    decoding: dict[str, Any],
    **options: Any,
) -> dict[str, nn.Module | None]:
    """Make the recurrent encoder, decoder and forecaster.

    Parameters
    ----------
    n_outputs, n_decoder_inputs : int
        Number of outputs of the encoder, and of inputs of the decoders.

    n_steps : int
        Usual length of the sequences.

    n_ahead : int or None
        Length of the forecast; None without a forecast.

    reconstructs : bool
        Whether to make a decoder.

    hidden_layer_sizes, decoder_sizes : sequence of int
        Units of the layers of the encoder, and of the decoders.

    decoding : dict of bool
        Parameters of the decoders: `is_conditional`, `is_reversed` and `is_logistic`.

    **options
        Parameters of the encoder and the decoders: `n_channels`, `cell`,
        `bidirectional`, `beside_pca` and `generator`.

    Returns
    -------
    networks : dict
        "encoder", "decoder" and "forecaster": a module, or None.
    """

    def patch_size(n: int) -> int:
        return -(-n // MAX_PATCHES) if options["beside_pca"] else 1

    def decoder(n: int) -> RecurrentDecoder:
        return RecurrentDecoder(
            n_components=n_decoder_inputs,
            hidden_layer_sizes=decoder_sizes,
            patch_size=patch_size(n),
            **decoding,
            **options,
        )

    encoder = RecurrentEncoder(
        n_components=n_outputs,
        hidden_layer_sizes=hidden_layer_sizes,
        patch_size=patch_size(n_steps),
        **options,
    )
    return {
        "encoder": encoder,
        "decoder": decoder(n_steps) if reconstructs else None,
        "forecaster": None if n_ahead is None else decoder(n_ahead),
    }


def min_shard(cell: str, beside_pca: bool) -> ShardSize:
    """Return the size of the smallest shard of a batch, which was measured.

    torch computes all steps of an LSTM in one operation, but each step of the other
    cells in several.
    """
    if cell != "lstm":
        return ShardSize(64, 400e6)
    return ShardSize(16, 80e6 if beside_pca else 45e6)


class RecurrentEncoder(nn.Module):
    """Recurrent encoder of sequences.

    Shape
    -----
    - Input: `x` (N, T, C), `lengths` (N,) or None without padding, `residual`
      (N, T, C) or None without a linear path
    - Output: (N, Z)

    Parameters
    ----------
    n_channels, n_components : int
        C and Z.

    hidden_layer_sizes : sequence of int
        Units of each recurrent layer.

    cell : {"lstm", "gru", "rnn"}
        Type of the cell.

    bidirectional : bool
        Whether each layer also reads the sequence backwards.

    beside_pca : bool
        If True, the encoder is a correction of a linear path. It also receives the
        residual of that path and the relative time. The code is computed from the mean
        and the maximum of the states, by a layer that is initialized with zeros. If
        False, it is the plain encoder of the literature: the code is computed from the
        last state.

    patch_size : int
        Number of time steps in a patch, the input of one recurrent step.

    generator : torch.Generator
        Source of every random number.
    """

    is_twice_differentiable = False  # recurrent cells of torch are not

    def __init__(
        self,
        *,
        n_channels: int,
        n_components: int,
        hidden_layer_sizes: Sequence[int],
        cell: str,
        bidirectional: bool,
        beside_pca: bool,
        patch_size: int,
        generator: torch.Generator,
    ):
        super().__init__()
        self.takes_residual = beside_pca
        self.patch_size = patch_size
        self.min_shard = min_shard(cell, beside_pca)
        n_in = patch_size * n_channels
        self.stack = RecurrentStack(
            n_in=2 * n_in + TIME_FEATURES if beside_pca else n_in,
            hidden_layer_sizes=hidden_layer_sizes,
            cell=cell,
            bidirectional=bidirectional,
            generator=generator,
        )
        if beside_pca:
            self.head = zero_linear(2 * self.stack.n_out, n_components)
        else:
            self.head = linear(self.stack.n_out, n_components, generator=generator)

    def n_products(self, n_steps: int) -> int:
        """Return the number of products of a row of n steps."""
        return self.stack.n_products(-(-n_steps // self.patch_size))

    def forward(
        self, x: Tensor, lengths: Tensor | None, residual: Tensor | None
    ) -> Tensor:
        """Map (N, T, C) to (N, Z)."""
        patches = to_patches(x, lengths, self.patch_size)
        n, n_patches, _ = patches.shape
        if lengths is None:
            n_valid = None
        else:
            n_valid = (lengths + self.patch_size - 1) // self.patch_size
        if residual is not None:
            patches = torch.cat(
                [
                    patches,
                    to_patches(residual, lengths, self.patch_size),
                    time_features(n, n_patches, n_valid, TIME_FEATURES, x.device),
                ],
                dim=2,
            )
        states = self.stack(patches, n_valid)  # (N, P, H)
        if residual is not None:
            pooled = self._mean_max(states, n_valid)
        else:
            pooled = self._last(states, n_valid)
        code: Tensor = self.head(pooled)
        return code

    def _mean_max(self, states: Tensor, lengths: Tensor | None) -> Tensor:
        """Return mean and maximum of the states (N, P, H) without padding, (N, 2 H)."""
        if lengths is None:
            return torch.cat([states.mean(1), states.amax(1)], dim=1)
        mask = step_mask(lengths, states.shape[1])
        mean = states.masked_fill(~mask, 0).sum(1) / lengths[:, None]
        maximum = states.masked_fill(~mask, -math.inf).amax(1)
        return torch.cat([mean, maximum], dim=1)

    def _last(self, states: Tensor, lengths: Tensor | None) -> Tensor:
        """Return the last state of each direction, (N, H)."""
        if lengths is None:
            last = states[:, -1]
        else:
            last = states[
                torch.arange(states.shape[0], device=states.device), lengths - 1
            ]
        if not self.stack.backward_layers:
            return last
        # The backward direction ends at the first step.
        half = self.stack.n_out // 2
        return torch.cat([last[:, :half], states[:, 0, half:]], dim=1)


class RecurrentDecoder(nn.Module):
    """Recurrent decoder: the latent code is the input of every step.

    With a linear path, each step also receives the relative time and the output of that
    path, and the last layer is initialized with zeros. Each step of a conditional
    decoder also receives the previous step (Srivastava, Mansimov and Salakhutdinov,
    2015). This is the true value in training, and the output of the decoder otherwise.

    Shape
    -----
    - Input: `code` (N, Z), `lengths` (N,) or None, `n_steps` T, `linear_output`
      (N, T, C) or None without a linear path. For conditional decoders in training also
      `teacher` (N, T, C), the true output, and `free_running` (N, T), bool, or None,
      the steps at which the decoder uses its own output instead (scheduled sampling)
    - Output: (N, T, C), undefined on padding

    Parameters
    ----------
    n_channels, n_components : int
        C and Z.

    hidden_layer_sizes, cell, bidirectional, beside_pca, patch_size, generator
        As in `RecurrentEncoder`. A conditional decoder is unidirectional.

    is_conditional : bool, default=False
        Whether each step receives the previous one.

    is_reversed : bool, default=False
        Whether the last step is decoded first.

    is_logistic : bool, default=False
        Whether outputs are logits. A conditional decoder then receives the previous
        step as probabilities.
    """

    def __init__(
        self,
        *,
        n_channels: int,
        n_components: int,
        hidden_layer_sizes: Sequence[int],
        cell: str,
        bidirectional: bool,
        beside_pca: bool,
        patch_size: int,
        generator: torch.Generator,
        is_conditional: bool = False,
        is_reversed: bool = False,
        is_logistic: bool = False,
    ):
        super().__init__()
        self.patch_size = patch_size
        self.min_shard = min_shard(cell, beside_pca)
        self.is_conditional = is_conditional
        self.is_reversed = is_reversed
        self.is_logistic = is_logistic
        n_out = patch_size * n_channels
        extra = n_out + TIME_FEATURES if beside_pca else 0
        self.stack = RecurrentStack(
            n_in=n_components + extra + is_conditional * n_out,
            hidden_layer_sizes=hidden_layer_sizes,
            cell=cell,
            bidirectional=bidirectional and not is_conditional,
            generator=generator,
        )
        if beside_pca:
            self.head = zero_linear(self.stack.n_out, n_out)
        else:
            self.head = linear(self.stack.n_out, n_out, generator=generator)

    def n_products(self, n_steps: int) -> int:
        """Return the number of products of a row of n steps."""
        return self.stack.n_products(-(-n_steps // self.patch_size))

    def forward(
        self,
        code: Tensor,
        lengths: Tensor | None,
        n_steps: int,
        linear_output: Tensor | None,
        teacher: Tensor | None = None,
        free_running: Tensor | None = None,
    ) -> Tensor:
        """Map (N, Z) to (N, T, C)."""
        n_patches = (n_steps + self.patch_size - 1) // self.patch_size
        if lengths is None:
            n_valid = None
        else:
            n_valid = (lengths + self.patch_size - 1) // self.patch_size
        x = code[:, None].expand(-1, n_patches, -1)  # (N, P, Z)
        linear_patches = None
        if linear_output is not None:
            linear_patches = self._to_patches(linear_output, lengths)
            time = time_features(
                code.shape[0], n_patches, n_valid, TIME_FEATURES, code.device
            )
            x = torch.cat([x, time, linear_patches], 2)
        if not self.is_conditional:
            patches = self.head(self.stack(x, n_valid))  # (N, P, size * C)
        else:
            if teacher is not None:
                teacher = self._to_patches(teacher, lengths)
            if free_running is not None:
                free_running = free_running[:, :: self.patch_size]
            patches = self._decode_steps(x, linear_patches, teacher, free_running)
        n_channels = patches.shape[2] // self.patch_size
        steps = patches.reshape(code.shape[0], -1, n_channels)[:, :n_steps]
        return reverse(steps, lengths) if self.is_reversed else steps

    def _to_patches(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Return patches of x in the order of decoding."""
        x = reverse(x, lengths) if self.is_reversed else x
        return to_patches(x, lengths, self.patch_size)

    def _decode_steps(
        self,
        x: Tensor,
        linear_patches: Tensor | None,
        teacher: Tensor | None,
        free_running: Tensor | None,
    ) -> Tensor:
        """Decode patches in order, each from the previous one: (N, P, size * C)."""
        previous = x.new_zeros(len(x), 1, self.head.out_features)
        if teacher is not None and free_running is None:
            # Teacher forcing: all inputs are known, so all steps are decoded at once.
            previous = torch.cat([previous, teacher[:, :-1]], dim=1)
            all_patches: Tensor = self.head(
                self.stack(torch.cat([x, previous], dim=2), None)
            )
            return all_patches
        states: list[Any] = [None] * len(self.stack.forward_layers)
        patches = []
        for p in range(x.shape[1]):
            decoder_input = torch.cat([x[:, p : p + 1], previous], dim=2)
            patch = self.head(self.stack.step(decoder_input, states))
            patches.append(patch)
            previous = patch
            if self.is_logistic:
                base = (
                    patch.new_zeros(())
                    if linear_patches is None
                    else linear_patches[:, p : p + 1]
                )
                previous = (base + patch).sigmoid() - base.sigmoid()
            if (
                teacher is not None
                and free_running is not None
                and p + 1 < free_running.shape[1]
            ):
                is_free = free_running[:, p + 1, None, None]
                previous = torch.where(is_free, previous, teacher[:, p : p + 1])
        return torch.cat(patches, dim=1)
