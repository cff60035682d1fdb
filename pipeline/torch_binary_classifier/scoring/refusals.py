"""Which rows a fitted model refuses; knows what it says, but not why it says it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torch_binary_classifier.scoring.bad_cells import BadCells
from torch_binary_classifier.scoring.rows import Rows
from torch_binary_classifier.tables.bad_rows import BadRow
from torch_binary_classifier.tables.chunk import Chunk
from torch_binary_classifier.wording import one_line

__all__ = ["REFUSALS", "refused_rows"]

# What a fitted model raises for rows that it does not take.
REFUSALS = (TypeError, ValueError)
_GAP = re.compile(r"\bnan\b", re.IGNORECASE)

Score = Callable[[Any], object]


def refused_rows(chunk: Chunk, rows: Rows, score: Score) -> dict[int, BadRow]:
    """Return what is bad about each row that a model refuses.

    Parameters
    ----------
    chunk : Chunk
        The rows as they stand in the file.
    rows : Rows
        The same as the model knows them.
    score : callable
        Scores a frame or an array of rows.

    Returns
    -------
    dict of int to BadRow
        By the position of the row in the chunk.

    Notes
    -----
    Whether a model takes a missing number is asked once for each column, with one row
    of which that is the only gap. The rows that are refused for all that are found by
    halving.
    """
    found: dict[int, BadRow] = {}
    for cells in _missing_numbers(rows, score):
        for position, row in cells.rows(chunk):
            found.setdefault(position, row)
    rest = np.setdiff1d(np.arange(chunk.n_rows), np.array([*found], dtype=np.intp))
    for position, error in _halved(rows, rest, score):
        found[position] = _refused(chunk, position, error)
    return found


def _missing_numbers(rows: Rows, score: Score) -> Iterator[BadCells]:
    """Yield the missing numbers of columns in which the model takes no gap."""
    numbers = [
        column.name
        for column in rows.expected.columns.columns
        if column.kind in ("number", "truth value")
    ]
    gaps = {name: rows.gaps(name) for name in numbers}
    for name, is_gap in gaps.items():
        positions = np.flatnonzero(is_gap)
        if positions.size and _refuses_gap(rows, name, gaps, positions[0], score):
            wanted = "a number in every row"
            yield BadCells(name, positions, "missing", wanted, [None] * len(positions))


def _refuses_gap(
    rows: Rows,
    name: str,
    gaps: dict[str, NDArray[np.bool_]],
    position: np.intp,
    score: Score,
) -> bool:
    """Return whether a model refuses a row of which one number is missing."""
    others = [other for other in gaps if other != name and gaps[other][position]]
    error = _error(rows.filled(others), np.array([position]), score)
    return error is not None and _GAP.search(str(error)) is not None


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
