"""Results of a fit: attributes, and warnings about them and about their files."""

import numpy as np
from sklearn.exceptions import ConvergenceWarning, InconsistentVersionWarning

from sklearn_seqae._version import __version__
from sklearn_seqae._warn import warn

TOLERATED_LOSS = 0.02  # relative to the squared error of PCA


def store_selection(estimator, selection):
    """Store the results of the model selection, if there was one."""
    if selection is None:
        estimator.n_iter_ = estimator.best_epoch_ = len(estimator.loss_curve_)
        estimator.validation_scores_ = estimator.best_validation_score_ = None
        estimator.validation_loss_curve_ = estimator.held_out_r2_ = None
        return
    estimator.n_iter_ = selection.n_epochs
    estimator.best_epoch_ = selection.best_epoch()
    estimator.validation_loss_curve_ = selection.valid_losses.tolist()
    estimator.validation_scores_ = selection.scores.tolist()
    best = estimator.validation_scores_[estimator.best_epoch_]
    estimator.best_validation_score_ = best
    estimator.held_out_r2_ = selection.r2()
    if selection.has_variance and not selection.is_penalized:
        is_forecast = estimator.model_.objective == "predict"
        does = "forecasts" if is_forecast else "reconstructs"
        warn_if_no_better(type(estimator).__name__, estimator.held_out_r2_, does)


def store_order(estimator, selection, samples):
    """Store the explained variance, and truncate the code to reach a fraction."""
    model, pca = selection.r2_by_size()
    fraction = estimator.model_.config.fraction
    if fraction is not None:
        reached = np.flatnonzero(model >= fraction)
        if len(reached):
            estimator.n_components_ = int(reached[0]) + 1
            estimator.model_ = estimator.model_.with_components(estimator.n_components_)
        else:
            warn_if_not_reached(type(estimator).__name__, fraction, model[-1])
    variance = estimator.model_.scaling.total_variance(samples)
    kept = slice(estimator.n_components_)
    estimator.explained_variance_ratio_ = np.diff(model, prepend=0)[kept]
    estimator.explained_variance_ = estimator.explained_variance_ratio_ * variance
    estimator.pca_explained_variance_ratio_ = np.diff(pca, prepend=0)[kept]


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
