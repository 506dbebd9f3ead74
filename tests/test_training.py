"""The loop: batches, tiles, threads, and what stops a training."""

import threading
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sklearn_seqae.modules.layers import CELLS, linear, recurrent
from sklearn_seqae.training.batches import Batches
from sklearn_seqae.training.inference import in_tiles, padded_length
from sklearn_seqae.training.isolation import isolated
from sklearn_seqae.training.net import AutoencoderNet


class Total(NamedTuple):
    total: torch.Tensor


class Squares:
    """The objective of these tests: mean squared error."""

    def __call__(self, module, batch):
        return (module(batch.x) - batch.x).square().mean()

    def rows(self, module, batch):
        return Total((module(batch.x) - batch.x).square().sum(1))


def make_net(**options):
    module = linear(3, 3, generator=torch.Generator())
    with torch.no_grad():
        module.weight.zero_(), module.bias.zero_()
    return AutoencoderNet(module, Squares(), **options).initialize()


def make_batches(n=40, **options):
    x = torch.randn(n, 3, generator=torch.Generator().manual_seed(0))
    options = {"batch_size": 8, "generator": torch.Generator().manual_seed(1)} | options
    return Batches(x, **options)


# Batches


@given(n=st.integers(1, 60), batch_size=st.integers(1, 70), least=st.integers(1, 9))
def test_an_epoch_sees_every_row_equally_often(n, batch_size, least):
    x = torch.arange(n, dtype=torch.float32)[:, None]
    lengths = None
    batches = Batches(
        x, lengths, batch_size=batch_size, generator=torch.Generator(), least=least
    )
    seen = torch.cat([batch.x[:, 0] for batch in batches]).long()
    counts = torch.bincount(seen, minlength=n)
    assert (counts == batches.n_repeats).all()
    assert len(list(batches)) == batches.n_batches >= least


@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=40))
def test_ragged_batches_hold_whole_sequences(lengths):
    lengths = torch.tensor(lengths)
    x = (torch.arange(12) < lengths[:, None]).float()[:, :, None]
    batches = Batches(x, lengths, batch_size=4, generator=torch.Generator())
    seen = 0
    for batch in batches:
        assert batch.x.shape[1] == batch.lengths.max()
        assert torch.equal(batch.mask.sum(1), batch.lengths)
        assert batch.n_values == batch.x.sum()
        seen += len(batch.x)
    assert seen == len(lengths)
    assert batches.n_values == lengths.sum()


def test_sequences_of_similar_length_share_a_batch():
    lengths = torch.arange(1, 101)[torch.randperm(100, generator=torch.Generator())]
    batches = Batches(
        torch.zeros(100, 100, 1), lengths, batch_size=10, generator=torch.Generator()
    )
    spreads = [int(batch.lengths.max() - batch.lengths.min()) for batch in batches]
    assert max(spreads) == 9


# Tiles


@given(st.integers(1, 5000))
def test_padding_adds_an_eighth_at_most(length):
    [padded] = padded_length(np.array([length]))
    assert length <= padded <= length + max(length // 8, 0) + 1
    assert padded_length(np.array([padded]))[0] == padded


def test_tiles_give_each_row_the_same_bits_in_any_company():
    torch_layer = linear(5, 3, generator=torch.Generator())
    x = np.random.RandomState(0).normal(size=(700, 5)).astype(np.float32)

    def function(tile, lengths, n_steps):
        return torch_layer(tile)

    whole = in_tiles(function, x)
    order = np.random.RandomState(1).permutation(700)
    assert (in_tiles(function, x[order]) == whole[order]).all()
    assert (in_tiles(function, x[3:4]) == whole[3:4]).all()


@pytest.mark.parametrize("usual_length", [0, 7, 30, 200])
def test_tiles_give_each_sequence_the_same_bits_in_any_company(usual_length):
    generator = torch.Generator().manual_seed(0)
    layer = recurrent("lstm", 3, 17, generator=generator)
    rng = np.random.RandomState(0)
    lengths = rng.choice([1, 6, 7, 29, 30, 31, 200], size=300)
    x = rng.normal(size=(300, 200, 3)).astype(np.float32)
    x[np.arange(200) >= lengths[:, np.newaxis]] = 0
    n_rows = set()

    def last(tile, tile_lengths, n_steps):
        n_rows.add(len(tile))
        return layer(tile)[0][torch.arange(len(tile)), tile_lengths - 1]

    options = {"usual_length": usual_length}
    whole = in_tiles(last, x, lengths, **options)
    assert n_rows == {0: {32}, 7: {32, 128}, 30: {32, 128}, 200: {32}}[usual_length]
    order = rng.permutation(300)
    assert (in_tiles(last, x[order], lengths[order], **options) == whole[order]).all()
    for row in range(20):
        at = slice(row, row + 1)
        assert (in_tiles(last, x[at], lengths[at], **options) == whole[at]).all()


def test_rows_are_converted_piece_by_piece_in_their_own_precision():
    x = np.random.RandomState(0).normal(size=(20_000, 5)) + 1e6
    seen = []

    def centred(rows, lengths):
        seen.append(len(rows))
        assert rows.dtype == np.float64
        return (rows - 1e6).astype(np.float32)

    result = in_tiles(
        lambda tile, *_: tile[:, :2],
        x,
        before=centred,
        after=lambda rows, _: np.multiply(rows, 2.0, dtype=np.float64),
    )
    assert len(seen) > 1
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result, 2.0 * (x - 1e6).astype(np.float32)[:, :2])


