"""
Use a few labels
================

Three of the anomalies among the training rows are known. The detector excludes them
from training, and similar rows get lower scores.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import average_precision_score

from sklearn_seqae import AutoencoderAnomalyDetector

digits, names = load_digits(return_X_y=True)
X = np.vstack([digits[names == 3], digits[names == 8][:25]])
is_anomaly = np.arange(len(X)) >= len(X) - 25  # the eights among the threes

labels = np.zeros(len(X), dtype=int)  # 0: unknown
labels[-3:] = -1  # known anomalies

# %%
# The rows without a label are ranked by a detector with these labels, and by one
# without them:

unknown = labels == 0
precision, scores = {}, {}
for title, known in {"without labels": None, "with 3 labels": labels}.items():
    detector = AutoencoderAnomalyDetector(random_state=0).fit(X, labels=known)
    scores[title] = detector.score_samples(X[unknown])
    precision[title] = average_precision_score(is_anomaly[unknown], -scores[title])
print({title: f"{value:.2f}" for title, value in precision.items()})

# %%
# The 22 rows with the lowest scores; anomalies are framed:

figure = plt.figure(figsize=(9, 2.4), layout="constrained")
for part, (title, values) in zip(
    figure.subfigures(1, 2, wspace=0.05), scores.items(), strict=True
):
    part.suptitle(f"{title}: average precision {precision[title]:.2f}")
    lowest = np.flatnonzero(unknown)[np.argsort(values)[:22]]
    for ax, row in zip(part.subplots(2, 11).flat, lowest, strict=True):
        ax.imshow(X[row].reshape(8, 8), cmap="gray_r")
        ax.set(xticks=[], yticks=[])
        for side in ax.spines.values():
            side.set(color="#D55E00", linewidth=3, visible=is_anomaly[row])
plt.show()
