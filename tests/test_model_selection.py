"""Splits, folds and the refit: which rows are held out, and what a fit reports."""

from functools import partial

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from sklearn_seqae.fitting import trainer, validation
from sklearn_seqae.fitting.selection import Selection, explained, mean_curve
from sklearn_seqae.fitting.validation import validation_splits
from sklearn_seqae.modules.batch import RowLosses
from tests.instances import convolutional, dense, recurrent

X = load_digits().data[:120] / 16
FAMILIES = {
    "dense": partial(dense, init="random"),
    "convolutional": partial(convolutional, init="random"),
}
each_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
# Few epochs from random weights are no better than PCA, and the fit warns of it.
is_short = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
ENOUGH = {"n_enough": 350, "n_max": 5000, "n_components": 2}


def first_seed(random_state):
    """Return the seed that a fit draws from its random_state."""
    return np.random.RandomState(random_state).randint(2**31 - 1)


# Splits


@pytest.mark.parametrize("in_blocks", [False, True])
@pytest.mark.parametrize("n", [2, 7, 100, 349])
def test_folds_hold_out_rows_once_and_train_on_all_others(n, in_blocks):
    splits = validation_splits(n, 0.2, 0, in_blocks=in_blocks, **ENOUGH)
    for train, valid in splits:
        assert sorted([*train, *valid]) == list(range(n))
    held_out = np.concatenate([valid for _, valid in splits])
    # Less than 350 rows in five folds: all are held out.
    assert sorted(held_out) == list(range(n))


