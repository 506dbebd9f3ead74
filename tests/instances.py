"""The one table of small test instances, and the one of expected failures."""

import re
from functools import cache

import numpy as np
from sklearn.decomposition import PCA
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.random_projection import GaussianRandomProjection
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from sklearn_seqae import (
    AutoencoderAnomalyDetector,
    AutoencoderClassifier,
    ConvolutionalAutoencoderTransformer,
    DenseAutoencoderTransformer,
    RecurrentAutoencoderTransformer,
    SequenceScaler,
)
from tests.sklearn_checks import (
    BEYOND_0_AND_1,
    OUT_OF_DOMAIN,
    WHATEVER_ITS_WIDTH,
    WITH_ODD_WIDTHS,
)

# Few combinations in which each pair of values stands: test_common.py counts them.
# scikit-learn's checks feed 1 to 20 features, so that 5 components are often too many.
# fmt: off
DENSE_OPTIONS = (
    "n_components", "hidden_layer_sizes", "activation", "loss", "init", "whiten",
    "early_stopping", "bottleneck", "bottleneck_weight", "noise", "noise_level",
)
DENSE_TABLE = [
    (5, (8, 4), "silu", "squared_error", "random", True, False, "l1", 0.1, "gaussian",
     0.3),
    (1, (8,), "relu", "absolute_error", "pca", False, True, "l1", 1.0, None, 0.5),
    (2, (), "tanh", "huber", "random", False, True, "variational", 0.1, "masking", 0.3),
    (5, (8,), "tanh", "huber", "pca", True, False, "contractive", 1.0, "masking", 0.5),
    (2, (8, 4), "silu", "squared_error", "pca", False, True, "ordered", 1.0,
     "gaussian", 0.5),
    (2, (), "relu", "absolute_error", "pca", True, False, "kl", 0.1, None, 0.3),
    (1, (), "silu", "squared_error", "random", False, False, "plain", 1.0, None, 0.5),
    (1, (8,), "tanh", "absolute_error", "random", True, False, "ordered", 0.1,
     "gaussian", 0.3),
    (5, (8, 4), "relu", "absolute_error", "pca", True, True, "plain", 0.1, "masking",
     0.3),
    (1, (8, 4), "silu", "huber", "random", False, True, "kl", 1.0, "masking", 0.5),
    (5, (), "relu", "huber", "random", False, True, "contractive", 0.1, "gaussian",
     0.5),
    (5, (8,), "silu", "absolute_error", "pca", True, False, "variational", 1.0, None,
     0.5),
    (2, (8, 4), "tanh", "squared_error", "pca", True, False, "contractive", 1.0, None,
     0.3),
    (5, (8,), "tanh", "squared_error", "pca", True, True, "kl", 1.0, "gaussian", 0.3),
    (5, (), "relu", "huber", "random", False, True, "ordered", 1.0, None, 0.5),
    (1, (8, 4), "relu", "squared_error", "random", True, False, "variational", 0.1,
     "gaussian", 0.5),
    (2, (8,), "tanh", "huber", "pca", False, True, "plain", 0.1, "gaussian", 0.3),
    (2, (), "tanh", "huber", "random", False, False, "l1", 0.1, "masking", 0.3),
    (1, (), "silu", "absolute_error", "random", True, True, "contractive", 0.1,
     "gaussian", 0.5),
    (1, (), "tanh", "squared_error", "pca", True, False, "ordered", 0.1, "masking",
     0.5),
]
RECURRENT_OPTIONS = (
    "n_components", "cell", "loss", "hidden_layer_sizes", "bidirectional", "init",
    "whiten", "early_stopping", "bottleneck", "bottleneck_weight", "noise",
    "noise_level", "objective", "horizon", "decoder", "scheduled_sampling",
    "reverse_target",
)
ALONE, AFTER = "unconditional", "conditional"
RECURRENT_TABLE = [
    (2, "rnn", "huber", (4, 3), False, "pca", True, True, "plain", 0.1, None, 0.3,
     "reconstruct", None, AFTER, 0.0, False),
    (1, "lstm", "absolute_error", (4,), True, "random", False, False, "plain", 1.0,
     "masking", 0.5, "predict", 1, ALONE, 0.5, True),
    (5, "gru", "squared_error", (4,), True, "pca", False, False, "l1", 0.1,
     "gaussian", 0.3, "composite", None, AFTER, 0.0, True),
    (5, "rnn", "squared_error", (4, 3), False, "random", True, True, "ordered", 1.0,
     "gaussian", 0.5, "composite", 1, ALONE, 0.5, False),
    (1, "gru", "absolute_error", (4, 3), False, "pca", True, True, "variational", 1.0,
     "masking", 0.3, "predict", None, ALONE, 0.0, False),
    (2, "gru", "huber", (4,), True, "random", False, True, "kl", 0.1, None, 0.5,
     "reconstruct", 1, ALONE, 0.5, True),
    (2, "lstm", "huber", (4, 3), True, "pca", True, False, "contractive", 1.0,
     "gaussian", 0.5, "predict", 1, AFTER, 0.0, False),
    (1, "rnn", "absolute_error", (4,), False, "random", False, False, "contractive",
     0.1, "masking", 0.3, "reconstruct", None, AFTER, 0.5, True),
    (2, "lstm", "squared_error", (4, 3), True, "random", False, False, "variational",
     0.1, None, 0.3, "composite", 1, AFTER, 0.0, True),
    (2, "lstm", "absolute_error", (4,), False, "pca", True, True, "l1", 1.0, None,
     0.5, "reconstruct", None, ALONE, 0.5, False),
    (5, "lstm", "huber", (4,), True, "pca", False, False, "ordered", 0.1, "masking",
     0.3, "predict", None, AFTER, 0.0, False),
    (1, "rnn", "squared_error", (4, 3), True, "pca", True, False, "kl", 1.0,
     "masking", 0.3, "predict", None, AFTER, 0.0, False),
    (1, "rnn", "huber", (4, 3), False, "random", True, True, "l1", 0.1, "masking",
     0.5, "composite", 1, AFTER, 0.5, True),
    (5, "rnn", "huber", (4,), True, "pca", True, True, "variational", 1.0, "gaussian",
     0.5, "reconstruct", None, ALONE, 0.5, False),
    (5, "lstm", "absolute_error", (4,), False, "random", True, True, "kl", 1.0,
     "gaussian", 0.5, "composite", 1, AFTER, 0.5, False),
    (5, "gru", "squared_error", (4, 3), True, "random", True, True, "contractive",
     1.0, None, 0.5, "reconstruct", None, ALONE, 0.0, False),
    (2, "gru", "absolute_error", (4,), False, "pca", False, False, "ordered", 1.0,
     None, 0.3, "reconstruct", 1, AFTER, 0.0, True),
    (1, "gru", "squared_error", (4,), False, "pca", False, True, "plain", 0.1,
     "gaussian", 0.3, "composite", None, AFTER, 0.0, True),
    (1, "rnn", "absolute_error", (4, 3), False, "pca", False, True, "l1", 0.1, None,
     0.3, "predict", None, ALONE, 0.5, False),
    (2, "rnn", "squared_error", (4,), False, "random", False, False, "contractive",
     0.1, "masking", 0.3, "composite", 1, ALONE, 0.0, True),
    (1, "lstm", "squared_error", (4,), True, "random", True, False, "ordered", 1.0,
     None, 0.5, "composite", 1, ALONE, 0.0, False),
    (5, "gru", "huber", (4, 3), False, "random", False, False, "plain", 1.0,
     "masking", 0.5, "reconstruct", None, ALONE, 0.0, True),
]
CONVOLUTIONAL_OPTIONS = (
    "n_components", "hidden_layer_sizes", "loss", "init", "whiten", "early_stopping",
    "bottleneck", "bottleneck_weight", "noise", "noise_level",
)
CONVOLUTIONAL_TABLE = [
    (5, (4,), "absolute_error", "pca", True, True, "plain", 1.0, "masking", 0.3),
    (2, (4, 3), "absolute_error", "random", False, False, "l1", 0.1, None, 0.5),
    (1, (4,), "squared_error", "random", True, True, "variational", 0.1, "gaussian",
     0.5),
    (1, (4, 3), "huber", "pca", False, False, "contractive", 1.0, "gaussian", 0.3),
    (5, (4, 3), "squared_error", "random", False, False, "ordered", 1.0, "masking",
     0.5),
    (2, (4,), "huber", "pca", True, True, "ordered", 0.1, None, 0.3),
    (2, (4,), "squared_error", "pca", False, False, "kl", 1.0, None, 0.5),
    (5, (4, 3), "huber", "random", True, True, "kl", 0.1, "masking", 0.3),
    (5, (4,), "squared_error", "pca", True, False, "l1", 1.0, "gaussian", 0.3),
    (2, (4, 3), "huber", "random", False, False, "plain", 0.1, "gaussian", 0.5),
    (2, (4,), "squared_error", "random", False, True, "contractive", 0.1, "masking",
     0.5),
    (5, (4, 3), "huber", "pca", False, False, "variational", 1.0, None, 0.3),
    (1, (4,), "absolute_error", "random", True, True, "kl", 0.1, "gaussian", 0.5),
    (1, (4, 3), "huber", "random", False, True, "l1", 1.0, "masking", 0.5),
    (5, (4,), "absolute_error", "random", True, False, "contractive", 0.1, None, 0.3),
    (1, (4, 3), "squared_error", "pca", True, True, "plain", 0.1, None, 0.3),
    (2, (4,), "absolute_error", "random", False, True, "variational", 1.0, "masking",
     0.3),
    (1, (4, 3), "absolute_error", "pca", False, True, "ordered", 1.0, "gaussian", 0.3),
]
# fmt: on


