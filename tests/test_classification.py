import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_seqae import (
    AutoencoderClassifier,
    DenseAutoencoderTransformer,
    RecurrentAutoencoderTransformer,
    SequenceScaler,
)
from sklearn_seqae.classification._fine_tuning import (
    ClassifierLosses,
    folds_of,
    has_gained,
)
from sklearn_seqae.training.batches import Batches
from tests.containers import flat
from tests.instances import classifier, dense, recurrent

both = pytest.mark.parametrize(
    "autoencoder", [dense(), recurrent()], ids=["dense", "recurrent"]
)


@pytest.fixture(scope="module")
def labels():
    """What the 60 digits show."""
    return load_digits().target[:60] % 3


@pytest.fixture(scope="module")
def rings():
    """(X, y): two rings, which no line tells apart."""
    rng = np.random.RandomState(0)
    angle, y = rng.uniform(0, 2 * np.pi, 120), np.repeat([0, 1], 60)
    radius = 1 + y + rng.normal(scale=0.1, size=120)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]), y


def weights_of(autoencoder):
    state = autoencoder.module_.state_dict()
    return {name: weight.clone() for name, weight in state.items()}


def assert_same_weights(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


# What it learns from ---------------------------------------------------------------


def test_fine_tuning_bends_what_a_line_cannot_tell_apart(rings):
    X, y = rings
    frozen = classifier(dense(), freeze_encoder=True).fit(X, y)
    tuned = classifier(dense(), max_iter=20, batch_size="auto").fit(X, y)
    assert frozen.score(X, y) < 0.75
    assert tuned.score(X, y) > 0.95
    assert tuned.best_epoch_ == 20
    assert tuned.validation_loss_curve_[-1] < tuned.validation_loss_curve_[0]


def test_labels_that_mean_nothing_leave_the_start():
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(60, 5)), rng.randint(2, size=60)
    model = classifier(dense(3), max_iter=10, batch_size="auto").fit(X, y)
    frozen = AutoencoderClassifier(dense(3), freeze_encoder=True).fit(X, y)
    assert model.best_epoch_ == 0
    np.testing.assert_allclose(
        model.predict_proba(X), frozen.predict_proba(X), atol=1e-4
    )


def test_the_autoencoder_sees_the_rows_without_a_label(ragged, labels):
    y = np.where(np.arange(60) < 20, labels, -1)
    model = classifier(recurrent()).fit(ragged, y)
    other = classifier(recurrent()).fit(ragged[:20], y[:20])
    assert list(model.classes_) == [0, 1, 2]
    all_rows = recurrent().fit(ragged)
    np.testing.assert_array_equal(model.estimator_.mean_, all_rows.mean_)
    assert not np.array_equal(other.estimator_.mean_, all_rows.mean_)


# Labels ----------------------------------------------------------------------------

TEXT_BESIDE_MINUS_1 = np.array(["a", "b", -1, "a"], dtype=object)
ACCEPTED_LABELS = {  # y of four rows, and the classes
    "numbers": (np.array([3, 5, -1, 3]), [3, 5]),
    "floats": (np.array([0.0, 1.0, -1.0, 0.0]), [0, 1]),
    "numbers as objects": (np.array([0, 1, -1, 0], dtype=object), [0, 1]),
    "bool": (np.array([True, False, True, False]), [False, True]),
    "text": (np.array(["a", "b", "b", "a"]), ["a", "b"]),
    "text as objects": (TEXT_BESIDE_MINUS_1, ["a", "b"]),
    "the text of a sign": (np.array(["+", "-", "+", "-"]), ["+", "-"]),
    "the text None": (np.array(["None", "mild", "None", "mild"]), ["None", "mild"]),
    "list": (["a", "b", "a", "b"], ["a", "b"]),
    "pandas": (pd.Series(TEXT_BESIDE_MINUS_1), ["a", "b"]),
    "pandas string": (pd.Series(["a", "b", "b", "a"], dtype="string"), ["a", "b"]),
    "pandas Int64": (pd.Series([0, 1, -1, 0], dtype="Int64"), [0, 1]),
    "pandas boolean": (pd.Series([True, False] * 2, dtype="boolean"), [False, True]),
    "pandas category": (pd.Series(TEXT_BESIDE_MINUS_1, dtype="category"), ["a", "b"]),
    "pandas Categorical": (pd.Categorical(["a", "b", "b", "a"]), ["a", "b"]),
    "polars": (pl.Series(["a", "b", "b", "a"]), ["a", "b"]),
}


