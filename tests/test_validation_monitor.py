"""Record of the validation losses: measured epochs, kept weights, early stopping."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sklearn_seqae.fitting.runs import TrainingRun
from sklearn_seqae.fitting.validation import ValidationMonitor
from sklearn_seqae.modules.batch import RowLosses

N_ROWS = 4


def rows_of(total):
    """Return losses of rows that have a total."""
    each = np.full(N_ROWS, total / N_ROWS)
    return RowLosses(each, each, each, np.zeros((N_ROWS, 0)))


class Net:
    """Net whose losses are given, without and with nearest-point codes.

    Its only weight is the number of the epoch.
    """

    def __init__(self, losses, refined=None, one_cycle=False):
        self.losses, self.refined, self.one_cycle = losses, refined, one_cycle
        self.weight = torch.zeros(1)
        self.average_ = SimpleNamespace(state_dict=lambda: {"weight": self.weight})
        self.at(0)

    def at(self, epoch):
        self.epoch = epoch
        self.weight.fill_(epoch)

    def measure(self, data, refinement_steps=0):
        losses = self.refined if refinement_steps else self.losses
        return rows_of(losses[self.epoch])


def monitor_of(net, keeps_weights=True, **options):
    """Return the monitor of a net at epoch 0."""
    options = {"tol": 0, "n_iter_no_change": np.inf, "max_iter": 10, **options}
    config = SimpleNamespace(is_penalized=False, fraction=None, **options)
    return ValidationMonitor(
        config,
        net,
        SimpleNamespace(n_values=10 * N_ROWS),
        keeps_weights=keeps_weights,
        mean=rows_of(100),
        pca=rows_of(50),
        refinement_steps=0 if net.refined is None else 2,
    )


def train(monitor, n_epochs, start=0):
    """Record epochs until the monitor stops. Return the last epoch."""
    for epoch in range(start + 1, n_epochs + 1):
        monitor.net.at(epoch)
        if monitor.record(rows_of(monitor.net.losses[epoch])):
            return epoch
    return n_epochs


def series_of(seed, n_epochs=30):
    """Return losses that fall in steps and vary by chance."""
    random = np.random.default_rng(seed)
    return (
        20
        - np.minimum(seed % 9, np.arange(n_epochs + 1))
        + random.normal(size=n_epochs + 1)
    )


@pytest.mark.parametrize(
    ("n_epochs", "measured"),
    [
        *((1, (0, 1)), (2, (0, 1, 2)), (3, (0, 1, 2, 3)), (4, (0, 2, 3, 4))),
        *((10, (0, 5, 7, 10)), (30, (0, 15, 22, 30))),
    ],
)
def test_one_cycle_is_measured_at_its_half_its_three_quarters_and_its_end(
    n_epochs, measured
):
    losses = np.arange(31.0)
    monitor = monitor_of(Net(losses, losses + 0.5, one_cycle=True), max_iter=n_epochs)
    train(monitor, n_epochs)
    selection = monitor.selection()
    assert selection.refined_epochs == measured
    np.testing.assert_allclose(
        selection.refined.total.sum(axis=1), 0.5 + np.array(measured)
    )
    np.testing.assert_allclose(selection.history.total.sum(axis=1), range(n_epochs + 1))


@pytest.mark.parametrize("n_epochs", [0, 1, 4, 5, 14, 20])
def test_a_constant_rate_is_measured_after_half_as_many_epochs_more(n_epochs):
    losses = np.arange(31.0)
    monitor = monitor_of(Net(losses, losses))
    train(monitor, n_epochs)
    expected = [e for e in (0, 1, 2, 3, 4, 6, 9, 14) if e < n_epochs] + [n_epochs]
    assert monitor.selection().refined_epochs == tuple(expected)


@pytest.mark.parametrize("refined", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_the_weights_of_the_start_and_of_the_best_epoch_are_kept(seed, refined):
    losses, other = series_of(seed), series_of(seed + 100)
    monitor = monitor_of(Net(losses, other if refined else None))
    train(monitor, 30)
    selection = monitor.selection()
    measured = np.array(selection.refined_epochs if refined else range(31))
    best = measured[np.argmin((other if refined else losses)[measured])]
    kept = {
        epoch: weights["weight"].item() for epoch, weights in monitor.states.items()
    }
    assert kept == {0: 0, best: best}
    assert selection.best_epoch() in kept


def test_the_start_alone_is_kept_if_no_epoch_is_better():
    for losses in ([3.0, 4.0, 3.5, 3.0], [0.0, 1.0, 0.5, 0.0]):
        monitor = monitor_of(Net(losses))
        train(monitor, 3)
        assert list(monitor.states) == [0]
    monitor = monitor_of(Net(losses[::-1]), keeps_weights=False)
    train(monitor, 3)
    assert monitor.states == {}


@pytest.mark.parametrize("patience", [1, 2, 5])
@pytest.mark.parametrize("tol", [0, 0.1])
@pytest.mark.parametrize("seed", range(6))
def test_training_stops_after_epochs_without_a_gain(seed, tol, patience):
    losses = series_of(seed)
    gains = [
        losses[e] < losses[:e].min() - tol * losses[0] for e in range(1, len(losses))
    ]
    windows = np.lib.stride_tricks.sliding_window_view(gains, patience)
    stops = np.flatnonzero(~windows.any(axis=1)) + patience
    expected = min([*stops, 30])
    monitor = monitor_of(Net(losses), tol=tol, n_iter_no_change=patience)
    assert train(monitor, 30) == expected


def test_a_gain_is_more_than_a_share_of_the_loss_at_the_start():
    equal = monitor_of(Net(np.ones(31)), n_iter_no_change=4)
    assert train(equal, 30) == 4
    slow = np.r_[100, 50 - 0.7 * np.arange(30)]
    monitor = monitor_of(Net(slow), tol=0.01, n_iter_no_change=4)
    assert train(monitor, 30) == 5


def test_training_continues_if_the_nearest_points_gain():
    # The codes of the encoder gain nothing.
    losses = np.full(31, 9.0)
    refined = np.array([9, 8, 8, 8, 7.5, 1, 5, 5, 5, 5, *[1] * 21])
    monitor = monitor_of(Net(losses, refined), tol=0.01, n_iter_no_change=3)
    # Gains at 1, 4 and 6. 9 is measured and stops.
    assert train(monitor, 30) == 9
    assert monitor.selection().refined_epochs == (0, 1, 2, 3, 4, 6, 9)
    monitor = monitor_of(Net(losses, refined), tol=0.01, n_iter_no_change=4)
    # 10 would stop, but is measured then, and gains. 14 stops.
    assert train(monitor, 30) == 14
    assert monitor.selection().refined_epochs == (0, 1, 2, 3, 4, 6, 9, 14)
    refined[10] = 5
    monitor = monitor_of(Net(losses, refined), tol=0.01, n_iter_no_change=4)
    assert train(monitor, 30) == 10
    assert monitor.selection().refined_epochs == (0, 1, 2, 3, 4, 6, 9, 10)


def as_arrays(state):
    """Return a state as a checkpoint restores it, with arrays in place of tensors."""
    states = {
        epoch: {name: weight.numpy().copy() for name, weight in weights.items()}
        for epoch, weights in state["monitor"]["states"].items()
    }
    return {**state, "monitor": {**state["monitor"], "states": states}}


@pytest.mark.parametrize("refined", [False, True])
@pytest.mark.parametrize("interrupted, best", [(1, 15), (7, 1), (7, 15), (15, 15)])
def test_a_restored_training_continues_as_if_nothing_had_happened(
    interrupted, best, refined
):
    losses, other = series_of(3), series_of(4)
    losses[best] = other[best] = 1
    other = other if refined else None
    options = {"tol": 0.01, "n_iter_no_change": 12}
    whole = monitor_of(Net(losses, other), **options)
    last = train(whole, 30)
    first = monitor_of(Net(losses, other), **options)
    train(first, interrupted)
    parts = {"net": None, "scaling": None, "spec": None}
    record = as_arrays(TrainingRun(**parts, loss_curve=[1.0]).record(first))
    run, second = TrainingRun(**parts), monitor_of(Net(losses, other), **options)
    run.restore(record, second)
    assert run.loss_curve == [1.0]
    assert train(second, 30, start=interrupted) == last > interrupted
    found, expected = second.selection(), whole.selection()
    np.testing.assert_array_equal(found.history.total, expected.history.total)
    np.testing.assert_array_equal(found.compared.total, expected.compared.total)
    assert found.refined_epochs == expected.refined_epochs
    assert second.states == whole.states


def test_a_training_without_validation_has_no_monitor_to_restore():
    parts = {"net": None, "scaling": None, "spec": None}
    run = TrainingRun(**parts)
    run.restore(None, None)
    assert run.loss_curve == []
    record = TrainingRun(**parts, loss_curve=[2.0, 1.0]).record(None)
    assert record["monitor"] is None
    run.restore(record, None)
    assert run.loss_curve == [2.0, 1.0]
