"""Fashion-MNIST as sequences of 28 rows: 30 components, 10 epochs.

The first 5,000 training images are for validation, the other 55,000 are trained on.
Two fits: the defaults with squared error, beside PCA; and the plain network of the
tutorials (``init="random"``) with binary cross-entropy. ::

    python benchmarks/fashion_mnist.py --data DIR

DIR holds the data and its reader ``load.py``. About seven minutes on one core.
"""

import argparse
import importlib.util
import time
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA

from sklearn_seqae import RecurrentAutoencoderTransformer

FIXED = {"max_iter": 10, "early_stopping": False, "random_state": 0}


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


def main():
    """Fit both, and print the errors on the validation images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder with load.py")
    train, valid = read(parser.parse_args().data)
    pca = PCA(30).fit(train.reshape(len(train), -1))
    flat = valid.reshape(len(valid), -1)
    restored = pca.inverse_transform(pca.transform(flat))
    print(f"PCA             squared error {np.mean(np.square(flat - restored)):.5f}")
    models = {
        "defaults": RecurrentAutoencoderTransformer(30, **FIXED),
        "random, BCE": RecurrentAutoencoderTransformer(
            30,
            init="random",
            bidirectional=False,
            loss="binary_cross_entropy",
            **FIXED,
        ),
    }
    for name, model in models.items():
        start = time.process_time()
        output = model.fit(train).reconstruct(valid)
        print(
            f"{name:<15} squared error {np.mean(np.square(valid - output)):.5f}  "
            f"binary cross-entropy {binary_cross_entropy(valid, output):.4f}  "
            f"{time.process_time() - start:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
