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
def test_the_components_of_heartbeats_are_their_causes(run, tmp_path):
    names = run("components.py")
    assert (abs(names["correlation"]).max(axis=0) > 0.9).all()
    assert names["r2"].between(0, 1).all()
    for picture in ("wine", "heartbeats"):
        file = tmp_path / "components_output" / f"components_of_{picture}.png"
        assert file.stat().st_size > 10_000


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


def best(errors):
    """Return the name of the lowest error of three models; that of X itself is 0."""
    compared = {name: error for name, error in errors.items() if error > 0}
    assert len(compared) == 3
    return min(compared, key=compared.get)


# A relation that must hold after an example of the gallery has run.
RELATIONS = {
    "anomalies_in_a_table": lambda n: n["alarms"]["benign"] < 0.1 and n["auc"] > 0.9,
    "choose_size": lambda n: n["enough"].argmax() < n["enough_pca"].argmax(),
    "denoise": lambda n: n["errors"]["autoencoder"] < n["errors"]["PCA"],
    "few_labels": lambda n: n["accuracies"]["fine-tuned"][-1] > 0.8,
    "forecast": lambda n: (
        abs(n["forecast"] - n["truth"]).mean()
        < abs(n["week_before"] - n["truth"]).mean()
    ),
    "generate": lambda n: n["samples"].shape == (20, 64),
    "images": lambda n: n["model"].score(n["test"]) > 0.7,
    "label_anomalies": lambda n: (
        n["precision"]["with 3 labels"] > n["precision"]["without labels"] + 0.2
    ),
    "learning_curve": lambda n: (
        n["model"].held_out_r2_["model"] > n["model"].held_out_r2_["pca"]
    ),
    "live_stream": lambda n: (
        n["scored"].loc["2015-01-01", "alarm"].any()
        and not n["scored"].loc["2014-12-22", "alarm"].any()
    ),
    "long_csv": lambda n: len({len(s) for s in n["sequences"]}) > 1,
    "pipeline_search": lambda n: n["search"].best_score_ > 0.85,
    "replace_pca": lambda n: list(n["rows"])[2][-4:] > list(n["rows"])[1][-4:],
    "train_on_chunks": lambda n: n["scores"][-1] > n["r2_of_pca"] + 0.02,
    "tutorial_colour_images": lambda n: best(n["errors"]) == "default",
    "tutorial_image_rows": lambda n: best(n["errors"]) == "default",
    "tutorial_nine_steps": lambda n: all(
        abs(values - n["nine"][0, -len(values) :, 0]).max() < 0.01
        for values in n["results"].values()
    ),
    "tutorial_saved_encoder": lambda n: (
        (n["loaded"].transform(n["X"]) == n["autoencoder"].transform(n["X"])).all()
        and max(n["scores"], key=n["scores"].get) == "fine-tuned encoder"
    ),
    "tutorial_sine_cosine": lambda n: best(n["errors"]) == "default",
    "taxi_series": lambda n: len(n["detector"].detect_intervals(n["demand"])) > 4,
    "variable_length": lambda n: n["accuracy"] > 0.9,
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
@pytest.mark.parametrize("name", RELATIONS)
def test_an_example_of_the_gallery_draws_what_its_text_says(run, pyplot, name):
    names = run(f"{name}.py")
    assert RELATIONS[name](names)
    assert pyplot.get_fignums()


def test_every_example_is_tested():
    tested = Path(__file__).read_text()
    for example in EXAMPLES.glob("*.py"):
        assert example.stem in {*RELATIONS, "demo"} or example.name in tested
