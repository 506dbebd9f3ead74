"""
Denoise images
==============

With ``noise="gaussian"``, the encoder receives noisy images in training, and the model
learns to reconstruct the clean ones. Noisy new images are then denoised by
``reconstruct``.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from sklearn_seqae import DenseAutoencoderTransformer

train, clean = train_test_split(load_digits().data, random_state=0)
noisy = clean + np.random.RandomState(0).normal(scale=4, size=clean.shape)

pca = PCA(16).fit(train)
model = DenseAutoencoderTransformer(
    16, noise="gaussian", noise_level=0.6, max_iter=60, random_state=0
).fit(train)
rows = {
    "clean": clean,
    "noisy": noisy,
    "PCA": pca.inverse_transform(pca.transform(noisy)),
    "autoencoder": model.reconstruct(noisy),
}
errors = {name: np.square(images - clean).mean() for name, images in rows.items()}
print({name: round(float(error), 1) for name, error in errors.items()})

# %%
# The errors are mean squared errors with respect to the clean pixels.

figure, axes = plt.subplots(4, 8, figsize=(8, 4), layout="constrained")
for line, (name, images) in zip(axes, rows.items(), strict=True):
    for ax, image in zip(line, images, strict=False):
        ax.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
        ax.set(xticks=[], yticks=[])
    label = f"{name}\nerror {errors[name]:.1f}"
    line[0].set_ylabel(label, rotation=0, ha="right", va="center")
plt.show()
