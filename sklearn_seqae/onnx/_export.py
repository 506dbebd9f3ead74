"""Export of fitted estimators to ONNX files, which are compared with the estimator."""

import io
import os
import warnings
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import nn

from sklearn_seqae._files import replace_file
from sklearn_seqae.anomaly import AutoencoderAnomalyDetector
from sklearn_seqae.onnx._exported import read_detector, read_estimator
from sklearn_seqae.training.isolation import isolated

PARTS = ("encoder", "reconstruction", "score")
OPSET = 18


def export(
    estimator: Any,
    path: str | os.PathLike[str],
    part: str = "encoder",
    *,
    refine: bool = False,
) -> None:
    """Export a fitted autoencoder or anomaly detector to an ONNX file.

    The file is written only if its graph returns the values of the estimator in ONNX
    Runtime, for two batch sizes and, for sequences, two lengths. This requires
    onnx and onnxruntime (``pip install 'sklearn-seqae[onnx]'``).

    The input "X" is float32 in the shape that `fit` read, with any number of samples.
    Recurrent autoencoders read any number of time steps. If they were fitted on a list
    or a column of sequences, X is padded at the end, and the second input "lengths",
    int64, has the number of time steps of each sequence. For a detector of series, X
    holds windows, of shape (n_windows, window_size, n_channels). The output has the
    name of the part.

    Parameters
    ----------
    estimator : estimator instance
        Fitted autoencoder; a Pipeline of StandardScaler, RobustScaler, PCA or a
        SequenceScaler around such a scaler, and an autoencoder; or, for
        ``part="score"``, an AutoencoderAnomalyDetector around one of these or PCA.

    path : path-like
        Path of the file. An old file is replaced as a whole.

    part : {"encoder", "reconstruction", "score"}, default="encoder"
        What to export.

        - "encoder": `transform`.
        - "reconstruction": `reconstruct`.
        - "score": `score_samples` of a detector, in float64. The metadata of the file
          contain its `offset_` as "offset". The score of a window is that of its last
          time step with ``alignment="trailing"``; with "centered", the score of a time
          step is the mean score of the windows that contain it. With
          ``score_method="nearest"``, the file contains the training samples.

    refine : bool, default=False
        If False, latent codes are those of ``refinement_steps=0``. If True, they are
        the nearest-point codes of the estimator, for at most 16 components. The graph
        is then larger and slower. Ignored for a detector.

    Raises
    ------
    ValueError, TypeError
        If the estimator cannot be exported, or if the results of the graph differ. No
        file is written then.

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
            "The 'part' parameter must be a str among {'encoder', 'reconstruction', "
            f"'score'}}. Got {part!r} instead."
        )
    if isinstance(estimator, AutoencoderAnomalyDetector):
        exported: Any = read_detector(estimator)
    else:
        exported = read_estimator(estimator, refine=refine)
    exported.check(part)
    replace_file(path, exported.finished(content_of(exported, part)))


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


def content_of(exported: Any, part: str) -> bytes:
    """Return the ONNX file of a part, compared with the estimator."""
    graph, problems = exported.graph(part), []
    for exporter in (trace, export_program):
        try:
            content = exporter(graph, exported.inputs(3, 5, seed=0), part, exported)
            _compare(content, exported, part)
        except Exception as error:  # exporters raise errors of many classes
            problems.append(f"{type(error).__name__}: {error}")
        else:
            return content
    raise ValueError(
        f"{exported.name} could not be exported. The exporters of torch failed: "
        + "; ".join(problems)
    )


def _compare(content: bytes, exported: Any, part: str) -> None:
    """Raise a ValueError if the graph has other values than the estimator."""
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.log_severity_level = 4  # errors are raised, too
    session = InferenceSession(content, options, providers=["CPUExecutionProvider"])
    for seed, (n, n_steps) in enumerate([(5, 7), (2, 12), (40, 3)]):
        inputs = exported.inputs(n, n_steps, seed=seed)
        (output,) = session.run(None, inputs)
        expected = exported.expected(inputs, part)
        if output.shape != expected.shape:
            raise ValueError(
                f"the graph returned shape {output.shape} in place of {expected.shape}"
            )
        # A nearest-point step is taken if the loss falls. For a few of these random
        # samples, rounding errors decide otherwise.
        quantile = 0.75 if exported.is_refined else 1
        away = np.quantile(np.abs(output - expected), quantile, axis=0)
        if not (away <= exported.tolerance(part, inputs, expected)).all():
            raise ValueError(
                f"the graph differs from the estimator by {away.max():.3g}"
            )


def trace(graph: nn.Module, inputs: dict[str, Any], part: str, exported: Any) -> bytes:
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
            dynamic_axes=exported.axes(part),
        )
    return buffer.getvalue()


def export_program(
    graph: nn.Module, inputs: dict[str, Any], part: str, exported: Any
) -> bytes:
    """Export with the exporter of torch that is the default."""
    from torch.export import Dim

    dims = {"batch": Dim("batch"), "length": Dim("length")}
    names = exported.axes(part)
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
