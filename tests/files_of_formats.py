"""Files of each format version, to load with every later version.

``python -m tests.files_of_formats`` writes those of the present format version. Do this
once, when the format version is new. Files of a released format version never change:
where one no longer loads, the code that reads it is wrong.
"""

from pathlib import Path

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import SequenceScaler, persistence
from tests.instances import classifier, convolutional, dense, detector, recurrent

FOLDER = Path(__file__).parent / "files"

RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(60, 4)).cumsum(axis=0)
LABELS = np.where(TABLE[:, 0] > TABLE[:, 0].mean(), "high", "low")
SEQUENCES = [RNG.normal(size=(n, 2)).cumsum(axis=0) for n in [5, 7, 6] * 8]
IMAGES = RNG.normal(size=(24, 4, 4, 1)).cumsum(axis=1)

# Name of the file, estimator, data, method whose results are kept.
MODELS = [
    ("dense", make_pipeline(StandardScaler(), dense()), TABLE, "transform"),
    ("ordered", dense(0.9, bottleneck="ordered"), TABLE, "transform"),
    ("recurrent", recurrent(whiten=True), SEQUENCES, "transform"),
    ("convolutional", convolutional(), IMAGES, "transform"),
    ("scaler", SequenceScaler(), SEQUENCES, "transform"),
    ("classifier", classifier(dense()), TABLE, "predict_proba"),
    ("rows", detector(dense(1), contamination=0.1), TABLE, "score_samples"),
    (
        "series",
        detector(dense(1), window_size=4, contamination=0.1),
        TABLE,
        "score_samples",
    ),
]


def write(version):
    folder = FOLDER / f"format_{version}"
    folder.mkdir(parents=True, exist_ok=True)
    expected = {}
    for name, estimator, data, method in MODELS:
        labels = LABELS if name == "classifier" else None
        model = estimator.fit(data, labels)
        persistence.save(model, folder / f"{name}.seqae")
        results = getattr(model, method)(data)
        expected[name] = np.concatenate([np.asarray(each).ravel() for each in results])
    np.savez(folder / "expected.npz", **expected)


if __name__ == "__main__":
    write(persistence.FORMAT_VERSION)
