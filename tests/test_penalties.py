"""Penalties and ordered codes: each equals its formula, computed by NumPy."""

import numpy as np
import pytest
import torch
from scipy.special import rel_entr
from scipy.stats import laplace, norm

from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.bottleneck import (
    MAX_EXACT_COMPONENTS,
    PENALTIES,
    WARM_UP,
    NestedDropout,
    Variational,
    divergence,
    loss_per_nat,
    size_weights,
)
from sklearn_seqae.modules.dense import DenseNetwork
from sklearn_seqae.modules.linear_path import LinearPath
from sklearn_seqae.modules.objective import Objective


@pytest.mark.parametrize("unit", [0.3, 2.0])
@pytest.mark.parametrize(
    ("loss", "density", "of"),
    [
        ("squared_error", norm, np.square),
        ("huber", norm, lambda error: error**2 / 2),  # near zero
        ("absolute_error", laplace, np.abs),
    ],
)
def test_a_nat_is_the_loss_that_divides_the_likelihood_by_e(loss, density, of, unit):
    nats = density.logpdf(0.1, scale=unit) - density.logpdf(0.7, scale=unit)
    found = loss_per_nat(loss, torch.tensor(unit)).item()
    assert found * nats == pytest.approx(of(0.7) - of(0.1))
    assert loss_per_nat("binary_cross_entropy", torch.tensor(unit)) == 1


def encoder_of(n_components, n_features=6, **options):
    """Return an autoencoder whose encoder is a linear map, and the matrix."""
    network = DenseNetwork(
        sizes=(n_features, n_components * (1 + len(options))),
        activation="identity",
        zero_head=False,
        generator=torch.Generator().manual_seed(0),
    )
    module = Autoencoder(
        n_components=n_components,
        encoder=network,
        decoder=None,
        linear_path=None,
        **options,
    )
    module.set_units(decoder_unit=torch.full((n_components,), 0.4))
    return module, network.layers[0].weight.detach().double().numpy()


def penalty_of(kind, module, x, in_training=False, weight=0.3):
    bottleneck = PENALTIES[kind]("squared_error", weight, torch.Generator())
    with torch.no_grad():
        return bottleneck(module, x, None, in_training).penalty.double().numpy()


def test_penalties_are_means_over_components_in_nats_of_each_value():
    module, matrix = encoder_of(3)
    x = torch.randn(40, 6, generator=torch.Generator().manual_seed(1)) * 5
    code = module.encode(x).detach().double().numpy()
    code /= np.sqrt(np.square(code).mean(axis=0))
    nats = 0.3 * 2 * 0.4**2 * 6  # weight, loss of a nat, number of values
    expected = nats * np.abs(code).mean(axis=1)
    np.testing.assert_allclose(penalty_of("l1", module, x), expected, rtol=1e-4)

    active = (2 / (1 + np.exp(-np.abs(code))) - 1).mean(axis=0)
    each = rel_entr(0.05, active) + rel_entr(0.95, 1 - active)
    expected = np.full(40, nats * each.mean())
    np.testing.assert_allclose(penalty_of("kl", module, x), expected, rtol=1e-4)

    size = np.square(module.encode(x).detach().double().numpy()).mean(axis=0)
    expected = np.full(40, nats * (np.square(matrix).sum(axis=1) / size).mean())
    found = penalty_of("contractive", module, x)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_code_of_zeros_has_a_finite_penalty():
    module, _ = encoder_of(3)
    with torch.no_grad():
        module.encoder.layers[0].weight.zero_()
        module.encoder.layers[0].bias.zero_()
    for kind in PENALTIES:
        if kind != "variational":
            assert np.isfinite(penalty_of(kind, module, torch.ones(4, 6))).all()


def test_pca_alone_has_no_penalty():
    path = LinearPath(n_features=6, n_components=2)
    module = Autoencoder(n_components=2, encoder=None, decoder=None, linear_path=path)
    x = torch.ones(3, 6)
    for make in PENALTIES.values():
        encoded = make("squared_error", 1.0, torch.Generator())(module, x, None, False)
        assert encoded.penalty is None and encoded.mean is None
        torch.testing.assert_close(encoded.code, path.encode(x))


