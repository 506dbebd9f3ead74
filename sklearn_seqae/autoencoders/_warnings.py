"""Convergence warnings, and warnings about pickles of another version."""

import numpy as np
from sklearn.exceptions import ConvergenceWarning, InconsistentVersionWarning

from sklearn_seqae._version import __version__
from sklearn_seqae._warn import warn

TOLERATED_LOSS = 0.02  # relative to the squared error of PCA


def warn_if_no_better(name, r2, does="reconstructs"):
    """Warn if a model is clearly worse than PCA, or no better than the mean.

    Parameters
    ----------
    name : str
        Class of the estimator.

    r2 : dict of float
        Validation R² of the "model" and of "pca" with the same number of components.

    does : str, default="reconstructs"
        Verb of the message.
    """
    model, reference = r2["model"], r2["pca"]
    advice = (
        "Use init='pca', raise 'max_iter', or change 'learning_rate_init' or "
        "'hidden_layer_sizes'."
    )
    if model <= 0:
        warn(
            f"{name} {does} the validation rows no better than their mean "
            f"(R² {model:.3f}). {advice}",
            ConvergenceWarning,
        )
    elif 1 - model > (1 + TOLERATED_LOSS) * (1 - reference):
        warn(
            f"{name} {does} the validation rows worse than PCA with the same number of "
            f"components (R² {model:.3f}, PCA {reference:.3f}). {advice}",
            ConvergenceWarning,
        )


def warn_if_not_reached(name, fraction, reached):
    """Warn if all components explain less variance than requested."""
    warn(
        f"All components of {name} explain {reached:.3f} of the variance of the "
        f"validation rows, less than n_components={fraction}. All components are kept. "
        "Use a smaller fraction, or an int for n_components.",
        ConvergenceWarning,
    )


def warn_of_missing_device(name, device):
    """Warn if a model is loaded on a machine without its device."""
    warn(
        f"{name} was saved with device={device!r}, which is not available here. It "
        "computes on the CPU. Set device='cpu' to avoid this warning.",
    )


def warn_of_empty(samples):
    """Warn if samples have no observed value."""
    if samples.observed is None:
        return
    empty = np.flatnonzero(~samples.has_values)
    if len(empty):
        warn(
            f"X has {len(empty)} sample(s) without any observed value, the first in "
            f"row {empty[0]}. They are reconstructed by the training mean.",
        )


def check_version(name, version):
    """Warn if a pickle was written by another version of the package."""
    if version is None or version == __version__:
        return
    warn(
        InconsistentVersionWarning(
            estimator_name=name,
            current_sklearn_version=__version__,
            original_sklearn_version=version,
        ),
    )
