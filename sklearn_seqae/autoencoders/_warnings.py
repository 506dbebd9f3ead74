"""Warnings after a fit, and of files of another version."""

import warnings

from sklearn.exceptions import ConvergenceWarning, InconsistentVersionWarning

from sklearn_seqae._version import __version__

TOLERATED_LOSS = 0.02  # share of the reference's error


def warn_if_no_better(name, r2, does="reconstructs"):
    """Warn where a model is clearly worse than its reference, or than the mean.

    Parameters
    ----------
    name : str
        Class of the estimator.

    r2 : dict of float
        Held-out R² of the "model" and of "pca" with as many components.

    does : str, default="reconstructs"
        What R² is about.
    """
    model, reference = r2["model"], r2["pca"]
    advice = (
        "Use init='pca', raise 'max_iter', or change 'learning_rate_init' or "
        "'hidden_layer_sizes'."
    )
    if model <= 0:
        warnings.warn(
            f"{name} {does} held-out rows no better than their mean does "
            f"(R² {model:.3f}). {advice}",
            ConvergenceWarning,
            stacklevel=6,
        )
    elif 1 - model > (1 + TOLERATED_LOSS) * (1 - reference):
        warnings.warn(
            f"{name} {does} held-out rows worse than PCA with as many "
            f"components (R² {model:.3f} against {reference:.3f}). {advice}",
            ConvergenceWarning,
            stacklevel=6,
        )


def warn_if_not_reached(name, fraction, reached):
    """Warn where all components together explain less than was asked for."""
    warnings.warn(
        f"All components of {name} explain {reached:.3f} of the variance of held-out "
        f"rows, less than n_components={fraction}: all are kept. Ask for less, or give "
        "n_components as an int.",
        ConvergenceWarning,
        stacklevel=6,
    )


def check_version(name, version):
    """Warn where a file was written by another version of the package."""
    if version is None or version == __version__:
        return
    warnings.warn(
        InconsistentVersionWarning(
            estimator_name=name,
            current_sklearn_version=__version__,
            original_sklearn_version=version,
        ),
        stacklevel=3,
    )
