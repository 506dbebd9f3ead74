"""The distances that scores are made of."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import cdist
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.neighbors import LocalOutlierFactor

from sklearn_seqae import AutoencoderAnomalyDetector
from sklearn_seqae.anomaly._covariance import (
    ShrunkCovariance,
    _in_span,
    evenly,
    in_tiles,
    tile_rows,
)
from sklearn_seqae.anomaly.scoring import (
    INSIDE,
    MOST_OF_GROUPS,
    N_NEIGHBORS,
    SCORES,
    Mahalanobis,
    MahalanobisOfCode,
    Nearest,
    Parts,
    Reconstruction,
    are_outlying,
)

EACH = pytest.mark.parametrize("score", [*SCORES.values(), MahalanobisOfCode])


def parts(errors, samples=None, codes=None):
    """Parts of samples with these errors; the rest is zero where it is not given."""
    zeros = np.zeros_like(errors)
    return Parts(
        zeros if samples is None else samples,
        errors,
        np.square(errors).mean(axis=1),
        zeros if codes is None else codes,
    )


@pytest.fixture
def cloud():
    rng = np.random.RandomState(0)
    errors = rng.normal(size=(300, 3)) @ np.diag([1, 0.2, 3])
    return parts(errors, rng.normal(size=(300, 4)), rng.normal(size=(300, 2)))


@EACH
def test_far_is_stranger_than_near(score, cloud):
    fitted = score().fit(cloud)
    far = Parts(cloud.samples * 9, cloud.errors * 9, cloud.mean_squares * 81, None)
    far = Parts(far.samples, far.errors, far.mean_squares, cloud.codes * 9)
    assert np.median(fitted.distances(far)) > fitted.distances(cloud).max()


@EACH
def test_a_distance_does_not_depend_on_the_rows_beside_it(score, cloud):
    fitted = score().fit(cloud)
    together = fitted.distances(cloud)
    for rows in ([3], [250, 3, 17], np.arange(299, -1, -1)):
        np.testing.assert_array_equal(
            fitted.distances(cloud.take(rows)), together[rows]
        )


@EACH
def test_samples_that_are_all_the_same_are_equally_strange(score):
    same = parts(np.full((10, 2), 0.5), np.ones((10, 2)), np.ones((10, 1)))
    distances = score().fit(same).distances(same)
    assert np.isfinite(distances).all() and np.ptp(distances) == 0


@EACH
def test_one_sample_can_be_fitted(score):
    one = parts(np.ones((1, 2)))
    assert np.isfinite(score().fit(one).distances(parts(np.zeros((3, 2))))).all()


def test_mahalanobis_sees_an_error_that_is_small_but_unusual_there(cloud):
    errors = np.zeros((2, 3))
    errors[[0, 1], [1, 2]] = 2.0  # ten times the spread of x1, less than that of x2
    both = parts(errors, np.zeros((2, 4)), np.zeros((2, 2)))
    first, second = Mahalanobis().fit(cloud).distances(both)
    assert first > 3 * second
    first, second = Reconstruction().fit(cloud).distances(both)
    assert first == second


def test_a_trimmed_covariance_is_not_widened_by_anomalies(cloud):
    rows = np.arange(60)
    spoilt = Parts(*(np.copy(each) for each in vars(cloud).values()))
    spoilt.errors[rows] += [0, 15, 0]
    trimmed = Mahalanobis().fit(spoilt).distances(spoilt)
    plain = Mahalanobis(core=1).fit(spoilt).distances(spoilt)

    def gap(distances):
        return np.median(distances[:60]) / np.median(distances[60:])

    assert gap(trimmed) > 2 * gap(plain)


@pytest.mark.parametrize(("core", "n_rounds"), [(0.6, 3), (0.9, 3), (1, 1)])
def test_the_covariance_is_that_of_the_most_central_samples(core, n_rounds, cloud):
    joint = np.hstack([cloud.samples, cloud.errors])
    joint[:40] *= 3
    rows = np.arange(300)
    for _ in range(n_rounds):
        away = LedoitWolf().fit(joint[rows]).mahalanobis(joint)
        rows = np.argsort(away)[: round(core * 300)]
    both = parts(joint[:, 4:], joint[:, :4])
    found = Mahalanobis(core).fit(both).distances(both)
    np.testing.assert_allclose(found, np.sqrt(away))


@pytest.mark.parametrize("unit", [1e-4, 1.0, 1e4])
def test_code_and_error_count_in_units_of_their_training_means(cloud, unit):
    errors = unit * cloud.errors
    both = parts(errors, codes=unit * cloud.codes)
    fitted = MahalanobisOfCode().fit(both)
    assert fitted.distances(both).mean() == pytest.approx(2, abs=0.05)
    without = parts(0 * errors, codes=both.codes)
    assert fitted.distances(without).mean() == pytest.approx(1, abs=0.05)


def test_a_training_sample_is_no_neighbour_of_itself(cloud):
    fitted = Nearest().fit(cloud)
    lof = LocalOutlierFactor(N_NEIGHBORS).fit(
        np.hstack([cloud.samples, cloud.errors / 2])
    )
    expected = lof._distances_fit_X_.mean(axis=1)
    np.testing.assert_allclose(fitted.spreads[0], expected)
    assert (fitted.distances(cloud) > 0).all()


def test_the_distance_counts_in_units_of_the_place():
    rng = np.random.RandomState(0)
    dense, sparse = rng.normal(size=(200, 2)) * 0.1, rng.normal(size=(200, 2)) + 50
    fitted = Nearest().fit(parts(np.zeros((400, 2)), np.vstack([dense, sparse])))
    off = np.array([[0.0, 3.0], [50.0, 53.0]])  # as far from either center
    near_dense, near_sparse = fitted.distances(parts(np.zeros((2, 2)), off))
    assert near_dense > 2 * near_sparse


@pytest.fixture(scope="module")
def group():
    """400 normal samples, and a dense group of 12 anomalies among them."""
    rng = np.random.RandomState(0)
    samples = rng.normal(size=(412, 4)) @ np.diag([3, 2, 1, 0.5])
    samples[400:] = [14, -9, 5, 6] + 0.3 * rng.normal(size=(12, 4))
    return parts(0.1 * rng.normal(size=(412, 4)), samples)


def test_a_group_of_anomalies_is_outlying(group):
    outlying = are_outlying(group)
    assert outlying[400:].all() and outlying[:400].mean() < 0.02
    assert not are_outlying(group.take(np.arange(400))).any()


@pytest.mark.parametrize("noise", [0, 0.02])
@pytest.mark.parametrize(("n_groups", "size"), [(60, 30), (30, 40)])
def test_many_small_groups_of_normal_rows_hide_no_anomalies(n_groups, size, noise):
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(n_groups, 5))

    def draw(n):
        rows = np.repeat(centers, n, axis=0)
        return rows + noise * rng.normal(size=rows.shape)

    detector = AutoencoderAnomalyDetector(PCA(2), random_state=0).fit(draw(size))
    assert (detector.predict(draw(3)) == -1).mean() <= 0.05
    if noise:  # copies have no distance from each other, so that each other row is far
        assert (detector.predict(rng.normal(size=(50, 5))) == -1).all()


def test_a_group_of_anomalies_is_no_neighbour_of_its_members(group):
    fitted = Nearest().fit(group)
    away = fitted.distances(group)
    assert np.median(away[400:]) > np.quantile(away[:400], 0.9)
    fitted.to_group = np.zeros(412)  # neighbors among all samples, of any group
    fitted.spreads = fitted.spreads[:1]
    assert np.median(fitted.distances(group)[400:]) < np.median(away[:400])
    rows = np.arange(400)
    clean = Nearest().fit(group.take(rows))
    assert len(clean.spreads) == 1
    plain = clean.distances(group.take(rows))
    assert np.corrcoef(plain, away[:400])[0, 1] > 0.99


def on_a_line(values):
    rows = np.asarray(values, dtype=float)[:, np.newaxis]
    return parts(0 * rows, rows - rows.mean())


def test_the_distance_to_a_large_group_is_that_at_which_the_own_group_is_large():
    line = on_a_line([*range(100), 110, 110.25, 110.5])
    found = Nearest().fit(line).to_group
    np.testing.assert_allclose(found, [1] * 100 + [11] * 3, rtol=1e-6)
    few = on_a_line([*range(30), 50])  # less than one sample is 3 % of them
    np.testing.assert_array_equal(Nearest().fit(few).to_group, 0)


def test_a_group_with_no_other_neighbours_has_the_distance_to_the_nearest_others():
    group = 2000 + np.arange(25) / 8  # more than the neighbors of a sample
    found = Nearest().fit(on_a_line([*range(1000), *group])).to_group
    np.testing.assert_allclose(found[:1000], 1, rtol=1e-5)
    np.testing.assert_allclose(found[1000:], group - 999, rtol=1e-6)


def distance_to_a_large_group(joint, least):
    """The height of the first single-linkage cluster of a row with `least` rows."""
    members, found = [[row] for row in range(len(joint))], np.full(len(joint), np.nan)
    for one, other, height, _ in linkage(joint, "single"):
        members.append(members[int(one)] + members[int(other)])
        if len(members[-1]) >= least:
            found[members[-1]] = np.fmin(found[members[-1]], height)
    return found


def ordered_distances(row, among):
    """Return the numbers of other rows, the nearest first, and their distances."""
    away = cdist([row], among)[0]
    order = np.argsort(away, kind="stable")
    order = order[away[order] > 1e-9]
    return order, away[order]


def nearest_reference(joint, new, n_usual):
    """The distance of `Nearest` in the joint space, one row after the other."""
    to_group = distance_to_a_large_group(joint, 0.03 * len(joint))
    groups = [joint] if n_usual == len(joint) else [joint, joint[:n_usual]]
    spreads = [
        np.array([ordered_distances(row, group)[1][:5].mean() for row in group])
        for group in groups
    ]
    found = []
    for row in new:
        factors = []
        for group, spread in zip(groups, spreads, strict=True):
            who, away = ordered_distances(row, group)
            around = max(spread[who[:5]].mean(), spread.mean() / 3)
            factors.append(away[:5].mean() / np.sqrt(around))
        who, away = ordered_distances(row, joint)
        to_large = np.maximum(away[:20], to_group[who[:20]]).min()
        ratio = to_large / (0.9 * max(away[:20].mean(), spreads[0].mean() / 3))
        found.append(np.prod(factors) ** (1 / len(groups)) * np.clip(ratio, 1, 2))
    return np.array(found)


@pytest.mark.parametrize("n_outlying", [0, 6])
def test_the_distance_is_relative_to_neighbors_and_groups(n_outlying):
    rng = np.random.default_rng(0)
    rows = rng.uniform(-1, 1, size=(206, 2)) @ np.diag([6, 2]) + 50
    rows[:60] = 50 + 0.02 * rng.normal(size=(60, 2))  # dense: a third of the spread
    rows[200:] = [90, 20] + 0.1 * rng.normal(size=(6, 2))
    rows = rows[: 200 + n_outlying]
    errors = 0.3 * rng.normal(size=rows.shape)
    errors[:60] /= 50
    fitted = Nearest().fit(parts(errors, rows))
    assert np.flatnonzero(~fitted.is_usual).tolist() == list(range(200, len(rows)))
    chosen = np.r_[0:200:9, 200 : len(rows)]
    new = np.vstack([rows[chosen], rng.normal(size=(20, 2)) * 4 + 50, [[90, 20.5]]])
    new_errors = np.vstack([errors[chosen], rng.normal(size=(21, 2))])
    joints = [
        np.hstack([each - rows.mean(axis=0), left / 2]).astype(np.float32)
        for each, left in [(rows, errors), (new, new_errors)]
    ]
    expected = nearest_reference(*joints, 200)
    found = fitted.distances(parts(new_errors, new))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_samples_in_a_small_group_are_far_from_the_large_ones():
    steps = np.arange(1000)
    line = np.column_stack([steps, np.sin(steps)])
    group = np.column_stack([300 + np.arange(20) / 10, np.full(20, 40)])
    rows = np.vstack([line, group])
    fitted = Nearest().fit(parts(0 * rows, rows))
    away = fitted.distances(parts(0 * rows, rows))
    fitted.to_group = np.zeros(len(rows))
    without = fitted.distances(parts(0 * rows, rows))
    np.testing.assert_allclose(away[1000:], MOST_OF_GROUPS * without[1000:])
    np.testing.assert_allclose(away[:1000], without[:1000], rtol=0.2)


def test_a_tight_group_is_at_least_as_wide_as_a_third_of_the_usual_spread():
    group = 999.8 + np.arange(25) / 1e4  # no other neighbors
    line = on_a_line([*range(1000), *group])
    fitted = Nearest().fit(line)
    away = fitted.distances(line)
    fitted.to_group = np.zeros(1025)
    ratios = away / fitted.distances(line)
    least = np.mean([1, 1, 2, 2, 3]) * 1000 / 1025 / 3
    # The group becomes large at the distance of its neighbors from each other.
    np.testing.assert_allclose(ratios[1000:], 1 / (INSIDE * least), rtol=0.01)
    np.testing.assert_allclose(ratios[20:980], 1)


def test_distances_between_equal_samples_are_finite():
    rows = np.repeat(np.eye(2), 100, axis=0)
    fitted = Nearest().fit(parts(0 * rows, rows))
    for each in (rows, rows + 1):
        assert np.isfinite(fitted.distances(parts(0 * each, each))).all()


@pytest.mark.parametrize(
    "rows", [np.zeros((9, 3)), np.repeat(np.eye(3), 8, axis=0), np.ones((1, 3))]
)
def test_equal_samples_are_not_outlying(rows):
    assert not are_outlying(parts(0 * rows, rows)).any()
    most = np.vstack([np.zeros((40, rows.shape[1])), rows + np.eye(len(rows), 3)])
    assert not are_outlying(parts(0 * most, most)).any()


def test_rows_are_spread_evenly_where_there_are_too_many():
    np.testing.assert_array_equal(evenly(4, 9), np.arange(4))
    rows = evenly(1000, 10)
    assert len(set(rows)) == 10 and rows[0] == 0 and rows[-1] == 999


@pytest.mark.parametrize("n_columns", [0, 1, 8192, 8193, 100_000, 2**22, 2**23])
def test_a_tile_has_at_most_512_rows_and_4_million_values(n_columns):
    n = tile_rows(n_columns)
    assert n == max([1, *(k for k in range(513) if k * n_columns <= 2**22)])


def test_tiles_give_what_the_whole_gives():
    rows = np.random.RandomState(0).normal(size=(1300, 3))
    np.testing.assert_array_equal(in_tiles(np.square, rows), np.square(rows))
    assert in_tiles(np.square, rows[:0]).shape == (0, 3)


@pytest.mark.parametrize(("n", "p"), [(60, 20), (20, 50), (10, 11), (5, 300)])
def test_the_covariance_in_the_span_of_few_rows_is_that_of_ledoit_and_wolf(n, p):
    rng = np.random.RandomState(0)
    rows = rng.normal(size=(n, p)) * np.linspace(0.2, 3, p) + 5
    expected, found = LedoitWolf().fit(rows), ShrunkCovariance().fit(rows)
    others = rng.normal(size=(4, p)) * 3
    np.testing.assert_allclose(found.squares(others), expected.mahalanobis(others))
    precision = expected.precision_
    np.testing.assert_allclose(found.precision_diagonal, np.diag(precision))
    np.testing.assert_allclose(
        found.times_precision(others), others @ precision, atol=1e-9
    )
    assert found.vectors.shape[1] <= min(n, p)
    small = ShrunkCovariance().fit(1e-3 * rows)  # it has no unit
    np.testing.assert_allclose(small.squares(1e-3 * others), found.squares(others))


def test_two_rows_have_no_shrinkage():
    rows = np.array([[1.0, 2, 3, 4, 5], [3, 1, 2, 6, 9]])
    assert LedoitWolf().fit(rows).shrinkage_ == 0
    variances, _, rest = _in_span(rows - rows.mean(axis=0))
    np.testing.assert_allclose(variances, np.square(rows[1] - rows[0]).sum() / 4)
    assert rest == 0


@pytest.mark.parametrize("rows", [np.zeros((5, 3)), np.zeros((3, 5)), np.ones((1, 4))])
def test_the_covariance_of_constant_rows_gives_the_plain_distance(rows):
    covariance = ShrunkCovariance().fit(rows)
    others = rows[:1] + np.arange(rows.shape[1])
    np.testing.assert_allclose(
        covariance.squares(others), np.square(others - rows[0]).sum(axis=1)
    )
    np.testing.assert_allclose(covariance.precision_diagonal, 1)
