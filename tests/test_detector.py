import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA, KernelPCA
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_seqae import (
    AutoencoderAnomalyDetector,
    ConvolutionalAutoencoderTransformer,
    DenseAutoencoderTransformer,
    RecurrentAutoencoderTransformer,
    SequenceScaler,
)
from sklearn_seqae._containers import Container
from sklearn_seqae._inputs import InputFormat, parse
from sklearn_seqae._sequences import Samples
from sklearn_seqae.anomaly._model import default_estimator
from sklearn_seqae.anomaly.scoring import (
    Mahalanobis,
    MahalanobisOfCode,
    Nearest,
    Reconstruction,
)
from tests.instances import dense, recurrent

# Few rows: that the threshold is not exact is told in test_calibration.py.
pytestmark = pytest.mark.filterwarnings("ignore:A false-alarm rate of")

# What is not about the threshold has no need of its five folds.
QUICK = {"contamination": 0.1}
PLAIN = {"score_method": "reconstruction", **QUICK}

ROW_ESTIMATORS = [
    PCA(2),
    make_pipeline(StandardScaler(), PCA(2)),
    make_pipeline("passthrough", StandardScaler(), dense()),
    KernelPCA(2, fit_inverse_transform=True),
    dense(),
]


@pytest.fixture(scope="module")
def tumours():
    """Standardized measurements: 120 normal ones, and 40 malignant ones."""
    X, benign = load_breast_cancer(return_X_y=True)
    normal, malignant = X[benign == 1][:120], X[benign == 0][:40]
    scaler = StandardScaler().fit(normal)
    return scaler.transform(normal), scaler.transform(malignant)


@pytest.mark.parametrize("estimator", ROW_ESTIMATORS, ids=str)
def test_the_score_is_minus_the_mean_squared_error(wine, estimator):
    detector = AutoencoderAnomalyDetector(estimator, **PLAIN)
    fitted = detector.fit(wine).estimator_
    rebuilt = fitted.inverse_transform(fitted.transform(wine))
    expected = -np.square(wine - rebuilt).mean(axis=1)
    np.testing.assert_allclose(detector.score_samples(wine), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "estimator", [recurrent(), make_pipeline(SequenceScaler(), recurrent())], ids=str
)
def test_a_sequence_counts_its_own_steps_only(ragged, estimator):
    detector = AutoencoderAnomalyDetector(estimator, **PLAIN)
    X, detector = ragged, detector.fit(ragged)
    if hasattr(detector.estimator_, "reconstruct"):
        rebuilt = detector.estimator_.reconstruct(X)
    else:
        scaler, model = detector.estimator_
        rebuilt = scaler.inverse_transform(model.reconstruct(scaler.transform(X)))
    expected = [-np.square(a - b).mean() for a, b in zip(X, rebuilt, strict=True)]
    variance = np.concatenate(X).var(axis=0).mean()  # the unit of the score
    np.testing.assert_allclose(
        detector.score_samples(X), np.divide(expected, variance), rtol=1e-6
    )


@pytest.mark.parametrize("contamination", [0.05, 0.1, 0.5])
def test_the_threshold_follows_contamination(wine, contamination):
    detector = AutoencoderAnomalyDetector(PCA(2), contamination=contamination)
    labels = detector.fit_predict(wine)
    assert np.mean(labels == -1) == pytest.approx(contamination, abs=1 / len(wine))
    scores = detector.score_samples(wine)
    decisions = detector.decision_function(wine)
    np.testing.assert_array_equal(scores - detector.offset_, decisions)
    np.testing.assert_array_equal(labels, np.where(decisions >= 0, 1, -1))


def test_the_default_for_rows_is_dense(tumours):
    normal, malignant = tumours
    detector = AutoencoderAnomalyDetector(random_state=0).fit(normal[:80])
    assert isinstance(detector.estimator_, DenseAutoencoderTransformer)
    scores = detector.score_samples(np.vstack([normal[80:], malignant]))
    truth = np.repeat([1, -1], [len(normal) - 80, len(malignant)])
    assert roc_auc_score(truth, scores) > 0.8


def test_the_default_for_sequences_is_recurrent(ragged):
    detector = AutoencoderAnomalyDetector(**QUICK, random_state=0).fit(ragged[:20])
    assert isinstance(detector.estimator_, RecurrentAutoencoderTransformer)
    upset = np.random.RandomState(0).permutation(ragged[0].ravel()).reshape(-1, 3)
    assert detector.score_samples([upset * 5])[0] < detector.offset_


