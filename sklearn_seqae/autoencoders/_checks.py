"""Checks of an estimator: available methods, and whether a fit can continue."""

from sklearn_seqae.fitting.family import make_spec


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


def model_to_continue(estimator, config, family, samples):
    """Return the previous model if `warm_start` continues from it, else None."""
    if not estimator.warm_start or not hasattr(estimator, "model_"):
        return None
    last = estimator.model_
    n_components = config.n_components
    if config.fraction is not None:
        n_components = last.spec.n_components
    spec = make_spec(
        config,
        family,
        samples,
        n_steps=last.spec.n_steps,
        n_components=n_components,
    )
    changed = last.differences(spec, family)
    if changed:
        raise ValueError(
            f"warm_start=True continues the last fit of {type(estimator).__name__}, "
            f"but its network has changed: {', '.join(changed)}. Set "
            "warm_start=False, or use the parameters and the number of features "
            "of the last fit."
        )
    return last
