"""Export of fitted estimators to ONNX files, which are compared with the estimator."""

import copy
import io
import os
import warnings
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from sklearn_seqae._files import replace_file
from sklearn_seqae._introspection import steps_of
from sklearn_seqae.autoencoders.base import BaseAutoencoder
from sklearn_seqae.onnx._graph import Graph
from sklearn_seqae.onnx._nearest import MOST_COMPONENTS
from sklearn_seqae.preprocessing import SequenceScaler
from sklearn_seqae.training.isolation import isolated

PARTS = ("encoder", "reconstruction")
TOLERANCE, TOLERANCE_REFINED = 1e-5, 1e-3  # relative to the spread
ROUNDING = 16 * float(np.finfo(np.float32).eps)
OPSET = 18


def export(
    estimator: Any,
    path: str | os.PathLike[str],
    part: str = "encoder",
    *,
    refine: bool = False,
) -> None:
    """Export a fitted autoencoder to an ONNX file.

    The file is written only if its graph returns the values of the estimator in ONNX
    Runtime, for two batch sizes and, for sequences, two lengths. This requires
    onnx and onnxruntime (``pip install 'sklearn-seqae[onnx]'``).

    The input "X" is float32 in the shape that `fit` read, with any number of samples.
    Recurrent autoencoders read any number of time steps. If they were fitted on a list
    or a column of sequences, X is padded at the end, and the second input "lengths",
    int64, has the number of time steps of each sequence. The output has the name of the
    part.

    Parameters
    ----------
    estimator : estimator instance
        Fitted autoencoder; or a Pipeline of a StandardScaler, or a SequenceScaler with
        its default scaler, and an autoencoder.

    path : path-like
        Path of the file. An old file is replaced as a whole.

    part : {"encoder", "reconstruction"}, default="encoder"
        What to export: "encoder" for `transform`, "reconstruction" for `reconstruct`.

    refine : bool, default=False
        If False, latent codes are those of ``refinement_steps=0``. If True, they are
        the nearest-point codes of the estimator, for at most 16 components. The graph
        is then larger and slower.

    Raises
    ------
    ValueError, TypeError
        If the estimator cannot be exported, or if the graph has other values. No file
        is written then.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn_seqae import DenseAutoencoderTransformer, onnx
    >>> X = load_wine().data
    >>> model = DenseAutoencoderTransformer(2, max_iter=2, random_state=0).fit(X)
    >>> onnx.export(model, "model.onnx")  # doctest: +SKIP
    """
    check_onnx("sklearn_seqae.onnx.export")
    if part not in PARTS:
        raise ValueError(
            "The 'part' parameter must be a str among {'encoder', 'reconstruction'}. "
            f"Got {part!r} instead."
        )
    parts = read_estimator(estimator, refine=refine)
    parts.check(part)
    replace_file(path, parts.content(part))


def check_onnx(caller: str, *packages: str) -> None:
    """Raise an ImportError that names the extra if a package is missing."""
    packages = "onnx", "onnxruntime", *packages
    try:
        for package in packages:
            import_module(package)
    except ImportError as error:
        raise ImportError(
            f"{caller} requires {', '.join(packages)}. You can install them with "
            "`pip install 'sklearn-seqae[onnx]'`"
        ) from error


