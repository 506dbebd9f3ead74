"""PCA as the initialization of a network and the reference of its error."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from torch import Tensor

from sklearn_seqae._sequences import Samples, resample
from sklearn_seqae.fitting.family import NetworkSpec
from sklearn_seqae.fitting.scaling import weighted_mean
from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.linear_path import LinearPath, ResampledLinearPath
from sklearn_seqae.modules.losses import row_losses
from sklearn_seqae.modules.objective import Objective
from sklearn_seqae.training.batches import Batches

PCA_ROWS = 50_000  # maximum number of rows that PCA is fitted on
MOST_COMPONENTS = 64  # maximum latent size if n_components is a fraction
EXACT_BELOW = 2000  # rows or columns; above, scikit-learn chooses the solver
ROUNDING = 1e-6  # rounding error, relative to the spread of the data
EDGE = 0.01  # probabilities are clipped to [EDGE, 1 - EDGE] before the logit


class PCAInit(NamedTuple):
    """PCA as an autoencoder without networks, and its components."""

    autoencoder: Autoencoder
    basis: Tensor  # (R, D), all components if there is a rank


def make_linear_path(spec: NetworkSpec) -> LinearPath:
    """Make the linear path for a table or for sequences, without initial weights."""
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
    seen: Samples | None = None,
    n_components: int | None = None,
) -> PCAInit:
    """Make an autoencoder that is PCA of the data, from a linear path alone.

    For binary cross-entropy, clean targets and forecasts, the code is PCA's code, and a
    least-squares map predicts the logits, the targets or the next steps from it.

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

    seen : Samples, default=None
        Input of the encoder, if it is not the data itself.

    n_components : {0, None}, default=None
        0 for the mean only; None for PCA of the latent size.

    Returns
    -------
    pca : PCAInit
    """
    width = spec.n_components
    rows = _some_rows(len(data), seed)
    flat = clean = _flatten(data.values, data.lengths, spec.n_steps, rows)
    if seen is not None:
        flat = _flatten(seen.values, data.lengths, spec.n_steps, rows)
    if data.target is not None and not spec.n_ahead:
        clean = _flatten(data.target, data.lengths, spec.n_steps, rows)
    weight = None if data.weight is None else data.weight[rows]
    mean = intercept = weighted_mean(flat, weight)
    basis = components = loadings = np.zeros((0, flat.shape[1]))
    if n_components != 0:
        solver = _solver(*flat.shape)
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
        components=_tensor(components),
        loadings=_tensor(loadings),
        mean=_tensor(mean),
        intercept=_tensor(intercept),
        generator=torch.Generator().manual_seed(seed),
    )
    if isinstance(path, ResampledLinearPath) and spec.n_ahead:
        ahead = _flat_ahead(data, spec.n_ahead, rows)
        if loss == "binary_cross_entropy":
            ahead = _logits(ahead)
        loadings, intercept = _least_squares(code, ahead, weight)
        path.initialize_forecast(
            loadings=_tensor(loadings), intercept=_tensor(intercept)
        )
    linear = Autoencoder(
        n_components=width, encoder=None, decoder=None, linear_path=path
    )
    return PCAInit(linear, _tensor(basis))


def _logits(probabilities: NDArray) -> NDArray:
    squeezed = np.clip(probabilities, EDGE, 1 - EDGE)
    return np.log(squeezed / (1 - squeezed))


def _weighted(flat: NDArray, weight: NDArray | None) -> NDArray:
    """Return rows whose PCA is the PCA of weighted rows. Mirroring centres them."""
    if weight is None:
        return flat
    left = np.sqrt(weight)[:, np.newaxis] * (flat - weighted_mean(flat, weight))
    return np.concatenate([left, -left])


def _least_squares(
    code: NDArray, target: NDArray, weight: NDArray | None
) -> tuple[NDArray, NDArray]:
    """Return the least-squares loadings and intercept from a centred code."""
    intercept = weighted_mean(target, weight)
    left = target - intercept
    if weight is not None:
        root = np.sqrt(weight)[:, np.newaxis]
        code, left = root * code, root * left
    return np.linalg.lstsq(code, left)[0], intercept


def _flat_ahead(data: Samples, n_ahead: int, rows: Any) -> NDArray:
    """Return the target of the forecast: the target, or X from its second step on."""
    if data.target is not None:
        return _flatten(data.target, None, n_ahead, rows)
    lengths = None if data.lengths is None else data.lengths - 1
    return _flatten(data.values[:, 1:], lengths, n_ahead, rows)


def enough_components(
    samples: Samples,
    n_steps: int | None,
    fraction: float,
    seed: int,
    splits: list[tuple[NDArray, NDArray]],
) -> int:
    """Return a number of components with which PCA explains a fraction of variance.

    It is one more than the validation rows require, or 25 % more if it can only be
    estimated, from training rows or from resampled sequences.
    """
    size = MOST_COMPONENTS
    left = np.zeros(size + 1)  # squared error with 0, 1, ... components
    everything = np.arange(len(samples))
    for train_rows, held_out_rows in splits or [(everything, everything)]:
        train, held_out = samples.take(train_rows), samples.take(held_out_rows)
        rows = _some_rows(len(train), seed)
        flat = _flatten(train.values, train.lengths, n_steps, rows)
        unit = max(float(np.abs(flat).max()), np.finfo(np.float64).tiny)
        weight = None if train.weight is None else train.weight[rows]
        mean = weighted_mean(flat / unit, weight)
        flat = _weighted(flat / unit - mean, weight)
        size = min(size, *flat.shape)
        if not flat.any():
            return 1
        pca = PCA(size, svd_solver=_solver(*flat.shape), random_state=seed).fit(flat)
        rows = _some_rows(len(held_out), seed)
        flat = _flatten(held_out.values, held_out.lengths, n_steps, rows) / unit - mean
        weight = 1 if held_out.weight is None else held_out.weight[rows, np.newaxis]
        explained = (weight * np.square(flat @ pca.components_.T)).sum(axis=0)
        left = left[: size + 1] + (weight * np.square(flat)).sum()
        left[1:] -= np.cumsum(explained)
    reached = np.flatnonzero(left <= (1 - fraction) * left[0])
    needed = int(reached[0]) if len(reached) else size
    is_exact = bool(splits) and samples.lengths is None
    return min(size, needed + (1 if is_exact else max(2, needed // 4)))


def _some_rows(n: int, seed: int) -> Any:
    """Return the rows that PCA is fitted on."""
    if n <= PCA_ROWS:
        return slice(None)
    return np.sort(np.random.default_rng(seed).permutation(n)[:PCA_ROWS])


def _flatten(
    x: NDArray, lengths: NDArray | None, n_steps: int | None, rows: Any
) -> NDArray:
    """Return flat rows for PCA in float64; sequences are resampled."""
    flat = x if n_steps is None else resample(x, lengths, n_steps)
    return flat.reshape(len(flat), -1)[rows].astype(np.float64)


def _solver(n_rows: int, n_columns: int) -> str:
    """Return an exact solver if it is fast: the initial model should equal PCA."""
    if min(n_rows, n_columns) > EXACT_BELOW:
        return "auto"
    return "covariance_eigh" if n_rows >= 10 * n_columns else "full"


@torch.no_grad()
def codes_and_residuals(
    linear: Autoencoder, batches: Batches, sizes: Sequence[int], objective: Objective
) -> tuple[Tensor, Tensor]:
    """Return the codes and the residuals of PCA.

    Returns
    -------
    codes : Tensor of shape (N, Z)
        In the order of the batches.

    residuals : Tensor of shape (P, len(sizes))
        Root mean squared residual of each part of the objective, for each truncated
        size. 0 if it is rounding error of float32 only.
    """
    codes, squares = [], [torch.zeros(len(sizes)) for _ in range(2)]
    for batch in batches:
        code = linear.encode(objective.seen(batch), batch.lengths)
        for i, size in enumerate(sizes):
            kept = torch.full((len(code),), size, device=code.device)
            for part, given in enumerate(objective.parts(linear, code, batch, kept)):
                each = row_losses(
                    "squared_error", given.output, given.target, given.mask
                )
                each = each * given.share
                squares[part][i] += (
                    each if batch.weight is None else each * batch.weight
                ).sum()
        codes.append(code)
    residuals = (torch.stack(squares) / batches.n_values).sqrt()
    return torch.cat(codes), torch.where(residuals > ROUNDING, residuals, 0)


def _tensor(array: NDArray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
