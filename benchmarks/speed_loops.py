"""Hand-written networks and training loops that `speed.py` compares with.

The networks, the optimizer and the schedule are those of the estimators. The loops have
no other overhead: batches are rows of one tensor.
"""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence


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

    def encode(self, x):
        """Return the latent code."""
        return self.code(self.second(self.first(x)[0])[0][:, -1])

    def forward(self, x):
        repeated = self.encode(x)[:, None].expand(-1, x.shape[1], -1)
        return self.out(self.fourth(self.third(repeated)[0])[0])


class TwoLSTMs(nn.Module):
    """Layers of an autoencoder: LSTM n_channels-64, latent code, LSTM 64, output."""

    def __init__(self, n_channels, n_components):
        super().__init__()
        self.encoder = nn.LSTM(n_channels, 64, batch_first=True)
        self.code = nn.Linear(64, n_components)
        self.decoder = nn.LSTM(n_components, 64, batch_first=True)
        self.out = nn.Linear(64, n_channels)


class PackedLSTM(TwoLSTMs):
    """LSTM autoencoder for packed sequences."""

    def forward(self, x, lengths):
        code = self.code(self.encoder(pack(x, lengths))[1][0][-1])
        repeated = code[:, None].expand(-1, x.shape[1], -1)
        states = self.decoder(pack(repeated, lengths))[0]
        return self.out(pad_packed_sequence(states, batch_first=True)[0])


def pack(x, lengths):
    """Pack padded sequences of any order."""
    return pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)


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


def train_by_hand(module, x, *, batch_size, n_epochs, lr, clip=None):
    """Train on rows of one tensor, or on a list of sequences of several lengths."""
    is_list = isinstance(x, list)
    lengths = torch.tensor([len(sequence) for sequence in x]) if is_list else None
    optimizer = torch.optim.AdamW(module.parameters(), lr=lr, fused=True)
    n_batches = -(-len(x) // batch_size)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, lr, total_steps=n_epochs * n_batches, cycle_momentum=False
    )
    for _ in range(n_epochs):
        for rows in torch.randperm(len(x)).split(batch_size):
            optimizer.zero_grad()
            if is_list:
                loss = packed_loss(module, [x[row] for row in rows], lengths[rows])
            else:
                batch = x[rows]
                loss = nn.functional.mse_loss(module(batch), batch)
            loss.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(module.parameters(), clip)
            optimizer.step()
            scheduler.step()


def packed_loss(module, sequences, lengths):
    """Return the mean squared error over the values of all sequences."""
    x = pad_sequence(sequences, batch_first=True)
    squares = (module(x, lengths) - x).square()
    mask = torch.arange(x.shape[1]) < lengths[:, None]
    return squares[mask].mean()
