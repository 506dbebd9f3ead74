"""
Choose the latent size from one fit
===================================

The components of an *ordered* latent code are sorted by explained variance, as in PCA.
One fit shows the explained variance of each latent size.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from sklearn_seqae import DenseAutoencoderTransformer
from sklearn_seqae.displays import ExplainedVarianceDisplay

X = load_digits().data
model = DenseAutoencoderTransformer(
    16, bottleneck="ordered", max_iter=60, random_state=0
).fit(X)

ExplainedVarianceDisplay.from_estimator(model)
plt.show()

# %%
# Both curves are measured on the same validation rows. Neither the autoencoder nor PCA
# was fitted on them. The smallest size that explains 70 % of the variance:

enough = model.explained_variance_ratio_.cumsum() >= 0.7
enough_pca = model.pca_explained_variance_ratio_.cumsum() >= 0.7
print("autoencoder:", enough.argmax() + 1, "components")
print("PCA:        ", enough_pca.argmax() + 1, "components")
