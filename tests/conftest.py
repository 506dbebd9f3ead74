import os

# scipy reads it once, when it is imported; without it scikit-learn skips
# check_array_api_input.
os.environ["SCIPY_ARRAY_API"] = "1"

import random

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from sklearn.datasets import load_digits, load_wine
from sklearn.preprocessing import StandardScaler

from tests.containers import EQUAL_CONTAINERS, RAGGED_CONTAINERS, with_gaps
from tests.instances import SLOW_INSTANCES

# A busy machine may take any time for an example.
settings.register_profile(
    "busy", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy")


def pytest_collection_modifyitems(items):
    """Mark the tests of the instances that only `make test-all` runs."""
    slow = {id(instance) for instance in SLOW_INSTANCES}
    for item in items:
        params = item.callspec.params.values() if hasattr(item, "callspec") else ()
        if any(id(value) in slow or is_slow_check(value) for value in params):
            item.add_marker(pytest.mark.slow)


def is_slow_check(value):
    """Return whether a value is a check of scikit-learn that takes long.

    `tests/test_classification_weights.py` has faster tests of class weights.
    """
    function = getattr(value, "func", value)
    return getattr(function, "__name__", "") == "check_class_weight_classifiers"


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Small networks are slower on two threads, and the suite may share its cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def global_generator_states():
    """Return the states of the global generators in a form that can be compared."""
    name, keys, *rest = np.random.get_state()
    return (
        random.getstate(),
        (name, keys.tobytes(), *rest),
        torch.random.get_rng_state().numpy().tobytes(),
    )


@pytest.fixture(autouse=True)
def global_generators_are_left_alone():
    before = global_generator_states()
    yield
    assert global_generator_states() == before, "a global generator was used"


@pytest.fixture
def pyplot():
    """matplotlib.pyplot without a window, and no figure left behind."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    yield pyplot
    pyplot.close("all")


@pytest.fixture(scope="session")
def wine():
    """(178, 13) standardized measurements of wines."""
    return StandardScaler().fit_transform(load_wine().data)


@pytest.fixture(scope="session")
def digits():
    """(60, 8, 3) handwritten digits, row by row, the three columns in the middle."""
    return load_digits().images[:60, :, 2:5] / 16


@pytest.fixture(scope="session")
def ragged(digits):
    """60 sequences of 3 to 8 steps and 3 channels: the digits, cut short."""
    lengths = np.random.RandomState(0).randint(3, 9, size=len(digits))
    return [digit[:n] for digit, n in zip(digits, lengths, strict=True)]


@pytest.fixture(scope="session")
def factors():
    """Rows of 8 columns with two factors and little noise."""
    random = np.random.RandomState(0)
    loadings = random.normal(size=(2, 8))
    noise = 0.1 * random.normal(size=(300, 8))
    return random.normal(size=(300, 2)) @ loadings + noise + np.arange(8)


@pytest.fixture(scope="session")
def gappy(factors):
    """The same rows with a fifth of their values missing."""
    return with_gaps(factors)


@pytest.fixture(params=EQUAL_CONTAINERS)
def equal_container(request):
    """A function that puts sequences of equal length into one kind of container."""
    return EQUAL_CONTAINERS[request.param]


@pytest.fixture(params=RAGGED_CONTAINERS)
def ragged_container(request):
    """A function that puts sequences of any length into one kind of container."""
    return RAGGED_CONTAINERS[request.param]
