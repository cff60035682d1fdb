r"""The first layer behind a piecewise-linear encoding, from tables; knows arrays only.

What a column adds to a first layer is a piecewise linear function of its value, however
many bins it has. Between two knots it is

.. math:: a_i + (x - k_i) s_i \, b_i

with one of them, :math:`k_i`, the inverse :math:`s_i` of their distance, and vectors
:math:`a_i` and :math:`b_i` over the units: two rows of a table in place of a product
with all bins.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from torch_binary_classifier.inference.column_pieces import ColumnPieces, column_pieces
from torch_binary_classifier.inference.encoding import Encoding

Array = NDArray[Any]

# Inputs per column from which on the tables are faster than the product: a sum of rows
# takes 6 times as long per multiply-add, and of each column it has two.
LEAST_INPUTS = 12

# Tables are kept for the next rows, those of a few networks: they take most of the time
# of a single row. Larger ones are for many rows at once, and would fill memory.
N_KEPT = 8
MOST_KEPT_BYTES = 1 << 22  # of first layers; their tables are twice as large


def has_many_bins(encoding: Encoding) -> bool:
    """Return whether a first layer behind the encoding is faster from tables."""
    n_columns = len(np.unique(encoding.source))
    return encoding.n_inputs >= LEAST_INPUTS * n_columns


def tables_of(
    encoding: Encoding, layers: Sequence[tuple[Array, Array]]
) -> PiecewiseTables:
    """Return tables, those that were made before if no weight has changed since.

    Parameters
    ----------
    encoding, layers
        As for `PiecewiseTables`.

    Returns
    -------
    PiecewiseTables
        Shared by all that score the same networks.
    """
    if sum(coef.nbytes for coef, _ in layers) > MOST_KEPT_BYTES:
        return PiecewiseTables(encoding, layers)
    return _kept_tables(_Source(encoding, layers))


class _Source:
    """What tables are made from; equal to another one by its content at this time."""

    def __init__(
        self, encoding: Encoding, layers: Sequence[tuple[Array, Array]]
    ) -> None:
        self.encoding, self.layers = encoding, layers
        values = [*encoding.as_arrays().values(), *itertools.chain(*layers)]
        arrays = [np.asarray(value) for value in values]
        self._content = [(one.dtype, one.shape, one.tobytes()) for one in arrays]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Source) and self._content == other._content

    def __hash__(self) -> int:
        return hash(self._content[-1])


@lru_cache(N_KEPT)
def _kept_tables(source: _Source) -> PiecewiseTables:
    """Return the tables of a source."""
    return PiecewiseTables(source.encoding, source.layers)


class PiecewiseTables:
    """A first layer as tables of its columns; many threads may share it.

    Parameters
    ----------
    encoding : Encoding
        With positive factors.
    layers : sequence of (ndarray, ndarray)
        Weights, of shape (n_inputs, width), and intercepts, of shape (width,), of the
        networks that are scored together. Each has products of its own: those of some
        BLAS kernels are other ones beside other columns.

    Attributes
    ----------
    n_units : int
        Units of all networks.
    """

    def __init__(
        self, encoding: Encoding, layers: Sequence[tuple[Array, Array]]
    ) -> None:
        stops = np.cumsum([len(intercept) for _, intercept in layers])
        self.n_units = int(stops[-1])
        dtype = layers[0][0].dtype
        columns, parts = column_pieces(encoding, dtype)
        self.columns = columns.cast(dtype)
        self.knots = [part.knots for part in parts]
        # One piece below the first knot, and one above each.
        ends = np.cumsum([len(knots) + 1 for knots in self.knots])
        self.starts = np.concatenate([np.zeros(1, np.intp), ends[:-1]])
        self.anchors = np.concatenate(
            [knots[_nearest(len(knots))] for knots in self.knots]
        )
        self.scales = np.concatenate([_scales(knots) for knots in self.knots])
        self.vectors = np.empty((ends[-1], 2, self.n_units), dtype)
        by_network = np.split(self.vectors, stops[:-1], axis=2)
        for (coef, intercept), own in zip(layers, by_network, strict=True):
            by_column = np.split(own, ends[:-1])
            for part, vectors in zip(parts, by_column, strict=True):
                _write_vectors(part, coef[part.inputs], vectors)
            by_column[0][:, 0] += intercept


def _write_vectors(part: ColumnPieces, coef: Array, vectors: Array) -> None:
    """Write what a column adds at its knots, and how that changes up to the next."""
    values = part.at_knots.astype(coef.dtype) @ coef
    factor, below, above = part.encoding.factor, part.below, part.above
    vectors[:, 0] = values[_nearest(len(part.knots))]
    vectors[0, 1] = factor[below] @ coef[below]
    np.subtract(values[1:], values[:-1], out=vectors[1:-1, 1])
    vectors[-1, 1] = factor[above] @ coef[above]


class PiecewiseLayer:
    """One thread's arrays for the first layer of ``n_rows`` rows, and their use."""

    def __init__(self, tables: PiecewiseTables, n_rows: int) -> None:
        self.tables = tables
        n_columns = len(tables.knots)
        self.pieces = np.empty((n_columns, n_rows), np.intp)
        ends = 2 * n_columns * np.arange(n_rows + 1, dtype=np.int32)
        # Of each row and column the two vectors, the first one times 1.
        self.terms = csr_array(
            (
                np.ones(ends[-1], tables.vectors.dtype),
                np.zeros(ends[-1], np.int32),
                ends,
            ),
            shape=(n_rows, 2 * len(tables.anchors)),
        )
        self.table = tables.vectors.reshape(-1, tables.n_units)

    def sums(self, rows: Array) -> Array:
        """Return the sums of the first layer, (n_rows, n_units), of blocks of rows.

        A row's terms are added in the order of the columns, whatever rows are beside.
        """
        tables, n_columns = self.tables, len(self.pieces)
        by_column = tables.columns.encode(rows).transpose(1, 0, 2)
        values = by_column.reshape(n_columns, -1)  # (n_columns, n_rows)
        for column, knots in enumerate(tables.knots):
            self.pieces[column] = np.searchsorted(knots, values[column], "right")
        self.pieces += tables.starts[:, np.newaxis]
        values -= tables.anchors.take(self.pieces)
        values *= tables.scales.take(self.pieces)
        self.terms.data.reshape(-1, n_columns, 2)[:, :, 1] = values.T
        indices = self.terms.indices.reshape(-1, n_columns, 2)
        np.multiply(self.pieces.T, 2, out=indices[:, :, 0], casting="same_kind")
        np.add(indices[:, :, 0], 1, out=indices[:, :, 1])
        found: Array = self.terms @ self.table
        return found


def _nearest(n_knots: int) -> NDArray[np.intp]:
    """Return the knot from which each piece is reckoned: its end nearer the middle one.

    Beyond it the sums would be small differences of large numbers, where one row of
    the training was far out.
    """
    pieces = np.arange(n_knots + 1)
    return np.where(pieces <= n_knots // 2, pieces, pieces - 1)


def _scales(knots: Array) -> Array:
    """Return the inverse lengths of the pieces; 1 for those beyond the knots."""
    scales = np.ones(len(knots) + 1, knots.dtype)
    scales[1:-1] = 1 / np.diff(knots)
    return scales
