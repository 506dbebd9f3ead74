"""Statistics of values of which some are missing, and their linear estimate."""

import numpy as np
import pytest

from sklearn_seqae._sequences import Samples
from sklearn_seqae.fitting.imputer import LinearImputer
from sklearn_seqae.fitting.scaling import Scaling, weighted_mean
from tests.containers import with_gaps


@pytest.mark.parametrize("weights", [None, [1, 3, 2, 2]])
def test_the_mean_is_that_of_observed_values(weights):
    random = np.random.RandomState(0)
    table, sequences = random.normal(size=(4, 3)), random.normal(size=(4, 3, 2))
    table[1, 0] = table[:, 2] = sequences[1, 0] = sequences[:, 1, 0] = np.nan
    copies = [1, 1, 1, 1] if weights is None else weights
    of_table = np.append(np.nanmean(np.repeat(table, copies, axis=0)[:, :2], axis=0), 0)
    steps = np.repeat(sequences, copies, axis=0)
    of_sequences = np.nanmean(np.delete(steps, 1, axis=1), axis=0)
    of_step = [np.nanmean(steps[:, :, 0]), np.nanmean(steps[:, 1, 1])]
    expected = np.insert(of_sequences, 1, of_step, axis=0)
    weight = None if weights is None else np.array(weights, dtype=float)
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
    imputer = LinearImputer(mean.ravel(), np.zeros((1, 6)), np.ones(6), n_steps=3)
    values, lengths = np.zeros((3, 5, 2)), np.array([5, 2, 3])
    for row, n in zip(values, lengths, strict=True):
        row[:n, 1] = np.nan
    filled = imputer.fill(values, lengths)
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
