"""Memory and R² of large arrays, sparse matrices and chunks.

To reproduce, with at least 3 GB of free space in `DIR` (Linux only):

    python benchmarks/large_data.py memmap DIR [--columns 64]
    python benchmarks/large_data.py sparse
    python benchmarks/large_data.py chunks

"memmap" fits one epoch to a file of `--gigabytes` of float32 and encodes it. It prints
the growth of the anonymous memory of the process, which the pages of the file are not
part of. The fewer columns, the more rows the file has, for each of which `fit` keeps a
few numbers. "sparse" compares the R² with that of TruncatedSVD. "chunks" compares
`partial_fit` with `fit`.
"""

import argparse
import threading
import time
from pathlib import Path

import numpy as np
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import DenseAutoencoderTransformer


def anonymous_memory():
    """Return the anonymous memory of the process in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    raise OSError("There is no RssAnon in /proc/self/status.")


class Peak:
    """Largest anonymous memory in a block, above that before it, in MB."""

    def __enter__(self):
        self.before = self.highest = anonymous_memory()
        self.start = time.process_time()
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def _watch(self):
        while not self.is_over.wait(0.02):
            self.highest = max(self.highest, anonymous_memory())

    def __exit__(self, *unused):
        self.is_over.set()
        self.thread.join()
        self.growth = self.highest - self.before
        self.seconds = time.process_time() - self.start


def fit_memory_map(folder, gigabytes, n_columns):
    """Print the memory of a fit and a transform of a file."""
    n_rows = int(gigabytes * 2**30 / 4 / n_columns)
    path = Path(folder) / "large.npy"
    random = np.random.default_rng(0)
    X = np.lib.format.open_memmap(path, "w+", np.float32, (n_rows, n_columns))
    loadings = random.normal(size=(8, n_columns)).astype(np.float32)
    for start in range(0, n_rows, 10_000):
        part = X[start : start + 10_000]
        codes = random.normal(size=(len(part), 8)).astype(np.float32)
        part[:] = np.tanh(codes) @ loadings
        part += 0.5 * random.normal(size=part.shape)
    X.flush()
    X = np.load(path, mmap_mode="r")
    model = DenseAutoencoderTransformer(8, max_iter=1, random_state=0)
    model.fit(X[:1000]).transform(X[:1000])
    print(f"{X.nbytes / 2**30:.2f} GB, {n_rows} rows of {n_columns} columns")
    with Peak() as fit:
        model.fit(X)
    with Peak() as transform:
        codes = model.transform(X)
    for name, peak in (("fit", fit), ("transform", transform)):
        print(f"{name}: {peak.growth:.0f} MB more, {peak.seconds:.0f} s of processor")
    print(f"codes: {codes.nbytes / 2**20:.0f} MB")
    same = DenseAutoencoderTransformer(8, max_iter=1, random_state=0)
    array = np.array(X)
    equal = np.array_equal(same.fit(array).transform(array), codes)
    print(f"codes of the array in memory are equal: {equal}")
    path.unlink()


def text_like(n_rows=100_000, n_columns=20_000, per_row=40, n_topics=50):
    """Return a sparse matrix of unit rows like TF-IDF, 0.2 % of it non-zero.

    Each text draws most words from one of the topics, whose words follow Zipf's law.
    """
    random = np.random.default_rng(0)
    usual = 1 / np.arange(1, n_columns + 1)
    orders = [random.permutation(n_columns) for _ in range(n_topics)]
    topic = random.integers(n_topics, size=n_rows)
    draws = random.choice(n_columns, size=(n_rows, per_row), p=usual / usual.sum())
    columns = np.stack(
        [orders[t][words] for t, words in zip(topic, draws, strict=True)]
    )
    common = random.random(columns.shape) < 0.3
    columns[common] = draws[common]
    rows = np.repeat(np.arange(n_rows), per_row)
    counts = sparse.csr_array(
        (np.ones(rows.size), (rows, columns.ravel())), shape=(n_rows, n_columns)
    )
    counts.sum_duplicates()
    occurs = np.bincount(counts.indices, minlength=n_columns)
    counts.data *= np.log((1 + n_rows) / (1 + occurs))[counts.indices] + 1
    norms = np.sqrt(counts.multiply(counts).sum(axis=1))
    counts.data /= np.repeat(norms, np.diff(counts.indptr))
    return counts.astype(np.float32)


def r2_of(X, rebuild, mean):
    """Return the R² of a reconstruction of sparse rows."""
    error = total = 0.0
    for start in range(0, X.shape[0], 1000):
        part = X[start : start + 1000].toarray()
        error += np.square(part - rebuild(part)).sum(dtype=np.float64)
        total += np.square(part - mean).sum(dtype=np.float64)
    return 1 - error / total


def fit_sparse(n_components=32):
    """Print the memory of a fit to sparse rows, and R² beside TruncatedSVD's."""
    X = text_like()
    small = DenseAutoencoderTransformer(4, max_iter=1, random_state=0)
    small.fit(X[:500, :50])
    share = X.nnz / np.prod(X.shape)
    print(f"{X.shape[0]} x {X.shape[1]}, {share:.2%} non-zero")
    model = DenseAutoencoderTransformer(n_components, max_iter=1, random_state=0)
    with Peak() as fit:
        model.fit(X)
    print(f"fit: {fit.growth:.0f} MB more, {fit.seconds:.0f} s of processor")
    print(f"process: {anonymous_memory():.0f} MB, best epoch {model.best_epoch_}")
    svd = TruncatedSVD(n_components, random_state=0).fit(X)
    rows = X[np.random.default_rng(1).choice(X.shape[0], 2000, replace=False)]
    mean = np.asarray(X.mean(axis=0)).ravel()
    of_svd = r2_of(rows, lambda x: svd.inverse_transform(svd.transform(x)), mean)
    print(f"R² of 2000 rows: {model.score(rows):.4f}, TruncatedSVD {of_svd:.4f}")


def fit_chunks():
    """Print R² on test rows of `fit`, and of five passes over ten chunks."""
    tables = {
        "wine": (load_wine().data, 3),
        "breast cancer": (load_breast_cancer().data, 3),
        "digits": (load_digits().data, 8),
    }
    for name, (X, n_components) in tables.items():
        train, test = train_test_split(X, random_state=0)
        if name != "digits":  # its pixels have one unit
            scaler = StandardScaler().fit(train)
            train, test = scaler.transform(train), scaler.transform(test)
        model = DenseAutoencoderTransformer(n_components, random_state=0)
        fitted = model.fit(train).score(test)
        model = DenseAutoencoderTransformer(n_components, random_state=0)
        order = np.random.default_rng(0).permutation(len(train))
        for _ in range(5):
            for rows in np.array_split(order, 10):
                model.partial_fit(train[rows])
        pca = PCA(n_components).fit(train)
        left = test - pca.inverse_transform(pca.transform(test))
        of_pca = 1 - np.square(left).sum() / np.square(test - pca.mean_).sum()
        print(
            f"{name}, {len(train)} rows: fit {fitted:.3f}, partial_fit "
            f"{model.score(test):.3f}, PCA {of_pca:.3f}",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("task", choices=["memmap", "sparse", "chunks"])
    parser.add_argument("folder", nargs="?", default=".")
    parser.add_argument("--gigabytes", type=float, default=2)
    parser.add_argument("--columns", type=int, default=1000)
    arguments = parser.parse_args()
    if arguments.task == "memmap":
        fit_memory_map(arguments.folder, arguments.gigabytes, arguments.columns)
    elif arguments.task == "sparse":
        fit_sparse()
    else:
        fit_chunks()


if __name__ == "__main__":
    main()
