"""Steps to nearest points: sizes, products, damped solutions and fractions."""

import numpy as np
import pytest
import torch

from sklearn_seqae.modules.batch import Batch
from sklearn_seqae.modules.bottleneck import NestedDropout, truncate
from sklearn_seqae.modules.losses import LOSSES
from sklearn_seqae.modules.nearest import (
    DAMPING,
    MIN_CURVATURE,
    MOST_SIZES,
    Sizes,
    _Problem,
    _solve,
    decoder_of,
    derivatives,
    nearest_codes,
)
from sklearn_seqae.modules.objective import Objective
from tests.test_autoencoder_module import as_numpy
from tests.test_dense_step import randn
from tests.test_modules import LENGTHS, seeded, sequence_autoencoder

N, Z, D = 6, 3, 9


# Sizes ----------------------------------------------------------------------------


@pytest.mark.parametrize("is_ordered", [False, True])
@pytest.mark.parametrize("n_components", [1, 2, 3])
def test_all_sizes_of_an_ordered_code_have_the_weights_of_the_training(
    n_components, is_ordered
):
    module = sequence_autoencoder()
    module.is_ordered = is_ordered
    module.set_units(decoder_unit=torch.tensor([4.0, 2.0, 1.0]))
    sizes, weights = Sizes.of(module, n_components)
    if not is_ordered:
        assert (list(sizes), list(weights)) == ([n_components], [1.0])
        return
    assert list(sizes) == list(range(1, n_components + 1))
    # The residuals of PCA halve with each component, so the weights rise by four.
    expected = 4.0 ** (np.arange(1, n_components + 1) - n_components) / n_components
    np.testing.assert_allclose(weights, expected)


@pytest.mark.parametrize("count", [1, 2, MOST_SIZES, MOST_SIZES + 1, 20, 64, 500])
def test_few_sizes_of_many_are_powers_of_one_ratio(count):
    every = Sizes(range(1, count + 1), [1 / k for k in range(1, count + 1)])
    sizes, weights = every.some()
    assert list(weights) == [1 / k for k in sizes]
    if count <= MOST_SIZES:
        assert list(sizes) == list(range(1, count + 1))
        return
    powers = np.geomspace(1, count, MOST_SIZES + 1)[1:]
    assert set(sizes) == set(np.rint(powers).astype(int))
    assert list(sizes) == sorted(set(sizes)) and sizes[-1] == count


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_short_code_is_decoded_as_a_truncated_one(size, ahead):
    module, code = sequence_autoencoder(), randn(5, 3)
    module.set_units(
        decoder_unit=torch.tensor([4.0, 2.0, 1.0]),
        forecaster_unit=torch.tensor([7.0, 3.0, 0.5]),
    )
    found = decoder_of(module, ahead=ahead)(code[:, :size], LENGTHS, 11)
    kept = torch.full((5,), size)
    call = module.forecast if ahead else module.decode
    expected = call(truncate(code, kept), LENGTHS, 11, kept)
    torch.testing.assert_close(found, expected)


# Products and solutions -----------------------------------------------------------


class Linear:
    """Decoder that is linear in the code, so finite differences are exact."""

    def __init__(self, shape, scale=1.0):
        self.shape = shape
        self.weight = scale * randn(Z, int(np.prod(shape)), seed=5)

    def __call__(self, code, lengths=None, n_steps=None):
        k = code.shape[1]
        return (code @ self.weight[:k] + 0.1 * k).reshape(-1, *self.shape)


