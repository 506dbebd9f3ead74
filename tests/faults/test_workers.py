"""Searches in worker processes."""

import numpy as np
import pytest
from joblib import Parallel, delayed, parallel_config
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.instances import dense

GRID = {"denseautoencodertransformer__n_components": [1, 2]}
X = np.random.default_rng(0).normal(size=(60, 6))


def scores_of(n_jobs=None):
    pipeline = make_pipeline(StandardScaler(), dense())
    search = GridSearchCV(pipeline, GRID, cv=2, n_jobs=n_jobs).fit(X)
    results = search.cv_results_
    return np.array([results[f"split{k}_test_score"] for k in range(2)])


def torch_threads():
    import torch

    return torch.get_num_threads()


@pytest.mark.slow
def test_a_search_in_two_workers_has_the_scores_of_a_serial_one():
    with parallel_config("loky", inner_max_num_threads=1):
        np.testing.assert_array_equal(scores_of(n_jobs=2), scores_of())
        assert Parallel(2)([delayed(torch_threads)() for _ in range(2)]) == [1, 1]


def test_a_search_in_dask_workers_has_the_scores_of_a_serial_one():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1) as cluster,
        distributed.Client(cluster),
        parallel_config("dask"),
    ):
        found = scores_of()
    np.testing.assert_array_equal(found, scores_of())
