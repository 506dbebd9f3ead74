"""Convolutional and dense networks, their row space and their stacked weights."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.convolutional import (
    ConvolutionalDecoder,
    ConvolutionalEncoder,
    sizes_of,
)
from sklearn_seqae.modules.dense import DenseNetwork
from sklearn_seqae.modules.linear_path import LinearPath
from sklearn_seqae.modules.row_space import ROUNDING, row_space
from sklearn_seqae.modules.stacked_weights import ALIGNMENT, StackedWeights, release
from tests.test_autoencoder_module import N, Z, as_numpy, randn
from tests.test_modules import seeded

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
    kernels = [max(stage.kernel_size) for stage in (*encoder.stages, *decoder.stages)]
    assert kernels == [3] * len(filters) + [4] * len(filters)
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
