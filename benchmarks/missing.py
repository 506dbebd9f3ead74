"""Benchmark of missing values: imputation, latent codes and anomaly scores.

- ``imputation``: hidden values of tables, beside the imputers of scikit-learn.
- ``held_out``: observed values of new rows, beside median imputation and PCA.
- ``series``: sequences with hidden time steps: accuracy of a linear classifier of the
  latent codes, and imputation beside linear interpolation.
- ``detector``: anomaly scores of tables with 5 % of hidden values.
- ``taxi``: intervals of the taxi series with 5 % of hidden half hours.

To reproduce:

    python benchmarks/missing.py [--data DIR] [--part series ...] [--set wine ...]

``--data`` is described in ``data_sets.py``.
"""

import argparse
import warnings

import numpy as np
from data_sets import add_data_option, open_reader
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import (
    AutoencoderAnomalyDetector,
    DenseAutoencoderTransformer,
    RecurrentAutoencoderTransformer,
)
from sklearn_seqae.datasets import load_nyc_taxi

SERIES = ("GunPoint", "ECG200", "PowerCons", "BasicMotions", "ItalyPowerDemand")
SERIES += ("taxi_days",)
N_COMPONENTS = 8  # of sequences
FEW_HIDDEN = 0.05  # fraction of the values that are hidden from a detector
SIZES = (2, 4, 8, 16)
HIDDEN = 0.2  # fraction of the values that are hidden
HELD_OUT = 0.1  # fraction of the observed values that are hidden to select the size
MOST_ROWS = 2000


def load_normal(reader, name, most=MOST_ROWS):
    """Return the standardized normal rows of a table."""
    X, y = reader.load_anomalies(name)
    X = X[y == 0]
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


def imputation(reader, names):
    """Print the RMSE of hidden values of the normal rows of each table."""
    options = {"keep_empty_features": True}
    imputers = {
        "mean": SimpleImputer(**options),
        "nearest": KNNImputer(**options),
        "iterative": IterativeImputer(random_state=0, **options),
    }
    print("table", *imputers, "autoencoder", "size", sep="\t")
    errors = []
    for name in names:
        X = load_normal(reader, name)
        with_gaps, hidden = hide(X, HIDDEN)
        row = [
            rmse(imputer.fit_transform(with_gaps), X, hidden)
            for imputer in imputers.values()
        ]
        model = select_size(DenseAutoencoderTransformer(random_state=0), with_gaps)
        row.append(rmse(model.impute(with_gaps), X, hidden))
        errors.append(row)
        numbers = [f"{error:.3f}" for error in row]
        print(name, *numbers, model.n_components_, sep="\t", flush=True)
    errors = np.array(errors)
    ratios = errors[:, -1:] / errors[:, :-1]
    means = np.exp(np.log(ratios).mean(axis=0))
    n_wins = (ratios < 1).sum(axis=0)
    for other, mean, wins in zip(imputers, means, n_wins, strict=True):
        print(f"{other}: geometric mean {mean:.3f}, better on {wins} of {len(ratios)}")


def held_out_error(reader, names, size=4):
    """Print the error of observed values in held-out rows, beside imputed PCA."""
    for name in names:
        X = load_normal(reader, name)
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
        print(name, *(f"{error:.3f}" for error in errors), sep="\t", flush=True)


