"""Weights: 0 is as if the row were absent, 2 as if it were there twice."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression

from sklearn_seqae import DenseAutoencoderTransformer
from sklearn_seqae._sequences import Samples
from sklearn_seqae.fitting.batching import make_batches
from sklearn_seqae.fitting.family import NetworkSpec
from sklearn_seqae.fitting.pca_init import codes_and_residuals, pca_init
from sklearn_seqae.modules.objective import Objective
from tests.instances import BAD_WEIGHTS, convolutional, dense, recurrent

FAMILIES = {"dense": dense, "recurrent": recurrent, "convolutional": convolutional}
each_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
STANDING_STILL = {"learning_rate_init": 1e-30, "max_iter": 1, "early_stopping": False}


@pytest.fixture(scope="module")
def weight(wine):
    """A weight from 0 to 3 for each row."""
    return np.random.RandomState(0).randint(0, 4, len(wine))


@each_family
@pytest.mark.parametrize("bottleneck", ["plain", "ordered", "variational"])
def test_rows_of_weight_0_are_absent(family, bottleneck, wine, weight):
    some = np.where(weight > 0, 2.5, 0)
    weighted = family(bottleneck=bottleneck).fit(wine, sample_weight=some)
    absent = family(bottleneck=bottleneck).fit(wine[weight > 0])
    np.testing.assert_array_equal(weighted.transform(wine), absent.transform(wine))
    assert weighted.held_out_r2_ == absent.held_out_r2_


@each_family
@pytest.mark.parametrize("whiten", [False, True])
def test_the_start_is_pca_of_rows_that_often(family, whiten, wine, weight):
    model = family(3, whiten=whiten, **STANDING_STILL)
    model.fit(wine, sample_weight=weight)
    repeated = wine.repeat(weight, axis=0)
    pca = PCA(3, whiten=whiten).fit(repeated)
    np.testing.assert_allclose(model.mean_.ravel(), pca.mean_, atol=1e-6)
    np.testing.assert_allclose(
        np.abs(model.transform(wine)), np.abs(pca.transform(wine)), rtol=0.02, atol=1e-3
    )
    np.testing.assert_allclose(
        model.reconstruct(wine), pca.inverse_transform(pca.transform(wine)), atol=1e-3
    )


@each_family
def test_the_start_of_pairs_is_the_map_of_rows_that_often(family, wine, weight):
    target = np.square(wine)
    model = family(3, **STANDING_STILL)
    model.fit(wine, sample_weight=weight, target=target)
    code = PCA(3).fit(wine.repeat(weight, axis=0)).transform(wine)
    line = LinearRegression().fit(code, target, sample_weight=weight)
    np.testing.assert_allclose(model.reconstruct(wine), line.predict(code), atol=1e-3)


def test_ratios_of_an_ordered_start_are_those_of_rows_that_often(wine, weight):
    model = dense(3, bottleneck="ordered", **STANDING_STILL)
    model.fit(wine, sample_weight=weight)
    pca = PCA(3).fit(wine.repeat(weight, axis=0))
    np.testing.assert_allclose(
        model.explained_variance_ratio_, pca.explained_variance_ratio_, atol=1e-5
    )
    np.testing.assert_allclose(
        model.explained_variance_, pca.explained_variance_, rtol=0.02
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_residuals_of_the_start_are_those_of_rows_that_often(wine, weight, weighted):
    copies = weight if weighted else np.ones_like(weight)
    rows = np.flatnonzero(copies)
    data = Samples(wine[rows].astype(np.float32), None, None)
    if weighted:
        data = replace(data, weight=copies[rows] / copies[rows].mean())
    spec = NetworkSpec(
        n_features=13,
        n_steps=None,
        n_components=3,
        hidden_layer_sizes=(),
        has_linear_path=True,
        is_ordered=True,
    )
    linear = pca_init(spec, data, loss="squared_error", seed=0).autoencoder
    batches = make_batches(data, "cpu", None, batch_size=50)
    objective = Objective("squared_error")
    codes, residuals = codes_and_residuals(linear, batches, [1, 2, 3], objective)
    repeated = wine.repeat(copies, axis=0)
    pca = PCA(3).fit(repeated)
    np.testing.assert_allclose(codes, pca.transform(wine[rows]), atol=1e-4)
    for size, residual in zip([1, 2, 3], residuals[0], strict=True):
        pca = PCA(size).fit(repeated)
        left = repeated - pca.inverse_transform(pca.transform(repeated))
        expected = np.sqrt(np.square(left).mean())
        assert residual.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"loss": "huber"}])
def test_training_on_weights_is_like_training_on_rows_that_often(wine, options):
    # The order of the batches is another: so means of several seeds are compared, by
    # what the weights change at all.
    weight = np.where(np.arange(len(wine)) % 5 == 0, 6, 1)
    heavy = wine[weight > 1]

    def scores(X, sample_weight=None):
        models = [
            DenseAutoencoderTransformer(
                2,
                hidden_layer_sizes=(32,),
                max_iter=epochs,
                batch_size=32,
                early_stopping=False,
                random_state=seed,
                **options,
            ).fit(X, sample_weight=sample_weight)
            for seed in range(3)
            for epochs in [60 * len(wine) // len(X)]
        ]
        errors = [np.square(heavy - m.reconstruct(heavy)).mean() for m in models]
        return np.mean(errors)

    weighted, repeated = scores(wine, weight), scores(wine.repeat(weight, axis=0))
    alike = scores(wine)
    assert repeated < alike
    assert abs(weighted - repeated) < 0.35 * (alike - repeated)


def test_held_out_rows_count_by_their_weight(wine, weight):
    still = {"learning_rate_init": 1e-30, "max_iter": 1}
    model = dense(**still).fit(wine, sample_weight=weight + 1)
    alike = dense(**still).fit(wine)
    assert model.held_out_r2_["pca"] != alike.held_out_r2_["pca"]
    assert model.held_out_r2_["model"] == pytest.approx(model.held_out_r2_["pca"])


@pytest.mark.parametrize("bottleneck", ["ordered", "kl", "variational"])
def test_ragged_sequences_have_weights(ragged, bottleneck):
    weight = np.arange(len(ragged))
    model = recurrent(bottleneck=bottleneck).fit(ragged, sample_weight=weight)
    again = clone(model).fit(ragged[1:], sample_weight=10 * weight[1:])
    assert model.score(ragged) == pytest.approx(again.score(ragged), abs=1e-3)


@each_family
@pytest.mark.parametrize(
    ("weight", "message"),
    BAD_WEIGHTS,
)
def test_bad_weights_are_named(family, wine, weight, message):
    with pytest.raises(ValueError, match=message):
        family().fit(wine, sample_weight=weight)
