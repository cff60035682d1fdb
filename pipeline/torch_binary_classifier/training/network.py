"""Architecture, parameter layout, initialisation, forward and backward passes.

Knows tensors only: nothing of losses, optimizers, data sets or labels. The first
axis of every tensor is the member: ``(n_members, n_rows, width)``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torch_binary_classifier.training.products import multiplier, operand

BATCH_NORM_EPSILON = 1e-5  # torch.nn.BatchNorm1d's defaults
BATCH_NORM_MOMENTUM = 0.1

# A member's parameters of a layer fill whole pairs of 64-byte lines: vectorised
# updates of the flat buffers then treat a member the same wherever it lies.
SLOT_BYTES = 128

SELU_ALPHA = 1.6732632423543772  # Klambauer et al. 2017, eq. 14
SELU_SCALE = 1.0507009873554805

HE_FAMILY = frozenset({"relu", "silu", "gelu"})

aten = torch.ops.aten

# One operation on fixed buffers, ready to be called again and again.
Kernel = Callable[[], object]


def run_all(kernels: Sequence[Kernel]) -> None:
    """Call kernels one after the other."""
    for kernel in kernels:
        kernel()


@dataclass(frozen=True)
class Architecture:
    """What networks must share to be trained as members of one tensor program.

    Parameters
    ----------
    n_features : int
        Width of the input.
    hidden_layer_sizes : tuple of int
        Width of every hidden layer; empty for logistic regression.
    activation : str
        A key of ``ACTIVATIONS``.
    input_norm : None or "batch"
        Whether batch normalisation, without a learned affine map, comes first.
    dtype : torch.dtype
        ``torch.float32`` or ``torch.float64``.
    """

    n_features: int
    hidden_layer_sizes: tuple[int, ...]
    activation: str
    input_norm: str | None
    dtype: torch.dtype

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """``(in, out)`` of every layer, the logit's last."""
        widths = [self.n_features, *self.hidden_layer_sizes, 1]
        return list(pairwise(widths))

    @property
    def flops_per_row(self) -> int:
        """Floating-point operations of a row's products, forward and backward.

        With P weights, P1 of them in the first layer, 2P forward, 2P for the weights'
        gradients and 2(P - P1) for those at the layers' inputs.
        """
        weights = [fan_in * fan_out for fan_in, fan_out in self.shapes]
        return 6 * sum(weights) - 2 * weights[0]


