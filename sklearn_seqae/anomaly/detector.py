"""Anomaly detection around an autoencoder."""

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.utils.validation import check_is_fitted

from sklearn_seqae._inputs import InputFormat, check, form_of, parse, read
from sklearn_seqae._introspection import kept_if_it_fails
from sklearn_seqae._params import (
    HasMethods,
    Integral,
    Interval,
    Real,
    StrOptions,
    fit_context,
)
from sklearn_seqae._sequences import holds_sequences
from sklearn_seqae.anomaly import calibration
from sklearn_seqae.anomaly._attribution import Attribution, explanation, intervals
from sklearn_seqae.anomaly._model import (
    Model,
    default_estimator,
    set_random_state,
    takes_sequences,
)
from sklearn_seqae.anomaly._series import Series, Windows, automatic_window
from sklearn_seqae.anomaly.scoring import SCORES, MahalanobisOfCode

__all__ = ["AutoencoderAnomalyDetector"]


class AutoencoderAnomalyDetector(OutlierMixin, BaseEstimator):
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
            form = form_of(X)
            if is_series:
                form = "sequences" if holds_sequences(X) else "table"
            unfitted = InputFormat(form)
            samples = parse(X, unfitted, name=type(self).__name__)
            check(self, samples, reset=True)
            self._input_format = unfitted.fitted_to(samples)
            fit = self._fit_series if is_series else self._fit_samples
            scores = fit(samples)
            self.calibration_scores_ = np.sort(scores)
            n = self._n_independent = max(1, len(scores) // (self.window_size_ or 1))
            if self.contamination == "auto":
                self.offset_ = calibration.threshold(scores, self.false_alarm_rate, n)
            else:
                self.offset_ = float(np.percentile(scores, 100 * self.contamination))
        return self

    def _fit_samples(self, samples):
        """Fit to samples, and return scores to calibrate with."""
        self.window_size_ = self._windows = None
        parts, errors = self._fit_model(samples)
        if samples.values.ndim == 2:
            rows = samples.values
        elif samples.lengths is not None:
            rows = errors[samples.mask]
        else:
            rows = errors.reshape(-1, errors.shape[-1])
        self._attribution = Attribution().fit(rows)
        folds = list(calibration.folds(len(samples)))
        if self.contamination != "auto" or not folds:
            return self._model.scores_of(parts)
        scores = np.empty(len(samples))
        for others, rows in folds:
            model, *_ = self._make_model(samples.take(others))
            scores[rows] = model.scores(samples.take(rows))
        return scores

    def _fit_series(self, samples):
        """Fit to the windows of series; return scores of steps to calibrate with."""
        series = Series.of(samples)
        size = self.window_size
        self.window_size_ = automatic_window(series.items) if size == "auto" else size
        series.check(self.window_size_)
        self._windows = Windows(
            self.window_size_,
            self.step,
            self.alignment == "trailing",
            takes_sequences(self.estimator),
        )
        parts, errors = self._fit_model(self._windows.to_fit(series.items))
        width = series.items[0].shape[1]
        self._attribution = Attribution().fit(errors.reshape(-1, width))
        self._unknown = float(np.median(self._model.scores_of(parts)))
        blocks = []
        if self.contamination == "auto":
            blocks = calibration.blocks(series.lengths, self.window_size_, self.step)
        if not blocks:
            return np.concatenate(self._step_scores(series))
        scores = []
        for block in blocks:
            rest = self._windows.to_fit(series.without(block))
            model, *_ = self._make_model(rest)
            scores += [
                self._windows.held_out(model, series.items[number], at, self._unknown)
                for number, at in block
            ]
        return np.concatenate(scores)

    def _fit_model(self, samples):
        """Keep the model of all samples; return their parts and errors."""
        self._model, parts, errors = self._make_model(samples)
        self.estimator_ = self._model.estimator
        return parts, errors

    def _make_model(self, samples):
        windows = self._windows is not None
        if self.estimator is None:
            estimator = default_estimator(samples, windows=windows)
        else:
            estimator = clone(self.estimator)
        if self.random_state is not None:
            set_random_state(estimator, self.random_state)
        sequences = self._input_format.form == "sequences" and not windows
        method = self.score_method
        if method == "auto":
            is_clean = self.contamination == "auto" or sequences
            method = "nearest" if is_clean and not windows else "mahalanobis"
        scorer = SCORES[method]
        if method == "mahalanobis" and (sequences or windows):
            scorer = MahalanobisOfCode
        return Model.fit(estimator, scorer(), samples)

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
        samples = self._read(X)
        if self._windows is None:
            return self._model.scores(samples)
        series = Series.of(samples)
        return series.restore(self._step_scores(series))

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

    def reconstruction_errors(self, X):
        """Return what X is more than the estimator expects.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), sequences or series
            As in fit.

        Returns
        -------
        errors : in the container and shape of X
            X minus its reconstruction. With `window_size` the mean over the windows
            that cover a time step.
        """
        samples = self._read(X)
        if self._windows is None:
            return samples.restore(self._model.look(samples)[1])
        series = Series.of(samples)
        return series.restore(self._step_errors(series))

    def feature_scores(self, X):
        """Return how much each feature is to blame for the strangeness of its row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), sequences or series
            As in fit.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_features)
            The higher, the stranger: by how much a row, or the error of a time step,
            becomes less strange, in squared Mahalanobis distance, if that feature
            alone is corrected. Of a sequence the mean over its steps. With
            `window_size` a row for each time step.
        """
        samples = self._read(X)
        if self._windows is not None:
            series = Series.of(samples)
            errors = self._step_errors(series)
            return series.restore([self._attribution.of(each) for each in errors])
        attributions = self._attribute(samples)
        if attributions.ndim == 2:
            return attributions
        return attributions.sum(axis=1) / samples.n_steps_of_each[:, np.newaxis]

    def step_scores(self, X):
        """Return how strange each time step of sequences or series is by its errors.

        Parameters
        ----------
        X : sequences or series
            As in fit.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_steps), or a list of arrays
            The higher, the stranger; the sum of the features' blame. A list where
            the sequences differ in length. With `window_size` one for each row.
        """
        samples = self._read(X)
        if self._windows is not None:
            series = Series.of(samples)
            errors = self._step_errors(series)
            return series.restore(
                [self._attribution.of(each).sum(axis=1) for each in errors]
            )
        if samples.values.ndim == 2:
            raise ValueError(
                "X must hold sequences or a series to have time steps. Got a table "
                "without 'window_size'. Use feature_scores, or set 'window_size'."
            )
        scores = self._attribute(samples).sum(axis=2)
        if samples.lengths is None:
            return scores
        return [row[:n] for row, n in zip(scores, samples.lengths, strict=True)]

    def explain(self, X, *, n_causes=3):
        """Name the features that caused each alarm.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), sequences or series
            As in fit.

        n_causes : int, default=3
            Features that are named for each alarm, the first to blame first.

        Returns
        -------
        causes : DataFrame
            A row for each alarm and cause, with the columns

            - ``row``: the row of X, by its label where X has an index; with
              `window_size` the interval of `detect_intervals`;
            - ``time``: the time step at which the feature is to blame most; not for
              tables;
            - ``feature``: its name;
            - ``value``: what it is there;
            - ``expected``: its reconstruction;
            - ``share``: of the blame of all features.
        """
        import pandas as pd

        samples = self._read(X)
        if self._windows is not None:
            records = self._explain_intervals(Series.of(samples), n_causes)
        else:
            records = self._explain_rows(samples, n_causes)
        columns = ["row", "time", "feature", "value", "expected", "share"]
        frame = pd.DataFrame.from_records(records, columns=columns)
        if self._windows is None and self._input_format.form != "sequences":
            del frame["time"]
        return frame

    def detect_intervals(self, X, *, gap=None, min_drop=0.0):
        """Return the stretches of alarms in a series.

        Parameters
        ----------
        X : array-like of shape (n_steps, n_channels), or a list of them
            Series, as in fit. The detector has a `window_size`.

        gap : int, default=None
            Alarms less than so many time steps apart are one interval; None takes
            the window's.

        min_drop : float, default=0.0
            Intervals that do not stand out are left out: in the order of their
            scores, those after the last drop of so large a share from one to the
            next, and from the last to what is no alarm (Hundman et al., 2018). 0
            leaves all.

        Returns
        -------
        intervals : DataFrame
            ``start`` and ``end``, the first and the last time step, both included, as
            numbers or, where X has a DatetimeIndex, as times; and ``score``, the
            lowest of the interval. For a list of series ``series`` says which.
        """
        import pandas as pd

        check_is_fitted(self)
        if self._windows is None:
            raise ValueError(
                "detect_intervals needs a series, whose rows are time steps in their "
                "order. Set 'window_size' and refit."
            )
        series = Series.of(self._read(X))
        rows = [
            (number, *edges, score)
            for number, each in enumerate(self._step_scores(series))
            for *edges, score in self._intervals(each, gap, min_drop)
        ]
        frame = pd.DataFrame(rows, columns=["series", "start", "end", "score"])
        if series.times is not None:
            for edge in ("start", "end"):
                frame[edge] = series.times[frame[edge].astype(int)]
        return frame.drop(columns="series") if series.is_one else frame

    def _decide(self, scores):
        return scores - self.offset_

    def _read(self, X):
        """Parse X as `fit` did, and compare it with what `fit` saw."""
        check_is_fitted(self)
        input_format = self._input_format
        if self._windows is not None:  # one series, or several
            form = "sequences" if holds_sequences(X) else "table"
            input_format = InputFormat(form)
        samples = read(self, X, input_format)
        if self._windows is not None:
            Series.of(samples).check(self.window_size_)
        return samples

    def _attribute(self, samples):
        if samples.values.ndim == 2:
            return self._attribution.of(samples.values)
        return self._attribution.of_sequences(self._model.look(samples)[1], samples)

    def _explain_rows(self, samples, n_causes):
        parts, errors = self._model.look(samples)
        rows = np.flatnonzero(self._decide(self._model.scores_of(parts)) < 0)
        alarms, errors = samples.take(rows), errors[rows]
        if not len(rows):
            return []
        if samples.values.ndim == 2:
            attributions = self._attribution.of(alarms.values)
        else:
            errors = errors[:, : alarms.values.shape[1]]
            attributions = self._attribution.of_sequences(errors, alarms)
        width, index = attributions.shape[-1], samples.container.index
        names = self._feature_names(width)
        records = []
        for number, row in enumerate(rows):
            label = row if index is None else index[row]
            one = alarms.values[number], errors[number], attributions[number]
            one = (each.reshape(-1, width) for each in one)
            records += explanation(label, *one, names, n_causes)
        return records

    def _feature_names(self, n_features):
        names = getattr(self, "feature_names_in_", None)
        if names is None or len(names) != n_features:
            return [f"x{c}" for c in range(n_features)]
        return list(names)

    # With windows

    def _step_errors(self, series):
        return [self._windows.errors(self._model, item) for item in series.items]

    def _step_scores(self, series):
        return [
            self._windows.scores(self._model, item, self._unknown)
            for item in series.items
        ]

    def _intervals(self, scores, gap=None, min_drop=0.0):
        gap = self._windows.size if gap is None else gap
        return intervals(scores, self._decide(scores) < 0, gap, min_drop)

    def _explain_intervals(self, series, n_causes):
        records, row = [], 0
        for item in series.items:
            scores, errors = self._windows.scores_and_errors(
                self._model, item, self._unknown
            )
            attributions = self._attribution.of(errors)
            for start, end, _ in self._intervals(scores):
                at = slice(start, end + 1)
                one = item[at], errors[at], attributions[at]
                times = np.arange(start, end + 1)
                if series.times is not None:
                    times = series.times[at]
                records += explanation(row, *one, series.names, n_causes, times)
                row += 1
        return records

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _of_each(function, values):
    """Apply a function to values, or to those of each of several series."""
    several = isinstance(values, list)
    return [function(each) for each in values] if several else function(values)
