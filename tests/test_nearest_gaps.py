"""Nearest-point codes of samples with missing values."""

from functools import cache

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_seqae import DenseAutoencoderTransformer
from sklearn_seqae.fitting import refinement
from sklearn_seqae.modules.batch import Batch
from sklearn_seqae.modules.bottleneck import NestedDropout, Plain
from sklearn_seqae.modules.dense_tile import encoder_tile
from sklearn_seqae.modules.losses import LOSSES
from sklearn_seqae.modules.nearest import Sizes, nearest_codes
from sklearn_seqae.modules.objective import Objective
from tests.test_nearest_codes import CASES

QUICK = ("dense", "ordered", "variable length", "convolutional")  # in `make test`


@cache
def fitted(name):
    """Fit a case once."""
    estimator, X = CASES[name]
    return estimator.fit(X), X


def hidden_in(X, fraction=0.2):
    """Return X with a random fraction of its values missing, but not the last."""
    random, rows = np.random.RandomState(0), []
    for x in X:
        hidden = random.uniform(size=x.shape) < fraction
        hidden[-1:] = False
        rows.append(np.where(hidden, np.nan, x))
    return rows if isinstance(X, list) else np.array(rows)


def test_gaps_of_new_wide_rows_are_no_worse_with_nearest_points():
    random = np.random.RandomState(0)
    X = np.tanh(random.normal(size=(25, 3))) @ random.normal(size=(3, 60))
    X += 0.1 * random.normal(size=X.shape)
    gappy = hidden_in(X)

    def errors(steps):
        model = DenseAutoencoderTransformer(
            3, max_iter=5, early_stopping=False, refinement_steps=steps, random_state=0
        ).fit(X)
        restored = model.inverse_transform(model.transform(gappy))
        return np.nansum(np.square(gappy - restored), axis=1)

    plain, nearest = errors(0), errors(2)
    assert (nearest <= plain * (1 + 1e-5)).all()
    assert nearest.sum() < plain.sum()


@pytest.mark.parametrize(
    "name",
    [
        name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
        for name in CASES
    ],
)
def test_a_sample_with_gaps_has_the_same_bits_alone_and_among_others(name):
    estimator, X = fitted(name)
    gappy = hidden_in(X)
    mixed = [g if i % 3 else x for i, (x, g) in enumerate(zip(X, gappy, strict=True))]
    mixed = mixed if isinstance(X, list) else np.array(mixed)
    codes = estimator.transform(mixed)
    for row in (0, 1, 5, len(X) - 1):
        assert_array_equal(estimator.transform([mixed[row]])[0], codes[row])
    order = np.random.RandomState(0).permutation(len(X))
    shuffled = [mixed[i] for i in order]
    assert_array_equal(estimator.transform(shuffled), codes[order])
    complete = estimator.transform(X)[::3]
    assert_array_equal(complete, codes[::3])


def test_only_observed_values_move_a_code():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(2, 9, generator=generator)
    kept = torch.tensor([0, 2, 3, 5, 8])

    def decode(code, lengths=None, n_steps=None):
        return code @ weight + 0.3 * torch.tanh(code @ weight.roll(1, 1))

    x = decode(torch.randn(5, 2, generator=generator)) + 0.2
    options = {"n_steps": 5, "spread": torch.ones(2), "sizes": Sizes([2], [1.0])}
    observed = torch.zeros(5, 9, dtype=torch.bool)
    observed[:, kept] = True
    for loss in LOSSES:
        target = x.sigmoid() if loss == "binary_cross_entropy" else x
        found = [
            nearest_codes(
                decode,
                torch.zeros(5, 2),
                torch.where(observed, target, filler),
                loss=loss,
                observed=observed,
                **options,
            )
            for filler in (0.0, 0.7)
        ]
        assert_array_equal(found[0], found[1])
        expected = nearest_codes(
            lambda code, *_: decode(code)[:, kept],
            torch.zeros(5, 2),
            target[:, kept],
            loss=loss,
            **options,
        )
        assert_allclose(found[0], expected, atol=1e-4)


@pytest.mark.parametrize("name", ["dense", "recurrent", "variable length", "ordered"])
def test_refined_validation_losses_count_observed_values_only(name):
    estimator, X = fitted(name)
    model = estimator.model_
    x, lengths = model.tensors(estimator._read(X))
    generator = torch.Generator().manual_seed(0)
    observed = torch.rand(x.shape, generator=generator) > 0.2
    mask = None
    if lengths is not None:
        mask = torch.arange(x.shape[1]) < lengths[:, None]
        observed &= mask[:, :, None]
    bottleneck = Plain() if name != "ordered" else NestedDropout(torch.ones(4), None)
    objective = Objective("squared_error", bottleneck=bottleneck)

    def losses(filler, n_steps):
        # The encoder receives the same input; only targets of gaps differ.
        target = torch.where(observed, x, filler)
        batch = Batch(target, lengths, mask, 1, observed=observed, noisy=x)
        with torch.no_grad():
            return objective.rows(model.module, batch, n_steps).loss

    assert_array_equal(losses(0.0, 2), losses(5.0, 2))
    assert losses(0.0, 2).sum() < losses(0.0, 0).sum()


def test_tiles_have_a_limited_number_of_derivatives(monkeypatch):
    model = fitted("dense")[0].model_
    n_values = refinement.BLOCK * model.n_components * model.spec.n_features
    largest = encoder_tile(model.module, model.n_components).n_rows
    for n_blocks, n_rows in [(0, 1), (1, 1), (2, 2), (10**6, largest)]:
        monkeypatch.setattr(refinement, "TILE_VALUES", n_blocks * n_values + 1)
        found = refinement.NearestEncoder(model, 1, has_gaps=True).n_rows
        assert found == min(n_rows * refinement.BLOCK, largest)


@pytest.mark.parametrize("network", ["encoder", "decoder"])
@pytest.mark.parametrize("has_gaps", [False, True])
def test_a_hook_of_one_network_is_called_and_changes_no_code(network, has_gaps):
    estimator, X = fitted("dense")
    X = hidden_in(X) if has_gaps else X
    expected, called = estimator.transform(X), []
    layer = getattr(estimator.module_, network).layers[0]
    handle = layer.register_forward_hook(lambda *arguments: called.append(1))
    try:
        codes = estimator.transform(X)
    finally:
        handle.remove()
    assert called
    assert_allclose(codes, expected, atol=1e-3 * np.abs(expected).max())
    assert_array_equal(estimator.transform(X), expected)


def test_values_that_validation_hides_move_no_code():
    estimator, X = fitted("dense")
    module = estimator.model_.module
    x, _ = estimator.model_.tensors(estimator._read(X))
    generator = torch.Generator().manual_seed(0)
    hidden, gap = torch.rand((2, *x.shape), generator=generator) < 0.2
    hidden &= ~gap
    noisy = torch.where(hidden | gap, -0.1, x)

    def losses(change, n_steps=2):
        changed = torch.where(hidden, x + change, x)
        batch = Batch(changed, None, None, 1, noisy=noisy, observed=~gap)
        with torch.no_grad():
            return Objective("squared_error").rows(module, batch, n_steps).loss

    # Hidden values count. (x + 2 - y)² + (x - 2 - y)² - 2 (x - y)² = 8 for each, with
    # the same reconstruction y.
    bend = losses(2) + losses(-2) - 2 * losses(0)
    assert_allclose(bend, 8 * hidden.sum(1), rtol=1e-3)
    assert not torch.allclose(losses(0), losses(0, 0), rtol=1e-3)
