"""The module: linear path plus corrections in their units, for each kind of output."""

import math

import numpy as np
import pytest
import torch
from scipy.special import expit
from torch import nn

from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.batch import ShardSize
from sklearn_seqae.modules.linear_path import LinearPath, ResampledLinearPath
from tests.test_dense_step import randn
from tests.test_modules import LENGTHS, seeded

N, Z, D, T, C = 5, 3, 6, 7, 2


def as_numpy(tensor):
    return tensor.detach().double().numpy()


class Recorder(nn.Module):
    """Network that keeps its arguments and returns a given output."""

    def __init__(self, output, takes_residual=False, size=(1, 1.0), n_products=0):
        super().__init__()
        self.output, self.takes_residual = output, takes_residual
        self.min_shard, self.per_step = ShardSize(*size), n_products

    def n_products(self, n_steps):
        return self.per_step * n_steps

    def forward(self, *arguments, **options):
        self.arguments, self.options = arguments, options
        return self.output


def linear_path():
    path = LinearPath(n_features=D, n_components=Z)
    for seed, weight in enumerate(path.parameters()):
        weight.data = randn(*weight.shape, seed=seed)
    return path


def sequence_path():
    path = ResampledLinearPath(n_steps=T, n_channels=C, n_components=Z, n_ahead=4)
    for seed, weight in enumerate(path.parameters()):
        weight.data = randn(*weight.shape, seed=seed)
    return path


UNITS = {
    "encoder_unit": torch.tensor([0.5, 2.0, 3.0]),
    "decoder_unit": torch.tensor([4.0, 0.7, 1.3]),
    "forecaster_unit": torch.tensor([0.2, 5.0, 0.9]),
    "code_scale": torch.tensor([0.1, 10.0, 2.0]),
    "residual_scale": torch.tensor(0.25),
    "log_variance": torch.tensor([-1.0, 0.0, 9.5]),
}


def module_of(encoder, decoder, path, forecaster=None, **options):
    module = Autoencoder(
        n_components=Z,
        encoder=encoder,
        decoder=decoder,
        linear_path=path,
        forecaster=forecaster,
        **options,
    )
    module.set_units(**UNITS)
    return module


# Codes ----------------------------------------------------------------------------


@pytest.mark.parametrize("takes_residual", [False, True])
@pytest.mark.parametrize("has_steps", [False, True])
def test_a_code_is_that_of_the_path_plus_a_correction(has_steps, takes_residual):
    path = sequence_path() if has_steps else linear_path()
    x = randn(N, T, C) if has_steps else randn(N, D)
    encoder = Recorder(randn(N, Z, seed=9), takes_residual)
    code = module_of(encoder, None, path).encode(x)
    flat, (weight, bias) = as_numpy(x).reshape(N, -1), path.encoder.parameters()
    linear = flat @ as_numpy(weight).T + as_numpy(bias)
    expected = linear + as_numpy(UNITS["encoder_unit"]) * as_numpy(encoder.output)
    np.testing.assert_allclose(as_numpy(code), expected, rtol=1e-4, atol=1e-4)
    given, lengths, residual = encoder.arguments
    assert given is x and lengths is None
    if takes_residual:
        weight, bias = path.decoder.parameters()
        left = flat - linear @ as_numpy(weight).T - as_numpy(bias)
        residual = as_numpy(residual).reshape(N, -1)
        np.testing.assert_allclose(residual, left / 0.25, rtol=1e-3, atol=1e-3)
    else:
        assert residual is None
    if has_steps and takes_residual:  # of all steps, also of a longer sequence
        longer = randn(N, 11, C)
        module_of(encoder, None, path).encode(longer)
        left = longer - path.decode(path.encode(longer), None, 11)
        torch.testing.assert_close(encoder.arguments[2], left / 0.25)
    alone = module_of(encoder, None, None)
    assert torch.equal(alone.encode(x), encoder.output)
    of_path, log_variance = module_of(None, None, path).posterior(x)
    np.testing.assert_allclose(as_numpy(of_path), linear, rtol=1e-4, atol=1e-4)
    assert torch.equal(log_variance, UNITS["log_variance"])


