"""Computations in Python threads: the same results, the same errors."""

import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from threadpoolctl import threadpool_info

from sklearn_seqae.training.blas import one_blas_thread
from sklearn_seqae.training.inference import in_tiles
from sklearn_seqae.training.isolation import available_threads, isolated
from sklearn_seqae.training.parallel import Cancelled, map_in_threads
from tests.instances import convolutional, dense, recurrent

LIMIT = 600  # seconds, against hanging


@contextmanager
def threads(number):
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def blas_threads():
    return {
        pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"
    }


@pytest.mark.parametrize("number", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(number):
    with threads(number):
        assert map_in_threads(lambda item, failed: item**2, range(7)) == [
            item**2 for item in range(7)
        ]
        assert map_in_threads(lambda item, failed: item, []) == []


def test_items_are_computed_side_by_side_on_one_torch_thread_each():
    meet = threading.Barrier(2, timeout=LIMIT)

    def compute(item, failed):
        meet.wait()  # both are here at the same time
        with isolated():
            return torch.get_num_threads(), available_threads()

    with threads(2):
        assert map_in_threads(compute, [0, 1]) == [(1, 1)] * 2
        assert torch.get_num_threads() == 2
        with isolated():
            assert available_threads() == 2
            assert map_in_threads(compute, [0, 1]) == [(1, 1)] * 2


def test_the_number_of_threads_is_that_of_torch():
    names = set()

    def compute(item, failed):
        names.add(threading.current_thread().name)
        time.sleep(0.01)

    for number in (1, 3):
        names.clear()
        with threads(number):
            map_in_threads(compute, range(12))
        assert 1 <= len(names) <= number
        if number == 1:
            assert names == {threading.current_thread().name}


def test_an_error_stops_the_other_computations():
    def compute(item, failed):
        if item == 0:
            raise KeyError("first")
        assert failed.wait(LIMIT)
        raise Cancelled

    with threads(2), pytest.raises(KeyError, match="first"):
        map_in_threads(compute, range(6))


@pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) < "2.0.0",
    reason="the error state of numpy 1 does not belong to a context",
)
def test_threads_have_the_settings_of_their_caller():
    def overflows(item, failed):
        return np.float64(1e300) * np.float64(1e300)

    with threads(2), np.errstate(over="raise"), pytest.raises(FloatingPointError):
        map_in_threads(overflows, range(2))


def test_one_blas_thread_while_any_computation_runs():
    before = blas_threads()
    with one_blas_thread():
        with one_blas_thread():
            assert blas_threads() == {1}
        assert blas_threads() == {1}
    assert blas_threads() == before


def test_tiles_do_not_depend_on_the_number_of_threads():
    x = np.random.default_rng(0).normal(size=(300, 9, 2)).astype(np.float32)
    lengths = np.random.default_rng(1).integers(1, 10, size=300)
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        lstm = torch.nn.LSTM(2, 70, batch_first=True)
    for weight in lstm.parameters():
        weight.data.normal_(0, 0.1, generator=generator)

    def last(tile, tile_lengths, n_steps):
        return lstm(tile)[0][:, -1]

    results = []
    for number in (1, 2, 3):
        with threads(number):
            results.append(in_tiles(last, x, lengths, in_threads=True))
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


ROWS = np.random.default_rng(0).normal(size=(103, 6)) ** 3
SEQUENCES = np.random.default_rng(0).normal(size=(60, 10, 2)).cumsum(axis=1)
MODELS = {
    "lstm of 64 units": lambda: recurrent(hidden_layer_sizes=(64,), max_iter=3),
    "lstm of 128 units": lambda: recurrent(hidden_layer_sizes=(128,), max_iter=2),
    "gru": lambda: recurrent(cell="gru"),
    "ordered": lambda: recurrent(bottleneck="ordered"),
    "five folds": lambda: recurrent(validation_fraction=0.1),
    "convolutional": lambda: convolutional(max_iter=4),
}
TABLES = {
    "dense": lambda: dense(max_iter=20, n_iter_no_change=2),
    "dense of odd sizes": lambda: dense(
        hidden_layer_sizes=(7, 3), batch_size=9, validation_fraction=0.2
    ),
    "dense, random": lambda: dense(init="random", activation="tanh", max_iter=9),
    "dense, ordered": lambda: dense(bottleneck="ordered"),
    "dense with noise": lambda: dense(noise="gaussian"),
}
WIDE = np.random.default_rng(1).normal(size=(31, 90))  # trained in the row space
CASES = {name: (make, SEQUENCES) for name, make in MODELS.items()}
CASES |= {name: (make, ROWS) for name, make in TABLES.items()}
CASES |= {f"{name}, wide": (make, WIDE) for name, make in TABLES.items()}


@pytest.mark.parametrize("make, X", CASES.values(), ids=CASES)
def test_fits_do_not_depend_on_the_number_of_threads_or_on_who_watches(make, X, capsys):
    class Watch(Callback):
        pass

    results = []
    for number, options in (
        (1, {}),
        (2, {}),
        (5, {}),
        (2, {"verbose": 1}),
        (2, {"skorch_callbacks": [Watch()]}),
    ):
        with threads(number):
            model = make().set_params(**options).fit(X)
            results.append((model.transform(X), model.validation_loss_curve_))
    capsys.readouterr()
    for codes, losses in results[1:]:
        np.testing.assert_array_equal(codes, results[0][0])
        assert losses == results[0][1]


@pytest.mark.parametrize("library", ["skorch", "scikit-learn"])
def test_callbacks_see_one_training_after_the_other(library):
    seen = []  # not in the callback, which skorch's net copies

    class Witness(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append(threading.get_ident())

        def setup(self, estimator, context):
            pass

        teardown = on_fit_task_begin = setup

        def on_fit_task_end(self, estimator, context, **kwargs):
            seen.append(threading.get_ident())

    model = recurrent(bottleneck="ordered", validation_fraction=0.2)  # five folds
    if library == "skorch":
        model.set_params(skorch_callbacks=[Witness()])
    else:
        pytest.importorskip("sklearn.callback")
        model.set_callbacks(Witness())
    with threads(4):
        model.fit(SEQUENCES)
    assert len(seen) > 5
    assert set(seen) == {threading.get_ident()}


def test_a_fit_that_diverges_in_a_thread_raises_its_own_error():
    model = recurrent(init="random", learning_rate_init=1e25, max_iter=20)
    with threads(2), pytest.raises(ValueError, match="diverged"):
        model.fit(SEQUENCES)
    assert threading.active_count() < 20
