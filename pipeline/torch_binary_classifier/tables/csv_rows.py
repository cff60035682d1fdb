"""Whole rows out of a stream of CSV bytes, held against the rules on quotes.

Knows bytes, separators and quotes (RFC 4180); neither cells nor types nor files.

A quote opens a cell only at the cell's start; anywhere else in an unquoted cell it is
an ordinary character. Within a quoted cell two quotes stand for one, a single one
closes the cell, and after it must come a separator or a line end. A row ends with a
line feed, a carriage return or both, and lines without any character are no rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

__all__ = ["ByteStream", "RowBlock", "RowError", "RowReader"]

# What is read and parsed at a time.
BLOCK_BYTES = 1 << 22
# A row that is still open after so many bytes: memory must not grow with the file.
LONGEST_ROW_BYTES = 1 << 22

QUOTE, LINE_FEED, CARRIAGE_RETURN = b'"\n\r'

Positions = np.ndarray[Any, np.dtype[np.intp]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]


class ByteStream(Protocol):
    """What bytes are read from, in order and once."""

    def read(self, size: int, /) -> bytes:
        """Return some of the next bytes, at the end none."""


class RowError(Exception):
    """Bytes that are no rows.

    Parameters
    ----------
    rule : str
        What must be.
    got : str
        What is instead.
    row : int
        Where, counted from 0; the line of the names is row -1.
    cell : int, default=None
        Position within the row, counted from 0; None if it says nothing.
    after : str, default=""
        The byte after a closing quote that should not be there.
    """

    def __init__(
        self, rule: str, got: str, row: int, cell: int | None = None, after: str = ""
    ) -> None:
        super().__init__(rule, got, row, cell, after)
        self.rule, self.got, self.row, self.cell = rule, got, row, cell
        self.after = after


@dataclass(frozen=True)
class RowBlock:
    """Consecutive rows as they are written.

    Attributes
    ----------
    content : bytes
        Whole rows, the last one ended, and the empty lines between them.
    first_row : int
        Position of the first row, counted from 0.
    n_rows : int
        Number of rows.
    ends_open : bool
        Whether the stream ended before the last row's line did.
    """

    content: bytes
    first_row: int
    n_rows: int
    ends_open: bool


class RowReader:
    """Rows of a stream, first the names and then block by block.

    Parameters
    ----------
    stream : ByteStream
        Text in UTF-8 or any other encoding that keeps ASCII.
    separator : str
        One character of ASCII.

    Attributes
    ----------
    next_row : int
        Position of the first row that was not yet delivered.
    """

    def __init__(self, stream: ByteStream, separator: str) -> None:
        self.next_row = -1
        self._stream = stream
        self._separator = separator
        self._pending = b""
        self._ended = False

    def header(self) -> RowBlock:
        """Return the first row.

        Returns
        -------
        RowBlock
            One row; none if the stream has none.

        Raises
        ------
        RowError
            If the row breaks a rule on quotes, or does not end.
        """
        scan = self._scan()
        while not scan.row_ends.size and not self._ended:
            self._check_length()
            self._read()
            scan = self._scan()
        end = int(scan.row_ends[0]) + 1 if scan.row_ends.size else len(self._pending)
        return self._taken(end, _Scan(self._pending[:end], self._separator))

    def blocks(self) -> Iterator[RowBlock]:
        """Yield the rows that follow.

        Yields
        ------
        RowBlock
            At least one row.

        Raises
        ------
        RowError
            If a row breaks a rule on quotes, or does not end.
        """
        while True:
            # Rows may have been read together with the names.
            scan = self._scan()
            end = int(scan.row_ends[-1]) + 1 if scan.row_ends.size else 0
            block = self._taken(len(self._pending) if self._ended else end, scan)
            if block.n_rows:
                yield block
            if self._ended:
                return
            self._check_length()
            self._read()

    def _read(self) -> None:
        """Read on."""
        content = self._stream.read(BLOCK_BYTES)
        self._ended = not content
        self._pending += content

    def _scan(self) -> _Scan:
        """Look for rows in what was read and not yet delivered."""
        return _Scan(self._pending, self._separator)

    def _taken(self, end: int, scan: _Scan) -> RowBlock:
        """Take the rows before a position, unless a quote is wrong."""
        wrong = scan.misplaced(self._ended)
        if wrong is not None:
            raise self._error(scan, wrong)
        content, self._pending = self._pending[:end], self._pending[end:]
        n_rows, first_row = scan.row_ends.size, self.next_row
        ends_open = content[-1:] not in (b"", b"\n", b"\r")
        if ends_open:
            content += b"\n"
            n_rows += 1
        self.next_row += n_rows
        return RowBlock(content, first_row, n_rows, ends_open)

    def _error(self, scan: _Scan, wrong: _Misplaced) -> RowError:
        """Describe a misplaced quote."""
        row, cell = scan.place(wrong.opening)
        rule, got = (
            ("close every quote", "one that stays open")
            if not wrong.after
            else ("have a separator or a line end after a closing quote", "other text")
        )
        return RowError(rule, got, self.next_row + row, cell, wrong.after)

    def _check_length(self) -> None:
        """Refuse a row that is too long to be waited for."""
        if len(self._pending) > LONGEST_ROW_BYTES:
            rule = f"have rows of at most {LONGEST_ROW_BYTES} bytes"
            raise RowError(rule, "a longer one", self.next_row)


@dataclass(frozen=True)
class _Misplaced:
    """Where a quoted cell begins, and what follows it; nothing if it stays open."""

    opening: int
    after: str


class _Scan:
    """Where rows end, and quotes go wrong, in bytes that begin with a row.

    A run of quotes is taken as one. Be the cell before it quoted or not, an even run
    leaves it so. An odd one at a cell's start turns it, as both an opening quote and
    one after a quoted separator do. An odd one elsewhere leaves it unquoted: it
    closes the cell, or is part of one that is not quoted. So the state after a run is
    the number of turns since the last such reset, odd or even: no loop is needed.
    """

    def __init__(self, content: bytes, separator: str) -> None:
        self._separator = separator
        self._codes = np.frombuffer(content, np.uint8)
        self._starts = np.empty(0, np.intp)
        is_end = (self._codes == LINE_FEED) | (self._codes == CARRIAGE_RETURN)
        if QUOTE in content:
            self._find_runs(is_end | (self._codes == ord(separator)))
        # A line end after another one ends an empty line.
        is_end[1:] &= ~is_end[:-1]
        is_end[:1] = False
        self.row_ends = self._outside(np.flatnonzero(is_end))

    def misplaced(self, is_whole: bool) -> _Misplaced | None:
        """Return the first quote that is wrong; an open one only if that was all."""
        if not self._starts.size:
            return None
        closes = ~self._inside[1:] & (self._inside[:-1] | self._opens)
        wrong = np.flatnonzero(closes & ~self._may_close)
        if wrong.size:
            first = int(wrong[0])
            after = chr(self._codes[self._starts[first] + self._lengths[first]])
            return _Misplaced(self._opening(first), after)
        if is_whole and self._inside[-1]:
            return _Misplaced(self._opening(self._starts.size - 1), "")
        return None

    def place(self, position: int) -> tuple[int, int]:
        """Return row and cell of a position outside of quotes, both from 0."""
        row = int(np.searchsorted(self.row_ends, position))
        start = int(self.row_ends[row - 1]) if row else 0
        separators = np.flatnonzero(self._codes[start:position] == ord(self._separator))
        return row, self._outside(start + separators).size

    def _find_runs(self, is_boundary: Mask) -> None:
        """Find the runs of quotes, and whether the cell is quoted after each."""
        # Cells also begin and end where the bytes do.
        is_boundary = np.pad(is_boundary, 1, constant_values=True)
        quotes = np.flatnonzero(self._codes == QUOTE)
        firsts = np.flatnonzero(np.diff(quotes, prepend=-2) != 1)
        self._starts = quotes[firsts]
        self._lengths: Positions = np.diff(firsts, append=quotes.size)
        self._opens = is_boundary[self._starts]
        self._may_close = is_boundary[self._starts + self._lengths + 1]
        is_odd = (self._lengths & 1) == 1
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

    def _opening(self, run: int) -> int:
        """Return where the cell begins that a run closes or leaves open."""
        opened = self._opens & ~self._inside[:-1]
        return int(self._starts[np.flatnonzero(opened[: run + 1])[-1]])
