"""A few labels: known anomalies are kept out of the fit."""

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import AutoencoderAnomalyDetector
from sklearn_seqae.anomaly.scoring import EXPONENT, LEAST_SHARE
from tests.instances import convolutional, dense, recurrent

pytestmark = pytest.mark.filterwarnings("ignore:A false-alarm rate of")

RNG = np.random.RandomState(0)
TABLE = RNG.normal(size=(60, 3)) @ RNG.normal(size=(3, 4))
SEQUENCES = [RNG.normal(size=(4 + i % 3, 2)).cumsum(axis=0) for i in range(40)]
IMAGES = RNG.normal(size=(40, 6, 6, 2)).cumsum(axis=1)
STEPS = np.arange(600)[:, np.newaxis]
SERIES = np.sin(STEPS / [4, 7]) + 0.1 * RNG.normal(size=(600, 2))
TIMES = pd.date_range("2026-01-01", periods=600, freq="min")
# X, estimator
SAMPLES = {
    "table": (TABLE, dense()),
    "frame": (pd.DataFrame(TABLE, columns=list("abcd")), PCA(2)),
    "sequences": (SEQUENCES, recurrent()),
    "images": (IMAGES, convolutional()),
}
SERIES_OF = {
    "array": SERIES,
    "frame": pd.DataFrame(SERIES, index=TIMES, columns=["load", "heat"]),
    "list": [SERIES[:200], SERIES[200:]],
    "3-D": SERIES.reshape(3, 200, 2),
}
each_kind = pytest.mark.parametrize("kind", SAMPLES)
each_series = pytest.mark.parametrize("kind", SERIES_OF)


def detector(estimator, **options):
    options = {"false_alarm_rate": 0.1, "random_state": 0, **options}
    return AutoencoderAnomalyDetector(estimator, **options)


def of_series(**options):
    return detector(PCA(2), window_size=20, **options)


def take(X, rows):
    if isinstance(X, list):
        return [X[i] for i in rows]
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def labels_of(X, rows=(3, 11, 12), value=-1):
    labels = np.zeros(len(X), dtype=int)
    labels[list(rows)] = value
    return labels


def spread(X, flat):
    """Labels of time steps in the container of X."""
    if isinstance(X, pd.DataFrame) or np.ndim(X[0]) == 1:
        return flat
    return np.split(flat, np.cumsum([len(item) for item in X])[:-1])


def assert_same_fit(one, other, X):
    # Rows that are taken from a frame may have another layout in memory.
    np.testing.assert_allclose(
        one.calibration_scores_, other.calibration_scores_, rtol=1e-9
    )
    assert one.offset_ == pytest.approx(other.offset_, rel=1e-9)
    np.testing.assert_allclose(
        np.concatenate(np.atleast_2d(one.score_samples(X))),
        np.concatenate(np.atleast_2d(other.score_samples(X))),
        rtol=1e-9,
    )


@each_kind
@pytest.mark.parametrize(
    "options",
    [
        {"score_method": "nearest"},
        {"score_method": "mahalanobis", "contamination": 0.1},
        {"score_method": "reconstruction", "scaler": "standard"},
    ],
    ids=str,
)
def test_the_fit_is_that_of_the_samples_without_known_anomalies(kind, options):
    X, estimator = SAMPLES[kind]
    labels = labels_of(X)
    labels[20:24] = 1
    model = detector(estimator, **options).fit(X, labels=labels)
    rest = clone(model).fit(take(X, np.flatnonzero(labels != -1)))
    assert_same_fit(model, rest, X)
    assert model.n_features_in_ == rest.n_features_in_
    assert getattr(model, "feature_names_in_", None) is getattr(
        rest, "feature_names_in_", None
    ) or list(model.feature_names_in_) == list(rest.feature_names_in_)


