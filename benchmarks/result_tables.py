"""Tables of the other benchmark pages from the results. `pages.py` writes them."""

import pandas as pd
from representation_tables import RESULTS, geometric_mean, markdown

OURS = "AutoencoderAnomalyDetector"
DETECTORS = {
    OURS: "sklearn-seqae",
    "IsolationForest": "IsolationForest",
    "kNN (5)": "kNN (5)",
    "kNN (20)": "kNN (20)",
    "LOF": "LOF",
    "PCA reconstruction": "PCA reconstruction",
    "PyOD AutoEncoder": "PyOD AutoEncoder",
}
CLASSIFIERS = ("autoencoder", "random", "frozen", "pca")
SIZES = [1, 2, 3, 4, 6, 8, 10, 12, 14, 16]  # of the ordered codes in the page


def printed(file):
    """Return a table whose cells are in a csv file, as a benchmark printed them."""
    cells = pd.read_csv(file, header=None, dtype=str, keep_default_na=False)
    header, *rows = cells.to_numpy().tolist()
    return markdown(header, rows)


def bold_where(values, best, pattern):
    """Return the values as text, bold where they are equal to the best value."""
    return [f"**{text}**" if text == best else text for text in map(pattern, values)]


def three(value):
    """Return a number with three digits."""
    return f"{value:.3f}"


def two(value):
    """Return a number with two digits."""
    return f"{value:.2f}"


def part_of(name):
    """Return the rows of a part of the benchmark of detectors."""
    results = pd.read_csv(RESULTS / "anomaly.csv")
    return results[results["part"] == name]


def detectors(part, columns=DETECTORS):
    """Return AUROC and average precision of each table and detector."""
    measures = [
        part_of(part).pivot_table(index="set", columns="method", values=measure)
        for measure in ("auroc", "ap")
    ]
    rows = []
    for name in (*sorted(measures[0].index), "mean"):
        texts = []
        for measure in measures:
            measured = measure[list(columns)]
            values = measured.mean() if name == "mean" else measured.loc[name]
            texts.append(bold_where(values, three(values.max()), three))
        cells = [" / ".join(pair) for pair in zip(*texts, strict=True)]
        rows.append(["**mean**" if name == "mean" else name, *cells])
    return markdown(["set", *columns.values()], rows)


def with_labels():
    """Return the means with and without a few labels, and their difference."""
    means = part_of("labels").pivot_table(
        index=["nominal", "set"], columns="fitted_on", values=["auroc", "ap"]
    )
    rows = []
    for known, normal in ((5, 5), (3, 2)):
        found = means.loc[known]
        gains = found["ap"]["labels"] - found["ap"]["none"]
        both = found.mean().map(three)
        cells = [
            f"{both['auroc', kind]} / {both['ap', kind]}" for kind in ("none", "labels")
        ]
        gain = f"{gains.mean():+.3f} ± {gains.sem():.3f}"
        worse = f"{(gains < -0.01).sum()} of {len(gains)}"
        rows.append([f"{known} and {normal}", *cells, gain, worse])
    header = ["labels", "without", "with labels", "gain in AP", "sets with a loss"]
    return markdown(header, rows)


def same_score():
    """Return the score of the detector with the network, with PCA and without both."""
    columns = {
        OURS: "network (default)",
        "PCA, same score": "PCA",
        "rows, same score": "rows alone",
    }
    return detectors("one-class", columns)


def contaminated():
    """Return the detectors on contaminated rows, ours with and without the share."""
    others = {key: name for key, name in DETECTORS.items() if key != OURS}
    ours = {OURS: "sklearn-seqae, 0.1", f"{OURS}, default": "sklearn-seqae, default"}
    return detectors("contaminated", {**ours, **others})


def calibration():
    """Return the realized rate of each table and nominal rate."""
    rates = part_of("calibration").pivot_table(
        index="set", columns="nominal", values="realised"
    )
    rows = [[name, *map(three, rates.loc[name])] for name in sorted(rates.index)]
    rows.append(["**mean**", *(f"**{rate:.3f}**" for rate in rates.mean())])
    return markdown(["set", *(f"{rate:g}" for rate in rates.columns)], rows)


