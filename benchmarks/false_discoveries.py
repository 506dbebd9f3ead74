"""False discovery rate of `select` on the tables of ADBench.

Half of the normal rows are used for training. ``select`` of the detector is applied to
the other normal rows and all anomalies ::

    python benchmarks/false_discoveries.py [--data DIR] [--seeds 3]

The plain split fits the same score on half of the training rows and calibrates on the
others. The procedure of Benjamini and Hochberg is applied to both. Printed are the mean
share of normal rows among the selected ones over data sets and seeds, its standard
error over data sets, the mean share of anomalies that are selected (power), and the
mean difference of the powers with its standard error.
"""

import argparse
import warnings

import numpy as np
import pandas as pd
from anomaly import one_class
from data_sets import add_data_option, open_reader
from scipy.stats import false_discovery_control

from sklearn_seqae import AutoencoderAnomalyDetector

ALPHAS = [0.05, 0.1, 0.2]


def by_cross_fits(known, fresh, seed):
    """Return the selected rows for each bound, by `select`."""
    detector = AutoencoderAnomalyDetector(false_alarm_rate=0.2, random_state=seed)
    detector.fit(known)
    return [detector.select(fresh, alpha=alpha) for alpha in ALPHAS]


def by_split(known, fresh, seed):
    """Return the same with the score of half of the rows, calibrated on the others."""
    half = len(known) // 2
    detector = AutoencoderAnomalyDetector(
        score_method="nearest", contamination=0.5, random_state=seed
    ).fit(known[:half])
    kept = np.sort(detector.score_samples(known[half:]))
    below = np.searchsorted(kept, detector.score_samples(fresh), side="right")
    adjusted = false_discovery_control((1 + below) / (len(kept) + 1))
    return [adjusted <= alpha for alpha in ALPHAS]


METHODS = {"select": by_cross_fits, "plain split": by_split}


def run(reader, n_seeds):
    """Yield a row for each data set, seed, method and bound."""
    for name in reader.names("adbench"):
        X, y = reader.load_anomalies(name)
        for seed in range(n_seeds):
            known, fresh, labels = one_class(X, y, seed)
            anomaly = labels == 1
            for method, select in METHODS.items():
                for alpha, found in zip(
                    ALPHAS, select(known, fresh, seed), strict=True
                ):
                    yield {
                        **{"set": name, "seed": seed, "method": method},
                        **{"alpha": alpha, "n_training": len(known)},
                        "false": found[~anomaly].sum() / max(found.sum(), 1),
                        "power": found[anomaly].mean(),
                    }
        print(name, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_data_option(parser)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", message="A false-alarm rate of")
    rows = pd.DataFrame(run(open_reader(arguments.data), arguments.seeds))
    sets = rows.groupby(["alpha", "method", "set"], sort=False)[["false", "power"]]
    means = sets.mean()
    pd.set_option("display.width", 120)
    print(means.unstack(["alpha", "method"]).round(3).to_string())
    groups = means.groupby(["alpha", "method"])
    print(groups.agg({"false": ["mean", "sem"], "power": "mean"}).round(3))
    power = means["power"].unstack("method")
    difference = (power["select"] - power["plain split"]).groupby("alpha")
    print(difference.agg(["mean", "sem"]).round(3))


if __name__ == "__main__":
    main()
