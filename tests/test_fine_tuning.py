"""Parts of the classifier: its losses, and the head it starts from."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_wine

from sklearn_seqae import AutoencoderClassifier
from sklearn_seqae.classification import _fine_tuning
from sklearn_seqae.classification._fine_tuning import (
    CrossEntropy,
    FineTuning,
    FineTuningConfig,
    Network,
)
from sklearn_seqae.modules.batch import Batch
from sklearn_seqae.training.batches import Batches
from tests.instances import dense
from tests.test_classification import both


@pytest.mark.parametrize("weights", [None, np.linspace(0.5, 1.5, 6)])
def test_the_losses_of_a_row_are_its_cross_entropy_and_its_brier_score(weights):
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    target = torch.tensor([0, 1, 2, 2, 1, 0])
    weight = None if weights is None else torch.tensor(weights, dtype=torch.float32)
    batch = Batch(logits, None, None, 18, target, weight)
    rows = CrossEntropy().rows(lambda x, lengths: x, batch)
    p = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(axis=1, keepdims=True)
    one = np.ones(6) if weights is None else weights
    truth = np.eye(3)[target]
    np.testing.assert_allclose(
        rows.total, -one * np.log(p[range(6), target]), rtol=1e-5
    )
    np.testing.assert_allclose(rows.brier, one * ((p - truth) ** 2).sum(1), rtol=1e-5)
    loss = CrossEntropy()(lambda x, lengths: x, batch)
    assert float(loss) == pytest.approx(float(rows.total.mean()), rel=1e-5)


@both
@pytest.mark.parametrize("has_weights", [False, True])
def test_the_head_starts_on_centered_codes_of_one_unit(autoencoder, has_weights, wine):
    weight = np.linspace(0.1, 2, len(wine)) if has_weights else None
    fitted = clone(autoencoder).fit(wine, sample_weight=weight)
    samples = fitted._read(wine)
    samples = replace(samples, weight=weight)
    labelled = np.arange(0, len(wine), 3)
    targets = load_wine().target[labelled]
    config = FineTuningConfig(0.0, "auto", 0.01, 2, 0)
    tuning = FineTuning(config, fitted.model_, samples, labelled, targets)
    codes = fitted.transform(wine) / fitted.model_.code_unit
    mean = np.average(codes, axis=0, weights=weight)
    np.testing.assert_allclose(tuning.center, mean, atol=1e-6)
    square = np.average(np.square(codes - mean).mean(axis=1), weights=weight)
    assert tuning.unit == pytest.approx(np.sqrt(square), rel=1e-6)
    np.testing.assert_allclose(
        tuning.codes, ((codes - mean) / tuning.unit)[labelled], atol=1e-6
    )
    # The head on these codes is the head on the codes of `transform`.
    coef, intercept, _ = tuning.head(np.arange(len(labelled)))
    on_codes = tuning.codes @ coef.T + intercept
    coef, intercept = tuning.for_codes_of_transform(coef, intercept)
    for_transform = fitted.transform(wine)[labelled] @ coef.T + intercept
    np.testing.assert_allclose(for_transform, on_codes, rtol=1e-4, atol=1e-5)


class Codes(torch.nn.Module):
    """Encoder whose codes are its input."""

    def forward(self, x, lengths):
        return x


def test_the_logits_of_the_network_are_those_of_its_head_on_centered_codes():
    rng = np.random.default_rng(0)
    codes, center = rng.normal(size=(6, 4)), rng.normal(size=4)
    coef, intercept = rng.normal(size=(3, 4)), rng.normal(size=3)
    network = Network(Codes(), center, 2.5, coef, intercept)
    logits = network(torch.tensor(codes, dtype=torch.float32)).detach()
    expected = (codes - center) / 2.5 @ coef.T + intercept
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("batch_size", "n_rows", "size", "n_batches"),
    [
        ("auto", 5, 5, 10),
        ("auto", 60, 8, 16),  # two passes of 8
        ("auto", 99, 9, 11),
        ("auto", 178, 17, 11),
        (50, 178, 50, 4),
        (1, 30, 1, 30),
        (500, 178, 178, 1),
    ],
)
def test_an_epoch_has_at_least_ten_batches_of_a_tenth_of_the_rows(
    batch_size, n_rows, size, n_batches, wine, monkeypatch
):
    made, epochs = [], []

    class Recorded(Batches):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            made.append(self)

        def __iter__(self):
            batches = list(super().__iter__())
            epochs.append([len(batch.target) for batch in batches])
            return iter(batches)

    monkeypatch.setattr(_fine_tuning, "Batches", Recorded)
    rows = np.arange(n_rows)
    targets = rows % 2
    fitted = dense().fit(wine)
    config = FineTuningConfig(0.0, batch_size, 0.01, 2, 0)
    samples = fitted._read(wine)
    tuning = FineTuning(config, fitted.model_, samples, rows, targets)
    _, losses, history = tuning.train(rows, n_epochs=2)
    assert len(losses) == 2 and not history
    assert [max(sizes) for sizes in epochs] == [size, size]
    assert [len(sizes) for sizes in epochs] == [n_batches, n_batches]


@pytest.mark.parametrize(
    ("name", "accepted", "refused"),
    [
        ("freeze_encoder", [True, False], [2, None]),
        ("alpha", [0, 5.0], [-1e-9, None]),
        ("batch_size", [1, 10**6, "auto"], [0, 2.5, None]),
        ("learning_rate_init", [1e-9, 1.0], [0, -1]),
        ("max_iter", [1, 10**6], [0, 2.5]),
        ("early_stopping", [True, False], [2, None]),
    ],
)
def test_the_limits_of_parameters(name, accepted, refused):
    for value in accepted:
        AutoencoderClassifier(**{name: value})._validate_params()
    for value in refused:
        with pytest.raises(ValueError, match=f"'{name}' parameter"):
            AutoencoderClassifier(**{name: value})._validate_params()
