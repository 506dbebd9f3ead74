"""A fitted estimator together with a score that is fitted to its residuals."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils import get_tags

from sklearn_seqae._introspection import forecasts, reconstruct, steps_of
from sklearn_seqae._numbers import overall_scale, resample
from sklearn_seqae._sequences import Samples, parse_sequences
from sklearn_seqae._warn import keep_warnings, warn
from sklearn_seqae.anomaly.scoring import NearKnown, Parts, scaled_by
from sklearn_seqae.large.rows import Rows, in_parts
from sklearn_seqae.training.blas import one_blas_thread
from sklearn_seqae.training.checkpoints import is_on

WIDE = 256  # values of a window, above which PCA precedes the network
ROUNDS = 3  # of imputation, around an estimator that reads no NaN


class Model:
    """Estimator and score for rows of a table, sequences or windows.

    Parameters
    ----------
    estimator : transformer
        Estimator that is cloned and fitted.

    scorer : object of `scoring`
        Score that `Model.fit` fits.

    samples : Samples
        Training samples.

    unit : float
        Unit of values and residuals in the score. It is the same for all models of a
        detector, so that their scores can be compared.
    """

    def __init__(self, estimator, scorer, samples, unit):
        self.n_steps = samples.median_steps
        self.unit = unit
        self.estimator = fitted_clone(estimator, samples)
        self.scorer = scorer

    @property
    def divides_into_tiles(self):
        """Whether a row has the same bits alone or among others.

        The autoencoders of this package divide X into tiles of one shape.
        """
        steps = [self.estimator]
        if isinstance(self.estimator, Pipeline):
            steps = steps_of(self.estimator)
        return all(type(s).__module__.startswith("sklearn_seqae.") for s in steps)

    @classmethod
    @one_blas_thread()
    def fit(cls, estimator, scorer, samples, unit, known=None):
        """Fit the estimator and the score to samples, and the score to known anomalies.

        Returns
        -------
        model : Model
            The fitted model.

        parts, errors : Parts, ndarray
            Result of `look` for the training samples.
        """
        model = cls(estimator, scorer, samples, unit)
        parts, errors = model.look(samples)
        reads_known = isinstance(scorer, NearKnown)
        of_known = [model.look(known)[0]] if reads_known else []
        with np.errstate(all="ignore"):
            scorer.fit(parts, *of_known)
        return model, parts, errors

    def scores(self, samples):
        """Return the scores of samples; higher is more normal.

        The score of a sample without any observed value is NaN.
        """
        if samples.observed is None or samples.has_values.all():
            return self.scores_of(self.look(samples)[0])
        scores, rows = np.full(len(samples), np.nan), np.flatnonzero(samples.has_values)
        if len(rows):
            scores[rows] = self.scores(samples.take(rows))
        return scores

    @one_blas_thread()
    def scores_of(self, parts):
        """Return the scores of samples from their parts."""
        with np.errstate(all="ignore"):
            scores = -self.scorer.distances(parts)
        _check_finite(scores)
        return scores

    def look(self, samples, n_rows=None):
        """Return the parts of samples, and residuals in the shape of the samples.

        Only the first `n_rows` are returned; the others pad a tile.
        """
        if isinstance(samples.values, Rows):
            return look_in_parts(self.look, samples)
        codes, rebuilt = self._rebuild(samples)
        if n_rows is not None:
            samples = samples.take(slice(n_rows))
            codes = None if codes is None else codes[:n_rows]
            rebuilt = rebuilt[:n_rows]
        values = samples.values
        # Sums are in float64, also for float32 X.
        errors = values - np.asarray(rebuilt, dtype=np.float64)
        lengths, n = samples.lengths, len(values)
        n_values = np.prod(values.shape[1:])
        if lengths is not None:
            n_values = lengths * values.shape[2]
        complete = values, errors
        if samples.observed is not None:
            # A missing value is its reconstruction, and adds nothing to a distance.
            complete = samples.filled(rebuilt), np.where(samples.observed, errors, 0)
            n_values = samples.n_observed
        _check_finite(complete[1])
        scaled = [scaled_by(self.unit, each) for each in complete]
        if values.ndim == 2:
            squares = np.einsum("ij,ij->i", scaled[1], scaled[1])
        else:
            # A cumulative sum: zeros of the padding do not change its bits.
            squares = np.square(scaled[1]).reshape(n, -1)
            squares = np.cumsum(squares, axis=1)[:, -1]
        if self.n_steps is not None:
            scaled = [resample(each, lengths, self.n_steps) for each in scaled]
        flat = [each.reshape(n, -1) for each in scaled]
        return Parts(flat[0], flat[1], squares / n_values, codes), errors

    def complete(self, samples):
        """Return the values of samples, with reconstructions of missing ones."""
        if samples.observed is None:
            return samples.values
        return samples.filled(self._rebuild(samples)[1])

    def _rebuild(self, samples):
        """Return latent codes, or None, and reconstructions of samples."""
        if samples.observed is None or allows_nan(self.estimator):
            return self._rebuild_rows(samples)
        # Missing values are the mean of their row, then their reconstruction.
        mean = np.nansum(samples.values, axis=1) / samples.n_observed
        rebuilt = np.broadcast_to(mean[:, np.newaxis], samples.values.shape)
        for _ in range(ROUNDS):
            filled = samples.filled(rebuilt)
            codes, rebuilt = self._rebuild_rows(
                replace(samples, values=filled, observed=None)
            )
        return codes, rebuilt

    def _rebuild_rows(self, samples):
        X = samples.restore(samples.values)
        codes = None
        if samples.values.ndim == 2 and not forecasts(self.estimator):
            # Decode the latent code, so that samples are encoded only once.
            if getattr(self.estimator, "_form", None) == "table":
                # Samples are valid: a validation takes as long as one window.
                network = self.estimator._model()
                codes = network.encode(samples)
                rebuilt = network.decode(codes)
                return np.asarray(codes, dtype=np.float64), rebuilt
            codes = self.estimator.transform(X)
            rebuilt = np.asarray(self.estimator.inverse_transform(codes))
            rebuilt = rebuilt.reshape(samples.values.shape)
            codes = np.asarray(codes, dtype=np.float64)
            return codes.reshape(len(codes), -1), rebuilt
        if self.scorer.needs_codes:
            codes = np.asarray(self.estimator.transform(X), dtype=np.float64)
            codes = codes.reshape(len(codes), -1)
        # The container is that of X, but names of channels may be lost.
        rebuilt = reconstruct(self.estimator, X)
        if samples.values.ndim == 2:
            return codes, np.asarray(rebuilt)
        name = type(self.estimator).__name__
        return codes, parse_sequences(rebuilt, name=name).values


class Residuals:
    """Residuals of sparse rows, which are computed when they are indexed.

    Parameters
    ----------
    look : callable
        Takes samples. Returns their `Parts` and their residuals.

    samples : Samples
        Sparse samples.
    """

    ndim = 2

    def __init__(self, look: Callable[..., Any], samples: Samples):
        self.look = look
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        parts = in_parts(self.samples.take(rows))
        return np.concatenate([self.look(part)[1] for part in parts])


def look_in_parts(
    look: Callable[..., Any], samples: Samples
) -> tuple[Parts, Residuals]:
    """Return the parts of sparse samples, which have codes and mean squares only.

    `look` takes samples in memory, and returns their `Parts` and their residuals.
    """
    found = [look(part)[0] for part in in_parts(samples)]
    codes = np.concatenate([part.codes for part in found])
    mean_squares = np.concatenate([part.mean_squares for part in found])
    none = np.zeros((len(codes), 0))
    return Parts(none, none, mean_squares, codes), Residuals(look, samples)


def _check_finite(values):
    if not np.isfinite(values).all():
        raise ValueError(
            "The reconstruction errors of X are not finite. X contains values that are "
            "too large for the estimator. Scale X before the detector."
        )


def fitted_clone(estimator, samples):
    """Fit a clone of the estimator to the samples in the container of X."""
    X = samples.restore(samples.values)
    try:
        return clone(estimator).fit(X, None)
    except np.linalg.LinAlgError as error:
        raise ValueError(
            f"{type(estimator).__name__} cannot be fitted to X: {error}. X may contain "
            "values that are too large or small. Scale X before the detector."
        ) from error
    except (TypeError, ValueError) as error:
        if samples.values.ndim == 2 or takes_sequences(estimator):
            raise
        raise ValueError(
            f"X holds sequences, which {type(estimator).__name__} cannot read. Use "
            "RecurrentAutoencoderTransformer as the estimator of the detector, or set "
            "'window_size' if X holds time series."
        ) from error


def map_fits(function, items, estimator, random_state):
    """Apply a function that fits clones of an estimator, side by side if it is safe.

    Autoencoders with large operations use the cores in Python threads. Those with small
    operations are trained together, in one computation for each batch. Other fits run
    one after the other. The results are the same.

    Parameters
    ----------
    function : callable
        Function of an item.

    items : list
        Its arguments.

    estimator : estimator
        Estimator whose clones are fitted.

    random_state : int, RandomState instance or None
        Set as every `random_state` of the clones. They draw from an instance in turn.

    Returns
    -------
    results : list
        In the order of the items.
    """
    is_shared = isinstance(random_state, np.random.RandomState)
    family = None if is_shared else _family_to_fit(estimator)
    if family is None:
        return [function(item) for item in items]
    # torch is loaded already, by the autoencoder.
    from sklearn_seqae.fitting.runs import Together
    from sklearn_seqae.training.parallel import map_in_threads

    n_threads = together = None
    if not family.in_threads:
        n_threads, together = len(items), Together(len(items))

    def fit(item, failed):
        compute = partial(keep_warnings, function, item)
        return compute() if together is None else together.fit(compute, failed)

    results = []
    for result, warnings in map_in_threads(fit, items, n_threads):
        for arguments in warnings:
            warn(*arguments)
        results.append(result)
    return results


def _family_to_fit(estimator):
    """Return the family of an estimator that may be fitted in threads, or None.

    It is an autoencoder, perhaps after scikit-learn's transformers in a Pipeline, and
    draws no random numbers from a generator that several fits share.
    """
    steps, has_memory = [estimator], False
    if isinstance(estimator, Pipeline):
        steps, has_memory = steps_of(estimator), estimator.memory is not None
    *before, last = steps or [None]
    is_safe = not has_memory and all(
        type(step).__module__.startswith(("sklearn.", "sklearn_seqae."))
        and all(step.get_params()[name] is not None for name in _random_states(step))
        for step in before
    )
    family = getattr(last, "_family", None)
    followers = ("verbose", "skorch_callbacks", "_skl_callbacks")
    is_followed = any(getattr(last, name, None) for name in followers)
    if family is None or not is_safe or is_followed or last.device != "cpu":
        return None
    if is_on(last.checkpoint) and not family.in_threads:
        return None  # trainings that are resumed are at different epochs
    return family


def unit_of(samples):
    """Return the overall standard deviation of samples."""
    if isinstance(samples.values, Rows):
        return samples.values.overall_scale(samples.values.mean())
    rows = samples.values if samples.values.ndim == 2 else samples.steps
    if samples.observed is None:
        return overall_scale(rows, rows.mean(axis=0, dtype=np.float64))
    counts = np.maximum((~np.isnan(rows)).sum(axis=0), 1)
    return overall_scale(rows, np.nansum(rows, axis=0, dtype=np.float64) / counts)


def default_estimator(samples, *, windows):
    """Return the default autoencoder for samples, or for windows of a series.

    torch is imported here because a detector around PCA does not need it.
    """
    from sklearn_seqae.autoencoders import (
        ConvolutionalAutoencoderTransformer,
        DenseAutoencoderTransformer,
        RecurrentAutoencoderTransformer,
    )

    # A latent code as large as the sample would also reconstruct anomalies.
    width = int(np.prod(samples.values.shape[1:]))
    # The best epoch does not improve detection. A few epochs take about a second.
    training: dict[str, Any] = {"early_stopping": False, "max_iter": 30}
    if samples.values.ndim == 3:
        n_components = max(1, min(8, width // 2))
        return RecurrentAutoencoderTransformer(n_components, **training)
    if samples.container.shape is not None:
        return ConvolutionalAutoencoderTransformer(
            max(1, min(32, width // 2)), **training
        )
    if not windows:
        n_components = max(1, min(32, width // 2))
        return DenseAutoencoderTransformer(n_components, **training)
    training["max_iter"] = 20
    # So would a latent size near the number of windows.
    n_components = max(1, min(8, width // 2, len(samples) // 4))
    dense = DenseAutoencoderTransformer(n_components, **training)
    if width <= WIDE or samples.observed is not None:  # PCA reads no NaN
        return dense
    n_components = min(WIDE // 4, len(samples))
    return make_pipeline(PCA(n_components, random_state=0), dense)


def takes_sequences(estimator):
    """Return whether an estimator reads windows as sequences, not as flat rows."""
    if isinstance(estimator, FrozenEstimator):
        return takes_sequences(estimator.estimator)
    if isinstance(estimator, Pipeline):
        return any(takes_sequences(step) for step in steps_of(estimator))
    tags = getattr(estimator, "__sklearn_tags__", None)
    return tags is not None and tags().input_tags.three_d_array


def reading(detector):
    """Return the arguments with which a detector parses X."""
    estimator, is_series = detector.estimator, detector.window_size is not None
    return {
        "allow_nan": allows_nan(estimator),
        "accept_sparse": reads_sparse(estimator) and not is_series,
    }


def reads_sparse(estimator):
    """Return whether an estimator reads sparse tables; None: the default."""
    if isinstance(estimator, FrozenEstimator):
        return reads_sparse(estimator.estimator)
    return estimator is None or get_tags(estimator).input_tags.sparse


def allows_nan(estimator):
    """Return whether an estimator reads NaN as missing values; None: the default."""
    if estimator is None:
        return True
    if isinstance(estimator, FrozenEstimator):
        return allows_nan(estimator.estimator)
    if isinstance(estimator, Pipeline):
        return all(map(allows_nan, steps_of(estimator)))
    tags = getattr(estimator, "__sklearn_tags__", None)
    return tags is not None and tags().input_tags.allow_nan


def estimator_to_fit(estimator, samples, *, windows, random_state):
    """Return a clone of the estimator, or the default for samples if it is None.

    Every `random_state` of the clone and of its nested estimators is replaced if it is
    given here. `refinement_steps="auto"` becomes 0: nearest points detect no better.
    """
    if estimator is None:
        estimator = default_estimator(samples, windows=windows)
    estimator = clone(estimator)
    params = estimator.get_params()
    steps = [n for n in _named(params, "refinement_steps") if params[n] == "auto"]
    estimator.set_params(**dict.fromkeys(steps, 0))
    if random_state is not None:
        names = _random_states(estimator)
        estimator.set_params(**dict.fromkeys(names, random_state))
    return estimator


def _random_states(estimator):
    """Return the names of every `random_state` of an estimator."""
    return _named(estimator.get_params(), "random_state")


def _named(params, name):
    """Return the names of a parameter of an estimator and its nested estimators."""
    return [key for key in params if key == name or key.endswith(f"__{name}")]
