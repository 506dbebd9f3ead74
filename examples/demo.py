"""
==============================
Where PCA stands: a first tour
==============================

Three jobs on real data, in one to two minutes on two cores:

1. handwritten digits, where an autoencoder takes the place of PCA in a Pipeline and
   a grid search chooses the size of its code;
2. New York's taxi demand, one day as one sequence: its days in two dimensions, and
   the days that do not fit in;
3. a table in which one column holds a sequence per cell, through a ColumnTransformer.

PCA stands beside the autoencoder in each of them, where it loses and where it wins.
The estimators keep their defaults; only the digits' training is cut short, for time.

As a script it writes its pictures to the folder given as its first argument::

    python examples/demo.py demo_output
"""

# %%
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    TimeSeriesSplit,
    cross_val_score,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from sklearn_seqae import (
    AutoencoderAnomalyDetector,
    DenseAutoencoderTransformer,
    RecurrentAutoencoderTransformer,
    SequenceScaler,
)
from sklearn_seqae.datasets import load_nyc_taxi
from sklearn_seqae.displays import (
    AnomalyScoreDisplay,
    ExplainedVarianceDisplay,
    LatentSpaceDisplay,
    ReconstructionDisplay,
)

OUTPUT = Path(sys.argv[1] if len(sys.argv) > 1 else "demo_output")
OUTPUT.mkdir(parents=True, exist_ok=True)

plt.rcParams.update(
    {"axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 110}
)


def save(figure, name):
    figure.savefig(OUTPUT / name, bbox_inches="tight")
    print(f"wrote {OUTPUT / name}", flush=True)


# %%
# Digits: one word of the Pipeline changes
# ----------------------------------------
# The same workflow twice. ``GridSearchCV`` tries four sizes of the code, and scores
# each by the accuracy of the classifier behind it and by R², the share of the pixels'
# variance that the code gives back, on digits that the fold did not train on. The
# autoencoder is stopped after 50 of its 200 epochs to be quick; with more it gains a
# little still.


def r2_of_code(pipeline, X, y):
    """Score the step "reduce" of a pipeline by what it gives back of its input."""
    scaled = pipeline[:1].transform(X)
    reduce = pipeline["reduce"]
    residual = scaled - reduce.inverse_transform(reduce.transform(scaled))
    return 1 - (residual**2).sum() / ((scaled - scaled.mean(axis=0)) ** 2).sum()


def search_size(reduce, X, y):
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    pipeline.steps.insert(1, ("reduce", reduce))
    search = GridSearchCV(
        pipeline,
        {"reduce__n_components": [2, 4, 8, 16]},
        scoring={"accuracy": "accuracy", "r2": r2_of_code},
        refit="accuracy",
        cv=3,
        n_jobs=2,
    )
    return search.fit(X, y)


X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.25, stratify=y, random_state=0
)
searches = {
    "PCA": search_size(PCA(random_state=0), X_train, y_train),
    "autoencoder": search_size(
        DenseAutoencoderTransformer(max_iter=50, random_state=0), X_train, y_train
    ),
}

digits_table = pd.concat(
    {
        name: pd.DataFrame(
            {
                "R²": search.cv_results_["mean_test_r2"],
                "accuracy": search.cv_results_["mean_test_accuracy"],
                "seconds": search.cv_results_["mean_fit_time"],
            },
            index=pd.Index([2, 4, 8, 16], name="n_components"),
        )
        for name, search in searches.items()
    },
    axis=1,
)
digits_best = {
    name: (search.best_params_["reduce__n_components"], search.score(X_test, y_test))
    for name, search in searches.items()
}

# %%
# Instead of a search, one fit of an *ordered* code tells what each component adds: its
# first k components are a code of size k. Dashed, PCA on the same held-out digits.

