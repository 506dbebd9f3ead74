"""Training rows that are read from a large or sparse X in chunks."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sklearn_seqae._sequences import Samples
from sklearn_seqae.fitting.bottlenecks import corrupted
from sklearn_seqae.fitting.config import TrainingConfig
from sklearn_seqae.fitting.family import NetworkSpec
from sklearn_seqae.fitting.pca_init import (
    PCA_ROWS,
    PCAInit,
    as_tensor,
    make_linear_path,
    pca_init,
    some_rows,
)
from sklearn_seqae.fitting.scaling import (
    LARGEST_VALUE,
    Scaling,
    mean_sample,
    raise_too_large,
    scaled_array,
)
from sklearn_seqae.fitting.validation import Split
from sklearn_seqae.large.rows import LARGE, Rows, is_large
from sklearn_seqae.modules.autoencoder import Autoencoder

EXACT_COLUMNS = 1024  # columns up to which PCA is computed from the covariance
PASSES = 8  # over the rows, to find the components of more columns
EXTRA = 10  # minimum number of directions beyond the components
POOL = 2**22  # values of the batches that are read at once
DERIVATIVES = 2**24  # values of the derivatives of a batch of validation rows
CODES = 2**22  # values of PCA's codes that are kept

Array = NDArray[np.float64]


class ScaledRows:
    """Rows in the units of the network, which are scaled when they are read.

    They stand for the array in `Samples`, and for the tensor in `Batches`.

    Parameters
    ----------
    rows : Rows
        Rows in the units of X.

    scaling : Scaling
        Scaling of the training rows.

    device : str, default="cpu"
        Device of the tensors.
    """

    def __init__(self, rows: Rows, scaling: Scaling, device: str = "cpu"):
        self.rows = rows
        self.scaling = scaling
        self.device = torch.device(device)
        self.shape, self.ndim = rows.shape, rows.ndim

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Any) -> NDArray[np.float32]:
        return self.scaling.apply(self.rows[rows], None)

    def to(self, device: str) -> "ScaledRows":
        """Return the same rows, as tensors on a device."""
        return ScaledRows(self.rows, self.scaling, device)

    def numel(self) -> int:
        """Return the number of values."""
        return math.prod(self.shape)

    def index_select(self, dim: int, rows: Tensor) -> Tensor:
        """Return some of the rows as a tensor on the device."""
        return torch.from_numpy(self[rows.cpu().numpy()]).to(self.device)

    def cpu(self) -> Tensor:
        """Return all rows as a tensor on the CPU."""
        return torch.from_numpy(self[:])

    def amin(self, dim: int) -> Tensor:
        """Return the lowest value of each column."""
        return self._extreme(0)

    def amax(self, dim: int) -> Tensor:
        """Return the highest value of each column."""
        return self._extreme(1)

    def _extreme(self, which: int) -> Tensor:
        row = self.rows.extremes[which][np.newaxis]
        return torch.from_numpy(self.scaling.apply(row, None)[0]).to(self.device)

    @property
    def mean(self) -> Array:
        """Mean row, if the scaling has been fitted to these rows."""
        centered = self.scaling.mean - self.scaling.center
        mean: Array = (centered / self.scaling.scale).reshape(-1)
        return mean

    @property
    def pool_rows(self) -> int:
        """Number of rows that are read at once."""
        return max(1, POOL // max(1, math.prod(self.shape[1:])))


def as_rows(samples: Samples) -> Samples:
    """Return samples whose rows are read in chunks if there are many values.

    Rows with missing values, with a target or of several lengths stay an array.

    Raises
    ------
    ValueError
        If large sparse samples have a target.
    """
    values: Any = samples.values
    if isinstance(values, Rows):
        if samples.target is not None:
            raise ValueError(
                f"With a target, sparse X may have at most {LARGE} entries, zeros "
                f"included. Got {math.prod(values.shape)}. Use fewer rows or columns."
            )
        return samples
    others = samples.observed, samples.target, samples.lengths
    if any(other is not None for other in others) or not is_large(values.shape):
        return samples
    rows: Any = Rows(values)
    return replace(samples, values=rows)


def sort_splits(samples: Samples, splits: list[Split]) -> list[Split]:
    """Sort the rows of each split if they are read in chunks."""
    if not isinstance(samples.values, Rows):
        return splits
    return [(np.sort(train), np.sort(held_out)) for train, held_out in splits]


def evaluation_rows(samples: Samples, n_components: int, most: int) -> int:
    """Return the number of rows whose nearest-point codes are computed at once."""
    values: Any = samples.values
    if not isinstance(values, ScaledRows):
        return most
    n_values = n_components * math.prod(values.shape[1:])
    return min(max(1, DERIVATIVES // n_values), most)


def rows_of_codes(samples: Samples, n_components: int, seed: int) -> Samples:
    """Return the scaled rows whose codes fit into memory: a random sample of many."""
    values: Any = samples.values
    most = CODES // n_components
    if not isinstance(values, ScaledRows) or len(samples) <= most:
        return samples
    rows: Any = some_rows(len(samples), seed, most)
    return _chosen(samples, rows, ScaledRows(values.rows.take(rows), values.scaling))


def sampled(samples: Samples, seed: int, most: int = PCA_ROWS) -> Samples:
    """Return a random sample of scaled rows, in memory, if they are read in chunks."""
    values: Any = samples.values
    if not isinstance(values, ScaledRows):
        return samples
    rows = some_rows(len(samples), seed, min(values.rows.n_sampled, most))
    return _chosen(samples, rows, values[rows])


def _chosen(samples: Samples, rows: Any, values: Any) -> Samples:
    """Return some rows of samples, with their values."""
    weight = None if samples.weight is None else samples.weight[rows]
    return replace(samples, values=values, weight=weight)


def scaled(samples: Samples, scaling: Scaling) -> Samples:
    """Return samples in the units of the network.

    Raises
    ------
    ValueError
        If the squares of a value would not be finite in float32.
    """
    values: Any = samples.values
    if not isinstance(values, Rows):
        return scaled_array(samples, scaling)
    rows: Any = ScaledRows(values, scaling)
    ends = np.stack([rows.amin(0).numpy(), rows.amax(0).numpy()])
    if np.abs(ends).max() > LARGEST_VALUE:
        raise_too_large(replace(samples, values=np.stack(values.extremes)), ends)
    return replace(samples, values=rows)


def scaling_of(samples: Samples, *, n_steps: int | None, centered: bool) -> Scaling:
    """Fit the scaling of training rows, in passes if they are read in chunks."""
    values, weight = samples.values, samples.weight
    if not isinstance(values, Rows):
        options: Any = {"n_steps": n_steps, "centered": centered, "weight": weight}
        return Scaling.fit(values, samples.lengths, **options)
    mean = values.mean(weight)
    center = mean if n_steps is None else mean.mean(axis=0, keepdims=True)
    if not centered:
        return Scaling(mean, np.zeros_like(center), 1.0)
    return Scaling(mean, center, values.overall_scale(center, weight))


def mean_of(samples: Samples, n_steps: int | None) -> Array:
    """Return the mean row, or the mean sequence of `n_steps` steps."""
    values: Any = samples.values
    weight = samples.weight
    if isinstance(values, Rows):
        return values.mean(weight)
    return mean_sample(values, samples.lengths, n_steps, weight)


def pca_of(
    spec: NetworkSpec,
    data: Samples,
    config: TrainingConfig,
    n_components: int | None,
) -> PCAInit:
    """Fit PCA to scaled rows, and return it on the device, as `pca_init` does.

    Rows that are read in chunks are all read for PCA itself. A random sample of them is
    read for noise, forecasts and binary cross-entropy, which need a least-squares map.
    """
    values: Any = data.values
    if isinstance(values, ScaledRows):
        if not (config.noise or config.is_logistic or spec.n_ahead):
            linear, basis = _pca_of_all(spec, data, n_components, config)
            return PCAInit(linear.to(config.device), basis.to(config.device))
        data = sampled(data, config.seed)
    linear, basis = pca_init(
        spec,
        data,
        loss=config.loss,
        seed=config.seed,
        encoder_input=None if config.noise is None else corrupted(data, config),
        n_components=n_components,
    )
    return PCAInit(linear.to(config.device), basis.to(config.device))


def _pca_of_all(
    spec: NetworkSpec, data: Samples, n_components: int | None, config: TrainingConfig
) -> PCAInit:
    """Fit PCA in passes over all rows. 0 components: the mean only."""
    seed = config.seed
    rows: Any = data.values
    mean, width = rows.mean, spec.n_components
    components = np.zeros((0, len(mean)))
    if n_components != 0:
        size = min(width, len(rows), len(mean))
        products = _Products(rows, data.weight, config.name if config.verbose else None)
        components = products.components(size, seed)
    path = make_linear_path(spec)
    path.initialize(
        components=as_tensor(components),
        loadings=as_tensor(components),
        mean=as_tensor(mean),
        intercept=as_tensor(mean),
        generator=torch.Generator().manual_seed(seed),
    )
    linear = Autoencoder(
        n_components=width, encoder=None, decoder=None, linear_path=path
    )
    return PCAInit(linear, as_tensor(components))


class _Products:
    """Products with the covariance of rows, one pass over the rows for each.

    Parameters
    ----------
    rows : ScaledRows
        Rows. They are centered by the mean of the scaling.

    weight : ndarray of shape (N,) or None
        Sample weights.

    name : str, default=None
        Name at the start of the line that each pass prints; None prints nothing.
    """

    def __init__(self, rows: ScaledRows, weight: Array | None, name: str | None = None):
        self.name = name
        self.rows = rows.rows
        self.mean = rows.scaling.mean.reshape(-1)
        self.scale = rows.scaling.scale
        self.weight = np.ones(len(rows)) if weight is None else weight

    def covariance_times(self, matrix: Array) -> Array:
        """Multiply the sum of squares and products (D, D) with a matrix (D, K)."""
        result = np.zeros_like(matrix)
        for some in self.rows.slices():
            weight = self.weight[some, np.newaxis]
            if self.rows.is_sparse:  # the centered rows would be dense
                part = self.rows.select(some).astype(np.float64) / self.scale
                mean = self.mean / self.scale
                product = weight * (part @ matrix - mean @ matrix)
                result += part.T @ product - np.outer(mean, product.sum(axis=0))
            else:
                part = self._centered(some)
                result += part.T @ (weight * (part @ matrix))
        return result

    def _centered(self, some: slice) -> Array:
        values = self.rows[some].reshape(-1, len(self.mean)).astype(np.float64)
        centered: Array = (values - self.mean) / self.scale
        return centered

    def _print_pass(self, number: int, n_passes: int) -> None:
        if self.name is not None:
            passes = f"pass {number} of {n_passes}"
            print(f"[{self.name}] PCA: {passes} over {len(self.rows)} samples")

    def components(self, n_components: int, seed: int) -> Array:
        """Return the principal axes (K, D), the largest variance first.

        They are eigenvectors of the covariance. With many columns they are found by
        block power iterations from random directions (Halko, Martinsson and Tropp,
        2011), with more directions than components.
        """
        width = len(self.mean)
        if width <= EXACT_COLUMNS:
            self._print_pass(1, 1)
            covariance = np.zeros((width, width))
            for some in self.rows.slices():
                part = self._centered(some)
                covariance += part.T @ (self.weight[some, np.newaxis] * part)
            vectors = np.linalg.eigh(covariance)[1]
        else:
            size = min(n_components + max(EXTRA, n_components), len(self.rows), width)
            random = np.random.default_rng(seed)
            basis = np.linalg.qr(random.normal(size=(width, size)))[0]
            for number in range(1, PASSES):
                self._print_pass(number, PASSES)
                basis = np.linalg.qr(self.covariance_times(basis))[0]
            self._print_pass(PASSES, PASSES)
            small = basis.T @ self.covariance_times(basis)
            vectors = basis @ np.linalg.eigh((small + small.T) / 2)[1]
        components = vectors[:, ::-1][:, :n_components].T
        largest = np.abs(components).argmax(axis=1)
        signs = np.sign(components[np.arange(len(components)), largest])
        result: Array = components * signs[:, np.newaxis]
        return result
