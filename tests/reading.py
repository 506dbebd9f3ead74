"""An estimator that only reads, and sequences for it."""

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_seqae.sequences import read_sequences


class Reader(BaseEstimator):
    """The least that the door needs: somebody to name, and a place for what it saw."""

    def fit(self, X, **params):
        self.samples = read_sequences(self, X, reset=True, **params)
        return self

    def read(self, X, **params):
        return read_sequences(self, X, reset=False, **params)


def read(X, **params):
    return Reader().fit(X, **params).samples


def random_sequences(lengths, n_channels=3, dtype=np.float64):
    rng = np.random.RandomState(0)
    return [rng.standard_normal((n, n_channels)).astype(dtype) for n in lengths]


def objects(cells):
    return np.fromiter(cells, dtype=object, count=len(cells))


RAGGED = random_sequences([3, 1, 5, 4])
EQUAL = random_sequences([4, 4, 4])
LINES = [x[:, 0] for x in RAGGED]


def assert_holds(samples, sequences):
    """The real steps are these, and all others are zeros."""
    lengths = [len(x) for x in sequences]
    assert samples.values.shape[:2] == (len(sequences), max(lengths))
    assert (samples.lengths is None) == (len(set(lengths)) == 1)
    for n, values, expected in zip(lengths, samples.values, sequences, strict=True):
        np.testing.assert_array_equal(values[:n], expected)
        assert not values[n:].any()
    np.testing.assert_array_equal(samples.steps, np.concatenate(sequences))
    np.testing.assert_array_equal(samples.pad(samples.steps), samples.values)
