"""umap-learn: draw latent codes in two dimensions."""

from sklearn.datasets import load_digits
from sklearn.manifold import trustworthiness
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from umap import UMAP

from sklearn_seqae import DenseAutoencoderTransformer

X, y = load_digits(n_class=5, return_X_y=True)
encoder = make_pipeline(
    StandardScaler(), DenseAutoencoderTransformer(n_components=8, random_state=0)
)
pipeline = make_pipeline(encoder, UMAP(random_state=0, n_jobs=1))
points = pipeline.fit_transform(X)
print(trustworthiness(X, points))

assert points.shape == (len(X), 2)
assert trustworthiness(X, points) > 0.9
