"""Fitted state decides what a fitted estimator does, not its constructor parameters."""

import pickle

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.preprocessing import RobustScaler
from skorch.callbacks import EpochTimer

from sklearn_seqae import (
    AutoencoderAnomalyDetector,
    AutoencoderClassifier,
    ConvolutionalAutoencoderTransformer,
    DenseAutoencoderTransformer,
    RecurrentAutoencoderTransformer,
    SequenceScaler,
    _inputs,
)
from tests.instances import METHODS
from tests.reading import random_sequences

TABLE = load_iris().data[::3]
LABELS = load_iris().target[::3]
RAGGED = [x / 3 for x in random_sequences([9, 7, 8, 9] * 6, n_channels=2)]
EQUAL = np.stack([x[:7] for x in RAGGED])
IMAGES = np.stack(random_sequences([6] * 20, n_channels=5))
SERIES = np.sin(np.arange(240) / 5)[:, None] * [1.0, 2.0]

OTHER_VALUES = {
    "checkpoint": "folder",
    "switches": None,
    "n_components": 1,
    "hidden_layer_sizes": (3,),
    "decoder_layer_sizes": (3,),
    "output_activation": "sigmoid",
    "kernel_size": 5,
    "activation": "relu",
    "cell": "gru",
    "bidirectional": False,
    "decoder": "conditional",
    "scheduled_sampling": 0.7,
    "reverse_target": True,
    "init": "random",
    "loss": "binary_cross_entropy",
    "bottleneck": "variational",
    "bottleneck_weight": 3.0,
    "noise": "gaussian",
    "noise_level": 0.9,
    "whiten": True,
    "refinement_steps": 4,
    "alpha": 0.5,
    "batch_size": 3,
    "learning_rate_init": 0.5,
    "max_iter": 77,
    "early_stopping": False,
    "class_weight": "balanced",
    "validation_fraction": 0.4,
    "n_iter_no_change": 3,
    "tol": 0.5,
    "warm_start": True,
    "random_state": 99,
    "score_method": "reconstruction",
    "contamination": 0.4,
    "false_alarm_rate": 0.3,
    "step": 7,
    "alignment": "trailing",
    "freeze_encoder": True,
    "scaler": RobustScaler(),
}
# Those whose other value depends on the estimator.
OWN_VALUES = {
    "objective": {"reconstruct": "predict"},
    "horizon": {None: 2, 2: 3},
    "sample_shape": {None: (-1, 1)},
    "window_size": {None: 12, 20: None},
}
RECURRENT = {"hidden_layer_sizes": (6,), "max_iter": 2, "random_state": 0}
INSTANCES = {
    "dense": (DenseAutoencoderTransformer(2, max_iter=3, random_state=0), TABLE),
    "ordered": (
        DenseAutoencoderTransformer(
            2, bottleneck="ordered", max_iter=3, random_state=0
        ),
        TABLE,
    ),
    "recurrent": (RecurrentAutoencoderTransformer(2, **RECURRENT), RAGGED),
    "forecast": (
        RecurrentAutoencoderTransformer(2, objective="predict", horizon=2, **RECURRENT),
        EQUAL,
    ),
    "composite": (
        RecurrentAutoencoderTransformer(2, objective="composite", **RECURRENT),
        RAGGED,
    ),
    "convolutional": (
        ConvolutionalAutoencoderTransformer(
            2,
            hidden_layer_sizes=(4,),
            sample_shape=(6, 5),
            max_iter=2,
            random_state=0,
        ),
        IMAGES,
    ),
    "rows": (AutoencoderAnomalyDetector(PCA(2)), TABLE),
    "windows": (AutoencoderAnomalyDetector(PCA(2), window_size=20), SERIES),
    "sequences": (
        AutoencoderAnomalyDetector(
            RecurrentAutoencoderTransformer(2, **RECURRENT), contamination=0.2
        ),
        RAGGED,
    ),
    "classifier": (
        AutoencoderClassifier(
            DenseAutoencoderTransformer(2, max_iter=3),
            max_iter=3,
            random_state=0,
        ),
        TABLE,
    ),
    "scaler": (SequenceScaler(), RAGGED),
}


def fitted(name):
    estimator, X = INSTANCES[name]
    y = LABELS if name == "classifier" else None
    return pickle.loads(pickle.dumps(estimator)).fit(X, y), X


def called(function, *args):
    """Return what a call returns, or the text of its error."""
    try:
        return function(*args)
    except ValueError as error:
        return str(error)


