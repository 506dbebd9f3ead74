"""Objectives about what is ahead: a forecast beside the reconstruction, or alone."""

from dataclasses import replace

import numpy as np
from sklearn.utils import metadata_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklearn_seqae import sequences
from sklearn_seqae.autoencoders._scaling import along


def _gives(what, lacking, having):
    """Check for `available_if`: all objectives but one give it."""

    def check(estimator):
        if estimator.objective != lacking:
            return True
        raise AttributeError(
            f"objective={lacking!r} gives no {what}. Use objective={having!r} or "
            "objective='composite'."
        )

    return check


class ForecastingMixin:
    """Read, decode and compare by the parameters `objective` and `horizon`."""

    # scikit-learn would take `lengths` for metadata to be routed.
    __metadata_request__inverse_transform = {"lengths": metadata_routing.UNUSED}

    @property
    def _does(self):
        return "forecasts" if self.objective == "predict" else "reconstructs"

    def _forecasts_ahead(self, samples):
        return self.objective != "reconstruct" and samples.target is not None

    def _n_ahead(self, n_steps):
        """Steps that the forecast has, of a sequence of so many; None without one."""
        if self.objective == "reconstruct":
            return None
        return max(1, n_steps - 1) if self.horizon is None else self.horizon

    def _read(self, X, *, reset, **options):
        samples = super()._read(X, reset=reset, **options)
        return samples if reset else _last(samples, self._window)

    def _read_to_learn(self, X, *, reset):
        """Read X, and take off what is to be forecast."""
        ahead = 0 if self.objective == "reconstruct" else self.horizon or 1
        samples = super()._read(X, reset=reset, ensure_min_steps=ahead + 1)
        has_future = bool(ahead) and self.horizon is not None
        if has_future:
            samples = _split_ahead(samples, ahead)
        if not reset:
            return _last(samples, self._window)
        self._window = None
        if has_future and samples.lengths is None:
            self._window = samples.values.shape[1]
        return samples

    def _forecast(self, samples):
        """Forecasts (N, T, C), and their lengths."""
        lengths = samples.n_steps_of_each - 1
        if self.horizon is not None:
            lengths = np.full(len(samples), self.horizon)
        n_steps = int(lengths.max())
        codes = self._encode(samples)
        return self._decode(codes, lengths, n_steps, ahead=True), lengths

    def _compare(self, samples):
        if self.objective != "predict":
            if self.objective == "composite":  # about the reconstruction
                samples = replace(samples, target=None)
            return super()._compare(samples)
        given, lengths = self._forecast(samples)
        if self.horizon is not None:
            return given, samples.target.astype(np.float64), self._target_mean
        values = samples.values.astype(np.float64)
        mean = along(self.mean_, values, samples.lengths)[..., 1:, :]
        mean = np.broadcast_to(mean, given.shape)
        real = np.arange(given.shape[1]) < lengths[:, np.newaxis]
        return given[real], values[:, 1:][real], mean[real]

    def _expect(self, X):
        """What a detector compares X with: X, but for what is given of it."""
        ahead = self.horizon or 1
        samples = super()._read(X, reset=False, ensure_min_steps=ahead + 1)
        values, window = samples.values.copy(), samples
        if self.horizon is not None:
            window = _last(_split_ahead(samples, ahead), self._window)
        ends = samples.n_steps_of_each - (0 if self.horizon is None else ahead)
        if self.objective == "composite":
            rebuilt, lengths = self._reconstruct(window), window.n_steps_of_each
            _put(values, ends - lengths, rebuilt, lengths)
        if self.objective == "predict" or self.horizon is not None:
            forecast, lengths = self._forecast(window)
            starts = np.ones_like(ends) if self.horizon is None else ends
            _put(values, starts, forecast, lengths)
        return samples.restore(values)

    @available_if(_gives("forecast", lacking="reconstruct", having="predict"))
    def predict(self, X):
        """Forecast what is ahead of X.

        Parameters
        ----------
        X : sequences
            In any container that `fit` takes. Where all those of fit were of one
            length, the last steps of longer ones are read, as many as fit saw before
            the steps that it took off to be forecast.

        Returns
        -------
        X_ahead : ndarray or list of ndarray
            The next `horizon` steps of each sequence, or with ``horizon=None`` its
            steps from the second on: a table where X is one, else a 3-D array or a
            list.
        """
        check_is_fitted(self)
        least = 2 if self.horizon is None else 1
        samples = self._read(X, reset=False, ensure_min_steps=least)
        values, lengths = self._forecast(samples)
        return sequences.pack(values, lengths, samples.kind)

    @available_if(_gives("reconstruction", lacking="predict", having="reconstruct"))
    def reconstruct(self, X):
        """Encode X and decode it again.

        Parameters
        ----------
        X : sequences
            In any container that `fit` takes.

        Returns
        -------
        X_reconstructed : same container and shape as X
            What the code keeps of X; of the steps that `predict` reads, where there
            is a horizon.
        """
        return super().reconstruct(X)

    def inverse_transform(self, X, lengths=None):
        """Decode codes into sequences: reconstructions, or forecasts without any.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components_)
            Codes.

        lengths : array-like of int of shape (n_samples,), default=None
            Steps of each sequence. None: the number of steps in the training
            data, or their median, or those of a forecast. With an int `horizon` a
            forecast has so many.

        Returns
        -------
        X_original : ndarray or list of ndarray
            Sequences in the kind of container that `fit` took; with `lengths`
            that differ, a list.
        """
        Z, architecture = self._read_codes(X), self._architecture_
        if self.objective != "predict":
            return self._decode_sequences(Z, lengths, architecture["n_steps"])
        n_ahead = architecture["n_ahead"]
        if self.horizon is not None and lengths is not None:
            if np.any(np.asarray(lengths) != n_ahead):
                raise ValueError(
                    f"lengths must be None or {n_ahead} for each row of X, as "
                    f"horizon={self.horizon}. Got {lengths!r} instead."
                )
        return self._decode_sequences(Z, lengths, n_ahead, ahead=True)


