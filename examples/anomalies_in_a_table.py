"""
Detect anomalies in a table
===========================

The detector is fitted on benign breast tumors only. New tumors with an anomalous shape
get a low score. ``false_alarm_rate`` sets the threshold, and ``explain`` names the
measurements that cause an alarm.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from sklearn_seqae import AutoencoderAnomalyDetector

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
benign, malignant = X[y == 1], X[y == 0]
train, benign = train_test_split(benign, random_state=0)

detector = AutoencoderAnomalyDetector(
    scaler="standard", false_alarm_rate=0.05, random_state=0
).fit(train)
scores = {"benign": benign, "malignant": malignant}
scores = {name: detector.score_samples(rows) for name, rows in scores.items()}
alarms = {name: (s < detector.offset_).mean() for name, s in scores.items()}
print({name: f"{share:.0%} alarms" for name, share in alarms.items()})

labels = [0] * len(benign) + [1] * len(malignant)
auc = roc_auc_score(labels, [-s for part in scores.values() for s in part])
print("ROC AUC:", round(auc, 2))

# %%
# The measurements that contribute most to the alarm of the first malignant tumor:

print(detector.explain(malignant[:1], n_causes=3).round(2).to_string())

# %%
ax = plt.figure(figsize=(7, 3.5), layout="constrained").subplots()
ax.hist(list(scores.values()), bins=40, stacked=True, label=list(scores))
ax.axvline(detector.offset_, color="black", linestyle=":", label="threshold")
ax.set(xlabel="anomaly score (lower: more anomalous)", ylabel="tumors")
ax.legend()
plt.show()