def results(estimator, X):
    """Return the results of all methods that an estimator has."""
    found = {
        name: called(getattr(estimator, name), X)
        for name in METHODS
        if hasattr(estimator, name)
    }
    if hasattr(estimator, "inverse_transform") and "transform" in found:
        found["decoded"] = estimator.inverse_transform(found["transform"])
    if hasattr(estimator, "model_"):
        found["score"] = estimator.score(X)
        found["names"] = estimator.get_feature_names_out()
    if hasattr(estimator, "sample"):
        found["sample"] = estimator.sample(2, random_state=0)
    return found


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        one, other = one.values(), other.values()
    if isinstance(one, list | type({}.values())):
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    else:
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def change_every_parameter(estimator):
    """Set each parameter to another legal value; return their names."""
    params = estimator.get_params(deep=False)
    changed = {}
    for name, value in params.items():
        if name in ("device", "verbose"):  # where and how later calls compute
            continue
        if name == "estimator":
            changed[name] = PCA(1)
        elif name == "skorch_callbacks":
            changed[name] = [EpochTimer()]
        elif name in OWN_VALUES:
            changed[name] = OWN_VALUES[name].get(value)
        else:
            changed[name] = OTHER_VALUES[name]
        assert not np.array_equal(changed[name], value), name
    estimator.set_params(**changed)


@pytest.mark.parametrize("name", INSTANCES)
def test_parameters_set_after_fit_change_no_result(name):
    estimator, X = fitted(name)
    before = results(estimator, X)
    assert before
    change_every_parameter(estimator)
    assert_same(results(estimator, X), before)
    assert_same(results(pickle.loads(pickle.dumps(estimator)), X), before)


@pytest.fixture
def parsed(monkeypatch):
    """Names of the estimators that have parsed the object `parsed.X`."""

    class Parsed(list):
        X = None

    found = Parsed()

    def counting(parser):
        def parse(X, *, name, **options):
            if X is found.X:
                found.append(name)
            return parser(X, name=name, **options)

        return parse

    for parser in ("parse_table", "parse_sequences", "parse_images"):
        monkeypatch.setattr(_inputs, parser, counting(getattr(_inputs, parser)))
    return found


@pytest.mark.parametrize("name", INSTANCES)
def test_each_public_call_parses_x_once(name, parsed):
    estimator, X = INSTANCES[name]
    parsed.X, own = X, type(estimator).__name__
    estimator, _ = fitted(name)
    assert parsed.count(own) == 1
    methods = [method for method in METHODS if hasattr(estimator, method)]
    if hasattr(estimator, "model_"):
        methods.append("score")
    if name == "rows":  # a table has no time steps
        methods = [m for m in methods if m not in ("step_scores", "detect_intervals")]
    if name == "sequences":
        methods.remove("detect_intervals")
    for method in methods:
        parsed.clear()
        getattr(estimator, method)(X)
        assert parsed.count(own) == 1, method


def test_after_a_warm_start_mean_and_score_are_of_the_last_training_data():
    model = DenseAutoencoderTransformer(2, max_iter=2, random_state=0, warm_start=True)
    model.fit(TABLE)
    shifted = TABLE + [1.0, 2.0, 3.0, 4.0]
    model.fit(shifted)
    np.testing.assert_allclose(model.mean_, shifted.mean(axis=0))
    residuals = np.square(shifted - model.reconstruct(shifted)).sum()
    total = np.square(shifted - shifted.mean(axis=0)).sum()
    assert model.score(shifted) == pytest.approx(1 - residuals / total)


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("dense", {"n_components": 3}),
        ("dense", {"hidden_layer_sizes": (5,)}),
        ("dense", {"activation": "tanh"}),
        ("dense", {"init": "random"}),
        ("dense", {"loss": "binary_cross_entropy"}),
        ("dense", {"bottleneck": "variational"}),
        ("recurrent", {"cell": "gru"}),
        ("recurrent", {"bidirectional": False}),
        ("recurrent", {"decoder": "conditional"}),
        ("recurrent", {"reverse_target": True}),
        ("recurrent", {"objective": "composite"}),
        ("forecast", {"horizon": 3}),
    ],
)
def test_a_warm_start_refuses_parameters_that_it_cannot_continue(name, changed):
    estimator, X = fitted(name)
    X = np.clip(X, 0, 1) if "loss" in changed else X
    before = results(estimator, X)
    estimator.set_params(warm_start=True, **changed)
    with pytest.raises(ValueError, match="warm_start=True continues the last fit"):
        estimator.fit(X)
    assert_same(results(estimator, X), before)


def test_a_warm_start_continues_with_other_parameters_of_the_training():
    estimator, X = fitted("recurrent")
    estimator.set_params(
        warm_start=True, learning_rate_init=1e-3, alpha=0.1, noise="gaussian"
    )
    assert estimator.fit(X).transform(X).shape == (len(X), 2)


def test_a_scaler_keeps_its_state_when_a_refit_fails():
    scaler, X = fitted("scaler")
    before = results(scaler, X)
    scaler.set_params(scaler=PCA(n_components=9))
    with pytest.raises(ValueError, match="n_components"):
        scaler.fit(X)
    assert_same(results(scaler, X), before)
