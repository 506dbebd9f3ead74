"""Anomaly scores with threshold and alarms."""

from typing import Any

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d

from sklearn_seqae._introspection import refuse, scores_time_steps
from sklearn_seqae._libraries import reads_all_containers
from sklearn_seqae.displays._canvas import (
    check_matplotlib,
    colours,
    ink,
    panels,
)
from sklearn_seqae.displays._reading import (
    before,
    columns_of,
    one_series,
    part_with,
    parts_of,
    read_labels,
)
from sklearn_seqae.displays._steps import (
    legend_above,
    plot_channels,
    plot_heat_map,
    shade,
    write_dates_short,
)

ADVICE = "Pass a fitted outlier detector."


class AnomalyScoreDisplay:
    """Anomaly score of each row or time step, with the threshold and the alarms.

    Create it with `from_estimator` or `from_scores`. The plot shows minus
    `score_samples`: higher is more anomalous, and alarms are above the threshold. The
    steps of a series are connected by a line, with the series above. The intervals of
    the detector, or else the alarms, are shaded in both panels. Up to four channels
    share one axis. More channels, or channels with very different ranges, are drawn one
    above the other, each in its own range. Other samples are points.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Scores of `score_samples`; higher is more normal.

    threshold : float, default=None
        Threshold: samples with a lower score are anomalies, as with `offset_`.

    labels : ndarray of bool of shape (n_samples,), default=None
        Known anomalies, which are shaded.

    series : ndarray of shape (n_samples,) or (n_samples, n_channels), default=None
        Series, drawn above the scores.

    series_names : sequence of str, default=None
        Names of the channels of the series; x0, x1, ... by default.

    times : array-like of shape (n_samples,), default=None
        Times of the samples, in order; their numbers by default. With times or a
        series, samples are drawn as steps of a series.

    features : ndarray of shape (n_samples, n_features), default=None
        Contribution of each feature, as from `feature_scores`, drawn as a heat map
        below the scores.

    feature_names : sequence of str, default=None
        Names of the features; x0, x1, ... by default.

    intervals : ndarray of bool of shape (n_samples,), default=None
        Time steps of the intervals of alarms, which are shaded in place of the alarms.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the scores.

    features_ax_ : matplotlib Axes or None
        Axes of the heat map.

    heat_map_ : matplotlib Artist or None
        Heat map with one column for each row of X and one row for each feature. The
        color is the square root of the contribution.

    series_ax_ : matplotlib Axes or None
        Axes of the series.

    figure_ : matplotlib Figure
        Figure of the axes.

    line_ : matplotlib Artist
        Line of the scores.

    alarms_ : matplotlib Artist or None
        Scores beyond the threshold.

    alarm_spans_ : list of matplotlib Artist
        Shaded intervals, or alarms of a series, one for each of them in each axes.

    threshold_line_ : matplotlib Artist or None
        Line of the threshold.

    label_spans_ : list of matplotlib Artist
        Shaded labels, one for each run of anomalies in each axes.

    See Also
    --------
    ReconstructionDisplay : Samples with their reconstructions.

    Examples
    --------
    >>> from sklearn_seqae.displays import AnomalyScoreDisplay
    >>> display = AnomalyScoreDisplay.from_scores([-1, -1.2, -5], threshold=-3)
    >>> display.alarms_.get_ydata()
    array([5.])
    """

    def __init__(
        self,
        scores,
        *,
        threshold=None,
        labels=None,
        series=None,
        series_names=None,
        times=None,
        features=None,
        feature_names=None,
        intervals=None,
    ):
        self.scores = scores
        self.threshold = threshold
        self.labels = labels
        self.series = series
        self.series_names = series_names
        self.times = times
        self.features = features
        self.feature_names = feature_names
        self.intervals = intervals

    @classmethod
    @reads_all_containers
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        labels=None,
        series="auto",
        times=None,
        features=False,
        ax=None,
    ):
        """Draw the anomaly scores of X.

        Parameters
        ----------
        estimator : estimator instance
            Fitted outlier detector with `score_samples` and `offset_`, such as
            `AutoencoderAnomalyDetector`, or a Pipeline that ends with one.

        X : {array-like, sequences}
            Samples, in any container that `score_samples` accepts. Only one series
            can be drawn at a time.

        labels : array-like of shape (n_samples,), default=None
            Known anomalies: True or 1; or -1 if the other labels are 1, as in
            scikit-learn.

        series : "auto", None or array-like of shape (n_samples,) or \
                (n_samples, n_channels), default="auto"
            Series, drawn above the scores. "auto": the numeric columns of X if the
            detector has a `window_size`. None: no panel.

        times : array-like of shape (n_samples,), default=None
            Times of the samples, in order. For the steps of a series, the default is
            the DatetimeIndex of X.

        features : bool, default=False
            If True, draw `feature_scores` of the estimator as a heat map below.

        ax : matplotlib Axes, default=None
            Axes to draw in. All panels take its place. If None, a new figure.

        Returns
        -------
        display : AnomalyScoreDisplay
            Display with the artists.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        if not hasattr(estimator, "score_samples"):
            refuse(estimator, "score_samples", ADVICE)
        steps = any(map(scores_time_steps, parts_of(estimator)))
        one = one_series(X, caller=cls.__name__) if steps else X
        scores = _of_one(estimator.score_samples(X))
        if isinstance(series, str) and series == "auto":
            series = columns_of(one) if steps else None
        if times is None and steps:
            index = getattr(one, "index", None)
            times = index if hasattr(index, "tz") else np.arange(len(scores))
        heat = names = None
        if features:
            part = part_with(estimator, "feature_scores", ADVICE)
            heat = _of_one(part.feature_scores(before(estimator, part, X)))
            names = getattr(part, "feature_names_in_", None)
            columns = getattr(one, "columns", ())
            if names is None and len(columns) == np.shape(heat)[1]:
                names = columns
        intervals = _interval_steps(estimator, X, len(scores)) if steps else None
        return cls.from_scores(
            scores,
            threshold=part_with(estimator, "offset_", ADVICE).offset_,
            labels=labels,
            series=series,
            times=times,
            features=heat,
            feature_names=names,
            intervals=intervals,
            ax=ax,
        )

    @classmethod
    @reads_all_containers
    def from_scores(
        cls,
        scores,
        *,
        threshold=None,
        labels=None,
        series=None,
        series_names=None,
        times=None,
        features=None,
        feature_names=None,
        intervals=None,
        ax=None,
    ):
        """Draw anomaly scores.

        Parameters
        ----------
        scores : array-like of shape (n_samples,)
            Scores of `score_samples`; higher is more normal.

        threshold : float, default=None
            Threshold: samples with a lower score are anomalies, as with `offset_`.

        labels : array-like of shape (n_samples,), default=None
            Known anomalies: True or 1; or -1 if the other labels are 1, as in
            scikit-learn.

        series : array-like of shape (n_samples,) or (n_samples, n_channels), \
                default=None
            Series, drawn above the scores.

        series_names : sequence of str, default=None
            Names of the channels of the series; by default the columns of a data
            frame.

        times : array-like of shape (n_samples,), default=None
            Times of the samples, in order.

        features : array-like of shape (n_samples, n_features), default=None
            Contribution of each feature, drawn as a heat map below the scores.

        feature_names : sequence of str, default=None
            Names of the features.

        intervals : array-like of bool of shape (n_samples,), default=None
            Time steps of the intervals of alarms, which are shaded in place of the
            alarms.

        ax : matplotlib Axes, default=None
            Axes to draw in. All panels take its place. If None, a new figure.

        Returns
        -------
        display : AnomalyScoreDisplay
            Display with the artists.
        """
        check_matplotlib(f"{cls.__name__}.from_scores")
        scores = column_or_1d(scores, dtype=np.float64)
        labels = None if labels is None else read_labels(labels)
        if series_names is None:
            series_names = getattr(series, "columns", None)
        series = None if series is None else np.asarray(series)
        features = None if features is None else np.asarray(features)
        intervals = None if intervals is None else column_or_1d(intervals, dtype=bool)
        check_consistent_length(scores, labels, series, times, features, intervals)
        display = cls(
            scores,
            threshold=threshold,
            labels=labels,
            series=series,
            series_names=series_names,
            times=times,
            features=features,
            feature_names=feature_names,
            intervals=intervals,
        )
        return display.plot(ax=ax)

    def plot(self, ax=None):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw in. All panels take its place. If None, a new figure.

        Returns
        -------
        self : AnomalyScoreDisplay
            Display with the artists.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        numbers = np.arange(len(self.scores))
        times = numbers if self.times is None else np.asarray(self.times)
        self.series_ax_ = self.features_ax_ = self.heat_map_ = None
        axes, ax = self._panels(ax)
        if self.series is not None:
            self.series_ax_ = axes[0]
            plot_channels(self.series_ax_, times, self.series, self.series_names)
        self._plot_scores(ax, times)
        self._shade_runs(ax, times)
        ax.set_ylabel("anomaly score")
        if self.features is not None:
            self.features_ax_ = axes[-1]
            self.heat_map_ = plot_heat_map(
                self.features_ax_, times, self.features, self.feature_names
            )
        name = "time"
        if np.array_equal(times, numbers):
            name = "time step" if self._are_steps else "sample"
        axes[-1].set_xlabel(name)
        write_dates_short(axes[-1].xaxis)
        if self.threshold is not None or self.labels is not None:
            self._plot_legend(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    @property
    def _are_steps(self):
        return self.times is not None or self.series is not None

    def _panels(self, ax):
        """Return all axes from top to bottom, and the axes of the scores."""
        n_panels = 1 + (self.series is not None) + (self.features is not None)
        if n_panels > 1:
            axes = panels(ax, n_panels, 1, size=(8, 2.4), sharex=True)[:, 0]
            for panel in axes[:-1]:
                panel.label_outer(remove_inner_ticks=True)
            return axes, axes[int(self.series is not None)]
        ax = panels(None, 1, 1, size=(8, 3))[0, 0] if ax is None else ax
        return [ax], ax

    def _plot_scores(self, ax, times):
        values = -self.scores
        style: dict[str, Any] = {"lw": 1}
        if not self._are_steps:
            style = {"ls": "none", "marker": "."}
        (self.line_,) = ax.plot(
            times, values, color=colours()[0], label="score", **style
        )
        self.alarms_ = self.threshold_line_ = None
        if self.threshold is None:
            return
        self.threshold_line_ = ax.axhline(
            -self.threshold, color=ink(), ls="--", lw=1, label="threshold"
        )
        alarm = self.scores < self.threshold
        style = {"marker": "o", "mfc": "none"}
        if self._are_steps:  # circles would hide the line
            style = {"marker": ".", "ms": 4}
        (self.alarms_,) = ax.plot(
            times[alarm],
            values[alarm],
            ls="none",
            color=colours()[1],
            label="alarm",
            **style,
        )

    def _shade_runs(self, ax, times):
        """Shade labeled samples, and intervals or alarms in a series."""
        shaded = [ax] if self.series_ax_ is None else [ax, self.series_ax_]
        self.label_spans_, self.alarm_spans_ = [], []
        blue, orange = colours()[:2]
        if self.labels is not None:
            self.label_spans_ = shade(
                shaded, times, self.labels, label="labeled", color=blue, alpha=0.2
            )
        alarm = self.intervals
        if alarm is None and self.threshold is not None and self._are_steps:
            alarm = self.scores < self.threshold
        if alarm is not None:
            self.alarm_spans_ = shade(
                shaded, times, alarm, label=None, color=orange, alpha=0.3
            )

    def _plot_legend(self, ax):
        handles, names = ax.get_legend_handles_labels()
        if self.alarm_spans_ and "alarm" in names:
            handles[names.index("alarm")] = (self.alarm_spans_[0], self.alarms_)
        if self.series_ax_ is None:
            ax.legend(handles, names, loc="upper left")
        else:
            legend_above(ax, handles, names)


def _of_one(values):
    """What a detector gives for one series, also where it was passed as a list."""
    return values[0] if isinstance(values, list) else values


def _interval_steps(estimator, X, n_steps):
    """Return which time steps are in an interval, None if none are returned."""
    part = next(
        (p for p in parts_of(estimator) if hasattr(p, "detect_intervals")), None
    )
    if part is None:
        return None
    X = before(estimator, part, X)
    found = part.detect_intervals(X)[["start", "end"]].to_numpy()
    index: Any = getattr(one_series(X, caller="AnomalyScoreDisplay"), "index", None)
    steps = np.zeros(n_steps, dtype=bool)
    for start, end in found:
        is_number = isinstance(start, (int, np.integer))
        at = slice(start, end + 1) if is_number else index.slice_indexer(start, end)
        steps[at] = True
    return steps
