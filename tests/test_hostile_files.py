"""Files that `load` must refuse, and whose code it must never run."""

import importlib
import json
import pickle
import sys
import zipfile
from io import BytesIO

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import _files, persistence
from sklearn_seqae.persistence import ModelFileError, load, save
from tests.instances import dense

skops_io = pytest.importorskip("skops.io")

X = np.random.default_rng(0).normal(size=(60, 6))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.seqae"


# Damaged and foreign files


@pytest.fixture(scope="module")
def whole_file(tmp_path_factory):
    """Bytes of a file, and the places of its parts."""
    path = tmp_path_factory.mktemp("whole") / "model.seqae"
    save(make_pipeline(StandardScaler(), dense()).fit(X), path)
    return path.read_bytes()


def damaged(content, rng):
    """Yield 1,000 files with one kind of damage each."""
    first, header, _ = content.split(b"\n", 2)
    start = len(first) + len(header) + 2
    regions = [
        (0, len(first) + 1),
        (len(first) + 1, start),
        (start, start + 200),
        (start, len(content) - 32),
        (len(content) - 2000, len(content) - 32),  # the directory of the zip
        (len(content) - 32, len(content)),
    ]
    for number in range(600):  # flipped bits
        low, high = regions[number % len(regions)]
        changed = bytearray(content)
        changed[rng.integers(low, high)] ^= 1 << rng.integers(8)
        yield bytes(changed)
    for _ in range(150):  # truncated
        yield content[: rng.integers(0, len(content))]
    for _ in range(50):  # with bytes after the end
        yield content + rng.bytes(rng.integers(1, 100))
    n_swapped = 0
    while n_swapped < 100:  # swapped pieces of one length
        size = int(rng.integers(1, 300))
        one, other = rng.choice((len(content) - start) // size - 1, 2, replace=False)
        a, b = (slice(start + i * size, start + (i + 1) * size) for i in (one, other))
        changed = bytearray(content)
        changed[a], changed[b] = changed[b], changed[a]
        if changed != content:
            n_swapped += 1
            yield bytes(changed)
    fields = json.loads(header)
    for number in range(100):  # edited headers
        edited = {**fields, rng.choice(list(fields)): int(rng.integers(10**6)) + 100}
        if number % 2:
            del edited[rng.choice(list(edited))]
        yield content.replace(header, json.dumps(edited).encode())


def test_each_of_a_thousand_damaged_files_is_refused(whole_file, path):
    n_files = 0
    for content in damaged(whole_file, np.random.default_rng(0)):
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match="Cannot load .*Expected a complete"):
            load(path)
        n_files += 1
    assert n_files == 1000


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"\x80\x04N.", b"PK\x03\x04", persistence.MAGIC + b"\n", bytes(100)],
)
def test_a_foreign_file_is_refused(content, path):
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="Cannot load"):
        load(path)


def test_a_skops_file_and_a_pickle_are_refused(path):
    model = dense().fit(X)
    for content in (skops_io.dumps(model), pickle.dumps(model)):
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match="its first line is not"):
            load(path)


@pytest.mark.parametrize("number", [2, 0, -1, "1", None, True, 1.0, [1], {}])
def test_a_file_of_another_format_version_is_refused(number, path, whole_file):
    path.write_bytes(whole_file)
    header, data = _files.read_file(path, persistence.MAGIC)
    header["format_version"] = number
    _files.write_file(path, persistence.MAGIC, header, bytes(data))
    with pytest.raises(ModelFileError, match="format version.*Update sklearn-seqae"):
        load(path)


def test_a_file_that_is_not_there_is_an_oserror(path):
    with pytest.raises(FileNotFoundError):
        load(path)
    with pytest.raises(IsADirectoryError):
        load(path.parent)


# Hostile files, with a checksum that matches


def parts_of(value, place=()):
    """Yield the place and the value of everything in a JSON tree."""
    yield place, value
    items = []
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, each in items:
        yield from parts_of(each, (*place, key))


def changed_at(tree, place, new):
    """Return a copy of a JSON tree with another value at a place."""
    tree = json.loads(json.dumps(tree))
    inner = tree
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = new
    return tree


def node(loader, module="tests.payload", kind="run", **fields):
    return {"__loader__": loader, "__module__": module, "__class__": kind, **fields}


