"""Pickles of another version of the package."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import InconsistentVersionWarning

from tests.instances import dense

X = np.random.default_rng(0).normal(size=(60, 6))


def test_a_pickle_of_another_version_loads_with_a_warning():
    model = dense().fit(X)
    state, loaded = model.__getstate__(), dense()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded.__setstate__(state)
    state["_sklearn_seqae_version"] = "0.0.1"
    with pytest.warns(InconsistentVersionWarning, match="from version 0.0.1"):
        loaded.__setstate__(state)
    np.testing.assert_array_equal(loaded.transform(X), model.transform(X))
