"""Docstrings and pages use the field's terms, and shared texts agree."""

import inspect
import re
from pathlib import Path

import pytest

from sklearn_seqae import (
    AutoencoderAnomalyDetector,
    AutoencoderClassifier,
    ConvolutionalAutoencoderTransformer,
    DenseAutoencoderTransformer,
    RecurrentAutoencoderTransformer,
)

ROOT = Path(__file__).parents[1]
TEXTS = [
    *(ROOT / "sklearn_seqae").rglob("*.py"),
    *(ROOT / "examples").glob("*.py"),
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
]
# A word, and the field's term for it.
OTHER_WORDS = {
    r"giv(e|es|en|ing) back": "reconstruct",
    r"stands? where": "drop-in alternative to",
    r"strange(r|st|ness)?": "anomalous",
    r"stands? out": "anomaly",
    r"(the )?judged?s?\b": "validation, model selection",
    r"\bguard": "convergence warning",
    r"honest word": "warning",
    r"data door": "input validation",
    r"\brungs?\b|\bladder": "bucket of lengths",
    r"most epochs": "maximum number of epochs",
    r"\bblame": "attribution",
    r"learned by heart": "overfitting",
    r"\b(walls|rooms?) of the house|\bthe house\b": "architecture",
    r"so many (epochs|steps|times)": "the number of",
    r"what is ahead": "forecast",
}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_texts_use_the_terms_of_the_field(path):
    text = path.read_text()
    found = [
        f"line {text[: match.start()].count(chr(10)) + 1}: {match[0]!r}, say {term!r}"
        for pattern, term in OTHER_WORDS.items()
        for match in re.finditer(pattern, text, re.IGNORECASE)
    ]
    assert not found, found


def entries(estimator, section="Parameters"):
    """Return the text of each parameter in the docstring of a class."""
    text = inspect.cleandoc(estimator.__doc__)
    body = re.search(
        rf"^{section}\n-+\n(.*?)(?=^\w+( \w+)?\n-+\n|\Z)", text, re.M | re.S
    )
    assert body, estimator
    parts = re.split(r"^(\w+) : .*(?:\n {8,}.*)*\n", body[1], flags=re.M)
    return {
        name: re.sub(r"\s+", " ", description).strip()
        for name, description in zip(parts[1::2], parts[2::2], strict=True)
    }


FAMILIES = (
    DenseAutoencoderTransformer,
    RecurrentAutoencoderTransformer,
    ConvolutionalAutoencoderTransformer,
)


@pytest.mark.parametrize(
    "estimator", [*FAMILIES, AutoencoderClassifier, AutoencoderAnomalyDetector]
)
def test_every_parameter_is_documented_in_the_order_of_the_signature(estimator):
    names = list(inspect.signature(estimator).parameters)
    assert list(entries(estimator)) == names
    assert all(entries(estimator).values())


# Parameters whose texts differ after their first sentence.
DIFFERENT = {
    "batch_size",
    "init",
    "learning_rate_init",
    "n_iter_no_change",
    "sample_shape",
    "validation_fraction",
}
# Units of a layer, or filters of a stage
OTHER_MEANING = {"hidden_layer_sizes", "decoder_layer_sizes"}


def test_parameters_of_the_families_have_the_same_texts():
    texts = [entries(family) for family in FAMILIES]
    for name in sorted(set().union(*texts) - OTHER_MEANING):
        found = {text[name] for text in texts if name in text}
        if name in DIFFERENT:
            found = {
                re.split(r"[.:] ", text, maxsplit=1)[0].rstrip(".") for text in found
            }
        assert len(found) == 1, found


def test_public_methods_have_typed_signatures():
    for estimator in (*FAMILIES, AutoencoderClassifier, AutoencoderAnomalyDetector):
        for name, method in inspect.getmembers(estimator, inspect.isfunction):
            if name.startswith("_") or not method.__module__.startswith(
                "sklearn_seqae"
            ):
                continue
            signature = inspect.signature(method)
            hints = [
                p.annotation for p in signature.parameters.values() if p.name != "self"
            ]
            hints.append(signature.return_annotation)
            assert inspect.Signature.empty not in hints, f"{estimator.__name__}.{name}"
