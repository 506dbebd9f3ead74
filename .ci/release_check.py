"""Build the distributions, install them in empty environments, and try them there.

``make release-check`` runs it. With ``--newest`` it installs the versions of
constraints.txt only, else also those of constraints-oldest.txt, with which it runs the
quick tests.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NEWEST = ROOT / "constraints.txt"
OLDEST = ROOT / "constraints-oldest.txt"

IMPORT = """
import sys, sklearn_seqae
from importlib.metadata import version
from sklearn_seqae.datasets import load_nyc_taxi

assert {root!r} not in sklearn_seqae.__file__, sklearn_seqae.__file__
assert version("sklearn-seqae") == sklearn_seqae.__version__
assert len(load_nyc_taxi().data)
"""
# A block of the README, and its output in an indented block after it.
BLOCK = re.compile(r"```python\n((?:.*\n)*?)```\n\n((?: {4}.*\n)+)")
N_BLOCKS = 2  # the third one takes long


def run(*command, cwd=ROOT, **env):
    """Run a command, print it and its output, and stop the check if it fails."""
    print("+", shlex.join(map(str, command)), flush=True)
    env = {**os.environ, **env}
    env.pop("PYTHONPATH", None)
    done = subprocess.run(
        command, cwd=cwd, env=env, text=True, stdout=subprocess.PIPE, stderr=None
    )
    print(done.stdout, end="", flush=True)
    if done.returncode:
        sys.exit(f"release check failed: {shlex.join(map(str, command))}")
    return done.stdout


class Environment:
    """A new virtual environment with a current pip, and the versions it may install."""

    def __init__(self, path, constraints, pip_args):
        venv.create(path, with_pip=True)
        scripts = path / ("Scripts" if os.name == "nt" else "bin")
        self.python = scripts / "python"
        self.pip_args = [*pip_args, "-c", str(constraints)]
        self.install("--upgrade", "pip")

    def install(self, *arguments):
        self.run("-m", "pip", "install", "-q", *self.pip_args, *arguments)

    def run(self, *arguments, **options):
        return run(str(self.python), *arguments, **options)


def build(tools, folder):
    """Build sdist and wheel, check their metadata and contents, and return them."""
    tools.run("-m", "build", "--outdir", str(folder))
    wheel, sdist = (next(folder.glob(pattern)) for pattern in ("*.whl", "*.tar.gz"))
    tools.run("-m", "twine", "check", "--strict", str(wheel), str(sdist))
    tools.run("-m", "repo_review", str(ROOT))
    zizmor = tools.python.with_name("zizmor")
    run(str(zizmor), "--offline", "--no-progress", str(ROOT / ".github"))
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "sklearn_seqae").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    found = {name for name in names if ".dist-info/" not in name}
    assert found == expected, f"the wheel differs from the package: {found ^ expected}"
    assert "sklearn_seqae/py.typed" in names
    notices = {name.partition("licenses/")[2] for name in names} - {""}
    assert notices == {"LICENSE", "sklearn_seqae/data/nyc_taxi-LICENSE.txt"}, notices
    return wheel, sdist


def try_readme(environment, folder):
    """Run the first blocks of the README and compare what they print."""
    blocks = BLOCK.findall((ROOT / "README.md").read_text("utf-8"))[:N_BLOCKS]
    assert len(blocks) == N_BLOCKS
    for code, shown in blocks:
        printed = environment.run("-c", code, cwd=folder)
        assert printed.split() == shown.split(), f"the README shows {shown}"


def try_advice(environment):
    """Run each command that the package's messages and pages advise."""
    texts = [path.read_text("utf-8") for path in (ROOT / "sklearn_seqae").rglob("*.py")]
    advised = {
        found for text in texts for found in re.findall(r"`pip install (.+?)`", text)
    }
    assert advised
    for arguments in sorted(advised):
        environment.install(*shlex.split(arguments))
        requirement = shlex.split(arguments)[-1]
        for extra in re.findall(r"\[(\w+)\]", requirement):
            environment.run("-c", INSTALLED.format(extra=extra))


INSTALLED = """
import re
from importlib.metadata import distribution, requires

own = [r for r in requires("sklearn-seqae") if re.search("extra == .{extra}.$", r)]
assert own, "sklearn-seqae has no extra {extra}"
for requirement in own:
    distribution(re.match("[A-Za-z0-9._-]+", requirement)[0])
"""


def try_wheel(environment, wheel, folder):
    """Install the wheel alone, import it, and run the example of the README."""
    folder.mkdir()
    environment.install(str(wheel))
    environment.run("-m", "pip", "check")
    environment.run("-c", IMPORT.format(root=str(ROOT)), cwd=folder)
    try_readme(environment, folder)


def run_tests(environment, sdist, folder):
    """Run the quick tests of the sdist."""
    environment.install("--group", f"{ROOT / 'pyproject.toml'}:test")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (source,) = folder.iterdir()
    environment.run(
        *("-m", "pytest", "-q", "-n", os.environ.get("WORKERS", "2")),
        *("--dist", "worksteal", "-m", "not slow"),
        # pandas 2.0 calls a function that numpy 1.25 deprecates.
        *("-W", "ignore:np.find_common_type is deprecated:DeprecationWarning"),
        cwd=source,
        SCIPY_ARRAY_API="1",
        OMP_NUM_THREADS="1",
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--newest", action="store_true", help="newest versions only")
    parser.add_argument("--pip-args", default="", help="further arguments of pip")
    options = parser.parse_args()
    pip_args = shlex.split(options.pip_args)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        tools = Environment(scratch / "tools", NEWEST, pip_args)
        tools.install("--group", "release")
        wheel, sdist = build(tools, scratch / "dist")
        newest = Environment(scratch / "newest", NEWEST, pip_args)
        try_wheel(newest, wheel, scratch / "empty-newest")
        try_advice(newest)
        if not options.newest:
            oldest = Environment(scratch / "oldest", OLDEST, pip_args)
            try_wheel(oldest, wheel, scratch / "empty-oldest")
            run_tests(oldest, sdist, scratch / "source")
    print("release check passed")


if __name__ == "__main__":
    main()
