"""Statistics of values of which some are missing, and their linear estimate."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer

from sklearn_seqae._sequences import Samples
from sklearn_seqae.fitting import imputer
from sklearn_seqae.fitting.imputer import LinearImputer, fill_gaps, hide_more
from sklearn_seqae.fitting.scaling import Scaling, weighted_mean
from tests.containers import with_gaps


@pytest.mark.parametrize("weights", [None, [1, 3, 2, 2]])
def test_the_mean_is_that_of_observed_values(weights):
    random = np.random.RandomState(0)
    table, sequences = random.normal(size=(4, 3)), random.normal(size=(4, 3, 2))
    table[1, 0] = table[:, 2] = sequences[1, 0] = sequences[:, 1, 0] = np.nan
    table[1:, 1] = sequences[1:, 2, 1] = np.nan  # one is observed
    copies = [1, 1, 1, 1] if weights is None else weights
    of_table = np.append(np.nanmean(np.repeat(table, copies, axis=0)[:, :2], axis=0), 0)
    steps = np.repeat(sequences, copies, axis=0)
    of_sequences = np.nanmean(np.delete(steps, 1, axis=1), axis=0)
    of_step = [np.nanmean(steps[:, :, 0]), np.nanmean(steps[:, 1, 1])]
    expected = np.insert(of_sequences, 1, of_step, axis=0)
    for unit in (1.0, 0.1) if weights else (1.0,):
        weight = None if weights is None else unit * np.array(weights)
        np.testing.assert_allclose(weighted_mean(table, weight), of_table)
        np.testing.assert_allclose(weighted_mean(sequences, weight), expected)


def test_the_factor_model_of_complete_rows_has_their_covariance(factors):
    samples = Samples((factors / 10).astype(np.float32), None, None)
    fitted = LinearImputer.fit(samples, n_steps=None, n_factors=2, seed=0)
    covariance = fitted.loadings.T @ fitted.loadings + np.diag(fitted.noise)
    expected = np.cov(factors.T / 10)
    np.testing.assert_allclose(covariance, expected, atol=0.02 * expected.max())


def test_the_em_algorithm_counts_a_row_as_often_as_its_weight(factors, gappy):
    weight = np.where(factors[:, 0] > 0.5, 4, 1)

    def model(X, weight=None):
        samples = Samples((X / 10).astype(np.float32), None, None, weight=weight)
        return LinearImputer.fit(samples, n_steps=None, n_factors=2, seed=0)

    expected = model(np.repeat(gappy, weight, axis=0)).mean
    found = model(gappy, weight.astype(float)).mean
    away = np.abs(model(gappy).mean - expected).max()
    assert np.abs(found - expected).max() < 0.1 * away


def test_estimates_of_sequences_are_stretched_to_their_lengths():
    mean = np.array([[0.0, 9.0], [4.0, 5.0], [8.0, 7.0]])  # steps, channels
    model = LinearImputer(mean.ravel(), np.zeros((1, 6)), np.ones(6), n_steps=3)
    values, lengths = np.zeros((3, 5, 2)), np.array([5, 2, 3])
    for row, n in zip(values, lengths, strict=True):
        row[:n, 1] = np.nan
    filled = model.fill(values, lengths)
    np.testing.assert_array_equal(filled[:, :, 0], 0)
    for row, n in zip(filled, lengths, strict=True):
        expected = np.interp(np.linspace(0, 2, n), range(3), mean[:, 1])
        np.testing.assert_allclose(row[:n, 1], expected)
        np.testing.assert_array_equal(row[n:], 0)


@pytest.mark.parametrize("weights", [None, [3.0, 1.0]])
def test_missing_values_do_not_change_the_variance_of_equal_squares(weights):
    X = np.tile([[1.0, -1.0, 1.0], [-1.0, 1.0, -1.0]], (20, 1))
    weight = None if weights is None else np.tile(weights, 20) / 2
    scaling = Scaling(np.zeros(3), np.zeros(3), 1.0)
    variances = [
        scaling.total_variance(Samples(each, None, None, weight=weight))
        for each in (X, with_gaps(X))
    ]
    assert variances[0] == pytest.approx(3 * 40 / 39)
    if weights is None:
        assert variances[1] == pytest.approx(variances[0])


def test_a_sequence_with_gaps_counts_as_if_they_had_the_mean_square():
    X = np.tile(
        [[[1.0], [-2.0], [1.0], [-2.0]], [[-2.0], [1.0], [-2.0], [9.0]]], (9, 1, 1)
    )
    samples = [
        Samples(values.astype(np.float32), np.tile([4, 3], 9), None)
        for values in (X, with_gaps(X))
    ]
    scaling = Scaling(np.zeros((4, 1)), np.zeros(1), 0.5)
    observed = samples[1].values[samples[1].mask]
    expected = 7 * 9 * np.nanmean(np.square(observed)) / 17  # 7 steps in two rows
    assert np.isnan(observed).any()
    assert scaling.total_variance(samples[1]) == pytest.approx(expected)
    assert scaling.total_variance(samples[0]) == pytest.approx((4 * 2.5 + 9) * 9 / 17)


def test_the_factor_model_estimates_the_conditional_mean(factors):
    samples = Samples(factors.astype(np.float32), None, None)
    fitted = LinearImputer.fit(samples, n_steps=None, n_factors=2, seed=0)
    covariance = fitted.loadings.T @ fitted.loadings + np.diag(fitted.noise)
    row = factors[:1] - fitted.mean
    weights = np.linalg.solve(covariance[1:, 1:], covariance[1:, 0])
    X = factors[:1].astype(np.float32)
    X[0, 0] = np.nan
    filled = fitted.fill(X, None)
    np.testing.assert_allclose(
        filled[0, 0], fitted.mean[0] + row[0, 1:] @ weights, rtol=1e-4
    )
    np.testing.assert_array_equal(filled[0, 1:], X[0, 1:])


def test_the_em_algorithm_estimates_as_well_as_with_complete_rows(factors, gappy):
    scale, hidden = factors.std(), np.isnan(gappy)
    complete, with_gaps = (
        Samples((X / scale).astype(np.float32), None, None) for X in (factors, gappy)
    )

    def error(samples):
        model = LinearImputer.fit(samples, n_steps=None, n_factors=2, seed=0)
        filled = model.fill(with_gaps.values, None)
        return np.sqrt(np.mean(np.square(filled - complete.values)[hidden]))

    assert error(with_gaps) < 1.1 * error(complete)


def em_step(model, X, weight):
    """Return one step of the EM algorithm by loops over the rows and the columns.

    The posterior of a row stands for the same weight of points with its mean and its
    covariance. Each column is then a regression on all points.
    """
    loadings, n_factors = model.loadings, len(model.loadings)
    points, values, weights = [], [], []
    for row, w in zip(X, weight, strict=True):
        seen = ~np.isnan(row)
        L = loadings[:, seen]
        gain = L @ np.linalg.inv(L.T @ L + np.diag(model.noise[seen]))
        root = np.linalg.cholesky(np.eye(n_factors) - gain @ L.T)
        moves = np.sqrt(n_factors) * np.vstack([root.T, -root.T])
        points.append(gain @ (row - model.mean)[seen] + moves)
        values.append(np.tile(row, (len(moves), 1)))
        weights.append(np.full(len(moves), w / len(moves)))
    points, values, weights = map(np.concatenate, (points, values, weights))
    inputs = np.column_stack([points, np.ones(len(points))])
    solution, squares, counts = [], [], []
    for column, noise in zip(values.T, model.noise, strict=True):
        seen = ~np.isnan(column)
        roots = np.sqrt(weights[seen])
        prior = np.sqrt(noise * np.r_[np.full(n_factors, n_factors), 1e-6])
        A = np.vstack([roots[:, None] * inputs[seen], np.diag(prior)])
        b = np.r_[roots * column[seen], np.zeros(n_factors + 1)]
        solution.append(np.linalg.lstsq(A, b, rcond=None)[0])
        left = column[seen] - inputs[seen] @ solution[-1]
        squares.append(weights[seen] @ np.square(left))
        counts.append(weights[seen].sum())
    solution, squares, counts = map(np.array, (solution, squares, counts))
    # As if each column had three more values with the noise of all columns.
    usual = np.average(squares / counts, weights=counts)
    noise = np.average(
        [squares / counts, np.full(len(counts), usual)],
        axis=0,
        weights=[counts, np.full(len(counts), 3)],
    )
    seen = np.isfinite(X)
    left = np.where(seen, X - weighted_mean(X, weight), 0)
    total = weight @ np.square(left).sum(axis=1) / (weight @ seen.sum(axis=1))
    noise = np.maximum(noise, 1e-3 * total)
    return LinearImputer(solution[:, -1], solution[:, :-1].T, noise, None)


@pytest.mark.parametrize("n_iter", [1, 100])
def test_the_em_algorithm_is_that_of_loops_over_rows_and_columns(monkeypatch, n_iter):
    random = np.random.default_rng(1)
    X = random.normal(size=(30, 2)) @ random.normal(size=(2, 5)) + 2.0
    X += random.normal(size=X.shape) * [0.5, 0.3, 0.1, 0.4, 0]
    X[random.uniform(size=X.shape) < 0.3] = np.nan
    X[5:, 1], X[:6, 1] = np.nan, X[:6, 0] + 0.5 * X[:6, 2]
    weight = random.uniform(0.2, 2, size=30)
    monkeypatch.setattr(imputer, "MAX_ITER", n_iter)
    start = imputer._initial(X, weight, 2, seed=0)
    found = imputer._expectation_maximization(start, X, weight)
    expected = start
    for _ in range(n_iter):
        before, expected = expected, em_step(expected, X, weight)
        if np.abs(np.log(expected.noise / before.noise)).mean() < 1e-4:
            break
    for name in ("mean", "loadings", "noise"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=1e-6, atol=1e-8
        )


@pytest.mark.parametrize("noise", [0.3, 0])
def test_the_initial_factor_model_is_that_of_rows_as_often_as_their_weight(
    monkeypatch, noise
):
    monkeypatch.setattr(imputer, "PRIOR_ROWS", 0)
    random = np.random.default_rng(0)
    X = random.normal(size=(40, 2)) @ random.normal(size=(2, 6)) + 3
    X += noise * random.normal(size=X.shape)
    copies = np.where(X[:, 0] > 3, 5, 1)
    repeated = np.repeat(X, copies, axis=0)
    found = imputer._initial(X, copies / copies.mean(), 2, seed=0)
    pca = PCA(2).fit(repeated)
    np.testing.assert_allclose(found.mean, pca.mean_)
    covariance = found.loadings.T @ found.loadings
    variances = pca.explained_variance_ * (1 - 1 / len(repeated))
    np.testing.assert_allclose(
        covariance, pca.components_.T * variances @ pca.components_, atol=1e-10
    )
    left = repeated - pca.inverse_transform(pca.transform(repeated))
    least = 1e-3 * repeated.var(axis=0).mean()
    expected = np.square(left).mean(axis=0).clip(least)
    np.testing.assert_allclose(found.noise, expected)


def test_the_initial_factor_model_has_the_mean_in_place_of_gaps(factors, gappy):
    filled = SimpleImputer().fit_transform(gappy)
    weight = np.ones(len(gappy))
    found, expected = (imputer._initial(X, weight, 2, 0) for X in (gappy, filled))
    np.testing.assert_allclose(found.mean, expected.mean)
    np.testing.assert_allclose(found.loadings, expected.loadings, atol=1e-8)


@pytest.mark.parametrize(
    ("shape", "asked", "n_factors"),
    [
        ((3, 5), 2, 1),
        ((8, 5), 3, 2),
        ((40, 50), 64, 10),
        ((200, 50), 64, imputer.MAX_RANK),
        ((200, 5), 64, 5),
        ((200, 5), 4, 4),
    ],
)
def test_the_factors_are_as_many_as_the_rows_and_columns_allow(shape, asked, n_factors):
    X = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    options = {"n_steps": None, "n_factors": asked, "seed": 0}
    fitted = LinearImputer.fit(Samples(X, None, None), **options)
    assert fitted.loadings.shape == (n_factors, shape[1])


def test_gaps_of_samples_and_of_their_targets_are_filled():
    X = np.array([[1.0, np.nan], [3.0, 4.0], [np.nan, 6.0]])
    target = np.array([[1.0, 2.0], [np.nan, 4.0], [5.0, 9.0]])
    estimates = LinearImputer(
        np.array([-7.0, -8.0]), np.zeros((1, 2)), np.ones(2), None
    )
    samples = Samples(X, None, None, target=target)
    filled = fill_gaps(samples, estimates)
    np.testing.assert_array_equal(filled.values, [[1, -8], [3, 4], [-7, 6]])
    np.testing.assert_array_equal(filled.observed, ~np.isnan(X))
    np.testing.assert_array_equal(filled.target, [[1, 2], [3, 4], [5, 9]])
    np.testing.assert_array_equal(filled.target_observed, ~np.isnan(target))
    np.testing.assert_array_equal(fill_gaps(samples, None).values, X)
    complete = Samples(np.ones((2, 2)), None, None, target=np.zeros((2, 2)))
    same = fill_gaps(complete, estimates)
    assert same.values is complete.values and same.target is complete.target
    assert same.observed is same.target_observed is None


HIDDEN = 99.0  # estimate of every hidden value


def copies_of(X, n_copies=8, seed=0):
    """Return copies of X with more hidden values."""
    width = X[0].size
    model = LinearImputer(
        np.full(width, HIDDEN), np.zeros((1, width)), np.ones(width), None
    )
    if X.ndim == 3:
        model = replace(model, n_steps=X.shape[1])
    samples = fill_gaps(Samples(X, None, None), model)
    return hide_more(samples, model, seed, n_copies)


@pytest.mark.parametrize("shape", [(5, 5), (5, 5, 1), (5, 5, 3)])
def test_copies_hide_what_is_missing_in_another_row(shape):
    X = np.arange(np.prod(shape), dtype=float).reshape(shape)
    X[range(5), range(5)] = np.nan  # in each row another column, or another step
    copies = copies_of(X)
    assert copies.shape == (8, *shape) and copies.dtype == np.float32
    others = []
    for copy in copies:
        hidden = copy == HIDDEN
        np.testing.assert_array_equal(copy[~hidden], X[~hidden])
        assert hidden[np.isnan(X)].all()
        hidden = hidden.reshape(5, 5, -1)
        assert (hidden.all(axis=2) == hidden.any(axis=2)).all()
        rows = hidden[:, :, 0] & ~np.eye(5, dtype=bool)
        assert (rows.sum(axis=0) <= 1).all() and (rows.sum(axis=1) <= 1).all()
        others.append(rows)
    assert len({rows.tobytes() for rows in others}) > 4
    assert np.mean(others) > 0.1  # nearly one of five columns


def test_a_row_of_which_nothing_would_be_left_is_not_changed():
    X = np.array([[1.0, np.nan], [np.nan, 2.0], [3.0, 4.0]])
    copies = copies_of(X, 20)
    np.testing.assert_array_equal(copies[:, 0], [[1, HIDDEN]] * 20)
    np.testing.assert_array_equal(copies[:, 1], [[HIDDEN, 2]] * 20)
    assert {tuple(row) for row in copies[:, 2]} == {(3, 4), (3, HIDDEN), (HIDDEN, 4)}


@pytest.mark.parametrize("n_copies, most", [(3, 8 * 5), (2, 17), (1, 15), (1, 1)])
def test_fewer_copies_are_made_of_large_samples(monkeypatch, n_copies, most):
    monkeypatch.setattr(imputer, "MAX_COPIED", most)
    X = np.ones((4, 2))
    assert hide_more(Samples(X, None, None), None, 0, 3) is None
    assert copies_of(X) is None
    X[0, 0] = np.nan
    assert len(copies_of(X, 3)) == n_copies