def _split_ahead(samples, horizon):
    """Take the last steps of each sequence off, as the target."""
    ends = samples.n_steps_of_each[:, np.newaxis]
    rows = np.arange(len(samples))[:, np.newaxis]
    target = samples.values[rows, ends - horizon + np.arange(horizon)]
    return replace(_steps(samples, 0 * ends, ends - horizon), target=target)


def _last(samples, n_steps):
    """Keep the last steps of longer sequences; None keeps all."""
    if n_steps is None or samples.values.shape[1] <= n_steps:
        return samples
    ends = samples.n_steps_of_each[:, np.newaxis]
    return _steps(samples, np.maximum(0, ends - n_steps), ends)


def _put(values, starts, parts, lengths):
    """Write a part of some length into each sequence, from one of its steps on."""
    step = np.arange(parts.shape[1])
    rows, steps = np.nonzero(step < lengths[:, np.newaxis])
    values[rows, starts[rows] + steps] = parts[rows, steps]


def _steps(samples, starts, ends):
    """Keep the steps of each sequence from one (N, 1) up to another."""
    lengths = (ends - starts)[:, 0]
    step = np.arange(lengths.max(initial=1))
    real = step < lengths[:, np.newaxis]
    rows = np.arange(len(samples))[:, np.newaxis]
    values = samples.values[rows, np.where(real, starts + step, 0)]
    container, n_channels = samples.container, values.shape[2]
    if samples.lengths is None:
        columns = slice(int(starts[0, 0]) * n_channels, int(ends[0, 0]) * n_channels)
        return replace(
            samples, values=values, container=container.take_columns(columns)
        )
    values[~real] = 0
    return replace(samples, values=values, lengths=None if real.all() else lengths)
