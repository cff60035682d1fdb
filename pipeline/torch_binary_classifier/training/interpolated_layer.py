"""A first layer that interpolates between its values at knots of each column.

Knows tensors, and the interpolation that says which; nothing of losses or data sets.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from scipy.sparse import csc_array
from torch import Tensor
from torch.nn.functional import embedding_bag

from torch_binary_classifier.training.activations import Activation
from torch_binary_classifier.training.interpolation import Interpolation
from torch_binary_classifier.training.kernels import Kernel, Product
from torch_binary_classifier.training.layers import FirstDenseLayer, Units, Upstream
from torch_binary_classifier.training.layout import Architecture


def first_kind(architecture: Architecture) -> Callable[..., FirstDenseLayer]:
    """Return what makes the first of an architecture's dense layers."""
    if architecture.interpolation is None:
        return FirstDenseLayer
    return partial(InterpolatedLayer, interpolation=architecture.interpolation)


class InterpolatedLayer(FirstDenseLayer):
    """A first dense layer whose units are sums of rows of a table of their own.

    For 1,024 rows of 20 columns with 64 bins and 64 units a pass takes a quarter of the
    time of the products with all inputs, which need not be made either.
    """

    def __init__(
        self,
        matrix: Tensor,  # (n_members, n_inputs + 1, out)
        gradient: Tensor,
        n_rows: int,
        activation: Activation,
        product: Product,
        interpolation: Interpolation,
    ) -> None:
        super().__init__(matrix, gradient, n_rows, activation, product)
        self.members = [
            _MemberSums(own, slope, n_rows, interpolation)
            for own, slope in zip(matrix, gradient, strict=True)
        ]

    def forward(self, inputs: Units, kernels: list[Kernel]) -> Units:
        """Return ``(n_members, n_rows, out)`` units."""
        for member, sums in enumerate(self.members):
            given, written = inputs.units[member], self.inner[member]
            kernels.append(partial(sums.forward, given, written))
        kernels += self.activation.forward(self.inner, self.written)
        return self.outputs

    def backward(self, upstream: Upstream, kernels: list[Kernel]) -> Upstream:
        """Fill the gradient; return empty slopes."""
        values, out = upstream
        kernels += self.activation.backward(values, self.inner, out)
        kernels += [
            partial(sums.backward, slopes)
            for sums, slopes in zip(self.members, out, strict=True)
        ]
        return self.input_slopes


class _MemberSums:
    """One member's table, and the rows of it that a batch is summed from."""

    def __init__(
        self,
        matrix: Tensor,
        gradient: Tensor,
        n_rows: int,
        interpolation: Interpolation,
    ) -> None:
        self.interpolation = interpolation
        self.weights, self.bias = matrix[:-1], matrix[-1]
        self.weight_slopes, self.bias_slopes = gradient[:-1], gradient[-1]
        n_columns, n_table_rows, n_inputs = interpolation.matrices.shape
        n_units = matrix.shape[1]
        self.by_column = matrix.new_empty(n_columns, n_inputs, n_units)
        self.table = matrix.new_empty(n_columns, n_table_rows, n_units)
        # Of each row and column the two rows of the table, and their shares.
        self.table_rows = torch.zeros(n_rows, 2 * n_columns, dtype=torch.int32)
        self.shares = matrix.new_zeros(n_rows, 2 * n_columns)
        self.transposed = self._transposed(n_columns * n_table_rows)

    def _transposed(self, n_table_rows: int) -> Any:
        """Return what sums the rows' slopes for each row of the table."""
        n_rows, n_terms = self.shares.shape
        ends = torch.arange(0, (n_rows + 1) * n_terms, n_terms, dtype=torch.int32)
        shares, table_rows = self.shares.view(-1), self.table_rows.view(-1)
        parts: Any = (shares.numpy(), table_rows.numpy(), ends.numpy())
        return csc_array(parts, (n_table_rows, n_rows), copy=False)

    def forward(self, inputs: Tensor, out: Tensor) -> None:
        """Write the sums for rows of an interpolation's numbers."""
        known, n_columns = self.interpolation, self.interpolation.n_columns
        flat = self.by_column.view(known.inputs.shape[0], -1)
        torch.index_select(self.weights, 0, known.inputs, out=flat)
        torch.bmm(known.matrices, self.by_column, out=self.table)
        first = self.table_rows[:, :n_columns]
        first.copy_(inputs[:, :n_columns])
        torch.add(first, 1, out=self.table_rows[:, n_columns:])
        self.shares.copy_(inputs[:, n_columns:])
        table = self.table.view(-1, self.table.shape[-1])
        found = embedding_bag(
            self.table_rows, table, per_sample_weights=self.shares, mode="sum"
        )
        torch.add(found, self.bias, out=out)

    def backward(self, slopes: Tensor) -> None:
        """Fill the gradient from the slopes at the sums of the last rows."""
        known = self.interpolation
        torch.sum(slopes, 0, out=self.bias_slopes)
        found = torch.from_numpy(self.transposed @ slopes.numpy())
        torch.bmm(
            known.matrices.transpose(1, 2),
            found.view_as(self.table),
            out=self.by_column,
        )
        flat = self.by_column.view(known.inputs.shape[0], -1)
        torch.index_select(flat, 0, known.places, out=self.weight_slopes)
