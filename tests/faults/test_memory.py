"""Memory that the system refuses."""

import os

import pytest

from tests.faults.processes import run

# Linux alone limits the address space of a process.
LIMITED = """
import resource
import numpy as np
from tests.instances import dense, recurrent

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 6))
models = [family().fit(X) for family in (dense, recurrent)]
expected = [model.transform(X) for model in models]
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**29, resource.RLIM_INFINITY))
for model, codes in zip(models, expected):
    sizes = model.hidden_layer_sizes
    model.set_params(hidden_layer_sizes=(20_000, 20_000))  # 1.6 GB of weights
    try:
        model.fit(X)
    except MemoryError as error:
        print("hidden_layer_sizes" in str(error))
    print((model.transform(X) == codes).all())
    print((model.set_params(hidden_layer_sizes=sizes).fit_transform(X) == codes).all())
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not os.path.exists("/proc/self/statm"), reason="no limit of the address space"
)
def test_without_memory_a_fit_is_a_memory_error_and_the_model_stays_usable():
    assert run(LIMITED) == ["True"] * 6
