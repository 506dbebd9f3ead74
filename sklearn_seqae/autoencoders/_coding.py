"""From samples to codes and back, with a fitted network."""

import numpy as np
import torch
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted
from torch import nn

from sklearn_seqae import sequences
from sklearn_seqae.autoencoders._scaling import Scaling, weighted_mean
from sklearn_seqae.training.inference import in_tiles


class CodingMixin:
    """Encode and decode: what `transform` and its kin do with checked samples."""

    @property
    def _scaling(self):
        return Scaling(self.mean_, self._center, self._scale)

    def _tile_options(self):
        return {
            "rung": self._architecture_["n_steps"] or 0,
            "tile_rows": self._tile_rows,
            "device": self.device,
            "work_per_value": self.module_.work,
        }

    def _lengths(self, samples):
        """Lengths for the tiles: those of sequences, None for tables."""
        return None if samples.values.ndim == 2 else samples.n_steps_of_each

    def _encode(self, samples):
        x = self._scaling.apply(samples.values, samples.lengths)
        encoder = self._encoder()

        def encode(tile, lengths, n_steps):
            return encoder(tile, lengths)

        codes = in_tiles(encode, x, self._lengths(samples), **self._tile_options())
        return codes.astype(samples.values.dtype, copy=False)

    def _decode(self, codes, lengths, n_steps, ahead=False):
        """Values in X's units from codes: (N, D), or (N, n_steps, C)."""
        dtype = codes.dtype
        write = self.module_.forecast if ahead else self.module_.decode
        white, width = self._white(), self._architecture_["n_components"]

        def decode(tile, lengths, n_steps):
            k = tile.shape[1]
            if white is not None:  # triangular: the first k depend on the first k
                tile = tile @ white[2][:k, :k] + white[0][:k]
            if k == width:
                output = write(tile, lengths, n_steps)
            else:
                code = nn.functional.pad(tile, (0, width - k))
                kept = torch.full((len(code),), k, device=code.device)
                output = write(code, lengths, n_steps, kept)
            if self.loss == "binary_cross_entropy":
                output = output.sigmoid()
            return output

        values = in_tiles(
            decode,
            codes.astype(np.float32),
            lengths,
            n_steps=n_steps,
            **self._tile_options(),
        )
        return self._scaling.undo(values, lengths, dtype)

    def _white(self):
        """What `whitening` gave, for use within the tiles, where rows stay apart."""
        if self._whitening is None:
            return None
        return [torch.tensor(array, device=self.device) for array in self._whitening]

    def _decode_sequences(self, codes, lengths, n_steps, ahead=False):
        """Sequences in the container that fit took, a list where lengths differ."""
        kind = self._input_kind
        if lengths is None:
            lengths = np.full(len(codes), n_steps)
        lengths = _check_lengths(lengths, len(codes))
        if kind in ("flat", "array") and (lengths != lengths[0]).any():
            kind = "ragged"
        values = self._decode(codes, lengths, int(lengths.max()), ahead)
        return sequences.pack(values, lengths, kind)

    def _reconstruct(self, samples):
        steps = samples.values.shape[1] if samples.values.ndim == 3 else None
        return self._decode(self._encode(samples), self._lengths(samples), steps)

    def _read_codes(self, Z):
        check_is_fitted(self)
        Z = check_array(Z, dtype=[np.float64, np.float32])
        is_ordered = self._architecture_["ordered"]
        fewest = 1 if is_ordered else self.n_components_
        if not fewest <= Z.shape[1] <= self.n_components_:
            raise ValueError(
                f"X has {Z.shape[1]} components, but {type(self).__name__} is "
                f"expecting {self.n_components_} components as input."
            )
        return Z


def whitening(codes, weight=None):
    """Mean, factor and inverse factor with which codes become white.

    The factors are triangular, so that the first k white components depend on the
    first k components alone. For PCA's codes they are diagonal, the standard
    deviations.
    """
    codes = codes.astype(np.float64)
    mean, width = weighted_mean(codes, weight), codes.shape[1]
    covariance = np.zeros((width, width))
    if len(codes) > 1:
        covariance += np.cov(codes, rowvar=False, aweights=weight)
    floor = np.finfo(np.float32).eps * max(np.trace(covariance), 1e-30)
    inverse = np.linalg.cholesky(covariance + floor * np.eye(width)).T
    return [
        array.astype(np.float32) for array in (mean, np.linalg.inv(inverse), inverse)
    ]


def _check_lengths(lengths, n_samples):
    lengths = np.asarray(lengths)
    valid = lengths.shape == (n_samples,) and lengths.dtype.kind in "iu"
    if not valid or (lengths < 1).any():
        raise ValueError(
            f"lengths must hold one int >= 1 for each of the {n_samples} rows of X. "
            f"Got {lengths!r} instead."
        )
    return lengths.astype(np.int64)
