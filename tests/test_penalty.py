import torch

from torch_binary_classifier.training.layout import Architecture, ParameterLayout
from torch_binary_classifier.training.penalty import Penalty

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
