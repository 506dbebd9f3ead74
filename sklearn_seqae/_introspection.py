"""Helpers for any fitted estimator or Pipeline, without torch."""

from contextlib import contextmanager

from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted


@contextmanager
def kept_if_it_fails(estimator):
    """Restore the fitted state of an estimator if the block fails or is interrupted."""
    before = vars(estimator).copy()
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def steps_of(pipeline):
    """Return the steps of a Pipeline, without passthrough."""
    return [step for _, step in pipeline.steps if step not in (None, "passthrough")]


def in_its_units(pipeline, X, function):
    """Call a function of the last step and its input; invert the other steps."""
    *before, last = steps_of(pipeline)
    for step in before:
        X = step.transform(X)
    X = function(last, X)
    for step in reversed(before):
        X = step.inverse_transform(X)
    return X


def held_by(estimator):
    """Return the fitted estimator in a search, a detector or a FrozenEstimator."""
    if isinstance(estimator, FrozenEstimator):
        return estimator.estimator
    for name in ("best_estimator_", "estimator_"):
        if hasattr(estimator, name):
            return getattr(estimator, name)
    return None


def input_of_held(estimator, X):
    """Return X as the input of `held_by`: a detector may scale it."""
    return estimator._as_input(X) if scales_inside(estimator) else X


def scales_inside(estimator):
    """Return whether a fitted detector of samples scales X before its estimator."""
    has_scaler = getattr(estimator, "scaler_", None) is not None
    return (
        has_scaler
        and hasattr(estimator, "_as_input")
        and not scores_time_steps(estimator)
    )


def refuse(estimator, attribute, advice):
    """Raise an error: the estimator is not fitted, or it lacks an attribute."""
    check_is_fitted(estimator)
    raise AttributeError(
        f"{type(estimator).__name__} has none of the following attributes: "
        f"{attribute}. {advice}"
    )


def objective_of(estimator):
    """Return the objective that a fitted estimator was trained for.

    Estimators of other packages may have a parameter with this name, so only the fitted
    model of an autoencoder counts.
    """
    objective = getattr(getattr(estimator, "model_", None), "objective", None)
    known = isinstance(objective, str) and objective in ("predict", "composite")
    return objective if known else "reconstruct"


def scores_time_steps(estimator):
    """Return whether a fitted detector reads rows as time steps of a series."""
    return getattr(estimator, "window_size_", None) is not None


def forecasts(estimator):
    """Return whether a fitted estimator forecasts X or a part of it."""
    if isinstance(estimator, Pipeline):
        return bool(steps_of(estimator)) and forecasts(steps_of(estimator)[-1])
    return objective_of(estimator) != "reconstruct"


def reconstruct(estimator, X):
    """Return the reconstruction of X by a fitted estimator, in the shape of X."""
    if scores_time_steps(estimator):  # a detector: its estimator reads windows
        return X - estimator.reconstruction_errors(X)
    if scales_inside(estimator):
        return estimator._reconstruct(X)
    if forecasts(estimator) and hasattr(estimator, "_expected"):
        return estimator._expected(X)
    if hasattr(estimator, "reconstruct"):
        return estimator.reconstruct(X)
    if isinstance(estimator, Pipeline):
        # Step by step: only the autoencoder knows the lengths of the sequences.
        return in_its_units(estimator, X, reconstruct)
    if hasattr(estimator, "inverse_transform"):
        return estimator.inverse_transform(estimator.transform(X))
    if held_by(estimator) is not None:
        return reconstruct(held_by(estimator), X)
    return refuse(
        estimator,
        "reconstruct, inverse_transform",
        "Pass a fitted autoencoder, or a transformer with 'inverse_transform'.",
    )


class FittedHTML:
    """scikit-learn's table of fitted attributes, preceded by a summary.

    Parameters
    ----------
    attributes : mapping
        Table of the attributes.

    summary : callable
        Function that returns the summary as HTML.
    """

    def __init__(self, attributes, summary):
        self.attributes = attributes
        self.summary = summary

    def __len__(self):
        return len(self.attributes)

    def __getitem__(self, name):
        return self.attributes[name]

    def __iter__(self):
        return iter(self.attributes)

    def _repr_html_inner(self):
        return self.summary() + self.attributes._repr_html_inner()
