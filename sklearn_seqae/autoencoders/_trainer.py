"""Select, then refit: one training after another on parts of the same samples."""

from dataclasses import dataclass, field

import numpy as np
import torch
from sklearn.decomposition import PCA

from sklearn_seqae.autoencoders._scaling import Scaling
from sklearn_seqae.autoencoders._selection import REFIT_BELOW, Selection
from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.linear_path import LinearPath, ResampledLinearPath
from sklearn_seqae.modules.objective import Reconstruction
from sklearn_seqae.sequences import resample
from sklearn_seqae.training.batches import Batches
from sklearn_seqae.training.callbacks import EpochLog
from sklearn_seqae.training.net import AutoencoderNet
from sklearn_seqae.training.threads import lend_threads

PCA_ROWS = 50_000  # a subsample of so many rows gives the components of all
EVALUATED_TOGETHER = 512  # rows
EDGE = 0.01  # values this near to 0 or 1 have no larger logit


def build_module(estimator, architecture, generator):
    """Put the networks of a family beside the linear path, where it has one."""
    path = linear_path(architecture) if architecture["linear_path"] else None
    encoder, decoder = estimator._build_networks(architecture, generator)
    return Autoencoder(encoder=encoder, decoder=decoder, linear_path=path)


def linear_path(architecture):
    """Make the linear path of a table, or of sequences."""
    n_features, n_steps, n_components = (
        architecture[name] for name in ("n_features", "n_steps", "n_components")
    )
    if n_steps is None:
        return LinearPath(n_features=n_features, n_components=n_components)
    return ResampledLinearPath(
        n_steps=n_steps, n_channels=n_features, n_components=n_components
    )


@dataclass
class Trained:
    """One training: its net, its units and its course."""

    net: AutoencoderNet
    scaling: Scaling
    architecture: dict
    loss_curve: list = field(default_factory=list)
    states: dict = field(default_factory=dict)  # epoch: weights, of 0 and the best
    selection: Selection | None = None

    def keep_weights_of(self, epoch):
        """Go back to the weights that an epoch ended with."""
        self.net.module_.load_state_dict(self.states[epoch])
        self.loss_curve = self.loss_curve[:epoch]


