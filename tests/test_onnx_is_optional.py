"""Without the packages of the extra `onnx`, the errors name it."""

import sys

import pytest

from sklearn_seqae import onnx
from tests.instances import dense


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "skl2onnx"])
def test_without_a_package_the_extra_is_named(package, wine, tmp_path, monkeypatch):
    for name in ("onnx", "onnxruntime", "skl2onnx"):  # so that this one is missing
        monkeypatch.setitem(sys.modules, name, sys)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"pip install 'sklearn-seqae\[onnx\]'"):
        onnx.register_converters()
    if package != "skl2onnx":
        with pytest.raises(ImportError, match=r"requires onnx.*seqae\[onnx\]"):
            onnx.export(dense(max_iter=1).fit(wine), tmp_path / "model.onnx")
