"""The recipes of the page "Large data" on a local cluster of dask."""

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV

from tests.instances import dense

pytestmark = pytest.mark.slow
distributed = pytest.importorskip("distributed")
dask_array = pytest.importorskip("dask.array")
dask_frame = pytest.importorskip("dask.dataframe")


@pytest.fixture(autouse=True)
def global_generators_are_left_alone():
    """Override: dask draws from Python's own."""


@pytest.fixture(scope="module")
def client():
    """Client of two worker processes with one thread each."""
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    )
    with cluster, distributed.Client(cluster) as client:
        yield client


def test_a_search_on_two_workers_has_the_scores_of_the_serial_search(client, wine):
    search = GridSearchCV(dense(), {"n_components": [1, 2]}, cv=2).fit(wine)
    scores = search.cv_results_["mean_test_score"]
    with joblib.parallel_config("dask"):
        search = GridSearchCV(dense(), {"n_components": [1, 2]}, cv=2).fit(wine)
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], scores)


def test_map_blocks_gives_the_codes_of_transform(client, wine):
    model = dense().fit(wine)
    X = dask_array.from_array(wine, chunks=(50, -1))
    codes = X.map_blocks(
        model.transform, chunks=(X.chunks[0], (model.n_components_,)), dtype=X.dtype
    )
    np.testing.assert_array_equal(codes.compute(), model.transform(wine))


def test_map_partitions_gives_the_codes_of_transform(client, wine):
    table = pd.DataFrame(wine, columns=[f"x{c}" for c in range(wine.shape[1])])
    model = dense().fit(table).set_output(transform="pandas")
    X = dask_frame.from_pandas(table, npartitions=3)
    meta = model.transform(table.head(1)).head(0)
    codes = X.map_partitions(model.transform, meta=meta).compute()
    pd.testing.assert_frame_equal(codes, model.transform(table))


def test_chunks_of_a_dask_array_train_as_arrays_do(client, wine):
    X = dask_array.from_array(wine, chunks=(50, -1))
    model, same = dense(), dense()
    for block in X.blocks:
        model.partial_fit(block.compute())
    for start in range(0, len(wine), 50):
        same.partial_fit(wine[start : start + 50])
    np.testing.assert_array_equal(model.transform(wine), same.transform(wine))
