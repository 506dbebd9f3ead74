"""The dense autoencoder, for tables."""

from sklearn_seqae._params import StrOptions, fit_context
from sklearn_seqae.autoencoders.base import BaseAutoencoder
from sklearn_seqae.modules.dense import ACTIVATIONS, DenseNetwork


class DenseAutoencoderTransformer(BaseAutoencoder):
    """Dense autoencoder that starts as PCA and learns what PCA cannot express.

    DOCSTRING
    """

    _parameter_constraints: dict = {
        **BaseAutoencoder._parameter_constraints,
        "activation": [StrOptions(set(ACTIVATIONS))],
    }

    def __init__(
        self,
        n_components=2,
        *,
        hidden_layer_sizes=(256,),
        activation="silu",
        init="pca",
        loss="squared_error",
        whiten=False,
        alpha=1e-4,
        batch_size="auto",
        learning_rate_init=3e-3,
        max_iter=100,
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
        self.activation = activation
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
        return {**shared, "activation": self.activation}

    @staticmethod
    def _build_networks(architecture, generator):
        sizes = [
            architecture["n_features"],
            *architecture["hidden_layer_sizes"],
            architecture["n_components"],
        ]
        encoder, decoder = (
            DenseNetwork(
                sizes=own_sizes,
                activation=architecture["activation"],
                zero_head=architecture["linear_path"],
                generator=generator,
            )
            for own_sizes in (sizes, sizes[::-1])
        )
        return encoder, decoder

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Fit the autoencoder to X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to learn from.

        y : None
            Ignored.

        Returns
        -------
        self : DenseAutoencoderTransformer
            The fitted estimator.
        """
        return self._fit(X)

    def inverse_transform(self, Z):
        """Decode codes.

        Parameters
        ----------
        Z : array-like of shape (n_samples, n_components_)
            Codes.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            Rows in the units of the training data.
        """
        return self._decode(self._read_codes(Z), None, None)
