"""An estimator that only reads, and sequences for it."""

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_seqae._inputs import InputFormat, check, parse


class Reader(BaseEstimator):
    """Keeps what `fit` saw, as every estimator does."""

    def fit(self, X, sample_shape=None, form="sequences", **params):
        unfitted = InputFormat(form, sample_shape)
        self.samples = parse(X, unfitted, name="Reader")
        check(self, self.samples, reset=True, **params)
        self.input_format = unfitted.fitted_to(self.samples)
        return self

    def read(self, X, **params):
        samples = parse(X, self.input_format, name="Reader")
        check(self, samples, reset=False, **params)
        return samples


def read(X, **params):
    return Reader().fit(X, **params).samples


def read_table(X):
    return read(X, form="table")


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
