"""Base class of all autoencoders: parameters and public methods."""

from time import perf_counter
from typing import Any, Literal

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklearn_seqae._inputs import InputFormat, check, parse, parse_codes, read
from sklearn_seqae._introspection import DOC_LINK, FittedHTML, kept_if_it_fails
from sklearn_seqae._libraries import methods_read_all_containers
from sklearn_seqae._params import (
    Integral,
    Interval,
    Options,
    Real,
    RealNotInt,
    StrOptions,
)
from sklearn_seqae._version import __version__
from sklearn_seqae.autoencoders import _summary
from sklearn_seqae.autoencoders._callbacks import (
    CallbackSupportMixin,
    FitTasks,
    callback_context,
)
from sklearn_seqae.autoencoders._checks import (
    attributes_of_model,
    checkpoint_to_continue,
    config_of,
    fit_chunk,
    fitted_part,
    forget,
    is_variational,
    model_to_continue,
    reconstructs,
)
from sklearn_seqae.autoencoders._results import (
    check_version,
    store_order,
    store_selection,
    warn_of_empty,
    warn_of_missing_device,
)
from sklearn_seqae.autoencoders._targets import (
    mean_target,
    r2_of,
    read_target,
    read_validation,
    to_train,
)
from sklearn_seqae.fitting.config import draw_seed
from sklearn_seqae.fitting.model import FittedModel
from sklearn_seqae.fitting.scaling import along
from sklearn_seqae.fitting.trainer import Trainer
from sklearn_seqae.modules.bottleneck import BOTTLENECKS
from sklearn_seqae.modules.losses import LOSSES
from sklearn_seqae.modules.noise import NOISES
from sklearn_seqae.training.devices import device_to_load

Activation = Literal["identity", "logistic", "tanh", "relu", "silu"]
Loss = Literal["squared_error", "absolute_error", "huber", "binary_cross_entropy"]
Bottleneck = Literal["plain", "ordered", "l1", "kl", "contractive", "variational"]
RandomState = int | np.random.RandomState | None