def hide_steps(X, kind, seed):
    """Return sequences (N, T, C) with a fifth of the steps missing.

    They are single steps, or two blocks of a tenth of the length.
    """
    random = np.random.default_rng(seed)
    n, length = X.shape[:2]
    if kind == "steps":
        hidden = random.random((n, length)) < HIDDEN
    else:
        size = max(1, round(length / 10))
        step, hidden = np.arange(length), np.zeros((n, length), dtype=bool)
        for part in range(2):  # one block in each half
            first = part * (length // 2)
            start = random.integers(first, first + length // 2 - size + 1, n)[:, None]
            hidden |= (step >= start) & (step < start + size)
    return np.where(hidden[:, :, None], np.nan, X), hidden


def interpolate(X):
    """Fill gaps linearly in time, and at the ends with the nearest value."""
    step, result = np.arange(X.shape[1]), X.copy()
    for item in result:
        known = ~np.isnan(item[:, 0])
        for channel in item.T:
            channel[~known] = np.interp(step[~known], step[known], channel[known])
    return result


def accuracy(model, train, y_train, test, y_test):
    """Fit a linear classifier to the codes of the training sequences, and score it."""
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    classifier.fit(model.transform(list(train)), y_train)
    return classifier.score(model.transform(list(test)), y_test)


def series(reader, names):
    """Print accuracies, and errors of hidden steps of the test sequences."""
    print("set", "gaps", "accuracy", "complete", "imputed", "interpolated", sep="\t")
    ratios = []
    for name in names:
        train, y_train, test, y_test = reader.load_sequences(name)
        train, test = train.astype(np.float64), test.astype(np.float64)
        model = RecurrentAutoencoderTransformer(N_COMPONENTS, random_state=0)
        complete = accuracy(clone(model).fit(train), train, y_train, test, y_test)
        for kind in ("steps", "blocks"):
            train_gaps, _ = hide_steps(train, kind, 0)
            test_gaps, hidden = hide_steps(test, kind, 1)
            fitted = clone(model).fit(list(train_gaps))
            found = accuracy(fitted, train_gaps, y_train, test_gaps, y_test)
            imputed = np.array(fitted.impute(list(test_gaps)))
            errors = [
                rmse(each, test, np.broadcast_to(hidden[:, :, None], test.shape))
                for each in (imputed, interpolate(test_gaps))
            ]
            ratios.append(found / complete)
            numbers = [f"{number:.3f}" for number in (found, complete, *errors)]
            print(name, kind, *numbers, sep="\t", flush=True)
    print(f"accuracy with gaps divided by that of complete data: {np.mean(ratios):.3f}")


def detection(reader, names):
    """Print AUROCs of detectors that are fitted to half of the normal rows."""
    print("table", "with gaps", "complete", sep="\t")
    results = []
    for name in names:
        X, y = reader.load_anomalies(name)
        rows = np.random.RandomState(0).permutation(len(y))[:MOST_ROWS]
        X, y = X[rows], y[rows]
        normal = np.flatnonzero(y == 0)
        train, rest = np.split(normal, [len(normal) // 2])
        test = np.concatenate([rest, np.flatnonzero(y == 1)])
        X = StandardScaler().fit(X[train]).transform(X)
        pair = []
        for values in (hide(X, FEW_HIDDEN)[0], X):
            detector = AutoencoderAnomalyDetector(random_state=0, contamination=0.1)
            scores = detector.fit(values[train]).score_samples(values[test])
            pair.append(roc_auc_score(y[test], -np.nan_to_num(scores)))
        results.append(pair)
        print(name, *(f"{each:.3f}" for each in pair), sep="\t", flush=True)
    print("mean", *(f"{each:.4f}" for each in np.mean(results, axis=0)), sep="\t")


def taxi(reader, names):
    """Print the intervals of the taxi series, complete and with four draws of gaps."""
    demand, _ = load_nyc_taxi(return_X_y=True, as_frame=True)
    series = {"complete": demand}
    for seed in range(4):
        hidden = np.random.default_rng(seed).random(demand.shape) < FEW_HIDDEN
        series[f"gaps {seed}"] = demand.mask(hidden)
    for name, X in series.items():
        detector = AutoencoderAnomalyDetector(
            window_size="auto", contamination=0.1, random_state=0
        )
        print(name, detector.fit(X).detect_intervals(X).to_string(), sep="\n")


def main():
    """Run the parts of the benchmark."""
    parts = {
        "imputation": imputation,
        "held_out": held_out_error,
        "series": series,
        "detector": detection,
        "taxi": taxi,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    add_data_option(parser)
    parser.add_argument("--part", choices=parts, action="append")
    parser.add_argument("--set", action="append", help="name of a set; all if none")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    reader = open_reader(arguments.data)
    tables = reader.names("adbench")
    sequences = [name for name in SERIES if name in reader.names("ucr")]
    for part in arguments.part or parts:
        print(part, flush=True)
        names = sequences if part == "series" else tables
        wanted = arguments.set or names
        parts[part](reader, [name for name in names if name in wanted])


if __name__ == "__main__":
    main()
