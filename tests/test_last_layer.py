"""Refit of the decoder's last layer on nearest-point codes, in closed form."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from sklearn_seqae import (
    ConvolutionalAutoencoderTransformer,
    DenseAutoencoderTransformer,
    RecurrentAutoencoderTransformer,
)
from sklearn_seqae._inputs import parse
from sklearn_seqae.fitting import last_layer, trainer
from sklearn_seqae.fitting.last_layer import STRENGTHS, LastLayer, LastLayerRefit
from sklearn_seqae.fitting.selection import Selection
from sklearn_seqae.modules.batch import RowLosses
from sklearn_seqae.modules.nearest import Sizes
from sklearn_seqae.training.batches import Batches
from tests.test_nearest_codes import RAGGED, SERIES, curved_series

DIGITS = (load_digits().data / 16)[:300]
TRAINED = {"max_iter": 10, "early_stopping": False, "random_state": 0}


def dense(n_components=2, **options):
    options = {"hidden_layer_sizes": (24,), **TRAINED, **options}
    return DenseAutoencoderTransformer(n_components, **options)


def recurrent(n_components=2, **options):
    options = {"hidden_layer_sizes": (6,), **TRAINED, "max_iter": 4, **options}
    return RecurrentAutoencoderTransformer(n_components, **options)


EXACT = {
    "dense": (dense(3), DIGITS),
    "two hidden layers": (dense(3, hidden_layer_sizes=(16, 8)), DIGITS),
    "no hidden layer": (dense(3, hidden_layer_sizes=()), DIGITS),
    "wide table": (dense(3), DIGITS[:40]),
    "ordered": (dense(4, bottleneck="ordered"), DIGITS),
    "recurrent": (recurrent(3), SERIES),
    "reversed": (recurrent(3, reverse_target=True), SERIES),
    "ragged": (recurrent(3), RAGGED),
}
LONG = [x[: 30 + i] for i, x in enumerate(curved_series(30, 60))]
INEXACT = {"ragged patches": (recurrent(3), LONG)}
CASES = {**EXACT, **INEXACT}


@pytest.fixture(scope="module")
def fitted():
    """Fit each model once."""
    return {name: (model.fit(X).model_, X) for name, (model, X) in CASES.items()}


def problem(model, X, weight=None):
    """A copy of the module, codes, and the rows as one batch."""
    x, lengths = model.tensors(parse(X, model.input_format, name="X"))
    if weight is not None:
        weight = torch.from_numpy(weight.astype(np.float32))
    (batch,) = Batches(x, lengths, batch_size=len(x), weight=weight)
    module = copy.deepcopy(model.module).double().requires_grad_(True)
    x = batch.x.double()
    batch = batch._replace(x=x, weight=None if weight is None else weight.double())
    with torch.no_grad():
        code = module.encode(x, batch.lengths)
    return module, code, batch


def loss_of(module, code, batch):
    """Squared error of all sizes of a code, weighted as in the training."""
    n_steps = batch.x.shape[1] if batch.x.ndim == 3 else None
    total = 0.0
    for size, weight in zip(*Sizes.of(module, code.shape[1]).some(), strict=True):
        kept = torch.full((len(code),), size) if module.is_ordered else None
        residual = batch.x - module.decode(code, batch.lengths, n_steps, kept)
        if batch.mask is not None:
            residual = residual * batch.mask[:, :, None]
        rows = residual.square().flatten(1).sum(1)
        if batch.weight is not None:
            rows = batch.weight * rows
        total = total + weight * rows.sum()
    return total


def change_of(before, after):
    """Squared change of the weights, in units of the inputs of the regression."""
    spread, unit = after.code_spread, after.decoder_unit[-1]
    old, new = (module.decoder.last_layer.weight for module in (before, after))
    total = (new - old).square().sum()
    if not hasattr(after.decoder, "stack"):
        old, new = before.linear_path.decoder, after.linear_path.decoder
        parts = (new.weight - old.weight) * spread, new.bias - old.bias
        total = total + sum((part / unit).square().sum() for part in parts)
    return total


def refitted(layer, strength):
    """Copies of the refitted weights."""
    layer.refit(strength)
    return [weight.detach().clone() for weight in layer.weights]


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("strength", [1.0, 0.001])
@pytest.mark.parametrize("name", EXACT)
def test_the_refit_minimizes_the_error_plus_the_penalty(
    name, strength, is_weighted, fitted
):
    model, X = fitted[name]
    weight = np.random.RandomState(0).uniform(0.5, 2, len(X)) if is_weighted else None
    module, code, batch = problem(model, X, weight)
    layer = LastLayer(module)
    layer.add(code, batch)
    before = copy.deepcopy(module)
    layer.refit(strength)
    penalty = strength * layer._products.diagonal().mean()
    end = loss_of(module, code, batch) + penalty * change_of(before, module)
    start = loss_of(before, code, batch)
    assert end < start
    largest = max(map(largest_of, torch.autograd.grad(start, weights_of(before))))
    for gradient in torch.autograd.grad(end, weights_of(module)):
        if model.spec.rank and len(gradient) == X.shape[1]:  # within the row space
            gradient = module.decoder.basis @ gradient
        assert largest_of(gradient) < 1e-6 * largest


def largest_of(gradient):
    """Largest entry of a gradient."""
    return float(gradient.abs().max())


def weights_of(module):
    """The weights that the refit changes."""
    weights = [module.decoder.last_layer.weight]
    if not hasattr(module.decoder, "stack"):
        weights += [module.linear_path.decoder.weight, module.linear_path.decoder.bias]
    return weights


@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize("name", INEXACT)
def test_the_error_of_patches_with_padding_falls(name, strength, fitted):
    model, X = fitted[name]
    module, code, batch = problem(model, X)
    layer = LastLayer(module)
    layer.add(code, batch)
    before = loss_of(module, code, batch)
    layer.refit(strength)
    assert loss_of(module, code, batch) < before


@pytest.mark.parametrize("strength", STRENGTHS)
def test_missing_values_have_no_residual(strength, fitted):
    model, X = fitted["dense"]
    module, code, batch = problem(model, X)
    observed = torch.from_numpy(np.random.RandomState(0).uniform(size=X.shape) < 0.7)
    layers = []
    for hidden in (0.0, 100.0):
        x = batch.x.where(observed, hidden)
        layer = LastLayer(module)
        layer.add(code, batch._replace(x=x, observed=observed))
        layers.append(layer)
    for first, second in zip(
        *(refitted(each, strength) for each in layers), strict=True
    ):
        assert torch.equal(first, second)

    module = problem(model, X)[0]

    def error():
        residual = (batch.x - module.decode(code)) * observed
        return float(residual.square().sum().detach())

    before = error()
    layer = LastLayer(module)
    layer.add(code, batch._replace(observed=observed))
    layer.refit(strength)
    assert error() < before


@pytest.mark.parametrize("name", ["dense", "wide table", "recurrent"])
def test_a_refit_starts_from_the_trained_weights_after_another_one(name, fitted):
    model, X = fitted[name]
    module, code, batch = problem(model, X)
    layer = LastLayer(module)
    layer.add(code, batch)
    first = refitted(layer, 0.1)
    layer.refit(0.001)
    assert all(map(torch.equal, first, refitted(layer, 0.1)))


@pytest.mark.parametrize("name", ["dense", "wide table", "recurrent", "ragged"])
def test_rows_may_come_in_several_batches(name, fitted):
    model, X = fitted[name]
    module, code, batch = problem(model, X)
    whole, parts = LastLayer(module), LastLayer(module)
    whole.add(code, batch)
    half = len(code) // 2
    for start, stop in ((0, half), (half, len(code))):
        parts.add(code[start:stop], batch.rows(start, stop))
    pairs = zip(refitted(whole, 0.01), refitted(parts, 0.01), strict=True)
    assert all(torch.allclose(first, second, atol=1e-6) for first, second in pairs)


def at(*roots):
    """Losses of rows after some epochs, from their square roots."""
    losses = np.square(np.stack(roots))
    return RowLosses(losses, losses, losses, np.zeros((*losses.shape, 0)))


def selection_of(gain_of_epoch, gain_of_refit, n=1000):
    """A selection with one epoch and one refit, with gains in standard errors."""
    noise = np.random.RandomState(0).normal(size=n)
    noise = 0.5 * (noise - noise.mean()) / noise.std(ddof=1)
    error = 0.5 / np.sqrt(n)
    start = np.full(n, 3.0)
    epoch = start - 0.03 * (gain_of_epoch > 0) - gain_of_epoch * error - noise
    refit = epoch - gain_of_refit * error + noise
    losses = at(start, epoch)
    of_start = RowLosses(*(field[0] for field in losses))
    mean = RowLosses(*(2 * field for field in of_start))
    selection = Selection(
        history=losses,
        mean=mean,
        pca=of_start,
        n_values=n,
        refined=losses,
        refined_epochs=(0, 7),
        strengths=(np.inf, np.inf),
    )
    return selection.with_refits(7, [0.1], [RowLosses(*(f[0] for f in at(refit)))])


@pytest.mark.parametrize(
    "gain_of_epoch, gain_of_refit, epoch, strength",
    [
        (4, 3, 7, 0.1),
        (4, 2, 7, np.inf),
        (4, -3, 7, np.inf),
        (-3, 20, 7, 0.1),  # the epoch loses to PCA, and its refit does not
        (-3, 4, 0, np.inf),
        (0, -4, 0, np.inf),
    ],
)
def test_a_refit_is_kept_only_if_its_gain_is_significant(
    gain_of_epoch, gain_of_refit, epoch, strength
):
    selection = selection_of(gain_of_epoch, gain_of_refit)
    assert selection.epoch_to_refit == 7
    assert selection.best_epoch() == epoch
    assert selection.best_strength() == strength
    kept = {7: 1, 0: 0}[epoch] if strength == np.inf else 2
    error = selection.compared.squared_error[kept].sum()
    r2 = 1 - error / selection.mean.squared_error.sum()
    assert selection.r2()["model"] == pytest.approx(r2)


def test_without_a_trained_epoch_there_is_nothing_to_refit():
    selection = selection_of(4, 3)
    first = RowLosses(*(field[:1] for field in selection.refined))
    alone = replace(selection, refined=first, refined_epochs=(0,), strengths=(np.inf,))
    assert alone.epoch_to_refit == 0
    assert replace(selection, refined=None).epoch_to_refit == 0


STOPPED = {"max_iter": 30, "early_stopping": True, "random_state": 0}
TABLE = load_digits().data / 16


@pytest.fixture
def loaded(monkeypatch):
    """The strengths of all refits, in order."""
    strengths, refit = [], LastLayer.refit

    def record(self, strength):
        strengths.append(strength)
        refit(self, strength)

    monkeypatch.setattr(LastLayer, "refit", record)
    return strengths


def kept_of(monkeypatch):
    """The selections of fits."""
    kept, select = [], LastLayerRefit.select

    def record(self, *arguments):
        kept.append(select(self, *arguments))
        return kept[-1]

    monkeypatch.setattr(LastLayerRefit, "select", record)
    return kept


HOW = {
    "folds": (None, False),
    "many rows": (100, False),
    "validation data": (None, True),
}


@pytest.mark.parametrize("refit_below, has_validation_data", HOW.values(), ids=HOW)
def test_the_model_of_fit_has_the_refit_that_validation_rows_chose(
    refit_below, has_validation_data, loaded, monkeypatch
):
    if refit_below is not None:
        monkeypatch.setattr(trainer, "REFIT_BELOW", refit_below)
    options = {"validation_data": (TABLE[600:900],)} if has_validation_data else {}
    kept = kept_of(monkeypatch)
    model = dense(2, **STOPPED).fit(TABLE[:600], **options)
    assert kept[0].best_strength() in STRENGTHS  # digits gain with two components
    assert loaded[-1] == kept[0].best_strength()
    monkeypatch.setattr(LastLayerRefit, "is_in", lambda self, run: False)
    plain = dense(2, **STOPPED).fit(TABLE[:600], **options)
    errors = [
        float(np.square(TABLE[900:] - each.reconstruct(TABLE[900:])).mean())
        for each in (model, plain)
    ]
    assert errors[0] < errors[1]
    assert model.held_out_r2_["model"] > plain.held_out_r2_["model"]


def test_sequences_are_refitted_with_warped_copies(loaded, monkeypatch):
    warps = []
    warped = trainer.Objective.warped

    def record(self, batch, generator):
        warps.append(len(batch.x))
        return warped(self, batch, generator)

    monkeypatch.setattr(trainer.Objective, "warped", record)
    recurrent(2, **{**STOPPED, "max_iter": 8}).fit(SERIES)
    assert warps and loaded


@pytest.mark.parametrize(
    "estimator",
    [
        dense(early_stopping=True, noise="gaussian", refinement_steps=2),
        dense(early_stopping=True, bottleneck="variational", refinement_steps=2),
        dense(early_stopping=True, init="random", refinement_steps=2),
        dense(early_stopping=True, loss="huber"),
        dense(early_stopping=True, refinement_steps=0),
        dense(),
        recurrent(early_stopping=True, objective="composite"),
        recurrent(early_stopping=True, decoder="conditional"),
        ConvolutionalAutoencoderTransformer(
            2, hidden_layer_sizes=(2,), max_iter=2, random_state=0
        ),
    ],
    ids=lambda each: str(each)[:60],
)
def test_other_trainings_are_not_refitted(estimator, loaded):
    is_dense = isinstance(estimator, DenseAutoencoderTransformer)
    estimator.fit(DIGITS if is_dense else SERIES)
    assert not loaded


def test_a_clean_target_is_not_refitted(loaded):
    dense(early_stopping=True, refinement_steps=2).fit(DIGITS, target=DIGITS + 0.01)
    assert not loaded


def test_a_fold_that_stopped_before_the_epoch_is_refitted_at_its_last_one(monkeypatch):
    class Run:
        states = {0: None, 3: None, 6: None}

        def restore_weights(self, epoch):
            restored.append(epoch)

    class Enough(Exception):
        pass

    def stop(*arguments):
        raise Enough

    restored = []
    monkeypatch.setattr(LastLayerRefit, "is_in", lambda self, run: True)
    monkeypatch.setattr(LastLayerRefit, "_regression", stop)
    refit = LastLayerRefit.__new__(LastLayerRefit)
    for epoch in (3, 5, 6, 9):
        selection = replace(selection_of(4, 3), refined_epochs=(0, epoch, epoch))
        with pytest.raises(Enough):
            refit.select([Run()], [None], selection)
    assert restored == [3, 6, 6, 6]
    assert last_layer.STRENGTHS == STRENGTHS
