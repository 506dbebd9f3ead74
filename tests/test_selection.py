"""Which epoch is kept, by what held-out rows say of each."""

from dataclasses import replace

import numpy as np
import pytest

from sklearn_seqae.fitting.selection import (
    INTERIM_STANDARD_ERRORS,
    Selection,
    components_needed,
    gain_lower_bound,
)
from sklearn_seqae.modules.batch import RowLosses


def at(losses, index):
    """Take a part of each field."""
    return RowLosses(*(field[index] for field in losses))


def selection_of(*errors):
    """A selection among epochs with these squared errors of each size, for each row."""
    rows = 1 + 0.01 * np.random.RandomState(0).normal(size=(100, 1))
    by_size = np.stack([rows * np.asarray(each) for each in errors])
    loss = by_size.mean(axis=2)
    history = RowLosses(loss, by_size[..., -1], by_size[..., -1], by_size)
    of_mean = np.full(100, 10.0)
    mean = RowLosses(of_mean, of_mean, of_mean, np.full((100, 3), 10.0))
    return Selection(history=history, mean=mean, pca=at(history, 0), n_values=100)


def test_a_fraction_takes_the_epoch_that_reaches_it_with_fewer_components():
    # Of 10: the start reaches 0.9 with three; the first epoch loses at one component
    # and reaches it with two; the second gains everywhere, but not enough.
    selection = selection_of([5.0, 1.2, 0.8], [5.5, 0.9, 0.5], [3.0, 1.1, 0.4])
    assert selection.best_epoch() == 2
    assert replace(selection, fraction=0.9).best_epoch() == 1


def test_a_fraction_keeps_pca_where_no_epoch_needs_less():
    selection = selection_of([5.0, 1.2, 0.8], [4.0, 1.3, 0.9], [4.9, 1.25, 0.85])
    assert replace(selection, fraction=0.9).best_epoch() == 0


def test_the_gain_of_a_fraction_is_the_gain_at_the_size_that_reaches_it():
    # Two components reach 0.9 in the first epoch, and three are a little worse.
    selection = selection_of([5.0, 1.2, 0.8], [5.0, 0.9, 0.85])
    assert replace(selection, fraction=0.9).best_epoch() == 1


@pytest.mark.parametrize("error, is_kept", [(1e-9, True), (1e-6, False)])
def test_a_size_with_rounding_errors_only_needs_no_gain(error, is_kept):
    selection = selection_of([5.0, 1.2, error], [4.0, 1.0, error])
    assert (selection.best_epoch() == 1) == is_kept


@pytest.mark.parametrize("fraction", [0.02, 0.3, 0.41, 0.6, 0.75, 0.89])
def test_the_number_of_components_is_interpolated(fraction):
    selection = selection_of([6.0, 3.0, 1.0])
    rows, mean = at(selection.history, 0), selection.mean
    errors = [mean.squared_error.sum(), *rows.squared_error_by_size.sum(axis=0)]
    allowed = (1 - fraction) * errors[0]
    expected = np.interp(-allowed, -np.array(errors), range(4))
    assert components_needed(rows, mean, fraction) == pytest.approx(expected)


def test_of_epochs_that_reach_no_fraction_the_one_with_the_least_error_is_best():
    selection = selection_of([4.0, 3.0, 2.0], [9.0, 5.0, 1.5], [3.0, 2.5, 1.8])
    needed = [
        components_needed(at(selection.history, i), selection.mean, 0.95)
        for i in range(3)
    ]
    assert needed[1] < needed[2] < needed[0]
    assert min(needed) > 3
    for unit in (1e-9, 1e9):
        rows, mean = (
            RowLosses(*(unit * field for field in losses))
            for losses in (at(selection.history, 1), selection.mean)
        )
        assert components_needed(rows, mean, 0.95) == pytest.approx(needed[1])


def gaining(n, standard_errors):
    """A selection whose epoch 1 gains on n rows by so many of its standard errors."""
    noise = np.random.RandomState(0).normal(size=n)
    noise = (noise - noise.mean()) / noise.std(ddof=1)
    root = 1 - 0.5 * (standard_errors + np.sqrt(n) * noise) / np.sqrt(n) * 0.1
    losses = np.square(np.stack([np.ones(n), root]))
    history = RowLosses(losses, losses, losses, losses[..., np.newaxis])
    pca = at(history, 0)
    mean = RowLosses(*(2 * field for field in pca))
    return Selection(history=history, mean=mean, pca=pca, n_values=n)


@pytest.mark.parametrize("n, is_sure", [(20, False), (4000, True)])
def test_few_rows_must_be_surer_than_many(n, is_sure):
    worth_it = 0.01 / (0.05 / np.sqrt(n))  # 1 % of the start, in standard errors
    assert (gaining(n, worth_it + 2.6).best_epoch() == 1) == is_sure
    assert gaining(n, worth_it + 3.2).best_epoch() == 1
    assert gaining(n, worth_it + 2.4).best_epoch() == 0


