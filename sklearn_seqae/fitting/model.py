"""Fitted model, which encodes samples into latent codes and decodes them."""

import copy
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sklearn_seqae._inputs import InputFormat
from sklearn_seqae._sequences import Samples
from sklearn_seqae.fitting.config import TrainingConfig
from sklearn_seqae.fitting.encoder import Encoder, SampleEncoder, WhiteningTensors
from sklearn_seqae.fitting.family import Family, NetworkSpec
from sklearn_seqae.fitting.imputer import LinearImputer
from sklearn_seqae.fitting.pca_init import ROUNDING, make_linear_path
from sklearn_seqae.fitting.refinement import NearestEncoder
from sklearn_seqae.fitting.scaling import Scaling, Whitening, along
from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.dense_tile import DenseTiles, decoder_tile, encoder_tile
from sklearn_seqae.modules.layers import without_initial_weights
from sklearn_seqae.modules.linear_path import LinearPath
from sklearn_seqae.modules.nearest import decoder_of
from sklearn_seqae.modules.objective import Objective
from sklearn_seqae.modules.row_space import RowSpaceObjective
from sklearn_seqae.training.devices import find_device, is_available
from sklearn_seqae.training.inference import in_tiles
from sklearn_seqae.training.isolation import isolated
from sklearn_seqae.training.net import AutoencoderNet


def build_module(
    spec: NetworkSpec,
    family: Family,
    generator: torch.Generator,
    linear_path: LinearPath | None = None,
) -> Autoencoder:
    """Build the networks of a family, and the linear path if there is one.

    Parameters
    ----------
    spec : NetworkSpec
        Shape of the network.

    family : Family
        Family of the networks.

    generator : torch.Generator
        Source of the initial weights of the networks.

    linear_path : LinearPath or None, default=None
        Initialized linear path. If None and `spec.has_linear_path`, a new one is made,
        which is not yet initialized.

    Returns
    -------
    module : Autoencoder
    """
    if linear_path is None and spec.has_linear_path:
        linear_path = make_linear_path(spec)
    return Autoencoder(
        n_components=spec.n_components,
        linear_path=linear_path,
        n_ahead=spec.n_ahead,
        is_ordered=spec.is_ordered,
        is_logistic=spec.is_logistic,
        is_variational=spec.is_variational,
        has_sigmoid=spec.output_activation == "sigmoid",
        **family.build_networks(spec, generator),
    )


