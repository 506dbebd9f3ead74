"""Digests of fits: the names of their checkpoints."""

import numpy as np
import pytest

from sklearn_seqae.training.checkpoints import digest_of, parameters_of
from tests.faults.processes import run
from tests.instances import classifier, dense, detector, recurrent

X = np.random.default_rng(0).normal(size=(60, 6))

DIGEST = """
import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn_seqae.training.checkpoints import digest_of, parameters_of
from tests.instances import dense, detector

X = np.arange(12.0).reshape(4, 3)
steps = FunctionTransformer(np.log1p), FrozenEstimator(PCA(1)), dense()
frame = pd.DataFrame({"text": ["a", "b"], "cells": [X, X[:2]]})
inputs = [
    parameters_of(detector(make_pipeline(*steps))),
    np.random.RandomState(0),
    [X, X[:0], X.T, X > 2, None, np.nan, np.float32(1), {1: "one", "1": 1}],
    frame,
    np.array(["a", "b"]),
    np.array(["a", -1], dtype=object),
]
print(digest_of(inputs))
"""


@pytest.mark.slow
def test_the_digest_of_a_fit_is_the_same_in_another_process():
    digests = {run(DIGEST)[0] for _ in range(2)}
    assert len(digests) == 1


def test_digests_of_different_inputs_differ():
    inputs = [
        *[X, X.T, X[:0], X.tolist(), X.astype(np.float32), X > 0, X.ravel()],
        *[None, 0, False, 0.0, "0", "", [], {}, [[]], [0], {0: 0}, {"0": 0}],
        *[np.random.RandomState(seed) for seed in (0, 1)],
        *[np.mean, np.std, dense(), recurrent()],
    ]
    digests = [digest_of(each) for each in inputs]
    assert len(set(digests)) == len(digests)
    assert digest_of(np.asfortranarray(X)) == digest_of(X)
    assert digest_of(X.astype(">f8")) != digest_of(X)


@pytest.mark.parametrize(
    "estimator",
    [dense(), detector(dense(), window_size=5), classifier(dense())],
    ids=lambda each: type(each).__name__,
)
def test_only_parameters_that_change_a_fit_belong_to_it(estimator):
    before = parameters_of(estimator)
    names = [name for name in estimator.get_params() if name not in before]
    assert {name.split("__")[-1] for name in names} == {"checkpoint", "verbose"}
