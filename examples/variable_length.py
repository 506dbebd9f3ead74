"""
Encode sequences of variable length
===================================

Each sequence has between 20 and 60 time steps and two channels. The estimator accepts
the list of arrays: padding and masks are automatic. Each sequence becomes one point.
"""

import matplotlib.pyplot as plt
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from sklearn_seqae import RecurrentAutoencoderTransformer
from sklearn_seqae.datasets import make_ragged_sequences
from sklearn_seqae.displays import LatentSpaceDisplay

X, y = make_ragged_sequences(200, random_state=0)
print("shapes of the first sequences:", *(sequence.shape for sequence in X[:3]))

model = RecurrentAutoencoderTransformer(2, max_iter=20, random_state=0)
codes = model.fit_transform(X)
print("shape of the latent codes:", codes.shape)

# %%
# Sequences with the same frequency are neighbors in the latent space. No label was used
# in the fit: a nearest-neighbors classifier predicts the class, the number of periods,
# from the two components.

accuracy = cross_val_score(KNeighborsClassifier(5), codes, y).mean()
print("accuracy of 5 nearest neighbors:", round(accuracy, 2))

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
LatentSpaceDisplay.from_codes(codes, y, label_name="class", ax=left)
left.set_title("latent codes")
sequence, again = X[0], model.reconstruct(X[:1])[0]
for channel in range(2):
    right.plot(
        sequence[:, channel], f"C{channel}", alpha=0.5, label=f"channel {channel}"
    )
    right.plot(again[:, channel], f"C{channel}--", label="reconstruction")
right.set(title="the first sequence", xlabel="time step")
right.legend()
plt.show()
