"""Anomaly detection around an autoencoder."""

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.utils.validation import check_is_fitted

from sklearn_seqae._introspection import kept_if_it_fails
from sklearn_seqae._params import (
    HasMethods,
    Integral,
    Interval,
    Real,
    StrOptions,
    fit_context,
)
from sklearn_seqae.anomaly import calibration
from sklearn_seqae.anomaly._explaining import Causes, ExplainingMixin
from sklearn_seqae.anomaly._model import (
    Model,
    default_estimator,
    set_random_state,
    takes_sequences,
)
from sklearn_seqae.anomaly._series import Series, Windows, automatic_window
from sklearn_seqae.anomaly.scoring import SCORES, MahalanobisOfCode
from sklearn_seqae.images import holds_images, read_images
from sklearn_seqae.sequences import holds_sequences, read_sequences, read_table

__all__ = ["AutoencoderAnomalyDetector"]


class AutoencoderAnomalyDetector(ExplainingMixin, OutlierMixin, BaseEstimator):
    """Detect anomalies by what an autoencoder cannot explain, and say where.

    An autoencoder that was fitted to mostly normal samples knows how normal samples
    look. The score of a sample is minus a distance that is made of its reconstruction
    errors, so that higher is more normal. The threshold on it is set either for a
    known rate of false alarms, or for a share of anomalies among the training samples.

    Samples are the rows of a table, images, whole sequences of equal or of unequal
    length, or, with `window_size`, the time steps of a long series. The errors are in
    the units of X: features of different units are best scaled before, with
    :class:`~sklearn.preprocessing.StandardScaler` or
    :class:`~sklearn_seqae.SequenceScaler` in front of the detector.

    Parameters
    ----------
    estimator : transformer with `inverse_transform`, default=None
        What reconstructs the samples: an autoencoder, PCA, a Pipeline that ends with
        one of them, or a :class:`~sklearn.frozen.FrozenEstimator` around a fitted
        one. None chooses, with 30 epochs and no early stopping,
        :class:`~sklearn_seqae.DenseAutoencoderTransformer` for tables and windows,
        :class:`~sklearn_seqae.RecurrentAutoencoderTransformer` for sequences and
        :class:`~sklearn_seqae.ConvolutionalAutoencoderTransformer` for images. The code
        is half as wide as a sample, 32 at most; 8 of sequences and windows, or fewer.

    score_method : {"auto", "nearest", "mahalanobis", "reconstruction"}, \
            default="auto"
        "nearest": the distance to the nearest training samples, errors included, in
        units of how far those lie from each other.
        "mahalanobis": the Mahalanobis distance in the joint space of a sample and its
        errors, with a covariance of the most central 60 % of the training samples; for
        sequences and windows the squares of that of the code and of the error, summed.
        "reconstruction": the mean squared error.
        "auto": "mahalanobis" with a `window_size`, and for tables with a
        `contamination`; else "nearest".

    contamination : "auto" or float, default="auto"
        "auto": the training samples are taken for normal, and six fits set the
        threshold for `false_alarm_rate`. A float in (0, 0.5]: their share of anomalies.

    false_alarm_rate : float, default=0.01
        With ``contamination="auto"`` the share in (0, 1) of new normal samples that
        may be flagged. The estimator is fitted on five parts of the training samples
        beside all of them, so that each is scored unseen. Too few samples, of a series
        windows that do not overlap, are warned about: the strangest is the threshold.

    window_size : int, "auto" or None, default=None
        None: each row is a sample of its own. An int: rows are time steps in their
        order, and windows of so many steps are scored. "auto": windows of two periods
        of the series, but 100 to 250 steps and no more than a quarter of it.

    step : int, default=1
        Time steps from a window to the next: more is faster and coarser.

    alignment : {"centered", "trailing"}, default="centered"
        "centered": a time step has the mean score of all windows that cover it.
        "trailing": it has the score of the window that ends with it, and nothing
        after it matters. The first steps, which end no window, have the median score.

    random_state : int, RandomState instance or None, default=None
        Set for every random part of the estimator. None leaves the estimator's own.

    Attributes
    ----------
    estimator_ : transformer
        The fitted clone of `estimator`.

    offset_ : float
        The threshold on the scores: `decision_function` is `score_samples` minus
        `offset_`.

    calibration_scores_ : ndarray
        Scores of training samples in ascending order, from which `offset_` and
        `p_values` are made: with ``contamination="auto"`` those of models that have
        not seen them.

    window_size_ : int or None
        Time steps of a window.

    n_features_in_ : int
        Number of columns of a table, or number of channels of sequences.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where X has names that are all strings.

    See Also
    --------
    sklearn.ensemble.IsolationForest : Detects anomalies by random splits.
    sklearn.covariance.EllipticEnvelope : Detects anomalies of a Gaussian.

    Notes
    -----
    A list of arrays, or a 3-D array, with `window_size` is several series: no window
    crosses a seam, and what is per time step comes back as a list.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from sklearn_seqae.anomaly import AutoencoderAnomalyDetector
    >>> X = np.linspace(0, 1, 120)[:, None] * [1.0, 2.0, 3.0]
    >>> detector = AutoencoderAnomalyDetector(PCA(1)).fit(X)
    >>> detector.predict([[0.5, 1.0, 1.5], [0.5, 0.5, 0.5]])
    array([ 1, -1])

    The rows of a series, here with 20 steps that do not fit in:

    >>> steps = np.arange(600)
    >>> series = np.sin(steps / 8)[:, None]
    >>> series[400:420] = 0
    >>> detector = AutoencoderAnomalyDetector(PCA(2), window_size=50)
    >>> detector = detector.fit(series[:300])
    >>> detector.predict(series)[[100, 410]]
    array([ 1, -1])
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "transform", "inverse_transform"]), None],
        "score_method": [StrOptions({"auto", *SCORES})],
        "contamination": [
            StrOptions({"auto"}),
            Interval(Real, 0, 0.5, closed="right"),
        ],
        "false_alarm_rate": [Interval(Real, 0, 1, closed="neither")],
        "window_size": [
            None,
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "step": [Interval(Integral, 1, None, closed="left")],
        "alignment": [StrOptions({"centered", "trailing"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator=None,
        *,
        score_method="auto",
        contamination="auto",
        false_alarm_rate=0.01,
        window_size=None,
        step=1,
        alignment="centered",
        random_state=None,
    ):
        self.estimator = estimator
        self.score_method = score_method
        self.contamination = contamination
        self.false_alarm_rate = false_alarm_rate
        self.window_size = window_size
        self.step = step
        self.alignment = alignment
        self.random_state = random_state

    # The parts of `estimator` are checked by its own fit.
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Fit the estimator and set the threshold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), sequences or series
            The training samples, most of them normal.

        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            Fitted detector.
        """
        with kept_if_it_fails(self):
            is_series = self.window_size is not None
            scores = self._fit_series(X) if is_series else self._fit_samples(X)
            self.calibration_scores_ = np.sort(scores)
            n = self._n_independent = max(1, len(scores) // (self.window_size_ or 1))
            if self.contamination == "auto":
                self.offset_ = calibration.threshold(scores, self.false_alarm_rate, n)
            else:
                self.offset_ = float(np.percentile(scores, 100 * self.contamination))
        return self

    def _fit_samples(self, X):
        """Fit to samples, and return scores to calibrate with."""
        self._images = holds_images(X)
        self._sequences = not self._images and holds_sequences(X)
        samples = self._read(X, reset=True)
        self.window_size_ = None
        self._fit_model(samples)
        folds = list(calibration.folds(len(samples)))
        if self.contamination != "auto" or not folds:
            return self._model.scores(samples)
        scores = np.empty(len(samples))
        for others, rows in folds:
            model = self._make_model(samples.take(others))
            scores[rows] = model.scores(samples.take(rows))
        return scores

    def _fit_series(self, X):
        """Fit to the windows of series; return scores of steps to calibrate with."""
        self._images = self._sequences = False
        series = self._read_series(X, reset=True)
        self.window_size_ = self.window_size
        if self.window_size == "auto":
            self.window_size_ = automatic_window(series.items)
        series.check(self.window_size_)
        self._windows = Windows(
            self.window_size_,
            self.step,
            self.alignment == "trailing",
            takes_sequences(self.estimator),
        )
        windows = self._windows.to_fit(series.items)
        self._fit_model(windows)
        self._unknown = float(np.median(self._model.scores(windows)))
        blocks = []
        if self.contamination == "auto":
            blocks = calibration.blocks(series.lengths, self.window_size_, self.step)
        if not blocks:
            return np.concatenate(self._series_scores(series))
        scores = []
        for block in blocks:
            model = self._make_model(self._windows.to_fit(series.without(block)))
            scores += [
                self._windows.held_out(model, series.items[number], at, self._unknown)
                for number, at in block
            ]
        return np.concatenate(scores)

    def _fit_model(self, samples):
        self._model = self._make_model(samples)
        self.estimator_ = self._model.estimator
        strange = vars(self._model).pop("training_errors")  # too large to keep
        width = strange.shape[-1]
        if self.window_size is not None:
            width = self.n_features_in_
        elif samples.values.ndim == 2:
            strange = samples.values
        elif samples.lengths is not None:
            strange = strange[samples.mask]
        self._causes = Causes().fit(strange.reshape(-1, width))

    def _make_model(self, samples):
        if self.estimator is None:
            estimator = default_estimator(samples, windows=bool(self.window_size))
        else:
            estimator = clone(self.estimator)
        if self.random_state is not None:
            set_random_state(estimator, self.random_state)
        method = self.score_method
        if method == "auto":
            is_clean = self.contamination == "auto" or self._sequences
            near = is_clean and self.window_size is None
            method = "nearest" if near else "mahalanobis"
        scorer = SCORES[method]
        if method == "mahalanobis" and (self._sequences or self.window_size):
            scorer = MahalanobisOfCode
        return Model(estimator, scorer(), samples)

    def score_samples(self, X):
        """Return how normal each sample is.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), sequences or series
            The samples, as in fit.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Minus the distance of `score_method`: the higher, the more normal. With
            `window_size` one for each time step: a pandas Series where X has a
            DatetimeIndex, and a list of arrays for several series.
        """
        check_is_fitted(self)
        if self.window_size is None:
            return self._model.scores(self._read(X, reset=False))
        series = self._read_series(X, reset=False)
        return series.restore(self._series_scores(series))

    def decision_function(self, X):
        """Return how far the score of each sample lies above the threshold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), sequences or series
            The samples, as in fit.

        Returns
        -------
        decisions : ndarray of shape (n_samples,)
            `score_samples(X) - offset_`; negative for anomalies.
        """
        return _of_each(self._decide, self.score_samples(X))

    def predict(self, X):
        """Say which samples are normal.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), sequences or series
            The samples, as in fit.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            1 for normal samples, -1 for anomalies.
        """
        scores = self.decision_function(X)
        return _of_each(lambda each: np.where(each < 0, -1, 1), scores)

    def p_values(self, X):
        """Return the share of normal samples that are as strange as each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), sequences or series
            The samples, as in fit.

        Returns
        -------
        p : ndarray of shape (n_samples,)
            The probability that a normal sample has so low a score, in
            [1 / (n + 1), 1] where n is the number of `calibration_scores_`, divided by
            `window_size_` where there is one. It holds on the average over training
            samples, with ``contamination="auto"``.
        """

        def p_of(scores):
            known = self.calibration_scores_, self._n_independent
            p = calibration.p_values(np.asarray(scores), *known)
            return scores * 0 + p  # a Series keeps its index

        return _of_each(p_of, self.score_samples(X))

    def _decide(self, scores):
        return scores - self.offset_

    def _read(self, X, *, reset):
        if self._images:
            return read_images(self, X, reset=reset)
        if self._sequences:
            return read_sequences(self, X, reset=reset)
        return read_table(self, X, reset=reset)

    def _read_series(self, X, *, reset):
        series = Series.read(self, X, reset=reset)
        if not reset:
            series.check(self.window_size_)
        return series

    def _series_scores(self, series):
        return [
            self._windows.scores(self._model, item, self._unknown)
            for item in series.items
        ]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _of_each(function, values):
    """Apply a function to values, or to those of each of several series."""
    several = isinstance(values, list)
    return [function(each) for each in values] if several else function(values)
