"""Benchmark of bottlenecks and of denoising on digits.

This script prints the numbers of docs/bottlenecks.md in one to two minutes on one core:

    python benchmarks/bottlenecks.py
"""

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import DenseAutoencoderTransformer
from sklearn_seqae.modules.bottleneck import squared_jacobian

WEIGHTS = {
    "plain": [1.0],
    "l1": [0.3, 1.0, 3.0],
    "kl": [1.0, 3.0, 10.0],
    "contractive": [0.1, 1.0],
    "variational": [1.0],
}
NOISES = {"gaussian": 0.5, "masking": 0.3}


def tensor_of(model, X):
    """Return the samples as the network receives them."""
    return torch.from_numpy(model.model_.scaling.apply(X, None))


def penalised(train, test):
    """Print the table of bottlenecks and weights."""
    print("bottleneck    weight    Z     R2  near 0  Jacobian")
    rows = [(8, name, w) for name, weights in WEIGHTS.items() for w in weights]
    rows += [(16, "plain", 1.0), (16, "contractive", 1.0)]
    for size, name, weight in rows:
        model = DenseAutoencoderTransformer(
            size,
            bottleneck=name,
            bottleneck_weight=weight,
            max_iter=40 if size == 8 else 30,
            random_state=0,
        ).fit(train)
        # Both in the units of the network, in which X is divided by one scale.
        inputs = tensor_of(model, test)
        squares = np.square(model.module_.encode(inputs).detach().numpy())
        size_squared = squares.mean(axis=0)
        near = (squares < 0.01 * size_squared).mean()
        gradients = squared_jacobian(model.module_, inputs)
        norm = np.sqrt((gradients.detach().numpy() / size_squared).sum(axis=1)).mean()
        score = model.score(test)
        print(f"{name:12} {weight:7} {size:4} {score:6.3f} {near:7.3f} {norm:9.2f}")


def drawn(X, y):
    """Print how a classifier of real digits classifies samples, and code moments."""
    judge = LogisticRegression(max_iter=2000).fit(X, y)
    for size in (8, 16):
        model = DenseAutoencoderTransformer(
            size, bottleneck="variational", max_iter=40, random_state=0
        ).fit(X)
        judged = judge.predict_proba(model.sample(1000, random_state=0))
        mean, log_variance = model.module_.posterior(tensor_of(model, X))
        noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(0))
        code = (mean + (log_variance / 2).exp() * noise).detach().numpy()
        variances = code.var(axis=0)
        print(
            f"variational, {size}: top probability {judged.max(axis=1).mean():.2f} in "
            f"{len(set(judged.argmax(axis=1)))} classes; codes' largest mean "
            f"{np.abs(code.mean(axis=0)).max():.2f}, variances {variances.min():.2f} "
            f"to {variances.max():.2f}"
        )


def denoised(train, test):
    """Print the errors compared with the clean rows."""
    draw = np.random.RandomState(1)
    for kind, level in NOISES.items():
        if kind == "gaussian":
            noisy = test + level * draw.normal(size=test.shape)
        else:
            noisy = np.where(draw.rand(*test.shape) < level, 0, test)
        for size in (16, 32):
            options = {"max_iter": 60, "random_state": 0}
            models = {
                "PCA": PCA(size),
                "plain": DenseAutoencoderTransformer(size, **options),
                "denoising": DenseAutoencoderTransformer(
                    size, noise=kind, noise_level=level, **options
                ),
            }
            print(kind, level, size, end="")
            for name, model in models.items():
                given = model.inverse_transform(model.fit(train).transform(noisy))
                print(f"  {name} {np.square(given - test).mean():.3f}", end="")
            print()


def main():
    """Print all numbers."""
    X, y = load_digits(return_X_y=True)
    penalised(*train_test_split(X / 16, random_state=0, test_size=0.4))
    drawn(X / 16, y)
    X = StandardScaler().fit_transform(X)
    denoised(*train_test_split(X, random_state=0, test_size=0.3))


if __name__ == "__main__":
    main()
