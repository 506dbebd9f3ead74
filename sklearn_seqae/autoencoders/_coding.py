"""From samples to codes and back, with a fitted network."""

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from sklearn_seqae import sequences
from sklearn_seqae.autoencoders._scaling import Scaling
from sklearn_seqae.training.inference import in_tiles


class CodingMixin:
    """Encode and decode: what `transform` and its kin do with checked samples."""

    @property
    def _scaling(self):
        return Scaling(self.mean_, self._center, self._scale)

    def _tile_options(self):
        steps = self._architecture_["n_steps"]
        n_weights = sum(weight.numel() for weight in self.module_.parameters())
        return {"rung": steps or 0, "device": self.device, "work_per_value": n_weights}

    def _lengths(self, samples):
        """Lengths for the tiles: those of sequences, None for tables."""
        if samples.values.ndim == 2 or samples.lengths is not None:
            return samples.lengths
        return np.full(len(samples), samples.values.shape[1])

    def _encode(self, samples):
        x = self._scaling.apply(samples.values, samples.lengths)

        def encode(tile, lengths, n_steps):
            return self.module_.encode(tile, lengths)

        codes = in_tiles(encode, x, self._lengths(samples), **self._tile_options())
        codes = codes.astype(samples.values.dtype, copy=False)
        if self._whitening is not None:
            mean, factor = self._whitening
            codes = np.linalg.solve(factor, (codes - mean).T).T
            codes = codes.astype(samples.values.dtype)
        return codes

    def _decode(self, codes, lengths, n_steps):
        """Values in X's units from codes: (N, D), or (N, n_steps, C)."""
        dtype = codes.dtype
        if self._whitening is not None:
            mean, factor = self._whitening
            codes = codes @ factor.T + mean

        def decode(tile, lengths, n_steps):
            output = self.module_.decode(tile, lengths, n_steps)
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

    def _decode_sequences(self, codes, lengths):
        """Sequences in the container that fit took, a list where lengths differ."""
        kind = self._input_kind
        if lengths is None:
            lengths = np.full(len(codes), self._architecture_["n_steps"])
        lengths = _check_lengths(lengths, len(codes))
        if kind in ("flat", "array") and (lengths != lengths[0]).any():
            kind = "ragged"
        values = self._decode(codes, lengths, int(lengths.max()))
        return sequences.pack(values, lengths, kind)

    def _reconstruct(self, samples):
        steps = samples.values.shape[1] if samples.values.ndim == 3 else None
        return self._decode(self._encode(samples), self._lengths(samples), steps)

    def _read_codes(self, Z):
        check_is_fitted(self)
        Z = check_array(Z, dtype=[np.float64, np.float32])
        if Z.shape[1] != self.n_components_:
            raise ValueError(
                f"X has {Z.shape[1]} components, but {type(self).__name__} is "
                f"expecting {self.n_components_} components as input."
            )
        return Z


def whitening(codes):
    """Mean and lower-triangular factor with which codes become white.

    As the factor is triangular, the first k white components depend on the first k
    components alone. For PCA's codes it is the diagonal of standard deviations.
    """
    codes = codes.astype(np.float64)
    covariance = np.atleast_2d(np.cov(codes, rowvar=False)) if len(codes) > 1 else 0
    width = codes.shape[1]
    covariance = covariance + np.zeros((width, width))
    floor = np.finfo(np.float32).eps * max(np.trace(covariance), 1e-30)
    factor = np.linalg.cholesky(covariance + floor * np.eye(width))
    return codes.mean(axis=0), factor


def _check_lengths(lengths, n_samples):
    lengths = np.asarray(lengths)
    valid = lengths.shape == (n_samples,) and lengths.dtype.kind in "iu"
    if not valid or (lengths < 1).any():
        raise ValueError(
            f"lengths must hold one int >= 1 for each of the {n_samples} rows of X. "
            f"Got {lengths!r} instead."
        )
    return lengths.astype(np.int64)
