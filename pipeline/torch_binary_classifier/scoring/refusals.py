"""Which rows a fitted model refuses; knows what it says, but not why it says it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torch_binary_classifier.scoring.bad_cells import CATEGORY, BadCells, cells_of
from torch_binary_classifier.scoring.rows import Rows
from torch_binary_classifier.tables.bad_rows import BadRow, TooManyBadRowsError
from torch_binary_classifier.tables.chunk import Chunk
from torch_binary_classifier.wording import one_line

__all__ = ["REFUSALS", "refused_rows"]

# What a fitted model raises for rows that it does not take.
REFUSALS = (TypeError, ValueError)
# Of how many rows a model is asked about a column: one may be refused for more.
N_ASKED = 3
NUMBER_IN_EVERY_ROW = "a number in every row"

Score = Callable[[Any], object]


def refused_rows(
    chunk: Chunk, rows: Rows, score: Score, most: int | None = None
) -> dict[int, BadRow]:
    """Return what is bad about each row that a model refuses.

    Parameters
    ----------
    chunk : Chunk
        The rows as they stand in the file.
    rows : Rows
        The same as the model knows them.
    score : callable
        Scores a frame or an array of rows.
    most : int or None, default=None
        How many it may refuse; None for any number.

    Returns
    -------
    dict of int to BadRow
        By the position of the row in the chunk.

    Raises
    ------
    TooManyBadRowsError
        If it refuses more: a model that refuses every row is asked of each one.

    Notes
    -----
    Whether a model takes a missing number, or a category never seen, is asked for each
    column, with a row of which that is the only fault. The rows that are refused for
    all that are found by halving.
    """
    found: dict[int, BadRow] = {}
    for cells in _strange_cells(chunk, rows, score):
        for position, row in cells.rows(chunk):
            found.setdefault(position, row)
    rest = np.setdiff1d(np.arange(chunk.n_rows), np.array([*found], dtype=np.intp))
    for position, error in _halved(rows, rest, score):
        found[position] = _refused(chunk, position, error)
        if most is not None and len(found) > most:
            raise TooManyBadRowsError([found[one] for one in sorted(found)])
    return found


def _strange_cells(chunk: Chunk, rows: Rows, score: Score) -> Iterator[BadCells]:
    """Yield the cells of columns in which the model takes no gap or unseen category."""
    faults = _faults(rows)
    for name, is_fault in faults.items():
        positions = np.flatnonzero(is_fault)
        asked = positions[:N_ASKED].tolist()
        if not any(_refuses(rows, name, faults, row, score) for row in asked):
            continue
        if name in rows.unseen:
            yield cells_of(chunk, name, is_fault, "unseen", CATEGORY)
        else:
            nothing = [None] * len(positions)
            yield BadCells(name, positions, "missing", NUMBER_IN_EVERY_ROW, nothing)


def _faults(rows: Rows) -> dict[str, NDArray[np.bool_]]:
    """Return the columns that have missing numbers or unseen categories, and where."""
    faults = {}
    for column in rows.expected.columns.columns:
        name = column.name
        if name in rows.unseen:
            faults[name] = rows.unseen[name]
        elif column.kind in ("number", "truth value"):
            faults[name] = rows.gaps(name)
    return {name: is_fault for name, is_fault in faults.items() if is_fault.any()}


def _refuses(
    rows: Rows,
    name: str,
    faults: Mapping[str, NDArray[np.bool_]],
    position: int,
    score: Score,
) -> bool:
    """Return whether a model refuses a row that it takes without one column's fault."""
    others = [other for other in faults if other != name and faults[other][position]]
    first = np.zeros(1, dtype=np.intp)
    if _error(rows.mended(position, others), first, score) is None:
        return False
    return _error(rows.mended(position, [*others, name]), first, score) is None


def _halved(
    rows: Rows, positions: NDArray[np.intp], score: Score
) -> Iterator[tuple[int, Exception]]:
    """Yield the rows that are refused alone, and what the model says."""
    waiting = [positions]
    while waiting:
        some = waiting.pop()
        error = _error(rows, some, score) if some.size else None
        if error is not None and some.size == 1:
            yield int(some[0]), error
        elif error is not None:
            middle = some.size // 2
            waiting += [some[middle:], some[:middle]]


def _error(rows: Rows, positions: NDArray[np.intp], score: Score) -> Exception | None:
    """Return what a model raises when it is to score some rows, or None."""
    try:
        for _, X in rows.inputs(positions):
            score(X)
    except REFUSALS as error:
        return error
    return None


def _refused(chunk: Chunk, position: int, error: Exception) -> BadRow:
    """Return a row that the model refuses, in its words."""
    words = one_line(error).rstrip(".")
    return BadRow(
        chunk.row(position), "refused", f"the row must fit the model, got: {words}"
    )
