"""Bottlenecks and noise: each does what its name says, in every family."""

import pickle
from itertools import product

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.preprocessing import StandardScaler
from torch.distributions import Normal, kl_divergence

from sklearn_seqae import DenseAutoencoderTransformer
from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.batch import Batch
from sklearn_seqae.modules.bottleneck import (
    BOTTLENECKS,
    PENALTIES,
    Variational,
    divergence,
    squared_jacobian,
)
from sklearn_seqae.modules.dense import DenseNetwork
from sklearn_seqae.modules.noise import NOISES
from sklearn_seqae.modules.objective import Objective
from tests.instances import convolutional, dense, name, recurrent

FAMILIES = {"dense": dense, "recurrent": recurrent, "convolutional": convolutional}
COMBINATIONS = [
    family(2, bottleneck=bottleneck, noise=noise, max_iter=1, early_stopping=False)
    for family, bottleneck, noise in product(
        FAMILIES.values(), BOTTLENECKS, (None, *NOISES)
    )
]
each_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
each_penalty = pytest.mark.parametrize("bottleneck", PENALTIES)


@pytest.fixture(scope="module")
def halves():
    """Digits between 0 and 1, in two parts."""
    return train_test_split(load_digits().data / 16, random_state=0, test_size=0.4)


@pytest.fixture(scope="module")
def fitted(halves):
    """Give the model of a bottleneck and a weight, fitted once."""
    models = {}

    def give(bottleneck="plain", weight=1.0):
        if (bottleneck, weight) not in models:
            model = DenseAutoencoderTransformer(
                4,
                bottleneck=bottleneck,
                bottleneck_weight=weight,
                hidden_layer_sizes=(128,),
                max_iter=25,
                early_stopping=False,
                random_state=0,
            )
            models[bottleneck, weight] = model.fit(halves[0])
        return models[bottleneck, weight]

    return give


def scaled_code(model, X):
    code = model.transform(X)
    return code / np.sqrt(np.square(code).mean(axis=0))


def near_zero(model, X):
    return (np.abs(scaled_code(model, X)) < 0.1).mean()


def tensor_of(model, X):
    return torch.from_numpy(model.model_.scaling.apply(X, None))


def jacobian_norm(model, X):
    """Mean norm of the Jacobian of the code divided by its root mean square."""
    squares = squared_jacobian(model.module_, tensor_of(model, X)).detach().numpy()
    size = np.square(model.transform(X)).mean(axis=0)
    return np.sqrt((squares / size).sum(axis=1)).mean()


# Every combination ----------------------------------------------------------------


@pytest.mark.parametrize("estimator", COMBINATIONS, ids=name)
def test_every_combination_fits_pickles_and_clones(estimator, wine):
    model = clone(estimator).fit(wine)
    codes = model.transform(wine)
    assert codes.shape == (len(wine), 2) and np.isfinite(codes).all()
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.transform(wine), codes)
    np.testing.assert_array_equal(loaded.reconstruct(wine), model.reconstruct(wine))
    again = clone(model).fit(wine)
    np.testing.assert_array_equal(again.transform(wine), codes)


def test_one_grid_searches_bottleneck_and_noise(wine):
    grid = {"bottleneck": ["plain", "variational"], "noise": [None, "masking"]}
    search = GridSearchCV(dense(max_iter=1), grid, cv=2).fit(wine)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_params_.keys() == grid.keys()


@each_family
@pytest.mark.filterwarnings("ignore:.*no better than their mean")
@pytest.mark.parametrize("bottleneck", BOTTLENECKS)
@pytest.mark.parametrize(
    "init", ["pca", pytest.param("random", marks=pytest.mark.slow)]
)
def test_a_code_may_be_larger_than_the_data(family, bottleneck, init, wine):
    X = wine[:60, :4]
    model = family(6, bottleneck=bottleneck, init=init, max_iter=2).fit(X)
    assert model.transform(X).shape == (60, 6)
    assert np.isfinite(model.reconstruct(X)).all()


@each_penalty
def test_a_fraction_of_components_needs_them_in_order(bottleneck, wine):
    with pytest.raises(ValueError, match="'n_components' .* must be an int. Got 0.5"):
        dense(0.5, bottleneck=bottleneck).fit(wine)


@each_penalty
def test_a_weight_of_zero_is_no_penalty(bottleneck, wine):
    model = dense(bottleneck=bottleneck, bottleneck_weight=0.0).fit(wine)
    np.testing.assert_allclose(
        model.validation_scores_[0], dense().fit(wine).validation_scores_[0], atol=0.1
    )
    assert model.held_out_r2_["model"] > 0


@each_penalty
def test_ragged_sequences_are_penalised(bottleneck, ragged):
    model = recurrent(bottleneck=bottleneck).fit(ragged)
    assert np.isfinite(model.validation_loss_curve_).all()


