"""The columns behind a piecewise-linear encoding, one by one; knows arrays only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torch_binary_classifier.inference.encoding import Encoding

Array = NDArray[Any]


@dataclass(frozen=True)
class ColumnPieces:
    """A column and what is made of it: linear below, between and above its knots.

    Parameters
    ----------
    inputs : ndarray of int
        The inputs of the network that are made from the column.
    encoding : Encoding
        Makes them from a table of this column alone.
    knots : ndarray of shape (n_knots,)
        The ascending values where a bound begins to hold.
    """

    inputs: NDArray[np.intp]
    encoding: Encoding
    knots: Array

    @cached_property
    def at_knots(self) -> Array:
        """The inputs at the knots, ``(n_knots, n_inputs)``, in float64."""
        return self.encoding.encode(self.knots.astype(np.float64)[:, np.newaxis])

    @property
    def below(self) -> NDArray[np.bool_]:
        """Which inputs still fall below the first knot."""
        return np.isneginf(self.encoding.lowest)

    @property
    def above(self) -> NDArray[np.bool_]:
        """Which inputs still rise above the last knot."""
        return np.isposinf(self.encoding.highest)


def column_pieces(
    encoding: Encoding, dtype: Any
) -> tuple[Encoding, list[ColumnPieces]]:
    """Return what leaves the columns that are used as they are, and their pieces.

    Parameters
    ----------
    encoding : Encoding
        With positive factors.
    dtype : dtype
        The precision that the knots are to be told apart in.

    Returns
    -------
    (Encoding, list of ColumnPieces)
        The encoding fills gaps, and gives one value per column of the list.
    """
    used = np.unique(encoding.source)
    pieces = []
    for column in used:
        inputs = np.flatnonzero(encoding.source == column)
        part = _of_one_column(encoding, inputs)
        pieces.append(ColumnPieces(inputs, part, _apart(_knots(part).astype(dtype))))
    return _columns_alone(encoding, used), pieces


def _columns_alone(encoding: Encoding, used: NDArray[np.intp]) -> Encoding:
    """Return the encoding that fills gaps and leaves these columns as they are."""
    return replace(
        encoding,
        source=used,
        offset=np.zeros(len(used)),
        factor=np.ones(len(used)),
        lowest=np.full(len(used), -np.inf),
        highest=np.full(len(used), np.inf),
    )


def _of_one_column(encoding: Encoding, inputs: NDArray[np.intp]) -> Encoding:
    """Return the encoding of a table of one column, the source of these inputs."""
    return Encoding(
        n_features=1,
        source=np.zeros(len(inputs), np.intp),
        offset=encoding.offset[inputs],
        factor=encoding.factor[inputs],
        lowest=encoding.lowest[inputs],
        highest=encoding.highest[inputs],
        fill=np.zeros(1),
        indicated=np.empty(0, np.intp),
    )


def _knots(encoding: Encoding) -> Array:
    """Return the ascending values of a column where a bound begins to hold."""
    bounds = np.concatenate([encoding.lowest, encoding.highest])
    places = np.tile(encoding.offset, 2) + bounds / np.tile(encoding.factor, 2)
    knots = np.sort(places[np.isfinite(places)])
    return knots if len(knots) else np.zeros(1)


def _apart(knots: Array) -> Array:
    """Return the knots without those whose inverse distance would overflow."""
    far = np.diff(knots) > np.finfo(knots.dtype).tiny
    return np.concatenate([knots[:1], knots[1:][far]])
