"""The networks: padding changes nothing, and each part does what its name says."""

from types import SimpleNamespace

import pytest
import torch

from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.batch import Batch
from sklearn_seqae.modules.bottleneck import NestedDropout, Plain, truncate
from sklearn_seqae.modules.dense import DenseNetwork
from sklearn_seqae.modules.dense_step import has_hooks
from sklearn_seqae.modules.layers import (
    CELLS,
    convolution,
    linear,
    recurrent,
    reverse,
)
from sklearn_seqae.modules.linear_path import LinearPath, ResampledLinearPath
from sklearn_seqae.modules.losses import LOSSES, masked_loss, row_losses
from sklearn_seqae.modules.nearest import derivatives
from sklearn_seqae.modules.objective import OBJECTIVES, Objective
from sklearn_seqae.modules.recurrent import RecurrentDecoder, RecurrentEncoder
from sklearn_seqae.modules.resampling import resample, stretch, time_warp
from sklearn_seqae.modules.row_space import RowSpaceObjective
from sklearn_seqae.modules.stacks import to_patches

LENGTHS = torch.tensor([1, 2, 5, 8, 11])


def seeded():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def padded():
    """Five sequences of two channels, with garbage beyond their ends."""
    x = torch.randn(5, 11, 2, generator=seeded())
    real = torch.arange(11) < LENGTHS[:, None]
    return torch.where(real[:, :, None], x, 1e3), real


def sequence_autoencoder(
    cell="lstm", bidirectional=True, beside_pca=True, patch_size=2, **decoding
):
    options = {
        "n_channels": 2,
        "n_components": 3,
        "hidden_layer_sizes": (4, 3),
        "cell": cell,
        "bidirectional": bidirectional,
        "beside_pca": beside_pca,
        "patch_size": patch_size,
        "generator": seeded(),
    }
    path = None
    if beside_pca:
        path = ResampledLinearPath(n_steps=5, n_channels=2, n_components=3, n_ahead=4)
        path.initialize(
            components=torch.randn(3, 10, generator=seeded()),
            loadings=torch.randn(3, 10, generator=seeded()),
            mean=torch.zeros(10),
            intercept=torch.ones(10),
            generator=seeded(),
        )
        path.initialize_forecast(
            loadings=torch.randn(3, 8, generator=seeded()), intercept=torch.ones(8)
        )
    module = Autoencoder(
        n_components=3,
        encoder=RecurrentEncoder(**options),
        decoder=RecurrentDecoder(**options, **decoding),
        forecaster=RecurrentDecoder(**options, **decoding),
        linear_path=path,
    )
    with torch.no_grad():  # heads that start at zero would hide a leak
        for weight in module.parameters():
            weight.add_(torch.randn(weight.shape, generator=seeded()) * 0.1)
    return module


DECODINGS = [
    {},
    {"is_reversed": True},
    {"is_conditional": True},
    {"is_conditional": True, "is_reversed": True},
]


