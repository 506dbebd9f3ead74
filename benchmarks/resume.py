"""Benchmark of resumed fits: kill -9 at random moments, and the same result.

A fit with a checkpoint runs in a child process, which is killed at a random moment, up
to three times. Then the fit is left alone. Its fitted state must have the bits of a fit
without a checkpoint, and no file may be left. The script prints, for each estimator,
how many of the repetitions had these bits, how many kills came before the first epoch
was saved, and how many came later. ::

    python benchmarks/resume.py --repeats 20

It needs `os.fork`, which Windows lacks.
"""

import argparse
import hashlib
import os
import pickle
import signal
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from sklearn_seqae import (
    AutoencoderAnomalyDetector,
    AutoencoderClassifier,
    ConvolutionalAutoencoderTransformer,
    DenseAutoencoderTransformer,
    RecurrentAutoencoderTransformer,
)
from sklearn_seqae.datasets import make_ragged_sequences

DIGITS, LABELS = load_digits(return_X_y=True)
DIGITS, LABELS = DIGITS[:300], LABELS[:300]
SEQUENCES, _ = make_ragged_sequences(60, random_state=0)
ORDERED = {"bottleneck": "ordered", "random_state": 0}  # all folds are trained

FITS = {
    "dense": (DenseAutoencoderTransformer(4, max_iter=30, **ORDERED), DIGITS),
    "recurrent": (
        RecurrentAutoencoderTransformer(
            4, hidden_layer_sizes=(16,), max_iter=10, **ORDERED
        ),
        SEQUENCES,
    ),
    "convolutional": (
        ConvolutionalAutoencoderTransformer(
            4, sample_shape=(8, 8), hidden_layer_sizes=(8,), max_iter=5, **ORDERED
        ),
        DIGITS[:120],
    ),
    "detector": (AutoencoderAnomalyDetector(random_state=0), DIGITS),
    "classifier": (
        AutoencoderClassifier(
            DenseAutoencoderTransformer(4, max_iter=10), random_state=0
        ),
        DIGITS,
        np.where(np.arange(len(LABELS)) % 3, LABELS, -1),
    ),
}


def digest_of_fit(name, checkpoint):
    """Fit, and return the digest of the fitted state."""
    estimator, *data = FITS[name]
    estimator.set_params(checkpoint=checkpoint).fit(*data)
    return hashlib.sha256(
        pickle.dumps(estimator.set_params(checkpoint=None))
    ).hexdigest()


def start(name, folder, result):
    """Start a fit in a child process, which writes the digest to a file at the end."""
    child = os.fork()
    if child:
        return child
    try:
        digest = digest_of_fit(name, folder and str(folder))
        result.write_text(digest, encoding="ascii")
    finally:
        os._exit(0)


def digest_in_child(name, folder, result):
    """Return the digest of a fit in a child process, and its seconds.

    This process does not compute: a lock that a thread of its libraries holds would
    stay locked in later child processes.
    """
    began = time.perf_counter()
    os.waitpid(start(name, folder, result), 0)
    return result.read_text(encoding="ascii"), time.perf_counter() - began


def kill(child):
    """Kill a child process, and return whether it had not ended."""
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def resume(name, folder, draw, seconds):
    """Kill a fit up to three times. Return its digest, and the early and late kills."""
    kills = [0, 0]
    result = folder.parent / "result"
    result.unlink(missing_ok=True)
    for _ in range(draw.integers(1, 4)):
        child = start(name, folder, result)
        time.sleep(draw.uniform(0, seconds))
        if not kill(child):
            break
        kills[any(path.is_file() for path in folder.rglob("*"))] += 1
    if not result.exists():
        os.waitpid(start(name, folder, result), 0)
    return result.read_text(encoding="ascii"), kills


def main():
    """Kill and resume fits, and print how many have the same bits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(FITS), metavar="name")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--random-state", type=int, default=0)
    args = parser.parse_args()
    draw = np.random.default_rng(args.random_state)
    for name in args.names:
        same, kills = 0, np.zeros(2, int)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "checkpoints"
            expected, _ = digest_in_child(name, None, folder.parent / "result")
            _, seconds = digest_in_child(name, folder, folder.parent / "result")
            for _ in range(args.repeats):
                found, some = resume(name, folder, draw, seconds)
                same += found == expected and not any(folder.iterdir())
                kills += some
        print(
            f"{name}: {same} of {args.repeats} ({kills[0]} kills before the first "
            f"epoch, {kills[1]} later; a fit takes {seconds:.1f} s)",
            flush=True,
        )


if __name__ == "__main__":
    main()
