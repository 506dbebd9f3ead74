"""Benchmark of the latent codes of autoencoders compared with PCA on real data.

For every data set and k = 2, 4, 8, 16, 32 components below min(n, d), the script
measures the squared error on held-out data divided by the error of PCA fitted on the
same training rows, the seconds of the fit, and the accuracy of a logistic regression
and of 5 nearest neighbors on the latent codes and on the codes of PCA. All parameters
have their defaults. ::

    python benchmarks/representation.py [--data DIR] [--size quick|full]
        [--family dense] [--split 0 ...] [--random-state 0 ...] [--training-part]

``--data`` is described in ``data_sets.py``. The results are saved in
``representation_<size>.csv`` (a row for each cell) and ``representation_<size>.png``.

Split 0 is the split of the data set. Splits 1, 2, ... are stratified resamples of its
training and test rows together, with the same numbers of rows. If the rows are ordered
in time, splits 1 to 5 train on the first 50 to 70 % of the rows and test on the next
25 %. With ``--training-part``, the test rows are not read: 30 % of the training rows of
each set are held out. Rules are chosen on these rows.

Data sets with their own test part keep it. In fred_md, whose rows are months, the last
quarter is the test part. In the others it is a fixed random quarter of the rows.
Missing values are imputed before both methods, with the training median in tables and
with linear interpolation in sequences. Tables with columns of different units
(scikit-learn's tables, fred_md, weather_aus) are standardized. scikit-learn's tables
are also used without standardization.
"""

import argparse
import itertools
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from data_sets import add_data_option, open_reader
from resampling import resampled, take, training_part
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FAMILIES = ("dense", "recurrent")  # by default
ALL_FAMILIES = (*FAMILIES, "convolutional")
N_COMPONENTS = (2, 4, 8, 16, 32)
PROBE_ROWS = 5000  # maximum number of rows of each part for the classifiers

# The quick run has every kind of data and few data sets of each kind.
QUICK_COMPONENTS = (2, 8)
QUICK_ROWS = 5000
QUICK_SERIES = ("GunPoint", "ItalyPowerDemand", "BasicMotions", "JapaneseVowels")
QUICK_SERIES += ("taxi_days", "ragged_sines")


@dataclass
class Problem:
    """Data set in two parts. Sequences are a 3-D array or a list of 2-D arrays."""

    family: str
    name: str
    X_train: object
    X_test: object
    y_train: object = None
    y_test: object = None
    is_ordered: bool = False  # in time: the test part follows the training part

    @property
    def n_features(self):
        """Number of values in a row. For sequences, median length x channels."""
        if self.family == "dense":
            return self.X_train.shape[1]
        return median_length(self.X_train) * self.X_train[0].shape[1]

    def head(self, n_rows):
        """Return the same problem with at most n_rows rows in each part."""
        parts = (self.X_train, self.X_test, self.y_train, self.y_test)
        cut = (None if part is None else part[:n_rows] for part in parts)
        return Problem(self.family, self.name, *cut, self.is_ordered)


def make_transformer(family, n_components, random_state):
    """Return an autoencoder with the defaults of the family."""
    from sklearn_seqae import (
        ConvolutionalAutoencoderTransformer,
        DenseAutoencoderTransformer,
        RecurrentAutoencoderTransformer,
    )

    families = {
        "dense": DenseAutoencoderTransformer,
        "recurrent": RecurrentAutoencoderTransformer,
        "convolutional": ConvolutionalAutoencoderTransformer,
    }
    return families[family](n_components=n_components, random_state=random_state)


# --------------------------------------------------------------------------------------
# Data


def split(X, y=None):
    """Split off a fixed quarter of the rows as the test part."""
    train, test = train_test_split(np.arange(len(X)), test_size=0.25, random_state=0)
    labels = (None, None) if y is None else (y[train], y[test])
    return take(X, train), take(X, test), *labels


def split_in_time(X):
    """Split off the last quarter of the rows as the test part."""
    n_train = round(0.75 * len(X))
    return X[:n_train], X[n_train:]


