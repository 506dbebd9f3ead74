"""Fits on a GPU or another accelerator of torch. Without one, the tests are skipped."""

import pickle
from contextlib import suppress

import numpy as np
import pytest
from sklearn.base import clone

from sklearn_seqae import persistence
from sklearn_seqae.training.devices import available_devices, find_device
from sklearn_seqae.training.progress import Progress
from tests.instances import convolutional, dense, recurrent

ACCELERATORS = available_devices()[2:3]
FAMILIES = {"dense": dense, "recurrent": recurrent, "convolutional": convolutional}

pytestmark = pytest.mark.skipif(
    not ACCELERATORS, reason="torch finds no GPU or other accelerator on this machine"
)


@pytest.fixture(params=FAMILIES)
def fitted(request):
    """Return an autoencoder that is fitted on the accelerator, and its samples."""
    X = np.random.default_rng(0).normal(size=(60, 12, 2)).cumsum(axis=1)
    X = X.reshape(60, -1) if request.param == "dense" else X
    model = FAMILIES[request.param](max_iter=3, device=ACCELERATORS[0])
    return model.fit(X), X


def test_auto_is_the_accelerator():
    assert find_device("auto") == ACCELERATORS[0]


def test_a_model_of_the_accelerator_computes_the_same_on_the_cpu(fitted):
    model, X = fitted
    codes, rebuilt = model.transform(X), model.reconstruct(X)
    model.set_params(device="cpu")
    np.testing.assert_allclose(model.transform(X), codes, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(model.reconstruct(X), rebuilt, rtol=1e-3, atol=1e-3)


def test_a_model_of_the_accelerator_can_be_saved_and_loaded(fitted):
    model, X = fitted
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.transform(X), model.transform(X))


def test_a_file_of_the_accelerator_loads_on_the_cpu(fitted, tmp_path):
    model, X = fitted
    path = tmp_path / "model.seqae"
    persistence.save(model, path)
    np.testing.assert_array_equal(
        persistence.load(path).transform(X), model.transform(X)
    )
    loaded = persistence.load(path, device="cpu")
    assert loaded.model_.device.type == "cpu"
    np.testing.assert_allclose(
        loaded.transform(X), model.transform(X), rtol=1e-3, atol=1e-3
    )


def test_a_fit_on_the_accelerator_is_as_good_as_on_the_cpu(fitted):
    model, X = fitted
    on_cpu = type(model)(**(model.get_params() | {"device": "cpu"})).fit(X)
    assert model.score(X) == pytest.approx(on_cpu.score(X), abs=0.05)


def test_an_interrupted_fit_continues_on_the_accelerator(fitted, tmp_path, monkeypatch):
    model, X = fitted
    save, epochs = Progress.save, []

    def save_and_raise(self):
        save(self)
        epochs.append(self.name)
        raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "save", save_and_raise)
    resumed = clone(model).set_params(checkpoint=str(tmp_path))
    while not hasattr(resumed, "model_"):
        with suppress(KeyboardInterrupt):
            resumed.fit(X)
    assert len(epochs) > 2
    assert not any(tmp_path.iterdir())
    np.testing.assert_allclose(resumed.loss_curve_, model.loss_curve_, rtol=1e-3)
