"""Benchmark of ordered latent codes compared with PCA.

``--part sizes``: one fit of 16 ordered components for each of a few data sets. The
latent code is truncated to the first k components, decoded, and compared with PCA of k
components on the same held-out rows.

``--part fraction``: the number of components that ``n_components=0.9`` keeps, compared
with the number that PCA needs for 0.9 of the variance of the validation rows of the
fit, on every data set where PCA needs three to 64. The results on test rows are also
saved. ::

    python benchmarks/ordered.py [--data DIR] --part sizes|fraction [--only NAME ...]

``--data`` is described in ``data_sets.py``. Each part saves one csv file.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import representation
from data_sets import add_data_option, open_reader
from sklearn.decomposition import PCA

from sklearn_seqae import (
    DenseAutoencoderTransformer,
    RecurrentAutoencoderTransformer,
)

TABLES = ("digits", "digits, standardized", "breast_cancer", "fashion_mnist")
TABLES += ("breast_cancer, standardized", "fred_md", "olivetti_faces")
SERIES = ("ECG200", "GunPoint", "SwedishLeaf", "SyntheticControl", "CBF", "ECG5000")
SERIES += ("taxi_days",)
CLASS_OF = {
    "dense": DenseAutoencoderTransformer,
    "recurrent": RecurrentAutoencoderTransformer,
}
MOST = 16
FRACTION = 0.9
FEWEST, MOST_NEEDED = 3, 64  # components of PCA, in the part fraction


def flat(X):
    """Return rows of equal length as a table."""
    return np.asarray(X, dtype=np.float64).reshape(len(X), -1)


def pca_errors(train, test):
    """Return the squared errors of PCA with 0, 1, ... components on held-out rows."""
    pca = PCA(svd_solver="full" if min(train.shape) < 1000 else "auto").fit(train)
    left = test - pca.mean_
    kept = np.square(left @ pca.components_.T).sum(axis=0)
    return np.square(left).sum() - np.r_[0, np.cumsum(kept)]


def by_size(problem):
    """Yield the error ratios to PCA of one code truncated to 1, ..., 16 components."""
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


def pca_needs_of_test_rows(problem):
    """Return how many components PCA needs on the test rows, or None if over 64."""
    size = min(MOST_NEEDED, len(problem.X_train), problem.n_features)
    if problem.family == "dense":
        pca = representation.exact_pca(problem.X_train, size)
    else:
        pca = representation.SequencePCA(size).fit(problem.X_train)

    def error(k):
        if problem.family == "dense":
            code = pca.transform(problem.X_test)
            rebuilt = pca.inverse_transform(np.where(np.arange(size) < k, code, 0))
        else:
            rebuilt = pca.reconstruct(problem.X_test, k)
        return representation.squared_error(problem.X_test, rebuilt)

    total = error(0)
    reached = (k for k in range(1, size + 1) if 1 - error(k) / total >= FRACTION)
    return next(reached, None)


def pca_needs(problem):
    """Return how many components PCA needs on the validation rows, or None."""
    nearly_pca = CLASS_OF[problem.family](0.9999, max_iter=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the warning about the fraction is expected
        nearly_pca.fit(problem.X_train)
    explained = np.cumsum(nearly_pca.pca_explained_variance_ratio_)
    reached = np.flatnonzero(explained >= FRACTION)
    return int(reached[0]) + 1 if len(reached) else None


def by_fraction(problem):
    """Yield the number of components kept for 0.9, and the number that PCA needs.

    The number for PCA is counted on the validation rows of the fit, as for the model,
    and on the test rows.
    """
    needed = pca_needs(problem)
    if needed is None or needed < FEWEST:
        return
    start = time.process_time()
    model = CLASS_OF[problem.family](FRACTION, random_state=0).fit(problem.X_train)
    yield {
        "set": problem.name,
        "components": model.n_components_,
        "components_pca": needed,
        "held_out_r2": model.explained_variance_ratio_.sum(),
        "held_out_r2_pca": model.pca_explained_variance_ratio_.sum(),
        "test_r2": model.score(problem.X_test),
        "components_pca_test": pca_needs_of_test_rows(problem),
        "seconds": time.process_time() - start,
    }


def summary(part, table):
    """Return one line with the main result of this part."""
    if part == "sizes":
        share = np.mean(table["error_ratio"] <= 1.00005)
        return f"at or below PCA in {share:.1%} of {len(table)} cells"
    lines = []
    for column, rows in [("_pca", "held-out"), ("_pca_test", "test")]:
        known = table.dropna(subset="components" + column)
        more = known["components"] - known["components" + column]
        lines.append(
            f"on {rows} rows fewer than PCA in {np.mean(more < 0):.1%} of {len(known)} "
            f"sets, more in {np.sum(more > 0)}"
        )
    return "; ".join(lines)


def main():
    """Save and print one row for each data set and size, or for each data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    parser.add_argument("--part", choices=["sizes", "fraction"], required=True)
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="run only these data sets"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("."), help="folder for the results"
    )
    args = parser.parse_args()
    target = args.out / f"ordered_{args.part}.csv"
    measure = by_size if args.part == "sizes" else by_fraction
    names = args.only or ((*TABLES, *SERIES) if args.part == "sizes" else None)
    reader, rows = open_reader(args.data), []
    for problem in representation.problems(reader, "full", list(CLASS_OF)):
        if names is not None and problem.name not in names:
            continue
        for row in measure(problem):
            rows.append(row)
            print(row, flush=True)
            pd.DataFrame(rows).to_csv(target, index=False, float_format="%.6g")
    print(summary(args.part, pd.DataFrame(rows)))


if __name__ == "__main__":
    main()