def table(name, X_train, X_test, y_train=None, y_test=None, *, standardise=False):
    """Impute missing values and optionally standardize the columns."""
    steps = [SimpleImputer(strategy="median")] + [StandardScaler()] * standardise
    scale = make_pipeline(*steps).fit(X_train)
    parts = scale.transform(X_train), scale.transform(X_test)
    return Problem("dense", name, *parts, y_train, y_test)


def bundled_tables():
    """Yield scikit-learn's own tables, raw and standardized."""
    for name in ("digits", "wine", "breast_cancer", "iris", "diabetes"):
        options = {"scaled": False} if name == "diabetes" else {}
        bunch = getattr(datasets, f"load_{name}")(**options)
        labels = None if name == "diabetes" else bunch.target
        parts = split(bunch.data, labels)
        yield table(name, *parts)
        yield table(f"{name}, standardized", *parts, standardise=True)


def stored_tables(reader):
    """Yield the tables in the data folder."""
    if not reader.names("tabular"):  # the installed data
        return
    economy = split_in_time(reader.load_table("fred_md")["X"])
    yield replace(table("fred_md", *economy, standardise=True), is_ordered=True)
    yield table("gasoline_nir", *split(reader.load_table("gasoline_nir")["X"]))
    genes = reader.load_table("nci60")
    yield table("nci60", *split(genes["X"].astype(np.float64), genes["y"]))
    faces = reader.load_table("olivetti_faces")
    pixels = faces["images"].reshape(len(faces["images"]), -1) / 255
    yield table("olivetti_faces", *split(pixels, faces["subject"]))
    meat = reader.load_table("tecator_nir")
    spectra = (meat[part].astype(np.float64) for part in ("X_train", "X_test"))
    yield table("tecator_nir", *spectra)
    weather = reader.load_weather()
    numbers = weather.select_dtypes("number").to_numpy()
    rain = weather["RainTomorrow"].fillna("").to_numpy(dtype=str)
    yield table("weather_aus", *split(numbers, rain), standardise=True)
    X_train, y_train, X_test, y_test = reader.load_images()
    pixels = (X.reshape(len(X), -1) / 255 for X in (X_train, X_test))
    yield table("fashion_mnist", *pixels, y_train, y_test)


def series(reader):
    """Yield the sets of sequences in the data folder."""
    for name in reader.names("ucr"):
        X_train, y_train, X_test, y_test = reader.load_sequences(name)
        if not len(X_test):
            X_train, X_test, y_train, y_test = split(X_train, y_train)
        parts = interpolate(X_train), interpolate(X_test)
        yield Problem("recurrent", name, *parts, y_train, y_test)


def interpolate(X):
    """Interpolate missing time steps linearly in each channel."""
    filled = [np.array(sequence, dtype=np.float64) for sequence in X]
    for sequence in filled:
        for channel in sequence.T:
            missing = np.isnan(channel)
            if missing.any():
                at, known = np.flatnonzero(missing), np.flatnonzero(~missing)
                channel[missing] = np.interp(at, known, channel[known])
    return filled if isinstance(X, list) else np.stack(filled)


def problems(reader, size, families):
    """Yield the data sets of the chosen families and size."""
    if "dense" in families:
        for problem in (*bundled_tables(), *stored_tables(reader)):
            yield problem.head(QUICK_ROWS) if size == "quick" else problem
    for family in families:
        for problem in series(reader) if family != "dense" else ():
            if size == "full" or problem.name in QUICK_SERIES:
                if family == "recurrent" or isinstance(problem.X_train, np.ndarray):
                    yield replace(problem, family=family)


# --------------------------------------------------------------------------------------
# The reference


class SequencePCA:
    """PCA of sequences, each resampled to the median length of the training part."""

    def __init__(self, n_components):
        self.n_components = n_components

    def fit(self, X):
        """Fit on the flattened, resampled sequences."""
        self.n_steps_ = median_length(X)
        self.pca_ = exact_pca(self._flatten(X), self.n_components)
        return self

    def transform(self, X):
        """Return the codes."""
        return self.pca_.transform(self._flatten(X))

    def reconstruct(self, X, kept=None):
        """Reconstruct from the first components, each sequence in its own length."""
        codes = self.transform(X)
        codes[:, self.n_components if kept is None else kept :] = 0
        steps = self.pca_.inverse_transform(codes).reshape(len(X), self.n_steps_, -1)
        return [resample(a, len(b)) for a, b in zip(steps, X, strict=True)]

    def _flatten(self, X):
        return np.stack([resample(sequence, self.n_steps_).ravel() for sequence in X])


