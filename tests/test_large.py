"""Arrays and memory maps that are read in chunks."""

import pickle
import tracemalloc

import numpy as np
import pytest
from scipy import sparse
from sklearn.decomposition import PCA

from sklearn_seqae._sequences import Samples
from sklearn_seqae.fitting import large, trainer
from sklearn_seqae.fitting.large import ScaledRows, scaling_of
from sklearn_seqae.fitting.pca_init import codes_and_residuals
from sklearn_seqae.fitting.scaling import Scaling
from sklearn_seqae.large import rows as large_rows
from sklearn_seqae.large.rows import Rows
from tests.instances import convolutional, dense, recurrent


@pytest.fixture
def read_in_chunks(monkeypatch):
    """X of more than 1000 values is large, and is read in chunks of few rows."""
    monkeypatch.setattr(large_rows, "LARGE", 1000)
    monkeypatch.setattr(large_rows, "CHUNK", 500)
    monkeypatch.setattr(large_rows, "PART", 900)


def mapped(X, folder):
    """Return a read-only memory map of an array."""
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


@pytest.fixture(scope="module")
def images(digits):
    return np.repeat(digits, 3, axis=0)[..., np.newaxis]


CASES = [
    (dense(), "wine"),
    (dense(4, bottleneck="ordered", whiten=True), "wine"),
    (dense(0.8), "wine"),
    (dense(noise="gaussian"), "wine"),
    (dense(init="random", early_stopping=False), "wine"),
    (convolutional(), "images"),
    (recurrent(), "digits"),
    (recurrent(objective="predict", horizon=2), "digits"),
    (recurrent(objective="composite"), "digits"),
]


@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize(("estimator", "data"), CASES, ids=str)
def test_a_memory_map_has_the_bits_of_the_array(
    request, tmp_path, estimator, data, size
):
    X = request.getfixturevalue(data)
    if size == "large":
        request.getfixturevalue("read_in_chunks")
    X_map = mapped(X, tmp_path)
    model = estimator.fit(X_map)
    codes, score = model.transform(X_map), model.score(X_map)
    state = pickle.dumps(model)
    same = estimator.fit(X)
    assert pickle.dumps(same) == state
    np.testing.assert_array_equal(same.transform(X), codes)
    assert same.score(X) == score


@pytest.mark.parametrize(("estimator", "data"), CASES, ids=str)
def test_large_data_is_fitted_like_small_data(request, estimator, data):
    X = request.getfixturevalue(data)
    small = estimator.fit(X).score(X)
    request.getfixturevalue("read_in_chunks")
    assert estimator.fit(X).score(X) == pytest.approx(small, abs=0.02)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("exact", [True, False], ids=["covariance", "iterations"])
@pytest.mark.parametrize("kind", ["table", "sequences", "sparse"])
def test_statistics_and_pca_are_those_of_all_rows(
    monkeypatch, read_in_chunks, weighted, exact, kind
):
    random = np.random.default_rng(0)
    X = random.normal(size=(200, 18)) * 0.8 ** np.arange(18) + 5
    n_steps = 6 if kind == "sequences" else None
    X = X if n_steps is None else X.reshape(-1, 6, 3)
    weight = random.uniform(0.1, 2, size=200) if weighted else None
    options = {"n_steps": n_steps, "centered": True}
    rows = Rows(sparse.csr_array(X) if kind == "sparse" else X)
    samples = Samples(rows, None, None, weight=weight)
    found = scaling_of(samples, **options)
    wanted = Scaling.fit(X, None, weight=weight, **options)
    np.testing.assert_allclose(found.mean, wanted.mean, rtol=1e-12)
    np.testing.assert_allclose(found.center, wanted.center, rtol=1e-12)
    assert found.scale == pytest.approx(wanted.scale, rel=1e-12)

    if not exact:
        monkeypatch.setattr(large, "EXACT_COLUMNS", 0)
    products = large._Products(ScaledRows(rows, found), weight)
    components = products.components(5, seed=0)
    flat = X.reshape(200, -1)
    if weighted:
        centered = flat - found.mean.reshape(-1)
        flat = np.sqrt(weight)[:, None] * centered
        flat = np.vstack([flat, -flat])
    wanted = PCA(5, svd_solver="full").fit(flat).components_
    cosines = np.abs((components * wanted).sum(axis=1))
    np.testing.assert_allclose(cosines, 1, atol=1e-6)
    np.testing.assert_allclose(components @ components.T, np.eye(5), atol=1e-10)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"noise": "gaussian"},
        {"noise": "masking"},
        {"loss": "binary_cross_entropy"},
        {"objective": "predict"},
        {"objective": "composite"},
    ],
    ids=str,
)
def test_the_start_is_that_of_small_data(request, digits, options):
    family = recurrent if "objective" in options else dense
    X = digits if "objective" in options else digits.reshape(len(digits), -1)
    still = {"learning_rate_init": 1e-30, "max_iter": 1, "early_stopping": False}
    model = family(3, **still, **options)
    codes = [model.fit(X).transform(X)]
    rebuilt = [model.inverse_transform(codes[0])]
    request.getfixturevalue("read_in_chunks")
    codes.append(model.fit(X).transform(X))
    rebuilt.append(model.inverse_transform(codes[1]))
    np.testing.assert_allclose(*np.abs(codes), atol=1e-3)
    np.testing.assert_allclose(*rebuilt, atol=1e-3)


