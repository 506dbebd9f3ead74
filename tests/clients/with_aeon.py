"""aeon: classify time series by latent codes of its features."""

from aeon.datasets import load_basic_motions
from aeon.transformations.collection.feature_based import Catch22
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import DenseAutoencoderTransformer

X, y = load_basic_motions(split="train")  # 40 series of 6 channels and 100 time steps
X_test, y_test = load_basic_motions(split="test")
classifier = make_pipeline(
    Catch22(replace_nans=True),
    StandardScaler(),
    DenseAutoencoderTransformer(n_components=8, random_state=0),
    LogisticRegression(),
).fit(X, y)
print(classifier.score(X_test, y_test))

assert classifier.score(X_test, y_test) > 0.9
