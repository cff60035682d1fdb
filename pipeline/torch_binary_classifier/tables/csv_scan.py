"""Where rows begin and end in bytes of CSV, all at once; knows no cells and no files.

A quote opens a cell only at the cell's start; anywhere else in an unquoted cell it is
an ordinary character. Within a quoted cell two quotes stand for one, a single one
closes the cell, and after it must come a separator or a line end. A row ends with a
line feed, a carriage return or both, and lines without any character are no rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Scan", "count_lines", "count_plain", "line_ends"]

QUOTE, LINE_FEED, CARRIAGE_RETURN = b'"\n\r'
# What a processor keeps at hand.
SLICE_BYTES = 1 << 17

Positions = np.ndarray[Any, np.dtype[np.intp]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]


class Scan:
    """Where rows begin and end, and whether quotes go wrong.

    A run of quotes is taken as one. Be the cell before it quoted or not, an even run
    leaves it so. An odd one at a cell's start turns it, as both an opening quote and
    one after a quoted separator do. An odd one elsewhere leaves it unquoted: it
    closes the cell, or is part of one that is not quoted. So the state after a run is
    the number of turns since the last such reset, odd or even: no loop is needed.

    Parameters
    ----------
    content : bytes
        Text that begins with a row or an empty line.
    separator : str
        One character of ASCII.

    Attributes
    ----------
    row_starts : ndarray of int
        Where rows begin.
    row_ends : ndarray of int
        Where their line ends begin; one less if the last row has none.
    """

    def __init__(self, content: bytes, separator: str) -> None:
        self._codes = np.frombuffer(content, np.uint8)
        self._starts = np.empty(0, np.intp)
        self._is_end = (self._codes == LINE_FEED) | (self._codes == CARRIAGE_RETURN)
        if QUOTE in content:
            self._find_runs(self._is_end | (self._codes == ord(separator)))
        # A line end after another one ends an empty line.
        ends = self._is_end.copy()
        ends[1:] &= ~self._is_end[:-1]
        ends[:1] = False
        self.row_ends = self._outside(np.flatnonzero(ends))

    @property
    def row_starts(self) -> Positions:
        """Return where rows begin."""
        starts = ~self._is_end
        starts[1:] &= self._is_end[:-1]
        return self._outside(np.flatnonzero(starts))

    def is_wrong(self, is_whole: bool) -> bool:
        """Return whether a quote is wrong, as an open one is only if that was all.

        Parameters
        ----------
        is_whole : bool
            Whether no more bytes follow.

        Returns
        -------
        bool
            Whether some row is none.
        """
        if not self._starts.size:
            return False
        closes = ~self._inside[1:] & (self._inside[:-1] | self._opens)
        wrong = closes & ~self._may_close
        return bool(wrong.any() or (is_whole and self._inside[-1]))

    def _find_runs(self, is_boundary: Mask) -> None:
        """Find the runs of quotes, and whether the cell is quoted after each."""
        # Cells also begin and end where the bytes do.
        is_boundary = np.pad(is_boundary, 1, constant_values=True)
        quotes = np.flatnonzero(self._codes == QUOTE)
        firsts = np.flatnonzero(np.diff(quotes, prepend=-2) != 1)
        self._starts = quotes[firsts]
        lengths: Positions = np.diff(firsts, append=quotes.size)
        self._opens = is_boundary[self._starts]
        self._may_close = is_boundary[self._starts + lengths + 1]
        is_odd = (lengths & 1) == 1
        turns = np.cumsum(is_odd & self._opens)
        at_reset = np.maximum.accumulate(np.where(is_odd & ~self._opens, turns, 0))
        after = ((turns - at_reset) & 1) == 1
        # Before each run, and after the last.
        self._inside = np.concatenate(([False], after))

    def _outside(self, positions: Positions) -> Positions:
        """Return the positions that are not within quotes."""
        if not self._starts.size:
            return positions
        return positions[~self._inside[np.searchsorted(self._starts, positions)]]


def count_plain(content: bytes, end: int) -> tuple[int, int]:
    """Return how many line feeds there are, and how many of them end empty lines.

    Parameters
    ----------
    content : bytes
        Text that begins with a line.
    end : int
        How many of its bytes count.

    Returns
    -------
    n_lines, n_empty : int
        Both counts.
    """
    codes = np.frombuffer(content, np.uint8)[:end]
    n_lines = n_empty = 0
    # Lines begin where the text does.
    is_start = True
    for first in range(0, len(codes), SLICE_BYTES):
        is_end = codes[first : first + SLICE_BYTES] == LINE_FEED
        n_lines += int(np.count_nonzero(is_end))
        n_empty += int(is_start & is_end[0])
        n_empty += int(np.count_nonzero(is_end[1:] & is_end[:-1]))
        is_start = bool(is_end[-1])
    return n_lines, n_empty


def line_ends(content: bytes) -> Positions:
    """Return where the line ends of a text end, within quotes or not.

    Parameters
    ----------
    content : bytes
        Text.

    Returns
    -------
    ndarray of int
        Positions of line feeds, and of carriage returns before anything else.
    """
    codes = np.frombuffer(content, np.uint8)
    is_end = codes == LINE_FEED
    if CARRIAGE_RETURN in content:
        is_return = codes == CARRIAGE_RETURN
        is_return[:-1] &= ~is_end[1:]
        is_end |= is_return
    return np.flatnonzero(is_end)


def count_lines(content: bytes) -> int:
    """Return how many lines of a text end, within quotes or not.

    Parameters
    ----------
    content : bytes
        Text.

    Returns
    -------
    int
        The count.
    """
    if CARRIAGE_RETURN in content:
        return int(line_ends(content).size)
    return int(np.count_nonzero(np.frombuffer(content, np.uint8) == LINE_FEED))
