"""The threshold, and what is promised of it."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import beta, binomtest, genpareto, norm, t
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import KFold

from sklearn_seqae import AutoencoderAnomalyDetector
from sklearn_seqae.anomaly._tail import Tail
from sklearn_seqae.anomaly.calibration import Conformal, blocks, folds

SCORES = np.sort(np.random.RandomState(0).normal(size=999))


def threshold(scores, rate):
    return Conformal(np.sort(scores)).threshold(rate)


def of_windows(scores, n_independent):
    return Tail.fit(np.sort(scores), n_independent)


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.05, 0.1, 0.5])
def test_an_alarm_is_a_small_p_value(rate):
    offset = threshold(SCORES, rate)
    new = np.concatenate([SCORES, SCORES - 1e-3, [-9.0, 9.0]])
    alarms = Conformal(SCORES).p_values(new) <= rate
    np.testing.assert_array_equal(alarms, new < offset)


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.1])
def test_the_rate_holds_for_scores_of_the_same_kind(rate):
    rng = np.random.RandomState(1)
    found = [
        np.mean(rng.normal(size=200) < threshold(rng.normal(size=200), rate))
        for _ in range(300)
    ]
    assert np.mean(found) == pytest.approx(rate, rel=0.2)


def test_p_values_are_uniform_for_scores_of_the_same_kind():
    p = Conformal(SCORES).p_values(np.random.RandomState(1).normal(size=5000))
    assert 0 < p.min() and p.max() <= 1
    for share in (0.1, 0.5, 0.9):
        assert np.mean(p <= share) == pytest.approx(share, abs=0.04)


def test_folds_hold_out_each_row_once():
    held_out = [rows for _, rows in folds(23)]
    np.testing.assert_array_equal(np.sort(np.concatenate(held_out)), np.arange(23))
    assert not list(folds(9))


def test_the_interval_of_the_rate_holds_the_true_rate_in_90_percent():
    rng, found = np.random.RandomState(0), []
    for _ in range(400):
        known = Conformal(np.sort(rng.normal(size=150)))
        low, high = known.interval(0.04)
        found.append(low < norm.cdf(known.threshold(0.04)) < high)
    assert np.mean(found) == pytest.approx(0.9, abs=0.05)


TAILS = {
    "normal": -np.abs(SCORES),
    "exponential": -np.random.RandomState(0).exponential(size=2000),
    "heavy": -(np.random.RandomState(0).standard_t(3, size=2000) ** 2),
    "bounded": np.random.RandomState(0).uniform(size=2000),
    "large": 1e30 * SCORES,
    "few": SCORES[::200],
    "ties": np.round(SCORES),
}


@pytest.mark.parametrize("rate", [5e-324, 0.001, 0.01, 0.19, 0.2, 0.21, 0.5, 0.999])
@pytest.mark.parametrize("n", [1, 10, 300])
@pytest.mark.parametrize("name", TAILS)
def test_an_alarm_of_a_series_is_a_small_p_value(name, n, rate):
    tail = of_windows(TAILS[name], n)
    offset = tail.threshold(rate)
    below, above = np.nextafter(offset, [-np.inf, np.inf])
    new = np.concatenate([TAILS[name], [below, offset, above]])
    np.testing.assert_array_equal(tail.p_values(new) <= rate, new < offset)


@pytest.mark.parametrize("name", TAILS)
def test_p_values_of_a_series_rise_with_the_score(name):
    tail = of_windows(TAILS[name], 50)
    scores = np.sort(TAILS[name])
    width = scores[-1] - scores[0]
    new = np.linspace(scores[0] - 2 * width, scores[-1] + width, 5000)
    p = tail.p_values(new)
    assert (np.diff(p) >= 0).all() and 0 <= p[0] < 0.01 and p[-1] == 1
    assert np.isnan(tail.p_values(np.array([np.nan]))).all()


@pytest.mark.parametrize(("rate", "most"), [(0.05, 1.5), (0.01, 1.5), (0.001, 2)])
def test_rare_rates_of_an_exponential_tail_are_extrapolated(rate, most):
    rng, found, covered = np.random.RandomState(0), [], []
    for _ in range(100):
        tail = of_windows(-rng.exponential(size=300), 150)  # two scores per window
        low, high = tail.interval(rate)
        found.append(np.exp(tail.threshold(rate)))
        covered.append(low < found[-1] < high)
    assert 1 / most < np.mean(found) / rate < most
    assert 0.8 < np.mean(covered)


def test_the_interval_is_narrower_with_more_windows():
    widths = []
    for n in (10, 100, 1000):
        low, high = of_windows(SCORES, n).interval(0.01)
        assert 0 < low < 0.01 < high < 1
        widths.append(high / low)
    assert widths == sorted(widths, reverse=True) and widths[-1] < 2


@pytest.mark.parametrize("n", [300, 1000])
def test_inside_the_tail_of_independent_scores_the_interval_is_binomial(n):
    scores = np.sort(np.random.RandomState(0).normal(size=n))
    tail = Tail.fit(scores, n, per_window=1)
    low, high = tail.interval(tail.share)
    expected = binomtest(round(tail.share * n), n).proportion_ci(0.9)
    assert low == pytest.approx(expected.low, rel=0.2)
    assert high == pytest.approx(expected.high, rel=0.2)


def of_pareto(shape, n=400, n_independent=40):
    """A tail of 100 of 400 scores, whose excesses below 2 have a scale of 3."""
    scores = np.r_[2 - genpareto.isf(np.arange(1, 101) / 101, shape, scale=3), 2:9:300j]
    return Tail(np.sort(scores), n_independent, 24.0, 2.0, 0.25, shape, np.log(3))


@pytest.mark.parametrize("shape", [-0.3, -1e-3, 0.0, 0.2])
def test_p_values_in_the_tail_are_those_of_a_predictive_pareto_distribution(shape):
    tail = of_pareto(shape)
    scores = np.r_[-6:1.9:20j]
    p = tail.p_values(scores)
    # One more score at or below each, as in conformal p-values; shape + 1 / n.
    of_tail = genpareto.sf(2 - scores, shape + 1 / 24, scale=3)
    np.testing.assert_allclose(p, of_tail * (1 + 40 * 0.25) / 41)
    above = tail.scores[150::50]
    n_below = np.searchsorted(tail.scores, above, side="right")
    np.testing.assert_allclose(tail.p_values(above), (1 + 40 * n_below / 400) / 41)


@pytest.mark.parametrize("shape", [-0.15, 0.0, 0.2])
@pytest.mark.parametrize("rate", [0.01, 0.1])
def test_the_interval_in_the_tail_follows_from_the_information(shape, rate):
    tail = of_pareto(shape)
    score = tail.threshold(rate)

    def log_rate(parameters):
        return np.log(
            genpareto.sf(2 - score, parameters[0], scale=np.exp(parameters[1]))
        )

    center = 0.25 * np.exp(log_rate([shape, np.log(3)]))
    u = (np.arange(4000) + 0.5) / 4000  # mean over the distribution of the excesses
    excesses = genpareto.isf(u, shape, scale=3)

    def log_densities(parameters):
        return genpareto.logpdf(excesses, parameters[0], scale=np.exp(parameters[1]))

    steps, at = 1e-4 * np.eye(2), np.array([shape, np.log(3)])
    slopes = [(log_densities(at + h) - log_densities(at - h)) / 2e-4 for h in steps]
    information = 24 * np.cov(slopes, bias=True) + np.diag([0.1**-2, 0])
    gradient = np.array([log_rate(at + h) - log_rate(at - h) for h in steps]) / 2e-4
    variance = gradient @ np.linalg.solve(information, gradient)
    variance += (1 - 0.25) / (0.25 * 40)  # of the share, from 40 windows
    factor = np.exp(t.ppf(0.95, 24) * np.sqrt(variance))
    expected = center / factor, min(center * factor, 1)
    assert tail.interval(rate) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("name", ["normal", "exponential", "heavy", "bounded"])
@pytest.mark.parametrize("n_windows", [20, 500])
def test_shape_and_scale_are_the_most_likely_ones(name, n_windows):
    scores = np.sort(TAILS[name])
    tail = Tail.fit(scores, n_windows, per_window=2)
    n_tail = int(0.2 * len(scores))
    assert tail.start == scores[n_tail] and tail.share == n_tail / len(scores)
    assert tail.n_effective == pytest.approx(0.4 * n_windows)

    def loss(shape, log_scale):
        excesses = tail.start - scores[:n_tail]
        logs = genpareto.logpdf(excesses, shape, scale=np.exp(log_scale))
        return -tail.n_effective * logs.mean() + (shape / 0.1) ** 2 / 2

    least = loss(tail.shape, tail.log_scale)
    for step in ([0.02, 0], [-0.02, 0], [0, 0.02], [0, -0.02]):
        assert loss(*(np.array([tail.shape, tail.log_scale]) + step)) > least


@pytest.mark.parametrize(("n", "rate"), [(9, 0.1), (99, 0.05), (150, 0.3), (5, 0.01)])
def test_the_interval_of_samples_is_that_of_an_order_statistic(n, rate):
    known = Conformal(np.arange(n))
    k = max(1, int(rate * (n + 1)))
    assert known.threshold(rate) == k - 1
    assert known.interval(rate) == pytest.approx(beta.interval(0.9, k, n + 1 - k))


def test_no_interval_goes_beyond_1():
    low, high = of_windows(SCORES, 5).interval(0.9)
    assert low < 0.9 < high <= 1


@pytest.mark.parametrize("shape", [1e-3, -1e-3])
def test_an_exponential_tail_is_the_limit_of_others(shape):
    tail = of_windows(TAILS["exponential"], 50)
    limit, near = (replace(tail, shape=each) for each in (0.0, shape))
    assert limit.threshold(1e-3) == pytest.approx(near.threshold(1e-3), rel=0.01)
    assert limit.interval(1e-3) == pytest.approx(near.interval(1e-3), rel=0.02)


def test_a_rate_beyond_the_data_is_warned_about():
    series = np.sin(np.arange(600) / 5)[:, None] + 0.1 * SCORES[:600, None]
    detector = AutoencoderAnomalyDetector(PCA(2), window_size=20, false_alarm_rate=0.1)
    detector.fit(series)
    expected = "A false-alarm rate of 0.01 needs at least 99 training windows that do"
    with pytest.warns(UserWarning, match=expected) as warned:
        detector.set_false_alarm_rate(0.01)
    low, high = detector.false_alarm_rate_interval_
    text = str(warned[0].message)
    assert f"between {low:.2g} and {high:.2g}" in text and "Got 2" in text


@pytest.mark.parametrize("options", [{}, {"window_size": 6, "step": 2}])
@pytest.mark.filterwarnings("ignore:A false-alarm rate of")
def test_another_rate_is_that_of_a_new_fit(wine, options):
    detector = AutoencoderAnomalyDetector(PCA(2), **options).fit(wine)
    for rate in (0.3, 0.05, 0.001):
        assert detector.set_false_alarm_rate(rate) is detector
        fitted = clone(detector).fit(wine)
        assert fitted.false_alarm_rate == rate
        for name in ("offset_", "false_alarm_rate_interval_"):
            assert getattr(detector, name) == getattr(fitted, name)
        alarms = detector.predict(wine) == -1
        np.testing.assert_array_equal(detector.p_values(wine) <= rate, alarms)


@pytest.mark.parametrize("rate", [0, 1, -0.1, "auto"])
def test_invalid_rates_raise(wine, rate):
    detector = AutoencoderAnomalyDetector(PCA(2), false_alarm_rate=0.1).fit(wine)
    with pytest.raises((ValueError, TypeError), match="rate"):
        detector.set_false_alarm_rate(rate)
    with pytest.raises((ValueError, TypeError), match="alpha"):
        detector.select(wine, alpha=rate)


def test_calibration_that_is_not_of_normal_samples_raises(wine):
    detector = AutoencoderAnomalyDetector(PCA(2), contamination=0.1).fit(wine)
    assert detector.false_alarm_rate_interval_ is None
    for call in (
        lambda: detector.set_false_alarm_rate(0.1),
        lambda: detector.select(wine),
    ):
        with pytest.raises(ValueError, match="contamination='auto'"):
            call()
    series = AutoencoderAnomalyDetector(PCA(2), window_size=5, false_alarm_rate=0.2)
    with pytest.raises(ValueError, match="Use detect_intervals"):
        series.fit(wine).select(wine)


@pytest.mark.parametrize("alpha", [0.1, 0.3])
def test_selected_samples_keep_the_false_discovery_rate(alpha):
    rng = np.random.RandomState(0)
    found, power = [], []
    for _ in range(30):
        detector = AutoencoderAnomalyDetector(
            PCA(1), score_method="reconstruction", false_alarm_rate=0.1
        ).fit(rng.normal(size=(300, 3)))
        X = rng.normal(size=(220, 3))
        X[200:] *= 4
        selected = detector.select(X, alpha=alpha)
        assert selected.shape == (220,) and selected.dtype == bool
        found.append(selected[:200].sum() / max(selected.sum(), 1))
        power.append(selected[200:].mean())
    standard_error = np.std(found) / np.sqrt(30)
    assert np.mean(found) < alpha + 2 * standard_error
    assert np.mean(power) > 0.3


def test_a_p_value_of_alpha_is_selected(wine):
    detector = AutoencoderAnomalyDetector(PCA(2), false_alarm_rate=0.1).fit(wine)
    row = wine[[detector.p_values(wine).argmin()]]
    p = float(detector.p_values(row)[0])
    assert detector.select(row, alpha=p).all()
    assert not detector.select(row, alpha=np.nextafter(p, 0)).any()


@pytest.mark.parametrize("n", [1, 7])
def test_equal_scores_have_no_tail(n):
    tail = of_windows(np.full(n, 3.0), 1)
    assert (tail.start, tail.share) == (3, 0)
    np.testing.assert_array_equal(tail.p_values(np.array([2.9, 3.0, 4.0])), [0, 1, 1])


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


@pytest.mark.parametrize("lengths", [[1000], [60] * 12, [20] * 12, [20, 900, 35, 80]])
def test_a_block_is_a_fifth_of_the_steps_up_to_whole_pieces(lengths):
    found = blocks(lengths, 20)
    assert len(found) == 5
    fifth = sum(lengths) / 5
    before = np.cumsum([0, *lengths])
    for block, pieces in enumerate(found):
        for number, at in pieces:
            edges = np.array([at.start, at.stop]) + before[number]
            inside = np.clip(edges, block * fifth, (block + 1) * fifth)
            assert np.ptp(inside) >= min(at.stop - at.start, fifth) / 2


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


@pytest.mark.parametrize("n, has_warning", [(38, True), (39, False)])
def test_a_rate_needs_its_inverse_less_one_rows(wine, n, has_warning):
    detector = AutoencoderAnomalyDetector(PCA(2), false_alarm_rate=0.025)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        detector.fit(wine[:n])
    assert any("at least 39 training" in str(w.message) for w in found) == has_warning


def test_few_rows_are_warned_about_in_fit(wine):
    detector = AutoencoderAnomalyDetector(PCA(2))
    with pytest.warns(UserWarning, match="at least 99 training samples.*Got 60"):
        detector.fit(wine[:60])
    assert detector.offset_ == detector.calibration_scores_[0]
