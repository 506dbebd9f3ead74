"""Parameters with unusual values: what PCA takes is taken, the rest is refused."""

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA

from sklearn_seqae import AutoencoderAnomalyDetector
from sklearn_seqae.fitting.validation import MAX_FOLDS, validation_splits
from sklearn_seqae.windows import merge_scores, merge_windows
from tests.instances import convolutional, dense, recurrent

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 6))
FAMILIES = [dense, recurrent, convolutional]
each_family = pytest.mark.parametrize("make", FAMILIES, ids=lambda make: make.__name__)


@each_family
@pytest.mark.parametrize("n_samples", [60, 4])
def test_none_keeps_as_many_components_as_pca(make, n_samples):
    model = make(None).fit(X[:n_samples])
    assert model.n_components_ == PCA().fit(X[:n_samples]).n_components_
    assert model.transform(X).shape == (60, model.n_components_)


def test_none_counts_the_values_of_a_sequence_of_median_length():
    sequences = [np.ones((n, 2)) * RNG.normal() for n in (3, 4, 5) * 10]
    assert recurrent(None).fit(sequences).n_components_ == 8


@each_family
def test_true_is_one_component_as_in_pca(make):
    assert make(True).fit_transform(X).shape == PCA(True).fit_transform(X).shape


@each_family
@pytest.mark.parametrize(
    "options, message",
    [
        ({"n_components": "mle"}, "n_components='mle'. Use a float"),
        ({"n_components": 2.5}, "'n_components' parameter"),
        ({"n_components": 0}, "'n_components' parameter"),
        ({"hidden_layer_sizes": (2.5,)}, "'hidden_layer_sizes'.*int values >= 1"),
        ({"hidden_layer_sizes": (True,)}, "'hidden_layer_sizes'.*int values >= 1"),
        ({"hidden_layer_sizes": (0,)}, "'hidden_layer_sizes'.*int values >= 1"),
        ({"hidden_layer_sizes": 8}, "'hidden_layer_sizes'.*array-like"),
        ({"max_iter": 2.0}, "'max_iter' parameter"),
        ({"validation_fraction": 1.0}, "'validation_fraction' parameter"),
    ],
)
def test_values_that_cannot_be_are_refused_by_name(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(**options).fit(X)


@pytest.mark.parametrize("make", [recurrent, convolutional])
@pytest.mark.parametrize("shape", [(-1, 2.0), (2.0, 3), (2, 0), (True, 6), ("a", 2)])
def test_a_sample_shape_holds_integers(make, shape):
    with pytest.raises(ValueError, match="'sample_shape' parameter must be None or"):
        make(sample_shape=shape).fit(X)


@pytest.mark.parametrize("n_samples", [2.0, "2", 0, -1])
def test_the_number_of_samples_to_draw_is_a_positive_integer(n_samples):
    model = dense(bottleneck="variational").fit(X)
    with pytest.raises((ValueError, TypeError), match="n_samples"):
        model.sample(n_samples)


@pytest.mark.parametrize("n_steps", [5.0, "5", [5.5], True, 0])
def test_numbers_of_steps_are_positive_integers(n_steps):
    for merge in (
        lambda: merge_windows(np.ones((2, 4, 1)), n_steps=n_steps),
        lambda: merge_scores(np.ones(2), 4, n_steps=n_steps),
    ):
        with pytest.raises((ValueError, TypeError), match="n_steps"):
            merge()


@pytest.mark.parametrize(
    "options", [{"gap": 1.5}, {"gap": 0}, {"min_drop": 1.0}, {"min_drop": -0.1}]
)
def test_parameters_of_intervals_are_checked(options):
    series = np.sin(np.arange(300) / 5)[:, np.newaxis]
    detector = AutoencoderAnomalyDetector(PCA(2), window_size=20, contamination=0.1)
    detector.fit(series)
    name = next(iter(options))
    with pytest.raises((ValueError, TypeError), match=name):
        detector.detect_intervals(series, **options)
    with pytest.raises((ValueError, TypeError), match="n_causes"):
        detector.explain(series, n_causes=0)


@pytest.mark.filterwarnings("ignore:A false-alarm rate")
@pytest.mark.parametrize("rate", [5e-324, 1e-300, 1e-16, 0.5, 0.999999, 1 - 1e-16])
def test_extreme_false_alarm_rates_flag_almost_none_or_almost_all(rate):
    detector = AutoencoderAnomalyDetector(PCA(2), false_alarm_rate=rate).fit(X)
    share = np.mean(detector.predict(X) == -1)
    low = AutoencoderAnomalyDetector(PCA(2), false_alarm_rate=0.2).fit(X)
    assert np.isfinite(detector.offset_)
    assert (detector.offset_ >= low.offset_) == (rate >= 0.2)
    assert share <= 0.05 if rate < 0.01 else share >= 0.3


@pytest.mark.parametrize("fraction", [0.001, 0.01, 0.05, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("n", [2, 10, 200, 10_000])
def test_a_small_validation_fraction_costs_at_most_five_folds(n, fraction):
    splits = validation_splits(n, fraction, 0, n_enough=350, n_max=5000, n_components=2)
    assert 1 <= len(splits) <= MAX_FOLDS == 5
    held_out = np.concatenate([valid for _, valid in splits])
    assert len(np.unique(held_out)) == len(held_out)


# Values


def first_fold():
    """Return the training rows and the validation rows of the first fold."""
    seed = np.random.RandomState(0).randint(2**31 - 1)
    options = {"n_enough": 150, "n_max": 5000, "n_components": 2}
    return validation_splits(60, 0.5, seed, **options)[0]


@each_family
@pytest.mark.parametrize("as_frame", [False, True])
def test_a_huge_value_in_validation_rows_is_named_with_its_column(make, as_frame):
    data = X.copy()
    data[first_fold()[1][7], 3] = 1e30
    which = "3"
    if as_frame:
        data, which = pd.DataFrame(data, columns=list("abcdef")), "'d'"
    if make is recurrent:
        which = "0"  # the only channel
    with pytest.raises(ValueError, match=f"Column {which} of X holds 1e.30.*Scale X"):
        make().fit(data)


@each_family
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_huge_value_in_training_rows_leaves_pca(make):
    data = X.copy()
    data[first_fold()[0][7], 3] = 1e30
    model = make().fit(data)
    assert model.best_epoch_ == 0
    assert np.isfinite(model.reconstruct(data)).all()


def test_warnings_point_at_the_line_of_the_user():
    steps = np.sin(np.arange(300) / 5)[:, np.newaxis]
    times = pd.to_datetime("2024-01-01") + pd.to_timedelta(np.arange(300), unit="h")
    gap = pd.DataFrame(steps, index=times).drop(times[100:150])
    for make_warning in (
        lambda: dense(init="random", learning_rate_init=1e-6).fit(X),
        lambda: dense(0.9, init="random", max_iter=1).fit(X),
        lambda: AutoencoderAnomalyDetector(PCA(2)).fit(X),
        lambda: AutoencoderAnomalyDetector(
            PCA(2), window_size=10, contamination=0.1
        ).fit(gap),
        lambda: recurrent().fit(X[:, np.newaxis, :]),
    ):
        with pytest.warns() as record:
            make_warning()
        assert {warning.filename for warning in record} == {__file__}
