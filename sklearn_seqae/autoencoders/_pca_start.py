"""PCA as the start of a network, and as what it is compared with."""

import numpy as np
import torch
from sklearn.decomposition import PCA

from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.linear_path import LinearPath, ResampledLinearPath
from sklearn_seqae.sequences import resample

PCA_ROWS = 50_000  # a subsample of so many rows gives the components of all
EXACT_BELOW = 2000  # rows or columns; above, scikit-learn chooses its solver
ROUNDING = 1e-6  # of the spread of the data
EDGE = 0.01  # values this near to 0 or 1 have no larger logit


def make_linear_path(architecture):
    """Make the linear path of a table, or of sequences, without weights."""
    n_features, n_steps, n_components = (
        architecture[name] for name in ("n_features", "n_steps", "n_components")
    )
    if n_steps is None:
        return LinearPath(n_features=n_features, n_components=n_components)
    return ResampledLinearPath(
        n_steps=n_steps, n_channels=n_features, n_components=n_components
    )


def pca_start(architecture, x, lengths, *, loss, seed, n_components=None):
    """Make an autoencoder of a linear path alone that is PCA of x.

    With binary cross-entropy the code is PCA's, and a least-squares map leads from
    it to the logits.

    Parameters
    ----------
    architecture : dict
        Shape of the network.

    x : ndarray of shape (N, D) or (N, T, C), float32
        Training rows in the network's units.

    lengths : ndarray of shape (N,) or None
        Steps of each sequence.

    loss : str
        A key of `modules.losses.LOSSES`.

    seed : int
        Source of every random number.

    n_components : {0, None}, default=None
        0 for the mean alone; None for PCA of the architecture's size.

    Returns
    -------
    autoencoder : Autoencoder
        Without networks.

    basis : Tensor of shape (R, D)
        PCA's components, as many as there are where the architecture has a rank.
    """
    n_steps, width = architecture["n_steps"], architecture["n_components"]
    flat = x if n_steps is None else resample(x, lengths, n_steps)
    flat = flat.reshape(len(flat), -1)
    if len(flat) > PCA_ROWS:
        rows = np.random.default_rng(seed).permutation(len(flat))[:PCA_ROWS]
        flat = flat[np.sort(rows)]
    flat = flat.astype(np.float64)
    mean = intercept = flat.mean(axis=0)
    basis = components = loadings = np.zeros((0, flat.shape[1]))
    if n_components != 0:
        solver = _solver(*flat.shape)
        rank = architecture.get("rank") or width
        size = min(max(width, rank), *flat.shape)
        pca = PCA(size, svd_solver=solver, random_state=seed)
        with np.errstate(invalid="ignore", divide="ignore"):  # one row: 0 / 0
            basis = pca.fit(flat).components_
        components = loadings = basis[:width]
    if loss == "binary_cross_entropy":
        squeezed = np.clip(flat, EDGE, 1 - EDGE)
        logits = np.log(squeezed / (1 - squeezed))
        intercept = logits.mean(axis=0)
        code = (flat - mean) @ components.T
        loadings = np.linalg.lstsq(code, logits - intercept)[0]
    path = make_linear_path(architecture)
    path.start(
        components=_tensor(components),
        loadings=_tensor(loadings),
        mean=_tensor(mean),
        intercept=_tensor(intercept),
        generator=torch.Generator().manual_seed(seed),
    )
    linear = Autoencoder(
        n_components=width, encoder=None, decoder=None, linear_path=path
    )
    return linear, _tensor(basis)


def _solver(n_rows, n_columns):
    """An exact solver where one is quick: the start must not differ from PCA."""
    if min(n_rows, n_columns) > EXACT_BELOW:
        return "auto"
    return "covariance_eigh" if n_rows >= 10 * n_columns else "full"


@torch.no_grad()
def codes_and_residual(linear, batches):
    """What `linear` makes of the data, and the size of what it leaves of them.

    Returns
    -------
    codes : Tensor of shape (N, Z)
        In the order of the batches.

    residual : Tensor of shape ()
        Root mean squared residual, 0 where it is but float32's rounding.
    """
    codes, squares = [], 0.0
    for batch in batches:
        codes.append(linear.encode(batch.x, batch.lengths))
        residual = batch.x - linear(batch.x, batch.lengths)
        if batch.mask is not None:
            residual = residual[batch.mask]
        squares += float(residual.square().sum())
    residual = torch.tensor((squares / batches.n_values) ** 0.5)
    return torch.cat(codes), torch.where(residual > ROUNDING, residual, 0)


def _tensor(array):
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
