"""Benchmark of the classification of series with few labels.

Five data sets of series keep a tenth of their labels, at least one per class, for five
seeds. These methods are compared, all with the defaults of the package:

- ``autoencoder``: AutoencoderClassifier, initialized with an autoencoder;
- ``random``: the same network and the same fine-tuning with random initial weights;
- ``frozen``: a logistic regression on the latent codes of the autoencoder;
- ``pca``: a logistic regression on the codes of PCA of the same size.

JapaneseVowels has variable-length sequences of 12 channels and keeps all labels. ::

    python benchmarks/classification.py [--data DIR] [--out DIR]

``--data`` is described in ``data_sets.py``. The results are saved in
``classification.csv``, with a row for each data set and seed.

The data sets are chosen by size before any result is known: the five with the most
training rows among the sets with one channel, one length, no missing values and a test
part. Series are not preprocessed. The seed draws the labels that are kept, the random
weights and the order of training. The autoencoder uses no labels and is fitted once for
each data set.
"""

import argparse
import copy
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from data_sets import add_data_option, open_reader
from representation import SequencePCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from sklearn_seqae import AutoencoderClassifier, RecurrentAutoencoderTransformer
from sklearn_seqae.fitting.model import build_module

N_SETS = 5
SHARE = 0.1  # of the labels
RAGGED = ("JapaneseVowels", "ragged_sines")  # the second one in the installed data
WIDTH = 32  # components: the default of the classifier for long series


def chosen_sets(reader):
    """Return the names of the five largest data sets that fulfill the criteria."""
    sizes = {}
    for name in reader.names("ucr"):
        X_train, _, X_test, _ = reader.load_sequences(name)
        is_plain = isinstance(X_train, np.ndarray) and X_train.shape[2] == 1
        if is_plain and len(X_test) and not np.isnan(X_train).any():
            sizes[name] = len(X_train)
    return sorted(sizes, key=lambda name: (-sizes[name], name))[:N_SETS]


def hide_labels(y, seed):
    """Keep a tenth of the labels of each class, at least one. The others are -1."""
    rng = np.random.default_rng(seed)
    hidden = np.full(len(y), -1)
    for label in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == label))
        hidden[rows[: max(1, round(SHARE * len(rows)))]] = label
    return hidden


def with_random_weights(autoencoder, seed):
    """Return the same network with random weights, also in the linear path."""
    generator = torch.Generator().manual_seed(seed)
    fresh = copy.deepcopy(autoencoder)
    module = fresh.module_
    drawn = build_module(fresh.model_.spec, fresh.model_.family, generator)
    weights = {name for name, _ in drawn.named_parameters()}
    state = drawn.state_dict()
    module.load_state_dict(
        {
            name: state[name] if name in weights else value  # the units do not change
            for name, value in module.state_dict().items()
        }
    )
    path = module.linear_path
    with torch.no_grad():
        for layer in (path.encoder, path.decoder, module.encoder.head):
            bound = layer.in_features**-0.5
            for weight in layer.parameters():
                weight.uniform_(-bound, bound, generator=generator)
    return fresh


def pca_accuracy(X_train, y, X_test, y_test, n_components):
    """Return the accuracy of a logistic regression on the codes of PCA."""
    pca = SequencePCA(min(n_components, len(X_train))).fit(X_train)
    train, test = pca.transform(X_train), pca.transform(X_test)
    unit = np.sqrt(train.var(axis=0).mean())
    head = LogisticRegression(C=10, max_iter=1000)
    head.fit(train[y != -1] / unit, y[y != -1])
    return head.score(test / unit, y_test)


def measure(name, data, autoencoder, seed, *, few):
    """Return the accuracy of each method on the test part, for one seed."""
    X_train, y_train, X_test, y_test = data
    y = hide_labels(y_train, seed) if few else y_train
    start = time.process_time()
    starts = {"autoencoder": autoencoder}
    if few:
        starts["random"] = with_random_weights(autoencoder, seed)
    row = {
        "data": name,
        "n_train": len(X_train),
        "n_labelled": int((y != -1).sum()),
        "n_classes": len(np.unique(y_train)),
        "random_state": seed,
    }
    for label, fitted in starts.items():
        classifier = AutoencoderClassifier(FrozenEstimator(fitted), random_state=seed)
        row[label] = classifier.fit(X_train, y).score(X_test, y_test)
        row[f"{label}_epoch"] = classifier.best_epoch_
    frozen = AutoencoderClassifier(FrozenEstimator(autoencoder), freeze_encoder=True)
    row["frozen"] = frozen.fit(X_train, y).score(X_test, y_test)
    row["pca"] = pca_accuracy(X_train, y, X_test, y_test, WIDTH)
    row["pretraining_epoch"] = autoencoder.best_epoch_
    row["seconds"] = time.process_time() - start
    return row


def main():
    """Measure every data set and seed. Save the results after each of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--out", type=Path, default=Path("."), help="folder for the results"
    )
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    reader, rows = open_reader(args.data), []
    ragged = [name for name in RAGGED if name in reader.names("ucr")]
    sets = [*chosen_sets(reader), *ragged]
    fitted = {}  # one autoencoder per data set, because it uses no labels
    for seed in range(args.seeds):
        for name in sets:
            data = reader.load_sequences(name)
            if name not in fitted:
                autoencoder = RecurrentAutoencoderTransformer(WIDTH, random_state=0)
                fitted[name] = autoencoder.fit(data[0])
            row = measure(name, data, fitted[name], seed, few=name not in ragged)
            print(row, flush=True)
            rows.append(row)
            results = pd.DataFrame(rows)
            target = args.out / "classification.csv"
            results.to_csv(target, index=False, float_format="%.4g")
    methods = ["autoencoder", "random", "frozen", "pca"]
    means = results.groupby("data", sort=False)[methods].mean()
    print(means.to_string(float_format="%.3f"))
    print(means.drop(ragged).mean().to_string(float_format="%.3f"))


if __name__ == "__main__":
    main()