@pytest.mark.parametrize(("exact", "n_passes"), [(1024, 1), (5, large.PASSES)])
def test_verbose_prints_the_passes_of_pca(
    read_in_chunks, monkeypatch, capsys, wine, exact, n_passes
):
    monkeypatch.setattr(large, "EXACT_COLUMNS", exact)
    dense(early_stopping=False, verbose=1).fit(wine)
    start = "[DenseAutoencoderTransformer] PCA: pass"
    expected = [
        f"{start} {number} of {n_passes} over {len(wine)} samples"
        for number in range(1, n_passes + 1)
    ]
    lines = capsys.readouterr().out.splitlines()
    assert lines[:n_passes] == expected
    assert not any("PCA" in line for line in lines[n_passes:])
    dense(early_stopping=False).fit(wine)
    assert not capsys.readouterr().out


def test_a_fit_and_a_transform_copy_no_more_than_parts_of_x(tmp_path, monkeypatch):
    monkeypatch.setattr(large_rows, "LARGE", 2**18)
    monkeypatch.setattr(large_rows, "CHUNK", 2**16)
    monkeypatch.setattr(large, "POOL", 2**16)
    X = np.random.default_rng(0).normal(size=(2**16, 128)).astype(np.float32)
    X_map = mapped(X, tmp_path)
    dense(2, max_iter=1).fit(X_map[:1000]).transform(X_map[:1000])  # imports
    tracemalloc.start()
    try:
        model = dense(2, max_iter=1).fit(X_map)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        model.transform(X_map)
        peak_of_transform = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert max(peak, peak_of_transform) < X.nbytes / 2


@pytest.mark.parametrize("most", [60, 10_000])
def test_no_more_codes_of_large_data_are_kept_than_memory_holds(
    read_in_chunks, monkeypatch, wine, most
):
    n_codes = []

    def spied(*arguments):
        codes, residuals = codes_and_residuals(*arguments)
        n_codes.append(len(codes))
        return codes, residuals

    monkeypatch.setattr(trainer, "codes_and_residuals", spied)
    model = dense(early_stopping=False, max_iter=3)
    monkeypatch.setattr(large, "CODES", most * model.n_components)
    weight = np.where(np.arange(len(wine)) % 2, 1.0, 2.0)
    model.fit(wine, sample_weight=weight)
    assert n_codes == [min(most, len(wine))]
    # The range of the inputs is that of all rows, not of the sample.
    scaled = model.model_.scaling.apply(wine, None)
    encoder = model.model_.module.encoder
    np.testing.assert_allclose(encoder.low, scaled.min(axis=0), rtol=1e-6)
    np.testing.assert_allclose(encoder.high, scaled.max(axis=0), rtol=1e-6)


def test_so_many_nearest_points_are_computed_at_once_as_memory_holds(monkeypatch, wine):
    scaling = Scaling.fit(wine, None, n_steps=None, centered=True)
    rows = Samples(ScaledRows(Rows(wine), scaling), None, None)
    derivatives = 3 * wine.shape[1]  # of a row with three components
    for n_rows, most, expected in [(10.5, 512, 10), (10, 4, 4), (0.1, 512, 1)]:
        monkeypatch.setattr(large, "DERIVATIVES", int(n_rows * derivatives))
        assert large.evaluation_rows(rows, 3, most) == expected
    assert large.evaluation_rows(Samples(wine, None, None), 3, 512) == 512


def test_missing_values_of_large_arrays_are_read(read_in_chunks, wine):
    gappy = wine.copy()
    gappy[::3, 2] = np.nan
    model = dense().fit(gappy)
    assert model.model_.imputer is not None
    assert model.score(gappy) > 0.3


def test_a_value_that_is_too_large_is_named(read_in_chunks, wine):
    spoiled = wine.copy()
    spoiled[5, 3] = 1e30
    weight = np.ones(len(wine))
    weight[5] = 1e-40
    with pytest.raises(ValueError, match="Column 3 of X holds 1e.30"):
        dense(early_stopping=False).fit(spoiled, sample_weight=weight)


def test_constant_columns_and_constant_rows(read_in_chunks, wine):
    wine = wine.copy()
    wine[:, 4] = 7.0
    model = dense().fit(wine)
    np.testing.assert_array_equal(model.mean_[4], 7.0)
    constant = np.full((90, 13), 2.5)
    model = dense().fit(constant)
    np.testing.assert_allclose(model.reconstruct(constant), constant)
