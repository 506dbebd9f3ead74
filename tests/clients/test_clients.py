"""The snippets run, and with an estimator of scikit-learn in place of ours, too.

A snippet that fails for both has changed because of its library, not of this package.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
SNIPPETS = sorted(FOLDER.glob("with_*.py"))
OURS = {
    "from sklearn_seqae import DenseAutoencoderTransformer": (
        "from sklearn.decomposition import PCA as DenseAutoencoderTransformer"
    ),
    "from sklearn_seqae import AutoencoderAnomalyDetector": (
        "from sklearn.ensemble import IsolationForest as AutoencoderAnomalyDetector"
    ),
}
LIMIT = 600  # seconds until a snippet counts as hanging


def control(snippet):
    """Return the snippet with the estimator of scikit-learn."""
    (line,) = (line for line in OURS if line in snippet)
    return snippet.replace(line, OURS[line])


@pytest.mark.parametrize("change", [control, str], ids=["control", "ours"])
@pytest.mark.parametrize("path", SNIPPETS, ids=lambda path: path.stem)
def test_a_snippet_runs(path, change, tmp_path):
    script = tmp_path / path.name
    script.write_text(change(path.read_text("utf-8")), "utf-8")
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=LIMIT,
        env={**os.environ, "MPLBACKEND": "agg"},
    )
    assert done.returncode == 0, done.stderr