# Public methods that take X, besides `fit`, `inverse_transform` and `score`.
METHODS = (
    "transform",
    "reconstruct",
    "predict",
    "predict_proba",
    "score_samples",
    "decision_function",
    "p_values",
    "reconstruction_errors",
    "feature_scores",
    "step_scores",
    "explain",
    "detect_intervals",
)

# Sample weights of 178 rows that are refused, and the messages.
BAD_WEIGHTS = [
    (np.ones(3), "sample_weight.shape == .*, expected"),
    (np.ones((178, 2)), "Sample weights must be 1D"),
    (np.zeros(178), "must contain at least one non-zero"),
    (np.full(178, np.nan), "sample_weight contains NaN"),
    (np.linspace(-1, 1, 178), "Negative values in data passed to `sample_weight`"),
]

QUICK = {"validation_fraction": 0.5, "random_state": 0}  # two folds


def dense(n_components=2, **options):
    """Return a dense autoencoder that is fitted in an instant."""
    return DenseAutoencoderTransformer(
        n_components, **{"hidden_layer_sizes": (8,), "max_iter": 3, **QUICK, **options}
    )


def recurrent(n_components=2, **options):
    """Return a recurrent autoencoder that is fitted in an instant."""
    tiny = {"hidden_layer_sizes": (4,), "max_iter": 2, "batch_size": 32, **QUICK}
    return RecurrentAutoencoderTransformer(n_components, **{**tiny, **options})


