"""
Tutorial: sine and cosine waves
===============================

Many tutorials on recurrent autoencoders use waves. Each sequence has two channels, a
sine and a cosine of a random frequency and phase, with noise. Two numbers determine a
wave, so that a latent code of two components can be enough. The plain network of the
tutorials is compared with the default, which is initialized with PCA.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA

from sklearn_seqae import RecurrentAutoencoderTransformer

random = np.random.RandomState(0)
frequency = random.uniform(0.5, 1.5, size=(600, 1))
phase = random.uniform(0, 2 * np.pi, size=(600, 1))
angle = 2 * np.pi * frequency * np.linspace(0, 1, 40) + phase
X = np.stack([np.sin(angle), np.cos(angle)], axis=2)
X += random.normal(scale=0.05, size=X.shape)
train, test = X[:450], X[450:]

# %%
# Compare
# -------

options = {"hidden_layer_sizes": (32,), "random_state": 0}
plain = RecurrentAutoencoderTransformer(2, init="random", **options).fit(train)
default = RecurrentAutoencoderTransformer(2, **options).fit(train)
flat = test.reshape(len(test), -1)
pca = PCA(2).fit(train.reshape(len(train), -1))
reconstructions = {
    "PCA": pca.inverse_transform(pca.transform(flat)).reshape(test.shape),
    "network of the tutorials": plain.reconstruct(test),
    "default": default.reconstruct(test),
}
errors = {name: np.square(r - test).mean() for name, r in reconstructions.items()}
for name, error in errors.items():
    print(f"{name:25} mean squared error {error:.3f}")

# %%
# Draw one wave
# -------------

figure, axes = plt.subplots(1, 3, figsize=(9, 2.8), sharey=True, layout="constrained")
for ax, (name, values) in zip(axes, reconstructions.items(), strict=True):
    ax.plot(test[0], color="0.7", label=["sequence", None])
    ax.plot(values[0], label=["sine", "cosine"])
    ax.set(title=f"{name}: {errors[name]:.3f}", xlabel="step")
axes[0].legend()
plt.show()
