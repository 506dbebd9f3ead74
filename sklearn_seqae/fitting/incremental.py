"""Training on one chunk of the data after the other, one epoch on each."""

import math
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor

from sklearn_seqae._sequences import Samples
from sklearn_seqae.fitting.config import TrainingConfig
from sklearn_seqae.fitting.family import Family, NetworkSpec
from sklearn_seqae.fitting.imputer import LinearImputer
from sklearn_seqae.fitting.model import FittedModel
from sklearn_seqae.fitting.runs import TrainingRun
from sklearn_seqae.fitting.scaling import Scaling
from sklearn_seqae.fitting.trainer import EVALUATION_BATCH_SIZE, Trainer
from sklearn_seqae.training.batches import Batches
from sklearn_seqae.training.blas import one_blas_thread
from sklearn_seqae.training.isolation import isolated

BATCH = 32  # least number of rows in a batch, if there are as many
# A small chunk is repeated until there are 20 batches, or up to 40 in at most 8 passes.
# More passes would fit the chunk too well.
LEAST_BATCHES, MOST_BATCHES, MOST_PASSES = 20, 40, 8
CONSTANT = 500  # updates before the learning rate begins to decrease


class ChunkTrainer(Trainer):
    """Train a network for one epoch on a chunk.

    The first chunk determines the scaling, the estimate of missing values, the linear
    path and the batch size. The number of chunks is not known: the learning rate is
    constant at first, and then decays with the inverse square root of the number of
    updates.

    Parameters
    ----------
    config : TrainingConfig
        Parameters of the fit.

    family : Family
        Family of the networks.

    samples : Samples
        Samples of the chunk, with their weights.

    start : FittedModel or None
        Model to continue; None for the first chunk.

    state : dict or None
        State after the last chunk, as `fit_chunk` returns it; None for a model whose
        training begins.
    """

    has_end = False

    def __init__(
        self,
        config: TrainingConfig,
        family: Family,
        samples: Samples,
        start: FittedModel | None,
        state: dict[str, Any] | None,
    ):
        super().__init__(
            replace(config, early_stopping=False), family, samples, start=start
        )
        self.state = state

    @isolated()
    @one_blas_thread()
    def fit_chunk(self) -> tuple[TrainingRun, dict[str, Any]]:
        """Train, and return the training with arrays from which it continues."""
        run, train = self._prepare(self.samples)
        if self.start is not None:
            self._widen_ranges(run, train)
        generator = cast(torch.Generator, train.generator)
        number, before = 1, None
        if self.state is not None:
            number = self.state["n_chunks"] + 1
            generator.set_state(torch.from_numpy(self.state["generator"]))
            updates = _with_decayed_rate(self.state["updates"])
            before = {"history": [], "lowest": {}, "updates": updates}
        callbacks = []
        if self.config.verbose:
            name = f"chunk {number}"
            callbacks = [self._epoch_log(run, self.samples, None, name, 1)]
        state: dict[str, Any] = {"n_chunks": number, "batch_size": train.batch_size}
        epochs = run.net.train(
            train, n_epochs=1, callbacks=callbacks, state=before, together=False
        )
        for loss, _ in epochs:
            run.loss_curve.append(loss)
            state["updates"] = _as_arrays(run.net.updates_.state())
        state["generator"] = generator.get_state().numpy()
        self._complete(run)
        return run, state

    def _scaling_and_spec(self, part: Samples) -> tuple[Scaling, NetworkSpec]:
        scaling, spec = super()._scaling_and_spec(part)
        if self.start is not None:
            return self.start.scaling, spec
        return scaling, replace(spec, rank=None)  # later rows are not in its row space

    @torch.no_grad()
    def _widen_ranges(self, run: TrainingRun, train: Batches) -> None:
        """Let the networks see values beyond the range of the earlier chunks."""
        path = run.net.module_.linear_path
        if path is not None:
            rows = Batches(train.x, train.lengths, batch_size=EVALUATION_BATCH_SIZE)
            codes = [path.encode(batch.x, batch.lengths) for batch in rows]
            for module in {run.net.module_, run.net.average_}:
                self.family.widen_ranges(module, train.x, torch.cat(codes))

    def _imputer(self, spec: NetworkSpec, data: Samples) -> LinearImputer:
        if self.start is not None and self.start.imputer is not None:
            return self.start.imputer
        return super()._imputer(spec, data)

    def _size_of_batches(self, n_rows: int) -> tuple[int, int]:
        is_auto = self.config.batch_size == "auto"
        if self.state is not None:
            size = self.state["batch_size"]
        elif is_auto:  # about twenty batches, because there are few passes
            size = min(max(self.family.auto_batch_size(n_rows // 2), BATCH), n_rows)
        else:
            size = super()._size_of_batches(n_rows)[0]
        in_passes = MOST_PASSES * math.ceil(n_rows / size)
        least = max(LEAST_BATCHES, min(MOST_BATCHES, in_passes))
        return size, least if is_auto else 1


def _with_decayed_rate(updates: dict[str, Any]) -> dict[str, Any]:
    """Return the state of the updates with the learning rate of the next chunk."""
    if updates["n_steps"] <= CONSTANT:
        return updates
    factor = math.sqrt(CONSTANT / updates["n_steps"])
    optimizer = updates["optimizer"]
    groups = [  # a callback of the user that sets the rate leaves no initial rate
        {**group, "lr": factor * group.get("initial_lr", group["lr"] / factor)}
        for group in optimizer["param_groups"]
    ]
    return {**updates, "optimizer": {**optimizer, "param_groups": groups}}


def _as_arrays(value: Any) -> Any:
    """Copy a state, with arrays in place of tensors."""
    if isinstance(value, Tensor):
        return value.detach().cpu().numpy().copy()
    if isinstance(value, dict):
        return {name: _as_arrays(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_arrays(each) for each in value]
    return value
