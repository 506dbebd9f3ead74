"""The dense autoencoder, for tables."""

from dataclasses import dataclass, replace

from sklearn_seqae._params import StrOptions, fit_context
from sklearn_seqae.autoencoders.base import BaseAutoencoder
from sklearn_seqae.fitting.family import Family
from sklearn_seqae.modules.dense import ACTIVATIONS, DenseNetwork


@dataclass(frozen=True, kw_only=True)
class DenseFamily(Family):
    """Dense networks.

    Parameters
    ----------
    activation : str
        A key of `modules.dense.ACTIVATIONS`.
    """

    activation: str

    def complete(self, spec, n_rows):
        """Keep networks of fewer rows than columns in the space of the rows."""
        is_wide = spec.has_linear_path and n_rows < spec.n_features
        return replace(spec, rank=n_rows if is_wide else None)

    def build_networks(self, spec, generator):
        """Build the encoder and the decoder."""
        n_features, rank = spec.n_features, spec.rank
        sizes = [
            rank or n_features,
            *spec.hidden_layer_sizes,
            spec.n_encoder_outputs,
        ]
        options = {
            "activation": self.activation,
            "zero_head": spec.has_linear_path,
            "generator": generator,
        }
        wide = n_features if rank else None
        encoder = DenseNetwork(sizes=sizes, rotated_in=wide, **options)
        sizes[-1] = spec.n_decoder_inputs
        decoder = DenseNetwork(sizes=sizes[::-1], rotated_out=wide, **options)
        return {"encoder": encoder, "decoder": decoder}

    def set_units(self, module, x, basis, codes, residuals):
        """Set the units of the networks, and the range of what they see."""
        module.set_units(encoder_unit=residuals[-1], decoder_unit=residuals)
        for network in (module.encoder, module.decoder):
            if network.basis is not None:
                network.basis.copy_(basis)
        module.encoder.set_range(x)
        if not module.is_variational:  # whose codes are like N(0, I) wherever they are
            module.decoder.set_range(codes)


