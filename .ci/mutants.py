"""Change the code at random places, and count the changes that the tests notice.

``make mutants`` runs it in an environment with cosmic-ray, whose operators make the
changes (mutants). A mutant without a failing test has survived: an assertion is
missing, the code is not needed, or the change has no effect. ::

    python .ci/mutants.py --python .venv/bin/python [--sample 30] [--seed 0]
        [--folder fitting ...] [--out mutants.csv]

At first, the quick tests run once, and coverage.py records which tests execute each
line. For each mutant, the tests of its folder that execute its line run in a copy of
the repository until the first failure, the fastest first. If a fixture executes the
line, the whole test file runs, since its tests share fixtures.

All places have the same chance; one of the operators that fit the place is drawn.
Annotations and the ``*`` of parameter lists are left out. A mutant whose tests take
more than ``--limit`` processor seconds counts as noticed, because an endless loop is,
and so does one that waits for `PATIENCE` times as long, or in one test for `LONGEST`
seconds.
"""

import argparse
import ast
import csv
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import Queue

from cosmic_ray.ast import ast_nodes, get_ast_from_path
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

ROOT = Path(__file__).resolve().parents[1]
COVERAGE = Path(sys.prefix) / "coverage"  # coverage.py and pytest-cov
# The test files of each folder.
TESTS = {
    "fitting": (
        *("selection", "model_selection", "nearest_codes", "validation_data"),
        *("autoencoders", "partial_fit", "large", "ordered", "missing", "wide"),
        *("sample_weight", "denoising", "forecasting", "encoder_module", "sparse"),
        *("fitted_state", "bottlenecks", "nearest_gaps", "units", "callbacks"),
        *("never_worse_than_pca", "differences_from_pca", "parameters", "components"),
        *("imputer", "validation_monitor", "parallel"),
    ),
    "modules": (
        *("modules", "padding_and_warps", "dense_step", "dense_tile"),
        *("shard_gradients", "nearest_codes", "convolutional", "bottlenecks"),
        *("denoising", "forecasting", "wide", "networks_of_tutorials", "ordered"),
        *("nearest_gaps", "autoencoders", "missing", "encoder_module", "partial_fit"),
        *("shards", "parallel", "stacked_weights", "objectives", "recurrent_networks"),
        *("penalties", "autoencoder_module", "networks_by_hand", "nearest_steps"),
    ),
    "anomaly": (
        *("scoring", "calibration", "intervals", "windows_in_parts", "long_series"),
        *("explaining", "detector", "detector_scaler", "stream", "time"),
        *("missing_in_detectors", "summary", "sparse", "fitted_state", "channels"),
        *("labels_of_detectors", "calibration_in_threads", "missing"),
    ),
    "classification": (
        *("fine_tuning", "classification", "classification_weights", "fitted_state"),
        "summary",
    ),
    "persistence": ("persistence", "hostile_files", "fitted_state", "faults/saving"),
}
OPERATORS = [
    f"core/{name}"
    for name in (
        *("ReplaceBinaryOperator_Add_Sub", "ReplaceBinaryOperator_Sub_Add"),
        *("ReplaceBinaryOperator_Mul_Div", "ReplaceBinaryOperator_Div_Mul"),
        *("ReplaceBinaryOperator_Pow_Mul", "ReplaceBinaryOperator_FloorDiv_Mul"),
        *("ReplaceBinaryOperator_Mod_FloorDiv", "ReplaceBinaryOperator_BitAnd_BitOr"),
        "ReplaceBinaryOperator_BitOr_BitAnd",
        *("ReplaceComparisonOperator_Eq_NotEq", "ReplaceComparisonOperator_NotEq_Eq"),
        *("ReplaceComparisonOperator_Lt_LtE", "ReplaceComparisonOperator_Lt_Gt"),
        *("ReplaceComparisonOperator_LtE_Lt", "ReplaceComparisonOperator_LtE_Gt"),
        *("ReplaceComparisonOperator_Gt_GtE", "ReplaceComparisonOperator_Gt_Lt"),
        *("ReplaceComparisonOperator_GtE_Gt", "ReplaceComparisonOperator_GtE_Lt"),
        *("ReplaceComparisonOperator_Is_IsNot", "ReplaceComparisonOperator_IsNot_Is"),
        *("ReplaceUnaryOperator_Delete_USub", "ReplaceUnaryOperator_Delete_Not"),
        *("ReplaceUnaryOperator_Delete_Invert", "AddNot", "NumberReplacer"),
        *("ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr"),
        *("ReplaceOrWithAnd", "ReplaceBreakWithContinue"),
        *("ReplaceContinueWithBreak", "ZeroIterationForLoop"),
    )
]
PATIENCE = 10  # seconds of waiting for each second of the processor limit
LONGEST = 300  # seconds of one test; a longer one waits for something
NO_SUCH_TEST = 4  # exit code of pytest, also if it cannot import conftest
FIRST = 300  # tests of a line that run before the others
STATES = ("FAILED", "ERROR ")  # first letters of the summary of a failure
COPIED = ("sklearn_seqae", "tests", "docs", "examples", "benchmarks", "pyproject.toml")


