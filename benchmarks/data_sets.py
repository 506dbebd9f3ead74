"""Data sets of the benchmarks, and their check.

Each benchmark has the option ``--data``. Its value is a folder with the data sets that
``benchmarks/README.md`` describes, or ``sklearn`` (the default): data that is installed
with scikit-learn and with sklearn-seqae. ::

    python benchmarks/data_sets.py --data DIR

compares the content of each file in the folder with its checksum in
``benchmarks/data_sets.csv``.
"""

import argparse
import gzip
import hashlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.model_selection import train_test_split

from sklearn_seqae.datasets import load_nyc_taxi, make_ragged_sequences

CHECKSUMS = Path(__file__).with_name("data_sets.csv")
HALF_HOURS = 48  # of a day of the taxi series


def add_data_option(parser):
    """Add the option ``--data``."""
    parser.add_argument(
        "--data",
        default="sklearn",
        help="folder with the data sets of benchmarks/README.md, or 'sklearn' "
        "(default): data of scikit-learn and of sklearn-seqae",
    )


def open_reader(data):
    """Return the reader of a folder, or of the installed data."""
    if str(data) == "sklearn":
        return InstalledData()
    if not Path(data).is_dir():
        raise ValueError(
            f"--data is {str(data)!r}, which is not a folder. Use a folder with the "
            "data sets of benchmarks/README.md, or 'sklearn'."
        )
    return DataFolder(data)


class DataFolder:
    """Reader of the folder that ``benchmarks/README.md`` describes.

    Parameters
    ----------
    folder : path-like
        The folder.
    """

    def __init__(self, folder):
        self.folder = Path(folder)

    def names(self, kind):
        """Return the names of the data sets of a kind."""
        return sorted(path.stem for path in (self.folder / kind).glob("*.npz"))

    def _stored(self, kind, name):
        with np.load(self.folder / kind / f"{name}.npz", allow_pickle=False) as file:
            return {
                key: file[key].item() if file[key].ndim == 0 else file[key]
                for key in file.files
            }

    def load_table(self, name):
        """Return a table on which PCA is used in practice, as a dict of arrays."""
        return self._stored("tabular", name)

    def load_anomalies(self, name):
        """Return a table, and labels that are 1 for anomalies."""
        stored = self._stored("adbench", name)
        return stored["X"].astype(np.float64), stored["y"].astype(np.int64)

    def load_sequences(self, name):
        """Return X_train, y_train, X_test, y_test of a set of sequences.

        Sequences of unequal length are a list. X_test can be empty.
        """
        stored, parts = self._stored("ucr", name), []
        for part in ("train", "test"):
            if f"X_{part}" in stored:
                X = stored[f"X_{part}"]
            else:
                ends = np.cumsum(stored[f"lengths_{part}"])
                X = np.split(stored[f"values_{part}"], ends[:-1]) if len(ends) else []
            parts += [X, stored[f"y_{part}"]]
        return parts

    def load_labelled_series(self, name):
        """Return a series with labels of its time steps, as a dict."""
        return self._stored("nab", name)

    def load_telemetry(self, name):
        """Return the training and the test part of telemetry, as a dict."""
        return self._stored("smap_msl", name)

    def load_images(self):
        """Return X_train, y_train, X_test, y_test of Fashion-MNIST."""
        return [
            read_idx(self.folder / "fashion_mnist" / f"{part}-{what}.gz")
            for part in ("train", "t10k")
            for what in ("images-idx3-ubyte", "labels-idx1-ubyte")
        ]

    def load_weather(self):
        """Return the weather of Australia, a data frame with missing values."""
        return pd.read_csv(self.folder / "weather_aus" / "weatherAUS.csv.gz")

    def listed_series(self, kind, every=1):
        """Yield (name, X, labels, rows of training) of the series of TSB-AD."""
        letter = "u" if kind == "univariate" else "m"
        file = self.folder / "reference" / f"tsb_ad_{letter}_vus_pr.csv"
        for row in pd.read_csv(file).iloc[::every].itertuples():
            if row.folder == "nab":
                stored = self.load_labelled_series(row.name)
                X, labels = stored["value"][1:, np.newaxis], stored["label"][1:]
            else:
                stored = self._stored(row.folder, row.name)
                X = stored["test_T"].T if "test_T" in stored else stored["test"]
                labels = stored["label"]
            X = X[:, :1] if kind == "univariate" else X
            yield row.name, X.astype(float), labels, row.train_rows


