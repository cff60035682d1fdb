import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from torch_binary_classifier.training.activations import ACTIVATIONS
from torch_binary_classifier.training.kernels import run_all

TORCH_ACTIVATIONS = {
    "gelu": F.gelu,
    "identity": lambda z: z,
    "logistic": torch.sigmoid,
    "relu": torch.relu,
    "selu": F.selu,
    "silu": F.silu,
    "tanh": torch.tanh,
}
INPUTS = torch.linspace(-6, 6, 42, dtype=torch.float64).view(2, 3, 7)


def activated(activation):
    """Return the outputs for ``INPUTS``, and what the derivative needs of them."""
    inputs = INPUTS.clone()
    outputs = torch.empty_like(inputs) if activation.needs_input else inputs
    run_all(activation.forward(inputs, outputs))
    return outputs, inputs if activation.needs_input else outputs


def slopes_by_autograd(name, upstream):
    leaf = INPUTS.clone().requires_grad_()
    TORCH_ACTIVATIONS[name](leaf).backward(upstream)
    return leaf.grad


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_outputs_are_torchs(name):
    outputs, _ = activated(ACTIVATIONS[name])
    torch.testing.assert_close(outputs, TORCH_ACTIVATIONS[name](INPUTS))


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_slopes_are_autograds(name, in_place):
    generator = torch.Generator().manual_seed(0)
    upstream = torch.randn(INPUTS.shape, generator=generator, dtype=torch.float64)
    expected = slopes_by_autograd(name, upstream)
    _, kept = activated(ACTIVATIONS[name])
    out = upstream if in_place else torch.full_like(upstream, torch.nan)
    run_all(ACTIVATIONS[name].backward(upstream, kept, out))
    torch.testing.assert_close(out, expected)
    assert not torch.allclose(out, slopes_by_autograd(name, upstream + 1))


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_derivative_may_overwrite_what_it_is_computed_from(name):
    expected = slopes_by_autograd(name, torch.ones_like(INPUTS))
    _, kept = activated(ACTIVATIONS[name])
    run_all(ACTIVATIONS[name].derivative(kept, kept))
    torch.testing.assert_close(kept, expected)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_ones_are_kept_where_it_is_said(name):
    one = torch.ones((), dtype=torch.float64)
    found = float(TORCH_ACTIVATIONS[name](one))
    assert ACTIVATIONS[name].keeps_ones is (found == 1)
