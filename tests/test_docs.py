"""The pages link to what exists, and docstrings agree with the code."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator

import sklearn_seqae
from tests.instances import dense

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted(DOCS.glob("*.md")),
    *sorted(DOCS.glob("coming_from/*.md")),
]
SUBMODULES = [
    name
    for name in sklearn_seqae.__all__
    if inspect.ismodule(getattr(sklearn_seqae, name))
]


def public_objects():
    """Return the public classes, functions and methods by their names in the pages."""
    objects = {
        name: getattr(sklearn_seqae, name)
        for name in sklearn_seqae.__all__
        if name not in SUBMODULES
    }
    for module in SUBMODULES:
        home = importlib.import_module(f"sklearn_seqae.{module}")
        for name in getattr(home, "__all__", ()):
            value = getattr(home, name)
            if callable(value) and name not in objects:
                objects[f"{module}.{name}"] = value
    return objects


OBJECTS = public_objects()


def methods_of(cls):
    """Return the public methods that this package defines."""
    for name, method in inspect.getmembers(cls, callable):
        is_ours = getattr(method, "__module__", "") or ""
        if not name.startswith("_") and is_ours.startswith("sklearn_seqae"):
            yield name, method


WITH_METHODS = {
    **OBJECTS,
    **{
        f"{owner}.{name}": method
        for owner, value in OBJECTS.items()
        if inspect.isclass(value) and not issubclass(value, Exception)
        for name, method in methods_of(value)
    },
}


# Links


def without_code(text):
    return re.sub(r"(?ms)^(```|:::).*?^\1|`[^`\n]*`", "", text)


def anchors(page):
    """Return the anchors of the headings of a page, as GitHub and MyST make them."""
    text = re.sub(r"(?ms)^```.*?^```", "", page.read_text("utf-8"))
    titles = re.findall(r"^#+ (.*)$", text, re.M)
    names = [re.sub(r"[^\w\- ]", "", title.lower()) for title in titles]
    return {name.replace(" ", "-") for name in names}


def target_of(page, link):
    """Return the file that a link leads to. Pages of the gallery are examples."""
    path = (page.parent / link).resolve()
    if "gallery" in path.parts:
        picture = re.match(r"sphx_glr_(\w+)_(?:\d{3}|thumb)\.png", path.name)
        name = picture[1] if picture else path.name
        name = "README" if name == "index" else name
        return ROOT / "examples" / (name + (".rst" if name == "README" else ".py"))
    return path if path.exists() else path.with_suffix(".rst")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_internal_link_leads_to_a_file_and_a_heading(page):
    links = re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text("utf-8")))
    for link in links:
        if re.match(r"https?:|mailto:", link):
            continue
        path, _, anchor = link.partition("#")
        target = target_of(page, path) if path else page
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), link


def test_every_page_is_in_the_navigation():
    listed = set()
    for page in DOCS.rglob("*.md"):
        for tree in re.findall(
            r"(?ms)^```\{toctree\}\n(.*?)^```", page.read_text("utf-8")
        ):
            names = [line for line in tree.split("\n") if line and line[0] != ":"]
            listed |= {
                (page.parent / name).relative_to(DOCS).as_posix() for name in names
            }
    pages = {
        path.relative_to(DOCS).with_suffix("").as_posix()
        for path in (*DOCS.glob("*.md"), *DOCS.glob("coming_from/*.md"))
    }
    assert pages - listed == {"index"}


# API


def test_the_api_page_lists_all_public_names():
    text = (DOCS / "api.rst").read_text("utf-8")
    listed = re.findall(r"^   ([A-Za-z][\w.]*)$", text, re.M)
    assert len(listed) == len(set(listed))
    assert set(listed) == set(OBJECTS)


def documented_defaults(value):
    """Return the defaults in the section Parameters of a docstring, as text."""
    section = re.search(
        r"^Parameters\n-+\n(.*?)(?=^\w[\w ]*\n-+\n|\Z)",
        inspect.getdoc(value) or "",
        re.M | re.S,
    )
    entries = re.split(r"^(\w+) : ", section[1] if section else "", flags=re.M)
    for name, entry in zip(entries[1::2], entries[2::2], strict=True):
        kind = re.split(r"\n {4}", entry, maxsplit=1)[0]
        default = re.search(r"default=(.+)$", kind)
        if default:
            yield name, default[1].strip()


def test_defaults_in_docstrings_are_those_of_the_signatures():
    n_found = 0
    for name, value in WITH_METHODS.items():
        for parameter, shown in documented_defaults(value):
            default = inspect.signature(value).parameters[parameter].default
            expected = ast.literal_eval(shown) if shown != "inf" else float("inf")
            assert default == expected, f"{name}: {parameter}"
            n_found += 1
    assert n_found > 100


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_METHODS)
def test_docstrings_pass_the_validation_of_numpydoc(name):
    validate = pytest.importorskip("numpydoc.validate")
    value = WITH_METHODS[name]
    path = f"{value.__module__}.{value.__qualname__}"
    found = {
        f"{code}: {message}"
        for code, message in validate.validate(path)["errors"]
        if code not in NOT_VALIDATED
    }
    assert not found


NOT_VALIDATED = {
    "ES01",  # an extended summary, where one line says all
    "EX01",  # an example of each method: the class has it
    "RT02",  # names of returned values, which scikit-learn has, too
    "SA01",  # See Also
}


def test_estimators_have_an_example():
    for name, value in OBJECTS.items():
        if inspect.isclass(value) and issubclass(value, BaseEstimator):
            assert ">>>" in inspect.getdoc(value), name


# Code of other libraries

BLOCK = re.compile(r"```py\n((?:.*\n)*?)```\n(?:\n((?: {4}.*\n)+))?")
LIBRARIES = {
    "umap": "umap",
    "keras": "keras",
    "pyod": "pyod",
    "nonconform": "nonconform",
}


@pytest.mark.slow
@pytest.mark.parametrize("page", LIBRARIES)
def test_code_of_another_library_runs_where_it_is_installed(page):
    pytest.importorskip(LIBRARIES[page])
    names = {}
    text = (DOCS / "coming_from" / f"{page}.md").read_text("utf-8")
    ((block, _), *more) = BLOCK.findall(text)
    assert not more
    exec(compile(block, page, "exec"), names)


@pytest.mark.slow
def test_the_progress_bar_of_the_guide_runs(wine):
    pytest.importorskip("sklearn.callback")
    pytest.importorskip("rich")
    text = (DOCS / "pipelines.md").read_text("utf-8")
    ((block, _),) = BLOCK.findall(text)
    names = {"model": dense(), "X": wine}
    exec(compile(block, "pipelines.md", "exec"), names)
    assert names["model"].n_iter_ > 0