@pytest.mark.parametrize("is_twice", [True, False])
@pytest.mark.parametrize("more", [0, 1])
def test_the_jacobian_of_large_codes_is_estimated_without_bias(more, is_twice):
    n_components = MAX_EXACT_COMPONENTS + more
    module, matrix = encoder_of(n_components, 12)
    module.encoder.is_twice_differentiable = is_twice
    x = torch.randn(4000, 12, generator=torch.Generator().manual_seed(1))
    found = penalty_of("contractive", module, x, in_training=True)
    np.testing.assert_array_equal(
        penalty_of("contractive", module, x), penalty_of("contractive", module, x)
    )
    is_exact = not more and is_twice
    assert (np.ptp(found) < 1e-4 * found.mean()) == is_exact
    size = np.square(module.encode(x).detach().double().numpy()).mean(axis=0)
    exact = 0.3 * 2 * 0.4**2 * 12 * (np.square(matrix).sum(axis=1) / size).mean()
    assert found.mean() == pytest.approx(exact, rel=0.05)


def test_an_estimate_draws_new_directions_in_training():
    module, _ = encoder_of(MAX_EXACT_COMPONENTS + 1, 12)
    x = torch.ones(5, 12) + torch.arange(5.0)[:, None]
    bottleneck = PENALTIES["contractive"]("huber", 1.0, torch.Generator())
    one, two = (bottleneck(module, x, None, True).penalty for _ in range(2))
    assert (one != two).all()


# Ordered --------------------------------------------------------------------------


@pytest.mark.parametrize("oversamples_large", [False, True])
@pytest.mark.parametrize("width", [1, 2, 3, 6])
def test_half_of_the_sizes_are_large_if_they_are_oversampled(width, oversamples_large):
    n = 40_000
    generator = torch.Generator().manual_seed(0)
    nested = NestedDropout(torch.ones(width), generator, oversamples_large)
    kept = nested.draw(n).numpy()
    sizes = np.arange(1, width + 1)
    large = sizes > width // 2
    chances = [large / large.sum() if oversamples_large else 1 / width, 1 / width]
    for part, chance in zip((kept[::2], kept[1::2]), chances, strict=True):
        found = np.bincount(part, minlength=width + 1)[1:] / len(part)
        np.testing.assert_allclose(found, np.ones(width) * chance, atol=0.02)
    assert kept.min() == 1 and kept.max() == width


def test_a_row_of_an_ordered_code_has_the_weight_of_its_size():
    module, _ = encoder_of(3)
    weights, x = torch.tensor([0.5, 2.0, 7.0]), torch.ones(4, 6)
    nested = NestedDropout(weights, torch.Generator())
    drawn = torch.tensor([3, 1, 2, 3])
    encoded = nested(module, x, None, True, drawn)
    assert encoded.weights.tolist() == [7.0, 0.5, 2.0, 7.0]
    assert torch.equal(encoded.kept, drawn)
    assert nested(module, x, None, False).kept is None


def test_the_weights_of_sizes_make_the_losses_of_pca_equal():
    unit = torch.tensor([4.0, 2.0, 1.0, 0.5])
    weights = size_weights(unit)
    torch.testing.assert_close(weights * unit.square(), torch.full((4,), 0.25))
    assert size_weights(torch.tensor([1.0, 0.0])).isfinite().all()
    assert size_weights(torch.zeros(3)).tolist() == [1, 1, 1]


# Variational ----------------------------------------------------------------------


def test_the_weight_of_a_variational_code_rises_over_the_first_steps():
    module, _ = encoder_of(3, is_variational=True)
    module.set_units(log_variance=torch.tensor([-1.0, 0.0, 0.5]))
    x = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    variational = Variational("squared_error", 0.3, torch.Generator().manual_seed(0))
    with torch.no_grad():
        mean, log_variance = module.posterior(x)
        expected = 0.3 * 2 * 0.4**2 * divergence(mean, log_variance)
        validation = variational(module, x, None, False)
        torch.testing.assert_close(validation.penalty, expected)
        again = variational(module, x, None, False)
        assert torch.equal(again.code, validation.code)
        for n in range(1, WARM_UP + 3):
            drawn = variational.draw_for(module, x)
            encoded = variational(module, x, None, True, drawn)
            share = n / WARM_UP if n < WARM_UP else 1
            torch.testing.assert_close(encoded.penalty, share * expected)
        torch.testing.assert_close(
            (encoded.code - mean) / drawn, log_variance.exp().sqrt()
        )
        torch.testing.assert_close(encoded.mean, mean)
        Objective("squared_error", bottleneck=variational).resume(WARM_UP // 2)
        half = variational(module, x, None, True, drawn)
    torch.testing.assert_close(half.penalty, expected / 2)
