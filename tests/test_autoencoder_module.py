"""The module: linear path plus corrections in their units, for each kind of output."""

import math

import numpy as np
import pytest
import torch
from scipy.special import expit
from torch import nn
from torch.nn import functional

from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.batch import ShardSize
from sklearn_seqae.modules.convolutional import (
    ConvolutionalDecoder,
    ConvolutionalEncoder,
    sizes_of,
)
from sklearn_seqae.modules.dense import DenseNetwork
from sklearn_seqae.modules.linear_path import LinearPath, ResampledLinearPath
from sklearn_seqae.modules.row_space import ROUNDING, row_space
from sklearn_seqae.modules.stacked_weights import ALIGNMENT, StackedWeights, release
from tests.test_modules import LENGTHS, seeded

N, Z, D, T, C = 5, 3, 6, 7, 2


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


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
    path, x = sequence_path(), randn(N, T, C)
    ahead, same = Recorder(randn(N, 4, C)), Recorder(randn(N, T, C))
    encoder = Recorder(randn(N, Z))
    module = module_of(encoder, None, path, ahead, n_ahead=4)
    assert torch.equal(module(x), module.forecast(module.encode(x), None, 4))
    both = module_of(encoder, same, path, ahead, n_ahead=4)
    assert torch.equal(both(x), both.decode(both.encode(x), None, T))
    alone = module_of(None, None, path)
    assert torch.equal(alone(x), path.decode(path.encode(x)))


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


# Convolutional networks -----------------------------------------------------------