@pytest.mark.parametrize(
    ("shape", "windows", "n_components", "max_iter"),
    [
        ((50, 1), False, 1, 30),
        ((50, 7), False, 3, 30),
        ((50, 100), False, 32, 30),
        ((50, 3, 5), False, 7, 30),
        ((50, 9, 5), False, 8, 30),
        ((50, 1, 1), False, 1, 30),
        ((50, 7), True, 3, 20),
        ((50, 100), True, 8, 20),
        ((31, 256), True, 7, 20),
        ((3, 100), True, 1, 20),
        ((50, 2, 5, 1), False, 5, 30),
        ((50, 9, 9, 1), False, 32, 30),
        ((50, 1, 1, 1), False, 1, 30),
    ],
)
def test_the_default_has_half_of_the_size_of_a_sample_at_most(
    shape, windows, n_components, max_iter
):
    form = {2: "table", 3: "sequences", 4: "images"}[len(shape)]
    family = {
        "table": DenseAutoencoderTransformer,
        "sequences": RecurrentAutoencoderTransformer,
        "images": ConvolutionalAutoencoderTransformer,
    }[form]
    samples = parse(np.ones(shape), InputFormat(form), name="")
    model = default_estimator(samples, windows=windows)
    assert type(model) is family
    assert (model.n_components, model.max_iter) == (n_components, max_iter)
    assert not model.early_stopping


