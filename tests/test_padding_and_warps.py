"""Padding has no part in penalties, and all parts of a batch have the same warp."""

import numpy as np
import pytest
import torch

from sklearn_seqae.modules.batch import Batch
from sklearn_seqae.modules.bottleneck import Contractive, KLSparsity, L1Sparsity
from sklearn_seqae.modules.objective import Objective, _warped
from sklearn_seqae.modules.resampling import (
    interpolate,
    resample,
    stretch,
    time_warp,
)
from sklearn_seqae.training.batches import Batches
from tests.test_modules import LENGTHS, seeded, sequence_autoencoder

PENALTIES = {
    "l1": L1Sparsity,
    "kl": KLSparsity,
    "contractive": Contractive,
}


def ragged_batch(x, lengths, **fields):
    mask = torch.arange(x.shape[1]) < lengths[:, None]
    return Batch(x, lengths, mask, int(lengths.sum()) * x.shape[2], **fields)


@pytest.fixture
def x():
    values = torch.randn(5, 11, 2, generator=seeded())
    return values * (torch.arange(11) < LENGTHS[:, None])[:, :, None]


# The contractive penalty draws a direction of the shape of the batch.
@pytest.mark.parametrize("name", ["l1", "kl"])
@pytest.mark.parametrize("n_more", [1, 6])
def test_more_padding_changes_no_penalty(name, n_more, x):
    module = sequence_autoencoder()
    rows = []
    for padded in (x, torch.nn.functional.pad(x, (0, 0, 0, n_more))):
        bottleneck = PENALTIES[name]("squared_error", 1.0, seeded())
        objective = Objective("squared_error", bottleneck=bottleneck)
        rows.append(objective.rows(module, ragged_batch(padded, LENGTHS)))
    for one, other in zip(*rows, strict=True):
        torch.testing.assert_close(one, other)
    assert (rows[0].total > rows[0].loss).all()


@pytest.mark.parametrize("name", PENALTIES)
def test_garbage_in_the_padding_changes_no_penalty(name, x):
    module = sequence_autoencoder()
    garbage = x.masked_fill((torch.arange(11) >= LENGTHS[:, None])[:, :, None], 1e3)
    penalties = [
        PENALTIES[name]("squared_error", 1.0, seeded())(module, each, LENGTHS, False)
        for each in (x, garbage)
    ]
    torch.testing.assert_close(penalties[0].penalty, penalties[1].penalty)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["equal", "ragged"])
def test_target_and_noisy_input_have_the_warp_of_the_sequence(lengths, x):
    fields = {"target": 2 * x, "noisy": x + 1}
    batch = Batch(x, None, None, x.numel(), **fields)
    if lengths is not None:
        batch = ragged_batch(x, lengths, **fields)
    warped = _warped(batch, 0.2, seeded())
    assert not torch.equal(warped.x, x)
    torch.testing.assert_close(warped.target, 2 * warped.x)
    torch.testing.assert_close(warped.noisy, warped.x + 1)
    alone = _warped(batch._replace(target=None, noisy=None), 0.2, seeded())
    torch.testing.assert_close(alone.x, warped.x)
    assert torch.equal(_warped(batch, 0.0, seeded()).target, batch.target)


def test_the_mask_of_missing_values_has_the_warp_of_the_values(x):
    # A value of 1 is observed and 0 is not: at least a half is observed.
    steps = torch.arange(11) % 4 < 2
    shown = steps[None, :, None].expand(5, 11, 2)
    warped = _warped(
        Batch(shown.float(), None, None, x.numel(), observed=shown), 0.3, seeded()
    )
    assert warped.observed.dtype == torch.bool
    assert torch.equal(warped.observed, warped.x >= 0.5)
    assert not torch.equal(warped.observed, shown)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_rows_of_any_length_keep_their_target_weight_and_mask(size):
    n, longest = 17, 9
    lengths = torch.randint(1, longest + 1, (n,), generator=seeded())
    mask = (torch.arange(longest) < lengths[:, None])[:, :, None]
    number = torch.arange(1.0, n + 1)
    x = number[:, None, None] * mask
    seen = []
    batches = Batches(
        x,
        lengths,
        batch_size=size,
        generator=seeded(),
        target=10 * x,
        weight=number / 100,
        observed=mask & (number[:, None, None] != 3),
    )
    for batch in batches:
        own = batch.x[:, 0, 0]
        seen += own.tolist()
        torch.testing.assert_close(batch.weight, own / 100)
        torch.testing.assert_close(batch.target[:, : batch.x.shape[1]], 10 * batch.x)
        assert torch.equal(batch.lengths, lengths[own.long() - 1])
        assert batch.x.shape[1] == batch.lengths.max()
        assert torch.equal(batch.observed, (batch.x > 0) & (batch.x != 3))
        assert batch.n_values == batch.observed.sum()
    assert sorted(seen) == number.tolist()


