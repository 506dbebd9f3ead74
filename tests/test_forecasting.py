"""Objectives and decoders: forecasts, conditions and turned targets."""

from itertools import product

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV

from sklearn_seqae import AutoencoderAnomalyDetector
from sklearn_seqae.datasets import make_sine_sequences
from sklearn_seqae.fitting.model import make_net
from tests.containers import flat
from tests.instances import recurrent

GRID = {
    "cell": ["lstm", "gru", "rnn"],
    "objective": ["reconstruct", "predict", "composite"],
    "decoder": ["unconditional", "conditional"],
    "reverse_target": [False, True],
    "bidirectional": [False, True],
}
NINE = np.linspace(0.1, 0.9, 9).reshape(1, 9, 1)


@pytest.fixture(scope="module")
def waves():
    """Sixty waves of 24 steps, of random phase and speed."""
    rng = np.random.RandomState(0)
    phase, speed = rng.uniform(0, 6, (60, 1)), rng.uniform(0.3, 0.5, (60, 1))
    return np.sin(phase + speed * np.arange(24))[:, :, np.newaxis]


def quick(**options):
    return recurrent(**{"early_stopping": False, "max_iter": 1, **options})


@pytest.mark.slow
@pytest.mark.parametrize(
    "decoder, is_reversed", [(d, r) for d in GRID["decoder"] for r in (False, True)]
)
@pytest.mark.parametrize("objective", GRID["objective"])
def test_nine_steps_are_learned_without_pca(objective, decoder, is_reversed):
    model = recurrent(
        objective=objective,
        decoder=decoder,
        reverse_target=is_reversed,
        hidden_layer_sizes=(16,),
        init="random",
        batch_size="auto",  # ten batches an epoch, of the one sequence
        max_iter=40,
    ).fit(NINE)
    assert model.transform(NINE).shape == (1, 2)
    if objective != "predict":
        assert np.abs(model.reconstruct(NINE) - NINE).max() < 0.005
    if objective != "reconstruct":
        assert np.abs(model.predict(NINE) - NINE[:, 1:]).max() < 0.02


def test_the_gain_is_that_of_the_larger_unit_of_both_outputs(waves):
    model = quick(objective="composite").fit(waves).model_
    for units in ((0.125, 0.5), (0.5, 0.125)):
        names = ("decoder_unit", "forecaster_unit")
        for name, unit in zip(names, units, strict=True):
            model.module.set_units(**{name: torch.full((model.n_components,), unit)})
        assert make_net(model.config, model.family, model.module).gain == 4


def test_sines_are_exact_as_pca_and_well_learned_without():
    X = make_sine_sequences()
    train, test = X[:150], X[150:]
    options = {"n_components": 20, "hidden_layer_sizes": (32,), "max_iter": 10}
    errors = [
        np.square(recurrent(init=init, **options).fit(train).reconstruct(test) - test)
        for init in ("pca", "random")
    ]
    assert errors[0].mean() < 0.003
    assert errors[1].mean() < 0.05


@pytest.mark.slow
def test_every_combination_round_trips_on_ragged_sequences(ragged):
    X = ragged[:6]
    for values in product(*GRID.values()):
        options = dict(zip(GRID, values, strict=True))
        model = quick(hidden_layer_sizes=(2,), **options).fit(X)
        code = model.transform(X)
        assert code.shape == (len(X), 2)
        shift = int(options["objective"] == "predict")
        lengths = [len(sequence) - shift for sequence in X]
        decoded = model.inverse_transform(code, lengths=lengths)
        given = model.predict(X) if shift else model.reconstruct(X)
        for a, b, n in zip(decoded, given, lengths, strict=True):
            assert a.shape == b.shape == (n, X[0].shape[1])
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_one_grid_search_goes_over_every_combination_of_ragged_data(ragged):
    search = GridSearchCV(
        quick(hidden_layer_sizes=(2,)), GRID, cv=2, n_jobs=2, error_score="raise"
    )
    search.fit(ragged[:8])
    scores = search.cv_results_["mean_test_score"]
    assert len(scores) == 72
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("horizon", [None, 1, 5])
@pytest.mark.parametrize("decoder", GRID["decoder"])
def test_a_forecast_has_the_steps_ahead_in_the_container_of_X(waves, horizon, decoder):
    options = {"objective": "predict", "horizon": horizon, "decoder": decoder}
    ahead = horizon or waves.shape[1] - 1
    model = quick(**options).fit(waves)
    assert model.predict(waves).shape == (len(waves), ahead, 1)
    assert quick(**options).fit(flat(waves)).predict(flat(waves)).shape == (60, ahead)
    ragged = [wave[: 10 + i % 5] for i, wave in enumerate(waves)]
    forecasts = quick(**options).fit(ragged).predict(ragged)
    for sequence, forecast in zip(ragged, forecasts, strict=True):
        assert forecast.shape == (horizon or len(sequence) - 1, 1)


def test_before_training_a_forecast_is_the_least_squares_map_of_pcas_code(waves):
    model = recurrent(3, objective="predict", horizon=4, max_iter=1, alpha=0)
    model.set_params(learning_rate_init=1e-12).fit(waves)
    window, future = flat(waves[:, :-4]), flat(waves[:, -4:])
    code = PCA(3).fit_transform(window)
    expected = LinearRegression().fit(code, future).predict(code)
    seen = flat(model.predict(waves[:, :-4]))
    np.testing.assert_allclose(seen, expected, atol=1e-4)


