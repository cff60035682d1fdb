import math

import pytest
import torch

from torch_binary_classifier.training.initialisation import initial_parameters
from torch_binary_classifier.training.layout import Architecture


def start_weights(architecture, seed):
    generator = torch.Generator().manual_seed(seed)
    return initial_parameters(architecture, generator, 0.3)


@pytest.mark.parametrize(
    ("activation", "variance"),
    [
        ("relu", 2 / 400),
        ("silu", 2 / 400),
        ("gelu", 2 / 400),
        ("selu", 1 / 400),
        ("tanh", 2 / 700),
        ("identity", 2 / 700),
        ("logistic", 2 / 700 / 3),
    ],
)
def test_initial_parameters_have_the_documented_variance(activation, variance):
    architecture = Architecture(400, (300,), activation, None, torch.float64)
    coefs, intercepts = start_weights(architecture, 0)
    assert float(coefs[0].var()) == pytest.approx(variance, rel=0.02)
    assert abs(float(coefs[0].mean())) < 4 * math.sqrt(variance / 120_000)
    assert float(coefs[1].var()) == pytest.approx(1 / 300, rel=0.3)
    assert float(intercepts[0].abs().max()) <= 1 / math.sqrt(400)
    assert intercepts[1].tolist() == [0.3]


def test_initial_parameters_depend_on_the_generator_only():
    architecture = Architecture(4, (5,), "tanh", None, torch.float32)
    first, again, other = (start_weights(architecture, seed) for seed in (0, 0, 1))
    assert torch.equal(first[0][0], again[0][0])
    assert not torch.equal(first[0][0], other[0][0])
    assert all(coef.dtype == torch.float32 for coef in first[0])
