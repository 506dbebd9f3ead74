"""Nearest-point codes: the codes whose reconstruction is nearest to X."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import (
    AutoencoderAnomalyDetector,
    ConvolutionalAutoencoderTransformer,
    DenseAutoencoderTransformer,
    RecurrentAutoencoderTransformer,
)
from sklearn_seqae.fitting import trainer
from sklearn_seqae.fitting.selection import Selection
from sklearn_seqae.fitting.validation import ValidationMonitor
from sklearn_seqae.modules.batch import Batch, RowLosses
from sklearn_seqae.modules.losses import LOSSES, row_losses
from sklearn_seqae.modules.nearest import Sizes, decoder_of, nearest_codes
from sklearn_seqae.modules.objective import Objective

DIGITS = (load_digits().data / 16)[:300]


def curved_series(n_samples=90, n_steps=14, n_channels=2):
    """Draw sequences with random phases, which are curved in the space of X."""
    random = np.random.RandomState(0)
    time = np.linspace(0, 6, n_steps)[:, np.newaxis] + np.arange(n_channels)
    phase, size = random.uniform(0, 3, n_samples), random.uniform(0.5, 1.5, n_samples)
    X = size[:, None, None] * np.sin(time + phase[:, None, None])
    return X + 0.02 * random.normal(size=X.shape)


SERIES = curved_series()
RAGGED = [sequence[: 5 + i % 9] for i, sequence in enumerate(SERIES)]
TRAINED = {"max_iter": 20, "early_stopping": False, "random_state": 0}


def dense(n_components=2, **options):
    return DenseAutoencoderTransformer(
        n_components, **{"hidden_layer_sizes": (24,), **TRAINED, **options}
    )


def recurrent(n_components=2, **options):
    small = {"hidden_layer_sizes": (12,), **TRAINED, "max_iter": 8}
    return RecurrentAutoencoderTransformer(n_components, **{**small, **options})


def convolutional(n_components=2, **options):
    small = {"hidden_layer_sizes": (4,), **TRAINED, "max_iter": 8}
    return ConvolutionalAutoencoderTransformer(n_components, **{**small, **options})


BCE = {"loss": "binary_cross_entropy"}
UNIT = (SERIES - SERIES.min()) / np.ptp(SERIES)
CASES = {
    "dense": (dense(3), DIGITS),
    "one component": (dense(1), load_iris().data),
    "eleven components": (dense(11), DIGITS),
    "no hidden layer": (dense(2, hidden_layer_sizes=()), DIGITS),
    "two hidden layers": (dense(2, hidden_layer_sizes=(16, 8)), DIGITS),
    "wide table": (dense(3), DIGITS[:40]),
    "whitened": (dense(3, whiten=True), DIGITS),
    "ordered": (dense(4, bottleneck="ordered"), DIGITS),
    "many ordered components": (dense(12, bottleneck="ordered"), DIGITS),
    "fraction": (dense(0.7), DIGITS),
    "dense, cross-entropy": (dense(3, **BCE), DIGITS),
    "dense, absolute error": (dense(3, loss="absolute_error"), DIGITS),
    "dense, huber": (dense(3, loss="huber"), DIGITS),
    "random init": (dense(3, init="random", refinement_steps=2), DIGITS),
    "variational": (dense(3, bottleneck="variational", refinement_steps=2), DIGITS),
    "noise": (dense(3, noise="masking", refinement_steps=2), DIGITS),
    "recurrent": (recurrent(3), SERIES),
    "variable length": (recurrent(2), RAGGED),
    "recurrent, cross-entropy": (recurrent(2, **BCE), UNIT),
    "recurrent, ordered and whitened": (
        recurrent(3, bottleneck="ordered", whiten=True),
        RAGGED,
    ),
    "gru": (recurrent(2, cell="gru", bidirectional=False), RAGGED),
    "conditional decoder": (recurrent(2, decoder="conditional"), RAGGED),
    "composite": (recurrent(2, objective="composite", horizon=3), SERIES),
    "convolutional": (convolutional(3), DIGITS.reshape(-1, 8, 8)),
    "convolutional, ordered": (
        convolutional(3, bottleneck="ordered"),
        DIGITS.reshape(-1, 8, 8),
    ),
}


# The quick tests leave out cases whose options are those of others together.
SLOW_CASES = (
    "eleven components|two hidden layers|many ordered components|noise|random init|"
    "dense, absolute error|recurrent, cross-entropy|gru|convolutional, ordered|"
    "recurrent, ordered and whitened|composite"
).split("|")
MARKS = {name: [pytest.mark.slow] * (name in SLOW_CASES) for name in CASES}
CASES_OR_SLOW = [pytest.param(name, marks=MARKS[name]) for name in CASES]
each_case = pytest.mark.parametrize("name", CASES_OR_SLOW)


@pytest.fixture(scope="module")
def fitted():
    """Fit each case once."""
    cache = {}

    def get(name):
        if name not in cache:
            estimator, X = CASES[name]
            cache[name] = estimator.fit(X), X
        return cache[name]

    return get


def own_losses(estimator, X, codes):
    """Return the loss of each sample of X for given codes, as in the training."""
    model = estimator.model_
    x, lengths = model.tensors(estimator._read(X))
    z = torch.tensor(codes / model.code_unit, dtype=torch.float32)
    white = model.whitening_tensors()
    if white is not None:
        z = z @ white.inverse + white.mean
    decode, sizes = decoder_of(model.module), Sizes.of(model.module, z.shape[1])
    n_steps = x.shape[1] if x.ndim == 3 else None
    mask = None
    if lengths is not None:
        mask = torch.arange(n_steps) < lengths[:, None]
    with torch.no_grad():
        losses = [
            weight
            * row_losses(model.config.loss, decode(z[:, :k], lengths, n_steps), x, mask)
            for k, weight in zip(*sizes, strict=True)
        ]
    return sum(losses).numpy()


def without_refinement(estimator, X):
    """Return the codes of the encoder."""
    return estimator.model_.encode(estimator._read(X), refined=False)


@each_case
def test_the_loss_of_no_sample_rises_and_that_of_many_falls(name, fitted):
    estimator, X = fitted(name)
    before = own_losses(estimator, X, without_refinement(estimator, X))
    after = own_losses(estimator, X, estimator.transform(X))
    assert (after <= before * (1 + 1e-5) + 1e-6).all()
    assert after.sum() < before.sum()


@each_case
def test_a_sample_has_the_same_bits_alone_and_among_others(name, fitted):
    estimator, X = fitted(name)
    codes = estimator.transform(X)
    some = [0, 5, len(X) - 1]
    for row in some:
        assert_array_equal(estimator.transform(X[row : row + 1])[0], codes[row])
    order = np.random.RandomState(0).permutation(len(X))
    shuffled = [X[i] for i in order] if isinstance(X, list) else X[order]
    assert_array_equal(estimator.transform(shuffled), codes[order])


@each_case
def test_more_steps_reconstruct_no_worse(name, fitted):
    estimator, X = fitted(name)
    samples, model = estimator._read(X), estimator.model_
    losses = [
        own_losses(
            estimator, X, replace(model, refinement_steps=n).encode(samples)
        ).sum()
        for n in (1, 2, 6)
    ]
    assert (np.diff(losses) <= 1e-5 * losses[0]).all()


@pytest.mark.parametrize("name", ["dense", "recurrent", "convolutional", "whitened"])
def test_the_code_of_a_reconstruction_is_its_code(name, fitted):
    estimator, X = fitted(name)
    codes = estimator.transform(X)
    model = estimator.model_
    estimator.model_ = replace(model, refinement_steps=6)
    again = estimator.transform(estimator.inverse_transform(codes))
    estimator.model_ = model
    error = np.abs(again - codes).max(axis=1) / codes.std(axis=0).max()
    assert np.quantile(error, 0.95) < 1e-2


@pytest.mark.parametrize("loss", sorted(set(LOSSES) - {"absolute_error"}))
def test_the_code_is_a_minimum_of_the_loss(loss):
    # A smooth decoder; the minimum is found by a method without derivatives.
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(2, 9, generator=generator)

    def decode(code, lengths=None, n_steps=None):
        return code @ weight + 0.3 * torch.tanh(code @ weight.roll(1, 1))

    truth = torch.randn(5, 2, generator=generator)
    x = decode(truth) + 0.3 * torch.randn(5, 9, generator=generator)
    if loss == "binary_cross_entropy":
        x = x.sigmoid()
    found = nearest_codes(
        decode,
        truth + 0.3,
        x,
        n_steps=20,
        loss=loss,
        spread=torch.ones(2),
        sizes=Sizes([2], [1.0]),
    )
    for row in range(5):

        def objective(z, row=row):
            code = torch.tensor(z[np.newaxis], dtype=torch.float32)
            return float(row_losses(loss, decode(code), x[row : row + 1])[0])

        best = minimize(objective, found[row].numpy(), method="Nelder-Mead")
        assert objective(found[row].numpy()) <= best.fun * (1 + 1e-4) + 1e-5


def test_padding_changes_no_code(fitted):
    estimator, X = fitted("variable length")
    codes = estimator.transform(X)
    longest = max(X, key=len)
    assert_array_equal(estimator.transform([*X[:3], longest])[:3], codes[:3])


def test_the_code_of_pca_does_not_move():
    X = load_iris().data
    estimator = dense(2, max_iter=1, learning_rate_init=1e-12, init="pca").fit(X)
    codes, pca = estimator.transform(X), PCA(2).fit(X)
    expected = pca.transform(X)
    sign = np.sign((codes * expected).sum(axis=0))
    assert_allclose(codes * sign, expected, atol=1e-4)


# fmt: off
AUTO = [
    (dense(), 2), (dense(bottleneck="ordered"), 2), (dense(0.9), 2),
    (dense(loss="huber"), 2), (dense(whiten=True), 2),
    (dense(noise="gaussian"), 0), (dense(init="random"), 0),
    (dense(bottleneck="variational"), 0), (dense(bottleneck="l1"), 0),
    (dense(bottleneck="kl"), 0), (dense(bottleneck="contractive"), 0),
    (dense(refinement_steps=0), 0), (dense(noise="gaussian", refinement_steps=3), 3),
    (recurrent(), 2), (recurrent(objective="predict"), 0),
    (recurrent(objective="composite"), 2), (convolutional(), 2),
]
# fmt: on


@pytest.mark.parametrize("estimator, n_steps", AUTO)
def test_auto_takes_steps_where_the_nearest_point_is_wanted(estimator, n_steps):
    X = SERIES if isinstance(estimator, RecurrentAutoencoderTransformer) else DIGITS
    if isinstance(estimator, ConvolutionalAutoencoderTransformer):
        X = DIGITS.reshape(-1, 8, 8)
    estimator = estimator.set_params(max_iter=1).fit(X[:40])
    assert estimator.model_.refinement_steps == n_steps
    if not n_steps:
        assert_array_equal(estimator.transform(X), without_refinement(estimator, X))


def test_a_clean_target_leaves_the_codes_of_the_encoder():
    noisy = DIGITS + 0.1 * np.random.RandomState(0).normal(size=DIGITS.shape)
    estimator = dense(3).fit(noisy, target=DIGITS)
    assert estimator.model_.refinement_steps == 0


def test_a_forecast_has_no_nearest_point():
    with pytest.raises(ValueError, match="there is no reconstruction.* Got 2 instead"):
        recurrent(objective="predict", refinement_steps=2).fit(SERIES)


def test_forecasts_use_the_codes_of_the_encoder():
    plain = recurrent(objective="composite", horizon=3, refinement_steps=0).fit(SERIES)
    refined = recurrent(objective="composite", horizon=3).fit(SERIES)
    assert_array_equal(plain.predict(SERIES), refined.predict(SERIES))
    assert not np.array_equal(plain.transform(SERIES), refined.transform(SERIES))


def test_a_fitted_estimator_does_not_read_the_parameter_again():
    estimator = dense(3).fit(DIGITS)
    codes = estimator.transform(DIGITS)
    estimator.set_params(refinement_steps=0)
    assert_array_equal(estimator.transform(DIGITS), codes)


@pytest.mark.parametrize(
    "estimator, n_steps",
    [
        (None, 0),
        (dense(2, max_iter=2), 0),
        (dense(2, max_iter=2, refinement_steps=1), 1),
        (make_pipeline(StandardScaler(), dense(2, max_iter=2)), 0),
    ],
)
def test_detectors_use_the_codes_of_the_encoder_by_default(estimator, n_steps):
    detector = AutoencoderAnomalyDetector(estimator, random_state=0).fit(DIGITS[:100])
    fitted = detector.estimator_
    fitted = fitted[-1] if isinstance(fitted, Pipeline) else fitted
    assert fitted.model_.refinement_steps == n_steps


@pytest.mark.parametrize("refined", [True, False])
def test_refined_losses_decide_which_epoch_is_the_best(refined):
    def losses(*means):
        noise = 1 + 0.01 * np.random.RandomState(0).normal(size=60)
        each = np.multiply.outer(np.array(means), noise)
        return RowLosses(each, each, each, np.zeros((*each.shape, 0)))

    plain = losses(1.0, 0.5, 0.4, 0.6, 0.7)
    selection = Selection(
        history=plain,
        mean=RowLosses(*(5 * field[0] for field in plain)),
        pca=RowLosses(*(field[0] for field in plain)),
        n_values=60,
        refined=losses(0.9, 0.5, 0.2) if refined else None,
        refined_epochs=(0, 1, 4) if refined else (),
    )
    assert selection.best_epoch() == (4 if refined else 2)
    joined = Selection.join([selection, selection])
    assert joined.best_epoch() == selection.best_epoch()


@pytest.mark.parametrize("max_iter", [5, 8, 11])
def test_large_data_keep_the_weights_of_the_best_epoch(max_iter, monkeypatch):
    monkeypatch.setattr(trainer, "REFIT_BELOW", 100)
    estimator = dense(3, early_stopping=True, max_iter=max_iter).fit(DIGITS)
    # The last epoch is measured, too, so the longer training is the better one.
    assert estimator.best_epoch_ == max_iter
    shorter = dense(3, early_stopping=True, max_iter=max_iter).fit(DIGITS[:99])
    assert len(shorter.loss_curve_) == max_iter
    assert estimator.score(DIGITS) > PCA(3).fit(DIGITS).explained_variance_ratio_.sum()


@pytest.mark.parametrize("until", [0, 10, 35])
def test_training_goes_on_as_long_as_the_refined_loss_falls(until):
    # The loss of the encoder does not fall; that of nearest points does, for a while.
    class Net:
        epoch, one_cycle = 0, False

        def measure(self, data, refinement_steps=0):
            loss = 1 - 0.01 * min(self.epoch, until) if refinement_steps else 1.0
            each = np.full(4, loss)
            return RowLosses(each, each, each, np.zeros((4, 0)))

    class Config:
        tol, n_iter_no_change, is_penalized, fraction = 1e-3, 5, False, None

    class Data:
        n_values = 4

    net, ends = Net(), Net().measure(None)
    monitor = ValidationMonitor(
        Config,
        net,
        Data,
        keeps_weights=False,
        mean=ends,
        pca=ends,
        refinement_steps=2,
    )
    for epoch in range(1, 200):
        net.epoch = epoch
        if monitor.record(net.measure(None)):
            break
    assert until + 4 <= epoch <= until + 2 * 5
    assert monitor.selection().refined_epochs[-1] == epoch


def test_a_fold_that_stopped_earlier_repeats_its_last_refined_losses():
    def fold(epochs):
        n = len(epochs)
        each = np.linspace(1, 0.1, n)[:, np.newaxis] * np.ones((1, 5))
        part = RowLosses(each, each, each, np.zeros((n, 5, 0)))
        history = np.ones((max(epochs) + 1, 5))
        plain = RowLosses(history, history, history, np.zeros((*history.shape, 0)))
        ends = RowLosses(*(field[0] for field in plain))
        return Selection(plain, ends, ends, 5, refined=part, refined_epochs=epochs)

    joined = Selection.join([fold((0, 1, 2, 4)), fold((0, 1, 2, 3, 6, 7))])
    assert joined.refined_epochs == (0, 1, 2, 3, 6, 7)
    first = joined.refined.total[:, 0]
    assert_allclose(first, [1, 0.7, 0.4, 0.1, 0.1, 0.1])


@pytest.mark.parametrize("name", ["dense", "dense, huber", "dense, cross-entropy"])
def test_the_objective_measures_the_codes_of_transform(name, fitted):
    estimator, X = fitted(name)
    model = estimator.model_
    x, _ = model.tensors(estimator._read(X))
    objective = Objective(model.config.loss)
    with torch.no_grad():
        rows = objective.rows(model.module, Batch(x, None, None, x.numel()), 2)
    expected = own_losses(estimator, X, estimator.transform(X))
    assert_allclose(rows.total.numpy().sum(), expected.sum(), rtol=1e-4)
