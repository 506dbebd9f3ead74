"""Tables of docs/representation.md from the results. `pages.py` writes them."""

import re
from pathlib import Path

import numpy as np
import pandas as pd

RESULTS = Path(__file__).with_name("results")
FAMILIES = {
    "dense": "tables, dense",
    "recurrent": "sequences, recurrent",
    "convolutional": "sequences, convolutional",
}
PROBES = {"logistic": "logistic regression", "knn": "5-NN"}
LOSS = 0.01  # of accuracy
ROUNDED = 1.0001
SLIGHTLY = 1.02


def read_results():
    """Return the cells of the original splits, with the gains of accuracy."""
    parts = [pd.read_csv(RESULTS / f"representation_{name}.csv") for name in FAMILIES]
    return with_gains(pd.concat(parts, ignore_index=True))


def with_gains(cells):
    """Return the cells with the gain of accuracy over PCA of each classifier."""
    gains = {f"{name}_gain": cells[name] - cells[f"pca_{name}"] for name in PROBES}
    return cells.assign(**gains)


def geometric_mean(ratios):
    """Return the geometric mean."""
    return np.exp(np.log(ratios).mean())


def markdown(header, rows):
    """Return the lines of a table. Columns of numbers are aligned to the right."""
    rows = [list(map(str, row)) for row in rows]
    columns = zip(*rows, strict=True)
    rule = ["---:" if all(map(is_number, column)) else "---" for column in columns]
    lines = [header, rule, *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def is_number(cell):
    """Return whether a cell is empty or starts with a number."""
    return not cell or re.match(r"[*+-]*\d", cell) is not None


def measures(cells):
    """Return the columns that the summaries share, as text."""
    ratio = cells["ratio"]
    return [
        f"{geometric_mean(ratio):.3f}",
        f"{(ratio <= ROUNDED).mean():.1%}",
        f"{(ratio <= SLIGHTLY).mean():.1%}",
        f"{ratio.max():.3f}",
        f"{(cells['best_epoch'] == 0).sum()}",
        *(f"{cells[f'{name}_gain'].mean():+.3f}" for name in PROBES),
    ]


MEASURES = [
    "geometric mean",
    f"at most {ROUNDED}",
    f"at most {SLIGHTLY}",
    "worst",
    "fell back to PCA",
    *PROBES.values(),
]


def summary(cells):
    """Return the main results of each family."""
    rows = [
        [title, part["data"].nunique(), len(part), *measures(part)]
        for name, title in FAMILIES.items()
        for part in [cells[cells["family"] == name]]
    ]
    return markdown(["family", "data sets", "cells", *MEASURES], rows)


def by_size(cells):
    """Return the results of each family and latent size."""
    groups = cells.groupby(["family", "n_components"])
    rows = [[*key, len(part), *measures(part)] for key, part in groups]
    return markdown(["family", "components", "cells", *MEASURES], rows)


def losses(cells):
    """Return the cells in which a classifier is worse than on the codes of PCA.

    The convolutional family is left out, as in `counts`.
    """
    cells = cells[cells["family"] != "convolutional"]
    rows = [
        (
            row[f"{name}_gain"],
            [
                *(row["data"], row["n_components"], probe),
                *(f"{row[name]:.3f}", f"{row[f'pca_{name}']:.3f}"),
            ],
        )
        for name, probe in PROBES.items()
        for _, row in cells[cells[f"{name}_gain"] < -LOSS].iterrows()
    ]
    rows.sort(key=lambda pair: pair[0])
    header = ["data", "components", "probe", "autoencoder", "PCA"]
    return markdown(header, [row for _, row in rows])


def counts(cells):
    """Return a sentence with the numbers of gains and losses of accuracy.

    The convolutional family is left out: it has the data of the recurrent one.
    """
    cells = cells[cells["family"] != "convolutional"]
    gains = pd.concat([cells[f"{name}_gain"] for name in PROBES]).dropna()
    return (
        f"The accuracy is lower than with PCA by more than {LOSS} in "
        f"{(gains < -LOSS).sum()} of {len(gains)} cases, and higher by more than "
        f"{LOSS} in {(gains > LOSS).sum()}."
    )


def each_cell(cells, family):
    """Return a row for each cell of a family."""
    rows = [
        [
            row["data"],
            f"{row['n_train']} x {row['n_features']}",
            row["n_components"],
            f"{row['ratio']:.4f}",
            f"{row['seconds']:.1f}",
            *(accuracy(row, name) for name in PROBES),
        ]
        for _, row in cells[cells["family"] == family].iterrows()
    ]
    header = ["data", "training rows x values", "k", "error / PCA's error", "seconds"]
    return markdown([*header, *(f"{probe} (PCA)" for probe in PROBES.values())], rows)


def accuracy(row, name):
    """Return an accuracy with PCA's, or an empty cell without labels."""
    if np.isnan(row[name]):
        return ""
    return f"{row[name]:.3f} ({row[f'pca_{name}']:.3f})"


def resamples():
    """Return the results of the stratified resamples, and of an earlier commit.

    The table "resamples" has all resamples with seed 0. The table "seeds" has a row for
    each seed, on the resamples that were fitted with three.
    """
    cells = with_gains(pd.read_csv(RESULTS / "representation_resamples.csv"))
    cells = cells.rename(columns={"random_state": "seed"})
    n_seeds = cells.groupby(["family", "split"])["seed"].transform("nunique")
    return {
        "resamples": by(["family", "version"], cells[cells["seed"] == 0]),
        "seeds": by(["family", "version", "seed"], cells[n_seeds == 3]),
    }


def by(names, cells):
    """Return the results of each group of cells. The first name is the family."""
    rows = [
        [FAMILIES[family], *others, len(part), *measures(part)]
        for (family, *others), part in cells.groupby(names)
    ]
    return markdown([*names, "fits", *MEASURES], rows)


def in_time():
    """Return the error ratios of a table that is split in time, means of the seeds."""
    cells = pd.read_csv(RESULTS / "representation_in_time.csv")
    ratios = cells.groupby(["split", "n_components"])["ratio"].agg(geometric_mean)
    table = ratios.unstack()
    rows = [
        [part.iloc[0], f"{50 + 5 * (split - 1) if split else 75} %", *ratios]
        for split, part in cells.groupby("split")["n_train"]
        for ratios in [[f"{ratio:.3f}" for ratio in table.loc[split]]]
    ]
    means = [f"{geometric_mean(table[k]):.3f}" for k in table]
    rows.sort(key=lambda row: row[0])
    rows.append(["*geometric mean*", "", *means])
    sizes = [f"{k} components" for k in table]
    return markdown(["training months", "part of the table", *sizes], rows)


def tables():
    """Return the tables by name."""
    cells = read_results()
    return {
        "summary": summary(cells),
        "sizes": by_size(cells),
        "counts": counts(cells),
        "losses": losses(cells),
        **resamples(),
        "in_time": in_time(),
        **{name: each_cell(cells, name) for name in ("dense", "recurrent")},
    }
