"""Measure the main table of README.md with installed data only.

    python benchmarks/main_table.py [--out FILE] [--quick]

The data are the sets that are installed with scikit-learn and sklearn-seqae: see
`InstalledData` in ``data_sets.py``. All models have their defaults. One test part,
seeds 0, 1 and 2:

- ``tables`` and ``sequences``: squared error on the test part, divided by the error of
  PCA fitted on the same training rows, with 2 and 8 components;
- ``lstm``: the same for the sets of equal length, beside the LSTM autoencoder of
  ``tutorial_lstm.py``, which is trained for 300 epochs with seed 0;
- ``anomalies``: ROC AUC. Detectors are fitted on half of the normal rows and score the
  others and all anomalies.

The script takes about ten minutes on one core, prints the table and saves a row for
each measurement. The last digits of the measurements depend on the processor.
``--quick`` measures one set of each part with one seed.
"""

import argparse
from pathlib import Path

import pandas as pd
import representation
import torch
from anomaly import one_class
from data_sets import InstalledData
from detectors import METHODS
from result_tables import main_table
from sklearn.metrics import roc_auc_score
from tutorial_lstm import tutorial_error

SIZES = (2, 8)
SEEDS = (0, 1, 2)
EPOCHS = 300  # of the LSTM autoencoder
DETECTORS = (
    "AutoencoderAnomalyDetector",
    "PCA reconstruction",
    "kNN (5)",
    "IsolationForest",
)


def reconstructions(part, problems, seeds):
    """Yield the error ratios to PCA of each set, latent size and seed."""
    for problem in problems:
        for size in SIZES:
            if size >= min(len(problem.X_train), problem.n_features):
                continue
            for seed in seeds:
                cell = representation.measure(problem, size, seed)
                row = {"part": part, "set": problem.name, "n_components": size}
                yield {**row, "seed": seed, "method": "ours", "value": cell["ratio"]}


def lstm_errors(problems, seeds):
    """Yield the error ratios to PCA of the LSTM autoencoder of tutorials."""
    for problem in problems:
        if isinstance(problem.X_train, list):
            continue
        for size in SIZES:
            _, _, rebuilt = representation.reference(problem, size)
            pca = representation.squared_error(problem.X_test, rebuilt)
            for seed in seeds:
                error = tutorial_error(
                    *(problem.X_train, problem.X_test, size),
                    epochs=EPOCHS,
                    random_state=seed,
                )
                row = {"part": "lstm", "set": problem.name, "n_components": size}
                mean = error / problem.X_test.size
                yield {**row, "seed": seed, "method": "LSTM", "value": mean / pca}


def anomalies(reader, names, seeds):
    """Yield the ROC AUC of each table, detector and seed."""
    for name in names:
        X, y = reader.load_anomalies(name)
        for seed in seeds:
            train, test, labels = one_class(X, y, seed)
            for method in DETECTORS:
                value = roc_auc_score(labels, METHODS[method](train, test, seed))
                row = {"part": "anomalies", "set": name, "seed": seed}
                yield {**row, "method": method, "value": value}


def measurements(quick):
    """Yield a row for each measurement."""
    reader, most = InstalledData(), 1 if quick else None
    seeds = SEEDS[:most]
    tables = list(representation.bundled_tables())
    tables = [t for t in tables if t.name == "iris"] if quick else tables
    sequences = list(representation.series(reader))
    sequences = sequences[-1:] if quick else sequences
    yield from reconstructions("tables", tables, seeds)
    yield from reconstructions("sequences", sequences, seeds)
    yield from lstm_errors(sequences, seeds[:1])
    yield from anomalies(reader, reader.names("adbench")[-1 if quick else 0 :], seeds)


def main():
    """Measure, save the results and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("main_table.csv"))
    parser.add_argument("--quick", action="store_true", help="one set of each part")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for row in measurements(args.quick):
        rows.append(row)
        print(*row.values(), sep="\t", flush=True)
        pd.DataFrame(rows).to_csv(args.out, index=False, float_format="%.6g")
    print(main_table(pd.DataFrame(rows)))


if __name__ == "__main__":
    main()
