"""The benchmark of speed lists its entries, and an entry saves its results."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]


def run(*arguments):
    """Run the script and return what it prints."""
    result = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "speed.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert not result.returncode, result.stderr
    return result.stdout


@pytest.fixture
def speed(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import speed

    return speed


@pytest.mark.slow
def test_the_script_lists_its_entries(speed):
    listed = run("--list")
    for entry in speed.ENTRIES:
        assert entry.name in listed
        for line in entry.lines:
            assert f"{line.clock}, at most {line.target:g}" in listed


@pytest.mark.slow
def test_an_entry_without_its_option_is_skipped_and_the_option_is_named(tmp_path):
    printed = run("--only", "dense_jax", "--out", tmp_path)
    assert "dense_jax: skipped, needs --peers" in printed
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_an_entry_saves_its_ratio_in_a_table_and_a_picture(tmp_path):
    options = ("--quick", "--runs", 2, "--out", tmp_path)
    printed = run("--only", "transform_one_row", *options)
    (row,) = pd.read_csv(tmp_path / "speed_quick.csv").to_dict("records")
    assert row["entry"] == "transform_one_row" and row["runs"] == 2
    assert 0 < row["min"] <= row["median"] <= row["max"]
    assert row["met"] == (round(row["median"], 3) <= row["target"])
    assert "| transform of one row, dense | PCA.transform |" in printed
    assert (tmp_path / "speed_quick.png").stat().st_size > 5_000


def test_an_entry_that_is_measured_again_replaces_its_rows(speed, tmp_path):
    def rows(name, value):
        return [{"entry": name, "work": "fit", "median": value}]

    path = tmp_path / "speed.csv"
    speed.merge(rows("detector", 4.0), path)
    speed.merge(rows("dense_loop", 2.0), path)
    results = speed.merge(rows("detector", 3.0), path)
    assert list(results["entry"]) == ["dense_loop", "detector"]
    assert list(pd.read_csv(path)["median"]) == [2.0, 3.0]
