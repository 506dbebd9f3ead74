"""Training on one chunk of the data after the other."""

import pickle

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from sklearn_seqae import DenseAutoencoderTransformer, SequenceScaler
from sklearn_seqae.fitting import incremental
from tests.containers import with_gaps
from tests.instances import convolutional, dense, recurrent

CASES = [
    (dense(), "wine"),
    (dense(bottleneck="ordered", whiten=True, noise="gaussian"), "wine"),
    (dense(bottleneck="variational", init="random"), "wine"),
    (convolutional(sample_shape=(8, 3)), "digits"),
    (recurrent(), "digits"),
    (recurrent(objective="predict", horizon=2), "digits"),
    (recurrent(), "ragged"),
]
cases = pytest.mark.parametrize(("estimator", "data"), CASES, ids=str)


def chunks_of(X, n_chunks=4):
    """Return equal chunks of the rows."""
    size = len(X) // n_chunks
    return [X[start : start + size] for start in range(0, size * n_chunks, size)]


def fit_chunks(estimator, X, n_passes=1):
    model = clone(estimator)
    for _ in range(n_passes):
        for chunk in chunks_of(X):
            model.partial_fit(chunk)
    return model


def codes_of(model, X):
    return model.transform(chunks_of(X)[0])


@cases
def test_each_call_is_one_epoch(request, estimator, data):
    X = request.getfixturevalue(data)
    model = fit_chunks(estimator, X, n_passes=2)
    assert model.n_iter_ == model.best_epoch_ == len(model.loss_curve_) == 8
    assert model.validation_scores_ is None and model.held_out_r2_ is None
    assert np.isfinite(codes_of(model, X)).all()


@cases
def test_a_pickle_between_two_chunks_changes_no_bit(request, estimator, data):
    X = request.getfixturevalue(data)
    model, pickled = clone(estimator), clone(estimator)
    for chunk in chunks_of(X):
        model.partial_fit(chunk)
        pickled = pickle.loads(pickle.dumps(pickled.partial_fit(chunk)))
    np.testing.assert_array_equal(codes_of(pickled, X), codes_of(model, X))
    assert pickled.loss_curve_ == model.loss_curve_


def test_scaling_and_the_linear_path_are_those_of_the_first_chunk(wine):
    first, *others = chunks_of(wine)
    model = dense().partial_fit(first)
    scaling, path = model.model_.scaling, model.module_.linear_path.state_dict()
    np.testing.assert_allclose(model.mean_, first.mean(axis=0), atol=1e-12)
    for chunk in others:
        model.partial_fit(chunk + 1)
    assert model.model_.scaling is scaling
    for name, weight in model.module_.linear_path.state_dict().items():
        np.testing.assert_array_equal(weight, path[name])


def test_later_chunks_widen_the_range_of_the_networks(wine):
    first, second = chunks_of(wine, 2)
    model = dense().partial_fit(first)
    model.partial_fit(3 * second)
    both = np.vstack([first, 3 * second])
    scaled = (both - model.mean_) / model.model_.scaling.scale
    high = scaled.max(axis=0)
    np.testing.assert_allclose(model.module_.encoder.high, high, rtol=1e-5)


def test_chunks_may_be_sparse_or_have_missing_values_or_fewer_rows_than_columns(wine):
    model = dense(3)
    model.partial_fit(wine[:9])
    assert model.model_.spec.rank is None
    model.partial_fit(sparse.csr_array(wine[9:50]))
    gappy = wine[50:100].copy()
    gappy[::4, 2] = np.nan
    model.partial_fit(gappy).partial_fit(wine[100:101])
    assert np.isfinite(model.transform(gappy)).all() and model.n_iter_ == 4


@pytest.mark.parametrize("has_gaps", [False, True])
def test_missing_values_are_estimated_by_the_first_chunk(wine, has_gaps):
    first, *others = chunks_of(with_gaps(wine) if has_gaps else wine)
    model = dense().partial_fit(first)
    imputer = model.model_.imputer
    for chunk in (*others, with_gaps(others[0] + 1)):
        model.partial_fit(chunk)
        assert model.model_.imputer is imputer is not None


def test_weights_of_0_drop_rows(wine):
    weight = np.arange(178) % 2
    model = dense().partial_fit(wine, sample_weight=weight)
    same = dense().partial_fit(wine[1::2])
    np.testing.assert_array_equal(model.transform(wine), same.transform(wine))