def convolutional(n_components=2, **options):
    """Return a convolutional autoencoder that is fitted in an instant."""
    return ConvolutionalAutoencoderTransformer(
        n_components, **{"hidden_layer_sizes": (4,), "max_iter": 2, **QUICK, **options}
    )


def detector(estimator, **options):
    return AutoencoderAnomalyDetector(estimator, random_state=0, **options)


def classifier(estimator, **options):
    """Return a classifier that is fitted in an instant."""
    return AutoencoderClassifier(
        estimator, **{"max_iter": 2, "batch_size": 50, "random_state": 0, **options}
    )


CLASSIFIERS = [
    classifier(dense(early_stopping=False)),
    classifier(
        recurrent(early_stopping=False, bottleneck="ordered", whiten=True),
        early_stopping=False,
    ),
]


def instances_of(family, options, table):
    """Return an instance for each row of a table of options."""
    return [family(**dict(zip(options, row, strict=True))) for row in table]


DENSE = instances_of(dense, DENSE_OPTIONS, DENSE_TABLE)
RECURRENT = instances_of(recurrent, RECURRENT_OPTIONS, RECURRENT_TABLE)
CONVOLUTIONAL = instances_of(convolutional, CONVOLUTIONAL_OPTIONS, CONVOLUTIONAL_TABLE)

