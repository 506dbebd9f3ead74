"""Benchmark of forecasts of taxi demand.

Windows of one week and the next day are cut from the first 80 % of the series. The
autoencoder forecasts the day from the latent code of the week. The last 20 % is
forecast from every half hour, each day from the week before it. The naive forecast is
the same half hour one week before. The latent size is chosen on the last fifth of the
first part, with PCA and a least-squares map, which is the initialization of the model.
::

    python benchmarks/forecast.py [--out FILE]

The series is included in the package.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline

from sklearn_seqae import RecurrentAutoencoderTransformer
from sklearn_seqae.datasets import load_nyc_taxi
from sklearn_seqae.windows import sliding_windows

WEEK, DAY = 336, 48  # half hours
SHARE = 0.8  # of the series, for training
SIZES = [8, 16, 32, 64]
STEP = 4  # stride of the training windows, in half hours


def parts_of(series):
    """Return training windows, and weeks and days of the last part."""
    end = int(SHARE * len(series))
    learned = sliding_windows(series[:end], WEEK + DAY, step=STEP)
    ahead = sliding_windows(series[end - WEEK :], WEEK + DAY)
    return learned, ahead[:, :WEEK], ahead[:, WEEK:]


def error(forecast, day):
    """Return the mean absolute error, in passengers."""
    return float(np.abs(forecast - day).mean())


def linear_error(series, regression):
    """Return the error of a regression from the flat week to the flat day."""
    learned, week, day = parts_of(series)
    regression.fit(learned[:, :WEEK, 0], learned[:, WEEK:, 0])
    return error(regression.predict(week[:, :, 0]), day[:, :, 0])


def start(n_components):
    """Return the initialization of the autoencoder."""
    return make_pipeline(PCA(n_components), LinearRegression())


def measure(series, n_components):
    """Yield a row for each forecast of the last part."""
    learned, week, day = parts_of(series)
    yield {"forecast": "a week before", "error": error(week[:, :DAY], day)}
    linear = linear_error(series, Ridge())
    yield {"forecast": "ridge regression from the week", "error": linear}
    linear = linear_error(series, start(n_components))
    yield {"forecast": f"PCA of {n_components}, least squares", "error": linear}
    begin = time.process_time()
    model = RecurrentAutoencoderTransformer(
        n_components, objective="predict", horizon=DAY, random_state=0
    ).fit(learned)
    seconds = time.process_time() - begin
    yield {
        "forecast": f"autoencoder of {n_components}",
        "error": error(model.predict(week), day),
        "seconds": seconds,
        "epoch": model.best_epoch_,
    }


def main():
    """Choose the size, forecast the last part, print and save the errors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("forecast.csv"))
    args = parser.parse_args()
    series = load_nyc_taxi().data
    first = series[: int(SHARE * len(series))]
    choice = {size: linear_error(first, start(size)) for size in SIZES}
    print("on the last fifth of the first part:", choice, flush=True)
    table = pd.DataFrame(measure(series, min(choice, key=choice.get)))
    table.to_csv(args.out, index=False, float_format="%.6g")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
