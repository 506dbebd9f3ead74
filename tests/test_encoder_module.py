"""`encoder_module`: the codes of `transform` from samples in the units of X."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from tests.instances import (
    CONVOLUTIONAL,
    DENSE,
    RECURRENT,
    convolutional,
    dense,
    name,
    recurrent,
)


def unrefined_codes(model, X):
    return model.model_.encode(model._read(X), refined=False)


def spread(model):
    """Return the spread of the codes, and of those that the whitening enlarges."""
    model_ = model.model_
    if model_.whitening is None:
        return (
            model_.code_unit * model.module_.code_spread.numpy()[: model.n_components_]
        )
    mean, factor, _ = model_.whitening
    return 1 + np.abs(mean) @ np.abs(factor)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("estimator", [*DENSE, *RECURRENT, *CONVOLUTIONAL], ids=name)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_codes_are_those_of_transform(estimator, dtype, wine, digits):
    X = wine if any(estimator is each for each in DENSE) else digits
    X = (1e3 * X + 7).astype(dtype)
    model = clone(estimator).fit(X)
    codes = model.encoder_module()(torch.from_numpy(X))
    assert codes.numpy(force=True).dtype == dtype
    away = np.abs(codes.numpy(force=True) - unrefined_codes(model, X))
    assert (away <= 1e-5 * spread(model)).all()


def test_padded_sequences_have_the_codes_of_their_own_steps(ragged):
    model = recurrent(early_stopping=False).fit(ragged)
    lengths = [len(item) for item in ragged]
    padded = np.full((len(ragged), 11, 3), np.nan)
    for row, item in zip(padded, ragged, strict=True):
        row[: len(item)] = item
    encoder = model.encoder_module()
    codes = encoder(torch.from_numpy(padded), torch.tensor(lengths))
    expected = unrefined_codes(model, ragged)
    np.testing.assert_allclose(codes.numpy(force=True), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("family", "shape"),
    [
        (recurrent(sample_shape=(-1, 3)), (60, 24)),
        (convolutional(sample_shape=(8, 3)), (60, 24)),
        (convolutional(), (60, 8, 3, 1)),
    ],
    ids=["rows of sequences", "rows of images", "images"],
)
def test_it_reads_the_shapes_that_fit_read(family, shape, digits):
    X = digits.reshape(shape)
    model = clone(family).fit(X)
    codes = model.encoder_module()(torch.from_numpy(X)).numpy(force=True)
    np.testing.assert_allclose(codes, unrefined_codes(model, X), atol=1e-5)


def test_training_it_does_not_change_the_estimator(wine):
    model = dense(early_stopping=False).fit(wine)
    before, X = model.transform(wine), torch.from_numpy(wine)
    encoder = model.encoder_module()
    optimizer = torch.optim.SGD(encoder.parameters(), lr=0.1)
    first = encoder(X).square().mean()
    first.backward()
    optimizer.step()
    assert encoder(X).square().mean() < first
    np.testing.assert_array_equal(model.transform(wine), before)


def test_torch_can_export_it_with_any_batch_size(wine):
    model = dense(early_stopping=False).fit(wine)
    X = torch.from_numpy(wine)
    shapes = ({0: torch.export.Dim("batch")},)
    encoder = model.encoder_module()
    program = torch.export.export(encoder, (X[:5],), dynamic_shapes=shapes).module()
    torch.testing.assert_close(program(X), encoder(X))


def test_its_state_includes_the_units(wine):
    model = dense(early_stopping=False, whiten=True).fit(wine)
    buffers = dict(model.encoder_module().named_buffers())
    assert {"center", "mean", "factor"} <= set(buffers)


def test_it_needs_a_fit():
    with pytest.raises(NotFittedError):
        dense().encoder_module()
