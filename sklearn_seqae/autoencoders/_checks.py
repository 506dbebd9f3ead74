"""Checks of an estimator: which methods are available."""


def is_variational(estimator):
    """Return whether codes can be drawn; for `available_if`."""
    model = getattr(estimator, "model_", None)
    bottleneck = model.config.bottleneck if model else estimator.bottleneck
    if bottleneck == "variational":
        return True
    raise AttributeError(
        f"bottleneck={bottleneck!r} cannot be sampled. Use bottleneck='variational'."
    )


def reconstructs(estimator):
    """Return whether X is reconstructed and not forecast; for `available_if`."""
    model = getattr(estimator, "model_", None)
    objective = getattr(estimator, "objective", "reconstruct")
    objective = model.objective if model else objective
    if objective == "reconstruct":
        return True
    raise AttributeError(
        f"objective={objective!r} forecasts and does not impute. Use "
        "objective='reconstruct'."
    )
