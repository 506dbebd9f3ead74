"""Each row of the table in docs/pca.md."""

import inspect

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.utils.validation import has_fit_parameter

from sklearn_seqae import DenseAutoencoderTransformer
from tests.instances import dense


@pytest.fixture(scope="module")
def X():
    return load_digits().data[:200]


@pytest.fixture(scope="module")
def code_and_model(X):
    model = dense(4, max_iter=20, init="pca", early_stopping=False).fit(X)
    return model.transform(X), model


def r2(model, X):
    residual = X - model.inverse_transform(model.transform(X))
    return 1 - np.square(residual).sum() / np.square(X - model.mean_).sum()


def test_score_is_r2_and_that_of_pca_is_not(X, code_and_model):
    assert code_and_model[1].score(X) == pytest.approx(r2(code_and_model[1], X))
    pca = PCA(4).fit(X)
    assert pca.score(X) < 0 < r2(pca, X)


@pytest.mark.parametrize(
    "name",
    [
        *("score_samples", "get_covariance", "get_precision", "noise_variance_"),
        *("components_", "singular_values_"),
        *("explained_variance_", "explained_variance_ratio_"),
    ],
)
def test_attributes_of_pca_that_a_plain_code_does_not_have(X, code_and_model, name):
    assert hasattr(PCA(4).fit(X), name)
    assert not hasattr(code_and_model[1], name)


@pytest.mark.parametrize("options", [{"bottleneck": "ordered"}, {"n_components": 0.5}])
def test_explained_variance_of_ordered_codes(X, options):
    model = dense(**options).fit(X)
    assert len(model.explained_variance_) == model.n_components_
    assert len(model.explained_variance_ratio_) == model.n_components_


def test_n_components_is_two_by_default(X):
    assert PCA().fit(X).n_components_ == min(X.shape)
    default = inspect.signature(DenseAutoencoderTransformer).parameters["n_components"]
    assert default.default == 2
    assert dense(None, early_stopping=False).fit(X).n_components_ == min(X.shape)


@pytest.mark.parametrize("n_components", ["mle", 0])
def test_sizes_that_only_pca_accepts(X, n_components):
    PCA(n_components).fit(X)
    with pytest.raises(ValueError, match="n_components"):
        dense(n_components).fit(X)


def test_only_the_autoencoder_may_have_more_components_than_features(X):
    with pytest.raises(ValueError, match="must be between 0 and"):
        PCA(100).fit(X)
    assert dense(100, early_stopping=False).fit_transform(X).shape == (len(X), 100)


def test_the_code_depends_on_the_seed(X, code_and_model):
    other = clone(code_and_model[1]).set_params(random_state=1).fit(X)
    assert np.abs(other.transform(X) - code_and_model[0]).max() > 0.01


def test_the_code_is_in_the_units_of_X_and_correlated(X, code_and_model):
    code, model = code_and_model
    pca = PCA(4).fit(X)
    np.testing.assert_allclose(code.std(0), pca.transform(X).std(0), rtol=0.5)
    assert np.abs(np.corrcoef(code.T) - np.eye(4)).max() > 0.01
    white = clone(model).set_params(whiten=True).fit_transform(X)
    np.testing.assert_allclose(np.cov(white.T), np.eye(4), atol=1e-4)


def test_a_model_that_falls_back_to_pca_has_its_code_and_signs():
    X = load_iris().data
    model = DenseAutoencoderTransformer(random_state=0).fit(X)
    assert model.best_epoch_ == 0
    np.testing.assert_allclose(model.transform(X), PCA(2).fit_transform(X), atol=1e-5)


def test_only_an_ordered_code_can_be_truncated(X, code_and_model):
    code, model = code_and_model
    with pytest.raises(ValueError, match="X has 2 components"):
        model.inverse_transform(code[:, :2])
    ordered = dense(4, bottleneck="ordered").fit(X)
    assert ordered.inverse_transform(ordered.transform(X)[:, :2]).shape == X.shape


def test_sparse_input_gives_the_codes_of_the_array(X):
    codes = dense().fit(csr_array(X)).transform(csr_array(X))
    np.testing.assert_array_equal(codes, dense().fit(X).transform(X))


def test_only_the_autoencoder_reads_missing_values(X):
    gappy = np.where(X == 16, np.nan, X)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        PCA(2).fit(gappy)
    codes = dense().fit(gappy).transform(gappy)
    masked = np.ma.masked_equal(X, 16)
    np.testing.assert_array_equal(dense().fit(masked).transform(masked), codes)
    np.testing.assert_array_equal(PCA(2).fit(masked).mean_, PCA(2).fit(X).mean_)


def test_only_the_autoencoder_has_sample_weights():
    assert has_fit_parameter(dense(), "sample_weight")
    assert not has_fit_parameter(PCA(), "sample_weight")
