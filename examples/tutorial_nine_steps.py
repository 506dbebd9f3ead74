"""
Tutorial: nine steps, reconstructed and forecast
================================================

A well-known tutorial trains LSTM autoencoders on the sequence 0.1, 0.2, ..., 0.9: one
reconstructs it, one predicts the next step from each step, and a composite model does
both. Here these are three values of ``objective``. With a single sequence, the error on
new sequences cannot be measured. The models are therefore fitted to 100 other sequences
with different starts and slopes, and are applied to the nine steps.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklearn_seqae import RecurrentAutoencoderTransformer

random = np.random.RandomState(0)
start = random.uniform(0, 0.2, size=(100, 1))
slope = random.uniform(0.05, 0.15, size=(100, 1))
train = (start + slope * np.arange(9))[:, :, np.newaxis]
nine = np.arange(1, 10).reshape(1, 9, 1) / 10

# %%
# Fit
# ---
# ``horizon=None`` predicts each step from the second on, as in the tutorial.

options = {"hidden_layer_sizes": (16,), "random_state": 0}
results = {}
for objective in ("reconstruct", "predict", "composite"):
    model = RecurrentAutoencoderTransformer(2, objective=objective, **options)
    model.fit(train)
    if objective != "predict":
        results[objective, "reconstruct"] = model.reconstruct(nine)[0, :, 0]
    if objective != "reconstruct":
        results[objective, "predict"] = model.predict(nine)[0, :, 0]
for (objective, method), values in results.items():
    print(f"{objective:12} {method:12}", np.round(values, 2))

# %%
# Draw
# ----

figure, axes = plt.subplots(1, 3, figsize=(9, 2.8), sharey=True, layout="constrained")
for ax, objective in zip(axes, ("reconstruct", "predict", "composite"), strict=True):
    ax.plot(range(1, 10), nine[0, :, 0], color="0.7", linewidth=4, label="sequence")
    for method, style in (("reconstruct", "o"), ("predict", "x")):
        values = results.get((objective, method), [])
        ax.plot(range(10 - len(values), 10), values, style, label=method)
    ax.set(title=f'objective="{objective}"', xlabel="step")
axes[2].legend()
plt.show()