@pytest.mark.parametrize("standard_errors, is_kept", [(0.8, False), (1.3, True)])
def test_each_size_of_an_ordered_code_must_gain_one_standard_error(
    standard_errors, is_kept
):
    n, gain = 25, 0.02
    noise = np.random.RandomState(0).normal(size=n)
    noise = (noise - noise.mean()) / noise.std(ddof=1)
    first = 1 - gain * (1 + np.sqrt(n) / standard_errors * noise)
    roots = np.stack([np.ones((n, 2)), np.column_stack([first, np.full(n, 0.5)])])
    by_size = np.square(roots)
    history = RowLosses(*[by_size[..., 1]] * 3, by_size)
    mean = at(history, 0)
    selection = Selection(history=history, mean=mean, pca=mean, n_values=n)
    assert (selection.best_epoch() == 1) == is_kept


def test_one_row_has_a_bound_for_each_gain():
    bound = gain_lower_bound(np.ones((1, 3, 2)), 2)
    np.testing.assert_array_equal(bound, np.full((3, 2), -np.inf), strict=True)


def first_rows(selection, n):
    """The same selection with the first n rows only."""
    some = slice(n)
    history = at(selection.history, (slice(None), some))
    mean, pca = at(selection.mean, some), at(selection.pca, some)
    return replace(selection, history=history, mean=mean, pca=pca)


def test_one_row_is_never_sure():
    many = gaining(20, 50)
    assert many.best_epoch() == 1
    assert first_rows(many, 1).best_epoch() == 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("standard_errors", [-3, 0, 50])
def test_one_row_does_not_decide_for_the_other_folds(standard_errors):
    fold = of_a_fold(20, standard_errors)
    assert not first_rows(fold, 1).is_decided(100)


def test_a_size_that_may_gain_nothing_keeps_the_start():
    selection = selection_of([5.0, 1.2, 0.8], [4.9, 0.9, 0.5])
    few = at(selection.mean, slice(20))
    history = at(selection.history, (slice(None), slice(20)))
    assert replace(selection, history=history, mean=few).best_epoch() == 1
    by_luck = np.where(np.arange(20) % 2, 0.2, -0.2)
    first, second = history.squared_error_by_size[:, :, 0]
    second[:] = np.square(np.sqrt(first) - 0.025 + by_luck)
    assert second.sum() < 0.99 * first.sum()
    assert replace(selection, history=history, mean=few).best_epoch() == 0


def of_a_fold(n, standard_errors):
    """The same for the plain bottleneck, which has no sizes."""
    selection = gaining(n, standard_errors)
    empty = np.zeros((2, n, 0))
    return replace(
        selection, history=selection.history._replace(squared_error_by_size=empty)
    )


@pytest.mark.parametrize("standard_errors", np.linspace(-3, 16, 20))
def test_folds_are_left_out_if_the_gain_is_clear_or_would_have_to_grow(standard_errors):
    fold = of_a_fold(40, standard_errors)
    # All rows: the same gain per row, 1.2 standard errors of the fold higher: 1.5 more
    # in the other four fifths.
    all_rows = of_a_fold(200, (standard_errors + 1.2) * np.sqrt(200 / 40))
    is_clear = fold.best_epoch(INTERIM_STANDARD_ERRORS) > 0
    assert fold.is_decided(200) == (is_clear or all_rows.best_epoch() == 0)


@pytest.mark.parametrize("standard_errors", np.linspace(-3, 16, 20))
def test_folds_that_are_enough_decide_as_all_rows_with_their_gain(standard_errors):
    fold = of_a_fold(40, standard_errors)
    all_rows = of_a_fold(200, standard_errors * np.sqrt(200 / 40))
    if fold.is_decided(200):
        assert fold.best_epoch() == all_rows.best_epoch()


def test_the_best_epoch_is_kept_early_only_with_more_standard_errors():
    worth_it = 0.01 / (0.05 / np.sqrt(4000))  # 1 % of the start, in standard errors
    nearly, clear = (of_a_fold(4000, worth_it + errors) for errors in (2.8, 3.2))
    assert nearly.best_epoch() == clear.best_epoch() == 1
    assert not nearly.is_decided(20_000)
    assert clear.is_decided(20_000)


@pytest.mark.parametrize("standard_errors", [0.0, 16.0])
def test_folds_of_ordered_codes_and_penalties_are_not_left_out(standard_errors):
    fold = of_a_fold(40, standard_errors)
    assert fold.is_decided(200)
    assert not gaining(40, standard_errors).is_decided(200)
    assert not replace(fold, is_penalized=True).is_decided(200)
