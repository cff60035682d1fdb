r"""First layers behind a piecewise-linear encoding, from their values at its knots.

What a column adds to a first layer is piecewise linear in its value, however many bins
it has. Between two knots it is a mean of what it is at both, weighed by the distances:
two rows of a table per column in place of a product with all bins. Knows encodings and
tensors; nothing of how parameters are learned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torch_binary_classifier.inference.column_pieces import ColumnPieces, column_pieces
from torch_binary_classifier.inference.encoding import Encoding
from torch_binary_classifier.training.rows import DenseRows, Rows

ROWS_AT_ONCE = 8192


@dataclass(frozen=True, eq=False)
class Interpolation:
    """How a first layer follows from a table of its values at knots.

    The table of a column has, in this order, a row for the slope below its first knot,
    one for each knot, and one for the slope above the last. A value in piece p, of
    which there is one below the first knot and one above each, takes the rows p and
    p + 1, with two shares.

    Parameters
    ----------
    columns : Encoding
        Fills gaps and leaves the columns that are used as they are.
    pieces : list of ColumnPieces
        Of each of these columns.
    matrices : Tensor of shape (n_columns, n_column_rows, n_column_inputs)
        From a column's weights to its table, filled up with zeros.
    inputs : Tensor of shape (n_columns * n_column_inputs,)
        The input of the network that each input of each column is, or any.
    places : Tensor of shape (n_inputs,)
        Where each input of the network is among those.
    """

    columns: Encoding
    pieces: list[ColumnPieces]
    matrices: Tensor
    inputs: Tensor
    places: Tensor

    @classmethod
    def of(cls, encoding: Encoding, dtype: np.dtype[Any]) -> Interpolation:
        """Return that of an encoding with positive factors, in a precision."""
        columns, pieces = column_pieces(encoding, dtype)
        n_rows = max(len(one.knots) for one in pieces) + 2
        n_inputs = max(len(one.inputs) for one in pieces)
        matrices = np.zeros((len(pieces), n_rows, n_inputs), dtype)
        inputs = np.zeros((len(pieces), n_inputs), np.int64)
        places = np.empty(encoding.n_inputs, np.int64)
        for number, one in enumerate(pieces):
            n_own, factor = len(one.inputs), one.encoding.factor
            own = matrices[number, : len(one.knots) + 2, :n_own]
            own[0], own[-1] = factor * one.below, factor * one.above
            own[1:-1] = one.at_knots
            inputs[number, :n_own] = one.inputs
            places[one.inputs] = number * n_inputs + np.arange(n_own)
        tensors = map(torch.from_numpy, (matrices, inputs.ravel(), places))
        return cls(columns.cast(dtype), pieces, *tensors)

    @property
    def n_columns(self) -> int:
        """Columns of the table that inputs are made from."""
        return len(self.pieces)

    @property
    def n_numbers(self) -> int:
        """Numbers that stand for a row of features: a table row, and two shares."""
        return 3 * self.n_columns

    def table_of(self, rows: Rows) -> DenseRows:
        """Return what layers read of each row, ``(n_rows, n_numbers)``."""
        dtype = self.matrices.numpy().dtype
        found = np.empty((len(rows), self.n_numbers), dtype)
        for start in range(0, len(rows), ROWS_AT_ONCE):
            stop = min(start + ROWS_AT_ONCE, len(rows))
            taken = torch.from_numpy(np.empty((stop - start, rows.n_features), dtype))
            rows.gather(torch.from_numpy(np.arange(start, stop)), taken)
            self._write(self.columns.encode(taken.numpy()), found[start:stop])
        return DenseRows(torch.from_numpy(found))

    def _write(self, values: NDArray[Any], out: NDArray[Any]) -> None:
        """Write the table rows and the shares of values, ``(n_rows, n_columns)``."""
        first, lower, upper = np.split(out, 3, axis=1)
        n_table_rows = self.matrices.shape[1]
        for number, one in enumerate(self.pieces):
            piece, shares = _interpolated(values[:, number], one.knots)
            first[:, number] = number * n_table_rows + piece
            lower[:, number], upper[:, number] = shares


def _interpolated(
    values: NDArray[Any], knots: NDArray[Any]
) -> tuple[NDArray[np.intp], tuple[NDArray[Any], NDArray[Any]]]:
    """Return the piece of each value, and the shares of the rows at its ends."""
    piece = np.searchsorted(knots, values, "right")
    before = knots.take(piece - 1, mode="clip")
    beyond = values - before  # negative below the first knot
    outside = (piece == 0) | (piece == len(knots))
    width = np.where(outside, 1, knots.take(piece, mode="clip") - before)
    upper = beyond / width
    lower = np.where(outside, 1, 1 - upper)
    first = piece == 0  # whose slope comes before the knot
    return piece, (np.where(first, upper, lower), np.where(first, lower, upper))
