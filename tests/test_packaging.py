"""Metadata, versions and advice in messages agree with each other."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import sklearn_seqae

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
SOURCES = sorted((ROOT / "sklearn_seqae").rglob("*.py"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ADDRESS = PROJECT["urls"]["Source"].removeprefix("https://github.com/")


def lower_bounds():
    """Return the lower bound of each dependency, or None."""
    pairs = (requirement.partition(">=") for requirement in PROJECT["dependencies"])
    return {name: bound or None for name, _, bound in pairs}


def pinned(name):
    """Return the versions of a constraints file."""
    text = (ROOT / name).read_text("utf-8")
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, re.M))


def test_every_dependency_has_a_lower_bound_that_is_tested_or_one_of_security():
    bounds = lower_bounds()
    assert bounds.pop("torch") == "2.10"
    oldest = pinned("constraints-oldest.txt")
    for name, bound in bounds.items():
        assert re.fullmatch(rf"{re.escape(str(bound))}(\.0)*", oldest[name]), name


def test_the_versions_of_all_dependencies_are_pinned():
    assert set(lower_bounds()) <= set(pinned("constraints.txt"))
    assert set(lower_bounds()) <= set(pinned("constraints-oldest.txt"))


def test_the_readme_names_the_lower_bounds_and_the_extras():
    text = (ROOT / "README.md").read_text("utf-8")
    named = " ".join(text.partition("oldest supported versions are")[2].split())
    for name in ("scikit-learn", "numpy", "pandas", "scipy", "skorch", "torch"):
        bound = re.match(r"\d+\.\d+", lower_bounds()[name])[0]
        assert f"{name.replace('torch', 'PyTorch')} {bound}" in named
    extras = re.findall(r"^\| `(\w+)` \| .* \| .* \|$", text, re.M)
    assert set(PROJECT["optional-dependencies"]) <= set(extras)


def test_messages_advise_extras_that_exist():
    found = {
        extra
        for path in SOURCES
        for extra in re.findall(
            r"pip install '?sklearn-seqae\[(\w+)\]", path.read_text("utf-8")
        )
    }
    assert {"diagram", "plot"} <= found <= set(PROJECT["optional-dependencies"])


def test_the_address_of_the_repository_is_in_one_file():
    names = (".github", ".ci", "docs", "examples", "sklearn_seqae", "tests")
    paths = [path for name in names for path in (ROOT / name).rglob("*.*")]
    paths += [*ROOT.glob("*.md"), ROOT / "CITATION.cff", ROOT / "Makefile"]
    text = (".cff", ".md", ".py", ".rst", ".toml", ".yml")
    written = {
        path.name
        for path in paths
        if path.suffix in text and f"github.com/{ADDRESS}" in path.read_text("utf-8")
    }
    assert written == set()
    assert all(f"github.com/{ADDRESS}" in url for url in PROJECT["urls"].values())


def test_the_citation_has_the_version_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == sklearn_seqae.__version__


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_their_commits_and_jobs_limit_their_permissions(path):
    text = path.read_text("utf-8")
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {}
    assert all("permissions" in job for job in workflow["jobs"].values())
    used = re.findall(r"uses: (.*)", text)
    assert used
    for action in used:
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", action), action