# The rows of each table that `make test` runs: two that differ in as many options as
# two rows can. `make test-all` runs the whole tables.
QUICK_ROWS = {"dense": (0, 1), "recurrent": (0, 1), "convolutional": (11, 12)}
TABLES = {"dense": DENSE, "recurrent": RECURRENT, "convolutional": CONVOLUTIONAL}
SLOW_INSTANCES = [
    instance
    for family, instances in TABLES.items()
    for row, instance in enumerate(instances)
    if row not in QUICK_ROWS[family]
]

# Options of the networks that are in no table.
OTHER_NETWORKS = [
    dense(decoder_layer_sizes=(4, 6)),
    recurrent(decoder_layer_sizes=(3, 5)),
    convolutional(decoder_layer_sizes=(3, 4, 3), kernel_size=5),
]
SLOW_INSTANCES += OTHER_NETWORKS

SLOW_DETECTORS = [
    detector(recurrent(1), contamination=0.1),
    detector(convolutional(1), contamination=0.1),
]
SLOW_INSTANCES += SLOW_DETECTORS
PLAIN_DETECTOR = detector(PCA(1))
SLOW_INSTANCES.append(PLAIN_DETECTOR)

# Every estimator, in every option that leaves the domain of X free.
INSTANCES = [
    *DENSE,
    *RECURRENT,
    *CONVOLUTIONAL,
    *OTHER_NETWORKS,
    SequenceScaler(),
    detector(dense(1), contamination=0.1, score_method="nearest"),
    *SLOW_DETECTORS,
    PLAIN_DETECTOR,
    detector(PCA(1), score_method="reconstruction", false_alarm_rate=0.1),
    detector(PCA(1), scaler="standard", contamination=0.1),
    detector(make_pipeline(StandardScaler(), dense(1)), contamination=0.3),
    *CLASSIFIERS,
]

SLOW_SEQUENCES = [
    recurrent(loss="binary_cross_entropy"),
    detector(recurrent(), contamination=0.1, scaler="robust"),
]

# Those of them that take sequences, for our own checks on 3-D and ragged data.
TAKES_SEQUENCES = [
    *[RECURRENT[row] for row in (0, 2, 8, 14, 18, 21)],
    *SLOW_SEQUENCES,
    SequenceScaler(),
    detector(recurrent(), contamination=0.1),
    detector(
        make_pipeline(SequenceScaler(), recurrent(early_stopping=False)),
        score_method="mahalanobis",
        contamination=0.1,
    ),
    classifier(recurrent(early_stopping=False)),
]

# Options that restrict the domain of X: the reason, and the checks that must fail.
RESTRICTED = [
    *[
        (
            family(sample_shape=(-1, 2)),
            "the check's rows do not have an even number of columns",
            OUT_OF_DOMAIN + WITH_ODD_WIDTHS,
        )
        for family in (recurrent, convolutional)
    ],
    (
        detector(PCA(1), window_size=4),
        "rows are time steps in their order, and a few of them are no window",
        [
            "check_methods_sample_order_invariance",
            "check_methods_subset_invariance",
            "check_fit1d",
            "check_fit2d_predict1d",
        ],
    ),
    (
        convolutional(sample_shape=(2, 3)),
        "the check's rows do not have six columns",
        OUT_OF_DOMAIN + WITH_ODD_WIDTHS + BEYOND_0_AND_1 + WHATEVER_ITS_WIDTH,
    ),
    *[
        (
            family(loss="binary_cross_entropy"),
            "the check's values do not lie between 0 and 1",
            OUT_OF_DOMAIN + BEYOND_0_AND_1,
        )
        for family in (dense, recurrent, convolutional)
    ],
]

