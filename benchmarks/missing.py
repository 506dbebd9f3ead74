"""Missing values of tables: imputation, and reconstruction of observed values.

To reproduce, with tables of ADBench as `DIR/adbench/<name>.npz`, which hold X and y:

    python benchmarks/missing.py --data DIR
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.pipeline import make_pipeline

from sklearn_seqae import DenseAutoencoderTransformer

SIZES = (2, 4, 8, 16)
HIDDEN = 0.2  # fraction of the values that are hidden
HELD_OUT = 0.1  # fraction of the observed values that are hidden to select the size
MOST_ROWS = 2000


def load_normal(file, most=MOST_ROWS):
    """Return the standardized normal rows of a table."""
    with np.load(file) as data:
        X = data["X"].astype(np.float64)[data["y"] == 0]
    random = np.random.default_rng(0)
    if len(X) > most:
        X = X[random.permutation(len(X))[:most]]
    spread = X.std(axis=0)
    return (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1)


def hide(X, fraction, seed=0):
    """Return X with a random fraction of its values missing, and what was hidden."""
    hidden = np.random.default_rng(seed).random(X.shape) < fraction
    hidden &= ~np.isnan(X)
    return np.where(hidden, np.nan, X), hidden


def rmse(given, X, hidden):
    """Return the root mean squared error of the hidden values."""
    return float(np.sqrt(np.mean(np.square(given - X)[hidden])))


def select_size(estimator, X, sizes=SIZES):
    """Fit with the size that imputes hidden training values best."""
    partly, hidden = hide(X, HELD_OUT, seed=1)
    errors = {}
    for size in sizes:
        if size <= X.shape[1]:
            model = clone(estimator).set_params(n_components=size).fit(partly)
            errors[size] = rmse(model.impute(partly), np.nan_to_num(X), hidden)
    best = min(errors, key=errors.get)
    return clone(estimator).set_params(n_components=best).fit(X)


def imputation(files):
    """Print the RMSE of hidden values of the normal rows of each table."""
    options = {"keep_empty_features": True}
    imputers = {
        "mean": SimpleImputer(**options),
        "nearest": KNNImputer(**options),
        "iterative": IterativeImputer(random_state=0, **options),
    }
    print("table", *imputers, "autoencoder", "size", sep="\t")
    errors = []
    for file in files:
        X = load_normal(file)
        with_gaps, hidden = hide(X, HIDDEN)
        row = [
            rmse(imputer.fit_transform(with_gaps), X, hidden)
            for imputer in imputers.values()
        ]
        model = select_size(DenseAutoencoderTransformer(random_state=0), with_gaps)
        row.append(rmse(model.impute(with_gaps), X, hidden))
        errors.append(row)
        numbers = [f"{error:.3f}" for error in row]
        print(file.stem, *numbers, model.n_components_, sep="\t", flush=True)
    errors = np.array(errors)
    ratios = errors[:, -1:] / errors[:, :-1]
    means = np.exp(np.log(ratios).mean(axis=0))
    for name, mean, wins in zip(imputers, means, (ratios < 1).sum(axis=0), strict=True):
        print(f"{name}: geometric mean {mean:.3f}, better on {wins} of {len(ratios)}")


def held_out_error(files, size=4):
    """Print the error of observed values in held-out rows, beside imputed PCA."""
    for file in files:
        X = load_normal(file)
        with_gaps, hidden = hide(X, HIDDEN)
        train, test = with_gaps[::2], with_gaps[1::2]
        k = min(size, X.shape[1] - 1)
        linear = make_pipeline(
            SimpleImputer(strategy="median", keep_empty_features=True), PCA(k)
        ).fit(train)
        given = linear[-1].inverse_transform(linear.transform(test))
        model = DenseAutoencoderTransformer(k, random_state=0).fit(train)
        errors = [
            rmse(each, X[1::2], ~hidden[1::2])
            for each in (given, model.reconstruct(test))
        ]
        print(file.stem, *(f"{error:.3f}" for error in errors), sep="\t", flush=True)


def main():
    """Run the parts of the benchmark."""
    parts = {"imputation": imputation, "held_out": held_out_error}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--part", choices=parts, action="append")
    parser.add_argument("--table", action="append", help="name of a table; all if none")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    files = sorted((arguments.data / "adbench").glob("*.npz"))
    if arguments.table:
        files = [file for file in files if file.stem in arguments.table]
    for part in arguments.part or parts:
        print(part, flush=True)
        parts[part](files)


if __name__ == "__main__":
    main()
