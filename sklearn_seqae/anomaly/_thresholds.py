"""Methods of a detector that follow from its calibration."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from sklearn_seqae._introspection import DOC_LINK, FittedHTML
from sklearn_seqae._libraries import methods_read_all_containers
from sklearn_seqae._params import Real
from sklearn_seqae._warn import warn
from sklearn_seqae.anomaly._series import of_each
from sklearn_seqae.anomaly._summary import html_of, text_of
from sklearn_seqae.anomaly._tail import PER_WINDOW, Tail
from sklearn_seqae.anomaly.calibration import Conformal


@methods_read_all_containers
class HasThreshold:
    """Threshold, p-values and selection of anomalies, from calibration scores.

    A detector calls `_calibrate` in `fit`.
    """

    score_samples: Any
    calibration_scores_: NDArray
    offset_: float
    false_alarm_rate: float
    false_alarm_rate_interval_: tuple[float, float] | None
    _calibration: Conformal | Tail
    _rate: float
    _windows: Any

    def _calibrate(self, scores, contamination, n_independent=None):
        """Set the threshold from the scores of samples or time steps.

        `n_independent` is the number of windows of a series that do not overlap.
        """
        scores = np.sort(scores[~np.isnan(scores)])
        self.calibration_scores_ = scores
        if n_independent is None:
            self._calibration = Conformal(scores)
        else:
            # A centered score depends on twice as many steps.
            per_window = PER_WINDOW if self._windows.trailing else PER_WINDOW / 2
            self._calibration = Tail.fit(scores, n_independent, per_window)
        self.false_alarm_rate_interval_ = None
        if contamination == "auto":
            self._set_rate(self.false_alarm_rate)
        else:
            self.offset_ = float(np.percentile(scores, 100 * contamination))

    def _set_rate(self, rate):
        known, self._rate = self._calibration, rate
        self.offset_ = known.threshold(rate)
        self.false_alarm_rate_interval_ = low, high = known.interval(rate)
        needed = np.ceil(1 / rate - 1 - 1e-9)
        if known.n_independent < needed:
            warn(
                f"A false-alarm rate of {rate:g} needs at least {needed:.9g} "
                f"{known.unit} to be calibrated. Got {known.n_independent}: the "
                f"false-alarm rate on new normal samples is between {low:.2g} and "
                f"{high:.2g} (coverage {known.coverage}). Fit on more samples, or set "
                "a higher 'false_alarm_rate'.",
            )

    def set_false_alarm_rate(self, rate: float) -> Self:
        """Set the threshold for another false-alarm rate, without a new fit.

        `offset_`, `false_alarm_rate_interval_` and the parameter `false_alarm_rate` are
        changed.

        Parameters
        ----------
        rate : float
            Expected fraction of new normal samples that are flagged, in (0, 1).

        Returns
        -------
        self : object
            The detector.

        Raises
        ------
        ValueError
            If the detector was fitted with a float for `contamination`.
        """
        check_is_fitted(self)
        limits: Any = {"max_val": 1, "include_boundaries": "neither"}
        check_scalar(rate, "rate", Real, min_val=0, **limits)
        if self.false_alarm_rate_interval_ is None:
            raise ValueError(
                "set_false_alarm_rate requires a detector that was fitted with "
                "contamination='auto', whose calibration scores are those of normal "
                "samples. Set contamination='auto' and refit."
            )
        self.false_alarm_rate = rate
        self._set_rate(rate)
        return self

    def p_values(self, X: Any) -> Any:
        """Return the p-value of each sample.

        It is the probability that a new normal sample has this score or a lower one.
        With ``contamination="auto"``, `predict` is -1 for the samples with a p-value of
        at most `false_alarm_rate`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), images, sequences or series
            Samples, as in `fit`.

        Returns
        -------
        p : ndarray of shape (n_samples,), Series, or list of them
            For samples, conformal p-values: (1 + the number of calibration scores at or
            below the score) / (n + 1), where n is the number of `calibration_scores_`.
            With ``contamination="auto"``, they are valid on average over training sets.
            For series, n is the number of windows that do not overlap, and the lowest
            20 % of the scores follow a generalized Pareto distribution. NaN for steps
            without a score.
        """
        return of_each(
            lambda scores: scores * 0 + self._p_values_of(scores),  # keeps its index
            self.score_samples(X),
        )

    def select(self, X: Any, alpha: float = 0.1) -> NDArray[np.bool_]:
        """Select anomalies among samples, with a bound on the false discovery rate.

        The false discovery rate is the expected fraction of normal samples among the
        selected ones. The procedure of Benjamini and Hochberg is applied to the
        conformal p-values of all samples of X (Bates et al., 2023).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), images or sequences
            Samples, as in `fit`. The selection depends on all of them.

        alpha : float, default=0.1
            Bound on the false discovery rate, in (0, 1).

        Returns
        -------
        is_selected : ndarray of bool of shape (n_samples,)
            Whether each sample is selected. A sample without any observed value is
            not.

        Raises
        ------
        ValueError
            With `window_size`, because the scores of neighboring time steps depend on
            each other, or if the detector was fitted with a float for `contamination`.
        """
        check_is_fitted(self)
        limits: Any = {"max_val": 1, "include_boundaries": "neither"}
        check_scalar(alpha, "alpha", Real, min_val=0, **limits)
        if self._windows is not None:
            raise ValueError(
                "select requires independent samples. Got a detector with "
                "'window_size', whose time steps share windows. Use detect_intervals."
            )
        if self.false_alarm_rate_interval_ is None:
            raise ValueError(
                "select requires a detector that was fitted with contamination='auto', "
                "whose calibration scores are those of normal samples. Set "
                "contamination='auto' and refit."
            )
        p = self.p_values(X)
        selected, known = np.zeros(len(p), dtype=bool), ~np.isnan(p)
        if known.any():
            selected[known] = false_discovery_control(p[known]) <= alpha
        return selected

    def summary(self) -> str:
        """Summarize the fitted detector: threshold, rate, windows and calibration.

        Returns
        -------
        text : str
            Text to print.
        """
        check_is_fitted(self)
        return text_of(self)

    _doc_link_module = "sklearn_seqae"
    _doc_link_template = DOC_LINK

    def _get_fitted_attr_html(self, doc_link=""):
        """Add the summary to the attributes in the diagram of a notebook."""
        attributes = super()._get_fitted_attr_html(doc_link)  # type: ignore[misc]
        return FittedHTML(attributes, lambda: html_of(self))

    def _p_values_of(self, scores):
        scores = np.asarray(scores)
        p = self._calibration.p_values(scores)
        return np.where(np.isnan(scores), np.nan, p)

    def _decide(self, scores):
        return scores - self.offset_
