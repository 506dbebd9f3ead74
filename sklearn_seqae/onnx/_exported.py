"""Fitted estimators that are exported: their graphs, test samples and tolerances."""

import copy
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklearn_seqae._introspection import forecasts, steps_of
from sklearn_seqae.anomaly import AutoencoderAnomalyDetector
from sklearn_seqae.autoencoders.base import BaseAutoencoder
from sklearn_seqae.onnx._graph import Graph, LinearGraph
from sklearn_seqae.onnx._nearest import MOST_COMPONENTS
from sklearn_seqae.onnx._score import ScoreGraph
from sklearn_seqae.onnx._steps import step_of
from sklearn_seqae.preprocessing import SequenceScaler

TOLERANCE, TOLERANCE_REFINED = 1e-5, 1e-3  # relative to the spread
ROUNDING = 16 * float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Exported:
    """Autoencoder, with the steps before it.

    Parameters
    ----------
    autoencoder : BaseAutoencoder
        Copy, with the latent codes that are exported.

    before : list of transformers
        Fitted steps before the autoencoder.
    """

    autoencoder: Any
    before: list[Any]

    @property
    def name(self) -> str:
        """Class of the autoencoder."""
        return type(self.autoencoder).__name__

    @property
    def is_refined(self) -> bool:
        """Whether latent codes are nearest-point codes."""
        return self.autoencoder.model_.refinement_steps > 0

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

    @cached_property
    def steps(self) -> list[Any]:
        """Computations of the steps before the autoencoder."""
        is_flat = self.format.kind == "flat"
        width = self.autoencoder.n_features_in_
        return [
            step_of(
                step, width if is_flat and isinstance(step, SequenceScaler) else None
            )
            for step in self.before
        ]

    def check(self, part: str) -> None:
        """Raise an error if a part cannot be exported."""
        model = self.autoencoder.model_
        if part == "score":
            raise ValueError(
                f"part='score' exports an AutoencoderAnomalyDetector. Got {self.name}. "
                "Use part='encoder' or part='reconstruction'."
            )
        if self.format.frame_shape is not None:
            raise ValueError(
                f"{self.name} was fitted on videos, which cannot be exported. Fit it "
                "on a 3-D array with flattened frames."
            )
        if model.refinement_steps and model.n_components > MOST_COMPONENTS:
            raise ValueError(
                f"Nearest-point codes of at most {MOST_COMPONENTS} components can be "
                f"exported. Got {model.n_components} components. Use refine=False."
            )
        if part == "encoder":
            return
        if model.objective == "predict":
            raise ValueError(
                f"{self.name} with objective='predict' has no reconstruction to "
                "export. Use part='encoder'."
            )

    def graph(self, part: str) -> Graph:
        """Return the computation of a part."""
        return Graph(
            self.autoencoder.model_, self.steps, reconstructs=part == "reconstruction"
        )

    def axes(self, part: str) -> dict[str, dict[int, str]]:
        """Return the names of the axes of any size."""
        axes = {0: "batch", 1: "length"} if self.is_sequence else {0: "batch"}
        names = {"X": axes, part: axes if part == "reconstruction" else {0: "batch"}}
        if self.has_lengths:
            names["lengths"] = {0: "batch"}
        return names

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
        inputs = {"X": _before(self.steps, values)}
        if self.has_lengths:
            lengths = rng.randint(1, n_steps + 1, size=n)
            lengths[0] = n_steps
            inputs["lengths"] = lengths.astype(np.int64)
        return inputs

    def read(self, inputs: dict[str, Any]) -> Any:
        """Return the inputs of the graph as the estimator reads them."""
        X: Any = inputs["X"]
        if not self.format.kind.startswith("ragged"):
            return X
        lengths = inputs.get("lengths", [X.shape[1]] * len(X))
        X = [x[:n] for x, n in zip(X, lengths, strict=True)]
        return [x[:, 0] for x in X] if self.format.kind == "ragged1d" else X

    def expected(self, inputs: dict[str, Any], part: str) -> np.ndarray:
        """Return what the estimator computes, zero on padding."""
        X = self.read(inputs)
        with warnings.catch_warnings():  # X has no names
            warnings.simplefilter("ignore", UserWarning)
            for step in self.before:
                X = step.transform(X)
            if part == "encoder":
                return self.autoencoder.transform(X)
            output = self.autoencoder.reconstruct(X)
            for step in reversed(self.before):
                output = step.inverse_transform(output)
        if not self.format.kind.startswith("ragged"):
            return np.asarray(output)
        n_steps = max(map(len, output))
        padded = np.zeros((len(X), n_steps, self.autoencoder.model_.spec.n_features))
        for row, values in zip(padded, output, strict=True):
            row[: len(values)] = np.reshape(values, (len(values), -1))
        return padded

    def tolerance(self, part: str, inputs: Any, expected: np.ndarray) -> Any:
        """Return 1e-5 of the spread, and the rounding error of large means."""
        model = self.autoencoder.model_
        rounding = ROUNDING * np.abs(expected).max()
        tolerance = TOLERANCE_REFINED if model.refinement_steps else TOLERANCE
        if part == "reconstruction":
            unit = model.scaling.scale
            for step in reversed(self.steps):
                unit = step.enlarged(unit)
            return tolerance * unit + rounding
        if model.whitening is None:
            spread = model.module.code_spread[: model.n_components].cpu().numpy()
            return tolerance * model.code_unit * spread + rounding
        mean, factor, _ = model.whitening
        return tolerance + rounding + ROUNDING * (np.abs(mean) @ np.abs(factor))

    def finished(self, content: bytes) -> bytes:
        """Return the content of the file."""
        return content