@pytest.mark.parametrize(("n", "n_used"), [(350, 5), (700, 3), (1750, 1), (4000, 1)])
def test_folds_end_when_enough_rows_were_held_out(n, n_used):
    splits = validation_splits(n, 0.2, 0, **ENOUGH)
    assert len(splits) == n_used
    assert {len(valid) for _, valid in splits} == {n // 5}


@pytest.mark.parametrize("n", [100, 700])
def test_blocks_are_consecutive_rows_the_last_ones_first(n):
    splits = validation_splits(n, 0.2, 0, in_blocks=True, **ENOUGH)
    for number, (_, valid) in enumerate(splits):
        end = n - number * n // 5
        assert list(valid) == list(range(end - n // 5, end))


def test_random_folds_depend_on_the_seed_and_are_no_blocks():
    one, same, other = (
        validation_splits(100, 0.2, seed, **ENOUGH)[0][1] for seed in (0, 0, 1)
    )
    assert (one == same).all() and set(one) != set(other)
    assert set(one) != set(range(one.min(), one.min() + len(one)))


@pytest.mark.parametrize("in_blocks", [False, True])
def test_many_rows_have_one_split_of_the_largest_size(in_blocks):
    options = {**ENOUGH, "n_max": 100, "in_blocks": in_blocks}
    ((train, valid),) = validation_splits(2000, 0.2, 0, **options)
    assert len(valid) == 100 and sorted([*train, *valid]) == list(range(2000))
    assert (list(valid) == list(range(1900, 2000))) == in_blocks


def test_training_parts_have_more_rows_than_pca_has_components():
    # Two halves of 20 rows are too few for 10 components.
    for n_components, n_folds in ((9, 2), (10, 10), (12, 10)):
        options = {**ENOUGH, "n_components": n_components}
        train, valid = validation_splits(20, 0.5, 0, **options)[0]
        assert len(valid) == 20 // n_folds and len(train) == 20 - 20 // n_folds


def test_one_row_is_not_divided():
    assert validation_splits(1, 0.2, 0, **ENOUGH) == []


@pytest.mark.parametrize(
    ("options", "in_blocks"),
    [
        ({}, False),
        ({"objective": "predict"}, False),  # the sequence is its own target
        ({"objective": "predict", "horizon": 2}, True),
    ],
    ids=["reconstruct", "predict", "horizon"],
)
def test_windows_with_steps_ahead_are_held_out_in_blocks(
    options, in_blocks, monkeypatch
):
    asked = []

    def record(*args, in_blocks, **options):
        asked.append(in_blocks)
        return validation_splits(*args, in_blocks=in_blocks, **options)

    monkeypatch.setattr(validation, "validation_splits", record)
    recurrent(**options).fit(X[:40].reshape(-1, 8, 8))
    assert asked == [in_blocks]


# Joined folds


def losses(*shape, seed=0):
    """Return losses of rows, each field with values of its own."""
    rng = np.random.default_rng(seed)
    fields = [rng.uniform(1, 2, shape) for _ in range(3)]
    return RowLosses(*fields, rng.uniform(1, 2, (*shape, 3)))


def fold(n_epochs, n_rows, seed=0, **options):
    return Selection(
        history=losses(n_epochs + 1, n_rows, seed=seed),
        mean=losses(n_rows, seed=seed + 1),
        pca=losses(n_rows, seed=seed + 2),
        n_values=7.0 * n_rows,
        **options,
    )


def test_joined_folds_have_the_rows_of_all_and_the_epochs_of_the_longest():
    short, long = fold(2, 4), fold(5, 3, seed=10, is_penalized=False)
    joined = Selection.join([short, long])
    assert joined.n_epochs == 5 and joined.n_values == 7 * (4 + 3)
    for name in RowLosses._fields:
        history, first, second = (
            getattr(each.history, name) for each in (joined, short, long)
        )
        # The last losses of the fold that stopped are repeated.
        for epoch in range(6):
            np.testing.assert_array_equal(history[epoch, :4], first[min(epoch, 2)])
            np.testing.assert_array_equal(history[epoch, 4:], second[epoch])
        for end in ("mean", "pca"):
            parts = [getattr(getattr(each, end), name) for each in (short, long)]
            whole = getattr(getattr(joined, end), name)
            np.testing.assert_array_equal(whole, np.concatenate(parts))


@pytest.mark.parametrize("options", [{"is_penalized": True}, {"fraction": 0.9}])
def test_joined_folds_keep_their_rule(options):
    joined = Selection.join([fold(2, 4, **options), fold(3, 4, **options)])
    assert joined.is_penalized == options.get("is_penalized", False)
    assert joined.fraction == options.get("fraction")


def test_reported_losses_are_means_over_the_values_of_all_rows():
    selection = fold(3, 5)
    np.testing.assert_allclose(
        selection.valid_losses, selection.history.total.sum(axis=1) / 35
    )
    loss, mean = selection.history.loss.sum(axis=1), selection.mean.loss.sum()
    np.testing.assert_allclose(selection.scores, 1 - loss / mean)
    square = selection.history.squared_error.sum(axis=1)
    r2 = selection.r2()
    total = selection.mean.squared_error.sum()
    assert r2["model"] == pytest.approx(1 - square[selection.best_epoch()] / total)
    assert r2["pca"] == pytest.approx(1 - selection.pca.squared_error.sum() / total)
    assert r2["mean"] == 0


def test_explained_is_0_if_the_reference_is_a_rounding_error():
    assert explained(np.array([1.0, 3.0]), 4.0, 10).tolist() == [0.75, 0.25]
    assert explained(np.array([1.0, 3.0]), 1e-13, 10).tolist() == [0, 0]


def test_a_mean_curve_repeats_the_end_of_the_shorter_ones():
    assert mean_curve([[4.0, 2.0], [2.0, 2.0, 6.0]]) == [3, 2, 4]


# The fit


@is_short
@each_family
@pytest.mark.parametrize("validation_fraction", [0.5, 0.2])
def test_the_refit_trains_all_rows_for_the_best_number_of_epochs(
    family, validation_fraction
):
    options = {"validation_fraction": validation_fraction}
    is_dense = family is FAMILIES["dense"]
    if is_dense:
        options["refinement_steps"] = 0
    model = family(3, **options, max_iter=4).fit(X)
    history = model.model_.net.history
    assert len(history) == model.best_epoch_ > 0
    expected = model.validation_loss_curve_[1 : model.best_epoch_ + 1]
    np.testing.assert_allclose(history[:, "valid_loss"], expected)
    assert len(model.loss_curve_) == model.n_iter_
    if is_dense:  # the others have one cycle of the learning rate
        options.update(max_iter=model.best_epoch_, early_stopping=False)
        codes = family(3, **options).fit(X).transform(X)
        np.testing.assert_array_equal(model.transform(X), codes)


@is_short
@each_family
def test_held_out_r2_is_that_of_rows_that_were_held_out(family, monkeypatch):
    monkeypatch.setattr(trainer, "REFIT_BELOW", 100)
    asked = []

    def record(*args, **options):
        asked.extend(validation_splits(*args, **options))
        return asked

    monkeypatch.setattr(validation, "validation_splits", record)
    # One split. Without a refit, the model is that of this split.
    monkeypatch.setattr(validation, "MAX_VALIDATION_ROWS", 30)
    monkeypatch.setattr(validation, "MAX_FOLDS", 1)
    model = family(3, max_iter=4, validation_fraction=0.25).fit(X)
    ((train, valid),) = asked
    total = np.square(X[valid] - X[train].mean(axis=0)).sum()
    pca = PCA(3).fit(X[train])
    for name, rebuilt in {
        "model": model.reconstruct(X[valid]),
        "pca": pca.inverse_transform(pca.transform(X[valid])),
        "mean": X[train].mean(axis=0),
    }.items():
        expected = 1 - np.square(X[valid] - rebuilt).sum() / total
        assert model.held_out_r2_[name] == pytest.approx(expected, abs=1e-4)
    assert model.best_epoch_ > 0


@is_short
def test_held_out_r2_after_a_warm_start_is_beside_that_of_pca():
    cold = dense(3, max_iter=1).fit(X)
    warm = dense(3, max_iter=10, early_stopping=False, warm_start=True).fit(X)
    warm.set_params(max_iter=1, early_stopping=True).fit(X)
    expected = cold.held_out_r2_["pca"]
    assert warm.held_out_r2_["pca"] == pytest.approx(expected, abs=1e-5)
    assert abs(warm.held_out_r2_["model"] - expected) > 1e-3


@is_short
@each_family
def test_large_data_keep_the_weights_of_the_first_fold(family, monkeypatch):
    small = family(3, max_iter=3).fit(X)
    monkeypatch.setattr(trainer, "REFIT_BELOW", len(X))
    large = family(3, max_iter=3).fit(X)
    # The same trainings select; only the last one is left out.
    assert large.validation_loss_curve_ == small.validation_loss_curve_
    assert large.held_out_r2_ == small.held_out_r2_
    assert len(large.model_.net.history) == large.n_iter_ == small.n_iter_
    assert not np.allclose(large.transform(X), small.transform(X))


@pytest.mark.parametrize("refinement_steps", [0, 2])
def test_large_data_keep_the_best_epoch_and_not_the_last(refinement_steps, monkeypatch):
    monkeypatch.setattr(trainer, "REFIT_BELOW", 10)
    monkeypatch.setattr(validation, "MAX_FOLDS", 1)
    options = {"hidden_layer_sizes": (64,), "init": "random", "max_iter": 200}
    model = dense(8, refinement_steps=refinement_steps, **options).fit(X[:80])
    assert 0 < model.best_epoch_ < model.n_iter_
    ((_, valid),) = validation_splits(
        80, 0.5, first_seed(0), n_enough=350, n_max=5000, n_components=8
    )[:1]
    train = np.delete(X[:80], valid, axis=0)
    errors = np.square(X[valid] - model.reconstruct(X[valid])).sum()
    total = np.square(X[valid] - train.mean(axis=0)).sum()
    assert model.held_out_r2_["model"] == pytest.approx(1 - errors / total, abs=1e-4)
