"""Preprocessing of sequences."""

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, clone
from sklearn.preprocessing import StandardScaler
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import check_is_fitted

from sklearn_seqae._inputs import InputFormat, check, parse, read
from sklearn_seqae._introspection import kept_if_it_fails
from sklearn_seqae._params import HasMethods, fit_context
from sklearn_seqae._sequences import Samples


class SequenceScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Scale sequences per channel with any scaler of scikit-learn.

    The scaler sees the time steps of all sequences stacked, one row per real step
    and one column per channel: all steps of a channel share one scale, whatever the
    lengths of the sequences. A StandardScaler before a flat table would scale each
    time step by itself, and so take out the shape that all sequences have in common.

    Parameters
    ----------
    scaler : transformer, default=None
        An unfitted scaler that works column by column and keeps their number, such
        as :class:`~sklearn.preprocessing.RobustScaler`. It is cloned. None means
        :class:`~sklearn.preprocessing.StandardScaler`.

    sample_shape : (-1, n_channels), default=None
        How a row of a 2-D table is read: a sequence in time-major order. None means
        one channel. 3-D arrays and ragged sequences do not need it.

    Attributes
    ----------
    scaler_ : transformer
        The fitted scaler, whose features are the channels.

    n_features_in_ : int
        Number of columns of a 2-D table seen in fit, else number of channels.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns seen in fit, where X has names that are all strings.

    See Also
    --------
    sklearn.preprocessing.StandardScaler : Scales each column of a table by itself.

    Notes
    -----
    Sequences come back in the container they came in. With
    ``set_output(transform="pandas")`` or ``"polars"`` they become a data frame with
    one column per channel whose cells each hold one sequence.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seqae.preprocessing import SequenceScaler
    >>> X = [np.array([[1.0, 10.0], [2.0, 20.0]]), np.array([[3.0, 30.0]])]
    >>> scaler = SequenceScaler().fit(X)
    >>> scaler.scaler_.mean_
    array([ 2., 20.])
    >>> [item.shape for item in scaler.transform(X)]
    [(2, 2), (1, 2)]
    """

    _parameter_constraints = {
        "scaler": [HasMethods(["fit", "transform"]), None],
        "sample_shape": [tuple, list, None],
    }

    def __init__(self, scaler=None, *, sample_shape=None):
        self.scaler = scaler
        self.sample_shape = sample_shape

    @fit_context(prefer_skip_nested_validation=False)  # the nested scaler is checked
    def fit(self, X, y=None):
        """Learn the scale of each channel.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), (n_samples, n_steps, \
                n_channels), or a list or data frame of sequences
            Sequences.
        y : None
            Ignored.

        Returns
        -------
        self : SequenceScaler
            The fitted scaler.
        """
        input_format = InputFormat("sequences", self.sample_shape)
        samples = parse(X, input_format, name=type(self).__name__)
        with kept_if_it_fails(self):
            check(self, samples, reset=True)
            scaler = StandardScaler() if self.scaler is None else clone(self.scaler)
            self.scaler_ = scaler.fit(samples.steps)
            self._input_format = input_format.fitted_to(samples)
        return self

    def transform(self, X):
        """Scale sequences.

        Parameters
        ----------
        X : as in fit
            Sequences.

        Returns
        -------
        X_scaled : same container as X, a table as an array
            The scaled sequences.
        """
        samples = self._read(X)
        values = self._rescale(samples, self.scaler_.transform)
        output = _get_output_config("transform", self)["dense"]
        if samples.kind == "flat":  # set_output wraps a table by itself
            return values.reshape(len(values), -1)
        if output == "default":
            return samples.restore(values)
        return samples.to_frame(values, output)

    def inverse_transform(self, X):
        """Bring scaled sequences back to their own units.

        Parameters
        ----------
        X : as in fit
            Scaled sequences.

        Returns
        -------
        X_original : same container as X, a table as an array
            The sequences in their own units.
        """
        samples = self._read(X, check_names=False)
        values = self._rescale(samples, self.scaler_.inverse_transform)
        if samples.kind == "flat":
            return values.reshape(len(values), -1)
        return samples.restore(values)

    def _read(self, X, *, check_names: bool = True) -> Samples:
        check_is_fitted(self)
        return read(self, X, self._input_format, check_names=check_names)

    def _rescale(self, samples: Samples, rescale) -> np.ndarray:
        steps = samples.steps
        scaled = np.asarray(rescale(steps), dtype=steps.dtype)
        if scaled.shape != steps.shape:
            raise ValueError(
                f"The 'scaler' parameter of {type(self).__name__} must keep the number "
                f"of channels. Got {scaled.shape[1:]} from {steps.shape[1:]} channels "
                f"by {self.scaler_!r}."
            )
        return samples.pad(scaled)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
