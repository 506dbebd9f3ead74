"""Fitted model: encode samples into latent codes, and decode them."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sklearn_seqae._inputs import InputFormat
from sklearn_seqae._sequences import Samples
from sklearn_seqae.fitting.config import TrainingConfig
from sklearn_seqae.fitting.family import Family, NetworkSpec
from sklearn_seqae.fitting.pca_init import ROUNDING, make_linear_path
from sklearn_seqae.fitting.scaling import Scaling, Whitening
from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.linear_path import LinearPath
from sklearn_seqae.modules.objective import Objective
from sklearn_seqae.modules.resampling import time_warp
from sklearn_seqae.training.callbacks import EpochLog
from sklearn_seqae.training.inference import in_tiles
from sklearn_seqae.training.net import AutoencoderNet


def build_module(
    spec: NetworkSpec,
    family: Family,
    generator: torch.Generator,
    linear_path: LinearPath | None = None,
) -> Autoencoder:
    """Build the networks of a family, with a linear path if the specification asks."""
    if linear_path is None and spec.has_linear_path:
        linear_path = make_linear_path(spec)
    return Autoencoder(
        n_components=spec.n_components,
        linear_path=linear_path,
        n_ahead=spec.n_ahead,
        is_ordered=spec.is_ordered,
        is_logistic=spec.is_logistic,
        is_variational=spec.is_variational,
        **family.build_networks(spec, generator),
    )


def make_net(
    config: TrainingConfig,
    family: Family,
    module: Autoencoder,
    criterion: Any = None,
) -> AutoencoderNet:
    """Make the skorch net of a module."""
    callbacks = list(config.skorch_callbacks)
    if config.verbose:
        callbacks.append(EpochLog(config.name))
    unit = module.decoder_unit[-1]
    if module.decoder is not None and module.forecaster is not None:
        unit = unit.maximum(module.forecaster_unit[-1])
    net = AutoencoderNet(
        module,
        criterion or Objective(config.loss),
        lr=config.learning_rate_init,
        slow=family.linear_path_rate,
        weight_decay=config.alpha,
        max_epochs=config.max_iter,
        one_cycle=family.one_cycle,
        clip=family.clip,
        gain=1 / max(ROUNDING, float(unit)) ** 2,
        callbacks=callbacks,
        device=config.device,
    )
    return net.initialize()


@dataclass(frozen=True, eq=False)
class FittedModel:
    """Trained network with its scaling, whitening and configuration.

    Parameters
    ----------
    config : TrainingConfig
        Parameters of the fit.

    family : Family
        Family of the networks.

    spec : NetworkSpec
        Shape of the network.

    scaling : Scaling
        Scaling from the units of X to those of the network.

    input_format : InputFormat
        Format of the samples of `fit`.

    net : AutoencoderNet
        skorch net that trained the module.

    module : Autoencoder
        The torch module.

    n_components : int
        Number of components that are kept.

    target_mean : ndarray, default=None
        Mean of the targets; None if the samples are their own targets.

    whitening : Whitening, default=None
        Whitening of the codes.
    """

    config: TrainingConfig
    family: Family
    spec: NetworkSpec
    scaling: Scaling
    input_format: InputFormat
    net: AutoencoderNet
    module: Autoencoder
    n_components: int
    target_mean: NDArray | None = None
    whitening: Whitening | None = None

    @property
    def objective(self) -> str:
        """ "reconstruct", "predict" or "composite"."""
        return self.family.objective

    @property
    def device(self) -> Any:
        """Device of the network."""
        return self.module.encoder_unit.device

    def to(self, device: str) -> "FittedModel":
        """Move the network to a device."""
        if torch.device(device).type != self.device.type:
            self.module.to(device)
        return self

    def with_whitening(self, whitening: Whitening) -> "FittedModel":
        """Return the model with codes of unit variance."""
        return replace(self, whitening=whitening)

    def with_components(self, n_components: int) -> "FittedModel":
        """Return the model with the first components only."""
        return replace(self, n_components=n_components)

    def differences(self, spec: NetworkSpec, family: Family) -> list[str]:
        """List the changes that prevent continuing the training of this network."""
        pairs = [(self.spec, spec), (self.family, family)]
        return [
            f"{f.name} from {getattr(old, f.name)!r} to {getattr(new, f.name)!r}"
            for old, new in pairs
            for f in fields(old)  # type: ignore[arg-type]
            if f.compare
            and f.name != "rank"  # the rank depends on the training rows
            and getattr(old, f.name) != getattr(new, f.name)
        ]

    def encode(self, samples: Samples) -> NDArray:
        """Encode samples into latent codes (N, Z), in their float dtype."""
        x = self.scaling.apply(samples.values, samples.lengths)
        encoder = self.encoder()

        def encode(tile: Tensor, lengths: Tensor | None, n_steps: int | None) -> Tensor:
            codes: Tensor = encoder(tile, lengths)
            return codes

        codes = in_tiles(encode, x, _lengths(samples), **self._tile_options())
        return codes.astype(samples.values.dtype, copy=False)

    def decode(
        self,
        codes: NDArray,
        lengths: NDArray | None = None,
        n_steps: int | None = None,
        *,
        ahead: bool = False,
    ) -> NDArray:
        """Decode latent codes into values in the units of X.

        Parameters
        ----------
        codes : ndarray of shape (N, K)
            Latent codes. Ordered codes may have fewer components than the model.

        lengths : ndarray of shape (N,), default=None
            Time steps of each sequence; None for tables and images.

        n_steps : int, default=None
            Time steps of the longest sequence.

        ahead : bool, default=False
            Whether to decode the forecast instead of the reconstruction.

        Returns
        -------
        values : ndarray of shape (N, D) or (N, n_steps, C)
        """
        network = self.module.forecast if ahead else self.module.decode
        white, width = self._whitening_tensors(), self.spec.n_components

        def decode(tile: Tensor, lengths: Tensor | None, n_steps: int | None) -> Tensor:
            k = tile.shape[1]
            if white is not None:  # triangular: k components depend on k components
                tile = tile @ white.inverse[:k, :k] + white.mean[:k]
            if k == width:
                output = network(tile, lengths, n_steps)
            else:
                code = nn.functional.pad(tile, (0, width - k))
                kept = torch.full((len(code),), k, device=code.device)
                output = network(code, lengths, n_steps, kept)
            return output.sigmoid() if self.spec.is_logistic else output

        values = in_tiles(
            decode,
            codes.astype(np.float32),
            lengths,
            n_steps=n_steps,
            **self._tile_options(),
        )
        return self.scaling.undo(values, lengths, codes.dtype)

    def reconstruct(self, samples: Samples) -> NDArray:
        """Reconstruct samples, in their shape."""
        steps = samples.values.shape[1] if samples.values.ndim == 3 else None
        return self.decode(self.encode(samples), _lengths(samples), steps)

    def encoder(
        self, *, warp: float = 0.0, generator: torch.Generator | None = None
    ) -> "Encoder":
        """Return the encoder as a differentiable torch module."""
        return Encoder(
            self.module,
            n_components=self.n_components,
            white=self._whitening_tensors(),
            warp=warp,
            generator=generator,
        )

    def encoder_to_fine_tune(
        self, n_rows: int, generator: torch.Generator
    ) -> "Encoder":
        """Return the encoder for fine-tuning on n rows.

        It warps samples as in the training of the model. All its components have one
        unit.
        """
        if self.module.linear_path is None:
            return self.encoder()
        unify_units(self.module)
        return self.encoder(warp=self.family.warp(n_rows), generator=generator)

    def tensors(self, samples: Samples) -> tuple[Tensor, Tensor | None]:
        """Return scaled samples as tensors on the device: values, lengths or None."""
        x = self.scaling.apply(samples.values, samples.lengths)
        lengths = None
        if samples.lengths is not None:
            lengths = torch.from_numpy(samples.lengths).to(self.device)
        return torch.from_numpy(x).to(self.device), lengths

    def get_state(self) -> dict[str, Any]:
        """Return the model as numpy arrays and plain values."""
        state = self.module.state_dict().items()
        weights = {name: weight.cpu().numpy() for name, weight in state}
        if "encoder.basis" in weights:  # one array in a pickle
            weights["decoder.basis"] = weights["encoder.basis"]
        config = {f.name: getattr(self.config, f.name) for f in fields(self.config)}
        whitening = self.whitening and self.whitening._asdict()
        return {
            "config": {**config, "skorch_callbacks": ()},
            "family": asdict(self.family),  # type: ignore[call-overload]
            "spec": asdict(self.spec),
            "scaling": asdict(self.scaling),
            "input_format": asdict(self.input_format),
            "n_components": self.n_components,
            "target_mean": self.target_mean,
            "whitening": whitening,
            "weights": weights,
        }

    @classmethod
    def from_state(
        cls, state: dict[str, Any], family: type[Family], device: str
    ) -> "FittedModel":
        """Rebuild the model from the result of `get_state`."""
        spec = NetworkSpec(**state["spec"])
        config = replace(TrainingConfig(**state["config"]), device=device)
        own = family(**state["family"])
        module = build_module(spec, own, torch.Generator())
        weights = {k: torch.tensor(w) for k, w in state["weights"].items()}
        module.load_state_dict(weights)
        net = make_net(config, own, module)
        whitening = state["whitening"]
        return cls(
            config=config,
            family=own,
            spec=spec,
            scaling=Scaling(**state["scaling"]),
            input_format=InputFormat(**state["input_format"]),
            net=net,
            module=net.module_.eval(),
            n_components=state["n_components"],
            target_mean=state["target_mean"],
            whitening=whitening and Whitening(**whitening),
        )

    def _tile_options(self) -> dict[str, Any]:
        return {
            "usual_length": self.spec.n_steps or 0,
            "tile_rows": self.family.tile_rows,
            "device": self.device,
        }

    def _whitening_tensors(self) -> "WhiteningTensors":
        """Return the whitening as tensors."""
        if self.whitening is None:
            return None
        tensors: Any = (
            torch.tensor(array, device=self.device) for array in self.whitening
        )
        return Whitening(*tensors)


WhiteningTensors = Any  # Whitening of tensors, or None


def _lengths(samples: Samples) -> NDArray | None:
    """Return the lengths of sequences; None for tables."""
    return None if samples.values.ndim == 2 else samples.n_steps_of_each


class Encoder(nn.Module):
    """Differentiable encoder: scaled samples to the latent codes of `transform`.

    It shares the module of the autoencoder: training one trains the other.

    Shape
    -----
    - Input: `x` (N, D) or (N, T, C), scaled; `lengths` (N,) or None
    - Output: (N, Z), the codes

    Parameters
    ----------
    module : Autoencoder
        The torch module.

    n_components : int
        Z, number of components that are kept.

    white : Whitening of Tensor or None
        Whitening of the codes.

    warp : float
        Strength of the time warping in training mode.

    generator : torch.Generator or None
        Source of the time warping.
    """

    def __init__(
        self,
        module: Autoencoder,
        *,
        n_components: int,
        white: WhiteningTensors,
        warp: float = 0.0,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        self.module = module
        self.n_components = n_components
        self.white = white
        self.warp = warp
        self.generator = generator

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map samples to latent codes."""
        if self.training and self.warp and self.generator is not None:
            x = time_warp(x, lengths, self.warp, self.generator)
        code = self.module.encode(x, lengths)[:, : self.n_components]
        if self.white is None:
            return code
        return (code - self.white.mean) @ self.white.factor


@torch.no_grad()
def unify_units(module: Autoencoder) -> None:
    """Set one unit for the corrections of all components, without changing outputs.

    For a reconstruction, small components matter little, so their unit is small. For a
    classifier, any component may separate the classes.
    """
    unit = module.encoder_unit
    largest = unit.max()
    largest = largest.where(largest > 0, 1)  # PCA has no residual
    assert module.encoder is not None
    last = [layer for layer in module.encoder.modules() if type(layer) is nn.Linear][-1]
    last.weight.mul_((unit / largest)[:, None])
    module.set_units(encoder_unit=largest)
