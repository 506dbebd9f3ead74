"""
Encode images
=============

``ConvolutionalAutoencoderTransformer`` accepts images as an array, or as flat rows with
``sample_shape``. Here, images of digits with 8 x 8 pixels are reduced to 8 components.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklearn_seqae import ConvolutionalAutoencoderTransformer
from sklearn_seqae.displays import ReconstructionDisplay

X = load_digits().data  # flat rows of 64 pixels
train, test = train_test_split(X, random_state=0)

model = ConvolutionalAutoencoderTransformer(
    8, sample_shape=(8, 8), max_iter=10, random_state=0
).fit(train)
print("images:", test.shape, "latent codes:", model.transform(test).shape)
print("R² on new images:", round(model.score(test), 2))

# %%
# New images, and their reconstructions from eight numbers.

ReconstructionDisplay.from_estimator(model, test, indices=range(6))
plt.show()