@pytest.mark.parametrize("case", ACCEPTED_LABELS)
def test_labels_are_accepted_in_each_container(case):
    y, classes = ACCEPTED_LABELS[case]
    X = np.arange(12.0).reshape(4, 3) ** 2
    model = classifier(dense(1), freeze_encoder=True).fit(X, y)
    assert sorted(model.classes_) == sorted(classes)
    assert set(model.predict(X)) <= set(classes)


TEXT = "label with the number -1. If the labels are text, use an array of dtype=object"
PANDAS = r"fillna\(-1\)"
AS_TEXT = "'-1', which numpy or pandas writes .*" + TEXT
FEW = r"number of classes has to be greater than one; got {} class.*-1 marks a row"
CUT = np.array(["a", "b", "b", "a"])
CUT[2] = -1
REFUSED_LABELS = {  # y of four rows, and the message
    "-1 as text": (["a", "b", -1, "a"], AS_TEXT),
    "-1.0 as text": (["a", "b", -1.0, "a"], "'-1.0', which numpy .*" + TEXT),
    "-1 as text among objects": (np.array(["a", "b", "-1", -1], dtype=object), AS_TEXT),
    "-1 as text of pandas": (pd.Series(["a", "b", -1, "a"]).astype(str), AS_TEXT),
    "-1 cut to one letter": (CUT, "'-', which numpy"),
    "NaN as text": (np.array(["a", "b", np.nan, "a"]), "'nan', which numpy .*" + TEXT),
    "NA as text": (np.array(["a", "b", "<NA>", "a"]), "'<NA>', which numpy"),
    "None": (["a", "b", None, "a"], "y contains None.*" + TEXT + ".*" + PANDAS),
    "None and numbers": ([0, 1, None, 0], "y contains None"),
    "NaN": ([0, 1, np.nan, 0], "Input y contains NaN.*" + PANDAS),
    "NaN as object": (np.array(["a", np.nan] * 2, dtype=object), "y contains NaN"),
    "NaT": (np.array(["2020", "2021", "NaT", "2020"], "M8[D]"), "y contains NaT"),
    "pandas object": (pd.Series(["a", "b", pd.NA, "a"], dtype=object), "contains <NA>"),
    "pandas str": (
        pd.Series(["a", "b", None, "a"]),
        "y contains (NaN|None).*" + PANDAS,
    ),
    "pandas string": (pd.Series(["a", "b", None, "a"], dtype="string"), "<NA>.*-1"),
    "pandas Int64": (pd.Series([0, 1, None, 0], dtype="Int64"), "(NaN|<NA>).*-1"),
    "pandas category": (pd.Series(["a", "b", None, "a"], dtype="category"), "NaN"),
    "polars text": (pl.Series(["a", "b", None, "a"]), "y contains None"),
    "polars numbers": (pl.Series([0, 1, None, 0]), "y contains NaN"),
    "masked": (np.ma.masked_equal([0, 1, 2, 0], 2), "masked values.*" + TEXT),
    "text and numbers": (
        np.array(["a", 0, -1, "a"], dtype=object),
        r"Mix of label input types .*y contains 'a' and 0\. Use only text or only",
    ),
    "bytes": (np.array([b"a", b"b"] * 2), "labels represented as bytes"),
    "infinite": ([0, 1, np.inf, 0], "y contains infinity"),
    "continuous": ([0.5, 1.2, -1, 0.5], "Unknown label type: continuous"),
    "two columns": ([[0, 1]] * 4, r"1d array, got an array of shape \(4, 2\)"),
    "another length": ([0, 1, 0], "inconsistent numbers of samples"),
    "no y": (None, "requires y to be passed"),
    "no labels": ([-1] * 4, FEW.format(0)),
    "one class": ([1, 1, -1, 1], FEW.format(1)),
    "one class of text": (np.array(["a", -1] * 2, dtype=object), FEW.format(1)),
}


@pytest.mark.parametrize("case", REFUSED_LABELS)
def test_other_labels_are_refused(case):
    y, match = REFUSED_LABELS[case]
    X = np.arange(12.0).reshape(4, 3)
    # As in scikit-learn, which only warns of bytes before version 1.7.
    error = (TypeError, FutureWarning) if case == "bytes" else ValueError
    with pytest.raises(error, match=match):
        classifier(dense(1)).fit(X, y)


