"""Recurrent networks: outputs of a row equal those of the plain layers of torch."""

import math

import numpy as np
import pytest
import torch
from numpy.polynomial import chebyshev
from torch import nn

from sklearn_seqae.modules.layers import (
    CELLS,
    convolution,
    empty,
    linear,
    recurrent,
    without_initial_weights,
    zero_linear,
)
from sklearn_seqae.modules.recurrent import (
    MAX_PATCHES,
    TIME_FEATURES,
    RecurrentDecoder,
    RecurrentEncoder,
    recurrent_networks,
)
from sklearn_seqae.modules.stacks import step_mask, time_features
from tests.test_modules import LENGTHS, seeded

SHAPES = [(True, True, 3), (True, False, 1), (False, True, 1), (False, False, 1)]
each_shape = pytest.mark.parametrize(
    ("beside_pca", "bidirectional", "patch_size"), SHAPES
)


def network(kind, beside_pca, bidirectional, patch_size, cell="gru", **options):
    """Return a network whose weights are all random."""
    module = kind(
        n_channels=2,
        n_components=3,
        hidden_layer_sizes=(4, 5),
        cell=cell,
        bidirectional=bidirectional,
        beside_pca=beside_pca,
        patch_size=patch_size,
        generator=seeded(),
        **options,
    )
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(torch.randn(weight.shape, generator=seeded()) * 0.3)
    return module


def states_of(stack, inputs):
    """Return the states (n_patches, H) of a row, by bidirectional layers of torch."""
    x = inputs[None]
    for i, forward in enumerate(stack.forward_layers):
        both = (
            [forward, stack.backward_layers[i]] if stack.backward_layers else [forward]
        )
        layer = empty(
            type(forward),
            forward.input_size,
            forward.hidden_size,
            batch_first=True,
            bidirectional=len(both) == 2,
        )
        state, suffixes = {}, ("", "_reverse")[: len(both)]
        for suffix, part in zip(suffixes, both, strict=True):
            state |= {name + suffix: value for name, value in part.state_dict().items()}
        layer.load_state_dict(state)
        x = layer(x)[0]
    return x[0]


def patches_of(steps, size):
    """Return steps (n, C) as rows of `size` steps, with zeros after the last."""
    n, n_channels = steps.shape
    rows = torch.zeros(math.ceil(n / size) * size, n_channels)
    rows[:n] = steps
    return rows.reshape(-1, size * n_channels)


def cosines(n, n_features=TIME_FEATURES):
    """Return cos(pi f t / (n - 1)) for n steps t, by Chebyshev polynomials."""
    points = chebyshev.chebpts2(n)[::-1] if n > 1 else np.ones(1)
    features = chebyshev.chebvander(points, n_features)[:, 1:]
    return torch.tensor(features, dtype=torch.float32)


@each_shape
@pytest.mark.parametrize("cell", CELLS)
def test_an_encoder_pools_the_states_of_each_row(
    cell, beside_pca, bidirectional, patch_size
):
    module = network(RecurrentEncoder, beside_pca, bidirectional, patch_size, cell)
    x = torch.randn(5, 11, 2, generator=seeded())  # also on padding
    residual = x.flip(0) if beside_pca else None
    found = module(x, LENGTHS, residual)
    for row, n in enumerate(LENGTHS.tolist()):
        inputs = patches_of(x[row, :n], patch_size)
        if beside_pca:
            beside = patches_of(residual[row, :n], patch_size)
            inputs = torch.cat([inputs, beside, cosines(len(inputs))], 1)
        states = states_of(module.stack, inputs)
        if beside_pca:
            pooled = torch.cat([states.mean(0), states.max(0).values])
        elif bidirectional:  # each direction ends at another step
            pooled = torch.cat([states[-1, :5], states[0, 5:]])
        else:
            pooled = states[-1]
        torch.testing.assert_close(found[row], module.head(pooled))
        alone = None if residual is None else residual[row : row + 1, :n]
        torch.testing.assert_close(
            module(x[row : row + 1, :n], None, alone)[0], found[row]
        )


