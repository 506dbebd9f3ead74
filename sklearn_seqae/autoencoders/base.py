"""What all autoencoders share: scikit-learn's side of them."""

from time import perf_counter

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sklearn_seqae import sequences
from sklearn_seqae._introspection import kept_if_it_fails
from sklearn_seqae._params import (
    Integral,
    Interval,
    Options,
    Real,
    RealNotInt,
    StrOptions,
)
from sklearn_seqae.autoencoders._bottlenecks import BottleneckMixin
from sklearn_seqae.autoencoders._coding import CodingMixin, whitening
from sklearn_seqae.autoencoders._pairs import PairsMixin, weighted
from sklearn_seqae.autoencoders._report import warn_if_no_better, warn_if_not_reached
from sklearn_seqae.autoencoders._scaling import Scaling, along
from sklearn_seqae.autoencoders._selection import held_out_splits
from sklearn_seqae.autoencoders._state import FittedStateMixin
from sklearn_seqae.autoencoders._summary import SummaryMixin
from sklearn_seqae.autoencoders._tasks import CallbackSupportMixin, FitTasks
from sklearn_seqae.autoencoders._trainer import Trained, Trainer
from sklearn_seqae.autoencoders._tuning import TuningMixin
from sklearn_seqae.modules.bottleneck import BOTTLENECKS
from sklearn_seqae.modules.losses import LOSSES
from sklearn_seqae.modules.noise import NOISES

MOST_HELD_OUT = 5000  # rows of one split, enough to tell the epochs apart
MOST_HELD_OUT_ORDERED = 1000  # where each row is decoded once for each size

ORDERED_ONLY = (
    "explained_variance_ratio_",
    "explained_variance_",
    "pca_explained_variance_ratio_",
)


