"""Written-out passes of dense autoencoders for tiles: results and bits."""

import numpy as np
import pytest
import torch

from sklearn_seqae import DenseAutoencoderTransformer
from sklearn_seqae.modules.dense_tile import (
    BLOCK,
    MOST_BLOCKS,
    N_TILES,
    DenseTile,
    DenseTiles,
    decoder_tile,
    encoder_tile,
    tile_rows,
)
from sklearn_seqae.modules.dense_tile import (
    WIDE as WIDE_LAYER,
)
from sklearn_seqae.modules.layers import ACTIVATIONS, linear

RNG = np.random.RandomState(0)
X = RNG.normal(size=(60, 5)) @ RNG.normal(size=(5, 9)) + 3
WIDE = RNG.normal(size=(30, 40)).cumsum(axis=1)
UNIT = 1 / (1 + np.exp(-X))

CASES = {
    **{name: (X, {"activation": name}) for name in ACTIVATIONS},
    "random": (X, {"init": "random"}),
    "two layers": (X, {"hidden_layer_sizes": (12, 7)}),
    "no hidden layer": (X, {"hidden_layer_sizes": ()}),
    "ordered": (X, {"bottleneck": "ordered"}),
    "fraction": (X, {"n_components": 0.6}),
    "whitened": (X, {"whiten": True}),
    "ordered and whitened": (X, {"bottleneck": "ordered", "whiten": True}),
    "variational": (X, {"bottleneck": "variational"}),
    "probabilities": (UNIT, {"loss": "binary_cross_entropy"}),
    "wide": (WIDE, {}),
    "wide and ordered": (WIDE, {"bottleneck": "ordered"}),
    "wide and random": (WIDE, {"init": "random"}),
}


def fitted(case):
    data, options = CASES[case]
    options = {"n_components": 3, "max_iter": 3, "early_stopping": False} | options
    if isinstance(options["n_components"], float):
        options["early_stopping"] = True
    options = {"refinement_steps": 0, "random_state": 0, **options}
    model = DenseAutoencoderTransformer(**options).fit(data)
    with torch.no_grad():  # corrections that are not small
        for network in (model.module_.encoder, model.module_.decoder):
            network.layers[-1].weight += 0.1
    return model, data


def codes_of_all_sizes(model, data):
    codes = model.transform(data)
    first = 1 if model.model_.spec.is_ordered else codes.shape[1]
    return [codes[:, :k] for k in range(first, codes.shape[1] + 1)]


def results(model, data):
    codes = codes_of_all_sizes(model, data)
    return [codes[-1], *(model.inverse_transform(each) for each in codes)]


@pytest.mark.parametrize("case", CASES)
def test_tiles_compute_what_the_modules_compute(case):
    model, data = fitted(case)
    for network in (encoder_tile, decoder_tile):
        size = model.n_components_
        assert isinstance(network(model.module_, size), DenseTiles)
    expected = results(model, data)

    called = []
    hooks = [
        part.layers[-1].register_forward_hook(lambda *_: called.append(1))
        for part in (model.module_.encoder, model.module_.decoder)
    ]
    for given, wanted in zip(results(model, data), expected, strict=True):
        np.testing.assert_allclose(given, wanted, rtol=1e-4, atol=1e-5)
    assert len(called) >= len(expected)  # modules with a hook are called
    for hook in hooks:
        hook.remove()
    for given, wanted in zip(results(model, data), expected, strict=True):
        np.testing.assert_array_equal(given, wanted)


@pytest.mark.parametrize("case", CASES)
def test_a_row_has_the_same_bits_alone_and_among_others(case):
    model, data = fitted(case)
    n_at_once = N_TILES * encoder_tile(model.module_, 1).n_rows
    order = RNG.permutation(np.arange(n_at_once + 500) % len(data))
    for alone, among in zip(
        results(model, data), results(model, data[order]), strict=True
    ):
        np.testing.assert_array_equal(alone[order], among)
    codes = codes_of_all_sizes(model, data)[-1]
    np.testing.assert_array_equal(model.transform(data[3:4]), codes[3:4])
    np.testing.assert_array_equal(
        model.inverse_transform(codes[3:4]), model.inverse_transform(codes)[3:4]
    )


@pytest.mark.parametrize("n_blocks", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("n_in", [1, 2, 4, 5, 8, 13, 16, 30, 131, 784])
def test_equal_columns_of_a_tile_have_equal_products(n_in, n_blocks):
    generator = torch.Generator().manual_seed(0)
    for n_out in [1, 2, 5, 8, 16, 64, 96, 100, 256]:
        layer = linear(n_in, n_out, generator=generator)
        tile = DenseTile(n_blocks * BLOCK, layer.weight)
        tile.input = tile.buffer(n_in)
        with torch.no_grad():
            start = tile.linear(layer, tile.input)
            tile.output = tile.append(
                torch.addmm, start, layer.weight, tile.input, out=start
            )
            row = torch.randn(1, n_in, generator=generator)
            output = tile(row.expand(tile.n_rows, -1))
            assert (output == output[:1]).all()
            column, bias = row.T.contiguous(), layer.bias[:, None]
            products = [
                torch.addmm(bias, layer.weight, column.repeat(1, n))
                for n in (tile.n_rows, N_TILES * tile.n_rows)
            ]
            for product in products[: 2 if n_blocks == MOST_BLOCKS else 1]:
                assert (product == products[0][:, :1]).all()
            if n_in <= WIDE_LAYER:
                block = torch.addmm(bias, layer.weight, column.repeat(1, BLOCK))
                assert (block == products[0][:, :1]).all()
            expected = 2 * layer(row) - layer.bias
            torch.testing.assert_close(output[:1], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("n_features", "n_rows"), [(9, 384), (1000, 240), (5000, 48), (100_000, 48)]
)
def test_tiles_of_wide_networks_are_smaller(n_features, n_rows):
    data = np.broadcast_to(RNG.normal(size=(2, n_features)), (2, n_features))
    model = DenseAutoencoderTransformer(
        1, hidden_layer_sizes=(4,), max_iter=1, early_stopping=False, random_state=0
    ).fit(data)
    assert tile_rows(model.module_.encoder) == tile_rows(model.module_.decoder)
    assert tile_rows(model.module_.encoder) == n_rows


def test_tiles_do_not_depend_on_the_settings_of_torch():
    model, data = fitted("silu")
    expected = results(model, data)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"), torch.autocast("cpu"), torch.inference_mode():
            given = results(model, data)
    finally:
        torch.set_default_dtype(torch.float32)
    for one, other in zip(given, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_changed_weights_change_the_codes():
    model, data = fitted("silu")
    before = model.transform(data)
    with torch.no_grad():
        model.module_.encoder.layers[0].bias += 1
    assert not np.allclose(model.transform(data), before)
    model.module_.encoder.layers[0] = linear(9, 256, generator=torch.Generator())
    assert model.transform(data).shape == before.shape