class Trainer:
    """Train the network of an estimator on rows of its samples.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Gives the parameters and the networks; nothing is written to it.

    samples : Samples
        What `fit` was given.

    seed : int
        Source of every random number.

    start : Trained or None, default=None
        An earlier training to go on from, for `warm_start`.
    """

    def __init__(self, estimator, samples, seed, start=None):
        self.estimator = estimator
        self.samples = samples
        self.seed = seed
        self.start = start
        self.n_steps = None
        if samples.values.ndim == 3:
            lengths = samples.lengths
            usual = samples.values.shape[1] if lengths is None else np.median(lengths)
            self.n_steps = int(usual)

    def select(self, splits):
        """Find the best epoch on held-out rows, then train for it on all rows.

        Returns
        -------
        trained : Trained
            The final training.

        selection : Selection
            What the held-out rows said.
        """
        passes = [self.train(rows, held_out) for rows, held_out in splits]
        selection = Selection.join([one.selection for one in passes])
        best = selection.best_epoch()
        if len(self.samples) >= REFIT_BELOW:
            passes[0].keep_weights_of(best)
            return passes[0], selection
        valid_losses = selection.valid_losses[1:].tolist()
        return self.train(n_epochs=best, valid_losses=valid_losses), selection

    def train(self, rows=None, held_out=None, *, n_epochs=None, valid_losses=None):
        """Train on `rows` (all by default), watching `held_out` where given."""
        part = self.samples if rows is None else self.samples.take(rows)
        trained, train = self._prepare(part)
        watch = None
        if held_out is not None:
            watch = self._watch(trained, train, self.samples.take(held_out))
        n_weights = sum(w.numel() for w in trained.net.module_.parameters())
        with lend_threads(n_weights * train.batch_size * (self.n_steps or 1)):
            epochs = trained.net.train(
                train,
                watch and watch.data,
                n_epochs=n_epochs,
                valid_losses=valid_losses,
            )
            for train_loss, held_out_rows in epochs:
                trained.loss_curve.append(train_loss)
                if watch and watch.look(held_out_rows):
                    break
            epochs.close()
        if watch:
            trained.selection = watch.selection()
        return trained

    def _prepare(self, part):
        """Make the net, ready at epoch 0, and the batches that it trains on."""
        estimator = self.estimator
        if self.start is None:
            scaling = Scaling.fit(
                part.values, part.lengths, n_steps=self.n_steps, center=self._center()
            )
            architecture = estimator._architecture(part.values.shape[-1], self.n_steps)
        else:
            scaling, architecture = self.start.scaling, self.start.architecture
        x = scaling.apply(part.values, part.lengths)
        generator = torch.Generator().manual_seed(self.seed)
        module = build_module(estimator, architecture, generator)
        if self.start is not None:
            module.load_state_dict(self.start.net.module_.state_dict())
        elif module.linear_path is not None:
            self._start_as_pca(module.linear_path, x, part.lengths, generator)
        size = estimator.batch_size
        if size == "auto":
            size = estimator._auto_batch_size(len(x))
        batches = self._batches(x, part.lengths, min(size, len(x)), generator)
        return Trained(self.make_net(estimator, module), scaling, architecture), batches

    def _center(self):
        if self.estimator.loss == "binary_cross_entropy":
            return "none"
        if self.n_steps is not None and self.estimator.init == "random":
            return "channel"
        return "step"

    def _start_as_pca(self, path, x, lengths, generator, n_components=None):
        """Set the linear path to PCA of x, in the network's units.

        With no component it is the mean. With binary cross-entropy the code is
        PCA's, and a least-squares map leads from it to the logits.
        """
        flat = x if self.n_steps is None else resample(x, lengths, self.n_steps)
        flat = flat.reshape(len(flat), -1)
        if len(flat) > PCA_ROWS:
            rows = np.random.default_rng(self.seed).permutation(len(flat))[:PCA_ROWS]
            flat = flat[np.sort(rows)]
        flat = flat.astype(np.float64)
        mean = intercept = flat.mean(axis=0)
        components = loadings = np.zeros((0, flat.shape[1]))
        if n_components != 0:
            width = min(path.encoder.out_features, *flat.shape)
            solver = "full" if min(flat.shape) <= 500 else "auto"
            pca = PCA(width, svd_solver=solver, random_state=self.seed)
            with np.errstate(invalid="ignore", divide="ignore"):  # one row: 0 / 0
                components = loadings = pca.fit(flat).components_
        if self.estimator.loss == "binary_cross_entropy":
            squeezed = np.clip(flat, EDGE, 1 - EDGE)
            logits = np.log(squeezed / (1 - squeezed))
            intercept = logits.mean(axis=0)
            code = (flat - mean) @ components.T
            loadings = np.linalg.lstsq(code, logits - intercept)[0]
        path.start(
            components=_tensor(components),
            loadings=_tensor(loadings),
            mean=_tensor(mean),
            intercept=_tensor(intercept),
            generator=generator,
        )

    @staticmethod
    def make_net(estimator, module):
        """Put a module into a skorch net with the parameters of an estimator."""
        callbacks = list(estimator.skorch_callbacks or [])
        if estimator.verbose:
            callbacks.append(EpochLog(type(estimator).__name__))
        net = AutoencoderNet(
            module,
            Reconstruction(estimator.loss),
            lr=estimator.learning_rate_init,
            weight_decay=estimator.alpha,
            max_epochs=estimator.max_iter,
            clip=estimator._clip,
            callbacks=callbacks,
            device=estimator.device,
        )
        return net.initialize()

    def _batches(self, x, lengths, batch_size, generator=None):
        device = self.estimator.device
        return Batches(
            torch.from_numpy(x).to(device),
            None if lengths is None else torch.from_numpy(lengths).to(device),
            batch_size=batch_size,
            generator=generator,
        )

    def _watch(self, trained, train, held_out):
        """Set the net, the training mean and PCA before the held-out rows."""
        net = trained.net
        x = trained.scaling.apply(held_out.values, held_out.lengths)
        data = self._batches(x, held_out.lengths, EVALUATED_TOGETHER)
        if self.start is None and net.module_.linear_path is not None:
            pca = net.measure(data)
        else:
            pca = self._measure_linear(net, train, data)
        mean = self._measure_linear(net, train, data, n_components=0)
        return Watch(self.estimator, trained, data, mean=mean, pca=pca)

    def _measure_linear(self, net, train, data, n_components=None):
        """Measure PCA, or with no component the mean, of the training rows."""
        path = linear_path(
            self.estimator._architecture(train.x.shape[-1], self.n_steps)
        )
        generator = torch.Generator().manual_seed(self.seed)
        lengths = None if train.lengths is None else train.lengths.cpu().numpy()
        x = train.x.cpu().numpy()
        self._start_as_pca(path, x, lengths, generator, n_components)
        linear = Autoencoder(encoder=None, decoder=None, linear_path=path)
        return net.measure(data, linear.to(net.device))


class Watch:
    """Follow the held-out rows through one training, and say when to stop.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Gives `tol` and `n_iter_no_change`.

    trained : Trained
        What is trained; its weights at epoch 0 and at the best one are kept.

    data : Batches
        The held-out rows.

    mean, pca : ndarray of shape (M, 2)
        Loss and squared error of each row, of the training mean and of PCA.
    """

    def __init__(self, estimator, trained, data, *, mean, pca):
        self.estimator = estimator
        self.trained = trained
        self.data = data
        self.mean = mean
        self.pca = pca
        self.course = []
        self.misses = 0
        self.look(trained.net.measure(data))

    def look(self, rows):
        """Take in the held-out rows after one more epoch; True when it is time to stop.

        Epoch 0 is the first.
        """
        self.course.append(rows)
        losses = [rows[:, 0].sum() for rows in self.course]
        epoch, least = len(losses) - 1, min(losses[:-1], default=np.inf)
        gain = self.estimator.tol * losses[0]
        is_better = epoch == 0 or losses[-1] < least - gain
        self.misses = 0 if is_better else self.misses + 1
        if losses[-1] < least:
            weights = self.trained.net.module_.state_dict().items()
            copy = {name: weight.clone() for name, weight in weights}
            self.trained.states = {0: self.trained.states.get(0, copy), epoch: copy}
        return self.misses >= self.estimator.n_iter_no_change

    def selection(self):
        """What the held-out rows said."""
        course = np.stack(self.course)
        return Selection(
            losses=course[:, :, 0],
            squared_errors=course[:, :, 1],
            mean_losses=self.mean[:, 0],
            mean_squared_errors=self.mean[:, 1],
            reference_squared_errors=self.pca[:, 1],
            n_values=self.data.n_values,
        )


def _tensor(array):
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
