"""How anomalous samples are, and where the alarm rings."""

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length, column_or_1d

from sklearn_seqae._fitted import refuse
from sklearn_seqae.displays._canvas import (
    check_matplotlib,
    colours,
    ink,
    panels,
    scale_of_colours,
)
from sklearn_seqae.displays._reading import part_with

ADVICE = "Pass a fitted outlier detector."


class AnomalyScoreDisplay:
    """Anomaly score of each row or time step, with the threshold and the alarms.

    It is drawn by `from_estimator` or by `from_scores`. The score that is drawn is
    minus `score_samples`: the higher, the stranger, with the alarms above the
    threshold.

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

    times : array-like of shape (n_samples,), default=None
        Where the samples lie, in order; their numbers by default. With times or a
        series the scores are joined by a line.

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
        times=None,
        features=None,
        feature_names=None,
    ):
        self.scores = scores
        self.threshold = threshold
        self.labels = labels
        self.series = series
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
        series=None,
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
            Samples, in any container that `score_samples` takes.

        labels : array-like of shape (n_samples,), default=None
            Which samples are known to be anomalies: True or 1; or -1 among 1, as in
            scikit-learn.

        series : array-like of shape (n_samples,) or (n_samples, n_channels), \
                default=None
            Drawn above the scores.

        times : array-like of shape (n_samples,), default=None
            Where the samples lie, in order; by default the DatetimeIndex of X, if it
            has one.

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
        scores = estimator.score_samples(X)
        index = getattr(scores, "index", None)
        if times is None and hasattr(index, "tz"):  # a DatetimeIndex
            times = index
        heat = names = None
        if features:
            part = part_with(estimator, "feature_scores", ADVICE)
            heat = _before(estimator, part, X)
            heat = part.feature_scores(heat)
            names = getattr(part, "feature_names_in_", None)
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
        labels = None if labels is None else _are_anomalies(labels)
        series = None if series is None else np.asarray(series)
        features = None if features is None else np.asarray(features)
        check_consistent_length(scores, labels, series, times, features)
        display = cls(
            scores,
            threshold=threshold,
            labels=labels,
            series=series,
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
        times = np.arange(len(self.scores)) if self.times is None else self.times
        times = np.asarray(times)
        self.series_ax_ = self.features_ax_ = self.heat_map_ = None
        self.label_spans_ = []
        n_panels = 1 + (self.series is not None) + (self.features is not None)
        if n_panels > 1:
            axes = panels(ax, n_panels, 1, size=(8, 2.4), sharex=True)[:, 0]
            ax = axes[int(self.series is not None)]
            for panel in axes[:-1]:
                panel.label_outer()
        elif ax is None:
            ax = panels(None, 1, 1, size=(8, 3))[0, 0]
        if self.series is not None:
            self.series_ax_ = axes[0]
            self.series_ax_.plot(times, self.series, color=ink(), lw=1)
            self.series_ax_.set_ylabel("series")
        self._plot_scores(ax, times)
        if self.labels is not None:
            self._shade_labels(ax, times)
        ax.set_ylabel("anomaly score")
        if self.features is not None:
            self.features_ax_ = axes[-1]
            self._plot_features(self.features_ax_, times)
        name = "sample" if self.times is None else "time"
        (self.features_ax_ or ax).set_xlabel(name)
        if self.threshold is not None or self.labels is not None:
            ax.legend(loc="upper left")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _plot_scores(self, ax, times):
        strangeness = -self.scores
        joined = self.times is not None or self.series is not None
        style = {"lw": 1} if joined else {"ls": "none", "marker": "."}
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
        style = {"ls": "none", "marker": "o", "mfc": "none", "color": colours()[1]}
        (self.alarms_,) = ax.plot(
            times[alarm], strangeness[alarm], label="alarm", **style
        )

    def _plot_features(self, ax, times):
        left, right = _edges(ax, times)
        n_features = self.features.shape[1]
        # The root: squared errors of one alarm would leave all others dark.
        self.heat_map_ = ax.pcolormesh(
            np.append(left, right[-1:]),
            np.arange(n_features + 1) - 0.5,
            np.sqrt(np.maximum(self.features, 0)).T,
            cmap=scale_of_colours(),
            rasterized=True,
        )
        names = self.feature_names
        if names is None:
            names = [f"x{number}" for number in range(n_features)]
        shown = np.unique(np.linspace(0, n_features - 1, 10).astype(int))
        ax.set_yticks(shown, [str(names[number]) for number in shown])
        ax.invert_yaxis()
        ax.figure.colorbar(self.heat_map_, ax=ax, label="strangeness", pad=0.01)

    def _shade_labels(self, ax, times):
        """Shade each run of labelled samples, from half a step before to one after."""
        left, right = _edges(ax, times)
        change = np.diff(self.labels.astype(int), prepend=0, append=0)
        runs = zip(np.flatnonzero(change > 0), np.flatnonzero(change < 0), strict=True)
        for first, end in runs:
            for panel in filter(None, [ax, self.series_ax_]):
                label = "labelled" if not self.label_spans_ else None
                style = {"color": colours()[1], "alpha": 0.2, "lw": 0, "label": label}
                span = panel.axvspan(left[first], right[end - 1], **style)
                self.label_spans_.append(span)


def _edges(ax, times):
    """Half a step before and after each time."""
    places = np.asarray(ax.convert_xunits(times), dtype=float)
    steps = np.diff(places) if len(places) > 1 else np.ones(1)
    left = places - np.append(steps[:1], steps[: len(places) - 1]) / 2
    right = places + np.append(steps[: len(places) - 1], steps[-1:]) / 2
    return left, right


def _before(estimator, part, X):
    """X as it comes to a part of the estimator."""
    if isinstance(estimator, Pipeline) and part is estimator.steps[-1][1]:
        return estimator[:-1].transform(X)
    return X


def _are_anomalies(labels):
    """Read labels: those that are True or 1, or those that are -1 where any is."""
    labels = column_or_1d(labels)
    for expected, anomaly in [((0, 1), 1), ((-1, 1), -1)]:
        if np.isin(labels, expected).all():
            return labels == anomaly
    raise ValueError(
        "The 'labels' parameter must hold True or 1 for anomalies and False or 0 for "
        f"other samples, or -1 and 1. Got the values {list(np.unique(labels)[:5])}."
    )
