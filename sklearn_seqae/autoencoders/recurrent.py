"""The recurrent autoencoder, for sequences."""

from dataclasses import dataclass, field, replace

import numpy as np

from sklearn_seqae._params import Integral, Interval, Real, StrOptions, fit_context
from sklearn_seqae.autoencoders._forecasting import ForecastingMixin
from sklearn_seqae.autoencoders.base import BaseAutoencoder
from sklearn_seqae.fitting.family import Family
from sklearn_seqae.modules.recurrent import CELLS, recurrent_networks

MOST_WARPED = 10_000  # rows, above which warps only cost time


@dataclass(frozen=True, kw_only=True)
class RecurrentFamily(Family):
    """Recurrent networks; the fields are parameters of the public class."""

    cell: str
    bidirectional: bool
    objective: str
    horizon: int | None
    decoder: str
    reverse_target: bool
    # Not of the network: a training may be continued with another value.
    scheduled_sampling: float = field(default=0.0, compare=False)

    one_cycle = True
    clip = 1.0
    linear_path_rate = 0.2  # it has to move, where sequences are warped in time
    enough_held_out = 150
    least_batches = 10  # fewer steps learn little; each round is warped anew

    def complete(self, spec, n_rows):
        """Set the length of the forecast."""
        if self.objective == "reconstruct":
            return spec
        n_ahead = self.horizon
        if n_ahead is None:
            n_ahead = max(1, spec.n_steps - 1)
        return replace(spec, n_ahead=n_ahead)

    def build_networks(self, spec, generator):
        """Build the encoder and a decoder for each thing that is decoded."""
        return recurrent_networks(
            n_outputs=spec.n_encoder_outputs,
            n_heard=spec.n_decoder_inputs,
            n_channels=spec.n_features,
            n_steps=spec.n_steps,
            n_ahead=spec.n_ahead,
            reconstructs=self.objective != "predict",
            hidden_layer_sizes=spec.hidden_layer_sizes,
            cell=self.cell,
            bidirectional=self.bidirectional,
            beside_pca=spec.has_linear_path,
            decoding={
                "is_conditional": self.decoder == "conditional",
                "is_reversed": self.reverse_target,
                "is_logistic": spec.is_logistic,
            },
            generator=generator,
        )

    def set_units(self, module, x, basis, codes, residuals):
        """Set the units of the networks; where PCA is exact, they are silent."""
        super().set_units(module, x, basis, codes, residuals)
        unit = module.code_scale.masked_fill(residuals[-1] == 0, 0)
        module.set_units(encoder_unit=unit)

    def objective_options(self, spec, samples):
        """Return the objective, the time warps and the scheduled sampling."""
        warp = 0.0  # a forecast would not fit to a warped sequence
        has_future = self.objective != "reconstruct" and samples.target is not None
        if spec.has_linear_path and not has_future:
            warp = self.warp(len(samples))
        return {"kind": self.objective, "warp": warp, "own": self.scheduled_sampling}

    def auto_batch_size(self, n_rows):
        """Return the rows of a batch."""
        return int(np.clip(n_rows // 10, 16, 64))

    def warp(self, n_rows):
        """Return the strength of the time warps: few rows need more."""
        return 0.05 * min(1, 200 / n_rows) ** 0.5 if n_rows <= MOST_WARPED else 0.0


class RecurrentAutoencoderTransformer(ForecastingMixin, BaseAutoencoder):
    """Recurrent autoencoder for sequences of equal or unequal length.

    A recurrent encoder reads each sequence into a code of `n_components` numbers, a
    recurrent decoder writes it again. It starts as PCA of the sequences and learns
    what PCA cannot express. Where held-out sequences do not show a gain, it stays PCA.

    Sequences come as a 3-D array (n_samples, n_steps, n_channels), as rows of a table
    in time-major order, as a list, tuple or object array of arrays, or as a data frame
    or Series whose cells each hold one.

    Parameters
    ----------
    n_components : int or float, default=2
        Size of the code. A fraction in (0, 1) keeps the fewest components of an
        ordered code of up to 64 that explain so much of the variance of held-out
        rows. An int may exceed the number of values of a sequence.

    hidden_layer_sizes : tuple of int, default=(96,)
        Units of each hidden layer of the encoder; the decoder has them in reverse.

    cell : {"lstm", "gru", "rnn"}, default="lstm"
        Kind of recurrent cell. An LSTM is the fastest on a CPU.

    bidirectional : bool, default=True
        Whether each layer also reads the sequence backwards.

    objective : {"reconstruct", "predict", "composite"}, default="reconstruct"
        What the network learns to give: the sequence; what is ahead, which `predict`
        then returns; or both, by two decoders from one code, with the sum of both
        losses (Srivastava, Mansimov and Salakhutdinov, 2015). `score` is about the
        forecast for "predict", else about the reconstruction.

    horizon : int or None, default=None
        Steps of the forecast. `fit` and `score` take them off the end of each
        sequence, and the code is that of the steps before. None: the sequence itself,
        from its second step on. Of no use with ``objective="reconstruct"``.

    decoder : {"unconditional", "conditional"}, default="unconditional"
        "conditional": each step also sees the one before, the true one in training
        and its own output in use. Such a decoder has one direction alone.

    scheduled_sampling : float, default=0.0
        Share of the steps, in [0, 1], at which a conditional decoder sees its own
        output in training, too (Bengio et al., 2015). 0 is the fastest.

    reverse_target : bool, default=False
        Whether the decoder writes the last step first; the result is in order again.

    sample_shape : tuple (-1, n_channels) or None, default=None
        How a row of a table is read: steps of `n_channels` values; None: of one.

    init : {"pca", "random"}, default="pca"
        "pca": the code and the reconstruction are those of PCA of the sequences,
        resampled to a common length, plus what the networks add; before training, the
        model is PCA. The networks also see relative time and what PCA leaves, take up
        to 16 patches of steps, and train on randomly time-warped copies.
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
        Rows of a batch. "auto": a tenth of the rows, from 16 to 64, and at least ten
        batches an epoch.

    learning_rate_init : float, default=0.01
        Highest learning rate of AdamW's one cycle (Smith and Topin, 2019).

    max_iter : int, default=30
        Most epochs.

    early_stopping : bool, default=True
        Whether rows are held out to find the best epoch, which may be none at all:
        then the start is kept. A network trained for that many epochs on all rows
        is the result. False: `max_iter` epochs on all rows, unseen by any judge.

    validation_fraction : float, default=0.3
        Share of the rows that is held out, in (0, 1). With few rows there are up to
        five such folds, until 150 rows have been held out. With a `horizon` these
        are neighbours, the last rows first: windows of one series overlap.

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

    mean_ : ndarray of shape (n_steps, n_channels)
        Mean sequence of the training data, of their median length.

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
        Number of channels, or of columns where X is a table.

    feature_names_in_ : ndarray of str
        Names of the columns, where X has any.

    See Also
    --------
    DenseAutoencoderTransformer : For tables.
    ConvolutionalAutoencoderTransformer : For images, and sequences of one length.
    SequenceScaler : Scales each channel before.
    sklearn.decomposition.PCA : The linear code of the same size.

    Notes
    -----
    A row's code is the same to the last bit whether it comes alone, in another order
    or among others. A ``ConvergenceWarning`` says when the model is no better than
    the mean of the held-out rows, or more than 2 % worse than PCA.

    References
    ----------
    Srivastava, Mansimov and Salakhutdinov (2015), Unsupervised learning of video
    representations using LSTMs.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seqae import RecurrentAutoencoderTransformer
    >>> time = np.linspace(0, 3, 30)
    >>> X = [np.sin(time[: 20 + i] + i) for i in range(10)]
    >>> autoencoder = RecurrentAutoencoderTransformer(2, max_iter=2, random_state=0)
    >>> autoencoder.fit_transform(X).shape
    (10, 2)
    >>> [len(sequence) for sequence in autoencoder.reconstruct(X)][:3]
    [20, 21, 22]
    """

    _parameter_constraints: dict = {
        **BaseAutoencoder._parameter_constraints,
        "cell": [StrOptions(set(CELLS))],
        "bidirectional": ["boolean"],
        "objective": [StrOptions({"reconstruct", "predict", "composite"})],
        "horizon": [Interval(Integral, 1, None, closed="left"), None],
        "decoder": [StrOptions({"unconditional", "conditional"})],
        "scheduled_sampling": [Interval(Real, 0, 1, closed="both")],
        "reverse_target": ["boolean"],
        "sample_shape": [tuple, None],
    }

    _family = RecurrentFamily
    _form = "sequences"

    def __init__(
        self,
        n_components=2,
        *,
        hidden_layer_sizes=(96,),
        cell="lstm",
        bidirectional=True,
        objective="reconstruct",
        horizon=None,
        decoder="unconditional",
        scheduled_sampling=0.0,
        reverse_target=False,
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
        validation_fraction=0.3,
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
        self.cell = cell
        self.bidirectional = bidirectional
        self.objective, self.horizon = objective, horizon
        self.decoder, self.scheduled_sampling = decoder, scheduled_sampling
        self.reverse_target = reverse_target
        self.sample_shape = sample_shape
        self.init = init
        self.loss = loss
        self.bottleneck, self.bottleneck_weight = bottleneck, bottleneck_weight
        self.noise, self.noise_level = noise, noise_level
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
        return RecurrentFamily(
            cell=self.cell,
            bidirectional=self.bidirectional,
            objective=self.objective,
            horizon=self.horizon,
            decoder=self.decoder,
            reverse_target=self.reverse_target,
            scheduled_sampling=self.scheduled_sampling,
        )

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None, *, target=None):
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

        sample_weight : array-like of shape (n_samples,), default=None
            How much each sample counts, as if it were there so many times; those of
            weight 0 are left out.

        target : same container and shape as X, default=None
            What X should have been, to be learned from noisy samples: `reconstruct`
            then gives what is nearest to it. In a Pipeline it is routed as metadata,
            and ``transform_input=["target"]`` has it scaled as X is. With
            ``objective="reconstruct"`` only.

        Returns
        -------
        self : RecurrentAutoencoderTransformer
            The fitted estimator.
        """
        return self._fit(X, sample_weight, target)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
