"""The threshold, and what is promised of it."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.model_selection import KFold

from sklearn_seqae import AutoencoderAnomalyDetector
from sklearn_seqae.anomaly.calibration import blocks, folds, p_values, threshold

SCORES = np.random.RandomState(0).normal(size=999)


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.05, 0.1, 0.5])
def test_an_alarm_is_a_small_p_value(rate):
    offset = threshold(SCORES, rate)
    new = np.concatenate([SCORES, SCORES - 1e-3, [-9.0, 9.0]])
    alarms = p_values(new, np.sort(SCORES)) <= rate
    np.testing.assert_array_equal(alarms, new < offset)


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.1])
def test_the_rate_holds_for_scores_of_the_same_kind(rate):
    rng = np.random.RandomState(1)
    found = [
        np.mean(rng.normal(size=200) < threshold(rng.normal(size=200), rate))
        for _ in range(300)
    ]
    assert np.mean(found) == pytest.approx(rate, rel=0.2)


@pytest.mark.parametrize(("n", "warned"), [(98, True), (99, False)])
def test_too_few_scores_for_the_rate_are_told(n, warned, recwarn):
    scores = SCORES[:n]
    assert threshold(scores, 0.01) == scores.min()
    assert [str(w.message)[:31] for w in recwarn] == (
        ["A false-alarm rate of 0.01 needs"[:31]] if warned else []
    )


def test_p_values_are_uniform_for_scores_of_the_same_kind():
    p = p_values(np.random.RandomState(1).normal(size=5000), np.sort(SCORES))
    assert 0 < p.min() and p.max() <= 1
    for share in (0.1, 0.5, 0.9):
        assert np.mean(p <= share) == pytest.approx(share, abs=0.04)


def test_folds_hold_out_each_row_once():
    held_out = [rows for _, rows in folds(23)]
    np.testing.assert_array_equal(np.sort(np.concatenate(held_out)), np.arange(23))
    assert not list(folds(9))


@pytest.mark.parametrize("n", [9, 19, 500])
def test_scores_that_count_as_fewer_allow_no_lower_p_value(n):
    scores = np.sort(SCORES)
    p = p_values(np.array([-9.0, 0.0, 9.0]), scores, n)
    assert p[0] == 1 / (n + 1) and p[2] == 1
    assert p[1] == pytest.approx(p_values(np.zeros(1), scores)[0], abs=1 / n)
    new = np.concatenate([SCORES, SCORES - 1e-3])
    alarms = p_values(new, scores, n) <= 0.1
    np.testing.assert_array_equal(alarms, new < threshold(SCORES, 0.1, n))
    assert threshold(SCORES, 0.1, n) <= threshold(SCORES, 0.1)


def test_neighbours_that_share_windows_do_not_make_the_threshold_surer(recwarn):
    rng = np.random.RandomState(0)

    def smooth():  # 1000 steps, but of 20 windows only
        return np.convolve(rng.normal(size=1049), np.ones(50), mode="valid")

    def found(n):
        pairs = [(smooth(), threshold(smooth(), 0.05, n)) for _ in range(300)]
        return np.mean([np.mean(new < offset) for new, offset in pairs])

    assert found(20) < 0.05 < found(None)
    threshold(smooth(), 0.01, 20)
    (warned,) = recwarn
    assert "at least 99 training windows that do not overlap" in str(warned.message)
    assert "Got 20" in str(warned.message)


@pytest.mark.parametrize(
    "lengths", [[1000], [90, 400, 20], [60] * 12, [20] * 12, [1000, 20, 20, 700]]
)
def test_blocks_hold_out_each_step_once_and_pieces_of_some_windows(lengths):
    found = blocks(lengths, 20)
    assert 2 <= len(found) <= 5
    pieces = [piece for block in found for piece in block]
    for number, length in enumerate(lengths):
        steps = [np.arange(length)[at] for i, at in pieces if i == number]
        np.testing.assert_array_equal(np.concatenate(steps), np.arange(length))
        assert len(steps) == 1 or min(map(len, steps)) >= 60
    sizes = [sum(at.stop - at.start for _, at in block) for block in found]
    assert max(sizes) < 0.7 * sum(lengths)


def test_with_few_windows_there_are_no_blocks():
    assert blocks([70], 20) == []
    assert blocks([20] * 9, 20) == []
    assert blocks([200], 20, step=20) and not blocks([199], 20, step=20)


@pytest.mark.parametrize("rate", [0.02, 0.1])
def test_unseen_normal_rows_are_flagged_at_the_rate(rate):
    rng = np.random.RandomState(0)
    mixing = rng.normal(size=(3, 6))

    def rows(n):
        return rng.normal(size=(n, 3)) @ mixing + 0.3 * rng.normal(size=(n, 6))

    found = []
    for _ in range(5):
        detector = AutoencoderAnomalyDetector(PCA(3), false_alarm_rate=rate)
        detector.fit(rows(200))
        new = rows(1000)
        found.append(np.mean(detector.predict(new) == -1))
        np.testing.assert_array_equal(
            detector.p_values(new) <= rate, detector.predict(new) == -1
        )
    assert np.mean(found) == pytest.approx(rate, rel=0.4)


def test_rows_are_calibrated_by_models_that_have_not_seen_them(wine):
    options = {"score_method": "reconstruction", "false_alarm_rate": 0.1}
    auto = AutoencoderAnomalyDetector(PCA(9), **options).fit(wine)
    seen = AutoencoderAnomalyDetector(PCA(9), **options, contamination=0.1).fit(wine)
    assert auto.offset_ < seen.offset_
    np.testing.assert_array_equal(auto.score_samples(wine), seen.score_samples(wine))
    expected = np.empty(len(wine))
    split = KFold(5, shuffle=True, random_state=0).split(wine)
    for others, rows in split:
        pca = PCA(9).fit(wine[others])
        left = wine[rows] - pca.inverse_transform(pca.transform(wine[rows]))
        expected[rows] = -np.square(left).mean(axis=1)
    variance = np.var(wine, axis=0).mean()  # the unit of the score
    np.testing.assert_allclose(auto.calibration_scores_, np.sort(expected) / variance)


def test_few_rows_are_warned_about_in_fit(wine):
    detector = AutoencoderAnomalyDetector(PCA(2))
    with pytest.warns(UserWarning, match="at least 99 training samples.*Got 60"):
        detector.fit(wine[:60])
    assert detector.offset_ == detector.calibration_scores_[0]