# The loop


@pytest.mark.parametrize("n_out", [1, 2, 5, 8, 11, 16, 64])
@pytest.mark.parametrize("n_in", [1, 2, 3, 5, 8, 13, 16, 30, 131])
def test_equal_rows_of_a_tile_have_equal_products(n_in, n_out):
    generator = torch.Generator().manual_seed(0)
    layer = linear(n_in, n_out, generator=generator)
    matrix = torch.randn(n_in, n_out, generator=generator)
    row = torch.randn(n_in, generator=generator)
    x = np.tile(row.numpy(), (100, 1))
    for function in (layer, lambda tile: tile @ matrix):
        result = in_tiles(lambda tile, *_, f=function: f(tile), x)
        assert (result == result[0]).all()
        expected = function(row)
        np.testing.assert_allclose(result[0], expected.detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n_hidden", [1, 3, 4, 6, 16, 17])
@pytest.mark.parametrize("n_in", [1, 3, 5, 16])
@pytest.mark.parametrize("cell", CELLS)
def test_equal_sequences_of_a_tile_have_equal_states(cell, n_in, n_hidden):
    generator = torch.Generator().manual_seed(0)
    layer = recurrent(cell, n_in, n_hidden, generator=generator)
    sequence = torch.randn(1, 7, n_in, generator=generator)
    x = np.tile(sequence.numpy(), (20, 1, 1))
    result = in_tiles(
        lambda tile, *_: layer(tile)[0], x, np.full(20, 7), n_steps=7, usual_length=7
    )
    assert (result == result[0]).all()
    expected = layer(sequence)[0][0].detach()
    np.testing.assert_allclose(result[0], expected, rtol=1e-4, atol=1e-6)


def test_training_lowers_the_loss_and_keeps_the_average():
    net, data = make_net(lr=0.1, max_epochs=50), make_batches()
    losses = [loss for loss, _ in net.train(data)]
    assert losses[-1] < 0.1 * losses[0]
    for kept, averaged in zip(
        net.module_.parameters(), net.average_.parameters(), strict=True
    ):
        assert torch.equal(kept, averaged)


def test_a_gain_does_not_change_the_reported_loss():
    losses = [
        next(make_net(lr=1e-9, max_epochs=1, gain=gain).train(make_batches()))[0]
        for gain in (1.0, 1e6)
    ]
    assert losses[0] == pytest.approx(losses[1])


@pytest.mark.parametrize("one_cycle", [False, True])
def test_divergence_raises_and_says_what_to_lower(one_cycle):
    net = make_net(lr=1e30, max_epochs=30, one_cycle=one_cycle)
    with pytest.raises(ValueError, match=r"epoch \d+ .* Lower 'learning_rate_init'"):
        list(net.train(make_batches()))


def test_the_caller_ends_the_training():
    net = make_net(max_epochs=50)
    epochs = net.train(make_batches())
    next(epochs)
    epochs.close()
    assert len(net.history) == 1


def test_known_validation_losses_stand_in_the_history():
    net = make_net(max_epochs=3)
    list(net.train(make_batches(), valid_losses=[3.0, 2.0, 1.0]))
    assert net.history[:, "valid_loss"] == [3.0, 2.0, 1.0]


# Threads


def test_computations_use_one_thread_and_restore_the_number():
    torch.set_num_threads(2)
    try:
        with isolated():
            assert torch.get_num_threads() == 1
            with isolated():
                assert torch.get_num_threads() == 1
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_the_number_is_restored_when_computations_overlap():
    torch.set_num_threads(2)
    inside, leave = threading.Event(), threading.Event()

    def compute():
        with isolated():
            inside.set()
            leave.wait(10)

    other = threading.Thread(target=compute)
    try:
        with isolated():
            other.start()
            assert inside.wait(10)
        assert torch.get_num_threads() == 2
        leave.set()
        other.join(10)
        assert torch.get_num_threads() == 2
    finally:
        leave.set()
        torch.set_num_threads(1)
