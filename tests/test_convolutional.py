"""Images, and sequences of one length: what the convolutional family promises."""

import math
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from sklearn_seqae import (
    AutoencoderAnomalyDetector,
    ConvolutionalAutoencoderTransformer,
)
from sklearn_seqae._images import holds_images, parse_images
from sklearn_seqae.modules.convolutional import (
    ConvolutionalDecoder,
    ConvolutionalEncoder,
)
from tests.containers import EQUAL_CONTAINERS, items
from tests.instances import convolutional, dense, detector

# What is left of the training: the model stays at epoch 0.
STANDING_STILL = {"learning_rate_init": 1e-30, "max_iter": 1, "early_stopping": False}


@pytest.mark.parametrize("beside_pca", [False, True])
def test_each_weight_is_a_product_at_each_position_of_the_smaller_image(beside_pca):
    options = {"shape": (12, 10, 2), "filters": (4, 6), "n_components": 5}
    options |= {"activation": "relu", "kernel_size": 3, "beside_pca": beside_pca}
    options["generator"] = torch.Generator().manual_seed(0)
    encoder, decoder = ConvolutionalEncoder(**options), ConvolutionalDecoder(**options)
    x, code = torch.zeros(1, 240), torch.zeros(1, 5)
    beside = x if beside_pca else None
    calls = [(encoder, (x, None, beside)), (decoder, (code, None, None, beside))]
    for network, arguments in calls:
        found = []

        def count(layer, inputs, output, found=found):
            n_weights = sum(weight.numel() for weight in layer.parameters())
            sizes = [math.prod(each.shape[2:]) for each in (inputs[0], output)]
            found.append(n_weights * min(sizes))

        for layer in network.modules():
            if not list(layer.children()):
                layer.register_forward_hook(count)
        network(*arguments)
        assert network.n_products() == sum(found) > 0


def random_samples(*shape, n=12):
    return np.random.RandomState(0).standard_normal((n, *shape))


# Each kind of X, and the `sample_shape` that says what it is.
KINDS = {
    "colour": (random_samples(5, 7, 3), None),
    "grey": (random_samples(5, 7), (5, 7)),
    "grey with an axis": (random_samples(5, 7, 1), (5, 7)),
    "rows": (random_samples(35), (5, 7)),
    "colour rows": (random_samples(30), (5, 2, 3)),
    "sequences": (random_samples(9, 2), None),
    "flat sequences": (random_samples(18), (-1, 2)),
    "one channel": (random_samples(9), None),
}
kinds = pytest.mark.parametrize("X, sample_shape", KINDS.values(), ids=KINDS)
inits = pytest.mark.parametrize("init", ["pca", "random"])


# Shapes ---------------------------------------------------------------------------