@methods_read_all_containers
class BaseAutoencoder(
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Base class of the autoencoders. Subclasses define the family of networks."""

    _parameter_constraints: dict = {
        "n_components": [
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="neither"),
            None,
        ],
        "hidden_layer_sizes": ["array-like"],
        "decoder_layer_sizes": ["array-like", None],
        "init": [StrOptions({"pca", "random"})],
        "output_activation": [StrOptions({"identity", "sigmoid"})],
        "loss": [StrOptions(set(LOSSES))],
        "bottleneck": [StrOptions(set(BOTTLENECKS))],
        "bottleneck_weight": [Interval(Real, 0, None, closed="left")],
        "noise": [StrOptions(set(NOISES)), None],
        "noise_level": [Interval(Real, 0, None, closed="left")],
        "whiten": ["boolean"],
        "refinement_steps": [
            StrOptions({"auto"}),
            Interval(Integral, 0, None, closed="left"),
        ],
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
        "checkpoint": [str, None],
        "skorch_callbacks": [list, None],
        "verbose": ["verbose"],
    }

    model_: FittedModel
    _family: type  # subclass of Family
    _form = "table"  # how X is read: "table", "sequences" or "images"
    _reads_sparse = False

    def _validate_params(self):
        if self.n_components == "mle":
            raise ValueError(
                f"{type(self).__name__} does not support n_components='mle'. Use a "
                "float in (0, 1), the fraction of the variance to explain."
            )
        super()._validate_params()

    def _make_family(self, samples):
        """Make the family from the parameters and the samples."""
        raise NotImplementedError

    def _read_to_fit(self, X):
        """Parse X and store the number and the names of its features.

        Returns
        -------
        samples : Samples
            Training samples.

        input_format : InputFormat
            Format that later X must have.
        """
        unfitted = InputFormat(self._form, getattr(self, "sample_shape", None))
        name = type(self).__name__
        samples = parse(X, unfitted, name=name, accept_sparse=self._reads_sparse)
        check(self, samples, reset=True)
        warn_of_empty(samples)
        return samples, unfitted.fitted_to(samples)

    def _read(self, X, *, min_steps=1):
        """Parse X as `fit` did, and compare it with what `fit` saw."""
        check_is_fitted(self)
        return self._read_by(self.model_.input_format, X, min_steps)

    def _read_by(self, input_format, X, min_steps=1):
        options = {"min_steps": min_steps, "accept_sparse": self._reads_sparse}
        samples = read(self, X, input_format, **options)
        warn_of_empty(samples)
        return samples

    def _read_to_compare(self, X, input_format, family):
        """Parse X together with the target of a forecast, if there is one."""
        return self._read_by(input_format, X)

    def _read_to_score(self, X):
        """Parse X as `fit` did, together with the target of a forecast."""
        check_is_fitted(self)
        model = self.model_
        return self._read_to_compare(X, model.input_format, model.family)

    def _read_codes(self, Z):
        check_is_fitted(self)
        Z = parse_codes(Z, name=type(self).__name__)
        fewest = 1 if self.model_.spec.is_ordered else self.n_components_
        if not fewest <= Z.shape[1] <= self.n_components_:
            raise ValueError(
                f"X has {Z.shape[1]} components, but {type(self).__name__} is "
                f"expecting {self.n_components_} components as input."
            )
        return Z

    def _model(self):
        """Return the model, on `device`. X was read before, so there is one."""
        return self.model_.to(self.device)

    # Fitting

    def _fit(self, X, sample_weight=None, target=None, validation_data=None):
        start, name = perf_counter(), type(self).__name__
        context = callback_context(self)
        with kept_if_it_fails(self):
            samples, input_format = self._read_to_fit(X)
            family = self._make_family(samples)
            if target is not None:
                samples = read_target(
                    name, samples, target, family.objective, input_format
                )
            validation = read_validation(
                self, validation_data, input_format, family, target is not None
            )
            samples = to_train(name, samples, sample_weight)
            config = config_of(self, samples)
            config.check_domain(samples, validation)
            config = config.with_seed(draw_seed(self.random_state))
            last = model_to_continue(self, config, family, samples)
            data = samples, validation
            checkpoint, config = checkpoint_to_continue(
                self, config, family, data, last
            )

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
                    target_mean=mean_target(samples, family),
                    refinement_steps=trainer.refinement_steps,
                    imputer=run.imputer,
                )
                return attributes_of_model(model, run.loss_curve)

            tasks = FitTasks(context, self, X, attributes_of)
            trainer = Trainer(config, family, *data, last, tasks, checkpoint)
            run, selection = trainer.fit()
            for attribute, value in attributes_of(run, run.net.module_).items():
                setattr(self, attribute, value)
            store_selection(self, selection)
            forget(self)
            if config.is_ordered:
                store_order(self, selection or trainer.measure(run), samples)
            if config.whiten:
                self.model_ = self.model_.whitened(samples)
            self._seconds = perf_counter() - start
            tasks.end()
            if checkpoint is not None:
                checkpoint.close()
        return self

    def _partial_fit(self, X, sample_weight):
        with kept_if_it_fails(self):
            attributes = fit_chunk(self, X, sample_weight)
            forget(self)
            for attribute, value in attributes.items():
                setattr(self, attribute, value)
            store_selection(self, None)
        return self

    # Public methods

    def transform(self, X: Any) -> Any:
        """Encode X into the latent space.

        Parameters
        ----------
        X : {array-like, sequences, images}
            Samples in any container that `fit` accepts.

        Returns
        -------
        Z : ndarray of shape (n_samples, ``n_components_``)
            Latent codes, in the float dtype of X.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        ValueError
            If X is invalid, or if its features are not those of `fit`.
        """
        samples = self._read(X)
        return self._model().encode(samples)

    def reconstruct(self, X: Any) -> Any:
        """Reconstruct X: encode and decode it.

        Parameters
        ----------
        X : {array-like, sequences, images}
            Samples in any container that `fit` accepts.

        Returns
        -------
        X_reconstructed : same container and shape as X
            Reconstruction of X.
        """
        samples = self._read(X)
        return samples.restore(self._model().reconstruct(samples))

    @available_if(reconstructs)
    def impute(self, X: Any) -> Any:
        """Fill the missing values of X with their reconstruction.

        The latent code of the encoder is decoded, without `refinement_steps`: these fit
        the observed values more closely, which makes the estimates worse if a row has
        few observed values. Not available for forecasts.

        Parameters
        ----------
        X : {array-like, sequences, images}
            Samples in any container that `fit` accepts, with NaN as missing values.

        Returns
        -------
        X_imputed : same container and shape as X
            X with the reconstruction in place of missing values. Other values are not
            changed. An array if X is a masked array.
        """
        samples = self._read(X)
        if samples.observed is None:
            return samples.restore(samples.values.copy())
        rebuilt = self._model().reconstruct(samples, refined=False)
        values = np.where(samples.observed, samples.values, rebuilt)
        return samples.restore(values)

    def inverse_transform(self, X: Any) -> Any:
        """Decode latent codes."""
        raise NotImplementedError

    @available_if(is_variational)
    def sample(
        self,
        n_samples: int = 1,
        random_state: RandomState = None,
    ) -> Any:
        """Draw new samples.

        Latent codes are drawn from N(0, I) and decoded. Available with
        ``bottleneck="variational"``.

        Parameters
        ----------
        n_samples : int, default=1
            Number of samples to draw.

        random_state : int, RandomState instance or None, default=None
            Seed of the latent codes.

        Returns
        -------
        X : ndarray or list of ndarray
            Samples, as `inverse_transform` returns them.

        Raises
        ------
        AttributeError
            With another `bottleneck`.
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        if random_state is None:  # leave the global generator of numpy alone
            random_state = np.random.RandomState()
        generator = check_random_state(random_state)
        codes = generator.normal(size=(n_samples, self.n_components_))
        white = self.model_.whitening
        if white is not None:
            codes = (codes - white.mean) @ white.factor
        return self.inverse_transform(codes)

    def score(self, X: Any, y: Any = None, *, target: Any = None) -> float:
        """Return the coefficient of determination R² of the reconstruction.

        R² is 1 minus the ratio of the squared reconstruction error to the squared
        deviation from the training mean. The best score is 1; the training mean has
        score 0. For PCA on its training data, R² is the sum of
        `explained_variance_ratio_`.

        Parameters
        ----------
        X : {array-like, sequences, images}
            Samples in any container that `fit` accepts.

        y : None
            Ignored.

        target : same container and shape as X, default=None
            Clean target that the reconstruction is compared with. The mean is then
            the mean of the target of `fit`.

        Returns
        -------
        r2 : float
            R², or 0 if X equals the training mean.
        """
        check_is_fitted(self)
        samples = self._read_to_score(X)
        if target is not None:
            model, name = self.model_, type(self).__name__
            samples = read_target(
                name, samples, target, model.objective, model.input_format
            )
        return r2_of(self._compare, samples, self.model_.scaling.scale)

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

    def r2_by_feature(self, X: Any) -> Any:
        """Return the explained share of the variance of each feature.

        It is the R² of `score`, for each column of a table, each channel of sequences
        or each pixel of images alone.

        Parameters
        ----------
        X : {array-like, sequences, images}
            Samples in any container that `fit` accepts.

        Returns
        -------
        r2 : pandas.Series
            R² of each feature: 1 if it is reconstructed exactly, 0 if the error equals
            that of the training mean, or if the feature is constant at the training
            mean.
        """
        return _summary.r2_of(self, self._read_to_score(X))

    def loadings(self, X: Any = None) -> Any:
        """Return how much each feature changes per unit of each component.

        Loadings are the Jacobian of `inverse_transform`, averaged over latent codes.
        If the model remains PCA, they are its ``components_.T``. Those of a nonlinear
        model depend on the latent code.

        Parameters
        ----------
        X : {array-like, sequences, images}, default=None
            Samples over which the loadings are averaged. Sequences must have equal
            length. If None, the derivatives at the encoder's latent code of the
            training mean, for sequences of median length.

        Returns
        -------
        loadings : pandas.DataFrame of shape (n_features, `n_components_`)
            Derivatives in the units of X per unit of the latent code. Rows are columns
            of a table, pairs of a step and a channel of sequences, or pixels of images.

        Raises
        ------
        ValueError
            If X is invalid, or if its sequences have several lengths.

        Examples
        --------
        >>> from sklearn.datasets import load_wine
        >>> from sklearn_seqae import DenseAutoencoderTransformer
        >>> X = load_wine(as_frame=True).data
        >>> model = DenseAutoencoderTransformer(2, max_iter=2, random_state=0).fit(X)
        >>> model.loadings(X).abs().iloc[:, 0].idxmax()
        'proline'
        """
        check_is_fitted(self)
        return _summary.loadings_of(self, None if X is None else self._read(X))

    def summary(self) -> str:
        """Summarize the fitted model: layers, epochs, and validation R² beside PCA's.

        Returns
        -------
        text : str
            Text to print.
        """
        check_is_fitted(self)
        return _summary.text_of(self)

    def encoder_module(self) -> Any:
        """Return the encoder as a torch module, from the units of X to latent codes.

        Its output is that of `transform` with ``refinement_steps=0``. It can be
        fine-tuned, moved to another device, and exported with `torch.export`. It is a
        copy and does not change the estimator. `module_`, in contrast, expects scaled
        samples and returns scaled latent codes.

        Returns
        -------
        encoder : torch.nn.Module
            Module in evaluation mode. Its inputs are a tensor of samples without
            missing values, and optionally the number of time steps of each sequence of
            a padded batch. Its output has the dtype of the samples.

        Examples
        --------
        >>> import numpy as np
        >>> import torch
        >>> from sklearn.datasets import load_wine
        >>> from sklearn_seqae import DenseAutoencoderTransformer
        >>> X = load_wine().data
        >>> model = DenseAutoencoderTransformer(2, max_iter=2, refinement_steps=0)
        >>> codes = model.fit_transform(X)
        >>> encoder = model.encoder_module()
        >>> with torch.no_grad():
        ...     np.allclose(encoder(torch.tensor(X)), codes, rtol=1e-3)
        True
        """
        check_is_fitted(self)
        return self.model_.sample_encoder().eval()

    def architecture(self) -> Any:
        """Draw the network as a graph.

        This requires torchview and graphviz (``pip install 'sklearn-seqae[diagram]'``).
        To render the graph, as a notebook does, install Graphviz as well:
        ``architecture().render(outfile="file.png")`` saves a picture.

        Returns
        -------
        graph : graphviz.Digraph
            Layers with the shapes of their inputs and outputs, for one sample.

        Raises
        ------
        ImportError
            If torchview or graphviz is not installed.
        """
        check_is_fitted(self)
        return _summary.graph_of(self)

    # Attributes, state and tags

    _doc_link_module = "sklearn_seqae"
    _doc_link_template = DOC_LINK

    @property
    def net_(self) -> Any:
        """The skorch net that trained the networks."""
        return fitted_part(self, "net")

    @property
    def module_(self) -> Any:
        """The torch module."""
        return fitted_part(self, "module")

    @property
    def _n_features_out(self):
        return self.n_components_

    def _get_fitted_attr_html(self, doc_link=""):
        # scikit-learn's diagram calls this, also for a step of a Pipeline.
        return FittedHTML(
            super()._get_fitted_attr_html(doc_link), lambda: _summary.html_of(self)
        )

    def __getstate__(self) -> dict[str, Any]:
        # Arrays and plain values load on any device and in other versions of torch.
        state = dict(super().__getstate__())
        state.pop("_seconds", None)  # identical fits have identical files
        if "model_" in state:
            state["model_"] = state["model_"].get_state()
            state["_sklearn_seqae_version"] = __version__
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        check_version(type(self).__name__, state.pop("_sklearn_seqae_version", None))
        state["device"] = device_to_load(state["device"])
        super().__setstate__(state)
        if "model_" in state:
            model = FittedModel.from_state(state["model_"], self._family, self.device)
            if model.missing_device:
                warn_of_missing_device(type(self).__name__, self.device)
            self.model_ = model

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = self._reads_sparse
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
