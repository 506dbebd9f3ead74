"""Missing values in a detector: scaled columns, steps and rows without values."""

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import AutoencoderAnomalyDetector
from tests.instances import convolutional, dense, recurrent


def sine_series(n_steps=300, n_channels=3):
    steps = np.arange(n_steps)[:, np.newaxis] + 5 * np.arange(n_channels)
    noise = np.random.RandomState(0).normal(size=(n_steps, n_channels))
    return np.sin(steps / 4) + 0.1 * noise


@pytest.mark.parametrize("scaler", ["standard", "robust", StandardScaler()])
@pytest.mark.parametrize("window_size", [None, 12])
@pytest.mark.parametrize("n_observed", [0, 1, pytest.param(40, marks=pytest.mark.slow)])
def test_a_column_that_few_rows_have_can_be_scaled(scaler, window_size, n_observed):
    X = sine_series(150)
    gappy = X.copy()
    gappy[n_observed:, 2] = np.nan
    model = AutoencoderAnomalyDetector(
        dense(2, max_iter=2),
        scaler=scaler,
        window_size=window_size,
        false_alarm_rate=0.2,
    ).fit(gappy)
    for data in (gappy, X):
        assert np.isfinite(model.score_samples(data)).all()


@pytest.mark.parametrize("alignment", ["centered", "trailing"])
def test_steps_without_values_have_scores_and_no_attribution(alignment):
    X = sine_series()
    model = AutoencoderAnomalyDetector(
        dense(2, max_iter=2), window_size=12, alignment=alignment, contamination=0.1
    ).fit(X)
    X[150:152] = np.nan
    assert np.isfinite(model.score_samples(X)[150:152]).all()
    assert (model.feature_scores(X)[150:152] == 0).all()
    assert (model.step_scores(X)[150:152] == 0).all()
    has_score = np.isfinite(model.score_samples(X))
    np.testing.assert_array_equal(
        np.isfinite(model.feature_scores(X)).all(axis=1), has_score
    )
    nothing = np.full((20, 3), np.nan)
    assert np.isnan(model.score_samples(nothing)).sum() >= 20 - 3
    assert (model.predict(nothing) == 1).all()
    assert len(model.detect_intervals(nothing)) == len(model.explain(nothing)) == 0


@pytest.mark.parametrize("family", [dense, recurrent, convolutional])
def test_the_error_of_a_sample_is_the_mean_over_its_observed_values(family):
    X = sine_series(240)
    X[:, 1:][np.random.RandomState(0).uniform(size=(240, 2)) < 0.3] = np.nan
    X = X if family is dense else X.reshape(40, 6, 3)
    if family is recurrent:  # of several lengths
        X = [item[: 4 + i % 3] for i, item in enumerate(X)]
    model = AutoencoderAnomalyDetector(
        family(early_stopping=False, max_iter=1),
        score_method="reconstruction",
        contamination=0.1,
    ).fit(X)
    errors = model.reconstruction_errors(X)
    ratios = model.score_samples(X) / [np.nanmean(np.square(each)) for each in errors]
    rows = np.concatenate([np.reshape(each, (-1, 3)) for each in X])
    # The unit is the standard deviation of the observed values.
    squares = np.nanmean(np.square(rows - np.nanmean(rows, axis=0)))
    np.testing.assert_allclose(ratios, -1 / squares, rtol=1e-5)


def test_rows_of_which_none_has_a_value_are_refused():
    with pytest.raises(ValueError, match="0 sample.s. that have an observed value"):
        AutoencoderAnomalyDetector().fit(np.full((20, 4), np.nan))
