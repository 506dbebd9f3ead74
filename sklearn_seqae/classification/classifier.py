"""Classifier that fine-tunes the encoder of an autoencoder."""

import copy
from dataclasses import replace
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted

from sklearn_seqae._inputs import (
    InputFormat,
    check,
    check_weights,
    form_of,
    parse,
    read,
)
from sklearn_seqae._introspection import (
    DOC_LINK,
    FittedHTML,
    details_html,
    kept_if_it_fails,
    table_html,
)
from sklearn_seqae._libraries import methods_read_all_containers
from sklearn_seqae._params import (
    HasMethods,
    Integral,
    Interval,
    Real,
    StrOptions,
    fit_context,
)
from sklearn_seqae.autoencoders import (
    ConvolutionalAutoencoderTransformer,
    DenseAutoencoderTransformer,
    RecurrentAutoencoderTransformer,
)
from sklearn_seqae.autoencoders.base import BaseAutoencoder
from sklearn_seqae.classification._fine_tuning import (
    FineTuning,
    FineTuningConfig,
    has_gained,
    with_encoder_codes,
)
from sklearn_seqae.classification._labels import label_weights, read_labels
from sklearn_seqae.large.sparse import refuse_sparse
from sklearn_seqae.training.checkpoints import fits_inside, parameters_of

WIDEST = 32  # maximum latent size of the default autoencoder
FAMILIES: dict[str, Any] = {
    "table": DenseAutoencoderTransformer,
    "sequences": RecurrentAutoencoderTransformer,
    "images": ConvolutionalAutoencoderTransformer,
}


