"""Write the inventories of the names of other packages that the pages link to.

    python docs/inventories/write.py

A build without a network needs them. They contain public names only, with the addresses
of the stable documentation of each package.
"""

import zlib
from pathlib import Path

from sklearn.utils.discovery import all_displays, all_estimators, all_functions

HERE = Path(__file__).parent
PYTHON = {
    "ValueError": "library/exceptions.html#ValueError",
    "TypeError": "library/exceptions.html#TypeError",
    "ImportError": "library/exceptions.html#ImportError",
    "AttributeError": "library/exceptions.html#AttributeError",
    "bool": "library/functions.html#bool",
    "bytes": "library/stdtypes.html#bytes",
    "dict": "library/stdtypes.html#dict",
    "float": "library/functions.html#float",
    "int": "library/functions.html#int",
    "list": "library/stdtypes.html#list",
    "pathlib.Path": "library/pathlib.html#pathlib.Path",
    "str": "library/stdtypes.html#str",
    "tuple": "library/stdtypes.html#tuple",
}
NUMPY = {
    "numpy.ndarray": "reference/generated/numpy.ndarray.html#numpy.ndarray",
    "numpy.random.RandomState": "reference/random/legacy.html#numpy.random.RandomState",
}
# Labels and terms that inherited docstrings of scikit-learn refer to.
SKLEARN = [
    ("accuracy_score", "std:label", "modules/model_evaluation.html#accuracy-score"),
    ("meta-estimator", "std:term", "glossary.html#term-meta-estimator"),
    ("metadata_routing", "std:label", "metadata_routing.html#metadata-routing"),
]
PANDAS = ("DataFrame", "DatetimeIndex", "MultiIndex", "PeriodIndex", "Series")
SKORCH = {
    "skorch.net.NeuralNet": "net.html#skorch.net.NeuralNet",
    "skorch.callbacks.Callback": "callbacks.html#skorch.callbacks.Callback",
    "skorch.callbacks.EarlyStopping": "callbacks.html#skorch.callbacks.EarlyStopping",
}


def sklearn_names():
    """Return the public names of scikit-learn and their kinds."""
    objects = [cls for _, cls in (*all_estimators(), *all_displays())]
    names = {public_name(cls): "py:class" for cls in objects}
    names |= {public_name(f): "py:function" for _, f in all_functions()}
    names["sklearn.base.BaseEstimator"] = "py:class"
    return names


def public_name(thing):
    """Return the name that is documented: the private module is left out."""
    parts = [part for part in thing.__module__.split(".") if not part.startswith("_")]
    return ".".join([*parts, thing.__name__])


def write(name, version, entries):
    """Write one inventory in version 2 of the format of Sphinx."""
    head = f"# Sphinx inventory version 2\n# Project: {name}\n# Version: {version}\n"
    head += "# The remainder of this file is compressed using zlib.\n"
    lines = [f"{key} {role} 1 {uri} -\n" for key, role, uri in sorted(entries)]
    body = zlib.compress("".join(lines).encode(), 9)
    (HERE / f"{name}.inv").write_bytes(head.encode() + body)
    print(name, len(lines))


def kind_of(name):
    return "py:exception" if name.endswith("Error") else "py:class"


if __name__ == "__main__":
    page = "modules/generated/{0}.html#{0}"
    names = [(name, role, page.format(name)) for name, role in sklearn_names().items()]
    write("sklearn", "", names + SKLEARN)
    pandas = {
        f"pandas.{n}": f"reference/api/pandas.{n}.html#pandas.{n}" for n in PANDAS
    }
    for name, names in (
        ("numpy", NUMPY),
        ("pandas", pandas),
        ("python", PYTHON),
        ("skorch", SKORCH),
    ):
        write(name, "", [(key, kind_of(key), uri) for key, uri in names.items()])
