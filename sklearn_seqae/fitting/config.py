"""Configuration of one fit, validated and frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from sklearn_seqae._inputs import is_int
from sklearn_seqae._sequences import Samples
from sklearn_seqae.large.rows import Rows
from sklearn_seqae.modules.bottleneck import PENALTIES
from sklearn_seqae.training.callbacks import check_callbacks
from sklearn_seqae.training.devices import find_device

REFINEMENT_STEPS = 2  # more change little


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Parameters of a fit that all families share.

    Parameters
    ----------
    name : str
        Name of the fitted class, for messages.

    seed : int
        Source of every random number.

    Notes
    -----
    The other fields are parameters of the public classes, which document them.
    """

    name: str
    seed: int
    n_components: int | float
    hidden_layer_sizes: tuple[int, ...]
    init: str
    loss: str
    bottleneck: str
    bottleneck_weight: float
    noise: str | None
    noise_level: float
    whiten: bool
    refinement_steps: int | str
    alpha: float
    batch_size: int | str
    learning_rate_init: float
    max_iter: int
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: float
    tol: float
    device: str
    skorch_callbacks: tuple[Any, ...] = ()
    verbose: int = 0
    decoder_layer_sizes: tuple[int, ...] | None = None
    output_activation: str = "identity"

    @classmethod
    def from_params(
        cls, params: Mapping[str, Any], *, name: str, seed: int
    ) -> "TrainingConfig":
        """Select the fields from all parameters, and validate them.

        Raises
        ------
        ValueError
            If a value is invalid, or two values cannot be combined.
        """
        names = {f.name for f in fields(cls)}
        values = {key: value for key, value in params.items() if key in names}
        values["skorch_callbacks"] = tuple(values["skorch_callbacks"] or ())
        check_callbacks(values["skorch_callbacks"])
        values["device"] = find_device(values["device"])
        for key in ("hidden_layer_sizes", "decoder_layer_sizes"):
            if values[key] is not None:
                values[key] = _layer_sizes(values[key], key, name)
        return cls(name=name, seed=seed, **values)

    def __post_init__(self) -> None:
        if self.is_penalized and self.fraction is not None:
            raise ValueError(
                f"With bottleneck={self.bottleneck!r} the 'n_components' parameter of "
                f"{self.name} must be an int. Got {self.n_components!r} "
                "instead. A fraction requires ordered components: use "
                "bottleneck='ordered'."
            )
        if self.noise == "masking" and self.noise_level > 1:
            raise ValueError(
                "With noise='masking' the 'noise_level' parameter of "
                f"{self.name} must be a float in the range [0, 1]. Got "
                f"{self.noise_level!r} instead."
            )

        if self.init == "pca" and self.has_sigmoid:
            raise ValueError(
                "With init='pca' the 'output_activation' parameter of "
                f"{self.name} must be 'identity', because PCA has no output "
                "activation. Got 'sigmoid' instead. Use init='random', or "
                "loss='binary_cross_entropy', which adds a sigmoid."
            )

    def with_seed(self, seed: int) -> "TrainingConfig":
        """Return the same parameters with another seed."""
        return replace(self, seed=seed)

    @property
    def fraction(self) -> float | None:
        """Fraction of variance to explain, or None if `n_components` is an int."""
        is_number = isinstance(self.n_components, Integral)
        return None if is_number else float(self.n_components)

    @property
    def is_ordered(self) -> bool:
        """Whether components are ordered by explained variance."""
        return self.bottleneck == "ordered" or self.fraction is not None

    @property
    def is_penalized(self) -> bool:
        """Whether the loss contains a penalty."""
        return self.bottleneck in PENALTIES

    @property
    def is_logistic(self) -> bool:
        """Whether the outputs of the network are logits."""
        return self.loss == "binary_cross_entropy"

    @property
    def has_sigmoid(self) -> bool:
        """Whether the last layer of the network is a sigmoid, which is in no loss."""
        return self.output_activation == "sigmoid" and not self.is_logistic

    @property
    def has_domain(self) -> bool:
        """Whether outputs are in [0, 1], so that values are not centered or scaled."""
        return self.is_logistic or self.has_sigmoid

    def n_refinement_steps(self, objective: str, has_target: bool) -> int:
        """Return the number of steps from the code of the encoder to the nearest point.

        By default there are none if the nearest point to X is not what is wanted.
        """
        if self.refinement_steps != "auto":
            return int(self.refinement_steps)
        has_clean_target = has_target and objective == "reconstruct"
        is_unwanted = objective == "predict" or has_clean_target or bool(self.noise)
        if is_unwanted or self.is_penalized or self.init == "random":
            return 0
        return REFINEMENT_STEPS

    def check_domain(self, *parts: Samples | None) -> None:
        """Raise a ValueError if the loss is not defined for values of the samples."""
        if not self.has_domain:
            return
        arrays: list[Any] = []
        for part in parts:
            if part is not None:
                values: Any = part.values
                is_read_in_chunks = isinstance(values, Rows)
                arrays += values.extremes if is_read_in_chunks else [values]
                arrays += [] if part.target is None else [part.target]
        low = min(np.fmin.reduce(a, axis=None) for a in arrays)
        high = max(np.fmax.reduce(a, axis=None) for a in arrays)
        if low < 0 or high > 1:
            option = f"output_activation={self.output_activation!r}"
            if self.is_logistic:
                option = f"loss={self.loss!r}"
            raise ValueError(
                f"With {option} all values of X must be in "
                f"[0, 1]. Got values from {low:g} to {high:g}. Scale X with "
                "MinMaxScaler(clip=True)."
            )


def draw_seed(random_state: Any) -> int:
    """Draw a seed. For None, entropy of the system is used, not numpy's generator."""
    if random_state is None:
        random_state = np.random.RandomState()
    return int(check_random_state(random_state).randint(2**31 - 1))


def _layer_sizes(sizes: Any, parameter: str, name: str) -> tuple[int, ...]:
    """Validate sizes of layers and return them as a tuple of int."""
    for size in sizes:
        if not is_int(size) or size < 1:
            raise ValueError(
                f"The {parameter!r} parameter of {name} must hold int values "
                f">= 1. Got {sizes!r} instead."
            )
    return tuple(int(size) for size in sizes)