class ExportedPCA:
    """PCA as the estimator of a detector, with the steps before it."""

    has_lengths = is_sequence = False

    def __init__(self, before: list[Any], pca: PCA):
        self.name = type(pca).__name__
        self.pca = pca
        self.steps = [step_of(step) for step in [*before, pca]]

    def graph(self, part: str) -> LinearGraph:
        """Return the computation."""
        return LinearGraph(self.steps)

    def read(self, inputs: dict[str, Any]) -> Any:
        """Return the inputs of the graph as PCA reads them."""
        return inputs["X"]

    def inputs(self, n: int, n_steps: int, *, seed: int) -> dict[str, Any]:
        """Return random rows, with the mean variance of the training rows."""
        pca, width = self.pca, len(self.pca.mean_)
        rest = pca.noise_variance_ * (width - pca.n_components_)
        scale = np.sqrt((pca.explained_variance_.sum() + rest) / width)
        noise = np.random.RandomState(seed).normal(size=(n, width))
        return {"X": _before(self.steps[:-1], pca.mean_ + scale * noise)}


class ExportedDetector:
    """Anomaly detector.

    Parameters
    ----------
    detector : AutoencoderAnomalyDetector
        Fitted detector.

    inner : Exported or ExportedPCA
        Its estimator.
    """

    is_refined = False

    def __init__(self, detector: Any, inner: Any):
        self.name = type(detector).__name__
        self.detector, self.inner = detector, inner
        self.window = detector.window_size_
        self.is_flat = self.window is not None and not inner.is_sequence
        scaler = detector.scaler_
        self.scaler = None if scaler is None else step_of(scaler)

    def check(self, part: str) -> None:
        """Raise an error if a part cannot be exported."""
        if part != "score":
            raise ValueError(
                f"{self.name} exports part='score' only. Got part={part!r}. Export its "
                "attribute estimator_ for the other parts."
            )
        if np.any(self.detector.switches_):  # None without windows
            raise ValueError(
                f"The score of {self.name} with switches cannot be exported: they are "
                "checked without a window. Set switches=None and refit."
            )
        if not isinstance(self.inner, Exported):
            return
        self.inner.check("reconstruction")
        if self.inner.is_refined:
            raise ValueError(
                f"The score of {self.name} around {self.inner.name} with "
                "'refinement_steps' cannot be exported: nearest-point codes amplify "
                "rounding errors. Set refinement_steps=0 and refit."
            )

    def graph(self, part: str) -> ScoreGraph:
        """Return the computation of the score."""
        graph, model = self.inner.graph("reconstruction"), self.detector._model
        return ScoreGraph(graph, self.scaler, model, is_flat=self.is_flat)

    def axes(self, part: str) -> dict[str, dict[int, str]]:
        """Return the names of the axes of any size."""
        axes = {0: "batch"}
        if self.inner.is_sequence and self.window is None:
            axes = {0: "batch", 1: "length"}
        names = {"X": axes, part: {0: "batch"}}
        if self._has_lengths:
            names["lengths"] = {0: "batch"}
        return names

    @property
    def _has_lengths(self) -> bool:
        return self.inner.has_lengths and self.window is None

    def inputs(self, n: int, n_steps: int, *, seed: int) -> dict[str, Any]:
        """Return random samples like those of training, as inputs of the graph."""
        inputs = self.inner.inputs(n, self.window or n_steps, seed=seed)
        values = inputs["X"]
        if self.window is not None:
            inputs.pop("lengths", None)
            values = values.reshape(n, self.window, -1)
        steps = [] if self.scaler is None else [self.scaler]
        return {**inputs, "X": _before(steps, values)}

    def expected(self, inputs: dict[str, Any], part: str) -> np.ndarray:
        """Return the scores of the detector."""
        X = inputs["X"] if self.is_flat else self.inner.read(inputs)
        with warnings.catch_warnings():  # X has no names
            warnings.simplefilter("ignore", UserWarning)
            if self.window is None:
                return self.detector.score_samples(X)
            series = [np.reshape(each, (self.window, -1)) for each in X]
            scores = self.detector.score_samples(series)
            return np.array([each[-1] for each in scores])

    def tolerance(self, part: str, inputs: Any, expected: np.ndarray) -> Any:
        """Return 1e-5 of the spread, and what rounding errors of float32 cause."""
        rng, graph = np.random.RandomState(0), self.graph(part)
        x = torch.from_numpy(inputs["X"])
        lengths = inputs.get("lengths")
        lengths = None if lengths is None else torch.from_numpy(lengths)

        def rounded(values: Any) -> Any:
            noise = torch.from_numpy(rng.uniform(-1, 1, size=values.shape))
            return values + ROUNDING * values.abs().max() * noise

        with torch.no_grad():
            x, codes, rebuilt = graph.look(x, lengths)
            scores = graph.scores(x, codes, rebuilt, lengths)
            other = graph.scores(x, rounded(codes), rounded(rebuilt), lengths)
        rounding = 4 * (scores - other).abs().max().item()
        spread = self.detector.calibration_scores_.std()
        return TOLERANCE * (spread + np.abs(expected)) + rounding

    def finished(self, content: bytes) -> bytes:
        """Return the content of the file, with the threshold as metadata."""
        import onnx

        model = onnx.load_from_string(content)
        onnx.helper.set_model_props(model, {"offset": repr(self.detector.offset_)})
        return model.SerializeToString()