class BaseAutoencoder(
    BottleneckMixin,
    CodingMixin,
    TuningMixin,
    PairsMixin,
    SummaryMixin,
    FittedStateMixin,
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Fit, transform, reconstruct and score; a family adds its reader and networks."""

    _parameter_constraints: dict = {
        "n_components": [
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="neither"),
        ],
        "hidden_layer_sizes": ["array-like"],
        "init": [StrOptions({"pca", "random"})],
        "loss": [StrOptions(set(LOSSES))],
        "bottleneck": [StrOptions(set(BOTTLENECKS))],
        "bottleneck_weight": [Interval(Real, 0, None, closed="left")],
        "noise": [StrOptions(set(NOISES)), None],
        "noise_level": [Interval(Real, 0, None, closed="left")],
        "whiten": ["boolean"],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {np.inf}),
        ],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "device": [str],
        "skorch_callbacks": [list, None],
        "verbose": ["verbose"],
    }

    # What a family says of itself.

    _takes_sequences = False
    _does = "reconstructs"  # held-out rows
    _one_cycle = False  # schedule of the learning rate: one cycle, or constant
    _clip = None  # largest norm of the gradient
    _linear_path_rate = 0.0  # learning rate of the linear path, as a share
    _enough_held_out = 350  # rows
    _least_batches = 1  # of an epoch, where batch_size="auto"
    _tile_rows = None  # rows that are computed at once; None: by what they are

    @staticmethod
    def _auto_batch_size(n):
        """Rows of a batch: about ten steps an epoch, within bounds."""
        return int(np.clip(-(-n // 10), 8, 256))

    def _read(self, X, *, reset, owner=None, ensure_min_steps=1):
        """Read X through the data door, for an estimator around this one if `owner`."""
        owner = self if owner is None else owner
        if not self._takes_sequences:
            return sequences.read_table(owner, X, reset=reset)
        return sequences.read_sequences(
            owner,
            X,
            sample_shape=self.sample_shape,
            reset=reset,
            ensure_min_steps=ensure_min_steps,
        )

    def _read_to_learn(self, X, *, reset):
        """Read X as the network is trained and scored on it."""
        return self._read(X, reset=reset)

    @staticmethod
    def _warp(n):
        """Strength of the time warps that n rows are trained on, beside PCA."""
        return 0.0

    @staticmethod
    def _forecasts_ahead(samples):
        """Say whether the target of the samples is what follows them."""
        return False

    def _objective_options(self, samples):
        """Say what the network is trained for, beside its loss."""
        return {}

    def _architecture(self, n_features, *, n_steps, n_rows, n_components, ordered):
        """Describe the network in plain values, to build it now and when loaded."""
        return {
            "n_features": n_features,
            "n_steps": n_steps,
            "n_components": n_components,
            "ordered": ordered,
            "hidden_layer_sizes": tuple(int(n) for n in self.hidden_layer_sizes),
            "linear_path": self.init == "pca",
            "variational": self.bottleneck == "variational",
        }

    @staticmethod
    def _build_networks(architecture, generator):
        """Make the encoder and the decoder, by name."""
        raise NotImplementedError

    @staticmethod
    def _settle(module, x, basis, codes, residuals):
        """Tell networks beside PCA what they see, and what PCA leaves at each size."""
        spread, residual = codes.std(0, correction=0), residuals[-1]
        module.set_units(
            encoder_unit=residual,
            decoder_unit=residuals,
            code_scale=spread.where(spread > 0, 1),
            residual_scale=residual.masked_fill(residual == 0, 1),
        )

    # Fitting.

    def _fit(self, X, sample_weight=None, target=None):
        start = perf_counter()
        tasks = FitTasks(self, X)
        with kept_if_it_fails(self):
            samples = weighted(self._read_pairs(X, target, reset=True), sample_weight)
            self._check_domain(samples)
            seed = _draw_seed(self.random_state)
            last, ordered = self._warm_start(samples), self._is_ordered()
            splits = []
            if self.early_stopping:
                splits = held_out_splits(
                    len(samples),
                    self.validation_fraction,
                    seed,
                    enough=self._enough_held_out,
                    most=MOST_HELD_OUT_ORDERED if ordered else MOST_HELD_OUT,
                    n_components=int(self.n_components),  # 0: what the rows give
                    in_blocks=self._forecasts_ahead(samples),
                )
            trainer = Trainer(self, samples, seed, splits, start=last, tasks=tasks)
            tasks.begin(trainer.n_trainings)
            if splits:
                trained, selection = trainer.select()
            else:
                trained, selection = trainer.train(), None
            self._keep(trained, samples)
            self._report(selection)
            for name in ORDERED_ONLY:
                vars(self).pop(name, None)
            if ordered:
                self._report_order(selection or trainer.look_back(trained), samples)
            if self.whiten:
                self._whitening = whitening(self._encode(samples), samples.weight)
            self._seconds = perf_counter() - start
            tasks.end()
        return self

    def _check_domain(self, samples):
        self._check_bottleneck()
        for size in self.hidden_layer_sizes:
            if not isinstance(size, Integral) or size < 1:
                raise ValueError(
                    "The 'hidden_layer_sizes' parameter of "
                    f"{type(self).__name__} must hold int values >= 1. Got "
                    f"{self.hidden_layer_sizes!r} instead."
                )
        if self.loss == "binary_cross_entropy":
            arrays = [a for a in (samples.values, samples.target) if a is not None]
            low, high = min(a.min() for a in arrays), max(a.max() for a in arrays)
            if low < 0 or high > 1:
                raise ValueError(
                    "With loss='binary_cross_entropy' all values of X must be in "
                    f"[0, 1]. Got values from {low:g} to {high:g}. Scale X with "
                    "MinMaxScaler(clip=True)."
                )

    def _warm_start(self, samples):
        """The last training, if the next one goes on from it."""
        if not self.warm_start or not hasattr(self, "net_"):
            return None
        last = self._architecture_
        now = self._architecture(
            samples.values.shape[-1],
            n_steps=last["n_steps"],
            n_rows=len(samples),
            n_components=last["n_components"],
            ordered=self._is_ordered(),
        )
        if self._fraction is None:
            now["n_components"] = self.n_components
        if {**now, "rank": None} != {**last, "rank": None}:  # rank: of the rows then
            raise ValueError(
                f"warm_start=True goes on from the last fit of {type(self).__name__}, "
                "but the shape of its network has changed. Set warm_start=False, or "
                "give the parameters their values of then."
            )
        scaling = Scaling(self.mean_, self._center, self._scale)
        return Trained(self.net_, scaling, self._architecture_)

    def _report(self, selection):
        """Keep what the held-out rows said; without any, the last epoch is kept."""
        if selection is None:
            self.n_iter_ = self.best_epoch_ = len(self.loss_curve_)
            self.validation_scores_ = self.best_validation_score_ = None
            self.validation_loss_curve_ = None
            self.held_out_r2_ = None
            return
        self.n_iter_ = len(selection.course) - 1
        self.best_epoch_ = selection.best_epoch()
        self.validation_loss_curve_ = selection.valid_losses.tolist()
        self.validation_scores_ = selection.scores.tolist()
        self.best_validation_score_ = self.validation_scores_[self.best_epoch_]
        self.held_out_r2_ = selection.r2()
        if selection.mean[:, 2].any() and not self._is_penalised():
            warn_if_no_better(type(self).__name__, self.held_out_r2_, self._does)

    def _keep(self, trained, samples):
        """Keep the network, and the way to and from its units."""
        self.loss_curve_ = trained.loss_curve
        self.mean_ = trained.scaling.mean
        self._target_mean = None if samples is None else self._mean_target(samples)
        self._center = trained.scaling.center
        self._scale = trained.scaling.scale
        self._architecture_ = trained.architecture
        self.n_components_ = trained.architecture["n_components"]
        self.net_ = trained.net
        self.module_ = trained.net.module_.eval()
        self._whitening = None

    def _report_order(self, selection, samples):
        """Keep what each component explains, and with a fraction the fewest of them."""
        model, pca = selection.r2_by_size()
        if self._fraction is not None:
            reached = np.flatnonzero(model >= self.n_components)
            if len(reached):
                self.n_components_ = int(reached[0]) + 1
            else:
                warn_if_not_reached(type(self).__name__, self.n_components, model[-1])
        values = samples.values.astype(np.float64)
        left = values - along(self.mean_, values, samples.lengths)
        if samples.weight is not None:
            left *= np.sqrt(samples.weight).reshape(-1, *[1] * (left.ndim - 1))
        if samples.lengths is not None:
            left = left[samples.mask]
        variance = np.square(left).sum() / max(1, len(values) - 1)
        kept = slice(self.n_components_)
        self.explained_variance_ratio_ = np.diff(model, prepend=0)[kept]
        self.explained_variance_ = self.explained_variance_ratio_ * variance
        self.pca_explained_variance_ratio_ = np.diff(pca, prepend=0)[kept]

    def transform(self, X):
        """Encode X.

        Parameters
        ----------
        X : {array-like, sequences}
            Samples, in any container that `fit` takes.

        Returns
        -------
        codes : ndarray of shape (n_samples, ``n_components_``)
            In the float dtype of X.
        """
        check_is_fitted(self)
        return self._encode(self._read(X, reset=False))

    def reconstruct(self, X):
        """Encode X and decode it again.

        Parameters
        ----------
        X : {array-like, sequences}
            Samples, in any container that `fit` takes.

        Returns
        -------
        X_reconstructed : same container and shape as X
            What the code keeps of X.
        """
        check_is_fitted(self)
        samples = self._read(X, reset=False)
        return samples.restore(self._reconstruct(samples))

    @property
    def _n_features_out(self):
        return self.n_components_

    def __sklearn_is_fitted__(self):
        return hasattr(self, "net_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _draw_seed(random_state):
    """Draw one int; from the system where it is None, not from numpy's own state."""
    if random_state is None:
        random_state = np.random.RandomState()
    return int(check_random_state(random_state).randint(2**31 - 1))


def code_sizes(architecture):
    """Outputs of the encoder, and inputs of the decoder.

    The code and, where it is drawn, its log variance; the code and, where it is cut,
    which of it is there.
    """
    width, parts = architecture["n_components"], ("variational", "ordered")
    return tuple(width * (1 + architecture[part]) for part in parts)