def exact_pca(X, n_components):
    """Fit PCA with an exact solver."""
    tall = len(X) > 10 * X.shape[1]
    return PCA(n_components, svd_solver="covariance_eigh" if tall else "full").fit(X)


def median_length(X):
    """Return the median number of time steps."""
    return int(np.median([len(sequence) for sequence in X]))


def resample(sequence, n_steps):
    """Interpolate a sequence (T, C) linearly to another number of steps."""
    if len(sequence) == n_steps:
        return sequence
    old, new = np.linspace(0, 1, len(sequence)), np.linspace(0, 1, n_steps)
    return np.stack([np.interp(new, old, channel) for channel in sequence.T], axis=1)


def reference(problem, n_components):
    """Fit PCA and return the codes of both parts and the test reconstruction."""
    if problem.family == "dense":
        pca = exact_pca(problem.X_train, n_components)
        rebuilt = pca.inverse_transform(pca.transform(problem.X_test))
    else:
        pca = SequencePCA(n_components).fit(problem.X_train)
        rebuilt = pca.reconstruct(problem.X_test)
    return pca.transform(problem.X_train), pca.transform(problem.X_test), rebuilt


# --------------------------------------------------------------------------------------
# Measures


def squared_error(X, rebuilt):
    """Return the mean squared error over all values of all rows."""
    differences = [np.ravel(a - b) for a, b in zip(X, rebuilt, strict=True)]
    return float(np.mean(np.concatenate(differences) ** 2))


def probe_accuracies(problem, codes_train, codes_test):
    """Return the accuracies on the latent codes, or {} without labels."""
    if problem.y_train is None:
        return {}
    y_train, y_test = np.asarray(problem.y_train), np.asarray(problem.y_test)
    train, test = labelled(y_train), labelled(y_test)
    probes = {
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        "knn": KNeighborsClassifier(min(5, len(train))),
    }
    return {
        name: probe.fit(codes_train[train], y_train[train]).score(
            codes_test[test], y_test[test]
        )
        for name, probe in probes.items()
    }


def labelled(y):
    """Return the numbers of the first rows with a label."""
    return np.flatnonzero(y.astype(str) != "")[:PROBE_ROWS]


def measure(problem, n_components, random_state=0, split=0, divide=resampled):
    """Fit PCA and the autoencoder and return one row of the results."""
    problem = divide(problem, split)
    pca_train, pca_test, pca_rebuilt = reference(problem, n_components)
    pca_error = squared_error(problem.X_test, pca_rebuilt)

    model = make_transformer(problem.family, n_components, random_state)
    start = time.process_time()
    model.fit(problem.X_train)
    seconds = time.process_time() - start
    error = squared_error(problem.X_test, model.reconstruct(problem.X_test))

    codes = model.transform(problem.X_train), model.transform(problem.X_test)
    accuracies = probe_accuracies(problem, *codes)
    pca_accuracies = probe_accuracies(problem, pca_train, pca_test)
    return {
        "family": problem.family,
        "data": problem.name,
        "n_train": len(problem.X_train),
        "n_features": problem.n_features,
        "n_components": n_components,
        "split": split,
        "random_state": random_state,
        "error": error,
        "pca_error": pca_error,
        "ratio": error / pca_error,
        "seconds": seconds,
        "best_epoch": model.best_epoch_,
        "n_iter": model.n_iter_,
        **accuracies,
        **{f"pca_{name}": score for name, score in pca_accuracies.items()},
    }


def component_counts(problem, size):
    """Return the latent sizes below the maximum rank of the training rows."""
    counts = QUICK_COMPONENTS if size == "quick" else N_COMPONENTS
    return [k for k in counts if k < min(len(problem.X_train), problem.n_features)]


