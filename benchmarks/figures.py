"""Figures in the sentences of the pages, and where they come from.

``benchmarks/results/sources.csv`` has a row for each section of a page with measured
figures: the command, the commit that recorded the figures, the seeds, and all numbers
in the sentences of the section. A number that is changed in the page or in the file is
an error until both agree.
"""

import difflib
import re
from pathlib import Path

import pandas as pd
from representation_tables import RESULTS, markdown

SOURCES = RESULTS / "sources.csv"
# What is not compared here: code, tables from results, comments, targets of links.
CODE = re.compile(
    r"(?ms)^```.*?^```|^(?: {4}[^\n]*\n)+|<!-- table \w+ -->.*?<!-- end -->"
)
REST = re.compile(r"(?m)`[^`\n]*`|<!--.*?-->|!\[[^\]]*\]|\]\([^)]*\)")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:e-?\d+)?")
COLUMNS = ["section", "command", "commit", "seeds"]


def sections(text):
    """Return the text of each section of a page by its heading, "" before the first."""
    parts = re.split(r"(?m)^## (.*)$", CODE.sub("\n", text))
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def numbers_of(section):
    """Return the numbers in the text of a section, separated by spaces."""
    return " ".join(NUMBER.findall(REST.sub("]", section)))


def read_sources():
    """Return the rows of the sources, all as text."""
    return pd.read_csv(SOURCES, dtype=str, keep_default_na=False)


def differences(page, text):
    """Return a line for each section of a page with other numbers than its source."""
    found, lines = sections(text), []
    for _, row in read_sources().query("page == @page").iterrows():
        stated = numbers_of(found[row["section"]]) if row["section"] in found else None
        if stated is None:
            lines.append(f"{page}: no section {row['section']!r}")
        elif stated != row["numbers"]:
            title = row["section"] or "the first section"
            lines.append(f"{page}, {title}: {changes(stated, row['numbers'])}")
    return lines


def changes(stated, expected):
    """Return the numbers that differ, as "stated, not expected"."""
    parts = stated.split(), expected.split()
    blocks = difflib.SequenceMatcher(None, *parts, autojunk=False).get_opcodes()
    return "; ".join(
        f"{' '.join(parts[0][a:b]) or 'nothing'}, not {' '.join(parts[1][c:d]) or 'it'}"
        for kind, a, b, c, d in blocks
        if kind != "equal"
    )


def state(read):
    """Replace the numbers in the sources by those of the pages. `read` reads a page."""
    sources = read_sources()
    sources["numbers"] = [
        numbers_of(sections(read(row["page"]))[row["section"]])
        for _, row in sources.iterrows()
    ]
    sources.to_csv(SOURCES, index=False)


def tables():
    """Return the table of the sources of each page by name."""
    rows = read_sources().replace({"section": {"": "(first lines)"}})
    return {
        f"sources_{Path(page).stem}": markdown(
            COLUMNS, part[COLUMNS].to_numpy().tolist()
        )
        for page, part in rows.groupby("page")
    }
