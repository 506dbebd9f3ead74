"""The recurrent encoder and decoder for padded batches of sequences."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_seqae.modules.layers import CELLS, linear, reverse, zero_linear
from sklearn_seqae.modules.stacks import (
    RecurrentStack,
    real_steps,
    time_features,
    to_patches,
)

__all__ = ["CELLS", "RecurrentDecoder", "RecurrentEncoder", "recurrent_networks"]

TIME_FEATURES = 8  # cosines of relative time that each step sees, beside PCA
MOST_PATCHES = 16  # recurrent steps that a sequence of usual length takes


def recurrent_networks(
    *,
    n_outputs: int,
    n_heard: int,
    n_steps: int,
    n_ahead: int | None,
    reconstructs: bool,
    hidden_layer_sizes: Sequence[int],
    decoding: dict[str, Any],
    **options: Any,
) -> dict[str, nn.Module | None]:
    """Make the encoder, and a decoder for each thing that is written.

    Parameters
    ----------
    n_outputs, n_heard : int
        Outputs of the encoder and inputs of a decoder.

    n_steps, n_ahead : int
        Usual length of the sequences, and of what is ahead (None: not asked for).

    reconstructs : bool
        Whether the sequence itself is asked for.

    hidden_layer_sizes : sequence of int
        Of the encoder; decoders have them in reverse.

    decoding : dict of bool
        Of decoders alone: `is_conditional`, `is_reversed` and `is_logistic`.

    **options
        Of both: `n_channels`, `cell`, `bidirectional`, `beside_pca`, `generator`.

    Returns
    -------
    networks : dict of "encoder", "decoder" and "forecaster"
    """

    def patch_size(n: int) -> int:
        return -(-n // MOST_PATCHES) if options["beside_pca"] else 1

    def decoder(n: int) -> RecurrentDecoder:
        return RecurrentDecoder(
            n_components=n_heard,
            hidden_layer_sizes=hidden_layer_sizes[::-1],
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


class RecurrentEncoder(nn.Module):
    """Read a sequence into a code.

    Shape
    -----
    - Input: `x` (N, T, C), `lengths` (N,) or None where no step is padding,
      `residual` (N, T, C) or None where there is no linear path
    - Output: (N, Z)

    Parameters
    ----------
    n_channels, n_components : int
        C and Z.

    hidden_layer_sizes : sequence of int
        Units of each recurrent layer.

    cell : {"lstm", "gru", "rnn"}
        The kind of cell.

    bidirectional : bool
        Whether each layer also reads backwards.

    beside_pca : bool
        Whether the encoder corrects a linear path. If so it sees the residual of
        that path and the relative time beside the values, pools the mean and the
        maximum of its states, and its last layer starts at zero. If not it is the
        plain form of the literature: the code comes from the last state.

    patch_size : int
        Time steps that the recurrent layers take as one.

    generator : torch.Generator
        Source of every random number.
    """

    is_twice_differentiable = False  # cells are not, in torch

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

    def forward(
        self, x: Tensor, lengths: Tensor | None, residual: Tensor | None
    ) -> Tensor:
        """Map (N, T, C) to (N, Z)."""
        patches = to_patches(x, lengths, self.patch_size)
        n, n_patches, _ = patches.shape
        if lengths is None:
            n_real = None
        else:
            n_real = (lengths + self.patch_size - 1) // self.patch_size
        if residual is not None:
            patches = torch.cat(
                [
                    patches,
                    to_patches(residual, lengths, self.patch_size),
                    time_features(n, n_patches, n_real, TIME_FEATURES, x.device),
                ],
                dim=2,
            )
        states = self.stack(patches, n_real)  # (N, P, H)
        if residual is not None:
            return self.head(self._mean_max(states, n_real))
        return self.head(self._last(states, n_real))

    def _mean_max(self, states: Tensor, lengths: Tensor | None) -> Tensor:
        if lengths is None:
            return torch.cat([states.mean(1), states.amax(1)], dim=1)
        real = real_steps(lengths, states.shape[1])
        mean = states.masked_fill(~real, 0).sum(1) / lengths[:, None]
        highest = states.masked_fill(~real, -math.inf).amax(1)
        return torch.cat([mean, highest], dim=1)

    def _last(self, states: Tensor, lengths: Tensor | None) -> Tensor:
        if lengths is None:
            last = states[:, -1]
        else:
            last = states[torch.arange(len(states), device=states.device), lengths - 1]
        if not self.stack.backward_layers:
            return last
        half = self.stack.n_out // 2  # the backward direction ends at the first step
        return torch.cat([last[:, :half], states[:, 0, half:]], dim=1)


class RecurrentDecoder(nn.Module):
    """Write a sequence from a code: the code is every step's input.

    Beside a linear path each step also sees the relative time and what that path
    writes there, and the output starts at zero. A conditional decoder also sees what
    stands before (Srivastava, Mansimov and Salakhutdinov, 2015): the truth where that
    is given, else its own output.

    Shape
    -----
    - Input: `code` (N, Z), `lengths` (N,) or None, `n_steps` T, `written` (N, T, C)
      or None where there is no linear path; of conditional decoders also `given`
      (N, T, C), the true output, or None, and `own` (N, T), bool, or None, the steps
      that follow its own output all the same
    - Output: (N, T, C), what stands on padding means nothing

    Parameters
    ----------
    n_channels, n_components : int
        C and Z.

    hidden_layer_sizes, cell, bidirectional, beside_pca, patch_size, generator
        As in `RecurrentEncoder`. A conditional decoder has one direction alone.

    is_conditional : bool, default=False
        Whether each step sees the one before.

    is_reversed : bool, default=False
        Whether the last step is written first.

    is_logistic : bool, default=False
        Whether the output are logits, whose own output is seen as probabilities.
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

    def forward(
        self,
        code: Tensor,
        lengths: Tensor | None,
        n_steps: int,
        written: Tensor | None,
        given: Tensor | None = None,
        own: Tensor | None = None,
    ) -> Tensor:
        """Map (N, Z) to (N, T, C)."""
        n_patches = -(-n_steps // self.patch_size)
        if lengths is None:
            n_real = None
        else:
            n_real = (lengths + self.patch_size - 1) // self.patch_size
        x = code[:, None].expand(-1, n_patches, -1)  # (N, P, Z)
        drawn = None
        if written is not None:
            drawn = self._to_patches(written, lengths)
            time = time_features(
                len(code), n_patches, n_real, TIME_FEATURES, code.device
            )
            x = torch.cat([x, time, drawn], 2)
        if not self.is_conditional:
            patches = self.head(self.stack(x, n_real))  # (N, P, size * C)
        else:
            if given is not None:
                given = self._to_patches(given, lengths)
            if own is not None:
                own = own[:, :: self.patch_size]
            patches = self._write_on(x, drawn, given, own)
        n_channels = patches.shape[2] // self.patch_size
        steps = patches.reshape(len(code), -1, n_channels)[:, :n_steps]
        return reverse(steps, lengths) if self.is_reversed else steps

    def _to_patches(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        x = reverse(x, lengths) if self.is_reversed else x
        return to_patches(x, lengths, self.patch_size)

    def _write_on(
        self,
        x: Tensor,
        drawn: Tensor | None,
        given: Tensor | None,
        own: Tensor | None,
    ) -> Tensor:
        """Write patch after patch, each from the one before: (N, P, size * C)."""
        before = x.new_zeros(len(x), 1, self.head.out_features)
        if given is not None and own is None:  # all at once, as nothing is waited for
            before = torch.cat([before, given[:, :-1]], dim=1)
            return self.head(self.stack(torch.cat([x, before], dim=2), None))
        states: list = [None] * len(self.stack.forward_layers)
        patches = []
        for p in range(x.shape[1]):
            heard = torch.cat([x[:, p : p + 1], before], dim=2)
            patch = self.head(self.stack.step(heard, states))
            patches.append(patch)
            before = patch
            if self.is_logistic:
                base = patch.new_zeros(()) if drawn is None else drawn[:, p : p + 1]
                before = (base + patch).sigmoid() - base.sigmoid()
            if given is not None and own is not None and p + 1 < own.shape[1]:
                keep_own = own[:, p + 1, None, None]
                before = torch.where(keep_own, before, given[:, p : p + 1])
        return torch.cat(patches, dim=1)
