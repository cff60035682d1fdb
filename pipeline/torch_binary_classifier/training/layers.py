"""The layers of networks as kernels on fixed buffers, forward and backward.

Knows tensors only: nothing of losses, optimizers, data sets or labels. The first
axis of every tensor is the member: ``(n_members, n_rows, width)``.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from torch_binary_classifier.training.activations import Activation
from torch_binary_classifier.training.kernels import Kernel, Product


class Units:
    """The values of a layer's units in a batch, and the views that products take.

    Parameters
    ----------
    values : Tensor of shape (n_members, n_rows, width + 1)
        The last column is 1 and meets the biases: a product with a layer's matrix
        adds them, and a product with slopes sums their gradient, for nothing. It is
        also the gap between rows by which every row of units is a vector of its own,
        with the same bits whatever stands before it.
    """

    def __init__(self, values: Tensor) -> None:
        self.values = values

    @property
    def units(self) -> Tensor:
        """The values without the ones."""
        return self.values[..., :-1]

    @property
    def transposed(self) -> Tensor:
        """The values ``(n_members, width + 1, n_rows)``."""
        return self.values.transpose(1, 2)

    @classmethod
    def of(cls, rows: Tensor) -> Units:
        """Return a copy of rows ``(n_members, n_rows, width)`` with the ones."""
        units = cls.empty_like(rows, *rows.shape)
        units.units.copy_(rows)
        return units

    @classmethod
    def empty_like(cls, like: Tensor, n_members: int, n_rows: int, width: int) -> Units:
        """Return units to be filled, of the type and on the device of a tensor."""
        return cls(like.new_ones(n_members, n_rows, width + 1))


class Upstream(NamedTuple):
    """Slopes of the logit at a layer's outputs, and a buffer that may be overwritten.

    Shapes ``(n_members, n_rows, width)``; ``values`` may be ``out`` or broadcast.
    """

    values: Tensor
    out: Tensor

    @classmethod
    def into(cls, out: Tensor) -> Upstream:
        """Return the slopes that a buffer holds."""
        return cls(out, out)


class Layer(Protocol):
    """One stage of a pass over a fixed number of rows, as kernels on fixed buffers.

    A pass is prepared once and run many times: calling a prepared kernel costs a
    tenth less of a small step than walking through the layers again.
    """

    def forward(self, inputs: Units, kernels: list[Kernel]) -> Units:
        """Append what computes the outputs; return where they will be."""

    def backward(self, upstream: Upstream, kernels: list[Kernel]) -> Upstream:
        """Append what fills the gradients; return where the inputs' slopes will be."""


class DenseLayer:
    """``activation(inputs @ weight + bias)``, members side by side."""

    def __init__(
        self,
        matrix: Tensor,  # (n_members, in + 1, out)
        gradient: Tensor,
        n_rows: int,
        activation: Activation,
        product: Product,
    ) -> None:
        n_members, _, fan_out = matrix.shape
        self.activation = activation
        self.product = product
        self.matrix, self.gradient = matrix, gradient
        self.outputs = Units.empty_like(matrix, n_members, n_rows, fan_out)
        self.inner = self.outputs.units
        if activation.needs_input:
            self.inner = Units.empty_like(matrix, n_members, n_rows, fan_out).units
        self.written = (
            self.outputs.values if activation.keeps_ones else self.outputs.units
        )
        self.input_slopes = self.new_input_slopes(matrix, n_rows)

    @staticmethod
    def new_input_slopes(matrix: Tensor, n_rows: int) -> Upstream:
        """Return the buffer of the slopes at the inputs."""
        n_members, fan_in = matrix[:, :-1].shape[:2]
        return Upstream.into(matrix.new_empty(n_members, n_rows, fan_in))

    def forward(self, inputs: Units, kernels: list[Kernel]) -> Units:
        """Return ``(n_members, n_rows, out)`` units."""
        self.inputs = inputs
        kernels.append(self.product(inputs.values, self.matrix, self.inner))
        kernels += self.activation.forward(self.inner, self.written)
        return self.outputs

    def backward(self, upstream: Upstream, kernels: list[Kernel]) -> Upstream:
        """Return the slopes at the inputs, ``(n_members, n_rows, in)``."""
        values, out = upstream
        kernels += self.activation.backward(values, self.inner, out)
        weights = self.matrix[:, :-1].transpose(1, 2)
        kernels += [
            self.product(self.inputs.transposed, out, self.gradient),
            self.product(out, weights, self.input_slopes.out),
        ]
        return self.input_slopes


