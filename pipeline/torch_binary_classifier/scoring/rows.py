"""Rows as a model was trained on them, and what their columns hold; scores nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from torch_binary_classifier.scoring.cells import Cells, read_cells
from torch_binary_classifier.scoring.columns import InputColumn
from torch_binary_classifier.scoring.counts import ColumnCounts, counts_of
from torch_binary_classifier.scoring.expected import Expected
from torch_binary_classifier.scoring.file_types import read_as_file
from torch_binary_classifier.scoring.trained_cells import read_as_trained
from torch_binary_classifier.scoring.training_types import in_training_types, is_whole
from torch_binary_classifier.tables.chunk import LARGEST_NUMBER, Chunk
from torch_binary_classifier.tables.frame import as_frame

__all__ = ["Rows", "read_rows"]

# If squares add up to less, no number is beyond the range, not even by a rounding.
LARGEST_SQUARES = LARGEST_NUMBER**2 / 2


@dataclass(frozen=True)
class Rows:
    """Some rows, their cells as the model knows them.

    Attributes
    ----------
    expected : Expected
        What the model expects.
    values : mapping of str to array of shape (n_rows,)
        The columns, in its order.
    counts : mapping of str to ColumnCounts
        What each column that is read holds.
    unseen : mapping of str to ndarray of shape (n_rows,)
        Of the columns with categories never seen in training, which cells hold one.
    """

    expected: Expected
    values: Mapping[str, Any]
    counts: Mapping[str, ColumnCounts]
    unseen: Mapping[str, NDArray[np.bool_]]

    def inputs(
        self, positions: NDArray[np.intp] | None = None
    ) -> Iterator[tuple[Any, Any]]:
        """Yield the rows as the model takes them.

        Parameters
        ----------
        positions : ndarray of shape (n_chosen,) or None, default=None
            Which rows; all if None.

        Yields
        ------
        rows : slice or ndarray
            Positions among the chosen ones.
        X : frame or ndarray
            Those rows.
        """
        values = self.values
        if positions is not None:
            values = {name: cells[positions] for name, cells in values.items()}
        if self.expected.is_positional:
            yield slice(None), _as_array(values)
            return
        for rows, typed in in_training_types(values, self.expected.columns):
            yield rows, as_frame(typed)

    def filled(self, names: Sequence[str]) -> Rows:
        """Return the same rows with 0 in the place of missing cells.

        Parameters
        ----------
        names : sequence of str
            Columns of numbers or truth values.

        Returns
        -------
        Rows
            Others than these rows, for questions to the model alone.
        """
        filled = dict(self.values)
        for name in names:
            filled[name] = self.values[name].copy()
            filled[name][self.gaps(name)] = 0
        return replace(self, values=filled)

    def gaps(self, name: str) -> NDArray[np.bool_]:
        """Return which cells of a column are missing.

        Parameters
        ----------
        name : str
            The column.

        Returns
        -------
        ndarray of shape (n_rows,)
            Truth values.
        """
        values = self.values[name]
        if getattr(values.dtype, "kind", "O") == "f":
            return np.asarray(np.isnan(values))
        is_missing = pa.array(values, from_pandas=True).is_null()
        return np.asarray(is_missing.to_numpy(zero_copy_only=False))


def read_rows(chunk: Chunk, expected: Expected) -> Rows:
    """Return the rows of a chunk as the model was trained on them.

    Parameters
    ----------
    chunk : Chunk
        Some rows of a table.
    expected : Expected
        What the model expects.

    Returns
    -------
    Rows
        The rows and what they hold.

    Raises
    ------
    TableError
        If a cell is not what its column must hold.
    """
    values: dict[str, Any] = {}
    counts: dict[str, ColumnCounts] = {}
    unseen: dict[str, NDArray[np.bool_]] = {}
    for column in expected.columns.columns:
        name = column.name
        if column.kind == "dropped":
            # Some estimators look for the column before they drop it.
            values[name] = np.zeros(chunk.n_rows)
            continue
        found = _plain_numbers(chunk, column)
        if found is not None:
            values[name], counts[name] = found
            continue
        cells = _read(chunk, column, expected)
        values[name] = cells.values
        counts[name] = _counts(cells, column)
        if cells.is_unseen is not None:
            unseen[name] = cells.is_unseen
    return Rows(expected, values, counts, unseen)


def _read(chunk: Chunk, column: InputColumn, expected: Expected) -> Cells:
    """Return the cells of a column by what is known of it."""
    if column.kind == "file":
        return read_as_file(chunk, column.name, expected.as_file[column.name])
    if column.schema is not None:
        return read_as_trained(chunk, column)
    return read_cells(chunk, column)


def _plain_numbers(
    chunk: Chunk, column: InputColumn
) -> tuple[NDArray[np.float64], ColumnCounts] | None:
    """Return numbers that are such in the file and all within the range, or None.

    What tells the deviation tells as well that none is too large.
    """
    cells = chunk.columns[column.name]
    if column.kind != "number" or column.vocabulary is not None:
        return None
    if not pa.types.is_float64(cells.type) or _was_whole(column):
        return None
    values = cells.to_numpy(zero_copy_only=False)
    counts = counts_of(values)
    squares = counts.m2 + counts.n_present * counts.mean**2
    return (values, counts) if squares < LARGEST_SQUARES else None


def _was_whole(column: InputColumn) -> bool:
    """Return whether a column had whole numbers in training."""
    return column.schema is not None and is_whole(column.schema)


def _counts(cells: Cells, column: InputColumn) -> ColumnCounts:
    """Return what a column holds."""
    n_rows = len(cells.values)
    is_number = column.kind == "number" and cells.values.dtype.kind in "iuf"
    counts = counts_of(cells.values) if is_number else ColumnCounts(n_rows)
    return replace(counts, n_missing=cells.n_missing, n_unseen=cells.n_unseen)


def _as_array(values: Mapping[str, Any]) -> NDArray[Any]:
    """Return columns as an array of rows, in one block of numbers if all are such."""
    columns = [*values.values()]
    is_number = all(column.dtype.kind in "iufb" for column in columns)
    block = np.empty(
        (len(columns), len(columns[0])), dtype=np.float64 if is_number else object
    )
    for row, column in zip(block, columns, strict=True):
        row[:] = column
    return block.T
