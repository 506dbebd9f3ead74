"""Score rows with PyOD's AutoEncoder; needs numpy, PyOD and what its model imports.

    python pyod_scores.py ROWS.npz SCORES.npy SEED

ROWS.npz holds `X_train` to fit on and `X` to score. All is left at PyOD's defaults
but the seed, so that `anomaly.py` can run this in an environment of its own.
"""

import sys

import numpy as np
from pyod.models.auto_encoder import AutoEncoder

rows_file, scores_file, seed = sys.argv[1:]
rows = np.load(rows_file)
model = AutoEncoder(random_state=int(seed), verbose=0).fit(rows["X_train"])
np.save(scores_file, model.decision_function(rows["X"]))
