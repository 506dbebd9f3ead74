"""The examples of the README and of the guides run as they stand."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    "docs/bottlenecks.md",
    "docs/choosing_size.md",
    "docs/classification.md",
    "docs/forecasting.md",
    "docs/series.md",
)


def blocks(page):
    text = (ROOT / page).read_text("utf-8")
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_python_blocks_of_a_page_run_in_their_order(page, capsys):
    names = {}
    for block in blocks(page):
        exec(compile(block, page, "exec"), names)


@pytest.mark.parametrize("page", PAGES)
def test_there_are_blocks(page):
    assert len(blocks(page)) >= 2
