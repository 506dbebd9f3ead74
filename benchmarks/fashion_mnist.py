"""Benchmark of reconstruction on Fashion-MNIST with 30 components.

The first twelfth of the training images (5,000) is for validation, the rest (55,000)
for training. Three
models are compared with PCA: the recurrent family on sequences of 28 rows, with its
defaults and squared error, for 10 epochs; the convolutional family on images, for the
number of epochs that takes the same CPU time; and the plain recurrent network of
tutorials (``init="random"``) with binary cross-entropy. ::

    OMP_NUM_THREADS=1 python benchmarks/fashion_mnist.py [--data DIR]

``--data`` is described in ``data_sets.py``; by default the images are digits. With
Fashion-MNIST, the script takes five to fifteen minutes on one core.
"""

import argparse
import time

import numpy as np
from data_sets import add_data_option, open_reader
from sklearn.decomposition import PCA

from sklearn_seqae import (
    ConvolutionalAutoencoderTransformer,
    RecurrentAutoencoderTransformer,
)

FIXED = {"early_stopping": False, "random_state": 0}


def read(data):
    """Return training and validation images in [0, 1], of shape (N, H, W)."""
    images = open_reader(data).load_images()[0].astype(np.float32) / 255
    n_valid = len(images) // 12
    return images[n_valid:], images[:n_valid]


def binary_cross_entropy(X, output):
    """Return the mean binary cross-entropy over all pixels."""
    output = np.clip(output.astype(np.float64), 1e-7, 1 - 1e-7)
    return -np.mean(X * np.log(output) + (1 - X) * np.log(1 - output))


def seconds_of(model, X):
    """Fit the model and return the CPU seconds."""
    start = time.process_time()
    model.fit(X)
    return time.process_time() - start


def report(name, seconds, valid, output):
    """Print the errors on the validation images."""
    print(
        f"{name:<24} squared error {np.mean(np.square(valid - output)):.5f}  "
        f"binary cross-entropy {binary_cross_entropy(valid, output):.4f}  "
        f"{seconds:.0f} s",
        flush=True,
    )


def main():
    """Fit all models and print the errors on the validation images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    parser.add_argument(
        "--epochs", type=int, default=10, help="of the recurrent models"
    )
    options = parser.parse_args()
    train, valid = read(options.data)

    pca = PCA(30)
    seconds = seconds_of(pca, train.reshape(len(train), -1))
    output = pca.inverse_transform(pca.transform(valid.reshape(len(valid), -1)))
    report("PCA", seconds, valid, output.reshape(valid.shape))

    model = RecurrentAutoencoderTransformer(30, max_iter=options.epochs, **FIXED)
    seconds = seconds_of(model, train)
    name = f"recurrent, {options.epochs} epochs"
    report(name, seconds, valid, model.reconstruct(valid))

    model = ConvolutionalAutoencoderTransformer(
        30, sample_shape=train.shape[1:], max_iter=1, **FIXED
    )
    n_epochs = max(1, int(seconds / seconds_of(model, train)))
    model.set_params(max_iter=n_epochs)
    seconds = seconds_of(model, train)
    name = f"convolutional, {n_epochs} epochs"
    report(name, seconds, valid, model.reconstruct(valid))

    model = RecurrentAutoencoderTransformer(
        30,
        init="random",
        bidirectional=False,
        loss="binary_cross_entropy",
        max_iter=options.epochs,
        **FIXED,
    )
    seconds = seconds_of(model, train)
    report("recurrent, random, BCE", seconds, valid, model.reconstruct(valid))


if __name__ == "__main__":
    main()