@each_shape
@pytest.mark.parametrize("is_reversed", [False, True])
def test_a_decoder_reads_the_code_at_each_step(
    is_reversed, beside_pca, bidirectional, patch_size
):
    module = network(
        RecurrentDecoder,
        beside_pca,
        bidirectional,
        patch_size,
        is_reversed=is_reversed,
    )
    code = torch.randn(5, 3, generator=seeded())
    base = torch.randn(5, 11, 2, generator=seeded()) if beside_pca else None
    found = module(code, LENGTHS, 11, base)
    assert found.shape == (5, 11, 2)
    for row, n in enumerate(LENGTHS.tolist()):
        inputs = code[row].expand(math.ceil(n / patch_size), -1)
        if beside_pca:
            own = base[row, :n].flip(0) if is_reversed else base[row, :n]
            own = patches_of(own, patch_size)
            inputs = torch.cat([inputs, cosines(len(inputs)), own], 1)
        steps = module.head(states_of(module.stack, inputs)).reshape(-1, 2)[:n]
        steps = steps.flip(0) if is_reversed else steps
        torch.testing.assert_close(found[row, :n], steps)


@pytest.mark.parametrize("is_logistic", [False, True])
@pytest.mark.parametrize("beside_pca", [False, True])
def test_a_conditional_decoder_reads_its_own_previous_patch(beside_pca, is_logistic):
    module = network(
        RecurrentDecoder,
        beside_pca,
        True,
        2,
        is_conditional=True,
        is_logistic=is_logistic,
    )
    assert not module.stack.backward_layers
    codes = torch.randn(2, 3, generator=seeded())
    base = torch.randn(2, 7, 2, generator=seeded()) if beside_pca else None
    found, time = module(codes, None, 7, base), cosines(4)
    for row, code in enumerate(codes):
        beside = patches_of(base[row], 2) if beside_pca else torch.zeros(4, 4)
        inputs, previous = [], torch.zeros(4)
        for p in range(4):
            parts = [code, time[p], beside[p], previous]
            inputs.append(torch.cat(parts if beside_pca else [code, previous]))
            patch = module.head(states_of(module.stack, torch.stack(inputs))[-1])
            previous = patch
            if is_logistic:  # what the correction adds to the probabilities
                previous = (beside[p] + patch).sigmoid() - beside[p].sigmoid()
            steps = found[row, 2 * p : 2 * p + 2]
            torch.testing.assert_close(steps, patch.reshape(2, 2)[: len(steps)])
            assert len(steps) == min(2, 7 - 2 * p)


def test_a_decoder_reads_its_own_output_at_the_free_steps_alone():
    module = network(RecurrentDecoder, False, False, 1, is_conditional=True)
    code = torch.randn(1, 3, generator=seeded())
    truth = torch.randn(1, 6, 2, generator=seeded())
    for free in ([3], [1, 2, 5], [0], [4, 5]):
        is_free = torch.zeros(1, 6, dtype=torch.bool)
        is_free[0, free] = True
        found = module(code, None, 6, None, teacher=truth, free_running=is_free)
        # The input of a step is the truth or the output of the step before it.
        read = torch.where(is_free.roll(-1, 1)[:, :, None], found, truth)
        again = module(code, None, 6, None, teacher=read, free_running=None)
        torch.testing.assert_close(found, again)


def test_time_features_are_cosines_of_relative_time():
    lengths = torch.tensor([12, 20, 1])
    found = time_features(3, 20, lengths, 9, lengths.device)
    for row, n in enumerate(lengths.tolist()):
        torch.testing.assert_close(found[row, :n], cosines(n, 9))
    same = time_features(3, 20, None, 9, lengths.device)
    torch.testing.assert_close(same, found[1].expand(3, -1, -1))


def test_a_step_mask_is_true_on_steps():
    mask = step_mask(LENGTHS, 11)
    assert mask.shape == (5, 11, 1)
    assert mask.sum(1)[:, 0].tolist() == LENGTHS.tolist()
    assert (mask.int().diff(dim=1) <= 0).all()


# Sizes ----------------------------------------------------------------------------


