"""Options of networks that tutorials use: layers, output activation, kernels."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.datasets import load_digits
from torch import nn

from sklearn_seqae import AutoencoderClassifier, ConvolutionalAutoencoderTransformer
from tests.instances import convolutional, dense, recurrent

FAMILIES = {"dense": dense, "recurrent": recurrent, "convolutional": convolutional}
each_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
SHAPES = {"dense": {}, "recurrent": {"sample_shape": (-1, 8)}}
SHAPES["convolutional"] = {"sample_shape": (8, 8)}


@pytest.fixture(scope="module")
def digits():
    """Rows with values in [0, 1]."""
    return load_digits().data[:200] / 16


@each_family
def test_the_decoder_mirrors_the_encoder_by_default(family, digits):
    mirrored = family(hidden_layer_sizes=(6, 4)).fit(digits)
    given = family(hidden_layer_sizes=(6, 4), decoder_layer_sizes=(4, 6)).fit(digits)
    assert (mirrored.reconstruct(digits) == given.reconstruct(digits)).all()


@pytest.mark.parametrize(
    ("family", "sizes_of"),
    [
        (dense, lambda net: [each.out_features for each in _layers(net, nn.Linear)]),
        (recurrent, lambda net: [e.hidden_size for e in _layers(net, nn.RNNBase)]),
        (
            convolutional,
            lambda net: [e.in_channels for e in _layers(net, nn.ConvTranspose2d)],
        ),
    ],
    ids=FAMILIES,
)
@pytest.mark.parametrize("init", ["pca", "random"])
def test_the_decoder_has_its_layers(family, sizes_of, init, digits):
    model = family(decoder_layer_sizes=(3, 5, 7), init=init).fit(digits)
    assert sizes_of(model.module_.decoder)[:3] == [3, 5, 7]


def _layers(network, kind):
    return [module for module in network.modules() if isinstance(module, kind)]


@pytest.mark.parametrize("decoder", ["unconditional", "conditional"])
def test_a_sigmoid_bounds_reconstructions_of_sequences(decoder, digits):
    model = recurrent(decoder=decoder, init="random", output_activation="sigmoid")
    _assert_in_domain(model, digits)


@each_family
def test_a_sigmoid_bounds_reconstructions_and_decodings(family, digits):
    _assert_in_domain(family(init="random", output_activation="sigmoid"), digits)


def _assert_in_domain(model, X):
    model.fit(X)
    far = 1e3 * np.random.RandomState(0).normal(size=(20, 2))
    for values in (model.reconstruct(X), model.inverse_transform(far)):
        assert 0 <= np.min(values) <= np.max(values) <= 1
    model.module_.has_sigmoid = False
    assert values == pytest.approx(expit(model.inverse_transform(far)), abs=1e-6)


def test_a_sigmoid_network_learns_as_in_the_tutorials(digits):
    options = {"init": "random", "output_activation": "sigmoid", "max_iter": 60}
    model = dense(8, hidden_layer_sizes=(32,), **options).fit(digits)
    assert model.held_out_r2_["model"] > 0.4


@each_family
def test_binary_cross_entropy_has_one_sigmoid(family, digits):
    plain, named = (
        family(loss="binary_cross_entropy", output_activation=each).fit(digits)
        for each in ("identity", "sigmoid")
    )
    assert (plain.reconstruct(digits) == named.reconstruct(digits)).all()


@each_family
def test_a_sigmoid_requires_random_weights_and_values_in_its_range(family, digits):
    with pytest.raises(ValueError, match="With init='pca' the 'output_activation'"):
        family(output_activation="sigmoid").fit(digits)
    model = family(output_activation="sigmoid", init="random")
    with pytest.raises(ValueError, match=r"sigmoid' all values .* \[0, 1\].*MinMax"):
        model.fit(digits * 2)


@pytest.mark.parametrize("kernel_size", [3, 5, 7])
@pytest.mark.parametrize("size", [(8, 8), (5, 7), (1, 9), (13, 2)])
def test_kernels_restore_images_of_any_size(kernel_size, size):
    X = np.random.RandomState(0).uniform(size=(20, *size, 2))
    model = convolutional(
        hidden_layer_sizes=(4, 3), kernel_size=kernel_size, init="random"
    ).fit(X)
    kernels = {max(each.kernel_size) for each in _layers(model.module_, nn.Conv2d)}
    assert kernels == {kernel_size}
    assert model.reconstruct(X).shape == X.shape


@pytest.mark.parametrize("kernel_size", [1, 2, 4, 3.0])
def test_other_kernels_are_refused(kernel_size, digits):
    with pytest.raises(ValueError, match="The 'kernel_size' parameter"):
        convolutional(kernel_size=kernel_size).fit(digits)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("decoder_layer_sizes", {"decoder_layer_sizes": (5,)}),
        ("kernel_size", {"kernel_size": 5}),
    ],
)
def test_a_warm_start_names_the_changed_layers(name, options, digits):
    model = convolutional(warm_start=True).fit(digits)
    with pytest.raises(ValueError, match=f"has changed: {name} from"):
        model.set_params(**options).fit(digits)


@pytest.mark.slow
def test_the_classifier_reads_images_by_default():
    X, y = load_digits(return_X_y=True)
    images = X.reshape(-1, 8, 8, 1)[:400] / 16
    model = AutoencoderClassifier(max_iter=2, random_state=0).fit(images, y[:400])
    assert isinstance(model.estimator_, ConvolutionalAutoencoderTransformer)
    assert model.score(images, y[:400]) > 0.8


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((16, 16, 1), r"\(200, 16, 16, 1\) for X of shape \(200, 8, 8, 1\).* resize X"),
        ((8, 8, 3), r"\(200, 8, 8, 3\) for X of shape \(200, 8, 8, 1\)"),
    ],
)
def test_a_clean_image_of_another_size_names_both_and_the_remedy(
    shape, message, digits
):
    images = digits.reshape(-1, 8, 8, 1)
    with pytest.raises(ValueError, match=message):
        convolutional().fit(images, target=np.ones((200, *shape)))
