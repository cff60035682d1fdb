"""The layers of all members in a row: one pass forward and one backward."""

from __future__ import annotations

from itertools import accumulate, pairwise

from torch import Tensor

from torch_binary_classifier.training.activations import ACTIVATIONS
from torch_binary_classifier.training.dropout import DropoutLayer, DropoutRandomness
from torch_binary_classifier.training.interpolated_layer import first_kind
from torch_binary_classifier.training.kernels import Kernel, Product, run_all
from torch_binary_classifier.training.layers import (
    DenseLayer,
    Layer,
    LogitLayer,
    OnlyDenseLayer,
    ResidualWeights,
    Units,
)
from torch_binary_classifier.training.layout import ParameterLayout


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
    product : callable
        Prepares the matrix products, as on the buffers' device.
    dropout : DropoutRandomness or None
        Randomness of the dropout behind each hidden layer; None for no dropout.
    first : Tensor of shape (n_members, n_features + 1, n_units) or None
        Stands for the first layer's parameters; the gradient is the one at it.

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
        product: Product,
        dropout: DropoutRandomness | None = None,
        first: Tensor | None = None,
    ) -> None:
        matrices, slopes = layout.matrices(parameters), layout.matrices(gradients)
        if first is not None:
            matrices[0] = first
        activation = ACTIVATIONS[layout.architecture.activation]
        self.logit = LogitLayer(matrices[-1], slopes[-1], n_rows, product)
        self.residuals = self.logit.residuals
        self.layers: list[Layer] = []
        self.dropout = dropout
        self.dropouts: list[DropoutLayer] = []
        _, n_inputs, n_units = matrices[0].shape
        interpolated = layout.architecture.interpolation is not None
        alone = len(matrices) == 2 and dropout is None and not interpolated
        if alone and n_inputs < n_units:
            given = (matrices[0], slopes[0], n_rows, activation, product)
            self.layers.append(OnlyDenseLayer(*given, self.logit))
            return
        for matrix, slope in zip(matrices[:-1], slopes[:-1], strict=True):
            kind = DenseLayer if self.layers else first_kind(layout.architecture)
            layer = kind(matrix, slope, n_rows, activation, product)
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
        self, inputs: Units, logits: Tensor | None = None
    ) -> list[Kernel]:
        """Return what computes the logits of some rows.

        Parameters
        ----------
        inputs : Units of shape (n_members or 1, n_rows, n_features)
            Read whenever the kernels run.
        logits : Tensor of shape (n_members, n_rows), optional
            Where to write, with a gap between rows; by default a buffer of the
            network.
        """
        kernels: list[Kernel] = []
        outputs = inputs
        for layer in self.layers:
            outputs = layer.forward(outputs, kernels)
        written = self.logit.logits if logits is None else logits
        self.logit.forward(outputs, written, kernels)
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
        return self.logit.logits

    def backward(self) -> None:
        """Fill the gradients from the residuals."""
        run_all(self.backward_kernels())
