"""The examples of the README and of the guides run, and print what the pages show."""

import contextlib
import io
import re
from pathlib import Path

import pandas as pd
import pytest
import torch

from sklearn_seqae import AutoencoderAnomalyDetector
from sklearn_seqae.datasets import load_nyc_taxi

ROOT = Path(__file__).parents[1]
# A block, and its output in an indented block after it.
BLOCK = re.compile(r"```python\n((?:.*\n)*?)```\n(?:\n((?: {4}.*\n)+))?")
PAGES = [
    path.relative_to(ROOT).as_posix()
    for path in (
        ROOT / "README.md",
        *sorted((ROOT / "docs").glob("*.md")),
        *sorted((ROOT / "docs" / "coming_from").glob("*.md")),
    )
    if "```python" in path.read_text("utf-8")
]
NUMBER = re.compile(r"-?\d+\.\d+")


def blocks(page):
    return BLOCK.findall((ROOT / page).read_text("utf-8"))


def compare(printed, shown):
    """Fractions may differ in their last digits, which depend on the CPU."""
    assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", shown).split()
    values = [[float(number) for number in NUMBER.findall(t)] for t in (printed, shown)]
    assert values[0] == pytest.approx(values[1], rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_python_blocks_of_a_page_print_the_output_below_them(
    page, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)  # some write files
    names = {}
    # Code of other libraries draws from torch's global generator.
    is_of_others = page.startswith("docs/coming_from")
    with torch.random.fork_rng(devices=[], enabled=is_of_others):
        for block, shown in blocks(page):
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(compile(block, page, "exec"), names)
            compare(printed.getvalue(), shown)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_that_prints_is_followed_by_its_output(page):
    assert blocks(page)
    for block, shown in blocks(page):
        assert ("print(" in block) == bool(shown), block


def test_the_pages_with_blocks_are_found():
    pages = {"README.md", "docs/pca.md", "docs/series.md", "docs/coming_from/keras.md"}
    assert pages <= set(PAGES)


@pytest.mark.parametrize("shown", ["(3, 2) 0.93", "(4, 2) 0.89", "(3, 2)"])
def test_another_output_is_noticed(shown):
    compare("(3, 2) 0.891", "(3, 2)  0.89")
    with pytest.raises(AssertionError):
        compare("(3, 2) 0.89", shown)


@pytest.fixture(scope="module")
def demand():
    return load_nyc_taxi(return_X_y=True, as_frame=True)[0]


def test_the_hour_that_was_counted_twice_and_the_day_of_the_race(demand):
    passengers = demand["demand"]
    assert passengers["2014-11-02 01:00"] == passengers.max() == 39_197
    assert passengers["2014-10-26 01:00"] == 24_482
    race, *others = (
        passengers[f"{day} 09:00" : f"{day} 16:30"].sum()
        for day in ("2014-11-02", "2014-10-26", "2014-11-09")
    )
    assert race / (sum(others) / 2) == pytest.approx(0.92, abs=0.005)


@pytest.mark.slow
def test_without_that_hour_the_detector_of_the_readme_finds_no_marathon(demand):
    mended = demand.copy()
    mended["2014-11-02 01:00":"2014-11-02 01:30"] /= 2
    detector = AutoencoderAnomalyDetector(
        window_size="auto", contamination=0.1, random_state=0
    )
    found = detector.fit(mended).detect_intervals(mended)
    assert len(found) == 4  # Thanksgiving, Christmas, New Year, snow storm
    assert found["start"].min() > pd.Timestamp("2014-11-25")
