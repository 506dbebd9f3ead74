"""PCA as the initialization of a network and the reference of its error."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from torch import Tensor

from sklearn_seqae._numbers import has_gaps, resample
from sklearn_seqae._sequences import Samples
from sklearn_seqae.fitting.family import NetworkSpec
from sklearn_seqae.fitting.scaling import weighted_mean
from sklearn_seqae.large.rows import Rows
from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.linear_path import LinearPath, ResampledLinearPath
from sklearn_seqae.modules.losses import row_losses
from sklearn_seqae.modules.objective import Objective
from sklearn_seqae.training.batches import Batches

PCA_ROWS = 50_000  # maximum number of rows for the fit of PCA
MAX_COMPONENTS = 64  # maximum latent size if n_components is a fraction
EXACT_BELOW = 2000  # rows or columns; above, scikit-learn chooses the solver
ROUNDING = 1e-6  # rounding error, relative to the spread of the data
TINY = float(np.finfo(np.float64).tiny)
MIN_PROBABILITY = 0.01  # of a value and of its complement, before the logit

Index = slice | NDArray[np.int64]  # of rows


class PCAInit(NamedTuple):
    """PCA as an autoencoder that has a linear path and no networks."""

    autoencoder: Autoencoder
    basis: Tensor  # (R, D), components of PCA: Z, or all if `spec.rank` is set


def make_linear_path(spec: NetworkSpec) -> LinearPath:
    """Make the linear path for a table or for sequences, not yet initialized."""
    if spec.n_steps is None:
        return LinearPath(n_features=spec.n_features, n_components=spec.n_components)
    return ResampledLinearPath(
        n_steps=spec.n_steps,
        n_channels=spec.n_features,
        n_components=spec.n_components,
        n_ahead=spec.n_ahead,
    )


def pca_init(
    spec: NetworkSpec,
    data: Samples,
    *,
    loss: str,
    seed: int,
    encoder_input: Samples | None = None,
    n_components: int | None = None,
) -> PCAInit:
    """Fit PCA to the data, and return it as an autoencoder without networks.

    The code is PCA's code. For binary cross-entropy, clean targets and forecasts, a
    least-squares map predicts the logits, the targets or the next steps from the code.

    Parameters
    ----------
    spec : NetworkSpec
        Shape of the network.

    data : Samples
        Training rows, scaled, in float32.

    loss : str
        A key of `modules.losses.LOSSES`.

    seed : int
        Source of every random number.

    encoder_input : Samples or None, default=None
        Noisy samples, if the encoder receives these instead of the data.

    n_components : {0, None}, default=None
        0 for the mean only; None for PCA of the latent size.

    Returns
    -------
    pca : PCAInit
    """
    width = spec.n_components
    rows = some_rows(len(data), seed)
    flat = clean = flatten(data.values, data.lengths, spec.n_steps, rows)
    if encoder_input is not None:
        flat = flatten(encoder_input.values, data.lengths, spec.n_steps, rows)
    if data.target is not None and not spec.n_ahead:
        clean = flatten(data.target, data.lengths, spec.n_steps, rows)
    weight = None if data.weight is None else data.weight[rows]
    mean = intercept = weighted_mean(flat, weight)
    basis = components = loadings = np.zeros((0, flat.shape[1]))
    if n_components != 0:
        solver = solver_for(*flat.shape)
        size = min(max(width, spec.rank or width), *flat.shape)
        pca = PCA(size, svd_solver=solver, random_state=seed)
        with np.errstate(invalid="ignore", divide="ignore"):  # one row: 0 / 0
            basis = pca.fit(_weighted(flat, weight)).components_
        components = loadings = basis[:width]
    code = (flat - mean) @ components.T
    if loss == "binary_cross_entropy":
        loadings, intercept = _least_squares(code, _logits(clean), weight)
    elif clean is not flat:
        loadings, intercept = _least_squares(code, clean, weight)
    path = make_linear_path(spec)
    path.initialize(
        components=as_tensor(components),
        loadings=as_tensor(loadings),
        mean=as_tensor(mean),
        intercept=as_tensor(intercept),
        generator=torch.Generator().manual_seed(seed),
    )
    if isinstance(path, ResampledLinearPath) and spec.n_ahead:
        ahead = _flat_ahead(data, spec.n_ahead, rows)
        if loss == "binary_cross_entropy":
            ahead = _logits(ahead)
        loadings, intercept = _least_squares(code, ahead, weight)
        path.initialize_forecast(
            loadings=as_tensor(loadings), intercept=as_tensor(intercept)
        )
    linear = Autoencoder(
        n_components=width, encoder=None, decoder=None, linear_path=path
    )
    return PCAInit(linear, as_tensor(basis))


def _logits(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log odds of clipped probabilities."""
    clipped = np.clip(probabilities, MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    logits: NDArray[np.float64] = np.log(clipped / (1 - clipped))
    return logits


def _weighted(
    flat: NDArray[np.float64], weight: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return rows whose PCA is the PCA of the weighted rows.

    Centered rows are multiplied by the square roots of their weights. Their negatives
    are appended, so that the mean is 0 and PCA does not change it.
    """
    if weight is None:
        return flat
    centered = flat - weighted_mean(flat, weight)
    scaled = np.sqrt(weight)[:, np.newaxis] * centered
    return np.concatenate([scaled, -scaled])


def _least_squares(
    code: NDArray[np.float64],
    target: NDArray[np.float64],
    weight: NDArray[np.float64] | None,
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Fit `target` by code @ loadings + intercept. Return both. `code` is centered."""
    intercept = weighted_mean(target, weight)
    centered = target - intercept
    if weight is not None:
        root = np.sqrt(weight)[:, np.newaxis]
        code, centered = root * code, root * centered
    return np.linalg.lstsq(code, centered, rcond=None)[0], intercept


def _flat_ahead(data: Samples, n_ahead: int, rows: Index) -> NDArray[np.float64]:
    """Return the flat target of the forecast.

    It is `data.target`, or the sequences without their first step if there is none.
    """
    if data.target is not None:
        return flatten(data.target, None, n_ahead, rows)
    lengths = None if data.lengths is None else data.lengths - 1
    return flatten(data.values[:, 1:], lengths, n_ahead, rows)


def estimate_n_components(
    samples: Samples,
    n_steps: int | None,
    fraction: float,
    seed: int,
    splits: list[tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> int:
    """Return a number of components with which PCA explains a fraction of variance.

    The number is one more than the validation rows require. It is 25 % more if it can
    only be estimated, from training rows or from resampled sequences.

    Parameters
    ----------
    samples : Samples
        All samples of the fit, in the units of X.

    n_steps : int or None
        Common length of resampled sequences; None for tables.

    fraction : float
        Fraction of variance to explain.

    seed : int
        Source of every random number.

    splits : list of (ndarray, ndarray)
        Training rows and validation rows; empty without validation.

    Returns
    -------
    n_components : int
        At most `MAX_COMPONENTS`.
    """
    size = MAX_COMPONENTS
    errors = np.zeros(size + 1)  # squared error with 0, 1, ... components
    everything = np.arange(len(samples))
    for train_rows, held_out_rows in splits or [(everything, everything)]:
        train, held_out = samples.take(train_rows), samples.take(held_out_rows)
        rows = some_rows(len(train), seed, _most_rows(train))
        flat = flatten(train.values, train.lengths, n_steps, rows)
        unit = max(float(np.fmax.reduce(np.abs(flat), axis=None)), TINY)
        weight = None if train.weight is None else train.weight[rows]
        mean = weighted_mean(flat / unit, weight)
        flat = _at_mean(flat / unit - mean)
        flat = _weighted(flat, weight)
        size = min(size, *flat.shape)
        if not flat.any():
            return 1
        pca = PCA(size, svd_solver=solver_for(*flat.shape), random_state=seed).fit(flat)
        rows = some_rows(len(held_out), seed, _most_rows(held_out))
        flat = flatten(held_out.values, held_out.lengths, n_steps, rows) / unit
        flat = _at_mean(flat - mean)
        factor: NDArray[np.float64] | int = 1
        if held_out.weight is not None:
            factor = held_out.weight[rows, np.newaxis]
        explained = (factor * np.square(flat @ pca.components_.T)).sum(axis=0)
        errors = errors[: size + 1] + (factor * np.square(flat)).sum()
        errors[1:] -= np.cumsum(explained)
    reached = np.flatnonzero(errors <= (1 - fraction) * errors[0])
    needed = int(reached[0]) if len(reached) else size
    is_exact = bool(splits) and samples.lengths is None
    return min(size, needed + (1 if is_exact else max(2, needed // 4)))


def _at_mean(centered: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return centered rows with the mean in place of missing values."""
    return np.nan_to_num(centered) if has_gaps(centered) else centered


def _most_rows(samples: Samples) -> int:
    """Return the maximum number of rows for the fit of PCA."""
    values: Any = samples.values
    return min(PCA_ROWS, values.n_sampled) if isinstance(values, Rows) else PCA_ROWS


def some_rows(n: int, seed: int, most: int = PCA_ROWS) -> Index:
    """Return the rows for the fit of PCA, at most some, as an index of arrays."""
    if n <= most:
        return slice(None)
    return np.sort(np.random.default_rng(seed).permutation(n)[:most])


def flatten(
    x: Any, lengths: NDArray[np.int64] | None, n_steps: int | None, rows: Index
) -> NDArray[np.float64]:
    """Return flat rows for PCA in float64. Resample sequences to `n_steps` steps."""
    if isinstance(x, Rows):
        x, rows = x[rows], slice(None)
    flat = x if n_steps is None else resample(x, lengths, n_steps)
    result: NDArray[np.float64] = flat.reshape(len(flat), -1)[rows].astype(np.float64)
    return result


def solver_for(n_rows: int, n_columns: int) -> str:
    """Return an exact solver if it is fast, since the initial model must equal PCA."""
    if min(n_rows, n_columns) > EXACT_BELOW:
        return "auto"
    return "covariance_eigh" if n_rows >= 10 * n_columns else "full"


@torch.no_grad()
def codes_and_residuals(
    linear: Autoencoder, batches: Batches, sizes: Sequence[int], objective: Objective
) -> tuple[Tensor, Tensor]:
    """Return the codes and the residuals of PCA.

    Parameters
    ----------
    linear : Autoencoder
        PCA as an autoencoder without networks.

    batches : Batches
        Training rows, scaled.

    sizes : sequence of int
        Numbers of components to truncate the codes to.

    objective : Objective
        Objective of the training.

    Returns
    -------
    codes : Tensor of shape (N, Z)
        In the order of the batches.

    residuals : Tensor of shape (P, len(sizes))
        Root mean squared residual for each size. There is one row for each of two parts
        of the objective; a part that does not exist has 0. Rounding errors of float32
        are set to 0.
    """
    codes, squares = [], [torch.zeros(len(sizes)) for _ in range(2)]
    for batch in batches:
        code = linear.encode(objective.encoder_input(batch), batch.lengths)
        for i, size in enumerate(sizes):
            kept = torch.full((len(code),), size, device=code.device)
            for p, part in enumerate(objective.parts(linear, code, batch, kept)):
                errors = row_losses(
                    "squared_error", part.output, part.target, part.mask
                )
                errors = errors * part.scale
                if batch.weight is not None:
                    errors = errors * batch.weight
                squares[p][i] += errors.sum()
        codes.append(code)
    residuals = (torch.stack(squares) / batches.n_values).sqrt()
    return torch.cat(codes), torch.where(residuals > ROUNDING, residuals, 0)


def as_tensor(array: NDArray[Any]) -> Tensor:
    """Return an array as a tensor of float32."""
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