def is_syntax(node):
    """Return whether a node is part of an annotation, or a star that is no operator."""
    places = ("parameters", "dictorsetmaker")
    if node.type == "operator" and node.parent.type in places:
        return True
    while node.parent is not None:
        parent = node.parent
        if parent.type == "annassign" and node is parent.children[1]:
            return True
        if parent.type == "tfpdef" and node is parent.children[-1]:
            return True
        if parent.type == "funcdef" and node is parent.annotation:
            return True
        node = parent
    return False


def mutants_of(path):
    """Return the mutants of a file, as operators and occurrences, by their place."""
    places = defaultdict(list)
    tree = get_ast_from_path(path)
    for name in OPERATORS:
        operator, occurrence = get_operator(name)(), 0
        for node in ast_nodes(tree):
            for start, end in operator.mutation_positions(node):
                if not is_syntax(node):
                    places[start, end].append((name, occurrence))
                occurrence += 1
    return places


def drawn(folders, n, seed):
    """Return n random mutants: folder, file, line, operator, occurrence."""
    places = []
    for folder in folders:
        home = ROOT / "sklearn_seqae" / folder
        files = (
            sorted(home.rglob("*.py")) if home.is_dir() else [home.with_suffix(".py")]
        )
        for path in files:
            for (start, _), mutants in sorted(mutants_of(path).items()):
                places.append((folder, path.relative_to(ROOT), start[0], mutants))
    rng = random.Random(seed)
    chosen = rng.sample(places, min(n, len(places)))
    print(f"{len(places)} places, {len(chosen)} mutants, seed {seed}")
    return [(*place, *rng.choice(mutants)) for *place, mutants in chosen]


def make_copy(folder):
    """Copy the repository, without its environments and outputs."""
    skipped = shutil.ignore_patterns("__pycache__", "_build", "gallery", "*.png")
    for name in COPIED:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=skipped)
        else:
            shutil.copy(source, target)
    return folder


def test_files(folder):
    """Return the test files of a folder."""
    names = (each.rpartition("/") for each in TESTS[folder])
    return [f"tests/{where}{slash}test_{name}.py" for where, slash, name in names]


def run_tests(copy, options, arguments, **others):
    """Run pytest in a copy of the repository."""
    command = [options.python.absolute(), "-m", "pytest", "-q", "-m", "not slow"]
    path = os.pathsep.join([str(copy), str(COVERAGE)])
    env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    env |= {"SCIPY_ARRAY_API": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command += ["-o", f"faulthandler_timeout={LONGEST}"]
    command += ["-o", "faulthandler_exit_on_timeout=true"]
    return subprocess.run(
        [*command, "-p", "no:cacheprovider", "--no-header", *arguments],
        **{"cwd": copy, "env": env, "capture_output": True, "text": True},
        **others,
    )


class Executed:
    """Tests that execute each line of the package, by one run of coverage.py."""

    def __init__(self, copy, options):
        sys.path.append(str(COVERAGE))
        from coverage import CoverageData

        names = sorted({name for each in options.folder for name in test_files(each)})
        recorded = ["-p", "pytest_cov", "--cov=sklearn_seqae", "--cov-context=test"]
        workers = ["-n", str(options.workers), "--cov-report="]
        result = run_tests(copy, options, [*recorded, *workers, *names])
        if result.returncode:
            raise SystemExit(f"Tests fail without a mutant:\n{result.stdout[-3000:]}")
        self.copy, self.data = copy, CoverageData(copy / ".coverage")
        self.data.read()
        self.n_lines = Counter()
        for file in self.data.measured_files():
            for tests in self.data.contexts_by_lineno(file).values():
                self.n_lines.update({each.rpartition("|")[0] for each in tests})

    def tests_of(self, folder, path, line):
        """Return some tests that execute a line, and the other tests and test files.

        Tests that execute few lines of the package come first. A constant has the tests
        of the lines with its name. Other lines that the import executes have all files.
        """
        files = test_files(folder)
        lines, names = statement_at(ast.parse((ROOT / path).read_text("utf-8")), line)
        if lines:
            places = {path: lines}
        elif names:
            places = lines_with(names)
        else:
            return [], files
        found = set()
        for each, lines in places.items():
            contexts = self.data.contexts_by_lineno(str(self.copy / each))
            found |= {
                test.rpartition("|") for n in lines for test in contexts.get(n, ())
            }
        phases = [each for each in found if each[0].partition("::")[0] in files]
        tests = sorted({test for test, *_ in phases})
        tests.sort(key=lambda each: self.n_lines[each])
        fixtures = {test for test, _, phase in phases if phase != "run"}
        shared = sorted({each.partition("::")[0] for each in fixtures})
        return tests[:FIRST], tests[FIRST:] + shared


def lines_with(names):
    """Return the lines of each file of the package that contain one of some names."""
    pattern = re.compile(rf"\b({'|'.join(names)})\b")
    found = {}
    for path in sorted((ROOT / "sklearn_seqae").rglob("*.py")):
        rows = path.read_text("utf-8").splitlines()
        lines = [n for n, row in enumerate(rows, start=1) if pattern.search(row)]
        if lines:
            found[path.relative_to(ROOT)] = lines
    return found


def statement_at(tree, line):
    """Return the lines of the statement at a line, and the names that it assigns.

    Of a compound statement these are the lines of its head, of a function all lines.
    There are no lines if the import executes the statement.
    """
    found, inside = None, False
    body = tree.body
    while body:
        around = [each for each in body if each.lineno <= line <= each.end_lineno]
        if not around:
            break
        found = around[0]
        inside = inside or isinstance(found, ast.FunctionDef)
        parts = [getattr(found, name, []) for name in ("body", "orelse", "finalbody")]
        parts += [each.body for each in getattr(found, "handlers", [])]
        body = [each for part in parts for each in part]
    if not inside:
        nodes = ast.walk(found) if found else ()
        names = [node for node in nodes if isinstance(node, ast.Name)]
        return (), [each.id for each in names if isinstance(each.ctx, ast.Store)]
    end = found.end_lineno
    if not isinstance(found, ast.FunctionDef) and getattr(found, "body", None):
        end = max(found.lineno, found.body[0].lineno - 1)
    return range(found.lineno, end + 1), ()


def outcome(copy, mutant, executed, options):
    """Run the tests of a mutant. Return whether one failed, which, and the change."""
    folder, path, line, name, occurrence = mutant
    original = (ROOT / path).read_text(encoding="utf-8")
    changed = mutate_code(original, get_operator(name)(), occurrence)
    change = difference(changed, original)
    groups = executed.tests_of(folder, path, line)
    (copy / path).write_text(changed, encoding="utf-8")
    limits = {"timeout": PATIENCE * options.limit}
    limits["preexec_fn"] = partial(limit_processor, options.limit)
    by = "no test executes it"
    try:
        for names in groups:
            if not names:
                continue
            result = run_tests(copy, options, ["-x", *names], **limits)
            lines = result.stdout.splitlines()
            by = next((each for each in lines if each[:6] in STATES), "")
            if result.returncode == NO_SUCH_TEST and "conftest" not in result.stderr:
                raise RuntimeError(result.stdout[-3000:] + result.stderr[-3000:])
            if not by and "Timeout (" in result.stderr:
                by = "waits"
            if by or result.returncode:
                return True, by or f"exit code {result.returncode}", change
            by = "{} and {} tests and files".format(*map(len, groups))
    except subprocess.TimeoutExpired:
        return True, "waits", change
    finally:
        (copy / path).write_text(original, encoding="utf-8")
    return False, by, change


def limit_processor(seconds):
    """Let this process end after a number of processor seconds."""
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 5))


