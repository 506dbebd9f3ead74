"""Select, then refit: one training after another on parts of the same samples."""

from dataclasses import dataclass, field, replace

import numpy as np
import torch

from sklearn_seqae.autoencoders._bottlenecks import (
    LEAST_UNIT,
    as_probabilistic_pca,
    bottleneck_of,
    corrupted,
    noise_of,
)
from sklearn_seqae.autoencoders._pca_start import (
    ROUNDING,
    codes_and_residuals,
    enough_components,
    make_linear_path,
    pca_start,
)
from sklearn_seqae.autoencoders._scaling import Scaling
from sklearn_seqae.autoencoders._selection import REFIT_BELOW, Selection
from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.bottleneck import Plain
from sklearn_seqae.modules.objective import Objective
from sklearn_seqae.modules.span import InSpan
from sklearn_seqae.training.batches import Batches
from sklearn_seqae.training.callbacks import EpochLog
from sklearn_seqae.training.net import AutoencoderNet
from sklearn_seqae.training.threads import lend_threads

EVALUATED_TOGETHER = 512  # rows


def build_module(estimator, architecture, generator):
    """Put the networks of a family beside the linear path, where it has one."""
    path = make_linear_path(architecture) if architecture["linear_path"] else None
    networks = estimator._build_networks(architecture, generator)
    return Autoencoder(
        n_components=architecture["n_components"],
        linear_path=path,
        n_ahead=architecture.get("n_ahead"),
        is_ordered=architecture["ordered"],
        is_logistic=estimator.loss == "binary_cross_entropy",
        is_variational=architecture["variational"],
        **networks,
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

    splits : list of pairs of ndarray
        Training rows and held-out rows, to choose the epoch by.

    start : Trained or None, default=None
        An earlier training to go on from, for `warm_start`.

    tasks : FitTasks or None, default=None
        Told when a training begins and ends.
    """

    def __init__(self, estimator, samples, seed, splits, start=None, tasks=None):
        self.estimator = estimator
        self.samples = samples
        self.seed = seed
        self.splits = splits
        self.start = start
        self.tasks = tasks
        self.ordered = estimator._is_ordered()
        self.n_steps = None
        if samples.values.ndim == 3:
            lengths = samples.lengths
            usual = samples.values.shape[1] if lengths is None else np.median(lengths)
            self.n_steps = int(usual)
        self.n_components = estimator.n_components
        if start is not None:
            self.n_components = start.architecture["n_components"]
        elif estimator._fraction is not None:
            self.n_components = enough_components(
                samples, self.n_steps, estimator._fraction, seed, splits
            )

    @property
    def n_trainings(self):
        """How often the network is trained: in each split, and on all rows."""
        refit = not self.splits or len(self.samples) < REFIT_BELOW
        return len(self.splits) + refit

    def select(self):
        """Find the best epoch on held-out rows, then train for it on all rows.

        Returns
        -------
        trained : Trained
            The final training.

        selection : Selection
            What the held-out rows said.
        """
        passes = [self.train(rows, held_out) for rows, held_out in self.splits]
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
            watch = self._watch(trained, part, self.samples.take(held_out))
        end_task = None
        if self.tasks is not None:
            name = "training" if held_out is None else "selection"
            most = self.estimator.max_iter if n_epochs is None else n_epochs
            end_task = self.tasks.begin_training(trained, name, most)
        work = trained.net.module_.work * train.batch_size * (self.n_steps or 1)
        with lend_threads(work):
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
        if end_task is not None:
            end_task()
        if watch:
            trained.selection = watch.selection()
        return trained

    def _prepare(self, part):
        """Make the net, ready at epoch 0, and the batches that it trains on."""
        estimator = self.estimator
        if self.start is None:
            scaling = Scaling.fit(
                part.values,
                part.lengths,
                n_steps=self.n_steps,
                centered=estimator.loss != "binary_cross_entropy",
                weight=part.weight,
            )
            architecture = estimator._architecture(
                part.values.shape[-1],
                n_steps=self.n_steps,
                n_rows=len(part),
                n_components=self.n_components,
                ordered=self.ordered,
            )
        else:
            scaling, architecture = self.start.scaling, self.start.architecture
        data = _scaled(part, scaling)
        generator = torch.Generator().manual_seed(self.seed)
        size = estimator.batch_size
        if size == "auto":
            size = estimator._auto_batch_size(len(data))
        size = min(size, len(data))
        least = estimator._least_batches if estimator.batch_size == "auto" else 1
        batches = self._batches(data, size, generator, least)
        objective = Objective(
            estimator.loss,
            generator=generator,
            noise=noise_of(estimator, generator),
            **estimator._objective_options(data),
        )
        module = build_module(estimator, architecture, generator)
        if self.start is not None:
            module.load_state_dict(self.start.net.module_.state_dict())
        elif module.linear_path is not None:
            self._start_as_pca(module, architecture, data, objective)
        objective.bottleneck = bottleneck_of(estimator, module, generator) or Plain()
        net = self.make_net(estimator, module, objective)
        if self.start is None and architecture.get("rank"):
            batches = self._into_span(net, batches)
        return Trained(net, scaling, architecture), batches

    def _start_as_pca(self, module, architecture, data, objective):
        """Start the linear path as PCA, and have the networks speak in its units."""
        linear, basis = self._pca(architecture, data)
        module.linear_path = linear.linear_path
        width = architecture["n_components"]
        sizes = range(1, width + 1) if self.ordered else [width]
        batches = self._batches(data, EVALUATED_TOGETHER)
        codes, residuals = codes_and_residuals(linear, batches, sizes, objective)
        if self.estimator.loss == "binary_cross_entropy":  # logits leave no residual
            residuals = torch.ones_like(residuals)
        if self.estimator._is_penalised():
            residuals = residuals.where(residuals > 0, LEAST_UNIT)
        residuals = residuals.expand(-1, width).to(codes.device)
        self.estimator._settle(module, batches.x, basis, codes, residuals[0])
        if architecture["variational"]:
            as_probabilistic_pca(module, codes, self.estimator.loss)
        if module.forecaster is not None:
            module.set_units(forecaster_unit=residuals[len(residuals) - 1])

    def _into_span(self, net, batches):
        """Turn the training rows of a wide table, where their errors allow it."""
        if not self.estimator._trains_in_span(self.samples):
            return batches
        basis = net.module_.encoder.basis
        net.criterion_ = InSpan(net.criterion_, net.module_, basis)
        return Batches(
            batches.x @ basis.T,
            batch_size=batches.batch_size,
            generator=batches.generator,
            weight=batches.weight,
        )

    def _pca(self, architecture, data, n_components=None):
        seen = None
        if self.estimator.noise is not None:
            seen = corrupted(data, self.estimator, self.seed)
        linear, basis = pca_start(
            architecture,
            data,
            loss=self.estimator.loss,
            seed=self.seed,
            seen=seen,
            n_components=n_components,
        )
        device = self.estimator.device
        return linear.to(device), basis.to(device)

    @staticmethod
    def make_net(estimator, module, objective=None):
        """Put a module into a skorch net with the parameters of an estimator."""
        callbacks = list(estimator.skorch_callbacks or [])
        if estimator.verbose:
            callbacks.append(EpochLog(type(estimator).__name__))
        unit = module.decoder_unit[-1]
        if module.decoder is not None and module.forecaster is not None:
            unit = unit.maximum(module.forecaster_unit[-1])
        net = AutoencoderNet(
            module,
            objective or Objective(estimator.loss),
            lr=estimator.learning_rate_init,
            slow=estimator._linear_path_rate,
            weight_decay=estimator.alpha,
            max_epochs=estimator.max_iter,
            one_cycle=estimator._one_cycle,
            clip=estimator._clip,
            gain=1 / max(ROUNDING, float(unit)) ** 2,
            callbacks=callbacks,
            device=estimator.device,
        )
        return net.initialize()

    def look_back(self, trained):
        """Measure a training on its own rows, where none were held out."""
        rows = self.samples
        watch = self._watch(trained, rows, rows)
        return watch.selection()

    def _batches(self, data, batch_size, generator=None, least=1):
        x, lengths, target, weight = (
            None if array is None else torch.from_numpy(array).to(self.estimator.device)
            for array in (data.values, data.lengths, data.target, data.weight)
        )
        return Batches(
            x,
            lengths,
            batch_size=batch_size,
            generator=generator,
            least=least,
            target=target,
            weight=weight,
        )

    def _watch(self, trained, part, held_out):
        """Set the net, the training mean and PCA before the held-out rows."""
        net, architecture = trained.net, trained.architecture
        data = self._batches(_scaled(held_out, trained.scaling), EVALUATED_TOGETHER)
        part = _scaled(part, trained.scaling)
        mean = net.measure(data, self._pca(architecture, part, 0)[0])
        if self.start is None and not net.n_steps_ and net.module_.linear_path:
            pca = net.measure(data)
        else:
            pca = net.measure(data, self._pca(architecture, part)[0])
        keeps_weights = len(self.samples) >= REFIT_BELOW
        return Watch(self.estimator, trained, data, keeps_weights, mean=mean, pca=pca)


def _scaled(samples, scaling):
    """Samples in the network's units."""
    target = samples.target
    return replace(
        samples,
        values=scaling.apply(samples.values, samples.lengths),
        target=None if target is None else scaling.apply(target, None),
    )


class Watch:
    """Follow the held-out rows through one training, and say when to stop.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Gives `tol` and `n_iter_no_change`.

    trained : Trained
        What is trained.

    data : Batches
        The held-out rows.

    keeps_weights : bool
        Whether the weights of epoch 0 and of the best one are kept.

    mean, pca : ndarray of shape (M, 3 or more)
        What the objective measures of each row, for the training mean and for PCA.
    """

    def __init__(self, estimator, trained, data, keeps_weights, *, mean, pca):
        self.estimator = estimator
        self.trained = trained
        self.data = data
        self.keeps_weights = keeps_weights
        self.said = Selection(
            course=[],
            mean=mean,
            pca=pca,
            n_values=data.n_values,
            is_penalised=estimator._is_penalised(),
            fraction=estimator._fraction,
        )
        self.least = self.least_kept = np.inf
        self.misses = 0
        self.look(trained.net.measure(data))

    def look(self, rows):
        """Take in the held-out rows after one more epoch; True when it is time to stop.

        Epoch 0 is the first.
        """
        course = self.said.course
        course.append(rows)
        epoch, loss = len(course) - 1, rows[:, 0].sum()
        if loss < self.least - self.estimator.tol * course[0][:, 0].sum():
            self.misses = 0
        else:
            self.misses += 1
        self.least = min(self.least, loss)
        if self.keeps_weights:
            self._keep_if_best(epoch, self.said.loss_of(rows))
        return self.misses >= self.estimator.n_iter_no_change

    def _keep_if_best(self, epoch, loss):
        if epoch > 0 and loss >= self.least_kept:
            return
        self.least_kept = loss
        weights = self.trained.net.average_.state_dict().items()
        copy = {name: weight.clone() for name, weight in weights}
        self.trained.states = {0: self.trained.states.get(0, copy), epoch: copy}

    def selection(self):
        """What the held-out rows said."""
        return replace(self.said, course=np.stack(self.said.course))
