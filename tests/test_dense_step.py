"""The written-out training step of dense autoencoders equals autograd."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from sklearn_seqae import DenseAutoencoderTransformer
from sklearn_seqae.modules.autoencoder import Autoencoder
from sklearn_seqae.modules.batch import Batch
from sklearn_seqae.modules.bottleneck import L1Sparsity, NestedDropout
from sklearn_seqae.modules.dense import ACTIVATIONS, DenseNetwork
from sklearn_seqae.modules.dense_step import DenseStep
from sklearn_seqae.modules.linear_path import LinearPath
from sklearn_seqae.modules.noise import Noise
from sklearn_seqae.modules.objective import Objective
from sklearn_seqae.modules.row_space import RowSpaceObjective

N_ROWS, N_FEATURES = 21, 6
SQUARES = Objective("squared_error")


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def dense_autoencoder(
    *, init="pca", hidden=(5,), n_components=3, activation="silu", rank=None, **options
):
    """Return an autoencoder whose weights, units and ranges are all random."""
    sizes = [rank or N_FEATURES, *hidden, n_components]
    arguments = {
        "activation": activation,
        "zero_head": init == "pca",
        "generator": torch.Generator().manual_seed(1),
    }
    wide = N_FEATURES if rank else None
    encoder = DenseNetwork(sizes=sizes, rotated_in=wide, **arguments)
    inputs = [n_components * (1 + options.get("is_ordered", False))]
    decoder = DenseNetwork(sizes=inputs + sizes[-2::-1], rotated_out=wide, **arguments)
    path = None
    if init == "pca":
        path = LinearPath(n_features=N_FEATURES, n_components=n_components)
        path.requires_grad_(False)
    module = Autoencoder(
        n_components=n_components,
        encoder=encoder,
        decoder=decoder,
        linear_path=path,
        **options,
    )
    with torch.no_grad():
        for seed, weight in enumerate(module.parameters()):
            weight.copy_(randn(*weight.shape, seed=seed) * 0.7)
        if init == "pca":
            module.set_units(
                encoder_unit=torch.tensor(0.7), decoder_unit=torch.tensor(0.3)
            )
            for network in (encoder, decoder):
                network.low.fill_(-0.8)
                network.high.fill_(1.1)
        if rank:
            basis = torch.linalg.qr(randn(N_FEATURES, rank))[0].T
            encoder.basis.copy_(basis)
            decoder.basis.copy_(basis)
    return module


def assert_equals_autograd(criterion, module, rows, batch_size, gain=1.0):
    """Compare the loss and every gradient of every batch."""
    weights = {n: w for n, w in module.named_parameters() if w.requires_grad}
    expected = []
    for start in range(0, len(rows.x), batch_size):
        part = slice(start, start + batch_size)
        weight = None if rows.weight is None else rows.weight[part]
        x = rows.x[part]
        loss = criterion(module, Batch(x, None, None, x.numel(), None, weight))
        gradients = torch.autograd.grad(gain * loss, list(weights.values()))
        expected.append((loss.detach(), x.numel(), gradients))
    step = criterion.step(module)
    n_batches = 0
    steps = zip(step([rows], batch_size, [gain]), expected, strict=True)
    for (losses, n_values), (right_loss, right_number, gradients) in steps:
        n_batches += 1
        (loss,) = losses
        assert n_values == [right_number]
        torch.testing.assert_close(loss, right_loss, rtol=1e-5, atol=1e-7)
        for (name, weight), right in zip(weights.items(), gradients, strict=True):
            atol = 1e-6 * max(gain, float(right.abs().max()))
            torch.testing.assert_close(
                weight.grad, right, rtol=1e-4, atol=atol, msg=name
            )
    assert n_batches == -(-len(rows.x) // batch_size)


def rows_of(n_features=N_FEATURES, n_rows=N_ROWS, weighted=False):
    x = randn(n_rows, n_features, seed=7)
    weight = torch.rand(n_rows, generator=torch.Generator()) if weighted else None
    return Batch(x, None, None, x.numel(), None, weight)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("init", ["pca", "random"])
@pytest.mark.parametrize("hidden", [(), (5,), (8, 4), (7, 5, 4)], ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_equal_those_of_autograd(activation, hidden, init, weighted):
    module = dense_autoencoder(init=init, hidden=hidden, activation=activation)
    assert_equals_autograd(SQUARES, module, rows_of(weighted=weighted), 8)


@pytest.mark.parametrize("init", ["pca", "random"])
@pytest.mark.parametrize("n_components", [1, 2, N_FEATURES, N_FEATURES + 2])
@pytest.mark.parametrize("batch_size", [1, 4, N_ROWS - 1, N_ROWS, 50])
def test_gradients_are_right_for_every_size(batch_size, n_components, init):
    module = dense_autoencoder(init=init, n_components=n_components)
    assert_equals_autograd(SQUARES, module, rows_of(), batch_size)


@pytest.mark.parametrize("n_rows", [1, 2])
@pytest.mark.parametrize("init", ["pca", "random"])
def test_gradients_are_right_for_few_rows(init, n_rows):
    module = dense_autoencoder(init=init)
    assert_equals_autograd(SQUARES, module, rows_of(n_rows=n_rows), 8)


def results(modules, rows, batch_size, gains):
    """Return the losses and the gradients of every batch, of all modules."""
    steps = [SQUARES.step(module) for module in modules]
    step = DenseStep.stack(steps)
    found = []
    for losses, n_values in step(rows, batch_size, gains):
        gradients = [[w.grad.clone() for w in weights_of(m)] for m in modules]
        found.append((losses.clone(), n_values, gradients))
    return found


def weights_of(module):
    return [weight for weight in module.parameters() if weight.requires_grad]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("init", ["pca", "random"])
@pytest.mark.parametrize(
    "n_rows, batch_size, hidden, n_components",
    [
        (21, 8, (5,), 3),
        (20, 3, (5,), 2),
        (23, 16, (), 2),
        (40, 40, (64, 32), 4),
        (300, 128, (64,), 5),
        (10, 50, (256,), 2),
    ],
)
def test_a_network_has_the_same_bits_alone_and_among_others(
    n_rows, batch_size, hidden, n_components, init, weighted
):
    def make(seed):
        module = dense_autoencoder(init=init, hidden=hidden, n_components=n_components)
        with torch.no_grad():
            for weight in weights_of(module):
                weight.add_(randn(*weight.shape, seed=seed))
            module.decoder_unit.mul_(1 + seed)
        return module

    # Two of the networks have one row less than the others.
    numbers = [n_rows - seed % 2 for seed in range(5)]
    rows = [rows_of(n_rows=number, weighted=weighted) for number in numbers]
    gains = [1.0, 2.0, 0.5, 1e4, 1.0]
    together = results([make(seed) for seed in range(5)], rows, batch_size, gains)
    for k in range(5):
        alone = results([make(k)], rows[k : k + 1], batch_size, gains[k : k + 1])
        for one, all_of_them in zip(alone, together, strict=True):
            torch.testing.assert_close(one[0][0], all_of_them[0][k], rtol=1e-6, atol=0)
            assert one[1][0] == all_of_them[1][k]
            for gradient, other in zip(one[2][0], all_of_them[2][k], strict=True):
                assert torch.equal(gradient, other)


def test_networks_that_remain_keep_their_weights_and_their_bits():
    modules = [dense_autoencoder() for _ in range(3)]
    with torch.no_grad():
        for seed, module in enumerate(modules):
            weights_of(module)[0].add_(seed)
    before = [[w.clone() for w in weights_of(m)] for m in modules]
    step = DenseStep.stack([SQUARES.step(module) for module in modules])
    list(step([rows_of()] * 3, 8, [1.0] * 3))
    step.take([0, 2])
    list(step([rows_of()] * 2, 8, [1.0] * 2))
    for module, weights in zip(modules, before, strict=True):
        for weight, right in zip(weights_of(module), weights, strict=True):
            assert torch.equal(weight, right)
    gradients = [weight.grad.clone() for weight in weights_of(modules[2])]
    list(SQUARES.step(modules[2])([rows_of()], 8, [1.0]))
    for gradient, weight in zip(gradients, weights_of(modules[2]), strict=True):
        assert torch.equal(gradient, weight.grad)


@pytest.mark.parametrize("gain", [1e-3, 1e4])
@pytest.mark.parametrize("init", ["pca", "random"])
def test_a_gain_multiplies_the_gradients_and_not_the_loss(init, gain):
    module = dense_autoencoder(init=init)
    assert_equals_autograd(SQUARES, module, rows_of(), 8, gain=gain)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_are_right_in_the_row_space(activation, weighted):
    module = dense_autoencoder(activation=activation, rank=4)
    criterion = RowSpaceObjective(SQUARES, module, module.encoder.basis)
    assert_equals_autograd(criterion, module, rows_of(4, weighted=weighted), 8)


def test_a_unit_of_zero_gives_gradients_of_zero():
    module = dense_autoencoder()
    module.set_units(encoder_unit=torch.tensor(0.0), decoder_unit=torch.tensor(0.0))
    assert_equals_autograd(SQUARES, module, rows_of(), 8)


def test_gradients_that_are_not_finite_do_not_remain():
    module = dense_autoencoder()
    for weight in module.parameters():
        weight.grad = torch.full_like(weight, torch.nan)
    assert_equals_autograd(SQUARES, module, rows_of(), 8)


@pytest.mark.parametrize(
    "objective",
    [
        Objective("absolute_error"),
        Objective("squared_error", kind="composite"),
        Objective("squared_error", noise=Noise("masking", 0.1, torch.Generator())),
        Objective(
            "squared_error",
            bottleneck=L1Sparsity("squared_error", 0.1, torch.Generator()),
        ),
        Objective(
            "squared_error", bottleneck=NestedDropout(torch.ones(3), torch.Generator())
        ),
    ],
    ids=["loss", "kind", "noise", "penalty", "ordered"],
)
def test_other_objectives_use_autograd(objective):
    assert objective.step(dense_autoencoder()) is None
    assert SQUARES.step(dense_autoencoder()) is not None


def freeze_a_weight(module):
    module.encoder.layers[0].weight.requires_grad_(False)


def train_the_linear_path(module):
    module.linear_path.requires_grad_(True)


def register_a_hook(module):
    module.decoder.layers[0].register_forward_hook(lambda *args: None)


def register_a_hook_of_a_gradient(module):
    module.decoder.layers[0].weight.register_hook(lambda gradient: None)


def weight_norm(module):
    nn.utils.parametrizations.weight_norm(module.encoder.layers[0])


def add_a_layer(module):
    module.encoder.layers.append(nn.Identity())


def replace_a_layer(module):
    module.encoder.layers[1] = nn.Dropout(0.1)


def set_units(module):
    module.set_units(encoder_unit=torch.tensor([1.0, 2.0, 3.0]))


def set_code_scale(module):
    module.set_units(code_scale=torch.tensor([1.0, 2.0, 3.0]))


@pytest.mark.parametrize(
    "change",
    [
        freeze_a_weight,
        train_the_linear_path,
        register_a_hook,
        register_a_hook_of_a_gradient,
        weight_norm,
        add_a_layer,
        replace_a_layer,
        set_units,
        set_code_scale,
    ],
)
def test_other_modules_use_autograd(change):
    module = dense_autoencoder()
    change(module)
    assert SQUARES.step(module) is None


def test_other_devices_use_autograd():
    assert SQUARES.step(dense_autoencoder().to("meta")) is None


@pytest.mark.parametrize(
    "options", [{"rank": 4}, {"is_ordered": True}, {"is_variational": True}], ids=str
)
def test_other_architectures_use_autograd(options):
    assert SQUARES.step(dense_autoencoder(**options)) is None


# Training


class BatchHook(Callback):
    """Callback with a hook of batches, for which autograd is used."""

    def on_batch_end(self, net, **kwargs):
        pass


class FreezeEncoder(Callback):
    """Callback that freezes the encoder before an epoch."""

    def on_epoch_begin(self, net, **kwargs):
        net.module_.encoder.requires_grad_(False)


def fitted(X, sample_weight=None, **options):
    options = {
        "n_components": 2,
        "hidden_layer_sizes": (16,),
        "max_iter": 30,
        "learning_rate_init": 1e-3,
        "early_stopping": False,
        "random_state": 0,
    } | options
    model = DenseAutoencoderTransformer(**options)
    return model.fit(X, sample_weight=sample_weight)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_features", [8, 400])
@pytest.mark.parametrize("init", ["pca", "random"])
def test_training_equals_that_with_autograd(init, n_features, weighted):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(150, n_features)) + np.sin(3 * rng.normal(size=(150, 1)))
    weight = rng.uniform(0.5, 2, 150) if weighted else None
    one = fitted(X, weight, init=init)
    other = fitted(X, weight, init=init, skorch_callbacks=[BatchHook()])
    np.testing.assert_allclose(one.loss_curve_, other.loss_curve_, rtol=1e-3)
    assert one.loss_curve_[-1] < one.loss_curve_[0]
    np.testing.assert_allclose(one.score(X), other.score(X), atol=1e-3)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("init", ["pca", "random"])
def test_training_has_the_same_bits_each_time(init, early_stopping):
    X = np.random.RandomState(0).normal(size=(150, 8))
    options = {"init": init, "early_stopping": early_stopping}
    codes = [fitted(X, **options).transform(X) for _ in range(2)]
    np.testing.assert_array_equal(*codes)


def test_a_callback_can_freeze_weights():
    X = np.random.RandomState(0).normal(size=(150, 8))
    first = fitted(X, init="random", max_iter=1, learning_rate_init=1e-12)
    frozen = fitted(X, init="random", skorch_callbacks=[FreezeEncoder()])
    trained = fitted(X, init="random")
    start = first.module_.encoder.layers[0].weight
    assert torch.allclose(frozen.module_.encoder.layers[0].weight, start)
    assert not torch.allclose(trained.module_.encoder.layers[0].weight, start)


def test_training_makes_written_out_steps(monkeypatch):
    monkeypatch.setattr(Objective, "shards", None)
    X = np.random.RandomState(0).normal(size=(50, 8))
    fitted(X)
    fitted(X, init="random", early_stopping=True, verbose=1)
    fitted(np.random.RandomState(0).normal(size=(20, 30)))
    with pytest.raises(TypeError):
        fitted(X, loss="huber")


def small_optimizer(*, shape=(3, 4)):
    weights = [nn.Parameter(randn(*shape)), nn.Parameter(randn(shape[0], seed=1))]
    groups = [
        {"params": weights[:1], "lr": 0.1},
        {"params": weights[1:], "lr": 0.2, "weight_decay": 0.5},
    ]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), fused=True)
    for weight in weights:
        weight.grad = torch.zeros_like(weight)
    return weights, optimizer
