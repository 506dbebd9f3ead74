"""Entries of `speed.py`: the work, what it is compared with, and the target."""

from speed_runs import (
    BCE,
    CPU,
    CPU_ALL,
    ERROR,
    WALL,
    Entry,
    Line,
    Size,
    default_fits,
    paired,
    start_bits,
    start_busy,
    start_fashion,
    start_growth,
    start_large,
    start_monthly,
    start_search,
)

DENSE = "dense epoch, 50,000 x 17"
LSTM = "LSTM epoch, 28-100-30-100, batch 32"
VOWELS = "variable-length epoch, JapaneseVowels"
PLAID = "variable-length epoch, PLAID"
TEN_EPOCHS = "ten epochs of the tutorial, Keras TensorFlow"
BESIDE_BUSY = "default fits beside 4 busy processes"
SHARE = "the same, divided by the share of the cores"
LARGE = "default fit, 300,000 x 30"
GROWTH = "fit of 10 epochs, 10,000 to 1,000,000 rows"

BY_HAND, BY_KERAS_TF, BY_KERAS_JAX = (
    "hand-written loop",
    "Keras TensorFlow",
    "Keras JAX",
)
PACKED, BY_SEQUITUR = "hand-written PackedSequence loop", "sequitur, one by one"
BARE = "bare forward pass, best batch size"
ENCODER = "refinement_steps=0"
OLD = "commit {against}"

LOOP = {"theirs": {"way": "by hand"}}
FORWARD = {"theirs": {"way": "bare"}}
TENSORFLOW, JAX = ({"KERAS_BACKEND": name} for name in ("tensorflow", "jax"))

DENSE_SIZES = {"n_rows": Size(50_000, 10_000), "n_epochs": Size(10, 3)}
LSTM_SIZES = {"n_rows": Size(3_200, 640), "n_epochs": 2, "batch_size": 32}
LARGE_BATCHES = {"n_rows": Size(12_800, 2_560), "n_epochs": 2, "batch_size": 256}
VOWEL_SIZES = {
    "sequences": lambda bench: bench.sequences("JapaneseVowels"),
    "n_epochs": Size(10, 3),
}
PLAID_SIZES = {
    "sequences": lambda bench: bench.sequences("PLAID"),
    "n_epochs": Size(2, 1),
}


EPOCHS = (
    Entry(
        "dense_loop",
        (Line(DENSE, BY_HAND, CPU, 0.65),),
        paired("dense", **LOOP, **DENSE_SIZES),
    ),
    Entry(
        "dense_skorch",
        (Line(DENSE, "skorch with defaults", CPU, 0.16),),
        paired("dense", theirs={"way": "skorch"}, **DENSE_SIZES),
    ),
    Entry(
        "dense_mlp",
        (Line(DENSE, "MLPRegressor", CPU, 0.6),),
        paired("dense", theirs={"way": "MLPRegressor"}, **DENSE_SIZES),
    ),
    Entry(
        "dense_tensorflow",
        (Line(DENSE, BY_KERAS_TF, WALL, 0.2),),
        paired("dense", "dense_keras", peers=TENSORFLOW, **DENSE_SIZES),
        ("peers",),
    ),
    Entry(
        "dense_jax",
        (Line(DENSE, BY_KERAS_JAX, WALL, 1.0),),
        paired("dense", "dense_keras", peers=JAX, **DENSE_SIZES),
        ("peers",),
    ),
    Entry(
        "dense_pyod",
        (Line(DENSE, "PyOD AutoEncoder", CPU, 0.16),),
        paired("dense", "dense_pyod", peers={}, **DENSE_SIZES),
        ("peers",),
    ),
    Entry(
        "lstm_loop",
        (Line(LSTM, BY_HAND, WALL, 1.0),),
        paired("lstm", **LOOP, **LSTM_SIZES),
    ),
    Entry(
        "lstm_tensorflow",
        (Line(LSTM, BY_KERAS_TF, WALL, 0.5),),
        paired("lstm", "lstm_keras", peers=TENSORFLOW, **LSTM_SIZES),
        ("peers",),
    ),
    Entry(
        "lstm_jax",
        (Line(LSTM, BY_KERAS_JAX, WALL, 0.9),),
        paired("lstm", "lstm_keras", peers=JAX, **LSTM_SIZES),
        ("peers",),
    ),
    Entry(
        "lstm_loop_256",
        (Line(LSTM.replace("32", "256"), BY_HAND, WALL, 0.75),),
        paired("lstm", **LOOP, **LARGE_BATCHES),
    ),
    Entry(
        "vowels_loop",
        (Line(VOWELS, PACKED, CPU, 0.4),),
        paired("ragged", **LOOP, **VOWEL_SIZES),
    ),
    Entry(
        "vowels_sequitur",
        (Line(VOWELS, BY_SEQUITUR, CPU, 0.05),),
        paired("ragged", "ragged_sequitur", peers={}, **VOWEL_SIZES),
        ("peers",),
    ),
    Entry(
        "plaid_loop",
        (Line(PLAID, PACKED, CPU, 0.4),),
        paired("ragged", **LOOP, **PLAID_SIZES),
    ),
    Entry(
        "plaid_sequitur",
        (Line(PLAID, BY_SEQUITUR, CPU, 0.05),),
        paired("ragged", "ragged_sequitur", peers={}, **PLAID_SIZES),
        ("peers",),
    ),
)


