"""The same bits in threads, in other processes and after a fork; nothing leaks."""

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from sklearn.base import clone

from tests.instances import convolutional, dense, recurrent

each = pytest.mark.parametrize(
    "estimator",
    [dense(), recurrent(), convolutional()],
    ids=["dense", "recurrent", "convolutional"],
)


def run_python(script, *, timeout=600, **env):
    """Run a script in a fresh interpreter and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **env},
        cwd=os.path.dirname(os.path.dirname(__file__)),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@each
def test_eight_threads_fit_the_same_bits(estimator, wine):
    expected = clone(estimator).fit(wine).transform(wine)
    with ThreadPoolExecutor(8) as pool:
        fitted = list(pool.map(lambda _: clone(estimator).fit(wine), range(8)))
    for model in fitted:
        np.testing.assert_array_equal(model.transform(wine), expected)


@each
def test_eight_threads_transform_the_same_bits(estimator, wine):
    model = clone(estimator).fit(wine)
    expected = model.transform(wine)
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(model.transform, [wine] * 32))
    for code in codes:
        np.testing.assert_array_equal(code, expected)


def test_threads_are_put_back(wine):
    before = torch.get_num_threads()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: dense().fit(wine), range(8)))
    assert torch.get_num_threads() == before


SAME_BITS = """
import hashlib
import numpy as np
from tests.instances import dense, recurrent
X = np.random.RandomState(0).normal(size=(200, 12))
codes = [Model(max_iter=5).fit(X).transform(X) for Model in (dense, recurrent)]
print(hashlib.sha256(np.hstack(codes).tobytes()).hexdigest())
"""


def test_another_process_gives_the_same_bits():
    X = np.random.RandomState(0).normal(size=(200, 12))
    codes = [Model(max_iter=5).fit(X).transform(X) for Model in (dense, recurrent)]
    expected = hashlib.sha256(np.hstack(codes).tobytes()).hexdigest()
    assert run_python(SAME_BITS, PYTHONHASHSEED="7") == expected


SAME_BITS_OF_LARGE = """
import hashlib
import numpy as np, torch
from sklearn_seqae import DenseAutoencoderTransformer, RecurrentAutoencoderTransformer
torch.set_num_threads(N_THREADS)
X = np.random.RandomState(0).normal(size=(120, 64))
options = {"max_iter": 2, "random_state": 0, "batch_size": 256}
codes = [
    DenseAutoencoderTransformer(2, hidden_layer_sizes=(512,), **options)
    .fit_transform(X),
    RecurrentAutoencoderTransformer(2, hidden_layer_sizes=(64,), **options)
    .fit_transform(X[:, :40]),
]
print(hashlib.sha256(np.hstack(codes).tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_the_number_of_torch_threads_changes_no_bit():
    one, two = (
        run_python(SAME_BITS_OF_LARGE.replace("N_THREADS", n), OMP_NUM_THREADS="2")
        for n in ("1", "2")
    )
    assert one == two


FORK = """
import multiprocessing
import numpy as np, torch
from joblib import Parallel, delayed
from tests.instances import dense, recurrent
torch.set_num_threads(2)
X = np.random.RandomState(0).normal(size=(600, 24))
fitted = [Model().fit(X) for Model in (dense, recurrent)]
large = torch.ones(2000, 2000)
large @ large  # the threads of torch are awake now, and a forked child has none
for model in fitted:
    expected = model.transform(X)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert (pool.apply(model.transform, (X,)) == expected).all()
        assert (pool.apply(model.fit, (X,)).transform(X) == expected).all()
    parallel = Parallel(2, backend="multiprocessing")
    codes = parallel(delayed(model.transform)(X) for _ in range(2))
    assert all((code == expected).all() for code in codes)
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
@pytest.mark.slow
def test_a_forked_child_finishes():
    assert run_python(FORK) == "done"


GROWTH = """
import gc, resource, sys
import numpy as np
from tests.instances import dense, recurrent
X = np.random.RandomState(0).normal(size=(30, 6))
unit = 1024 if sys.platform == "darwin" else 1  # of the peak memory, in KiB

def grow(n):
    for _ in range(n):
        for Model in (dense, recurrent):
            Model(max_iter=1, early_stopping=False).fit(X).transform(X)
    gc.collect()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit

before = grow(40)
print((grow(60) - before) / 120)
"""


@pytest.mark.slow
@pytest.mark.skipif(find_spec("resource") is None, reason="no module resource")
def test_fits_leak_no_memory():
    assert float(run_python(GROWTH)) < 5  # KiB for each fit


def test_importing_the_package_is_light():
    script = """
import sys, sklearn_seqae
heavy = {"torch", "skorch", "matplotlib", "pandas", "polars"} & set(sys.modules)
assert not heavy, heavy
from sklearn_seqae import AutoencoderAnomalyDetector, SequenceScaler
heavy = {"torch", "skorch", "matplotlib"} & set(sys.modules)
assert not heavy, heavy
"""
    run_python(script)


def test_a_detector_around_pca_never_loads_torch():
    script = """
import sys, numpy as np
from sklearn.decomposition import PCA
from sklearn_seqae import AutoencoderAnomalyDetector
X = np.random.RandomState(0).normal(size=(50, 6))
AutoencoderAnomalyDetector(PCA(2)).fit(X).predict(X)
assert "torch" not in sys.modules
"""
    run_python(script)