def test_partial_fit_continues_after_fit_and_fit_begins_anew(wine):
    model = dense(max_iter=20).fit(wine)
    before = model.score(wine)
    model.partial_fit(wine)
    assert model.score(wine) > before - 0.05
    model.partial_fit(wine)
    model.fit(wine)
    again = dense(max_iter=20).fit(wine)
    assert pickle.dumps(model) == pickle.dumps(again)


def test_early_stopping_and_max_iter_play_no_part(wine):
    codes = [
        fit_chunks(dense(max_iter=n, early_stopping=stops), wine).transform(wine)
        for n, stops in ((1, True), (50, False))
    ]
    np.testing.assert_array_equal(*codes)


def test_a_failing_chunk_changes_nothing(wine):
    model = dense().partial_fit(wine)
    before = pickle.dumps(model)
    with pytest.raises(ValueError, match="X has 12 features, but .* expecting 13"):
        model.partial_fit(wine[:, :12])
    with pytest.raises(ValueError, match="contains infinity"):
        model.partial_fit(np.full((20, 13), np.inf))
    assert pickle.dumps(model) == before


def test_a_fraction_needs_all_samples(wine):
    with pytest.raises(ValueError, match="'n_components' .* must be an int or None"):
        dense(0.9).partial_fit(wine)


def test_verbose_prints_each_chunk(wine, capsys):
    fit_chunks(dense(verbose=1), wine)
    lines = capsys.readouterr().out.splitlines()
    assert sum("chunk" in line for line in lines) >= 4


def test_the_learning_rate_decreases_after_many_updates(wine, monkeypatch):
    monkeypatch.setattr(incremental, "CONSTANT", 150)
    model, rates = dense(max_iter=1), []
    for _ in range(12):
        model.partial_fit(wine[:40])
        updates = model._chunks["updates"]
        (group,) = updates["optimizer"]["param_groups"][:1]
        rates.append((updates["n_steps"], group["lr"]))
    before = [rate for n_steps, rate in rates if 100 < n_steps <= 150]
    assert before and np.allclose(before, model.learning_rate_init)
    known = dict(rates)
    for n_steps, rate in rates:
        if n_steps - 20 > 150:  # the rate of a chunk follows from the updates before it
            assert n_steps - 20 in known
            expected = model.learning_rate_init * np.sqrt(150 / (n_steps - 20))
            assert rate == pytest.approx(expected)


@pytest.mark.parametrize(
    ("n_rows", "n_updates"), [(13, 20), (64, 20), (96, 24), (160, 40), (178, 42)]
)
def test_a_small_chunk_is_repeated_a_few_times(n_rows, n_updates, wine):
    model = dense().partial_fit(wine[:n_rows])  # in whole passes
    assert model._chunks["updates"]["n_steps"] == n_updates


@pytest.mark.slow
@pytest.mark.parametrize("load", [load_wine, load_breast_cancer])
def test_five_passes_over_ten_chunks_reach_fit(load):
    train, test = train_test_split(load().data, random_state=0)
    scaler = StandardScaler().fit(train)
    train, test = scaler.transform(train), scaler.transform(test)
    order = np.random.default_rng(0).permutation(len(train))
    model = DenseAutoencoderTransformer(3, random_state=0)
    for _ in range(5):
        for rows in np.array_split(order, 10):
            model.partial_fit(train[rows])
    fitted = DenseAutoencoderTransformer(3, random_state=0).fit(train)
    assert model.score(test) > fitted.score(test) - 0.02


@pytest.mark.parametrize("scaler", [None, MinMaxScaler()], ids=str)
def test_a_sequence_scaler_is_updated(ragged, scaler):
    model = SequenceScaler(scaler)
    for chunk in chunks_of(ragged, 3):
        model.partial_fit(chunk)
    whole = SequenceScaler(scaler).fit(ragged)
    for item, wanted in zip(
        model.transform(ragged), whole.transform(ragged), strict=True
    ):
        np.testing.assert_allclose(item, wanted, atol=1e-12)
    with pytest.raises(ValueError, match="X has 2 features"):
        model.partial_fit([each[:, :2] for each in ragged])


def test_a_scaler_without_partial_fit_has_none():
    assert not hasattr(SequenceScaler(RobustScaler()), "partial_fit")
    assert hasattr(SequenceScaler(), "partial_fit")