@pytest.mark.parametrize("has_gaps", [False, True])
def test_losses_of_padded_rows_are_those_of_each_row_alone(has_gaps, x):
    module = sequence_autoencoder()
    objective = Objective("squared_error")
    real = (torch.arange(11) < LENGTHS[:, None])[:, :, None].expand(x.shape)
    shown = real & (torch.rand(x.shape, generator=seeded()) < 0.7)
    fields = {"observed": shown} if has_gaps else {}
    together = objective.rows(module, ragged_batch(x, LENGTHS, **fields))
    for row, length in enumerate(LENGTHS.tolist()):
        own = {"observed": shown[row : row + 1, :length]} if has_gaps else {}
        alone = ragged_batch(x[row : row + 1, :length], LENGTHS[row : row + 1], **own)
        loss = objective.rows(module, alone).total
        np.testing.assert_allclose(together.total[row].item(), loss.item(), rtol=1e-4)


@pytest.mark.parametrize("n_steps", [1, 2, 7, 11, 30])
def test_resampled_sequences_are_interpolated_as_by_numpy(n_steps, x):
    each = {None: [11] * 5, "lengths": LENGTHS.tolist()}
    for key, numbers in each.items():
        lengths = None if key is None else LENGTHS
        found = resample(x, lengths, n_steps)
        back = stretch(x, lengths, n_steps)  # eleven steps, whatever the length
        for row, n in enumerate(numbers):
            for channel in range(2):
                values = x[row, :, channel]
                at = np.linspace(0, n - 1, n_steps)
                expected = np.interp(at, np.arange(n), values[:n])
                np.testing.assert_allclose(found[row, :, channel], expected, atol=1e-5)
                own = n_steps if lengths is None else n
                at = np.minimum(np.arange(n_steps) / max(own - 1, 1), 1) * 10
                expected = np.interp(at, np.arange(11), values)
                np.testing.assert_allclose(back[row, :, channel], expected, atol=1e-5)


def test_a_position_after_the_end_is_the_last_step(x):
    position = torch.tensor([[0.0, 2.25, 9.5, 10.0, 12.5]]).expand(5, -1)
    for values, found in zip(x, interpolate(x, position), strict=True):
        for channel in range(2):
            steps = values[:, channel]
            expected = np.interp(position[0], np.arange(11), steps)
            np.testing.assert_allclose(found[:, channel], expected, atol=1e-5)


def test_a_warp_is_the_sum_of_three_sines_whose_scale_is_uniform():
    n, n_steps, strength = 4000, 41, 1e-3  # weak: no step leaves the sequence
    lengths = torch.full((n,), n_steps)
    lengths[: n // 2] = 31
    step = torch.arange(50.0)
    ramps = torch.where(step < lengths[:, None], step, 0)[:, :, None]
    warped = time_warp(ramps, lengths, strength, seeded())[:, :, 0]
    amplitudes = []
    for length in (31, 41):
        time = np.arange(length) / (length - 1)
        moved = warped[lengths == length][:, :length].double().numpy()
        shift = moved / (length - 1) - time
        waves = np.sin(np.pi * np.outer(np.arange(1, 9), time[1:-1]))
        found = 2 / (length - 1) * shift[:, 1:-1] @ waves.T
        assert np.abs(found[:, 3:]).max() < 0.02 * strength
        assert np.abs(shift[:, [0, -1]]).max() < 1e-7
        amplitudes.append(found[:, :3] / strength)
    amplitudes = np.concatenate(amplitudes)
    # The product of a uniform scale (mean square 1/3) and a normal number, over k.
    expected = 1 / 3 / np.array([1, 4, 9])
    np.testing.assert_allclose(np.square(amplitudes).mean(0), expected, rtol=0.1)
    assert np.abs(amplitudes.mean(0)).max() < 0.05
    sizes = np.square(amplitudes * [1, 2, 3]).sum(1)
    # The mean of U**4 (Z1² + Z2² + Z3²)² is 15 / 5, and 15 / 9 for equal scales.
    assert np.square(sizes).mean() == pytest.approx(3, rel=0.2)
    equal = time_warp(ramps[n // 2 :, :41], None, strength, seeded())
    assert (equal - ramps[n // 2 :, :41]).abs().max() > 0


def test_equal_sequences_are_warped_as_sequences_of_full_length(x):
    full = torch.full((5,), 11)
    expected = time_warp(x, full, 0.3, seeded())
    torch.testing.assert_close(time_warp(x, None, 0.3, seeded()), expected)
