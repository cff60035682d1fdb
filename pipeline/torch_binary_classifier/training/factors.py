"""A trained factor of each input in front of the first layer.

Knows a buffer of parameters and the first layer's place in it; nothing of batches.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from torch_binary_classifier.training.kernels import Kernel
from torch_binary_classifier.training.layout import FACTOR_RATE, ParameterLayout


class InputFactors:
    r"""The first layer's weights times the factors, and the slopes of both.

    Scaling row :math:`j` of the weights by :math:`s_j = 1 + 6 u_j` is scaling input j.
    With the slopes :math:`G` at the scaled weights :math:`s_j W_{jk}`, those at
    :math:`W_{jk}` are :math:`s_j G_{jk}`, and at :math:`u_j` they are
    :math:`6 \sum_k G_{jk} W_{jk}`: no pass goes through the factors.

    Parameters
    ----------
    layout : ParameterLayout
        Of networks with factors.
    parameters : Tensor of shape (n_members * member_size,)

    Attributes
    ----------
    scaled : Tensor of shape (n_members, n_features + 1, n_units)
        What the networks take for their first layer's matrix; its last row are the
        biases.
    """

    def __init__(self, layout: ParameterLayout, parameters: Tensor) -> None:
        self.layout = layout
        self.matrix = layout.matrices(parameters)[0]
        self.parameters = layout.factors(parameters)
        self.scaled = torch.empty_like(
            self.matrix, memory_format=torch.contiguous_format
        )
        n_members, n_rows, _ = self.matrix.shape
        self.factors = self.matrix.new_ones(n_members, n_rows, 1)

    def forward_kernels(self) -> list[Kernel]:
        """Return what scales the weights."""
        one = self.factors.new_ones(())
        inner = self.factors[:, :-1, 0]  # the last one belongs to the biases
        return [
            partial(torch.add, one, self.parameters, alpha=FACTOR_RATE, out=inner),
            partial(torch.mul, self.matrix, self.factors, out=self.scaled),
        ]

    def backward_kernels(self, gradients: Tensor) -> list[Kernel]:
        """Return what makes of the slopes at the scaled weights those of both parts."""
        slopes = self.layout.matrices(gradients)[0]
        own = self.layout.factors(gradients)
        terms = torch.empty_like(self.scaled)
        return [
            partial(torch.mul, slopes, self.matrix, out=terms),
            partial(torch.sum, terms[:, :-1], -1, out=own),
            partial(own.mul_, FACTOR_RATE),
            partial(slopes.mul_, self.factors),
        ]
