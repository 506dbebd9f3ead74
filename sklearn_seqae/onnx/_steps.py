"""Steps before an autoencoder, with operations that can be exported."""

from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.preprocessing import RobustScaler, StandardScaler
from torch import Tensor

from sklearn_seqae.preprocessing import SequenceScaler

READ = "StandardScaler, RobustScaler, PCA, and SequenceScaler around a scaler"


class Scale:
    """Subtract a mean and divide by a scale, along the last axis.

    It computes in float64, as scikit-learn, and returns the dtype of its input.
    """

    def __init__(self, mean: Any, scale: Any):
        self.mean = torch.tensor(mean, dtype=torch.float64)
        self.scale = torch.tensor(scale, dtype=torch.float64)

    def __call__(self, x: Tensor) -> Tensor:
        """Scale samples."""
        return ((x.double() - self.mean) / self.scale).to(x.dtype)

    def undo(self, x: Tensor) -> Tensor:
        """Return samples from their scaled values."""
        return (x.double() * self.scale + self.mean).to(x.dtype)

    def enlarged(self, unit: Any) -> Any:
        """Return the largest size of errors, from their size in scaled values."""
        return unit * self.scale.max().item()


class Projection:
    """PCA of rows, and the samples of its codes."""

    def __init__(self, pca: PCA):
        components = pca.components_.astype(np.float64)
        unit = np.sqrt(pca.explained_variance_) if pca.whiten else np.ones(1)
        self.mean = torch.tensor(pca.mean_, dtype=torch.float64)
        self.components = torch.tensor(components)
        self.unit = torch.tensor(unit, dtype=torch.float64)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the codes of rows."""
        codes = (x.double() - self.mean) @ self.components.t() / self.unit
        return codes.to(x.dtype)

    def undo(self, x: Tensor) -> Tensor:
        """Return rows from their codes."""
        return ((x.double() * self.unit) @ self.components + self.mean).to(x.dtype)

    def enlarged(self, unit: Any) -> Any:
        """Return the largest size of errors, from their size in the codes."""
        return unit * self.unit.max().item()


def step_of(step: Any, n_columns: int | None = None) -> Scale | Projection:
    """Return the computation of a fitted transformer.

    Parameters
    ----------
    step : transformer
        Fitted StandardScaler, RobustScaler, PCA or SequenceScaler.

    n_columns : int, default=None
        Number of columns of flat rows that a SequenceScaler reads as sequences.

    Raises
    ------
    TypeError
        If it is another transformer.
    """
    inner = step.scaler_ if isinstance(step, SequenceScaler) else step
    if type(step) is PCA:
        return Projection(step)
    if type(inner) is StandardScaler:
        center, scale = inner.mean_, inner.scale_
        with_center, with_scale = inner.with_mean, inner.with_std
    elif type(inner) is RobustScaler:
        center, scale = inner.center_, inner.scale_
        with_center, with_scale = inner.with_centering, inner.with_scaling
    else:
        raise TypeError(
            f"Only {READ}, can be exported before an autoencoder. Got {step!r}. Export "
            "the last step, or use register_converters and skl2onnx."
        )
    n = inner.n_features_in_
    center = center if with_center else np.zeros(n)
    scale = scale if with_scale else np.ones(n)
    if n_columns is not None:
        center, scale = (np.tile(each, n_columns // n) for each in (center, scale))
    return Scale(center, scale)
