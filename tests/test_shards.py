"""Large batches in shards: the same bits, errors and callbacks as whole batches."""

import threading

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import Callback

from sklearn_seqae import (
    ConvolutionalAutoencoderTransformer,
    DenseAutoencoderTransformer,
    RecurrentAutoencoderTransformer,
)
from sklearn_seqae.modules.objective import Objective
from sklearn_seqae.training import parallel
from sklearn_seqae.training.batches import Batches
from sklearn_seqae.training.isolation import as_worker, isolated
from sklearn_seqae.training.parallel import Threads
from tests.instances import convolutional, dense, recurrent
from tests.test_parallel import threads


def large_sequences(n_rows=70, n_steps=40):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n_rows, n_steps, 3)).cumsum(axis=1)


def large(units=100, **options):
    """Return a recurrent autoencoder with batches that are divided."""
    options = {"init": "random", "early_stopping": False, "max_iter": 2, **options}
    return recurrent(hidden_layer_sizes=(units,), batch_size=64, **options)


def tutorial(**options):
    """Return the plain recurrent autoencoder of tutorials."""
    options = {"init": "random", "bidirectional": False, **options}
    return RecurrentAutoencoderTransformer(30, hidden_layer_sizes=(100,), **options)


LARGE = {
    "lstm of 64 units": (lambda: large(64), large_sequences()),
    "lstm of 128 units": (lambda: large(128), large_sequences()),
    "pca": (lambda: large(96, init="pca"), large_sequences(n_steps=160)),
    "variable lengths": (
        lambda: large(bottleneck="variational", noise="gaussian"),
        [x[: 20 + i % 21] for i, x in enumerate(large_sequences())],
    ),
    "composite": (
        lambda: large(objective="composite", decoder="conditional"),
        large_sequences(),
    ),
    "selection": (
        lambda: large(early_stopping=True),
        large_sequences(n_rows=200),
    ),
    "convolutional": (
        lambda: convolutional(
            hidden_layer_sizes=(32, 64), batch_size=64, early_stopping=False
        ),
        np.random.default_rng(0).random((70, 32, 32, 1)),
    ),
    "dense": (
        lambda: dense(hidden_layer_sizes=(800,), batch_size=1024, early_stopping=False),
        np.random.default_rng(0).random((1100, 300)),
    ),
}


@pytest.mark.parametrize(("make", "X"), LARGE.values(), ids=LARGE)
def test_the_bits_of_large_batches_do_not_depend_on_the_number_of_threads(
    make, X, monkeypatch
):
    n_items, results = [], []
    map_items = Threads.map

    def counted(self, function, items):
        n_items.append(len(items))
        return map_items(self, function, items)

    monkeypatch.setattr(Threads, "map", counted)
    for number in (1, 2, 5):
        n_items.clear()
        with threads(number):
            model = make().fit(X)
        assert min(n_items) > 1
        weights = [w.detach().clone() for w in model.module_.parameters()]
        results.append((weights, model.loss_curve_))
    for weights, losses in results[1:]:
        assert losses == results[0][1]
        assert all(map(torch.equal, weights, results[0][0]))


def test_shards_are_computed_side_by_side():
    meet = threading.Barrier(2, timeout=600)

    def compute(item):
        meet.wait()
        return torch.get_num_threads(), threading.current_thread().name

    with threads(2), isolated():
        pool = Threads()
        first, second = pool.map(compute, [0, 1]), pool.map(compute, [0, 1])
        pool.close()
    assert [number for number, _ in first + second] == [1] * 4
    assert {name for _, name in first} == {name for _, name in second}
    assert threading.main_thread().name not in {name for _, name in first}


def test_a_training_in_a_thread_starts_no_others():
    with threads(2), as_worker(), isolated():
        pool = Threads()
        names = pool.map(lambda item: threading.current_thread().name, [0, 1])
    assert set(names) == {threading.current_thread().name}


def test_a_training_ends_its_threads():
    before = threading.active_count()
    with threads(2):
        model = large().fit(large_sequences())
    assert threading.active_count() == before
    assert not hasattr(model.net_, "threads_")


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, ZeroDivisionError])
def test_an_error_in_a_shard_is_raised_by_fit(error, number, monkeypatch):
    X = large_sequences()
    model = large().fit(X)
    codes, count, calls = model.transform(X), threading.active_count(), []
    loss = Objective._training_loss

    def fails(self, module, batch, sizes=None):
        calls.append(len(batch.x))
        if len(calls) == 4:  # a shard of the second step
            raise error("in a shard")
        return loss(self, module, batch, sizes)

    monkeypatch.setattr(Objective, "_training_loss", fails)
    with threads(number):
        with pytest.raises(error, match="in a shard"):
            model.set_params(max_iter=5).fit(X)
        assert torch.get_num_threads() == number
    assert threading.active_count() == count
    np.testing.assert_array_equal(model.transform(X), codes)


