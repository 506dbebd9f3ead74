"""Benchmark of files: processor time of saving and loading a dense model, and sizes.

`persistence.save` and `load`, and joblib with and without compression, are called in
turn. The script prints the median of the processor time of each in milliseconds, its
ratio to joblib with ``compress=3``, which detects damage, the time of SHA-256 over the
file, and the size of the file relative to the arrays of the network. ::

    OMP_NUM_THREADS=1 python benchmarks/files.py

The first row is the default model for 64 columns. The files are in a temporary folder.
"""

import argparse
import hashlib
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path

import joblib
import numpy as np

from sklearn_seqae import DenseAutoencoderTransformer, persistence

SIZES = [(64, (256,)), (64, (512, 256)), (784, (256,)), (784, (512, 256))]


def fitted(n_features, hidden_layer_sizes):
    """Return a model. Its weights do not matter here."""
    X = np.random.default_rng(0).normal(size=(1000, n_features))
    options = {"max_iter": 1, "early_stopping": False, "random_state": 0}
    model = DenseAutoencoderTransformer(
        8, hidden_layer_sizes=hidden_layer_sizes, **options
    )
    return model.fit(X.astype(np.float32))


def milliseconds(calls, repeats):
    """Return the median processor time of each call. They alternate."""
    times = {name: [] for name in calls}
    for _ in range(repeats + 1):
        for name, call in calls.items():
            start = time.process_time()
            call()
            times[name].append(time.process_time() - start)
    return {name: 1000 * np.median(each[1:]) for name, each in times.items()}


def measure(model, folder, repeats):
    """Return the times of a model, and the sizes of its file and of its arrays."""
    ours, plain, packed = (folder / name for name in ("ours", "plain", "packed"))
    found = milliseconds(
        {
            "save": partial(persistence.save, model, ours),
            "load": partial(persistence.load, ours),
            "joblib dump": partial(joblib.dump, model, plain),
            "joblib load": partial(joblib.load, plain),
            "dump, compress=3": partial(joblib.dump, model, packed, compress=3),
            "load, compress=3": partial(joblib.load, packed),
        },
        repeats,
    )
    content = ours.read_bytes()
    found |= milliseconds({"SHA-256": partial(hashlib.sha256, content)}, repeats)
    weights = model.__getstate__()["model_"]["weights"].values()
    return found, len(content), sum(each.nbytes for each in weights)


def main():
    """Measure every size and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=30)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        for n_features, sizes in SIZES:
            model = fitted(n_features, sizes)
            found, size, arrays = measure(model, Path(folder), args.repeats)
            print(f"{n_features} columns, layers of {sizes}:")
            print("  " + ", ".join(f"{k} {v:.1f} ms" for k, v in found.items()))
            for name, other in (("save", "dump"), ("load", "load")):
                ratio = found[name] / found[f"{other}, compress=3"]
                print(f"  {name} / joblib {other}, compress=3: {ratio:.2f}")
            print(f"  file {size / 1e6:.2f} MB, arrays {arrays / 1e6:.2f} MB", end="")
            print(f", limit {(1.2 * arrays + 65536) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
