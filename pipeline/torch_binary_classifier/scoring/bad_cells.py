"""Which cells of some rows are not what their column must hold; knows no models.

The readers take a column as a whole or refuse it. What is found here is which of its
cells make them refuse it: no cell is bad for the company that it is in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from torch_binary_classifier.scoring.columns import InputColumn
from torch_binary_classifier.scoring.file_types import FileColumn
from torch_binary_classifier.scoring.moments import unread_moments
from torch_binary_classifier.tables.bad_rows import BadRow, Fault
from torch_binary_classifier.tables.chunk import LARGEST_NUMBER, Chunk
from torch_binary_classifier.tables.kinds import is_numeric, is_text
from torch_binary_classifier.tables.missing import MISSING_WORDS
from torch_binary_classifier.tables.numbers import NUMBER, parse_numbers, to_numpy
from torch_binary_classifier.tables.times import DURATION, YEAR_FIRST, unread

__all__ = [
    "CATEGORY",
    "BadCells",
    "bad_cells",
    "bad_rows",
    "cells_of",
    "truth_words",
]

# What the parser of numbers takes, in lower case and without blanks around it.
_PARSED = rf"^({NUMBER}|[+-]?(inf|infinity|nan(\([a-z0-9_]*\))?))$"
_WORDS = pa.array([*MISSING_WORDS, "true", "false"])
CATEGORY = "a category of training"
_RANGE = f"numbers between {-LARGEST_NUMBER:.3g} and {LARGEST_NUMBER:.3g}"


@dataclass(frozen=True)
class BadCells:
    """Some cells of a column for which their rows cannot be scored.

    Attributes
    ----------
    column : str
        The column.
    positions : ndarray of shape (n_bad,)
        Of their rows in the chunk.
    kind : str
        As in `BadRow`.
    wanted : str
        What the column must hold.
    cells : sequence of shape (n_bad,)
        What it holds there.
    """

    column: str
    positions: NDArray[np.intp]
    kind: Fault
    wanted: str
    cells: list[Any]

    def rows(self, chunk: Chunk) -> Iterator[tuple[int, BadRow]]:
        """Yield the position of each row and what is bad about it."""
        rows = chunk.all_rows[self.positions].tolist()
        what = f"column {self.column!r} must hold {self.wanted}, got "
        for position, row, cell in zip(
            self.positions.tolist(), rows, self.cells, strict=True
        ):
            got = "none" if cell is None else repr(cell)
            yield position, BadRow(row, self.kind, f"{what}{got}", self.column)


def bad_rows(chunk: Chunk, found: Iterator[BadCells]) -> dict[int, BadRow]:
    """Return what is bad about each row, by its position.

    Parameters
    ----------
    chunk : Chunk
        Some rows.
    found : iterator of BadCells
        In the order of the columns; the first one of a row counts.

    Returns
    -------
    dict of int to BadRow
        One entry per row.
    """
    rows: dict[int, BadRow] = {}
    for cells in found:
        for position, row in cells.rows(chunk):
            rows.setdefault(position, row)
    return rows


def bad_cells(
    chunk: Chunk, column: InputColumn, file_column: FileColumn | None
) -> Iterator[BadCells]:
    """Yield the cells of a column that its reader refuses.

    Parameters
    ----------
    chunk : Chunk
        Some rows.
    column : InputColumn
        What the model knows of the column.
    file_column : FileColumn or None
        What the file says of it, if that counts.

    Yields
    ------
    BadCells
        Those of one kind.
    """
    what = _what(column, file_column)
    if what in ("number", "truth value"):
        yield from _bad_numbers(chunk, column.name, what)
    elif what == "time" and is_text(chunk.columns[column.name].type):
        yield from _bad_times(chunk, column)


def truth_words(chunk: Chunk, column: InputColumn) -> Iterator[BadCells]:
    """Yield the words for truth values in a column of numbers.

    Parameters
    ----------
    chunk : Chunk
        Some rows.
    column : InputColumn
        What the model knows of the column.

    Yields
    ------
    BadCells
        Those that a reader would take for 0 and 1.
    """
    if column.kind != "number" or not is_text(chunk.columns[column.name].type):
        return
    words = pc.utf8_lower(pc.utf8_trim_whitespace(chunk.columns[column.name]))
    is_truth = pc.is_in(words, value_set=pa.array(["true", "false"], words.type))
    yield cells_of(chunk, column.name, _mask(is_truth), "cast", "numbers")


def _what(column: InputColumn, file_column: FileColumn | None) -> str:
    """Return as what a column is read, if its reader refuses some cells."""
    if file_column is not None:
        return "number" if file_column.kind in ("whole", "number") else ""
    if column.kind == "dropped":
        return ""
    if column.schema is not None:
        is_written = column.kind == "time" and column.schema.kind == "text"
        return "time" if is_written else column.schema.kind
    if column.vocabulary is not None:
        return "number" if column.needs_numbers else ""
    return column.kind


def _bad_numbers(chunk: Chunk, name: str, what: str) -> Iterator[BadCells]:
    """Yield cells that are no numbers, or are too large, or no truth values."""
    cells = chunk.columns[name]
    is_wrong = np.zeros(len(cells), dtype=bool)
    if is_text(cells.type):
        is_wrong = _no_numbers(cells)
        cells = parse_numbers(
            pc.if_else(pa.array(is_wrong), pa.scalar(None, cells.type), cells)
        )
    elif not is_numeric(cells.type):
        return  # No cell is any better than the others.
    values = to_numpy(cells)
    is_beyond = np.abs(values) > LARGEST_NUMBER
    if what == "truth value":
        is_wrong |= ~np.isnan(values) & (values != 0) & (values != 1)
        is_beyond &= False
    wanted = "truth values" if what == "truth value" else "numbers"
    yield cells_of(chunk, name, is_wrong, "cast", wanted)
    beyond = np.flatnonzero(is_beyond)
    shown = values[beyond].astype(np.float64).tolist()
    yield BadCells(name, beyond, "non-finite", _RANGE, shown)


def _no_numbers(cells: Any) -> NDArray[np.bool_]:
    """Return which texts are neither numbers, truth values nor gaps."""
    words = pc.utf8_lower(pc.utf8_trim_whitespace(pc.cast(cells, pa.string())))
    is_read = pc.or_(
        pc.match_substring_regex(words, _PARSED), pc.is_in(words, value_set=_WORDS)
    )
    return _mask(pc.invert(pc.fill_null(is_read, True)))


def _bad_times(chunk: Chunk, column: InputColumn) -> Iterator[BadCells]:
    """Yield texts that are no times."""
    cells = chunk.columns[column.name]
    times = None if column.schema is None else column.schema.times
    if times is not None and not times.is_duration:
        is_wrong = unread_moments(cells, times)
        wanted = f"dates written {YEAR_FIRST}"
    elif times is not None or column.time_format == DURATION:
        is_wrong, wanted = unread(cells, DURATION), "durations"
    elif column.time_format is not None:
        is_wrong = unread(cells, column.time_format) & unread(cells, YEAR_FIRST)
        wanted = f"dates written {column.time_format}"
    else:
        return
    yield cells_of(chunk, column.name, is_wrong, "cast", wanted)


def cells_of(
    chunk: Chunk, name: str, is_bad: NDArray[np.bool_], kind: Fault, wanted: str
) -> BadCells:
    """Return the chosen cells of a column, as they stand in the file.

    Parameters
    ----------
    chunk : Chunk
        Some rows.
    name : str
        The column.
    is_bad : ndarray of shape (n_rows,)
        Which of its cells.
    kind : str
        As in `BadRow`.
    wanted : str
        What the column must hold.

    Returns
    -------
    BadCells
        Those.
    """
    positions = np.flatnonzero(is_bad)
    cells = chunk.columns[name].take(pa.array(positions)).to_pylist()
    return BadCells(name, positions, kind, wanted, cells)


def _mask(truths: Any) -> NDArray[np.bool_]:
    """Return truth values of Arrow as an array."""
    return np.asarray(truths.to_numpy(zero_copy_only=False), dtype=bool)
