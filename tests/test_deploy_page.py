"""The blocks of the page "Save, load, deploy" that need packages outside of the tests.

They are skipped where MLflow, FastAPI or the extra `onnx` is not installed.
"""

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import onnx, persistence
from tests.instances import dense

PAGE = Path(__file__).parents[1] / "docs" / "deploy.md"


def block_with(word):
    """Return the block that contains a word."""
    blocks = re.findall(r"```py\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    (block,) = (each for each in blocks if word in each)
    return block


def run_block(word, wine, path):
    """Run the block that contains a word, as a reader of the page would."""
    block = block_with(word)
    model = make_pipeline(StandardScaler(), dense()).fit(wine)
    persistence.save(model, path)
    names = {"persistence": persistence, "path": path, "model": model}
    exec(compile(block, str(PAGE), "exec"), names)
    return model, names


def test_mlflow_saves_and_loads_a_pipeline(wine, tmp_path):
    pytest.importorskip("mlflow.sklearn")
    model, names = run_block("mlflow", wine, tmp_path / "model.seqae")
    assert names["loaded"] is not model
    np.testing.assert_array_equal(
        names["loaded"].transform(wine), model.transform(wine)
    )


def test_onnx_runtime_serves_the_exported_file(wine, tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    model, names = run_block("onnx.export(model", wine, tmp_path / "model.seqae")
    exec(block_with("return codes.tolist()"), names)
    codes = model[-1].set_params(refinement_steps=0).fit(model[0].transform(wine))
    expected = codes.transform(model[0].transform(wine[:3]))
    np.testing.assert_allclose(
        names["transform"](wine[:3].tolist()), expected, atol=1e-4
    )


def test_onnx_runtime_predicts_anomalies(wine, tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    names = {"onnx": onnx, "X": wine, "path": tmp_path / "model.seqae"}
    exec(block_with("onnx.export(detector"), names)
    exec(block_with("labels = "), names)
    expected = names["detector"].predict(wine)
    np.testing.assert_array_equal(names["labels"], expected)
    assert (expected == -1).any()


def test_sklearn_onnx_converts_the_pipeline(wine, tmp_path):
    pytest.importorskip("skl2onnx")
    runtime = pytest.importorskip("onnxruntime")
    model = make_pipeline(StandardScaler(), dense(refinement_steps=0)).fit(wine)
    path = tmp_path / "model.seqae"
    exec(block_with("register_converters"), {"model": model, "X": wine, "path": path})
    session = runtime.InferenceSession(path.with_suffix(".onnx"))
    (codes,) = session.run(None, {"X": wine})
    np.testing.assert_allclose(codes, model.transform(wine), atol=1e-5)


def test_the_service_encodes_rows_and_refuses_bad_ones(wine, tmp_path):
    pytest.importorskip("fastapi")
    client_of = pytest.importorskip("fastapi.testclient").TestClient
    model, names = run_block("FastAPI", wine, tmp_path / "model.seqae")
    client = client_of(names["app"])
    answer = client.post("/transform", json=wine[:3].tolist())
    assert answer.status_code == 200
    np.testing.assert_array_equal(answer.json(), model.transform(wine[:3]))
    for rows, message in (
        (wine[:3, :5].tolist(), "has 5 features"),
        ([[1.0], [1.0, 2.0]], "inhomogeneous"),
    ):
        refused = client.post("/transform", json=rows)
        assert refused.status_code == 422
        assert message in refused.text
