"""The examples that do what tutorials do, and their comparisons."""

import runpy
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path, monkeypatch, pyplot):
    """A function that runs an example in an empty folder and returns its names."""
    monkeypatch.chdir(tmp_path)

    def run_it(name):
        path = EXAMPLES / f"tutorial_{name}.py"
        monkeypatch.setattr("sys.argv", [str(path)])
        return runpy.run_path(str(path))

    return run_it


@pytest.mark.parametrize(
    ("name", "best"),
    [("sine_cosine", "default"), ("image_rows", "ours"), ("colour_images", "default")],
)
def test_the_default_is_better_than_pca_and_the_network_of_the_tutorial(
    run, name, best
):
    errors = run(name)["errors"]
    compared = {key: error for key, error in errors.items() if error > 0}
    assert len(compared) == 3
    assert min(compared, key=compared.get) == best


def test_nine_new_steps_are_reconstructed_and_forecast(run):
    names = run("nine_steps")
    nine = names["nine"][0, :, 0]
    for values in names["results"].values():
        assert np.abs(values - nine[-len(values) :]).max() < 0.01


def test_the_loaded_encoder_is_the_saved_one_and_fine_tuning_helps(run):
    names = run("saved_encoder")
    X = names["X"]
    assert (names["loaded"].transform(X) == names["autoencoder"].transform(X)).all()
    scores = names["scores"]
    assert scores["fine-tuned encoder"] > max(scores["codes"], scores["PCA"])
