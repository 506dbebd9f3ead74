"""Export to ONNX: the same values in ONNX Runtime, at sizes not seen in the export."""

import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sklearn_seqae import SequenceScaler
from tests.instances import (
    CONVOLUTIONAL,
    DENSE,
    RECURRENT,
    convolutional,
    dense,
    detector,
    name,
    recurrent,
)

pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("sklearn_seqae.onnx")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
ALL = [*DENSE, *RECURRENT, *CONVOLUTIONAL]
REBUILDING = [each for each in RECURRENT if each.objective != "predict"]


def fit(estimator, X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = clone(estimator).fit(X)
    unrefined = model[-1] if hasattr(model, "steps") else model
    unrefined.model_ = replace(unrefined.model_, refinement_steps=0)
    return model


def export(model, path, part="encoder"):
    """Export without a warning, and return the session."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        onnx.export(model, path, part)
    return runtime.InferenceSession(path)


def tolerance(model):
    """Return 1e-5 of the spread of the codes, and the rounding error of whitening."""
    model = model[-1] if hasattr(model, "steps") else model
    model_ = model.model_
    if model_.whitening is None:
        spread = model_.module.code_spread.numpy()[: model.n_components_]
        return 1e-5 * model_.code_unit * spread
    mean, factor, _ = model_.whitening
    return 1e-5 + 1e-6 * np.abs(mean) @ np.abs(factor)


def padded(sequences):
    lengths = np.array([len(item) for item in sequences])
    X = np.full((len(lengths), lengths.max(), 3), np.nan, dtype=np.float32)
    for row, item in zip(X, sequences, strict=True):
        row[: len(item)] = item
    return {"X": X, "lengths": lengths}


@pytest.mark.parametrize("estimator", ALL, ids=name)
def test_every_option_has_the_codes_of_the_estimator(estimator, wine, digits, tmp_path):
    is_dense = any(estimator is each for each in DENSE)
    X = (wine if is_dense else digits).astype(np.float32)
    model = fit(estimator, X)
    for attempt in range(2):  # some exporters are right only once in a process
        session = export(model, tmp_path / f"{attempt}.onnx")
        assert session.get_inputs()[0].shape[0] == "batch"
        for n in (1, 9, 60):
            (codes,) = session.run(["encoder"], {"X": X[:n]})
            away = np.abs(codes - model.transform(X[:n]))
            assert (away <= tolerance(model)).all()
            assert codes.shape == (n, model.n_components_)


@pytest.mark.parametrize("estimator", RECURRENT, ids=name)
def test_sequences_have_any_length(estimator, digits, tmp_path):
    model = fit(estimator, digits)
    session = export(model, tmp_path / "model.onnx")
    assert session.get_inputs()[0].shape == ["batch", "length", 3]
    for n_steps in (2, 8, 29):
        X = np.resize(digits, (6, n_steps, 3)).astype(np.float32)
        (codes,) = session.run(None, {"X": X})
        assert (np.abs(codes - model.transform(X)) <= 2 * tolerance(model)).all()


@pytest.mark.parametrize("estimator", RECURRENT, ids=name)
def test_padded_sequences_have_lengths(estimator, ragged, tmp_path):
    ragged = [item.astype(np.float32) for item in ragged]
    model = fit(estimator, ragged)
    session = export(model, tmp_path / "model.onnx")
    assert [each.name for each in session.get_inputs()] == ["X", "lengths"]
    for rows in (ragged[:1], ragged[:11]):
        (codes,) = session.run(None, padded(rows))
        assert (np.abs(codes - model.transform(rows)) <= 2 * tolerance(model)).all()


@pytest.mark.parametrize("estimator", [*DENSE, *CONVOLUTIONAL, *REBUILDING], ids=name)
def test_reconstructions_are_those_of_the_estimator(estimator, wine, digits, tmp_path):
    is_dense = any(estimator is each for each in DENSE)
    X = (wine if is_dense else digits).astype(np.float32)
    model = fit(estimator, X)
    session = export(model, tmp_path / "model.onnx", "reconstruction")
    (output,) = session.run(["reconstruction"], {"X": X[:9]})
    np.testing.assert_allclose(output, model.reconstruct(X[:9]), atol=2e-5)


@pytest.mark.parametrize("decoder", ["unconditional", "conditional"])
def test_reconstructions_are_zero_on_padding(decoder, ragged, tmp_path):
    model = fit(recurrent(decoder=decoder, early_stopping=False), ragged)
    session = export(model, tmp_path / "model.onnx", "reconstruction")
    inputs = padded(ragged[:9])
    (output,) = session.run(None, inputs)
    rebuilt = model.reconstruct([item.astype(np.float32) for item in ragged[:9]])
    for row, item in zip(output, rebuilt, strict=True):
        np.testing.assert_allclose(row[: len(item)], item, atol=2e-5)
        assert not row[len(item) :].any()


def test_whitened_codes_without_variance_are_not_rounding_errors(tmp_path):
    X = np.ones((60, 6), dtype=np.float32)
    model = fit(dense(3, init="random", whiten=True, early_stopping=False), X)
    session = export(model, tmp_path / "model.onnx")
    (codes,) = session.run(None, {"X": X})
    np.testing.assert_allclose(codes, model.transform(X), atol=0.1)


FORMS = {
    "rows of sequences": (recurrent(sample_shape=(-1, 3)), (60, 24)),
    "rows of one channel": (recurrent(), (60, 24)),
    "rows of images": (convolutional(sample_shape=(8, 3)), (60, 24)),
    "images": (convolutional(), (60, 8, 3, 1)),
    "images without channels": (convolutional(sample_shape=(8, 3)), (60, 8, 3)),
    "probabilities": (dense(loss="binary_cross_entropy"), (60, 24)),
    "sequences of probabilities": (
        recurrent(loss="binary_cross_entropy"),
        (60, 8, 3),
    ),
    "scaled rows": (make_pipeline(StandardScaler(), dense()), (60, 24)),
    "scaled sequences": (make_pipeline(SequenceScaler(), recurrent()), (60, 8, 3)),
    "scaled rows of sequences": (
        make_pipeline(
            SequenceScaler(sample_shape=(-1, 3)), recurrent(sample_shape=(-1, 3))
        ),
        (60, 24),
    ),
    "long sequences": (recurrent(early_stopping=False), (60, 60, 3)),
    "last steps": (
        recurrent(objective="composite", horizon=2, early_stopping=False),
        (60, 8, 3),
    ),
}


@pytest.mark.parametrize(
    "part", [pytest.param("encoder", marks=pytest.mark.slow), "reconstruction"]
)
@pytest.mark.parametrize("form", FORMS)
def test_samples_have_the_shape_that_fit_read(form, part, digits, tmp_path):
    estimator, shape = FORMS[form]
    X = np.resize(digits, shape).astype(np.float32)
    model = fit(estimator, X)
    session = export(model, tmp_path / "model.onnx", part)
    for n in (1, 7):
        (output,) = session.run(None, {"X": X[:n]})
        if part == "encoder":
            expected = model.transform(X[:n])
        elif hasattr(model, "steps"):
            rebuilt = model[-1].reconstruct(model[0].transform(X[:n]))
            expected = model[0].inverse_transform(rebuilt)
        else:
            expected = model.reconstruct(X[:n])
        np.testing.assert_allclose(output, expected, rtol=1e-5, atol=2e-5)


def test_scaled_padded_sequences_have_lengths(ragged, tmp_path):
    model = fit(make_pipeline(SequenceScaler(), recurrent()), ragged)
    session = export(model, tmp_path / "model.onnx")
    (codes,) = session.run(None, padded(ragged))
    np.testing.assert_allclose(codes, model.transform(ragged), atol=2e-5)


def test_names_and_missing_values_of_fit_do_not_matter(wine, tmp_path):
    X = pd.DataFrame(wine.copy(), columns=[f"column {i}" for i in range(13)])
    X.iloc[:9, 3] = np.nan
    model = fit(dense(early_stopping=False), X)
    session = export(model, tmp_path / "model.onnx")
    complete = X.iloc[9:].astype(np.float32)
    (codes,) = session.run(None, {"X": complete.to_numpy()})
    np.testing.assert_allclose(codes, model.transform(complete), atol=2e-5)


def test_codes_are_not_refined(wine, tmp_path):
    model = dense(early_stopping=False, refinement_steps=2).fit(wine)
    session = export(model, tmp_path / "model.onnx")
    (codes,) = session.run(None, {"X": wine.astype(np.float32)})
    unrefined = model.model_.encode(model._read(wine), refined=False)
    np.testing.assert_allclose(codes, unrefined, atol=1e-5)
    assert np.abs(model.transform(wine) - unrefined).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(
    "estimator",
    [
        dense(early_stopping=False),
        dense(early_stopping=False, whiten=True, bottleneck="ordered"),
        dense(3, early_stopping=False, loss="absolute_error"),
        dense(3, early_stopping=False, loss="huber"),
        convolutional(early_stopping=False),
        pytest.param(recurrent(early_stopping=False), marks=pytest.mark.slow),
        make_pipeline(StandardScaler(), dense(early_stopping=False)),
    ],
    ids=name,
)
def test_nearest_point_codes_are_exported_with_refine(
    estimator, wine, digits, tmp_path
):
    is_of_sequences = type(estimator).__name__[0] in "CR"
    X = (digits if is_of_sequences else wine).astype(np.float32)
    model = clone(estimator).fit(X)
    onnx.export(model, tmp_path / "model.onnx", refine=True)
    session = runtime.InferenceSession(tmp_path / "model.onnx")
    for n in (1, 50):
        (codes,) = session.run(None, {"X": X[:n]})
        expected, spread = model.transform(X[:n]), model.transform(X).std(axis=0)
        assert (np.abs(codes - expected) <= 1e-3 * spread).all()
    onnx.export(model, tmp_path / "rough.onnx")
    session = runtime.InferenceSession(tmp_path / "rough.onnx")
    (rough,) = session.run(None, {"X": X})
    assert (np.abs(rough - model.transform(X)) > 5e-3 * spread).any()


def test_nearest_point_codes_of_many_components_are_refused(tmp_path):
    X = np.random.RandomState(0).normal(size=(60, 20))
    model = dense(17, early_stopping=False).fit(X)
    with pytest.raises(ValueError, match="at most 16 components.*Got 17"):
        onnx.export(model, tmp_path / "model.onnx", refine=True)
    onnx.export(model, tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("estimator", "part", "error", "message"),
    [
        (recurrent(objective="predict"), "reconstruction", ValueError, "objective="),
        (recurrent(), "codes", ValueError, "'part' parameter must be a str among"),
        (recurrent(), "score", ValueError, "exports an AutoencoderAnomalyDetector"),
        (
            make_pipeline(MinMaxScaler(), dense()),
            "encoder",
            TypeError,
            "Only StandardScaler",
        ),
        (PCA(1), "encoder", TypeError, "must be a fitted autoencoder"),
        (detector(PCA(1)), "encoder", ValueError, "exports part='score' only"),
    ],
)
def test_what_cannot_be_exported_is_refused_before_writing(
    estimator, part, error, message, digits, wine, tmp_path
):
    path = tmp_path / "model.onnx"
    path.write_text("the old file")
    X = digits if hasattr(estimator, "cell") else wine
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = clone(estimator).fit(X)
    with pytest.raises(error, match=message):
        onnx.export(model, path, part)
    assert path.read_text() == "the old file"


def test_a_graph_with_other_values_is_not_written(wine, tmp_path, monkeypatch):
    from sklearn_seqae.onnx import _export

    right, model = _export.trace, dense(early_stopping=False).fit(wine)

    def wrong(graph, inputs, part, exported):
        graph.encoder.code_unit *= 1.001
        return right(graph, inputs, part, exported)

    monkeypatch.setattr(_export, "trace", wrong)
    monkeypatch.setattr(_export, "export_program", wrong)
    with pytest.raises(ValueError, match="differs from the estimator"):
        onnx.export(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_other_exporter_is_used_if_one_freezes_the_batch(
    wine, tmp_path, monkeypatch
):
    pytest.importorskip("onnxscript")
    from sklearn_seqae.onnx import _export

    right, model = _export.trace, dense(early_stopping=False).fit(wine)

    def frozen(*arguments):
        with monkeypatch.context() as patch:
            patch.setattr(_export, "names_of_axes", lambda *_: {})
            return right(*arguments)

    monkeypatch.setattr(_export, "trace", frozen)
    session = export(model, tmp_path / "model.onnx")
    (codes,) = session.run(None, {"X": wine.astype(np.float32)})
    unrefined = model.model_.encode(model._read(wine), refined=False)
    np.testing.assert_allclose(codes, unrefined, atol=1e-5)


SERVE = """
import sys
sys.modules.update(torch=None, sklearn=None, sklearn_seqae=None)
import numpy as np
from onnxruntime import InferenceSession
session = InferenceSession("model.onnx")
X = np.load("X.npy")
np.save("codes.npy", session.run(["encoder"], {"X": X})[0])
"""


@pytest.mark.parametrize("family", [dense, recurrent, convolutional])
def test_a_process_without_torch_serves_the_model(family, wine, digits, tmp_path):
    X = (wine if family is dense else digits).astype(np.float32)
    model = fit(family(early_stopping=False), X)
    onnx.export(model, tmp_path / "model.onnx")
    np.save(tmp_path / "X.npy", X)
    subprocess.run([sys.executable, "-c", SERVE], cwd=tmp_path, check=True)
    codes = np.load(tmp_path / "codes.npy")
    assert (np.abs(codes - model.transform(X)) <= tolerance(model)).all()


# sklearn-onnx


@pytest.fixture
def to_onnx():
    skl2onnx = pytest.importorskip("skl2onnx")
    onnx.register_converters()
    return skl2onnx.to_onnx


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("estimator", [*DENSE, convolutional()], ids=name)
def test_sklearn_onnx_converts_pipelines(estimator, dtype, wine, to_onnx):
    X = (wine + 7).astype(dtype)
    y = wine[:, 0] > 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make_pipeline(StandardScaler(), clone(estimator)).fit(X)
        model[-1].model_ = replace(model[-1].model_, refinement_steps=0)
    session = runtime.InferenceSession(to_onnx(model, X[:1]).SerializeToString())
    for n in (1, 50):
        (codes,) = session.run(None, {"X": X[:n]})
        assert codes.dtype == dtype
        away = np.abs(codes - model.transform(X[:n]))
        assert (away <= 4 * tolerance(model)).all()
    classifier = LogisticRegression().fit(model.transform(X), y)
    model = make_pipeline(*model, classifier)
    converted = to_onnx(model, X[:1], options={"zipmap": False})
    session = runtime.InferenceSession(converted.SerializeToString())
    np.testing.assert_array_equal(session.run(None, {"X": X})[0], model.predict(X))


def test_sklearn_onnx_converts_two_autoencoders_in_a_column_transformer(wine, to_onnx):
    columns = make_column_transformer(
        (dense(refinement_steps=0, early_stopping=False), [0, 1, 2, 3]),
        (dense(refinement_steps=0, early_stopping=False), [4, 5, 6, 7, 8]),
    ).fit(wine)
    session = runtime.InferenceSession(to_onnx(columns, wine[:1]).SerializeToString())
    (codes,) = session.run(None, {"X": wine})
    np.testing.assert_allclose(codes, columns.transform(wine), atol=1e-5)


@pytest.mark.parametrize("family", [recurrent, convolutional])
def test_sklearn_onnx_refuses_sequences_and_names_export(family, digits, to_onnx):
    model = family(early_stopping=False).fit(digits)
    with pytest.raises(ValueError, match=r"Use sklearn_seqae\.onnx\.export"):
        to_onnx(model, digits[:1].reshape(1, -1))
