import pytest
import torch

from torch_binary_classifier.interface.settings import Hyperparameters
from torch_binary_classifier.training.kernels import run_all
from torch_binary_classifier.training.layout import Architecture, ParameterLayout
from torch_binary_classifier.training.members import Member
from torch_binary_classifier.training.penalty import EpochPenalty, Penalty
from torch_binary_classifier.training.rows import DenseRows, RowSet

CPU = torch.device("cpu")


def test_penalty_gradient_is_the_derivative_of_its_values():
    architecture = Architecture(3, (5, 2), "relu", None, torch.float64)
    layout = ParameterLayout(architecture, 2)
    generator = torch.Generator().manual_seed(0)
    parameters = layout.new_buffer(CPU).normal_(generator=generator)
    penalty = Penalty(layout, [0.3 / 7, 2.0 / 7], CPU)
    leaf = parameters.clone().requires_grad_()
    values = 0.0
    for member, alpha in enumerate([0.3, 2.0]):
        weights = torch.cat([w[member].reshape(-1) for w in layout.weights(leaf)])
        values = values + alpha / (2 * 7) * (weights**2).sum()
    values.backward()
    gradients = torch.ones_like(parameters)
    penalty.gradient_kernel(parameters, gradients)()
    torch.testing.assert_close(gradients - 1, leaf.grad, rtol=1e-12, atol=1e-12)
    found = penalty.values(parameters)
    torch.testing.assert_close(found.sum(), values.detach())
    assert found[0] < found[1]
    penalty.gradient_kernel(parameters, gradients)()
    assert not torch.allclose(gradients - 1, leaf.grad)


def test_penalty_leaves_biases_alone():
    architecture = Architecture(3, (5,), "relu", None, torch.float64)
    layout = ParameterLayout(architecture, 1)
    parameters = torch.ones_like(layout.new_buffer(CPU))
    gradients = torch.zeros_like(parameters)
    Penalty(layout, [1.0], CPU).gradient_kernel(parameters, gradients)()
    coefs, intercepts = layout.unpacked(gradients)
    assert all((coef == 1).all() for coef in coefs)
    assert all((intercept == 0).all() for intercept in intercepts)


LAYOUT = ParameterLayout(Architecture(1, (), "relu", None, torch.float64), 2)
BATCHES = [(0, 4), (4, 8)]


def make_members(*alphas):
    """Return members of 6 and 7 rows; their mean weights are 2 and 1."""
    table = DenseRows(torch.zeros(7, 1))
    members = []
    for n_rows, weight, alpha in zip((6, 7), (2.0, 1.0), alphas, strict=True):
        weights = torch.full((7,), weight, dtype=torch.float64)
        rows = RowSet(table, torch.arange(n_rows), torch.zeros(7), weights)
        members.append(Member(rows, Hyperparameters(0, alpha=alpha)))
    return members


@pytest.mark.parametrize(
    ("last", "n_rows"), [(False, (4, 4)), (True, (2, 3))], ids=["a step", "the last"]
)
def test_penalty_of_a_step_is_over_the_rows_of_its_batch(last, n_rows):
    penalty = EpochPenalty(LAYOUT, make_members(0.5, 3.0), BATCHES, CPU)
    gradients = LAYOUT.new_buffer(CPU)
    parameters = torch.ones_like(gradients)
    (kernel,) = penalty.gradient_kernels(parameters, gradients, last=last)
    kernel()
    (found,) = LAYOUT.weights(gradients)
    expected = [0.5 / (2.0 * n_rows[0]), 3.0 / (1.0 * n_rows[1])]
    assert found.view(-1).tolist() == pytest.approx(expected)


def test_penalty_of_the_losses_is_over_the_mean_batch():
    penalty = EpochPenalty(LAYOUT, make_members(0.5, 3.0), BATCHES, CPU)
    parameters = torch.ones_like(LAYOUT.new_buffer(CPU))
    losses = torch.ones(2, dtype=torch.float64)
    run_all(penalty.value_kernels(parameters, losses))
    expected = [1 + 0.5 / (2 * 2.0 * 3), 1 + 3.0 / (2 * 1.0 * 3.5)]
    assert losses.tolist() == pytest.approx(expected)


def test_there_is_no_penalty_without_an_alpha():
    penalty = EpochPenalty(LAYOUT, make_members(0.0, 0.0), BATCHES, CPU)
    parameters = torch.ones_like(LAYOUT.new_buffer(CPU))
    assert penalty.gradient_kernels(parameters, parameters, last=False) == []
    assert penalty.value_kernels(parameters, torch.zeros(2)) == []