def explanation():
    """Return the alarms of each table, and how often the first cause is right."""
    found = part_of("explanation").set_index("set")[["alarms", "top_cause"]]
    rows = [[name, *map(two, found.loc[name])] for name in sorted(found.index)]
    alarms, right = found.mean()
    rows.append(["**mean**", two(alarms), f"**{right:.3f}**"])
    return markdown(["set", "alarms", "changed feature ranked first"], rows)


def long_series(part):
    """Return VUS-PR of each series, with the published values of two methods."""
    measured = part_of(part).pivot_table(
        index="set", columns="fitted_on", values="vus_pr"
    )
    published = pd.read_csv(RESULTS / f"published_{part}.csv", index_col="series")
    both = measured[["all", "train"]].join(published)
    rows = [[name, *map(two, both.loc[name])] for name in sorted(both.index)]
    first, *others = map(three, both.mean())
    rows.append(["**mean**", f"**{first}**", *others])
    ours = ["fitted on the whole series", "fitted on the training part"]
    return markdown(["series", *ours, *published.columns], rows)


def classification():
    """Return the mean accuracy of each method."""
    cells = pd.read_csv(RESULTS / "classification.csv")
    rows, means = [], []
    for name, part in cells.groupby("data", sort=False):
        values = part[list(CLASSIFIERS)].mean().dropna()
        is_few = "random" in values
        means += [values] if is_few else []
        texts = bold_where(values, three(values.max()), three)
        if not is_few:
            texts.insert(1, "")
        first = part.iloc[0]
        labels = f"{first['n_labelled']} of {first['n_train']}"
        rows.append([name, labels, first["n_classes"], *texts])
    mean = pd.DataFrame(means).mean()
    texts = bold_where(mean, three(mean.max()), three)
    rows.insert(-1, ["*mean*", "", "", *texts])
    header = ["pretrained", "random weights", "codes", "PCA"]
    return markdown(["set", "labels", "classes", *header], rows)


def forecast():
    """Return the error of each forecast of taxi demand."""
    results = pd.read_csv(RESULTS / "forecast.csv")
    best = f"{results['error'].min():.0f}"
    errors = bold_where(results["error"], best, "{:.0f}".format)
    return markdown(
        ["forecast", "error"], zip(results["forecast"], errors, strict=True)
    )


def ordered_sizes():
    """Return the error ratios of ordered codes of each size."""
    cells = pd.read_csv(RESULTS / "ordered_sizes.csv")
    table = cells.pivot_table(index="set", columns="k", values="error_ratio")[SIZES]
    rows = [[name, *map(three, table.loc[name])] for name in sorted(table.index)]
    return markdown(["set", *SIZES], rows)


def ordered_fraction():
    """Return the number of components for 0.9 of the variance."""
    cells = pd.read_csv(RESULTS / "ordered_fraction.csv")
    columns = {
        "set": "set",
        "components": "components",
        "components_pca": "components, PCA",
        "held_out_r2": "R²",
        "held_out_r2_pca": "R², PCA",
        "test_r2": "R², test",
        "components_pca_test": "components, PCA, test",
    }
    rows = [
        [f"{c:.3f}" if isinstance(c, float) else c for c in row]
        for row in cells.astype({"components_pca_test": "Int64"})[
            list(columns)
        ].itertuples(index=False)
    ]
    return markdown(list(columns.values()), rows)


def tutorial_lstm():
    """Return the errors beside the network of tutorials and PCA."""
    cells = pd.read_csv(RESULTS / "tutorial_lstm.csv")
    rows = []
    for _, row in cells.iterrows():
        ratios = row[["ratio", "pca_ratio"]]
        texts = bold_where(ratios, three(ratios.min()), three)
        if row["is_pca"]:
            texts[0] += " (fell back to PCA)"
        rows.append([row["set"], *texts, f"{row['seconds']:.1f}"])
    means = map(three, cells[["ratio", "pca_ratio"]].apply(geometric_mean))
    rows.append(["*geometric mean*", *means, ""])
    header = ["set", "sklearn-seqae", "PCA", "seconds on one core"]
    return markdown(header, rows)