scaler = StandardScaler().fit(X_train)
ordered = DenseAutoencoderTransformer(
    16, bottleneck="ordered", max_iter=50, random_state=0
).fit(scaler.transform(X_train))
display = ExplainedVarianceDisplay.from_estimator(ordered)
display.ax_.set_title("Digits: what each component adds")
save(display.figure_, "digits.png")

# %%
# Four digits that no fit has seen, as eight numbers give them back.

reduce = make_pipeline(StandardScaler(), DenseAutoencoderTransformer(random_state=0))
reduce.set_params(denseautoencodertransformer__n_components=8).fit(X_train)
display = ReconstructionDisplay.from_estimator(reduce, X_test, sample_shape=(8, 8))
save(display.figure_, "digits_reconstructed.png")

# %%
# Taxi demand: a day is a sequence of 48 half hours
# -------------------------------------------------
# Five stretches of the 215 days are labelled as anomalies. The labels are compared with
# what is found; neither ``fit`` nor the choice of a setting has a use for them. All
# settings are defaults, the code of two numbers too, which can be drawn.

taxi = load_nyc_taxi()
days = taxi.data.reshape(-1, 48, 1)
dates = pd.DatetimeIndex(taxi.timestamps[::48])
scaled_days = SequenceScaler().fit_transform(days)

# %%
# A recurrent autoencoder learns what days look like. The detector around it flags one
# in ten, those that are farthest from other days: in their values and in what the
# autoencoder cannot give back.

autoencoder = RecurrentAutoencoderTransformer(n_components=2, random_state=0)
options = {"score_method": "nearest", "contamination": 0.1}
detector = AutoencoderAnomalyDetector(autoencoder, **options)
flagged = detector.fit_predict(scaled_days) == -1
day_scores = -detector.score_samples(scaled_days)  # higher: stranger
codes = detector.estimator_.transform(scaled_days)

# %%
# Any transformer with ``inverse_transform`` can stand in the detector; here PCA of the
# same size, which sees each day as a row of 48 columns.

flat_days = scaled_days[:, :, 0]
pca_detector = AutoencoderAnomalyDetector(PCA(n_components=2), **options)
flagged_by_pca = pca_detector.fit_predict(flat_days) == -1
pca_scores = -pca_detector.score_samples(flat_days)

labelled = taxi.target.reshape(-1, 48).any(axis=1)
window_days = [
    (dates + pd.Timedelta(1, "day") > start) & (dates <= end)
    for start, end in taxi.windows
]


def days_in(window, flags):
    return ", ".join(f"{date:%d %b}" for date in dates[window & flags]) or "none"


def summary(flags, scores):
    """What a detector found in each window, and how it ranks all days."""
    return [
        *(days_in(window, flags) for window in window_days),
        f"{np.sum(flags & ~labelled)} of {np.sum(flags)} days",
        f"{roc_auc_score(labelled, scores):.2f}",
        f"{average_precision_score(labelled, scores):.2f}",
    ]


taxi_table = pd.DataFrame(
    {
        "window": [
            *(f"{dates[w][0]:%d %b} - {dates[w][-1]:%d %b}" for w in window_days),
            *["", "", ""],
        ],
        "autoencoder": summary(flagged, day_scores),
        "PCA": summary(flagged_by_pca, pca_scores),
    },
    index=[*taxi.events, "flagged outside", "ROC AUC", "average precision"],
)

# %%
# The two are alike here: with this score most of the work is done by the distance
# between days. By the error alone (``score_method="reconstruction"``) PCA finds more,
# as what gives back most, rare days too, is not always what finds most.

# %%
# Left, each day by its code. Right, the score of each day, with the alarms and the
# labelled windows shaded.

figure = plt.figure(figsize=(12, 4.2), layout="constrained")
left, right = figure.subplots(1, 2, width_ratios=[1, 1.9])
weekend = np.where(dates.day_of_week >= 5, "weekend", "Monday to Friday")
LatentSpaceDisplay.from_codes(codes, weekend, ax=left)
left.scatter(*codes[flagged].T, s=70, fc="none", ec="black", lw=1.2, label="flagged")
left.set(title="Days in two dimensions")
left.legend(frameon=False, fontsize=8)

