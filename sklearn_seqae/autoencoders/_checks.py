"""Which methods an estimator has, and how its fit continues."""

from dataclasses import replace

from sklearn_seqae.autoencoders._targets import mean_target, to_train
from sklearn_seqae.fitting.config import TrainingConfig, draw_seed
from sklearn_seqae.fitting.family import make_spec
from sklearn_seqae.fitting.incremental import ChunkTrainer
from sklearn_seqae.fitting.model import FittedModel
from sklearn_seqae.training.checkpoints import is_on, open_checkpoint

# Attributes of some fits only
OF_SOME_FITS = {
    "explained_variance_ratio_",
    "explained_variance_",
    "pca_explained_variance_ratio_",
    "_chunks",
}


def forget(estimator):
    """Delete the attributes of an earlier fit that a new fit may not have."""
    for name in OF_SOME_FITS & vars(estimator).keys():
        delattr(estimator, name)


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


def config_of(estimator, samples):
    """Return the configuration of a fit, without its seed."""
    params = estimator.get_params(deep=False)
    if estimator.n_components is None:
        params["n_components"] = min(samples.size)
    return TrainingConfig.from_params(params, name=type(estimator).__name__, seed=0)


def checkpoint_to_continue(estimator, config, family, parts, last):
    """Open the checkpoint of a fit, and return it with the configuration of its seed.

    `parts` are the samples of the fit, and its validation data or None. The checkpoint
    is None if the estimator has none.
    """
    if not is_on(estimator.checkpoint):
        return None, config
    _refuse_callbacks(estimator)
    data = []
    for part in parts:
        if part is not None:
            data += [part.values, part.lengths, part.target, part.weight]
    config_of_file = replace(config, seed=0, verbose=0)
    checkpoint = open_checkpoint(
        estimator.checkpoint,
        [config_of_file, family, data, None if last is None else last.get_state()],
        config.seed,
        is_seeded=estimator.random_state is not None,
    )
    return checkpoint, config.with_seed(checkpoint.seed)  # type: ignore[union-attr]


def fit_chunk(estimator, X, sample_weight):
    """Train for one epoch on a chunk.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Estimator, fitted or not. A fitted one keeps the parameters of its first fit.

    X : {array-like, sequences, images}
        Samples of the chunk.

    sample_weight : array-like or None
        Sample weights.

    Returns
    -------
    attributes : dict
        Fitted attributes. `_chunks` has arrays and plain values from which the next
        chunk continues.
    """
    name, last = type(estimator).__name__, getattr(estimator, "model_", None)
    state = getattr(estimator, "_chunks", None)
    if last is None:
        samples, input_format = estimator._read_to_fit(X)
        family = estimator._make_family(samples)
        samples = to_train(name, samples, sample_weight)
        config = config_of(estimator, samples)
        if config.fraction is not None:
            raise ValueError(
                f"With partial_fit, the 'n_components' parameter of {name} must be an "
                f"int or None. Got {estimator.n_components!r} instead. A fraction "
                "requires all samples at once: use fit."
            )
        config = config.with_seed(draw_seed(estimator.random_state))
    else:
        samples = to_train(name, estimator._read_to_score(X), sample_weight)
        config, family, input_format = last.config, last.family, last.input_format
    config.check_domain(samples)
    trainer = ChunkTrainer(config, family, samples, last, state)
    run, state = trainer.fit_chunk()
    module = run.net.module_.eval()
    if last is not None:
        model = replace(last, net=run.net, module=module, imputer=run.imputer)
    else:
        model = FittedModel(
            config=config,
            family=family,
            spec=run.spec,
            scaling=run.scaling,
            input_format=input_format,
            net=run.net,
            module=module,
            n_components=run.spec.n_components,
            target_mean=mean_target(samples, family),
            refinement_steps=trainer.refinement_steps,
            imputer=run.imputer,
        )
    if config.whiten:
        model = replace(model, whitening=None).whitened(samples)
    losses = [] if last is None else list(estimator.loss_curve_)
    return {**attributes_of_model(model, losses + run.loss_curve), "_chunks": state}


def attributes_of_model(model, loss_curve):
    """Return the fitted attributes that depend on the model."""
    return {
        "model_": model,
        "loss_curve_": loss_curve,
        "mean_": model.scaling.mean,
        "n_components_": model.n_components,
    }


def _refuse_callbacks(estimator):
    """Raise a ValueError if a callback may have a state, which is in no checkpoint."""
    callbacks = getattr(estimator, "_skl_callbacks", None) or ()
    # Callbacks in scikit-learn do not change a fit.
    others = [c for c in callbacks if not type(c).__module__.startswith("sklearn.")]
    names = [type(c).__name__ for c in [*(estimator.skorch_callbacks or ()), *others]]
    if names:
        raise ValueError(
            f"{type(estimator).__name__} cannot combine a checkpoint with callbacks, "
            f"whose state is not saved. Got {', '.join(names)}. Remove the callbacks, "
            "or set checkpoint=None."
        )


def fitted_part(estimator, name):
    """Return a part of the model, or raise an AttributeError before `fit`."""
    if not hasattr(estimator, "model_"):
        raise AttributeError(
            f"This {type(estimator).__name__} instance is not fitted yet, so it has no "
            f"'{name}_'. Call 'fit' first."
        )
    return getattr(estimator.model_, name)
