"""What stands beside X: what it should have been, and how much each sample counts."""

import copy
from dataclasses import replace

import numpy as np
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from sklearn_seqae.autoencoders._scaling import along, weighted_mean
from sklearn_seqae.autoencoders._selection import explained
from sklearn_seqae.sequences import resample


class PairsMixin:
    """Read pairs, and compare what the model gives with what it should give."""

    def _read_pairs(self, X, target, *, reset):
        """Read X and, where there is one, the clean target of each of its samples."""
        if target is not None and not self._is_given_back():
            raise ValueError(
                "The target is what X should have been, which only a network with "
                f"objective='reconstruct' learns. Got objective={self.objective!r}: "
                "leave out target."
            )
        samples = self._read_to_learn(X, reset=reset)
        if target is None:
            return samples
        return replace(samples, target=_read_target(self, target, samples))

    def _mean_target(self, samples):
        """Mean of what is learned; None where that is X."""
        values = samples.target
        if values is None:
            return None
        if samples.lengths is not None and self._is_given_back():
            n_steps = int(np.median(samples.lengths))
            values = resample(values, samples.lengths, n_steps)
        return weighted_mean(values, samples.weight)

    def _is_given_back(self):
        """Whether the target is what X should have been, and not what is ahead."""
        return getattr(self, "objective", "reconstruct") == "reconstruct"

    def score(self, X, y=None, *, target=None):
        """Share of the squared deviations from the training mean that is kept, R².

        For PCA this is, on the training data, the sum of
        `explained_variance_ratio_`; higher is better, 1 is perfect, 0 is what the
        training mean gives.

        Parameters
        ----------
        X : {array-like, sequences}
            Samples, in any container that `fit` takes.

        y : None
            Ignored.

        target : same container and shape as X, default=None
            What X should have been, which is then what is to be given back. The mean
            is that of the target of `fit`.

        Returns
        -------
        r2 : float
            0 where X does not deviate from the training mean at all.
        """
        check_is_fitted(self)
        samples = self._read_pairs(X, target, reset=False)
        given, wanted, mean = self._compare(samples)
        error, left = np.square(wanted - given).sum(), np.square(wanted - mean).sum()
        return float(explained(error, left))

    def _compare(self, samples):
        """What the model gives, what it should give, and what the mean gives."""
        mean, wanted = self.mean_, samples.values
        if samples.target is not None:
            wanted = samples.target
            mean = self.mean_ if self._target_mean is None else self._target_mean
        wanted = wanted.astype(np.float64)
        given, mean = self._reconstruct(samples), along(mean, wanted, samples.lengths)
        if samples.lengths is None:
            return given, wanted, mean
        return given[samples.mask], wanted[samples.mask], mean[samples.mask]


def _read_target(estimator, target, samples):
    """Values of the target, which must be as those of the samples in shape."""
    reader = copy.copy(estimator)  # what it reads is not what the estimator has read
    vars(reader).pop("feature_names_in_", None)
    try:
        clean = reader._read(target, reset=True)
    except ValueError as error:
        raise ValueError(f"target cannot be read as X was. {error}") from error
    same = clean.values.shape == samples.values.shape
    if same and samples.lengths is not None:
        same = np.array_equal(clean.lengths, samples.lengths)
    if not same:
        raise ValueError(
            "target must have the shape of X, sample by sample. Got a target of shape "
            f"{_shape(clean)} for X of shape {_shape(samples)}."
        )
    return clean.values


def _shape(samples):
    return tuple(int(n) for n in samples.values.shape)


def weighted(samples, sample_weight):
    """Give samples their weights, 1 on average; those without weight are left out."""
    if sample_weight is None:
        return samples
    weight = _check_sample_weight(
        sample_weight, samples.values, dtype=np.float64, ensure_non_negative=True
    )
    if not weight.all():
        kept = np.flatnonzero(weight)
        samples, weight = samples.take(kept), weight[kept]
    if (weight == weight[0]).all():
        return samples
    return replace(samples, weight=(weight / weight.mean()).astype(np.float32))