# Sparse and contractive -----------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("bottleneck", ["l1", "kl"])
def test_sparse_codes_are_near_zero_more_often_by_weight(fitted, halves, bottleneck):
    plain = near_zero(fitted(), halves[1])
    shares = [near_zero(fitted(bottleneck, w), halves[1]) for w in (0.3, 1.0, 3.0)]
    assert plain < shares[0] < shares[1] < shares[2]
    assert shares[1] >= 2 * plain


def test_an_overcomplete_code_becomes_sparse():
    X = StandardScaler().fit_transform(load_breast_cancer().data)
    model = DenseAutoencoderTransformer(
        40,
        bottleneck="l1",
        hidden_layer_sizes=(64,),
        max_iter=40,
        early_stopping=False,
        random_state=0,
    )
    assert near_zero(model.fit(X), X) > 0.16  # a Gaussian's share is 0.08
    assert model.score(X) > 0.98


def test_a_contractive_code_changes_half_as_much(fitted, halves):
    plain, contractive = fitted(), fitted("contractive")
    test = halves[1]
    assert jacobian_norm(contractive, test) <= 0.5 * jacobian_norm(plain, test)
    assert contractive.score(test) > plain.score(test) - 0.05


def test_the_estimate_contracts_large_codes_too(halves):
    train, test = halves
    plain, contractive = (
        DenseAutoencoderTransformer(
            12,
            bottleneck=bottleneck,
            bottleneck_weight=2.0,
            hidden_layer_sizes=(128,),
            max_iter=25,
            early_stopping=False,
            random_state=0,
        ).fit(train)
        for bottleneck in ("plain", "contractive")
    )
    assert jacobian_norm(contractive, test) <= 0.5 * jacobian_norm(plain, test)
    assert contractive.score(test) > plain.score(test) - 0.05


def test_the_squared_jacobian_is_torchs_own():
    generator = torch.Generator().manual_seed(0)
    encoder = DenseNetwork(
        sizes=(6, 8, 3), activation="silu", zero_head=False, generator=generator
    )
    module = Autoencoder(
        n_components=3, encoder=encoder, decoder=None, linear_path=None
    )
    x = torch.randn(4, 6, generator=generator)
    jacobian = torch.autograd.functional.jacobian(module.encode, x)  # (N, Z, N, D)
    expected = jacobian.square().sum((2, 3))
    torch.testing.assert_close(squared_jacobian(module, x), expected)


# Variational ----------------------------------------------------------------------


def test_the_divergence_is_the_closed_form():
    generator = torch.Generator().manual_seed(0)
    mean, log_variance = torch.randn(2, 50, 3, generator=generator, dtype=torch.double)
    posterior = Normal(mean, (log_variance / 2).exp())
    expected = kl_divergence(posterior, Normal(torch.zeros(3), torch.ones(3))).sum(1)
    torch.testing.assert_close(
        divergence(mean, log_variance), expected, atol=1e-6, rtol=1e-6
    )


def posterior_of_start(X, n_components, **options):
    """Return mean and variance of the codes at the start, in units of the prior."""
    options |= {"learning_rate_init": 1e-30, "max_iter": 1, "early_stopping": False}
    model = dense(n_components, bottleneck="variational", **options).fit(X)
    mean, log_variance = model.module_.posterior(tensor_of(model, X))
    return mean.detach().numpy(), log_variance.exp().detach().numpy()


@pytest.mark.parametrize("n_components", [1, 3])
def test_variational_codes_start_with_the_posterior_of_probabilistic_pca(
    n_components, wine
):
    """The noise variance is PCA's mean squared residual."""
    pca = PCA(n_components).fit(wine)
    codes = pca.transform(wine)
    noise = np.square(wine - pca.inverse_transform(codes)).mean()
    signal = codes.var(axis=0)
    mean, variance = posterior_of_start(wine, n_components)
    expected = np.tile(noise / signal, (len(wine), 1))
    np.testing.assert_allclose(variance, expected, rtol=1e-4)
    spread = np.sqrt(1 - noise / signal)  # law of total variance: with the prior's 1
    np.testing.assert_allclose(
        np.abs(mean), np.abs(codes) / codes.std(axis=0) * spread, atol=1e-3
    )


