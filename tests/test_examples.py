"""The examples run as they stand; the demo has a command of its own."""

import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.slow
@pytest.mark.usefixtures("pyplot")
def test_weather_keeps_more_than_pca_of_a_table_with_text_and_gaps(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["weather.py"])
    names = runpy.run_path(str(EXAMPLES / "weather.py"))
    for _, n_rows, n_columns, r2, r2_of_pca in names["rows"]:
        assert n_rows > 100 and n_columns >= 17
        assert r2 > r2_of_pca
    assert names["everything"].isna().any(axis=None)  # nothing was dropped
    assert (tmp_path / "weather_output" / "weather.png").stat().st_size > 10_000


@pytest.mark.usefixtures("pyplot")
def test_nearest_codes_have_a_smaller_error_than_those_of_the_encoder(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["nearest_codes.py"])
    results = runpy.run_path(str(EXAMPLES / "nearest_codes.py"))["results"]
    errors = [error for error, _ in results.values()]  # PCA, 0 steps, 2 steps
    assert errors[2] < errors[1] < errors[0]
    assert (tmp_path / "nearest_output" / "nearest_codes.png").stat().st_size > 10_000


@pytest.mark.usefixtures("pyplot")
def test_the_series_with_gaps_has_one_anomaly_and_one_gap(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["series_with_gaps.py"])
    with pytest.warns(UserWarning, match="gaps .*2026-04-20 21:50"):
        names = runpy.run_path(str(EXAMPLES / "series_with_gaps.py"))
    found = names["intervals"]
    assert len(found) == 1
    assert str(found["start"][0]).startswith("2026-04-29 1")
    assert names["newest"] < names["detector"][-1].offset_
    assert (tmp_path / "series_output" / "series.png").stat().st_size > 10_000


@pytest.mark.usefixtures("pyplot")
def test_one_changed_bit_is_an_error_only_with_a_checksum(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["damaged_file.py"])
    names = runpy.run_path(str(EXAMPLES / "damaged_file.py"))
    assert names["change"] > 1
    assert "checksum" in names["message"]
    assert (tmp_path / "files_output" / "damaged_file.png").stat().st_size > 10_000