@pytest.mark.parametrize(
    ("shape", "mask"),
    [((D,), "none"), ((D,), "gaps")]
    + [((5, 2), mask) for mask in ("none", "gaps", "lengths", "both")],
)
@pytest.mark.parametrize("loss", LOSSES)
def test_products_are_those_of_the_derivatives(loss, shape, mask):
    decode, x = Linear(shape), randn(N, *shape, seed=1)
    x = x.sigmoid() if loss == "binary_cross_entropy" else x
    code, lengths, observed = randn(N, Z, seed=2), None, None
    shown = np.ones(x.shape)
    if mask in ("gaps", "both"):
        observed = torch.rand(x.shape, generator=seeded()) < 0.7
        shown *= observed.numpy()
    if mask in ("lengths", "both"):
        lengths = torch.tensor([1, 2, 3, 4, 5, 5])
        shown *= (np.arange(5) < lengths.numpy()[:, None])[:, :, None]
    spread = torch.tensor([1.0, 10.0, 0.1])
    problem = _Problem(decode, x, lengths, loss, 0.01 * spread, observed)
    sizes = Sizes([1, 3], [0.3, 2.0])
    _, output = problem.losses(code, sizes)
    found = as_numpy(problem.products(code, sizes, output))
    for row in range(N):
        expected = np.zeros((Z + 1, Z + 1))
        for k, weight in zip(*sizes, strict=True):
            output = decode(code[row : row + 1, :k])
            gradient, curvature = derivatives(loss, output, x[row : row + 1])
            curvature = torch.ones_like(output) if curvature is None else curvature
            root = np.sqrt(as_numpy(curvature).ravel()) * shown[row].ravel()
            jacobian = np.zeros((Z + 1, len(root)))
            jacobian[:k] = as_numpy(decode.weight[:k]) * root
            jacobian[Z] = (
                as_numpy(gradient).ravel()
                * shown[row].ravel()
                / (np.sqrt(as_numpy(curvature).ravel()))
            )
            expected += weight * jacobian @ jacobian.T
        square = found[row][: Z + 1, : Z + 1]
        size = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
        assert (np.abs(square - expected)[:, :Z] <= 1e-3 * size[:, :Z] + 1e-4).all()


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5, 9])
def test_solutions_are_those_of_damped_normal_equations(k):
    jacobian, right = randn(N, k, 30), randn(N, k, seed=1)
    products = torch.zeros(N, k + 2, k + 2)  # also the row of other products
    products[:, :k, :k] = jacobian @ jacobian.mT
    products[:, k, :k] = right
    products[4] = 0  # a decoder that no component moves
    products[5, 0, 0] = torch.nan
    step, decrease = _solve(products, k)
    for row in range(4):
        matrix = as_numpy(products[row, :k, :k])
        damping = DAMPING * np.trace(matrix) / k * np.eye(k)
        expected = np.linalg.solve(matrix + damping, as_numpy(right[row]))
        np.testing.assert_allclose(step[row], expected, rtol=1e-4)
        predicted = expected @ as_numpy(right[row])
        assert decrease[row].item() == pytest.approx(predicted, rel=1e-4)
    assert not step[4:].any() and not decrease[4:].any()


def test_curvatures_are_limited_from_below():
    output, target = torch.tensor([0.0, 1e-4, 2.0, 40.0]), torch.zeros(4)
    _, curvature = derivatives("absolute_error", output, target)
    size = output.abs().clamp(min=MIN_CURVATURE)
    torch.testing.assert_close(curvature, 1 / size)
    _, curvature = derivatives("binary_cross_entropy", output, target)
    assert curvature[3] == MIN_CURVATURE
    torch.testing.assert_close(curvature[0], torch.tensor(0.25))


# Steps ----------------------------------------------------------------------------


def nearest(decode, code, x, n_steps=1, sizes=None, loss="squared_error"):
    width = code.shape[1]
    sizes = sizes or Sizes([width], [1.0])
    options = {"n_steps": n_steps, "loss": loss, "sizes": sizes}
    return nearest_codes(decode, code, x, spread=torch.ones(width), **options)


def test_a_step_of_a_linear_decoder_is_the_damped_least_squares_solution():
    decode, x, code = Linear((D,)), randn(N, D, seed=1), randn(N, Z, seed=2)
    found = nearest(decode, code, x)
    weight = as_numpy(decode.weight)
    damping = DAMPING * np.square(weight).sum() / Z * np.eye(Z)
    left = as_numpy(x - decode(code))
    step = np.linalg.solve(weight @ weight.T + damping, weight @ left.T).T
    np.testing.assert_allclose(as_numpy(found), as_numpy(code) + step, atol=1e-3)
    exact = np.linalg.lstsq(weight.T, as_numpy(x - 0.3).T, rcond=None)[0].T
    many = nearest(decode, code, x, n_steps=6)
    np.testing.assert_allclose(as_numpy(many), exact, atol=1e-3)
    assert torch.equal(nearest(decode, code, x, n_steps=0), code)
    # Rows at their minimum do not move, and the others do.
    mixed = torch.cat([many[:3], code[3:]])
    again = nearest(decode, mixed, x, n_steps=6)
    assert torch.equal(again[:3], mixed[:3])
    np.testing.assert_allclose(as_numpy(again), exact, atol=1e-3)


