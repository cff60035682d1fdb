"""Factors of the inputs against autograd in float64, and folded into the weights."""

import numpy as np
import pytest
import torch

from torch_binary_classifier.training.device import device_named
from torch_binary_classifier.training.evaluation import Scorer
from torch_binary_classifier.training.factors import InputFactors
from torch_binary_classifier.training.kernels import run_all
from torch_binary_classifier.training.layers import Units
from torch_binary_classifier.training.layout import (
    FACTOR_RATE,
    Architecture,
    ParameterLayout,
)
from torch_binary_classifier.training.network import Network
from torch_binary_classifier.training.normalisation import InputStatistics
from torch_binary_classifier.training.state import BlockState

N_FEATURES, N_ROWS, N_MEMBERS = 5, 11, 3
PRODUCT = device_named("cpu").product


def block_of(sizes, activation="tanh"):
    """Return members with random weights and factors."""
    architecture = Architecture(
        N_FEATURES, sizes, activation, None, torch.float64, input_factors=True
    )
    generator = torch.Generator().manual_seed(0)
    layout = ParameterLayout(architecture, N_MEMBERS)
    parameters = layout.new_buffer(torch.device("cpu"))
    for part in [*layout.matrices(parameters), layout.factors(parameters)]:
        part.copy_(0.3 * torch.randn(part.shape, generator=generator))
    where = torch.device("cpu")
    statistics = InputStatistics.initial(architecture, N_MEMBERS, where)
    return BlockState(layout, parameters, statistics)


def plain_logits(leaves, rows):
    """Return the logits by the formula, from matrices and factors."""
    *matrices, factors = leaves
    values = rows * (1 + FACTOR_RATE * factors).unsqueeze(1)
    for place, matrix in enumerate(matrices):
        values = values @ matrix[:, :-1] + matrix[:, -1:]
        if place < len(matrices) - 1:
            values = torch.tanh(values)
    return values.squeeze(-1)


@pytest.mark.parametrize("sizes", [(), (4,), (7,), (7, 3)], ids=str)
def test_gradients_are_those_of_autograd(sizes):
    state = block_of(sizes)
    layout, parameters = state.layout, state.parameters
    gradients = torch.zeros_like(parameters)
    factors = InputFactors(layout, parameters)
    network = Network(
        layout, parameters, gradients, N_ROWS, product=PRODUCT, first=factors.scaled
    )
    rows = torch.randn(N_MEMBERS, N_ROWS, N_FEATURES, dtype=torch.float64)
    residuals = torch.randn(N_MEMBERS, N_ROWS, dtype=torch.float64)
    run_all(factors.forward_kernels())
    logits = network.forward(Units.of(rows)).clone()
    network.residuals.copy_(residuals)
    network.backward()
    run_all(factors.backward_kernels(gradients))

    parts = [*layout.matrices(parameters), layout.factors(parameters)]
    leaves = [part.clone().requires_grad_() for part in parts]
    expected = plain_logits(leaves, rows)
    expected.backward(residuals)
    torch.testing.assert_close(logits, expected.detach(), rtol=1e-12, atol=1e-12)
    found = [*layout.matrices(gradients), layout.factors(gradients)]
    for own, leaf in zip(found, leaves, strict=True):
        torch.testing.assert_close(own, leaf.grad, rtol=1e-11, atol=1e-11)
        assert not torch.allclose(own, 1.001 * leaf.grad, rtol=1e-11, atol=1e-11)


def test_folded_factors_give_the_same_logits():
    state = block_of((6,))
    rows = torch.randn(1, N_ROWS, N_FEATURES, dtype=torch.float64)
    logits = Scorer(state, PRODUCT).logits(rows)
    for place in range(N_MEMBERS):
        member = state.member(place)
        hidden = torch.tanh(rows[0] @ member.coefs[0] + member.intercepts[0])
        alone = hidden @ member.coefs[1] + member.intercepts[1]
        np.testing.assert_allclose(alone[:, 0], logits[place], rtol=1e-12)
        weights = state.layout.weights(state.parameters)[0][place]
        assert not torch.allclose(member.coefs[0], weights)


def test_fresh_factors_are_one():
    state = block_of((6,))
    vector = state.layout.member_vector_of(
        state.member(0).coefs, state.member(0).intercepts
    )
    single = ParameterLayout(state.layout.architecture, 1)
    assert not single.factors(vector).any()
    coefs, _ = single.unpacked(vector)
    torch.testing.assert_close(coefs[0], state.member(0).coefs[0])
