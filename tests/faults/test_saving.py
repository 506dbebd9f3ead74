"""A crash or a full disk while a model is saved."""

import os
import signal
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from sklearn_seqae.persistence import load, save
from tests.faults.processes import run
from tests.instances import dense

pytest.importorskip("skops.io")

X = np.random.default_rng(0).normal(size=(60, 6))

KILL_WHILE_SAVING = """
import os, random, signal, sys, time
from sklearn_seqae.persistence import load, save
models = [load(path) for path in sys.argv[1:3]]
target, draw = sys.argv[3], random.Random(0)
for _ in range(50):
    child = os.fork()
    while not child:
        for model in models:
            save(model, target)
    time.sleep(draw.uniform(0.01, 0.3))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print(load(target).n_components_)
"""


@contextmanager
def limited_files(size):
    """Limit the size of the files that this process writes, as a full disk does."""
    resource = pytest.importorskip("resource", reason="no limit of the size of files")
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.fixture
def models(tmp_path):
    """Two fitted models, in files."""
    found = [dense(n).fit(X) for n in (1, 2)]
    paths = [tmp_path / f"{n}.seqae" for n in (1, 2)]
    for model, path in zip(found, paths, strict=True):
        save(model, path)
    return found, [str(path) for path in paths]


def temporary_files(folder):
    return list(folder.glob(".*"))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_after_kill_9_the_file_is_always_whole(models, tmp_path):
    fitted, paths = models
    target = tmp_path / "folder" / "model.seqae"
    target.parent.mkdir()
    save(fitted[0], target)
    sizes = run(KILL_WHILE_SAVING, *paths, target)
    assert len(sizes) == 50
    assert set(sizes) == {"1", "2"}
    model = load(target)
    expected = fitted[model.n_components_ - 1].transform(X)
    np.testing.assert_array_equal(model.transform(X), expected)


@pytest.mark.parametrize("size", [0, 1, 100, 5000])
def test_a_full_disk_leaves_the_old_file_and_no_other(models, tmp_path, size):
    fitted, _ = models
    target = tmp_path / "folder" / "model.seqae"
    target.parent.mkdir()
    save(fitted[0], target)
    before = target.read_bytes()
    with limited_files(size), pytest.raises(OSError):
        save(fitted[1], target)
    assert target.read_bytes() == before
    assert not temporary_files(target.parent)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, OSError])
def test_an_error_leaves_the_old_file_and_no_other(
    models, tmp_path, monkeypatch, error
):
    def fail(*arguments):
        raise error

    fitted, paths = models
    before = Path(paths[0]).read_bytes()
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(error):
        save(fitted[1], paths[0])
    assert Path(paths[0]).read_bytes() == before
    assert not temporary_files(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="no symbolic links")
def test_a_symbolic_link_is_followed_and_a_device_is_refused(models, tmp_path):
    fitted, paths = models
    link = tmp_path / "link"
    link.symlink_to(paths[0])
    save(fitted[1], link)
    assert link.is_symlink()
    assert load(paths[0]).n_components_ == 2
    with pytest.raises(ValueError, match="path of a regular file.*'/dev/null'"):
        save(fitted[1], "/dev/null")
    with pytest.raises(ValueError, match="path of a regular file"):
        save(fitted[1], tmp_path)
    with pytest.raises(FileNotFoundError):
        save(fitted[1], tmp_path / "nowhere" / "model.seqae")
