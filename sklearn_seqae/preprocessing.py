"""Preprocessing of sequences."""

from copy import deepcopy
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, clone
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklearn_seqae._inputs import InputFormat, check, parse, read
from sklearn_seqae._introspection import DOC_LINK, kept_if_it_fails
from sklearn_seqae._libraries import methods_read_all_containers
from sklearn_seqae._params import HasMethods, fit_context
from sklearn_seqae._sequences import Samples
from sklearn_seqae._state import PlainState


def _updates(estimator):
    """Return whether the scaler can be updated with more rows, for `available_if`."""
    scaler = getattr(estimator, "scaler_", estimator.scaler)
    if scaler is None or hasattr(scaler, "partial_fit"):
        return True
    raise AttributeError(
        f"The scaler {scaler!r} has no 'partial_fit'. Use one that has, for example "
        "StandardScaler or MinMaxScaler."
    )


@methods_read_all_containers
class SequenceScaler(PlainState, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Scaler of sequences: apply any scaler of scikit-learn per channel.

    The scaler is fitted on the time steps of all sequences, one row per time step and
    one column per channel. All time steps of a channel have the same scale, for any
    lengths of the sequences. A StandardScaler on a flat table would scale each time
    step separately and remove the shape that all sequences have in common.

    Parameters
    ----------
    scaler : transformer, default=None
        Scaler that transforms each column and keeps the number of columns, such as
        :class:`~sklearn.preprocessing.RobustScaler`. It is cloned before it is fitted.
        If None, :class:`~sklearn.preprocessing.StandardScaler`.

    sample_shape : (-1, n_channels), default=None
        How to read a row of a table: time steps of `n_channels` values each. If None, a
        row is a sequence of one channel. Other containers do not need it.

    Attributes
    ----------
    scaler_ : transformer
        Fitted scaler. Its features are the channels.

    n_features_in_ : int
        Number of channels, or of columns if X is a table.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if all names of X are strings.

    See Also
    --------
    sklearn.preprocessing.StandardScaler : Scale each column of a table.

    Notes
    -----
    NaN is a missing value, which the scaler has to accept, as StandardScaler does. X
    may be any container that RecurrentAutoencoderTransformer accepts. `transform`
    returns sequences in the container of X. With
    ``set_output(transform="pandas")`` or ``"polars"`` it returns a data frame with one
    column per channel and one sequence in each cell.

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

    _state_classes = (InputFormat,)
    _parameter_constraints = {
        "scaler": [HasMethods(["fit", "transform"]), None],
        "sample_shape": [tuple, list, None],
    }

    def __init__(
        self, scaler: Any = None, *, sample_shape: tuple[int, ...] | None = None
    ) -> None:
        self.scaler = scaler
        self.sample_shape = sample_shape

    @fit_context(prefer_skip_nested_validation=False)  # validate the nested scaler
    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the scaler to the time steps of X.

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
        scaler = StandardScaler() if self.scaler is None else clone(self.scaler)
        return self._fit(X, scaler.fit)

    def _fit(self, X, fit):
        input_format = InputFormat("sequences", self.sample_shape)
        samples = parse(X, input_format, name=type(self).__name__)
        with kept_if_it_fails(self):
            check(self, samples, reset=True)
            self.scaler_ = fit(samples.steps)
            self._input_format = input_format.fitted_to(samples)
        return self

    @available_if(_updates)
    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Update the scaler with the time steps of a chunk of the data.

        Available if `scaler` has `partial_fit`, as StandardScaler and MinMaxScaler do.

        Parameters
        ----------
        X : sequences
            Sequences of the chunk, in any container that `fit` accepts.
        y : None
            Ignored.

        Returns
        -------
        self : SequenceScaler
            The fitted scaler.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_seqae.preprocessing import SequenceScaler
        >>> scaler = SequenceScaler()
        >>> for chunk in np.arange(12.0).reshape(2, 2, 3, 1):
        ...     scaler = scaler.partial_fit(chunk)
        >>> scaler.scaler_.mean_
        array([5.5])
        """
        if not hasattr(self, "scaler_"):
            scaler = StandardScaler() if self.scaler is None else clone(self.scaler)
            return self._fit(X, scaler.partial_fit)
        samples = self._read(X)
        with kept_if_it_fails(self):
            self.scaler_ = deepcopy(self.scaler_).partial_fit(samples.steps)
        return self

    def transform(self, X: Any) -> Any:
        """Scale sequences.

        Parameters
        ----------
        X : sequences
            Sequences, as in `fit`.

        Returns
        -------
        X_scaled : same container as X, a table as an array
            Scaled sequences.
        """
        samples = self._read(X)
        values = self._rescale(samples, self.scaler_.transform)
        output = _get_output_config("transform", self)["dense"]
        if samples.kind == "flat":  # set_output wraps a table by itself
            return values.reshape(len(values), -1)
        if output == "default":
            return samples.restore(values)
        return samples.to_frame(values, output)

    def inverse_transform(self, X: Any) -> Any:
        """Undo the scaling.

        Parameters
        ----------
        X : sequences
            Scaled sequences.

        Returns
        -------
        X_original : same container as X, a table as an array
            Sequences in the units of the training data.
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

    _doc_link_module = "sklearn_seqae"
    _doc_link_template = DOC_LINK

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = (
            self.scaler is None or get_tags(self.scaler).input_tags.allow_nan
        )
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
