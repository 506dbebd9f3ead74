"""Scores and residuals of a long series do not depend on how windows are grouped."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from sklearn_seqae import AutoencoderAnomalyDetector
from sklearn_seqae.anomaly import _series
from tests.instances import dense

SIZE = 12


@pytest.fixture(scope="module")
def series():
    steps = np.arange(400)[:, np.newaxis]
    noise = np.random.default_rng(0).normal(size=(400, 2))
    return np.sin(steps * [0.3, 0.2]) + 0.1 * noise


@pytest.mark.parametrize("alignment", ["centered", "trailing"])
@pytest.mark.parametrize("step", [1, 5])
@pytest.mark.parametrize("estimator", [PCA(3), dense(3)], ids=["PCA", "dense"])
def test_windows_in_small_parts_have_the_same_results(
    estimator, step, alignment, series, monkeypatch
):
    model = AutoencoderAnomalyDetector(
        estimator,
        window_size=SIZE,
        step=step,
        alignment=alignment,
        contamination=0.05,
        random_state=0,
    ).fit(series)
    methods = ("score_samples", "feature_scores", "step_scores")
    whole = {name: getattr(model, name)(series) for name in methods}
    monkeypatch.setattr(_series, "TOGETHER", 7)
    monkeypatch.setattr(_series, "MOST_TILE_BLOCKS", 1)
    for name in methods:
        parts = getattr(model, name)(series)
        np.testing.assert_allclose(parts, whole[name], rtol=1e-6, equal_nan=True)


@pytest.mark.parametrize("together", [3, 1024])
def test_residuals_of_many_windows_are_means_over_the_windows_of_a_step(
    together, series, monkeypatch
):
    monkeypatch.setattr(_series, "TOGETHER", together)
    model = AutoencoderAnomalyDetector(
        PCA(3), window_size=SIZE, score_method="reconstruction", contamination=0.05
    ).fit(series)
    pca = model.estimator_
    rows = np.lib.stride_tricks.sliding_window_view(series, SIZE, axis=0)
    rows = rows.swapaxes(1, 2).reshape(len(series) - SIZE + 1, -1)
    rest = rows - pca.inverse_transform(pca.transform(rows))
    total, count = np.zeros(series.shape), np.zeros((len(series), 1))
    for start, window in enumerate(rest.reshape(-1, SIZE, 2)):
        total[start : start + SIZE] += window
        count[start : start + SIZE] += 1
    _, residuals = model._windows.look(model._model, series)
    np.testing.assert_allclose(residuals, total / count, atol=1e-6)