def speed():
    """Return the ratios of the benchmark of speed."""
    rows = []
    for row in pd.read_csv(RESULTS / "speed.csv").to_dict("records"):
        spread = "{median:.4g} ({min:.4g} to {max:.4g})".format(**row)
        if row["unit"] != "ratio":
            spread += f" {row['unit']}"
        met = "yes" if row["met"] else "**no**"
        works = [row["work"], row["against"], row["measure"]]
        rows.append([*works, spread, f"{row['target']:g}", met])
    header = ["work", "against", "measure", "median (min to max)", "target", "met"]
    return markdown(header, rows)


def main_table(cells):
    """Return the main table of README.md from its measurements."""
    parts = dict(list(cells.groupby("part")))
    ratios = {name: parts.get(name) for name in ("tables", "sequences", "lstm")}
    plain = ratios.pop("lstm")
    rows = []
    for name, part in ratios.items():
        sets = "tables" if name == "tables" else "sequence data sets"
        what = f"error on new rows / PCA's error, {part['set'].nunique()} {sets}"
        rows.append([what, two(geometric_mean(part["value"])), "1", ""])
    same = ratios["sequences"][ratios["sequences"]["set"].isin(plain["set"])]
    what = f"of these, {plain['set'].nunique()} sequence data sets of equal length"
    error = two(geometric_mean(plain["value"]))
    mean = two(geometric_mean(same["value"]))
    rows.append([what, mean, "1", f"plain LSTM, 300 epochs: {error}"])
    found = parts["anomalies"].groupby("method")["value"].mean().map(two)
    others = f"5 nearest neighbors: {found['kNN (5)']}"
    others += f"; isolation forest: {found['IsolationForest']}"
    what = f"anomalies in {parts['anomalies']['set'].nunique()} tables, mean ROC AUC"
    rows.append([what, found[OURS], found["PCA reconstruction"], others])
    return markdown(["", "sklearn-seqae", "PCA", "others"], rows)


def public_table():
    """Return the second table of README.md, with public data sets."""
    rows = []
    for family, sets in (("dense", "tables"), ("recurrent", "sequence data sets")):
        cells = pd.read_csv(RESULTS / f"representation_{family}.csv")
        what = f"error on new rows / PCA's error, {cells['data'].nunique()} {sets}"
        command = f"representation.py --size full --family {family}"
        rows.append([what, two(geometric_mean(cells["ratio"])), "1", "", command])
    cells = pd.read_csv(RESULTS / "tutorial_lstm.csv")
    means = cells[["ratio", "pca_ratio"]].apply(geometric_mean).map(two)
    what = f"error / error of the plain LSTM, {len(cells)} sequence data sets"
    rows.append([what, *means, "plain LSTM: 1", "tutorial_lstm.py"])
    found = part_of("one-class").groupby(["method", "set"])["auroc"].mean()
    found = found.groupby("method").mean().map(three)
    others = f"5 nearest neighbors: {found['kNN (5)']}"
    others += f"; PyOD AutoEncoder: {found['PyOD AutoEncoder']}"
    what = f"anomalies in {part_of('one-class')['set'].nunique()} tables, mean ROC AUC"
    command = "anomaly.py --size full --pyod PYTHON --part one-class"
    ours = [found[OURS], found["PCA reconstruction"]]
    rows.append([what, *ours, others, command])
    for row in rows:
        script, *options = row[-1].split()
        row[-1] = f"`{' '.join([script, '--data DIR', *options])}`"
    header = ["", "sklearn-seqae", "PCA", "others", "script in `benchmarks/`"]
    return markdown(header, rows)


def tables():
    """Return the tables by name."""
    return {
        "one_class": detectors("one-class"),
        "contaminated": contaminated(),
        "same_score": same_score(),
        "labels": with_labels(),
        "calibration": calibration(),
        "explanation": explanation(),
        "univariate": long_series("univariate"),
        "multivariate": long_series("multivariate"),
        "classification": classification(),
        "forecast": forecast(),
        "ordered_sizes": ordered_sizes(),
        "ordered_fraction": ordered_fraction(),
        "tutorial_lstm": tutorial_lstm(),
        "speed": speed(),
        "public": public_table(),
        "main": main_table(pd.read_csv(RESULTS / "main_table.csv")),
        **{file.stem: printed(file) for file in (RESULTS / "printed").glob("*.csv")},
    }
