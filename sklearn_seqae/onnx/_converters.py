"""Converters of autoencoders for sklearn-onnx (skl2onnx)."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_seqae.autoencoders import (
    ConvolutionalAutoencoderTransformer,
    DenseAutoencoderTransformer,
    RecurrentAutoencoderTransformer,
)
from sklearn_seqae.onnx._export import check_onnx, trace
from sklearn_seqae.onnx._exported import Exported, read_estimator

CLASSES = (
    ConvolutionalAutoencoderTransformer,
    DenseAutoencoderTransformer,
    RecurrentAutoencoderTransformer,
)


def register_converters() -> None:
    """Register the autoencoders in sklearn-onnx.

    ``skl2onnx.to_onnx(pipeline, X[:1])`` then converts Pipelines and ColumnTransformers
    that contain dense or convolutional autoencoders fitted on tables: `transform` with
    ``refinement_steps=0``. For recurrent autoencoders, and for autoencoders of images
    or sequences, use `export`. This requires skl2onnx (``pip install
    'sklearn-seqae[onnx]'``).

    Examples
    --------
    >>> from sklearn_seqae import onnx
    >>> onnx.register_converters()  # doctest: +SKIP
    """
    check_onnx("sklearn_seqae.onnx.register_converters", "skl2onnx")
    from skl2onnx import update_registered_converter

    for each in CLASSES:
        alias = f"SklearnSeqae{each.__name__}"
        update_registered_converter(each, alias, _set_output_type, _convert)


def _read(estimator: Any) -> Exported:
    check_is_fitted(estimator)
    form = estimator.model_.input_format
    if form.form == "sequences" or form.kind not in ("table", "flat"):
        raise ValueError(
            f"skl2onnx cannot convert {type(estimator).__name__}: it converts dense "
            "and convolutional autoencoders that were fitted on a table. Use "
            "sklearn_seqae.onnx.export."
        )
    return read_estimator(estimator)


def _set_output_type(operator: Any) -> None:
    """Set the type and the shape of the latent codes."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    estimator = operator.raw_operator
    _read(estimator)
    given = operator.inputs[0].type
    is_double = isinstance(given, DoubleTensorType)
    kind = DoubleTensorType if is_double else FloatTensorType
    rows = operator.inputs[0].get_first_dimension()
    operator.outputs[0].type = kind([rows, estimator.n_components_])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Add the nodes of a traced graph to those of a Pipeline."""
    import onnx
    from skl2onnx.common.data_types import DoubleTensorType

    is_double = isinstance(operator.inputs[0].type, DoubleTensorType)
    exported = _read(operator.raw_operator)
    inputs = exported.inputs(3, 1, seed=0)
    inputs["X"] = inputs["X"].astype(np.float64 if is_double else np.float32)
    content = trace(exported.graph("encoder"), inputs, "encoder", exported)
    model = onnx.load_from_string(content)
    (opset,) = (each.version for each in model.opset_import if not each.domain)
    source, target = operator.inputs[0].full_name, operator.outputs[0].full_name
    kind = onnx.TensorProto.DOUBLE if is_double else onnx.TensorProto.FLOAT
    names = {"X": scope.get_unique_variable_name("X"), "encoder": target, "": ""}
    node = scope.get_unique_operator_name("Cast")  # other inputs, such as int64
    container.add_node("Cast", source, names["X"], name=node, to=kind, op_version=13)
    constants = [node for node in model.graph.node if node.op_type == "Constant"]
    for node in constants:  # skl2onnx expects nodes to have inputs
        (value,) = (each.t for each in node.attribute)
        value.name = node.output[0]
        model.graph.initializer.append(value)
        model.graph.node.remove(node)
    for tensor in model.graph.initializer:
        names[tensor.name] = scope.get_unique_variable_name(tensor.name)
        values = onnx.numpy_helper.to_array(tensor)
        container.add_initializer(
            names[tensor.name], tensor.data_type, values.shape, values.ravel()
        )
    for node in model.graph.node:
        for output in node.output:
            if output not in names:
                names[output] = scope.get_unique_variable_name(output)
        attributes = {
            each.name: onnx.helper.get_attribute_value(each) for each in node.attribute
        }
        container.add_node(
            node.op_type,
            [names[name] for name in node.input],
            [names[name] for name in node.output],
            op_domain=node.domain,
            op_version=opset,
            name=scope.get_unique_operator_name(node.op_type),
            **attributes,
        )
