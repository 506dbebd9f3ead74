"""The data sets of the benchmarks: installed ones, and a folder with checksums."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
import data_sets  # noqa: E402
import quick  # noqa: E402
import representation  # noqa: E402
import resampling  # noqa: E402

sys.path.remove(str(ROOT / "benchmarks"))

INSTALLED = data_sets.InstalledData()


def arrays_of(rng):
    """Return files of a folder, as arrays."""
    return {
        "adbench/small": {
            "X": np.arange(6, dtype=np.uint8).reshape(3, 2),
            "y": [0, 0, 1],
        },
        "ucr/equal": {
            **{"X_train": rng.normal(size=(3, 4, 2)), "y_train": [0, 1, 0]},
            **{"X_test": rng.normal(size=(2, 4, 2)), "y_test": [1, 0]},
        },
        "ucr/unequal": {
            **{"values_train": np.arange(10.0).reshape(5, 2), "lengths_train": [2, 3]},
            **{"values_test": np.zeros((0, 2)), "lengths_test": np.zeros(0, dtype=int)},
            **{"y_train": ["a", "b"], "y_test": []},
        },
        "nab/one": {"value": np.arange(4.0), "label": [0, 1, 0, 0], "category": "any"},
    }


@pytest.fixture
def folder(tmp_path):
    for name, arrays in arrays_of(np.random.default_rng(0)).items():
        path = tmp_path / f"{name}.npz"
        path.parent.mkdir(exist_ok=True)
        np.savez_compressed(path, **arrays)
    return tmp_path


def test_a_folder_is_read_as_its_description_says(folder):
    reader = data_sets.open_reader(folder)
    assert reader.names("ucr") == ["equal", "unequal"]
    assert reader.names("tabular") == []
    X, y = reader.load_anomalies("small")
    assert X.dtype == np.float64 and X.shape == (3, 2) and y.tolist() == [0, 0, 1]
    X_train, y_train, X_test, y_test = reader.load_sequences("unequal")
    assert [part.tolist() for part in X_train] == [
        [[0, 1], [2, 3]],
        [[4, 5], [6, 7], [8, 9]],
    ]
    assert y_train.tolist() == ["a", "b"] and X_test == [] and len(y_test) == 0
    X_train, _, X_test, y_test = reader.load_sequences("equal")
    assert X_train.shape == (3, 4, 2) and X_test.shape == (2, 4, 2)
    assert y_test.tolist() == [1, 0]
    assert reader.load_labelled_series("one")["category"] == "any"


def test_a_checksum_is_that_of_the_content_and_not_of_the_compression(folder):
    path = folder / "adbench" / "small.npz"
    arrays = arrays_of(np.random.default_rng(0))["adbench/small"]
    before = data_sets.checksum(path)
    np.savez(path, y=arrays["y"], X=arrays["X"])  # other order, not compressed
    assert data_sets.checksum(path) == before
    for changed in (
        {**arrays, "X": arrays["X"] + np.uint8(1)},
        {**arrays, "X": arrays["X"].astype(np.int16)},
        {**arrays, "X": arrays["X"].reshape(2, 3)},
        {"Z": arrays["X"], "y": arrays["y"]},
    ):
        np.savez_compressed(path, **changed)
        assert data_sets.checksum(path) != before


def test_the_check_names_missing_and_changed_files(folder, tmp_path, monkeypatch):
    sums = {
        f"{name}.npz": data_sets.checksum(folder / f"{name}.npz")
        for name in ("adbench/small", "nab/one")
    }
    sums["nab/one.npz"] = sums["adbench/small.npz"]
    listed = pd.Series({**sums, "nab/two.npz": "0"}, name="sha256").rename_axis("file")
    listed.to_csv(tmp_path / "sums.csv")
    monkeypatch.setattr(data_sets, "CHECKSUMS", tmp_path / "sums.csv")
    assert data_sets.check(folder) == (["nab/two.npz"], ["nab/one.npz"])


def test_a_value_of_data_that_is_no_folder_is_named():
    with pytest.raises(ValueError, match="'nowhere', which is not a folder"):
        data_sets.open_reader("nowhere")


def test_each_file_of_a_recipe_has_one_checksum():
    listed = pd.read_csv(data_sets.CHECKSUMS)
    assert (
        listed["file"].is_unique
        and listed["sha256"].str.fullmatch("[0-9a-f]{64}").all()
    )
    recipes = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    for name in listed["file"]:
        kind, file = name.split("/")
        assert f"`{kind}/" in recipes
        if kind == "ucr":
            assert file.removesuffix(".npz") in recipes


@pytest.mark.parametrize("name", INSTALLED.names("adbench"))
def test_installed_anomalies_are_the_smallest_class(name):
    X, y = INSTALLED.load_anomalies(name)
    assert len(X) == len(y) and set(y) == {0, 1}
    assert 2 * y.sum() < len(y)


def test_installed_sequences_have_parts_of_three_quarters_and_one():
    for name in INSTALLED.names("ucr"):
        X_train, y_train, X_test, y_test = INSTALLED.load_sequences(name)
        assert len(X_train) == len(y_train) and len(X_test) == len(y_test)
        share = len(X_train) / (len(X_train) + len(X_test))
        assert share == pytest.approx(0.75, abs=0.01)
        assert set(y_test) <= set(y_train)
    days = INSTALLED.load_sequences("taxi_days")
    # 1 July 2014 was a Tuesday. The test part follows the training part.
    assert days[1][:7].tolist() == [1, 2, 3, 4, 5, 6, 0]
    demand = INSTALLED.load_labelled_series("nyc_taxi")["value"]
    np.testing.assert_array_equal(np.concatenate([days[0], days[2]]).ravel(), demand)


def test_the_training_part_of_the_installed_telemetry_has_no_label():
    parts = INSTALLED.load_telemetry("nyc_taxi")
    labels = INSTALLED.load_labelled_series("nyc_taxi")["label"]
    assert len(parts["train"]) + len(parts["test"]) == len(labels)
    assert not labels[: len(parts["train"])].any() and parts["label"][0] == 1
    for kind in ("univariate", "multivariate"):
        ((_, X, labels, n_train),) = INSTALLED.listed_series(kind)
        assert len(X) == len(labels) and not labels[:n_train].any()
        assert X.sum() == INSTALLED.load_labelled_series("nyc_taxi")["value"].sum()


def test_rows_in_time_are_split_in_time():
    X = np.arange(100.0)[:, np.newaxis]
    train, test = representation.split_in_time(X)
    problem = representation.Problem("dense", "x", train, test, is_ordered=True)
    assert train.max() < test.min() and len(train) == 75
    for split in range(6):
        part = resampling.resampled(problem, split)
        assert part.X_train.max() + 1 == part.X_test.min()
        assert part.X_train.min() == 0 and len(part.X_test) == 25
    inner = resampling.training_part(problem, 0)
    assert inner.X_train.max() < inner.X_test.min() < 75
    with pytest.raises(ValueError, match="splits 0 to 5, not 6"):
        resampling.resampled(problem, 6)


def measured(time, error, spread=0.1):
    """Return a measurement of one cell, as `quick.py` saves it."""
    row = {"cell": "fit", "time": time, "min": time - spread, "max": time + spread}
    return pd.DataFrame([{**row, "error": error}])


@pytest.mark.parametrize(
    ("time", "error", "is_noted"),
    [(1.0, 0.5, False), (1.05, 0.5, False), (2.0, 0.5, True), (0.5, 0.51, True)],
)
def test_a_slower_or_a_worse_cell_of_the_second_commit_is_noted(time, error, is_noted):
    table = quick.compared(measured(1.0, 0.5), measured(time, error))
    assert table["time_ratio"].item() == pytest.approx(time)
    assert table["error_ratio"].item() == pytest.approx(error / 0.5)
    assert (table["look"].item() == "look") == is_noted


def test_times_that_overlap_are_not_noted():
    before, after = measured(1.0, 0.5, spread=0.3), measured(1.2, 0.5, spread=0.3)
    assert quick.compared(before, after)["look"].item() == ""


QUICK = {
    "anomaly": "--part one-class nab --method AutoencoderAnomalyDetector",
    "classification": "--seeds 1",
    "false_discoveries": "--seeds 1",
    "fashion_mnist": "--epochs 1",
    "forecast": "--linear",
    "intervals": "--data sklearn",
    "main_table": "--quick",
    "missing": "--part held_out --set wine",
    "quick": "--runs 1",
    "ordered": "--part sizes --only taxi_days",
    "representation": "--only iris taxi_days",
    "round_trip": "--random-state 0",
    "speed": "--quick --runs 1 --only vowels_loop",
    "tutorial_lstm": "",
}


@pytest.mark.slow
@pytest.mark.parametrize("script", QUICK)
def test_a_benchmark_runs_on_installed_data(script, tmp_path):
    command = [sys.executable, str(ROOT / "benchmarks" / f"{script}.py")]
    result = subprocess.run(
        [*command, *QUICK[script].split()], cwd=tmp_path, capture_output=True, text=True
    )
    assert not result.returncode, result.stderr
    assert result.stdout


def test_every_benchmark_with_data_runs_on_installed_data():
    scripts = {
        path.stem
        for path in (ROOT / "benchmarks").glob("*.py")
        if "open_reader(args.data" in path.read_text("utf-8")
        or "open_reader(arguments.data" in path.read_text("utf-8")
    }
    assert scripts and scripts <= set(QUICK)