@each_kind
@pytest.mark.parametrize("options", [{}, {"contamination": 0.1, "scaler": "standard"}])
def test_samples_near_known_anomalies_are_more_anomalous(kind, options):
    X, estimator = SAMPLES[kind]
    labels = labels_of(X)
    model = detector(estimator, **options).fit(X, labels=labels)
    rest = clone(model).fit(take(X, np.flatnonzero(labels != -1)))
    known, others = (
        model.score_samples(some) / rest.score_samples(some)
        for some in (take(X, [3, 11, 12]), take(X, np.flatnonzero(labels != -1)))
    )
    np.testing.assert_allclose(known, LEAST_SHARE**-EXPONENT, rtol=1e-3)
    assert (others >= 1 - 1e-9).all() and np.median(others) < 2**EXPONENT
    assert len(model.calibration_scores_) == len(rest.calibration_scores_)
    assert (model.calibration_scores_ <= rest.calibration_scores_ + 1e-9).all()


def test_anomalies_of_another_kind_stay_anomalous():
    rng = np.random.RandomState(0)
    normal = rng.normal(size=(300, 2))
    one, other = np.array([8.0, 0]), np.array([0, 8.0])
    X = np.vstack([normal, one + 0.3 * rng.normal(size=(8, 2))])
    labels = labels_of(X, range(300, 304))
    model, rest = (detector(PCA(1)).fit(X, labels=y) for y in (labels, None))
    found, before = model.score_samples([one, other]), rest.score_samples([one, other])
    assert found[0] < 3 * before[0]  # its group is in X, too
    assert 2**EXPONENT * before[1] <= found[1] < before[1]
    assert (model.predict([one, other]) == -1).all()
    assert (model.predict(normal) == -1).mean() < 0.15


@each_series
@pytest.mark.parametrize("alignment", ["centered", "trailing"])
@pytest.mark.parametrize("contamination", ["auto", 0.05])
def test_the_fit_of_a_series_is_that_of_the_pieces_between_known_anomalies(
    kind, alignment, contamination
):
    X = SERIES_OF[kind]
    flat = np.zeros(600, dtype=int)
    flat[300:310], flat[455] = -1, -1
    options = {"alignment": alignment, "contamination": contamination}
    model = of_series(**options).fit(X, labels=spread(X, flat))
    ends = {"array": [], "frame": []}.get(kind, [200] if kind == "list" else [200, 400])
    cuts = sorted({0, 300, 310, 455, 456, 600, *ends})
    pairs = zip(cuts[:-1], cuts[1:], strict=True)
    pieces = [SERIES[a:b] for a, b in pairs if a not in (300, 455)]
    rest = clone(model).fit(pieces)
    assert_same_fit(model, rest, [X] if isinstance(X, pd.DataFrame) else [SERIES])


def test_no_training_window_contains_a_known_anomaly():
    labels = np.zeros(600, dtype=int)
    labels[300:310] = -1
    broken = SERIES.copy()
    broken[300:310] = 50
    scores = [
        of_series(scaler="standard").fit(X, labels=labels).score_samples(SERIES)
        for X in (SERIES, broken)
    ]
    np.testing.assert_array_equal(*scores)


def test_the_window_size_is_that_of_the_series_before_it_is_cut():
    labels = np.zeros(600, dtype=int)
    labels[::290] = -1
    model = detector(PCA(2), window_size="auto", scaler="standard")
    with_labels = clone(model).fit(SERIES, labels=labels)
    assert with_labels.window_size_ == clone(model).fit(SERIES).window_size_ > 72


def test_short_pieces_are_left_out():
    series = [SERIES[:200], SERIES[200:400], SERIES[400:]]
    labels = [np.zeros(200, dtype=int) for _ in series]
    labels[1][::15] = -1  # no window is left
    model = of_series(contamination=0.1).fit(series, labels=labels)
    assert len(model.calibration_scores_) == 400


def test_the_shortest_pieces_between_known_anomalies_are_one_window():
    X, labels = SERIES[:320], np.ones(320, dtype=int)
    labels[[20, 40, 299]] = -1
    model = of_series(contamination=0.1).fit(X, labels=labels)
    rest = clone(model).fit([X[:20], X[41:299], X[300:]])
    assert_same_fit(model, rest, [X])


@pytest.mark.filterwarnings("ignore:The times of X have gaps")
def test_series_are_cut_at_gaps_in_time_and_at_known_anomalies():
    labels = np.zeros(600, dtype=int)
    labels[[100, 350]] = -1
    times = TIMES + pd.to_timedelta(1.0 * (np.arange(600) >= 200), unit="D")
    X = pd.DataFrame(SERIES, index=times)
    model = of_series(contamination=0.1).fit(X, labels=labels)
    rest = clone(model).fit(
        [SERIES[:100], SERIES[101:200], SERIES[200:350], SERIES[351:]]
    )
    assert_same_fit(model, rest, [SERIES])


