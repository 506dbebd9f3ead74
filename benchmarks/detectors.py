"""Detectors of `anomaly.py`: anomaly scores of the rows of X, fitted on X_train."""

import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import FunctionTransformer


def make_detector(random_state=0, **options):
    from sklearn_seqae import AutoencoderAnomalyDetector

    return AutoencoderAnomalyDetector(random_state=random_state, **options)


def by_forest(X_train, X, seed):
    return -IsolationForest(random_state=seed).fit(X_train).score_samples(X)


def by_neighbors(X_train, X, seed, k=5):
    same = X is X_train  # in this case a row is not its own neighbor
    search = NearestNeighbors(n_neighbors=min(k, len(X_train) - 1)).fit(X_train)
    return search.kneighbors(None if same else X)[0].mean(axis=1)


def by_20_neighbors(X_train, X, seed):
    return by_neighbors(X_train, X, seed, k=20)


def by_lof(X_train, X, seed):
    if X is X_train:
        return -LocalOutlierFactor().fit(X).negative_outlier_factor_
    return -LocalOutlierFactor(novelty=True).fit(X_train).score_samples(X)


def n_components_of(X):
    """Return the latent size of the default autoencoder."""
    return max(1, min(32, X.shape[1] // 2))


def by_pca(X_train, X, seed):
    pca = PCA(n_components_of(X), random_state=seed).fit(X_train)
    return np.square(X - pca.inverse_transform(pca.transform(X))).mean(axis=1)


def by_pyod(X_train, X, seed, python):
    """Run PyOD in the environment of another interpreter."""
    with TemporaryDirectory() as folder:
        rows, scores = Path(folder) / "rows.npz", Path(folder) / "scores.npy"
        np.savez(rows, X_train=X_train, X=X)
        script = Path(__file__).with_name("pyod_scores.py")
        subprocess.run([python, script, rows, scores, str(seed)], check=True)
        return np.load(scores)


def by_ours(X_train, X, seed, **options):
    detector = make_detector(contamination=0.1, **options).set_params(random_state=seed)
    if X is not X_train:
        # The threshold is not used. A contamination saves the five fits for it.
        detector.set_params(score_method="nearest")
    return -detector.fit(X_train).score_samples(X)


def fitted_default(X, labels=None, **options):
    """Fit the default without a calibration. The threshold has no meaning."""
    scores_of = "sklearn_seqae.anomaly._model.Model.scores_of"
    with (
        mock.patch("sklearn_seqae.anomaly.calibration.folds", lambda n: []),
        mock.patch(scores_of, lambda model, parts: np.zeros(len(parts.samples))),
    ):
        return make_detector(**options).fit(X, labels=labels)


def by_default(X_train, X, seed):
    detector = fitted_default(X_train, random_state=seed)
    return -detector.score_samples(X)


def by_ours_with_pca(X_train, X, seed):
    return by_ours(X_train, X, seed, estimator=PCA(n_components_of(X)))


def by_ours_of_rows(X_train, X, seed):
    """Score rows without an autoencoder: all residuals are 0."""
    return by_ours(X_train, X, seed, estimator=FunctionTransformer())


DEFAULT = "AutoencoderAnomalyDetector, default"
METHODS = {
    "AutoencoderAnomalyDetector": by_ours,
    DEFAULT: by_default,
    "IsolationForest": by_forest,
    "kNN (5)": by_neighbors,
    "kNN (20)": by_20_neighbors,
    "LOF": by_lof,
    "PCA reconstruction": by_pca,
    "PCA, same score": by_ours_with_pca,
    "rows, same score": by_ours_of_rows,
}
PYOD = "PyOD AutoEncoder"  # added to METHODS with --pyod


def cpu_seconds():
    """Return the CPU seconds of this process and of its finished children."""
    return sum(os.times()[:4])