DEFAULT_FITS = [
    Entry(
        name,
        (
            Line(f"default fit, median of {sets}", OLD, clock, target),
            Line(f"default fit, geometric mean of {sets}", OLD, ERROR, 1.0),
        ),
        default_fits(family),
        ("against",),
        warm=False,
        is_long=family == "recurrent",
    )
    for name, family, sets, clock, target in (
        ("fits_tables", "dense", "tables", CPU, 0.33),
        ("fits_sequences", "recurrent", "sequences", CPU, 0.5),
        ("fits_tables_wall", "dense", "tables", WALL, 0.4),
        ("fits_sequences_wall", "recurrent", "sequences", WALL, 0.4),
    )
]

FITS = (
    Entry(
        "fashion_mnist",
        (Line(f"Fashion-MNIST to validation BCE {BCE}", TEN_EPOCHS, WALL, 0.2),),
        start_fashion,
        ("folder", "peers"),
        warm=False,
        is_long=True,
    ),
    *DEFAULT_FITS,
    Entry(
        "fit_61x12",
        (Line("default fit of 61 sequences of 12 steps", OLD, CPU, 0.33),),
        start_monthly,
        ("against",),
        warm=False,
    ),
    Entry(
        "busy",
        (
            Line(BESIDE_BUSY, "alone", CPU_ALL, 1.3),
            Line(SHARE, "alone", WALL, 2.0),
        ),
        start_busy,
    ),
    Entry(
        "detector",
        (
            Line(
                "detector fit with calibration, 10,000 x 30",
                "one fit without",
                CPU,
                4.0,
            ),
        ),
        paired("detector", theirs={"calibrated": False}, n_rows=Size(10_000, 1_000)),
    ),
    Entry(
        "grid_search",
        (Line("GridSearchCV of 12 dense fits, n_jobs=2", "n_jobs=1", WALL, 0.7),),
        start_search,
        warm=False,
    ),
    Entry(
        "large_fit",
        (
            Line(LARGE, "60 seconds", CPU, 60, "seconds"),
            Line(LARGE, "PCA", ERROR, 1.0),
        ),
        start_large,
        warm=False,
    ),
    Entry(
        "growth",
        (Line(GROWTH, "number of rows", CPU, 1.05, "exponent"),),
        start_growth,
        warm=False,
    ),
    Entry(
        "same_bits",
        (
            Line(
                "fits with one seed",
                "other n_jobs, threads and load",
                "bitwise comparison",
                0,
                "differences",
            ),
        ),
        start_bits,
        warm=False,
    ),
)

TRANSFORMS = (
    Entry(
        "transform_dense",
        (Line("transform, 1,000,000 x 17 dense", BARE, WALL, 1.2),),
        paired("transform_dense", **FORWARD, n_rows=Size(1_000_000, 100_000)),
    ),
    Entry(
        "transform_lstm",
        (Line("transform, 50,000 LSTM rows", BARE, WALL, 1.2),),
        paired("transform_lstm", **FORWARD, n_rows=Size(50_000, 2_000)),
    ),
    Entry(
        "transform_one_row",
        (Line("transform of one row, dense", "PCA.transform", CPU, 8.0),),
        paired("one_row", theirs={"way": "PCA"}, n_calls=Size(1_000, 200)),
    ),
    Entry(
        "refined_dense",
        (Line("transform with 2 refinement steps, 10,000 x 64", ENCODER, CPU, 18.0),),
        paired("refined_dense", theirs={"way": "plain"}, n_rows=Size(10_000, 1_000)),
    ),
    Entry(
        "refined_one_row",
        (Line("transform with 2 refinement steps, one row", ENCODER, CPU, 10.0),),
        paired(
            "one_row", theirs={"way": "plain"}, way="refined", n_calls=Size(300, 50)
        ),
    ),
    Entry(
        "refined_lstm",
        (
            Line(
                "transform with 2 refinement steps, 10,000 sequences of 100 steps",
                *(ENCODER, CPU, 10.0),
            ),
        ),
        paired("refined_lstm", theirs={"way": "plain"}, n_rows=Size(10_000, 500)),
    ),
)


ENTRIES = (*EPOCHS, *FITS, *TRANSFORMS)
