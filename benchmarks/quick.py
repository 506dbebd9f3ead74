"""Write speed ratios and errors of ten cells, to compare two commits.

    python benchmarks/quick.py [--out quick.csv] [--runs 5] [--tree DIR]
    python benchmarks/quick.py --compare BEFORE.csv AFTER.csv

A cell is a fit or a transform on installed data. Its speed is the processor time
divided by the processor time of a fixed computation with NumPy and PyTorch, which runs
directly before and after it. The csv file has the median, the smallest and the largest
ratio of the runs, and the squared error on held-out rows divided by the error of PCA
(or 1 - ROC AUC). Errors have no noise: with one seed, each run has the same error.

`--tree` measures the package in another folder, for example a worktree of another
commit, with the cells of this file. The script takes less than five minutes on one
core. It is no test: look at the ratios, and repeat the measurement on an idle machine.
"""

import argparse
import os
import sys
import time
from functools import partial
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy and PyTorch are imported
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

HERE = Path(__file__).resolve().parent
WORTH_A_LOOK = 1.1  # ratio of the times, beyond the spread of the runs


def reference():
    """Return the processor seconds of a fixed computation."""
    import torch

    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(256, 256)).astype(np.float32))
    weight = torch.from_numpy(rng.normal(size=(256, 256)).astype(np.float32) / 16)
    small = rng.normal(size=(64, 64))
    start = time.process_time()
    for _ in range(300):
        x = torch.tanh(x @ weight)
    for _ in range(2000):
        small = np.sort(small, axis=1)[:, ::-1] @ np.eye(64)
    return time.process_time() - start


def timed(function):
    """Return the result of a function, and its time relative to the reference."""
    before = reference()
    start = time.process_time()
    result = function()
    seconds = time.process_time() - start
    return result, 2 * seconds / (before + reference())


def over_pca(model, train, test):
    """Return the squared error on test rows divided by the error of PCA."""
    from sklearn.decomposition import PCA

    flat, rows = (np.asarray(X).reshape(len(X), -1) for X in (train, test))
    size = model.n_components_
    pca = PCA(size, svd_solver="full").fit(flat)
    rebuilt = np.asarray(model.reconstruct(test)).reshape(rows.shape)
    error = np.square(rows - rebuilt).sum()
    return error / np.square(rows - pca.inverse_transform(pca.transform(rows))).sum()


def data():
    """Return the training and test rows of each set."""
    from sklearn.datasets import load_breast_cancer, load_digits, load_wine
    from sklearn.preprocessing import StandardScaler

    from sklearn_seqae.datasets import load_nyc_taxi

    digits, days = load_digits().data / 16, load_nyc_taxi().data.reshape(-1, 48, 1)
    sets = {"digits": (digits[:1300], digits[1300:]), "days": (days[:160], days[160:])}
    for name, load in (("wine", load_wine), ("cancer", load_breast_cancer)):
        X = StandardScaler().fit_transform(load().data)
        X = X[np.random.default_rng(0).permutation(len(X))]
        sets[name] = np.split(X, [3 * len(X) // 4])
    return sets


def fit_cells(sets):
    """Return the fits by name: a function that fits, and one of its error."""
    from sklearn_seqae import (
        ConvolutionalAutoencoderTransformer,
        DenseAutoencoderTransformer,
        RecurrentAutoencoderTransformer,
    )

    seed = {"random_state": 0}
    models = {
        ("dense", "digits"): DenseAutoencoderTransformer(8, **seed),
        ("dense", "wine"): DenseAutoencoderTransformer(4, **seed),
        ("dense", "cancer"): DenseAutoencoderTransformer(4, **seed),
        ("dense, ordered", "wine"): DenseAutoencoderTransformer(
            4, bottleneck="ordered", max_iter=20, **seed
        ),
        ("recurrent", "days"): RecurrentAutoencoderTransformer(4, max_iter=10, **seed),
        ("convolutional", "days"): ConvolutionalAutoencoderTransformer(
            4, max_iter=10, **seed
        ),
    }
    return {
        f"fit {family}, {name}": (
            partial(model.fit, sets[name][0]),
            partial(over_pca, model, *sets[name]),
        )
        for (family, name), model in models.items()
    }


def other_cells(sets):
    """Return the transforms and the detector, in the same form."""
    from sklearn.metrics import roc_auc_score

    from sklearn_seqae import AutoencoderAnomalyDetector, DenseAutoencoderTransformer
    from sklearn_seqae.datasets import load_nyc_taxi

    digits = sets["digits"][0]
    model = DenseAutoencoderTransformer(8, max_iter=10, random_state=0).fit(digits)
    many = np.tile(digits, (20, 1))
    demand, labels = load_nyc_taxi(return_X_y=True)
    detector = AutoencoderAnomalyDetector(
        window_size=48, contamination=0.1, random_state=0
    )
    error = partial(over_pca, model, *sets["digits"])

    def auc():
        return 1 - roc_auc_score(labels, -detector.score_samples(demand))

    def one_row():
        for row in digits[:200]:
            model.transform(row[np.newaxis])

    return {
        "fit detector, taxi": (partial(detector.fit, demand), auc),
        "score detector, taxi": (partial(detector.score_samples, demand), auc),
        "transform 26,000 rows": (partial(model.transform, many), error),
        "transform 200 times one row": (one_row, error),
    }


def measure(n_runs):
    """Yield a row for each cell."""
    sets = data()
    timed(lambda: None)  # the first computation loads libraries
    for name, (run, error) in {**fit_cells(sets), **other_cells(sets)}.items():
        times = [timed(run)[1] for _ in range(n_runs)]
        yield {
            "cell": name,
            "time": median(times),
            "min": min(times),
            "max": max(times),
            "error": error(),
            "runs": n_runs,
        }


def compared(before, after):
    """Return both measurements side by side, with the ratios of times and errors."""
    both = before.merge(after, on="cell", suffixes=("_before", "_after"))
    both = both.set_index("cell")
    both["time_ratio"] = both["time_after"] / both["time_before"]
    both["error_ratio"] = both["error_after"] / both["error_before"]
    is_slower = (both["min_after"] > both["max_before"]) & (
        both["time_ratio"] > WORTH_A_LOOK
    )
    both["look"] = np.where(is_slower | (both["error_ratio"] > 1.01), "look", "")
    columns = ["time_before", "time_after", "time_ratio"]
    columns += ["error_before", "error_after", "error_ratio", "look"]
    return both[columns]


def main():
    """Measure all cells, or compare two measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("quick.csv"))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tree", type=Path, default=HERE.parent)
    parser.add_argument("--compare", type=Path, nargs=2, metavar="CSV")
    options = parser.parse_args()
    if options.compare:
        before, after = map(pd.read_csv, options.compare)
        print(compared(before, after).to_string(float_format="%.4g"))
        return
    sys.path.insert(0, str(options.tree.resolve()))
    rows = []
    for row in measure(options.runs):
        rows.append(row)
        print("{cell:32} time {time:8.2f}  error {error:.4f}".format(**row), flush=True)
        pd.DataFrame(rows).to_csv(options.out, index=False, float_format="%.6g")


if __name__ == "__main__":
    main()
