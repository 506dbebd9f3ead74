"""Tables with more columns than rows."""

import pickle

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from sklearn_seqae import AutoencoderAnomalyDetector, DenseAutoencoderTransformer
from sklearn_seqae.fitting import refinement
from sklearn_seqae.modules.row_space import row_space

N_ROWS, N_COLUMNS = 60, 3000


@pytest.fixture(scope="module")
def wide():
    return np.random.RandomState(0).normal(size=(N_ROWS, N_COLUMNS))


@pytest.mark.parametrize("method", ["reconstruction", "mahalanobis", "nearest"])
def test_the_state_of_a_detector_is_linear_in_the_number_of_columns(wide, method):
    detector = AutoencoderAnomalyDetector(PCA(3), score_method=method, random_state=0)
    sizes = [
        len(pickle.dumps(detector.fit(wide[:, :n])))
        for n in (N_COLUMNS // 2, N_COLUMNS)
    ]
    assert sizes[1] < 2.1 * sizes[0]
    assert sizes[1] < 5 * wide.size * 4  # bytes of X in float32


def test_the_default_keeps_at_most_five_times_x_in_float32(wide):
    detector = AutoencoderAnomalyDetector(random_state=0).fit(wide)
    assert len(pickle.dumps(detector)) < 5 * wide.size * 4


@pytest.mark.parametrize("n_columns", [20, 150])
def test_attribution_is_that_of_the_full_shrunk_covariance(wide, n_columns):
    X = wide[:, :n_columns] * np.linspace(1, 3, n_columns)
    detector = AutoencoderAnomalyDetector(PCA(3), contamination=0.1).fit(X)
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    precision = LedoitWolf().fit(scaled).precision_
    expected = np.square(scaled @ precision) / np.diag(precision)
    np.testing.assert_allclose(detector.feature_scores(X), expected, rtol=1e-3)


def test_explain_names_the_column_that_was_changed(wide):
    detector = AutoencoderAnomalyDetector(PCA(3), random_state=0).fit(wide)
    changed = wide[:3].copy()
    changed[[0, 1, 2], [7, 70, 700]] += 100
    causes = detector.explain(changed, n_causes=1)
    assert causes["feature"].tolist() == ["x7", "x70", "x700"]


def test_a_constant_residual_gives_finite_attributions():
    train = np.tile([5.0, 1.0], (400, 1))
    test = train.copy()
    test[200:205, 1] = 2
    detector = AutoencoderAnomalyDetector(PCA(1), window_size=20, contamination=0.05)
    causes = detector.fit(train).explain(test)
    assert np.isfinite(causes["share"]).all()
    assert causes["feature"].iloc[0] == "x1"
    assert 200 <= causes["time"].iloc[0] < 205
    assert np.isfinite(detector.feature_scores(test)).all()


@pytest.mark.parametrize("bottleneck", ["plain", "ordered"])
def test_nearest_points_in_the_row_space_are_those_in_all_columns(
    bottleneck, monkeypatch
):
    digits = load_digits().data[:300]
    model = DenseAutoencoderTransformer(
        3, bottleneck=bottleneck, max_iter=20, early_stopping=False, random_state=0
    )
    model.fit(digits[:40])
    new = digits[40:]
    assert row_space(model.model_.module).shape == (40, 64)
    in_row_space = model.transform(new)
    monkeypatch.setattr(refinement, "row_space", lambda module: None)
    in_all_columns = model.transform(new)
    plain = model.model_.encode(model._read(new), refined=False)
    assert np.abs(in_row_space - plain).max() > 0.01 * plain.std()
    spread = in_all_columns.std(axis=0)
    np.testing.assert_allclose(
        in_row_space / spread, in_all_columns / spread, atol=1e-2
    )
