"""A fit leaves nothing behind, and depends on nothing around it."""

import pickle
import warnings
from contextlib import contextmanager

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    Freezer,
    GradientNormClipping,
    InputShapeSetter,
    LRScheduler,
    PassthroughScoring,
    PrintLog,
    ProgressBar,
)

from sklearn_seqae.training.devices import available_devices
from tests.instances import (
    classifier,
    convolutional,
    dense,
    detector,
    name,
    recurrent,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 6))
Y = np.where(X[:, 0] > 0, "a", "b")

EVERYTHING = [
    dense(),
    dense(whiten=True),
    dense(bottleneck="variational"),
    recurrent(),
    recurrent(cell="gru", init="random"),
    convolutional(),
    detector(PCA(2), contamination=0.1),
    detector(dense(), contamination=0.1),
    make_pipeline(StandardScaler(), dense()),
    classifier(dense()),
    make_pipeline(StandardScaler(), classifier(recurrent())),
]
everything = pytest.mark.parametrize("estimator", EVERYTHING, ids=name)


def results(estimator):
    """Return what a fitted estimator computes for X."""
    for method in ("predict_proba", "score_samples", "transform"):
        if hasattr(estimator, method):
            return np.asarray(getattr(estimator, method)(X))
    raise AssertionError(estimator)


def autoencoders_in(estimator):
    """Yield the autoencoders in an estimator, before and after its fit."""
    if hasattr(estimator, "steps"):
        for _, step in estimator.steps:
            yield from autoencoders_in(step)
    elif hasattr(estimator, "skorch_callbacks"):
        yield estimator
    for attribute in ("estimator", "estimator_"):
        if hasattr(estimator, attribute):
            yield from autoencoders_in(getattr(estimator, attribute))


# Torch's global modes


@contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


MODES = {
    "float64": lambda: default_dtype(torch.float64),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "default device": lambda: torch.device("meta"),
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
}


@everything
@pytest.mark.parametrize(
    "mode",
    [
        # bfloat16 and inference_mode change more.
        pytest.param(mode, marks=pytest.mark.slow)
        if mode in ("float64", "no_grad")
        else mode
        for mode in MODES
    ],
)
def test_modes_of_torch_change_nothing(estimator, mode):
    expected = results(clone(estimator).fit(X, Y))
    dtype = torch.get_default_dtype()
    with MODES[mode]():
        inside = clone(estimator).fit(X, Y)
        np.testing.assert_array_equal(results(inside), expected)
        loaded = pickle.loads(pickle.dumps(inside))
        np.testing.assert_array_equal(results(loaded), expected)
    np.testing.assert_array_equal(results(inside), expected)
    np.testing.assert_array_equal(results(loaded), expected)
    assert torch.get_default_dtype() == dtype


# Pickles


@everything
def test_identical_fits_have_identical_pickles_and_hashes(estimator):
    first, second = clone(estimator).fit(X, Y), clone(estimator).fit(X, Y)
    assert pickle.dumps(first) == pickle.dumps(second)
    assert joblib.hash(first) == joblib.hash(second)


@everything
def test_a_pickle_that_is_loaded_and_saved_again_is_the_same(estimator):
    saved = pickle.dumps(clone(estimator).fit(X, Y))
    again = pickle.dumps(pickle.loads(saved))
    assert pickle.dumps(pickle.loads(again)) == again
    assert b"torch" not in again


@everything
def test_models_of_a_missing_device_load_on_the_cpu_with_a_warning(estimator):
    autoencoders = list(autoencoders_in(clone(estimator)))
    model = clone(estimator).fit(X, Y)
    expected = results(model)
    for autoencoder in autoencoders_in(model):
        autoencoder.set_params(device="cuda:99")
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        loaded = pickle.loads(pickle.dumps(model))
    found = [str(w.message) for w in record if "cuda:99" in str(w.message)]
    assert bool(found) == bool(autoencoders)
    assert all("computes on the CPU" in message for message in found)
    np.testing.assert_array_equal(results(loaded), expected)


# Devices