@pytest.mark.parametrize("beside_pca", [False, True])
@pytest.mark.parametrize("filters", [(), (4,), (4, 6)])
@pytest.mark.parametrize("size", [(12, 10), (7, 1), (5, 3)])
def test_convolutional_networks_are_chains_of_functions(size, filters, beside_pca):
    options = {
        "shape": (*size, 2),
        "filters": filters,
        "n_components": Z,
        "activation": "tanh",
        "kernel_size": 3,
        "beside_pca": beside_pca,
        "generator": seeded(),
    }
    encoder, decoder = ConvolutionalEncoder(**options), ConvolutionalDecoder(**options)
    heads = [encoder.head, decoder.stages[-1] if filters else decoder.head]
    for network, head in zip((encoder, decoder), heads, strict=True):
        assert bool(head.weight.any()) != beside_pca
        for seed, weight in enumerate(network.parameters()):
            weight.data = 0.3 * randn(*weight.shape, seed=seed)
    images, beside = randn(N, *size, 2), randn(N, *size, 2, seed=1)
    x = images.permute(0, 3, 1, 2)
    if beside_pca:
        x = torch.cat([x, beside.permute(0, 3, 1, 2)], 1)
    assert encoder.takes_residual == beside_pca
    for stage in encoder.stages:
        padding = [(k - 1) // 2 for k in stage.weight.shape[2:]]
        strides = [2 if n > 1 else 1 for n in x.shape[2:]]
        x = functional.conv2d(x, stage.weight, stage.bias, strides, padding).tanh()
    expected = encoder.head(x.permute(0, 2, 3, 1).reshape(N, -1))
    rows = beside.reshape(N, -1) if beside_pca else None
    found = encoder(images.reshape(N, -1), None, rows)
    torch.testing.assert_close(found, expected)

    sizes = sizes_of(size, len(filters))
    assert sizes == [tuple(-(-n // 2**i) for n in size) for i in range(len(sizes))]
    code = randn(N, Z, seed=2)
    x = decoder.head(code).reshape(N, *sizes[-1], -1).permute(0, 3, 1, 2)
    for i, stage in zip(range(len(filters))[::-1], decoder.stages, strict=True):
        if i == 0 and beside_pca:
            x = x + decoder.skip(beside.permute(0, 3, 1, 2))
        padding = [(k - 1) // 2 for k in stage.weight.shape[2:]]
        strides = [2 if n > 1 else 1 for n in sizes[i]]
        x = functional.conv_transpose2d(
            x.tanh(), stage.weight, stage.bias, strides, padding
        )[:, :, : sizes[i][0], : sizes[i][1]]
    found = decoder(code, None, None, rows)
    torch.testing.assert_close(found, x.permute(0, 2, 3, 1).reshape(N, -1))
    assert (decoder.skip is not None) == (beside_pca and bool(filters))


# Dense networks -------------------------------------------------------------------


@pytest.mark.parametrize("rotated", [None, "in", "out"])
@pytest.mark.parametrize("zero_head", [False, True])
def test_a_dense_network_is_a_chain_of_clamped_layers(zero_head, rotated):
    network = DenseNetwork(
        sizes=(4, 8, 5, 3),
        activation="tanh",
        zero_head=zero_head,
        generator=seeded(),
        rotated_in=9 if rotated == "in" else None,
        rotated_out=9 if rotated == "out" else None,
    )
    x = randn(N, 9 if rotated == "in" else 4)
    assert bool(network.layers[-1].weight.any()) != zero_head
    weights = list(network.parameters())
    assert [tuple(w.shape) for w in weights if w.ndim == 2] == [(8, 4), (5, 8), (3, 5)]
    assert network.n_products() == sum(weight.numel() for weight in weights)
    for seed, weight in enumerate(weights):
        weight.data = randn(*weight.shape, seed=seed)
    if rotated:
        network.basis.copy_(randn(*network.basis.shape, seed=5))
    inside = x @ network.basis.T if rotated == "in" else x
    network.set_range(x[:2])
    low, high = inside[:2].amin(0), inside[:2].amax(0)
    torch.testing.assert_close(
        torch.stack([network.low, network.high]), torch.stack([low, high])
    )
    network.widen_range(x[2:3])
    low, high = inside[:3].amin(0), inside[:3].amax(0)
    torch.testing.assert_close(
        torch.stack([network.low, network.high]), torch.stack([low, high])
    )
    values = as_numpy(inside.clip(low, high) if zero_head else inside)
    layers = [layer for layer in network.layers if isinstance(layer, nn.Linear)]
    for layer in layers:
        values = values @ as_numpy(layer.weight).T
        if layer.bias is not None:
            values += as_numpy(layer.bias)
        values = values if layer is layers[-1] else np.tanh(values)
    if rotated == "out":
        values = values @ as_numpy(network.basis)
    np.testing.assert_allclose(as_numpy(network(x)), values, rtol=1e-3, atol=1e-3)


def test_a_range_of_some_inputs_leaves_the_others_unlimited():
    network = DenseNetwork(
        sizes=(4, 2), activation="relu", zero_head=True, generator=seeded()
    )
    network.set_range(randn(N, 3))
    network.widen_range(randn(N, 3))
    assert network.low[3] == -math.inf and network.high[3] == math.inf


# Row space ------------------------------------------------------------------------


@pytest.mark.parametrize("rotated", [True, False])
@pytest.mark.parametrize("what", ["weight", "bias"])
@pytest.mark.parametrize("share", [0.0, 0.5, 2.0])
def test_outputs_outside_the_row_space_are_found(share, what, rotated):
    basis = torch.linalg.qr(randn(9, 9))[0].T
    decoder = DenseNetwork(
        sizes=(Z, 4),
        activation="relu",
        zero_head=True,
        generator=seeded(),
        rotated_out=9 if rotated else None,
    )
    path = LinearPath(n_features=9, n_components=Z)
    path.decoder.weight.data = basis[:4].T @ randn(4, Z)
    path.decoder.bias.data = basis[:4].T @ randn(4, seed=1)
    module = Autoencoder(
        n_components=Z, encoder=None, decoder=decoder, linear_path=path
    )
    module.set_units(code_spread=torch.tensor([0.1, 10.0, 1.0]))
    outside = share * ROUNDING * basis[5] / basis[5].abs().max()
    with torch.no_grad():
        if what == "bias":
            path.decoder.bias += outside
        else:
            path.decoder.weight[:, 1] += outside / 10  # of a code with spread 10
    if rotated:
        decoder.basis.copy_(basis[:4])
        is_inside = share < 1
        assert (row_space(module) is decoder.basis) == is_inside
        assert is_inside or row_space(module) is None
    else:
        assert row_space(module) is None
    module.linear_path = None
    assert row_space(module) is None


# Stacked weights ------------------------------------------------------------------


def test_stacked_weights_are_shared_and_aligned():
    shapes = [(3, 5), (16,), (17,), (1,)]
    networks = [
        [nn.Parameter(randn(*shape, seed=10 * k + i)) for i, shape in enumerate(shapes)]
        for k in range(3)
    ]
    before = [[weight.detach().clone() for weight in each] for each in networks]
    stack = StackedWeights(networks)
    assert [place.start for place in stack.places] == [0, 16, 32, 64]
    assert [place.stop - place.start for place in stack.places] == [15, 16, 17, 1]
    assert stack.values.shape == (3, 80) and 80 % ALIGNMENT == 0
    for k, weights in enumerate(networks):
        assert stack.has(k)
        for weight, old, place in zip(weights, before[k], stack.places, strict=True):
            assert torch.equal(weight, old) and not weight.grad.any()
            stack.values[k, place] += 1
            stack.gradients[k, place] = k
            assert torch.equal(weight, old + 1) and (weight.grad == k).all()
    assert torch.count_nonzero(stack.values[:, 15]) == 0
    stack.take([2, 0])
    assert stack.networks == [networks[2], networks[0]]
    assert stack.has(0) and stack.has(1)
    stack.values[0] = 7
    assert all((weight == 7).all() for weight in networks[2])
    torch.testing.assert_close(networks[0][0].detach(), before[0][0] + 1)
    assert (networks[2][0].grad == 2).all()
    release(networks[2])
    assert not stack.has(0) and stack.has(1)
    assert all(weight.grad is None for weight in networks[2])
    stack.values[0] = 8
    assert all((weight == 7).all() for weight in networks[2])
