"""MLflow: log a fitted pipeline, load it and compute the same codes."""

import mlflow
import numpy as np
from sklearn.datasets import load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import DenseAutoencoderTransformer
from sklearn_seqae.persistence import TRUSTED_TYPES

X, _ = load_wine(return_X_y=True)
pipeline = make_pipeline(
    StandardScaler(), DenseAutoencoderTransformer(n_components=3, random_state=0)
).fit(X)

mlflow.set_tracking_uri("sqlite:///mlflow.db")
with mlflow.start_run():
    mlflow.log_metric("score", pipeline.score(X))
    logged = mlflow.sklearn.log_model(
        pipeline,
        name="codes",
        serialization_format="skops",
        skops_trusted_types=TRUSTED_TYPES,
        pip_requirements=["sklearn-seqae[persistence]"],
    )
loaded = mlflow.sklearn.load_model(logged.model_uri)

np.testing.assert_array_equal(loaded.transform(X), pipeline.transform(X))
