"""How well an interval of `detect_intervals` fits its event.

Two parts ::

    python benchmarks/intervals.py [--estimator pca] [--repeats 4]
    python benchmarks/intervals.py --data DIR

- Without ``--data``: autoregressive and seasonal series with events of 5 to 100 steps:
  shifts, noise, a constant, another scale, bumps and spikes. The detector is fitted on
  4,000 normal steps and applied to 4,000 steps with nine events, with both alignments
  and with windows of 48 steps and the automatic window. An event counts with its best
  interval, and with an IoU of 0 if there is none.
- With ``--data``: the intervals of the part ``nab`` of ``anomaly.py``, with the same
  rule, with the network and with PCA: F1 of overlapping intervals, and their length.

"runs" are the runs of alarms from which the intervals are narrowed.
"""

import argparse
import warnings

import numpy as np
import pandas as pd
from anomaly import DROP, GAP, SHARE, f1_of_intervals, judges
from data_sets import open_reader
from detectors import make_detector
from false_alarms import stationary_series
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from vus import runs_of

from sklearn_seqae import AutoencoderAnomalyDetector
from sklearn_seqae.anomaly._intervals import IntervalRule

N_STEPS, APART = 4000, 400
# Autoregression, period (0: none), standard deviation of the noise.
KINDS = [(0.7, 0, 1.0), (0.3, 24, 0.5), (0.7, 48, 0.3), (0.5, 96, 0.2), (0.9, 24, 0.3)]
EVENTS = ("shift", "noise", "constant", "scale", "bump", "spikes")


def plant(series, rng):
    """Return a series with events, and the first and last step of each event."""
    series, spread, edges = series.copy(), series.std(), []
    for first in range(350, N_STEPS - APART, APART):
        length = int(np.exp(rng.uniform(np.log(5), np.log(100))))
        start = first + rng.randint(150)
        at, sign = slice(start, start + length), rng.choice([-1, 1])
        kind = EVENTS[rng.randint(len(EVENTS))]
        if kind == "shift":
            series[at] += sign * rng.uniform(2, 4) * spread
        elif kind == "noise":
            series[at] += 2 * spread * rng.normal(size=(length, 1))
        elif kind == "constant":
            series[at] = series[start] + sign * 1.5 * spread
        elif kind == "scale":
            series[at] *= 3
        elif kind == "bump":
            series[at] += sign * 4 * spread * np.hanning(length + 2)[1:-1, np.newaxis]
        else:
            series[at][::4] += sign * 4 * spread
        edges.append((start, start + length - 1))
    return series, edges


def best_overlaps(found, edges):
    """Return for each event the best IoU, and how far that interval starts from it."""
    found = np.asarray(found, dtype=int).reshape(-1, 2)
    rows = []
    for start, end in edges:
        shared = np.minimum(found[:, 1], end) - np.maximum(found[:, 0], start) + 1
        joint = np.maximum(found[:, 1], end) - np.minimum(found[:, 0], start) + 1
        iou = np.maximum(shared, 0) / joint
        best = iou.argmax() if len(iou) and iou.max() > 0 else None
        missed = best is None
        away = np.nan if missed else abs(found[best, 0] - start)
        rows.append((0.0 if missed else iou[best], away))
    return rows


def runs_of_alarms(detector, X, gap=None, min_drop=0.0):
    """Return the runs of alarms as intervals, without narrowing."""
    scores = np.asarray(detector.score_samples(X))
    size = detector.window_size_
    rule = IntervalRule(size, False, size if gap is None else gap, min_drop, 1.0)
    alarms = scores < detector.offset_
    found = rule.intervals(scores, alarms, np.zeros(len(scores)))
    return pd.DataFrame(found, columns=["start", "end", "score"])


