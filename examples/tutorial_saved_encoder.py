"""
Tutorial: save the encoder, and train a classifier from it
==========================================================

Tutorials save the encoder of a trained autoencoder, load it in another script, and
train a classifier that is initialized with its weights. Here, a fitted autoencoder is
saved in one file.
:class:`~sklearn_seqae.AutoencoderClassifier` fine-tunes the loaded encoder. Only 100 of
1,300 digits have a label.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import AutoencoderClassifier, DenseAutoencoderTransformer
from sklearn_seqae.persistence import load, save

X, y = load_digits(return_X_y=True)
X = X / 16
labels = np.full(1300, -1)
labels[:100] = y[:100]

# %%
# Save and load
# -------------

autoencoder = DenseAutoencoderTransformer(16, random_state=0).fit(X[:1300])
file = Path(tempfile.mkdtemp()) / "autoencoder"
save(autoencoder, file)
loaded = load(file)
print("same latent codes:", (loaded.transform(X) == autoencoder.transform(X)).all())

# %%
# Train classifiers
# -----------------

fine_tuned = AutoencoderClassifier(FrozenEstimator(loaded), random_state=0)
fine_tuned.fit(X[:1300], labels)
scores = {"fine-tuned encoder": fine_tuned.score(X[1300:], y[1300:])}
for name, step in (("codes", FrozenEstimator(loaded)), ("PCA", PCA(16).fit(X[:1300]))):
    model = make_pipeline(step, StandardScaler(), LogisticRegression(max_iter=1000))
    scores[name] = model.fit(X[:100], y[:100]).score(X[1300:], y[1300:])
for name, score in scores.items():
    print(f"{name:18} accuracy on new digits {score:.3f}")

figure, ax = plt.subplots(figsize=(6, 2.4), layout="constrained")
bars = ax.barh(list(scores), list(scores.values()))
ax.bar_label(bars, fmt="%.3f", padding=3)
ax.set(xlim=(0, 1), xlabel="accuracy with 100 labels")
ax.invert_yaxis()
plt.show()