ARGUMENTS = node("TupleNode", "builtins", "tuple", content=[])
PAYLOADS = [
    node("FunctionNode"),
    node("TypeNode"),
    node("ObjectNode", content=None),
    node("ConstructorFromReduceNode", content=ARGUMENTS),
    node("DictNode", content={}, key_types=ARGUMENTS),
    node("ListNode", content=[]),
    node("MethodNode", content={"func": "run", "obj": node("ObjectNode")}),
    node("OperatorFuncNode", "operator", "methodcaller", attrs=ARGUMENTS),
    node(
        "PartialNode",
        "functools",
        "partial",
        content={
            "func": node("FunctionNode"),
            "args": ARGUMENTS,
            "kwds": node("DictNode", "builtins", "dict", content={}, key_types=[]),
            "namespace": ARGUMENTS,
        },
    ),
    node("FunctionNode", "os", "system"),
    node("ObjectNode", "skorch.net", "NeuralNet", content=None),
]


@pytest.fixture(scope="module")
def schema(whole_file, tmp_path_factory):
    """The description of the objects in a file, and its arrays."""
    path = tmp_path_factory.mktemp("schema") / "model.seqae"
    path.write_bytes(whole_file)
    header, data = _files.read_file(path, persistence.MAGIC)
    with zipfile.ZipFile(BytesIO(persistence._archive(data))) as members:
        arrays = {each: members.read(each) for each in members.namelist()}
    return header, json.loads(arrays.pop("schema.json")), arrays


@pytest.fixture
def load_hostile(path, monkeypatch, schema):
    """A function that loads a description with a valid checksum."""
    trace = path.with_name("trace")
    monkeypatch.setenv("SEQAE_TRACE", str(trace))
    monkeypatch.delitem(sys.modules, "tests.payload", raising=False)
    header, whole, arrays = schema

    def load_it(tree=whole, members=arrays):
        buffer = BytesIO()
        with zipfile.ZipFile(buffer, "w") as target:
            for each, content in members.items():
                target.writestr(each, content)
            target.writestr("schema.json", json.dumps(tree))
        data = persistence._shortened(buffer.getvalue())
        _files.write_file(path, persistence.MAGIC, header, *data)
        try:
            return load(path)
        finally:
            assert not trace.exists(), "code of the file was run"
            assert "tests.payload" not in sys.modules

    return load_it


def test_the_payload_leaves_a_trace(load_hostile, path):
    """Otherwise the tests below would prove nothing."""
    assert load_hostile() is not None
    importlib.import_module("tests.payload")
    del sys.modules["tests.payload"]
    assert path.with_name("trace").exists()


def test_a_payload_in_place_of_any_object_runs_nothing(load_hostile, schema):
    places = [
        place
        for place, value in parts_of(schema[1])
        if isinstance(value, dict) and "__loader__" in value and place
    ]
    assert len(places) > 100
    for number, place in enumerate(places):
        tree = changed_at(schema[1], place, PAYLOADS[number % len(PAYLOADS)])
        with pytest.raises(ModelFileError):
            load_hostile(tree)


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda each: each["__loader__"])
def test_a_payload_as_the_estimator_runs_nothing(load_hostile, schema, payload):
    top = {key: schema[1][key] for key in ("protocol", "_skops_version")}
    with pytest.raises(ModelFileError):
        load_hostile({**payload, **top})


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["tests.payload", "run", "__import__('tests.payload')"]
)
def test_a_payload_in_any_text_runs_nothing(load_hostile, schema, text):
    places = [place for place, value in parts_of(schema[1]) if isinstance(value, str)]
    assert len(places) > 500
    for place in places[len(text) % 3 :: 3]:
        try:
            load_hostile(changed_at(schema[1], place, text))
        except ModelFileError:
            pass


def test_a_pickle_in_place_of_any_array_runs_nothing(load_hostile, schema):
    class Hostile:
        def __reduce__(self):
            from builtins import __import__ as function

            return function, ("tests.payload",)

    buffer = BytesIO()
    np.save(buffer, np.array([Hostile()], dtype=object), allow_pickle=True)
    for member in schema[2]:
        with pytest.raises(ModelFileError):
            load_hostile(members={**schema[2], member: buffer.getvalue()})


@pytest.mark.parametrize(
    "content", [b"", b"null", b"[]", b"{}", b"[" * 100_000, b"\xff\xfe", b'{"a": NaN}']
)
def test_nonsense_in_place_of_the_content_is_refused(
    content, path, whole_file, load_hostile, schema
):
    path.write_bytes(whole_file)
    header, _ = _files.read_file(path, persistence.MAGIC)
    _files.write_file(path, persistence.MAGIC, header, content)
    with pytest.raises(ModelFileError):
        load(path)
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        target.writestr("schema.json", content)
    data = persistence._shortened(buffer.getvalue())
    _files.write_file(path, persistence.MAGIC, header, *data)
    with pytest.raises(ModelFileError):
        load(path)
