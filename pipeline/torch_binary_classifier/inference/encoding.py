r"""What a network sees of a table's columns: gaps filled, numbers cut into bins.

Knows arrays only. Training and scoring go through here, so that both see the same.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Encoding:
    r"""How the inputs of a network follow from a table's columns.

    Input :math:`j` is

    .. math:: \min(\max((x_{s_j} - o_j) f_j, l_j), h_j)

    of column :math:`s_j`: a column as it is, one bin of its piecewise-linear encoding
    [1]_, or whether it has a gap, as the vectors say.

    Parameters
    ----------
    n_features : int
        Columns of the table.
    source : ndarray of int, shape (n_inputs,)
        The column that each input is made from; ``n_features + k`` is the k-th of
        ``indicated``.
    offset, factor, lowest, highest : ndarray of shape (n_inputs,)
        See above; the bounds may be infinite.
    fill : ndarray of shape (n_features,)
        What stands for a gap (nan) of a column.
    indicated : ndarray of int
        Columns whose gaps have an input of their own: 1 for a gap, 0 for a value.

    References
    ----------
    .. [1] Gorishniy, Rubachev, Babenko, "On Embeddings for Numerical Features in
       Tabular Deep Learning", NeurIPS 2022, eq. 1.
    """

    n_features: int
    source: NDArray[np.intp]
    offset: Array
    factor: Array
    lowest: Array
    highest: Array
    fill: Array
    indicated: NDArray[np.intp]

    @property
    def n_inputs(self) -> int:
        """Inputs of the network."""
        return len(self.source)

    @property
    def fan_in(self) -> int:
        """For how many inputs the first weights are to be drawn.

        The bins of a column go together: they and the column itself count as two.
        """
        return min(self.n_inputs, 2 * len(np.unique(self.source)))

    def cast(self, dtype: Any) -> Encoding:
        """Return the same in the precision that the rows will have."""
        vectors = (self.offset, self.factor, self.lowest, self.highest, self.fill)
        cast = (vector.astype(dtype) for vector in vectors)
        offset, factor, lowest, highest, fill = cast
        return Encoding(
            self.n_features,
            self.source,
            offset,
            factor,
            lowest,
            highest,
            fill,
            self.indicated,
        )

    def as_arrays(self) -> dict[str, Any]:
        """Return the fields as plain values, for a fitted attribute."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def encode(self, rows: Array, out: Array | None = None) -> Array:
        """Return the inputs for rows of the encoding's own precision.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, n_features) or (n_blocks, n_features, size)
            May hold gaps.
        out : ndarray, optional
            Where to write; shaped as ``rows``, with ``n_inputs`` along the second axis.

        Returns
        -------
        ndarray
        """
        gaps = np.isnan(rows)
        if self._plain:
            return self._filled(rows, gaps, out)
        if gaps.any():
            rows = np.where(gaps, _along(self.fill, rows), rows)
        if len(self.indicated):
            own = gaps[:, self.indicated].astype(rows.dtype)
            rows = np.concatenate([rows, own], axis=1)
        inputs: Array = np.take(rows, self.source, axis=1, out=out, mode="clip")
        inputs -= _along(self.offset, rows)
        inputs *= _along(self.factor, rows)
        np.maximum(inputs, _along(self.lowest, rows), out=inputs)
        return np.minimum(inputs, _along(self.highest, rows), out=inputs)

    @cached_property
    def _plain(self) -> bool:
        """Whether inputs are all columns as they are, then all indicators."""
        n_sources = self.n_features + len(self.indicated)
        if self.n_inputs != n_sources:
            return False
        in_order = (self.source == np.arange(n_sources)).all()
        unchanged = not self.offset.any() and (self.factor == 1).all()
        unbounded = np.isneginf(self.lowest) & np.isposinf(self.highest)
        return bool(in_order and unchanged and unbounded.all())

    def _filled(self, rows: Array, gaps: Array, out: Array | None) -> Array:
        """Return the same as ``encode`` where nothing is to be calculated."""
        if out is None:
            shape = (rows.shape[0], self.n_inputs, *rows.shape[2:])
            out = np.empty(shape, rows.dtype)
        columns = out[:, : self.n_features]
        columns[...] = rows
        np.copyto(columns, _along(self.fill, rows), where=gaps)
        out[:, self.n_features :] = gaps[:, self.indicated]
        return out


def _along(vector: Array, rows: Array) -> Array:
    """Return a vector in the shape that goes along the second axis of rows."""
    return vector if rows.ndim == 2 else vector[:, np.newaxis]
