"""
What do the components mean?
============================

The loadings of an autoencoder are the derivatives of its decoder: how much each feature
changes per unit of each component. They are interpreted like the loadings of PCA. This
example interprets the components of a table of wines and of simulated heartbeats.

As a script, the example takes the folder of the figures as its first argument,
``components_output`` by default.
"""

# %%
# Fit a table
# -----------
# Features of different units are standardized first. A loading is then the change of a
# feature, in its standard deviations, per unit of the component.

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import (
    ConvolutionalAutoencoderTransformer,
    DenseAutoencoderTransformer,
)
from sklearn_seqae.displays import (
    LatentSpaceDisplay,
    LoadingsDisplay,
    TraversalDisplay,
)

output = Path(sys.argv[1] if len(sys.argv) > 1 else "components_output")
output.mkdir(exist_ok=True)

wine = load_wine(as_frame=True)
X = StandardScaler().set_output(transform="pandas").fit_transform(wine.data)
model = DenseAutoencoderTransformer(n_components=2, random_state=0).fit(X)

# %%
# Name the features that matter most
# ----------------------------------

loadings = model.loadings(X)
for component in loadings:
    largest = loadings[component].abs().nlargest(3).index
    print(loadings.loc[largest, component].round(2).to_string(), "\n")

# %%
# The share of the variance of each feature that two components explain:

r2 = model.r2_by_feature(X)
print(r2.sort_values().round(2).to_string())

# %%
# Draw loadings, biplot and traversal
# -----------------------------------

figure = plt.figure(figsize=(17, 4.8), layout="constrained")
left, middle, right = figure.subplots(1, 3, width_ratios=[1.3, 1, 1.4])
LoadingsDisplay.from_estimator(model, X, ax=left)
LatentSpaceDisplay.from_estimator(
    model, X, wine.target_names[wine.target], loadings=True, ax=middle
)
TraversalDisplay.from_estimator(model, X, ax=right)
figure.savefig(output / "components_of_wine.png", dpi=100)

# %%
# Fit heartbeats
# --------------
# Each beat is a sum of waves (P, Q, R, S and T) in two leads. Beats differ in two
# properties: the time of the T wave, which follows from the heart rate, and the level
# of the ST segment.

rng = np.random.default_rng(0)
time = np.linspace(0, 1, 80)
late, level = rng.uniform(-1, 1, size=(2, 400, 1))


def wave(center, width):
    return np.exp(-0.5 * ((time - center) / width) ** 2)


qrs = wave(0.36, 0.012) - 0.15 * wave(0.33, 0.01) - 0.25 * wave(0.39, 0.012)
segment = 1 / (1 + np.exp(-(time - 0.42) / 0.01)) / (1 + np.exp((time - 0.55) / 0.03))
beat = 0.15 * wave(0.2, 0.03) + qrs
t_wave, st = 0.3 * wave(0.68 + 0.08 * late, 0.05), 0.2 * level * segment
beats = np.stack([beat + t_wave + st, 0.8 * beat + 0.5 * t_wave - 0.5 * st], axis=2)
beats += 0.01 * rng.normal(size=beats.shape)

sequences = ConvolutionalAutoencoderTransformer(n_components=2, random_state=0)
sequences.fit(beats)
print(f"R² {sequences.score(beats):.3f}")

# %%
# Components and properties
# -------------------------
# The loadings of sequences are a line for each channel over time. If a wave moves in
# time, its loading changes its sign. The traversal shows the movement.

codes = sequences.transform(beats)
causes = np.hstack([late, level])
correlation = np.corrcoef(codes.T, causes.T)[:2, 2:]
print(correlation.round(2))

figure = plt.figure(figsize=(15, 4.6), layout="constrained")
left, right = figure.subplots(1, 2)
LoadingsDisplay.from_estimator(sequences, beats, ax=left)
TraversalDisplay.from_estimator(sequences, beats, ax=right)
figure.savefig(output / "components_of_heartbeats.png", dpi=100)
