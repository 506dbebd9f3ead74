"""
Fill missing values
===================

Autoencoders accept NaN as missing values, and ``impute`` fills them. A fifth of the
pixels of handwritten digits is hidden. The errors of the filled pixels are compared
with imputers of scikit-learn.

As a script, the example takes the folder of the figure as its first argument,
``missing_output`` by default.
"""

# %%
# Hide values
# -----------

import sys
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

from sklearn_seqae import DenseAutoencoderTransformer

X = load_digits().data[:1000]
hidden = np.random.RandomState(0).uniform(size=X.shape) < 0.2
with_gaps = np.where(hidden, np.nan, X)

# %%
# Impute
# ------
# The model is fitted to the rows with missing values. ``IterativeImputer`` has three
# iterations, because more take long.

warnings.simplefilter("ignore", ConvergenceWarning)
options = {"keep_empty_features": True}
imputed = {
    "SimpleImputer": SimpleImputer(**options).fit_transform(with_gaps),
    "KNNImputer": KNNImputer(**options).fit_transform(with_gaps),
    "IterativeImputer": IterativeImputer(
        max_iter=3, random_state=0, **options
    ).fit_transform(with_gaps),
}
autoencoder = DenseAutoencoderTransformer(16, random_state=0).fit(with_gaps)
imputed["autoencoder"] = autoencoder.impute(with_gaps)
for name, values in imputed.items():
    error = np.sqrt(np.mean(np.square(values - X)[hidden]))
    print(f"{name:17} RMSE of hidden values {error:.2f}")

# %%
# Draw digits
# -----------

import matplotlib.pyplot as plt

rows = {"complete": X, "with gaps": with_gaps, **imputed}
figure, axes = plt.subplots(len(rows), 8, figsize=(8, 6.5), layout="constrained")
for line, (name, values) in zip(axes, rows.items(), strict=True):
    for number, ax in enumerate(line):
        ax.imshow(values[number].reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
        ax.set(xticks=[], yticks=[], facecolor="tab:red")
    line[0].set_ylabel(name, rotation=0, ha="right", va="center")

output = Path(sys.argv[1] if len(sys.argv) > 1 else "missing_output")
output.mkdir(exist_ok=True)
figure.savefig(output / "missing_values.png", dpi=100)
