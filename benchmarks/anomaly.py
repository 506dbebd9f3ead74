"""Benchmark of the anomaly detector, with its defaults, on real data.

Each part compares all detectors in the same run ::

    python benchmarks/anomaly.py [--data DIR] [--size quick|full] [--part adbench ...]

- ``one-class``: the tables of ADBench. Detectors are fitted on half of the normal rows
  and score all other rows. ``contaminated``: detectors are fitted on all rows and score
  them. Only our detector uses ``contamination=0.1``, for every data set; a second
  time it is fitted without it.
- ``labels``: the contaminated rows, a few of them with a label, drawn ten times. The
  others are scored by the default, with one network for each data set.
- ``calibration``: share of unseen normal rows of the same tables that is flagged, at
  three nominal rates.
- ``explanation``: how often the first cause is the feature that was changed.
- ``univariate`` and ``multivariate``: the series of TSB-AD in the data folder. The
  detector is fitted on the whole series and, as a second row, on its first
  ``train_rows``.
- ``nab``: intervals of alarms in the fitted series, compared with the labeled ones.
- ``smap-msl``: the same rule for the first column of NASA's channels. The detector is
  fitted on the training part and, as a second row, on both parts without labels.
- ``speed``: processor time of scoring 200,000 time steps, divided by the processor time
  of the forward passes of the network.

``--data`` is described in ``data_sets.py``. The results are saved in
``anomaly_<size>.csv`` (a row for each part, data set, seed and method) and
``anomaly_<size>.png``. Tables are standardized with the statistics of their training
rows. ``--pyod PYTHON`` adds PyOD's autoencoder, where PYTHON is the interpreter of an
environment created by ``pip install pyod torch tqdm``.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from data_sets import add_data_option, open_reader
from detectors import (
    DEFAULT,
    METHODS,
    PYOD,
    by_pyod,
    cpu_seconds,
    fitted_default,
    make_detector,
)
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import StandardScaler
from vus import period_of, runs_of, vus_pr

from sklearn_seqae.windows import sliding_windows

PARTS = (
    *("one-class", "contaminated", "labels", "calibration", "explanation"),
    *("univariate", "multivariate", "nab", "smap-msl", "speed"),
)
RATES = (0.01, 0.05, 0.1)
# One rule for intervals, chosen on NAB, where a tenth of the time steps is labeled:
# the tenth of the steps with the lowest scores, merged if less than eight windows are
# between them, then pruned by their scores.
SHARE, GAP, DROP = 0.1, 8, 0.2
QUICK_SETS = ("WBC", "cardio", "thyroid", "vowels", "wine", "breast_cancer", "iris")
LONG, WINDOW, PAIRS = 200_000, 100, 5  # of the series in the part speed
MOST_ROWS = 10_000  # of a table, a random subset: LOF and kNN compare all pairs


# --------------------------------------------------------------------------------------
# Tables


def one_class(X, y, seed):
    """Return half of the normal rows, and all others with labels, standardized."""
    rows = np.random.RandomState(seed).permutation(len(y))[:MOST_ROWS]
    X, y = X[rows], y[rows]
    normal = np.flatnonzero(y == 0)
    train, rest = np.split(normal, [len(normal) // 2])
    test = np.concatenate([rest, np.flatnonzero(y == 1)])
    scaler = StandardScaler().fit(X[train])
    return scaler.transform(X[train]), scaler.transform(X[test]), y[test]


def contaminated(X, y, seed):
    rows = np.random.RandomState(seed).permutation(len(y))[:MOST_ROWS]
    X = StandardScaler().fit_transform(X[rows])
    return X, X, y[rows]


def tables(reader, size):
    for name in reader.names("adbench"):
        if size == "quick" and name not in QUICK_SETS:
            continue
        yield name, *reader.load_anomalies(name)


def run_tables(reader, size, part, methods):
    prepare = one_class if part == "one-class" else contaminated
    if part == "one-class":  # the default is our detector
        methods = [method for method in methods if method != DEFAULT]
    for name, X, y in tables(reader, size):
        for seed in range(3 if size == "full" else 1):
            X_train, X_test, labels = prepare(X, y, seed)
            for method in methods:
                start = cpu_seconds()
                scores = METHODS[method](X_train, X_test, seed)
                yield {
                    **{"set": name, "seed": seed, "method": method},
                    "auroc": roc_auc_score(labels, scores),
                    "ap": average_precision_score(labels, scores),
                    "seconds": cpu_seconds() - start,
                }


def run_labels(reader, size, part):
    """Compare fits with a few labels, drawn at random, with fits without them.

    The network is fitted once, to all rows, also to the anomalies that are drawn.
    """
    for name, X, y in tables(reader, size):
        X, _, y = contaminated(X, y, 0)
        rng = np.random.RandomState(0)
        unlabelled = fitted_default(X)
        plain = unlabelled.score_samples(X)
        network = FrozenEstimator(unlabelled.estimator_)
        for n_anomalies, n_normal in ((5, 5), (3, 2)):
            for draw in range(10 if size == "full" else 2):
                n_known = min(n_anomalies, (y == 1).sum() // 2)
                labels = np.zeros(len(y), dtype=int)
                labels[rng.choice(np.flatnonzero(y == 1), n_known, replace=False)] = -1
                labels[rng.choice(np.flatnonzero(y == 0), n_normal, replace=False)] = 1
                detector = fitted_default(X, labels, estimator=network)
                rest = labels == 0
                known = {"none": plain, "labels": detector.score_samples(X)}
                for fitted_on, scores in known.items():
                    yield {
                        **{"set": name, "seed": draw, "fitted_on": fitted_on},
                        "method": "AutoencoderAnomalyDetector",
                        "nominal": n_anomalies,
                        "auroc": roc_auc_score(y[rest], -scores[rest]),
                        "ap": average_precision_score(y[rest], -scores[rest]),
                    }


def run_calibration(reader, size, part):
    for name, X, y in tables(reader, size):
        X_train, X_test, labels = one_class(X, y, 0)
        if len(X_train) < 100:
            continue
        detector = make_detector().fit(X_train)
        p = detector.p_values(X_test[labels == 0])
        for rate in RATES:
            found = {"nominal": rate, "realised": np.mean(p <= rate)}
            yield {"set": name, "method": "AutoencoderAnomalyDetector", **found}


def run_explanation(reader, size, part):
    """Change one feature of unseen normal rows by 3 to 6 standard deviations."""
    for name, X, y in tables(reader, size):
        X_train, X_test, labels = one_class(X, y, 0)
        X_test = X_test[labels == 0][:200].copy()
        rng = np.random.RandomState(0)
        varied = np.flatnonzero(X_train.std(axis=0) > 0)
        planted = rng.choice(varied, size=len(X_test))
        rows = np.arange(len(X_test))
        X_test[rows, planted] += rng.choice([-1, 1], size=len(rows)) * rng.uniform(
            3, 6, size=len(rows)
        )
        detector = make_detector(score_method="nearest", contamination=0.05)
        causes = detector.fit(X_train).explain(X_test, n_causes=1)
        right = causes["feature"] == [f"x{planted[row]}" for row in causes["row"]]
        yield {
            **{"set": name, "method": "AutoencoderAnomalyDetector"},
            **{"alarms": len(right) / len(rows), "top_cause": right.mean()},
        }


# --------------------------------------------------------------------------------------
# Series


def run_series(reader, size, part):
    every = 1 if size == "full" else 6
    for name, X, labels, train_rows in reader.listed_series(part, every):
        width = period_of(X[:, 0])
        for fitted_on, rows in (("all", len(X)), ("train", train_rows)):
            scaler = StandardScaler().fit(X[:rows])
            Z = scaler.transform(X)
            start = cpu_seconds()
            detector = make_detector(window_size="auto", contamination=0.1)
            scores = -detector.fit(Z[:rows]).score_samples(Z)
            yield {
                **{"set": name, "method": "AutoencoderAnomalyDetector"},
                **{"fitted_on": fitted_on, "vus_pr": vus_pr(scores, labels, width)},
                "seconds": cpu_seconds() - start,
            }


def count_intervals(detector, Z, labels):
    """Count overlapping intervals, as Orion does, and the flagged share of steps.

    A labeled interval is found if a detected interval overlaps it, and missed
    otherwise. A detected interval that overlaps no labeled interval is false. One
    interval over all steps would have no error, so the flagged share is also needed.
    """
    runs = np.array(runs_of(labels)).reshape(-1, 2)
    gap = GAP * detector.window_size_
    intervals = detector.detect_intervals(Z, gap=gap, min_drop=DROP)
    first, last = intervals[["start", "end"]].to_numpy(dtype=int).T
    meet = (first[:, np.newaxis] <= runs[:, 1]) & (last[:, np.newaxis] >= runs[:, 0])
    return {
        **{"found": meet.any(axis=0).sum(), "missed": (~meet.any(axis=0)).sum()},
        "false": (~meet.any(axis=1)).sum(),
        "flagged": (last - first + 1).sum() / len(Z),
    }


def judges():
    """Return the detectors whose alarms are counted as intervals, with one rule."""
    same_score = {"estimator": PCA(8)}
    return {
        "AutoencoderAnomalyDetector": {},
        "PCA, same score": same_score,
        "PCA reconstruction": {**same_score, "score_method": "reconstruction"},
    }


def run_nab(reader, size, part):
    for name in reader.names("nab")[:: 1 if size == "full" else 6]:
        stored = reader.load_labelled_series(name)
        Z = StandardScaler().fit_transform(stored["value"][:, np.newaxis])
        for method, options in judges().items():
            detector = make_detector(
                window_size="auto", contamination=SHARE, **options
            ).fit(Z)
            yield {
                **{"set": name, "method": method, "fitted_on": "all"},
                "category": str(stored["category"]),
                **count_intervals(detector, Z, stored["label"]),
            }


def run_smap_msl(reader, size, part):
    for name in reader.names("smap_msl")[:: 1 if size == "full" else 6]:
        stored = reader.load_telemetry(name)
        train, test = (stored[key][:, :1].astype(float) for key in ("train", "test"))
        scaler = StandardScaler().fit(train)
        train, test = scaler.transform(train), scaler.transform(test)
        for method, options in judges().items():
            for fitted_on, X in (("train", train), ("all", [train, test])):
                detector = make_detector(
                    window_size="auto", contamination=SHARE, **options
                ).fit(X)
                # The share refers to the scored steps. In NAB these are also the
                # steps of fit.
                scores = detector.score_samples(test)
                detector.offset_ = np.percentile(scores, 100 * SHARE)
                yield {
                    **{"set": name, "method": method, "fitted_on": fitted_on},
                    "category": str(stored["spacecraft"]),
                    **count_intervals(detector, test, stored["label"]),
                }


# --------------------------------------------------------------------------------------
# Speed


@torch.no_grad()
def bare_passes(module, windows):
    """Encode and decode all windows in tiles, as the package does."""
    for tile in windows.split(256):
        module.decode(module.encode(tile))


def run_speed(reader, size, part):
    """Compare the seconds of scoring with the seconds of the forward passes."""
    name = "nyc_taxi"
    Z = StandardScaler().fit_transform(
        reader.load_labelled_series(name)["value"][:, np.newaxis]
    )
    Z = np.resize(Z, (LONG, 1))
    detector = make_detector(window_size=WINDOW, contamination=SHARE).fit(Z)
    windows = sliding_windows(Z.astype(np.float32), WINDOW)
    windows = torch.from_numpy(windows.reshape(len(windows), -1).copy())
    for seed in range(PAIRS):
        start = cpu_seconds()
        bare_passes(detector.estimator_.module_, windows)
        between = cpu_seconds()
        detector.score_samples(Z)
        passes, scoring = between - start, cpu_seconds() - between
        row = {"set": name, "seed": seed, "method": "AutoencoderAnomalyDetector"}
        yield {**row, "seconds": scoring, "over_bare_passes": scoring / passes}


# --------------------------------------------------------------------------------------
# Results


def f1_of_intervals(table):
    found, missed, false = table[["found", "missed", "false"]].sum()
    return 2 * found / (2 * found + missed + false)


def summarise(results):
    """Print the mean of each part and method."""
    for part, table in results.groupby("part", sort=False):
        table = table.dropna(axis=1, how="all")
        keys = [key for key in ("method", "fitted_on", "nominal") if key in table]
        print(f"\n{part}, {table['set'].nunique()} sets")
        measures = table.columns.difference(
            [*keys, "part", "set", "seed", "category"], sort=False
        )
        print(table.groupby(keys, sort=False)[list(measures)].mean().round(3))
        if "found" in table:
            labelled = table[table["found"] + table["missed"] > 0]
            for by in (["category", *keys], keys):
                groups = labelled.groupby(by, sort=False)[list(table)]
                print(groups.apply(f1_of_intervals).round(3))


def draw(results, file):
    """Draw the AUROC of each data set and detector, and the calibration."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
    for ax, part in zip(axes, ("one-class", "contaminated"), strict=False):
        table = results[results["part"] == part]
        if not len(table):
            continue
        means = table.pivot_table(index="method", columns="set", values="auroc")
        means = means.loc[means.mean(axis=1).sort_values().index]
        for row, (_, values) in enumerate(means.iterrows()):
            ax.plot(values, [row] * len(values), "o", mfc="none", color="#999999")
            ax.plot(values.mean(), row, "D", color="#0072B2")
        ax.set_yticks(range(len(means)), means.index)
        ax.set(title=f"ADBench, {part}", xlabel="AUROC; blue: mean of the sets")
    table = results[results["part"] == "calibration"]
    if len(table):
        axes[2].plot(table["nominal"], table["realised"], "o", mfc="none", color="#999")
        means = table.groupby("nominal")["realised"].mean()
        axes[2].plot(means, "D", color="#0072B2")
        axes[2].axline((0.01, 0.01), slope=1, color="black", lw=1)
        axes[2].set(title="Calibration", xlabel="nominal rate", ylabel="realized rate")
    figure.savefig(file, dpi=100)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_data_option(parser)
    parser.add_argument("--size", choices=["quick", "full"], default="quick")
    parser.add_argument("--part", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--method", nargs="*", choices=[*METHODS, PYOD])
    parser.add_argument(
        "--pyod", metavar="PYTHON", help="interpreter of an environment with PyOD"
    )
    parser.add_argument("--output", type=Path, default=Path())
    arguments = parser.parse_args()
    if arguments.pyod:
        METHODS[PYOD] = partial(by_pyod, python=arguments.pyod)
    methods = arguments.method or list(METHODS)
    if PYOD in methods and not arguments.pyod:
        parser.error(f"--method {PYOD!r} needs --pyod PYTHON.")
    reader, size = open_reader(arguments.data), arguments.size
    file = arguments.output / f"anomaly_{size}.csv"
    # Results of parts and methods that are not run again stay in the file.
    kept = pd.DataFrame({"part": [], "method": []})
    if file.exists():
        kept = pd.read_csv(file)
    by_method = partial(run_tables, methods=methods)
    runs = {
        **dict.fromkeys(("one-class", "contaminated"), by_method),
        **{"calibration": run_calibration, "explanation": run_explanation},
        **{"univariate": run_series, "multivariate": run_series, "nab": run_nab},
        **{"smap-msl": run_smap_msl, "speed": run_speed, "labels": run_labels},
    }
    for part in arguments.part:
        rows = runs[part](reader, size, part)
        found = []
        for row in rows:
            found.append({"part": part, **row})
            print(found[-1], flush=True)
        found = pd.DataFrame(found)
        anew = (kept["part"] == part) & kept["method"].isin(found["method"])
        kept = pd.concat([kept[~anew], found], ignore_index=True)
        kept.to_csv(file, index=False, float_format="%.4f")
    summarise(kept)
    draw(kept, file.with_suffix(".png"))


if __name__ == "__main__":
    main()
