"""Benchmark of the fall-back to PCA on new splits of small tables.

For each of scikit-learn's small tables, raw and standardized, and k = 2, 4, 8, 16
components below the number of columns, a default autoencoder is compared with PCA of
the same size on several random splits. Three quarters of the rows are training rows.
The number of the split is also the seed of the model. Split 0 is not used, because
other benchmarks and tests use it. ::

    python benchmarks/splits.py [--splits 10]

The script prints each fit that did not fall back to PCA and its ratio: the squared
error on held-out data divided by the error of PCA. The results of all fits are saved in
``splits.csv``.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from representation import Problem, measure
from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

SETS = {
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
    "linnerud": datasets.load_linnerud,
    "diabetes": lambda: datasets.load_diabetes(scaled=False),
    "breast_cancer": datasets.load_breast_cancer,
}
N_COMPONENTS = (2, 4, 8, 16)


def problems(split):
    """Yield each table, raw and standardized, in training and test rows."""
    for name, load in SETS.items():
        train, test = train_test_split(load().data, test_size=0.25, random_state=split)
        scale = StandardScaler().fit(train)
        yield Problem("dense", name, train, test)
        scaled = scale.transform(train), scale.transform(test)
        yield Problem("dense", f"{name}, standardized", *scaled)


def main():
    """Measure every fit. Save the results after each split."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=10, help="number of splits")
    parser.add_argument(
        "--out", type=Path, default=Path("."), help="folder for the results"
    )
    args = parser.parse_args()
    rows = []
    for split in range(1, args.splits + 1):
        for problem in problems(split):
            for k in [k for k in N_COMPONENTS if k < problem.n_features]:
                rows.append(measure(problem, k, split))
                if rows[-1]["best_epoch"]:
                    cell = "split {random_state:<3} {data:28} k={n_components:<3}"
                    print((cell + " {ratio:.4f}").format(**rows[-1]), flush=True)
        results = pd.DataFrame(rows)[
            ["data", "n_train", "n_components", "random_state", "best_epoch", "ratio"]
        ]
        results.to_csv(args.out / "splits.csv", index=False, float_format="%.6g")
    left = results[results["best_epoch"] > 0]
    mean = np.exp(np.log(left["ratio"]).mean())
    worse = (left["ratio"].round(4) > 1).sum()
    print(f"{len(results)} fits, {len(left)} not PCA, {worse} of them worse than PCA")
    print(f"worst ratio {left['ratio'].max():.3f}, geometric mean {mean:.3f}")


if __name__ == "__main__":
    main()