def difference(changed, original):
    """Return the changed lines as text: before -> after."""
    pairs = zip(original.splitlines(), changed.splitlines(), strict=False)
    before, after = next((pair for pair in pairs if pair[0] != pair[1]), ("", ""))
    return f"{before.strip()}  ->  {after.strip()}"


def run(mutants, options):
    """Yield the row of each mutant, with its outcome."""
    with tempfile.TemporaryDirectory() as folder:
        copies = Queue()
        for number in range(options.workers):
            copies.put(make_copy(Path(folder) / str(number)))
        executed = Executed(make_copy(Path(folder) / "executed"), options)

        def one(mutant):
            copy = copies.get()
            try:
                noticed, by, change = outcome(copy, mutant, executed, options)
            finally:
                copies.put(copy)
            names = ("folder", "file", "line", "operator", "occurrence")
            row = dict(zip(names, mutant, strict=True))
            return {**row, "noticed": noticed, "change": change, "by": by}

        with ThreadPoolExecutor(options.workers) as pool:
            yield from pool.map(one, mutants)


def main():
    """Draw mutants, run their tests, and print the survivors and the share noticed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", type=Path, default=Path(sys.executable))
    parser.add_argument("--sample", type=int, default=30, help="number of mutants")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", nargs="+", choices=TESTS, default=list(TESTS))
    parser.add_argument("--workers", type=int, default=2, help="runs side by side")
    parser.add_argument("--limit", type=float, default=300, help="processor seconds")
    parser.add_argument("--out", type=Path, default=Path("mutants.csv"))
    options = parser.parse_args()
    mutants = drawn(options.folder, options.sample, options.seed)
    rows = []
    with options.out.open("w", newline="", encoding="utf-8") as file:
        for row in run(mutants, options):
            writer = csv.DictWriter(file, list(row), lineterminator="\n")
            if not rows:
                writer.writeheader()
            writer.writerow(row)
            file.flush()
            rows.append(row)
            state = "noticed " if row["noticed"] else "SURVIVED"
            print(f"{state} {row['file']}:{row['line']}  {row['change']}", flush=True)
    n_noticed = sum(row["noticed"] for row in rows)
    print(f"noticed: {n_noticed} of {len(rows)} ({n_noticed / len(rows):.0%})")


if __name__ == "__main__":
    main()
