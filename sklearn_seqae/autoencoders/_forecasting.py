"""Forecasts, with or instead of a reconstruction."""

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils import metadata_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklearn_seqae import _sequences
from sklearn_seqae._libraries import methods_read_all_containers
from sklearn_seqae.autoencoders.base import BaseAutoencoder
from sklearn_seqae.fitting.scaling import along


def _has(what, lacking, having):
    """Make a check for `available_if`: all objectives except one have an output."""

    def check(estimator):
        model = getattr(estimator, "model_", None)
        objective = model.objective if model else estimator.objective
        if objective != lacking:
            return True
        raise AttributeError(
            f"objective={lacking!r} has no {what}. Use objective={having!r} or "
            "objective='composite'."
        )

    return check


@methods_read_all_containers
class ForecastingAutoencoder(BaseAutoencoder):
    """Autoencoder with the parameters `objective` and `horizon`."""

    # Otherwise scikit-learn would route `lengths` as metadata.
    __metadata_request__inverse_transform = {"lengths": metadata_routing.UNUSED}

    objective: str
    horizon: int | None

    @property
    def _horizon(self):
        family: Any = self.model_.family
        return family.horizon

    def _read_to_fit(self, X):
        samples, input_format = super()._read_to_fit(X)
        if self.objective == "reconstruct":
            return samples, input_format
        name = type(self).__name__
        _sequences.check_steps(samples, (self.horizon or 1) + 1, name)
        if self.horizon is not None:
            samples = samples.split_ahead(self.horizon)
            if samples.lengths is None:  # keep the time scale of longer sequences
                n_steps = samples.values.shape[1]
                input_format = replace(input_format, max_steps=n_steps)
        return samples, input_format

    def _read_to_compare(self, X, input_format, family):
        if family.objective == "reconstruct":
            return self._read_by(input_format, X)
        samples = self._read_whole(X, input_format, family.horizon)
        if family.horizon is not None:
            samples = samples.split_ahead(family.horizon)
        return samples.last(input_format.max_steps)

    def _read_whole(self, X, input_format, horizon):
        """Parse all steps of X, including the steps to forecast."""
        whole = replace(input_format, max_steps=None)
        return self._read_by(whole, X, min_steps=(horizon or 1) + 1)

    def _forecast(self, samples):
        """Return forecasts (N, T, C) and their lengths."""
        lengths = samples.n_steps_of_each - 1
        if self._horizon is not None:
            lengths = np.full(len(samples), self._horizon)
        n_steps = int(lengths.max())
        model = self._model()
        codes = model.encode(samples, refined=False)
        values = model.decode(codes, lengths, n_steps, ahead=True)
        return values, lengths

    def _compare(self, samples):
        model = self._model()
        if model.objective != "predict":
            if model.objective == "composite":  # its score is of the reconstruction
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
        """Return the reconstruction and the forecast in one array, for a detector."""
        model, horizon = self._model(), self._horizon
        samples = self._read_whole(X, model.input_format, horizon)
        values, window = samples.values.copy(), samples
        if samples.observed is not None:
            values = samples.filled(model.scaling.center)
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

    @available_if(_has("forecast", lacking="reconstruct", having="predict"))
    def predict(self, X: Any) -> Any:
        """Forecast the next time steps of each sequence.

        Parameters
        ----------
        X : sequences
            Sequences in any container that `fit` accepts. If all sequences of `fit`
            had one length, only the last steps of longer sequences are read.

        Returns
        -------
        X_ahead : ndarray of shape (n_samples, horizon, n_channels), or list of ndarray
            Forecast in the units of X: the next `horizon` steps of each sequence. With
            ``horizon=None``, the steps of X from the second to the last. A table if X
            is a table.
        """
        check_is_fitted(self)
        least = 2 if self._horizon is None else 1
        samples = self._read(X, min_steps=least)
        values, lengths = self._forecast(samples)
        frame_shape = samples.container.frame_shape
        return _sequences.pack(values, lengths, samples.kind, frame_shape=frame_shape)

    @available_if(_has("reconstruction", lacking="predict", having="reconstruct"))
    def reconstruct(self, X: Any) -> Any:
        """Reconstruct X: encode and decode it.

        Parameters
        ----------
        X : sequences
            Sequences in any container that `fit` accepts.

        Returns
        -------
        X_reconstructed : same container and shape as X
            Reconstruction of X. With a `horizon` and sequences of one length, only of
            the last steps, which `predict` reads.
        """
        return super().reconstruct(X)

    def inverse_transform(self, X: Any, lengths: Any = None) -> Any:
        """Decode latent codes into sequences, or into forecasts.

        Parameters
        ----------
        X : array-like of shape (n_samples, k)
            Latent codes. k is `n_components_`; with ordered components it may be
            smaller.

        lengths : array-like of int of shape (n_samples,), default=None
            Number of time steps of each sequence. If None, the median number of steps
            in the training data. With ``objective="predict"`` and an int `horizon`,
            only `horizon` is allowed.

        Returns
        -------
        X_original : ndarray or list of ndarray
            Sequences in the kind of container that was passed to `fit`, or a list if
            `lengths` differ. Forecasts with ``objective="predict"``.

        Raises
        ------
        ValueError
            If X has another number of components, or if `lengths` are invalid.
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
        frame_shape = model.input_format.frame_shape
        return _sequences.pack(values, lengths, kind, frame_shape=frame_shape)


def _put(values, starts, parts, lengths):
    """Copy a part into each sequence, from a given step on."""
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
