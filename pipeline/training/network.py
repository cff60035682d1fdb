"""Architecture, parameter layout, initialisation, forward and backward passes.

Knows tensors only: nothing of losses, optimizers, data sets or labels. The first
axis of every tensor is the member: ``(n_members, n_rows, width)``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

BATCH_NORM_EPSILON = 1e-5  # torch.nn.BatchNorm1d's defaults
BATCH_NORM_MOMENTUM = 0.1

# Vectorised kernels treat a row of full 64-byte lines the same wherever it lies in
# memory; transcendental ones unroll twice. With widths padded to these sizes a
# member's bits do not depend on the members beside it.
LINE_BYTES = 64

# A padded logistic unit gets this bias: its output, sigmoid(-1e4), and its
# derivative are exactly 0. The other activations map 0 to 0 anyway.
SILENT_BIAS = -1e4

SELU_ALPHA = 1.6732632423543772  # Klambauer et al. 2017, eq. 14
SELU_SCALE = 1.0507009873554805

HE_FAMILY = frozenset({"relu", "silu", "gelu"})
EXACT_ACTIVATIONS = frozenset({"identity", "relu"})

aten = torch.ops.aten


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
    def quantum(self) -> int:
        """Multiple to which widths are padded, in elements."""
        lines = 1 if self.activation in EXACT_ACTIVATIONS else 2
        return lines * LINE_BYTES // self.dtype.itemsize

    def padded(self, width: int) -> int:
        """Return a width rounded up to whole vectors."""
        return -(-width // self.quantum) * self.quantum

    @property
    def dense_shapes(self) -> list[tuple[int, int]]:
        """Padded ``(in, out)`` of every hidden layer; the true input width first."""
        widths = [self.n_features, *map(self.padded, self.hidden_layer_sizes)]
        return list(pairwise(widths))

    @property
    def true_shapes(self) -> list[tuple[int, int]]:
        """Unpadded ``(in, out)`` of every layer, the logit's last."""
        widths = [self.n_features, *self.hidden_layer_sizes, 1]
        return list(pairwise(widths))


