"""
Resume an interrupted fit
=========================

With ``checkpoint``, a fit that is killed continues from the last epoch when it is
called again. The result is bitwise identical to a fit without an interruption.

As a script, the example takes the folder of the figure and the files as its first
argument, ``resume_output`` by default.
"""

# %%
# A fit that is killed
# --------------------
# The fit runs in another process, which is killed after 20 epochs, as the operating
# system does if no memory is left. ``verbose=1`` prints a line for each epoch.

import subprocess
import sys
from pathlib import Path

output = Path(sys.argv[1] if len(sys.argv) > 1 else "resume_output")
output.mkdir(exist_ok=True)
folder = output / "checkpoints"

SCRIPT = """
import sys
from sklearn.datasets import load_digits
from sklearn_seqae import DenseAutoencoderTransformer

X = load_digits().data
model = DenseAutoencoderTransformer(
    8, max_iter=60, early_stopping=False, random_state=0, verbose=1,
    checkpoint=sys.argv[1],
)
model.fit(X)
"""
process = subprocess.Popen(
    [sys.executable, "-u", "-c", SCRIPT, str(folder)], stdout=subprocess.PIPE, text=True
)
for line in process.stdout:
    if "epoch  20" in line:
        print(line.strip())
        break
process.kill()
process.communicate()

# %%
# The folder contains the file of this fit. Its name is a digest of the data, the
# parameters, the seed and the versions of the packages.

for path in folder.iterdir():
    print(path.name)

# %%
# The same fit again
# ------------------
# The first lines show that the fit continues. The file is removed at the end.

import io
from contextlib import redirect_stdout

from sklearn.datasets import load_digits

from sklearn_seqae import DenseAutoencoderTransformer

X = load_digits().data
options = {"max_iter": 60, "early_stopping": False, "random_state": 0}
resumed = DenseAutoencoderTransformer(8, **options, verbose=1, checkpoint=str(folder))
with redirect_stdout(io.StringIO()) as printed:
    resumed.fit(X)
lines = printed.getvalue().splitlines()
print(*lines[:2], sep="\n")
n_left = len(list(folder.iterdir()))
print(f"{n_left} files are left.")

# %%
# A fit without an interruption
# -----------------------------

whole = DenseAutoencoderTransformer(8, **options).fit(X)
is_equal = bool((resumed.transform(X) == whole.transform(X)).all())
print("The latent codes are bitwise identical:", is_equal)

import matplotlib.pyplot as plt

n_before = len(resumed.loss_curve_) - sum("epoch" in line for line in lines)
epochs = range(1, len(whole.loss_curve_) + 1)
figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.plot(epochs, whole.loss_curve_, color="0.75", linewidth=6, label="not interrupted")
for part, label in (
    (slice(None, n_before), "before the kill"),
    (slice(n_before - 1, None), "resumed"),
):
    ax.plot(epochs[part], resumed.loss_curve_[part], label=label)
ax.axvline(n_before, color="black", linestyle=":")
ax.set(xlabel="epoch", ylabel="training loss")
ax.legend()
figure.savefig(output / "interrupted_fit.png", dpi=100)
