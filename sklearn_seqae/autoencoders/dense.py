"""Dense autoencoder for tabular data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from sklearn_seqae._libraries import methods_read_all_containers
from sklearn_seqae._params import StrOptions, fit_context
from sklearn_seqae.autoencoders.base import (
    Activation,
    BaseAutoencoder,
    Bottleneck,
    Loss,
    RandomState,
)
from sklearn_seqae.fitting.family import Family
from sklearn_seqae.modules.dense import ACTIVATIONS, DenseNetwork


@dataclass(frozen=True, kw_only=True)
class DenseFamily(Family):
    """Family of dense networks.

    Parameters
    ----------
    activation : str
        A key of `modules.dense.ACTIVATIONS`.
    """

    activation: str

    def complete(self, spec, n_rows):
        """Restrict networks to the row space if there are more columns than rows."""
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
        sizes = [spec.n_decoder_inputs, *spec.decoder_sizes, rank or n_features]
        decoder = DenseNetwork(sizes=sizes, rotated_out=wide, **options)
        return {"encoder": encoder, "decoder": decoder}

    def set_units(self, module, x, basis, codes, residuals):
        """Set the units of the networks and the range of their inputs."""
        module.set_units(encoder_unit=residuals[-1], decoder_unit=residuals)
        for network in (module.encoder, module.decoder):
            if network.basis is not None:
                network.basis.copy_(basis)
        module.encoder.set_range(x)
        if not module.is_variational:  # variational codes are N(0, I) on any data
            module.decoder.set_range(codes)

    def widen_ranges(self, module, x, codes):
        """Widen the ranges of the inputs of the networks."""
        if not module.encoder.is_clamped:
            return
        module.encoder.widen_range(x)
        if not module.is_variational:
            module.decoder.widen_range(codes)


@methods_read_all_containers
class DenseAutoencoderTransformer(BaseAutoencoder):
    """Dense autoencoder for tabular data.

    A drop-in nonlinear alternative to :class:`~sklearn.decomposition.PCA`. The model is
    initialized with PCA and learns a nonlinear correction to it. If the validation rows
    show no gain, the model remains PCA.

    As in PCA, features are centered but keep their units. Scale them first if all
    features should have the same influence.

    Parameters
    ----------
    n_components : int, float or None, default=2
        Latent size: the number of components of the latent code. An int may exceed the
        number of values of a sample. A float in (0, 1) is the fraction of the variance
        of the validation rows to explain: components are ordered, as with
        ``bottleneck="ordered"``, and the model keeps the smallest sufficient number of
        them, at most 64. A float requires a "plain" or "ordered" bottleneck. If None,
        ``min(n_samples, n_values)`` components are kept, where n_values is the number
        of values of a sample.

    hidden_layer_sizes : tuple of int, default=(256,)
        Number of units in each hidden layer of the encoder. Use fewer units if
        training is too slow.

    decoder_layer_sizes : tuple of int or None, default=None
        Number of units in each hidden layer of the decoder, the layer after the latent
        code first. None: `hidden_layer_sizes` in reverse order.

    activation : {"identity", "logistic", "tanh", "relu", "silu"}, default="silu"
        Activation function between the layers.

    init : {"pca", "random"}, default="pca"
        How to initialize the networks. "pca": the latent code and the reconstruction
        are those of PCA plus a learned correction, so the model is PCA before training.
        "random": the plain network of the literature, without a linear path.

    output_activation : {"identity", "sigmoid"}, default="identity"
        Activation function of the last layer. "sigmoid" requires ``init="random"`` and
        values in [0, 1], which are then neither centered nor scaled. With
        ``loss="binary_cross_entropy"``, the output is a sigmoid for either value.

    loss : {"squared_error", "absolute_error", "huber", "binary_cross_entropy"}, \
            default="squared_error"
        Loss function. "binary_cross_entropy" adds a sigmoid to the output and requires
        values in [0, 1], which are neither centered nor scaled. Use "absolute_error" or
        "huber" if X contains outliers.

    bottleneck : {"plain", "ordered", "l1", "kl", "contractive", "variational"}, \
            default="plain"
        Constraint on the latent code. Penalties act on components divided by their root
        mean square.

        - "plain": no constraint.
        - "ordered": components are ordered by explained variance, as in PCA, and the
          first k components are a good latent code of size k: `inverse_transform`
          decodes ``transform(X)[:, :k]`` (nested dropout; Rippel, Gelbart and Adams,
          2014).
        - "l1": sparse; the penalty is the mean absolute value of the latent code.
        - "kl": sparse; the penalty is the Kullback-Leibler divergence between 0.05
          and the mean of ``tanh(abs(z) / 2)`` for each component z (after Ng, 2011).
        - "contractive": robust to small changes of a sample; the penalty is the squared
          norm of the encoder's Jacobian (Rifai et al., 2011).
        - "variational": the latent code is drawn around the value that `transform`
          returns, latent codes are distributed as N(0, I), and `sample` draws new data
          (Kingma and Welling, 2014).

    bottleneck_weight : float, default=1.0
        Nonnegative weight of the penalty. With a weight of 1, the penalty is comparable
        to the loss of PCA's residual. For a variational latent code it is beta (Higgins
        et al., 2017), which rises to this value over the first 100 training steps.
        Ignored with "plain" and "ordered".

    noise : {"gaussian", "masking"} or None, default=None
        Corruption of the encoder's input in training. New noise is drawn in each epoch.
        The target is the clean sample (Vincent et al., 2010). "gaussian" adds noise to
        each value, "masking" replaces random values by the mean of their feature, or by
        0 with ``loss="binary_cross_entropy"``.

    noise_level : float, default=0.3
        For "gaussian", the standard deviation of the noise relative to the overall
        standard deviation of X (with ``loss="binary_cross_entropy"``, in the units of
        X). For "masking", the fraction of masked values, in [0, 1].

    whiten : bool, default=False
        If True, `transform` returns uncorrelated components of unit variance, as in
        PCA. The first k whitened components depend on the first k components alone.

    refinement_steps : int or "auto", default="auto"
        Number of Gauss-Newton steps with which `transform` moves the latent code of the
        encoder to the code whose reconstruction is nearest to X. A code moves only if
        its loss falls. 0: the code of the encoder, which is much faster. "auto": 2, but
        0 for forecasts, with `noise`, with a `target`, with a bottleneck other than
        "plain" and "ordered", and with ``init="random"``.

    alpha : float, default=0.01
        Decoupled weight decay (Loshchilov and Hutter, 2019): in each step, the weights
        of the networks shrink by the fraction ``lr * alpha``, where lr is the current
        learning rate. The linear path is not shrunk. Other estimators of scikit-learn
        add a penalty to the loss instead.

    batch_size : "auto" or int, default="auto"
        Number of samples in a batch. "auto" is a tenth of the samples, from 8 to 256.

    learning_rate_init : float, default=0.01
        Maximum learning rate of the optimizer AdamW. The rate is constant after the
        first 100 steps, and the weights are averaged over the last steps.

    max_iter : int, default=200
        Maximum number of epochs.

    early_stopping : bool, default=True
        If True, choose the best epoch on a validation split. With fewer than 40,000
        samples, the model is then trained again on all samples for this number of
        epochs. If no epoch clearly improves the validation loss, the best epoch is 0:
        the model keeps its initial weights, which are PCA with ``init="pca"``. If
        False, train for `max_iter` epochs on all samples without validation.

    validation_fraction : float, default=0.2
        Fraction of the samples in a validation fold, in (0, 1). For small data, up to
        five folds are used, until 350 samples have been held out, or until a gain is
        clear or unlikely. A fold has at most 5000 samples, or 1000 with ordered
        components.

    n_iter_no_change : int or inf, default=20
        Patience: number of epochs without improvement after which training stops.

    tol : float, default=0.001
        Minimum improvement, as a fraction of the validation loss before training. In
        scikit-learn's estimators it is absolute, in units of the loss. Here it is
        relative, because the loss of PCA's residual can be arbitrarily small.

    warm_start : bool, default=False
        If True, `fit` continues from the weights of the previous fit. It raises a
        ValueError if the number of features, `n_components`, `hidden_layer_sizes` or
        another parameter of the network has changed.

    random_state : int, RandomState instance or None, default=None
        Seed of all random numbers. Pass an int for identical results in each fit.

    device : str, default="cpu"
        Device on which torch computes, for example "cuda". "auto" selects a GPU if
        there is one, and else the CPU. It may be changed after `fit`.

    checkpoint : str or None, default=None
        Path of a folder for checkpoints. If a fit is interrupted, the same fit
        continues from the last epoch, with the same result. Each fit has a separate
        file, which is removed when the fit is done. It cannot be combined with
        callbacks. None: no checkpoints. Use it for fits that take minutes or longer.

    skorch_callbacks : list of skorch callbacks or None, default=None
        Callbacks for every training: one training per validation fold, and the final
        one. Each training uses copies of them. EarlyStopping, Checkpoint, LRScheduler
        (in place of the schedule of `learning_rate_init`), EpochScoring with
        ``on_train=False``, ProgressBar, PrintLog, GradientNormClipping and Freezer are
        tested. At the end of an epoch, they receive the averaged weights, which are
        also validated and kept. The values that a callback records are in `net.history`
        of this training, and only callbacks can read them.

    verbose : int, default=0
        If 1, print one line before each training, with the number of samples and of
        batches in a pass over them, and one line per epoch with the name of the
        training, and the training and validation R² (with another loss, the explained
        fraction of the loss). For large data, also print one line per pass of PCA over
        X.

    Attributes
    ----------
    n_components_ : int
        Latent size.

    mean_ : ndarray of shape (n_features,)
        Mean of each column of the training data.

    model_ : FittedModel
        Fitted model: networks, scaling and configuration. Internal.

    n_iter_ : int
        Number of epochs of the model selection, the largest over the folds. Without
        early stopping, the number of epochs of the training.

    best_epoch_ : int
        Best epoch. 0 means that the model keeps its initial weights. Without early
        stopping, equal to `n_iter_`.

    validation_scores_ : list of float of length ``n_iter_ + 1``, or None
        1 minus the ratio of the validation loss of the model to that of the training
        mean, before training and after each epoch. This is R² for the squared error.
        None without early stopping.

    best_validation_score_ : float or None
        Value of `validation_scores_` at `best_epoch_`.

    held_out_r2_ : dict with keys "model", "pca" and "mean", or None
        Validation R² of the model, of PCA with the same number of components, and of
        the training mean, which is 0. None without early stopping.

    explained_variance_ratio_ : ndarray of shape (``n_components_``,)
        Increase in validation R² with each component. Only for ordered latent codes.
        Without early stopping it is computed on the training rows.

    explained_variance_ : ndarray of shape (``n_components_``,)
        `explained_variance_ratio_` times the variance of the training data, in squared
        units of X.

    pca_explained_variance_ratio_ : ndarray of shape (``n_components_``,)
        Increase in validation R² of PCA with each component.

    loss_curve_ : list of float of length `n_iter_`
        Training loss of each epoch of the model selection, the mean over the folds, in
        scaled units. Without early stopping, the training loss of each epoch.

    validation_loss_curve_ : list of float of length ``n_iter_ + 1``, or None
        Validation loss before training and after each epoch of the model selection, in
        scaled units. None without early stopping.

    net_ : skorch.NeuralNet
        The skorch net that trained the networks.

    module_ : torch.nn.Module
        The torch module.

    n_features_in_ : int
        Number of columns.

    feature_names_in_ : ndarray of str of shape (`n_features_in_`,)
        Names of the columns, if X has any.

    See Also
    --------
    RecurrentAutoencoderTransformer : Autoencoder for sequences.
    ConvolutionalAutoencoderTransformer : Autoencoder for images.
    sklearn.decomposition.PCA : Linear dimensionality reduction.

    Notes
    -----
    NaN, None, pandas' NA, polars' null and masked entries are missing values, in `fit`
    and later. The encoder receives a linear estimate of them, and they are left out of
    the loss. `impute` fills them.

    pyarrow objects are read as pandas objects, narwhals objects as their native
    objects, and numeric text as numbers. Under scikit-learn's array API dispatch, the
    results for tensors are tensors on the device of X; fitted attributes are numpy
    arrays.

    The latent code of a row is bitwise independent of the other rows of X. With early
    stopping and without a penalty, a ``ConvergenceWarning`` is issued if the validation
    R² is not above 0, or if the squared validation error is more than 2 % larger than
    that of PCA.

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
        n_components: float | None = 2,
        *,
        hidden_layer_sizes: Sequence[int] = (256,),
        decoder_layer_sizes: Sequence[int] | None = None,
        activation: Activation = "silu",
        init: Literal["pca", "random"] = "pca",
        output_activation: Literal["identity", "sigmoid"] = "identity",
        loss: Loss = "squared_error",
        bottleneck: Bottleneck = "plain",
        bottleneck_weight: float = 1.0,
        noise: Literal["gaussian", "masking"] | None = None,
        noise_level: float = 0.3,
        whiten: bool = False,
        refinement_steps: int | Literal["auto"] = "auto",
        alpha: float = 0.01,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate_init: float = 1e-2,
        max_iter: int = 200,
        early_stopping: bool = True,
        validation_fraction: float = 0.2,
        n_iter_no_change: float = 20,
        tol: float = 1e-3,
        warm_start: bool = False,
        random_state: RandomState = None,
        device: str = "cpu",
        checkpoint: str | None = None,
        skorch_callbacks: list[Any] | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.decoder_layer_sizes = decoder_layer_sizes
        self.activation = activation
        self.init = init
        self.output_activation = output_activation
        self.loss = loss
        self.bottleneck = bottleneck
        self.bottleneck_weight = bottleneck_weight
        self.noise = noise
        self.noise_level = noise_level
        self.whiten = whiten
        self.refinement_steps = refinement_steps
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
        self.checkpoint = checkpoint
        self.skorch_callbacks = skorch_callbacks
        self.verbose = verbose

    _family = DenseFamily
    _reads_sparse = True

    def _make_family(self, samples):
        return DenseFamily(activation=self.activation)

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        target: Any = None,
        validation_data: tuple[Any, ...] | None = None,
    ) -> Self:
        """Fit the autoencoder to X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data. Large X is read in parts, also from a memory map.

        y : None
            Ignored.

        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights. In the loss and in PCA, a weight of k counts as k copies of
            the sample. Batches and validation folds contain each sample once.
            Zero-weight samples are dropped.

        target : same container and shape as X, default=None
            Clean target of noisy samples: the network learns to reconstruct `target`
            from X. In a Pipeline it is routed as metadata, and
            ``transform_input=["target"]`` scales it like X.

        validation_data : tuple (X_val,) or (X_val, target_val), default=None
            Validation data that replaces the validation split: the network is trained
            once, on all of X, and keeps the weights of the best epoch on `X_val`.
            `target_val` is needed if there is a `target`. Requires
            ``early_stopping=True``. In a Pipeline it is routed as metadata, and
            ``transform_input=["validation_data"]`` transforms it like X.

        Returns
        -------
        self : DenseAutoencoderTransformer
            The fitted estimator.

        Raises
        ------
        ValueError
            If X, `validation_data` or a parameter is invalid, if a value is infinite,
            or if the training diverges.
        """
        return self._fit(X, sample_weight, target, validation_data)

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train for one epoch on a chunk of the data.

        Use it if the data is larger than memory or arrives in parts. The first call
        determines the scaling, the linear path, the estimate of missing values and the
        batch size from its chunk, so this chunk should be a random sample of the data.
        Later calls only train the networks, with the parameters of the first call, and
        also continue after `fit`. The learning rate is constant for 500 updates, and
        then decays with the inverse square root of the number of updates. With
        ``batch_size="auto"``, a batch has 32 rows or more, and a small chunk is
        repeated until there are 40 batches or 8 passes over the chunk, whichever comes
        first, but at least 20 batches. There is no validation: `early_stopping`,
        `max_iter` and `checkpoint` are ignored. With `whiten`, the components are
        uncorrelated on the last chunk.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples of the chunk.

        y : None
            Ignored.

        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights, relative to the mean weight of the chunk.

        Returns
        -------
        self : DenseAutoencoderTransformer
            The fitted estimator.

        Raises
        ------
        ValueError
            If X or a parameter is invalid, or if `n_components` is a fraction.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_seqae import DenseAutoencoderTransformer
        >>> chunks = np.random.default_rng(0).normal(size=(3, 50, 6))
        >>> autoencoder = DenseAutoencoderTransformer(2, random_state=0)
        >>> for chunk in chunks:
        ...     autoencoder = autoencoder.partial_fit(chunk)
        >>> autoencoder.n_iter_, autoencoder.transform(chunks[0]).shape
        (3, (50, 2))
        """
        return self._partial_fit(X, sample_weight)

    def inverse_transform(self, X: Any) -> Any:
        """Decode latent codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, k)
            Latent codes. k is `n_components_`; with ordered components it may be
            smaller.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            Rows in the units of the training data.

        Raises
        ------
        ValueError
            If X has another number of components.
        """
        codes = self._read_codes(X)
        return self._model().decode(codes)
