"""Files of fitted estimators: the same bits everywhere, and no code from a file."""

import json
import os
import sys
import threading
import warnings
import zipfile
from concurrent.futures import ProcessPoolExecutor
from io import BytesIO
from multiprocessing import get_context

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from skorch.callbacks import EpochTimer

import sklearn_seqae
from sklearn_seqae import SequenceScaler, _files, persistence
from sklearn_seqae.anomaly.scoring import MOST_OF_GROUPS
from sklearn_seqae.persistence import TRUSTED_TYPES, load, save
from tests import files_of_formats
from tests.instances import (
    ADMISSIBLE,
    INSTANCES,
    RESTRICTED,
    TAKES_SEQUENCES,
    classifier,
    convolutional,
    dense,
    detector,
    name,
    recurrent,
)
from tests.reading import random_sequences
from tests.test_fitted_state import assert_same, results

skops_io = pytest.importorskip("skops.io")

WINE = load_wine()
X = MinMaxScaler().fit_transform(WINE.data)[::2, :6]
Y = WINE.target[::2]
SEQUENCES = [x / 3 for x in random_sequences([9, 7, 8, 9] * 6, n_channels=2)]
LABELS = np.arange(len(SEQUENCES)) % 2

INSIDE = [
    make_pipeline(StandardScaler(), dense()),
    ColumnTransformer([("few", dense(), [0, 1, 2]), ("rest", PCA(1), [3, 4])]),
    make_pipeline(
        ColumnTransformer([("all", StandardScaler(), slice(0, 6))]),
        detector(dense(1), contamination=0.1),
    ),
    detector(None, window_size=4),
    detector(make_pipeline(StandardScaler(), PCA(2)), window_size=4),
    classifier(FrozenEstimator(dense().fit(X))),
    dense(random_state=np.random.RandomState(3)),
    dense(0.9, bottleneck="ordered"),
]
TABLES = [*INSTANCES, *[each for each, *_ in RESTRICTED], *ADMISSIBLE, *INSIDE]


