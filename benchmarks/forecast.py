"""Forecasts of taxi demand beside the naive one: the same half hour a week before.

Windows of a week and the day after are cut from the first 80 % of the series, the
autoencoder learns the day ahead from the week's code, and each day of the last 20 % is
forecast from the week before it, from every half hour on. The size of the code is
chosen on the last fifth of the first part. ::

    python benchmarks/forecast.py [--out FILE]

The series ships with the package.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

from sklearn_seqae import RecurrentAutoencoderTransformer
from sklearn_seqae.datasets import load_nyc_taxi
from sklearn_seqae.windows import sliding_windows

WEEK, DAY = 336, 48  # half hours
SHARE = 0.8  # of the series, to learn from
SIZES = [8, 16, 32]
STEP = 4  # half hours from the start of a window that is learned from to the next


def parts_of(series):
    """Windows to learn from, and weeks and days to forecast."""
    end = int(SHARE * len(series))
    learned = sliding_windows(series[:end], WEEK + DAY, step=STEP)
    ahead = sliding_windows(series[end - WEEK :], WEEK + DAY)
    return learned, ahead[:, :WEEK], ahead[:, WEEK:]


def error(forecast, day):
    """Mean absolute error, in passengers."""
    return float(np.abs(forecast - day).mean())


def measure(series, n_components):
    """Error of the forecasts of one size."""
    learned, week, day = parts_of(series)
    start = time.process_time()
    model = RecurrentAutoencoderTransformer(
        n_components, objective="predict", horizon=DAY, random_state=0
    ).fit(learned)
    seconds = time.process_time() - start
    return {
        "forecast": f"autoencoder, {n_components} components",
        "error": error(model.predict(week), day),
        "seconds": seconds,
    }


def peers(series):
    """The naive forecast, and a ridge regression from the whole week."""
    learned, week, day = parts_of(series)
    yield {"forecast": "a week before", "error": error(week[:, :DAY], day)}
    start = time.process_time()
    ridge = Ridge().fit(learned[:, :WEEK, 0], learned[:, WEEK:, 0])
    seconds = time.process_time() - start
    forecast = ridge.predict(week[:, :, 0])[:, :, np.newaxis]
    row = {"error": error(forecast, day), "seconds": seconds}
    yield {"forecast": "ridge regression from the week", **row}


def main():
    """Choose the size, forecast the last part, print and write the errors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("forecast.csv"))
    args = parser.parse_args()
    series = load_nyc_taxi().data
    first = series[: int(SHARE * len(series))]
    choice = {size: measure(first, size)["error"] for size in SIZES}
    print("on the last fifth of the first part:", choice, flush=True)
    best = min(choice, key=choice.get)
    table = pd.DataFrame([*peers(series), measure(series, best)])
    table.to_csv(args.out, index=False, float_format="%.6g")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
