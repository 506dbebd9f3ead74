"""Where an alarm comes from: which feature, and when."""

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.utils.validation import check_is_fitted

from sklearn_seqae.anomaly.scoring import evenly

MOST_STEPS = 50_000  # of training rows or errors
LEAST = 1e-2  # spread of a feature, as a share of the usual one


class Causes:
    """How much each feature is to blame for what is strange.

    By how much what is strange becomes less so, in squared Mahalanobis distance, if
    that feature alone may be corrected. In tables it is the row itself that is
    strange: a corrupted feature spoils the reconstruction of all others. In series
    and sequences it is the error at each time step, which knows of the steps around.
    """

    def fit(self, rows):
        """Fit to training rows, or to errors of training steps, (M, C)."""
        rows = rows[evenly(len(rows), MOST_STEPS)].astype(np.float64)
        rows = np.nan_to_num(rows)
        self.center = rows.mean(axis=0)
        spread = rows.std(axis=0)
        usual = np.sqrt(np.mean(np.square(spread)))
        self.scale = np.maximum(spread, LEAST * usual) if usual else spread + 1
        covariance = LedoitWolf().fit((rows - self.center) / self.scale)
        self.precision = covariance.precision_
        return self

    def blame(self, rows):
        """Blame of each feature, in the shape of the rows (..., C)."""
        scaled = (rows - self.center) / self.scale
        return np.square(scaled @ self.precision) / np.diag(self.precision)


class ExplainingMixin:
    """What a detector says beside the score."""

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
        check_is_fitted(self)
        if self.window_size is not None:
            series = self._read_series(X, reset=False)
            return series.restore(self._series_errors(series))
        samples = self._read(X, reset=False)
        return samples.restore(self._model.look(samples)[1])

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
        check_is_fitted(self)
        if self.window_size is not None:
            series = self._read_series(X, reset=False)
            return series.restore(self._series_blame(series)[0])
        samples = self._read(X, reset=False)
        blame = self._blame(samples)
        if blame.ndim == 2:
            return blame
        return blame.sum(axis=1) / _steps_of(samples)[:, np.newaxis]

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
        check_is_fitted(self)
        if self.window_size is not None:
            series = self._read_series(X, reset=False)
            blame = self._series_blame(series)[0]
            return series.restore([each.sum(axis=1) for each in blame])
        samples = self._read(X, reset=False)
        if samples.values.ndim == 2:
            raise ValueError(
                "X must hold sequences or a series to have time steps. Got a table "
                "without 'window_size'. Use feature_scores, or set 'window_size'."
            )
        scores = self._blame(samples).sum(axis=2)
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

        check_is_fitted(self)
        if self.window_size is not None:
            records = self._causes_of_intervals(X, n_causes)
        else:
            records = self._causes_of_rows(X, n_causes)
        columns = ["row", "time", "feature", "value", "expected", "share"]
        frame = pd.DataFrame.from_records(records, columns=columns)
        if not self._sequences and self.window_size is None:
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
        self._require_windows("detect_intervals")
        series = self._read_series(X, reset=False)
        scores = self._series_scores(series)
        rows = [
            (number, *edges, score)
            for number, each in enumerate(scores)
            for *edges, score in self._intervals(each, gap, min_drop)
        ]
        frame = pd.DataFrame(rows, columns=["series", "start", "end", "score"])
        if series.times is not None:
            for edge in ("start", "end"):
                frame[edge] = series.times[frame[edge].astype(int)]
        return frame.drop(columns="series") if series.is_one else frame

    # With samples

    def _blame(self, samples):
        if samples.values.ndim == 2:
            return self._causes.blame(samples.values)
        blame = self._causes.blame(self._model.look(samples)[1])
        if samples.lengths is not None:
            blame[~samples.mask] = 0
        return blame

    def _causes_of_rows(self, X, n_causes):
        samples = self._read(X, reset=False)
        rows = np.flatnonzero(self._decide(self._model.scores(samples)) < 0)
        if not len(rows):
            return []
        alarms = samples.take(rows)
        blame = self._blame(alarms)
        errors = self._model.look(alarms)[1]
        index = samples.container.index
        names = self._names(blame.shape[-1])
        records = []
        for number, row in enumerate(rows):
            label = row if index is None else index[row]
            one = alarms.values[number], errors[number], blame[number]
            one = (each.reshape(-1, blame.shape[-1]) for each in one)
            records += _causes(label, *one, names, n_causes)
        return records

    def _names(self, n_features):
        names = getattr(self, "feature_names_in_", None)
        if names is None or len(names) != n_features:
            return [f"x{c}" for c in range(n_features)]
        return list(names)

    # With windows

    def _require_windows(self, method):
        if self.window_size is None:
            raise ValueError(
                f"{method} needs a series, whose rows are time steps in their order. "
                "Set 'window_size' and refit."
            )

    def _series_errors(self, series):
        return [self._windows.errors(self._model, item) for item in series.items]

    def _series_blame(self, series):
        errors = self._series_errors(series)
        return [self._causes.blame(each) for each in errors], errors

    def _intervals(self, scores, gap=None, min_drop=0.0):
        """(start, end, lowest score) of each interval."""
        is_alarm = self._decide(scores) < 0
        alarms = np.flatnonzero(is_alarm)
        if not len(alarms):
            return []
        gap = self._windows.size if gap is None else gap
        runs = np.split(alarms, np.flatnonzero(np.diff(alarms) >= gap) + 1)
        found = [(run[0], run[-1], scores[run].min()) for run in runs]
        if min_drop:
            rest = scores[~is_alarm].min(initial=0)
            found = _outstanding(found, rest, min_drop)
        return found

    def _causes_of_intervals(self, X, n_causes):
        series = self._read_series(X, reset=False)
        blame, errors = self._series_blame(series)
        records, row = [], 0
        for number, scores in enumerate(self._series_scores(series)):
            for start, end, _ in self._intervals(scores):
                at = slice(start, end + 1)
                one = series.items[number][at], errors[number][at], blame[number][at]
                times = np.arange(start, end + 1)
                if series.times is not None:
                    times = series.times[at]
                records += _causes(row, *one, series.names, n_causes, times)
                row += 1
        return records


def _outstanding(intervals, rest, min_drop):
    """Intervals up to the last whose distance falls by `min_drop` to the next."""
    order = np.argsort([score for *_, score in intervals], kind="stable")
    away = -np.append([intervals[i][2] for i in order], rest)
    drops = (away[:-1] - away[1:]) / np.maximum(away[:-1], np.finfo(float).tiny)
    last = np.flatnonzero(drops >= min_drop)[-1:]
    kept = order[: last[0] + 1] if len(last) else []
    return [intervals[i] for i in sorted(kept)]


def _steps_of(samples):
    n_samples, n_steps = samples.values.shape[:2]
    return np.full(n_samples, n_steps) if samples.lengths is None else samples.lengths


def _causes(label, values, errors, blame, names, n_causes, times=None):
    """Records for one alarm, whose values, errors and blame are (T, C)."""
    total = blame.sum(axis=0)
    first = np.argsort(-total, kind="stable")[:n_causes]
    records = []
    for c in first:
        step = int(blame[:, c].argmax())
        value = float(values[step, c])
        expected = value - float(errors[step, c])
        share = float(total[c] / max(total.sum(), np.finfo(float).tiny))
        time = step if times is None else times[step]
        records.append((label, time, names[c], value, expected, share))
    return records
