"""Anomaly detection with an autoencoder."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from sklearn_seqae._containers import depth
from sklearn_seqae._inputs import (
    InputFormat,
    check,
    form_of,
    parse,
    read,
    with_values,
)
from sklearn_seqae._introspection import kept_if_it_fails
from sklearn_seqae._libraries import methods_read_all_containers
from sklearn_seqae._params import (
    HasMethods,
    Integral,
    Interval,
    Real,
    StrOptions,
    fit_context,
)
from sklearn_seqae._sequences import Samples, holds_sequences
from sklearn_seqae.anomaly import calibration
from sklearn_seqae.anomaly._attribution import Attribution
from sklearn_seqae.anomaly._channels import Channels, find_switches, is_fitted_before
from sklearn_seqae.anomaly._explaining import explain_alarms
from sklearn_seqae.anomaly._intervals import (
    frame_of_intervals,
    step_errors,
    usual_error,
)
from sklearn_seqae.anomaly._labels import cut, known_anomalies, split
from sklearn_seqae.anomaly._model import (
    Model,
    estimator_to_fit,
    map_fits,
    reading,
    takes_sequences,
    unit_of,
)
from sklearn_seqae.anomaly._scaling import (
    SCALERS,
    fitted_scaler,
    in_units_of_x,
    rows_of,
    scaled,
    scaled_samples,
)
from sklearn_seqae.anomaly._series import (
    TABLE,
    Series,
    Windows,
    checked_window,
    of_each,
)
from sklearn_seqae.anomaly._state import PlainDetectorState
from sklearn_seqae.anomaly._thresholds import HasThreshold
from sklearn_seqae.anomaly._time import Calendar, as_series, warn_of_counters
from sklearn_seqae.anomaly.scoring import SCORES, scorer_of
from sklearn_seqae.anomaly.stream import AnomalyStream
from sklearn_seqae.large.sparse import is_sparse
from sklearn_seqae.training.checkpoints import fits_inside, parameters_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AutoencoderAnomalyDetector"]


@methods_read_all_containers
class AutoencoderAnomalyDetector(
    PlainDetectorState, HasThreshold, OutlierMixin, BaseEstimator
):
    """Anomaly detector based on the residuals of an autoencoder.

    An autoencoder that is fitted on mostly normal samples reconstructs normal samples
    well. The anomaly score is a negative distance, which is computed from the samples
    and their residuals (see `score_method`). As in IsolationForest, lower scores are
    more anomalous. The threshold is set for a given false-alarm rate, or for a given
    fraction of anomalies in the training data.

    Samples are rows of a table, images, whole sequences of equal or variable length,
    or, with `window_size`, the time steps of a long series. Errors are in the units of
    X. If features have different units, set `scaler`.

    Parameters
    ----------
    estimator : transformer with `inverse_transform`, default=None
        Model that reconstructs the samples: an autoencoder, PCA, a Pipeline that ends
        with one of them, or a :class:`~sklearn.frozen.FrozenEstimator` around a fitted
        one. If None, the default is :class:`~sklearn_seqae.DenseAutoencoderTransformer`
        for tables and windows, :class:`~sklearn_seqae.RecurrentAutoencoderTransformer`
        for sequences, and :class:`~sklearn_seqae.ConvolutionalAutoencoderTransformer`
        for images. It is trained without early stopping for 30 epochs, or 20 for
        windows. Its latent size is half the number of values of a sample, at most 32,
        and at most 8 for sequences and windows. For windows it is also at most a
        quarter of their number. If a window has more than 256 values, PCA with at most
        64 components precedes the autoencoder. In the clone that is fitted,
        ``refinement_steps="auto"`` is replaced with 0.

    score_method : {"auto", "nearest", "mahalanobis", "reconstruction"}, \
            default="auto"
        Distance that the anomaly score is computed from.

        - "nearest": mean distance to the 5 nearest training samples, divided by the
          square root of the mean distance between these and their own neighbors. The
          distance is that of the values and, with half weight, of the residuals. If
          some training samples are outlying, it is the geometric mean of this distance
          and of that to the other training samples. It is larger in small groups that
          are far from the other training samples.
        - "mahalanobis": Mahalanobis distance in the joint space of a sample and its
          residual. The covariance is estimated from the most central 60 % of the
          training samples. For sequences and windows, the squared Mahalanobis distance
          of the latent code plus the squared error.
        - "reconstruction": mean squared reconstruction error.
        - "auto": "mahalanobis" with a `window_size`, and for tables and images if
          `contamination` is a float; otherwise "nearest". If `labels` contains known
          anomalies, and without a `window_size`, the distance is divided by the square
          of a / (a + d), where a is the distance to the nearest known anomaly, and d
          the distance to the nearest training samples that are not outlying.

    contamination : "auto" or float, default="auto"
        Fraction of anomalies among the training samples, in (0, 0.5]. "auto" assumes
        that all training samples are normal, and sets the threshold for
        `false_alarm_rate`.

    false_alarm_rate : float, default=0.01
        Expected fraction of new normal samples that are flagged, in (0, 1). For series,
        it is the rate per time step. Ignored if `contamination` is a float. `fit`
        trains one model on all samples and up to five more, each of which scores the
        samples that were held out from its training (cross-conformal prediction). With
        fewer than 10 samples, only one model is trained. The threshold of series is
        extrapolated with a generalized Pareto distribution. If there are too few
        samples (for a series: non-overlapping windows) for this rate, a warning is
        issued that gives an approximate interval for the true rate.

    window_size : int, "auto" or None, default=None
        Number of time steps of a window. If None, each row is a separate sample. If an
        int, X is a time series with one row for each time step: it is divided into
        windows, and each time step gets a score as set by `alignment`. "auto" selects
        two periods of the longest series, from 100 to 250 steps, and at most a quarter
        of the shortest series without gaps. The period is the lag of the highest
        autocorrelation.

    step : int, default=1
        Stride: number of time steps between consecutive windows, at most the window
        size. A larger value is faster and less accurate.

    alignment : {"centered", "trailing"}, default="centered"
        Which windows score a time step. "centered": the mean score of all windows that
        contain the step. "trailing": the score of the window that ends with the step,
        so the score does not depend on later steps. Steps without such a window have
        no score: it is NaN, and they are never alarms.

    scaler : {"standard", "robust"}, transformer or None, default=None
        Scaling of the features before the estimator. It is fitted on the training
        samples, also in each calibration fold. Scores are computed from scaled values.
        Results such as residuals, causes and intervals remain in the units, with the
        names and with the index of X. For sequences, images and series, each channel is
        a feature.

        - "standard": :class:`~sklearn.preprocessing.StandardScaler`.
        - "robust": :class:`~sklearn.preprocessing.RobustScaler`, for training samples
          with outliers.
        - transformer: it must transform tables, keep the number of columns, and have
          `inverse_transform`. It is cloned before it is fitted.
        - None: no scaling.

    switches : {"auto", None}, default="auto"
        How to score channels that have at most two values in the training series, for
        example on and off. Ignored without `window_size`.

        - "auto": they are switches. Only the other channels, the sensors, are
          reconstructed and scored. Each switch is checked separately: an event is a
          change to a value that does not occur in the training series, or a change
          between the two values in a direction that does not occur there. Its score is
          at most the quantile of the sensors' scores at the rate of such events. A new
          state that lasts is one event, at its first step. Without sensors, or with an
          estimator that is already fitted, all channels are scored jointly.
        - None: all channels are scored jointly.

    random_state : int, RandomState instance or None, default=None
        Seed that replaces every `random_state` parameter of `estimator`. If None, they
        are not changed; the default estimator is then not reproducible.

    checkpoint : str or None, default=None
        Path of a folder for checkpoints. If a fit is interrupted, the same fit
        continues from the last epoch of an autoencoder, with the same result. It
        replaces the `checkpoint` of autoencoders in `estimator`. Other estimators are
        fitted again. None: no checkpoints. Use it for fits that take minutes or longer.

    Attributes
    ----------
    estimator_ : transformer
        Fitted clone of `estimator`, or the fitted default.

    scaler_ : transformer or None
        Fitted scaler. Its features are the columns or channels of X.

    offset_ : float
        Threshold: `decision_function` is `score_samples` minus `offset_`.

    false_alarm_rate_interval_ : tuple of float, or None
        Central 90 % interval (low, high) of the true false-alarm rate. It is wide if
        there are few samples (for a series: non-overlapping windows). For a series it
        is approximate: it contained the true rate for about 85 % of simulated series,
        and `high` exceeded the true rate for at least 96 % of them. None if
        `contamination` is a float.

    calibration_scores_ : ndarray of shape (n_calibration_scores,)
        Anomaly scores of the training samples or time steps in ascending order, without
        NaN. `offset_` and `p_values` are computed from them. With
        ``contamination="auto"``, each sample is scored by a model that was trained
        without it; with a float, by the final model.

    window_size_ : int or None
        Number of time steps of a window. None without `window_size`.

    switches_ : ndarray of bool of shape (`n_features_in_`,), or None
        Which channels are switches. None without `window_size`.

    n_features_in_ : int
        Number of columns of a table, or number of channels of images, sequences or
        series.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if all names of X are strings.

    See Also
    --------
    sklearn.ensemble.IsolationForest : Anomaly detection with random splits.
    sklearn.covariance.EllipticEnvelope : Anomaly detection in Gaussian data.

    Notes
    -----
    With `window_size`, X may also be a list of arrays or data frames, or a 3-D array,
    with one series in each item. No window spans two series. Methods that return one
    result for each time step then return a list. A one-dimensional X is a series of one
    channel. X may be any container that the autoencoders accept, including objects of
    pyarrow and narwhals.

    If X has a DatetimeIndex, PeriodIndex or TimedeltaIndex, its times must increase,
    and no window spans a gap. A time difference between two rows is a gap if it exceeds
    1.5 times the median and 1.5 times the longest regular time difference. `fit` finds
    the regular time differences: those that occur at least three times, for example
    over weekends.

    References
    ----------
    Bates, Candes, Lei, Romano and Sesia (2023), Testing for outliers with conformal
    p-values.
    Pickands (1975), Statistical inference using extreme order statistics.
    Vovk, Gammerman and Shafer (2005), Algorithmic learning in a random world.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from sklearn_seqae.anomaly import AutoencoderAnomalyDetector
    >>> X = np.linspace(0, 1, 120)[:, None] * [1.0, 2.0, 3.0]
    >>> detector = AutoencoderAnomalyDetector(PCA(1)).fit(X)
    >>> detector.predict([[0.5, 1.0, 1.5], [0.5, 0.5, 0.5]])
    array([ 1, -1])

    Time steps of a series, here with 20 anomalous steps:

    >>> steps = np.arange(600)
    >>> series = np.sin(steps / 8)[:, None]
    >>> series[400:420] = 0
    >>> detector = AutoencoderAnomalyDetector(
    ...     PCA(2), window_size=50, false_alarm_rate=0.2
    ... )
    >>> detector = detector.fit(series[:300])
    >>> detector.predict(series)[[100, 410]]
    array([ 1, -1])
    """

    _windows: Any  # Windows, or None without `window_size`
    _calendar: Calendar | None
    window_size_: int | None
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
        "scaler": [
            None,
            StrOptions({*SCALERS}),
            HasMethods(["fit", "transform", "inverse_transform"]),
        ],
        "switches": [StrOptions({"auto"}), None],
        "random_state": ["random_state"],
        "checkpoint": [str, None],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        score_method: Literal[
            "auto", "nearest", "mahalanobis", "reconstruction"
        ] = "auto",
        contamination: float | Literal["auto"] = "auto",
        false_alarm_rate: float = 0.01,
        window_size: int | Literal["auto"] | None = None,
        step: int = 1,
        alignment: Literal["centered", "trailing"] = "centered",
        scaler: Any = None,
        switches: Literal["auto"] | None = "auto",
        random_state: int | np.random.RandomState | None = None,
        checkpoint: str | None = None,
    ) -> None:
        self.estimator = estimator
        self.score_method = score_method
        self.contamination = contamination
        self.false_alarm_rate = false_alarm_rate
        self.window_size = window_size
        self.step = step
        self.alignment = alignment
        self.scaler = scaler
        self.switches = switches
        self.random_state = random_state
        self.checkpoint = checkpoint

    # The fit of `estimator` validates its parameters.
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, labels: Any = None) -> Self:
        """Fit the estimator and set the threshold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), images, sequences or series
            Training samples, most of them normal.

        y : Ignored
            Not used, present for API consistency by convention.

        labels : array-like of int of shape (n_samples,), list of them, default=None
            A few labels: -1 for a known anomaly, 1 for a known normal sample, 0 if it
            is unknown. Known anomalies are excluded from training, scaling and
            calibration, and from the fraction of `contamination`. With
            ``score_method="auto"``, samples near known anomalies have lower scores.
            With `window_size`, one label for each time step, and a list of arrays for
            several series; windows that contain a known anomaly are left out. In
            `AutoencoderClassifier`, -1 marks a row without a label instead.

        Returns
        -------
        self : object
            Fitted detector.

        Raises
        ------
        ValueError
            If X, `labels` or a parameter is invalid, if X is shorter than a window, or
            if times do not increase.
        """
        with kept_if_it_fails(self):
            is_series = self.window_size is not None
            form = form_of(X)
            if form == "images" and takes_sequences(self.estimator):
                form = "sequences"  # videos
            if is_series:
                X = as_series(X)
                warn_of_counters(X)
                form = "sequences" if holds_sequences(X) else "table"
            unfitted = InputFormat(form)
            samples = parse(X, unfitted, name=type(self).__name__, **reading(self))
            check(self, samples, reset=True)
            self._input_format = unfitted.fitted_to(samples)
            anomalies = known_anomalies(labels, samples, is_series)
            rest, known = split(anomalies, samples, is_series)
            self.scaler_ = fitted_scaler(self.scaler, rows_of(rest))
            inputs = [parameters_of(self), samples.values, samples.lengths, anomalies]
            with fits_inside(self.checkpoint, inputs):
                if is_series:
                    scores = self._fit_series(samples, anomalies, rows_of(rest))
                else:
                    scores = self._fit_samples(rest, known)
            n_steps = int((~np.isnan(scores)).sum())
            if is_series and self.alignment == "trailing":
                n_steps *= self.step  # only the last step of a window has a score
            size = self.window_size_
            n_windows = None if size is None else max(1, n_steps // size)
            self._calibrate(scores, self.contamination, n_windows)
            if is_series:
                self._channels.place(self._calibration)
        return self

    def _fit_samples(self, samples, known):
        """Fit to samples, without known anomalies. Return the calibration scores."""
        self.window_size_ = self._windows = self.switches_ = None
        self._unit = unit_of(scaled_samples(self.scaler_, samples))
        samples = with_values(samples, type(self).__name__)
        scaled_ones = scaled_samples(self.scaler_, samples)
        parts, errors = self._fit_model(
            scaled_ones, scaled_samples(self.scaler_, known)
        )
        rows = scaled_ones.values
        if rows.ndim == 2:
            rows = self._model.complete(scaled_ones)
        else:
            rows = replace(scaled_ones, values=errors).steps
        kept = getattr(self._model.scorer, "samples", None)
        self._attribution = Attribution().fit(rows, self._unit, kept)
        folds = list(calibration.folds(len(samples)))
        if self.contamination != "auto" or not folds:
            return self._model.scores_of(parts)

        def held_out(fold):
            others, rows = map(samples.take, fold)
            scaler = fitted_scaler(self.scaler, rows_of(others))
            both = (scaled_samples(scaler, each) for each in (others, known))
            model, *_ = self._make_model(*both)
            return model.scores(scaled_samples(scaler, rows))

        scores = np.empty(len(samples))
        found = map_fits(held_out, folds, self.estimator_, self.random_state)
        for (_, rows), each in zip(folds, found, strict=True):
            scores[rows] = each
        return scores

    def _fit_series(self, samples, anomalies, rows):
        """Fit to the windows of series. Return the calibration scores of time steps.

        `rows` are the time steps that are not known anomalies.
        """
        rows = scaled(self.scaler_, rows)
        self.switches_ = np.zeros(rows.shape[1], dtype=bool)
        if self.switches == "auto" and not is_fitted_before(self.estimator):
            self.switches_ = find_switches(rows)
        self._channels = channels = Channels(self.switches_)
        (sensors,) = channels.sensors([rows])
        self._unit = unit_of(Samples(sensors, None, TABLE))
        index = Series.of(samples).indexes
        self._calendar = Calendar.fit(index)
        series = Series.of(samples, self._calendar)
        whole = channels.sensors(series.take(series.pieces))
        self.window_size_ = size = checked_window(self.window_size, self.step, whole)
        self._windows = Windows(
            size=size,
            step=self.step,
            trailing=self.alignment == "trailing",
            as_sequences=takes_sequences(self.estimator),
        )
        pieces = series.cut_at_missing(self._windows).whole_pieces(size)
        pieces = cut(pieces, anomalies, [len(item) for item in series.items], size)
        raw = series.take(pieces)
        items = [scaled(self.scaler_, item) for item in raw]
        _, errors = self._fit_model(self._windows.to_fit(channels.sensors(items)))
        errors = errors.reshape(-1, np.sum(channels.is_sensor))
        attribution = Attribution().fit(errors, self._unit)
        channels.fit(items)
        blocks = []
        if self.contamination == "auto":
            lengths = [at.stop - at.start for _, at in pieces]
            blocks = calibration.blocks(lengths, size, self.step)
        if blocks:
            held_out = partial(
                self._windows.of_block,
                self._make_model,
                self.scaler,
                raw,
                self.switches_,
            )
            found = map_fits(held_out, blocks, self.estimator_, self.random_state)
            known = [piece for block in found for piece in block]
        else:
            look = partial(channels.look, self._windows, self._model, sharp=True)
            known = list(map(look, items))
        self._attribution = channels.calibrate(known, attribution)
        self._usual_error = usual_error(
            [step_errors(self._attribution, errors) for _, errors in known]
        )
        return np.concatenate([scores for scores, _ in known])

    def _fit_model(self, samples, known=None):
        """Store the model of all samples. Return their parts and errors."""
        self._model, parts, errors = self._make_model(samples, known)
        self.estimator_ = self._model.estimator
        return parts, errors

    def _make_model(self, samples, known=None):
        windows = self._windows is not None
        estimator = estimator_to_fit(
            self.estimator, samples, windows=windows, random_state=self.random_state
        )
        form = "windows" if windows else self._input_format.form
        form = "sparse" if is_sparse(samples) else form
        scorer = scorer_of(
            self.score_method,
            is_clean=self.contamination == "auto",
            form=form,
            is_labelled=known is not None,
        )
        return Model.fit(estimator, scorer, samples, self._unit, known)

    def score_samples(self, X: Any) -> Any:
        """Return the anomaly score of each sample; higher is more normal.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), images, sequences or series
            Samples, as in `fit`.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Minus the distance of `score_method`. The residual of a missing value is 0,
            and a sample without any observed value has the score NaN. With
            `window_size`, one score for each time step, NaN without a window: a pandas
            Series if the index of X contains times, a list for several series.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        ValueError
            If X is invalid, or if its features are not those of `fit`.
        """
        check_is_fitted(self)
        if self._windows is None:
            samples = scaled_samples(self.scaler_, self._read(X))
            return self._model.scores(samples)
        series = self._read_series(X)
        return series.restore(self._look(series)[0])

    def decision_function(self, X: Any) -> Any:
        """Return the signed distance of each score to the threshold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), images, sequences or series
            Samples, as in `fit`.

        Returns
        -------
        decisions : ndarray of shape (n_samples,), Series, or list of them
            ``score_samples(X) - offset_``, negative for anomalies, in the container
            that `score_samples` returns.
        """
        return of_each(self._decide, self.score_samples(X))

    def predict(self, X: Any) -> Any:
        """Predict whether each sample is normal.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), images, sequences or series
            Samples, as in `fit`.

        Returns
        -------
        labels : ndarray of shape (n_samples,), or list of ndarray
            1 for normal samples and those without a score, -1 for anomalies. With
            `window_size`, one label for each time step, without the index of X. A list
            for several series.
        """
        scores = self.decision_function(X)
        return of_each(lambda each: np.where(each < 0, -1, 1), scores)

    def reconstruction_errors(self, X: Any) -> Any:
        """Return the residuals: X minus its reconstruction.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), images, sequences or series
            Samples, as in `fit`.

        Returns
        -------
        errors : in the container and shape of X
            Residuals in the units of X. With `window_size` and
            ``alignment="centered"``, the mean over the windows that contain a time
            step; with "trailing", the residual of the window that ends with it, NaN
            without such a window.
        """
        check_is_fitted(self)
        if self._windows is None:
            samples = self._read(X)
            return samples.restore(self._residuals(samples))
        series = self._read_series(X)
        pairs = zip(series.items, self._look(series)[1], strict=True)
        errors = series.restore([in_units_of_x(self.scaler_, *pair) for pair in pairs])
        if depth(X) == 1 and series.is_one:  # X is one-dimensional
            return errors.iloc[:, 0] if hasattr(errors, "iloc") else errors[:, 0]
        return errors

    def feature_scores(self, X: Any) -> Any:
        """Return the attribution of an anomaly to each feature.

        Attributions do not sum to the anomaly score and do not depend on
        `score_method`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), images, sequences or series
            Samples, as in `fit`.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_features)
            Decrease in squared Mahalanobis distance if this feature alone is replaced
            by its most likely value, given the others. It has no unit. For tables, the
            distance is that of the row; for sequences and series, that of the residual
            at each time step. For a sequence, the mean over its time steps. For images,
            one column for each pixel and channel. With `window_size`, one row for each
            time step, NaN without a score, and a list for several series.
        """
        check_is_fitted(self)
        if self._windows is not None:
            series = self._read_series(X)
            return series.restore(self._step_attributions(series))
        samples = scaled_samples(self.scaler_, self._read(X))
        attributions = self._attribution.of_samples(self._model, samples)
        if attributions.ndim == 2:
            return attributions
        return attributions.sum(axis=1) / samples.n_steps_of_each[:, np.newaxis]

    def step_scores(self, X: Any) -> Any:
        """Return the attribution of an anomaly to each time step.

        Parameters
        ----------
        X : sequences or series
            Samples, as in `fit`.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_steps), or a list of arrays
            Sum of the attributions of all features. A list if the sequences differ in
            length. With `window_size`, one value for each row.

        Raises
        ------
        ValueError
            For tables and images without `window_size`.
        """
        check_is_fitted(self)
        if self._windows is not None:
            series = self._read_series(X)
            found = self._step_attributions(series)
            return series.restore([each.sum(axis=1) for each in found])
        samples = self._read(X)
        if samples.values.ndim == 2:
            raise ValueError(
                "X must hold sequences or a series to have time steps. Got tables or "
                "images without 'window_size'. Use feature_scores, or set "
                "'window_size'."
            )
        samples = scaled_samples(self.scaler_, samples)
        scores = self._attribution.of_samples(self._model, samples).sum(axis=2)
        if samples.lengths is None:
            return scores
        return [row[:n] for row, n in zip(scores, samples.lengths, strict=True)]

    def explain(self, X: Any, *, n_causes: int = 3) -> "pd.DataFrame":
        """Return the features that contribute most to each alarm.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), images, sequences or series
            Samples, as in `fit`.

        n_causes : int, default=3
            Number of features for each alarm, the largest contribution first.

        Returns
        -------
        causes : DataFrame
            One row for each alarm and feature, with the columns

            - ``row``: number of the row, or its label if X has an index; with
              `window_size`, the number of the interval in ``detect_intervals(X)``;
            - ``peak``: with `window_size`, time step of the interval with the largest
              attribution of any feature;
            - ``time``: time step with the largest attribution of the feature; not for
              tables and images;
            - ``feature``: name of the feature;
            - ``value``: value of the feature, in a sequence or series at this time
              step;
            - ``expected``: reconstruction of the value;
            - ``share``: attribution to the feature divided by the total, in [0, 1].
        """
        check_is_fitted(self)
        check_scalar(n_causes, "n_causes", Integral, min_val=1)
        return explain_alarms(self, X, n_causes)

    def detect_intervals(
        self, X: Any, *, gap: int | None = None, min_drop: float = 0.0
    ) -> "pd.DataFrame":
        """Return the intervals of time steps that cause the alarms in a series.

        Each window that contains a part of an event has a low score, so alarms cover
        more steps than the event. An interval is the range of steps within a run of
        alarms (with ``alignment="trailing"``, also up to one window before it) with the
        largest sum of step errors above their usual size. The step error is the
        residual, in the most normal window that contains the step, in standard
        deviations of its channel. The usual size is the 90 % quantile of the step
        errors of the training series. If no error exceeds it, the interval is the whole
        run.

        Parameters
        ----------
        X : array-like of shape (n_steps, n_channels), or a list of them
            Series, as in `fit`. Requires `window_size`.

        gap : int or None, default=None
            Alarms, and events within a run of alarms, that are fewer than `gap` time
            steps apart belong to one interval. If None, the window size.

        min_drop : float, default=0.0
            Pruning of intervals (Hundman et al., 2018), in [0, 1). Intervals are sorted
            by score, the lowest first, followed by the lowest score outside of all
            intervals. The intervals before the last relative decrease of at least
            `min_drop` in the absolute score are kept. Without such a decrease, no
            interval is kept. 0 keeps all intervals.

        Returns
        -------
        intervals : DataFrame
            Columns ``start`` and ``end``: first and last time step, both included, as
            numbers, or as times if the index of X has times; ``score``: lowest score of
            the alarms that the interval causes; for a list of series also
            ``series``: number of the series.

        Raises
        ------
        ValueError
            Without `window_size`.
        """
        check_is_fitted(self)
        return frame_of_intervals(self, X, gap, min_drop)

    def stream(self, history: Any = None) -> AnomalyStream:
        """Return a stream that scores the rows of one series as they arrive.

        Parameters
        ----------
        history : array-like of shape (n_steps, n_channels), default=None
            Rows before the first new row, for example the end of the training series.
            With the last ``window_size_ - 1`` rows, the first new row has a score.

        Returns
        -------
        stream : AnomalyStream
            Stream with the method `update`.

        Raises
        ------
        ValueError
            Without `window_size`, or with ``alignment="centered"``.
        """
        return AnomalyStream(self, history)

    def _read(self, X):
        """Parse X as `fit` did, and compare it with what `fit` saw."""
        check_is_fitted(self)
        input_format = self._input_format
        if self._windows is not None:  # one series or several, whatever fit saw
            X = as_series(X)
            form = "sequences" if holds_sequences(X) else "table"
            input_format = InputFormat(form)
        return read(self, X, input_format, **reading(self))

    def _read_series(self, X):
        series = Series.of(self._read(X), self._calendar)
        return series.cut_at_missing(self._windows)

    def _reconstruct(self, X):
        """Return reconstructions in the container and the units of X."""
        samples = self._read(X)
        return samples.restore(samples.values[:] - self._residuals(samples))

    def _residuals(self, samples):
        """Return the residuals of samples in the units of X."""
        errors = self._model.look(scaled_samples(self.scaler_, samples))[1][:]
        return in_units_of_x(self.scaler_, samples.values, errors)

    def _as_input(self, X):
        """Return X as the input of `estimator_`, in the container of X."""
        samples = self._read(X)
        return samples.restore(scaled_samples(self.scaler_, samples).values)

    # With windows

    def _step_attributions(self, series):
        """Return the attributions (T, C) of each series."""
        scores, errors = self._look(series)
        return list(map(self._attribution.of_steps, errors, scores))

    def _look(self, series, sharp=False):
        """Return scores (T,) and scaled residuals (T, C) of each series, or NaN."""
        scores = [np.full(len(item), np.nan) for item in series.items]
        errors = [np.full(item.shape, np.nan) for item in series.items]
        for number, at in series.whole_pieces(self.window_size_, may_miss=True):
            item = scaled(self.scaler_, series.items[number][at])
            found = self._look_at(self._windows, item, sharp)
            scores[number][at], errors[number][at] = found
        return scores, errors

    def _look_at(self, windows, item, sharp=False):
        """Return scores (T,) and residuals (T, C) of a scaled piece."""
        scores, errors = self._channels.look(windows, self._model, item, sharp)
        return self._channels.lowered(scores, errors), errors

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        options = reading(self)
        tags.input_tags.allow_nan = options["allow_nan"]
        tags.input_tags.sparse = options["accept_sparse"]
        return tags
