import pytest
import torch

from torch_binary_classifier.training.activations import ACTIVATIONS
from torch_binary_classifier.training.device import CPU
from torch_binary_classifier.training.kernels import run_all
from torch_binary_classifier.training.layers import (
    DenseLayer,
    FirstDenseLayer,
    LogitLayer,
    ResidualWeights,
    Units,
    Upstream,
)

N_MEMBERS, N_ROWS, FAN_IN, FAN_OUT = 2, 6, 3, 5


def draw(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def test_units_stand_before_a_column_of_ones():
    rows = draw(N_MEMBERS, N_ROWS, FAN_IN)
    units = Units.of(rows)
    assert torch.equal(units.units, rows)
    assert (units.values[..., -1] == 1).all()
    assert units.values.shape == (N_MEMBERS, N_ROWS, FAN_IN + 1)
    assert torch.equal(units.transposed, units.values.transpose(1, 2))
    rows.zero_()
    assert units.units.any()
    units.values[0, 0, 0] = 7.0
    assert units.units[0, 0, 0] == units.transposed[0, 0, 0] == 7.0


@pytest.mark.parametrize("kind", [DenseLayer, FirstDenseLayer])
@pytest.mark.parametrize("name", ["tanh", "silu", "relu"])
def test_dense_layer_equals_autograd(kind, name):
    matrix = draw(N_MEMBERS, FAN_IN + 1, FAN_OUT, seed=1)
    gradient = torch.full_like(matrix, torch.nan)
    activation = ACTIVATIONS[name]
    layer = kind(matrix, gradient, N_ROWS, activation, CPU.product)
    rows = draw(N_MEMBERS, N_ROWS, FAN_IN)
    kernels = []
    outputs = layer.forward(Units.of(rows), kernels)
    run_all(kernels)
    leaf, inputs = matrix.clone().requires_grad_(), rows.clone().requires_grad_()
    function = {"tanh": torch.tanh, "silu": torch.nn.functional.silu}
    function |= {"relu": torch.relu}
    expected = function[name](inputs @ leaf[:, :-1] + leaf[:, -1:])
    torch.testing.assert_close(outputs.units, expected.detach())
    assert (outputs.values[..., -1] == 1).all()
    upstream = draw(N_MEMBERS, N_ROWS, FAN_OUT, seed=2)
    expected.backward(upstream)
    kernels = []
    below = layer.backward(Upstream.into(upstream.clone()), kernels)
    run_all(kernels)
    torch.testing.assert_close(gradient, leaf.grad)
    if kind is DenseLayer:
        torch.testing.assert_close(below.values, inputs.grad)
    else:
        assert below.values.numel() == 0


def test_logit_layer_equals_autograd():
    matrix = draw(N_MEMBERS, FAN_IN + 1, 1, seed=1)
    gradient = torch.full_like(matrix, torch.nan)
    layer = LogitLayer(matrix, gradient, N_ROWS, CPU.product)
    rows = draw(N_MEMBERS, N_ROWS, FAN_IN)
    kernels = []
    layer.forward(Units.of(rows), layer.logits, kernels)
    run_all(kernels)
    leaf, inputs = matrix.clone().requires_grad_(), rows.clone().requires_grad_()
    expected = (inputs @ leaf[:, :-1] + leaf[:, -1:])[..., 0]
    torch.testing.assert_close(layer.logits, expected.detach())
    residuals = draw(N_MEMBERS, N_ROWS, seed=2)
    expected.backward(residuals)
    layer.residuals.copy_(residuals)
    kernels = []
    slopes = layer.backward(kernels)
    slopes = ResidualWeights(layer.residual_column).backward(slopes, kernels)
    run_all(kernels)
    torch.testing.assert_close(gradient, leaf.grad)
    torch.testing.assert_close(slopes.values, inputs.grad)


def test_members_logits_are_no_neighbours_in_memory():
    layer = LogitLayer(draw(2, 4, 1), draw(2, 4, 1), N_ROWS, CPU.product)
    for values in (layer.logits, layer.residuals):
        assert values.stride() == (N_ROWS + 1, 1)
