"""LightGBM: boost trees on the features and the latent codes, with their names."""

import pandas as pd
from lightgbm import LGBMClassifier
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import DenseAutoencoderTransformer

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X.columns = X.columns.str.replace(" ", "_")
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
encoder = make_pipeline(
    StandardScaler(), DenseAutoencoderTransformer(n_components=4, random_state=0)
)
features = make_column_transformer(
    (encoder, X.columns), ("passthrough", X.columns), verbose_feature_names_out=False
).set_output(transform="pandas")
pipeline = make_pipeline(features, LGBMClassifier(random_state=0, verbose=-1))
pipeline.fit(X_train, y_train)
trees = pipeline[-1]
importances = pd.Series(trees.feature_importances_, index=trees.feature_name_)
print(importances.nlargest(5), pipeline.score(X_test, y_test))

assert list(importances.index) == list(features.get_feature_names_out())
assert importances.iloc[:4].sum() > 0  # trees split the latent codes
assert pipeline.score(X_test, y_test) > 0.93
