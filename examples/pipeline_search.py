"""
Search the latent size in a Pipeline
====================================

A grid search compares latent sizes by the accuracy of a classifier that uses the latent
codes. PCA is a candidate of the same grid.
"""

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import DenseAutoencoderTransformer

X, y = load_digits(return_X_y=True)
autoencoder = DenseAutoencoderTransformer(max_iter=30, random_state=0)
pipeline = Pipeline(
    [
        ("scale", StandardScaler()),
        ("reduce", autoencoder),
        ("classify", LogisticRegression(max_iter=1000)),
    ]
)
grid = {"reduce": [PCA(), autoencoder], "reduce__n_components": [2, 4, 8, 16]}
search = GridSearchCV(pipeline, grid, cv=3).fit(X, y)
print(search.best_params_, round(search.best_score_, 3))

# %%
# The gain of the autoencoder is largest with few components.

results = pd.DataFrame(search.cv_results_)
ax = plt.figure(figsize=(6, 4), layout="constrained").subplots()
for name, rows in results.groupby(
    results["param_reduce"].map(lambda m: type(m).__name__)
):
    ax.plot(
        rows["param_reduce__n_components"], rows["mean_test_score"], "o-", label=name
    )
ax.set(xlabel="n_components", ylabel="accuracy, 3 folds", xticks=[2, 4, 8, 16])
ax.legend()
plt.show()