AnomalyScoreDisplay.from_estimator(
    detector, scaled_days, labels=labelled, times=dates, ax=right
)
for days_of_window, event in zip(window_days, taxi.events, strict=True):
    first, last = dates[days_of_window][[0, -1]]
    right.annotate(
        event,
        (first + (last - first) / 2, 0.99),
        xycoords=("data", "axes fraction"),
        rotation=90,
        ha="center",
        va="top",
        fontsize=7,
    )
right.set(
    title="Score of each day; alarms and labelled windows shaded",
    ylim=(0, 1.25 * day_scores.max()),  # room for the names of the events
)
save(figure, "taxi.png")

# %%
# What a day looks like to the autoencoder, for two days that it finds ordinary and the
# two that it finds strangest.

ranked = np.argsort(day_scores)
shown = [*ranked[[len(ranked) // 4, len(ranked) // 2]], *ranked[[-2, -1]]]
display = ReconstructionDisplay.from_estimator(
    detector,
    scaled_days,
    indices=shown,
    titles=[f"{dates[day]:%a %d %b %Y}" for day in shown],
)
for axis in display.axes_:
    axis.set(xlabel="half hour", xticks=range(0, 49, 12))
display.ax_.set_ylabel("demand (scaled)")
save(display.figure_, "taxi_days.png")

# %%
# A column of sequences beside plain columns
# ------------------------------------------
# Tomorrow's demand from a table with a row per day: the plain columns are the day of
# the week and the day's total, and each cell of the column ``curve`` holds the day's 48
# half hours. ``ColumnTransformer`` hands that column over like any other.

totals = days.sum(axis=(1, 2))
table = pd.DataFrame(
    {
        "weekday": dates.day_name(),
        "total": totals,
        "curve": list(scaled_days[:, :, 0]),
    },
    index=dates,
)
plain = [
    ("weekday", OneHotEncoder(handle_unknown="ignore"), ["weekday"]),
    ("total", StandardScaler(), ["total"]),
]
curve_code = {"n_components": 4, "whiten": True, "random_state": 0}


def as_rows(frame):
    """Turn a column of sequences into the table that PCA needs."""
    return np.stack(frame.iloc[:, 0])


curve_by_pca = make_pipeline(FunctionTransformer(as_rows), PCA(**curve_code))
curve = RecurrentAutoencoderTransformer(**curve_code)
regressions = {
    "plain columns": ColumnTransformer(plain),
    "and the curve, by PCA": ColumnTransformer(
        [*plain, ("curve", curve_by_pca, ["curve"])]
    ),
    "and the curve, by the autoencoder": ColumnTransformer(
        [*plain, ("curve", curve, ["curve"])]
    ),
}
columns_table = pd.DataFrame(
    {
        "R² of tomorrow's total": [
            cross_val_score(
                make_pipeline(columns, Ridge()),
                table.iloc[:-1],
                totals[1:],
                cv=TimeSeriesSplit(3),
                n_jobs=2,
            ).mean()
            for columns in regressions.values()
        ]
    },
    index=pd.Index(regressions, name="predicted from"),
)

# %%
# The whole result
# ----------------

print("\n1. Digits: means of 3 folds, seconds per fit\n")
print(digits_table.round(3).to_string())
for name, (size, accuracy) in digits_best.items():
    print(f"   {name} of {size} components, on the test part: accuracy {accuracy:.3f}")
print("\n2. Taxi demand: labelled windows\n")
print(taxi_table.to_string())
print("\n3. A column of sequences: cross-validated in the order of time\n")
print(columns_table.round(3).to_string())
print(f"\nThe pictures are in {OUTPUT.resolve()}")
