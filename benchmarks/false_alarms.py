"""False-alarm rates on simulated stationary series, and false discoveries in tables.

Both parts compare the nominal rates of ``AutoencoderAnomalyDetector`` with the realised
ones ::

    python benchmarks/false_alarms.py [--part series] [--estimator pca]
    python benchmarks/false_alarms.py --part tables --data DIR

- ``series``: 24 autoregressive and seasonal series of 6,000 steps, and 27,000 fresh
  steps of each. The detector is fitted with both alignments and with windows of 48
  steps and the automatic window. Printed are the mean and the median of the realised
  divided by the nominal rate, and how often the true rate lies in
  `false_alarm_rate_interval_`. Autoregressive series have no period, so the automatic
  window is that of a chance peak of the autocorrelation; they are shown separately.
- ``tables``: the data sets of ADBench in DIR. Half of the normal rows are used for
  training. `select` is applied to the other normal rows and all anomalies. The plain
  split fits the same score on half of the training rows and calibrates on the others.

``--estimator pca`` uses PCA with 8 components in place of the default network, which
takes a tenth of the time.
"""

import argparse
import warnings

import numpy as np
import pandas as pd
from scipy.signal import lfilter
from scipy.stats import false_discovery_control
from sklearn.decomposition import PCA

from sklearn_seqae import AutoencoderAnomalyDetector

N_STEPS, N_FRESH = 6000, 27_000
RATES = [0.05, 0.01, 0.001]
ALPHAS = [0.05, 0.1, 0.2]
# Autoregression, period (0: none), standard deviation of the noise.
KINDS = [(phi, 0, 1.0) for phi in (0.3, 0.7, 0.9)] + [
    (phi, period, noise)
    for phi in (0.3, 0.7, 0.9)
    for period, noise in ((24, 0.5), (48, 0.5), (96, 0.3))
]
N_SEEDS = 2


def stationary_series(phi, period, noise, n_steps, rng):
    """Return an autoregressive series around two harmonics of a period."""
    draws = rng.normal(size=n_steps + 500)
    rest = lfilter([1.0], [1.0, -phi], draws)[500:] * np.sqrt(1 - phi**2) * noise
    if period:
        angle = 2 * np.pi * np.arange(n_steps) / period
        rest = rest + np.sin(angle) + 0.3 * np.sin(2 * angle + 1)
    return rest[:, np.newaxis]


def run_series(estimator):
    """Yield a row for each series, alignment, window and rate."""
    for number, kind in enumerate(KINDS * N_SEEDS):
        rng = np.random.RandomState(2000 + number)
        train = stationary_series(*kind, N_STEPS, rng)
        fresh = stationary_series(*kind, N_FRESH, rng)
        for alignment in ("centered", "trailing"):
            for window in (48, "auto"):
                detector = AutoencoderAnomalyDetector(
                    estimator,
                    window_size=window,
                    alignment=alignment,
                    random_state=number,
                ).fit(train)
                scores = detector.score_samples(fresh)
                scores = scores[~np.isnan(scores)]
                for rate in RATES:
                    detector.set_false_alarm_rate(rate)
                    found = np.mean(scores < detector.offset_)
                    low, high = detector.false_alarm_rate_interval_
                    yield {
                        "kind": "seasonal" if kind[1] else "autoregressive",
                        "alignment": alignment,
                        "window": window,
                        "rate": rate,
                        "ratio": found / rate,
                        "in interval": low <= found <= high,
                    }
        print(f"series {number}: {kind}", flush=True)


def run_tables(reader):
    """Yield a row for each data set, seed and bound."""
    from anomaly import one_class

    for name in reader.names("adbench"):
        X, y = reader.load_adbench(name)
        for seed in range(3):
            known, fresh, labels = one_class(X, y, seed)
            half, anomaly = len(known) // 2, labels == 1
            options = {"random_state": seed, "false_alarm_rate": 0.2}
            detector = AutoencoderAnomalyDetector(**options).fit(known)
            split = AutoencoderAnomalyDetector(**options, contamination=0.5)
            split.set_params(score_method="nearest").fit(known[:half])
            kept = np.sort(split.score_samples(known[half:]))
            below = np.searchsorted(kept, split.score_samples(fresh), side="right")
            plain = false_discovery_control((1 + below) / (len(kept) + 1))
            for alpha in ALPHAS:
                for method, found in (
                    ("select", detector.select(fresh, alpha=alpha)),
                    ("plain split", plain <= alpha),
                ):
                    yield {
                        "set": name,
                        "method": method,
                        "alpha": alpha,
                        "false": found[~anomaly].sum() / max(found.sum(), 1),
                        "power": found[anomaly].mean(),
                    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=["series", "tables"], default="series")
    parser.add_argument("--estimator", choices=["default", "pca"], default="default")
    parser.add_argument("--data", help="folder with the data sets and load.py")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", message="A false-alarm rate of")
    if arguments.part == "series":
        estimator = PCA(8) if arguments.estimator == "pca" else None
        rows = pd.DataFrame(run_series(estimator))
        groups = rows.groupby(["alignment", "window", "rate"], sort=False)
        print(groups.agg({"ratio": ["mean", "median", "max"], "in interval": "mean"}))
        groups = rows.groupby(["kind", "alignment", "window", "rate"], sort=False)
        print(groups.agg({"ratio": ["mean", "median", "max"], "in interval": "mean"}))
        return
    if arguments.data is None:
        parser.error("--part tables requires --data DIR")
    from representation import import_reader

    rows = pd.DataFrame(run_tables(import_reader(arguments.data)))
    groups = rows.groupby(["alpha", "method"])
    print(groups.agg({"false": ["mean", "sem"], "power": "mean"}).round(3))


if __name__ == "__main__":
    main()
