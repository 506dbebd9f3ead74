"""Padding has no part in penalties, and all parts of a batch have the same warp."""

import numpy as np
import pytest
import torch

from sklearn_seqae.modules.batch import Batch
from sklearn_seqae.modules.bottleneck import Contractive, KLSparsity, L1Sparsity
from sklearn_seqae.modules.objective import Objective, _warped
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
