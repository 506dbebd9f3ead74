"""Benchmark of the recurrent autoencoder and the plain LSTM autoencoder of tutorials.

The plain network has one LSTM layer of 64 units in the encoder and in the decoder,
takes the latent code from the last state, and is trained with Adam, a learning rate of
1e-3 and batches of 32. It is trained on the same rows for the same processor time, with
the same scaling of the input. The results are the squared errors of the recurrent
autoencoder and of PCA on held-out data, divided by the error of the plain network, for
each data set of series of equal length. ::

    python benchmarks/tutorial_lstm.py [--data DIR] [--components 8] [--out FILE]

``--data`` is described in ``data_sets.py``.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import representation
import torch
from data_sets import add_data_option, open_reader
from speed_loops import TwoLSTMs
from torch import nn

from sklearn_seqae import RecurrentAutoencoderTransformer


class TutorialLSTM(TwoLSTMs):
    """LSTM 64, last state, latent code; repeated code, LSTM 64, linear output."""

    def forward(self, x):
        code = self.code(self.encoder(x)[0][:, -1])
        repeated = code[:, None].expand(-1, x.shape[1], -1)
        return self.out(self.decoder(repeated)[0])


def tutorial_error(
    train, test, n_components, *, seconds=np.inf, epochs=np.inf, random_state=0
):
    """Return the squared error on held-out data after training.

    Training ends after an epoch, when `seconds` of the processor or `epochs` are over.
    """
    torch.manual_seed(random_state)
    mean, scale = train.mean((0, 1)), train.std()
    x = torch.from_numpy(((train - mean) / scale).astype(np.float32))
    module = TutorialLSTM(x.shape[2], n_components)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    start, epoch = time.process_time(), 0
    while time.process_time() - start < seconds and epoch < epochs:
        epoch += 1
        for rows in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            nn.functional.mse_loss(module(x[rows]), x[rows]).backward()
            optimizer.step()
    with torch.no_grad():
        output = module(torch.from_numpy(((test - mean) / scale).astype(np.float32)))
    return float(np.square(test - (output.numpy() * scale + mean)).sum())


def main():
    """Print a row for each data set, and the geometric mean of the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    parser.add_argument("--components", type=int, default=8)
    parser.add_argument("--out", type=Path, default=Path("tutorial_lstm.csv"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for problem in representation.series(open_reader(args.data)):
        train, test = problem.X_train, problem.X_test
        if not isinstance(train, np.ndarray):
            continue
        start = time.process_time()
        model = RecurrentAutoencoderTransformer(args.components, random_state=0)
        ours = np.square(test - model.fit(train).reconstruct(test)).sum()
        seconds = time.process_time() - start
        theirs = tutorial_error(train, test, args.components, seconds=seconds)
        rebuilt = representation.reference(problem, args.components)[2]
        pca = np.square(test - np.stack(rebuilt)).sum()
        rows.append(
            {
                "set": problem.name,
                "n_components": args.components,
                "seconds": seconds,
                "ratio": ours / theirs,
                "pca_ratio": pca / theirs,
                "is_pca": model.best_epoch_ == 0,
            }
        )
        print(
            "{set:<24} {seconds:6.1f} s  ours / LSTM {ratio:.3f}  "
            "PCA / LSTM {pca_ratio:.3f}".format(**rows[-1]),
            flush=True,
        )
        pd.DataFrame(rows).to_csv(args.out, index=False, float_format="%.6g")
    means = np.exp(np.log(pd.DataFrame(rows)[["ratio", "pca_ratio"]]).mean())
    print("geometric means, {} sets: ours {:.3f}, PCA {:.3f}".format(len(rows), *means))


if __name__ == "__main__":
    main()
