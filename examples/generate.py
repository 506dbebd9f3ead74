"""
Generate new samples
====================

The latent codes of a variational autoencoder follow a normal distribution. ``sample``
draws latent codes from it and decodes them to new images of digits.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from sklearn_seqae import DenseAutoencoderTransformer

X = load_digits().data
model = DenseAutoencoderTransformer(
    8, bottleneck="variational", max_iter=60, random_state=0
).fit(X)
samples = model.sample(20, random_state=0)
print("shape of the samples:", samples.shape)

figure, axes = plt.subplots(2, 10, figsize=(8, 2), layout="constrained")
for ax, image in zip(axes.flat, samples, strict=True):
    ax.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
    ax.axis("off")
plt.show()
