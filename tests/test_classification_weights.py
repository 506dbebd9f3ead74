"""Weights of rows and classes, bottlenecks, and units of a classifier's codes."""

import numpy as np
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from sklearn_seqae.classification._fine_tuning import (
    HEAD_C,
    CrossEntropy,
    FineTuning,
    FineTuningConfig,
    folds_of,
    unify_units,
)
from sklearn_seqae.classification._labels import label_weights
from sklearn_seqae.modules.batch import Batch
from tests.instances import (
    BAD_WEIGHTS,
    classifier,
    convolutional,
    dense,
    recurrent,
)

FAMILIES = {"dense": dense, "recurrent": recurrent, "convolutional": convolutional}
each_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
BOTTLENECKS = ["plain", "ordered", "l1", "kl", "contractive", "variational"]


@pytest.fixture(scope="module")
def labels():
    """The cultivars of the wines."""
    return load_wine().target


@pytest.fixture(scope="module")
def weight(wine):
    """A weight from 0 to 3 for each row."""
    return np.random.RandomState(0).randint(0, 4, len(wine))


@pytest.fixture(scope="module")
def overlapping():
    """(X, y): 150 rows of class 0 and 30 of class 1, which overlap."""
    rng = np.random.RandomState(0)
    y = np.repeat([0, 1], [150, 30])
    return rng.normal(size=(180, 4)) + y[:, np.newaxis], y


def softmax(logits):
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


# Autoencoders ----------------------------------------------------------------------


