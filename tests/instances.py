"""The one table of small test instances, and the one of expected failures."""

from itertools import combinations, product

from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import (
    AutoencoderAnomalyDetector,
    DenseAutoencoderTransformer,
    RecurrentAutoencoderTransformer,
    SequenceScaler,
)

# scikit-learn's checks feed 1 to 20 features, so that 5 components are often too many.
DENSE_OPTIONS = {
    "n_components": (2, 1, 5),
    "hidden_layer_sizes": ((8,), (), (8, 4)),
    "activation": ("silu", "relu", "tanh"),
    "init": ("pca", "random"),
    "loss": ("squared_error", "absolute_error", "huber"),
    "whiten": (False, True),
    "early_stopping": (True, False),
}
RECURRENT_OPTIONS = {
    "n_components": (2, 1, 5),
    "hidden_layer_sizes": ((4,), (4, 3)),
    "cell": ("lstm", "gru", "rnn"),
    "bidirectional": (False, True),
    "init": ("pca", "random"),
    "loss": ("squared_error", "absolute_error", "huber"),
    "whiten": (False, True),
    "early_stopping": (True, False),
}


def _pairs(row):
    return set(combinations(row.items(), 2))


def pairwise(options):
    """Return few combinations of the options in which each pair of values stands."""
    rows = [dict(zip(options, row, strict=True)) for row in product(*options.values())]
    missing = set().union(*map(_pairs, rows))
    chosen = []
    while missing:
        chosen.append(max(rows, key=lambda row: len(_pairs(row) & missing)))
        missing -= _pairs(chosen[-1])
    return chosen


def dense(n_components=2, **options):
    """Return a dense autoencoder that is fitted in an instant."""
    options = {"hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0} | options
    return DenseAutoencoderTransformer(n_components, **options)


def recurrent(n_components=2, **options):
    """Return a recurrent autoencoder that is fitted in an instant."""
    options = {"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0} | options
    return RecurrentAutoencoderTransformer(n_components, **options)


def detector(estimator, **options):
    return AutoencoderAnomalyDetector(estimator, random_state=0, **options)


# Every estimator, in every option that leaves the domain of X free.
INSTANCES = [
    *[dense(**options) for options in pairwise(DENSE_OPTIONS)],
    *[recurrent(**options) for options in pairwise(RECURRENT_OPTIONS)],
    SequenceScaler(),
    detector(dense(1)),
    detector(recurrent(1)),
    detector(PCA(1)),
    detector(make_pipeline(StandardScaler(), dense(1)), contamination=0.3),
]

# Those of them that take sequences, for our own checks on 3-D and ragged data.
TAKES_SEQUENCES = [
    *[recurrent(**options) for options in pairwise(RECURRENT_OPTIONS)],
    recurrent(loss="binary_cross_entropy"),
    recurrent(loss="binary_cross_entropy", init="random"),
    SequenceScaler(),
    detector(recurrent()),
    detector(make_pipeline(SequenceScaler(), recurrent())),
]

# Options that restrict X, as (instance, reason, names of the checks that must fail
# because their data are outside of the domain).
RESTRICTED = []


def name(estimator):
    """Return an estimator's id for pytest, on one line."""
    return " ".join(str(estimator).split())


def expected_failures(estimator):
    """Return the checks of scikit-learn that must fail, each with its reason."""
    for instance, reason, checks in RESTRICTED:
        if instance is estimator:
            return dict.fromkeys(checks, reason)
    return {}
