"""Denoising: samples corrupted in training, and real pairs of noisy and clean ones."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import DenseAutoencoderTransformer
from sklearn_seqae.modules.noise import NOISES, Noise
from tests.instances import convolutional, dense, recurrent

FAMILIES = {"dense": dense, "recurrent": recurrent, "convolutional": convolutional}
each_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


# Noise ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NOISES)
def test_noise_leaves_padding_and_has_its_level(kind):
    x = torch.ones(200, 30, 2)
    mask = torch.arange(30) < torch.full((200, 1), 20)
    noisy = Noise(kind, 0.3, torch.Generator().manual_seed(0))(x, mask, True)
    assert (noisy[:, 20:] == 1).all()
    real = noisy[:, :20]
    level = (real == 0).float().mean() if kind == "masking" else real.std()
    assert level.item() == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize("kind", NOISES)
def test_noise_is_new_in_training_and_the_same_when_measured(kind):
    noise = Noise(kind, 0.3, torch.Generator().manual_seed(0))
    x = torch.ones(20, 30)
    assert (noise(x, in_training=True) != noise(x, in_training=True)).any()
    assert (noise(x) == noise(x)).all()


def test_denoising_comes_nearer_to_clean_digits_than_plain_and_pca():
    X = StandardScaler().fit_transform(load_digits().data)
    train, test = train_test_split(X, random_state=0, test_size=0.3)
    noisy = test + 0.5 * np.random.RandomState(1).normal(size=test.shape)
    options = {"max_iter": 30, "early_stopping": False, "random_state": 0}
    denoising = {"noise": "gaussian", "noise_level": 0.5}

    def error(model):
        codes = model.fit(train).transform(noisy)
        return np.square(model.inverse_transform(codes) - test).mean()

    denoised = error(DenseAutoencoderTransformer(32, **options, **denoising))
    plain = DenseAutoencoderTransformer(32, refinement_steps=0, **options)
    assert denoised <= 0.7 * error(plain)
    assert denoised < error(DenseAutoencoderTransformer(32, **options))
    assert denoised <= 0.7 * error(PCA(32))


def test_more_than_all_values_cannot_be_masked(wine):
    with pytest.raises(ValueError, match="'noise_level' .* range \\[0, 1\\]. Got 1.5"):
        dense(noise="masking", noise_level=1.5).fit(wine)


# Pairs ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pairs(wine):
    """Noisy and clean rows."""
    return wine + 0.5 * np.random.RandomState(0).normal(size=wine.shape), wine


@each_family
def test_pairs_teach_to_give_back_the_target(family, pairs):
    noisy, clean = pairs
    taught = family(4, max_iter=5).fit(noisy, target=clean)
    plain = family(4, max_iter=5).fit(noisy)
    assert taught.score(noisy, target=clean) > plain.score(noisy, target=clean)


@each_family
def test_score_of_pairs_is_r2_about_the_mean_of_the_target(family, pairs):
    noisy, clean = pairs[0], pairs[1] + 3
    model = family().fit(noisy, target=clean)
    error = np.square(clean - model.reconstruct(noisy)).sum()
    total = np.square(clean - clean.mean(axis=0)).sum()
    score = model.score(noisy, target=clean)
    assert score == pytest.approx(1 - error / total, 1e-4)
    assert pickle.loads(pickle.dumps(model)).score(noisy, target=clean) == score


def test_the_mean_of_the_target_is_weighted(pairs):
    noisy, clean = pairs
    weight = np.where(clean[:, 0] > 0, 5, 1)
    model = dense(max_iter=1).fit(noisy, target=clean, sample_weight=weight)
    error = np.square(clean - model.reconstruct(noisy)).sum()
    total = np.square(clean - np.average(clean, axis=0, weights=weight)).sum()
    score = model.score(noisy, target=clean)
    assert score == pytest.approx(1 - error / total, 1e-4)


def test_the_start_of_pairs_is_the_best_linear_map_of_the_code(pairs):
    noisy, clean = pairs
    still = {"learning_rate_init": 1e-30, "max_iter": 1, "early_stopping": False}
    code = PCA(3).fit_transform(noisy)
    best = LinearRegression().fit(code, clean).predict(code)
    for family in (dense, recurrent, convolutional):
        model = family(3, **still).fit(noisy, target=clean)
        np.testing.assert_allclose(model.reconstruct(noisy), best, atol=1e-4)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_ragged_pairs_are_learned(ragged, shift):
    target = [sequence + shift for sequence in ragged]
    model = recurrent().fit(ragged, target=target)
    assert model.score(ragged, target=target) > 0
    rebuilt = np.concatenate(model.reconstruct(ragged))
    assert rebuilt.mean() == pytest.approx(np.concatenate(target).mean(), abs=0.2)


@each_family
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda clean: clean[:, :5], "target must have the shape of X"),
        (lambda clean: clean[:50], "target must have the shape of X"),
        (
            lambda clean: np.full_like(clean, np.nan),
            "target must have the format of X.* contains NaN",
        ),
        (
            lambda clean: np.full(clean.shape, "a"),
            "target must have the format of X.* the text 'a'",
        ),
    ],
)
def test_a_bad_target_is_named(family, pairs, spoil, message):
    with pytest.raises(ValueError, match=message):
        family().fit(pairs[0], target=spoil(pairs[1]))
    model = family().fit(*pairs)
    with pytest.raises(ValueError, match=message):
        model.score(pairs[0], target=spoil(pairs[1]))


@pytest.mark.parametrize("objective", ["predict", "composite"])
def test_a_forecast_has_no_target(objective, digits):
    with pytest.raises(ValueError, match="Leave out target"):
        recurrent(objective=objective).fit(digits, target=digits)


@each_family
def test_a_pipeline_routes_and_scales_the_target(family, pairs):
    noisy, clean = pairs[0] * 10 + 3, pairs[1] * 10 + 3
    with config_context(enable_metadata_routing=True):
        model = family(3).set_fit_request(target=True).set_score_request(target=True)
        pipeline = make_pipeline(StandardScaler(), model, transform_input=["target"])
        pipeline.fit(noisy, target=clean)
        scaler = StandardScaler().fit(noisy)
        by_hand = clone(model).fit(
            scaler.transform(noisy), target=scaler.transform(clean)
        )
        np.testing.assert_allclose(
            pipeline.transform(noisy), by_hand.transform(scaler.transform(noisy))
        )
        search = GridSearchCV(family(), {"n_components": [1, 2]}, cv=2)
        search.estimator.set_fit_request(target=True).set_score_request(target=True)
        search.fit(noisy, target=clean)
        assert np.isfinite(search.best_score_)


def test_columns_of_a_target_must_have_the_order_of_x(wine):
    frame = pd.DataFrame(wine[:, :4], columns=list("abcd"))
    model = dense()
    with pytest.raises(ValueError, match="feature names of target"):
        model.fit(frame, target=frame[list("dcba")])
    model.fit(frame, target=frame)
    with pytest.raises(ValueError, match="feature names of target"):
        model.score(frame, target=frame[list("dcba")])