@each_family
@pytest.mark.parametrize("bottleneck", BOTTLENECKS)
@pytest.mark.parametrize("whiten", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.parametrize(
    "freeze_encoder", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_the_head_takes_the_codes_of_each_bottleneck(
    family, bottleneck, whiten, freeze_encoder, wine, labels
):
    fitted = family(bottleneck=bottleneck, whiten=whiten, max_iter=1).fit(wine)
    model = classifier(
        FrozenEstimator(fitted), freeze_encoder=freeze_encoder, early_stopping=False
    ).fit(wine, labels)
    codes = model.estimator_.transform(wine)
    np.testing.assert_allclose(
        model.predict_proba(wine),
        softmax(codes @ model.coef_.T + model.intercept_),
        atol=1e-6,
    )
    assert np.array_equal(codes, fitted.transform(wine)) == freeze_encoder
    assert model.score(wine, labels) > 0.6


@each_family
@pytest.mark.parametrize("bottleneck", BOTTLENECKS)
def test_one_unit_of_the_corrections_leaves_codes_and_variances(
    family, bottleneck, wine
):
    fitted = family(3, bottleneck=bottleneck, early_stopping=False).fit(wine)
    model, module = fitted.model_, fitted.module_
    x, lengths = model.tensors(fitted._read(wine))
    with torch.no_grad():
        before = module.posterior(x, lengths)
        unify_units(module)
        after = module.posterior(x, lengths)
    assert (module.encoder_unit == module.encoder_unit[0]).all()
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


# Units -----------------------------------------------------------------------------


@pytest.mark.parametrize("freeze_encoder", [False, True])
@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("factor", [2.0**-60, 2.0**20, 2.0**600])
def test_the_units_of_x_do_not_matter(factor, whiten, freeze_encoder, wine, labels):
    options = {"freeze_encoder": freeze_encoder, "early_stopping": False}
    one = classifier(dense(whiten=whiten), **options).fit(wine, labels)
    other = clone(one).fit(factor * wine, labels)
    np.testing.assert_allclose(
        one.predict_proba(wine), other.predict_proba(factor * wine), atol=1e-4
    )


# Weights of rows -------------------------------------------------------------------


@each_family
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_rows_of_weight_0_are_absent(family, class_weight, wine, labels, weight):
    y = np.where(np.arange(len(wine)) % 3 == 0, labels, -1)
    y[np.flatnonzero(weight == 0)[0]] = 9  # a class without weight
    kept = weight > 0
    model = classifier(family(), class_weight=class_weight)
    for own in (weight, np.where(kept, 2.5, 0)):
        weighted = clone(model).fit(wine, y, sample_weight=own)
        absent = clone(model).fit(wine[kept], y[kept], sample_weight=own[kept])
        assert list(weighted.classes_) == [0, 1, 2]
        np.testing.assert_array_equal(
            weighted.predict_proba(wine), absent.predict_proba(wine)
        )
        assert weighted.validation_loss_curve_ == absent.validation_loss_curve_


@each_family
@pytest.mark.parametrize("early_stopping", [False, True])
def test_only_ratios_of_weights_matter(family, early_stopping, wine, labels, weight):
    model = classifier(family(), early_stopping=early_stopping)
    for own in (np.ones(len(wine)), weight):
        one = clone(model).fit(wine, labels, sample_weight=own)
        other = clone(model).fit(wine, labels, sample_weight=own / 1024)
        np.testing.assert_allclose(
            one.predict_proba(wine), other.predict_proba(wine), atol=1e-4
        )
    alike = clone(model).fit(wine, labels, sample_weight=np.full(len(wine), 0.1))
    np.testing.assert_allclose(
        alike.predict_proba(wine),
        clone(model).fit(wine, labels).predict_proba(wine),
        atol=1e-4,
    )


def test_the_autoencoder_is_fitted_with_the_weights(wine, labels, weight):
    model = classifier(dense()).fit(wine, labels, sample_weight=weight)
    expected = dense().fit(wine, sample_weight=weight)
    np.testing.assert_array_equal(model.estimator_.mean_, expected.mean_)
    default = classifier(None).fit(wine, labels, sample_weight=weight)
    np.testing.assert_array_equal(default.estimator_.mean_, expected.mean_)


def test_the_head_is_the_logistic_regression_of_rows_that_often(wine, labels, weight):
    fitted = dense().fit(wine)
    model = classifier(FrozenEstimator(fitted), freeze_encoder=True)
    model.fit(wine, labels, sample_weight=weight)
    repeated = fitted.transform(wine).repeat(weight, axis=0).astype(np.float64)
    center, unit = repeated.mean(axis=0), np.sqrt(repeated.var(axis=0).mean())
    # Weights have mean 1.
    head = LogisticRegression(C=HEAD_C / weight[weight > 0].mean(), max_iter=1000)
    head.fit((repeated - center) / unit, labels.repeat(weight))
    np.testing.assert_allclose(
        model.predict_proba(wine),
        head.predict_proba((fitted.transform(wine) - center) / unit),
        atol=1e-3,
    )


def test_losses_are_multiplied_by_the_weights():
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    target, weight = torch.tensor([0, 1, 2, 1, 0]), torch.tensor([0.0, 1, 1, 3, 0])

    def network(x, lengths):
        return x

    batch = Batch(logits, None, None, 15, target, None)
    plain, loss = CrossEntropy().rows(network, batch), CrossEntropy()(network, batch)
    torch.testing.assert_close(loss, plain.total.mean())
    batch = batch._replace(weight=weight)
    rows, loss = CrossEntropy().rows(network, batch), CrossEntropy()(network, batch)
    torch.testing.assert_close(rows.total, plain.total * weight)
    torch.testing.assert_close(rows.brier, plain.brier * weight)
    torch.testing.assert_close(loss, (plain.total * weight).mean())


def test_validation_rows_count_by_their_weight(wine, labels, weight):
    fitted = dense().fit(wine)
    weights = (weight + 0.5) / (weight + 0.5).mean()
    config = FineTuningConfig(0.0, 50, 1e-30, 1, seed=0)
    samples, rows = fitted._read(wine), np.arange(len(wine))
    labels = np.where(rows == 0, 3, labels)  # a row that is in no validation fold
    tuning = FineTuning(config, fitted.model_, samples, rows, labels, weights)
    folds = folds_of(labels, seed=0)
    losses = np.zeros(len(wine))
    for fold in range(3):
        coef, intercept, _ = tuning.head(np.flatnonzero(folds != fold))
        probabilities = softmax(tuning.codes @ coef.T + intercept)
        own = -np.log(probabilities[rows, labels])
        losses[folds == fold] = own[folds == fold]
    expected = np.average(losses[1:], weights=weights[1:])
    np.testing.assert_allclose(tuning.history().total.mean(axis=1), expected, rtol=1e-3)


@pytest.mark.parametrize("freeze_encoder", [False, True])
def test_heavier_rows_are_fitted_better(freeze_encoder, overlapping):
    X, y = overlapping
    model = classifier(
        FrozenEstimator(dense().fit(X)),
        freeze_encoder=freeze_encoder,
        early_stopping=False,
        max_iter=10,
    )
    alike = clone(model).fit(X, y)
    for own in ({"sample_weight": np.where(y == 1, 5, 1)}, {}):
        if not own:
            model.set_params(class_weight={1: 5})
        weighted = clone(model).fit(X, y, **own)
        recall, before = (recall_score(y, m.predict(X)) for m in (weighted, alike))
        assert recall > before + 0.2


def test_rows_of_almost_no_weight_do_not_move_the_network():
    rng = np.random.RandomState(0)
    y = rng.randint(0, 2, 50)
    X = 3 * rng.normal(size=(50, 2)) + y[:, np.newaxis]
    model = classifier(
        dense(early_stopping=False),
        early_stopping=False,
        max_iter=1000,  # long after the rows of class 0 are fitted
        class_weight={1: 1e-7},
    )
    assert np.all(model.fit(X, y).predict(X) == 0)


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        *BAD_WEIGHTS,
        (np.arange(178) < 10, "got 1 class.*rows of weight 0 are dropped"),
    ],
)
def test_bad_weights_are_named(frozen, wine, labels, weight, message):
    autoencoder = FrozenEstimator(dense().fit(wine)) if frozen else dense()
    with pytest.raises(ValueError, match=message):
        classifier(autoencoder).fit(wine, labels, sample_weight=weight)


