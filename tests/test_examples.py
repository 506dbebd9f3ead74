"""The examples run as they stand; the demo has a command of its own."""

import runpy
import sys
from pathlib import Path

import pandas as pd
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def run(tmp_path, monkeypatch, pyplot):
    """A function that runs an example in an empty folder and returns its names."""
    monkeypatch.chdir(tmp_path)

    def run_it(name):
        monkeypatch.setattr(sys, "argv", [name])
        return runpy.run_path(str(EXAMPLES / name))

    return run_it


@pytest.mark.slow
def test_weather_keeps_more_than_pca_of_a_table_with_text_and_gaps(run, tmp_path):
    names = run("weather.py")
    for _, n_rows, n_columns, r2, r2_of_pca in names["rows"]:
        assert n_rows > 100 and n_columns >= 17
        assert r2 > r2_of_pca
    assert names["everything"].isna().any(axis=None)  # nothing was dropped
    assert (tmp_path / "weather_output" / "weather.png").stat().st_size > 10_000


def test_nearest_codes_have_a_smaller_error_than_those_of_the_encoder(run, tmp_path):
    results = run("nearest_codes.py")["results"]
    errors = [error for error, _ in results.values()]  # PCA, 0 steps, 2 steps
    assert errors[2] < errors[1] < errors[0]
    assert (tmp_path / "nearest_output" / "nearest_codes.png").stat().st_size > 10_000


def test_the_series_with_gaps_has_one_anomaly_and_one_gap(run, tmp_path):
    with pytest.warns(UserWarning, match="gaps .*2026-04-20 21:50"):
        names = run("series_with_gaps.py")
    found = names["intervals"]
    assert len(found) == 1
    start, end = found.loc[0, ["start", "end"]]
    assert start == pd.Timestamp("2026-04-29 12:00")
    assert abs(end - pd.Timestamp("2026-04-29 14:00")) <= pd.Timedelta("20min")
    assert names["newest"] < names["detector"].offset_
    assert (tmp_path / "series_output" / "series.png").stat().st_size > 10_000


def test_one_changed_bit_is_an_error_only_with_a_checksum(run, tmp_path):
    names = run("damaged_file.py")
    assert names["change"] > 1
    assert "checksum" in names["message"]
    assert (tmp_path / "files_output" / "damaged_file.png").stat().st_size > 10_000


@pytest.mark.slow
def test_a_killed_fit_is_resumed_with_the_same_bits(run, tmp_path):
    names = run("interrupted_fit.py")
    assert 18 < names["n_before"] < 60
    assert names["is_equal"]
    assert names["n_left"] == 0
    assert (tmp_path / "resume_output" / "interrupted_fit.png").stat().st_size > 10_000


@pytest.mark.slow
def test_the_autoencoder_fills_digits_better_than_the_imputers(run, tmp_path):
    names = run("missing_values.py")
    errors = {
        name: ((values - names["X"])[names["hidden"]] ** 2).mean()
        for name, values in names["imputed"].items()
    }
    assert min(errors, key=errors.get) == "autoencoder"
    assert (tmp_path / "missing_output" / "missing_values.png").stat().st_size > 10_000
