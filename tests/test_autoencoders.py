"""What an autoencoder promises beside scikit-learn's conventions."""

import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback, EarlyStopping

from sklearn_seqae.fitting.scaling import Whitening
from tests.containers import flat
from tests.instances import convolutional, dense, recurrent

each = pytest.mark.parametrize(
    "estimator",
    [dense(), recurrent(), convolutional()],
    ids=["dense", "recurrent", "convolutional"],
)
# What is left of the training: the model stays at epoch 0.
STANDING_STILL = {"learning_rate_init": 1e-30, "max_iter": 1, "early_stopping": False}


# The start is PCA -----------------------------------------------------------------


@pytest.mark.parametrize("n_components", [1, 2, 5, 13])
@pytest.mark.parametrize("hidden_layer_sizes", [(8,), (8, 4)])
def test_dense_starts_as_pca(wine, n_components, hidden_layer_sizes):
    model = dense(n_components, hidden_layer_sizes=hidden_layer_sizes, **STANDING_STILL)
    pca = PCA(n_components).fit(wine)
    np.testing.assert_allclose(
        model.fit(wine).reconstruct(wine),
        pca.inverse_transform(pca.transform(wine)),
        atol=1e-4,
    )
    assert model.score(wine) == pytest.approx(sum(pca.explained_variance_ratio_))
    np.testing.assert_allclose(model.transform(wine), pca.transform(wine), atol=1e-4)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_recurrent_starts_as_pca_of_the_flattened(digits, cell, bidirectional):
    model = recurrent(cell=cell, bidirectional=bidirectional, **STANDING_STILL)
    X = flat(digits)
    pca = PCA(2).fit(X)
    np.testing.assert_allclose(
        flat(model.fit(digits).reconstruct(digits)),
        pca.inverse_transform(pca.transform(X)),
        atol=1e-4,
    )
    assert model.score(digits) == pytest.approx(sum(pca.explained_variance_ratio_))


def test_training_improves_on_the_start(wine):
    still = dense(**STANDING_STILL).fit(wine).score(wine)
    trained = dense(early_stopping=False, max_iter=50).fit(wine).score(wine)
    assert trained > still + 0.01


# Codes and reconstructions --------------------------------------------------------


@each
@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("init", ["pca", "random"])
def test_reconstruct_is_inverse_transform_of_transform(estimator, wine, whiten, init):
    model = clone(estimator).set_params(whiten=whiten, init=init).fit(wine)
    np.testing.assert_allclose(
        model.reconstruct(wine),
        model.inverse_transform(model.transform(wine)),
        rtol=1e-4,
    )


