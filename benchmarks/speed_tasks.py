"""Tasks of `speed.py` with the package, and with the peers of its own environment."""

import functools
import hashlib
import warnings

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from speed_loops import HandWrittenLSTM, PackedLSTM, hand_written_dense, train_by_hand
from speed_worker import measured, per_epoch, serve

from sklearn_seqae import (
    AutoencoderAnomalyDetector,
    DenseAutoencoderTransformer,
    RecurrentAutoencoderTransformer,
)
from sklearn_seqae.datasets import make_ragged_sequences

PLAIN = {"init": "random", "early_stopping": False, "random_state": 0}
LEARNING_RATE = 0.01
CLIP = 1.0  # largest norm of the gradient of a recurrent network
BATCHES = (64, 256, 1024, 4096, 16384)  # of the bare forward pass


def warm_up():
    """Load the libraries that the first fits load."""
    X = np.random.default_rng(0).standard_normal((40, 6))
    DenseAutoencoderTransformer(2, max_iter=2).fit(X).transform(X)
    RecurrentAutoencoderTransformer(2, max_iter=2).fit(X[:, :, None])
    return {}


def read(path):
    """Read an array (.npy) or a list of sequences (.npz)."""
    file = np.load(path)
    if isinstance(file, np.ndarray):
        return file
    with file:
        return [file[name] for name in file.files]


@functools.cache
def normal(*shape):
    """Return normally distributed rows, the same in each process."""
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


# --------------------------------------------------------------------------------------
# Epochs


def dense(way="ours", *, n_rows, n_epochs):
    """Train the dense network 17-64-3-64-17 with batches of 256."""
    X = normal(n_rows, 17)
    if way == "by hand":
        x, module = torch.from_numpy(X), hand_written_dense(17, 3)
        return by_hand(module, x, batch_size=256, n_epochs=n_epochs)
    if way == "skorch":
        return measured(lambda: fit_skorch(X, n_epochs), per=n_epochs)
    if way == "MLPRegressor":
        model = MLPRegressor(
            hidden_layer_sizes=(64, 3, 64),
            batch_size=256,
            n_iter_no_change=10**6,
            random_state=0,
        )
        return fit_epochs(model, n_epochs, X, X)
    model = DenseAutoencoderTransformer(
        3, hidden_layer_sizes=(64,), batch_size=256, **PLAIN
    )
    return fit_epochs(model, n_epochs, X)


def fit_skorch(X, epochs):
    """Train with skorch and its defaults."""
    from skorch import NeuralNetRegressor

    NeuralNetRegressor(
        hand_written_dense(17, 3),
        optimizer=torch.optim.AdamW,
        batch_size=256,
        train_split=None,
        max_epochs=epochs,
        verbose=0,
    ).fit(X, X)


def lstm(way="ours", *, n_rows, batch_size, n_epochs):
    """Train LSTM 28-100-30, latent code of 30, LSTM 30-100, on 28 steps."""
    X, options = normal(n_rows, 28, 28), {"batch_size": batch_size}
    if way == "by hand":
        x, module = torch.from_numpy(X), HandWrittenLSTM(28, 30)
        return by_hand(module, x, n_epochs=n_epochs, clip=CLIP, **options)
    model = recurrent(30, hidden_layer_sizes=(100, 30), **options)
    return fit_epochs(model, n_epochs, X)


def ragged(way="ours", *, sequences, n_epochs):
    """Train LSTM 64, latent code of 8, LSTM 64, on sequences of several lengths."""
    X, options = read(sequences), {"batch_size": 32}
    if way == "by hand":
        module = PackedLSTM(X[0].shape[1], 8)
        x = [torch.from_numpy(sequence) for sequence in X]
        return by_hand(module, x, n_epochs=n_epochs, clip=CLIP, **options)
    return fit_epochs(recurrent(8, hidden_layer_sizes=(64,), **options), n_epochs, X)


def recurrent(n_components, **options):
    """Return a recurrent autoencoder with the plain network of one direction."""
    return RecurrentAutoencoderTransformer(
        n_components, bidirectional=False, **PLAIN, **options
    )


def by_hand(module, x, *, n_epochs, **options):
    """Return the seconds per epoch of the hand-written loop."""
    options |= {"n_epochs": n_epochs, "lr": LEARNING_RATE}
    return measured(lambda: train_by_hand(module, x, **options), per=n_epochs)


def fit_epochs(model, n_epochs, *data):
    """Return the seconds per epoch of an estimator, without warnings of short fits."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = lambda epochs: model.set_params(max_iter=epochs).fit(*data)  # noqa: E731
        return per_epoch(fit, n_epochs)


# --------------------------------------------------------------------------------------
# Fits


def default_fit(family, *, train, test, n_components):
    """Fit an estimator with its defaults; return seconds and held-out error."""
    X, X_test = read(train), read(test)
    model = FAMILIES[family](n_components, random_state=0)
    seconds = fit_quietly(model, X)
    pairs = zip(X_test, model.reconstruct(X_test), strict=True)
    return {**seconds, "error": float(sum(np.square(a - b).sum() for a, b in pairs))}


FAMILIES = {
    "dense": DenseAutoencoderTransformer,
    "recurrent": RecurrentAutoencoderTransformer,
}


def fit_quietly(model, X):
    """Fit a model and return the seconds, without warnings of the comparison to PCA."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return measured(lambda: model.fit(X))


