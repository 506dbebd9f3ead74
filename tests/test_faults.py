"""What happens when the input or the world is bad."""

import signal
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from tests.conftest import global_generator_states
from tests.instances import convolutional, dense, recurrent

EACH = [dense(), recurrent(), convolutional()]
each = pytest.mark.parametrize(
    "estimator", EACH, ids=["dense", "recurrent", "convolutional"]
)


class Raise(Callback):
    """Raise in the middle of training."""

    def __init__(self, error):
        self.error = error

    def on_epoch_end(self, net, **kwargs):
        raise self.error


class PressCtrlC(Callback):
    def on_epoch_end(self, net, **kwargs):
        signal.raise_signal(signal.SIGINT)


def breaking(estimator, error):
    return clone(estimator).set_params(skorch_callbacks=[Raise(error)])


# Divergence -----------------------------------------------------------------------


def diverging(estimator):
    return clone(estimator).set_params(
        learning_rate_init=1e25, init="random", max_iter=20
    )


@each
@pytest.mark.parametrize("early_stopping", [True, False])
def test_divergence_raises_and_says_what_to_lower(estimator, wine, early_stopping):
    model = diverging(estimator).set_params(early_stopping=early_stopping)
    with pytest.raises(ValueError, match=r"(?s)epoch \d+.*learning_rate_init"):
        model.fit(wine)
    with pytest.raises(NotFittedError):
        model.transform(wine)


def test_divergence_fails_one_candidate_of_a_grid_search(wine):
    grid = {"learning_rate_init": [1e-3, 1e25]}
    search = GridSearchCV(dense(init="random", max_iter=20), grid, cv=2)
    with pytest.warns(FitFailedWarning, match="learning_rate_init"):
        # scikit-learn says, too, that a mean test score is not finite
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="One or more of the test scores")
            search.fit(wine)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True]


# Interruption ---------------------------------------------------------------------


@pytest.fixture
def ctrl_c_is_heard():
    """Python's handler of SIGINT, which a shell may have turned off for the tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@each
@pytest.mark.usefixtures("ctrl_c_is_heard")
@pytest.mark.parametrize("callback", [Raise(KeyboardInterrupt()), PressCtrlC()])
def test_ctrl_c_reaches_the_caller(estimator, wine, callback):
    model = clone(estimator).set_params(skorch_callbacks=[callback], max_iter=50)
    with pytest.raises(KeyboardInterrupt):
        model.fit(wine)


@pytest.mark.usefixtures("ctrl_c_is_heard")
def test_ctrl_c_stops_a_grid_search(wine):
    model = dense(skorch_callbacks=[PressCtrlC()])
    with pytest.raises(KeyboardInterrupt):
        GridSearchCV(model, {"n_components": [1, 2]}, cv=2).fit(wine)


@each
@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("half-way")])
def test_a_refit_that_fails_leaves_the_earlier_fit(estimator, wine, error):
    model = clone(estimator).fit(wine)
    before, n_features = model.transform(wine), model.n_features_in_
    state = {name: id(value) for name, value in vars(model).items()}
    model.set_params(skorch_callbacks=[Raise(error)], n_components=3)
    with pytest.raises(type(error)):
        model.fit(wine[:, :7] if estimator is EACH[0] else wine * 2)
    assert model.n_features_in_ == n_features
    np.testing.assert_array_equal(model.transform(wine), before)
    fitted = {name for name in state if name.endswith("_")}
    assert {name: id(vars(model)[name]) for name in fitted} == {
        name: state[name] for name in fitted
    }


@each
def test_a_first_fit_that_fails_leaves_it_unfitted(estimator, wine):
    model = breaking(estimator, RuntimeError("half-way"))
    with pytest.raises(RuntimeError, match="half-way"):
        model.fit(wine)
    with pytest.raises(NotFittedError):
        model.transform(wine)


@each
def test_early_stopping_stops_without_a_trace(estimator, wine):
    model = clone(estimator).set_params(
        max_iter=60, n_iter_no_change=1, learning_rate_init=0.3, init="random"
    )
    model.fit(wine)
    assert 1 <= model.n_iter_ < 60
    assert model.best_epoch_ <= model.n_iter_
    # epoch 0 has a validation score, too
    assert len(model.validation_scores_) in (model.n_iter_, model.n_iter_ + 1)
    assert model.best_validation_score_ == max(model.validation_scores_)


# Global generators ----------------------------------------------------------------


@each
@pytest.mark.parametrize("random_state", [None, 3, np.random.RandomState(3)])
def test_global_generators_are_left_alone(estimator, wine, random_state):
    model = clone(estimator).set_params(random_state=random_state)
    before = global_generator_states()
    model.fit(wine).reconstruct(wine)
    assert global_generator_states() == before


@each
@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("half-way")])
def test_global_generators_are_left_alone_after_an_error(estimator, wine, error):
    before = global_generator_states()
    with pytest.raises(type(error)):
        breaking(estimator, error).fit(wine)
    assert global_generator_states() == before


# Odd but valid data ---------------------------------------------------------------


@each
@pytest.mark.parametrize(
    "X",
    [np.zeros((20, 4)), np.full((20, 4), 7.3), np.tile([1.0, 2.0, 3.0, 4.0], (20, 1))],
    ids=["zeros", "constant", "duplicates"],
)
@pytest.mark.parametrize("options", [{}, {"whiten": True}, {"init": "random"}], ids=str)
def test_data_without_variance_work(estimator, X, options):
    model = clone(estimator).set_params(**options).fit(X)
    assert np.isfinite(model.transform(X)).all()
    assert np.isfinite(model.reconstruct(X)).all()
    assert np.isfinite(model.score(X))


@each
@pytest.mark.parametrize("shape", [(1, 5), (2, 5), (9, 1), (1, 1)])
def test_tiny_data_work(estimator, shape):
    X = np.random.RandomState(0).normal(size=shape)
    for early_stopping in (True, False):
        model = clone(estimator).set_params(early_stopping=early_stopping)
        try:
            model.fit(X)
        except ValueError as error:
            # as MLPRegressor: too few rows to keep some of them for validation
            assert "validation set is too small" in str(error)
            assert early_stopping
            continue
        assert model.transform(X).shape == (shape[0], 2)
        assert np.isfinite(model.reconstruct(X)).all()


@each
@pytest.mark.parametrize("init", ["pca", "random"])
def test_a_code_larger_than_the_data_works(estimator, wine, init):
    model = clone(estimator).set_params(n_components=40, init=init)
    X = wine[:30, :5]
    assert model.fit(X).transform(X).shape == (30, 40)
    if init == "pca":
        assert model.score(X) > 0.99


@each
@pytest.mark.parametrize("scale", [1e18, 1e25, 1e150, 1e300, 1e-18, 1e-150])
def test_extreme_scales_never_give_a_broken_model(estimator, wine, scale):
    X = wine * scale
    model = clone(estimator)
    with np.errstate(over="ignore"):
        try:
            model.fit(X)
        except ValueError as error:
            assert "too large" in str(error)
            return
    assert np.isfinite(model.transform(X)).all()
    assert np.isfinite(model.reconstruct(X)).all()


@each
@pytest.mark.parametrize("change", [lambda X: X + 1e6, lambda X: X * 1e-6])
def test_offset_and_scale_do_not_change_r2(estimator, wine, change):
    model = clone(estimator).set_params(max_iter=10, early_stopping=False)
    expected = clone(model).fit(wine).score(wine)
    X = change(wine)
    assert clone(model).fit(X).score(X) == pytest.approx(expected, abs=0.01)