@pytest.mark.parametrize("beside_pca", [False, True])
@pytest.mark.parametrize(
    ("n_steps", "n_ahead"), [(16, 17), (5, None), (48, 1), (49, 3)]
)
def test_networks_take_few_steps_beside_pca(n_steps, n_ahead, beside_pca):
    networks = recurrent_networks(
        n_outputs=4,
        n_decoder_inputs=3,
        n_steps=n_steps,
        n_ahead=n_ahead,
        reconstructs=n_ahead != 3,
        hidden_layer_sizes=(4, 5),
        decoder_sizes=(6,),
        decoding={"is_conditional": True, "is_reversed": True},
        n_channels=2,
        cell="rnn",
        bidirectional=True,
        beside_pca=beside_pca,
        generator=seeded(),
    )
    assert (networks["decoder"] is None) == (n_ahead == 3)
    assert (networks["forecaster"] is None) == (n_ahead is None)
    assert networks["encoder"].head.out_features == 4
    numbers = {"encoder": n_steps, "decoder": n_steps, "forecaster": n_ahead}
    for name, module in networks.items():
        if module is None:
            continue
        n, counts = numbers[name], []
        for layer in module.stack.modules():
            if isinstance(layer, nn.RNNBase):
                layer.register_forward_hook(
                    lambda layer, inputs, output, counts=counts: counts.append(
                        inputs[0].shape[1]
                        * sum(weight.numel() for weight in layer.parameters())
                    )
                )
        base = torch.zeros(1, n, 2) if beside_pca else None
        if name == "encoder":
            module(torch.zeros(1, n, 2), None, base)
        else:
            module(torch.zeros(1, 3), None, n, base)
        assert sum(counts) == module.n_products(n)
        # The fewest steps of a patch with which the recurrent steps are few enough.
        sizes = [s for s in range(1, n + 1) if math.ceil(n / s) <= MAX_PATCHES]
        assert module.patch_size == (sizes[0] if beside_pca else 1)


# Initial weights ------------------------------------------------------------------


def assert_uniform(weight, bound):
    """Assert that weights fill the interval from -bound to bound."""
    size = weight.detach().abs()
    assert size.max() <= bound * (1 + 1e-6)
    assert size.max() > 0.98 * bound
    assert size.mean().item() == pytest.approx(bound / 2, rel=0.1)
    assert weight.min() < -0.9 * bound and weight.max() > 0.9 * bound


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_a_linear_layer_starts_as_that_of_torch():
    layer = linear(300, 500, generator=seeded())
    for weight in layer.parameters():
        assert_uniform(weight, 1 / math.sqrt(300))
    assert linear(0, 3, generator=seeded()).bias.abs().max() <= 1
    assert not zero_linear(3, 4).weight.any() and zero_linear(3, 4).bias is None


@pytest.mark.parametrize("cell", CELLS)
def test_a_recurrent_layer_starts_with_glorot_weights_and_open_gates(cell):
    layer = recurrent(cell, 30, 50, generator=seeded())
    for block in layer.weight_ih_l0.split(50):
        assert_uniform(block, math.sqrt(6 / 80))
    bias = layer.bias_ih_l0 + layer.bias_hh_l0
    expected = torch.zeros_like(bias)
    if cell == "lstm":  # torch: input, forget, cell and output gate
        expected.view(4, 50)[1] = 1
    assert torch.equal(bias, expected)


@pytest.mark.parametrize("larger", [(16, 12), (1, 40), (40, 1), (1, 1), (2, 3)])
@pytest.mark.parametrize("kernel", [3, 5])
def test_convolutions_start_with_the_spread_of_inputs_per_output(larger, kernel):
    halves = [(n + 1) // 2 for n in larger]
    options = {"larger": larger, "generator": seeded()}
    down = convolution(20, 30, kernel=kernel, **options)
    up = convolution(20, 30, kernel=kernel + 1, transposed=True, **options)
    assert list(down(torch.zeros(1, 20, *larger)).shape[2:]) == halves
    output = up(torch.zeros(1, 20, *halves))
    assert list(output.shape[2:]) == [
        2 * ((n + 1) // 2) if n > 1 else 1 for n in larger
    ]
    # Number of inputs of an output far from the borders, if all weights are 1.
    for layer in (down, up):
        size = [40 if n > 1 else 1 for n in larger]
        sizes = layer.kernel_size, layer.stride, layer.padding
        ones = empty(type(layer), 20, 30, *sizes, bias=False)
        nn.init.ones_(ones.weight)
        number = ones(torch.ones(1, 20, *size)).max().item()
        assert_uniform(layer.weight, 1 / math.sqrt(number))
        assert layer.bias.abs().max() <= 1 / math.sqrt(number)
    silent = convolution(2, 3, larger=larger, kernel=3, generator=None)
    assert silent.bias is None and not silent.weight.any()


def test_layers_that_will_be_loaded_are_not_drawn():
    generator = seeded()
    before = generator.get_state()

    def draw():
        linear(3, 4, generator=generator)
        recurrent("gru", 3, 4, generator=generator)
        convolution(2, 3, larger=(4, 4), kernel=3, generator=generator)

    with without_initial_weights():
        draw()
        assert torch.equal(generator.get_state(), before)
    draw()
    assert not torch.equal(generator.get_state(), before)
