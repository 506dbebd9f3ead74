"""Fits that are interrupted, and go on from their checkpoint."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import EarlyStopping

from sklearn_seqae import _files
from sklearn_seqae._files import read_file
from sklearn_seqae.fitting import trainer
from sklearn_seqae.training.progress import Progress
from tests.faults.processes import LIMIT
from tests.instances import classifier, convolutional, dense, detector, recurrent

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:A false-alarm rate"),
]

draw = np.random.default_rng(0)
X = np.tanh(draw.normal(size=(60, 6)) @ draw.normal(size=(6, 6)))
SEQUENCES = draw.normal(size=(60, 6, 2)).cumsum(axis=1)
RAGGED = [each[: 2 + i % 5] for i, each in enumerate(SEQUENCES)]
SERIES = draw.normal(size=(300, 1)).cumsum(axis=0)
LABELS = np.where(np.arange(60) % 4 == 0, -1, X[:, 0] > 0)
WEIGHTS = np.arange(1.0, 61)
ROOT = Path(__file__).parents[2]

# Every training, bottleneck, loop over the epochs and source of random numbers.
FITS = {
    "folds and refit": (dense(max_iter=20), X),
    "all folds": (dense(3, bottleneck="ordered", max_iter=4), X),
    "penalty of rising weight": (dense(bottleneck="variational", max_iter=5), X),
    "noise and weights": (dense(noise="masking"), X, None, WEIGHTS),
    "without validation": (dense(bottleneck="ordered", early_stopping=False), X),
    "random architecture": (dense(init="random", whiten=True), X),
    "wide table": (dense(), X[:5]),
    "generator as seed": (dense(random_state=np.random.RandomState(3)), X),
    "recurrent": (recurrent(max_iter=4), RAGGED),
    "warped sequences": (recurrent(objective="composite", horizon=1), SEQUENCES),
    "convolutional": (convolutional(max_iter=4), SEQUENCES),
    "detector": (detector(make_pipeline(StandardScaler(), dense(1))), X),
    "folds of sequences": (recurrent(bottleneck="ordered", max_iter=4), RAGGED),
    "detector of sequences": (detector(recurrent(1)), RAGGED),
    "detector of series": (detector(dense(1, max_iter=2), window_size=10), SERIES),
    "generator of a detector": (
        detector(dense(1)).set_params(random_state=np.random.RandomState(3)),
        X,
    ),
    "classifier": (classifier(dense(), max_iter=4, batch_size=10), X, LABELS),
    "classifier of sequences": (
        classifier(recurrent(early_stopping=False), class_weight="balanced"),
        RAGGED,
        LABELS,
    ),
}


# The detector of series is a quick case of detectors, and the two of sequences are
# interrupted in threads, too.
SLOW = ("detector", "generator of a detector")
SLOW += ("detector of sequences", "folds of sequences")
# Names in benchmarks/resume.py.
KILLED = ("dense", "recurrent", "convolutional", "detector", "classifier")


class Interrupted(Exception):
    """Exception in place of a kill."""


def states(value):
    """Return the state of a fitted estimator as values that can be compared."""
    if hasattr(value, "__getstate__") and hasattr(value, "get_params"):
        state = {k: v for k, v in value.__getstate__().items() if k != "checkpoint"}
        return type(value).__name__, states(state)
    if isinstance(value, dict):
        return {name: states(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [states(each) for each in value]
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, np.random.RandomState):
        return str(value.get_state())
    return repr(value)


def fit(case, checkpoint):
    estimator, *data = FITS[case]
    return clone(estimator).set_params(checkpoint=checkpoint).fit(*data)


def interrupt(monkeypatch, after, limit=np.inf):
    """Interrupt fits after every `after` saved epochs. Return the saved epochs."""
    save, epochs = Progress.save, []

    def save_and_raise(self):
        save(self)
        if self.checkpoint is not None:
            epochs.append(self.name)
            if len(epochs) % after == 0 and len(epochs) <= limit:
                raise Interrupted

    monkeypatch.setattr(Progress, "save", save_and_raise)
    return epochs


def fit_until_done(case, checkpoint):
    """Repeat a fit until it is not interrupted. Return also the number of fits."""
    for number in range(1, 500):
        try:
            return fit(case, checkpoint), number
        except Interrupted:
            pass
    raise AssertionError("the fit makes no progress")


@pytest.mark.parametrize(
    "case",
    [pytest.param(each, marks=[pytest.mark.slow] * (each in SLOW)) for each in FITS],
)
def test_a_fit_interrupted_after_each_epoch_ends_in_the_bits_of_a_whole_one(
    case, tmp_path, monkeypatch
):
    expected = states(fit(case, None))
    with monkeypatch.context() as patch:
        whole = interrupt(patch, after=np.inf)
        assert states(fit(case, str(tmp_path / "new"))) == expected
    epochs = interrupt(monkeypatch, after=1)
    found, n_fits = fit_until_done(case, str(tmp_path / "new" / "folder"))
    assert states(found) == expected
    assert n_fits == len(epochs) + 1
    assert epochs == whole  # no epoch was trained twice
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "folder"]


@pytest.mark.parametrize("case", ["folds of sequences", "detector of sequences"])
def test_trainings_in_threads_are_resumed(case, tmp_path, monkeypatch):
    expected = states(fit(case, None))
    interrupt(monkeypatch, after=3)
    torch.set_num_threads(2)
    try:
        found, n_fits = fit_until_done(case, str(tmp_path))
    finally:
        torch.set_num_threads(1)
    assert states(found) == expected
    assert n_fits > 2
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("case", ["folds and refit", "recurrent", "classifier"])
@pytest.mark.parametrize("after", [2, 3])
def test_a_fit_may_be_interrupted_after_any_epochs(case, after, tmp_path, monkeypatch):
    expected = states(fit(case, None))
    interrupt(monkeypatch, after)
    assert states(fit_until_done(case, str(tmp_path))[0]) == expected


def test_weights_of_the_best_epoch_are_resumed_without_a_refit(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "REFIT_BELOW", 10)
    expected = states(fit("folds and refit", None))
    interrupt(monkeypatch, after=3)
    assert states(fit_until_done("folds and refit", str(tmp_path))[0]) == expected


def test_a_warm_start_is_resumed_from_its_own_start(tmp_path, monkeypatch):
    def fit_twice(checkpoint):
        model = dense(early_stopping=False, warm_start=True).fit(X)
        try:
            return model.set_params(checkpoint=checkpoint).fit(X)
        except Interrupted:
            return None

    expected = states(fit_twice(None))
    epochs = interrupt(monkeypatch, after=2, limit=2)
    assert fit_twice(str(tmp_path)) is None
    (file,) = tmp_path.iterdir()
    dense(early_stopping=False, checkpoint=str(tmp_path)).fit(X)  # another start
    assert file.exists()
    assert states(fit_twice(str(tmp_path))) == expected
    assert len(epochs) == 3 + 3
    assert not any(tmp_path.iterdir())


@pytest.fixture
def interrupted(tmp_path, monkeypatch):
    """Folder with the file of a fit of `dense` to X, and the file."""
    with monkeypatch.context() as patch:
        interrupt(patch, after=2)
        with pytest.raises(Interrupted):
            dense(checkpoint=str(tmp_path)).fit(X)
    (file,) = tmp_path.iterdir()
    assert re.fullmatch("[0-9a-f]{64}", file.name)
    return tmp_path, file


@pytest.mark.parametrize(
    ("changed", "data"),
    [
        ({"random_state": 1}, X),
        ({"random_state": None}, X),
        ({"alpha": 0.02}, X),
        ({"max_iter": 4}, X),
        ({"activation": "tanh"}, X),
        ({}, X + 1e-9),
        ({}, X.astype(np.float32)),
        ({}, X[::-1]),
        ({}, X[:59]),
    ],
)
def test_another_fit_does_not_resume(interrupted, changed, data):
    folder, file = interrupted
    before = file.read_bytes()
    expected = dense(**changed).fit(data)
    found = dense(**changed, checkpoint=str(folder)).fit(data)
    if found.random_state is not None:
        assert states(found) == states(expected)
    assert len(found.model_.net.history) == len(expected.model_.net.history)
    assert list(folder.iterdir()) == [file]
    assert file.read_bytes() == before


def test_weights_and_targets_belong_to_a_fit(interrupted):
    folder, file = interrupted
    dense(checkpoint=str(folder)).fit(X, sample_weight=WEIGHTS)
    dense(checkpoint=str(folder)).fit(X, target=2 * X)
    assert list(folder.iterdir()) == [file]
    dense(checkpoint=str(folder), verbose=1).fit(X)
    assert not any(folder.iterdir())


def test_without_a_seed_the_seed_of_the_file_is_used(tmp_path, monkeypatch):
    model = dense(random_state=None, checkpoint=str(tmp_path))
    with monkeypatch.context() as patch:
        interrupt(patch, after=2)
        with pytest.raises(Interrupted):
            model.fit(X)
    (file,) = tmp_path.iterdir()
    seed = read_file(file, b"sklearn-seqae checkpoint")[0]["seed"]
    assert clone(model).fit(X).model_.config.seed == seed
    assert clone(model).fit(X).model_.config.seed != seed


def test_a_damaged_file_is_ignored_with_a_warning(interrupted):
    folder, file = interrupted
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    for damaged in (content, content[:100], b"", b"a text\n"):
        file.write_bytes(damaged)
        with pytest.warns(UserWarning, match=f"{file.name}' is ignored.* begins anew"):
            found = dense(checkpoint=str(folder)).fit(X)
        assert states(found) == states(dense().fit(X))
        assert not any(folder.iterdir())


def test_a_file_of_another_fit_under_its_name_is_ignored(interrupted, monkeypatch):
    folder, file = interrupted
    interrupt(monkeypatch, after=1)
    with pytest.raises(Interrupted):
        dense(3, checkpoint=str(folder)).fit(X)
    (other,) = set(folder.iterdir()) - {file}
    os.replace(file, other)
    monkeypatch.undo()
    with pytest.warns(UserWarning, match="it belongs to another fit"):
        dense(3, checkpoint=str(folder)).fit(X)


def test_what_a_killed_process_leaves_beside_the_file_is_removed(interrupted):
    folder, file = interrupted
    mine = _files.temporary_of(file, "0123")
    mine.write_bytes(b"half")
    other = folder / ".other.0123.tmp"
    other.write_bytes(b"half")
    dense(checkpoint=str(folder)).fit(X)
    assert list(folder.iterdir()) == [other]


def test_a_full_disk_is_an_error_and_the_file_stays(interrupted, monkeypatch):
    folder, file = interrupted
    before = file.read_bytes()

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        dense(checkpoint=str(folder)).fit(X)
    assert list(folder.iterdir()) == [file]
    assert file.read_bytes() == before


def test_the_folder_may_be_removed_by_an_equal_fit(tmp_path, monkeypatch):
    replace, removed = os.replace, []

    def remove_and_replace(source, target):
        if len(removed) < 2:
            removed.append(target)
            shutil.rmtree(tmp_path / "folder")
        replace(source, target)

    monkeypatch.setattr(os, "replace", remove_and_replace)
    model = dense(checkpoint=str(tmp_path / "folder")).fit(X)
    assert len(removed) == 2
    assert states(model) == states(dense().fit(X))


class Stop:
    """Callback of the user for scikit-learn."""

    max_estimator_depth = 0

    def setup(self, *arguments, **options): ...
    def teardown(self, *arguments, **options): ...
    def on_fit_task_begin(self, *arguments, **options): ...
    def on_fit_task_end(self, *arguments, **options): ...


@pytest.mark.parametrize("around", [lambda each: each, detector, classifier])
def test_callbacks_are_refused(around, tmp_path):
    model = around(dense(skorch_callbacks=[EarlyStopping()]))
    data = (X, LABELS) if around is classifier else (X,)
    model.fit(*data)
    message = "cannot combine a checkpoint.*EarlyStopping.*or set checkpoint=None"
    with pytest.raises(ValueError, match=message):
        model.set_params(checkpoint=str(tmp_path)).fit(*data)


def test_callbacks_for_scikit_learn_are_refused(tmp_path):
    callbacks = pytest.importorskip("sklearn.callback")
    model = dense(checkpoint=str(tmp_path))
    with pytest.raises(ValueError, match="cannot combine a checkpoint.*Stop"):
        clone(model).set_callbacks(Stop()).fit(X)
    pytest.importorskip("rich")
    clone(model).set_callbacks(callbacks.ProgressBar()).fit(X)


@pytest.mark.parametrize("around", [lambda each: each, detector, classifier])
def test_a_file_in_place_of_the_folder_is_refused(around, tmp_path):
    file = tmp_path / "file"
    file.write_text("text")
    model = around(dense()).set_params(checkpoint=str(file))
    with pytest.raises(ValueError, match=r"must be the path of a folder.*file'"):
        model.fit(X, LABELS)


@pytest.mark.slow
def test_a_search_in_two_workers_has_the_scores_of_one_without(tmp_path):
    grid = {"dense__n_components": [1, 2]}

    def scores_of(**options):
        pipeline = make_pipeline(StandardScaler(), dense(**options))
        pipeline.steps[1] = ("dense", pipeline.steps[1][1])
        search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2 if options else None)
        results = search.fit(X).cv_results_
        return [results[f"split{k}_test_score"].tolist() for k in range(2)]

    assert scores_of(checkpoint=str(tmp_path)) == scores_of()
    assert not any(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.slow
@pytest.mark.parametrize("name", KILLED)
def test_after_kill_9_a_fit_ends_in_the_same_bits(name, repeats=5):
    script = ROOT / "benchmarks" / "resume.py"
    arguments = ["-W", "ignore", script, name, "--repeats", repeats]
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=LIMIT,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{name}: {repeats} of {repeats} ")