class ParameterLayout:
    """Where each layer's weights and biases lie in one flat buffer of all members.

    Layer by layer, and within a layer member by member, each in a slot of whole cache
    lines. A slot begins with one matrix ``(in + 1, out)``: the weights, and the biases
    as its last row, which meet a last column of ones in the layer's inputs.
    """

    def __init__(self, architecture: Architecture, n_members: int) -> None:
        self.architecture = architecture
        self.n_members = n_members
        self.shapes = [(fan_in + 1, out) for fan_in, out in architecture.shapes]
        line = SLOT_BYTES // architecture.dtype.itemsize
        self.slot_sizes = [-(-rows * out // line) * line for rows, out in self.shapes]

    @property
    def member_size(self) -> int:
        """Elements of one member, padding included."""
        return sum(self.slot_sizes)

    def new_buffer(self, device: torch.device) -> Tensor:
        """Return a flat buffer of zeros for all members."""
        size = self.n_members * self.member_size
        return torch.zeros(size, dtype=self.architecture.dtype, device=device)

    def slots(self, flat: Tensor) -> list[Tensor]:
        """Return each layer's part of a buffer, ``(n_members, slot_size)``."""
        sizes = [self.n_members * size for size in self.slot_sizes]
        parts = torch.split(flat, sizes)
        return [part.view(self.n_members, -1) for part in parts]

    def matrices(self, flat: Tensor) -> list[Tensor]:
        """Return each layer's weights and biases, ``(n_members, in + 1, out)``."""
        return [
            slot[:, : rows * out].view(self.n_members, rows, out)
            for slot, (rows, out) in zip(self.slots(flat), self.shapes, strict=True)
        ]

    def weights(self, flat: Tensor) -> list[Tensor]:
        """Return each layer's weights, ``(n_members, in, out)``."""
        return [matrix[:, :-1] for matrix in self.matrices(flat)]

    def segments(self, flat: Tensor, first: int, last: int) -> list[Tensor]:
        """Return flat views of the members ``first`` to ``last``, last excluded."""
        if (first, last) == (0, self.n_members):
            return [flat]
        return [slot[first:last].view(-1) for slot in self.slots(flat)]

    def spread(self, values: Sequence[float], flat: Tensor) -> None:
        """Write each member's value to all of its part of a buffer."""
        column = torch.tensor(values, dtype=flat.dtype, device=flat.device)
        for slot in self.slots(flat):
            slot.copy_(column.unsqueeze(1))

    def weight_mask(self, device: torch.device) -> Tensor:
        """Return a buffer with 1 at weights and 0 at biases."""
        flat = self.new_buffer(device)
        for weights in self.weights(flat):
            weights.fill_(1.0)
        return flat

    def member_vector(self, flat: Tensor, member: int) -> Tensor:
        """Return a copy of one member's part, ``(member_size,)``."""
        return torch.cat([slot[member] for slot in self.slots(flat)])

    def write_member(self, flat: Tensor, member: int, vector: Tensor) -> None:
        """Overwrite one member's part by a ``(member_size,)`` vector."""
        parts = torch.split(vector, self.slot_sizes)
        for slot, part in zip(self.slots(flat), parts, strict=True):
            slot[member].copy_(part)

    def member_vector_of(
        self, coefs: Sequence[Tensor], intercepts: Sequence[Tensor]
    ) -> Tensor:
        """Pack weights ``(in, out)`` and biases ``(out,)`` of one member."""
        single = ParameterLayout(self.architecture, 1)
        flat = single.new_buffer(torch.device("cpu"))
        members = zip(single.matrices(flat), coefs, intercepts, strict=True)
        for matrix, coef, intercept in members:
            matrix[0, :-1] = coef
            matrix[0, -1] = intercept
        return flat

    def unpacked(self, vector: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Unpack a member's vector into weights ``(in, out)`` and biases ``(out,)``."""
        matrices = ParameterLayout(self.architecture, 1).matrices(vector)
        coefs = [matrix[0, :-1].clone() for matrix in matrices]
        return coefs, [matrix[0, -1].clone() for matrix in matrices]


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
    def operand(self) -> Any:
        """What products take of the values, ones included."""
        return operand(self.values)

    @property
    def transposed(self) -> Any:
        """The operand ``(n_members, width + 1, n_rows)``."""
        return operand(self.values.transpose(1, 2))

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


class Logits:
    """The logits of a batch, ``(n_members, n_rows)``, and where a product writes them.

    Parameters
    ----------
    values : Tensor of shape (n_members, n_rows)
        Rows must not follow each other without a gap: members merged into one long
        row would have their vectors end elsewhere than alone.
    """

    def __init__(self, values: Tensor) -> None:
        self.values = values
        self.column = operand(values.unsqueeze(-1))


class Upstream(NamedTuple):
    """Slopes of the logit at a layer's outputs, and a buffer that may be overwritten.

    Shapes ``(n_members, n_rows, width)``; ``values`` may be ``out`` or broadcast, and
    ``operand`` is what the products take of ``out``.
    """

    values: Tensor
    out: Tensor
    operand: Any

    @classmethod
    def into(cls, out: Tensor) -> Upstream:
        """Return the slopes that a buffer holds."""
        return cls(out, out, operand(out))


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
    ) -> None:
        n_members, _, fan_out = matrix.shape
        self.activation = activation
        self.multiply = multiplier(matrix.device)
        self.matrix, self.gradient = operand(matrix), operand(gradient)
        self.weight_transposed = operand(matrix[:, :-1].transpose(1, 2))
        self.outputs = Units.empty_like(matrix, n_members, n_rows, fan_out)
        self.inner = self.outputs.units
        if activation.needs_input:
            self.inner = Units.empty_like(matrix, n_members, n_rows, fan_out).units
        self.product = operand(self.inner)
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
        kernels.append(
            partial(self.multiply, inputs.operand, self.matrix, self.product)
        )
        kernels += self.activation.forward(self.inner, self.written)
        return self.outputs

    def backward(self, upstream: Upstream, kernels: list[Kernel]) -> Upstream:
        """Return the slopes at the inputs, ``(n_members, n_rows, in)``."""
        values, out, slopes = upstream
        kernels += self.activation.backward(values, self.inner, out)
        transposed = self.inputs.transposed
        below = self.input_slopes
        kernels += [
            partial(self.multiply, transposed, slopes, self.gradient),
            partial(self.multiply, slopes, self.weight_transposed, below.operand),
        ]
        return below


class FirstDenseLayer(DenseLayer):
    """A dense layer with nothing to learn in front of it: no slopes at its inputs."""

    @staticmethod
    def new_input_slopes(matrix: Tensor, n_rows: int) -> Upstream:  # noqa: ARG004
        """Return an empty buffer."""
        return Upstream.into(matrix.new_empty(0))

    def backward(self, upstream: Upstream, kernels: list[Kernel]) -> Upstream:
        """Fill the gradient; return empty slopes."""
        values, out, slopes = upstream
        kernels += self.activation.backward(values, self.inner, out)
        transposed = self.inputs.transposed
        kernels.append(partial(self.multiply, transposed, slopes, self.gradient))
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
        logit: LogitLayer,
    ) -> None:
        super().__init__(matrix, gradient, n_rows, activation)
        self.kept = self.inner if activation.needs_input else self.written
        self.slopes = operand(self.outputs.units)  # written over the outputs
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
            partial(self.multiply, weighed.transposed, self.slopes, self.gradient),
            self.weigh_gradient,
        ]
        return upstream


