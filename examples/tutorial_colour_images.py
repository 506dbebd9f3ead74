"""
Tutorial: convolutional autoencoder of color images
====================================================

The tutorials train a convolutional autoencoder on color images of 32 x 32 pixels. Here
they are patches of the two photos that come with scikit-learn. The network of the
tutorial, with random weights, a sigmoid and squared error, is compared with the
default, which is initialized with PCA.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_images
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.image import extract_patches_2d

from sklearn_seqae import ConvolutionalAutoencoderTransformer

photos = [photo / 255 for photo in load_sample_images().images]
patches = [
    extract_patches_2d(photo, (32, 32), max_patches=1000, random_state=seed)
    for photo, seed in zip(photos, (0, 1), strict=True)
]
train = np.concatenate([part[:800] for part in patches])
test = np.concatenate([part[800:] for part in patches])

# %%
# Fit
# ---

warnings.simplefilter("ignore", ConvergenceWarning)
options = {"hidden_layer_sizes": (16, 32), "max_iter": 10, "random_state": 0}
plain = ConvolutionalAutoencoderTransformer(
    8, init="random", output_activation="sigmoid", **options
)
default = ConvolutionalAutoencoderTransformer(8, **options)
flat = test.reshape(len(test), -1)
pca = PCA(8, random_state=0).fit(train.reshape(len(train), -1))
rows = {
    "patches": test,
    "PCA": pca.inverse_transform(pca.transform(flat)).reshape(test.shape),
    "tutorial": plain.fit(train).reconstruct(test),
    "default": default.fit(train).reconstruct(test),
}
errors = {name: np.square(values - test).mean() for name, values in rows.items()}
for name in list(rows)[1:]:
    print(f"{name:9} mean squared error of new patches {errors[name]:.4f}")

# %%
# Draw
# ----

figure, axes = plt.subplots(4, 8, figsize=(7, 3.8), layout="constrained")
for line, (name, values) in zip(axes, rows.items(), strict=True):
    for ax, image in zip(line, values[::50], strict=False):
        ax.imshow(image.clip(0, 1))
        ax.set(xticks=[], yticks=[])
    label = name if name == "patches" else f"{name}\n{errors[name]:.4f}"
    line[0].set_ylabel(label, rotation=0, ha="right", va="center")
plt.show()
