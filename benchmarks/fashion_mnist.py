"""Fashion-MNIST with 30 components: recurrent for 10 epochs, convolutional as long.

The first 5,000 training images are for validation, the other 55,000 are trained on.
Three fits beside PCA: the recurrent family on sequences of 28 rows, its defaults with
squared error; the convolutional family on images, for as many epochs as fit into the
same seconds of CPU; and the plain recurrent network of the tutorials
(``init="random"``) with binary cross-entropy. ::

    OMP_NUM_THREADS=1 python benchmarks/fashion_mnist.py --data DIR

DIR holds the data and its reader ``load.py``. Five to fifteen minutes on one core.
"""

import argparse
import importlib.util
import time
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA

from sklearn_seqae import (
    ConvolutionalAutoencoderTransformer,
    RecurrentAutoencoderTransformer,
)

FIXED = {"early_stopping": False, "random_state": 0}


def read(folder):
    """Training and validation images in [0, 1], (N, 28, 28)."""
    spec = importlib.util.spec_from_file_location("load", Path(folder) / "load.py")
    reader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reader)
    images = reader.load_fashion_mnist()[0].astype(np.float32) / 255
    return images[5000:], images[:5000]


def binary_cross_entropy(X, output):
    """Mean over all pixels."""
    output = np.clip(output.astype(np.float64), 1e-7, 1 - 1e-7)
    return -np.mean(X * np.log(output) + (1 - X) * np.log(1 - output))


def seconds_of(model, X):
    """Fit, and return the seconds of CPU that it took."""
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
    """Fit all, and print the errors on the validation images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder with load.py")
    parser.add_argument("--epochs", type=int, default=10, help="of the recurrent ones")
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
        30, sample_shape=(28, 28), max_iter=1, **FIXED
    )
    n_epochs = int(seconds / seconds_of(model, train))
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