def default_fits(*, max_iter):
    """Fit digits and 100 sequences of several lengths; all else has its default."""
    fits = [
        (DenseAutoencoderTransformer(8, random_state=0), load_digits().data),
        (
            RecurrentAutoencoderTransformer(2, random_state=0),
            make_ragged_sequences(100, random_state=0)[0],
        ),
    ]
    if max_iter is not None:
        fits = [(model.set_params(max_iter=max_iter), X) for model, X in fits]
    seconds = [fit_quietly(model, X) for model, X in fits]
    return {clock: sum(each[clock] for each in seconds) for clock in seconds[0]}


def monthly_values():
    """Fit 61 sequences of 12 monthly values with the defaults."""
    rng = np.random.default_rng(0)
    season = np.cos(2 * np.pi * (np.arange(12) - rng.uniform(0, 2, (61, 1))) / 12)
    level, amplitude = rng.normal(10, 3, (61, 1)), rng.gamma(4, 1, (61, 1))
    X = level + amplitude * season + rng.normal(0, 0.5, (61, 12))
    return fit_quietly(RecurrentAutoencoderTransformer(random_state=0), X[..., None])


def detector(*, n_rows, calibrated=True):
    """Fit the default detector, with or without the models of the calibration."""
    contamination = "auto" if calibrated else 0.01
    options = {"score_method": "nearest", "random_state": 0}
    model = AutoencoderAnomalyDetector(contamination=contamination, **options)
    return fit_quietly(model, curved_table(n_rows, 30))


def curved_table(n_rows, n_columns):
    """Return rows near a curved surface of five dimensions."""
    rng = np.random.default_rng(0)
    source = rng.standard_normal((n_rows, 5), dtype=np.float32)
    hidden = np.tanh(source @ rng.standard_normal((5, 40), dtype=np.float32))
    X = hidden @ rng.standard_normal((40, n_columns), dtype=np.float32)
    return X + 0.5 * rng.standard_normal(X.shape, dtype=np.float32)


