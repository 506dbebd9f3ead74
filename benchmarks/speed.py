"""Benchmark of the speed of training and encoding.

Each line compares our time with that of other software or of another setting. Both run
alternately in the same call of the script. Each pair gives one ratio. The result is the
median of at least five ratios (two if a pair takes over five minutes), its smallest and
largest ratio, and whether the median meets the target. ::

    python benchmarks/speed.py [--only NAME ...] [--quick] [--data DIR]
        [--peers PYTHON] [--against COMMIT] [--out DIR]
    python benchmarks/speed.py --list

``--data`` is described in ``data_sets.py``. PYTHON is the interpreter of an environment
with the packages in ``benchmarks/peers.txt``. COMMIT is an earlier commit: its default
fits are compared with the present ones. Entries that need a missing option are skipped.

The results are saved in ``speed.csv`` and ``speed.png`` after each entry. An entry that
is measured again replaces its lines in ``speed.csv``. With ``--quick``, sizes are small
and the files are ``speed_quick.csv`` and ``speed_quick.png``.
"""

import argparse
import functools
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import representation
from data_sets import add_data_option, open_reader
from fashion_mnist import read as read_fashion
from speed_entries import ENTRIES
from speed_runs import N_THREADS
from speed_worker import HERE, Worker, busy_processes

MISSING = {
    "peers": "needs --peers PYTHON, an environment with benchmarks/peers.txt",
    "against": "needs --against COMMIT, for example 61eaa12",
    "folder": "needs --data DIR, the folder of benchmarks/README.md",
}
MAX_ROWS = 2_000  # of the sets on which default fits are compared
COMPONENTS = (2, 4, 8)
QUICK_TABLES = ("wine", "diabetes")
QUICK_SERIES = ("ItalyPowerDemand", "taxi_days")


class Bench:
    """Options, worker processes and data of the entries.

    Parameters
    ----------
    args : argparse.Namespace
        Options of the command line.

    stack : ExitStack
        Closes the workers and removes the files.
    """

    def __init__(self, args, stack):
        self.args, self.quick = args, args.quick
        self.n_cores = len(os.sched_getaffinity(0))
        self.busy = busy_processes
        self._stack, self._workers = stack, {}
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))

    def note(self, text):
        """Print a detail."""
        print(text, flush=True)

    def worker(self, clock, *, tree=HERE.parent, threads=None):
        """Return a worker with the package."""
        threads = threads or N_THREADS[clock]
        return self._started("speed_tasks.py", "warm_up", tree=tree, threads=threads)

    def peer(self, clock, **settings):
        """Return a worker in the environment of the peers."""
        settings = {"TF_CPP_MIN_LOG_LEVEL": "3", **settings}
        options = {"python": self.args.peers, "threads": N_THREADS[clock]}
        return self._started("speed_peers.py", settings=settings, **options)

    def _started(self, script, first_task=None, **options):
        """Return the worker with these options; start it if there is none."""
        key = repr((script, options))
        if key not in self._workers:
            self._workers[key] = Worker(script, **options)
            self._stack.callback(self._workers[key].close)
            if first_task is not None:
                self._workers[key](first_task)
        return self._workers[key]

    def old_tree(self):
        """Return a folder with the repository at the commit of ``--against``."""
        folder = self.folder / "commit"
        if not folder.exists():
            git = ["git", "-C", str(HERE.parent), "worktree"]
            add = [*git, "add", "--quiet", "--detach", str(folder), self.args.against]
            subprocess.run(add, check=True)
            remove = [*git, "remove", "--force", str(folder)]
            self._stack.callback(subprocess.run, remove, check=True)
        return folder

    def save(self, name, X):
        """Save an array or a list of sequences for the workers; return the path."""
        path = self.folder / f"{name}.{'npz' if isinstance(X, list) else 'npy'}"
        if not path.exists():
            np.savez(path, *X) if isinstance(X, list) else np.save(path, X)
        return str(path)

    @functools.cached_property
    def _reader(self):
        return open_reader(self.args.data)

    def problems(self, family):
        """Return the arguments of the default fit of each set, by name."""
        quick = {"dense": QUICK_TABLES, "recurrent": QUICK_SERIES}[family]
        fits = {}
        for problem in representation.problems(self._reader, "full", [family]):
            if self.quick and problem.name not in quick:
                continue
            if len(problem.X_train) < MAX_ROWS:
                rank = min(len(problem.X_train), problem.n_features)
                name = problem.name.replace(" ", "_")
                fits[problem.name] = {
                    "train": self.save(f"{name}_train", problem.X_train),
                    "test": self.save(f"{name}_test", problem.X_test),
                    "n_components": max(k for k in COMPONENTS if k < rank),
                }
        return fits

    def sequences(self, name):
        """Return the file of standardized training sequences of variable length."""
        if name not in self._reader.names("ucr"):
            self.note(f"  generated sequences in place of {name}")
            name = "ragged_sines"
        X = representation.interpolate(self._reader.load_sequences(name)[0])
        steps = np.concatenate(X)
        mean, scale = steps.mean(axis=0), steps.std(axis=0)
        X = [((sequence - mean) / scale).astype(np.float32) for sequence in X]
        return self.save(f"{name}_scaled", X[:40] if self.quick else X)

    def fashion(self):
        """Return the files of the training and the validation images."""
        train, valid = read_fashion(self.args.data)
        if self.quick:
            train, valid = train[:320], valid[:320]
        return self.save("fashion_train", train), self.save("fashion_valid", valid)


# --------------------------------------------------------------------------------------
# Results