# Weights of classes ----------------------------------------------------------------


@pytest.mark.parametrize("classes", [[0, 1, 2], ["a", "b", "c"]])
def test_class_weights_are_those_of_scikit_learn(classes):
    targets = np.repeat([0, 1, 2], [10, 5, 1])
    classes = np.array(classes, dtype=object if classes[0] == "a" else int)
    for class_weight in ("balanced", {classes[1]: 3.0}):
        weights = label_weights(class_weight, classes, targets, None)
        expected = compute_sample_weight(class_weight, classes[targets])
        np.testing.assert_allclose(weights, expected / expected.mean())
        assert weights.mean() == pytest.approx(1)


def test_balanced_classes_have_the_same_total_of_weights():
    targets = np.repeat([0, 1], [10, 5])
    sample_weight = np.random.RandomState(0).uniform(size=15)
    weights = label_weights("balanced", np.arange(2), targets, sample_weight)
    totals = np.bincount(targets, weights)
    np.testing.assert_allclose(totals, totals[0])
    ratios = weights / sample_weight
    np.testing.assert_allclose(ratios[:10], ratios[0])


def test_only_labelled_rows_are_balanced(overlapping):
    X, y = overlapping
    some = np.where(np.arange(180) % 3 == 0, y, -1)
    autoencoder = FrozenEstimator(dense().fit(X))
    balanced = classifier(autoencoder, class_weight="balanced").fit(X, some)
    explicit = classifier(autoencoder, class_weight={0: 60 / 100, 1: 60 / 20})
    np.testing.assert_allclose(
        balanced.predict_proba(X), explicit.fit(X, some).predict_proba(X), atol=1e-6
    )


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({0: 0, 1: 1}, r"positive and finite. Got class_weight=.*label its rows -1"),
        ({0: -1.0}, "must be positive"),
        ({"a": 1.0}, "not in class_weight"),
        ("uniform", "'class_weight' parameter of AutoencoderClassifier must be"),
        (2.0, "'class_weight' parameter of AutoencoderClassifier must be"),
    ],
)
def test_bad_class_weights_are_named(wine, labels, class_weight, message):
    with pytest.raises(ValueError, match=message):
        classifier(dense(), class_weight=class_weight).fit(wine, labels)


# Meta-estimators -------------------------------------------------------------------


@each_family
@pytest.mark.parametrize("ensemble", [AdaBoostClassifier, BaggingClassifier])
def test_ensembles_draw_on_the_weights(family, ensemble, wine, labels, weight):
    base = classifier(family(1), freeze_encoder=True)
    pipeline = make_pipeline(
        StandardScaler(), ensemble(base, n_estimators=3, random_state=0)
    )
    name = pipeline.steps[-1][0]
    for options in ({}, {f"{name}__sample_weight": weight + 0.5}):
        fitted = clone(pipeline).fit(wine, labels, **options)
        scaled = fitted[0].transform(wine)
        one, other, _ = (each.predict_proba(scaled) for each in fitted[-1].estimators_)
        assert not np.allclose(one, other)
        assert fitted.score(wine, labels) > 0.6


def test_a_pipeline_routes_the_weights(wine, labels, weight):
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        model = classifier(dense()).set_fit_request(sample_weight=True)
        routed = make_pipeline(scaler, model).fit(wine, labels, sample_weight=weight)
        ensemble = AdaBoostClassifier(
            classifier(dense()), n_estimators=2, random_state=0
        )
        boosted = make_pipeline(StandardScaler(), ensemble).fit(wine, labels)
    scaled = StandardScaler().fit_transform(wine)
    expected = classifier(dense()).fit(scaled, labels, sample_weight=weight)
    np.testing.assert_array_equal(
        routed.predict_proba(wine), expected.predict_proba(scaled)
    )
    assert boosted.score(wine, labels) > 0.6