@pytest.mark.parametrize("device", ["cuda:99", "nonsense", "", "meta", "CPU", "cpu:1"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(device):
    for model in (dense(), recurrent(), convolutional()):
        with pytest.raises(ValueError, match="'device' parameter.*'cpu'"):
            model.set_params(device=device).fit(X)
    fitted = dense().fit(X).set_params(device=device)
    with pytest.raises(ValueError, match="'device' parameter.*'cpu'"):
        fitted.transform(X)


def test_the_automatic_device_is_the_accelerator_or_the_cpu():
    model = dense(device="auto").fit(X)
    expected = available_devices()[-1].partition(":")[0]
    assert model.model_.device.type == expected
    if expected == "cpu":
        np.testing.assert_array_equal(model.transform(X), dense().fit_transform(X))


def test_no_memory_is_a_memory_error_that_names_a_remedy():
    with pytest.raises(MemoryError, match="hidden_layer_sizes"):
        dense(hidden_layer_sizes=(10**10,)).fit(X)


# Callbacks of skorch


CALLBACKS = {
    "EarlyStopping": lambda path: EarlyStopping(load_best=True, patience=1),
    "Checkpoint": lambda path: Checkpoint(dirname=str(path)),
    "Checkpoint, best": lambda path: Checkpoint(dirname=str(path), load_best=True),
    "StepLR": lambda path: LRScheduler("StepLR", step_size=1),
    "ReduceLROnPlateau": lambda path: LRScheduler("ReduceLROnPlateau"),
    "EpochScoring": lambda path: EpochScoring("r2"),
    "EpochScoring, uncached": lambda path: EpochScoring("r2", use_caching=False),
    "ProgressBar": lambda path: ProgressBar(detect_notebook=False),
    "PrintLog": lambda path: PrintLog(sink=lambda text: None),
    "GradientNormClipping": lambda path: GradientNormClipping(1.0),
    "Freezer": lambda path: Freezer("encoder*"),
}
FAMILIES = [dense, recurrent, convolutional]


@pytest.mark.parametrize("make", FAMILIES, ids=lambda make: make.__name__)
@pytest.mark.parametrize("callback", CALLBACKS)
@pytest.mark.parametrize("options", [{}, {"learning_rate_init": 1e-9}], ids=["", "pca"])
def test_callbacks_of_skorch_work_and_stay_as_they_were(
    make, callback, options, tmp_path
):
    given = CALLBACKS[callback](tmp_path)
    before = vars(given).copy()
    model = make(skorch_callbacks=[given], **options).fit(X)
    assert np.isfinite(model.transform(X)).all()
    assert vars(given) == before
    if "PrintLog" != callback:  # a lambda cannot be pickled
        assert b"torch" not in pickle.dumps(model)


def test_early_stopping_of_skorch_restores_the_weights_that_were_measured():
    class Keep(Callback):
        states = []

        def on_epoch_end(self, net, **kwargs):
            weights = net.module_.state_dict()
            self.states.append({key: weight.clone() for key, weight in weights.items()})

    stop = EarlyStopping(
        "train_loss", lower_is_better=False, patience=2, load_best=True
    )
    options = {"early_stopping": False, "max_iter": 9, "sample_shape": None}
    del options["sample_shape"]
    model = dense(**options, skorch_callbacks=[Keep(), stop]).fit(X)
    assert len(Keep.states) == 3  # the loss decreases: the first epoch is the "best"
    for key, weight in model.module_.state_dict().items():
        assert torch.equal(weight, Keep.states[0][key])


def test_a_checkpoint_holds_the_weights_of_the_best_epoch(tmp_path):
    checkpoint = Checkpoint(monitor="train_loss_best", dirname=str(tmp_path))
    model = dense(early_stopping=False, max_iter=9, skorch_callbacks=[checkpoint])
    model.fit(X)
    saved = torch.load(tmp_path / "params.pt")
    for key, weight in model.module_.state_dict().items():
        assert torch.equal(weight, saved[key])


def test_a_scheduler_of_the_user_replaces_that_of_the_family():
    class Rates(Callback):
        found = []

        def on_epoch_end(self, net, **kwargs):
            self.found.append(net.optimizer_.param_groups[0]["lr"])

    for make in (dense, recurrent):
        Rates.found.clear()
        schedule = LRScheduler("StepLR", step_size=1, gamma=0.5)
        options = {"early_stopping": False, "max_iter": 3, "learning_rate_init": 0.01}
        make(**options, skorch_callbacks=[Rates(), schedule]).fit(X)
        np.testing.assert_allclose(Rates.found, [0.01, 0.005, 0.0025])


def test_epoch_scoring_records_r2_of_the_validation_rows():
    class Keep(Callback):
        found = []

        def on_train_end(self, net, **kwargs):
            if "r2" in net.history[-1]:
                self.found.append(net.history[-1, "r2"])

    scoring = EpochScoring("r2", lower_is_better=False)
    dense(5, skorch_callbacks=[scoring, Keep()], max_iter=5).fit(X)
    assert len(Keep.found) in (1, 2)  # folds
    assert all(0.2 < r2 < 1 for r2 in Keep.found)


@pytest.mark.parametrize(
    "callbacks, options, message",
    [
        ([BatchScoring("r2")], {}, "BatchScoring is not supported"),
        ([("name", BatchScoring("r2"))], {}, "BatchScoring is not supported"),
        ([PassthroughScoring("r2")], {}, "PassthroughScoring is not supported"),
        ([InputShapeSetter], {}, "InputShapeSetter is not supported"),
        ([1], {}, "list of skorch callbacks.*Got 1"),
        ([None], {}, "list of skorch callbacks.*Got None"),
        ([("name", EarlyStopping(), 1)], {}, "list of skorch callbacks"),
        ([(1, EarlyStopping())], {}, "list of skorch callbacks"),
        ([EarlyStopping("valid_acc")], {}, "monitors 'valid_acc'"),
        ([EpochScoring("r2", on_train=True)], {}, "EpochScoring is not supported"),
        ([EarlyStopping()], {"early_stopping": False}, "EarlyStopping monitors 'valid"),
        ([Checkpoint()], {"early_stopping": False}, "Checkpoint monitors 'valid_loss_"),
        (
            [EpochScoring("r2"), EarlyStopping(monitor="r2")],
            {},
            "EarlyStopping monitors 'r2'",
        ),
    ],
)
def test_callbacks_that_cannot_work_are_refused_before_training(
    callbacks, options, message
):
    class Started(Callback):
        def on_train_begin(self, net, **kwargs):
            raise AssertionError

    with pytest.raises(ValueError, match=message):
        dense(**options, skorch_callbacks=[*callbacks, Started()]).fit(X)


def test_callbacks_of_scikit_learn_belong_to_set_callbacks():
    callbacks = pytest.importorskip("sklearn.callback")
    with pytest.raises(ValueError, match="set_callbacks"):
        dense(skorch_callbacks=[callbacks.ProgressBar()]).fit(X)


def test_nothing_left_to_train_is_said():
    with pytest.raises(ValueError, match="freeze all weights"):
        dense(skorch_callbacks=[Freezer("*")]).fit(X)
