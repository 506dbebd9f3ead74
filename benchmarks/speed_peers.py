"""Tasks of `speed.py` in the environment of the peers (`peers.txt`).

Keras uses the backend in the environment variable KERAS_BACKEND.
"""

import functools
import warnings

import numpy as np
from speed_worker import measured, per_epoch, serve


def dense_keras(*, n_rows, n_epochs):
    """Train the dense network of `speed_loops.py` in Keras."""
    x = np.random.default_rng(0).standard_normal((n_rows, 17), dtype=np.float32)
    return keras_epochs(dense_network(), x, 256, n_epochs)


def lstm_keras(*, n_rows, batch_size, n_epochs):
    """Train the LSTM network of `speed_loops.py` in Keras."""
    x = np.random.default_rng(0).standard_normal((n_rows, 28, 28), dtype=np.float32)
    return keras_epochs(lstm_network(), x, batch_size, n_epochs)


def keras_epochs(model, x, batch_size, n_epochs):
    """Return the seconds per epoch. The first call compiled the model."""
    fit = functools.partial(model.fit, x, x, batch_size=batch_size, verbose=0)
    return measured(lambda: fit(epochs=n_epochs), per=n_epochs)


@functools.cache
def dense_network():
    """Return the compiled dense network."""
    import keras
    from keras.layers import Dense

    layers = [
        keras.Input((17,)),
        *(Dense(64, activation="silu"), Dense(3)),
        *(Dense(64, activation="silu"), Dense(17)),
    ]
    return compiled(keras.Sequential(layers))


@functools.cache
def lstm_network():
    """Return the compiled LSTM network."""
    import keras
    from keras.layers import LSTM, Dense, RepeatVector, TimeDistributed

    layers = [
        keras.Input((28, 28)),
        *(LSTM(100, return_sequences=True), LSTM(30), Dense(30)),
        *(RepeatVector(28), LSTM(30, return_sequences=True)),
        *(LSTM(100, return_sequences=True), TimeDistributed(Dense(28))),
    ]
    return compiled(keras.Sequential(layers))


def compiled(model):
    """Compile with the optimizer of the hand-written loop."""
    import keras

    model.compile(loss="mse", optimizer=keras.optimizers.AdamW(1e-3))
    return model


def fashion_keras(*, train, valid, n_epochs):
    """Train the recurrent network of the tutorial and return its validation loss."""
    import keras
    from keras.layers import LSTM, Dense, RepeatVector, TimeDistributed

    x, x_valid = np.load(train), np.load(valid)
    layers = [
        keras.Input((None, 28)),
        *(LSTM(100, return_sequences=True), LSTM(30)),
        *(RepeatVector(28), LSTM(100, return_sequences=True)),
        TimeDistributed(Dense(28, activation="sigmoid")),
    ]
    model = keras.Sequential(layers)
    model.compile(loss="binary_crossentropy", optimizer="nadam")
    run = functools.partial(model.fit, verbose=0, batch_size=32)
    history = {}

    def fit():
        result = run(x, x, epochs=n_epochs, validation_data=(x_valid, x_valid))
        history.update(result.history)

    return {**measured(fit), "loss": history["val_loss"][-1]}


def dense_pyod(*, n_rows, n_epochs):
    """Train PyOD's AutoEncoder, with the layers of the dense network."""
    from pyod.models.auto_encoder import AutoEncoder

    x = np.random.default_rng(0).standard_normal((n_rows, 17), dtype=np.float32)

    def fit(epochs):
        AutoEncoder(
            hidden_neuron_list=[64, 3],
            batch_size=256,
            batch_norm=False,
            dropout_rate=0,
            epoch_num=epochs,
            verbose=0,
        ).fit(x)

    return per_epoch(fit, n_epochs)


def ragged_sequitur(*, sequences, n_epochs):
    """Train sequitur's LSTM autoencoder, which takes one sequence per step."""
    import torch
    from sequitur.models import LSTM_AE
    from sequitur.quick_train import instantiate_model, train_model

    with np.load(sequences) as arrays:
        x = [torch.from_numpy(arrays[name]) for name in arrays.files]
    # Its default, h_dims=[], raises an error.
    model = instantiate_model(LSTM_AE, x, 8, h_dims=[64])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        train = functools.partial(train_model, model, x, False, 1e-3)
        return measured(lambda: train(n_epochs, False), per=n_epochs)


if __name__ == "__main__":
    tasks = (dense_keras, lstm_keras, fashion_keras, dense_pyod, ragged_sequitur)
    serve({task.__name__: task for task in tasks})
