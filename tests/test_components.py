"""Loadings and R² of features: the right values, for every estimator."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError

from sklearn_seqae.fitting import jacobian
from tests.instances import (
    CONVOLUTIONAL,
    DENSE,
    RECURRENT,
    convolutional,
    dense,
    name,
    recurrent,
)

ALL = [*DENSE, *RECURRENT, *CONVOLUTIONAL]


def data_for(estimator, wine, digits):
    return wine if any(estimator is each for each in DENSE) else digits


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("estimator", ALL, ids=name)
def test_loadings_are_the_mean_derivatives_of_inverse_transform(
    estimator, wine, digits
):
    X = data_for(estimator, wine, digits)
    model = clone(estimator).fit(X)
    X = X[:20]
    loadings, Z = model.loadings(X), model.transform(X)
    assert list(loadings.columns) == list(model.get_feature_names_out())
    for k, column in enumerate(loadings.columns):
        move = np.zeros(Z.shape[1])
        move[k] = 0.01 * (Z[:, k].std() + 1e-3)
        change = model.inverse_transform(Z + move) - model.inverse_transform(Z - move)
        expected = change.mean(axis=0).ravel() / (2 * move[k])
        largest = np.abs(loadings.to_numpy()).max()
        np.testing.assert_allclose(
            loadings[column], expected, rtol=0, atol=0.01 * largest
        )
    assert model.loadings().shape == loadings.shape
    assert np.isfinite(model.loadings()).all(axis=None)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("estimator", ALL, ids=name)
def test_r2_by_feature_adds_up_to_the_score(estimator, wine, digits):
    X = data_for(estimator, wine, digits)
    model = clone(estimator).fit(X)
    X = X[:20].copy()
    X[0, :2] = np.nan
    r2, samples = model.r2_by_feature(X), model._read_to_score(X)
    _, wanted, mean = model._compare(samples)
    left = np.square(wanted - mean).reshape(-1, len(r2))
    share = np.nansum(left, axis=0) / np.nansum(left)
    assert (r2 * share).sum() == pytest.approx(model.score(X), abs=1e-6)
    assert len(r2) == X.shape[-1]
    assert r2.name == "r2"


@settings(max_examples=15)
@given(
    n_features=st.integers(1, 6),
    n_components=st.integers(1, 4),
    hidden=st.sampled_from([(), (5,), (4, 3)]),
    whiten=st.booleans(),
    unit=st.sampled_from([1e-100, 1.0, 1e6]),
    seed=st.integers(0, 3),
)
def test_loadings_of_a_linear_decoder_are_exact(
    n_features, n_components, hidden, whiten, unit, seed
):
    X = unit * np.random.RandomState(seed).normal(size=(30, n_features))
    model = dense(
        min(n_components, n_features),
        hidden_layer_sizes=hidden,
        activation="identity",
        init="random",
        whiten=whiten,
        early_stopping=False,
        random_state=seed,
    ).fit(X)
    k, weight = model.n_components_, np.eye(n_features)
    for layer in model.module_.decoder.layers[::2][::-1]:
        weight = weight @ layer.weight.detach().double().numpy()
    if whiten:
        inverse = model.model_.whitening.inverse.astype(float)
        weight = model.model_.scaling.scale * weight @ inverse.T
    loadings = model.loadings(X)
    largest = np.abs(weight).max()
    np.testing.assert_allclose(loadings, weight, rtol=0, atol=1e-7 * largest)
    np.testing.assert_allclose(model.loadings(), loadings, atol=1e-7 * largest)
    assert loadings.shape == (n_features, k)


@settings(max_examples=8)
@given(
    family=st.sampled_from([dense, recurrent, convolutional]),
    unit=st.sampled_from([1e-6, 1.0, 1e6]),
    seed=st.integers(0, 5),
)
def test_loadings_of_a_model_that_remains_pca_are_those_of_pca(family, unit, seed):
    shape = (40, 5) if family is dense else (40, 4, 2)
    random = np.random.RandomState(seed)
    X = unit * random.normal(size=shape) * np.arange(1, shape[-1] + 1)
    model = family(3, random_state=seed).fit(X)
    assume(model.best_epoch_ == 0)
    pca = PCA(3).fit(X.reshape(len(X), -1))
    for loadings in (model.loadings(), model.loadings(X[:7])):
        signs = np.sign((loadings * pca.components_.T).sum(axis=0)).to_numpy()
        np.testing.assert_allclose(loadings * signs, pca.components_.T, atol=1e-5)


def test_loadings_are_in_the_units_of_x_per_unit_of_the_code(wine):
    options = {"early_stopping": False, "bottleneck": "plain"}
    small, large = (dense(**options).fit(unit * wine) for unit in (1, 1e3))
    np.testing.assert_allclose(
        small.loadings(wine), large.loadings(1e3 * wine), atol=1e-5
    )
    small, large = (dense(whiten=True, **options).fit(u * wine) for u in (1, 1e3))
    np.testing.assert_allclose(
        1e3 * small.loadings(wine), large.loadings(1e3 * wine), rtol=1e-3, atol=0.01
    )


def test_loadings_do_not_change_the_model(wine):
    model = dense(early_stopping=False).fit(wine)
    before = model.transform(wine).tobytes(), model.module_.training
    model.loadings(wine)
    model.loadings()
    assert (model.transform(wine).tobytes(), model.module_.training) == before


def test_tables_name_their_columns(wine):
    names = [f"measurement {i}" for i in range(13)]
    model = dense(early_stopping=False).fit(pd.DataFrame(wine, columns=names))
    assert list(model.loadings().index) == names
    assert list(model.r2_by_feature(pd.DataFrame(wine, columns=names)).index) == names
    model.fit(wine)
    assert list(model.loadings().index[:2]) == ["x0", "x1"]
    assert model.loadings().index.name == "feature"


@pytest.mark.parametrize("family", [recurrent, convolutional])
def test_sequences_have_steps_and_channels(family, digits):
    model = family(early_stopping=False).fit(digits)
    loadings = model.loadings(digits)
    assert list(loadings.index.names) == ["step", "channel"]
    assert loadings.index[4] == (1, "x1")
    assert list(model.r2_by_feature(digits).index) == ["x0", "x1", "x2"]


def test_longer_sequences_have_more_steps(digits):
    model = recurrent(early_stopping=False).fit(digits)
    longer = np.repeat(digits, 2, axis=1)
    assert len(model.loadings(longer)) == 2 * len(model.loadings(digits))


@pytest.mark.parametrize("n_channels", [1, 3])
def test_images_have_rows_and_columns(digits, n_channels):
    images = np.repeat(digits[..., None], n_channels, axis=3)
    model = convolutional(early_stopping=False).fit(images)
    levels = ["row", "column", "channel"]
    assert list(model.loadings().index.names) == levels
    assert model.loadings().index[n_channels * 3] == (1, 0, "x0")
    assert list(model.r2_by_feature(images).index.names) == levels


def test_sequences_of_several_lengths_have_loadings_at_the_median(ragged):
    model = recurrent(early_stopping=False).fit(ragged)
    median = int(np.median([len(item) for item in ragged]))
    assert len(model.loadings()) == 3 * median
    with pytest.raises(ValueError, match=r"one length.*from 3 to 8.*TraversalDisplay"):
        model.loadings(ragged)
    assert len(model.r2_by_feature(ragged)) == 3


def test_a_constant_column_has_r2_of_0(wine):
    X = wine.copy()
    X[:, 3] = 5.0
    r2 = dense(early_stopping=False).fit(X).r2_by_feature(X)
    assert r2.iloc[3] == 0
    assert r2.iloc[0] != 0


def test_both_need_a_fit(wine):
    for method in ("loadings", "r2_by_feature"):
        with pytest.raises(NotFittedError):
            getattr(dense(), method)(wine)


@pytest.mark.parametrize(("whiten", "most"), [(False, 1), (True, 2**21)])
def test_loadings_are_derivatives_even_for_a_component_with_a_small_spread(
    whiten, most, monkeypatch
):
    monkeypatch.setattr(jacobian, "MOST_VALUES", most)
    random = np.random.RandomState(0)
    X = 50 * (random.normal(size=(80, 2)) * [1, 1e-3]) @ random.normal(size=(2, 5))
    X += 1e-3 * random.normal(size=X.shape)
    model = dense(whiten=whiten, early_stopping=False, max_iter=1).fit(X)
    module, unit = model.module_, model.model_.code_unit
    Z = model.transform(X[:7])
    with torch.no_grad():  # a decoder that is not nearly linear
        module.decoder.layers[-1].weight += torch.tensor(random.normal(size=(5, 8)))
        module.decoder_unit.fill_(0.1)
    white = model.model_.whitening_tensors()

    def decode(code):
        if white is not None:
            code = code @ white.inverse.double() + white.mean.double()
        return model.model_.scaling.scale * exact.decode(code)

    exact = copy.deepcopy(module).double()
    derivatives = torch.stack(
        [
            torch.autograd.functional.jacobian(decode, row[None])[0, :, 0] / unit
            for row in torch.from_numpy(Z / unit)
        ]
    )
    largest = derivatives.abs().amax((0, 1)).numpy()
    assert (derivatives.std(0).amax(0).numpy() > 0.01 * largest).all()
    found = jacobian.mean_jacobian(model.model_, Z, None).T
    away = np.abs(found - derivatives.mean(0).numpy())
    assert (away <= 1e-6 * largest).all()