def test_a_variational_code_has_a_log_variance_in_a_range():
    output = torch.cat([randn(N, Z), 40 * randn(N, Z, seed=1)], dim=1)
    module = module_of(Recorder(output), None, linear_path(), is_variational=True)
    x = randn(N, D)
    mean, log_variance = module.posterior(x)
    plain = module_of(Recorder(output[:, :Z]), None, module.linear_path)
    torch.testing.assert_close(mean, plain.encode(x))
    torch.testing.assert_close(module.encode(x), mean)
    expected = np.clip(as_numpy(output[:, Z:] + UNITS["log_variance"]), -20, 10)
    np.testing.assert_allclose(as_numpy(log_variance), expected, rtol=1e-5)
    assert {-20.0, 10.0} < set(log_variance.flatten().tolist())


# Outputs --------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [None, torch.tensor([1, 3, 2, 1, 3])])
@pytest.mark.parametrize("is_ordered", [False, True])
@pytest.mark.parametrize("has_path", [False, True])
@pytest.mark.parametrize("kind", ["table", "sequence", "forecast"])
def test_an_output_is_that_of_the_path_plus_a_correction(
    kind, has_path, is_ordered, kept
):
    has_steps = kind != "table"
    n_steps = {"table": None, "sequence": T, "forecast": 4}[kind]
    network = Recorder(randn(N, n_steps, C, seed=8) if has_steps else randn(N, D))
    path = (sequence_path() if has_steps else linear_path()) if has_path else None
    networks = (None, network) if kind == "forecast" else (network, None)
    module = module_of(None, networks[0], path, networks[1], is_ordered=is_ordered)
    code = randn(N, Z, seed=3)
    call = module.forecast if kind == "forecast" else module.decode
    output = call(code, None, n_steps, kept)
    sizes = [Z] * N if kept is None else kept.tolist()
    shown = np.array([[i < size for i in range(Z)] for size in sizes])
    cut = as_numpy(code) * shown
    expected = as_numpy(network.output)
    if has_path:
        layer = path.forecaster if kind == "forecast" else path.decoder
        name = "forecaster_unit" if kind == "forecast" else "decoder_unit"
        linear = cut @ as_numpy(layer.weight).T + as_numpy(layer.bias)
        linear = linear.reshape(expected.shape)
        units = as_numpy(UNITS[name])[[size - 1 for size in sizes]]
        expected = linear + (expected.T * units).T
        beside = as_numpy(network.arguments[3])
        np.testing.assert_allclose(beside, linear, rtol=1e-4, atol=1e-4)
    else:
        assert network.arguments[3] is None
    np.testing.assert_allclose(as_numpy(output), expected, rtol=1e-4, atol=1e-4)
    given = cut / as_numpy(UNITS["code_scale"])
    given = np.hstack([given, shown]) if is_ordered else given
    np.testing.assert_allclose(as_numpy(network.arguments[0]), given, rtol=1e-5)
    assert network.arguments[1:3] == (None, n_steps)


def test_an_output_with_a_sigmoid_is_a_probability():
    network = Recorder(3 * randn(N, D))
    module = module_of(Recorder(randn(N, Z)), network, None, has_sigmoid=True)
    expected = expit(as_numpy(network.output))
    np.testing.assert_allclose(as_numpy(module(randn(N, D))), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("has_path", "kind"),
    [(False, "plain"), (False, "logistic"), (False, "sigmoid")]
    + [(True, "plain"), (True, "logistic")],
)
def test_a_conditional_decoder_learns_from_the_true_correction(has_path, kind):
    network, path = (
        Recorder(torch.zeros(N, T, C)),
        sequence_path() if has_path else None,
    )
    options = {"is_logistic": kind == "logistic", "has_sigmoid": kind == "sigmoid"}
    module = module_of(None, network, path, **options)
    truth, code = torch.rand(N, T, C, generator=seeded()), randn(N, Z)
    free = torch.zeros(N, T, dtype=torch.bool)

    def teacher(kept=None):
        module.decode(code, None, T, kept, teacher=truth, free_running=free)
        assert network.options["free_running"] is free
        return network.options["teacher"]

    if not has_path:
        expected = truth if kind == "plain" else truth - 0.5  # a sigmoid of zero
        torch.testing.assert_close(teacher(), expected)
        return
    output = path.decode(code)
    if kind == "logistic":
        torch.testing.assert_close(teacher(), truth - output.sigmoid())
        return
    torch.testing.assert_close(output + 1.3 * teacher(), truth)
    # A unit of zero: the residual itself, since no correction reaches the target.
    module.set_units(decoder_unit=torch.tensor([0.0, 0.7, 1.3]))
    kept = torch.tensor([1, 2, 3, 1, 1])
    cut = code * (torch.arange(Z) < kept[:, None])
    unit = torch.tensor([1.0, 0.7, 1.3, 1.0, 1.0])[:, None, None]
    torch.testing.assert_close(path.decode(cut) + unit * teacher(kept), truth)


