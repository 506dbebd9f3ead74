"""Families of networks: layers, batch size and learning-rate schedule."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from sklearn_seqae._sequences import Samples
from sklearn_seqae.fitting.config import TrainingConfig
from sklearn_seqae.modules.autoencoder import Autoencoder


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """Shape of a network in plain values, from which it is rebuilt after pickling.

    Parameters
    ----------
    n_features : int
        Columns of a table, or channels of sequences.

    n_steps : int or None
        Usual number of time steps; None for tables and images.

    n_components : int
        Size of the latent codes.

    hidden_layer_sizes : tuple of int
        Units of the encoder's layers.

    has_linear_path : bool
        Whether the networks are a learned correction of a linear path.

    is_ordered : bool, default=False
        Whether components are ordered, so that codes can be truncated.

    is_variational : bool, default=False
        Whether codes are drawn from a distribution.

    is_logistic : bool, default=False
        Whether the output is logits.

    rank : int or None, default=None
        Number of training rows if a table has fewer rows than columns, else None.

    n_ahead : int or None, default=None
        Number of time steps of the forecast; None without a forecast.

    decoder_layer_sizes : tuple of int or None, default=None
        Units of the layers of the decoders; None: those of the encoder in reverse
        order.

    output_activation : {"identity", "sigmoid"}, default="identity"
        Activation of the last layer of the decoders.
    """

    n_features: int
    n_steps: int | None
    n_components: int
    hidden_layer_sizes: tuple[int, ...]
    has_linear_path: bool
    is_ordered: bool = False
    is_variational: bool = False
    is_logistic: bool = False
    rank: int | None = None
    n_ahead: int | None = None
    decoder_layer_sizes: tuple[int, ...] | None = None
    output_activation: str = "identity"

    @property
    def n_encoder_outputs(self) -> int:
        """Number of components, doubled if the encoder returns log variances, too."""
        return self.n_components * (1 + self.is_variational)

    @property
    def n_decoder_inputs(self) -> int:
        """Number of components, doubled if the decoder receives which are present."""
        return self.n_components * (1 + self.is_ordered)

    @property
    def decoder_sizes(self) -> tuple[int, ...]:
        """Units of the layers of the decoders."""
        if self.decoder_layer_sizes is None:
            return self.hidden_layer_sizes[::-1]
        return self.decoder_layer_sizes


class Family(Protocol):
    """Interface of a family of networks.

    A family is a frozen dataclass whose fields are its parameters. It implements
    `build_networks` and overrides the defaults of the other methods where needed.
    """

    # "reconstruct", "predict" or "composite"
    objective: str = "reconstruct"
    # Learning-rate schedule: one cycle, or constant.
    one_cycle: bool = False
    # Maximum norm of the gradient; None: no limit.
    clip: float | None = None
    # Whether operations are so large that threads use the cores.
    in_threads: bool = False
    # Learning rate of the linear path, relative to that of the networks.
    linear_path_rate: float = 0.0
    # Sufficient number of validation rows, over all folds.
    enough_held_out: int = 350
    # Minimum number of batches in an epoch, if batch_size="auto".
    least_batches: int = 1
    # Rows of an inference tile; None: 256 for tables, 32 for sequences.
    tile_rows: int | None = None

    def complete(self, spec: NetworkSpec, n_rows: int) -> NetworkSpec:
        """Set the fields of the specification that depend on the family and n rows."""
        return spec

    def build_networks(
        self, spec: NetworkSpec, generator: torch.Generator
    ) -> dict[str, Any]:
        """Build the modules "encoder", "decoder" and, for forecasts, "forecaster"."""
        ...

    def set_units(
        self,
        module: Autoencoder,
        x: Tensor,
        basis: Tensor,
        codes: Tensor,
        residuals: Tensor,
    ) -> None:
        """Set the units of the networks from PCA's codes and residuals.

        Parameters
        ----------
        module : Autoencoder
            Autoencoder with its linear path.

        x : Tensor of shape (N, D) or (N, T, C)
            Training rows.

        basis : Tensor of shape (R, D)
            Components of PCA.

        codes : Tensor of shape (N, Z)
            PCA's codes of the training rows.

        residuals : Tensor of shape (Z,)
            Root mean squared residual of PCA with 1, ..., Z components.
        """
        spread, residual = codes.std(0, correction=0), residuals[-1]
        module.set_units(
            encoder_unit=residual,
            decoder_unit=residuals,
            code_scale=spread.where(spread > 0, 1),
            residual_scale=residual.masked_fill(residual == 0, 1),
        )

    def widen_ranges(self, module: Autoencoder, x: Tensor, codes: Tensor) -> None:
        """Widen the ranges that are known from training rows to those of more rows.

        Parameters
        ----------
        module : Autoencoder
            Autoencoder that was trained on other rows.

        x : Tensor of shape (N, D) or (N, T, C)
            Training rows.

        codes : Tensor of shape (N, Z)
            Their codes by the linear path.
        """
        return None

    def objective_options(self, spec: NetworkSpec, samples: Samples) -> dict[str, Any]:
        """Return the arguments of `Objective` that depend on the family."""
        return {}

    def auto_batch_size(self, n_rows: int) -> int:
        """Return the automatic batch size, for about ten batches per epoch."""
        return int(np.clip(-(-n_rows // 10), 8, 256))

    def warp(self, n_rows: int) -> float:
        """Return the strength of the time warping for n rows; 0 for no warping."""
        return 0.0


def make_spec(
    config: TrainingConfig,
    family: Family,
    samples: Samples,
    *,
    n_steps: int | None,
    n_components: int,
) -> NetworkSpec:
    """Make the specification of a network.

    Parameters
    ----------
    config : TrainingConfig
        Parameters of the fit.

    family : Family
        Family of the networks.

    samples : Samples
        Training samples.

    n_steps : int or None
        Usual number of time steps; None for tables and images.

    n_components : int
        Size of the latent codes.

    Returns
    -------
    spec : NetworkSpec
    """
    spec = NetworkSpec(
        n_features=samples.values.shape[-1],
        n_steps=n_steps,
        n_components=n_components,
        hidden_layer_sizes=config.hidden_layer_sizes,
        has_linear_path=config.init == "pca",
        is_ordered=config.is_ordered,
        is_variational=config.bottleneck == "variational",
        is_logistic=config.is_logistic,
        decoder_layer_sizes=config.decoder_layer_sizes,
        output_activation="sigmoid" if config.has_sigmoid else "identity",
    )
    return family.complete(spec, len(samples))