def measure(entry, bench):
    """Return the rows of an entry."""
    start = time.perf_counter()
    run = entry.start(bench, entry.lines[0].clock)
    if entry.warm:
        run()
    n_runs = min(bench.args.runs, 2) if entry.is_long else bench.args.runs
    runs = [run() for _ in range(n_runs)]
    minutes = (time.perf_counter() - start) / 60
    rows = []
    for line, results in zip(entry.lines, zip(*runs, strict=True), strict=True):
        values = [result.value for result in results]
        rows.append(
            {
                "entry": entry.name,
                "work": line.work,
                "against": line.against.format(against=bench.args.against),
                "measure": line.clock,
                "unit": line.unit,
                "ours": median(result.ours for result in results),
                "theirs": median(result.theirs for result in results),
                "median": median(values),
                "min": min(values),
                "max": max(values),
                "runs": n_runs,
                "target": line.target,
                "met": round(median(values), 3) <= line.target,
                "minutes": minutes,
            }
        )
    return rows


def merge(rows, path):
    """Add rows to the saved results, in the order of the entries."""
    new = pd.DataFrame(rows)
    if path.exists():
        old = pd.read_csv(path, keep_default_na=False, na_values=[""])
        new = pd.concat([old[~old["entry"].isin(new["entry"])], new])
    order = {entry.name: number for number, entry in enumerate(ENTRIES)}
    new = new.sort_values("entry", key=lambda names: names.map(order), kind="stable")
    new.to_csv(path, index=False, float_format="%.6g")
    return new.reset_index(drop=True)


def table(results):
    """Return the results as a table in Markdown."""
    lines = [
        "| work | against | measure | median (min to max) | target | met |",
        "|---|---|---|---:|---:|---|",
    ]
    for row in results.to_dict("records"):
        spread = "{median:.4g} ({min:.4g} to {max:.4g})".format(**row)
        if row["unit"] != "ratio":
            spread += f" {row['unit']}"
        met = "yes" if row["met"] else "**no**"
        cells = [row["work"], row["against"], row["measure"], spread]
        lines.append("| " + " | ".join([*cells, f"{row['target']:g}", met]) + " |")
    return "\n".join(lines)


def draw(results, path):
    """Draw the ratios with their spread and their target."""
    import matplotlib.pyplot as plt

    plt.switch_backend("Agg")
    ratios = results[results["unit"] == "ratio"].reset_index(drop=True)
    figure, ax = plt.subplots(
        figsize=(9, 1.5 + 0.3 * len(ratios)), layout="constrained"
    )
    for met, colour, label in ((True, "C0", "met"), (False, "C3", "missed")):
        part = ratios[ratios["met"] == met]
        if len(part):
            ax.hlines(part.index, part["min"], part["max"], color=colour, linewidth=2)
            ax.plot(part["median"], part.index, "o", color=colour, label=label)
    ax.plot(
        *(ratios["target"], ratios.index, "|"),
        **{"color": "black", "markersize": 14, "markeredgewidth": 2, "label": "target"},
    )
    ax.axvline(1, color="black", linewidth=0.5)
    names = ratios["work"] + "\nagainst " + ratios["against"]
    ax.set_yticks(ratios.index, names, fontsize=6)
    ax.set(xscale="log", xlabel="ratio to the alternative (smaller is better)")
    ax.invert_yaxis()
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=100)
    plt.close(figure)


# --------------------------------------------------------------------------------------


def parse_arguments():
    """Parse the command line."""
    names = [entry.name for entry in ENTRIES]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", choices=names, help="run these entries"
    )
    parser.add_argument("--list", action="store_true", help="list the entries")
    parser.add_argument("--runs", type=int, default=5, help="pairs of each entry")
    parser.add_argument("--quick", action="store_true", help="small sizes")
    add_data_option(parser)
    parser.add_argument("--peers", help="interpreter with benchmarks/peers.txt")
    parser.add_argument("--against", help="earlier commit for default fits")
    parser.add_argument(
        "--out", type=Path, default=Path("."), help="folder for the results"
    )
    args = parser.parse_args()
    args.folder = None if args.data == "sklearn" else args.data
    return args


def print_entries():
    """Print the entries and their lines."""
    for entry in ENTRIES:
        needs = "".join(f" --{option}" for option in entry.needs)
        needs = needs.replace("--folder", "--data DIR")
        print(f"{entry.name}{' (needs' + needs + ')' if needs else ''}")
        for line in entry.lines:
            against = line.against.format(against="of --against")
            print(f"    {line.work} / {against}: {line.clock}, at most {line.target:g}")


def main():
    """Run the entries. Save the results after each of them."""
    args = parse_arguments()
    if args.list:
        print_entries()
        return
    # A terminated run also ends its workers and removes the worktree.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / ("speed_quick.csv" if args.quick else "speed.csv")
    results, failed = None, []
    with ExitStack() as stack:
        bench = Bench(args, stack)
        for entry in ENTRIES:
            if args.only and entry.name not in args.only:
                continue
            missing = [option for option in entry.needs if not getattr(args, option)]
            if missing:
                reasons = "; ".join(MISSING[option] for option in missing)
                print(f"{entry.name}: skipped, {reasons}")
                continue
            try:
                rows = measure(entry, bench)
            except RuntimeError as error:  # of a worker; the other entries still run
                failed.append(entry.name)
                print(f"{entry.name}: {error}", file=sys.stderr)
                continue
            results = merge(rows, path)
            for row in rows:
                text = "{entry}: {median:.3f} ({min:.3f} to {max:.3f}), target {target}"
                print(text.format(**row) + f", {row['minutes']:.1f} min", flush=True)
    if results is not None:
        draw(results, path.with_suffix(".png"))
        print(table(results))
        if args.quick:
            print("Quick: the sizes are smaller than the lines of the table say.")
    if failed:
        sys.exit(f"These entries failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