class FirstDenseLayer(DenseLayer):
    """A dense layer with nothing to learn in front of it: no slopes at its inputs."""

    @staticmethod
    def new_input_slopes(matrix: Tensor, n_rows: int) -> Upstream:  # noqa: ARG004
        """Return an empty buffer."""
        return Upstream.into(matrix.new_empty(0))

    def backward(self, upstream: Upstream, kernels: list[Kernel]) -> Upstream:
        """Fill the gradient; return empty slopes."""
        values, out = upstream
        kernels += self.activation.backward(values, self.inner, out)
        kernels.append(self.product(self.inputs.transposed, out, self.gradient))
        return self.input_slopes


class OnlyDenseLayer(DenseLayer):
    """The one hidden layer of a network, with no pass over the units but one.

    Between the inputs and the logit lie the rows' residuals, the derivative of the
    activation and the logit's weights. The residuals are multiplied into the narrower
    inputs and the weights into the gradient: for 64 rows, 30 inputs and 100 units a
    step takes 42 instead of 54 microseconds.
    """

    def __init__(
        self,
        matrix: Tensor,
        gradient: Tensor,
        n_rows: int,
        activation: Activation,
        product: Product,
        logit: LogitLayer,
    ) -> None:
        super().__init__(matrix, gradient, n_rows, activation, product)
        self.kept = self.inner if activation.needs_input else self.written
        self.slopes = self.outputs.units  # written over the outputs
        self.residual_column = logit.residual_column
        self.weigh_gradient = partial(gradient.mul_, logit.weights)
        n_members, fan_in = matrix[:, :-1].shape[:2]
        self.weighed = Units.empty_like(matrix, n_members, n_rows, fan_in)

    def backward(self, upstream: Upstream, kernels: list[Kernel]) -> Upstream:
        """Fill the gradient; return what was given."""
        kernels += self.activation.derivative(self.kept, self.written)
        inputs, weighed = self.inputs.values, self.weighed
        kernels += [
            partial(torch.mul, inputs, self.residual_column, out=weighed.values),
            self.product(weighed.transposed, self.slopes, self.gradient),
            self.weigh_gradient,
        ]
        return upstream


class LogitLayer:
    """The single logit: matrix-vector products instead of products with n = 1."""

    def __init__(
        self, matrix: Tensor, gradient: Tensor, n_rows: int, product: Product
    ) -> None:
        n_members, fan_in = matrix[:, :-1, 0].shape
        self.product = product
        self.matrix = matrix  # (n_members, in + 1, 1)
        self.gradient_row = gradient.transpose(1, 2)
        self.weights = matrix[:, :-1].transpose(1, 2)  # (n_members, 1, in)
        # Members whose rows follow each other without a gap would be merged into one
        # long row, and have their vectors end elsewhere than alone.
        rows = matrix.new_zeros(2, n_members, n_rows + 1)[..., :-1]
        self.logits, self.residuals = rows[0], rows[1]
        self.residual_row = self.residuals.unsqueeze(1)
        self.residual_column = self.residuals.unsqueeze(-1)
        self.slopes = Upstream(
            self.weights.expand(-1, n_rows, -1),
            matrix.new_empty(n_members, n_rows, fan_in),
        )

    def forward(self, inputs: Units, logits: Tensor, kernels: list[Kernel]) -> None:
        """Write the logits, ``(n_members, n_rows)``."""
        self.inputs = inputs
        column = logits.unsqueeze(-1)
        kernels.append(self.product(inputs.values, self.matrix, column))

    def backward(self, kernels: list[Kernel]) -> Upstream:
        """Fill the gradient from the residuals; return the slopes of the logits."""
        kernels.append(
            self.product(self.residual_row, self.inputs.values, self.gradient_row)
        )
        return self.slopes


class ResidualWeights:
    """Multiplies slopes by the rows' residuals: from logits to losses."""

    def __init__(self, residual_column: Tensor) -> None:
        self.residual_column = residual_column

    def forward(self, inputs: Units, kernels: list[Kernel]) -> Units:  # noqa: ARG002
        """Return the inputs."""
        return inputs

    def backward(self, upstream: Upstream, kernels: list[Kernel]) -> Upstream:
        """Return the weighed slopes."""
        values, out = upstream
        kernels.append(partial(torch.mul, values, self.residual_column, out=out))
        return upstream._replace(values=out)