class LogitLayer:
    """The single logit: matrix-vector products instead of products with n = 1."""

    def __init__(self, matrix: Tensor, gradient: Tensor, n_rows: int) -> None:
        n_members, fan_in = matrix[:, :-1, 0].shape
        self.multiply = multiplier(matrix.device)
        self.matrix = operand(matrix)  # (n_members, in + 1, 1)
        self.gradient_row = operand(gradient.transpose(1, 2))
        self.weights = matrix[:, :-1].transpose(1, 2)  # (n_members, 1, in)
        logits, self.residuals = matrix.new_zeros(2, n_members, n_rows + 1)[..., :-1]
        self.logits = Logits(logits)
        self.residual_row = operand(self.residuals.unsqueeze(1))
        self.residual_column = self.residuals.unsqueeze(-1)
        self.slopes = Upstream.into(matrix.new_empty(n_members, n_rows, fan_in))
        self.slopes = self.slopes._replace(values=self.weights.expand(-1, n_rows, -1))

    def forward(self, inputs: Units, logits: Logits, kernels: list[Kernel]) -> None:
        """Write the logits."""
        self.inputs = inputs
        product = (inputs.operand, self.matrix, logits.column)
        kernels.append(partial(self.multiply, *product))

    def backward(self, kernels: list[Kernel]) -> Upstream:
        """Fill the gradient from the residuals; return the slopes of the logits."""
        product = (self.residual_row, self.inputs.operand, self.gradient_row)
        kernels.append(partial(self.multiply, *product))
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
        values, out, _ = upstream
        kernels.append(partial(torch.mul, values, self.residual_column, out=out))
        return upstream._replace(values=out)


