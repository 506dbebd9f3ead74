"""What a fitted autoencoder says of itself, in a terminal and in a notebook."""

import pickle
import re
import sys

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_wine
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

from sklearn_seqae import (
    AutoencoderAnomalyDetector,
    AutoencoderClassifier,
    ConvolutionalAutoencoderTransformer,
    DenseAutoencoderTransformer,
    RecurrentAutoencoderTransformer,
    SequenceScaler,
)
from sklearn_seqae.autoencoders import _summary
from tests.drawing import with_attributes
from tests.instances import dense, recurrent

CLASSES = [
    AutoencoderAnomalyDetector(),
    AutoencoderClassifier(),
    ConvolutionalAutoencoderTransformer(),
    DenseAutoencoderTransformer(),
    RecurrentAutoencoderTransformer(),
    SequenceScaler(),
]
# scikit-learn before 1.9 has no table of fitted attributes, and no descriptions.
has_attributes = pytest.mark.skipif(
    not hasattr(BaseEstimator, "_get_fitted_attr_html"),
    reason="scikit-learn before 1.9",
)
every_model = pytest.mark.parametrize("make", [dense, recurrent])


@pytest.fixture(scope="module")
def fitted(wine):
    return dense(hidden_layer_sizes=(8, 4)).fit(wine)


def test_the_summary_tells_what_the_attributes_say(fitted):
    text = fitted.summary()
    r2 = fitted.held_out_r2_
    assert text.startswith("DenseAutoencoderTransformer\n")
    assert "13 features to 2 components" in text
    assert f"{r2['model']:.4f} (PCA {r2['pca']:.4f})" in text
    assert f"{fitted.n_iter_} (best epoch {fitted.best_epoch_})" in text
    n_parameters = sum(w.numel() for w in fitted.module_.parameters())
    assert f"{n_parameters:,}" in text
    counts = [line.split()[-1].replace(",", "") for line in text.splitlines()]
    counts = counts[1 + counts.index("parameters") :]
    assert sum(map(int, counts)) == n_parameters
    assert len({len(line) for line in text.splitlines()[-len(counts) :]}) == 1


@every_model
def test_without_held_out_rows_the_epochs_are_told(make, digits):
    X = digits.reshape(60, -1)
    model = make(early_stopping=False, max_iter=2).fit(X)
    text = model.summary()
    assert "epochs       2" in text or "epochs      2" in text
    assert "R²" not in text


@with_attributes
@every_model
def test_without_held_out_rows_the_diagram_has_the_training_loss_only(make, digits):
    model = make(early_stopping=False, max_iter=2).fit(digits.reshape(60, -1))
    assert "training (dashed)" in estimator_html_repr(model)
    assert "validation (line)" not in estimator_html_repr(model)


def test_an_unfitted_one_has_none():
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        dense().summary()
    assert "Training summary" not in estimator_html_repr(dense())


@with_attributes
@every_model
def test_the_diagram_shows_what_was_learned(make, wine):
    model = make().fit(wine)
    page = estimator_html_repr(model)
    assert "Training summary" in page
    for name in ("model", "pca"):
        assert f"<td>{model.held_out_r2_[name]:.4f}</td>" in page
    assert "<svg" in page
    assert "PCA on validation rows (dotted)" in page
    assert "Fitted attributes" in page  # scikit-learn's own table stays
    assert "loss_curve_" in page
    assert model._repr_html_() is not None


@with_attributes
def test_a_pipeline_shows_it_too(wine):
    pipe = make_pipeline(StandardScaler(), dense()).fit(wine)
    assert estimator_html_repr(pipe).count("Training summary") == 1


def test_what_was_learned_survives_pickling(fitted):
    lines = fitted.summary().splitlines()
    loaded = pickle.loads(pickle.dumps(fitted)).summary().splitlines()
    assert loaded == [line for line in lines if not line.startswith("  seconds")]


def test_names_cannot_smuggle_html(wine):
    name = "<script>alert(1)</script>"
    Model = type(name, (DenseAutoencoderTransformer,), {})
    model = Model(hidden_layer_sizes=(4,), max_iter=1).fit(wine)
    layer = torch.nn.utils.skip_init(torch.nn.Linear, 2, 2)
    model.module_.add_module("<img>", layer)
    page = _summary.html_of(model)
    assert "<img" not in page and "&lt;img&gt;" in page
    page = estimator_html_repr(model)
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page


