"""Rows as a model was trained on them, and what their columns hold; scores nothing."""

from __future__ import annotations

import threading
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
from torch_binary_classifier.tables.frame import as_frame, frame_of_numbers

__all__ = ["Blocks", "Rows", "read_rows"]

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
    block : ndarray of shape (n_columns, n_rows) or None, default=None
        All columns in one piece, if all are such numbers as they were in training.
    """

    expected: Expected
    values: Mapping[str, Any]
    counts: Mapping[str, ColumnCounts]
    unseen: Mapping[str, NDArray[np.bool_]]
    block: NDArray[np.float64] | None = None

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
        if self.block is not None and positions is None:
            yield slice(None), self._of_block(self.block)
            return
        if positions is not None:
            values = {name: cells[positions] for name, cells in values.items()}
        if self.expected.is_positional:
            yield slice(None), _as_array(values)
            return
        for rows, typed in in_training_types(values, self.expected.columns):
            yield rows, as_frame(typed)

    def mended(self, position: int, names: Sequence[str]) -> Rows:
        """Return one row, without what is strange in some of its columns.

        Parameters
        ----------
        position : int
            The row.
        names : sequence of str
            Columns whose cell becomes 0 if it is a missing number, and a category that
            training saw if it is another one.

        Returns
        -------
        Rows
            Of that row, for questions to the model.
        """
        values = {name: cells[[position]] for name, cells in self.values.items()}
        for column in self.expected.columns.columns:
            name = column.name
            if name in names and name in self.unseen:
                values[name] = self._seen(column)
            elif name in names:
                values[name] = np.zeros_like(values[name])
        return Rows(self.expected, values, {}, {})

    def _seen(self, column: InputColumn) -> Any:
        """Return one cell of a column with a category that training saw."""
        cells, is_unseen = self.values[column.name], self.unseen[column.name]
        cell = cells[[int(is_unseen.argmin())]]
        if is_unseen.all() and column.vocabulary is not None:
            cell = np.array([column.vocabulary.first], dtype=column.vocabulary.dtype)
        return cell

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

    def _of_block(self, block: NDArray[np.float64]) -> Any:
        """Return all rows as the model takes them, without a copy."""
        if self.expected.is_positional:
            return block.T
        return frame_of_numbers(block, [*self.values])


class Blocks(threading.local):
    """Memory for rows of numbers, one piece per thread.

    What is taken anew for each slice goes back to the system after it, and comes again
    page by page: a third of the time of a small network.
    """

    memory: NDArray[np.float64] = np.empty(0)

    def block(self, n_columns: int, n_rows: int) -> NDArray[np.float64]:
        """Return a block whose numbers hold until this thread asks for the next one.

        Parameters
        ----------
        n_columns : int
            How many columns it has.
        n_rows : int
            How many rows.

        Returns
        -------
        ndarray of shape (n_columns, n_rows)
            Any numbers.
        """
        size = n_columns * n_rows
        if self.memory.size < size:
            self.memory = np.empty(size)
        return self.memory[:size].reshape(n_columns, n_rows)

    def __reduce__(self) -> tuple[type[Blocks], tuple[()]]:
        """Leave the memory out of a pickle."""
        return Blocks, ()


def read_rows(chunk: Chunk, expected: Expected, blocks: Blocks) -> Rows:
    """Return the rows of a chunk as the model was trained on them.

    Parameters
    ----------
    chunk : Chunk
        Some rows of a table.
    expected : Expected
        What the model expects.
    blocks : Blocks
        Memory for them, which the next rows that this thread reads overwrite.

    Returns
    -------
    Rows
        The rows and what they hold.

    Raises
    ------
    TableError
        If a cell is not what its column must hold.
    """
    found = _read_block(chunk, expected, blocks)
    if found is not None:
        return found
    values: dict[str, Any] = {}
    counts: dict[str, ColumnCounts] = {}
    unseen: dict[str, NDArray[np.bool_]] = {}
    for column in expected.columns.columns:
        name = column.name
        if column.kind == "dropped":
            # Some estimators look for the column before they drop it.
            values[name] = np.zeros(chunk.n_rows)
            continue
        cells = _read(chunk, column, expected)
        values[name] = cells.values
        counts[name] = _counts(cells, column)
        if cells.is_unseen is not None:
            unseen[name] = cells.is_unseen
    return Rows(expected, values, counts, unseen)


def _read_block(chunk: Chunk, expected: Expected, blocks: Blocks) -> Rows | None:
    """Return rows of nothing but numbers within the range, or None.

    Each column is copied and counted while it is in the cache; what tells its
    deviation tells as well that no number is too large.
    """
    columns = expected.columns.columns
    if not all(_is_plain(chunk, column) for column in columns):
        return None
    block = blocks.block(len(columns), chunk.n_rows)
    counts = {}
    for numbers, column in zip(block, columns, strict=True):
        if column.kind == "dropped":
            numbers[:] = 0
            continue
        numbers[:] = chunk.columns[column.name].to_numpy(zero_copy_only=False)
        found = counts_of(numbers)
        if not found.m2 + found.n_present * found.mean**2 < LARGEST_SQUARES:
            return None
        counts[column.name] = found
    values = {column.name: row for column, row in zip(columns, block, strict=True)}
    return Rows(expected, values, counts, {}, block)


def _is_plain(chunk: Chunk, column: InputColumn) -> bool:
    """Return whether a column is handed to the model as the file has it: float64."""
    if column.kind == "dropped":
        return True
    schema = column.schema
    is_plain = schema is None or (column.dtype == "float64" and not is_whole(schema))
    is_number = column.kind == "number" and column.vocabulary is None and is_plain
    return is_number and pa.types.is_float64(chunk.columns[column.name].type)


def _read(chunk: Chunk, column: InputColumn, expected: Expected) -> Cells:
    """Return the cells of a column by what is known of it."""
    if column.kind == "file":
        return read_as_file(chunk, column.name, expected.as_file[column.name])
    if column.schema is not None:
        return read_as_trained(chunk, column)
    return read_cells(chunk, column)


def _counts(cells: Cells, column: InputColumn) -> ColumnCounts:
    """Return what a column holds."""
    n_rows = len(cells.values)
    values = cells.values
    is_number = column.kind == "number" and column.vocabulary is None
    counts = counts_of(values) if is_number else ColumnCounts(n_rows)
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
