"""What scikit-learn checks on tables, checked on 3-D arrays and ragged sequences."""

import copy
import io
import pickle
from importlib.util import find_spec
from typing import Any, NamedTuple

import joblib
import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from tests.containers import flat, items
from tests.instances import TAKES_SEQUENCES, fewest_steps, name

METHODS = ["transform", "reconstruct", "score_samples", "decision_function", "predict"]
METHODS += ["predict_proba"]

pytestmark = pytest.mark.parametrize(
    "estimator", TAKES_SEQUENCES, ids=name, scope="module"
)


def labels_of(X):
    """Labels for those that want them; all others ignore them."""
    return np.arange(len(X)) % 2


def fit(estimator, X):
    return clone(estimator).fit(X, labels_of(X))


def outputs(fitted, X):
    """Return what each method that the estimator has gives, sample by sample."""
    return {
        method: items(getattr(fitted, method)(X))
        for method in METHODS
        if hasattr(fitted, method)
    }


def assert_same(one, other):
    assert one.keys() == other.keys()
    for method in one:
        for a, b in zip(one[method], other[method], strict=True):
            np.testing.assert_array_equal(a, b, err_msg=method, strict=True)


def take(each_output, rows):
    return {
        method: [samples[row] for row in rows]
        for method, samples in each_output.items()
    }


class Fit(NamedTuple):
    """A fitted estimator, and its outputs for the X of the fit; tests only read it."""

    model: Any
    outputs: dict


def fit_and_outputs(estimator, X):
    model = fit(estimator, X)
    return Fit(model, outputs(model, X))


@pytest.fixture(scope="module")
def of_ragged(estimator, ragged):
    """The fit to a list of ragged sequences."""
    return fit_and_outputs(estimator, ragged)


@pytest.fixture(scope="module")
def of_digits(estimator, digits):
    """The fit to an array."""
    return fit_and_outputs(estimator, digits)


def test_ragged_containers_give_the_same(
    estimator, ragged, ragged_container, of_ragged
):
    X = ragged_container(ragged)
    assert_same(fit_and_outputs(estimator, X).outputs, of_ragged.outputs)


def test_equal_containers_give_the_same(estimator, digits, equal_container, of_digits):
    X = equal_container(list(digits))
    assert_same(fit_and_outputs(estimator, X).outputs, of_digits.outputs)


def test_sequences_of_one_channel_may_be_1d(estimator, ragged):
    X = [sequence[:, 0] for sequence in ragged]
    expected = outputs(fit(estimator, X), X)
    columns = [sequence[:, :1] for sequence in ragged]
    seen = outputs(fit(estimator, columns), columns)
    for method, samples in expected.items():
        for a, b in zip(samples, seen[method], strict=True):
            np.testing.assert_array_equal(np.ravel(a), np.ravel(b), err_msg=method)


def test_a_sequence_does_not_depend_on_its_neighbours(estimator, ragged, of_ragged):
    model, together = of_ragged
    for row in (0, 7, 31):
        assert_same(outputs(model, [ragged[row]]), take(together, [row]))


def test_the_order_of_the_sequences_does_not_matter(estimator, ragged, of_ragged):
    model, together = of_ragged
    order = np.random.RandomState(1).permutation(len(ragged))
    assert_same(outputs(model, [ragged[i] for i in order]), take(together, order))


def test_padding_changes_nothing(estimator, digits, of_digits):
    longer = np.concatenate([digits[0]] * 5)
    beside_a_longer_one = outputs(of_digits.model, [*digits, longer])
    rows = range(len(digits))
    assert_same(of_digits.outputs, take(beside_a_longer_one, rows))


def test_fitting_twice_gives_the_same(estimator, ragged, of_ragged):
    once, first = fit_and_outputs(estimator, ragged)
    assert_same(outputs(once.fit(ragged, labels_of(ragged)), ragged), first)
    assert_same(of_ragged.outputs, first)


def test_fit_transform_is_fit_then_transform(estimator, ragged, of_ragged):
    if is_classifier(estimator):
        return
    method = "transform" if hasattr(estimator, "transform") else "predict"
    seen = getattr(clone(estimator), f"fit_{method}")(ragged)
    for a, b in zip(of_ragged.outputs[method], items(seen), strict=True):
        np.testing.assert_array_equal(a, b)


def _joblib_copy(fitted):
    file = io.BytesIO()
    joblib.dump(fitted, file)
    file.seek(0)
    return joblib.load(file)


