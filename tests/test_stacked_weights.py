"""The memory of several networks in one tensor."""

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from sklearn_seqae.modules.dense_step import DenseStep
from sklearn_seqae.modules.stacked_weights import StackedWeights, aligned_stack, release
from tests.test_dense_step import SQUARES, dense_autoencoder, randn, rows_of

ALIGNMENT = 64  # bytes: on some CPUs, the bits of a product depend on the address


class Distances(TorchFunctionMode):
    """Distances in bytes between the networks in the operands of products."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func.__name__ in ("bmm", "baddbmm", "baddbmm_"):
            operands = [*args, *kwargs.values()]
            tensors = [each for each in operands if isinstance(each, torch.Tensor)]
            self.found += [
                t.stride(0) * t.element_size() for t in tensors if len(t) > 1
            ]
        return func(*args, **kwargs)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("init", ["pca", "random"])
@pytest.mark.parametrize("hidden", [(), (5,), (7, 5)], ids=str)
def test_networks_that_are_trained_together_are_aligned(hidden, init, weighted):
    modules = [dense_autoencoder(init=init, hidden=hidden) for _ in range(3)]
    step = DenseStep.stack([SQUARES.step(module) for module in modules])
    with Distances() as distances:
        list(step([rows_of(weighted=weighted)] * 3, 5, [1.0] * 3))
    assert distances.found
    assert all(distance % ALIGNMENT == 0 for distance in distances.found)


@pytest.mark.parametrize("lengths, n_rows", [((3, 3), None), ((3, 2), 4), ((1,), 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_stack_has_the_values_and_zeros_after_them(dtype, lengths, n_rows):
    rows = [randn(length, 5).to(dtype) for length in lengths]
    stacked = aligned_stack(rows, n_rows)
    assert stacked.dtype == dtype
    assert stacked.shape == (len(rows), n_rows or 3, 5)
    for place, each in zip(stacked, rows, strict=True):
        assert torch.equal(place[: len(each)], each)
        assert (place[len(each) :] == 0).all()
        assert place.data_ptr() % ALIGNMENT == 0


def test_weights_and_gradients_are_views_until_they_are_released():
    shapes = [(5, 3), (5,)]
    weights = [[nn.Parameter(randn(*s, seed=k)) for s in shapes] for k in range(3)]
    before = [[weight.detach().clone() for weight in each] for each in weights]
    stack = StackedWeights(weights)
    for each, right in zip(weights, before, strict=True):
        assert all(map(torch.equal, each, right))
        assert all((weight.grad == 0).all() for weight in each)
    stack.values += 1
    stack.gradients += 2
    stack.take([0, 2])
    stack.values += 1
    assert [stack.has(k) for k in range(2)] == [True, True]
    for k, added in enumerate([2, 1, 2]):
        for weight, right in zip(weights[k], before[k], strict=True):
            torch.testing.assert_close(weight.detach(), right + added)
            assert (weight.grad == 2).all()
    release(weights[2])
    stack.values += 1
    assert [stack.has(k) for k in range(2)] == [True, False]
    torch.testing.assert_close(weights[0][0].detach(), before[0][0] + 3)
    torch.testing.assert_close(weights[2][0].detach(), before[2][0] + 2)
    assert weights[2][0].grad is None
