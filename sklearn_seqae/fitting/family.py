"""What a family of networks decides: its layers, its batches, its training."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from sklearn_seqae._sequences import Samples
from sklearn_seqae.modules.autoencoder import Autoencoder


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """Shape of a network in plain values, from which it is built when it is loaded.

    Parameters
    ----------
    n_features : int
        Columns of a table, or channels of sequences.

    n_steps : int or None
        Usual number of time steps; None for tables and images.

    n_components : int
        Size of the latent codes.

    hidden_layer_sizes : tuple of int
        Of the encoder; decoders have them in reverse.

    has_linear_path : bool
        Whether PCA stands beside the networks.

    is_ordered, is_variational : bool
        Whether codes are cut to their first components, or drawn.

    is_logistic : bool
        Whether the output is logits.

    rank : int, default=None
        Training rows of a table that has fewer rows than columns; None for others.

    n_ahead : int, default=None
        Time steps of a forecast; None where there is none.
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

    @property
    def n_encoder_outputs(self) -> int:
        """Components, and the log variance of each where codes are drawn."""
        return self.n_components * (1 + self.is_variational)

    @property
    def n_decoder_inputs(self) -> int:
        """Components, and whether each is present where codes are cut."""
        return self.n_components * (1 + self.is_ordered)


class Family(Protocol):
    """The decisions of a family of networks.

    A family is a frozen dataclass whose fields are its own parameters. It writes
    `build_networks`, and of the others those in which it differs.
    """

    # "reconstruct", "predict" or "composite"
    objective: str = "reconstruct"
    # Schedule of the learning rate: one cycle, or constant.
    one_cycle: bool = False
    # Largest norm of the gradient; None: any.
    clip: float | None = None
    # Learning rate of the linear path, as a share of that of the networks.
    linear_path_rate: float = 0.0
    # Validation rows, over all folds, that tell epochs apart.
    enough_held_out: int = 350
    # Fewest batches of an epoch, where batch_size="auto".
    least_batches: int = 1
    # Rows that are computed at once; None: 256 of tables, 32 of sequences.
    tile_rows: int | None = None

    def complete(self, spec: NetworkSpec, n_rows: int) -> NetworkSpec:
        """Fill in the fields of the specification that the family alone knows."""
        return spec

    def build_networks(
        self, spec: NetworkSpec, generator: torch.Generator
    ) -> dict[str, Any]:
        """Build "encoder", "decoder" and, where there is a forecast, "forecaster"."""
        ...

    def set_units(
        self,
        module: Autoencoder,
        x: Tensor,
        basis: Tensor,
        codes: Tensor,
        residuals: Tensor,
    ) -> None:
        """Set the units of the networks beside PCA.

        Parameters
        ----------
        module : Autoencoder
            With the linear path in place.

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

    def objective_options(self, spec: NetworkSpec, samples: Samples) -> dict[str, Any]:
        """Return the arguments of `Objective` that the family sets."""
        return {}

    def auto_batch_size(self, n_rows: int) -> int:
        """Return the rows of a batch: about ten batches an epoch, within bounds."""
        return int(np.clip(-(-n_rows // 10), 8, 256))

    def warp(self, n_rows: int) -> float:
        """Return the strength of the time warps that n rows are trained with."""
        return 0.0
