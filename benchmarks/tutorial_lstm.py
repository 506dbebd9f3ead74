"""Benchmark of the recurrent autoencoder and the plain LSTM autoencoder of tutorials.

The plain network has one LSTM layer of 64 units in the encoder and in the decoder,
takes the latent code from the last state, and is trained with Adam, a learning rate of
1e-3 and batches of 32. It is trained on the same rows for the same processor time, with
the same scaling of the input. The result is the ratio of the squared errors on held-out
data, for each data set of series of equal length. ::

    python benchmarks/tutorial_lstm.py --data DIR [--components 8] [--out FILE]

DIR contains the data and a reader ``load.py``.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import representation
import torch
from speed_loops import TwoLSTMs
from torch import nn

from sklearn_seqae import RecurrentAutoencoderTransformer


class TutorialLSTM(TwoLSTMs):
    """LSTM 64, last state, latent code; repeated code, LSTM 64, linear output."""

    def forward(self, x):
        code = self.code(self.encoder(x)[0][:, -1])
        repeated = code[:, None].expand(-1, x.shape[1], -1)
        return self.out(self.decoder(repeated)[0])


def tutorial_error(train, test, n_components, seconds):
    """Return the squared error on held-out data after training for `seconds`."""
    torch.manual_seed(0)
    mean, scale = train.mean((0, 1)), train.std()
    x = torch.from_numpy(((train - mean) / scale).astype(np.float32))
    module = TutorialLSTM(x.shape[2], n_components)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    start = time.process_time()
    while time.process_time() - start < seconds:
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
    parser.add_argument(
        "--data", required=True, help="folder with the data and load.py"
    )
    parser.add_argument("--components", type=int, default=8)
    parser.add_argument("--out", type=Path, default=Path("tutorial_lstm.csv"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for problem in representation.series(representation.import_reader(args.data)):
        train, test = problem.X_train, problem.X_test
        if not isinstance(train, np.ndarray):
            continue
        start = time.process_time()
        model = RecurrentAutoencoderTransformer(args.components, random_state=0)
        ours = np.square(test - model.fit(train).reconstruct(test)).sum()
        seconds = time.process_time() - start
        theirs = tutorial_error(train, test, args.components, seconds)
        rows.append(
            {
                "set": problem.name,
                "n_components": args.components,
                "seconds": seconds,
                "ratio": ours / theirs,
            }
        )
        print(
            "{set:<24} {seconds:6.1f} s  ratio {ratio:.3f}".format(**rows[-1]),
            flush=True,
        )
        pd.DataFrame(rows).to_csv(args.out, index=False, float_format="%.6g")
    ratios = np.array([row["ratio"] for row in rows])
    print(f"geometric mean {np.exp(np.log(ratios).mean()):.3f}, {len(ratios)} sets")


if __name__ == "__main__":
    main()
