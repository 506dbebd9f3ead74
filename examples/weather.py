"""
=================================================
Reduce a mixed table with text and missing values
=================================================

The table contains daily weather in Australia, with text, numbers of different units and
many missing values. It is used in two forms:

1. Complete rows and numeric columns only, as in many tutorials. RainToday is 0 or 1.
   The columns are standardized, reduced to three components and plotted.
2. All rows and columns. A ColumnTransformer imputes missing values and encodes text.

The table comes from the Bureau of Meteorology (``weatherAUS.csv``). Its license does
not permit distribution with this package. Pass the file as the first argument. Without
a file, the script generates a small table with the same columns::

    python examples/weather.py weatherAUS.csv weather_output
"""

# %%
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_seqae import DenseAutoencoderTransformer
from sklearn_seqae.displays import LatentSpaceDisplay

FILE = Path(sys.argv[1]) if len(sys.argv) > 1 else None
OUTPUT = Path(sys.argv[2] if len(sys.argv) > 2 else "weather_output")

NUMBERS = {  # mean and standard deviation, for the generated table
    "MinTemp": (12, 6),
    "MaxTemp": (23, 7),
    "Rainfall": (2, 8),
    "Evaporation": (5, 4),
    "Sunshine": (8, 4),
    "WindGustSpeed": (40, 14),
    "WindSpeed9am": (14, 9),
    "WindSpeed3pm": (19, 9),
    "Humidity9am": (69, 19),
    "Humidity3pm": (51, 21),
    "Pressure9am": (1018, 7),
    "Pressure3pm": (1015, 7),
    "Cloud9am": (4, 3),
    "Cloud3pm": (4, 3),
    "Temp9am": (17, 6),
    "Temp3pm": (22, 7),
}
TEXT = {
    "Location": ["Albury", "Cairns", "Hobart", "Perth"],
    "WindGustDir": list("NESW"),
    "WindDir9am": list("NESW"),
    "WindDir3pm": list("NESW"),
}


# %%
# Load or generate the table
# --------------------------


def make_weather(n_days=600, random_state=0):
    """Generate days from two latent variables, with missing values."""
    rng = np.random.RandomState(random_state)
    warmth, damp = rng.normal(size=(2, n_days))
    causes = np.stack([warmth, damp, warmth * damp, np.abs(damp)])
    mixed = rng.normal(size=(len(NUMBERS), 4)) @ causes
    mixed += 0.3 * rng.normal(size=mixed.shape)
    mixed /= mixed.std(axis=1, keepdims=True)
    table = pd.DataFrame({"Date": pd.date_range("2015-01-01", periods=n_days)})
    for (name, (mean, spread)), column in zip(NUMBERS.items(), mixed, strict=True):
        table[name] = np.where(rng.uniform(size=n_days) < 0.02, np.nan, column)
        table[name] = mean + spread * table[name]
    for name, values in TEXT.items():
        table[name] = rng.choice(values, n_days)
    table["RainToday"] = np.where(damp > 0.8, "Yes", "No")
    tomorrow = damp + 0.3 * rng.normal(size=n_days) > 0.8
    table["RainTomorrow"] = np.where(tomorrow, "Yes", "No")
    return table


def read_weather(file=None):
    """Read the file, or generate a table if there is no file."""
    table = make_weather() if file is None else pd.read_csv(file)
    return table.dropna(subset=["RainTomorrow"])


table = read_weather(FILE)
OUTPUT.mkdir(parents=True, exist_ok=True)

# %%
# Complete rows and numeric columns
# ---------------------------------
# The data is split before any step is fitted, so the scores are measured on held-out
# days.

complete = table.dropna()
X = complete[list(NUMBERS)].assign(
    RainToday=complete["RainToday"].eq("Yes").astype(int)
)
X_train, X_test, rain_train, rain_test = train_test_split(
    X, complete["RainTomorrow"], test_size=0.2, random_state=0
)
autoencoder = make_pipeline(
    StandardScaler(), DenseAutoencoderTransformer(3, max_iter=50, random_state=0)
).fit(X_train)


def r2_of_pca(columns, X_train, X_test):
    """Return R² of PCA with three components on held-out rows."""
    pca = make_pipeline(columns, PCA(3)).fit(X_train)
    scaled = pca[:-1].transform(X_test)
    residual = scaled - pca[-1].inverse_transform(pca[-1].transform(scaled))
    return 1 - np.square(residual).sum() / np.square(scaled - pca[-1].mean_).sum()


rows = [("complete rows, numbers", len(X), X.shape[1], autoencoder.score(X_test))]
rows[0] += (r2_of_pca(StandardScaler(), X_train, X_test),)

# %%
# Plot of the three components. The color shows whether it rains on the next day.

some = X_test.sample(min(len(X_test), 1500), random_state=0)
display = LatentSpaceDisplay.from_estimator(
    autoencoder, some, rain_test.loc[some.index]
)
display.ax_.set_title("Will it rain tomorrow?")
display.figure_.savefig(OUTPUT / "weather.png", bbox_inches="tight")

# %%
# All rows and columns
# --------------------
# Missing values are imputed and text is encoded. The autoencoder receives all columns
# of all days.

everything = table.drop(columns=["Date", "RainTomorrow"])
columns = ColumnTransformer(
    [
        (
            "numbers",
            make_pipeline(SimpleImputer(strategy="median"), StandardScaler()),
            make_column_selector(dtype_include="number"),
        ),
        (
            "text",
            make_pipeline(
                SimpleImputer(strategy="most_frequent"),
                OneHotEncoder(handle_unknown="ignore", sparse_output=False),
            ),
            make_column_selector(dtype_exclude="number"),
        ),
    ]
)
X_train, X_test = train_test_split(everything, test_size=0.2, random_state=0)
whole = make_pipeline(
    columns, DenseAutoencoderTransformer(3, max_iter=20, random_state=0)
).fit(X_train)
n_columns = whole[:-1].transform(X_test[:1]).shape[1]
rows += [("all rows, all columns", len(everything), n_columns, whole.score(X_test))]
rows[1] += (r2_of_pca(columns, X_train, X_test),)

# %%
names = ["table", "rows", "columns", "R², autoencoder", "R², PCA"]
print(pd.DataFrame(rows, columns=names).round(3).to_string(index=False))
print(f"The figure is in {OUTPUT.resolve()}")
