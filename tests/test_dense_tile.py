"""Written-out passes of dense autoencoders for tiles: results and bits."""

import numpy as np
import pytest
import torch

from sklearn_seqae import DenseAutoencoderTransformer
from sklearn_seqae.modules.dense_step import PADDING, padded_rows
from sklearn_seqae.modules.dense_tile import (
    BLOCK,
    MOST_BLOCKS,
    N_TILES,
    TILE_VALUES,
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
from tests.test_dense_step import SQUARES, dense_autoencoder, randn

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


class Scaling:
    """Whitening of codes of three components."""

    mean = torch.tensor([0.5, -1.0, 2.0])
    inverse = torch.tril(randn(3, 3)).mT  # of fewer components: its first rows
    factor = torch.linalg.inv(inverse)


@pytest.mark.parametrize("is_whitened", [False, True])
@pytest.mark.parametrize(
    "options",
    [{}, {"is_ordered": True}, {"rank": 4}]  # random weights have no row space
    + [{"init": "random"}, {"init": "random", "is_ordered": True}],
    ids=str,
)
def test_passes_of_any_network_and_size_are_those_of_the_module(options, is_whitened):
    module = dense_autoencoder(hidden=(5, 4), **options)
    units = {"encoder_unit": torch.tensor([0.5, 2.0, 3.0])}
    units["decoder_unit"] = torch.tensor([4.0, 0.7, 1.3])
    units["code_scale"] = torch.tensor([0.1, 10.0, 2.0])
    module.set_units(**units)
    whitening = Scaling if is_whitened else None
    for n_rows in (BLOCK, 2 * BLOCK):
        x, codes = randn(n_rows, 6), randn(n_rows, 3, seed=1)
        for k in range(1, 4) if "is_ordered" in options else [3]:
            white = codes[:, :k]
            with torch.no_grad():
                expected = module.encode(x)[:, :k]
                code = white
                if is_whitened:
                    expected = (module.encode(x) - Scaling.mean) @ Scaling.factor
                    code = white @ Scaling.inverse[:k, :k] + Scaling.mean[:k]
                kept = torch.full((n_rows,), k)
                code = torch.nn.functional.pad(code, (0, 3 - k))
                output = module.decode(code, kept=kept)
                if not is_whitened or k == 3:
                    found = encoder_tile(module, k, whitening)(x)
                    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
                found = decoder_tile(module, k, whitening)(white)
                torch.testing.assert_close(found, output, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("is_logistic", [False, True])
@pytest.mark.parametrize("has_sigmoid", [False, True])
@pytest.mark.parametrize("as_logits", [False, True])
def test_a_pass_ends_with_a_sigmoid_if_the_output_is_a_probability(
    as_logits, has_sigmoid, is_logistic
):
    options = {"is_logistic": is_logistic, "has_sigmoid": has_sigmoid}
    module, code = dense_autoencoder(init="random", **options), randn(BLOCK, 3)
    output = module.decode(code).detach()
    if is_logistic and not as_logits and not has_sigmoid:
        output = output.sigmoid()
    with torch.no_grad():
        found = decoder_tile(module, 3, as_logits=as_logits)(code)
    torch.testing.assert_close(found, output, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n_features", [1, 255, 256, 257, 682, 683, 1500, 2730, 10**4])
def test_a_tile_has_as_many_blocks_as_its_values_allow(n_features):
    network = torch.nn.Module()
    network.low, network.layers = torch.zeros(n_features), torch.nn.Sequential()
    network.rotated_in = network.rotated_out = None
    found = [tile_rows(network)]
    network.low = torch.zeros(1)
    network.layers.append(torch.nn.Linear(1, n_features, device="meta"))
    found.append(tile_rows(network))
    network.layers = torch.nn.Sequential()
    network.rotated_in = n_features
    found.append(tile_rows(network))
    network.rotated_in, network.rotated_out = None, n_features
    found.append(tile_rows(network))
    blocks = [n for n in range(1, 9) if n * BLOCK * n_features <= TILE_VALUES]
    assert found == [BLOCK * max(blocks, default=1)] * 4


def test_few_samples_have_a_tile_of_one_block_in_narrow_networks():
    for n_hidden, fewest in [(WIDE_LAYER, BLOCK), (WIDE_LAYER + 1, 8 * BLOCK)]:
        tiles = encoder_tile(dense_autoencoder(hidden=(n_hidden,)), 3)
        assert tiles.n_rows == MOST_BLOCKS * BLOCK == 8 * BLOCK
        assert tiles.n_tiles == N_TILES
        rows = [tiles.rows_for(n) for n in (1, BLOCK, BLOCK + 1, 1000)]
        assert rows == [fewest, fewest, 8 * BLOCK, 8 * BLOCK]
    assert encoder_tile(dense_autoencoder(hidden=(2000,)), 3).n_tiles is None


def test_the_buffers_of_a_size_are_allocated_once():
    built = []

    def build(n_rows):
        built.append(n_rows)
        return lambda tile: tile + n_rows

    tiles = DenseTiles(build, 8)
    for n in (8, 4, 8, 4):
        assert torch.equal(tiles(torch.zeros(n)), torch.full((n,), float(n)))
    assert built == [8, 4]


PARTS = {
    "network": lambda module: module.decoder,
    "layers": lambda module: module.decoder.layers,
    "layer": lambda module: module.decoder.layers[0],
    "activation": lambda module: module.decoder.layers[1],
    "path": lambda module: module.linear_path,
    "layer of the path": lambda module: module.linear_path.decoder,
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("kind", ["forward_hook", "forward_pre_hook"])
def test_a_module_with_a_hook_has_no_pass(kind, part):
    module = dense_autoencoder()
    assert decoder_tile(module, 3) is not None
    getattr(PARTS[part](module), f"register_{kind}")(lambda *arguments: None)
    assert decoder_tile(module, 3) is None


def test_other_networks_have_no_pass():
    def change(layers):
        module = dense_autoencoder()
        module.decoder.layers = torch.nn.Sequential(*layers)
        return module

    first, function, last = dense_autoencoder().decoder.layers
    modules = {
        "as it was": change([first, function, last]),
        "dropout": change([first, torch.nn.Dropout(), last]),
        "no last layer": change([first, function]),
        "not linear": change([first, function, torch.nn.Identity()]),
        "another device": dense_autoencoder().to("meta"),
        "without a path": dense_autoencoder(),
        "with a path": dense_autoencoder(init="random"),
        "no network": dense_autoencoder(),
        "another path": dense_autoencoder(),
    }
    modules["with a path"].linear_path = modules["without a path"].linear_path
    modules["without a path"].linear_path = modules["no network"].decoder = None
    modules["another path"].linear_path = torch.nn.Identity()
    passes = {name: decoder_tile(module, 3) for name, module in modules.items()}
    assert passes.pop("as it was") is not None
    assert set(passes.values()) == {None}


# Training steps -----------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 5, 8, 16, 20, 100])
def test_a_last_batch_is_padded_to_the_next_multiple(batch_size):
    for n_rows in range(1, 130):
        n_last = n_rows % batch_size
        sizes = [n for n in range(n_last, n_last + PADDING) if n % PADDING == 0]
        found = padded_rows(n_rows, batch_size)
        assert found == n_rows - n_last + min(sizes[0], batch_size)


def test_networks_of_one_shape_are_stacked():
    def shape(**options):
        return SQUARES.step(dense_autoencoder(**options)).shape

    assert shape() == shape(hidden=(5,)) is not None
    others = [{"hidden": (4,)}, {"n_components": 2}, {"init": "random"}]
    others += [{"activation": "relu"}, {"hidden": ()}]
    assert len({shape(), *(shape(**each) for each in others)}) == 1 + len(others)
    assert shape(hidden=(1,)) is shape(n_components=1) is None


def test_other_outputs_use_autograd():
    assert SQUARES.step(dense_autoencoder(init="random")) is not None
    for options in ({"has_sigmoid": True}, {"forecaster": torch.nn.Identity()}):
        assert SQUARES.step(dense_autoencoder(init="random", **options)) is None
    module = dense_autoencoder()
    module.linear_path = None  # its networks are still clamped
    assert SQUARES.step(module) is None
