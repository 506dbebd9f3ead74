"""Training of a network: once for each validation fold, then on all samples."""

from dataclasses import replace
from functools import partial
from threading import Event
from typing import Any, cast

import torch

from sklearn_seqae._sequences import Samples
from sklearn_seqae.fitting.batching import make_batches
from sklearn_seqae.fitting.bottlenecks import (
    MIN_UNIT,
    make_bottleneck,
    make_noise,
    to_probabilistic_pca,
)
from sklearn_seqae.fitting.config import TrainingConfig
from sklearn_seqae.fitting.family import Family, NetworkSpec, make_spec
from sklearn_seqae.fitting.imputer import (
    MAX_ROWS,
    LinearImputer,
    fill_gaps,
    hide_more,
)
from sklearn_seqae.fitting.large import (
    as_rows,
    evaluation_rows,
    mean_of,
    pca_of,
    rows_of_codes,
    sampled,
    scaled,
    scaling_of,
    sort_splits,
)
from sklearn_seqae.fitting.model import FittedModel, build_module, make_net
from sklearn_seqae.fitting.pca_init import (
    PCAInit,
    codes_and_residuals,
    estimate_n_components,
)
from sklearn_seqae.fitting.runs import (
    Listener,
    Training,
    TrainingRun,
    finish,
    joined,
    train_folds,
)
from sklearn_seqae.fitting.scaling import Scaling
from sklearn_seqae.fitting.selection import Selection, mean_curve
from sklearn_seqae.fitting.validation import ValidationMonitor, splits_of
from sklearn_seqae.large.rows import Rows
from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.dense import DenseNetwork
from sklearn_seqae.modules.objective import Objective
from sklearn_seqae.modules.row_space import RowSpaceObjective
from sklearn_seqae.training.batches import Batches
from sklearn_seqae.training.blas import one_blas_thread
from sklearn_seqae.training.callbacks import EpochLog, check_monitors
from sklearn_seqae.training.checkpoints import Checkpoint
from sklearn_seqae.training.isolation import available_threads, isolated
from sklearn_seqae.training.progress import Progress

EVALUATION_BATCH_SIZE = 512  # batch size without gradients
N_COPIES = 8  # of training rows with more missing values, in turn for each epoch
REFIT_BELOW = 40_000  # rows; with more, a refit would change the model little


