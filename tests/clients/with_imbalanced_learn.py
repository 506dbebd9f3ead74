"""imbalanced-learn: resample the classes before the autoencoder in a pipeline."""

from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import DenseAutoencoderTransformer

X, y = load_breast_cancer(return_X_y=True)
X, y = X[180:], y[180:]  # 114 tumours of 389 rows are malignant
pipeline = make_pipeline(
    StandardScaler(),
    SMOTE(random_state=0),
    DenseAutoencoderTransformer(n_components=5, random_state=0),
    LogisticRegression(),
)
scores = cross_val_score(pipeline, X, y, cv=3, scoring="balanced_accuracy")
print(scores.mean())

assert scores.mean() > 0.9
