"""Benchmark of the round trip from latent codes to samples and back.

For trained models, ``transform(inverse_transform(Z))`` should return Z, the latent
codes of held-out rows. The error of a row is the largest difference of a component,
divided by the standard deviation of the latent codes (the root mean square over the
components). The script prints the root mean squared error and the 99 % quantile over
the rows, for the latent codes of the encoder, with the default and with 6 refinement
steps. ::

    python benchmarks/round_trip.py [--data DIR]

``--data`` is described in ``data_sets.py``. The results are saved in
``round_trip.csv``. Models are trained without early stopping, so that no model is PCA.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from data_sets import add_data_option, open_reader
from representation import make_transformer, problems

NAMES = ("digits", "breast_cancer", "GunPoint", "ECG200", "taxi_days")
STEPS = (0, 2, 6)


def round_trip(problem, n_components, random_state, n_steps):
    """Fit a model and return a row of the results."""
    model = make_transformer(problem.family, n_components, random_state)
    model.set_params(early_stopping=False, max_iter=60, refinement_steps=n_steps)
    codes = model.fit(problem.X_train).transform(problem.X_test)
    again = model.transform(model.inverse_transform(codes))
    spread = np.sqrt(codes.var(axis=0).mean())
    error = np.abs(again - codes).max(axis=1) / spread
    return {
        "data": problem.name,
        "n_components": n_components,
        "random_state": random_state,
        "refinement_steps": n_steps,
        "root mean square": np.sqrt(np.mean(error**2)),
        "99 % quantile": np.quantile(error, 0.99),
        "within 0.01": np.mean(error <= 1e-2),
        "within 0.001": np.mean(error <= 1e-3),
    }


def main():
    """Measure every model and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    parser.add_argument("--random-state", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("."))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rows = [
        round_trip(problem, n_components, random_state, n_steps)
        for problem in problems(open_reader(args.data), "full", ("dense", "recurrent"))
        if problem.name in NAMES
        for n_components in (2, 8)
        for random_state in args.random_state
        for n_steps in STEPS
    ]
    results = pd.DataFrame(rows)
    results.to_csv(args.out / "round_trip.csv", index=False, float_format="%.4g")
    keys = ["data", "n_components", "refinement_steps"]
    print(results.groupby(keys, sort=False).mean().drop(columns="random_state"))


if __name__ == "__main__":
    main()
