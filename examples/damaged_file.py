"""
Detect a damaged model file
===========================

A pickle with one changed bit often loads as a different model, without an error. A file
of ``sklearn_seqae.persistence`` has a checksum, so that the same damage is an error.

As a script, the example takes the folder of the figure and the files as its first
argument, ``files_output`` by default.
"""

# %%
# Save a model in both formats
# ----------------------------

import pickle
import sys
from pathlib import Path

from sklearn.datasets import load_iris

from sklearn_seqae import DenseAutoencoderTransformer, persistence
from sklearn_seqae.displays import LatentSpaceDisplay

X, y = load_iris(return_X_y=True)
model = DenseAutoencoderTransformer(2, max_iter=30, random_state=0).fit(X)

output = Path(sys.argv[1] if len(sys.argv) > 1 else "files_output")
output.mkdir(exist_ok=True)
(output / "model.pickle").write_bytes(pickle.dumps(model))
persistence.save(model, output / "model.seqae")

# %%
# Change one bit
# --------------
# The bit belongs to the mean of the first column. Each file contains this mean several
# times; ``transform`` subtracts the second copy. The changed bit halves its value.

number = model.mean_[:1].tobytes()
for path in (output / "model.pickle", output / "model.seqae"):
    content = bytearray(path.read_bytes())
    second = content.index(number, content.index(number) + 1)
    content[second + 6] ^= 0b1_0000  # the last bit of the exponent
    path.with_stem("damaged").write_bytes(content)

# %%
# Load both files
# ---------------
# The damaged pickle loads as a different model. The file of ``persistence`` is refused.

other = pickle.loads((output / "damaged.pickle").read_bytes())
change = abs(other.transform(X) - model.transform(X)).max()
print(f"Largest change of a latent code in the damaged pickle: {change:.2f}")

try:
    persistence.load(output / "damaged.seqae")
except persistence.ModelFileError as error:
    message = str(error)
    print("ModelFileError:", message)

# %%
# Draw the latent codes
# ---------------------

import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained", sharey=True)
titles = ("Saved model", "Pickle with one changed bit: no error")
for ax, loaded, title in zip(axes, (model, other), titles, strict=True):
    LatentSpaceDisplay.from_estimator(loaded, X, y, ax=ax)
    ax.set_title(title)
axes[0].get_legend().remove()
figure.savefig(output / "damaged_file.png", dpi=100)
