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
