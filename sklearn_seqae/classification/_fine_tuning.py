"""Train an encoder and a linear head on the labeled rows."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from sklearn_seqae.training.batches import Batches
from sklearn_seqae.training.checkpoints import is_on, open_checkpoint
from sklearn_seqae.training.isolation import isolated
from sklearn_seqae.training.net import AutoencoderNet
from sklearn_seqae.training.progress import Progress

N_FOLDS = 3
SLOW = 0.1  # relative learning rate of the linear path, which overfits few labels
HEAD_C = 10.0  # C of the logistic regression that initializes the head
MIN_GAIN = 0.02  # of the Brier score, which is 2 for a confident error
CLIP = 1.0  # maximum norm of the gradient
# Adam divides a gradient by its size. With a smaller epsilon, rows of weight 1e-7 would
# move the network as fast as the others once those are fitted.
EPS = 1e-6
LEAST_BATCHES = 10  # per epoch; an epoch repeats few rows
TOGETHER = 512  # batch size of the validation rows


class Network(nn.Module):
    """The encoder and a linear head: (N, D) or (N, T, C) to logits (N, K)."""

    def __init__(self, encoder, center, unit, coef, intercept):
        super().__init__()
        self.encoder = encoder
        self.center, self.unit = torch.tensor(center, dtype=torch.float32), unit
        self.coef = nn.Parameter(torch.tensor(coef, dtype=torch.float32))
        self.intercept = nn.Parameter(torch.tensor(intercept, dtype=torch.float32))

    @property
    def linear_path(self):  # the net trains it with its own learning rate
        return self.encoder.module.linear_path

    def forward(self, x, lengths=None):
        code = (self.encoder(x, lengths) - self.center.to(x.device)) / self.unit
        return code @ self.coef.T + self.intercept


class ClassifierLosses(NamedTuple):
    """Losses of each row (N,); for several epochs (E, N)."""

    total: Any  # cross-entropy
    brier: Any  # Brier score, 2 for a confident error


class CrossEntropy:
    """Cross-entropy of a batch; cross-entropy and Brier score of each row.

    Losses are multiplied by the weights of the rows.
    """

    def __call__(self, network, batch):
        logits = network(batch.x, batch.lengths)
        if batch.weight is None:
            return nn.functional.cross_entropy(logits, batch.target)
        losses = nn.functional.cross_entropy(logits, batch.target, reduction="none")
        return (losses * batch.weight).mean()

    def rows(self, network, batch):
        logits = network(batch.x, batch.lengths)
        losses = nn.functional.cross_entropy(logits, batch.target, reduction="none")
        truth = nn.functional.one_hot(batch.target, logits.shape[1])
        scores = (logits.softmax(1) - truth).square().sum(1)
        if batch.weight is not None:
            losses, scores = losses * batch.weight, scores * batch.weight
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
    """Train the encoder and a head on labeled rows, always from the same weights.

    Parameters
    ----------
    config : FineTuningConfig
        Parameters of the trainings.

    model : FittedModel
        Fitted autoencoder. Its module is trained in place.

    samples : Samples
        All rows.

    labelled, targets : ndarray of shape (M,)
        Labeled rows, and the index of the class of each.

    weights : ndarray of shape (M,) or None, default=None
        Weights of the labeled rows, with mean 1; None: all are 1.
    """

    @isolated()
    def __init__(self, config, model, samples, labelled, targets, weights=None):
        self.config = config
        self.model = model
        self.targets = targets
        self.weights = weights
        self.x, self.lengths = model.tensors(samples.take(labelled))
        # Here, codes are in the units of the differentiable encoder.
        codes = model.encode(samples).astype(np.float64) / model.code_unit
        # One scale for all components: with one scale each, the last components of
        # PCA, mostly noise, would weigh as much as the first.
        self.center = np.average(codes, axis=0, weights=samples.weight)
        squares = np.square(codes - self.center).mean(axis=1)
        self.unit = float(np.sqrt(np.average(squares, weights=samples.weight))) or 1.0
        self.codes = (codes[labelled] - self.center) / self.unit
        state = model.module.state_dict().items()
        self.start = {name: weight.clone() for name, weight in state}
        self.checkpoint = None

    def open_checkpoint(self, *, is_seeded):
        """Continue from the checkpoint of an interrupted fit, inside of `fits_inside`.

        `is_seeded` says whether the user determines the seed.
        """
        if not is_on(None):
            return
        config, state = replace(self.config, seed=0), self.model.get_state()
        data = [self.x, self.lengths, self.codes, self.targets, self.weights]
        checkpoint: Any = open_checkpoint(
            None, [config, state, data], self.config.seed, is_seeded=is_seeded
        )
        self.checkpoint = checkpoint
        self.config = replace(config, seed=checkpoint.seed)

    def for_codes_of_transform(self, coef, intercept):
        """Return the head that takes the codes of `transform`: coef and intercept."""
        intercept = intercept - coef @ (self.center / self.unit)
        return coef / (self.unit * self.model.code_unit), intercept

    def head(self, rows):
        """Fit the logistic regression that initializes the head."""
        weights = None if self.weights is None else self.weights[rows]
        model = LogisticRegression(C=HEAD_C, max_iter=1000)
        model.fit(self.codes[rows], self.targets[rows], sample_weight=weights)
        coef, intercept = model.coef_, model.intercept_
        if len(model.classes_) == 2:
            coef, intercept = (np.stack([-w, w]) / 2 for w in (coef[0], intercept[0]))
        return coef, intercept, int(model.n_iter_.max())

    @isolated()
    def train(self, rows, held_out=None, *, n_epochs, name="training"):
        """Train on rows. Return the head, its loss curve and the validation losses."""
        config, module = self.config, self.model.module
        module.load_state_dict(self.start)
        generator = torch.Generator().manual_seed(config.seed)
        encoder = encoder_to_fine_tune(self.model, len(rows), generator)
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
            optimizer__eps=EPS,
            device=self.model.device,
        ).initialize()
        size, least = config.batch_size, 1
        if size == "auto":
            size, least = int(np.clip(len(rows) // 10, 8, 64)), LEAST_BATCHES
        batches = self._batches(rows, min(size, len(rows)), generator, least)
        watched, history = None, []
        if held_out is not None:
            watched = self._batches(held_out, TOGETHER)
            # The order of the batches is the same in each epoch.
            history.append(net.measure(watched))
        losses: list[float] = []
        record: Any = partial(dict, losses=losses, history=history)
        progress = Progress(self.checkpoint, name, net, batches, record)
        if progress.restored is not None:
            losses[:] = progress.restored["losses"]
            history[:] = [ClassifierLosses(*e) for e in progress.restored["history"]]
        for loss, own in progress.epochs(watched, n_epochs=n_epochs):
            losses.append(loss)
            if own is not None:
                history.append(own)
            progress.save()
        progress.end()
        module.eval()
        coef = network.coef.detach().cpu().numpy().astype(np.float64)
        intercept = network.intercept.detach().cpu().numpy().astype(np.float64)
        return (coef, intercept), losses, history

    def history(self):
        """Return the losses of the validation rows at each epoch, epoch 0 first."""
        n_epochs = self.config.max_iter
        folds = folds_of(self.targets, self.config.seed)
        empty = np.empty((n_epochs + 1, 0))
        histories = [ClassifierLosses(empty, empty)]
        for fold in range(folds.max() + 1):
            is_out = folds == fold
            rows, held_out = np.flatnonzero(~is_out), np.flatnonzero(is_out)
            name = f"fold {fold + 1}"
            epochs = self.train(rows, held_out, n_epochs=n_epochs, name=name)[2]
            histories.append(
                ClassifierLosses(*map(np.stack, zip(*epochs, strict=True)))
            )
        total, brier = (
            np.concatenate(part, axis=1) for part in zip(*histories, strict=True)
        )
        if self.weights is not None:  # so that the mean over the rows is weighted
            mean = self.weights[folds >= 0].mean()
            total, brier = total / mean, brier / mean
        return ClassifierLosses(total, brier)

    def _batches(self, rows, batch_size, generator=None, least=1):
        weight = None
        if self.weights is not None:
            weight = torch.tensor(self.weights[rows], dtype=torch.float32)
            weight = weight.to(self.x.device)
        rows = torch.from_numpy(rows).to(self.x.device)
        return Batches(
            self.x[rows],
            None if self.lengths is None else self.lengths[rows],
            batch_size=batch_size,
            generator=generator,
            least=least,
            target=torch.from_numpy(self.targets).to(self.x.device)[rows],
            weight=weight,
        )


def encoder_to_fine_tune(model, n_rows, generator):
    """Return the encoder of a model for fine-tuning on n rows.

    In training mode it warps samples, as in the training of the model. With a linear
    path, the corrections of all components are set to the same unit.
    """
    if model.module.linear_path is None:
        return model.encoder()
    unify_units(model.module)
    return model.encoder(warp=model.family.warp(n_rows), generator=generator)


@torch.no_grad()
def unify_units(module):
    """Set one unit for the corrections of all components, and keep the outputs.

    The last layer of the encoder is rescaled. Components with a small contribution to
    the reconstruction have a small unit. For a classifier, any component may separate
    the classes.
    """
    unit = module.encoder_unit
    largest = unit.max()
    largest = largest.where(largest > 0, 1)  # PCA has no residual
    last = [layer for layer in module.encoder.modules() if type(layer) is nn.Linear][-1]
    # The other outputs of a variational encoder are log variances, without a unit.
    last.weight[: len(unit)].mul_((unit / largest)[:, None])
    module.set_units(encoder_unit=largest)


def folds_of(targets, seed):
    """Return the validation fold of each row. Each class is spread over the folds.

    The only row of a class has fold -1: it is always in the training part.
    """
    order = np.random.RandomState(seed).permutation(len(targets))
    order = order[np.argsort(targets[order], kind="stable")]
    counts = np.bincount(targets)
    alone = counts[targets[order]] == 1
    folds = np.full(len(targets), -1)
    several = order[~alone]
    folds[several] = np.arange(len(several)) % min(N_FOLDS, counts.max())
    return folds


def has_gained(history):
    """Return whether the Brier score of the validation rows has improved at the end.

    The cross-entropy is not suitable: it is larger for a network that is right more
    often but more confident in its errors. At epochs in between, the learning rate is
    too high to stop. A gain below `MIN_GAIN` is not worth the risk.
    """
    before, after = history.brier[[0, -1]].mean(axis=1)
    return after < before - MIN_GAIN


def with_encoder_codes(autoencoder):
    """Return a fitted autoencoder without refinement: fine-tuning changes its encoder.

    The decoder does not follow, so its nearest points would no longer be the codes.
    """
    autoencoder.model_ = replace(autoencoder.model_, refinement_steps=0)
    return autoencoder
