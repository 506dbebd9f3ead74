"""Clean targets and sample weights of training samples."""

from dataclasses import replace

import numpy as np
from sklearn.utils.validation import _check_sample_weight

from sklearn_seqae._inputs import parse


def read_target(name, samples, target, objective, input_format):
    """Give each sample its clean target, which must have the sample's shape.

    Parameters
    ----------
    name : str
        Class of the estimator, for messages.

    samples : Samples
        What was read of X.

    target : same container and shape as X
        What X should have been.

    objective : str
        Only networks that reconstruct learn a target.

    input_format : InputFormat
        How X was read.

    Returns
    -------
    samples : Samples
    """
    if objective != "reconstruct":
        raise ValueError(
            "The target is what X should have been, which only a network with "
            f"objective='reconstruct' learns. Got objective={objective!r}: "
            "leave out target."
        )
    try:
        clean = parse(target, input_format.unfitted(), name=name)
    except ValueError as error:
        raise ValueError(f"target cannot be read as X was. {error}") from error
    same = clean.values.shape == samples.values.shape
    if same and samples.lengths is not None:
        same = np.array_equal(clean.lengths, samples.lengths)
    if not same:
        raise ValueError(
            "target must have the shape of X, sample by sample. Got a target of shape "
            f"{_shape(clean)} for X of shape {_shape(samples)}."
        )
    return replace(samples, target=clean.values)


def _shape(samples):
    return tuple(int(n) for n in samples.values.shape)


def weighted(samples, sample_weight):
    """Give samples their weights, 1 on average; those without weight are left out."""
    if sample_weight is None:
        return samples
    weight = _check_sample_weight(
        sample_weight, samples.values, dtype=np.float64, ensure_non_negative=True
    )
    if not weight.all():
        kept = np.flatnonzero(weight)
        samples, weight = samples.take(kept), weight[kept]
    if (weight == weight[0]).all():
        return samples
    return replace(samples, weight=weight / weight.mean())
