"""Change the code at random places, and count the changes that the tests notice.

``make mutants`` runs it in an environment with cosmic-ray, whose operators make the
changes (mutants). For each mutant, the test files of its folder run in a copy of the
repository until the first failure. A mutant without a failure has survived: an
assertion is missing, the code is not needed, or the change has no effect. ::

    python .ci/mutants.py --python .venv/bin/python [--sample 30] [--seed 0]
        [--folder fitting ...] [--out mutants.csv]

All places have the same chance; one of the operators that fit the place is drawn.
Annotations are left out. A mutant whose tests take more than ``--limit`` processor
seconds counts as noticed, because an endless loop is, and so does one that waits for
`PATIENCE` times as long.
"""

import argparse
import csv
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import Queue

from cosmic_ray.ast import ast_nodes, get_ast_from_path
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

ROOT = Path(__file__).resolve().parents[1]
# The test files of each folder, the fastest first.
TESTS = {
    "fitting": (
        *("selection", "model_selection", "nearest_codes", "validation_data"),
        *("autoencoders", "partial_fit", "large", "ordered", "missing", "wide"),
        *("sample_weight", "denoising", "forecasting", "encoder_module", "sparse"),
        *("fitted_state", "bottlenecks", "parameters", "components", "imputer"),
        "nearest_gaps",
    ),
    "modules": (
        *("modules", "padding_and_warps", "dense_step", "dense_tile"),
        *("shard_gradients", "nearest_codes", "convolutional", "bottlenecks"),
        *("denoising", "forecasting", "wide", "networks_of_tutorials"),
        "nearest_gaps",
    ),
    "anomaly": (
        *("scoring", "calibration", "intervals", "windows_in_parts", "long_series"),
        *("explaining", "detector", "detector_scaler", "stream", "time"),
        *("missing_in_detectors", "summary", "sparse", "fitted_state"),
        *("labels_of_detectors", "channels"),
    ),
    "classification": (
        *("fine_tuning", "classification", "classification_weights", "fitted_state"),
    ),
    "persistence": ("persistence", "hostile_files", "fitted_state"),
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
PATIENCE = 10
STATES = ("FAILED", "ERROR ")  # first letters of the summary of a failure
COPIED = ("sklearn_seqae", "tests", "docs", "examples", "benchmarks", "pyproject.toml")


def is_annotation(node):
    """Return whether a node is part of an annotation."""
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
                if not is_annotation(node):
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


def outcome(copy, mutant, options):
    """Run the tests of a mutant. Return whether one failed, which, and the change."""
    folder, path, line, name, occurrence = mutant
    original = (ROOT / path).read_text(encoding="utf-8")
    changed = mutate_code(original, get_operator(name)(), occurrence)
    names = [f"tests/test_{each}.py" for each in TESTS[folder]]
    command = [options.python.absolute(), "-m", "pytest", "-x", "-q", "-m", "not slow"]
    env = {**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"}
    env |= {"SCIPY_ARRAY_API": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    (copy / path).write_text(changed, encoding="utf-8")
    try:
        result = subprocess.run(
            [*command, "-p", "no:cacheprovider", "--no-header", *names],
            **{"cwd": copy, "env": env, "capture_output": True, "text": True},
            timeout=PATIENCE * options.limit,
            preexec_fn=partial(limit_processor, options.limit),
        )
    except subprocess.TimeoutExpired:
        return True, "waits", difference(changed, original)
    finally:
        (copy / path).write_text(original, encoding="utf-8")
    failures = [each for each in result.stdout.splitlines() if each[:6] in STATES]
    by = failures[0] if failures else f"exit code {result.returncode}"
    return result.returncode != 0, by, difference(changed, original)


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

        def one(mutant):
            copy = copies.get()
            try:
                noticed, by, change = outcome(copy, mutant, options)
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
