"""Layers of the package: allowed imports, and sizes of files and functions.

LAYERS is the table of docs/design.md. A layer is named by its path in the package,
with ``*`` for any file of a folder; the first row that fits counts. It lists

- ``own``: the modules of the package that it may import,
- ``packages``: the packages it may import beside the standard library,
- ``inside``: the packages it may import inside functions only, because they are
  optional or slow to load.

A file that fits no layer fails the test: give it one, here and in the document.
"""

import ast
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

FRAMES = ["pandas", "polars"]
ESTIMATOR = ["numpy", "sklearn"]

LAYERS = {
    "__init__": {"own": ["*"]},
    "_version": {},
    **dict.fromkeys(["modules/__init__", "training/__init__", "fitting/__init__"], {}),
    "autoencoders/__init__": {"own": ["autoencoders/*"]},
    **{f"{name}/__init__": {"own": [f"{name}/*"]} for name in ("anomaly", "displays")},
    "_warn": {"packages": ["sklearn"]},
    **dict.fromkeys(["_state", "_files", "large/__init__"], {}),
    "_params": {"packages": ["sklearn"]},
    "_introspection": {"packages": ["sklearn"]},
    "_libraries": {"packages": ["numpy", "sklearn"]},
    "_numbers": {"own": ["_libraries"], "packages": ["numpy", "sklearn"]},
    "large/rows": {"packages": ["numpy"]},
    "large/sparse": {
        "own": ["_containers", "_sequences", "large/rows"],
        "packages": ["numpy", "scipy", "sklearn"],
    },
    "_containers": {
        "own": ["_libraries", "_numbers", "large/rows"],
        "packages": ["numpy"],
        "inside": FRAMES,
    },
    "_layout": {"own": ["_containers", "_numbers", "_warn"], "packages": ["numpy"]},
    "_sequences": {
        "own": ["_containers", "_layout", "_numbers", "large/rows"],
        "packages": ["numpy", "sklearn"],
    },
    "_images": {
        "own": ["_containers", "_layout", "_numbers", "_sequences"],
        "packages": ["numpy", "sklearn"],
    },
    "_inputs": {
        "own": ["_images", "_layout", "_numbers", "_sequences", "large/sparse"],
        "packages": ["numpy", "sklearn"],
        "inside": ["pandas"],
    },
    "windows": {"own": ["_libraries", "_numbers"], "packages": ["numpy", "sklearn"]},
    "conversion": {
        "own": ["_layout", "_libraries", "_numbers"],
        "packages": ["numpy", "sklearn"],
        "inside": FRAMES,
    },
    "datasets": {"packages": ["numpy", "sklearn"], "inside": FRAMES},
    "persistence": {
        "own": ["_files", "_version", "training/devices"],
        "packages": ["sklearn"],
        "inside": ["skops"],
    },
    "preprocessing": {
        "own": [
            *["_sequences", "_inputs", "_libraries", "_params", "_introspection"],
            "_state",
        ],
        "packages": ESTIMATOR,
    },
    "modules/*": {"own": ["modules/*"], "packages": ["torch"]},
    "training/shared_setting": {},
    "training/blas": {
        "own": ["training/shared_setting"],
        "packages": ["threadpoolctl"],
    },
    "training/stack": {
        "own": [
            *["training/*", "modules/batch"],
            *["modules/dense_step", "modules/stacked_weights"],
        ],
        "packages": ["numpy", "torch"],
    },
    "training/net": {
        "own": ["training/*", "modules/stacked_weights"],
        "packages": ["numpy", "torch", "skorch"],
    },
    "training/checkpoints": {
        "own": ["_files", "_version", "_warn"],
        "packages": ["numpy"],
    },
    "training/*": {
        "own": ["training/*", "modules/batch"],
        "packages": ["numpy", "torch", "skorch"],
    },
    "fitting/*": {
        "own": [
            *["_sequences", "_inputs", "_numbers", "large/rows"],
            *["modules/*", "training/*", "fitting/*"],
        ],
        "packages": [*ESTIMATOR, "scipy", "torch"],
    },
    "autoencoders/base": {
        "own": [
            *["_sequences", "_inputs", "_params", "_introspection", "_version"],
            *["_libraries", "_numbers"],
            *["fitting/*", "modules/bottleneck", "modules/losses", "modules/noise"],
            *["training/devices", "autoencoders/_*"],
        ],
        "packages": ESTIMATOR,
    },
    "autoencoders/_callbacks": {"own": ["training/callbacks"], "packages": ESTIMATOR},
    "autoencoders/_summary": {
        "own": ["_introspection", "fitting/*"],
        "packages": [*ESTIMATOR, "torch"],
        "inside": ["pandas", "torchview"],
    },
    "autoencoders/_forecasting": {
        "own": ["_sequences", "_libraries", "autoencoders/base", "fitting/scaling"],
        "packages": ESTIMATOR,
    },
    "autoencoders/_checks": {
        "own": ["fitting/*", "training/checkpoints", "autoencoders/_targets"],
    },
    "autoencoders/_*": {
        "own": [
            *["_sequences", "_inputs", "_numbers", "_version", "_warn"],
            *["fitting/*", "large/rows"],
        ],
        "packages": ESTIMATOR,
    },
    "autoencoders/dense": {
        "own": [
            *["autoencoders/base", "fitting/family", "_libraries", "_params"],
            "modules/dense",
        ],
        "packages": ESTIMATOR,
    },
    "autoencoders/recurrent": {
        "own": [
            *["autoencoders/base", "autoencoders/_forecasting", "fitting/family"],
            *["_libraries", "_params"],
            "modules/recurrent",
        ],
        "packages": ESTIMATOR,
    },
    "autoencoders/convolutional": {
        "own": [
            *["autoencoders/base", "fitting/family", "_sequences"],
            *["_libraries", "_params"],
            "modules/convolutional",
        ],
        "packages": ESTIMATOR,
    },
    "anomaly/*": {
        "own": [
            *["autoencoders", "windows", "_sequences", "_inputs", "_containers"],
            *["_layout", "_numbers", "_state", "_warn", "training/blas"],
            *["training/parallel", "training/checkpoints", "fitting/runs"],
            *["_libraries", "_params", "_introspection", "anomaly/*", "large/*"],
        ],
        "packages": [*ESTIMATOR, "scipy"],
        "inside": ["pandas"],
    },
    "classification/__init__": {"own": ["classification/*"]},
    "classification/*": {
        "own": [
            *["autoencoders", "autoencoders/base", "_introspection"],
            *["_sequences", "_inputs", "_libraries", "_params"],
            *["training/*", "classification/*", "large/sparse"],
        ],
        "packages": [*ESTIMATOR, "torch"],
    },
    "onnx/*": {
        "own": [
            *["_files", "_introspection", "preprocessing", "training/isolation"],
            *["autoencoders", "autoencoders/base", "modules/*", "onnx/*", "anomaly/*"],
        ],
        "packages": [*ESTIMATOR, "torch"],
        "inside": ["onnx", "onnxruntime", "skl2onnx"],
    },
    "displays/*": {
        "own": ["_sequences", "_images", "_libraries", "_introspection", "displays/*"],
        "packages": ESTIMATOR,
        "inside": ["matplotlib", "pandas"],
    },
}
PRIVATE_TOOLS = ("sklearn.utils._param_validation", "sklearn.base._fit_context")