@pytest.fixture(scope="module")
def other_process():
    """A process that has not fitted anything."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield pool


def results_of_file(path, data):
    return results(load(path), data)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.seqae"


# What is saved


@pytest.mark.parametrize("estimator", TABLES, ids=name)
def test_a_file_has_the_same_bits_in_another_process(estimator, path, other_process):
    model = clone(estimator).fit(X, Y)
    save(model, path)
    assert_same(
        other_process.submit(results_of_file, path, X).result(), results(model, X)
    )


@pytest.mark.parametrize("estimator", TAKES_SEQUENCES, ids=name)
def test_a_file_of_sequences_has_the_same_bits_in_another_process(
    estimator, path, other_process
):
    rows = [(x - np.min(x)) / np.ptp(x) for x in SEQUENCES]
    model = clone(estimator).fit(rows, LABELS)
    save(model, path)
    found = other_process.submit(results_of_file, path, rows).result()
    assert_same(found, results(model, rows))


def test_names_of_columns_are_kept(path):
    import pandas as pd

    frame = pd.DataFrame(X, columns=list("abcdef"))
    save(dense().fit(frame), path)
    loaded = load(path)
    assert loaded.feature_names_in_.tolist() == list("abcdef")
    with pytest.raises(ValueError, match="feature names"):
        loaded.transform(frame[list("fedcba")])
    lines = path.read_bytes().split(b"\n")
    header = json.loads(lines[1])
    assert lines[0] == b"sklearn-seqae model"
    assert header["feature_names_in"] == list("abcdef")
    assert header["n_features_in"] == 6
    assert header["class"] in TRUSTED_TYPES
    assert header["versions"]["sklearn-seqae"] == sklearn_seqae.__version__


@pytest.mark.parametrize(
    ("estimator", "X", "form", "shape"),
    [
        (dense(), X, "table", None),
        (recurrent(), SEQUENCES, "sequences", None),
        (convolutional(), np.resize(X, (40, 6, 5, 2)), "images", [6, 5, 2]),
        (SequenceScaler(), SEQUENCES, "sequences", None),
        (PCA(2), X, None, None),
    ],
)
def test_the_header_says_what_the_estimator_reads(estimator, X, form, shape, path):
    save(estimator.fit(X), path)
    header = json.loads(path.read_bytes().split(b"\n")[1])
    kind = type(estimator)
    assert header["class"] == f"{kind.__module__}.{kind.__name__}"
    assert (header["input_form"], header["input_shape"]) == (form, shape)
    assert header["n_features_in"] == estimator.n_features_in_
    assert header["feature_names_in"] is None


def test_of_a_search_the_best_estimator_is_saved(path):
    search = GridSearchCV(dense(), {"n_components": [1, 3]}, cv=2).fit(X)
    save(search, path)
    loaded = load(path)
    assert type(loaded) is type(search.best_estimator_)
    np.testing.assert_array_equal(loaded.transform(X), search.transform(X))


@pytest.mark.parametrize("estimator", [dense(), GridSearchCV(dense(), {})], ids=name)
def test_an_unfitted_estimator_is_refused(estimator, path):
    with pytest.raises(NotFittedError):
        save(estimator, path)
    assert not path.exists()


def doubled(X):
    return 2 * X


@pytest.mark.parametrize(
    ("estimator", "found"),
    [
        (dense(skorch_callbacks=[EpochTimer()]), "skorch.callbacks.*EpochTimer"),
        (make_pipeline(FunctionTransformer(doubled), dense()), "doubled"),
        (make_pipeline(FunctionTransformer(lambda X: X), dense()), "lambda"),
        (
            make_pipeline(dense(), RandomForestClassifier(2, random_state=0)),
            "sklearn.tree._tree.Tree",
        ),
    ],
    ids=["callback", "function", "lambda", "trees"],
)
def test_what_load_would_not_trust_is_refused(estimator, found, path):
    with pytest.raises(TypeError, match=f"(?s)Cannot save.*{found}"):
        save(estimator.fit(X, Y), path)
    assert not any(path.parent.iterdir())


def test_only_our_estimators_have_to_be_trusted():
    found = set()
    for estimator in (*INSIDE, *INSTANCES[-9:]):
        data = skops_io.dumps(clone(estimator).fit(X, Y))
        found.update(skops_io.get_untrusted_types(data=data))
    assert found <= set(TRUSTED_TYPES)
    public = [getattr(sklearn_seqae, name) for name in sklearn_seqae.__all__]
    assert sorted(TRUSTED_TYPES) == sorted(
        f"{each.__module__}.{each.__qualname__}"
        for each in public
        if isinstance(each, type)
    )


def test_skops_loads_with_the_trusted_types():
    model = make_pipeline(StandardScaler(), detector(dense())).fit(X)
    loaded = skops_io.loads(skops_io.dumps(model), trusted=TRUSTED_TYPES)
    np.testing.assert_array_equal(loaded.score_samples(X), model.score_samples(X))


def test_a_file_is_little_larger_than_its_arrays(path):
    rows = np.random.default_rng(0).normal(size=(500, 17))
    model = sklearn_seqae.DenseAutoencoderTransformer(4, max_iter=2).fit(rows)
    save(model, path)
    _, data = _files.read_file(path, persistence.MAGIC)
    with zipfile.ZipFile(BytesIO(persistence._archive(data))) as members:
        arrays = sum(
            each.file_size
            for each in members.infolist()
            if each.filename.endswith(".npy")
        )
    assert path.stat().st_size <= 1.2 * arrays + 64 * 1024


# Devices


def test_the_device_can_be_replaced(path):
    model = make_pipeline(StandardScaler(), detector(dense())).fit(X)
    expected = model.score_samples(X)
    model[-1].estimator_.set_params(device="cuda:99")
    save(model, path)
    with pytest.warns(UserWarning, match="cuda:99.*computes on the CPU"):
        load(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = load(path, device="cpu")
    assert loaded[-1].estimator_.device == "cpu"
    np.testing.assert_array_equal(loaded.score_samples(X), expected)
    with pytest.raises(ValueError, match="'device' parameter.*'nonsense'"):
        load(path, device="nonsense")


# Threads, and missing packages


def test_threads_load_the_same_model(path):
    model = dense().fit(X)
    save(model, path)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(load(path).transform(X)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    for each in found:
        np.testing.assert_array_equal(each, model.transform(X))


def test_without_skops_the_error_names_the_extra(path, monkeypatch):
    model = dense().fit(X)
    save(model, path)
    monkeypatch.setitem(sys.modules, "skops.io", None)
    for call in (lambda: save(model, path), lambda: load(path)):
        with pytest.raises(ImportError, match=r"pip install 'sklearn-seqae\[persist"):
            call()


@pytest.mark.skipif(os.name != "posix", reason="files have no modes")
def test_the_mode_of_the_file_follows_the_umask(path):
    before = os.umask(0o027)
    try:
        save(dense().fit(X), path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640


# Earlier versions


@pytest.mark.parametrize("version", range(1, persistence.FORMAT_VERSION + 1))
@pytest.mark.parametrize(
    ("kept", "data", "method"),
    [(name, data, method) for name, _, data, method in files_of_formats.MODELS],
    ids=[name for name, *_ in files_of_formats.MODELS],
)
def test_files_of_each_format_version_load(version, kept, data, method):
    folder = files_of_formats.FOLDER / f"format_{version}"
    found = getattr(load(folder / f"{kept}.seqae"), method)(data)
    found = np.concatenate([np.asarray(each).ravel() for each in found])
    expected = np.load(folder / "expected.npz")[kept]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("with_labels", [False, True])
def test_a_detector_without_groups_scores_as_before(with_labels, wine):
    labels = np.where(np.arange(len(wine)) < 3, -1, 0) if with_labels else None
    model = detector(PCA(2), contamination="auto").fit(wine, labels=labels)
    state = model.__getstate__()
    scorer = state["_model"]["scorer"]
    del (scorer["nearest"] if with_labels else scorer)["to_group"]
    old = type(model).__new__(type(model))
    old.__setstate__(state)
    found, scores = old.score_samples(wine), model.score_samples(wine)
    assert np.all(found >= scores)
    assert np.any(found > scores)  # some rows are in small groups
    assert np.all(MOST_OF_GROUPS * found <= scores + 1e-12)


@pytest.mark.parametrize("options", [{}, {"window_size": 4}], ids=["rows", "series"])
def test_a_detector_without_switches_and_usual_samples_scores_as_before(options):
    model = detector(PCA(2), score_method="nearest", **options).fit(X)
    expected = model.score_samples(X)
    assert len(model._model.scorer.spreads) == 1
    state = model.__getstate__()
    for attribute in ("switches_", "_channels"):  # as in an earlier version
        state.pop(attribute, None)
    scorer = state["_model"]["scorer"]
    scorer["spread"] = scorer.pop("spreads")[0]
    del scorer["is_usual"]
    old = type(model).__new__(type(model))
    old.__setstate__(state)
    np.testing.assert_array_equal(old.score_samples(X), expected)
    assert_same(old.switches_, model.switches_)