@dataclass(frozen=True)
class Exported:
    """Autoencoder, with the scaler before it.

    Parameters
    ----------
    autoencoder : BaseAutoencoder
        Copy with latent codes that are not refined.

    scaler : transformer or None
        StandardScaler or SequenceScaler; None without one.
    """

    autoencoder: Any
    scaler: Any

    @property
    def format(self) -> Any:
        """Format of X."""
        return self.autoencoder.model_.input_format

    @property
    def is_sequence(self) -> bool:
        """Whether X holds sequences of any length."""
        return self.format.form == "sequences" and self.format.kind != "flat"

    @property
    def has_lengths(self) -> bool:
        """Whether the graph has the input "lengths"."""
        is_padded = self.is_sequence and self.format.kind.startswith("ragged")
        return is_padded and self.format.max_steps is None

    def check(self, part: str) -> None:
        """Raise a ValueError if a part cannot be exported."""
        model, name = self.autoencoder.model_, type(self.autoencoder).__name__
        if model.refinement_steps and model.n_components > MOST_COMPONENTS:
            raise ValueError(
                f"Nearest-point codes of at most {MOST_COMPONENTS} components can be "
                f"exported. Got {model.n_components} components. Use refine=False."
            )
        if part == "encoder":
            return
        if model.objective == "predict":
            raise ValueError(
                f"{name} with objective='predict' has no reconstruction to export. "
                "Use part='encoder'."
            )
        if getattr(model.module.decoder, "is_conditional", False):
            raise ValueError(
                f"The reconstruction of {name} with decoder='conditional' cannot be "
                "exported, because each step depends on the previous one. Use "
                "part='encoder', or decoder='unconditional'."
            )

    def graph(self, part: str) -> Graph:
        """Return the computation of a part."""
        return Graph(
            self.autoencoder.model_,
            self._mean_and_scale(),
            reconstructs=part == "reconstruction",
        )

    def content(self, part: str) -> bytes:
        """Return the ONNX file of a part, compared with the estimator."""
        graph, problems = self.graph(part), []
        for exporter in (trace, export_program):
            try:
                content = exporter(graph, self.inputs(3, 5, seed=0), part, self)
                self._compare(content, part)
            except Exception as error:  # exporters raise errors of many classes
                problems.append(f"{type(error).__name__}: {error}")
            else:
                return content
        raise ValueError(
            f"{type(self.autoencoder).__name__} could not be exported. The exporters "
            "of torch failed: " + "; ".join(problems)
        )

    def _mean_and_scale(self) -> tuple[Any, Any] | None:
        scaler = getattr(self.scaler, "scaler_", self.scaler)
        if scaler is None:
            return None
        n = scaler.n_features_in_
        mean = scaler.mean_ if scaler.with_mean else np.zeros(n)
        scale = scaler.scale_ if scaler.with_std else np.ones(n)
        if isinstance(self.scaler, SequenceScaler) and self.format.kind == "flat":
            n_steps = self.autoencoder.n_features_in_ // n
            mean, scale = np.tile(mean, n_steps), np.tile(scale, n_steps)
        return mean, scale

    def inputs(self, n: int, n_steps: int, *, seed: int) -> dict[str, Any]:
        """Return random samples like those of training, as inputs of the graph."""
        model, rng = self.autoencoder.model_, np.random.RandomState(seed)
        form, width = self.format, model.spec.n_features
        shape: tuple[int, ...] = (n, width)
        if form.form == "sequences":
            if not self.is_sequence:
                n_steps = self.autoencoder.n_features_in_ // width
            shape = n, n_steps, width
        noise = rng.normal(size=shape)
        values = model.scaling.center + model.scaling.scale * noise
        if model.spec.is_logistic:
            values = rng.uniform(size=shape)
        if form.form == "images":
            values = values.reshape(n, *_shape_of(form))
        elif form.kind == "flat":
            values = values.reshape(n, -1)
        if self.scaler is not None:
            mean, scale = self._mean_and_scale()  # type: ignore[misc]
            values = values * scale + mean
        inputs = {"X": values.astype(np.float32)}
        if self.has_lengths:
            lengths = rng.randint(1, n_steps + 1, size=n)
            lengths[0] = n_steps
            inputs["lengths"] = lengths.astype(np.int64)
        return inputs

    def _expected(self, inputs: dict[str, Any], part: str) -> np.ndarray:
        """Return what the estimator computes, zero on padding."""
        X: Any = inputs["X"]
        if self.format.kind.startswith("ragged"):
            lengths = inputs.get("lengths", [X.shape[1]] * len(X))
            X = [x[:n] for x, n in zip(X, lengths, strict=True)]
            if self.format.kind == "ragged1d":
                X = [x[:, 0] for x in X]
        with warnings.catch_warnings():  # X has no names
            warnings.simplefilter("ignore", UserWarning)
            scaled = X if self.scaler is None else self.scaler.transform(X)
            if part == "encoder":
                return self.autoencoder.transform(scaled)
            output = self.autoencoder.reconstruct(scaled)
            if self.scaler is not None:
                output = self.scaler.inverse_transform(output)
        if not self.format.kind.startswith("ragged"):
            return np.asarray(output)
        n_steps = max(map(len, output))
        padded = np.zeros((len(X), n_steps, self.autoencoder.model_.spec.n_features))
        for row, values in zip(padded, output, strict=True):
            row[: len(values)] = np.reshape(values, (len(values), -1))
        return padded

    def _compare(self, content: bytes, part: str) -> None:
        """Raise a ValueError if the graph has other values than the estimator."""
        from onnxruntime import InferenceSession, SessionOptions

        options = SessionOptions()
        options.log_severity_level = 4  # errors are raised, too
        session = InferenceSession(content, options, providers=["CPUExecutionProvider"])
        for seed, (n, n_steps) in enumerate([(5, 7), (2, 12), (40, 3)]):
            inputs = self.inputs(n, n_steps, seed=seed)
            (output,) = session.run(None, inputs)
            expected = self._expected(inputs, part)
            if output.shape != expected.shape:
                raise ValueError(
                    f"the graph returned shape {output.shape} in place of "
                    f"{expected.shape}"
                )
            # A nearest-point step is taken if the loss falls. For a few of these random
            # samples, rounding errors decide otherwise.
            quantile = 0.75 if self.autoencoder.model_.refinement_steps else 1
            away = np.quantile(np.abs(output - expected), quantile, axis=0)
            if not (away <= self._tolerance(part, expected)).all():
                raise ValueError(
                    f"the graph differs from the estimator by {away.max():.3g}"
                )

    def _tolerance(self, part: str, expected: np.ndarray) -> Any:
        """Return 1e-5 of the spread, and the rounding error of large means."""
        model = self.autoencoder.model_
        rounding = ROUNDING * np.abs(expected).max()
        tolerance = TOLERANCE_REFINED if model.refinement_steps else TOLERANCE
        if part == "reconstruction":
            scale = self._mean_and_scale()
            unit = model.scaling.scale * (1 if scale is None else scale[1].max())
            return tolerance * unit + rounding
        if model.whitening is None:
            spread = model.module.code_spread[: model.n_components].cpu().numpy()
            return tolerance * model.code_unit * spread + rounding
        mean, factor, _ = model.whitening
        return tolerance + rounding + ROUNDING * (np.abs(mean) @ np.abs(factor))