def test_a_step_becomes_a_third_where_the_loss_would_rise():
    def decode(code, lengths=None, n_steps=None):  # folded beyond 0.5
        return torch.where(code.abs() < 0.5, code, -code)

    x = torch.tensor([[0.3], [0.9], [-0.9], [3.0]])
    found = nearest(decode, torch.zeros(4, 1), x)
    expected = torch.tensor([[0.3], [0.3], [-0.3], [0.0]])
    torch.testing.assert_close(found, expected, rtol=0.01, atol=0)


def test_the_nearest_code_of_several_sizes_lessens_the_weighted_sum():
    decode, x, code = Linear((D,)), randn(N, D, seed=1), randn(N, Z, seed=2)
    weights = [0.2, 0.5, 1.5]
    found = nearest(decode, code, x, n_steps=4, sizes=Sizes([1, 2, 3], weights))
    # One least-squares problem with the equations of all sizes.
    rows, right = [], []
    for k, weight in zip((1, 2, 3), weights, strict=True):
        part = np.zeros((D, Z))
        part[:, :k] = as_numpy(decode.weight[:k]).T
        rows.append(np.sqrt(weight) * part)
        right.append(np.sqrt(weight) * (as_numpy(x) - 0.1 * k))
    exact = np.linalg.lstsq(np.vstack(rows), np.hstack(right).T, rcond=None)[0].T
    np.testing.assert_allclose(as_numpy(found), exact, atol=1e-3)


# Objective ------------------------------------------------------------------------


@pytest.mark.parametrize("is_ordered", [False, True])
@pytest.mark.parametrize("has_gaps", [False, True])
def test_an_objective_measures_codes_next_to_the_shown_values(has_gaps, is_ordered):
    module, x = sequence_autoencoder(), randn(5, 6, 2)
    module.is_ordered = False
    observed = torch.rand(x.shape, generator=seeded()) < 0.8
    noisy = torch.where(torch.rand(x.shape, generator=seeded()) < 0.2, 0, x)
    batch = Batch(x, None, None, x.numel(), noisy=noisy)
    shown, points = None, noisy
    if has_gaps:
        batch = batch._replace(observed=observed)
        shown = observed & (noisy == x)
    plain = Objective("squared_error")
    if is_ordered:
        weights = torch.tensor([0.2, 0.5, 1.5])
        plain = Objective("squared_error", bottleneck=NestedDropout(weights, None))
    module.set_units(code_spread=torch.tensor([0.5, 1.0, 2.0]))
    with torch.no_grad():
        found = plain.rows(module, batch, refinement_steps=2)
        code = nearest_codes(
            decoder_of(module),
            module.encode(noisy),
            points,
            n_steps=2,
            loss="squared_error",
            spread=module.code_spread,
            sizes=Sizes([3], [1.0]),
            observed=shown,
        )
        error = (module.decode(code, None, 6) - x).square()
        error = error if shown is None else torch.where(observed, error, 0)
    torch.testing.assert_close(found.loss, error.sum((1, 2)), rtol=1e-3, atol=1e-3)
    before = plain.rows(module, batch).loss
    assert not torch.allclose(found.loss, before, rtol=1e-3)


def test_nearest_points_are_found_in_the_space_if_no_value_is_missing():
    module, x = sequence_autoencoder(), randn(5, 6, 2)
    calls = []

    def space(module, points):
        calls.append(points)
        return module, points

    batch = Batch(x, None, None, x.numel())
    with torch.no_grad():
        for observed, n_calls in ((None, 1), (torch.ones_like(x).bool(), 0)):
            calls.clear()
            data = batch._replace(observed=observed)
            found = Objective("squared_error").rows(module, data, 1, space).loss
            expected = Objective("squared_error").rows(module, batch, 1).loss
            torch.testing.assert_close(found, expected)
            assert len(calls) == n_calls
