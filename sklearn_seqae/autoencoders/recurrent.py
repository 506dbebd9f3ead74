"""The recurrent autoencoder, for sequences."""

from sklearn_seqae._params import StrOptions, fit_context
from sklearn_seqae.autoencoders.base import BaseAutoencoder
from sklearn_seqae.modules.recurrent import (
    CELLS,
    RecurrentDecoder,
    RecurrentEncoder,
)

TIME_FEATURES = 8  # cosines of relative time beside the values, with init="pca"


class RecurrentAutoencoderTransformer(BaseAutoencoder):
    """Recurrent autoencoder for sequences of equal or unequal length.

    DOCSTRING
    """

    _parameter_constraints: dict = {
        **BaseAutoencoder._parameter_constraints,
        "cell": [StrOptions(set(CELLS))],
        "bidirectional": ["boolean"],
        "sample_shape": [tuple, None],
    }

    _takes_sequences = True
    _clip = 1.0

    def __init__(
        self,
        n_components=2,
        *,
        hidden_layer_sizes=(64,),
        cell="lstm",
        bidirectional=True,
        sample_shape=None,
        init="pca",
        loss="squared_error",
        whiten=False,
        alpha=1e-4,
        batch_size="auto",
        learning_rate_init=5e-3,
        max_iter=60,
        early_stopping=True,
        validation_fraction=0.2,
        n_iter_no_change=20,
        tol=1e-4,
        warm_start=False,
        random_state=None,
        device="cpu",
        skorch_callbacks=None,
        verbose=0,
    ):
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.cell = cell
        self.bidirectional = bidirectional
        self.sample_shape = sample_shape
        self.init = init
        self.loss = loss
        self.whiten = whiten
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device
        self.skorch_callbacks = skorch_callbacks
        self.verbose = verbose

    def _architecture(self, n_features, n_steps):
        shared = super()._architecture(n_features, n_steps)
        return {**shared, "cell": self.cell, "bidirectional": self.bidirectional}

    @staticmethod
    def _build_networks(architecture, generator):
        beside_pca = architecture["linear_path"]
        options = {
            "n_channels": architecture["n_features"],
            "n_components": architecture["n_components"],
            "cell": architecture["cell"],
            "bidirectional": architecture["bidirectional"],
            "n_time_features": TIME_FEATURES if beside_pca else 0,
            "zero_head": beside_pca,
            "generator": generator,
        }
        sizes = architecture["hidden_layer_sizes"]
        encoder = RecurrentEncoder(
            hidden_layer_sizes=sizes,
            pooling="mean_max" if beside_pca else "last",
            **options,
        )
        decoder = RecurrentDecoder(hidden_layer_sizes=sizes[::-1], **options)
        return encoder, decoder

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Fit the autoencoder to X.

        Parameters
        ----------
        X : sequences
            A 3-D array (n_samples, n_steps, n_channels); rows (n_samples, n_steps *
            n_channels) in time-major order, read by `sample_shape`; a list, tuple
            or object array of arrays (n_steps_i, n_channels) or (n_steps_i,); or a
            data frame or Series whose cells each hold one sequence.

        y : None
            Ignored.

        Returns
        -------
        self : RecurrentAutoencoderTransformer
            The fitted estimator.
        """
        return self._fit(X)

    def inverse_transform(self, Z, lengths=None):
        """Decode codes into sequences.

        Parameters
        ----------
        Z : array-like of shape (n_samples, n_components_)
            Codes.

        lengths : array-like of int of shape (n_samples,), default=None
            Steps of each sequence. None: the number of steps in the training
            data, or their median.

        Returns
        -------
        X : ndarray or list of ndarray
            Sequences in the kind of container that `fit` took; with `lengths`
            that differ, a list.
        """
        return self._decode_sequences(self._read_codes(Z), lengths)