class Trainer:
    """Train a network on rows of samples.

    Parameters
    ----------
    config : TrainingConfig
        Parameters of the fit.

    family : Family
        Family of the networks.

    samples : Samples
        Training samples, with their targets and weights.

    validation : Samples or None, default=None
        Validation data of the user, in place of validation splits.

    start : FittedModel or None, default=None
        Model whose training continues, for `warm_start`; None for a new model.

    listener : Listener or None, default=None
        Observer of the trainings.

    checkpoint : Checkpoint or None, default=None
        Checkpoint from which the trainings continue.
    """

    has_end = True  # whether the number of epochs is known

    def __init__(
        self,
        config: TrainingConfig,
        family: Family,
        samples: Samples,
        validation: Samples | None = None,
        start: FittedModel | None = None,
        listener: Listener | None = None,
        checkpoint: Checkpoint | None = None,
    ):
        self.config = config
        self.family = family
        self.samples = as_rows(samples)
        self.validation = None if validation is None else as_rows(validation)
        self.start = start
        self.listener = listener
        self.checkpoint = checkpoint
        self.n_steps = samples.median_steps
        self.splits: list[Any] = []
        if validation is None:
            self.splits = sort_splits(self.samples, splits_of(samples, config, family))
        is_validated = bool(self.splits) or validation is not None
        check_monitors(config.skorch_callbacks, has_validation=is_validated)
        self.refinement_steps = config.n_refinement_steps(
            family.objective, samples.target is not None
        )
        self.n_components = int(config.n_components)
        if start is not None:
            self.n_components = start.spec.n_components
        elif config.fraction is not None:
            self.n_components = estimate_n_components(
                self.samples, self.n_steps, config.fraction, config.seed, self.splits
            )

    @property
    def _refits(self) -> bool:
        """Whether the model is trained again, for the best number of epochs."""
        return self.validation is None and len(self.samples) < REFIT_BELOW

    @isolated()
    @one_blas_thread()
    def fit(self) -> tuple[TrainingRun, Selection | None]:
        """Train, with model selection if there are validation splits.

        Returns
        -------
        run : TrainingRun
            The final training.

        selection : Selection or None
            Losses of the validation rows, which determine the best epoch.
        """
        if self.listener is not None:
            refit = not self.splits or self._refits
            self.listener.begin(len(self.splits) + refit)
        run, selection = self._fit()
        self._complete(run)
        return run, selection

    def _complete(self, run: TrainingRun) -> None:
        """Fit the estimate of missing values, which later samples may have."""
        if run.imputer is None:
            data = scaled(self.samples, run.scaling)
            run.imputer = self._imputer(run.spec, data)

    def _fit(self) -> tuple[TrainingRun, Selection | None]:
        if self.validation is not None:
            run = finish(self.training(held_out=self.validation))
            assert run.selection is not None
            run.restore_weights(run.selection.best_epoch())
            return run, run.selection
        if not self.splits:
            return finish(self.training()), None
        runs = self._train_folds()
        selection = joined(runs)
        best = selection.best_epoch()
        if not self._refits:
            runs[0].restore_weights(best)
            return runs[0], selection
        valid_losses = selection.valid_losses[1:].tolist()
        run = finish(
            self.training(n_epochs=best, valid_losses=valid_losses, name="refit")
        )
        run.loss_curve = mean_curve([run.loss_curve for run in runs])
        return run, selection

    def _train_folds(self) -> list[TrainingRun]:
        """Train once for each validation split, unless fewer decide.

        In families with large operations, the folds after the first are trained side by
        side, unless a callback or `verbose` follows them one after the other.
        """

        def train(fold: int, failed: Event) -> TrainingRun:
            rows, held_out = (self.samples.take(part) for part in self.splits[fold])
            name = f"fold {fold + 1} of {len(self.splits)}"
            return finish(self.training(rows, held_out, name=name), failed)

        config, listener = self.config, self.listener
        is_followed = bool(config.skorch_callbacks or config.verbose) or (
            listener is not None and listener.follows
        )
        is_parallel = self.family.in_threads and config.device == "cpu"
        return train_folds(
            train,
            n_folds=len(self.splits),
            n_rows=sum(len(held_out) for _, held_out in self.splits),
            n_threads=available_threads() if is_parallel and not is_followed else 1,
        )

    def training(
        self,
        part: Samples | None = None,
        held_out: Samples | None = None,
        *,
        n_epochs: int | None = None,
        valid_losses: list[float] | None = None,
        name: str = "training",
    ) -> Training:
        """Begin a training. It goes on for an epoch with each step.

        Parameters
        ----------
        part : Samples or None, default=None
            Training rows; None for all.

        held_out : Samples or None, default=None
            Validation rows, which are measured after each epoch.

        n_epochs : int or None, default=None
            Number of epochs; None for `max_iter`.

        valid_losses : list of float or None, default=None
            Validation losses of an earlier training, to record for callbacks.

        name : str, default="training"
            Name of the training, which `verbose` prints.

        Yields
        ------
        run, batches : TrainingRun, Batches
            The training and its rows, before the first epoch and after each epoch.
        """
        part = self.samples if part is None else part
        run, train = self._prepare(part)
        monitor = None
        if held_out is not None:
            monitor = self._monitor(run, part, held_out)
        callbacks = []
        n_max = self.config.max_iter if n_epochs is None else n_epochs
        if self.listener is not None:
            task = "training" if held_out is None else "selection"
            callbacks = self.listener.begin_training(run, task, n_max)
        if self.config.verbose:
            callbacks = [*callbacks, self._epoch_log(run, part, monitor, name, n_max)]
        record = partial(run.record, monitor)
        progress = Progress(self.checkpoint, name, run.net, train, record)
        run.restore(progress.restored, monitor)
        epochs = progress.epochs(
            None if monitor is None else monitor.data,
            n_epochs=n_epochs,
            valid_losses=valid_losses,
            callbacks=callbacks,
        )
        yield run, train
        for train_loss, held_out_rows in epochs:
            run.loss_curve.append(train_loss)
            if monitor and monitor.record(held_out_rows):
                break
            progress.save()
            yield run, train
        epochs.close()
        if self.listener is not None:
            self.listener.end_training()
        if monitor:
            run.selection = monitor.selection()  # it may record the last epoch
            run.states = monitor.states
        progress.end()

    def _epoch_log(
        self,
        run: TrainingRun,
        part: Samples,
        monitor: ValidationMonitor | None,
        name: str,
        n_epochs: int,
    ) -> EpochLog:
        """Make the callback that prints the epochs of a training."""
        rows = fill_gaps(scaled(part, run.scaling), run.imputer)
        data = self._batches(rows, EVALUATION_BATCH_SIZE)
        mean = run.net.measure(data, self._pca(run.spec, rows, 0).autoencoder)
        losses = {"train_loss": float(mean.total.sum() / data.n_values)}
        if monitor is not None:
            total = float(monitor.mean.total.sum())
            losses["valid_loss"] = total / monitor.data.n_values
        unit = "R²" if self.config.loss == "squared_error" else "explained loss"
        return EpochLog(f"[{self.config.name}] {name}", n_epochs, unit, losses)

    @isolated()
    @one_blas_thread()
    def measure(self, run: TrainingRun) -> Selection:
        """Measure the losses of a training on the training rows, for all samples."""
        return self._monitor(run, self.samples, self.samples).selection()

    def _prepare(self, part: Samples) -> tuple[TrainingRun, Batches]:
        """Make the net at epoch 0 and its training batches."""
        config, family = self.config, self.family
        scaling, spec = self._scaling_and_spec(part)
        data, imputer = scaled(part, scaling), None
        if self._has_gaps:
            imputer = self._imputer(spec, data)
        data = fill_gaps(data, imputer)
        generator = torch.Generator().manual_seed(config.seed)
        batches = self._training_batches(data, generator, imputer)
        objective = Objective(
            config.loss,
            generator=generator,
            noise=make_noise(config, generator),
            **family.objective_options(spec, data),
        )
        if self.start is None and spec.has_linear_path:
            pca = self._pca(spec, data)
            path = pca.autoencoder.linear_path
            module = build_module(spec, family, generator, path)
            self._set_units(module, pca, spec, data, objective)
        else:
            module = build_module(spec, family, generator)
        if self.start is not None:
            module.load_state_dict(self.start.module.state_dict())
        bottleneck = make_bottleneck(config, module, generator)
        objective = replace(objective, bottleneck=bottleneck)
        criterion: Objective | RowSpaceObjective = objective
        if self.start is None and spec.rank and self._trains_in_row_space():
            module.to(config.device)
            basis = cast(DenseNetwork, module.encoder).basis
            criterion = RowSpaceObjective(objective, module, basis)
            batches = Batches(
                batches.x @ basis.T,
                batch_size=batches.batch_size,
                generator=batches.generator,
                weight=batches.weight,
            )
        net = make_net(config, family, module, criterion, has_end=self.has_end)
        return TrainingRun(net, scaling, spec, imputer=imputer), batches

    @property
    def _has_gaps(self) -> bool:
        """Whether a value of the samples or of the validation data is missing."""
        parts = self.samples, self.validation
        return any(part is not None and part.observed is not None for part in parts)

    def _imputer(self, spec: NetworkSpec, data: Samples) -> LinearImputer:
        """Fit the estimate of missing values to scaled rows."""
        return LinearImputer.fit(
            sampled(data, self.config.seed, MAX_ROWS),
            n_steps=spec.n_steps,
            n_factors=spec.n_components,
            seed=self.config.seed,
        )

    def _scaling_and_spec(self, part: Samples) -> tuple[Scaling, NetworkSpec]:
        """Return the scaling and the shape of the network, new or of `start`."""
        config = self.config
        if self.start is not None:
            mean = mean_of(part, self.n_steps)
            return replace(self.start.scaling, mean=mean), self.start.spec
        scaling = scaling_of(part, n_steps=self.n_steps, centered=not config.has_domain)
        spec = make_spec(
            config,
            self.family,
            part,
            n_steps=self.n_steps,
            n_components=self.n_components,
        )
        if isinstance(part.values, Rows):  # a basis of the rows would be too large
            spec = replace(spec, rank=None)
        return scaling, spec

    def _training_batches(
        self, data: Samples, generator: torch.Generator, imputer: LinearImputer | None
    ) -> Batches:
        """Make shuffled batches of the size in the configuration."""
        size, least = self._size_of_batches(len(data))
        hidden = hide_more(data, imputer, self.config.seed, N_COPIES)
        return self._batches(data, size, hidden, generator=generator, least=least)

    def _size_of_batches(self, n_rows: int) -> tuple[int, int]:
        """Return the number of rows in a batch, and the least number of batches."""
        if self.config.batch_size == "auto":
            size = self.family.auto_batch_size(n_rows)
            return min(size, n_rows), self.family.least_batches
        return min(int(self.config.batch_size), n_rows), 1

    def _set_units(
        self,
        module: Autoencoder,
        pca: PCAInit,
        spec: NetworkSpec,
        data: Samples,
        objective: Objective,
    ) -> None:
        """Set the units of the networks from PCA's codes and residuals."""
        width = spec.n_components
        sizes = range(1, width + 1) if spec.is_ordered else [width]
        some = rows_of_codes(data, width, self.config.seed)
        batches = self._batches(some, EVALUATION_BATCH_SIZE)
        all_rows = batches if some is data else self._batches(data, batches.batch_size)
        codes, residuals = codes_and_residuals(
            pca.autoencoder, batches, sizes, objective
        )
        spread = codes.std(0, correction=0)
        module.set_units(code_spread=spread.where(spread > 0, 1))
        if self.config.is_logistic:  # residuals are not in the units of logits
            residuals = torch.ones_like(residuals)
        if self.config.is_penalized:
            residuals = residuals.where(residuals > 0, MIN_UNIT)
        residuals = residuals.expand(-1, width).to(codes.device)
        self.family.set_units(module, all_rows.x, pca.basis, codes, residuals[0])
        if spec.is_variational:
            to_probabilistic_pca(module, codes, self.config.loss)
        if module.forecaster is not None:
            module.set_units(forecaster_unit=residuals[len(residuals) - 1])

    def _trains_in_row_space(self) -> bool:
        """Whether the loss is the same in the row space, so that it can be used."""
        config = self.config
        others = config.noise, self.samples.target, self.samples.observed
        has_other_input = any(other is not None for other in others)
        return config.loss == "squared_error" and not (
            has_other_input or config.is_penalized
        )

    def _pca(
        self, spec: NetworkSpec, data: Samples, n_components: int | None = None
    ) -> PCAInit:
        """Fit PCA to scaled rows, on the device. 0 components: the mean only."""
        return pca_of(spec, data, self.config, n_components)

    def _batches(
        self, data: Samples, batch_size: int, inputs: Any = None, **options: Any
    ) -> Batches:
        """Make batches on the device; without a generator, in order."""
        options["batch_size"] = batch_size
        return make_batches(data, self.config.device, inputs, **options)

    def _monitor(
        self, run: TrainingRun, part: Samples, held_out: Samples
    ) -> ValidationMonitor:
        """Make the monitor, with the losses of the training mean and of PCA."""
        net, spec = run.net, run.spec
        held_out, part = (
            fill_gaps(scaled(samples, run.scaling), run.imputer)
            for samples in (held_out, part)
        )
        hidden = hide_more(held_out, run.imputer, self.config.seed, 1)
        size = evaluation_rows(held_out, spec.n_components, EVALUATION_BATCH_SIZE)
        data = self._batches(held_out, size, hidden)
        mean = net.measure(data, self._pca(spec, part, 0).autoencoder)
        has_forecast = self.family.objective != "reconstruct"
        n_steps = 0 if has_forecast else self.refinement_steps
        if self.start is None and not run.loss_curve and net.module_.linear_path:
            # With missing values, the nearest point to the others is not PCA's code.
            pca = net.measure(data, refinement_steps=0 if hidden is None else n_steps)
        else:
            pca = net.measure(data, self._pca(spec, part).autoencoder)
        return ValidationMonitor(
            self.config,
            net,
            data,
            keeps_weights=not self._refits,
            mean=mean,
            pca=pca,
            refinement_steps=n_steps,
        )
