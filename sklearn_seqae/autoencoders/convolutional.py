"""The convolutional autoencoder, for images and sequences of one length."""

from dataclasses import dataclass

import numpy as np

from sklearn_seqae import _sequences
from sklearn_seqae._params import StrOptions, fit_context
from sklearn_seqae.autoencoders.base import BaseAutoencoder
from sklearn_seqae.fitting.family import Family
from sklearn_seqae.modules.convolutional import (
    ACTIVATIONS,
    ConvolutionalDecoder,
    ConvolutionalEncoder,
)


@dataclass(frozen=True, kw_only=True)
class ConvolutionalFamily(Family):
    """Convolutional networks.

    Parameters
    ----------
    activation : str
        A key of `modules.convolutional.ACTIVATIONS`.

    shape : (height, width, n_channels)
        Of each sample.
    """

    activation: str
    shape: tuple[int, int, int]

    one_cycle = True
    clip = 1.0
    linear_path_rate = 0.2
    tile_rows = 32  # images may be large

    def build_networks(self, spec, generator):
        """Build the encoder and the decoder."""
        options = {
            "shape": self.shape,
            "filters": spec.hidden_layer_sizes,
            "activation": self.activation,
            "beside_pca": spec.has_linear_path,
            "generator": generator,
        }
        return {
            "encoder": ConvolutionalEncoder(
                n_components=spec.n_encoder_outputs, **options
            ),
            "decoder": ConvolutionalDecoder(
                n_components=spec.n_decoder_inputs, **options
            ),
        }

    def auto_batch_size(self, n_rows):
        """Return the rows of a batch."""
        return int(np.clip(n_rows // 10, 8, 64))


class ConvolutionalAutoencoderTransformer(BaseAutoencoder):
    """Convolutional autoencoder for images, and for sequences of one length.

    Each stage of the encoder halves the image, those of the decoder double it again,
    and any size, odd ones too, comes back as it came. It starts as PCA of the
    flattened images and learns what PCA cannot express. Where held-out images do not
    show a gain, it stays PCA.

    Images come as a 4-D array (n_samples, height, width, n_channels), as a list of
    arrays of that shape, as a 3-D array or as rows of a table with `sample_shape`.
    Sequences, which are convolved along time, come as a 3-D array (n_samples, n_steps,
    n_channels), as rows of a table, or as any other container that
    RecurrentAutoencoderTransformer takes; they must be of one length.

    Parameters
    ----------
    n_components : int or float, default=2
        Size of the code. A fraction in (0, 1) keeps the fewest components of an
        ordered code of up to 64 that explain so much of the variance of held-out
        rows. An int may exceed the number of features.

    hidden_layer_sizes : tuple of int, default=(32, 64)
        Filters of each stage of the encoder; the decoder has them in reverse. Each
        stage halves height and width, rounding up, down to a single pixel.

    activation : {"identity", "logistic", "tanh", "relu", "silu"}, default="silu"
        Activation between the layers.

    sample_shape : tuple of int or None, default=None
        How a row of a table is read: ``(height, width)`` or ``(height, width,
        n_channels)`` as an image, ``(-1, n_channels)`` as time steps of `n_channels`
        values each. None is a sequence of one channel. ``(height, width)`` also makes
        of a 3-D array images, which else are sequences.

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
        Rows of a batch. "auto": a tenth of the rows, from 8 to 64.

    learning_rate_init : float, default=0.01
        Highest learning rate of AdamW. It rises and falls in one cycle (Smith and
        Topin, 2019).

    max_iter : int, default=30
        Most epochs.

    early_stopping : bool, default=True
        Whether rows are held out to find the best epoch, which may be none at all:
        then the start is kept. A network trained for that many epochs on all rows
        is the result. False: `max_iter` epochs on all rows, unseen by any judge.

    validation_fraction : float, default=0.2
        Share of the rows that is held out, in (0, 1). With few rows there are up to
        five such folds, until 500 rows have been held out.

    n_iter_no_change : int or inf, default=inf
        Epochs without gain after which the selection ends. The cycle of the learning
        rate gains most at its end.

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

    mean_ : ndarray of shape (height * width * n_channels,)
        Mean of the training data, as a flat row.

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
        Number of columns where X is a table, else of channels.

    feature_names_in_ : ndarray of str
        Names of the columns, where X has any.

    See Also
    --------
    DenseAutoencoderTransformer : For tables.
    RecurrentAutoencoderTransformer : For sequences, of unequal length too.

    Notes
    -----
    A row's code is the same to the last bit whether it comes alone, in another order
    or among others. A ``ConvergenceWarning`` says when the model is no better than
    the mean of the held-out rows, or more than 2 % worse than PCA.

    References
    ----------
    Masci, Meier, Cireşan and Schmidhuber (2011), Stacked convolutional auto-encoders
    for hierarchical feature extraction.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_seqae import ConvolutionalAutoencoderTransformer
    >>> X = load_digits().images[:200]
    >>> autoencoder = ConvolutionalAutoencoderTransformer(
    ...     8, sample_shape=(8, 8), max_iter=2, random_state=0
    ... )
    >>> autoencoder.fit_transform(X).shape
    (200, 8)
    >>> autoencoder.reconstruct(X).shape
    (200, 8, 8)
    """

    _parameter_constraints: dict = {
        **BaseAutoencoder._parameter_constraints,
        "activation": [StrOptions(set(ACTIVATIONS))],
        "sample_shape": [tuple, None],
    }

    _family = ConvolutionalFamily
    _form = "images"

    def __init__(
        self,
        n_components=2,
        *,
        hidden_layer_sizes=(32, 64),
        activation="silu",
        sample_shape=None,
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
        max_iter=30,
        early_stopping=True,
        validation_fraction=0.2,
        n_iter_no_change=np.inf,
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
        self.sample_shape = sample_shape
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

    def _make_family(self, samples):
        return ConvolutionalFamily(
            activation=self.activation, shape=samples.container.shape
        )

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None, *, target=None):
        """Fit the autoencoder to X.

        Parameters
        ----------
        X : images or sequences
            An array (n_samples, height, width, n_channels) or a list of images; with
            ``sample_shape=(height, width)`` also (n_samples, height, width). Else a
            3-D array holds sequences (n_samples, n_steps, n_channels). Rows of a table
            are read by `sample_shape`.

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
        self : ConvolutionalAutoencoderTransformer
            The fitted estimator.
        """
        return self._fit(X, sample_weight, target)

    def inverse_transform(self, X):
        """Decode codes into images or sequences.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components_)
            Codes.

        Returns
        -------
        X_original : ndarray or list of ndarray
            In the units and the shape of the training data; a list of sequences
            where `fit` took one.
        """
        codes = self._read_codes(X)
        model = self._model()
        seen = model.input_format
        return _sequences.pack(model.decode(codes), None, seen.kind, seen.shape)