def test_the_curvature_of_binary_cross_entropy_is_that_of_a_probability(halves):
    images = (halves[0] > 0.5).astype(float)
    model = dense(
        4,
        bottleneck="plain",
        loss="binary_cross_entropy",
        learning_rate_init=1e-30,
        max_iter=1,
        early_stopping=False,
    ).fit(images)
    path = model.module_.linear_path
    code = path.encode(tensor_of(model, images)).detach().numpy()
    slopes = path.decoder.weight.detach().numpy()  # of the logits
    signal = code.var(axis=0) * np.square(slopes).sum(axis=0)
    _, variance = posterior_of_start(images, 4, loss="binary_cross_entropy")
    # Laplace's approximation: 1 / variance = 1 + p (1 - p) signal, prior and data.
    curvature = (1 / variance - 1) / signal
    p = np.array([0.05, 0.5])
    low, high = p * (1 - p)
    assert (low < curvature).all() and (curvature <= high).all()
    np.testing.assert_allclose(curvature, curvature[0, 0], rtol=1e-3)


@pytest.fixture(scope="module")
def variational():
    """A variational code of all digits."""
    model = DenseAutoencoderTransformer(
        8, bottleneck="variational", max_iter=40, random_state=0
    )
    return model.fit(load_digits().data / 16)


def test_samples_are_taken_for_digits_of_every_class(variational):
    X, y = load_digits(return_X_y=True)
    judge = LogisticRegression(max_iter=2000).fit(X / 16, y)
    judged = judge.predict_proba(variational.sample(500, random_state=0))
    assert judged.max(axis=1).mean() >= 0.6
    assert set(judged.argmax(axis=1)) == set(range(10))


def test_codes_drawn_over_the_data_are_like_the_prior(variational):
    x = tensor_of(variational, load_digits().data / 16)
    mean, log_variance = (a.detach() for a in variational.module_.posterior(x))
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(0))
    code = mean + (log_variance / 2).exp() * noise
    used = log_variance.mean(0) < -0.1
    assert used.any()
    assert (code.mean(0)[used].abs() < 0.1).all()
    assert ((code.var(0)[used] > 0.5) & (code.var(0)[used] < 1.5)).all()


def test_transform_gives_the_mean_of_the_code(variational):
    X = load_digits().data[:20] / 16
    mean, _ = variational.module_.posterior(tensor_of(variational, X))
    np.testing.assert_allclose(variational.transform(X), mean.detach(), atol=1e-5)


@each_family
@pytest.mark.parametrize("whiten", [False, True])
def test_samples_come_as_inverse_transform_gives_them(family, whiten, wine):
    model = family(bottleneck="variational", whiten=whiten).fit(wine)
    drawn = model.sample(5, random_state=0)
    assert drawn.shape == (5, 13)
    np.testing.assert_array_equal(model.sample(5, random_state=0), drawn)
    assert (model.sample(5, random_state=1) != drawn).any()
    assert model.sample().shape == (1, 13)


def test_samples_of_ragged_sequences_are_a_list(ragged):
    model = recurrent(bottleneck="variational").fit(ragged)
    assert [item.ndim for item in model.sample(3, random_state=0)] == [2, 2, 2]


@each_family
@pytest.mark.parametrize("bottleneck", ["plain", "ordered", "l1"])
def test_only_variational_codes_are_sampled(family, bottleneck):
    model = family(bottleneck=bottleneck)
    assert not hasattr(model, "sample")
    with pytest.raises(AttributeError, match="has no attribute 'sample'"):
        model.sample()


def test_importance_sampling_is_no_lower_than_the_bound(halves):
    images = (halves[0] > 0.5).astype(float)
    model = DenseAutoencoderTransformer(
        6,
        bottleneck="variational",
        loss="binary_cross_entropy",
        hidden_layer_sizes=(64,),
        max_iter=20,
        random_state=0,
    ).fit(images)
    x, n_draws = torch.from_numpy((halves[1] > 0.5).astype(np.float32)), 64
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        mean, log_variance = model.module_.posterior(x)
        posterior = Normal(mean, (log_variance / 2).exp())
        log_ratios = []
        for _ in range(n_draws):
            noise = torch.randn(mean.shape, generator=generator)
            code = posterior.mean + posterior.stddev * noise
            logits = model.module_.decode(code)
            log_likelihood = -torch.nn.functional.binary_cross_entropy_with_logits(
                logits, x, reduction="none"
            ).sum(1)
            log_prior = Normal(0.0, 1.0).log_prob(code).sum(1)
            log_posterior = posterior.log_prob(code).sum(1)
            log_ratios.append(log_likelihood + log_prior - log_posterior)
    ratios = torch.stack(log_ratios)
    bound = ratios.mean(0).mean()
    sampled = (ratios.logsumexp(0) - np.log(n_draws)).mean()
    assert bound < sampled < bound + 0.2 * bound.abs()
    objective = Objective(
        "binary_cross_entropy",
        bottleneck=Variational("binary_cross_entropy", 1.0, generator),
    )
    with torch.no_grad():
        measured = objective.rows(model.module_, Batch(x, None, None, x.numel()))
    torch.testing.assert_close(-measured.total.mean(), bound, rtol=0.02, atol=0)