@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.parametrize("decoding", DECODINGS, ids=str)
@pytest.mark.parametrize("beside_pca", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_garbage_in_the_padding_changes_no_code_loss_or_gradient(
    padded, cell, bidirectional, beside_pca, decoding, kind
):
    rows = slice(1, None)  # one step has none ahead
    garbage, real = padded[0][rows], padded[1][rows]
    lengths = LENGTHS[rows]
    clean = torch.where(real[:, :, None], garbage, 0)
    module = sequence_autoencoder(cell, bidirectional, beside_pca, **decoding)
    results = []
    for x in (garbage, clean):
        module.zero_grad()
        batch = Batch(x, lengths, real, int(lengths.sum()) * 2)
        objective = Objective(
            "squared_error", kind=kind, scheduled_sampling=0.5, generator=seeded()
        )
        loss = objective(module, batch)
        loss.backward()
        weights = [w for w in module.parameters() if w.grad is not None]
        gradients = [weight.grad.clone() for weight in weights]
        measured = objective.rows(module, batch)
        results.append([module.encode(x, lengths), loss, *measured, *gradients])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("is_logistic", [False, True])
@pytest.mark.parametrize("beside_pca", [False, True])
@pytest.mark.parametrize("is_reversed", [False, True])
def test_a_conditional_decoder_hears_the_truth_only_where_it_is_given(
    is_reversed, beside_pca, is_logistic
):
    module = sequence_autoencoder(
        beside_pca=beside_pca,
        is_conditional=True,
        is_reversed=is_reversed,
        is_logistic=is_logistic,
    )
    module.is_logistic = is_logistic
    code = torch.randn(3, 3, generator=seeded())
    truth = torch.rand(3, 7, 2, generator=seeded())

    def decode(**decoder_input):
        return module.decode(code, None, 7, **decoder_input)

    everywhere = torch.ones(3, 7, dtype=torch.bool)
    at_once = decode(teacher=truth, free_running=None)
    torch.testing.assert_close(decode(teacher=truth, free_running=~everywhere), at_once)
    torch.testing.assert_close(decode(teacher=truth, free_running=everywhere), decode())
    assert not torch.allclose(at_once, decode())
    # What was written is what the next step would hear, were it the truth.
    written = decode().sigmoid() if is_logistic else decode()
    torch.testing.assert_close(decode(teacher=written, free_running=None), decode())


@pytest.mark.parametrize("is_reversed", [False, True])
def test_a_step_is_written_after_those_before_it(is_reversed):
    module = sequence_autoencoder(
        is_conditional=True, is_reversed=is_reversed, patch_size=1
    )
    code = torch.randn(1, 3, generator=seeded())
    truth = torch.rand(1, 7, 2, generator=seeded())
    other = truth.clone()
    other[:, 3] += 1
    one, two = (
        module.decode(code, None, 7, teacher=x, free_running=None)
        for x in (truth, other)
    )
    changed = ((one - two).abs().sum(2) > 1e-6)[0]
    after = torch.arange(7) < 3 if is_reversed else torch.arange(7) > 3
    assert torch.equal(changed, after)


@pytest.mark.parametrize("cell", CELLS)
def test_more_padding_changes_nothing(padded, cell):
    x = torch.where(padded[1][:, :, None], padded[0], 0)
    longer = torch.cat([x, torch.zeros(5, 6, 2)], dim=1)
    module = sequence_autoencoder(cell, True, True, patch_size=3)
    torch.testing.assert_close(
        module.encode(longer, LENGTHS), module.encode(x, LENGTHS)
    )
    short, long = module(x, LENGTHS), module(longer, LENGTHS)
    torch.testing.assert_close(long[:, :11][padded[1]], short[padded[1]])


def test_lengths_that_are_all_full_are_as_no_lengths():
    module = sequence_autoencoder("lstm", True, True, patch_size=3)
    x = torch.randn(4, 7, 2, generator=seeded())
    torch.testing.assert_close(module(x, torch.full((4,), 7)), module(x))


def test_reverse_keeps_the_padding_and_undoes_itself(padded):
    x, real = padded
    turned = reverse(x, LENGTHS)
    torch.testing.assert_close(turned[~real], x[~real])
    torch.testing.assert_close(reverse(turned, LENGTHS), x)
    for row, length in enumerate(LENGTHS):
        torch.testing.assert_close(turned[row, :length], x[row, :length].flip(0))


def test_stretch_undoes_resample_of_a_straight_line():
    step = torch.arange(11.0)
    x = torch.where(step < LENGTHS[:, None], step, 0)[:, :, None]
    back = stretch(resample(x, LENGTHS, 20), LENGTHS, 11)[:, :, 0]
    for row, length in enumerate(LENGTHS):
        torch.testing.assert_close(back[row, :length], step[:length])


def test_a_time_warp_keeps_the_ends_the_range_and_the_padding(padded):
    x = torch.where(padded[1][:, :, None], padded[0], 0)
    warped = time_warp(x, LENGTHS, 0.2, seeded())
    assert (warped[~padded[1]] == 0).all()
    for row, length in enumerate(LENGTHS):
        own, new = x[row, :length], warped[row, :length]
        torch.testing.assert_close(new[[0, -1]], own[[0, -1]])
        assert (new.amax(0) <= own.amax(0) + 1e-6).all()
    assert not torch.equal(warped, x)
    assert torch.equal(warped, time_warp(x, LENGTHS, 0.2, seeded()))
    torch.testing.assert_close(time_warp(x, LENGTHS, 0.0, seeded()), x)


def test_patches_hold_the_steps_side_by_side_and_no_garbage(padded):
    patches = to_patches(padded[0], LENGTHS, 4)
    assert patches.shape == (5, 3, 8)
    clean = torch.where(padded[1][:, :, None], padded[0], 0)
    torch.testing.assert_close(patches.reshape(5, 12, 2)[:, :11], clean)


@pytest.mark.parametrize(
    "register",
    [
        torch.nn.Module.register_forward_hook,
        torch.nn.Module.register_forward_pre_hook,
        torch.nn.Module.register_full_backward_hook,
        torch.nn.Module.register_full_backward_pre_hook,
    ],
)
def test_each_kind_of_hook_is_found(register):
    module = torch.nn.Sequential(torch.nn.Identity())
    assert not has_hooks(module)
    register(module[0], lambda *arguments: None)
    assert has_hooks(module)


@pytest.mark.parametrize("kind", ["hook", "post_accumulate_grad_hook"])
def test_each_kind_of_hook_of_a_weight_is_found(kind):
    module = torch.nn.Sequential(linear(2, 3, generator=seeded()))
    assert not has_hooks(module)
    getattr(module[0].bias, f"register_{kind}")(lambda gradient: None)
    assert has_hooks(module)


@pytest.mark.parametrize("share", [0.2, 0.9])
def test_scheduled_sampling_hides_this_fraction_of_the_true_steps(share):
    generator = torch.Generator().manual_seed(0)
    objective = Objective(
        "squared_error", scheduled_sampling=share, generator=generator
    )
    target, decoder = torch.zeros(100, 40, 2), SimpleNamespace(is_conditional=True)
    options = objective._teacher_options(decoder, target, True)
    assert options["teacher"] is target
    found = options["free_running"].float().mean().item()
    assert found == pytest.approx(share, abs=0.03)
    assert objective._teacher_options(decoder, target, False) == {}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_nearest_step_has_the_gradient_and_a_parabola_above_the_loss(loss):
    output = torch.linspace(-3, 3, 24, dtype=torch.float64, requires_grad=True)
    target = torch.full_like(output, 0.3)
    factor = 0.5 if loss == "squared_error" else 1  # without the 2 of its derivative

    def losses(output):
        return factor * LOSSES[loss](output, target, reduction="none")

    start = losses(output)
    (expected,) = torch.autograd.grad(start.sum(), output)
    with torch.no_grad():
        gradient, curvature = derivatives(loss, output, target)
        torch.testing.assert_close(gradient, -expected)
        if loss == "binary_cross_entropy":
            p = output.sigmoid()
            torch.testing.assert_close(curvature, p * (1 - p))
            return
        curvature = 1 if curvature is None else curvature
        for share in (-0.5, 0.1, 1, 1.9, 2, 2.1):
            step = share * (target - output)
            parabola = start - gradient * step + curvature * step.square() / 2
            assert (losses(output + step) <= parabola + 1e-12).all()
        mirrored = start + (2 * curvature * (target - output) - 2 * gradient) * (
            target - output
        )
        torch.testing.assert_close(losses(2 * target - output), mirrored)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_mean_loss_is_that_of_the_rows(loss, padded):
    x, real = torch.sigmoid(padded[0]), padded[1]
    output = torch.randn(x.shape, generator=seeded())
    rows = row_losses(loss, output, x, real)
    mean = masked_loss(loss, output, x, real)
    torch.testing.assert_close(rows.sum() / (LENGTHS.sum() * 2), mean)
    whole = masked_loss(loss, output, x)
    torch.testing.assert_close(row_losses(loss, output, x).sum() / x.numel(), whole)


def test_cut_clears_what_follows():
    code = torch.ones(3, 4)
    assert truncate(code, torch.tensor([1, 4, 2])).sum(1).tolist() == [1, 4, 2]


def test_nested_dropout_draws_every_size_alike():
    nested = NestedDropout(torch.ones(5), seeded())
    counts = torch.bincount(nested.draw(10_000), minlength=6)
    assert counts[0] == 0
    assert (counts[1:] > 1800).all()


def test_an_overcomplete_linear_path_still_is_pca():
    path = LinearPath(n_features=4, n_components=6)
    basis = torch.linalg.qr(torch.randn(4, 4, generator=seeded()))[0]
    path.initialize(
        components=basis,
        loadings=basis,
        mean=torch.ones(4),
        intercept=torch.ones(4),
        generator=seeded(),
    )
    x = torch.randn(3, 4, generator=seeded())
    torch.testing.assert_close(path.decode(path.encode(x)), x)


@pytest.mark.parametrize("is_ordered", [False, True])
def test_a_wide_table_trains_alike_in_the_space_of_its_rows(is_ordered):
    x = torch.randn(5, 40, generator=seeded())
    basis = torch.linalg.svd(x, full_matrices=False).Vh  # (5, 40)
    path = LinearPath(n_features=40, n_components=2)
    start = {"components": basis[:2], "loadings": basis[:2], "mean": x.mean(0)}
    path.initialize(**start, intercept=x.mean(0), generator=seeded())
    options = {"activation": "silu", "zero_head": False, "generator": seeded()}
    sizes = (2 * (1 + is_ordered), 6, 5)
    module = Autoencoder(
        n_components=2,
        encoder=DenseNetwork(sizes=(5, 6, 2), rotated_in=40, **options),
        decoder=DenseNetwork(sizes=sizes, rotated_out=40, **options),
        linear_path=path.requires_grad_(False),
        is_ordered=is_ordered,
    )
    module.encoder.basis.copy_(basis), module.decoder.basis.copy_(basis)
    module.set_units(encoder_unit=torch.tensor(0.5), decoder_unit=torch.tensor(2.0))
    weights = [w for w in module.parameters() if w.requires_grad]
    losses, gradients = [], []
    for columns in ("all", "span"):
        nested = NestedDropout(torch.ones(2), seeded()) if is_ordered else Plain()
        objective = Objective("squared_error", bottleneck=nested)
        batch = Batch(x, None, None, x.numel())
        if columns == "span":
            objective = RowSpaceObjective(objective, module, basis)
            batch = Batch(x @ basis.T, None, None, 25)
            whole = RowSpaceObjective(Objective("squared_error"), module, basis)
            parts = [term() for term in whole.shards(module, batch)]
            torch.testing.assert_close(sum(parts), whole(module, batch))
        losses.append(objective(module, batch))
        gradients.append(torch.autograd.grad(losses[-1], weights))
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("cell", CELLS)
def test_layers_draw_from_their_generator_alone(cell):
    before = torch.get_rng_state()
    one, other = (recurrent(cell, 3, 4, generator=seeded()) for _ in range(2))
    assert torch.equal(
        linear(3, 4, generator=seeded()).weight, linear(3, 4, generator=seeded()).weight
    )
    assert torch.equal(before, torch.get_rng_state())
    for name, weight in one.named_parameters():
        assert torch.equal(weight, dict(other.named_parameters())[name])


@pytest.mark.parametrize("cell", CELLS)
def test_recurrent_weights_start_orthogonal(cell):
    layer = recurrent(cell, 3, 4, generator=seeded())
    for block in dict(layer.named_parameters())["weight_hh_l0"].split(4):
        torch.testing.assert_close(block @ block.T, torch.eye(4))


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("larger", [(5, 4), (1, 4), (1, 1)])
def test_convolutions_draw_from_their_generator_alone(larger, transposed):
    before = torch.get_rng_state()
    options = {"larger": larger, "kernel": 3, "transposed": transposed}
    one, other = (convolution(2, 3, generator=seeded(), **options) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(one.weight, other.weight) and one.weight.std() > 0
    silent = convolution(2, 3, generator=None, **options)
    assert not silent(torch.ones(1, 2, *larger)).any()
