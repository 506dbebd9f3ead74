"""What all autoencoders share: the methods of a scikit-learn transformer."""

from time import perf_counter

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_array, check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklearn_seqae._inputs import InputFormat, check, parse, read
from sklearn_seqae._introspection import kept_if_it_fails
from sklearn_seqae._params import (
    Integral,
    Interval,
    Options,
    Real,
    RealNotInt,
    StrOptions,
)
from sklearn_seqae._sequences import Samples, resample
from sklearn_seqae._version import __version__
from sklearn_seqae.autoencoders._callbacks import (
    CallbackSupportMixin,
    FitTasks,
    callback_context,
)
from sklearn_seqae.autoencoders._summary import FittedHTML, graph_of, text_of
from sklearn_seqae.autoencoders._targets import read_target, weighted
from sklearn_seqae.autoencoders._warnings import (
    check_version,
    warn_if_no_better,
    warn_if_not_reached,
)
from sklearn_seqae.fitting.config import TrainingConfig
from sklearn_seqae.fitting.model import FittedModel
from sklearn_seqae.fitting.scaling import Whitening, along, weighted_mean
from sklearn_seqae.fitting.selection import explained
from sklearn_seqae.fitting.trainer import Trainer, TrainingRun, make_spec
from sklearn_seqae.modules.bottleneck import BOTTLENECKS
from sklearn_seqae.modules.losses import LOSSES
from sklearn_seqae.modules.noise import NOISES

ORDERED_ONLY = (
    "explained_variance_ratio_",
    "explained_variance_",
    "pca_explained_variance_ratio_",
)


def _is_variational(estimator):
    model = getattr(estimator, "model_", None)
    bottleneck = model.config.bottleneck if model else estimator.bottleneck
    if bottleneck == "variational":
        return True
    raise AttributeError(
        f"bottleneck={bottleneck!r} cannot be sampled. Use bottleneck='variational'."
    )