class DenseAutoencoderTransformer(BaseAutoencoder):
    """Dense autoencoder for tables, in the place of PCA.

    It starts as PCA and learns what PCA cannot express: a code of `n_components`
    numbers for each row, from which the row is reconstructed. Where held-out rows do
    not show a gain, it stays PCA.

    As in PCA, features are centred but keep their units: scale them before, if their
    spreads should count alike.

    Parameters
    ----------
    n_components : int or float, default=2
        Size of the code. A fraction in (0, 1) keeps the fewest components of an
        ordered code of up to 64 that explain so much of the variance of held-out
        rows. An int may exceed the number of features.

    hidden_layer_sizes : tuple of int, default=(256,)
        Units of each hidden layer of the encoder; the decoder has them in reverse.

    activation : {"identity", "logistic", "tanh", "relu", "silu"}, default="silu"
        Activation between the layers.

    init : {"pca", "random"}, default="pca"
        "pca": the code and the reconstruction are those of PCA plus what the
        networks add; before training, the model is PCA.
        "random": the plain network of the literature, without a linear path.

    loss : {"squared_error", "absolute_error", "huber", "binary_cross_entropy"}, \
            default="squared_error"
        What is minimised. Binary cross-entropy gives the output a sigmoid and wants
        values in [0, 1], which it neither centres nor scales.

    bottleneck : {"plain", "ordered", "l1", "kl", "contractive", "variational"}, \
            default="plain"
        "ordered": components come in order of what they explain, as in PCA, and the
        first k of them are a good code of size k: ``transform(X)[:, :k]`` decodes
        through `inverse_transform` (nested dropout, Rippel, Gelbart and Adams, 2014).
        "l1", "kl": sparse; the penalty is the mean absolute value of the code, or the
        divergence of each component's mean activation from 0.05 (Ng, 2011).
        "contractive": small changes of a sample change the code little; the penalty
        is the squared norm of the encoder's Jacobian (Rifai et al., 2011).
        "variational": the code is drawn about what `transform` gives, all codes
        together are like N(0, I), and `sample` draws new data (Kingma and Welling,
        2014). Penalties act on codes divided by their root mean square.

    bottleneck_weight : float, default=1.0
        What the penalty is multiplied with, in units of what PCA leaves. For a
        variational code it is beta, which rises over the first 100 steps.

    noise : {"gaussian", "masking"} or None, default=None
        What is done to samples, anew in each epoch, before they are encoded in
        training; they are given back clean (Vincent et al., 2010). "gaussian" adds to
        each value, "masking" sets values to their mean.

    noise_level : float, default=0.3
        Standard deviation of the noise, as a share of the overall spread of X, or
        the share of the values that is masked.

    whiten : bool, default=False
        Whether `transform` gives uncorrelated components of unit variance, as in
        PCA. The first k white components depend on the first k components alone.

    alpha : float, default=0.01
        Decoupled weight decay (Loshchilov and Hutter, 2019). Where scikit-learn adds
        a penalty to the loss, here weights shrink by `learning_rate * alpha` a step.

    batch_size : "auto" or int, default="auto"
        Rows of a batch. "auto": a tenth of the rows, from 8 to 256.

    learning_rate_init : float, default=0.01
        Highest learning rate of AdamW. It is constant after
        100 steps, and an average of the weights over the last steps is kept.

    max_iter : int, default=200
        Most epochs.

    early_stopping : bool, default=True
        Whether rows are held out to find the best epoch, which may be none at all:
        then the start is kept. A network trained for that many epochs on all rows
        is the result. False: `max_iter` epochs on all rows, unseen by any judge.

    validation_fraction : float, default=0.2
        Share of the rows that is held out, in (0, 1). With few rows there are up to
        five such folds, until 350 rows have been held out.

    n_iter_no_change : int or inf, default=20
        Epochs without gain after which the selection ends.

    tol : float, default=0.001
        Smallest gain that counts, as a share of the held-out loss before training
        (and not in units of the loss, as elsewhere in scikit-learn: PCA's whole
        residual may be smaller than any absolute number).

    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the last fit.

    random_state : int, RandomState instance or None, default=None
        Source of every random number: an int gives the same bits in each fit.

    device : str, default="cpu"
        Where torch computes, for example "cuda".

    skorch_callbacks : list of skorch callbacks or None, default=None
        Called in each training: those that select, one for each fold, and the last.

    verbose : int, default=0
        1 prints a line for each epoch.

    Attributes
    ----------
    n_components_ : int
        Size of the code.

    mean_ : ndarray of shape (n_features,)
        Mean of each column of the training data.

    n_iter_ : int
        Epochs of the selection, or of the only training.

    best_epoch_ : int
        Epoch that was kept; 0 is the start itself.

    validation_scores_ : list of float or None
        Share of the mean's held-out loss that each epoch explains, epoch 0 first: for
        the squared error, R². None without early stopping.

    best_validation_score_ : float or None
        The one of `best_epoch_`.

    held_out_r2_ : dict of float or None
        Held-out R² of the "model", of "pca" with as many components, and of the
        "mean", all fitted on the same rows.

    explained_variance_ratio_ : ndarray of shape (``n_components_``,)
        Gain in held-out R² with each component of an ordered code; only there. On
        the training rows without early stopping.

    explained_variance_ : ndarray of shape (``n_components_``,)
        The same in units of the variance of X.

    pca_explained_variance_ratio_ : ndarray of shape (``n_components_``,)
        The same of PCA, on the same rows.

    loss_curve_ : list of float
        Training loss of each epoch of the last training, in the network's units.

    validation_loss_curve_ : list of float or None
        Held-out loss of each epoch of the selection, epoch 0 first, in the same units.

    net_ : skorch.NeuralNet
        The net that trained the network.

    module_ : torch.nn.Module
        The network.

    n_features_in_ : int
        Number of columns.

    feature_names_in_ : ndarray of str
        Names of the columns, where X has any.

    See Also
    --------
    RecurrentAutoencoderTransformer : For sequences.
    ConvolutionalAutoencoderTransformer : For images.
    sklearn.decomposition.PCA : The linear code of the same size.

    Notes
    -----
    A row's code is the same to the last bit whether it comes alone, in another order
    or among others. A ``ConvergenceWarning`` says when the model is no better than
    the mean of the held-out rows, or more than 2 % worse than PCA.

    References
    ----------
    Hinton and Salakhutdinov (2006), Reducing the dimensionality of data with neural
    networks.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_seqae import DenseAutoencoderTransformer
    >>> X, _ = load_iris(return_X_y=True)
    >>> autoencoder = DenseAutoencoderTransformer(2, max_iter=20, random_state=0)
    >>> Z = autoencoder.fit_transform(X)
    >>> Z.shape
    (150, 2)
    >>> autoencoder.inverse_transform(Z).shape
    (150, 4)
    >>> bool(autoencoder.score(X) > 0.97)
    True
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
        bottleneck="plain",
        bottleneck_weight=1.0,
        noise=None,
        noise_level=0.3,
        whiten=False,
        alpha=0.01,
        batch_size="auto",
        learning_rate_init=1e-2,
        max_iter=200,
        early_stopping=True,
        validation_fraction=0.2,
        n_iter_no_change=20,
        tol=1e-3,
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
        self.bottleneck = bottleneck
        self.bottleneck_weight = bottleneck_weight
        self.noise = noise
        self.noise_level = noise_level
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

    _family = DenseFamily

    def _make_family(self, samples):
        return DenseFamily(activation=self.activation)

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None, *, target=None):
        """Fit the autoencoder to X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to learn from.

        y : None
            Ignored.

        sample_weight : array-like of shape (n_samples,), default=None
            How much each sample counts, as if it were there so many times; those of
            weight 0 are left out.

        target : same container and shape as X, default=None
            What X should have been, to be learned from noisy samples: `reconstruct`
            then gives what is nearest to it. In a Pipeline it is routed as metadata,
            and ``transform_input=["target"]`` has it scaled as X is.

        Returns
        -------
        self : DenseAutoencoderTransformer
            The fitted estimator.
        """
        return self._fit(X, sample_weight, target)

    def inverse_transform(self, X):
        """Decode codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components_)
            Codes.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            Rows in the units of the training data.
        """
        codes = self._read_codes(X)
        return self._model().decode(codes)