def test_an_interrupt_of_the_user_stops_a_training_with_shards(monkeypatch):
    count = threading.active_count()
    results = parallel._results

    def interrupted(futures):
        results(futures)
        raise KeyboardInterrupt

    monkeypatch.setattr(parallel, "_results", interrupted)
    with threads(2), pytest.raises(KeyboardInterrupt):
        large().fit(large_sequences())
    assert threading.active_count() == count


class Gradients(Callback):
    """Keep the gradients that a callback sees, and add hooks of torch."""

    def __init__(self, hook=None):
        self.hook = hook

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        self.seen, self.hooked = [], []
        weight = net.module_.encoder.head.weight
        if self.hook == "parameter":
            weight.register_hook(lambda grad: self.hooked.append(grad.clone()))
        if self.hook == "accumulated":
            weight.register_post_accumulate_grad_hook(
                lambda weight: self.hooked.append(weight.grad.clone())
            )
        if self.hook == "forward":
            net.module_.encoder.register_forward_hook(
                lambda module, inputs, output: self.hooked.append(len(output))
            )
        if self.hook == "backward":
            net.module_.encoder.head.register_full_backward_hook(
                lambda module, before, after: self.hooked.append(len(after[0]))
            )

    def on_grad_computed(self, net, named_parameters, **kwargs):
        self.seen.append({name: w.grad.clone() for name, w in named_parameters})


def trained(callback):
    model = large(max_iter=1).set_params(skorch_callbacks=[callback])
    model = model.fit(large_sequences(n_rows=64))
    return next(cb for _, cb in model.net_.callbacks_ if isinstance(cb, Gradients))


@pytest.mark.parametrize("number", [1, 2])
def test_callbacks_see_the_gradients_of_the_batch(number, monkeypatch):
    with threads(number):
        (in_shards,) = trained(Gradients()).seen
        monkeypatch.setattr(Objective, "n_shards", lambda *args: 1)
        (whole,) = trained(Gradients()).seen
    for name, gradient in whole.items():
        atol = 1e-5 * float(gradient.abs().max())
        torch.testing.assert_close(in_shards[name], gradient, rtol=1e-3, atol=atol)


@pytest.mark.parametrize("hook", ["parameter", "accumulated", "forward", "backward"])
def test_hooks_see_the_whole_batch(hook):
    with threads(2):
        callback = trained(Gradients(hook))
    (gradients,), (hooked,) = callback.seen, callback.hooked
    if hook in ("parameter", "accumulated"):
        assert torch.equal(hooked, gradients["encoder.head.weight"])
    else:
        assert hooked == 64


@pytest.mark.parametrize(
    ("model", "X", "n_rows", "expected"),
    [
        # Default networks, and default batches of few rows: one piece
        (DenseAutoencoderTransformer(4), (300, 30), 256, 1),
        (RecurrentAutoencoderTransformer(4), (200, 12, 1), 64, 1),
        (RecurrentAutoencoderTransformer(4), (200, 100, 2), 32, 1),
        (ConvolutionalAutoencoderTransformer(4), (200, 28, 28, 1), 64, 1),
        # Networks of tutorials, 28 rows of an image
        (tutorial(), (300, 28, 28), 31, 1),
        (tutorial(), (300, 28, 28), 32, 2),
        (tutorial(), (300, 28, 28), 64, 2),
        (tutorial(), (300, 28, 28), 256, 4),
        (tutorial(cell="gru"), (300, 28, 28), 256, 1),
        (tutorial(bottleneck="l1"), (300, 28, 28), 256, 1),
    ],
)
def test_the_number_of_shards_follows_from_the_shape(model, X, n_rows, expected):
    X = np.random.default_rng(0).random(X)
    model = clone(model).set_params(max_iter=1, early_stopping=False)
    net = model.fit(X).net_
    part = X[:n_rows].reshape(n_rows, -1) if X.ndim == 4 else X[:n_rows]
    batch = next(iter(Batches(torch.tensor(part).float(), batch_size=n_rows)))
    objective = getattr(net.criterion_, "objective", net.criterion_)
    for number in (1, 2, 5):
        with threads(number), isolated():
            assert len(objective.shards(net.module_, batch)) == expected
