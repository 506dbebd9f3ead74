"""Benchmark of forecasts of taxi demand.

Windows of one week and the next day are cut from the first 80 % of the series. The
autoencoder forecasts the day from the latent code of the week. The last 20 % is
forecast from every half hour, each day from the week before it. The naive forecast is
the same half hour one week before. The latent size is chosen on the last fifth of the
first part, with PCA and a least-squares map, which is the initialization of the model.
The penalty of a ridge regression on standardized half hours is chosen on the same rows.
::

    python benchmarks/forecast.py [--random-state 0 1 2] [--linear] [--out FILE]
    python benchmarks/forecast.py --nine-steps

With ``--linear``, only the linear forecasts are measured, in a minute. The series is
included in the package. ``--nine-steps`` prints the largest absolute errors of models
that are fitted to the sequence 0.1, 0.2, ..., 0.9 alone.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import RecurrentAutoencoderTransformer
from sklearn_seqae.datasets import load_nyc_taxi
from sklearn_seqae.windows import sliding_windows

WEEK, DAY = 336, 48  # half hours
SHARE = 0.8  # of the series, for training
SIZES = [8, 16, 32, 64]
PENALTIES = [10.0**power for power in range(6)]  # of the ridge regression
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


def ridge(penalty):
    """Return a ridge regression on standardized half hours."""
    return make_pipeline(StandardScaler(), Ridge(penalty))


def best(series, make, options):
    """Return the option with the smallest error on the last fifth of the first part."""
    first = series[: int(SHARE * len(series))]
    errors = {option: linear_error(first, make(option)) for option in options}
    print("on the last fifth of the first part:", errors, flush=True)
    return min(errors, key=errors.get)


def linear_forecasts(series, n_components):
    """Yield a row for each linear forecast of the last part."""
    _, week, day = parts_of(series)
    before = error(week[:, :DAY], day)
    yield {"forecast": "same half hour one week before", "error": before}
    yield {"forecast": "ridge regression", "error": linear_error(series, Ridge())}
    penalty = best(series, ridge, PENALTIES)
    tuned = linear_error(series, ridge(penalty))
    name = f"ridge regression on standardized values, penalty {penalty:g} selected"
    yield {"forecast": name, "error": tuned}
    linear = linear_error(series, start(n_components))
    name = f"PCA with {n_components} components, least squares (initialization)"
    yield {"forecast": name, "error": linear}


def autoencoder_forecast(series, n_components, random_state):
    """Return the row of the autoencoder for one seed."""
    learned, week, day = parts_of(series)
    begin = time.process_time()
    model = RecurrentAutoencoderTransformer(
        n_components, objective="predict", horizon=DAY, random_state=random_state
    ).fit(learned)
    seconds = time.process_time() - begin
    return {
        "forecast": f"autoencoder with {n_components} components",
        "error": error(model.predict(week), day),
        "seed": random_state,
        "seconds": seconds,
        "epoch": model.best_epoch_,
    }


def nine_steps():
    """Fit each objective and decoder to one sequence, and print the errors."""
    X = np.arange(1, 10).reshape(1, 9, 1) / 10
    for objective in ("reconstruct", "predict", "composite"):
        for decoder in ("unconditional", "conditional"):
            model = RecurrentAutoencoderTransformer(
                2,
                objective=objective,
                decoder=decoder,
                init="random",
                max_iter=300,
                random_state=0,
            ).fit(X)
            errors = {}
            if objective != "predict":
                errors["reconstruction"] = X - model.reconstruct(X)
            if objective != "reconstruct":
                errors["forecast"] = X[:, 1:] - model.predict(X)
            largest = {name: f"{np.abs(e).max():.0e}" for name, e in errors.items()}
            print(objective, decoder, largest)


def main():
    """Choose the size, forecast the last part, print and save the errors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--random-state", type=int, nargs="+", default=[0])
    parser.add_argument("--linear", action="store_true", help="no autoencoder")
    parser.add_argument("--out", type=Path, default=Path("forecast.csv"))
    parser.add_argument("--nine-steps", action="store_true", help="one sequence")
    args = parser.parse_args()
    if args.nine_steps:
        nine_steps()
        return
    series = load_nyc_taxi().data
    size = best(series, start, SIZES)
    rows = list(linear_forecasts(series, size))
    for seed in [] if args.linear else args.random_state:
        rows.append(autoencoder_forecast(series, size, seed))
    table = pd.DataFrame(rows)
    table.to_csv(args.out, index=False, float_format="%.6g")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
