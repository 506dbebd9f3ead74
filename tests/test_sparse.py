"""Sparse matrices and arrays: the results of the array of their values."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA, FastICA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, OneHotEncoder, StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.fixes import parse_version

from sklearn_seqae.anomaly.scoring import MahalanobisOfCode, Reconstruction
from sklearn_seqae.large import rows as large_rows
from sklearn_seqae.large.rows import Rows
from sklearn_seqae.large.sparse import read_sparse
from sklearn_seqae.training.checkpoints import digest_of
from tests.instances import classifier, convolutional, dense, detector, recurrent

has_tags = pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.7"),
    reason="the tags of scikit-learn 1.6 do not contain who reads sparse data",
)
FORMATS = {
    "csr_array": sparse.csr_array,
    "csc_matrix": sparse.csc_matrix,
    "coo_array": sparse.coo_array,
    "lil_matrix": sparse.lil_matrix,
    "int": lambda X: sparse.csr_array(X).astype(np.int64),
    "float32": lambda X: sparse.csr_array(X, dtype=np.float32),
}


@pytest.fixture(scope="module")
def counts():
    """(120, 30) counts, most of them 0."""
    random = np.random.default_rng(0)
    topics = random.dirichlet(np.full(30, 0.1), size=4)
    of_row = topics[random.integers(4, size=120)]
    return np.stack([random.multinomial(12, each) for each in of_row]).astype(float)


@pytest.fixture
def read_in_chunks(monkeypatch):
    """Arrays and sparse matrices of this module are large, in chunks of few rows."""
    monkeypatch.setattr(large_rows, "LARGE", 100)
    monkeypatch.setattr(large_rows, "CHUNK", 400)
    monkeypatch.setattr(large_rows, "PART", 700)


@pytest.fixture(params=["small", "large"])
def size(request):
    """Whether X is converted to an array, or read in chunks."""
    if request.param == "large":
        request.getfixturevalue("read_in_chunks")
    return request.param


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_has_the_results_of_the_array(counts, size, kind):
    X = FORMATS[kind](counts)
    array = counts.astype(np.float32) if kind == "float32" else counts
    model, same = dense().fit(X), dense().fit(array)
    codes = model.transform(X)
    assert codes.dtype == array.dtype
    np.testing.assert_array_equal(codes, same.transform(array))
    np.testing.assert_array_equal(model.transform(array), codes)
    np.testing.assert_array_equal(model.reconstruct(X), same.reconstruct(array))
    assert model.score(X) == same.score(array)
    np.testing.assert_array_equal(model.impute(X), array)


@pytest.mark.parametrize(
    "options",
    [
        {"bottleneck": "ordered"},
        {"n_components": 0.5, "whiten": True},
        {"noise": "masking"},
        {"loss": "absolute_error", "early_stopping": False},
        {"init": "random"},
        {"bottleneck": "variational"},
        {"warm_start": True},
    ],
    ids=str,
)
def test_every_option_reads_large_sparse_rows(counts, read_in_chunks, options):
    X = sparse.csr_array(counts)
    model, same = dense(**options), dense(**options)
    for _ in range(2):
        model.fit(X)
        same.fit(counts)
    np.testing.assert_array_equal(model.transform(X), same.transform(counts))


def test_sample_weights_and_rows_of_weight_0(counts, size):
    weight = np.arange(120) % 3
    X, array = sparse.csr_array(counts), counts
    model, same = dense(), dense()
    model.fit(X, sample_weight=weight)
    same.fit(array, sample_weight=weight)
    np.testing.assert_array_equal(model.transform(X), same.transform(array))


def test_entries_that_occur_twice_are_added(counts, read_in_chunks):
    twice = sparse.coo_array(counts / 2)
    place = np.tile(twice.row, 2), np.tile(twice.col, 2)
    X = sparse.coo_array((np.tile(twice.data, 2), place), shape=counts.shape)
    np.testing.assert_array_equal(read_sparse(X, name="A").values[:], counts)


def test_a_sparse_matrix_is_not_changed(counts, read_in_chunks):
    X = sparse.csr_array(counts)
    before = X.copy()
    dense().fit(X).transform(X)
    assert (X != before).nnz == 0 and X.dtype == before.dtype


def test_missing_values_are_read_if_the_matrix_is_small(counts):
    gappy = counts.copy()
    gappy[gappy == 1] = np.nan
    model = dense().fit(sparse.csr_array(gappy))
    codes = model.transform(sparse.csr_array(gappy))
    np.testing.assert_array_equal(codes, dense().fit(gappy).transform(gappy))


def test_missing_values_of_a_large_matrix_are_refused(counts, read_in_chunks):
    gappy = sparse.csr_array(counts)
    gappy.data[3] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN.*Impute them first"):
        dense().fit(gappy)
    model = dense().fit(counts)
    with pytest.raises(ValueError, match="Input X contains NaN.*Impute them first"):
        model.transform(gappy)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda X: X * np.inf, "contains infinity"),
        (lambda X: X.astype(complex), "Complex data not supported"),
        (lambda X: X[:, :29], "X has 29 features, but .* is expecting 30 features"),
        (lambda X: X[:0], "Found array with 0 sample"),
    ],
)
def test_what_is_refused_names_the_input(counts, size, change, words):
    model = dense().fit(counts)
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=words):
        model.transform(change(sparse.csr_array(counts)))


def test_a_value_that_is_too_large_is_named(counts, read_in_chunks):
    counts = counts.copy()
    counts[3, 7] = 1e30
    X = sparse.csr_array(counts)
    with pytest.raises(ValueError, match="Column 7 of X holds 1e.30"):
        dense(early_stopping=False).fit(
            X, sample_weight=np.where(np.arange(120) == 3, 1e-40, 1)
        )


def test_a_target_needs_a_matrix_that_fits_in_memory(counts, read_in_chunks):
    with pytest.raises(ValueError, match="With a target, sparse X may have at most"):
        dense().fit(sparse.csr_array(counts), target=counts)


@pytest.mark.parametrize(
    "estimator",
    [
        recurrent(),
        convolutional(),
        detector(recurrent()),
        detector(FastICA(2)),
        detector(PCA(2), window_size=4),
        classifier(dense()),
    ],
    ids=lambda each: " ".join(str(each).split()),
)
def test_others_refuse_sparse_data_and_their_tags_say_so(estimator, counts):
    assert not get_tags(estimator).input_tags.sparse
    with pytest.raises(TypeError, match="Sparse data was passed for X"):
        clone(estimator).fit(sparse.csr_array(counts), np.arange(len(counts)) % 2)


@pytest.mark.parametrize(
    "estimator",
    [
        None,
        dense(),
        FrozenEstimator(dense()),
        pytest.param(make_pipeline(MaxAbsScaler(), dense()), marks=has_tags),
    ],
    ids=["None", "dense", "frozen", "pipeline"],
)
def test_the_tag_of_a_detector_is_that_of_its_estimator(estimator):
    assert get_tags(detector(estimator)).input_tags.sparse


def test_latent_codes_are_not_sparse(counts):
    model = dense().fit(counts)
    with pytest.raises(TypeError, match="Sparse data was passed for X"):
        model.inverse_transform(sparse.csr_array(model.transform(counts)))


def test_checkpoints_of_other_rows_have_other_names(counts):
    rows = [Rows(sparse.csr_array(counts[some])) for some in ([0, 1], [1, 0], [0, 1])]
    first, second, third = map(digest_of, rows)
    assert first == third != second


def test_text_and_categories_in_pipelines():
    words = ["red blue", "green red", "blue", "green green red", "white", "red"] * 20
    X = pd.DataFrame({"color": [text.split()[0] for text in words], "words": words})
    columns = make_column_transformer(
        (OneHotEncoder(), ["color"]), (TfidfVectorizer(), "words"), sparse_threshold=1
    )
    assert sparse.issparse(columns.fit_transform(X))
    model = make_pipeline(columns, dense(2, early_stopping=False))
    scores = cross_val_score(model, X, cv=3, error_score="raise")
    assert (scores > 0.5).all()


# Detectors


@pytest.mark.parametrize(
    "estimator",
    [
        None,
        dense(3),
        pytest.param(TruncatedSVD(3, random_state=0), marks=has_tags),
    ],
)
@pytest.mark.parametrize("method", ["auto", "nearest", "reconstruction"])
def test_a_detector_has_the_results_of_the_array(counts, size, estimator, method):
    X = sparse.csr_array(counts)
    model = detector(estimator, score_method=method, contamination=0.1).fit(X)
    kind = Reconstruction if method == "reconstruction" else MahalanobisOfCode
    assert type(model._model.scorer) is kind  # no dense copy of the rows
    scores = model.score_samples(X)
    np.testing.assert_allclose(model.score_samples(counts), scores, rtol=1e-12)
    assert (model.predict(X) == -1).sum() == 12
    errors = counts - model.estimator_.inverse_transform(
        model.estimator_.transform(counts)
    )
    np.testing.assert_allclose(model.reconstruction_errors(X), errors, atol=1e-6)
    if method == "reconstruction":
        squares = np.square(errors / model._unit).mean(axis=1)
        np.testing.assert_allclose(scores, -squares, rtol=1e-5)
    assert model.feature_scores(X).shape == counts.shape
    causes = model.explain(X)
    assert set(causes["row"]) == set(np.flatnonzero(model.predict(X) == -1))


def test_a_detector_calibrates_its_false_alarm_rate_on_large_sparse_rows(
    counts, read_in_chunks
):
    model = detector(dense(3), false_alarm_rate=0.1).fit(sparse.csr_array(counts))
    assert 0.02 < (model.predict(counts) == -1).mean() < 0.2


def test_a_scaler_inside_a_detector_needs_a_matrix_that_fits_in_memory(
    counts, monkeypatch
):
    X = sparse.csr_array(counts)
    small = detector(dense(), scaler="standard", contamination=0.1).fit(X)
    assert isinstance(small.scaler_, StandardScaler)
    monkeypatch.setattr(large_rows, "LARGE", 100)
    with pytest.raises(ValueError, match="MaxAbsScaler"):
        clone(small).fit(X)
