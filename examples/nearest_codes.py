"""
Refine latent codes
===================

The encoder of an autoencoder approximates the best latent code of a sample.
``refinement_steps`` refines the latent code, so that the reconstruction is nearer to
the sample. Handwritten digits are reduced to two components, with and without these
steps.

As a script, the example takes the folder of the figure as its first argument,
``nearest_output`` by default.
"""

# %%
# Fit the models
# --------------
# Both autoencoders have the same weights, because they are fitted with the same seed.
# With ``refinement_steps=0``, `transform` returns the latent codes of the encoder. The
# default, "auto", is 2 here.

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.neighbors import KNeighborsClassifier

from sklearn_seqae import DenseAutoencoderTransformer
from sklearn_seqae.displays import LatentSpaceDisplay

X, y = load_digits(return_X_y=True)
train, test = train_test_split(np.arange(len(X)), random_state=0)
models = {
    "PCA": PCA(2),
    "refinement_steps=0": DenseAutoencoderTransformer(
        refinement_steps=0, early_stopping=False, max_iter=60, random_state=0
    ),
    "refinement_steps=2": DenseAutoencoderTransformer(
        refinement_steps=2, early_stopping=False, max_iter=60, random_state=0
    ),
}
for model in models.values():
    model.fit(X[train])

# %%
# Compare the latent codes of the test rows
# -----------------------------------------
# The reconstruction error decreases, and the accuracy of a nearest-neighbors classifier
# increases.

results = {}
for name, model in models.items():
    codes = model.transform(X[test])
    error = np.square(X[test] - model.inverse_transform(codes)).mean()
    knn = KNeighborsClassifier(5)
    accuracy = cross_val_score(knn, codes, y[test], cv=5).mean()
    results[name] = error, accuracy
    print(f"{name:20} squared error {error:5.2f}, accuracy of 5-NN {accuracy:.2f}")

# %%
# Draw the latent codes
# ---------------------

import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
for ax, (name, model) in zip(axes, models.items(), strict=True):
    LatentSpaceDisplay.from_estimator(model, X[test], y[test], ax=ax)
    ax.set_title(f"{name}: squared error {results[name][0]:.1f}")
    ax.get_legend().remove()
ax.legend(title="digit", loc="center left", bbox_to_anchor=(1, 0.5))

output = Path(sys.argv[1] if len(sys.argv) > 1 else "nearest_output")
output.mkdir(exist_ok=True)
figure.savefig(output / "nearest_codes.png", dpi=100)