# --------------------------------------------------------------------------------------
# Report


def summarise(results):
    """Return the main results of each family."""
    ratio = results.groupby("family")["ratio"]
    columns = {
        "cells": ratio.size(),
        "at or below PCA": ratio.agg(lambda r: np.mean(r <= 1.0001)),
        "at or below 1.02": ratio.agg(lambda r: np.mean(r <= 1.02)),
        "is PCA": results["best_epoch"].eq(0).groupby(results["family"]).mean(),
        "worst": ratio.max(),
        "geometric mean": ratio.agg(lambda r: np.exp(np.log(r).mean())),
        "seconds": results.groupby("family")["seconds"].sum(),
    }
    for name in ("logistic", "knn"):
        if name in results:
            gain = results[name] - results[f"pca_{name}"]
            columns[f"{name} gain"] = gain.groupby(results["family"]).mean()
            losses = (gain < -0.01).groupby(results["family"]).sum()
            columns[f"{name} losses"] = losses
    return pd.DataFrame(columns)


def ratio_table(results):
    """Return the error ratios, a row per data set and a column per latent size."""
    table = results.pivot_table(
        index=["family", "data"], columns="n_components", values="ratio", sort=False
    )
    return table[sorted(table.columns)]


def draw(results, path):
    """Draw the error ratio by data set and latent size."""
    import matplotlib.pyplot as plt

    plt.switch_backend("Agg")
    table = ratio_table(results)
    figure, ax = plt.subplots(figsize=(7, 1 + 0.28 * len(table)), layout="constrained")
    rows, last = np.arange(len(table)), len(table.columns) - 1
    for i, (k, column) in enumerate(table.items()):
        colour = plt.colormaps["viridis"](0.9 * i / max(last, 1))
        apart = 0.1 * (i - last / 2)  # separates points with equal ratios
        ax.scatter(column, rows + apart, label=f"{k}", color=colour, s=18)
    ax.axvline(1, color="black", linewidth=1)
    ax.set(xscale="log", xlabel="squared error on held-out data / PCA's error")
    ax.set_xticks([0.1, 0.2, 0.5, 1], [0.1, 0.2, 0.5, 1])
    ax.minorticks_off()
    ax.set_yticks(rows, [name for _, name in table.index])
    ax.invert_yaxis()
    ax.legend(title="components", loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=100)
    plt.close(figure)


def parse_arguments():
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    parser.add_argument("--size", choices=["quick", "full"], default="quick")
    parser.add_argument("--family", nargs="+", choices=ALL_FAMILIES, default=FAMILIES)
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="run only these data sets"
    )
    parser.add_argument(
        "--split", nargs="+", type=int, default=[0], help="0: that of the data set"
    )
    parser.add_argument("--random-state", nargs="+", type=int, default=[0])
    parser.add_argument(
        "--training-part", action="store_true", help="hold out training rows only"
    )
    parser.add_argument(
        "--max-rows", type=int, help="only data sets with at most this many rows"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("."), help="folder for the results"
    )
    return parser.parse_args()


def main():
    """Measure every cell. Save the results after each of them."""
    args = parse_arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    target, rows = args.out / f"representation_{args.size}.csv", []
    for problem in problems(open_reader(args.data), args.size, args.family):
        if args.only and problem.name not in args.only:
            continue
        divide = training_part if args.training_part else resampled
        if args.max_rows and len(problem.X_train) > args.max_rows:
            continue
        cells = itertools.product(
            component_counts(problem, args.size), args.split, args.random_state
        )
        for n_components, split, random_state in cells:
            rows.append(measure(problem, n_components, random_state, split, divide))
            pd.DataFrame(rows).to_csv(target, index=False, float_format="%.6g")
            cell = "{data:28} k={n_components:<3} {split} {ratio:.4f} {seconds:6.1f} s"
            print(cell.format(**rows[-1]), flush=True)
    results = pd.DataFrame(rows)
    draw(results, target.with_suffix(".png"))
    print(ratio_table(results).to_string(float_format="%.3f", na_rep=""))
    print(summarise(results).to_string(float_format="%.4f"))


if __name__ == "__main__":
    main()
