"""False-alarm rates of the detector on simulated stationary series.

The nominal rates of ``AutoencoderAnomalyDetector`` are compared with the realized ones
::

    python benchmarks/false_alarms.py [--estimator pca] [--repeats 12] [--fresh 27000]

The series are autoregressive or seasonal and have 6,000 steps. Each has fresh steps of
the same kind. The detector is fitted with both alignments and with windows of 48 steps
and the automatic window. Printed are the mean (with its standard error), the median and
the maximum of the realized divided by the nominal rate, and how often the true rate
lies in `false_alarm_rate_interval_`, and below its upper end. The true rate needs many
fresh steps: for the coverage of the interval use ``--repeats 2 --fresh 300000``.

``--switches N`` adds N channels of two values. They stay in a state for 200 to 2,000
steps on average.

``--estimator pca`` uses PCA with 8 components in place of the default network, which
takes a tenth of the time.
"""

import argparse
import warnings

import numpy as np
import pandas as pd
from scipy.signal import lfilter
from sklearn.decomposition import PCA

from sklearn_seqae import AutoencoderAnomalyDetector

N_STEPS = 6000
RATES = [0.05, 0.01, 0.001]
# Autoregression, period (0: none), standard deviation of the noise.
KINDS = [(phi, 0, 1.0) for phi in (0.3, 0.7, 0.9)] + [
    (phi, period, noise)
    for phi in (0.3, 0.7, 0.9)
    for period, noise in ((24, 0.5), (48, 0.5), (96, 0.3))
]


def stationary_series(phi, period, noise, n_steps, rng):
    """Return an autoregressive series around two harmonics of a period."""
    draws = rng.normal(size=n_steps + 500)
    rest = lfilter([1.0], [1.0, -phi], draws)[500:] * np.sqrt(1 - phi**2) * noise
    if period:
        angle = 2 * np.pi * np.arange(n_steps) / period
        rest = rest + np.sin(angle) + 0.3 * np.sin(2 * angle + 1)
    return rest[:, np.newaxis]


def random_switches(n_switches, n_steps, rng):
    """Return channels of two values, in columns."""
    rates = 1 / np.geomspace(200, 2000, n_switches)
    return (rng.uniform(size=(n_steps, n_switches)) < rates).cumsum(axis=0) % 2


def run_series(estimator, repeats, n_fresh, seed, n_switches=0):
    """Yield a row for each series, alignment, window and rate."""
    for number, kind in enumerate(KINDS * repeats):
        rng = np.random.RandomState(seed + number)
        train = stationary_series(*kind, N_STEPS, rng)
        fresh = stationary_series(*kind, n_fresh, rng)
        if n_switches:
            both = random_switches(n_switches, N_STEPS + n_fresh, rng)
            train = np.hstack([train, both[:N_STEPS]])
            fresh = np.hstack([fresh, both[N_STEPS:]])
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
                        "below high": found <= high,
                    }
        print(f"series {number}: {kind}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--estimator", choices=["default", "pca"], default="default")
    parser.add_argument("--repeats", type=int, default=12, help="series of each kind")
    parser.add_argument("--fresh", type=int, default=27_000, help="steps of a series")
    parser.add_argument("--seed", type=int, default=2000, help="seed of the first")
    parser.add_argument("--switches", type=int, default=0, help="channels to add")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", message="A false-alarm rate of")
    estimator = PCA(8) if arguments.estimator == "pca" else None
    rows = pd.DataFrame(
        run_series(
            estimator,
            arguments.repeats,
            arguments.fresh,
            arguments.seed,
            arguments.switches,
        )
    )
    pd.set_option("display.width", 120, "display.max_columns", None)
    measures = {
        "ratio": ["mean", "sem", "median", "max"],
        **dict.fromkeys(["in interval", "below high"], "mean"),
    }
    for keys in ([], ["kind"]):
        groups = rows.groupby([*keys, "alignment", "window", "rate"], sort=False)
        print(groups.agg(measures).round(2))


if __name__ == "__main__":
    main()