def test_without_a_decoder_the_module_forecasts():
    path, x = sequence_path(), randn(N, 11, C)  # longer than the path
    ahead, same = Recorder(randn(N, 4, C)), Recorder(randn(N, 11, C))
    encoder = Recorder(randn(N, Z))
    module = module_of(encoder, None, path, ahead, n_ahead=4)
    assert torch.equal(module(x), module.forecast(module.encode(x), None, 4))
    both = module_of(encoder, same, path, ahead, n_ahead=4)
    assert torch.equal(both(x), both.decode(both.encode(x), None, 11))
    alone = module_of(None, None, path)
    assert torch.equal(alone(x), path.decode(path.encode(x), None, 11))


def test_sizes_are_the_largest_and_products_the_sum_of_the_networks():
    networks = [
        Recorder(None, size=(3, 9.0), n_products=1),
        Recorder(None, size=(7, 2.0), n_products=10),
        Recorder(None, size=(5, 8.0), n_products=100),
    ]
    module = module_of(networks[0], networks[1], None, networks[2], n_ahead=4)
    assert module.min_shard == (7, 9.0)
    assert module.n_products(6) == 6 * 1 + 6 * 10 + 4 * 100
    module.n_ahead = None
    assert module.n_products(6) == 6 * 111
    module.decoder = None
    assert module.min_shard == (5, 9.0)
    assert module.n_products(6) == 6 * 101


# Linear path ----------------------------------------------------------------------


def test_a_new_path_is_pca_with_small_weights_of_the_other_components():
    d, k, z = 400, 2, 40
    path = LinearPath(n_features=d, n_components=z)
    components, loadings = randn(k, d), randn(k, d, seed=1)
    mean, intercept = randn(d, seed=2), randn(d, seed=3)
    path.initialize(
        components=components,
        loadings=loadings,
        mean=mean,
        intercept=intercept,
        generator=seeded(),
    )
    x = randn(N, d, seed=4)
    expected = as_numpy(x - mean) @ as_numpy(components).T
    np.testing.assert_allclose(
        as_numpy(path.encode(x))[:, :k], expected, rtol=1e-3, atol=1e-3
    )
    assert path.encode(mean[None]).abs().max() < 1e-4
    others = path.encoder.weight[k:]
    assert others.std().item() == pytest.approx(0.1 / math.sqrt(d), rel=0.05)
    code = randn(N, z)
    expected = as_numpy(code)[:, :k] @ as_numpy(loadings) + as_numpy(intercept)
    found = as_numpy(path.decode(code))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_rescaled_components_scale_codes_and_outputs():
    path, x, code = sequence_path(), randn(N, T, C), randn(N, Z)
    before = path.encode(x), path.decode(code), path.forecast(code)
    path.rescale(torch.tensor([2.0, 0.5, 3.0]), torch.tensor([5.0, 0.2, 1.0]))
    torch.testing.assert_close(path.encode(x), before[0] * torch.tensor([2.0, 0.5, 3]))
    scaled = code / torch.tensor([5.0, 0.2, 1.0])
    torch.testing.assert_close(path.decode(scaled), before[1])
    torch.testing.assert_close(path.forecast(scaled), before[2])


def test_a_path_decodes_its_own_number_of_steps_by_default():
    path, code = sequence_path(), randn(N, Z)
    assert path.decode(code).shape == (N, T, C)
    assert path.forecast(code).shape == (N, 4, C)
    torch.testing.assert_close(path.decode(code, None, T), path.decode(code))
    longer = path.decode(code, LENGTHS, 11)
    for row, n in enumerate(LENGTHS.tolist()):
        torch.testing.assert_close(longer[row, :n], path.decode(code, None, n)[row])