# These gain nothing on the few rows of check_sample_weight_equivalence and keep their
# initial weights, which do not depend on the batches.
KEEP_THEIR_START = [
    *[DENSE[row] for row in (1, 2, 9, 10, 14)],
    *[RECURRENT[row] for row in (5, 18)],
    *[CONVOLUTIONAL[row] for row in (13, 16)],
    *OTHER_NETWORKS,
    *[
        instance
        for instance, _, _ in RESTRICTED
        if getattr(instance, "loss", None) != "binary_cross_entropy"
    ],
]

# The same options behind a step that brings any X into the domain: these pass.
ADMISSIBLE = [
    *[
        make_pipeline(
            FeatureUnion([("once", StandardScaler()), ("twice", StandardScaler())]),
            family(sample_shape=(-1, 2)),
        )
        for family in (recurrent, convolutional)
    ],
    make_pipeline(
        MinMaxScaler(),
        GaussianRandomProjection(6, random_state=0),
        convolutional(sample_shape=(2, 3)),
    ),
    *[
        make_pipeline(MinMaxScaler(clip=True), family(loss="binary_cross_entropy"))
        for family in (dense, recurrent, convolutional)
    ],
    make_pipeline(
        MinMaxScaler(clip=True), dense(init="random", output_activation="sigmoid")
    ),
]
# One of each kind runs in `make test`: the windows of a series, and probabilities in a
# dense network, behind the step that makes them.
QUICK_RESTRICTED = [RESTRICTED[2][0]]
SLOW_INSTANCES += ADMISSIBLE[:-1]
SLOW_INSTANCES += [each for each, _, _ in RESTRICTED if each not in QUICK_RESTRICTED]
# Other quick instances and test_classification_weights.py have the options of these.
SLOW_INSTANCES += SLOW_SEQUENCES + CLASSIFIERS[1:]
# scikit-learn's own Pipelines fail these, too.
OF_PIPELINES = ["check_estimators_overwrite_params", "check_dont_overwrite_parameters"]


def fewest_steps(estimator):
    """Return the length that each sequence must have: a forecast takes some off."""
    forecasts = getattr(estimator, "objective", "reconstruct") != "reconstruct"
    return 2 if forecasts else 1


@cache  # the tables have thousands of tests
def name(estimator):
    """Return an estimator's id for pytest: one line without addresses in memory."""
    return re.sub(r" at 0x\w+", "", " ".join(str(estimator).split()))


def expected_failures(estimator):
    """Return the checks of scikit-learn that must fail, each with its reason."""
    if any(estimator is instance for instance in CLASSIFIERS):
        return {
            "check_classifiers_classes": "the check's label -1 marks no label",
            "check_sample_weight_equivalence_on_dense_data": (
                "weights have mean 1, and rows that are there twice come in other "
                "batches than one of weight 2"
            ),
        }
    if any(estimator is instance for instance in ADMISSIBLE):
        reason = "a Pipeline fits its steps in place, and it has not all of their tags"
        reads_nan = not isinstance(estimator[1], GaussianRandomProjection)
        checks = OF_PIPELINES + ["check_estimators_nan_inf"] * reads_nan
        return dict.fromkeys(checks, reason)
    failures, keeps_its_start = {}, any(estimator is each for each in KEEP_THEIR_START)
    if has_fit_parameter(estimator, "sample_weight") and not keeps_its_start:
        reason = "rows that are there twice come in other batches than one of weight 2"
        reads_sparse = get_tags(estimator).input_tags.sparse
        for kind in ["dense"] + ["sparse"] * reads_sparse:  # rounding errors, too
            failures[f"check_sample_weight_equivalence_on_{kind}_data"] = reason
    for instance, reason, checks in RESTRICTED:
        if instance is estimator:
            failures.update(dict.fromkeys(checks, reason))
    return failures
