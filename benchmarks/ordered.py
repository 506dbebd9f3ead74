"""Ordered codes beside PCA: every size from one fit, and ``n_components=0.9``.

One fit of 16 ordered components for each set; its code, cut to the first k, is decoded
and set against PCA of k components on the same held-out rows. Then the components that
``n_components=0.9`` keeps, beside those that PCA needs for 0.9 of the variance of the
same held-out rows. ::

    python benchmarks/ordered.py --data DIR [--only NAME ...] [--out FILE]

DIR holds the data and its reader ``load.py``.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import representation
from sklearn.decomposition import PCA

from sklearn_seqae import (
    DenseAutoencoderTransformer,
    RecurrentAutoencoderTransformer,
)

TABLES = ("digits", "digits, standardised", "breast_cancer", "fashion_mnist")
TABLES += ("breast_cancer, standardised", "fred_md", "olivetti_faces")
SERIES = ("ECG200", "GunPoint", "SwedishLeaf", "SyntheticControl", "CBF", "ECG5000")
CLASS_OF = {
    "dense": DenseAutoencoderTransformer,
    "recurrent": RecurrentAutoencoderTransformer,
}
MOST = 16
FRACTION = 0.9


def flat(X):
    """Rows of equal length as a table."""
    return np.asarray(X, dtype=np.float64).reshape(len(X), -1)


def pca_errors(train, test):
    """Squared error of PCA with 0, 1, ... components on the held-out rows."""
    pca = PCA(svd_solver="full" if min(train.shape) < 1000 else "auto").fit(train)
    left = test - pca.mean_
    kept = np.square(left @ pca.components_.T).sum(axis=0)
    return np.square(left).sum() - np.r_[0, np.cumsum(kept)]


def by_size(problem):
    """Error over PCA's of one ordered code cut to 1, ..., 16 components."""
    train, test = flat(problem.X_train), flat(problem.X_test)
    reference = pca_errors(train, test)
    start = time.perf_counter()
    model = CLASS_OF[problem.family](MOST, bottleneck="ordered", random_state=0)
    code = model.fit(problem.X_train).transform(problem.X_test)
    seconds = time.perf_counter() - start
    for k in range(1, min(MOST, train.shape[1] - 1, len(train) - 1) + 1):
        restored = flat(model.inverse_transform(code[:, :k]))
        ratio = np.square(test - restored).sum() / reference[k]
        yield {"set": problem.name, "k": k, "error_ratio": ratio, "seconds": seconds}


def by_fraction(problem):
    """Components kept for 0.9, PCA's number on held-out rows, and the R² reached."""
    train, test = flat(problem.X_train), flat(problem.X_test)
    errors = pca_errors(train, test)
    reached = np.flatnonzero(1 - errors / errors[0] >= FRACTION)
    needed = int(reached[0]) if len(reached) else None
    if needed is None or needed < 3:
        return None
    model = CLASS_OF[problem.family](FRACTION, random_state=0).fit(problem.X_train)
    return {
        "set": problem.name,
        "components": model.n_components_,
        "components_pca": needed,
        "held_out_r2": model.score(problem.X_test),
    }


def main():
    """Write one row for each set and size, and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder with load.py")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these data sets")
    parser.add_argument("--out", type=Path, default=Path("ordered.csv"))
    args = parser.parse_args()
    names = args.only or (*TABLES, *SERIES)
    reader = representation.import_reader(args.data)
    sizes, fractions = [], []
    for problem in representation.problems(reader, "full", list(CLASS_OF)):
        if problem.name not in names:
            continue
        rows = list(by_size(problem))
        sizes += rows
        ratios = [row["error_ratio"] for row in rows]
        print(f"{problem.name:<28}", " ".join(f"{r:.3f}" for r in ratios), flush=True)
        row = by_fraction(problem)
        if row:
            fractions.append(row)
            print(" ", row, flush=True)
    pd.DataFrame(sizes).to_csv(args.out, index=False)
    print(pd.DataFrame(fractions).to_string(index=False))
    share = np.mean([row["error_ratio"] <= 1.00005 for row in sizes])
    print(f"at or below PCA in {share:.1%} of {len(sizes)} cells")


if __name__ == "__main__":
    main()
