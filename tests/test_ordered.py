"""Ordered codes: components in order, each size a good code of its own."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline

from sklearn_seqae import DenseAutoencoderTransformer
from sklearn_seqae._containers import Container
from sklearn_seqae._sequences import Samples
from sklearn_seqae.fitting.pca_init import estimate_n_components
from sklearn_seqae.modules.bottleneck import NestedDropout
from tests.instances import convolutional, dense, recurrent

each = pytest.mark.parametrize(
    "estimator",
    [family(4, bottleneck="ordered") for family in (dense, recurrent, convolutional)],
    ids=["dense", "recurrent", "convolutional"],
)


@pytest.fixture(scope="module")
def halves():
    """Digits in two halves."""
    return train_test_split(load_digits().data, random_state=0, test_size=0.5)


@pytest.fixture(scope="module")
def fitted(halves):
    """An ordered code of eight components of the first half."""
    model = DenseAutoencoderTransformer(
        8, bottleneck="ordered", hidden_layer_sizes=(64,), max_iter=60, random_state=0
    )
    return model.fit(halves[0])


def squared_error(model, X, k):
    return np.square(X - model.inverse_transform(model.transform(X)[:, :k])).sum()


@pytest.mark.slow
@pytest.mark.parametrize("k", range(1, 9))
def test_each_size_is_at_least_as_good_as_pca_of_that_size(fitted, halves, k):
    train, test = halves
    pca = PCA(k).fit(train)
    error = np.square(test - pca.inverse_transform(pca.transform(test))).sum()
    assert fitted.best_epoch_ > 0
    assert squared_error(fitted, test, k) <= error * 1.005


def test_each_component_lowers_the_error(fitted, halves):
    errors = [squared_error(fitted, halves[1], k) for k in range(1, 9)]
    assert (np.diff(errors) < 0).all()


def test_explained_variance_sums_to_the_held_out_r2(fitted):
    total = fitted.explained_variance_ratio_.sum()
    assert total == pytest.approx(fitted.held_out_r2_["model"])
    pca_total = fitted.pca_explained_variance_ratio_.sum()
    assert pca_total == pytest.approx(fitted.held_out_r2_["pca"])
    assert total > pca_total


def test_explained_variance_is_the_ratio_in_units_of_x(fitted, halves):
    variance = halves[0].var(axis=0, ddof=1).sum()
    np.testing.assert_allclose(
        fitted.explained_variance_, fitted.explained_variance_ratio_ * variance
    )


@each
def test_ratios_at_the_start_are_those_of_pca(estimator, wine):
    still = {"learning_rate_init": 1e-30, "max_iter": 1, "early_stopping": False}
    model = clone(estimator).set_params(**still).fit(wine)
    pca = PCA(4).fit(wine)
    np.testing.assert_allclose(
        model.explained_variance_ratio_, pca.explained_variance_ratio_, atol=1e-5
    )
    np.testing.assert_allclose(
        model.explained_variance_, pca.explained_variance_, rtol=1e-3, atol=1e-2
    )


@each
@pytest.mark.parametrize("whiten", [False, True])
def test_a_cut_code_decodes(estimator, wine, whiten):
    model = clone(estimator).set_params(whiten=whiten).fit(wine)
    code = model.transform(wine)
    assert model.inverse_transform(code[:, :2]).shape == wine.shape
    with pytest.raises(ValueError, match="X has 5 components"):
        model.inverse_transform(np.ones((3, 5)))


def test_whitening_does_not_change_what_a_cut_code_decodes_to(wine):
    plain = dense(4, bottleneck="ordered").fit(wine)
    white = dense(4, bottleneck="ordered", whiten=True).fit(wine)
    np.testing.assert_allclose(
        white.inverse_transform(white.transform(wine)[:, :2]),
        plain.inverse_transform(plain.transform(wine)[:, :2]),
        rtol=1e-3,
        atol=1e-2,
    )


def test_a_plain_code_may_not_be_cut(wine):
    model = dense(4).fit(wine)
    with pytest.raises(ValueError, match="X has 2 components, but .* is expecting 4"):
        model.inverse_transform(model.transform(wine)[:, :2])


@pytest.mark.parametrize("estimator", [dense(), recurrent()], ids=["dense", "rnn"])
def test_a_plain_code_has_no_explained_variance(estimator, wine):
    assert not hasattr(clone(estimator).fit(wine), "explained_variance_ratio_")


@pytest.mark.parametrize("fraction", [0.5, 0.8])
def test_a_fraction_keeps_the_fewest_components_that_reach_it(halves, fraction):
    model = dense(fraction, max_iter=20).fit(halves[0])
    explained = np.cumsum(model.explained_variance_ratio_)
    assert explained[-1] >= fraction
    assert (explained[:-1] < fraction).all()
    assert model.transform(halves[1]).shape[1] == model.n_components_
    assert len(model.get_feature_names_out()) == model.n_components_


@pytest.mark.slow
def test_a_fraction_needs_no_more_components_than_pca(halves):
    model = DenseAutoencoderTransformer(0.8, max_iter=60, random_state=0)
    assert model.fit(halves[0]).n_components_ < PCA(0.8).fit(halves[0]).n_components_


@pytest.mark.parametrize("kind", ["complete", "gaps", "weights"])
def test_the_estimate_for_a_fraction_does_not_depend_on_the_means(halves, kind):
    X, weight = halves[0][:300] / 16, None
    random = np.random.RandomState(0)
    if kind == "gaps":
        X[random.uniform(size=X.shape) < 0.2] = np.nan
    if kind == "weights":
        weight = random.uniform(0.1, 2, size=len(X))
    rows = np.arange(len(X))
    found = [
        estimate_n_components(samples, None, 0.8, 0, [(rows[100:], rows[:100])])
        for samples in (
            Samples(each, None, Container("table"), weight=weight)
            for each in (X, X + np.linspace(1, 9, X.shape[1]))
        )
    ]
    assert found[0] == found[1] > 5


@pytest.mark.parametrize("fraction", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("kind", ["folds", "all rows", "sequences"])
def test_the_estimate_for_a_fraction_is_more_than_pca_needs(halves, kind, fraction):
    X, rows, lengths = halves[0][:200], np.arange(200), None
    folds = [(rows[60:], rows[:60]), (rows[:150], rows[150:])]
    if kind == "sequences":
        lengths = np.full(200, 8)
    splits = [] if kind == "all rows" else folds
    errors = np.zeros(65)  # with 0, 1, ... components
    for train, valid in splits or [(rows, rows)]:
        pca = PCA().fit(X[train])
        codes = pca.transform(X[valid])
        for size in range(65):
            rebuilt = pca.mean_ + codes[:, :size] @ pca.components_[:size]
            errors[size] += np.square(X[valid] - rebuilt).sum()
    needed = np.flatnonzero(errors <= (1 - fraction) * errors[0])[0]
    expected = needed + 1 if kind == "folds" else needed + max(2, needed // 4)
    values = X if lengths is None else X.reshape(-1, 8, 8)
    samples = Samples(values, lengths, Container("table"))
    n_steps = None if lengths is None else 8
    assert estimate_n_components(samples, n_steps, fraction, 0, splits) == expected
    assert needed > 0


def test_a_fraction_is_sought_among_as_many_sizes_as_held_out_rows_need():
    # 24 rows of 40 features: fitted, PCA explains far more than of rows held out.
    spread = 0.85 ** np.arange(40)
    X = np.random.RandomState(0).normal(size=(24, 40)) * spread
    fitted_on_all = np.cumsum(PCA().fit(X).explained_variance_ratio_)
    model = dense(0.7, max_iter=5).fit(X)  # would warn where it is not reached
    assert model.explained_variance_ratio_.sum() >= 0.7
    assert model.n_components_ > np.searchsorted(fitted_on_all, 0.7) + 1


@pytest.mark.parametrize("oversamples_large", [False, True])
def test_every_size_of_an_ordered_code_is_trained(oversamples_large):
    draw = NestedDropout(torch.ones(5), torch.Generator(), oversamples_large).draw
    counts = np.bincount(draw(10_000), minlength=6)
    assert counts[0] == 0 and (counts[1:] > 500).all()
    assert (counts[3:].min() > 2 * counts[1:3].max()) == oversamples_large


def test_a_fraction_beyond_reach_keeps_all_components_and_warns():
    X = np.random.RandomState(0).normal(size=(60, 40))  # held out, nothing is explained
    with pytest.warns(ConvergenceWarning, match="explain .* less than n_components"):
        dense(0.9).fit(X)


@each
def test_a_refit_as_plain_forgets_the_order(estimator, wine):
    model = clone(estimator).fit(wine)
    model.set_params(bottleneck="plain").fit(wine)
    assert not hasattr(model, "explained_variance_ratio_")


def test_grid_search_and_one_ordered_fit_choose_a_size(halves):
    X, y = load_digits(return_X_y=True)
    X, y = X[:300], y[:300]
    search = GridSearchCV(
        make_pipeline(dense(), LogisticRegression(max_iter=200)),
        {"denseautoencodertransformer__n_components": [2, 8]},
        cv=2,
    ).fit(X, y)
    assert search.best_params_["denseautoencodertransformer__n_components"] == 8
    ordered = dense(0.8).fit(X)
    assert 2 < ordered.n_components_ < 30
