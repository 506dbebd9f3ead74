"""Type checkers see the public signatures."""

from importlib.resources import files

import pytest
from mypy import api

CORRECT = """
import numpy as np
from sklearn_seqae import AutoencoderAnomalyDetector, DenseAutoencoderTransformer
from sklearn_seqae import RecurrentAutoencoderTransformer

X = np.ones((50, 4))
dense = DenseAutoencoderTransformer(2, hidden_layer_sizes=(16,), early_stopping=False)
r2: float = dense.fit(X).score(X)
lstm = RecurrentAutoencoderTransformer(0.9, bottleneck="ordered", cell="gru")
detector = AutoencoderAnomalyDetector(lstm, window_size="auto", contamination=0.1)
offset: float = detector.fit(X).offset_
"""
MISTAKES = {
    "DenseAutoencoderTransformer(2,": "DenseAutoencoderTransformer('two',",
    'cell="gru"': 'cell="grü"',
    'window_size="auto"': 'windows_size="auto"',
    "r2: float": "r2: str",
}


def errors_of(program, tmp_path):
    """Return the lines in which mypy finds an error, with the config of a new user."""
    path = tmp_path / "program.py"
    path.write_text(program)
    (tmp_path / "mypy.ini").write_text("[mypy]\nignore_missing_imports = true\n")
    report, stderr, _ = api.run(
        [
            str(path),
            f"--config-file={tmp_path / 'mypy.ini'}",
            f"--cache-dir={tmp_path / 'cache'}",
            "--no-error-summary",
        ]
    )
    assert not stderr, stderr
    return [int(line.split(":")[1]) for line in report.splitlines() if "error" in line]


@pytest.mark.slow
def test_mypy_finds_each_mistake_of_a_user_and_nothing_else(tmp_path):
    assert (files("sklearn_seqae") / "py.typed").is_file()
    assert errors_of(CORRECT, tmp_path) == []
    program, lines = CORRECT, []
    for right, wrong in MISTAKES.items():
        assert program.count(right) == 1
        lines.append(program[: program.index(right)].count("\n") + 1)
        program = program.replace(right, wrong)
    assert sorted(errors_of(program, tmp_path)) == sorted(lines)