def make_net(
    config: TrainingConfig,
    family: Family,
    module: Autoencoder,
    criterion: Objective | RowSpaceObjective | None = None,
    has_end: bool = True,
) -> AutoencoderNet:
    """Make the skorch net of a module.

    Parameters
    ----------
    config : TrainingConfig
        Parameters of the fit.

    family : Family
        Family of the networks.

    module : Autoencoder
        Autoencoder with its initial weights and units.

    criterion : Objective, RowSpaceObjective or None, default=None
        Objective of the training; None for a net that is not trained.

    has_end : bool, default=True
        Whether the number of epochs is known, as one cycle of the learning rate needs.

    Returns
    -------
    net : AutoencoderNet
        Initialized net.
    """
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
        # A net that is not trained needs no moving average of the weights.
        one_cycle=(family.one_cycle and has_end) or criterion is None,
        clip=family.clip,
        gain=1 / max(ROUNDING, float(unit)) ** 2,
        callbacks=copy.deepcopy(list(config.skorch_callbacks)),
        device=config.device,
    )
    net.initialize()
    return net


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
        Number of components of the codes, at most that of the network.

    target_mean : ndarray or None, default=None
        Mean of the targets; None if samples are their own targets.

    whitening : Whitening or None, default=None
        Whitening of the codes; None without whitening.

    refinement_steps : int, default=0
        Number of Gauss-Newton steps from the code of the encoder to the nearest point.

    imputer : LinearImputer or None, default=None
        Estimate of missing values, which the encoder receives. None: the mean.

    missing_device : str or None, default=None
        Device of a loaded model if it is not available here. The CPU replaces it.
    """

    config: TrainingConfig
    family: Family
    spec: NetworkSpec
    scaling: Scaling
    input_format: InputFormat
    net: AutoencoderNet
    module: Autoencoder
    n_components: int
    target_mean: NDArray[Any] | None = None
    whitening: Whitening | None = None
    refinement_steps: int = 0
    imputer: LinearImputer | None = None
    missing_device: str | None = None

    @property
    def objective(self) -> str:
        """ "reconstruct", "predict" or "composite"."""
        return self.family.objective

    @property
    def device(self) -> torch.device:
        """Device of the network."""
        return self.module.encoder_unit.device

    @property
    def code_unit(self) -> float:
        """Unit of the latent codes: that of X, or 1 for whitened or variational codes.

        The network computes codes in scaled units. `encode` returns the product.
        """
        has_unit = self.whitening is None and not self.spec.is_variational
        return self.scaling.scale if has_unit else 1.0

    def to(self, device: str) -> "FittedModel":
        """Move the network to a device, and return the model."""
        if device == self.missing_device:
            device = "cpu"
        if device == self.device.type == "cpu":
            return self
        wanted = torch.device(find_device(device))
        is_there = wanted.index in (None, self.device.index)
        if wanted.type != self.device.type or not is_there:
            self.module.to(wanted)
        return self

    def whitened(self, samples: Samples) -> "FittedModel":
        """Return the model with codes that are whitened on training samples."""
        codes = self.encode(samples) / self.code_unit
        return replace(self, whitening=Whitening.fit(codes, samples.weight))

    def with_components(self, n_components: int) -> "FittedModel":
        """Return the model with codes of the first components only."""
        return replace(self, n_components=n_components)

    def differences(self, spec: NetworkSpec, family: Family) -> list[str]:
        """List the changed parameters with which the training cannot continue.

        Parameters
        ----------
        spec : NetworkSpec
            Shape of the network according to the current parameters.

        family : Family
            Family according to the current parameters.

        Returns
        -------
        changes : list of str
            "name from old value to new value" for each change.
        """
        pairs = [(self.spec, spec), (self.family, family)]
        return [
            f"{f.name} from {getattr(old, f.name)!r} to {getattr(new, f.name)!r}"
            for old, new in pairs
            for f in fields(old)  # type: ignore[arg-type]
            if f.compare
            and f.name != "rank"  # the rank depends on the training rows
            and getattr(old, f.name) != getattr(new, f.name)
        ]

    def encode(self, samples: Samples, *, refined: bool = True) -> NDArray[Any]:
        """Encode samples into latent codes (N, Z), in the dtype of the samples.

        With `refined=False`, the codes are those of the encoder. A sample without any
        observed value has the code of the training mean.
        """
        if samples.observed is None:
            return self._encode_rows(samples, refined)
        samples = self._with_means(samples)
        codes: NDArray[Any] = np.zeros(
            (len(samples), self.n_components), dtype=samples.values.dtype
        )
        gaps = np.isnan(samples.values).reshape(len(samples), -1).any(axis=1)
        for rows in (np.flatnonzero(~gaps), np.flatnonzero(gaps)):
            if len(rows):
                codes[rows] = self._encode_rows(samples.take(rows), refined)
        return codes

    def _encode_rows(self, samples: Samples, refined: bool) -> NDArray[Any]:
        """Encode samples that all have missing values, or none of which has."""
        has_gaps = samples.observed is not None
        unit, dtype = self.code_unit, samples.values.dtype
        encode: Any
        if refined and self.refinement_steps:
            encode = NearestEncoder(self, self.refinement_steps, has_gaps=has_gaps)
        else:
            encode = encoder_tile(
                self.module, self.n_components, self.whitening_tensors()
            )
        if encode is None:
            encoder = self.encoder()

            def encode(tile: Tensor, lengths: Tensor | None, _: Any) -> Tensor:
                codes: Tensor = encoder(tile, lengths)
                return codes

        before: Any = self.scaling.apply
        if has_gaps:
            with_mask = isinstance(encode, NearestEncoder)
            before = partial(self._scaled_and_filled, with_mask=with_mask)
        return in_tiles(
            encode,
            samples.values,
            _lengths(samples),
            before=before,
            # numpy 1 computes float32 times a scalar of float64 in float32.
            after=lambda codes, _: np.multiply(codes, unit, dtype=np.float64).astype(
                dtype
            ),
            **self._tile_options(encode, len(samples)),
        )

    def _scaled_and_filled(
        self,
        values: NDArray[Any],
        lengths: NDArray[np.int64] | None,
        *,
        with_mask: bool = False,
    ) -> NDArray[np.float32]:
        """Scale values, and fill in estimates of the missing ones.

        With a mask, the last axis has the mask of the observed values as well.
        """
        scaled = self.scaling.apply(values, lengths)
        filled = np.nan_to_num(scaled)
        if self.imputer is not None:
            filled = self.imputer.fill(scaled, lengths)
        if not with_mask:
            return filled
        mask = (~np.isnan(scaled)).astype(np.float32)
        return np.concatenate([filled, mask], axis=-1)

    def _with_means(self, samples: Samples) -> Samples:
        """Return samples with the training mean in place of those without values."""
        rows = np.flatnonzero(~samples.has_values)
        if not len(rows):
            return samples
        values, empty = samples.values.copy(), samples.take(rows)
        n_steps = empty.values.shape[1]
        values[rows, :n_steps] = along(self.scaling.mean, empty.values, empty.lengths)
        return replace(samples, values=values, observed=None)

    def decode(
        self,
        codes: NDArray[Any],
        lengths: NDArray[np.int64] | None = None,
        n_steps: int | None = None,
        *,
        ahead: bool = False,
    ) -> NDArray[Any]:
        """Decode latent codes into values in the units of X.

        Parameters
        ----------
        codes : ndarray of shape (N, K)
            Latent codes. K may be less than the latent size if codes are ordered.

        lengths : ndarray of shape (N,), default=None
            Number of time steps of each sequence; None for tables and images.

        n_steps : int, default=None
            Number of time steps of the longest sequence; None for tables and images.

        ahead : bool, default=False
            Whether to return the forecast instead of the reconstruction.

        Returns
        -------
        values : ndarray of shape (N, D) or (N, n_steps, C)
            Values in the dtype of the codes, zero on padding.
        """
        whitening, width = self.whitening_tensors(), codes.shape[1]
        decode: Any = None
        if not ahead:
            decode = decoder_tile(self.module, width, whitening)
        if decode is None:
            decode = self.decoder(whitening, ahead)
        return in_tiles(
            decode,
            self._scaled_codes(codes),
            lengths,
            after=partial(self.scaling.undo, dtype=codes.dtype),
            n_steps=n_steps,
            **self._tile_options(decode, len(codes)),
        )

    def decoder(
        self, whitening: WhiteningTensors | None, ahead: bool
    ) -> Callable[[Tensor, Tensor | None, int | None], Tensor]:
        """Return the decoder, or the forecaster, of tiles of codes in scaled units."""
        network = decoder_of(self.module, ahead=ahead)

        def decode(tile: Tensor, lengths: Tensor | None, n_steps: int | None) -> Tensor:
            k = tile.shape[1]
            if whitening is not None:  # the factor is triangular, so k rows suffice
                tile = tile @ whitening.inverse[:k, :k] + whitening.mean[:k]
            output = network(tile, lengths, n_steps)
            return output.sigmoid() if self.spec.is_logistic else output

        return decode

    def _scaled_codes(self, codes: NDArray[Any]) -> NDArray[np.float32]:
        """Divide codes by their unit."""
        with np.errstate(over="ignore"):
            in_float64 = np.divide(codes, self.code_unit, dtype=np.float64)
            scaled: NDArray[np.float32] = in_float64.astype(np.float32)
        if not np.isfinite(scaled).all():
            raise ValueError(
                "Input X contains infinity or a latent code too large for "
                "dtype('float32'), relative to the training data."
            )
        return scaled

    def reconstruct(self, samples: Samples, *, refined: bool = True) -> NDArray[Any]:
        """Reconstruct samples, in the shape of their values.

        With `refined=False`, latent codes are those of the encoder. The reconstruction
        of a sample without any observed value is the training mean.
        """
        steps = samples.values.shape[1] if samples.values.ndim == 3 else None
        codes = self.encode(samples, refined=refined)
        rebuilt = self.decode(codes, _lengths(samples), steps)
        if samples.observed is not None:
            empty = ~samples.has_values
            rebuilt[empty] = self._with_means(samples).values[empty]
        return rebuilt

    def encoder(
        self,
        *,
        warp: float = 0.0,
        generator: torch.Generator | None = None,
        is_whitened: bool = True,
    ) -> Encoder:
        """Return the encoder as a differentiable torch module. Codes are not refined.

        Parameters
        ----------
        warp : float, default=0
            Strength of the time warping in training mode.

        generator : torch.Generator or None, default=None
            Source of the time warping.

        is_whitened : bool, default=True
            Whether to whiten the codes if those of the model are whitened.

        Returns
        -------
        encoder : Encoder
        """
        return Encoder(
            self.module,
            n_components=self.n_components,
            whitening=self.whitening_tensors() if is_whitened else None,
            warp=warp,
            generator=generator,
        )

    def sample_encoder(self) -> SampleEncoder:
        """Return a copy of the encoder, from the units of X, as a torch module."""
        module = copy.deepcopy(self.module)
        is_sequence = self.input_format.form == "sequences"
        return SampleEncoder(
            replace(self, module=module).encoder(is_whitened=False),
            center=torch.tensor(self.scaling.center, device=self.device),
            scale=self.scaling.scale,
            code_unit=self.code_unit,
            whitening=self.whitening_tensors(),
            n_channels=self.spec.n_features if is_sequence else None,
            max_steps=self.input_format.max_steps,
        )

    def tensors(self, samples: Samples) -> tuple[Tensor, Tensor | None]:
        """Return scaled samples as tensors on the device: values, lengths or None."""
        if samples.observed is None:
            x = self.scaling.apply(samples.values, samples.lengths)
        else:
            samples = self._with_means(samples)
            x = self._scaled_and_filled(samples.values, samples.lengths)
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
        imputer = self.imputer and asdict(self.imputer)
        return {
            "config": {**config, "skorch_callbacks": ()},
            "family": asdict(self.family),  # type: ignore[call-overload]
            "spec": asdict(self.spec),
            "scaling": asdict(self.scaling),
            "input_format": asdict(self.input_format),
            "n_components": self.n_components,
            "target_mean": self.target_mean,
            "whitening": whitening,
            "refinement_steps": self.refinement_steps,
            "imputer": imputer,
            "weights": weights,
        }

    @classmethod
    @isolated()
    def from_state(
        cls, state: dict[str, Any], family: type[Family], device: str
    ) -> "FittedModel":
        """Rebuild the model.

        Parameters
        ----------
        state : dict
            Result of `get_state`.

        family : type
            Class of the family.

        device : str
            Device of the network. If it is not available here, the CPU replaces it.

        Returns
        -------
        model : FittedModel
        """
        missing = None if is_available(device) else device
        spec = NetworkSpec(**state["spec"])
        config = TrainingConfig(**state["config"])
        config = replace(config, device=find_device("cpu" if missing else device))
        networks = family(**state["family"])
        with without_initial_weights():
            module = build_module(spec, networks, torch.Generator())
        weights = {  # they are copied into the module; torch refuses read-only arrays
            name: torch.from_numpy(np.require(weight, requirements="W"))
            for name, weight in state["weights"].items()
        }
        module.load_state_dict(weights)
        net = make_net(config, networks, module)
        whitening, imputer = state["whitening"], state["imputer"]
        return cls(
            config=config,
            family=networks,
            spec=spec,
            scaling=Scaling(**state["scaling"]),
            input_format=InputFormat(**state["input_format"]),
            net=net,
            module=net.module_.eval(),
            n_components=state["n_components"],
            target_mean=state["target_mean"],
            whitening=whitening and Whitening(**whitening),
            refinement_steps=state["refinement_steps"],
            imputer=imputer and LinearImputer(**imputer),
            missing_device=missing,
        )

    def _tile_options(
        self, function: Callable[..., Tensor], n_samples: int
    ) -> dict[str, Any]:
        """Return the arguments of `in_tiles` that depend on the model."""
        tiles = DenseTiles | NearestEncoder
        if isinstance(function, tiles) and function.n_rows is not None:
            return {
                "tile_rows": function.rows_for(n_samples),
                "n_tiles": function.n_tiles,
                "is_aligned": True,
                "in_threads": True,
            }
        return {
            "usual_length": self.spec.n_steps or 0,
            "tile_rows": self.family.tile_rows,
            "in_threads": self.family.in_threads and self.device.type == "cpu",
            "device": self.device,
        }

    def whitening_tensors(self) -> WhiteningTensors | None:
        """Return the whitening as tensors on the device."""
        if self.whitening is None:
            return None
        device = self.device
        return WhiteningTensors(
            *(torch.tensor(a, device=device) for a in self.whitening)
        )


def _lengths(samples: Samples) -> NDArray[Any] | None:
    """Return the number of time steps of each sequence; None for tables."""
    return None if samples.values.ndim == 2 else samples.n_steps_of_each