def read_estimator(estimator: Any, *, refine: bool = False) -> Exported:
    """Return the autoencoder of an estimator and its scaler.

    Raises
    ------
    TypeError
        If the estimator is of another kind.
    """
    check_is_fitted(estimator)
    steps = steps_of(estimator) if isinstance(estimator, Pipeline) else [estimator]
    *before, autoencoder = steps
    if not isinstance(autoencoder, BaseAutoencoder) or len(before) > 1:
        raise TypeError(
            "estimator must be a fitted autoencoder, or a Pipeline of a scaler and an "
            f"autoencoder. Got {estimator!r} instead."
        )
    for scaler in before:
        inner = scaler.scaler_ if isinstance(scaler, SequenceScaler) else scaler
        if type(inner) is not StandardScaler:
            raise TypeError(
                "Only StandardScaler, and SequenceScaler with its default scaler, can "
                f"be exported before an autoencoder. Got {scaler!r}. Export the last "
                "step, or use register_converters and skl2onnx."
            )
    autoencoder = copy.copy(autoencoder)
    if not refine:
        autoencoder.model_ = replace(autoencoder.model_, refinement_steps=0)
    return Exported(autoencoder, before[0] if before else None)


def _shape_of(form: Any) -> tuple[int, ...]:
    """Return the shape of an image, or of a sequence of one length, in X."""
    height, width, n_channels = form.shape
    if form.kind == "flat":
        return (height * width * n_channels,)
    if form.kind == "image":
        return form.shape
    return (height, width) if form.kind == "image2d" else (height, n_channels)


def names_of_axes(exported: Exported, part: str) -> dict[str, dict[int, str]]:
    axes = {0: "batch", 1: "length"} if exported.is_sequence else {0: "batch"}
    names = {"X": axes, part: axes if part == "reconstruction" else {0: "batch"}}
    if exported.has_lengths:
        names["lengths"] = {0: "batch"}
    return names


def trace(graph: Graph, inputs: dict[str, Any], part: str, exported: Exported) -> bytes:
    """Export with the exporter of torch that traces the computation."""
    buffer: Any = io.BytesIO()
    arguments = tuple(torch.from_numpy(values) for values in inputs.values())
    with warnings.catch_warnings(), isolated(), torch.no_grad():
        warnings.simplefilter("ignore")  # it is deprecated, and keeps sizes symbolic
        torch.onnx.export(
            graph,
            arguments,
            buffer,
            dynamo=False,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=[part],
            dynamic_axes=names_of_axes(exported, part),
        )
    return buffer.getvalue()


def export_program(
    graph: Graph, inputs: dict[str, Any], part: str, exported: Exported
) -> bytes:
    """Export with the exporter of torch that is the default."""
    from torch.export import Dim

    dims = {"batch": Dim("batch"), "length": Dim("length")}
    names = names_of_axes(exported, part)
    shapes = tuple(
        {axis: dims[name] for axis, name in names[key].items()} for key in inputs
    )
    arguments = tuple(torch.from_numpy(values) for values in inputs.values())
    with warnings.catch_warnings(), isolated(), torch.no_grad():
        warnings.simplefilter("ignore")
        program: Any = torch.onnx.export(
            graph,
            arguments,
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=[part],
            dynamic_shapes=shapes,
        )
    content: bytes = program.model_proto.SerializeToString()
    return content
