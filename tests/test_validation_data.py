"""Validation data of the user's own, in place of a validation split."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seqae.displays import LossCurveDisplay
from tests.instances import convolutional, dense, recurrent

FAMILIES = {"dense": dense, "recurrent": recurrent, "convolutional": convolutional}
each_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


@pytest.fixture(scope="module")
def digits():
    """Training and validation rows."""
    X = load_digits().data / 16
    return X[:300], X[300:500]


@each_family
@pytest.mark.parametrize("init", ["pca", "random"])
def test_the_validation_score_is_the_score_of_these_rows(family, init, digits):
    train, valid = digits
    model = family(4, max_iter=5, init=init).fit(train, validation_data=(valid,))
    assert model.held_out_r2_["model"] == pytest.approx(model.score(valid), abs=1e-5)
    assert len(model.validation_scores_) == model.n_iter_ + 1
    assert len(model.loss_curve_) == model.n_iter_
    assert (model.best_epoch_ > 0) >= (init == "random")


def test_the_model_is_that_of_one_training_on_all_of_X_at_its_best_epoch(digits):
    train, valid = digits
    model = dense(4, max_iter=8, refinement_steps=0)
    chosen = model.fit(train, validation_data=(valid,))
    assert 0 < chosen.best_epoch_
    same = dense(4, max_iter=chosen.best_epoch_, refinement_steps=0)
    same.set_params(early_stopping=False).fit(train)
    assert (chosen.transform(valid) == same.transform(valid)).all()


def test_the_weights_are_those_of_the_best_epoch_and_not_of_the_last(digits):
    train, valid = digits
    model = dense(8, hidden_layer_sizes=(64,), init="random", max_iter=200)
    model.fit(train[:40], validation_data=(valid,))
    assert 0 < model.best_epoch_ < model.n_iter_
    score = model.validation_scores_[model.best_epoch_]
    assert score == max(model.validation_scores_)
    assert model.score(valid) == pytest.approx(score, abs=1e-5)


def test_without_a_gain_on_these_rows_the_model_remains_pca(digits):
    train, _ = digits
    noise = np.random.RandomState(0).uniform(size=(50, 64))
    model = dense(4, max_iter=5).fit(train, validation_data=(noise,))
    assert model.best_epoch_ == 0
    assert model.held_out_r2_["model"] == model.held_out_r2_["pca"]


def test_the_loss_curve_draws_the_losses_of_these_rows(digits):
    train, valid = digits
    model = dense(4, max_iter=5).fit(train, validation_data=(valid,))
    display = LossCurveDisplay.from_estimator(model)
    drawn = [line.get_ydata() for line in display.ax_.lines]
    assert any(
        len(y) == 6 and np.allclose(y, model.validation_loss_curve_) for y in drawn
    )


def test_a_pipeline_scales_them_like_X(digits):
    train, valid = digits
    scaler = StandardScaler().fit(train)
    plain = dense(4).fit(
        scaler.transform(train), validation_data=(scaler.transform(valid),)
    )
    with config_context(enable_metadata_routing=True):
        model = dense(4).set_fit_request(validation_data=True)
        pipeline = make_pipeline(
            StandardScaler(), model, transform_input=["validation_data"]
        )
        pipeline.fit(train, validation_data=(valid,))
    assert pipeline[-1].validation_scores_ == plain.validation_scores_


@each_family
def test_a_target_comes_with_the_targets_of_these_rows(family, digits):
    train, valid = digits
    noise = np.random.RandomState(0).normal(size=(500, 64)) * 0.3
    noisy_train, noisy_valid = train + noise[:300], valid + noise[300:]
    model = family(4, max_iter=5)
    model.fit(noisy_train, target=train, validation_data=(noisy_valid, valid))
    score = model.score(noisy_valid, target=valid)
    assert model.held_out_r2_["model"] == pytest.approx(score, abs=0.02)


@pytest.mark.parametrize("horizon", [None, 2])
@pytest.mark.parametrize("objective", ["predict", "composite"])
def test_forecasts_are_measured_on_these_sequences(objective, horizon):
    step = np.arange(20)[:, np.newaxis]
    lengths = np.random.RandomState(0).randint(12, 20, 60)
    X = [np.sin(step[:n] / (3 + i % 5)) for i, n in enumerate(lengths)]
    model = recurrent(4, objective=objective, horizon=horizon, max_iter=4)
    model.fit(X[:40], validation_data=(X[40:],))
    assert len(model.validation_scores_) == model.n_iter_ + 1
    if objective == "predict":
        score = model.score(X[40:])
        assert model.held_out_r2_["model"] == pytest.approx(score, abs=0.1)


@each_family
def test_gaps_in_these_rows_alone_are_estimated(family, digits):
    train, valid = digits
    gaps = valid.copy()
    gaps[np.random.RandomState(0).uniform(size=gaps.shape) < 0.1] = np.nan
    model = family(4, max_iter=5).fit(train, validation_data=(gaps,))
    complete = family(4, max_iter=5).fit(train, validation_data=(valid,))
    assert np.isfinite(model.validation_scores_).all()
    assert model.held_out_r2_["pca"] == pytest.approx(
        complete.held_out_r2_["pca"], abs=0.1
    )


def test_an_interrupted_fit_continues_only_with_the_same_validation_data(
    digits, tmp_path
):
    train, valid = digits
    options = {"max_iter": 4, "checkpoint": str(tmp_path)}
    first = dense(4, **options).fit(train, validation_data=(valid,))
    other = dense(4, **options).fit(train, validation_data=(valid[:100],))
    plain = dense(4, max_iter=4).fit(train, validation_data=(valid[:100],))
    assert other.validation_scores_ == plain.validation_scores_
    assert other.validation_scores_ != first.validation_scores_


@pytest.mark.parametrize(
    ("validation_data", "error", "message"),
    [
        (np.ones((5, 64)), TypeError, r"tuple: \(X_val,\), or .* Got ndarray"),
        ([np.ones((5, 64))], TypeError, "must be a tuple.* Got list"),
        ((), ValueError, r"must be \(X_val,\), as fit has no target. Got 0"),
        ((np.ones((5, 64)),) * 2, ValueError, "as fit has no target. Got 2"),
        ((np.ones((5, 3)),), ValueError, "validation_data .* X has 3 features"),
        ((np.full((5, 64), np.inf),), ValueError, "validation_data .* infinity"),
        ((np.ones((0, 64)),), ValueError, r"validation_data .* 0 sample\(s\)"),
    ],
)
def test_other_validation_data_is_refused(validation_data, error, message, digits):
    with pytest.raises(error, match=message):
        dense(4).fit(digits[0], validation_data=validation_data)


def test_it_has_no_use_without_early_stopping(digits):
    with pytest.raises(ValueError, match="requires early_stopping=True"):
        dense(4, early_stopping=False).fit(digits[0], validation_data=(digits[1],))


def test_a_target_needs_those_of_the_validation_data(digits):
    train, valid = digits
    with pytest.raises(ValueError, match=r"\(X_val, target_val\), as fit has a target"):
        dense(4).fit(train, target=train, validation_data=(valid,))