def test_the_remedy_for_missing_labels_works(wine):
    for y in (["no", "yes", None], [False, True, None], [0, 1, None]):
        y = pd.Series(y * 60)[: len(wine)]
        for dtype in (object, "category"):
            marked = y.astype(dtype).astype(object).fillna(-1)
            model = classifier(dense(), freeze_encoder=True).fit(wine, marked)
            assert set(model.classes_) == set(y[:2])


def test_a_class_with_one_label_is_learned(ragged, labels):
    y = np.where(np.arange(60) < 20, labels, -1)
    y[30] = 7
    model = classifier(recurrent()).fit(ragged, y)
    assert list(model.classes_) == [0, 1, 2, 7]


def test_one_label_for_each_class_leaves_the_start(ragged):
    y = np.full(60, -1)
    y[[3, 7]] = 0, 1
    model = classifier(recurrent()).fit(ragged, y)
    assert model.best_epoch_ == 0 and model.validation_loss_curve_ is None
    np.testing.assert_array_equal(model.predict([ragged[3], ragged[7]]), [0, 1])


# The autoencoder -------------------------------------------------------------------


@both
def test_a_frozen_estimator_is_copied(autoencoder, wine):
    fitted = clone(autoencoder).fit(wine)
    before, codes = weights_of(fitted), fitted.transform(wine)
    y = np.arange(len(wine)) % 3
    model = classifier(FrozenEstimator(fitted), early_stopping=False).fit(wine, y)
    assert_same_weights(weights_of(fitted), before)
    np.testing.assert_array_equal(fitted.transform(wine), codes)
    assert not np.array_equal(model.estimator_.transform(wine), codes)


@both
def test_a_frozen_estimator_gives_what_fitting_it_gives(autoencoder, wine):
    y = np.arange(len(wine)) % 3
    fitted = clone(autoencoder).fit(wine)
    one = classifier(FrozenEstimator(fitted)).fit(wine, y)
    other = classifier(autoencoder).fit(wine, y)
    np.testing.assert_array_equal(one.predict_proba(wine), other.predict_proba(wine))


@both
def test_freeze_encoder_leaves_the_codes(autoencoder, wine):
    fitted = clone(autoencoder).fit(wine)
    y = np.arange(len(wine)) % 3
    model = classifier(autoencoder, freeze_encoder=True).fit(wine, y)
    np.testing.assert_array_equal(
        model.estimator_.transform(wine), fitted.transform(wine)
    )


def test_the_probabilities_are_those_of_the_head_on_the_codes(ragged, labels):
    model = classifier(recurrent(whiten=True)).fit(ragged, labels)
    codes = model.estimator_.transform(ragged)
    odds = np.exp(codes @ model.coef_.T + model.intercept_)
    expected = odds / odds.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(ragged), expected, atol=1e-5)


@pytest.mark.parametrize("as_flat", [False, True])
def test_the_default_follows_x(digits, labels, as_flat):
    X, y = digits[:20, ::4], labels[:20]
    X = flat(X) if as_flat else X
    model = AutoencoderClassifier(freeze_encoder=True, random_state=0).fit(X, y)
    family = RecurrentAutoencoderTransformer
    if as_flat:
        family = DenseAutoencoderTransformer
    assert type(model.estimator_) is family
    assert model.estimator_.n_components_ == 6


def test_the_estimator_that_was_given_stays_unfitted(ragged, labels):
    given = recurrent()
    classifier(given).fit(ragged, labels)
    with pytest.raises(NotFittedError):
        given.transform(ragged)


# As a classifier -------------------------------------------------------------------


def test_a_grid_search_reaches_the_autoencoder(ragged, labels):
    pipeline = make_pipeline(SequenceScaler(), classifier(recurrent()))
    grid = {
        "autoencoderclassifier__estimator__n_components": [1, 2],
        "autoencoderclassifier__freeze_encoder": [True, False],
    }
    search = GridSearchCV(pipeline, grid, cv=2).fit(ragged, labels)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@both
def test_probabilities_do_not_depend_on_the_neighbours(autoencoder, wine):
    y = np.arange(len(wine)) % 3
    model = classifier(autoencoder).fit(wine, y)
    together = model.predict_proba(wine)
    order = np.random.RandomState(1).permutation(len(wine))
    np.testing.assert_array_equal(model.predict_proba(wine[order]), together[order])
    np.testing.assert_array_equal(model.predict_proba(wine[5:6]), together[5:6])


