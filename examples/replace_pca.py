"""
Replace PCA in a few lines
==========================

``DenseAutoencoderTransformer`` has the methods of ``PCA``. Both reduce images of digits
to eight components. The reconstructions of new digits show the difference.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

from sklearn_seqae import DenseAutoencoderTransformer

X_train, X_test = train_test_split(load_digits().data, random_state=0)

rows = {"digits": X_test}
for model in (PCA(8), DenseAutoencoderTransformer(8, random_state=0)):
    codes = model.fit(X_train).transform(X_test)
    again = model.inverse_transform(codes)
    r2 = r2_score(X_test, again, multioutput="variance_weighted")
    rows[f"{type(model).__name__}\nR² {r2:.2f}"] = again

# %%
# R² is the share of the variance of the pixels that the reconstruction explains.

figure, axes = plt.subplots(3, 10, figsize=(9, 3), layout="constrained")
for line, (name, images) in zip(axes, rows.items(), strict=True):
    for ax, image in zip(line, images, strict=False):
        ax.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
        ax.set(xticks=[], yticks=[])
    name = name.replace("DenseAutoencoderTransformer", "autoencoder")
    line[0].set_ylabel(name, rotation=0, ha="right", va="center")
plt.show()
