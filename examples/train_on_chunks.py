"""
Train on chunks
===============

Data that does not fit into memory, or arrives in parts, can be passed chunk by chunk to
``partial_fit``. It trains on each chunk for one epoch, and repeats small chunks.
Several passes over ten chunks are compared with ``fit`` on all rows, and with PCA. The
guide `Large data <../large_data.html>`_ also describes sparse data and memory maps.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import DenseAutoencoderTransformer

train, test = train_test_split(load_breast_cancer().data, random_state=0)
scaler = StandardScaler().fit(train)
train, test = scaler.transform(train), scaler.transform(test)

# %%
# Ten passes over ten chunks
# --------------------------
# The scaling and PCA come from the first chunk, which is a random sample here.

model = DenseAutoencoderTransformer(4, random_state=0)
scores = []
for _ in range(10):
    for chunk in np.array_split(train, 10):
        model.partial_fit(chunk)
    scores.append(model.score(test))

# %%
# Compare
# -------

fitted = DenseAutoencoderTransformer(4, random_state=0).fit(train).score(test)
pca = PCA(4).fit(train)
projected = pca.inverse_transform(pca.transform(test))
r2_of_pca = r2_score(test, projected, multioutput="variance_weighted")
print(f"R² on new rows: 10 passes {scores[-1]:.3f}, fit {fitted:.3f}, ", end="")
print(f"PCA {r2_of_pca:.3f}")

figure, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
ax.plot(range(1, 11), scores, "o-", label="partial_fit on chunks")
ax.axhline(fitted, color="tab:green", label="fit on all rows")
ax.axhline(r2_of_pca, color="0.5", linestyle="--", label="PCA on all rows")
ax.set(xlabel="passes over the data", ylabel="R² on new rows")
ax.legend()
plt.show()
