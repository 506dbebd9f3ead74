"""Train an encoder and a linear head on the rows that have a label."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from sklearn_seqae.training.batches import Batches
from sklearn_seqae.training.net import AutoencoderNet
from sklearn_seqae.training.threads import lend_threads

N_FOLDS = 3
SLOW = 0.1  # rate of the linear path, which few labels teach to memorise
HEAD_C = 10.0  # of the logistic regression that the head starts from
WORTH_IT = 0.02  # gain in the Brier score, which is 2 for a sure error
CLIP = 1.0  # largest norm of the gradient
LEAST_BATCHES = 10  # of an epoch: few rows are gone through more than once
TOGETHER = 512  # held-out rows that are measured at once


class Network(nn.Module):
    """The encoder and a linear head: (N, D) or (N, T, C) to logits (N, K)."""

    def __init__(self, encoder, center, unit, coef, intercept):
        super().__init__()
        self.encoder = encoder
        self.center, self.unit = torch.tensor(center, dtype=torch.float32), unit
        self.coef = nn.Parameter(torch.tensor(coef, dtype=torch.float32))
        self.intercept = nn.Parameter(torch.tensor(intercept, dtype=torch.float32))

    @property
    def linear_path(self):  # to the net: it learns, too
        return self.encoder.module.linear_path

    def forward(self, x, lengths=None):
        code = (self.encoder(x, lengths) - self.center.to(x.device)) / self.unit
        return code @ self.coef.T + self.intercept


class ClassifierLosses(NamedTuple):
    """Losses of each row (N,); for several epochs (E, N)."""

    total: torch.Tensor  # cross-entropy
    brier: torch.Tensor  # 2 for a confident error


class CrossEntropy:
    """Loss of a batch, and of each of its rows, beside the Brier score."""

    def __call__(self, network, batch):
        logits = network(batch.x, batch.lengths)
        return nn.functional.cross_entropy(logits, batch.target)

    def rows(self, network, batch):
        logits = network(batch.x, batch.lengths)
        losses = nn.functional.cross_entropy(logits, batch.target, reduction="none")
        truth = nn.functional.one_hot(batch.target, logits.shape[1])
        scores = (logits.softmax(1) - truth).square().sum(1)
        return ClassifierLosses(losses, scores)


@dataclass(frozen=True)
class FineTuningConfig:
    """Parameters of the fine-tuning, as in AutoencoderClassifier."""

    alpha: float
    batch_size: int | str
    learning_rate_init: float
    max_iter: int
    seed: int  # source of every random number


class FineTuning:
    """Train the encoder and a head on labelled rows, several times from one start.

    Parameters
    ----------
    config : FineTuningConfig
        Parameters of the trainings.

    model : FittedModel
        The autoencoder, whose module is trained.

    samples : Samples
        All rows.

    labelled, targets : ndarray of shape (M,)
        The rows with a label, and the number of its class.
    """

    def __init__(self, config, model, samples, labelled, targets):
        self.config = config
        self.model = model
        self.targets = targets
        codes = model.encode(samples).astype(np.float64)
        # One unit for all components: in units of each alone, the last ones of PCA,
        # mostly noise, would weigh as much as the first.
        self.center = codes.mean(axis=0)
        self.unit = float(np.sqrt(codes.var(axis=0).mean())) or 1.0
        self.codes = (codes[labelled] - self.center) / self.unit
        self.x, self.lengths = model.tensors(samples.take(labelled))
        weights = model.module.state_dict().items()
        self.start = {name: weight.clone() for name, weight in weights}

    def head(self, rows):
        """Fit the logistic regression that the head starts from."""
        model = LogisticRegression(C=HEAD_C, max_iter=1000)
        model.fit(self.codes[rows], self.targets[rows])
        coef, intercept = model.coef_, model.intercept_
        if len(model.classes_) == 2:
            coef, intercept = (np.stack([-w, w]) / 2 for w in (coef[0], intercept[0]))
        return coef, intercept, int(model.n_iter_.max())

    def train(self, rows, held_out=None, *, n_epochs):
        """Train on these rows; return the head, its loss curve and held-out losses."""
        config, module = self.config, self.model.module
        module.load_state_dict(self.start)
        generator = torch.Generator().manual_seed(config.seed)
        encoder = self.model.encoder_to_fine_tune(len(rows), generator)
        coef, intercept, _ = self.head(rows)
        network = Network(encoder, self.center, self.unit, coef, intercept)
        net = AutoencoderNet(
            network,
            CrossEntropy(),
            lr=config.learning_rate_init,
            slow=SLOW,
            weight_decay=config.alpha,
            max_epochs=config.max_iter,
            one_cycle=True,
            clip=CLIP,
            device=self.model.device,
        ).initialize()
        size, least = config.batch_size, 1
        if size == "auto":
            size, least = int(np.clip(len(rows) // 10, 8, 64)), LEAST_BATCHES
        batches = self._batches(rows, min(size, len(rows)), generator, least)
        watched, course = None, []
        if held_out is not None:
            watched = self._batches(held_out, TOGETHER)
            # Batches of sequences are sorted by length, the same in each epoch.
            course.append(net.measure(watched))
        losses = []
        n_weights = sum(weight.numel() for weight in network.parameters())
        steps = self.x.shape[1] if self.x.ndim == 3 else 1
        with lend_threads(n_weights * batches.batch_size * steps):
            for loss, own in net.train(batches, watched, n_epochs=n_epochs):
                losses.append(loss)
                if own is not None:
                    course.append(own)
        module.eval()
        coef = network.coef.detach().cpu().numpy().astype(np.float64)
        intercept = network.intercept.detach().cpu().numpy().astype(np.float64)
        return (coef, intercept), losses, course

    def course(self):
        """Losses of the held-out rows at each epoch, the start first."""
        n_epochs = self.config.max_iter
        folds = folds_of(self.targets, self.config.seed)
        empty = np.empty((n_epochs + 1, 0))
        courses = [ClassifierLosses(empty, empty)]
        for fold in range(folds.max() + 1):
            is_out = folds == fold
            rows, held_out = np.flatnonzero(~is_out), np.flatnonzero(is_out)
            epochs = self.train(rows, held_out, n_epochs=n_epochs)[2]
            courses.append(ClassifierLosses(*map(np.stack, zip(*epochs, strict=True))))
        fields = zip(*courses, strict=True)
        return ClassifierLosses(*(np.concatenate(part, axis=1) for part in fields))

    def _batches(self, rows, batch_size, generator=None, least=1):
        rows = torch.from_numpy(rows).to(self.x.device)
        return Batches(
            self.x[rows],
            None if self.lengths is None else self.lengths[rows],
            batch_size=batch_size,
            generator=generator,
            least=least,
            target=torch.from_numpy(self.targets).to(self.x.device)[rows],
        )


def folds_of(targets, seed):
    """Number of the fold that holds each row out, each class spread over the folds.

    The only row of a class is in no fold, -1: without it the class would be unknown.
    """
    order = np.random.RandomState(seed).permutation(len(targets))
    order = order[np.argsort(targets[order], kind="stable")]
    counts = np.bincount(targets)
    alone = counts[targets[order]] == 1
    folds = np.full(len(targets), -1)
    several = order[~alone]
    folds[several] = np.arange(len(several)) % min(N_FOLDS, counts.max())
    return folds


def has_gained(course):
    """Whether held-out rows have a better Brier score at the end than at the start.

    The cross-entropy would not do: a network that is more often right, but surer of
    itself where it is wrong, has a larger one. Epochs between have a rate too high to
    end with. Where the start is right already, a gain is not worth the risk.
    """
    before, after = course.brier[[0, -1]].mean(axis=1)
    return after < before - WORTH_IT
