"""Folds of a detector's calibration, side by side in threads."""

import threading
import warnings

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from sklearn_seqae import AutoencoderAnomalyDetector, SequenceScaler
from sklearn_seqae.anomaly import _model
from sklearn_seqae.fitting import runs
from sklearn_seqae.training import stack
from tests.instances import convolutional, dense, recurrent
from tests.test_parallel import threads

SEQUENCES = np.random.default_rng(0).normal(size=(50, 10, 2)).cumsum(axis=1)
SERIES = SEQUENCES[:8].reshape(-1, 2)
SHORT = {"max_iter": 2, "early_stopping": False}

IN_THREADS = {
    "recurrent": (recurrent(**SHORT), {}),
    "convolutional": (convolutional(**SHORT), {}),
    "pipeline": (make_pipeline(SequenceScaler(), recurrent(**SHORT)), {}),
    "series": (recurrent(**SHORT), {"window_size": 5}),
}
TOGETHER = {
    "dense": dense(**SHORT),
    "dense of odd sizes": dense(hidden_layer_sizes=(7,), batch_size=9, **SHORT),
    "one component": dense(1, **SHORT),
    "with folds of its own": dense(max_iter=30, n_iter_no_change=2),
    "random": dense(init="random", **SHORT),
    "with autograd": dense(noise="gaussian", **SHORT),
    "in a pipeline": make_pipeline(StandardScaler(), dense(**SHORT)),
}
IN_TURN = {
    "dense with verbose": (dense(verbose=1, **SHORT), {}),
    "verbose": (recurrent(verbose=1, **SHORT), {}),
    "callback": (recurrent(skorch_callbacks=[Callback()], **SHORT), {}),
    "drawn before": (
        make_pipeline(PCA(5, random_state=None), convolutional(**SHORT)),
        {"random_state": None},
    ),
    "drawn by the detector": (
        recurrent(**SHORT),
        {"random_state": np.random.RandomState(0)},
    ),
}


def fit(case, options, X=None):
    options = {"random_state": 0} | options
    if X is None:
        X = SERIES if "window_size" in options else SEQUENCES
        if not _model.takes_sequences(case):
            X = X.reshape(len(X), -1)
    return AutoencoderAnomalyDetector(case, false_alarm_rate=0.2, **options).fit(X)


@pytest.fixture
def names(monkeypatch):
    """Return the names of the threads in which models were fitted."""
    found = []
    fitted_clone = _model.fitted_clone

    def watched(*arguments):
        found.append(threading.current_thread().name)
        return fitted_clone(*arguments)

    monkeypatch.setattr(_model, "fitted_clone", watched)
    return found


@pytest.mark.parametrize("name", IN_THREADS)
def test_folds_do_not_depend_on_the_number_of_threads(name, names):
    scores = []
    for number in (1, 2):
        names.clear()
        with threads(number):
            scores.append(fit(*IN_THREADS[name]).calibration_scores_)
        assert len(names) > 2
        own = threading.current_thread().name
        assert names[0] == own
        assert (own in names[1:]) == (number == 1)
    np.testing.assert_array_equal(*scores)


@pytest.mark.parametrize("name", IN_TURN)
def test_folds_are_fitted_in_turn_where_threads_are_not_safe(name, names, capsys):
    with threads(2):
        fit(*IN_TURN[name])
    capsys.readouterr()
    assert len(names) == 6
    assert set(names) == {threading.current_thread().name}


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("model", TOGETHER.values(), ids=TOGETHER)
def test_small_networks_are_trained_together_with_the_same_bits(
    model, number, names, monkeypatch
):
    stacked = []
    monkeypatch.setattr(
        runs, "train_together", lambda *nets: stacked.append(nets) or together(*nets)
    )
    together = stack.train_together
    X = np.random.default_rng(3).normal(size=(53, 6)) ** 3
    with threads(number):
        scores = fit(model, {}, X).calibration_scores_
    assert len(set(names)) == 6
    assert max(len(nets) for nets, _ in stacked) == 5
    monkeypatch.setattr(_model, "_family_to_fit", lambda estimator: None)
    np.testing.assert_array_equal(scores, fit(model, {}, X).calibration_scores_)


def test_windows_of_series_are_trained_together_with_the_same_bits(monkeypatch):
    scores = fit(dense(**SHORT), {"window_size": 5}).calibration_scores_
    monkeypatch.setattr(_model, "_family_to_fit", lambda estimator: None)
    in_turn = fit(dense(**SHORT), {"window_size": 5}).calibration_scores_
    np.testing.assert_array_equal(scores, in_turn)


def test_an_error_of_a_training_together_is_that_of_the_fit():
    model = dense(init="random", learning_rate_init=1e25, max_iter=20)
    with pytest.raises(ValueError, match="diverged"):
        fit(model, {})


def test_an_error_of_one_fold_does_not_leave_the_others_waiting(monkeypatch):
    started = []

    def failing(*arguments):
        started.append(None)
        if len(started) == 4:
            raise KeyError("fourth")
        return fitted_clone(*arguments)

    fitted_clone = _model.fitted_clone
    monkeypatch.setattr(_model, "fitted_clone", failing)
    with pytest.raises(KeyError, match="fourth"):
        fit(dense(**SHORT), {})


def test_warnings_of_threads_are_issued_at_the_line_of_the_user():
    model = recurrent(init="random", max_iter=1)
    issued = []
    for number in (1, 2):
        with threads(number), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fit(model, {})
        assert {each.filename for each in caught} == {__file__}
        issued.append([str(each.message) for each in caught])
    assert len(issued[0]) > 1
    assert issued[0] == issued[1]


def test_an_error_in_a_thread_is_that_of_the_fit():
    model = recurrent(init="random", learning_rate_init=1e25, max_iter=20)
    with threads(2), pytest.raises(ValueError, match="diverged"):
        fit(model, {})
