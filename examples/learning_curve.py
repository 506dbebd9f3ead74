"""
Learning curve, best epoch and PCA
==================================

The loss on validation rows shows whether an autoencoder improves on PCA. In a notebook,
a fitted estimator shows the same curve.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from sklearn_seqae import DenseAutoencoderTransformer
from sklearn_seqae.displays import LossCurveDisplay

X = load_digits().data
model = DenseAutoencoderTransformer(8, max_iter=80, random_state=0).fit(X)
LossCurveDisplay.from_estimator(model)
plt.show()

# %%
# Epoch 0 is PCA of the same size. ``held_out_r2_`` has R² of both on validation rows.

print(model.held_out_r2_)
print("best epoch:", model.best_epoch_)

# %%
# The display of the estimator in a notebook:

model