class DropoutLayer:
    """Inverted dropout: a unit is 0, or over the share that is kept.

    Four units take the 16-bit numbers of one random word, a rate is met to 2^-16, and
    all members are compared at once: 6 instead of 45 microseconds per member for the
    masks of 64 rows of 72 units by ``bernoulli_``.
    """

    def __init__(self, like: Units, randomness: DropoutRandomness) -> None:
        self.mask = torch.empty_like(like.units)
        self.outputs = Units(torch.ones_like(like.values))
        self.size = math.prod(self.mask.shape[1:])
        self.bounds = randomness.bounds.to(self.mask)
        self.scales = randomness.scales.to(self.mask)

    @property
    def n_words(self) -> int:
        """Random words that a member's mask takes."""
        return -(-self.size // 4)

    def draw(self, words: NDArray[np.uint64]) -> None:
        """Draw the units that the next pass leaves out, ``(n_members, n_words)``."""
        numbers = words.view(np.int16)[:, : self.size].reshape(self.mask.shape)
        self.mask.copy_(torch.from_numpy(numbers)).lt_(self.bounds).mul_(self.scales)

    def forward(self, inputs: Units, kernels: list[Kernel]) -> Units:
        """Return the inputs with a share of the units set to 0."""
        outputs = self.outputs.units
        kernels.append(partial(torch.mul, inputs.units, self.mask, out=outputs))
        return self.outputs

    def backward(self, upstream: Upstream, kernels: list[Kernel]) -> Upstream:
        """Return the slopes through the units that were kept."""
        values, out, _ = upstream
        kernels.append(partial(torch.mul, values, self.mask, out=out))
        return upstream._replace(values=out)


class DropoutRandomness:
    """The members' dropout rates and generators.

    Attributes
    ----------
    bounds : Tensor of shape (n_members, 1, 1)
        A unit is kept if its number, uniform in -2^15 to 2^15 - 1, is below.
    scales : Tensor of shape (n_members, 1, 1)
        1 over the share of the units that is kept.

    References
    ----------
    .. [1] C. Doty-Humphrey, "Practically Random", the generator sfc64, by NumPy.
    """

    def __init__(self, rates: Sequence[float]) -> None:
        kept = [max(1, round((1.0 - rate) * 2**16)) for rate in rates]
        shares = torch.tensor(kept, dtype=torch.float64).view(-1, 1, 1)
        self.bounds = shares - 2**15
        self.scales = 2**16 / shares
        self.generators: list[np.random.SFC64] = []

    def reseed(self, seeds: Sequence[int]) -> None:
        """Start every member's generator anew, as at the start of an epoch."""
        self.generators = [np.random.SFC64(seed) for seed in seeds]

    def words(self, n_words: int) -> NDArray[np.uint64]:
        """Return random words, ``(n_members, n_words)``."""
        return np.stack([one.random_raw(n_words) for one in self.generators])


class InputStatistics:
    """Running mean and variance of the inputs, ``(n_members, 1, n_features)``."""

    def __init__(self, mean: Tensor, variance: Tensor) -> None:
        self.mean = mean
        self.variance = variance

    @classmethod
    def initial(
        cls, architecture: Architecture, n_members: int, device: torch.device
    ) -> InputStatistics:
        """Return mean 0 and variance 1, torch's start."""
        shape = (n_members, 1, architecture.n_features)
        mean = torch.zeros(shape, dtype=architecture.dtype, device=device)
        return cls(mean, torch.ones_like(mean))


class BatchNormInput:
    r"""Batch normalisation of the inputs by the batch's weighted statistics.

    :math:`(x - \mu_B) / \sqrt{\sigma_B^2 + \epsilon}` with the row weights' mean and
    variance; for equal weights ``torch.nn.BatchNorm1d(affine=False)``. A learned
    affine map would only repeat the next layer's weights. The running variance is
    corrected by ``n / (n - 1)``, where ``n`` is the sum of the weights, at least the
    number of rows.

    References
    ----------
    .. [1] S. Ioffe, C. Szegedy, "Batch Normalization", 2015, algorithm 1.
    """

    def __init__(self, statistics: InputStatistics, n_rows: int) -> None:
        self.statistics = statistics
        n_members, _, n_features = statistics.mean.shape
        self.outputs = Units.empty_like(statistics.mean, n_members, n_rows, n_features)
        self.product = torch.empty_like(self.outputs.units)
        self.mean = torch.empty_like(statistics.mean)
        self.variance = torch.empty_like(statistics.mean)
        self.unbiased = torch.empty_like(statistics.mean)

    def forward(
        self, inputs: Units, shares: Tensor, correction: Tensor, kernels: list[Kernel]
    ) -> Units:
        """Return the normalised inputs; the running statistics move along.

        ``shares``, ``(n_members, n_rows)``, add up to 1 over the rows; ``correction``,
        ``(n_members, 1, 1)``, is ``n / (n - 1)``.
        """
        column, centred = shares.unsqueeze(-1), self.outputs.units
        product, mean, variance = self.product, self.mean, self.variance
        kernels += [
            partial(torch.mul, inputs.units, column, out=product),
            partial(torch.sum, product, 1, keepdim=True, out=mean),
            partial(torch.sub, inputs.units, mean, out=centred),
            partial(torch.mul, centred, centred, out=product),
            partial(product.mul_, column),
            partial(torch.sum, product, 1, keepdim=True, out=variance),
            partial(torch.mul, variance, correction, out=self.unbiased),
            *self._moves(self.statistics.mean, mean),
            *self._moves(self.statistics.variance, self.unbiased),
            partial(variance.add_, BATCH_NORM_EPSILON),
            variance.sqrt_,
            partial(centred.div_, variance),
        ]
        return self.outputs

    @staticmethod
    def _moves(running: Tensor, found: Tensor) -> list[Kernel]:
        """Mix a batch's statistic into the running one."""
        return [
            partial(running.mul_, 1.0 - BATCH_NORM_MOMENTUM),
            partial(running.add_, found, alpha=BATCH_NORM_MOMENTUM),
        ]


class FixedNormInput:
    """Normalisation by given statistics, as in scoring."""

    def __init__(self, statistics: InputStatistics, n_rows: int) -> None:
        self.statistics = statistics
        n_members, _, n_features = statistics.mean.shape
        self.outputs = Units.empty_like(statistics.mean, n_members, n_rows, n_features)

    def forward(self, inputs: Units) -> Units:
        """Return the normalised inputs."""
        torch.sub(inputs.units, self.statistics.mean, out=self.outputs.units)
        variance = self.statistics.variance + BATCH_NORM_EPSILON
        self.outputs.units.div_(variance.sqrt())
        return self.outputs


class Network:
    """The layers of all members with the buffers of a pass over ``n_rows`` rows.

    Parameters
    ----------
    layout : ParameterLayout
        Sizes and places.
    parameters, gradients : Tensor of shape (n_members * member_size,)
        Flat buffers; the parameters may be shared between networks.
    n_rows : int
        Rows per pass.
    dropout : DropoutRandomness or None
        Randomness of the dropout behind each hidden layer; None for no dropout.

    Attributes
    ----------
    residuals : Tensor of shape (n_members, n_rows)
        Derivative of each member's loss with respect to its logits, to be written
        between ``forward`` and ``backward``.
    """

    def __init__(
        self,
        layout: ParameterLayout,
        parameters: Tensor,
        gradients: Tensor,
        n_rows: int,
        *,
        dropout: DropoutRandomness | None = None,
    ) -> None:
        matrices, slopes = layout.matrices(parameters), layout.matrices(gradients)
        activation = ACTIVATIONS[layout.architecture.activation]
        self.logit = LogitLayer(matrices[-1], slopes[-1], n_rows)
        self.residuals = self.logit.residuals
        self.layers: list[Layer] = []
        self.dropout = dropout
        self.dropouts: list[DropoutLayer] = []
        _, n_inputs, n_units = matrices[0].shape
        if len(matrices) == 2 and n_inputs < n_units and dropout is None:
            self.layers.append(
                OnlyDenseLayer(matrices[0], slopes[0], n_rows, activation, self.logit)
            )
            return
        for matrix, slope in zip(matrices[:-1], slopes[:-1], strict=True):
            kind = DenseLayer if self.layers else FirstDenseLayer
            layer = kind(matrix, slope, n_rows, activation)
            self.layers.append(layer)
            if dropout is not None:
                self.dropouts.append(DropoutLayer(layer.outputs, dropout))
                self.layers.append(self.dropouts[-1])
        if self.layers:
            self.layers.append(ResidualWeights(self.logit.residual_column))
        n_words = [layer.n_words for layer in self.dropouts]
        self.dropout_words = [0, *accumulate(n_words)]  # bounds of each layer's words

    def draw(self) -> None:
        """Draw the units that dropout leaves out of the next pass."""
        if self.dropout is None:
            return
        words = self.dropout.words(self.dropout_words[-1])
        parts = pairwise(self.dropout_words)
        for layer, (first, last) in zip(self.dropouts, parts, strict=True):
            layer.draw(words[:, first:last])

    def forward_kernels(
        self, inputs: Units, logits: Logits | None = None
    ) -> list[Kernel]:
        """Return what computes the logits of some rows.

        Parameters
        ----------
        inputs : Units of shape (n_members or 1, n_rows, n_features)
            Read whenever the kernels run.
        logits : Logits of shape (n_members, n_rows), optional
            Where to write; by default a buffer of the network.
        """
        kernels: list[Kernel] = []
        outputs = inputs
        for layer in self.layers:
            outputs = layer.forward(outputs, kernels)
        self.logit.forward(outputs, logits or self.logit.logits, kernels)
        return kernels

    def backward_kernels(self) -> list[Kernel]:
        """Return what fills the gradients from the residuals.

        For the inputs that the forward kernels were last made for, whose outputs may
        be lost.
        """
        kernels: list[Kernel] = []
        upstream = self.logit.backward(kernels)
        for layer in reversed(self.layers):
            upstream = layer.backward(upstream, kernels)
        return kernels

    def forward(self, inputs: Units) -> Tensor:
        """Return the logits ``(n_members, n_rows)``, which the next pass overwrites."""
        run_all(self.forward_kernels(inputs))
        return self.logit.logits.values

    def backward(self) -> None:
        """Fill the gradients from the residuals."""
        run_all(self.backward_kernels())