def test_the_pickle_holds_no_torch_object(ragged, labels):
    model = classifier(recurrent()).fit(ragged, labels)
    data = pickle.dumps(model)
    assert b"torch" not in data and b"skorch." not in data
    np.testing.assert_array_equal(
        pickle.loads(data).predict_proba(ragged), model.predict_proba(ragged)
    )


def test_no_random_state_differs_from_fit_to_fit(wine):
    y = np.arange(len(wine)) % 3
    model = AutoencoderClassifier(
        dense(random_state=None), max_iter=2, early_stopping=False
    )
    once, again = (clone(model).fit(wine, y).predict_proba(wine) for _ in range(2))
    assert not np.array_equal(once, again)


def test_a_failed_refit_leaves_the_earlier_fit(wine):
    y = np.arange(len(wine)) % 3
    model = classifier(dense(), early_stopping=False).fit(wine, y)
    before = model.predict_proba(wine)
    model.set_params(learning_rate_init=1e25, max_iter=20)
    with pytest.raises(ValueError, match="learning_rate_init"):
        model.fit(wine[:, :5], y)
    assert model.n_features_in_ == 13
    np.testing.assert_array_equal(model.predict_proba(wine), before)


def test_names_of_columns_are_checked(wine):
    X = pd.DataFrame(wine).add_prefix("x")
    model = classifier(dense()).fit(X, np.arange(len(X)) % 3)
    assert list(model.feature_names_in_) == list(X.columns)
    with pytest.raises(ValueError, match="Feature names unseen at fit time"):
        model.predict(X.add_prefix("y"))


# Errors ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator", "y", "match"),
    [
        (PCA(2), np.arange(178) % 2, r"must be an autoencoder.*Got PCA"),
        (FrozenEstimator(PCA(2)), np.arange(178) % 2, r"must be an autoencoder"),
    ],
)
def test_an_error_says_what_to_do(wine, estimator, y, match):
    with pytest.raises(ValueError, match=match):
        AutoencoderClassifier(estimator).fit(wine, y)


def test_a_frozen_estimator_must_be_fitted(wine):
    with pytest.raises(NotFittedError):
        classifier(FrozenEstimator(dense())).fit(wine, np.arange(len(wine)) % 2)


def test_a_frozen_estimator_must_know_the_columns(wine):
    fitted = FrozenEstimator(dense().fit(wine))
    with pytest.raises(ValueError, match="X has 5 features, but Dense"):
        classifier(fitted).fit(wine[:, :5], np.arange(len(wine)) % 2)


# Its parts -------------------------------------------------------------------------


@pytest.mark.parametrize("counts", [[5, 3, 2], [1, 4], [1, 1], [2, 2, 1, 30]])
def test_each_class_stays_in_the_training_part_of_each_fold(counts):
    targets = np.repeat(np.arange(len(counts)), counts)
    folds = folds_of(targets, seed=0)
    for number, count in enumerate(counts):
        own = folds[targets == number]
        assert (own == -1).all() if count == 1 else (own >= 0).all()
        for fold in range(folds.max() + 1):
            assert (own != fold).any()


def test_being_right_more_often_is_a_gain_though_errors_are_surer():
    losses, brier = np.zeros((2, 2, 10))
    losses[0], brier[0] = np.log(2), 0.5  # undecided in all rows
    losses[1, 0], brier[1, 0] = 20, 2  # wrong in one, and sure of it
    assert losses[1].mean() > losses[0].mean()
    assert has_gained(ClassifierLosses(losses, brier))
    assert not has_gained(ClassifierLosses(losses[::-1], brier[::-1]))


@pytest.mark.parametrize(("gain", "counts"), [(0.01, False), (0.03, True)])
def test_a_gain_counts_where_it_is_worth_the_risk(gain, counts):
    losses, brier = np.zeros((2, 2, 10))
    brier[0] = gain
    assert has_gained(ClassifierLosses(losses, brier)) == counts


@pytest.mark.parametrize("lengths", [None, torch.tensor([3, 1, 2, 3])])
def test_batches_bring_the_target_of_their_rows(lengths):
    x = torch.arange(4.0)[:, None, None].expand(4, 3, 1)
    generator = torch.Generator().manual_seed(0)
    batches = Batches(
        x, lengths, batch_size=2, generator=generator, target=torch.arange(4)
    )
    for batch in batches:
        assert torch.equal(batch.x[:, 0, 0].long(), batch.target)
