"""
Tutorial: images as sequences of rows
=====================================

Tutorials treat an image as a sequence: each row of pixels is a time step. They train an
LSTM with binary cross-entropy on Fashion-MNIST. Here the handwritten digits that come
with scikit-learn are used, 8 steps of 8 pixels. For Fashion-MNIST, pass the folder of
its four files; one epoch then takes about a minute::

    python examples/tutorial_image_rows.py DIR
"""

import gzip
import sys
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning

from sklearn_seqae import RecurrentAutoencoderTransformer

if len(sys.argv) > 1:
    parts = []
    for name in ("train", "t10k"):
        file = Path(sys.argv[1]) / f"{name}-images-idx3-ubyte.gz"
        pixels = np.frombuffer(gzip.decompress(file.read_bytes()), np.uint8, offset=16)
        parts.append(pixels.reshape(-1, 28, 28).astype(np.float32) / 255)
    train, test = parts
    size, epochs, units = 30, 10, (100,)
else:
    images = load_digits().images / 16
    train, test = images[:1400], images[1400:]
    size, epochs, units = 8, 30, (64,)

# %%
# The network of the tutorial, and the default
# --------------------------------------------
# The tutorial's network has random initial weights and a sigmoid output.

warnings.simplefilter("ignore", ConvergenceWarning)
options = {
    "loss": "binary_cross_entropy",
    "hidden_layer_sizes": units,
    "max_iter": epochs,
    "random_state": 0,
}
plain = RecurrentAutoencoderTransformer(size, init="random", **options)
default = RecurrentAutoencoderTransformer(size, **options)
flat = test.reshape(len(test), -1)
pca = PCA(size).fit(train.reshape(len(train), -1))
rows = {
    "images": test,
    "PCA": pca.inverse_transform(pca.transform(flat)).reshape(test.shape),
    "tutorial": plain.fit(train).reconstruct(test),
    "default": default.fit(train).reconstruct(test),
}
errors = {name: np.square(values - test).mean() for name, values in rows.items()}
for name in list(rows)[1:]:
    print(f"{name:9} mean squared error of new images {errors[name]:.4f}")

# %%
# Draw
# ----

figure, axes = plt.subplots(4, 8, figsize=(7, 3.8), layout="constrained")
for line, (name, values) in zip(axes, rows.items(), strict=True):
    for ax, image in zip(line, values, strict=False):
        ax.imshow(image, cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    label = name if name == "images" else f"{name}\n{errors[name]:.4f}"
    line[0].set_ylabel(label, rotation=0, ha="right", va="center")
plt.show()
