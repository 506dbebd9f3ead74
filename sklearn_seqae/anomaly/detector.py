import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklearn_seqae._params import HasMethods, Interval, Real, fit_context
from sklearn_seqae.images import holds_images, read_images
from sklearn_seqae.sequences import holds_sequences, read_sequences, read_table

__all__ = ["AutoencoderAnomalyDetector"]


def _default_estimator(samples, sequences, images):
    """Return the autoencoder that suits the samples, its code narrower than they are.

    torch is imported here, so that a detector around PCA never loads it.
    """
    from sklearn_seqae.autoencoders import (
        ConvolutionalAutoencoderTransformer,
        DenseAutoencoderTransformer,
        RecurrentAutoencoderTransformer,
    )

    # A code as wide as the sample rebuilds anything, anomalies included.
    width = int(np.prod(samples.values.shape[1:]))
    n_components = max(1, min(8, width // 2))
    if images:
        return ConvolutionalAutoencoderTransformer(n_components)
    if sequences:
        return RecurrentAutoencoderTransformer(n_components)
    return DenseAutoencoderTransformer(n_components)


def _set_random_state(estimator, seed):
    """Set every `random_state` of the estimator and of its parts."""
    names = [
        name
        for name in estimator.get_params()
        if name == "random_state" or name.endswith("__random_state")
    ]
    estimator.set_params(**dict.fromkeys(names, seed))


def _reconstruct(estimator, X):
    """Return what the fitted estimator makes of X, in X's own shape."""
    if isinstance(estimator, FrozenEstimator):
        return _reconstruct(estimator.estimator, X)
    if hasattr(estimator, "reconstruct"):
        return estimator.reconstruct(X)
    if not isinstance(estimator, Pipeline):
        return estimator.inverse_transform(estimator.transform(X))
    # Step by step: a code does not know the lengths of ragged sequences, so that an
    # autoencoder at the end has to be asked for its reconstruction.
    steps = [step for _, step in estimator.steps if step not in (None, "passthrough")]
    *before, last = steps
    for step in before:
        X = step.transform(X)
    X = _reconstruct(last, X)
    for step in reversed(before):
        X = step.inverse_transform(X)
    return X


class AutoencoderAnomalyDetector(OutlierMixin, BaseEstimator):
    """Detect anomalies by how badly an autoencoder reconstructs them.

    An autoencoder that was fitted on mostly normal samples has learned how normal
    samples look. The score of a sample is minus its mean squared reconstruction
    error, so that higher is more normal, and the threshold follows from the share
    of anomalies that is expected among the training samples.

    Samples are the rows of a table, images (a 4-D array), or whole sequences, of equal
    or of unequal length.
    The error is in the units of X: features of different units are best scaled
    before, with :class:`~sklearn.preprocessing.StandardScaler` or
    :class:`~sklearn_seqae.SequenceScaler` in front of the detector.

    Parameters
    ----------
    estimator : transformer with `inverse_transform`, default=None
        What reconstructs the samples: an autoencoder, PCA, a Pipeline that ends with
        one of them, or a :class:`~sklearn.frozen.FrozenEstimator` around a fitted
        one. None chooses :class:`~sklearn_seqae.DenseAutoencoderTransformer` for
        tables, :class:`~sklearn_seqae.RecurrentAutoencoderTransformer` for sequences
        and :class:`~sklearn_seqae.ConvolutionalAutoencoderTransformer` for images,
        with a code of half the values in a sample and of 8 at most.

    contamination : float, default=0.1
        The share of anomalies among the training samples, in (0, 0.5].

    random_state : int, RandomState instance or None, default=None
        Set for every random part of the estimator. None leaves the estimator's own.

    Attributes
    ----------
    estimator_ : transformer
        The fitted clone of `estimator`.

    offset_ : float
        The threshold on the scores: `decision_function` is `score_samples` minus
        `offset_`. The share `contamination` of the training scores lies below it.

    n_features_in_ : int
        Number of columns of a table, or number of channels of sequences and images.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where X has names that are all strings.

    See Also
    --------
    sklearn.ensemble.IsolationForest : Detects anomalies by random splits.
    sklearn.covariance.EllipticEnvelope : Detects anomalies of a Gaussian.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from sklearn_seqae.anomaly import AutoencoderAnomalyDetector
    >>> X = np.linspace(0, 1, 50)[:, None] * [1.0, 2.0, 3.0]
    >>> detector = AutoencoderAnomalyDetector(PCA(1), contamination=0.01).fit(X)
    >>> detector.predict([[0.5, 1.0, 1.5], [0.5, 0.5, 0.5]])
    array([ 1, -1])
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "transform", "inverse_transform"]), None],
        "contamination": [Interval(Real, 0, 0.5, closed="right")],
        "random_state": ["random_state"],
    }

    def __init__(self, estimator=None, *, contamination=0.1, random_state=None):
        self.estimator = estimator
        self.contamination = contamination
        self.random_state = random_state

    # The parts of `estimator` are checked by its own fit.
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Fit the estimator and set the threshold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), images or sequences
            The training samples, most of them normal.

        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            Fitted detector.
        """
        before = vars(self).copy()
        try:
            self._fit(X)
        except BaseException:
            # Ctrl-C included: the earlier fit stays whole.
            vars(self).clear()
            vars(self).update(before)
            raise
        return self

    def _fit(self, X):
        self._images = holds_images(X)
        self._sequences = not self._images and holds_sequences(X)
        samples = self._read(X, reset=True)
        if self.estimator is None:
            estimator = _default_estimator(samples, self._sequences, self._images)
        else:
            estimator = clone(self.estimator)
        if self.random_state is not None:
            _set_random_state(estimator, self.random_state)
        self.estimator_ = estimator.fit(X, None)
        scores = self._score(X, samples)
        self.offset_ = float(np.percentile(scores, 100 * self.contamination))

    def score_samples(self, X):
        """Return minus the mean squared reconstruction error of each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), images or sequences
            The samples, as in fit.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            The higher, the more normal. The mean is over the values of the sample;
            a sequence counts its own time steps only.
        """
        check_is_fitted(self)
        return self._score(X, self._read(X, reset=False))

    def decision_function(self, X):
        """Return how far the score of each sample lies above the threshold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), images or sequences
            The samples, as in fit.

        Returns
        -------
        decisions : ndarray of shape (n_samples,)
            `score_samples(X) - offset_`; negative for anomalies.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """Say which samples are normal.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), images or sequences
            The samples, as in fit.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            1 for normal samples, -1 for anomalies.
        """
        return np.where(self.decision_function(X) >= 0, 1, -1)

    def _read(self, X, *, reset):
        if self._images:
            return read_images(self, X, reset=reset)
        if self._sequences:
            return read_sequences(self, X, reset=reset)
        return read_table(self, X, reset=reset)

    def _score(self, X, samples):
        rebuilt = _reconstruct(self.estimator_, X)
        if self._images:
            rebuilt = read_images(self, rebuilt, reset=False).values
        elif self._sequences:
            # A reconstruction may have lost the names of its channels.
            rebuilt = read_sequences(self, rebuilt, reset=False, check_names=False)
            rebuilt = rebuilt.values
        # The sums are in float64, also where X is float32.
        errors = np.asarray(rebuilt, dtype=np.float64) - samples.values
        n_values = np.prod(errors.shape[1:])
        if samples.lengths is not None:
            n_values = samples.lengths * errors.shape[2]
        with np.errstate(over="ignore"):
            squares = np.square(errors).reshape(len(errors), -1)
            # One by one: the zeros of the padding then change no bit of a sum.
            scores = -np.cumsum(squares, axis=1)[:, -1] / n_values
        if not np.isfinite(scores).all():
            raise ValueError(
                "The reconstruction errors of X are not finite. X contains values too "
                "large for the estimator: scale X before the detector."
            )
        return scores

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