def run_simulated(estimator, repeats, seed):
    for number, kind in enumerate(KINDS * repeats):
        rng = np.random.RandomState(seed + number)
        train = stationary_series(*kind, N_STEPS, rng)
        fresh, edges = plant(stationary_series(*kind, N_STEPS, rng), rng)
        for alignment in ("centered", "trailing"):
            for window in (48, "auto"):
                detector = AutoencoderAnomalyDetector(
                    estimator, window_size=window, alignment=alignment, random_state=0
                ).fit(train)
                for method, found in (
                    ("runs", runs_of_alarms(detector, fresh)),
                    ("intervals", detector.detect_intervals(fresh)),
                ):
                    pairs = best_overlaps(found[["start", "end"]], edges)
                    for (start, end), (iou, away) in zip(edges, pairs, strict=True):
                        yield {
                            **{"alignment": alignment, "window": window},
                            **{"method": method, "IoU": iou, "missed": iou == 0},
                            "length": end - start + 1,
                            "away": away / detector.window_size_,
                            "within 5 %": np.nan
                            if np.isnan(away)
                            else away <= 0.05 * detector.window_size_,
                        }
        print(f"series {number}: {kind}", flush=True)


def run_nab(reader):
    for name in reader.names("nab"):
        stored = reader.load_labelled_series(name)
        X = StandardScaler().fit_transform(stored["value"][:, np.newaxis])
        edges = np.array(runs_of(stored["label"])).reshape(-1, 2)
        for judge, options in judges().items():
            detector = make_detector(window_size="auto", contamination=SHARE, **options)
            gap = GAP * detector.fit(X).window_size_
            rule = {"gap": gap, "min_drop": DROP}
            for method, found in (
                ("runs", runs_of_alarms(detector, X, **rule)),
                ("intervals", detector.detect_intervals(X, **rule)),
            ):
                first, last = found[["start", "end"]].to_numpy(dtype=int).T
                meet = (first[:, np.newaxis] <= edges[:, 1]) & (
                    last[:, np.newaxis] >= edges[:, 0]
                )
                yield {
                    **{"set": name, "detector": judge, "method": method},
                    **{"found": meet.any(axis=0).sum(), "lengths": last - first + 1},
                    **{"missed": (~meet.any(axis=0)).sum(), "n_steps": len(X)},
                    "false": (~meet.any(axis=1)).sum(),
                }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", help="a folder or 'sklearn', see data_sets.py")
    parser.add_argument("--estimator", choices=["default", "pca"], default="default")
    parser.add_argument("--repeats", type=int, default=4, help="series of each kind")
    parser.add_argument("--seed", type=int, default=7000, help="seed of the first")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", message="A false-alarm rate of")
    if arguments.data is None:
        estimator = PCA(8) if arguments.estimator == "pca" else None
        simulated = run_simulated(estimator, arguments.repeats, arguments.seed)
        rows = pd.DataFrame(simulated)
        measures = {"IoU": "median", "missed": "mean", "away": "median"}
        measures["within 5 %"] = "mean"
        groups = rows.groupby(["method", "alignment", "window"], sort=False)
        print(groups.agg(measures).astype(float).round(3))
        print(rows.groupby("method")[[*measures]].agg(measures).astype(float).round(3))
        rows["length"] = pd.cut(rows["length"], [0, 10, 20, 50, 100])
        groups = rows.groupby(["method", "length"], observed=True)
        print(groups["IoU"].median().round(3))
        return
    rows = pd.DataFrame(run_nab(open_reader(arguments.data)))
    for keys, table in rows.groupby(["detector", "method"], sort=False):
        lengths = np.concatenate(list(table["lengths"]))
        # F1 is that of the labeled series, as in `anomaly.py`.
        labelled = table[table["found"] + table["missed"] > 0]
        print(
            *(f"{key:28}" for key in keys),
            f"F1 {f1_of_intervals(labelled):.3f}",
            *(
                f"{name} {labelled[name].sum()}"
                for name in ("found", "missed", "false")
            ),
            f"median length {np.median(lengths):.0f}, mean {lengths.mean():.0f}",
        )


if __name__ == "__main__":
    main()
