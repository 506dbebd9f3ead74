"""Write the tables of the pages from the committed results.

    python benchmarks/pages.py [--check] [--state]

The results are the csv files in ``benchmarks/results``. The lines between
``<!-- table NAME -->`` and ``<!-- end -->`` are replaced in README.md and in the pages
of docs. The numbers in sentences are compared with ``sources.csv``: see `figures.py`.
``--state`` takes over the numbers of the sentences, after they were changed on purpose.
With ``--check``, no file is written, and the script fails if a page differs.
"""

import argparse
import re
import sys
from pathlib import Path

import figures
import representation_tables
import result_tables

ROOT = Path(__file__).parents[1]
TABLE = re.compile(r"(?s)(<!-- table (\w+) -->\n).*?(\n<!-- end -->)")


def pages():
    """Return README.md and the pages of docs."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def all_tables():
    """Return the text of each table by name."""
    modules = (representation_tables, result_tables, figures)
    return {name: text for each in modules for name, text in each.tables().items()}


def with_tables(text, tables):
    """Return the text of a page with its tables."""
    return TABLE.sub(lambda match: f"{match[1]}\n{tables[match[2]]}\n{match[3]}", text)


def main():
    """Write the pages, or name those that differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write no file")
    parser.add_argument(
        "--state", action="store_true", help="take the numbers of the sentences"
    )
    options = parser.parse_args()
    if options.state:
        figures.state(lambda page: (ROOT / page).read_text(encoding="utf-8"))
    tables, differ = all_tables(), []
    for page in pages():
        name, old = page.relative_to(ROOT).as_posix(), page.read_text(encoding="utf-8")
        new = with_tables(old, tables)
        differ += [f"{name}, tables"] * (new != old) + figures.differences(name, new)
        if new != old and not options.check:
            page.write_text(new, encoding="utf-8")
    print(*differ, sep="\n")
    if options.check and differ:
        sys.exit(1)


if __name__ == "__main__":
    main()
