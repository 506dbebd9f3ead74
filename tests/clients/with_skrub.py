"""skrub: encode dates and text of a data frame, and reduce their dimension."""

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skrub import TableVectorizer

from sklearn_seqae import DenseAutoencoderTransformer

rng = np.random.default_rng(0)
city = rng.choice(["Bern", "Oslo", "Rome"], size=300)
days = pd.date_range("2025-01-01", periods=300)
frame = pd.DataFrame({"city": city, "day": days, "pressure": rng.normal(size=300)})
temperature = frame["city"].map({"Bern": 8, "Oslo": 4, "Rome": 16}) + frame["pressure"]

encoder = make_pipeline(
    TableVectorizer(),
    StandardScaler(),
    DenseAutoencoderTransformer(n_components=5, random_state=0),
).set_output(transform="pandas")
codes = encoder.fit_transform(frame)
print(codes.head())

assert codes.shape == (300, 5)
assert list(codes.columns) == list(encoder.get_feature_names_out())

predictor = make_pipeline(encoder, Ridge())
scores = cross_val_score(predictor, frame, temperature, cv=3)
print(scores)

assert scores.min() > 0.5
