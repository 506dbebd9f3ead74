"""Benchmark of the training time compared with a hand-written torch loop.

For a dense and for an LSTM autoencoder, the training epochs of the estimator
(``init="random"``, no validation) are compared with the same epochs of an optimized
hand-written loop: the same network, optimizer and schedule, and batches sliced from one
tensor. The two run alternately. Each pair of runs is one ratio.

    python benchmarks/overhead.py [--pairs 7]
"""

import argparse
import statistics
import time

import numpy as np
import torch
from torch import nn

from sklearn_seqae import (
    DenseAutoencoderTransformer,
    RecurrentAutoencoderTransformer,
)


class HandWrittenLSTM(nn.Module):
    """LSTM n_channels-100-30, latent code of 30, LSTM 30-100, in plain torch."""

    def __init__(self, n_channels, n_components):
        super().__init__()
        self.first = nn.LSTM(n_channels, 100, batch_first=True)
        self.second = nn.LSTM(100, 30, batch_first=True)
        self.code = nn.Linear(30, n_components)
        self.third = nn.LSTM(n_components, 30, batch_first=True)
        self.fourth = nn.LSTM(30, 100, batch_first=True)
        self.out = nn.Linear(100, n_channels)

    def forward(self, x):
        states = self.second(self.first(x)[0])[0]
        code = self.code(states[:, -1])
        repeated = code[:, None].expand(-1, x.shape[1], -1)
        return self.out(self.fourth(self.third(repeated)[0])[0])


def hand_written_dense(n_features, n_components):
    """Return a dense autoencoder of 64 hidden units in plain torch."""
    return nn.Sequential(
        nn.Linear(n_features, 64),
        nn.SiLU(),
        nn.Linear(64, n_components),
        nn.Linear(n_components, 64),
        nn.SiLU(),
        nn.Linear(64, n_features),
    )


def train_by_hand(module, x, *, batch_size, n_epochs, lr, clip):
    """Train on slices of one shuffled tensor."""
    optimizer = torch.optim.AdamW(module.parameters(), lr=lr, fused=True)
    n_batches = -(-len(x) // batch_size)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, lr, total_steps=n_epochs * n_batches, cycle_momentum=False
    )
    for _ in range(n_epochs):
        for rows in torch.randperm(len(x)).split(batch_size):
            batch = x[rows]
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(module(batch), batch)
            loss.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(module.parameters(), clip)
            optimizer.step()
            scheduler.step()


def seconds(function):
    """Return the wall-clock seconds of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def compare(name, estimator, X, make_module, *, n_epochs, n_pairs):
    """Print the median ratio of the seconds per epoch."""
    clip = estimator._family.clip
    x = torch.from_numpy(X)

    def fit(epochs):
        estimator.set_params(max_iter=epochs).fit(X)

    def by_hand(epochs):
        train_by_hand(
            make_module(),
            x,
            batch_size=estimator.batch_size,
            n_epochs=epochs,
            lr=estimator.learning_rate_init,
            clip=clip,
        )

    fit(1), by_hand(1)  # warm-up: the first call loads libraries and allocates memory
    pairs = []
    for _ in range(n_pairs):
        # The difference of a long and a short fit excludes the time of the set-up.
        ours = seconds(lambda: fit(n_epochs + 1)) - seconds(lambda: fit(1))
        theirs = seconds(lambda: by_hand(n_epochs + 1)) - seconds(lambda: by_hand(1))
        pairs.append((ours / n_epochs, theirs / n_epochs))
    ratios = [ours / theirs for ours, theirs in pairs]
    print(
        f"{name:<6} ours {statistics.median(p[0] for p in pairs):.4f} s/epoch  "
        f"by hand {statistics.median(p[1] for p in pairs):.4f} s/epoch  "
        f"ratio median {statistics.median(ratios):.3f}  "
        f"(min {min(ratios):.3f}, max {max(ratios):.3f}, {n_pairs} pairs)"
    )


def main():
    """Run both cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=7, help="pairs of runs")
    n_pairs = parser.parse_args().pairs
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    options = {"init": "random", "early_stopping": False, "random_state": 0}
    compare(
        "dense",
        DenseAutoencoderTransformer(
            3, hidden_layer_sizes=(64,), batch_size=256, **options
        ),
        rng.standard_normal((50_000, 17), dtype=np.float32),
        lambda: hand_written_dense(17, 3),
        n_epochs=10,
        n_pairs=n_pairs,
    )
    compare(
        "LSTM",
        RecurrentAutoencoderTransformer(
            30,
            hidden_layer_sizes=(100, 30),
            bidirectional=False,
            batch_size=32,
            **options,
        ),
        rng.standard_normal((3_200, 28, 28), dtype=np.float32),
        lambda: HandWrittenLSTM(28, 30),
        n_epochs=2,
        n_pairs=n_pairs,
    )


if __name__ == "__main__":
    main()