MAX_FILE_LINES = 400  # docstrings not counted
MAX_FUNCTION_LINES = 60  # its docstring not counted

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sklearn_seqae"
FOLDERS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py")) + ["."]
PACKAGE_FILES = sorted(PACKAGE.rglob("*.py"))
ALL_FILES = PACKAGE_FILES + sorted(
    file
    for folder in ("tests", "examples", "benchmarks", "docs")
    for file in (ROOT / folder).rglob("*.py")
)


def name_of(file):
    """Return the path of a file in the package without its suffix."""
    return file.relative_to(PACKAGE).with_suffix("").as_posix()


def fits(name, pattern):
    """Say whether a name fits; unlike fnmatch's, a star stays in its folder."""
    same_depth = name.count("/") == pattern.count("/")
    return pattern == "*" or (same_depth and fnmatch(name, pattern))


def layer_of(name):
    """Return the first row of the table that fits, None where none does."""
    return next((layer for layer in LAYERS if fits(name, layer)), None)


def is_for_type_checkers(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def imports_of(tree, inside=False):
    """Yield (dotted name, whether inside a function, line) of every import.

    ``from a import b`` gives ``a.b``: whether b is a module shows on the disk.
    """
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, inside, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            for alias in node.names:
                yield f"{node.module}.{alias.name}", inside, node.lineno
        elif not is_for_type_checkers(node):
            function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from imports_of(node, inside or function)


def target_of(dotted):
    """Return the name of the file of the package that a dotted import reads."""
    parts = dotted.split(".")[1:]
    for count in (len(parts), len(parts) - 1):
        path = PACKAGE.joinpath(*parts[:count])
        if path.with_suffix(".py").exists():
            return "/".join(parts[:count])
        if (path / "__init__.py").exists():
            return "/".join(parts[:count]) or "__init__"
    raise AssertionError(f"{dotted} is no file of the package")


def is_private_tool(dotted):
    return dotted.startswith(PRIVATE_TOOLS)


def objection_to(name, dotted, inside):
    """Say why a file may not import a dotted name, None where it may."""
    row = LAYERS[layer_of(name)]
    package = dotted.partition(".")[0]
    if dotted in ("sklearn_seqae", "sklearn_seqae.__version__"):  # loads no layer
        return None
    if package == "sklearn_seqae":
        target = target_of(dotted)
        allowed = row.get("own", [])
        folder_itself = f"{target}/*" in allowed  # from sklearn_seqae import modules
        if folder_itself or any(fits(target, layer) for layer in allowed):
            return None
        return f"the layer may not import {target}"
    if is_private_tool(dotted) and name != "_params":
        return "only _params may import scikit-learn's private parameter tools"
    if package in sys.stdlib_module_names or package in row.get("packages", []):
        return None
    if package not in row.get("inside", []):
        return f"the layer may not import {package}"
    return None if inside else f"{package} may be imported inside functions only"


@pytest.mark.parametrize("file", PACKAGE_FILES, ids=name_of)
def test_every_file_has_a_layer(file):
    assert layer_of(name_of(file)), f"{name_of(file)} fits no layer of LAYERS"


@pytest.mark.parametrize("file", PACKAGE_FILES, ids=name_of)
def test_layers_import_only_what_the_table_allows(file):
    name = name_of(file)
    if layer_of(name) is None:
        pytest.fail(f"{name} fits no layer of LAYERS")
    objections = [
        f"line {line}: import of {dotted}: {objection}"
        for dotted, inside, line in imports_of(ast.parse(file.read_text("utf-8")))
        if (objection := objection_to(name, dotted, inside))
    ]
    assert not objections, "\n".join(objections)


@pytest.mark.parametrize(
    ("name", "dotted", "inside"),
    [
        ("modules/dense", "numpy", False),
        ("modules/dense", "sklearn_seqae._sequences", True),
        ("training/net", "sklearn_seqae.modules", False),
        ("_containers", "pandas", False),
        ("_sequences", "torch", True),
        ("datasets", "sklearn_seqae.autoencoders", True),
        ("autoencoders/dense", "sklearn_seqae.autoencoders.recurrent", False),
        ("autoencoders/dense", "sklearn_seqae.modules.recurrent", False),
        ("autoencoders/base", "sklearn_seqae.autoencoders.dense", True),
        ("anomaly/detector", "sklearn_seqae.preprocessing", False),
        ("anomaly/detector", "sklearn_seqae.classification", False),
        ("fitting/trainer", "sklearn_seqae.autoencoders", True),
        ("fitting/trainer", "sklearn_seqae._params", False),
        ("_sequences", "sklearn_seqae._inputs", True),
        ("displays/loss_curve", "sklearn_seqae.autoencoders", True),
        ("displays/loss_curve", "matplotlib.pyplot", False),
        ("preprocessing", "sklearn.utils._param_validation.Interval", False),
    ],
)
def test_the_table_forbids(name, dotted, inside):
    assert objection_to(name, dotted, inside)


@pytest.mark.parametrize(
    ("name", "dotted", "inside"),
    [
        ("modules/dense", "torch.nn", False),
        ("_containers", "pandas", True),
        ("autoencoders/dense", "sklearn_seqae.autoencoders.base", False),
        ("autoencoders/base", "sklearn_seqae.fitting", False),
        ("training/batches", "sklearn_seqae.modules.batch", False),
        ("anomaly/detector", "sklearn_seqae.autoencoders", False),
        ("_params", "sklearn.utils._param_validation.Interval", False),
        ("datasets", "importlib.resources.files", False),
    ],
)
def test_the_table_allows(name, dotted, inside):
    assert objection_to(name, dotted, inside) is None


@pytest.mark.parametrize("name", ["utils", "modules/deep/er", "somewhere/new"])
def test_an_unknown_layer_has_no_row(name):
    assert layer_of(name) is None


def docstring_lines(node):
    """Return how many lines the docstring of a node has."""
    if ast.get_docstring(node) is None:
        return 0
    first = node.body[0]
    return first.end_lineno - first.lineno + 1


@pytest.mark.parametrize(
    "file", ALL_FILES, ids=lambda file: file.relative_to(ROOT).as_posix()
)
def test_files_and_functions_are_short(file):
    text = file.read_text(encoding="utf-8")
    assert file.name != "utils.py", "find the layer that its functions belong to"
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    documented = ast.Module | ast.ClassDef | functions
    nodes = list(ast.walk(ast.parse(text)))
    docs = sum(docstring_lines(node) for node in nodes if isinstance(node, documented))
    assert len(text.splitlines()) - docs <= MAX_FILE_LINES
    for node in nodes:
        if isinstance(node, functions):
            length = node.end_lineno - node.lineno + 1 - docstring_lines(node)
            assert length <= MAX_FUNCTION_LINES, f"{node.name} has {length} lines"


@pytest.mark.parametrize(
    ("folder", "most"), [("autoencoders", 10), *[(name, 18) for name in FOLDERS]]
)
def test_folders_have_few_files(folder, most):
    files = {file.name for file in (PACKAGE / folder).glob("*.py")} - {"__init__.py"}
    assert len(files) <= most


@pytest.mark.parametrize(
    "file", sorted((PACKAGE / "fitting").glob("*.py")), ids=lambda file: file.name
)
def test_fitting_knows_no_estimator(file):
    assert "estimator" not in file.read_text(encoding="utf-8").lower()


def test_estimators_inherit_from_few_classes_of_ours():
    import sklearn_seqae

    for name in sklearn_seqae.__all__:
        value = getattr(sklearn_seqae, name)
        if isinstance(value, type):
            modules = [base.__module__ for base in value.__mro__]
            own = [module for module in modules if module.startswith("sklearn_seqae")]
            assert 1 <= len(own) <= 4, f"{name}: {own}"


def test_importing_the_package_loads_neither_torch_nor_matplotlib():
    code = "import sys, sklearn_seqae; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "sklearn_seqae" in loaded
    assert not {"torch", "skorch", "matplotlib", "sklearn", "pandas"} & set(loaded)


def test_every_public_name_can_be_had():
    import sklearn_seqae

    for name in sklearn_seqae.__all__:
        assert getattr(sklearn_seqae, name) is not None
    assert set(sklearn_seqae.__all__) <= set(dir(sklearn_seqae))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        sklearn_seqae.nothing  # noqa: B018
