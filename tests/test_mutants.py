"""The table of test files of `make mutants` names files that exist."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / ".ci" / "mutants.py"


def table():
    """Return the table without an import of the tool, which is no dependency."""
    for node in ast.parse(SCRIPT.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "TESTS":
            return ast.literal_eval(ast.unparse(flattened(node.value)))
    raise AssertionError("TESTS is missing")


def flattened(table):
    """Return a dict display with the starred tuples written out."""
    for value in table.values:
        value.elts = [
            name
            for part in value.elts
            for name in (part.value.elts if isinstance(part, ast.Starred) else [part])
        ]
    return table


def test_each_folder_and_each_test_file_exists():
    for folder, names in table().items():
        home = ROOT / "sklearn_seqae" / folder
        assert home.is_dir() or home.with_suffix(".py").exists()
        assert len(set(names)) == len(names)
        for name in names:
            where, slash, stem = name.rpartition("/")
            assert (ROOT / f"tests/{where}{slash}test_{stem}.py").exists(), name