def test_fit_predict_accepts_labels():
    labels = labels_of(TABLE)
    model = detector(PCA(2))
    found = model.fit_predict(TABLE, labels=labels)
    np.testing.assert_array_equal(
        found, clone(model).fit(TABLE, labels=labels).predict(TABLE)
    )


def test_labels_are_routed_in_a_pipeline_and_a_cross_validation():
    labels = labels_of(TABLE)
    scaled = StandardScaler().fit(TABLE)
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(
            scaled, detector(PCA(2)).set_fit_request(labels=True)
        ).fit(TABLE, labels=labels)
        assert len(pipeline[-1].calibration_scores_) == len(TABLE) - 3
        results = cross_validate(
            detector(PCA(2)).set_fit_request(labels=True),
            TABLE,
            scoring=lambda model, X, y=None: 0.0,
            params={"labels": labels_of(TABLE, range(0, 60, 2))},
            return_estimator=True,
            cv=2,
        )
    assert [len(m.calibration_scores_) for m in results["estimator"]] == [15, 15]


@pytest.mark.parametrize(
    "convert",
    [list, np.float64, pd.Series, lambda y: y.astype(object)],
    ids=["list", "float64", "Series", "object"],
)
def test_labels_are_any_array_of_numbers(convert):
    labels = labels_of(TABLE)
    model = detector(PCA(2)).fit(TABLE, labels=convert(labels))
    assert_same_fit(model, detector(PCA(2)).fit(TABLE, labels=labels), TABLE)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(3), r"shape \(3,\), but X has 60 samples\. Pass one integer"),
        (np.zeros((60, 1)), r"shape \(60, 1\), but X has 60 samples"),
        (0, r"shape \(\), but X has 60 samples"),
        (labels_of(TABLE, value=2), "-1 for a known anomaly, .* Got 2 instead"),
        (labels_of(TABLE) + 0.5, "one integer for each sample: .* Got 0.5 instead"),
        (np.full(60, np.nan), "0 if it is unknown. Got nan instead"),
        (labels_of(TABLE) == -1, "must contain one integer .* Got False instead"),
        (["anomaly"] * 60, "must contain one integer .* Got 'anomaly' instead"),
        (np.full(60, -1), "marks each sample of X as a known anomaly"),
    ],
)
def test_bad_labels_are_named(labels, message):
    model = detector(PCA(2))
    with pytest.raises(ValueError, match=message):
        model.fit(TABLE, labels=labels)
    assert not hasattr(model, "n_features_in_")


@pytest.mark.parametrize(
    ("X", "labels", "message"),
    [
        (SERIES, np.zeros(599), r"but X has 600 time steps. Pass one integer"),
        ([SERIES, SERIES], np.zeros(1200), "a list of 2 arrays, .* Got 1200"),
        ([SERIES, SERIES], 0, "a list of 2 arrays, .* Got a scalar"),
        ([SERIES, SERIES], [np.zeros(600), np.zeros(5)], r"labels\[1\] has the shape"),
        (
            SERIES,
            -1.0 * (STEPS[:, 0] % 20 == 0),
            "All windows of window_size=20 time steps",
        ),
        (SERIES, np.full(600, -1), "marks each time step of X as a known anomaly"),
    ],
)
def test_bad_labels_of_series_are_named(X, labels, message):
    with pytest.raises(ValueError, match=message):
        of_series().fit(X, labels=labels)


@pytest.mark.parametrize("value", [0, 1])
def test_labels_without_known_anomalies_are_warned_about(value):
    with pytest.warns(UserWarning, match="contains no known anomaly") as found:
        model = detector(PCA(2)).fit(TABLE, labels=labels_of(TABLE, value=value))
    assert_same_fit(model, detector(PCA(2)).fit(TABLE), TABLE)
    message = str(next(w.message for w in found if "labels" in str(w.message)))
    assert ("not an anomaly" in message) == (value == 1)
