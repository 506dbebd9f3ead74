"""Anomaly scores of PyOD's AutoEncoder. Requires numpy, PyOD, torch and tqdm.

    python pyod_scores.py ROWS.npz SCORES.npy SEED

ROWS.npz contains `X_train` for the fit and `X` to score. All parameters except the seed
have PyOD's defaults. `anomaly.py` runs this script in a separate environment.
"""

import sys

import numpy as np
from pyod.models.auto_encoder import AutoEncoder

rows_file, scores_file, seed = sys.argv[1:]
rows = np.load(rows_file)
model = AutoEncoder(random_state=int(seed), verbose=0).fit(rows["X_train"])
np.save(scores_file, model.decision_function(rows["X"]))