def test_lengths_give_ragged_sequences_back(ragged):
    model = recurrent().fit(ragged)
    lengths = [len(sequence) for sequence in ragged]
    rebuilt = model.inverse_transform(model.transform(ragged), lengths=lengths)
    for a, b in zip(rebuilt, model.reconstruct(ragged), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@each
def test_whitened_codes_are_uncorrelated_with_unit_variance(estimator, wine):
    model = clone(estimator).set_params(whiten=True, max_iter=5)
    code = model.fit_transform(wine)
    np.testing.assert_allclose(np.cov(code.T), np.eye(2), atol=0.02)
    np.testing.assert_allclose(code.mean(axis=0), 0, atol=0.02)


@each
def test_whitening_does_not_change_the_reconstruction(estimator, wine):
    plain = clone(estimator).fit(wine).reconstruct(wine)
    whitened = clone(estimator).set_params(whiten=True).fit(wine).reconstruct(wine)
    np.testing.assert_allclose(whitened, plain, rtol=1e-4, atol=1e-6)


def test_flat_rows_are_read_by_sample_shape(digits):
    model = recurrent(sample_shape=(-1, 3)).fit(flat(digits))
    expected = recurrent().fit(digits)
    np.testing.assert_array_equal(
        model.transform(flat(digits)), expected.transform(digits)
    )
    np.testing.assert_array_equal(
        model.reconstruct(flat(digits)), flat(expected.reconstruct(digits))
    )


def test_whitening_does_not_enlarge_the_rounding_errors_of_equal_codes():
    codes = np.full((60, 3), 0.3, dtype=np.float32)
    mean, factor, _ = Whitening.fit(codes)
    rounded = np.nextafter(codes[:1], 1, dtype=np.float32)
    assert np.abs((rounded - mean) @ factor).max() < 0.1


@each
@pytest.mark.parametrize("init", ["pca", "random"])
def test_binary_cross_entropy_stays_between_0_and_1(estimator, digits, init):
    X = flat(digits)
    model = clone(estimator).set_params(loss="binary_cross_entropy", init=init).fit(X)
    rebuilt = model.reconstruct(X)
    assert 0 <= rebuilt.min() and rebuilt.max() <= 1
    assert np.isfinite(model.score(X))
    with pytest.raises(ValueError, match="binary_cross_entropy"):
        clone(model).fit(X * 2)


# Score ----------------------------------------------------------------------------


@each
def test_score_is_r2_about_the_training_mean(estimator, wine):
    train, test = wine[:120], wine[120:]
    model = clone(estimator).fit(train)
    error = np.square(test - model.reconstruct(test)).sum()
    total = np.square(test - train.mean(axis=0)).sum()
    assert model.score(test) == pytest.approx(1 - error / total, abs=1e-5)


def test_score_of_ragged_sequences_counts_real_steps_only(ragged):
    model = recurrent().fit(ragged)
    doubled = [*ragged, *ragged]
    assert model.score(doubled) == pytest.approx(model.score(ragged))
    assert model.score(ragged) < 1


@each
def test_score_is_0_where_nothing_varies(estimator):
    X = np.full((20, 4), 7.3)
    assert clone(estimator).fit(X).score(X) == 0


@each
def test_y_is_ignored(estimator, wine):
    y = np.arange(len(wine)) % 3
    expected = clone(estimator).fit(wine)
    model = clone(estimator).fit(wine, y)
    np.testing.assert_array_equal(model.transform(wine), expected.transform(wine))
    assert model.score(wine, y) == expected.score(wine)


# Training -------------------------------------------------------------------------


@each
def test_curves_have_an_entry_for_each_epoch(estimator, wine):
    model = clone(estimator).set_params(max_iter=6)
    model.fit(wine)
    assert 1 <= model.n_iter_ <= 6
    assert 0 <= model.best_epoch_ <= model.n_iter_
    assert len(model.loss_curve_) == model.n_iter_
    assert model.n_components_ == 2
    model.set_params(early_stopping=False).fit(wine)
    assert model.n_iter_ == len(model.loss_curve_) == 6
    assert model.loss_curve_[-1] < model.loss_curve_[0]


@each
def test_warm_start_goes_on_where_the_last_fit_stopped(estimator, wine):
    options = {"init": "random", "early_stopping": False, "max_iter": 10}
    model = clone(estimator).set_params(**options, warm_start=True).fit(wine)
    first = model.loss_curve_
    second = model.fit(wine).loss_curve_
    assert second[0] < first[0]
    cold = clone(model).set_params(warm_start=False).fit(wine)
    assert cold.fit(wine).loss_curve_ == cold.fit(wine).loss_curve_ == first


class Count(Callback):
    """Count the epochs and keep what the users' callbacks can see."""

    epochs = 0

    def on_epoch_end(self, net, **kwargs):
        Count.epochs += 1
        assert "train_loss" in net.history[-1]


@each
def test_callbacks_of_skorch_are_called(estimator, wine):
    Count.epochs = 0  # of the class: each training has its own copy
    options = {"skorch_callbacks": [Count()], "early_stopping": False}
    model = clone(estimator).set_params(**options).fit(wine)
    assert Count.epochs == model.n_iter_


@each
def test_early_stopping_of_skorch_stops_the_training(estimator, wine):
    # It stops by a KeyboardInterrupt, which is nobody's Ctrl-C.
    stop = EarlyStopping("train_loss", patience=1, threshold=0.99, sink=lambda _: None)
    model = clone(estimator).set_params(
        skorch_callbacks=[stop], early_stopping=False, max_iter=40
    )
    model.fit(wine)
    assert model.n_iter_ < 40
    assert np.isfinite(model.transform(wine)).all()


@each
@pytest.mark.parametrize("verbose", [0, 1])
def test_verbose_prints(estimator, wine, capsys, verbose):
    clone(estimator).set_params(verbose=verbose).fit(wine)
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert bool(lines) == bool(verbose)
    name = type(estimator).__name__
    share = r"(R²|explained loss) -?\d\.\d{4}"
    before = None
    for number, line in enumerate(lines):
        label = "fold 1 of 2" if number == 0 else r"(fold \d of 2|refit)"
        training = re.match(rf"\[{name}\] {label}", line)[0]
        if training != before:  # it shows before the first epoch ends
            start = r": \d+ samples, \d+ batches in a pass$"
            assert re.match(start, line[len(training) :])
            before = training
            continue
        epoch = rf", epoch +\d+ of \d+: training {share}"
        assert re.match(epoch, line[len(training) :])
    assert not err


def test_the_guard_warns_of_a_model_worse_than_pca(wine):
    model = dense(init="random", learning_rate_init=1e-6)
    with pytest.warns(ConvergenceWarning, match="PCA|mean"):
        model.fit(wine)


@each
def test_other_random_states_give_other_models(estimator, wine):
    codes = [
        clone(estimator)
        .set_params(init="random", random_state=seed)
        .fit_transform(wine)
        for seed in (0, 1)
    ]
    assert not np.allclose(*codes)


def test_a_random_state_instance_is_drawn_from(wine):
    state = np.random.RandomState(0)
    model = dense(init="random", random_state=state)
    assert not np.allclose(model.fit_transform(wine), model.fit_transform(wine))
