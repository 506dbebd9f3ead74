"""Export of anomaly scores to ONNX: those of `score_samples`, in ONNX Runtime."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sklearn_seqae.anomaly.scoring import SCORES
from sklearn_seqae.windows import sliding_windows
from tests.instances import convolutional, dense, detector, recurrent

pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("sklearn_seqae.onnx")

methods = pytest.mark.parametrize("method", SCORES)
slow = pytest.mark.slow
nearest_first = pytest.mark.parametrize(
    "method",
    [each if each == "nearest" else pytest.param(each, marks=slow) for each in SCORES],
)
FULL = {"early_stopping": False}
pytestmark = pytest.mark.filterwarnings("ignore:A false-alarm rate:UserWarning")


def single(estimator, **options):
    """Return a detector that fits its estimator once."""
    return detector(estimator, contamination=0.1, **options)


def export(model, path):
    onnx.export(model, path, "score")
    session = runtime.InferenceSession(path)
    offset = session.get_modelmeta().custom_metadata_map["offset"]
    assert float(offset) == model.offset_  # all its bits
    return session


def assert_same(found, expected, model):
    """Scores agree to 1e-5 of the spread of the scores of training samples."""
    assert found.shape == expected.shape
    spread = model.calibration_scores_.std()
    assert (np.abs(found - expected) <= 1e-5 * (spread + np.abs(expected))).all()


TABLES = {
    "autoencoder": single(dense(**FULL)),
    "standard": single(dense(**FULL), scaler="standard"),
    "robust": single(dense(**FULL), scaler="robust"),
    "default": single(None, scaler="standard"),
    "PCA": single(PCA(3), scaler="standard"),
    "Pipeline": single(
        make_pipeline(StandardScaler(), PCA(5, whiten=True), dense(**FULL))
    ),
    "calibrated": detector(dense(**FULL)),
}


@methods
@pytest.mark.parametrize("kind", TABLES)
def test_scores_of_rows_are_those_of_score_samples(kind, method, wine, tmp_path):
    X = wine.astype(np.float32)
    model = clone(TABLES[kind]).set_params(score_method=method).fit(X)
    session = export(model, tmp_path / "model.onnx")
    for n in (1, 50):
        (scores,) = session.run(["score"], {"X": X[:n] + 1})
        assert_same(scores, model.score_samples(X[:n] + 1), model)
    (scores,) = session.run(["score"], {"X": X})  # each is its own neighbor
    assert_same(scores, model.score_samples(X), model)


@pytest.mark.parametrize("is_labelled", [False, True])
@pytest.mark.parametrize("method", ["auto", "nearest"])
def test_scores_with_outlying_or_known_anomalies(is_labelled, method, wine, tmp_path):
    X = StandardScaler().fit_transform(wine).astype(np.float32)
    X[:6] += 8  # a group of anomalies
    labels = np.where(np.arange(len(X)) < 3, -1, 0) if is_labelled else None
    model = detector(dense(**FULL), score_method=method).fit(X, labels=labels)
    session = export(model, tmp_path / "model.onnx")
    for rows in (X[:20], X[3:40] + 0.1):
        (scores,) = session.run(["score"], {"X": rows})
        assert_same(scores, model.score_samples(rows), model)


def test_switches_are_refused(series, tmp_path):
    series = series.copy()
    series[:, 1] = series[:, 1] > 0
    model = single(dense(**FULL), window_size=10).fit(series)
    with pytest.raises(ValueError, match="switches=None"):
        onnx.export(model, tmp_path / "model.onnx", "score")
    assert not list(tmp_path.iterdir())


def test_scores_around_a_frozen_estimator(wine, tmp_path):
    X = wine.astype(np.float32)
    model = single(FrozenEstimator(dense(refinement_steps=0).fit(X))).fit(X)
    session = export(model, tmp_path / "model.onnx")
    assert_same(session.run(None, {"X": X})[0], model.score_samples(X), model)


@nearest_first
@pytest.mark.parametrize("is_2d", [True, False])
def test_scores_of_images(method, is_2d, digits, tmp_path):
    X = digits.astype(np.float32)
    options = {"sample_shape": X.shape[1:]} if is_2d else {}
    X = X if is_2d else X[..., np.newaxis]
    model = single(convolutional(**FULL, **options), score_method=method).fit(X)
    session = export(model, tmp_path / "model.onnx")
    assert_same(session.run(None, {"X": X})[0], model.score_samples(X), model)


@nearest_first
def test_scores_of_sequences_of_any_length(method, digits, tmp_path):
    X = digits.astype(np.float32)
    model = single(recurrent(**FULL), score_method=method, scaler="standard").fit(X)
    session = export(model, tmp_path / "model.onnx")
    for n_steps in (2, 8, 29):
        some = np.resize(X, (6, n_steps, 3))
        (scores,) = session.run(None, {"X": some})
        assert_same(scores, model.score_samples(some), model)


@nearest_first
def test_scores_of_padded_sequences(method, ragged, tmp_path):
    ragged = [item.astype(np.float32) for item in ragged]
    model = single(recurrent(**FULL), score_method=method).fit(ragged)
    session = export(model, tmp_path / "model.onnx")
    lengths = np.array([len(item) for item in ragged])
    X = np.full((len(ragged), lengths.max(), 3), np.nan, dtype=np.float32)
    for row, item in zip(X, ragged, strict=True):
        row[: len(item)] = item
    (scores,) = session.run(None, {"X": X, "lengths": lengths})
    assert_same(scores, model.score_samples(ragged), model)


@slow
def test_scores_around_a_conditional_decoder(digits, tmp_path):
    X = digits.astype(np.float32)
    model = single(recurrent(decoder="conditional", **FULL)).fit(X)
    session = export(model, tmp_path / "model.onnx")
    some = np.resize(X, (6, 11, 3))
    (scores,) = session.run(None, {"X": some})
    assert_same(scores, model.score_samples(some), model)


@pytest.fixture(scope="module")
def series():
    noise = np.random.RandomState(0).normal(scale=0.1, size=(300, 2))
    return (np.sin(np.arange(300) / 5)[:, None] * [1, 2] + noise).astype(np.float32)


@nearest_first
@pytest.mark.parametrize("family", [dense, pytest.param(recurrent, marks=slow)])
def test_trailing_scores_of_windows_are_those_of_the_series(
    family, method, series, tmp_path
):
    model = single(
        family(**FULL),
        score_method=method,
        window_size=20,
        alignment="trailing",
        scaler="standard",
    ).fit(series)
    session = export(model, tmp_path / "model.onnx")
    windows = np.ascontiguousarray(sliding_windows(series, 20))
    (scores,) = session.run(None, {"X": windows})
    assert_same(scores, model.score_samples(series)[19:], model)


def test_centered_scores_of_windows_are_those_of_series_of_one_window(series, tmp_path):
    # PCA precedes the default autoencoder for windows of more than 256 values.
    model = single(None, window_size=140).fit(series)
    session = export(model, tmp_path / "model.onnx")
    windows = np.ascontiguousarray(sliding_windows(series, 140))[::20]
    (scores,) = session.run(None, {"X": windows})
    expected = [model.score_samples(window)[0] for window in windows]
    assert_same(scores, np.array(expected), model)


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (single(TruncatedSVD(1)), TypeError, "must be a fitted autoencoder"),
        (single(dense(), scaler=MinMaxScaler()), TypeError, "Only StandardScaler"),
        (single(dense(refinement_steps=1)), ValueError, "refinement_steps=0"),
        (single(recurrent(objective="predict")), ValueError, "compares X with fore"),
    ],
)
def test_a_score_that_cannot_be_exported_is_refused(
    model, error, message, wine, digits, tmp_path
):
    is_recurrent = hasattr(model.estimator, "cell")
    model = clone(model).fit(digits if is_recurrent else wine)
    with pytest.raises(error, match=message):
        onnx.export(model, tmp_path / "model.onnx", "score")
    assert not list(tmp_path.iterdir())


def test_a_score_with_other_values_is_not_written(wine, tmp_path, monkeypatch):
    from sklearn_seqae.onnx import _export

    right, model = _export.trace, single(dense(**FULL)).fit(wine)

    def wrong(graph, *arguments):
        graph.unit *= 1.001
        return right(graph, *arguments)

    monkeypatch.setattr(_export, "trace", wrong)
    monkeypatch.setattr(_export, "export_program", wrong)
    with pytest.raises(ValueError, match="differs from the estimator"):
        onnx.export(model, tmp_path / "model.onnx", "score")
    assert not list(tmp_path.iterdir())


SERVE = """
import sys
sys.modules.update(torch=None, sklearn=None, sklearn_seqae=None)
import numpy as np
from onnxruntime import InferenceSession
session = InferenceSession("model.onnx")
offset = float(session.get_modelmeta().custom_metadata_map["offset"])
(scores,) = session.run(["score"], {"X": np.load("X.npy")})
np.save("labels.npy", np.where(scores < offset, -1, 1))
"""


def test_a_process_without_torch_predicts_anomalies(wine, tmp_path):
    X = wine.astype(np.float32)
    model = detector(None, scaler="standard", false_alarm_rate=0.1).fit(X)
    onnx.export(model, tmp_path / "model.onnx", "score")
    np.save(tmp_path / "X.npy", X + 0.2)
    subprocess.run([sys.executable, "-c", SERVE], cwd=tmp_path, check=True)
    labels = np.load(tmp_path / "labels.npy")
    np.testing.assert_array_equal(labels, model.predict(X + 0.2))
    assert set(labels) == {-1, 1}
