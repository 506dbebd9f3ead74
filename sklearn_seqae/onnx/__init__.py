"""Export of fitted estimators to ONNX, and converters for sklearn-onnx.

This requires the extra `onnx` (``pip install 'sklearn-seqae[onnx]'``).
"""

from sklearn_seqae.onnx._converters import register_converters
from sklearn_seqae.onnx._export import export

__all__ = ["export", "register_converters"]