def read_estimator(estimator: Any, *, refine: bool = False) -> Exported:
    """Return the autoencoder of an estimator and the steps before it.

    Raises
    ------
    TypeError
        If the estimator is of another kind.
    """
    check_is_fitted(estimator)
    *before, autoencoder = _steps(estimator)
    if not isinstance(autoencoder, BaseAutoencoder):
        raise TypeError(
            "estimator must be a fitted autoencoder, a Pipeline that ends with one, or "
            f"an AutoencoderAnomalyDetector. Got {estimator!r} instead."
        )
    autoencoder = copy.copy(autoencoder)
    if not refine:
        autoencoder.model_ = replace(autoencoder.model_, refinement_steps=0)
    return Exported(autoencoder, before)


def read_detector(detector: AutoencoderAnomalyDetector) -> ExportedDetector:
    """Return a detector and its estimator.

    Raises
    ------
    TypeError, ValueError
        If its estimator cannot be exported.
    """
    check_is_fitted(detector)
    estimator = detector.estimator_
    if forecasts(estimator):
        raise ValueError(
            "The score of a detector around a forecasting autoencoder cannot be "
            "exported, because it compares X with forecasts. Use "
            "objective='reconstruct'."
        )
    *before, last = _steps(estimator)
    if type(last) is PCA:
        return ExportedDetector(detector, ExportedPCA(before, last))
    return ExportedDetector(detector, read_estimator(estimator, refine=True))


def _steps(estimator: Any) -> list[Any]:
    """Return the steps of a Pipeline, or an estimator, without FrozenEstimator."""
    if isinstance(estimator, FrozenEstimator):
        return _steps(estimator.estimator)
    if isinstance(estimator, Pipeline):
        return [step for each in steps_of(estimator) for step in _steps(each)]
    return [estimator]


def _before(steps: list[Any], values: np.ndarray) -> np.ndarray:
    """Return the samples of which steps make the values, as float32."""
    x = torch.from_numpy(values)
    for step in reversed(steps):
        x = step.undo(x)
    return x.numpy().astype(np.float32)


def _shape_of(form: Any) -> tuple[int, ...]:
    """Return the shape of an image, or of a sequence of one length, in X."""
    height, width, n_channels = form.shape
    if form.kind == "flat":
        return (height * width * n_channels,)
    if form.kind == "image":
        return form.shape
    return (height, width) if form.kind == "image2d" else (height, n_channels)
