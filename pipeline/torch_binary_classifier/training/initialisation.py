"""The parameters that a network starts from; knows sizes and a generator."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from torch_binary_classifier.training.layout import Architecture

HE_FAMILY = frozenset({"relu", "silu", "gelu"})


def initial_parameters(
    architecture: Architecture, generator: torch.Generator, output_bias: float
) -> tuple[list[Tensor], list[Tensor]]:
    r"""Draw the weights of one network for inputs of mean 0 and variance 1.

    Parameters
    ----------
    architecture : Architecture
        Sizes, activation and dtype.
    generator : torch.Generator
        Source of randomness.
    output_bias : float
        Start of the logit's bias, in nats; the logit of the prior makes the
        untrained network predict the class frequencies.

    Returns
    -------
    coefs : list of Tensor of shape (in, out)
    intercepts : list of Tensor of shape (out,)

    Notes
    -----
    Hidden weights: relu, silu, gelu :math:`N(0, 2/n_{in})` [1]_; selu
    :math:`N(0, 1/n_{in})` [2]_; tanh, identity and logistic uniform with variance
    :math:`2/(n_{in}+n_{out})` [3]_, for logistic a quarter of the width as in
    scikit-learn's MLP. The logit has no activation behind it: :math:`N(0, 1/n_{in})`.
    Hidden biases are uniform in :math:`\pm 1/\sqrt{n_{in}}`, which spreads the kinks
    of the units over standardised data.

    References
    ----------
    .. [1] K. He et al., "Delving Deep into Rectifiers", 2015, section 2.2.
    .. [2] G. Klambauer et al., "Self-Normalizing Neural Networks", 2017.
    .. [3] X. Glorot, Y. Bengio, "Understanding the difficulty of training deep
       feedforward neural networks", 2010, eq. 16.
    """
    coefs, intercepts = [], []
    for fan_in, fan_out in architecture.shapes[:-1]:
        coefs.append(_hidden_weights(architecture, fan_in, fan_out, generator))
        bias = torch.rand(fan_out, generator=generator, dtype=torch.float64)
        intercepts.append((2 * bias - 1) / math.sqrt(fan_in))
    fan_in = architecture.shapes[-1][0]
    logit = torch.randn(fan_in, 1, generator=generator, dtype=torch.float64)
    coefs.append(logit / math.sqrt(fan_in))
    intercepts.append(torch.tensor([output_bias], dtype=torch.float64))
    cast = architecture.dtype
    return [w.to(cast) for w in coefs], [b.to(cast) for b in intercepts]


def _hidden_weights(
    architecture: Architecture, fan_in: int, fan_out: int, generator: torch.Generator
) -> Tensor:
    """Draw one hidden layer's weights, (fan_in, fan_out), in float64."""
    shape = (fan_in, fan_out)
    if architecture.activation in HE_FAMILY | {"selu"}:
        gain = 1.0 if architecture.activation == "selu" else 2.0
        normal = torch.randn(shape, generator=generator, dtype=torch.float64)
        return normal * math.sqrt(gain / fan_in)
    factor = 2.0 if architecture.activation == "logistic" else 6.0
    uniform = torch.rand(shape, generator=generator, dtype=torch.float64)
    return (2 * uniform - 1) * math.sqrt(factor / (fan_in + fan_out))