def large_fit(*, n_rows, max_iter=None):
    """Fit a large table; return seconds and the residual variance over PCA's."""
    X = curved_table(n_rows + n_rows // 10, 30)
    X, X_test = X[:n_rows], X[n_rows:]
    model = DenseAutoencoderTransformer(5, random_state=0)
    if max_iter is not None:
        model.set_params(max_iter=max_iter)
    seconds = fit_quietly(model, X)
    pca = PCA(5).fit(X)
    by_pca = pca.inverse_transform(pca.transform(X_test))
    r2, r2_of_pca = (
        r2_score(X_test, output, multioutput="variance_weighted")
        for output in (model.reconstruct(X_test), by_pca)
    )
    return {**seconds, "error_over_pca": (1 - r2) / (1 - r2_of_pca)}


def fashion(*, train, valid, max_iter):
    """Fit sequences of 28 rows; return seconds and the binary cross-entropy."""
    X, X_valid = np.load(train), np.load(valid)
    options = {"early_stopping": False, "random_state": 0}
    model = RecurrentAutoencoderTransformer(30, max_iter=max_iter, **options)
    seconds = fit_quietly(model, X)
    output = np.clip(model.reconstruct(X_valid).astype(np.float64), 1e-7, 1 - 1e-7)
    loss = -np.mean(X_valid * np.log(output) + (1 - X_valid) * np.log(1 - output))
    return {**seconds, "loss": float(loss)}


def search(*, max_iter, n_rows, n_jobs):
    """Search over 12 dense fits, in new worker processes if `n_jobs` is not 1."""
    from joblib.externals.loky import get_reusable_executor

    options = {"early_stopping": False, "random_state": 0, "max_iter": max_iter}
    model = DenseAutoencoderTransformer(3, **options)
    grid = {"alpha": [0.001, 0.01, 0.1, 1.0]}
    result = GridSearchCV(model, grid, cv=3, refit=False, n_jobs=n_jobs)
    seconds = measured(lambda: result.fit(curved_table(n_rows, 30)))
    get_reusable_executor().shutdown(wait=True)
    return {**seconds, "digest": digest([result.cv_results_["mean_test_score"]])}


def seconds_per_epoch(*, n_rows):
    """Return the seconds per epoch of the fits of `search`."""
    X = curved_table(n_rows, 30)
    model = DenseAutoencoderTransformer(3, early_stopping=False, random_state=0)
    return fit_epochs(model, 3, X)


# --------------------------------------------------------------------------------------
# Latent codes


def transform_dense(way="ours", *, n_rows):
    """Encode rows with the dense network 17-64-3."""
    if way == "bare":
        return best_forward("dense", n_rows, 17)
    return measured(lambda: fitted_dense().transform(normal(n_rows, 17)))


def transform_lstm(way="ours", *, n_rows):
    """Encode sequences of 28 steps with LSTM 28-100-30."""
    if way == "bare":
        return best_forward("lstm", n_rows, 28, 28)
    return measured(lambda: fitted_lstm().transform(normal(n_rows, 28, 28)))


@functools.cache
def fitted_dense():
    """Return the plain dense model after one epoch."""
    options = {"hidden_layer_sizes": (64,), "max_iter": 1, **PLAIN}
    return DenseAutoencoderTransformer(3, **options).fit(normal(5_000, 17))


@functools.cache
def fitted_lstm():
    """Return the plain LSTM model after one epoch."""
    return recurrent(30, hidden_layer_sizes=(100, 30), max_iter=1).fit(
        normal(320, 28, 28)
    )


@functools.cache
def bare_forward(name):
    """Return the encoder of the hand-written network."""
    return {
        "dense": lambda: hand_written_dense(17, 3)[:3],
        "lstm": lambda: HandWrittenLSTM(28, 30).encode,
    }[name]()


@functools.cache
def best_batch(name, *shape):
    """Return the fastest of several batch sizes, each tried twice."""
    sizes = [size for size in BATCHES if size <= shape[0]]
    encode_batches(name, *shape, size=sizes[-1])  # the first call allocates memory
    tries = [
        (measured(lambda size=size: encode_batches(name, *shape, size=size)), size)
        for size in 2 * sizes
    ]
    return min(tries, key=lambda each: each[0]["wall"])[1]


def best_forward(name, *shape):
    """Return the seconds of a bare forward pass with the fastest batch size."""
    size = best_batch(name, *shape)
    return measured(lambda: encode_batches(name, *shape, size=size))


def encode_batches(name, *shape, size):
    """Return the concatenated latent codes of all batches."""
    forward, x = bare_forward(name), torch.from_numpy(normal(*shape))
    with torch.inference_mode():
        return torch.cat([forward(batch) for batch in x.split(size)]).numpy()


@functools.cache
def fitted_on_digits(way):
    """Return PCA or the dense model on digits; the training is short."""
    X = load_digits().data
    if way == "PCA":
        return PCA(8).fit(X)
    options = {"max_iter": 5, "early_stopping": False, "random_state": 0}
    n_steps = 2 if way == "refined" else 0
    return DenseAutoencoderTransformer(8, refinement_steps=n_steps, **options).fit(X)


def one_row(way="plain", *, n_calls):
    """Return the median seconds of `transform` of one row."""
    model, X = fitted_on_digits(way), load_digits().data
    calls = [
        measured(lambda i=i: model.transform(X[i : i + 1])) for i in range(n_calls)
    ]
    return {clock: float(np.median([c[clock] for c in calls])) for clock in calls[0]}


def refined_dense(way="refined", *, n_rows):
    """Encode rows of digits, repeated, with nearest-point codes or without them."""
    rows = np.resize(load_digits().data, (n_rows, 64))
    return measured(lambda: fitted_on_digits(way).transform(rows))


def refined_lstm(way="refined", *, n_rows):
    """Encode sequences of 100 steps, with nearest-point codes or without them."""
    X = curved_table(n_rows, 100)[:, :, np.newaxis]
    return measured(lambda: fitted_on_sequences(way).transform(X))


@functools.cache
def fitted_on_sequences(way):
    """Return the recurrent model of two components; the training is short."""
    options = {"max_iter": 2, "early_stopping": False, "random_state": 0}
    n_steps = 2 if way == "refined" else 0
    model = RecurrentAutoencoderTransformer(2, refinement_steps=n_steps, **options)
    return model.fit(curved_table(500, 100)[:, :, np.newaxis])


# --------------------------------------------------------------------------------------
# Same bits


def bits(*, max_iter):
    """Return digests of fits with an integer seed."""
    X = load_digits().data
    sequences = make_ragged_sequences(100, random_state=0)[0]
    options = {"random_state": 0, "max_iter": max_iter}
    models = [
        (DenseAutoencoderTransformer(8, **options), X),
        (DenseAutoencoderTransformer(3, batch_size=1024, **options), X),
        *(
            (
                RecurrentAutoencoderTransformer(
                    4, hidden_layer_sizes=(n_units,), batch_size=size, **options
                ),
                sequences,
            )
            for n_units in (64, 128)
            for size in ("auto", 100)
        ),
    ]
    digests = {}
    for number, (model, rows) in enumerate(models):
        fit_quietly(model, rows)
        digests[str(number)] = digest([model.transform(rows), model.loss_curve_])
    model = AutoencoderAnomalyDetector(random_state=0)
    fit_quietly(model, X[:300])
    digests["detector"] = digest([model.score_samples(X[:300]), model.offset_])
    return digests


def digest(arrays):
    """Return a hash of the bytes of arrays."""
    data = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    tasks = (
        *(warm_up, dense, lstm, ragged, default_fit, default_fits, monthly_values),
        *(detector, large_fit, fashion, search, transform_dense, transform_lstm),
        *(refined_dense, refined_lstm, one_row, bits, seconds_per_epoch),
    )
    serve({task.__name__: task for task in tasks})