def _skops_copy(fitted):
    import skops.io

    data = skops.io.dumps(fitted)
    untrusted = skops.io.get_untrusted_types(data=data)
    # Nothing of torch or skorch: their loaders run pickles.
    assert all(name.startswith("sklearn_seqae.") for name in untrusted), untrusted
    return skops.io.loads(data, trusted=untrusted)


COPIES = {
    "pickle": lambda fitted: pickle.loads(pickle.dumps(fitted)),
    "deepcopy": copy.deepcopy,
    "joblib": _joblib_copy,
}
if find_spec("skops"):  # an extra
    COPIES["skops"] = _skops_copy


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_gives_the_same(estimator, ragged, how, of_ragged):
    copied = COPIES[how](fit(estimator, ragged))
    assert_same(outputs(copied, ragged), of_ragged.outputs)


def test_fit_leaves_the_parameters(estimator, ragged):
    fresh = clone(estimator)
    before = pickle.dumps(fresh.get_params(deep=True))
    fresh.fit(ragged, labels_of(ragged))
    assert pickle.dumps(fresh.get_params(deep=True)) == before


def test_methods_leave_the_estimator(estimator, ragged):
    fitted = fit(estimator, ragged)  # whose methods were not called yet
    before = {name: id(value) for name, value in vars(fitted).items()}
    outputs(fitted, ragged)
    assert {name: id(value) for name, value in vars(fitted).items()} == before


def test_X_is_not_written_to(estimator, ragged):
    X = [sequence.copy() for sequence in ragged]
    for sequence in X:
        sequence.flags.writeable = False
    outputs(fit(estimator, X), X)
    for sequence, before in zip(X, ragged, strict=True):
        np.testing.assert_array_equal(sequence, before)


def test_a_clone_is_not_fitted(estimator, of_ragged):
    with pytest.raises(NotFittedError):
        check_is_fitted(clone(of_ragged.model))


@pytest.mark.parametrize("method", [*METHODS, "inverse_transform", "score"])
def test_methods_before_fit_raise(estimator, ragged, method):
    if not hasattr(estimator, method):
        return
    with pytest.raises(NotFittedError):
        wants_y = method == "score" and is_classifier(estimator)
        args = [labels_of(ragged)] if wants_y else []
        getattr(clone(estimator), method)(ragged, *args)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_is_kept(estimator, ragged, dtype):
    X = [sequence.astype(dtype) for sequence in ragged]
    fitted = fit(estimator, X)
    for method in ("transform", "reconstruct"):
        if hasattr(fitted, method):
            assert {item.dtype for item in items(getattr(fitted, method)(X))} == {
                np.dtype(dtype)
            }
    if hasattr(fitted, "score_samples"):
        assert fitted.score_samples(X).dtype == np.float64


@pytest.mark.parametrize("as_flat", [False, True])
def test_n_features_in_counts_channels_or_columns(estimator, digits, as_flat):
    X = flat(digits) if as_flat else digits
    n_features = X.shape[-1]
    assert fit(estimator, X).n_features_in_ == n_features


def test_another_number_of_channels_raises(estimator, ragged, of_ragged):
    fitted = of_ragged.model
    words = f"X has 2 features, but {type(estimator).__name__} is expecting 3 features"
    for method in METHODS:
        if hasattr(fitted, method):
            with pytest.raises(ValueError, match=words):
                getattr(fitted, method)([sequence[:, :2] for sequence in ragged])


def test_other_lengths_than_in_fit_are_taken(estimator, digits, of_digits):
    longest = np.concatenate([digits[0], digits[1]])
    shortest = digits[2][: fewest_steps(estimator)]
    for samples in outputs(of_digits.model, [longest, shortest]).values():
        assert len(samples) == 2
        assert all(np.isfinite(sample).all() for sample in samples)


@pytest.mark.parametrize(
    "n_samples, n_steps, n_channels", [(1, 8, 3), (9, 1, 3), (9, 8, 1)]
)
def test_one_sample_and_one_step_work(
    estimator, digits, n_samples, n_steps, n_channels
):
    n_steps = max(n_steps, fewest_steps(estimator))
    n_samples += is_classifier(estimator)  # which wants two classes
    X = digits[:n_samples, :n_steps, :n_channels]
    for samples in outputs(fit(estimator, X), X).values():
        assert len(samples) == n_samples
        assert all(np.isfinite(sample).all() for sample in samples)
