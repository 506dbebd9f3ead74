"""Objectives: losses of rows and of batches equal those computed row by row."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from scipy.special import expit, xlogy

from sklearn_seqae.modules import objective as objective_file
from sklearn_seqae.modules.batch import Batch, ShardSize
from sklearn_seqae.modules.bottleneck import (
    WARM_UP,
    L1Sparsity,
    NestedDropout,
    Plain,
    Variational,
)
from sklearn_seqae.modules.losses import LOSSES, masked_loss
from sklearn_seqae.modules.noise import Noise
from sklearn_seqae.modules.objective import OBJECTIVES, Objective, _warped
from tests.test_modules import LENGTHS, seeded, sequence_autoencoder

LONG = LENGTHS.clamp(min=2)  # one step has none ahead
N_AHEAD = 4


def losses_of(loss, output, target):
    """Return the loss of each value, by NumPy."""
    size = np.abs(target - output)
    if loss == "binary_cross_entropy":
        p = expit(output)
        return -xlogy(target, p) - xlogy(1 - target, 1 - p)
    if loss == "absolute_error":
        return size
    if loss == "huber":
        return np.where(size < 1, size**2 / 2, size - 0.5)
    return size**2


@pytest.fixture
def batch():
    """Return a batch with some of: lengths, gaps, weights, a target ahead."""

    def make(lengths=None, has_gaps=False, has_target=False, is_weighted=False):
        x = torch.rand(5, 11, 2, generator=seeded())
        mask = None
        if lengths is not None:
            mask = torch.arange(11) < lengths[:, None]
            x = x * mask[:, :, None]
        ahead = torch.rand(5, N_AHEAD, 2, generator=seeded().manual_seed(1))
        observed = ahead_observed = None
        if has_gaps:
            observed, ahead_observed = (
                torch.rand(each.shape, generator=seeded()) < 0.7 for each in (x, ahead)
            )
            if mask is not None:
                observed &= mask[:, :, None]
        return Batch(
            x,
            lengths,
            mask,
            x.numel() if lengths is None else int(lengths.sum()) * 2,
            target=ahead if has_target else None,
            weight=torch.tensor([0.5, 2.0, 1.0, 0.0, 3.0]) if is_weighted else None,
            observed=observed,
            target_observed=ahead_observed if has_target else None,
        )

    return make


def parts_of(module, batch, kind, row):
    """Return output, target, observed values and scale of one row, without padding."""
    n = 11 if batch.lengths is None else int(batch.lengths[row])
    x = batch.x[row, :n]
    observed = torch.ones_like(x) if batch.observed is None else batch.observed[row, :n]
    code = module.encode(x[None])
    parts = []
    if kind != "predict":
        parts.append((module.decode(code, None, n)[0], x, observed, 1))
    if kind != "reconstruct" and batch.target is not None:
        target, found = batch.target[row], batch.target_observed
        found = torch.ones_like(target) if found is None else found[row]
        ahead = module.forecast(code, None, N_AHEAD)[0]
        parts.append((ahead, target, found, n / N_AHEAD))
    elif kind != "reconstruct":
        ahead = module.forecast(code, None, n - 1)[0]
        parts.append((ahead, x[1:], observed[1:], n / (n - 1)))
    return [
        (*(each.detach().double().numpy() for each in part), scale)
        for *part, scale in parts
    ]


@pytest.mark.parametrize(
    ("kind", "has_target"),
    [*product(OBJECTIVES, [False]), *product(OBJECTIVES[1:], [True])],
)
@pytest.mark.parametrize("has_gaps", [False, True])
@pytest.mark.parametrize("lengths", [None, LONG], ids=["equal", "ragged"])
def test_losses_are_those_of_each_row_alone(kind, lengths, has_gaps, has_target, batch):
    is_weighted = has_gaps != (lengths is None)
    data = batch(lengths, has_gaps, has_target, is_weighted)
    module = sequence_autoencoder("rnn", bidirectional=False)
    for loss in LOSSES:
        objective = Objective(loss, kind=kind)
        with torch.no_grad():
            rows, mean = objective.rows(module, data), objective(module, data)
        sums, numbers = [0.0, 0.0], [0, 0]
        for row in range(5):
            weight = 1 if data.weight is None else data.weight[row].item()
            found, total = [], 0
            for i, part in enumerate(parts_of(module, data, kind, row)):
                output, target, observed, scale = part
                each = (losses_of(loss, output, target) * observed).sum()
                sums[i] += weight * each
                numbers[i] += observed.sum()
                total += scale * each * weight
                if loss == "binary_cross_entropy":
                    output = expit(output)
                square = (np.square(output - target) * observed).sum()
                found.append((scale * each * weight, scale * square * weight))
            assert rows.total[row].item() == pytest.approx(total, rel=1e-4)
            assert rows.loss[row].item() == pytest.approx(found[0][0], rel=1e-4)
            square = rows.squared_error[row].item()
            assert square == pytest.approx(found[0][1], rel=1e-4)
        expected = sum(s / n for s, n in zip(sums, numbers, strict=True) if n)
        assert mean.item() == pytest.approx(expected, rel=1e-4)


def test_a_target_of_the_same_steps_replaces_the_sequence(batch):
    data = batch(LONG)
    target = torch.nn.functional.pad(1 - data.x, (0, 0, 0, 3))  # padded to more steps
    module = sequence_autoencoder()
    with torch.no_grad():
        output = module(data.x, LONG)
        rows = Objective("squared_error").rows(module, data._replace(target=target))
    squares = (output - 1 + data.x).square() * data.mask[:, :, None]
    torch.testing.assert_close(rows.loss, squares.sum((1, 2)))


def test_noisy_samples_are_encoded_and_clean_ones_are_the_target(batch):
    data, module = batch(), sequence_autoencoder()
    noise = Noise("gaussian", 0.3, seeded())
    with torch.no_grad():
        found = Objective("squared_error", noise=noise).rows(module, data).loss
        expected = (module(noise(data.x)) - data.x).square().sum((1, 2))
        given = data._replace(noisy=noise(data.x))
        again = Objective("squared_error").rows(module, given).loss
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(again, expected)


def test_noise_in_training_is_added_to_noisy_samples_if_there_are_some(batch):
    data, module = batch(), sequence_autoencoder()
    data = data._replace(noisy=data.x + 1)
    noise = Noise("masking", 1.0, seeded())  # nothing is left
    with torch.no_grad():
        found = Objective("squared_error", noise=noise)(module, data)
        noise.level = 0.0
        other = Objective("squared_error", noise=noise)(module, data)
        hidden, shown = module(torch.zeros_like(data.x)), module(data.x + 1)
    torch.testing.assert_close(found, (hidden - data.x).square().mean())
    torch.testing.assert_close(other, (shown - data.x).square().mean())


@pytest.mark.parametrize("is_weighted", [False, True])
def test_a_penalty_is_added_to_the_loss_of_each_row(is_weighted, batch):
    data, module = batch(is_weighted=is_weighted), sequence_autoencoder()
    penalty = L1Sparsity("squared_error", 0.7, seeded())
    objective = Objective("squared_error", bottleneck=penalty)
    with torch.no_grad():
        each = penalty(module, data.x, None, False).penalty
        rows, plain = objective.rows(module, data), Objective("squared_error")
        weight = 1 if data.weight is None else data.weight
        torch.testing.assert_close(rows.total, rows.loss + weight * each)
        torch.testing.assert_close(rows.loss, plain.rows(module, data).loss)
        expected = plain(module, data) + (weight * each).sum() / data.n_values
        torch.testing.assert_close(objective(module, data), expected)


def test_a_variational_loss_is_that_of_a_drawn_code_in_the_total_alone(batch):
    data, module = batch(), sequence_autoencoder()
    module.is_variational = True
    module.encoder.head.weight.data = module.encoder.head.weight.data.repeat(2, 1)
    variational = Variational("squared_error", 0.7, seeded())
    objective = Objective("squared_error", bottleneck=variational)
    with torch.no_grad():
        rows = objective.rows(module, data)
        drawn = variational(module, data.x, None, False)
        error = [
            (module.decode(code, None, 11) - data.x).square().sum((1, 2))
            for code in (drawn.code, module.encode(data.x))
        ]
    torch.testing.assert_close(rows.total, error[0] + drawn.penalty)
    torch.testing.assert_close(rows.loss, error[1])
    torch.testing.assert_close(rows.squared_error, error[1])


def test_an_ordered_loss_is_the_weighted_mean_over_all_sizes(batch):
    data, module = batch(is_weighted=True), sequence_autoencoder()
    weights = torch.tensor([0.2, 0.5, 1.5])
    nested = NestedDropout(weights, seeded())
    objective = Objective("squared_error", kind="composite", bottleneck=nested)
    with torch.no_grad():
        rows, code = objective.rows(module, data), module.encode(data.x)
        reconstruction, ahead = [], []
        for k in range(1, 4):
            cut = code * (torch.arange(3) < k)
            output = module.decode(cut, None, 11)
            reconstruction.append((output - data.x).square().sum((1, 2)))
            output = module.forecast(cut, None, 10)
            ahead.append((output - data.x[:, 1:]).square().sum((1, 2)) * 11 / 10)
    squares, ahead = torch.stack(reconstruction, 1), torch.stack(ahead, 1)
    expected = ((squares + ahead) @ weights) / 3 * data.weight
    torch.testing.assert_close(rows.total, expected)
    by_size = squares * data.weight[:, None]
    torch.testing.assert_close(rows.squared_error_by_size, by_size)
    torch.testing.assert_close(rows.squared_error, by_size[:, 2])
    torch.testing.assert_close(rows.loss, by_size[:, 2])


def test_an_ordered_code_is_trained_with_the_weight_of_its_drawn_size(batch):
    data, module = batch(is_weighted=True), sequence_autoencoder()
    weights = torch.tensor([0.2, 0.5, 1.5])
    objective = Objective("squared_error", bottleneck=NestedDropout(weights, seeded()))
    kept = NestedDropout(weights, seeded()).draw(5)
    with torch.no_grad():
        found = objective(module, data)
        cut = module.encode(data.x) * (torch.arange(3) < kept[:, None])
        each = (module.decode(cut, None, 11) - data.x).square().sum((1, 2))
    expected = (each * weights[kept - 1] * data.weight).sum() / data.x.numel()
    torch.testing.assert_close(found, expected)


def test_a_variational_penalty_is_small_at_the_first_training_step(batch):
    data, module = batch(), sequence_autoencoder()
    module.is_variational = True
    module.encoder.head.weight.data = module.encoder.head.weight.data.repeat(2, 1)
    losses = []
    for weight in (0.0, 1.0):
        variational = Variational("squared_error", weight, seeded())
        objective = Objective("squared_error", bottleneck=variational)
        losses.append(objective(module, data))
    penalty = variational(module, data.x, None, False).penalty.sum() / data.n_values
    torch.testing.assert_close(losses[1] - losses[0], penalty / WARM_UP)


def test_a_conditional_decoder_receives_the_truth_in_training_alone(batch):
    data, module = batch(LONG), sequence_autoencoder(is_conditional=True)
    objective = Objective("squared_error", kind="composite")
    with torch.no_grad():
        code, x, losses = module.encode(data.x, LONG), data.x, []
        for options in ({}, {"free_running": None}):
            teacher = [{**options, "teacher": each} for each in (x, x[:, 1:])]
            teacher = teacher if options else [{}, {}]
            first = module.decode(code, LONG, 11, **teacher[0]) - x
            second = module.forecast(code, LONG - 1, 10, **teacher[1]) - x[:, 1:]
            pairs = (first, data.mask), (second, data.mask[:, 1:])
            losses.append([e[mask].square().mean() for e, mask in pairs])
        rows = objective.rows(module, data)
        torch.testing.assert_close(objective(module, data), sum(losses[1]))
        torch.testing.assert_close(rows.loss.sum() / data.n_values, losses[0][0])


@pytest.mark.parametrize("has_gaps", [False, True])
@pytest.mark.parametrize("has_generator", [False, True])
def test_sequences_are_warped_if_there_is_a_generator(has_generator, has_gaps, batch):
    data, module = batch(has_gaps=has_gaps), sequence_autoencoder()
    plain, generator = Objective("squared_error"), seeded() if has_generator else None
    warped = _warped(data, 0.3, seeded()) if has_generator else data
    with torch.no_grad():
        found = Objective("squared_error", warp=0.3, generator=generator)(module, data)
        torch.testing.assert_close(found, plain(module, warped))
        assert (found != plain(module, data)) == has_generator


# The mean of some rows ------------------------------------------------------------


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("mask", ["none", "steps", "values"])
def test_the_mean_loss_divides_by_the_observed_values(mask, is_weighted):
    output, target = torch.rand(2, 4, 3, 2, generator=seeded())
    masks = {
        "none": None,
        "steps": torch.rand(4, 3, generator=seeded()) < 0.6,
        "values": torch.rand(4, 3, 2, generator=seeded()) < 0.6,
    }
    weight = torch.tensor([1.0, 0.0, 2.0, 5.0]) if is_weighted else None
    shown = np.ones((4, 3, 2), dtype=bool)
    if mask != "none":
        shown[:] = masks[mask][:, :, None] if mask == "steps" else masks[mask]
    for loss in LOSSES:
        each = losses_of(loss, output.double().numpy(), target.double().numpy())
        each *= shown * (1 if weight is None else weight.numpy()[:, None, None])
        for n_values in (None, 7.0):
            found = masked_loss(loss, output, target, masks[mask], weight, n_values)
            expected = each.sum() / (n_values or shown.sum())
            assert found.item() == pytest.approx(expected, rel=1e-5)


def test_the_mean_loss_without_observed_values_is_zero():
    x, nothing = torch.ones(2, 3, 1), torch.zeros(2, 3, 1, dtype=torch.bool)
    assert masked_loss("squared_error", x, 2 * x, nothing) == 0


# Shards ---------------------------------------------------------------------------


class Sized:
    """Network with some number of products for each row."""

    min_shard = ShardSize(8, 1000.0)

    def __init__(self, products_of_row):
        self.products_of_row = products_of_row

    def n_products(self, n_steps):
        return n_steps * self.products_of_row


@pytest.mark.parametrize("large", [1500.0, 8000.0])
def test_shards_are_no_smaller_than_their_minimum(large, monkeypatch):
    monkeypatch.setattr(objective_file, "LARGE_SHARD", large)
    objective = Objective("squared_error")
    found = {}
    for n_rows in range(1, 140):
        for products in (1, 10, 30, 63, 64, 125, 126, 1000):
            number = objective.n_shards(Sized(products), n_rows, 2)
            n_products = 2 * products * n_rows
            fits = [1]
            for n in (2, 4, 8, 16, 32):
                least = 2000 if n == 2 else max(2000, large) * n / 2
                fits += [n] if n_rows >= 8 * n and n_products >= least else []
            assert number == max(fits)
            found.setdefault(number, n_rows)
    assert list(found) == [1, 2, 4, 8, 16]


@pytest.mark.parametrize("share", [0.0, 0.5])
@pytest.mark.parametrize("is_conditional", [False, True])
def test_a_batch_is_divided_if_shards_have_its_loss(
    is_conditional, share, monkeypatch, batch
):
    monkeypatch.setattr(Objective, "n_shards", lambda *args: 2)

    def n_terms(module, bottleneck):
        options = {"scheduled_sampling": share, "generator": seeded()}
        objective = Objective("squared_error", bottleneck=bottleneck, **options)
        return len(objective.shards(module, batch()))

    module = sequence_autoencoder(is_conditional=is_conditional)
    number = 1 if is_conditional and share else 2
    assert n_terms(module, Plain()) == number
    module.forecaster = None
    assert n_terms(module, Plain()) == number
    assert n_terms(module, NestedDropout(torch.ones(3), seeded())) == number
    assert n_terms(module, L1Sparsity("squared_error", 1.0, seeded())) == 1
    module.encoder.register_forward_hook(lambda *args: None)
    assert n_terms(module, Plain()) == 1


@pytest.mark.parametrize("number", [2, 4])
def test_shards_are_even_parts_of_the_rows(number, monkeypatch, batch):
    monkeypatch.setattr(Objective, "n_shards", lambda *args: number)
    seen = []

    def seen_loss(self, module, shard, sizes=None):
        seen.append((shard.x, shard.n_values, sizes))
        return shard.x.sum()

    monkeypatch.setattr(Objective, "_training_loss", seen_loss)
    data = batch(LONG, has_gaps=True)
    objective = Objective("squared_error", kind="composite")
    terms = objective.shards(sequence_autoencoder(), data)
    assert sum(term() for term in terms).item() == pytest.approx(data.x.sum().item())
    bounds = [5 * i // number for i in range(number + 1)]
    observed = int(data.observed.sum()), int(data.observed[:, 1:].sum())
    for (x, n_values, sizes), (start, stop) in zip(seen, pairwise(bounds), strict=True):
        longest = LONG[start:stop].max()
        assert torch.equal(x, data.x[start:stop, :longest])
        assert (n_values, tuple(sizes)) == (data.n_values, observed)


@pytest.mark.parametrize("has_gaps", [False, True])
@pytest.mark.parametrize("lengths", [None, LONG], ids=["equal", "ragged"])
def test_some_rows_of_a_batch_are_a_batch(lengths, has_gaps, batch):
    data = batch(lengths, has_gaps, has_target=True, is_weighted=True)
    rows = data._replace(noisy=data.x + 1, drawn=torch.arange(5)).rows(1, 3)
    n = 11 if lengths is None else int(lengths[1:3].max())
    assert torch.equal(rows.x, data.x[1:3, :n])
    assert torch.equal(rows.noisy, data.x[1:3, :n] + 1)
    assert rows.drawn.tolist() == [1, 2]
    assert torch.equal(rows.target, data.target[1:3])
    assert torch.equal(rows.weight, data.weight[1:3])
    number = rows.x.numel() if lengths is None else int(lengths[1:3].sum()) * 2
    if has_gaps:
        assert torch.equal(rows.observed, data.observed[1:3, :n])
        number = int(rows.observed.sum())
    assert rows.n_values == number
