"""How anomalous samples are, and where the alarm rings."""

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d

from sklearn_seqae._introspection import refuse
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

    It is drawn by `from_estimator` or by `from_scores`. The score that is drawn is
    minus `score_samples`: the higher, the stranger, with the alarms above the
    threshold. The steps of a series are joined by a line, with the series above and
    the alarms shaded in both panels; other samples are points.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        As from `score_samples`: the higher, the more normal.

    threshold : float, default=None
        The score below which a sample is an anomaly, as `offset_`.

    labels : ndarray of bool of shape (n_samples,), default=None
        Which samples are known to be anomalies; they are shaded.

    series : ndarray of shape (n_samples,) or (n_samples, n_channels), default=None
        Drawn above the scores.

    series_names : sequence of str, default=None
        Names of the channels of the series, which stand in a legend where there are
        two to four of them; x0, x1, ... by default.

    times : array-like of shape (n_samples,), default=None
        Where the samples lie, in order; their numbers by default. With times or a
        series the samples are taken for steps of a series.

    features : ndarray of shape (n_samples, n_features), default=None
        How strange each feature is, as from `feature_scores`: drawn as a heat map
        below the scores.

    feature_names : sequence of str, default=None
        Names of the features; x0, x1, ... by default.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the scores are drawn.

    features_ax_ : matplotlib Axes or None
        Where the heat map is drawn.

    heat_map_ : matplotlib Artist or None
        The heat map: each row of X a column of it, each feature a row, the root of
        its strangeness as the colour.

    series_ax_ : matplotlib Axes or None
        Where the series is drawn.

    figure_ : matplotlib Figure
        The figure that the axes are in.

    line_ : matplotlib Artist
        The scores.

    alarms_ : matplotlib Artist or None
        The scores beyond the threshold.

    alarm_spans_ : list of matplotlib Artist
        The shades of the alarms in a series, in each axes one for each run of them;
        none where samples are no steps of a series.

    threshold_line_ : matplotlib Artist or None
        The threshold.

    label_spans_ : list of matplotlib Artist
        The shades of the labels, in each axes one for each run of anomalies.

    See Also
    --------
    ReconstructionDisplay : What a detector makes of samples.

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
    ):
        self.scores = scores
        self.threshold = threshold
        self.labels = labels
        self.series = series
        self.series_names = series_names
        self.times = times
        self.features = features
        self.feature_names = feature_names

    @classmethod
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
        """Draw the scores that a fitted detector gives X.

        Parameters
        ----------
        estimator : estimator instance
            Has `score_samples`, and for the threshold `offset_`: an
            `AutoencoderAnomalyDetector` or any other outlier detector, or a Pipeline
            that ends with one.

        X : {array-like, sequences}
            Samples, in any container that `score_samples` takes. Of several series,
            one at a time.

        labels : array-like of shape (n_samples,), default=None
            Which samples are known to be anomalies: True or 1; or -1 among 1, as in
            scikit-learn.

        series : "auto", None or array-like of shape (n_samples,) or \
                (n_samples, n_channels), default="auto"
            Drawn above the scores. "auto": X, its columns of numbers, where the
            detector has a `window_size`, so that rows are steps of a series; else
            none. None leaves the panel out.

        times : array-like of shape (n_samples,), default=None
            Where the samples lie, in order; for the steps of a series by default the
            DatetimeIndex of X, if it has one.

        features : bool, default=False
            Whether the estimator's `feature_scores` are drawn as a heat map below.

        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default. All panels take its place.

        Returns
        -------
        display : AnomalyScoreDisplay
            Holds what was drawn.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        if not hasattr(estimator, "score_samples"):
            refuse(estimator, "score_samples", ADVICE)
        steps = any(
            getattr(part, "window_size_", None) is not None
            for part in parts_of(estimator)
        )
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
        return cls.from_scores(
            scores,
            threshold=part_with(estimator, "offset_", ADVICE).offset_,
            labels=labels,
            series=series,
            times=times,
            features=heat,
            feature_names=names,
            ax=ax,
        )

    @classmethod
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
        ax=None,
    ):
        """Draw given scores.

        Parameters
        ----------
        scores : array-like of shape (n_samples,)
            As from `score_samples`: the higher, the more normal.

        threshold : float, default=None
            The score below which a sample is an anomaly, as `offset_`.

        labels : array-like of shape (n_samples,), default=None
            Which samples are known to be anomalies: True or 1; or -1 among 1, as in
            scikit-learn.

        series : array-like of shape (n_samples,) or (n_samples, n_channels), \
                default=None
            Drawn above the scores.

        series_names : sequence of str, default=None
            Names of the channels of the series; by default those of its columns, if
            it is a data frame.

        times : array-like of shape (n_samples,), default=None
            Where the samples lie, in order.

        features : array-like of shape (n_samples, n_features), default=None
            How strange each feature is: a heat map below the scores.

        feature_names : sequence of str, default=None
            Names of the features.

        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default. All panels take its place.

        Returns
        -------
        display : AnomalyScoreDisplay
            Holds what was drawn.
        """
        check_matplotlib(f"{cls.__name__}.from_scores")
        scores = column_or_1d(scores, dtype=np.float64)
        labels = None if labels is None else read_labels(labels)
        if series_names is None:
            series_names = getattr(series, "columns", None)
        series = None if series is None else np.asarray(series)
        features = None if features is None else np.asarray(features)
        check_consistent_length(scores, labels, series, times, features)
        display = cls(
            scores,
            threshold=threshold,
            labels=labels,
            series=series,
            series_names=series_names,
            times=times,
            features=features,
            feature_names=feature_names,
        )
        return display.plot(ax=ax)

    def plot(self, ax=None):
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default. With a series, both take its place.

        Returns
        -------
        self : AnomalyScoreDisplay
            With the artists.
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
        """All axes from top to bottom, and that of the scores."""
        n_panels = 1 + (self.series is not None) + (self.features is not None)
        if n_panels > 1:
            axes = panels(ax, n_panels, 1, size=(8, 2.4), sharex=True)[:, 0]
            for panel in axes[:-1]:
                panel.label_outer(remove_inner_ticks=True)
            return axes, axes[int(self.series is not None)]
        ax = panels(None, 1, 1, size=(8, 3))[0, 0] if ax is None else ax
        return [ax], ax

    def _plot_scores(self, ax, times):
        strangeness = -self.scores
        style = {"lw": 1} if self._are_steps else {"ls": "none", "marker": "."}
        (self.line_,) = ax.plot(
            times, strangeness, color=colours()[0], label="score", **style
        )
        self.alarms_ = self.threshold_line_ = None
        if self.threshold is None:
            return
        self.threshold_line_ = ax.axhline(
            -self.threshold, color=ink(), ls="--", lw=1, label="threshold"
        )
        alarm = self.scores < self.threshold
        style = {"marker": "o", "mfc": "none"}
        if self._are_steps:  # circles around each of many would hide the line
            style = {"marker": ".", "ms": 4}
        (self.alarms_,) = ax.plot(
            times[alarm],
            strangeness[alarm],
            ls="none",
            color=colours()[1],
            label="alarm",
            **style,
        )

    def _shade_runs(self, ax, times):
        """Shade what is labelled, and alarms in a series."""
        shaded = [ax] if self.series_ax_ is None else [ax, self.series_ax_]
        self.label_spans_, self.alarm_spans_ = [], []
        blue, orange = colours()[:2]
        if self.labels is not None:
            self.label_spans_ = shade(
                shaded, times, self.labels, label="labelled", color=blue, alpha=0.2
            )
        if self.threshold is not None and self._are_steps:
            alarm = self.scores < self.threshold
            self.alarm_spans_ = shade(
                shaded, times, alarm, label=None, color=orange, alpha=0.3
            )

    def _plot_legend(self, ax):
        handles, names = ax.get_legend_handles_labels()
        if self.alarm_spans_:  # a point on its shade
            handles[names.index("alarm")] = (self.alarm_spans_[0], self.alarms_)
        if self.series_ax_ is None:
            ax.legend(handles, names, loc="upper left")
        else:
            legend_above(ax, handles, names)


def _of_one(values):
    """What a detector gives for one series, also where it was passed as a list."""
    return values[0] if isinstance(values, list) else values