@methods_read_all_containers
class AutoencoderClassifier(ClassifierMixin, BaseEstimator):
    """Classifier that fine-tunes the encoder of an autoencoder.

    The autoencoder is fitted on all rows, with and without a label. Its encoder and a
    linear head, which is initialized as a logistic regression on the latent codes, are
    then trained together on the labeled rows. If the validation rows show no gain, the
    result is the logistic regression on the latent codes.

    Use it if only a few of many rows have a label. X is a table, or it contains
    sequences of equal or variable length, or images.

    Parameters
    ----------
    estimator : autoencoder, default=None
        Autoencoder whose encoder is used: an autoencoder, which is first fitted on all
        rows of X, or a :class:`~sklearn.frozen.FrozenEstimator` around a fitted one,
        whose weights are copied. If None,
        :class:`~sklearn_seqae.DenseAutoencoderTransformer` for tables,
        :class:`~sklearn_seqae.RecurrentAutoencoderTransformer` for sequences and
        :class:`~sklearn_seqae.ConvolutionalAutoencoderTransformer` for images, a 4-D
        array, with as many components as a sample has values, at most 32.

    freeze_encoder : bool, default=False
        If True, do not fine-tune the encoder: the classifier is a logistic regression
        on the latent codes. Use it if there are very few labels.

    alpha : float, default=0.01
        Decoupled weight decay (Loshchilov and Hutter, 2019): weights shrink by
        ``learning_rate * alpha`` in each step. Other estimators of scikit-learn add a
        penalty to the loss instead.

    batch_size : "auto" or int, default="auto"
        Number of labeled samples in a batch. "auto" is a tenth of the labeled
        samples, from 8 to 64. An epoch has at least ten batches.

    learning_rate_init : float, default=0.01
        Maximum learning rate of the optimizer AdamW. The rate rises and falls in one
        cycle (Smith and Topin, 2019). The linear path of the encoder has a tenth of it.

    max_iter : int, default=30
        Number of epochs of the fine-tuning.

    early_stopping : bool, default=True
        If True, measure on a validation split of the labeled rows, in three folds,
        whether fine-tuning helps. If it does not, keep the initial weights. If False,
        fine-tune for `max_iter` epochs without validation.

    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the loss and in its validation. A dict maps class
        labels to positive weights; other classes have weight 1. "balanced":
        ``n_labeled / (n_classes * n_labeled_of_class)``, so that all classes have the
        same total weight. Use it if rare classes are important. None: all weights are
        1. The fit of the autoencoder does not use class weights.

    random_state : int, RandomState instance or None, default=None
        Seed of all random numbers, also set for `estimator`. If None, the
        `random_state` of `estimator` is not changed.

    checkpoint : str or None, default=None
        Path of a folder for checkpoints. If a fit is interrupted, the same fit
        continues from the last epoch of the autoencoder or of the fine-tuning, with the
        same result. It replaces the `checkpoint` of `estimator`. None: no checkpoints.
        Use it for fits that take minutes or longer.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, without the number -1 that marks unlabeled rows.

    estimator_ : autoencoder
        Fitted autoencoder with the fine-tuned encoder. The decoder is not fine-tuned.

    coef_ : ndarray of shape (n_classes, n_components)
        Weights of the linear head, for the latent codes that the method `transform` of
        `estimator_` returns. `predict_proba` is the softmax of
        ``estimator_.transform(X) @ coef_.T + intercept_``.

    intercept_ : ndarray of shape (n_classes,)
        Intercepts of the linear head.

    n_iter_ : int
        Number of epochs of the fine-tuning, or with `freeze_encoder` the number of
        iterations of the logistic regression.

    best_epoch_ : int
        Epoch that is kept: `max_iter`, or 0 for the initial weights.

    loss_curve_ : list of float
        Cross-entropy of each epoch of the last training, weighted as in `fit`.

    validation_loss_curve_ : list of float or None
        Validation cross-entropy of each epoch, epoch 0 first, weighted as in `fit`.
        None without a validation split.

    n_features_in_ : int
        Number of columns of a table, or number of channels of sequences.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if all names of X are strings.

    See Also
    --------
    sklearn.semi_supervised.SelfTrainingClassifier : Predict missing labels.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seqae import AutoencoderClassifier, RecurrentAutoencoderTransformer
    >>> from sklearn_seqae.datasets import make_ragged_sequences
    >>> X, y = make_ragged_sequences(60, random_state=0)
    >>> some = np.where(np.arange(60) % 5 == 0, y, -1)  # -1 marks unlabeled rows
    >>> autoencoder = RecurrentAutoencoderTransformer(8, max_iter=5)
    >>> classifier = AutoencoderClassifier(autoencoder, max_iter=5, random_state=0)
    >>> classifier = classifier.fit(X, some)
    >>> classifier.predict_proba(X).shape
    (60, 3)
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "transform"]), None],
        "freeze_encoder": ["boolean"],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "random_state": ["random_state"],
        "checkpoint": [str, None],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        freeze_encoder: bool = False,
        alpha: float = 0.01,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate_init: float = 1e-2,
        max_iter: int = 30,
        early_stopping: bool = True,
        class_weight: dict | Literal["balanced"] | None = None,
        random_state: int | np.random.RandomState | None = None,
        checkpoint: str | None = None,
    ) -> None:
        self.estimator = estimator
        self.freeze_encoder = freeze_encoder
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.class_weight = class_weight
        self.random_state = random_state
        self.checkpoint = checkpoint

    # The fit of `estimator` validates its parameters.
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the autoencoder to all rows, then the classifier to the labeled ones.

        Parameters
        ----------
        X : {array-like, sequences, images}
            Training samples, in any container that the autoencoder accepts.

        y : array-like of shape (n_samples,)
            Labels: numbers or text. The number -1 marks a row without a label, so -1
            cannot be a class. For text labels, use an array of dtype object with the
            number -1 in it. In an array of text, numpy would turn -1 into the text
            "-1". Missing values such as NaN and None are refused.

        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights, at least 0. They weight the loss, its validation and the fit
            of the autoencoder, unless it is frozen. They are scaled to a mean of 1, so
            only their ratios matter. Zero-weight samples are dropped. None: all weights
            are 1.

        Returns
        -------
        self : object
            Fitted classifier.

        Raises
        ------
        ValueError
            If y has missing labels, fewer than two classes, or labels that
            scikit-learn refuses, or if `sample_weight` is invalid.
        """
        with kept_if_it_fails(self):
            refuse_sparse(X, type(self).__name__)
            y = read_labels(self, y)
            check_consistent_length(X, y)
            weight = None
            if sample_weight is not None:
                weight = check_weights(sample_weight, y)
                used = np.flatnonzero(weight)
                y, weight = y[used], weight[used]
            labelled = np.flatnonzero(y != -1)
            self.classes_, targets = np.unique(y[labelled], return_inverse=True)
            if len(self.classes_) < 2:
                raise ValueError(
                    "The number of classes has to be greater than one; got "
                    f"{len(self.classes_)} class(es) in y. The label -1 marks a row "
                    "without a label, and rows of weight 0 are dropped."
                )
            weights = None if weight is None else weight[labelled]
            weights = label_weights(self.class_weight, self.classes_, targets, weights)
            inputs = [parameters_of(self), X, y, sample_weight]
            with fits_inside(self.checkpoint, inputs):
                samples = self._fit_autoencoder(X, sample_weight)
                if weight is not None:
                    samples = replace(samples.take(used), weight=weight)
                self._fit_classifier(samples, labelled, targets, weights)
        return self

    def _fit_autoencoder(self, X, sample_weight):
        """Fit `estimator_` and parse X in its format."""
        name = type(self).__name__
        if self.estimator is None:
            form = form_of(X)
            samples = parse(X, InputFormat(form), name=name)
            width = int(np.prod(samples.values.shape[1:]))
            family = FAMILIES[form]
            autoencoder = self._with_seed(family(min(WIDEST, width)))
            check(self, samples, reset=True)
            autoencoder.fit(X, sample_weight=sample_weight)
            self.estimator_ = with_encoder_codes(autoencoder)
            return samples
        if isinstance(self.estimator, FrozenEstimator):
            fitted = self.estimator.estimator
            _refuse_other(fitted)
            check_is_fitted(fitted)
            autoencoder = copy.deepcopy(fitted)
        else:
            _refuse_other(self.estimator)
            autoencoder = self._with_seed(clone(self.estimator))
            autoencoder.fit(X, sample_weight=sample_weight)
        input_format = autoencoder.model_.input_format
        samples = parse(X, input_format, name=name)
        check(autoencoder, samples, reset=False)
        check(self, samples, reset=True)
        self.estimator_ = with_encoder_codes(autoencoder)
        return samples.last(input_format.max_steps)

    def _with_seed(self, autoencoder):
        if self.random_state is not None:
            autoencoder.set_params(random_state=self.random_state)
        return autoencoder

    def _fit_classifier(self, samples, labelled, targets, weights):
        random_state = self.random_state
        if random_state is None:  # from the system, not from numpy's own state
            random_state = np.random.RandomState()
        config = FineTuningConfig(
            alpha=self.alpha,
            batch_size=self.batch_size,
            learning_rate_init=self.learning_rate_init,
            max_iter=self.max_iter,
            seed=int(check_random_state(random_state).randint(2**31 - 1)),
        )
        tuning = FineTuning(
            config, self.estimator_.model_, samples, labelled, targets, weights
        )
        tuning.open_checkpoint(is_seeded=self.random_state is not None)
        rows = np.arange(len(targets))
        self.best_epoch_, self.validation_loss_curve_ = 0, None
        if self.freeze_encoder:
            *head, self.n_iter_ = tuning.head(rows)
            self.loss_curve_ = []
        else:
            self.n_iter_ = self.best_epoch_ = self.max_iter
            if self.early_stopping:
                history = tuning.history()
                has_folds = history.total.size > 0
                if has_folds:
                    losses = history.total.mean(axis=1)
                    self.validation_loss_curve_ = losses.tolist()
                if not has_folds or not has_gained(history):
                    self.best_epoch_ = 0
            head, self.loss_curve_, _ = tuning.train(rows, n_epochs=self.best_epoch_)
        self.coef_, self.intercept_ = tuning.for_codes_of_transform(*head)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class.

        Parameters
        ----------
        X : {array-like, sequences, images}
            Samples, as in `fit`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        check_is_fitted(self)
        model = self.estimator_.model_
        samples = read(self, X, model.input_format)
        codes = model.encode(samples)
        # Not a matrix product: its last bits depend on the number of rows.
        logits = np.tile(self.intercept_, (len(codes), 1))
        for component, weights in zip(codes.T, self.coef_.T, strict=True):
            logits += np.multiply.outer(component, weights)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        # A cumulative sum: the last bits do not depend on the number of rows.
        return odds / np.cumsum(odds, axis=1)[:, -1:]

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each sample.

        Parameters
        ----------
        X : {array-like, sequences, images}
            Samples, as in `fit`.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Values of `classes_`.
        """
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

    _doc_link_module = "sklearn_seqae"
    _doc_link_template = DOC_LINK

    def _get_fitted_attr_html(self, doc_link=""):
        # scikit-learn's diagram calls this, also for a step of a Pipeline.
        attributes = super()._get_fitted_attr_html(doc_link)
        return FittedHTML(attributes, lambda: _html_of(self))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags


def _refuse_other(estimator):
    """Raise a ValueError unless the estimator is an autoencoder of this package."""
    if not isinstance(estimator, BaseAutoencoder):
        raise ValueError(
            "The 'estimator' parameter of AutoencoderClassifier must be an autoencoder "
            "of this package, a FrozenEstimator around a fitted one, or None. Got "
            f"{estimator!r} instead. Put scalers before the classifier, in a Pipeline."
        )


def _html_of(classifier):
    """Return the summary of a fitted classifier as HTML."""
    is_tuned = classifier.best_epoch_ > 0
    result = "fine-tuned encoder" if is_tuned else "logistic regression on latent codes"
    facts = [
        ("estimator", type(classifier.estimator_).__name__),
        ("classes", f"{len(classifier.classes_)}"),
        ("latent code", f"{classifier.coef_.shape[1]} components"),
        ("result", result),
    ]
    losses = classifier.validation_loss_curve_
    if losses:
        facts.append(("validation loss before fine-tuning", f"{losses[0]:.4f}"))
        facts.append(("validation loss after fine-tuning", f"{losses[-1]:.4f}"))
    return details_html("Classifier summary", table_html(facts))