def test_training_betters_the_linear_forecast(waves):
    model = recurrent(
        objective="predict", horizon=6, hidden_layer_sizes=(32,), max_iter=30
    ).fit(waves)
    assert model.held_out_r2_["model"] > model.held_out_r2_["pca"]


@pytest.mark.parametrize("objective", ["predict", "composite"])
def test_with_a_horizon_the_future_is_not_seen(waves, objective):
    other = waves.copy()
    other[:, -5:] = np.random.RandomState(1).normal(size=(60, 5, 1))
    options = {"objective": objective, "horizon": 5, "learning_rate_init": 1e-12}
    one, two = (quick(alpha=0, **options).fit(X) for X in (waves, other))
    window = waves[:, :-5]
    np.testing.assert_allclose(one.transform(window), two.transform(window), atol=1e-5)


def test_longer_sequences_are_forecast_from_their_last_window(waves):
    model = quick(objective="composite", horizon=4).fit(waves)
    longer, window = waves, waves[:, 4:]
    for method in (model.transform, model.predict, model.reconstruct):
        np.testing.assert_array_equal(method(longer), method(window))
    mixed = model.predict([waves[0], waves[1, 4:]])
    np.testing.assert_array_equal(mixed, model.predict(longer)[:2])


@pytest.mark.parametrize("horizon", [None, 4])
def test_score_of_predict_is_r2_of_the_forecast(waves, horizon):
    model = quick(objective="predict", horizon=horizon).fit(waves)
    ahead = horizon or waves.shape[1] - 1
    target, mean = waves[:, -ahead:], waves[:, -ahead:].mean(axis=0)
    given = model.predict(waves[:, :-4] if horizon else waves)
    expected = 1 - np.square(target - given).sum() / np.square(target - mean).sum()
    np.testing.assert_allclose(model.score(waves), expected, rtol=1e-4)


def test_the_score_of_composite_is_about_the_reconstruction(waves):
    model = quick(objective="composite").fit(waves)
    left = np.square(waves - waves.mean(axis=0)).sum()
    expected = 1 - np.square(waves - model.reconstruct(waves)).sum() / left
    np.testing.assert_allclose(model.score(waves), expected, rtol=1e-4)


def test_methods_that_the_objective_lacks_are_absent_and_say_what_has_them():
    for objective, lacks, having in [
        ("reconstruct", "predict", "objective='predict' or"),
        ("predict", "reconstruct", "objective='reconstruct' or"),
    ]:
        model = recurrent(objective=objective)
        assert not hasattr(model, lacks)
        with pytest.raises(AttributeError) as error:
            getattr(model, lacks)
        assert having in str(error.value.__cause__)
    both = recurrent(objective="composite")
    assert hasattr(both, "predict") and hasattr(both, "reconstruct")


@pytest.mark.parametrize(
    "horizon, n_steps, words",
    [(None, 1, "1 time step.* minimum of 2"), (4, 4, "4 time step.* minimum of 5")],
)
def test_sequences_too_short_to_forecast_are_refused(waves, horizon, n_steps, words):
    model = recurrent(objective="predict", horizon=horizon)
    with pytest.raises(ValueError, match=words):
        model.fit(waves[:, :n_steps])
    with pytest.raises(ValueError, match="Found sequence 1 with"):
        model.fit([waves[0], waves[1, :n_steps]])


def test_codes_with_a_horizon_are_not_decoded_to_other_lengths(waves):
    model = quick(objective="predict", horizon=4).fit(waves)
    code = model.transform(waves)
    assert model.inverse_transform(code, lengths=[4] * 60).shape == (60, 4, 1)
    with pytest.raises(ValueError, match="lengths must be None or 4"):
        model.inverse_transform(code, lengths=[5] * 60)


@pytest.mark.parametrize("horizon", [None, 5])
@pytest.mark.parametrize("objective", ["predict", "composite"])
def test_a_detector_compares_with_what_the_objective_gives(waves, objective, horizon):
    options = {"objective": objective, "horizon": horizon, "refinement_steps": 0}
    model = quick(**options).fit(waves)
    expected = waves.copy()
    ahead = horizon or waves.shape[1] - 1
    window = waves[:, :-horizon] if horizon else waves
    if objective == "composite":
        expected[:, : window.shape[1]] = model.reconstruct(window)
    if objective == "predict" or horizon:
        expected[:, -ahead:] = model.predict(window)
    for X in (waves, flat(waves), list(waves)):
        detector = AutoencoderAnomalyDetector(
            quick(**options),
            contamination=0.1,
            score_method="reconstruction",
        ).fit(X)
        errors = np.square(waves - expected).mean(axis=(1, 2))
        is_table = isinstance(X, np.ndarray) and X.ndim == 2
        axis = 0 if is_table else (0, 1)
        errors /= np.var(waves, axis=axis).mean()  # the unit of the score
        np.testing.assert_allclose(-detector.score_samples(X), errors, rtol=1e-3)


@pytest.mark.parametrize("init", ["pca", "random"])
def test_binary_cross_entropy_forecasts_between_0_and_1(waves, init):
    X = (waves + 1) / 2
    model = quick(
        objective="composite",
        horizon=4,
        decoder="conditional",
        loss="binary_cross_entropy",
        init=init,
    ).fit(X)
    for values in (model.predict(X), model.reconstruct(X)):
        assert 0 <= values.min() and values.max() <= 1
    X[0, -1] = 2  # among the steps that are taken off
    with pytest.raises(ValueError, match="binary_cross_entropy"):
        model.fit(X)