@kinds
@inits
def test_samples_come_back_in_their_own_shape(X, sample_shape, init):
    model = convolutional(sample_shape=sample_shape, init=init).fit(X)
    code = model.transform(X)
    assert code.shape == (12, 2)
    assert model.reconstruct(X).shape == model.inverse_transform(code).shape == X.shape
    np.testing.assert_allclose(
        model.reconstruct(X), model.inverse_transform(code), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("filters", [(), (3,), (3, 4), (3, 4, 5, 6)])
@pytest.mark.parametrize(
    "size", [(1, 1), (1, 6), (7, 1), (2, 2), (3, 5), (8, 8), (9, 4)]
)
@inits
def test_images_of_any_size_go_through_any_number_of_stages(size, filters, init):
    X = random_samples(*size, 2)
    model = convolutional(hidden_layer_sizes=filters, init=init).fit(X)
    assert model.reconstruct(X).shape == X.shape


def test_the_tutorials_network_runs_on_colour_images():
    X = np.random.RandomState(0).uniform(size=(40, 32, 32, 3))
    model = ConvolutionalAutoencoderTransformer(
        16, hidden_layer_sizes=(32, 64), init="random", max_iter=2, random_state=0
    )
    with pytest.warns(UserWarning, match="no better than their mean|worse than PCA"):
        assert model.fit_transform(X).shape == (40, 16)
    assert model.reconstruct(X).shape == X.shape


@kinds
def test_features_are_columns_or_channels(X, sample_shape):
    model = convolutional(sample_shape=sample_shape).fit(X)
    is_grey = X.ndim == 3 and sample_shape is not None
    assert model.n_features_in_ == (1 if is_grey else X.shape[-1])


def test_the_same_images_in_any_form_give_the_same_codes():
    grey = random_samples(5, 6)
    forms = [
        (grey, (5, 6)),
        (grey[..., np.newaxis], None),
        (grey.reshape(12, 30), (5, 6)),
        (list(grey), (5, 6)),
        (tuple(grey[..., np.newaxis]), None),
        (grey.tolist(), (5, 6)),
    ]
    codes = [
        convolutional(sample_shape=shape).fit_transform(form) for form, shape in forms
    ]
    for code in codes[1:]:
        np.testing.assert_array_equal(code, codes[0])


def test_a_3d_array_holds_sequences_unless_a_shape_says_images():
    X = random_samples(6, 5)
    assert convolutional().fit(X).n_features_in_ == 5
    assert convolutional(sample_shape=(6, 5)).fit(X).n_features_in_ == 1
    assert not holds_images(X)
    assert holds_images(X, sample_shape=(6, 5))
    assert holds_images(X[..., np.newaxis])


# Containers -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [list, tuple])
def test_lists_of_images_come_back_as_lists(kind):
    X = random_samples(5, 4, 2)
    model = convolutional().fit(X)
    rebuilt = model.reconstruct(kind(X))
    assert type(rebuilt) is kind
    np.testing.assert_array_equal(np.stack(rebuilt), model.reconstruct(X))


@pytest.mark.parametrize("kind", EQUAL_CONTAINERS)
def test_sequences_come_back_in_their_container(digits, kind):
    X = EQUAL_CONTAINERS[kind](list(digits))
    model = convolutional().fit(X)
    rebuilt = model.reconstruct(X)
    assert type(rebuilt) is type(X)
    expected = convolutional().fit(digits).reconstruct(digits)
    np.testing.assert_array_equal(np.stack(items(rebuilt)), expected)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frames_of_pixels_keep_their_names(frame):
    X = frame({f"pixel{i}": column for i, column in enumerate(random_samples(12))})
    model = convolutional(sample_shape=(3, 4)).fit(X)
    assert list(model.reconstruct(X).columns) == list(X.columns)
    assert model.feature_names_in_.tolist() == list(X.columns)
    assert not hasattr(model.fit(random_samples(3, 4)), "feature_names_in_")


# What is refused ------------------------------------------------------------------


def test_ragged_sequences_are_refused_with_the_family_to_use(ragged, digits):
    words = "one length.*Use RecurrentAutoencoderTransformer"
    with pytest.raises(ValueError, match=words):
        convolutional().fit(ragged)
    with pytest.raises(ValueError, match=words):
        convolutional().fit(list(digits)).transform(ragged)


@kinds
def test_samples_of_another_shape_are_refused(X, sample_shape):
    model = convolutional(sample_shape=sample_shape).fit(X)
    other = np.concatenate([X, X], axis=1)
    with pytest.raises(ValueError, match="expecting|sample_shape"):
        model.transform(other)
    with pytest.raises(ValueError, match=r"X must hold|dim|expecting"):
        model.transform(random_samples(*X.shape[1:], 2))


@pytest.mark.parametrize(
    "X, sample_shape, words",
    [
        (random_samples(5, 4), (4, 5), r"'sample_shape' \(4, 5\)"),
        (random_samples(5, 4, 3), (5, 4), r"'sample_shape' \(5, 4\)"),
        (random_samples(5, 4, 3), (-1, 3), "'sample_shape'"),
        (random_samples(12), (4, 4), r"needs 16 for each image"),
        (random_samples(12), (12,), r"'sample_shape' parameter must be"),
        (random_samples(12), (), r"'sample_shape' parameter must be"),
        (random_samples(12), (0, 12), r"'sample_shape' parameter must be"),
        (random_samples(12), (-1, 5), "sample_shape"),
        (random_samples(2, 2, 2, 2), None, "dim 5, while dim <= 4 is required"),
        (random_samples(2, 0, 2), None, r"0 feature\(s\)"),
        (random_samples(2, 2, 0), None, r"0 feature\(s\)"),
        (random_samples(2, 2, 2, n=0), None, r"0 sample\(s\)"),
        ([np.ones((2, 3, 1)), np.ones((3, 3, 1))], None, "images of one shape"),
        (random_samples(2, 2, 2) * np.inf, None, "Input X contains infinity"),
        (random_samples(2, 2, 2) * 1j, None, "Complex data not supported"),
    ],
)
def test_what_is_no_image_is_refused(X, sample_shape, words):
    with pytest.raises(ValueError, match=words):
        convolutional(sample_shape=sample_shape).fit(X)


def test_dense_refuses_images_and_names_the_family():
    with pytest.raises(ValueError, match="Use ConvolutionalAutoencoderTransformer"):
        dense().fit(random_samples(4, 4, 1))


def test_images_are_not_copied():
    X = random_samples(5, 4, 3)
    samples = parse_images(X, name="Reader")
    assert samples.values.shape == (12, 60)
    assert np.shares_memory(samples.values, X)


# Drop-in --------------------------------------------------------------------------

IMAGE_MODELS = [
    convolutional(),
    convolutional(init="random", bottleneck="ordered"),
    convolutional(2, hidden_layer_sizes=(3, 4), whiten=True),
    detector(convolutional()),
]
models = pytest.mark.parametrize("model", IMAGE_MODELS, ids=str)


def outputs(model, X):
    names = ("transform", "reconstruct", "score_samples")
    return [getattr(model, name)(X) for name in names if hasattr(model, name)]


@models
def test_an_image_does_not_depend_on_its_neighbours(model):
    X = random_samples(7, 5, 3, n=70)
    model = clone(model).fit(X)
    together = outputs(model, X)
    order = np.random.RandomState(1).permutation(len(X))
    for whole, turned in zip(together, outputs(model, X[order]), strict=True):
        np.testing.assert_array_equal(turned, whole[order])
    for row in (0, 33, 69):
        for whole, one in zip(together, outputs(model, X[[row]]), strict=True):
            np.testing.assert_array_equal(one[0], whole[row])


@models
def test_a_copy_gives_the_same(model):
    X = random_samples(7, 5, 3)
    model = clone(model).fit(X)
    copy = pickle.loads(pickle.dumps(model))
    for a, b in zip(outputs(model, X), outputs(copy, X), strict=True):
        np.testing.assert_array_equal(a, b)


@models
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fit_leaves_X_and_keeps_its_dtype(model, dtype):
    X = random_samples(4, 5, 1).astype(dtype)
    X.flags.writeable = False
    model = clone(model).fit(X)
    if hasattr(model, "transform"):
        assert {output.dtype for output in outputs(model, X)} == {np.dtype(dtype)}


def test_the_default_detector_of_images_is_convolutional():
    X = load_digits().images[:20, :, :, np.newaxis]
    found = AutoencoderAnomalyDetector(random_state=0).fit(X)
    assert isinstance(found.estimator_, ConvolutionalAutoencoderTransformer)
    upset = np.random.RandomState(0).permutation(X[0].ravel()).reshape(1, 8, 8, 1)
    assert found.score_samples(upset * 2)[0] < found.offset_


# Learning -------------------------------------------------------------------------


@pytest.mark.parametrize("filters", [(), (4,), (4, 3)])
@kinds
def test_the_start_is_pca_of_the_flattened(X, sample_shape, filters):
    model = convolutional(
        sample_shape=sample_shape, hidden_layer_sizes=filters, **STANDING_STILL
    )
    flat = X.reshape(len(X), -1)
    pca = PCA(2).fit(flat)
    np.testing.assert_allclose(
        model.fit(X).reconstruct(X).reshape(len(X), -1),
        pca.inverse_transform(pca.transform(flat)),
        atol=1e-4,
    )
    assert model.score(X) == pytest.approx(sum(pca.explained_variance_ratio_))


def moved(n):
    """Images of one blob at any place: a bent surface of two dimensions."""
    centre = np.random.RandomState(0).uniform(2, 9, size=(n, 2, 1, 1))
    rows, columns = np.mgrid[:11, :12]
    square = (rows - centre[:, 0]) ** 2 + (columns - centre[:, 1]) ** 2
    return np.exp(-square / 6)


def test_it_learns_what_pca_cannot():
    train, test = train_test_split(moved(240), random_state=0)
    model = ConvolutionalAutoencoderTransformer(
        2,
        sample_shape=(11, 12),
        hidden_layer_sizes=(4, 8),
        early_stopping=False,
        random_state=0,
    ).fit(train)
    pca = PCA(2).fit(train.reshape(len(train), -1))
    flat = test.reshape(len(test), -1)
    left = np.square(flat - pca.inverse_transform(pca.transform(flat))).sum()
    assert np.square(test - model.reconstruct(test)).sum() < 0.5 * left


def test_random_images_stay_pca():
    train, test = random_samples(6, 6, 1, n=300)[:200], random_samples(6, 6, 1, n=300)
    model = ConvolutionalAutoencoderTransformer(
        3, hidden_layer_sizes=(4,), max_iter=3, random_state=0
    ).fit(train)
    pca = PCA(3).fit(train.reshape(200, -1))
    flat = test.reshape(300, -1)[200:]
    left = np.square(flat - pca.inverse_transform(pca.transform(flat))).sum()
    assert np.square(test[200:] - model.reconstruct(test[200:])).sum() <= 1.02 * left