@pytest.mark.parametrize(("n", "n_pca"), [(300, 64), (64, 64), (20, 20)])
def test_windows_of_more_than_256_values_are_reduced_with_pca(n, n_pca):
    samples = Samples(np.ones((n, 257)), None, Container("table"))
    pca, dense_one = (
        step for _, step in default_estimator(samples, windows=True).steps
    )
    assert (pca.n_components, pca.random_state) == (n_pca, 0)
    assert dense_one.n_components == min(8, n // 4)
    with_gaps = Samples(np.full((n, 257), np.nan), None, Container("table"))
    model = default_estimator(with_gaps, windows=True)  # PCA reads no NaN
    assert type(model) is DenseAutoencoderTransformer


@pytest.mark.parametrize(
    ("name", "accepted", "refused"),
    [
        ("contamination", [1e-9, 0.5, "auto"], [0, 0.51, -0.1, None]),
        ("false_alarm_rate", [1e-9, 0.999], [0, 1, 1.5]),
        ("window_size", [1, 10**6, None, "auto"], [0, 2.5]),
        ("step", [1, 10**6], [0, -1, 2.5]),
        ("checkpoint", [None, "folder"], [1]),
    ],
)
def test_the_limits_of_parameters(name, accepted, refused):
    for value in accepted:
        AutoencoderAnomalyDetector(**{name: value})._validate_params()
    for value in refused:
        with pytest.raises(ValueError, match=f"'{name}' parameter"):
            AutoencoderAnomalyDetector(**{name: value})._validate_params()


def test_the_default_cannot_rebuild_everything():
    X = np.random.RandomState(0).normal(size=(50, 2))
    detector = AutoencoderAnomalyDetector(**PLAIN, random_state=0).fit(X)
    assert detector.estimator_.n_components_ == 1
    assert detector.score_samples(X).mean() < -0.01


def test_a_frozen_estimator_is_not_fitted_again(wine):
    fitted = PCA(2).fit(wine[:100])
    frozen = FrozenEstimator(fitted)
    detector = AutoencoderAnomalyDetector(frozen, **PLAIN).fit(wine[100:])
    other = AutoencoderAnomalyDetector(PCA(2), **PLAIN).fit(wine[:100])
    np.testing.assert_array_equal(
        detector.reconstruction_errors(wine), other.reconstruction_errors(wine)
    )


def test_a_frozen_autoencoder_knows_the_lengths(ragged):
    fitted = recurrent(refinement_steps=0).fit(ragged)
    detector = AutoencoderAnomalyDetector(FrozenEstimator(fitted), **QUICK).fit(ragged)
    other = AutoencoderAnomalyDetector(recurrent(), **QUICK).fit(ragged)
    np.testing.assert_array_equal(
        detector.score_samples(ragged), other.score_samples(ragged)
    )


def test_random_state_reaches_every_part():
    estimator = make_pipeline(StandardScaler(), dense(random_state=None))
    X = np.random.RandomState(0).normal(size=(40, 6))
    detector = AutoencoderAnomalyDetector(estimator, **QUICK, random_state=3)
    first = detector.fit(X).score_samples(X)
    np.testing.assert_array_equal(clone(detector).fit(X).score_samples(X), first)
    assert estimator[-1].random_state is None


def test_the_estimator_that_was_given_stays_unfitted(wine):
    pca = PCA(2)
    detector = AutoencoderAnomalyDetector(pca).fit(wine)
    assert not hasattr(pca, "components_")
    assert detector.estimator_ is not pca


def test_names_of_columns_are_checked(wine):
    X = pd.DataFrame(wine).add_prefix("x")
    detector = AutoencoderAnomalyDetector(PCA(2)).fit(X)
    assert list(detector.feature_names_in_) == list(X.columns)
    with pytest.raises(ValueError, match="Feature names unseen at fit time"):
        detector.predict(X.add_prefix("y"))


def test_labels_choose_the_estimator_in_a_grid_search(tumours):
    X = np.vstack(tumours)
    y = np.repeat([1, -1], [len(part) for part in tumours])
    search = GridSearchCV(
        AutoencoderAnomalyDetector(PCA()),
        {"estimator__n_components": [1, 4]},
        scoring="roc_auc",
        cv=KFold(3, shuffle=True, random_state=0),
    ).fit(X, y)
    assert search.best_score_ > 0.75


def test_a_transformer_without_a_way_back_raises(wine):
    detector = AutoencoderAnomalyDetector(roc_auc_score)
    with pytest.raises(
        ValueError, match="'estimator' parameter .* 'inverse_transform'"
    ):
        detector.fit(wine)


def test_3d_input_for_an_estimator_of_rows_raises(digits):
    with pytest.raises(ValueError, match="RecurrentAutoencoderTransformer|dim 3"):
        AutoencoderAnomalyDetector(PCA(2)).fit(digits)


def test_a_failed_refit_leaves_the_earlier_fit(wine):
    detector = AutoencoderAnomalyDetector(PCA(2)).fit(wine)
    before = detector.score_samples(wine)
    with pytest.raises(ValueError, match="n_components"):
        detector.set_params(estimator__n_components=20).fit(wine[:, :5])
    assert detector.n_features_in_ == 13
    np.testing.assert_array_equal(detector.score_samples(wine), before)


def test_errors_that_are_not_finite_raise(wine):
    infinite = FunctionTransformer(np.abs, inverse_func=lambda X: np.inf * X)
    with pytest.raises(ValueError, match="Scale X before the detector"):
        AutoencoderAnomalyDetector(infinite).fit(wine)


@pytest.mark.parametrize("X", [np.zeros((30, 4)), np.ones((30, 4)) * 7.3])
def test_rows_that_are_all_the_same_are_normal(X):
    detector = AutoencoderAnomalyDetector(random_state=0).fit(X)
    assert np.isfinite(detector.offset_)
    assert (detector.predict(X) == 1).all()


def test_sequences_are_calibrated_unseen(ragged):
    detector = AutoencoderAnomalyDetector(recurrent(), false_alarm_rate=0.1)
    detector.fit(ragged)
    assert len(detector.calibration_scores_) == len(ragged)
    assert detector.offset_ < np.percentile(detector.score_samples(ragged), 20)


@pytest.mark.parametrize(
    ("options", "scorer"),
    [
        ({}, Nearest),
        ({"contamination": 0.1}, Mahalanobis),
        ({"contamination": 0.1, "window_size": 5}, MahalanobisOfCode),
        ({"contamination": 0.1, "score_method": "nearest"}, Nearest),
        ({"contamination": 0.1, "score_method": "reconstruction"}, Reconstruction),
    ],
)
def test_the_score_follows_from_what_the_rows_are(wine, options, scorer):
    detector = AutoencoderAnomalyDetector(PCA(2), **options).fit(wine)
    assert type(detector._model.scorer) is scorer


def test_a_detector_around_pca_loads_no_torch():
    code = """
import sys, numpy as np
from sklearn.decomposition import PCA
from sklearn_seqae import AutoencoderAnomalyDetector
X = np.random.RandomState(0).normal(size=(120, 3))
for options in ({}, {"window_size": 5}):
    AutoencoderAnomalyDetector(PCA(1), **options).fit(X).explain(X)
assert not {"torch", "skorch"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
