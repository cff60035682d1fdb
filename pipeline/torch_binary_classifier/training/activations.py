"""Activations and their derivatives as kernels; knows tensors only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial

import torch
from torch import Tensor

from torch_binary_classifier.inference.activations import SELU_ALPHA, SELU_SCALE
from torch_binary_classifier.training.kernels import Kernel

aten = torch.ops.aten


class Activation(ABC):
    """An activation and its derivative as kernels on preallocated buffers."""

    needs_input = False
    keeps_ones = False  # f(1) = 1: it may run over the column of ones

    @abstractmethod
    def forward(self, inputs: Tensor, outputs: Tensor) -> list[Kernel]:
        """Write the activation of ``inputs`` to ``outputs``.

        Both are one buffer unless ``needs_input``.
        """

    @abstractmethod
    def backward(self, upstream: Tensor, kept: Tensor, out: Tensor) -> list[Kernel]:
        """Write ``upstream`` times the derivative at what ``kept`` holds.

        ``kept`` is the activation's input where ``needs_input``, else its output.
        ``upstream`` may be ``out`` itself or broadcast.
        """

    def derivative(self, kept: Tensor, out: Tensor) -> list[Kernel]:
        """Write the derivative at what ``kept`` holds; ``out`` may be ``kept``."""
        return self.backward(out.new_ones(()).expand_as(out), kept, out)


class Identity(Activation):
    """``f(z) = z``."""

    keeps_ones = True

    def forward(self, inputs: Tensor, outputs: Tensor) -> list[Kernel]:  # noqa: ARG002
        """Do nothing: input and output are one buffer."""
        return []

    def backward(self, upstream: Tensor, kept: Tensor, out: Tensor) -> list[Kernel]:  # noqa: ARG002
        """Copy: the derivative is 1."""
        return [] if upstream is out else [partial(out.copy_, upstream)]


class Logistic(Activation):
    """``f(z) = 1 / (1 + exp(-z))``."""

    def forward(self, inputs: Tensor, outputs: Tensor) -> list[Kernel]:
        """Write ``f(z)``."""
        return [partial(torch.sigmoid, inputs, out=outputs)]

    def backward(self, upstream: Tensor, kept: Tensor, out: Tensor) -> list[Kernel]:
        """Multiply by ``f (1 - f)``."""
        slope = aten.sigmoid_backward.grad_input
        return [partial(slope, upstream, kept, grad_input=out)]


class Tanh(Activation):
    """``f(z) = tanh(z)``."""

    def forward(self, inputs: Tensor, outputs: Tensor) -> list[Kernel]:
        """Write ``f(z)``."""
        return [partial(torch.tanh, inputs, out=outputs)]

    def backward(self, upstream: Tensor, kept: Tensor, out: Tensor) -> list[Kernel]:
        """Multiply by ``1 - f^2``."""
        slope = aten.tanh_backward.grad_input
        return [partial(slope, upstream, kept, grad_input=out)]


class Relu(Activation):
    """``f(z) = max(z, 0)``."""

    keeps_ones = True

    def forward(self, inputs: Tensor, outputs: Tensor) -> list[Kernel]:  # noqa: ARG002
        """Write ``f(z)``; input and output are one buffer."""
        return [outputs.relu_]

    def backward(self, upstream: Tensor, kept: Tensor, out: Tensor) -> list[Kernel]:
        """Set to 0 where the output is 0."""
        slope = aten.threshold_backward.grad_input
        return [partial(slope, upstream, kept, 0, grad_input=out)]

    def derivative(self, kept: Tensor, out: Tensor) -> list[Kernel]:
        """Write 1 where the output is positive, else 0."""
        return [partial(torch.sign, kept, out=out)]


class Silu(Activation):
    """``f(z) = z sigmoid(z)``."""

    needs_input = True

    def forward(self, inputs: Tensor, outputs: Tensor) -> list[Kernel]:
        """Write ``f(z)``."""
        return [partial(aten.silu.out, inputs, out=outputs)]

    def backward(self, upstream: Tensor, kept: Tensor, out: Tensor) -> list[Kernel]:
        """Multiply by ``f'(z)``."""
        slope = aten.silu_backward.grad_input
        return [partial(slope, upstream, kept, grad_input=out)]


class Gelu(Activation):
    """``f(z) = z Phi(z)``, Phi the standard normal distribution function."""

    needs_input = True

    def forward(self, inputs: Tensor, outputs: Tensor) -> list[Kernel]:
        """Write ``f(z)``."""
        return [partial(aten.gelu.out, inputs, out=outputs)]

    def backward(self, upstream: Tensor, kept: Tensor, out: Tensor) -> list[Kernel]:
        """Multiply by ``f'(z)``."""
        slope = aten.gelu_backward.grad_input
        return [partial(slope, upstream, kept, grad_input=out)]


class Selu(Activation):
    """``f(z) = scale (max(z, 0) + alpha (exp(min(z, 0)) - 1))``."""

    def forward(self, inputs: Tensor, outputs: Tensor) -> list[Kernel]:
        """Write ``f(z)``."""
        constants = (SELU_ALPHA, SELU_SCALE, 1.0)
        return [partial(aten.elu.out, inputs, *constants, out=outputs)]

    def backward(self, upstream: Tensor, kept: Tensor, out: Tensor) -> list[Kernel]:
        """Multiply by ``f'``, computed from the output."""
        constants = (SELU_ALPHA, SELU_SCALE, 1.0, True)
        slope = aten.elu_backward.grad_input
        return [partial(slope, upstream, *constants, kept, grad_input=out)]


ACTIVATIONS: dict[str, Activation] = {
    "gelu": Gelu(),
    "identity": Identity(),
    "logistic": Logistic(),
    "relu": Relu(),
    "selu": Selu(),
    "silu": Silu(),
    "tanh": Tanh(),
}
