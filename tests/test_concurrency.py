"""The same bits in threads, in other processes and after a fork; nothing leaks."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.base import clone

from tests.instances import dense, recurrent

both = pytest.mark.parametrize(
    "estimator", [dense(), recurrent()], ids=["dense", "recurrent"]
)


def run_python(script, *, timeout=60, **env):
    """Run a script in a fresh interpreter and return what it prints."""
    import os

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


@both
def test_eight_threads_fit_the_same_bits(estimator, wine):
    expected = clone(estimator).fit(wine).transform(wine)
    with ThreadPoolExecutor(8) as pool:
        fitted = list(pool.map(lambda _: clone(estimator).fit(wine), range(8)))
    for model in fitted:
        np.testing.assert_array_equal(model.transform(wine), expected)


@both
def test_eight_threads_transform_the_same_bits(estimator, wine):
    model = clone(estimator).fit(wine)
    expected = model.transform(wine)
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(model.transform, [wine] * 32))
    for code in codes:
        np.testing.assert_array_equal(code, expected)


def test_threads_are_put_back(wine):
    import torch

    before = torch.get_num_threads()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: dense().fit(wine), range(8)))
    assert torch.get_num_threads() == before


SAME_BITS = """
import hashlib, numpy as np
from tests.instances import {name}
X = np.random.RandomState(0).normal(size=(200, 12))
print(hashlib.sha256({name}(max_iter=5).fit(X).transform(X).tobytes()).hexdigest())
"""


@pytest.mark.parametrize("name", ["dense", "recurrent"])
def test_another_process_gives_the_same_bits(name):
    import hashlib

    X = np.random.RandomState(0).normal(size=(200, 12))
    model = {"dense": dense, "recurrent": recurrent}[name](max_iter=5)
    expected = hashlib.sha256(model.fit(X).transform(X).tobytes()).hexdigest()
    assert run_python(SAME_BITS.format(name=name), PYTHONHASHSEED="7") == expected


FORK = """
import multiprocessing, numpy as np, torch
from joblib import Parallel, delayed
from tests.instances import {name}
torch.set_num_threads(2)
X = np.random.RandomState(0).normal(size=(600, 24))
model = {name}().fit(X)
expected = model.transform(X)
large = torch.ones(2000, 2000)
large @ large  # the threads of torch are awake now, and a forked child has none
with multiprocessing.get_context("fork").Pool(1) as pool:
    assert (pool.apply(model.transform, (X,)) == expected).all()
    assert (pool.apply({name}().fit, (X,)).transform(X) == expected).all()
parallel = Parallel(2, backend="multiprocessing")
codes = parallel(delayed(model.transform)(X) for _ in "ab")
assert all((code == expected).all() for code in codes)
print("done")
"""


@pytest.mark.parametrize("name", ["dense", "recurrent"])
def test_a_forked_child_finishes(name):
    assert run_python(FORK.format(name=name), timeout=40) == "done"


GROWTH = """
import gc, resource, sys
import numpy as np
from tests.instances import {name}
X = np.random.RandomState(0).normal(size=(50, 6))
unit = 1024 if sys.platform == "darwin" else 1  # of the peak memory, in KiB

def grow(n):
    for _ in range(n):
        {name}(max_iter=1, early_stopping=False).fit(X).transform(X)
    gc.collect()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit

before = grow(60)
print((grow(100) - before) / 100)
"""


@pytest.mark.parametrize("name", ["dense", "recurrent"])
def test_fits_leak_no_memory(name):
    assert float(run_python(GROWTH.format(name=name))) < 5  # KiB for each fit


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