class ParameterLayout:
    """Where each layer's weights and biases lie in one flat buffer of all members.

    Layer by layer, and within a layer member by member, so that every layer's
    weights are one contiguous ``(n_members, in, out)`` tensor.
    """

    def __init__(self, architecture: Architecture, n_members: int) -> None:
        self.architecture = architecture
        self.n_members = n_members
        dense = architecture.dense_shapes
        last = dense[-1][1] if dense else architecture.n_features
        shapes: list[tuple[int, int]] = []
        for fan_in, fan_out in dense:
            shapes += [(fan_in, fan_out), (1, fan_out)]
        shapes += [(1, architecture.padded(last)), (1, architecture.quantum)]
        self.shapes = shapes
        self.logit_width = last

    @property
    def member_size(self) -> int:
        """Elements of one member, padding included."""
        return sum(rows * columns for rows, columns in self.shapes)

    def new_buffer(self, device: torch.device) -> Tensor:
        """Return a flat buffer of zeros for all members."""
        size = self.n_members * self.member_size
        return torch.zeros(size, dtype=self.architecture.dtype, device=device)

    def views(self, flat: Tensor) -> list[Tensor]:
        """Return the blocks of a buffer, each ``(n_members, rows, columns)``."""
        blocks, start = [], 0
        for rows, columns in self.shapes:
            stop = start + self.n_members * rows * columns
            blocks.append(flat[start:stop].view(self.n_members, rows, columns))
            start = stop
        return blocks

    def segments(self, flat: Tensor, first: int, last: int) -> list[Tensor]:
        """Return flat views of the members ``first`` to ``last``, last excluded."""
        if (first, last) == (0, self.n_members):
            return [flat]
        return [view[first:last].view(-1) for view in self.views(flat)]

    def weight_mask(self, device: torch.device) -> Tensor:
        """Return a buffer with 1 at weights and 0 at biases."""
        flat = self.new_buffer(device)
        for view in self.views(flat)[::2]:
            view.fill_(1.0)
        return flat

    def member_vector(self, flat: Tensor, member: int) -> Tensor:
        """Return a copy of one member's part, ``(member_size,)``."""
        return torch.cat([view[member].reshape(-1) for view in self.views(flat)])

    def write_member(self, flat: Tensor, member: int, vector: Tensor) -> None:
        """Overwrite one member's part by a ``(member_size,)`` vector."""
        start = 0
        for view in self.views(flat):
            size = view[member].numel()
            view[member].copy_(vector[start : start + size].view_as(view[member]))
            start += size

    def member_vector_of(
        self, coefs: Sequence[Tensor], intercepts: Sequence[Tensor]
    ) -> Tensor:
        """Pack unpadded weights ``(in, out)`` and biases ``(out,)`` of one member."""
        single = ParameterLayout(self.architecture, 1)
        flat = single.new_buffer(torch.device("cpu"))
        views = single.views(flat)
        if self.architecture.activation == "logistic":
            for bias in views[1:-2:2]:
                bias.fill_(SILENT_BIAS)
        for view, coef in zip(views[:-2:2], coefs[:-1], strict=True):
            view[0, : coef.shape[0], : coef.shape[1]] = coef
        views[-2][0, 0, : coefs[-1].shape[0]] = coefs[-1][:, 0]
        for view, intercept in zip(views[1::2], intercepts, strict=True):
            view[0, 0, : len(intercept)] = intercept
        return flat

    def unpadded(self, vector: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Unpack a member's vector into weights ``(in, out)`` and biases ``(out,)``."""
        views = ParameterLayout(self.architecture, 1).views(vector)
        shapes = self.architecture.true_shapes
        coefs = [
            view[0, :fan_in, :fan_out].clone()
            for view, (fan_in, fan_out) in zip(views[:-2:2], shapes[:-1], strict=True)
        ]
        coefs.append(views[-2][0, 0, : shapes[-1][0], None].clone())
        intercepts = [
            view[0, 0, :fan_out].clone()
            for view, (_, fan_out) in zip(views[1::2], shapes, strict=True)
        ]
        return coefs, intercepts


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
    for fan_in, fan_out in architecture.true_shapes[:-1]:
        coefs.append(_hidden_weights(architecture, fan_in, fan_out, generator))
        bias = torch.rand(fan_out, generator=generator, dtype=torch.float64)
        intercepts.append((2 * bias - 1) / math.sqrt(fan_in))
    fan_in = architecture.true_shapes[-1][0]
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


class Activation(Protocol):
    """An activation and its derivative, in place on preallocated buffers."""

    needs_input: bool

    def forward(self, inputs: Tensor, outputs: Tensor) -> None:
        """Write the activation of ``inputs`` to ``outputs``."""

    def backward(self, upstream: Tensor, kept: Tensor) -> None:
        """Multiply ``upstream`` by the derivative at what ``kept`` holds.

        ``kept`` is the activation's input where ``needs_input``, else its output.
        """


class Identity:
    """``f(z) = z``."""

    needs_input = False

    def forward(self, inputs: Tensor, outputs: Tensor) -> None:
        """Do nothing: input and output are one buffer."""

    def backward(self, upstream: Tensor, kept: Tensor) -> None:
        """Do nothing: the derivative is 1."""


class Logistic:
    """``f(z) = 1 / (1 + exp(-z))``."""

    needs_input = False

    def forward(self, inputs: Tensor, outputs: Tensor) -> None:
        """Write ``f(z)``."""
        torch.sigmoid(inputs, out=outputs)

    def backward(self, upstream: Tensor, kept: Tensor) -> None:
        """Multiply by ``f (1 - f)``."""
        aten.sigmoid_backward.grad_input(upstream, kept, grad_input=upstream)


class Tanh:
    """``f(z) = tanh(z)``."""

    needs_input = False

    def forward(self, inputs: Tensor, outputs: Tensor) -> None:
        """Write ``f(z)``."""
        torch.tanh(inputs, out=outputs)

    def backward(self, upstream: Tensor, kept: Tensor) -> None:
        """Multiply by ``1 - f^2``."""
        aten.tanh_backward.grad_input(upstream, kept, grad_input=upstream)


class Relu:
    """``f(z) = max(z, 0)``."""

    needs_input = False

    def forward(self, inputs: Tensor, outputs: Tensor) -> None:
        """Write ``f(z)``; input and output are one buffer."""
        torch.clamp_min(inputs, 0, out=outputs)

    def backward(self, upstream: Tensor, kept: Tensor) -> None:
        """Set to 0 where the output is 0."""
        aten.threshold_backward.grad_input(upstream, kept, 0, grad_input=upstream)


class Silu:
    """``f(z) = z sigmoid(z)``."""

    needs_input = True

    def forward(self, inputs: Tensor, outputs: Tensor) -> None:
        """Write ``f(z)``."""
        aten.silu.out(inputs, out=outputs)

    def backward(self, upstream: Tensor, kept: Tensor) -> None:
        """Multiply by ``f'(z)``."""
        aten.silu_backward.grad_input(upstream, kept, grad_input=upstream)


class Gelu:
    """``f(z) = z Phi(z)``, Phi the standard normal distribution function."""

    needs_input = True

    def forward(self, inputs: Tensor, outputs: Tensor) -> None:
        """Write ``f(z)``."""
        aten.gelu.out(inputs, out=outputs)

    def backward(self, upstream: Tensor, kept: Tensor) -> None:
        """Multiply by ``f'(z)``."""
        aten.gelu_backward.grad_input(upstream, kept, grad_input=upstream)


class Selu:
    """``f(z) = scale (max(z, 0) + alpha (exp(min(z, 0)) - 1))``."""

    needs_input = False

    def forward(self, inputs: Tensor, outputs: Tensor) -> None:
        """Write ``f(z)``."""
        aten.elu.out(inputs, SELU_ALPHA, SELU_SCALE, 1.0, out=outputs)

    def backward(self, upstream: Tensor, kept: Tensor) -> None:
        """Multiply by ``f'``, computed from the output."""
        aten.elu_backward.grad_input(
            upstream, SELU_ALPHA, SELU_SCALE, 1.0, True, kept, grad_input=upstream
        )


ACTIVATIONS: dict[str, Activation] = {
    "gelu": Gelu(),
    "identity": Identity(),
    "logistic": Logistic(),
    "relu": Relu(),
    "selu": Selu(),
    "silu": Silu(),
    "tanh": Tanh(),
}


class Layer(Protocol):
    """One stage of a pass over a fixed number of rows."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs, ``(n_members, n_rows, width)``, in a reused buffer."""

    def backward(self, upstream: Tensor) -> Tensor:
        """Fill the parameters' gradients; return the gradient at the inputs."""


class DenseLayer:
    """``activation(inputs @ weight + bias)``, members side by side."""

    def __init__(
        self,
        parameters: tuple[Tensor, Tensor],
        gradients: tuple[Tensor, Tensor],
        n_rows: int,
        activation: Activation,
    ) -> None:
        self.weight, self.bias = parameters  # (n_members, in, out), (n_members, 1, out)
        self.weight_gradient, self.bias_gradient = gradients
        self.weight_transposed = self.weight.transpose(1, 2)
        self.activation = activation
        n_members, fan_in, fan_out = self.weight.shape
        new = self.weight.new_empty
        self.outputs = new(n_members, n_rows, fan_out)
        self.inner = (
            new(n_members, n_rows, fan_out) if activation.needs_input else self.outputs
        )
        self.input_gradient = new(n_members, n_rows, fan_in)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return ``(n_members, n_rows, out)``."""
        self.inputs = inputs
        torch.baddbmm(self.bias, inputs, self.weight, out=self.inner)
        self.activation.forward(self.inner, self.outputs)
        return self.outputs

    def backward(self, upstream: Tensor) -> Tensor:
        """Overwrite ``upstream``; return ``(n_members, n_rows, in)``."""
        self.fill_gradients(upstream)
        torch.bmm(upstream, self.weight_transposed, out=self.input_gradient)
        return self.input_gradient

    def fill_gradients(self, upstream: Tensor) -> None:
        """Fill the gradients of weight and bias."""
        self.activation.backward(upstream, self.inner)
        torch.bmm(self.inputs.transpose(1, 2), upstream, out=self.weight_gradient)
        torch.sum(upstream, 1, keepdim=True, out=self.bias_gradient)


class FirstDenseLayer(DenseLayer):
    """A dense layer with nothing to learn in front of it: no input gradient."""

    def __init__(
        self,
        parameters: tuple[Tensor, Tensor],
        gradients: tuple[Tensor, Tensor],
        n_rows: int,
        activation: Activation,
    ) -> None:
        super().__init__(parameters, gradients, n_rows, activation)
        self.input_gradient = self.weight.new_empty(0)

    def backward(self, upstream: Tensor) -> Tensor:
        """Overwrite ``upstream``; return an empty tensor."""
        self.fill_gradients(upstream)
        return self.input_gradient


class LogitLayer:
    """The single logit: a product and a sum instead of GEMMs with n = 1.

    Measured for 16 members, 64 rows, 100 units: 1.7 against 7.5 microseconds per
    member forward, 0.7 against 6.6 for the gradient at the inputs.
    """

    def __init__(
        self,
        parameters: tuple[Tensor, Tensor],
        gradients: tuple[Tensor, Tensor],
        n_rows: int,
        width: int,
        quantum: int,
    ) -> None:
        self.weight = parameters[0][:, :, :width]  # (n_members, 1, width)
        self.bias = parameters[1][:, 0, :1]  # (n_members, 1)
        self.weight_gradient = gradients[0][:, 0, :width]
        self.bias_gradient = gradients[1][:, 0, 0]
        n_members = self.weight.shape[0]
        rows = -(-n_rows // quantum) * quantum
        self.logits_padded = self.weight.new_zeros(n_members, rows)
        self.logits = self.logits_padded[:, :n_rows]
        self.product = self.weight.new_empty(n_members, n_rows, width)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits, ``(n_members, n_rows)``."""
        self.inputs = inputs
        torch.mul(inputs, self.weight, out=self.product)
        torch.sum(self.product, -1, out=self.logits)
        return self.logits.add_(self.bias)

    def backward(self, upstream: Tensor) -> Tensor:
        """Take ``(n_members, n_rows)``; return ``(n_members, n_rows, width)``."""
        column = upstream.unsqueeze(-1)
        torch.mul(self.inputs, column, out=self.product)
        torch.sum(self.product, 1, out=self.weight_gradient)
        torch.sum(upstream, 1, out=self.bias_gradient)
        return torch.mul(column, self.weight, out=self.product)


class DropoutLayer:
    """Inverted dropout with one rate and one generator per member."""

    def __init__(self, like: Tensor, randomness: DropoutRandomness) -> None:
        self.randomness = randomness
        self.mask = torch.empty_like(like)
        self.outputs = torch.empty_like(like)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the inputs with a share of the units set to 0."""
        self.randomness.fill(self.mask)
        return torch.mul(inputs, self.mask, out=self.outputs)

    def backward(self, upstream: Tensor) -> Tensor:
        """Return the gradient through the units that were kept."""
        return upstream.mul_(self.mask)


class DropoutRandomness:
    """The members' dropout rates and generators."""

    def __init__(self, rates: Sequence[float]) -> None:
        self.rates = list(rates)
        self.generators = [torch.Generator() for _ in self.rates]

    def reseed(self, seeds: Sequence[int]) -> None:
        """Start every member's generator anew, as at the start of an epoch."""
        for generator, seed in zip(self.generators, seeds, strict=True):
            generator.manual_seed(seed)

    def fill(self, mask: Tensor) -> None:
        """Write 0 or ``1 / (1 - rate)`` to each element, ``(n_members, ...)``."""
        members = zip(mask, self.rates, self.generators, strict=True)
        for part, rate, generator in members:
            keep = 1.0 - rate
            drawn = torch.empty(part.shape, dtype=part.dtype)
            part.copy_(drawn.bernoulli_(keep, generator=generator)).mul_(1.0 / keep)


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
        self.outputs = statistics.mean.new_empty(n_members, n_rows, n_features)
        self.product = torch.empty_like(self.outputs)
        self.mean = torch.empty_like(statistics.mean)
        self.variance = torch.empty_like(statistics.mean)

    def set_row_shares(self, shares: Tensor, correction: Tensor) -> None:
        """Take each row's share of the batch's weight and ``n / (n - 1)``.

        Shapes ``(n_members, n_rows)``, adding up to 1 over the rows, and
        ``(n_members, 1, 1)``.
        """
        self.shares = shares.unsqueeze(-1)
        self.correction = correction

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the normalised inputs and move the running statistics."""
        torch.mul(inputs, self.shares, out=self.product)
        torch.sum(self.product, 1, keepdim=True, out=self.mean)
        torch.sub(inputs, self.mean, out=self.outputs)
        torch.mul(self.outputs, self.outputs, out=self.product)
        self.product.mul_(self.shares)
        torch.sum(self.product, 1, keepdim=True, out=self.variance)
        self._move_running()
        return self.outputs.div_(self.variance.add_(BATCH_NORM_EPSILON).sqrt_())

    def _move_running(self) -> None:
        """Mix the batch's statistics into the running ones."""
        keep = 1.0 - BATCH_NORM_MOMENTUM
        self.statistics.mean.mul_(keep).add_(self.mean, alpha=BATCH_NORM_MOMENTUM)
        unbiased = self.variance * self.correction
        self.statistics.variance.mul_(keep).add_(unbiased, alpha=BATCH_NORM_MOMENTUM)

    def backward(self, upstream: Tensor) -> Tensor:
        """Return ``upstream``: nothing is learned in front of the inputs."""
        return upstream


class FixedNormInput:
    """Normalisation by given statistics, as in scoring."""

    def __init__(self, statistics: InputStatistics, n_rows: int) -> None:
        self.statistics = statistics
        n_members, _, n_features = statistics.mean.shape
        self.outputs = statistics.mean.new_empty(n_members, n_rows, n_features)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the normalised inputs."""
        torch.sub(inputs, self.statistics.mean, out=self.outputs)
        return self.outputs.div_((self.statistics.variance + BATCH_NORM_EPSILON).sqrt())

    def backward(self, upstream: Tensor) -> Tensor:
        """Return ``upstream``: nothing is learned in front of the inputs."""
        return upstream


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
    input_layer : BatchNormInput, FixedNormInput or None
        What comes before the first hidden layer.
    dropout : DropoutRandomness or None
        Randomness of the dropout behind each hidden layer; None for no dropout.
    """

    def __init__(
        self,
        layout: ParameterLayout,
        parameters: Tensor,
        gradients: Tensor,
        n_rows: int,
        *,
        input_layer: BatchNormInput | FixedNormInput | None = None,
        dropout: DropoutRandomness | None = None,
    ) -> None:
        values, slopes = layout.views(parameters), layout.views(gradients)
        activation = ACTIVATIONS[layout.architecture.activation]
        self.input_layer = input_layer
        self.layers: list[Layer] = [] if input_layer is None else [input_layer]
        for start in range(0, len(values) - 2, 2):
            kind = FirstDenseLayer if start == 0 else DenseLayer
            pair = (values[start], values[start + 1])
            layer = kind(pair, (slopes[start], slopes[start + 1]), n_rows, activation)
            self.layers.append(layer)
            if dropout is not None:
                self.layers.append(DropoutLayer(layer.outputs, dropout))
        self.logit = LogitLayer(
            (values[-2], values[-1]),
            (slopes[-2], slopes[-1]),
            n_rows,
            layout.logit_width,
            2 * LINE_BYTES // parameters.element_size(),
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits of rows ``(n_members or 1, n_rows, n_features)``.

        The result, ``(n_members, n_rows)``, lies in a buffer that the next pass
        overwrites.
        """
        outputs = inputs
        for layer in self.layers:
            outputs = layer.forward(outputs)
        return self.logit.forward(outputs)

    def backward(self, residuals: Tensor) -> None:
        """Fill the gradients, given the loss's gradient at the logits.

        Parameters
        ----------
        residuals : Tensor of shape (n_members, n_rows)
            Derivative of each member's loss with respect to its logits.
        """
        upstream = self.logit.backward(residuals)
        for layer in reversed(self.layers):
            upstream = layer.backward(upstream)
