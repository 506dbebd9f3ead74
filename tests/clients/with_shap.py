"""SHAP: attribute an anomaly score to the features."""

import shap
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import AutoencoderAnomalyDetector

X, _ = load_wine(return_X_y=True, as_frame=True)
X = StandardScaler().set_output(transform="pandas").fit_transform(X)
detector = AutoencoderAnomalyDetector(random_state=0).fit(X)

damaged = X.iloc[:3].copy()
damaged["ash"] = 10.0  # standard deviations
explainer = shap.PermutationExplainer(detector.score_samples, X.iloc[::30], seed=0)
explanation = explainer(damaged, silent=True)
print(explanation[0].values.round(2))

total = explanation.base_values + explanation.values.sum(axis=1)
assert abs(total - detector.score_samples(damaged)).max() < 1e-6
causes = [X.columns[row.argmin()] for row in explanation.values]
assert causes == ["ash"] * 3