class BaseAutoencoder(
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Fit, transform, reconstruct and score; subclasses name their family."""

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

    _family: type  # of the networks
    _form = "table"  # of the samples: "table", "sequences" or "images"

    def _make_family(self, samples):
        """Make the family from the parameters, for samples that were read."""
        raise NotImplementedError

    # Input

    def _read_to_fit(self, X):
        """Parse X and keep its number of features and their names.

        Returns
        -------
        samples : Samples
            What the network is trained on.

        input_format : InputFormat
            How later samples are read.
        """
        unfitted = InputFormat(self._form, getattr(self, "sample_shape", None))
        samples = parse(X, unfitted, name=type(self).__name__)
        check(self, samples, reset=True)
        return samples, unfitted.fitted_to(samples)

    def _read(self, X, *, min_steps=1):
        """Parse X as `fit` did, and compare it with what `fit` saw."""
        check_is_fitted(self)
        return self._read_by(self.model_.input_format, X, min_steps)

    def _read_by(self, input_format, X, min_steps=1):
        return read(self, X, input_format, min_steps=min_steps)

    def _read_to_score(self, X):
        """Parse X with what the network should return for it."""
        return self._read(X)

    def _read_codes(self, Z):
        check_is_fitted(self)
        Z = check_array(Z, dtype=[np.float64, np.float32])
        fewest = 1 if self.model_.spec.is_ordered else self.n_components_
        if not fewest <= Z.shape[1] <= self.n_components_:
            raise ValueError(
                f"X has {Z.shape[1]} components, but {type(self).__name__} is "
                f"expecting {self.n_components_} components as input."
            )
        return Z

    def _model(self):
        """Return the fitted model, on `device`."""
        return self.model_.to(self.device)

    # Fitting

    def _fit(self, X, sample_weight=None, target=None):
        start, name = perf_counter(), type(self).__name__
        context = callback_context(self)
        with kept_if_it_fails(self):
            samples, input_format = self._read_to_fit(X)
            family = self._make_family(samples)
            if target is not None:
                samples = read_target(
                    name, samples, target, family.objective, input_format
                )
            samples = weighted(samples, sample_weight)
            params = self.get_params(deep=False)
            config = TrainingConfig.from_params(params, name=name, seed=0)
            config.check_domain(samples)
            config = config.with_seed(_draw_seed(self.random_state))
            last = self._model_to_continue(config, family, samples)

            def attributes_of(run, module):
                model = FittedModel(
                    config=config,
                    family=family,
                    spec=run.spec,
                    scaling=run.scaling,
                    input_format=input_format,
                    net=run.net,
                    module=module.eval(),
                    n_components=run.spec.n_components,
                    target_mean=_mean_target(samples, family),
                )
                return _fitted_attributes(model, run)

            tasks = FitTasks(context, self, X, attributes_of)
            trainer = Trainer(config, family, samples, start=last, listener=tasks)
            run, selection = trainer.fit()
            vars(self).update(attributes_of(run, run.net.module_))
            self._report(selection)
            for attribute in ORDERED_ONLY:
                vars(self).pop(attribute, None)
            if config.is_ordered:
                self._report_order(selection or trainer.measure(run), samples)
            if config.whiten:
                codes = self.model_.encode(samples)
                white = Whitening.fit(codes, samples.weight)
                self.model_ = self.model_.with_whitening(white)
            self._seconds = perf_counter() - start
            tasks.end()
        return self

    def _model_to_continue(self, config, family, samples):
        """Return the last model, if `warm_start` continues it."""
        if not self.warm_start or not hasattr(self, "model_"):
            return None
        last = self.model_
        n_components = config.n_components
        if config.fraction is not None:
            n_components = last.spec.n_components
        spec = make_spec(
            config,
            family,
            samples,
            n_steps=last.spec.n_steps,
            n_components=n_components,
        )
        changed = last.differences(spec, family)
        if changed:
            raise ValueError(
                f"warm_start=True continues the last fit of {type(self).__name__}, "
                "but the shape of its network has changed: "
                f"{', '.join(changed)}. Set warm_start=False, or give the parameters "
                "and X the values of the last fit."
            )
        return last

    def _report(self, selection):
        """Keep the result of the selection; without one, the last epoch is kept."""
        if selection is None:
            self.n_iter_ = self.best_epoch_ = len(self.loss_curve_)
            self.validation_scores_ = self.best_validation_score_ = None
            self.validation_loss_curve_ = None
            self.held_out_r2_ = None
            return
        self.n_iter_ = selection.n_epochs
        self.best_epoch_ = selection.best_epoch()
        self.validation_loss_curve_ = selection.valid_losses.tolist()
        self.validation_scores_ = selection.scores.tolist()
        self.best_validation_score_ = self.validation_scores_[self.best_epoch_]
        self.held_out_r2_ = selection.r2()
        if selection.mean.squared_error.any() and not selection.is_penalized:
            does = "forecasts" if self.model_.objective == "predict" else "reconstructs"
            warn_if_no_better(type(self).__name__, self.held_out_r2_, does)

    def _report_order(self, selection, samples):
        """Keep what each component explains, and with a fraction the fewest of them."""
        model, pca = selection.r2_by_size()
        fraction = self.model_.config.fraction
        if fraction is not None:
            reached = np.flatnonzero(model >= fraction)
            if len(reached):
                self.n_components_ = int(reached[0]) + 1
                self.model_ = self.model_.with_components(self.n_components_)
            else:
                warn_if_not_reached(type(self).__name__, fraction, model[-1])
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

    # Public methods

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
        samples = self._read(X)
        return self._model().encode(samples)

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
        samples = self._read(X)
        return samples.restore(self._model().reconstruct(samples))

    def inverse_transform(self, X):
        """Decode codes."""
        raise NotImplementedError

    @available_if(_is_variational)
    def sample(self, n_samples=1, random_state=None):
        """Draw new samples: decoded codes from N(0, I).

        Only with ``bottleneck="variational"``.

        Parameters
        ----------
        n_samples : int, default=1
            Number of samples to draw.

        random_state : int, RandomState instance or None, default=None
            Source of the codes.

        Returns
        -------
        X : ndarray or list of ndarray
            In the units and the form of `inverse_transform`.
        """
        check_is_fitted(self)
        if random_state is None:  # not numpy's own generator
            random_state = np.random.RandomState()
        generator = check_random_state(random_state)
        codes = generator.normal(size=(n_samples, self.n_components_))
        white = self.model_.whitening
        if white is not None:
            codes = (codes - white.mean) @ white.factor
        return self.inverse_transform(codes)

    def score(self, X, y=None, *, target=None):
        """Share of the squared deviations from the training mean that is kept, R².

        For PCA this is, on the training data, the sum of
        `explained_variance_ratio_`; higher is better, 1 is perfect, 0 is what the
        training mean gives.

        Parameters
        ----------
        X : {array-like, sequences}
            Samples, in any container that `fit` takes.

        y : None
            Ignored.

        target : same container and shape as X, default=None
            What X should have been, which is then what is to be given back. The mean
            is that of the target of `fit`.

        Returns
        -------
        r2 : float
            0 where X does not deviate from the training mean at all.
        """
        check_is_fitted(self)
        samples = self._read_to_score(X)
        if target is not None:
            model, name = self.model_, type(self).__name__
            samples = read_target(
                name, samples, target, model.objective, model.input_format
            )
        given, wanted, mean = self._compare(samples)
        error, left = np.square(wanted - given).sum(), np.square(wanted - mean).sum()
        return float(explained(error, left))

    def _compare(self, samples):
        """Return reconstructions, targets, and the mean of the targets."""
        model, wanted = self._model(), samples.values
        mean = model.scaling.mean
        if samples.target is not None:
            wanted = samples.target
            mean = mean if model.target_mean is None else model.target_mean
        wanted = wanted.astype(np.float64)
        given, mean = model.reconstruct(samples), along(mean, wanted, samples.lengths)
        if samples.lengths is None:
            return given, wanted, mean
        return given[samples.mask], wanted[samples.mask], mean[samples.mask]

    def summary(self):
        """Tell what was learned: layers, epochs and held-out R² beside PCA's.

        Returns
        -------
        text : str
            Lines to be printed.
        """
        check_is_fitted(self)
        return text_of(self)

    def architecture(self):
        """Draw the network as a graph, from samples to what is given back of them.

        Needs torchview and graphviz, which the extra "diagram" installs; to render it,
        as a notebook does, also Graphviz itself.

        Returns
        -------
        graph : graphviz.Digraph
            The layers with the shapes of what goes in and out, for one sample.
        """
        check_is_fitted(self)
        return graph_of(self)

    # Attributes, state and tags

    @property
    def net_(self):
        """The skorch net that trained the network."""
        return _fitted_part(self, "net")

    @property
    def module_(self):
        """The network, a torch module."""
        return _fitted_part(self, "module")

    @property
    def _n_features_out(self):
        return self.n_components_

    def _get_fitted_attr_html(self, doc_link=""):
        # What scikit-learn's diagram shows of a fitted estimator, in a Pipeline too.
        return FittedHTML(super()._get_fitted_attr_html(doc_link), self)

    def __getstate__(self):
        # No torch or skorch object: numpy arrays and plain values.
        state = dict(super().__getstate__())
        if "model_" in state:
            state["model_"] = state["model_"].get_state()
            state["_sklearn_seqae_version"] = __version__
        return state

    def __setstate__(self, state):
        state = dict(state)
        check_version(type(self).__name__, state.pop("_sklearn_seqae_version", None))
        super().__setstate__(state)
        if "model_" in state:
            self.model_ = FittedModel.from_state(
                state["model_"], self._family, self.device
            )

    def __sklearn_is_fitted__(self):
        return hasattr(self, "model_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _fitted_part(estimator, name):
    if not hasattr(estimator, "model_"):
        raise AttributeError(
            f"This {type(estimator).__name__} instance is not fitted yet, so it has no "
            f"{name}. Call 'fit' before."
        )
    return getattr(estimator.model_, name)


def _fitted_attributes(model: FittedModel, run: TrainingRun):
    """Attributes of an estimator with this model."""
    return {
        "model_": model,
        "loss_curve_": run.loss_curve,
        "mean_": model.scaling.mean,
        "n_components_": model.n_components,
    }


def _mean_target(samples: Samples, family):
    """Mean of the targets; None where those are the samples."""
    values = samples.target
    if values is None:
        return None
    if samples.lengths is not None and family.objective == "reconstruct":
        n_steps = int(np.median(samples.lengths))
        values = resample(values, samples.lengths, n_steps)
    return weighted_mean(values, samples.weight)


def _draw_seed(random_state):
    """Draw one int; from the system where it is None, not from numpy's own state."""
    if random_state is None:
        random_state = np.random.RandomState()
    return int(check_random_state(random_state).randint(2**31 - 1))
