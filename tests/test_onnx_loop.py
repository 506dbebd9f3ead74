"""Export of conditional decoders, whose loop has a symbolic number of steps."""

import numpy as np
import pytest

from tests.instances import recurrent

pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("sklearn_seqae.onnx")
slow = pytest.mark.slow


@pytest.mark.parametrize("loss", ["squared_error", "binary_cross_entropy"])
@pytest.mark.parametrize("init", ["pca", pytest.param("random", marks=slow)])
@pytest.mark.parametrize("cell", ["lstm", pytest.param("gru", marks=slow), "rnn"])
def test_the_loop_of_a_conditional_decoder_has_any_length(
    cell, init, loss, digits, tmp_path
):
    options = {"init": init, "loss": loss, "hidden_layer_sizes": (5, 4)}
    model = recurrent(
        decoder="conditional",
        cell=cell,
        early_stopping=False,
        refinement_steps=0,
        **options,
    )
    X = (digits - digits.min()) / np.ptp(digits)
    model.fit(X)
    onnx.export(model, tmp_path / "model.onnx", "reconstruction")
    session = runtime.InferenceSession(tmp_path / "model.onnx")
    for n_steps in (2, 8, 29):
        some = np.resize(X, (6, n_steps, 3)).astype(np.float32)
        (output,) = session.run(None, {"X": some})
        np.testing.assert_allclose(output, model.reconstruct(some), atol=2e-5)
