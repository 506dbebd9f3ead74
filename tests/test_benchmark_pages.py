"""The figures of the pages are those of the results, and each has its command."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
import figures  # noqa: E402
import pages  # noqa: E402

sys.path.remove(str(ROOT / "benchmarks"))

TABLES = pages.all_tables()
SHOWN = sorted(
    name
    for page in pages.pages()
    for _, name, _ in pages.TABLE.findall(page.read_text(encoding="utf-8"))
)
SOURCES = figures.read_sources()
# Pages whose tables and sections all contain measured figures.
MEASURED = [
    *(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*mark*.md")),
    *("docs/anomaly.md", "docs/representation.md", "docs/speed.md"),
    "docs/demo_results.md",
]
MEASURED.remove("docs/benchmarks.md")  # a list of links
DECIMAL = re.compile(r"\d\.\d")
# A section of the page without measured figures.
ABOUT_THE_METHOD = {("docs/bottlenecks_benchmark.md", "")}


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def changed_digit(text, at):
    return f"{text[:at]}{(int(text[at]) + 1) % 10}{text[at + 1 :]}"


def is_noticed(page, text):
    """Return whether a page with this text differs from the results."""
    return pages.with_tables(text, TABLES) != text or figures.differences(page, text)


@pytest.mark.parametrize("page", ["README.md", *sorted(set(SOURCES["page"]))])
def test_tables_and_figures_of_a_page_are_those_of_the_results(page):
    text = text_of(page)
    assert pages.with_tables(text, TABLES) == text, "run python benchmarks/pages.py"
    assert figures.differences(page, text) == []


def test_each_table_is_shown_once():
    assert len(set(SHOWN)) == len(SHOWN)
    assert all(name.startswith("sources_") for name in set(TABLES) - set(SHOWN))


@pytest.mark.parametrize("name", SHOWN)
def test_a_changed_digit_in_any_row_of_a_table_is_noticed(name):
    mark = f"<!-- table {name} -->"
    (page,) = [page for page in pages.pages() if mark in text_of(page)]
    text = text_of(page)
    start = text.index(mark)
    end = text.index("<!-- end -->", start)
    digits = [match.start() + start for match in re.finditer(r"\d", text[start:end])]
    assert digits
    for at in digits[:: max(1, len(digits) // 20)]:
        changed = changed_digit(text, at)
        assert is_noticed(page.relative_to(ROOT).as_posix(), changed)


@pytest.mark.parametrize(
    ("page", "section", "numbers"),
    SOURCES[["page", "section", "numbers"]].to_numpy().tolist(),
)
def test_a_changed_digit_in_a_sentence_is_noticed(page, section, numbers):
    text = text_of(page)
    start = text.index(f"## {section}\n") if section else 0
    for number in [number for number in numbers.split() if "." in number][:3]:
        # The same number can also be in code, before the sentence.
        found = [match.end() for match in re.finditer(re.escape(number), text[start:])]
        ends = [start + end - 1 for end in found]
        changes = [
            f"{text[:at]}{(int(text[at]) + 1) % 10}{text[at + 1 :]}" for at in ends
        ]
        assert any(figures.differences(page, changed) for changed in changes)


@pytest.mark.parametrize("page", MEASURED)
def test_every_table_of_a_benchmark_page_is_made_from_results(page):
    outside = pages.TABLE.sub("", text_of(page))
    assert not re.search(r"(?m)^\|.*\d", outside)


@pytest.mark.parametrize("page", MEASURED)
def test_every_section_with_figures_has_a_command_a_commit_and_seeds(page):
    rows = SOURCES[SOURCES["page"] == page]
    measured = {
        name
        for name, section in figures.sections(text_of(page)).items()
        if DECIMAL.search(section) and (page, name) not in ABOUT_THE_METHOD
    }
    assert measured <= set(rows["section"])
    assert (rows[["command", "commit", "seeds"]] != "").all(axis=None)
    assert f"<!-- table sources_{Path(page).stem} -->" in text_of(page)


@pytest.mark.parametrize("command", sorted(set(SOURCES["command"])))
def test_the_scripts_and_options_of_a_command_exist(command):
    scripts = re.findall(r"python (\S+\.py)([^;]*)", command)
    assert scripts or command.startswith(("make ", "none: ", "the code of "))
    for script, options in scripts:
        code = (ROOT / script).read_text(encoding="utf-8")
        for option in re.findall(r"--[a-z-]+", options):
            in_module = option == "--data" and "add_data_option(" in code
            assert in_module or f'"{option}"' in code
