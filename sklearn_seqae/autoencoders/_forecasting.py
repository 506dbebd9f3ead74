"""Objectives about what is ahead: a forecast beside the reconstruction, or alone."""

from dataclasses import replace

import numpy as np
from sklearn.utils import metadata_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklearn_seqae import _sequences
from sklearn_seqae.fitting.scaling import along


def _gives(what, lacking, having):
    """Check for `available_if`: all objectives but one give it."""

    def check(estimator):
        model = getattr(estimator, "model_", None)
        objective = model.objective if model else estimator.objective
        if objective != lacking:
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
    def _horizon(self):
        return self.model_.family.horizon

    def _read_to_fit(self, X):
        samples, input_format = super()._read_to_fit(X)
        if self.objective == "reconstruct":
            return samples, input_format
        name = type(self).__name__
        _sequences.check_steps(samples, (self.horizon or 1) + 1, name)
        if self.horizon is not None:
            samples = samples.split_ahead(self.horizon)
            if samples.lengths is None:  # longer ones are read by their last steps
                n_steps = samples.values.shape[1]
                input_format = replace(input_format, max_steps=n_steps)
        return samples, input_format

    def _read_to_score(self, X):
        model = self.model_
        if model.objective == "reconstruct":
            return self._read(X)
        samples = self._read_whole(X)
        if self._horizon is not None:
            samples = samples.split_ahead(self._horizon)
        return samples.last(model.input_format.max_steps)

    def _read_whole(self, X):
        """Read all steps of X, those of the forecast included."""
        whole = replace(self.model_.input_format, max_steps=None)
        return self._read_by(whole, X, min_steps=(self._horizon or 1) + 1)

    def _forecast(self, samples):
        """Forecasts (N, T, C), and their lengths."""
        lengths = samples.n_steps_of_each - 1
        if self._horizon is not None:
            lengths = np.full(len(samples), self._horizon)
        n_steps = int(lengths.max())
        model = self._model()
        values = model.decode(model.encode(samples), lengths, n_steps, ahead=True)
        return values, lengths

    def _compare(self, samples):
        model = self._model()
        if model.objective != "predict":
            if model.objective == "composite":  # about the reconstruction
                samples = replace(samples, target=None)
            return super()._compare(samples)
        given, lengths = self._forecast(samples)
        if self._horizon is not None:
            return given, samples.target.astype(np.float64), model.target_mean
        values = samples.values.astype(np.float64)
        mean = along(model.scaling.mean, values, samples.lengths)[..., 1:, :]
        mean = np.broadcast_to(mean, given.shape)
        real = np.arange(given.shape[1]) < lengths[:, np.newaxis]
        return given[real], values[:, 1:][real], mean[real]

    def _expected(self, X):
        """What a detector compares X with: its reconstruction and its forecast."""
        model, horizon = self._model(), self._horizon
        samples = self._read_whole(X)
        values, window = samples.values.copy(), samples
        if horizon is not None:
            window = samples.split_ahead(horizon).last(model.input_format.max_steps)
        ends = samples.n_steps_of_each - (horizon or 0)
        if model.objective == "composite":
            rebuilt, lengths = model.reconstruct(window), window.n_steps_of_each
            _put(values, ends - lengths, rebuilt, lengths)
        if model.objective == "predict" or horizon is not None:
            forecast, lengths = self._forecast(window)
            starts = np.ones_like(ends) if horizon is None else ends
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
        least = 2 if self._horizon is None else 1
        samples = self._read(X, min_steps=least)
        values, lengths = self._forecast(samples)
        return _sequences.pack(values, lengths, samples.kind)

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
        Z, model = self._read_codes(X), self._model()
        ahead = model.objective == "predict"
        n_steps = model.spec.n_ahead if ahead else model.spec.n_steps
        if ahead and self._horizon is not None and lengths is not None:
            if np.any(np.asarray(lengths) != n_steps):
                raise ValueError(
                    f"lengths must be None or {n_steps} for each row of X, as "
                    f"horizon={self._horizon}. Got {lengths!r} instead."
                )
        kind = model.input_format.kind
        if lengths is None:
            lengths = np.full(len(Z), n_steps)
        lengths = _check_lengths(lengths, len(Z))
        if kind in ("flat", "array") and (lengths != lengths[0]).any():
            kind = "ragged"
        values = model.decode(Z, lengths, int(lengths.max()), ahead=ahead)
        return _sequences.pack(values, lengths, kind)


def _put(values, starts, parts, lengths):
    """Write a part of some length into each sequence, from one of its steps on."""
    step = np.arange(parts.shape[1])
    rows, steps = np.nonzero(step < lengths[:, np.newaxis])
    values[rows, starts[rows] + steps] = parts[rows, steps]


def _check_lengths(lengths, n_samples):
    lengths = np.asarray(lengths)
    valid = lengths.shape == (n_samples,) and lengths.dtype.kind in "iu"
    if not valid or (lengths < 1).any():
        raise ValueError(
            f"lengths must hold one int >= 1 for each of the {n_samples} rows of X. "
            f"Got {lengths!r} instead."
        )
    return lengths.astype(np.int64)
