"""
Classify sequences with few labels
==================================

``AutoencoderClassifier`` fits an autoencoder to all sequences, with and without a
label, and fine-tunes it on the labeled sequences. The baseline is a logistic
regression on the latent codes of the same autoencoder.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from sklearn_seqae import AutoencoderClassifier, RecurrentAutoencoderTransformer
from sklearn_seqae.datasets import make_ragged_sequences

X, y = make_ragged_sequences(240, noise=0.2, random_state=0)
train, test = slice(0, 160), slice(160, None)
autoencoder = RecurrentAutoencoderTransformer(8, max_iter=10, random_state=0)
codes = autoencoder.fit(X[train]).transform(X)

sizes, accuracies = (6, 12, 24), {"fine-tuned": [], "latent codes": []}
for n_labels in sizes:
    labels = np.where(np.arange(160) < n_labels, y[train], -1)  # -1: no label
    classifier = AutoencoderClassifier(FrozenEstimator(autoencoder), random_state=0)
    classifier.fit(X[train], labels)
    accuracies["fine-tuned"].append(classifier.score(X[test], y[test]))
    linear = LogisticRegression().fit(codes[:n_labels], y[:n_labels])
    accuracies["latent codes"].append(linear.score(codes[test], y[test]))

# %%
ax = plt.figure(figsize=(6, 3.5), layout="constrained").subplots()
for name, values in accuracies.items():
    print(f"{name:12}", np.round(values, 2).tolist())
    ax.plot(sizes, values, "o-", label=name)
ax.set(xlabel="labels of 160 sequences", ylabel="accuracy on new sequences")
ax.legend()
plt.show()
