"""Shards of a batch: their gradients sum to the gradients of the batch."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone

from sklearn_seqae.modules.objective import Objective
from tests.instances import (
    CONVOLUTIONAL,
    DENSE,
    RECURRENT,
    convolutional,
    dense,
    recurrent,
)

N_ROWS, N_STEPS = 37, 6
ONCE = {"early_stopping": False, "max_iter": 2, "batch_size": 25}


@pytest.fixture
def divided(monkeypatch):
    """Divide every batch into shards, however small it is."""

    def divide(number):
        def n_shards(self, module, n_rows, n_steps):
            return min(number, n_rows) if self.bottleneck.is_by_row else 1

        monkeypatch.setattr(Objective, "n_shards", n_shards)
        monkeypatch.setattr(Objective, "step", lambda *args: None)

    return divide


def samples(form, seed=0):
    """Return values in [0, 1]: a table, sequences, or variable-length sequences."""
    rng = np.random.default_rng(seed)
    if form == "table":
        return rng.random((N_ROWS, 7))
    if form == "wide table":
        return rng.random((N_ROWS, 50))
    X = rng.random((N_ROWS, N_STEPS, 2))
    if form == "sequences":
        return X
    return [x[: 3 + i % (N_STEPS - 2)] for i, x in enumerate(X)]


def gradients(terms, weights):
    """Return the loss and the gradients of a sum of terms, in double precision."""
    total, sums = 0.0, [torch.zeros(w.shape, dtype=torch.float64) for w in weights]
    for term in terms:
        loss = term()
        total += loss.item()
        found = torch.autograd.grad(loss, weights, allow_unused=True)
        for summed, part in zip(sums, found, strict=True):
            if part is not None:
                summed += part
    return total, sums


class Comparison:
    """Compare shards with the whole batch at every step of a training."""

    def __init__(self, monkeypatch):
        self.n_terms = set()
        self.shards = Objective.shards
        comparison = self

        def compared(self, module, batch):
            return comparison.compare(self, module, batch)

        monkeypatch.setattr(Objective, "shards", compared)

    def compare(self, objective, module, batch):
        weights = [weight for weight in module.parameters() if weight.requires_grad]
        drawn, counts = (
            objective.generator.get_state(),
            dict(vars(objective.bottleneck)),
        )
        loss, whole = gradients([partial(objective, module, batch)], weights)
        after = objective.generator.get_state()
        objective.generator.set_state(drawn)
        vars(objective.bottleneck).update(counts)
        terms = self.shards(objective, module, batch)
        self.n_terms.add(len(terms))
        total, parts = gradients(terms, weights)
        assert torch.equal(objective.generator.get_state(), after)
        assert total == pytest.approx(loss, rel=1e-5)
        size = max(float(gradient.abs().max()) for gradient in whole)
        for part, gradient in zip(parts, whole, strict=True):
            torch.testing.assert_close(part, gradient, rtol=1e-3, atol=1e-5 * size)
        return terms


CASES = [
    *[(model, "table") for model in DENSE],
    *[(model, "sequences") for model in [*RECURRENT, *CONVOLUTIONAL]],
    *[
        (model, "variable lengths")
        for model in RECURRENT
        if not model.horizon or model.objective == "reconstruct"
    ],
    *[
        (make(loss="binary_cross_entropy"), form)
        for make, form in (
            (dense, "table"),
            (recurrent, "sequences"),
            (recurrent, "variable lengths"),
            (convolutional, "sequences"),
        )
    ],
    (recurrent(objective="composite", horizon=2), "variable lengths"),
    (dense(), "wide table"),
    (dense(bottleneck="ordered"), "wide table"),
]


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize(("model", "form"), CASES)
def test_shards_have_the_gradients_of_the_batch(
    model, form, is_weighted, divided, monkeypatch
):
    divided(4)
    comparison = Comparison(monkeypatch)
    weight = np.random.default_rng(1).random(N_ROWS) if is_weighted else None
    model = clone(model).set_params(**ONCE)
    model.fit(samples(form), sample_weight=weight)
    is_by_row = model.bottleneck in ("plain", "ordered", "variational")
    is_sampled = (
        getattr(model, "scheduled_sampling", 0) and model.decoder == "conditional"
    )
    assert comparison.n_terms == ({4} if is_by_row and not is_sampled else {1})


@pytest.mark.parametrize(
    ("make", "form"),
    [
        (dense, "table"),
        (recurrent, "sequences"),
        (recurrent, "variable lengths"),
        (convolutional, "sequences"),
    ],
)
def test_shards_have_the_targets_of_their_rows(make, form, divided, monkeypatch):
    divided(3)
    comparison = Comparison(monkeypatch)
    model = make(**ONCE)
    noisy = samples(form)
    clean = [x + 0.1 * np.sin(i) for i, x in enumerate(noisy)]
    clean = clean if isinstance(noisy, list) else np.array(clean)
    model.fit(noisy, target=clean)
    assert comparison.n_terms == {3}


def test_warped_sequences_and_their_targets_are_divided_after_they_are_warped(
    divided, monkeypatch
):
    """Rows of a batch have their own warps, drawn for the whole batch."""
    divided(2)
    comparison = Comparison(monkeypatch)
    recurrent(**ONCE).fit(samples("sequences"), target=samples("sequences", 1))
    assert comparison.n_terms == {2}