def test_it_adds_little_to_the_page(wine):
    model = dense(hidden_layer_sizes=(4,) * 60, early_stopping=False).fit(wine)
    model.loss_curve_ = np.geomspace(1, 1e-3, 5000).tolist()
    model.validation_loss_curve_ = model.loss_curve_
    html = _summary.html_of(model)
    assert len(html.encode()) <= 20_000
    assert "and 64 more" in html
    assert "logarithmic" in html


@pytest.mark.parametrize("losses", [[], [1.0], [1.0, 1.0], [0.0, 0.0], [1e-320, 0.0]])
def test_any_losses_can_be_drawn(losses, fitted):
    class Model:
        loss_curve_ = losses
        validation_loss_curve_ = None

    svg = _summary.loss_curve_svg(Model)
    assert ("<svg" in svg) == bool(losses)
    assert "nan" not in svg and "inf" not in svg


@every_model
def test_the_architecture_is_a_graph_of_the_layers(make, wine):
    pytest.importorskip("torchview")
    model = make().fit(wine)
    before = model.transform(wine)
    graph = model.architecture().source
    assert type(model).__name__ in graph
    assert "(1, 2)" in graph and "(1, 13" in graph
    np.testing.assert_array_equal(model.transform(wine), before)


def test_without_torchview_the_extra_is_named(fitted, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchview", None)
    with pytest.raises(ImportError, match=r"requires torchview.*seqae\[diagram\]"):
        fitted.architecture()


def test_the_curve_has_axes_with_values_and_the_line_of_pca(fitted):
    svg = _summary.loss_curve_svg(fitted)
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    losses = [*fitted.loss_curve_, *fitted.validation_loss_curve_]
    assert {f"{min(losses):.3g}", f"{max(losses):.3g}", "0", "epoch"} <= set(texts)
    assert str(len(fitted.validation_loss_curve_) - 1) in texts
    lines = [
        [float(pair.split(",")[1]) for pair in points.split()]
        for points in re.findall(r'<polyline points="([^"]*)"', svg)
    ]
    training, validation, pca = lines
    assert pca == [validation[0]] * 2  # epoch 0 is PCA
    assert all(0 <= y <= _summary.HEIGHT for line in lines for y in line)


def test_without_a_start_as_pca_there_is_no_line_of_pca(wine):
    model = dense(init="random", n_components=8).fit(wine)
    assert "dotted" not in _summary.loss_curve_svg(model)


@has_attributes
@pytest.mark.parametrize("estimator", CLASSES, ids=lambda e: type(e).__name__)
def test_the_diagram_links_to_the_pages_of_the_estimator(estimator):
    page = estimator_html_repr(estimator)
    name = type(estimator).__name__
    assert f"api/generated/sklearn_seqae.{name}.html" in page
    for parameter in estimator.get_params(deep=False):
        assert f"--doc-link-{parameter};" in page, parameter  # with its description


@has_attributes
@pytest.mark.parametrize(
    ("step", "window"), [(1, "centered<"), (3, "centered, step 3<")]
)
def test_the_step_of_windows_is_told_if_it_is_not_1(step, window):
    series = np.sin(np.arange(120.0))[:, np.newaxis]
    options = {"contamination": 0.1, "window_size": 10, "step": step}
    model = AutoencoderAnomalyDetector(dense(1), **options).fit(series)
    assert f"10 time steps, {window}" in estimator_html_repr(model)


@has_attributes
def test_a_classifier_shows_its_result(wine):
    y = np.where(np.arange(len(wine)) % 3, -1, load_wine().target)
    classifier = AutoencoderClassifier(dense(), random_state=0, max_iter=2).fit(wine, y)
    page = estimator_html_repr(classifier)
    assert page.count("Classifier summary") == 1
    tuned = "<td>fine-tuned encoder</td>" in page
    assert tuned == (classifier.best_epoch_ > 0)
    assert tuned != ("<td>logistic regression on latent codes</td>" in page)
    losses = classifier.validation_loss_curve_
    for when, loss in (("before", losses[0]), ("after", losses[-1])):
        assert f"validation loss {when} fine-tuning</td><td>{loss:.4f}</td>" in page
    assert "Classifier summary" not in estimator_html_repr(clone(classifier))
