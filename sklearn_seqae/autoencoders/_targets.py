"""Clean targets, sample weights and validation data of a fit; R² of the targets."""

from dataclasses import replace
from typing import Any

import numpy as np

from sklearn_seqae._inputs import check_weights, parse, with_values
from sklearn_seqae._numbers import has_gaps, resample
from sklearn_seqae.fitting.scaling import weighted_mean
from sklearn_seqae.fitting.selection import explained
from sklearn_seqae.large.rows import in_parts


def read_target(name, samples, target, objective, input_format):
    """Parse the clean target and attach it to the samples.

    Parameters
    ----------
    name : str
        Class of the estimator, for messages.

    samples : Samples
        Samples of X.

    target : same container and shape as X
        Clean target.

    objective : str
        Objective of the network; a target requires "reconstruct".

    input_format : InputFormat
        Format of X.

    Returns
    -------
    samples : Samples
    """
    if objective != "reconstruct":
        raise ValueError(
            "A target requires objective='reconstruct'. Got "
            f"objective={objective!r}. Leave out target, or change 'objective'."
        )
    try:
        unfitted = input_format.unfitted()
        clean = parse(target, unfitted, name=name, allow_nan=False)
    except ValueError as error:
        raise ValueError(f"target must have the format of X. {error}") from error
    same = clean.values.shape == samples.values.shape
    same = same and np.array_equal(clean.n_steps_of_each, samples.n_steps_of_each)
    if not same:
        advice = "To predict other values, fit a regressor to the latent codes."
        if samples.container.shape is not None:
            advice = "To reconstruct images of another size, first resize X to it."
        raise ValueError(
            "target must have the shape of X in each sample. Got a target of shape "
            f"{_shape(clean)} for X of shape {_shape(samples)}. {advice}"
        )
    names, clean_names = samples.feature_names, clean.feature_names
    if names is None or clean_names is None:
        return replace(samples, target=clean.values)
    if not np.array_equal(names, clean_names):
        raise ValueError(
            "The feature names of target should match those of X. Got "
            f"{list(clean_names)} for {list(names)}. Select the same columns in the "
            "same order."
        )
    return replace(samples, target=clean.values)


def read_validation(estimator, validation_data, input_format, family, has_target):
    """Parse the validation data of `fit`.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Estimator that is fitted.

    validation_data : tuple or None
        ``(X_val,)``, or ``(X_val, target_val)`` if `fit` has a target.

    input_format : InputFormat
        Format of X.

    family : Family
        Family of the networks.

    has_target : bool
        Whether `fit` has a target.

    Returns
    -------
    validation : Samples or None
        None without validation data.
    """
    if validation_data is None:
        return None
    name, size = type(estimator).__name__, 1 + has_target
    if not isinstance(validation_data, tuple):
        raise TypeError(
            "validation_data must be a tuple: (X_val,), or (X_val, target_val). Got "
            f"{type(validation_data).__name__} instead."
        )
    if len(validation_data) != size:
        expected = "(X_val, target_val), as fit has a target"
        if not has_target:
            expected = "(X_val,), as fit has no target"
        raise ValueError(
            f"validation_data must be {expected}. Got {len(validation_data)} items."
        )
    if not estimator.early_stopping:
        raise ValueError(
            "validation_data requires early_stopping=True, since the best epoch on "
            f"it is kept. Got early_stopping=False in {name}. Leave out "
            "validation_data, or set early_stopping=True."
        )
    X, *target = validation_data
    try:
        samples = estimator._read_to_compare(X, input_format, family)
        for each in target:
            samples = read_target(name, samples, each, family.objective, input_format)
    except ValueError as error:
        raise ValueError(
            f"validation_data must have the format of X. {error}"
        ) from error
    return with_values(samples, name)


def _shape(samples):
    shape = samples.container.shape or samples.values.shape[1:]
    return (len(samples), *map(int, shape))


def to_train(name, samples, sample_weight):
    """Attach weights of mean 1. Drop samples of weight 0, and those without a value.

    `name` is the class, for messages.
    """
    return with_values(_weighted(samples, sample_weight), name)


def _weighted(samples, sample_weight):
    if sample_weight is None:
        return samples
    weight = check_weights(sample_weight, samples.values)
    if not weight.all():
        kept = np.flatnonzero(weight)
        samples, weight = samples.take(kept), weight[kept]
    if (weight == weight[0]).all():
        return samples
    return replace(samples, weight=weight / weight.mean())


def mean_target(samples, family):
    """Return the mean of the targets; None if the samples are their own targets."""
    values = samples.target
    if values is None:
        return None
    if samples.lengths is not None and family.objective == "reconstruct":
        values = resample(values, samples.lengths, samples.median_steps)
    return weighted_mean(values, samples.weight)


def r2_of(compare, samples, unit):
    """Return R², in parts if there are many values.

    Parameters
    ----------
    compare : callable
        Takes samples. Returns reconstructions, targets, and the mean of the targets.

    samples : Samples
        Samples, with their targets.

    unit : float
        Scale of X, so that squares neither overflow nor underflow.
    """
    error: Any = 0.0
    left: Any = 0.0
    size = 0
    for part in in_parts(samples):
        given, wanted, mean = compare(part)
        if has_gaps(wanted):
            observed = ~np.isnan(wanted)
            mean = np.broadcast_to(mean, wanted.shape)[observed]
            given, wanted = given[observed], wanted[observed]
        error += np.square((wanted - given) / unit).sum()
        left += np.square((wanted - mean) / unit).sum()
        size += wanted.size
    return float(explained(error, left, size))
