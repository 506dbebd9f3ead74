"""A classifier whose encoder starts from an autoencoder."""

import copy

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_seqae._inputs import InputFormat, check, parse, read
from sklearn_seqae._introspection import kept_if_it_fails
from sklearn_seqae._params import (
    HasMethods,
    Integral,
    Interval,
    Real,
    StrOptions,
    fit_context,
)
from sklearn_seqae._sequences import holds_sequences
from sklearn_seqae.autoencoders import (
    DenseAutoencoderTransformer,
    RecurrentAutoencoderTransformer,
)
from sklearn_seqae.autoencoders.base import BaseAutoencoder
from sklearn_seqae.classification._fine_tuning import (
    FineTuning,
    FineTuningConfig,
    has_gained,
)
from sklearn_seqae.training.inference import in_tiles

WIDEST = 32  # components of the default autoencoder


class AutoencoderClassifier(ClassifierMixin, BaseEstimator):
    """Classify with the encoder of an autoencoder, fine-tuned with a linear head.

    The autoencoder learns from all rows, with and without a label. Its encoder and a
    linear head, which starts as a logistic regression on the codes, are then trained
    together on the rows that have a label. Where held-out rows do not show a gain,
    the logistic regression on the autoencoder's codes is the result.

    It is made for few labels among many rows. X is a table or holds sequences, of equal
    or of unequal length.

    Parameters
    ----------
    estimator : autoencoder, default=None
        Where the encoder's weights come from: an autoencoder, which is fitted to all
        rows of X first, or a :class:`~sklearn.frozen.FrozenEstimator` around a fitted
        one, whose weights are copied. None chooses
        :class:`~sklearn_seqae.DenseAutoencoderTransformer` for tables and
        :class:`~sklearn_seqae.RecurrentAutoencoderTransformer` for sequences, with a
        code of as many components as a sample has values, and 32 at most.

    freeze_encoder : bool, default=False
        Whether the encoder's weights stay as they are. Then the classifier is a
        logistic regression on the codes.

    alpha : float, default=0.01
        Decoupled weight decay, as of the autoencoders.

    batch_size : "auto" or int, default="auto"
        Labelled rows of a batch. "auto": a tenth of them, from 8 to 64, and at
        least ten batches an epoch.

    learning_rate_init : float, default=0.01
        Highest learning rate of the fine-tuning, which rises and falls in one cycle; a
        tenth of it for the encoder's linear path.

    max_iter : int, default=30
        Epochs of the fine-tuning.

    early_stopping : bool, default=True
        Whether labelled rows are held out, in three folds, to see whether the
        fine-tuning helps. Where it does not, the start is kept. False: it is not asked.

    random_state : int, RandomState instance or None, default=None
        Source of every random number, also set for `estimator`. None leaves the
        estimator's own.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, without the -1 that marks rows without one.

    estimator_ : autoencoder
        The fitted autoencoder with the fine-tuned encoder. Its decoder knows the codes
        from before the fine-tuning.

    coef_ : ndarray of shape (n_classes, n_components)
        Weights of the head.

    intercept_ : ndarray of shape (n_classes,)
        Intercepts of the head.

    n_iter_ : int
        Epochs of the fine-tuning; with `freeze_encoder` the iterations of the
        logistic regression.

    best_epoch_ : int
        The epoch that was kept: `max_iter`, or 0, the start.

    loss_curve_ : list of float
        Cross-entropy of each epoch of the last training.

    validation_loss_curve_ : list of float or None
        Held-out cross-entropy of each epoch, epoch 0 first; None where no rows were
        held out.

    n_features_in_ : int
        Number of columns of a table, or number of channels of sequences.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where X has names that are all strings.

    See Also
    --------
    sklearn.semi_supervised.SelfTrainingClassifier : Labels rows by itself.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seqae import AutoencoderClassifier
    >>> from sklearn_seqae.datasets import make_ragged_sequences
    >>> X, y = make_ragged_sequences(60, random_state=0)
    >>> some = np.where(np.arange(60) % 5 == 0, y, -1)  # the others have no label
    >>> classifier = AutoencoderClassifier(max_iter=5, random_state=0).fit(X, some)
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
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator=None,
        *,
        freeze_encoder=False,
        alpha=0.01,
        batch_size="auto",
        learning_rate_init=1e-2,
        max_iter=30,
        early_stopping=True,
        random_state=None,
    ):
        self.estimator = estimator
        self.freeze_encoder = freeze_encoder
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.random_state = random_state

    # The parts of `estimator` are checked by its own fit.
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y):
        """Fit the autoencoder to all rows, then the classifier to the labelled ones.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or sequences
            The training samples, in any container that the autoencoder takes.

        y : array-like of shape (n_samples,)
            Their labels. -1 marks a row without a label; an array of strings has none
            such, so mix strings with -1 in one of objects.

        Returns
        -------
        self : object
            Fitted classifier.
        """
        with kept_if_it_fails(self):
            y = validate_data(self, y=y)
            labelled = np.flatnonzero(y != -1)
            check_classification_targets(y[labelled])
            self.classes_, targets = np.unique(y[labelled], return_inverse=True)
            if len(self.classes_) < 2:
                raise ValueError(
                    "The number of classes has to be greater than one; got "
                    f"{len(self.classes_)} class(es) in y. The label -1 marks a row "
                    "without a label."
                )
            samples = self._fit_autoencoder(X, y)
            self._fit_classifier(samples, labelled, targets)
        return self

    def _fit_autoencoder(self, X, y):
        """Make `estimator_`, and read X as it does."""
        name = type(self).__name__
        if self.estimator is None:
            form = "sequences" if holds_sequences(X) else "table"
            samples = parse(X, InputFormat(form), name=name)
            check_consistent_length(samples.values, y)
            width = int(np.prod(samples.values.shape[1:]))
            family = DenseAutoencoderTransformer
            if form == "sequences":
                family = RecurrentAutoencoderTransformer
            autoencoder = self._with_seed(family(min(WIDEST, width)))
            check(self, samples, reset=True)
            self.estimator_ = autoencoder.fit(X)
            return samples
        check_consistent_length(X, y)
        if isinstance(self.estimator, FrozenEstimator):
            fitted = self.estimator.estimator
            _refuse_other(fitted)
            check_is_fitted(fitted)
            autoencoder = copy.deepcopy(fitted)
        else:
            _refuse_other(self.estimator)
            autoencoder = self._with_seed(clone(self.estimator)).fit(X)
        input_format = autoencoder.model_.input_format
        samples = parse(X, input_format, name=name)
        check(autoencoder, samples, reset=False)
        check(self, samples, reset=True)
        self.estimator_ = autoencoder
        return samples.last(input_format.max_steps)

    def _with_seed(self, autoencoder):
        if self.random_state is not None:
            autoencoder.set_params(random_state=self.random_state)
        return autoencoder

    def _fit_classifier(self, samples, labelled, targets):
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
        model = self.estimator_.model_
        tuning = FineTuning(config, model, samples, labelled, targets)
        rows = np.arange(len(targets))
        self.best_epoch_, self.validation_loss_curve_ = 0, None
        if self.freeze_encoder:
            *head, self.n_iter_ = tuning.head(rows)
            self.loss_curve_ = []
        else:
            self.n_iter_ = self.best_epoch_ = self.max_iter
            if self.early_stopping:
                course = tuning.course()
                has_folds = course.total.size > 0
                if has_folds:
                    losses = course.total.mean(axis=1)
                    self.validation_loss_curve_ = losses.tolist()
                if not has_folds or not has_gained(course):
                    self.best_epoch_ = 0
            head, self.loss_curve_, _ = tuning.train(rows, n_epochs=self.best_epoch_)
        self.coef_ = head[0] / tuning.unit
        self.intercept_ = head[1] - self.coef_ @ tuning.center

    def predict_proba(self, X):
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or sequences
            The samples, as in fit.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        check_is_fitted(self)
        model = self.estimator_.model_
        samples = read(self, X, model.input_format)
        codes = model.encode(samples).astype(np.float32)
        coef = torch.tensor(self.coef_, dtype=torch.float32)
        intercept = torch.tensor(self.intercept_, dtype=torch.float32)
        logits = in_tiles(lambda tile, *_: tile @ coef.T + intercept, codes)
        logits = logits.astype(np.float64)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        # One by one: the sum of a row does not depend on how many rows there are.
        return odds / np.cumsum(odds, axis=1)[:, -1:]

    def predict(self, X):
        """Return the most probable class of each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or sequences
            The samples, as in fit.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Values of `classes_`.
        """
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _refuse_other(estimator):
    """Say that only an autoencoder of this package has an encoder to tune."""
    if not isinstance(estimator, BaseAutoencoder):
        raise ValueError(
            "The 'estimator' parameter of AutoencoderClassifier must be an autoencoder "
            "of this package, a FrozenEstimator around a fitted one, or None. Got "
            f"{estimator!r} instead. Put scalers before the classifier, in a Pipeline."
        )