class InstalledData:
    """Data that is installed with scikit-learn and sklearn-seqae, with the same reader.

    - Tables with anomalies: the sets of scikit-learn with classes. The smallest class
      is the anomaly (the last one of several).
    - Sequences: the rows of digits, the days of the taxi series with their day of the
      week, and generated sine waves of unequal length. A quarter is the test part: the
      last days, and random rows of the others.
    - Series with labels: the taxi series. Its training part ends before the first
      labeled window. As a series with two channels, it has one row for each hour.
    - Images: digits, with the same test part.
    """

    def names(self, kind):
        """Return the names of the data sets of a kind."""
        return {
            "adbench": ["breast_cancer", "digits", "iris", "wine"],
            "ucr": ["digits_rows", "ragged_sines", "taxi_days"],
            "nab": ["nyc_taxi"],
            "smap_msl": ["nyc_taxi"],
        }.get(kind, [])

    def load_anomalies(self, name):
        """Return a table, and labels that are 1 for anomalies."""
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        sizes = np.bincount(y)
        return X, (y == np.flatnonzero(sizes == sizes.min())[-1]).astype(np.int64)

    def load_sequences(self, name):
        """Return X_train, y_train, X_test, y_test of a set of sequences."""
        if name == "taxi_days":
            taxi = load_nyc_taxi()
            days = taxi.data.reshape(-1, HALF_HOURS, 1)
            start = taxi.timestamps[::HALF_HOURS].astype("datetime64[D]")
            weekday = (start.astype(int) + 3) % 7  # 1 January 1970 was a Thursday
            n_train = round(0.75 * len(days))
            return days[:n_train], weekday[:n_train], days[n_train:], weekday[n_train:]
        if name == "digits_rows":
            digits = datasets.load_digits()
            X, y = digits.images, digits.target
        else:
            X, y = make_ragged_sequences(200, random_state=0)
        parts = train_test_split(X, y, test_size=0.25, random_state=0)
        return parts[0], parts[2], parts[1], parts[3]

    def load_labelled_series(self, name):
        """Return the taxi series as a dict."""
        taxi = load_nyc_taxi()
        return {
            "timestamp": taxi.timestamps,
            "value": taxi.data[:, 0],
            "label": taxi.target,
            "windows": taxi.windows,
            "category": "realKnownCause",
        }

    def load_telemetry(self, name):
        """Return the taxi series before its first labeled window, and after it."""
        taxi = load_nyc_taxi()
        first = int(np.argmax(taxi.target))
        train, test = taxi.data[:first], taxi.data[first:]
        parts = {"train": train, "test": test, "label": taxi.target[first:]}
        return {**parts, "spacecraft": "none"}

    def load_images(self):
        """Return X_train, y_train, X_test, y_test of digits, as bytes."""
        X_train, y_train, X_test, y_test = self.load_sequences("digits_rows")
        X_train, X_test = (np.uint8(np.round(X * 255 / 16)) for X in (X_train, X_test))
        return X_train, y_train, X_test, y_test

    def listed_series(self, kind, every=1):
        """Yield the taxi series, with one channel or with one for each half hour."""
        taxi = load_nyc_taxi()
        X, labels, first = taxi.data, taxi.target, int(np.argmax(taxi.target))
        if kind == "multivariate":
            X, labels = X.reshape(-1, 2), labels.reshape(-1, 2).max(axis=1)
            first //= 2
        yield "nyc_taxi", X, labels, first


def read_idx(path):
    """Return the array in a compressed idx file of unsigned bytes."""
    raw = gzip.decompress(Path(path).read_bytes())
    sizes = (raw[4 + 4 * axis : 8 + 4 * axis] for axis in range(raw[3]))
    shape = [int.from_bytes(size, "big") for size in sizes]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def checksum(path):
    """Return the SHA-256 of the content of a file, without its compression."""
    digest = hashlib.sha256()
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            for key in sorted(file.files):
                array = file[key]
                digest.update(f"{key} {array.dtype.str} {array.shape}\n".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
    else:
        raw = path.read_bytes()
        digest.update(gzip.decompress(raw) if path.suffix == ".gz" else raw)
    return digest.hexdigest()


def check(folder):
    """Return the names of the files that are missing, and of those that differ."""
    listed = pd.read_csv(CHECKSUMS).set_index("file")["sha256"]
    paths = {name: Path(folder) / name for name in listed.index}
    missing = [name for name, path in paths.items() if not path.exists()]
    known = [name for name in listed.index if name not in missing]
    return missing, [n for n in known if checksum(paths[n]) != listed[n]]


def main():
    """Print the files that are missing or differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, metavar="DIR", help="the folder")
    missing, changed = check(parser.parse_args().data)
    for problem, names in (("missing", missing), ("different content", changed)):
        for name in names:
            print(f"{problem}: {name}")
    if missing or changed:
        sys.exit(1)
    print("All files have the expected content.")


if __name__ == "__main__":
    main()
