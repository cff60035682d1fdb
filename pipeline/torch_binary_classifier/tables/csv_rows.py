"""Whole rows out of a stream of CSV bytes, block by block, and which of them are none.

Knows bytes, separators and quotes (RFC 4180); neither cells nor types nor files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from torch_binary_classifier.tables.csv_records import (
    Record,
    RecordFinder,
    Wrong,
)
from torch_binary_classifier.tables.csv_scan import Scan, count_lines, count_plain

__all__ = ["ByteStream", "RowBlock", "RowError", "RowReader", "WrongRow"]

# What is read and parsed at a time.
BLOCK_BYTES = 1 << 22
# A row that is still open after so many bytes: memory must not grow with the file.
LONGEST_ROW_BYTES = 1 << 22
# Names are rarely longer.
HEAD_BYTES = 1 << 14

_LINE_END = re.compile(rb"\r\n?|\n")


class ByteStream(Protocol):
    """What bytes are read from, in order and once."""

    def read(self, size: int, /) -> bytes:
        """Return some of the next bytes, at the end none."""


class RowError(Exception):
    """Bytes that are no line of names.

    Parameters
    ----------
    wrong : Wrong
        What is wrong.
    """

    def __init__(self, wrong: Wrong) -> None:
        super().__init__(wrong)
        self.wrong = wrong


@dataclass(frozen=True)
class WrongRow:
    """A row of a block that is none.

    Attributes
    ----------
    row : int
        Position in the block, counted from 0.
    start, stop : int
        Where in the block it begins, and where the next line does.
    wrong : Wrong
        What is wrong.
    """

    row: int
    start: int
    stop: int
    wrong: Wrong


@dataclass(frozen=True)
class RowBlock:
    """Consecutive rows as they are written.

    Attributes
    ----------
    content : bytes
        Whole rows with their line ends, and the empty lines between them; of a row
        that is too long only the beginning.
    first_row : int
        Position of the first row, counted from 0.
    n_rows : int
        Number of rows, wrong ones included.
    offset : int
        Position of the first byte in the stream, counted from 0.
    first_line : int
        Number of lines before, the line of names included.
    wrong : tuple of WrongRow
        The rows that are none, in order.
    ends_open : bool
        Whether the stream ended before the last row's line did.
    """

    content: bytes
    first_row: int
    n_rows: int
    offset: int
    first_line: int
    wrong: tuple[WrongRow, ...] = ()
    ends_open: bool = False


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
        self._finder = RecordFinder(separator, LONGEST_ROW_BYTES)
        # What was read together with the names, and what no block has taken.
        self._ahead = b""
        self._pending = b""
        self._offset = 0
        self._line = 0
        self._ended = False
        self._failure: UnicodeError | None = None

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
        UnicodeError
            If the stream raises it before the row ends.
        """
        record = None
        while record is None and not self._ended:
            self._read(max(min(HEAD_BYTES, BLOCK_BYTES), len(self._pending)))
            record = self._finder.find(self._pending, 0, self._is_whole)
        if record is None:
            self._check_failure()
            return self._taken(len(self._pending), 0)
        if record.wrong is not None:
            raise RowError(record.wrong)
        block = self._taken(record.stop, 1)
        self._ahead, self._pending, self._ended = self._pending, b"", False
        return block

    def blocks(self, block_bytes: int | None = None) -> Iterator[RowBlock]:
        """Yield the rows that follow.

        Parameters
        ----------
        block_bytes : int, default=None
            How many bytes to read at a time; `BLOCK_BYTES` at most.

        Yields
        ------
        RowBlock
            At least one row.

        Raises
        ------
        UnicodeError
            If the stream raises it; all rows before that place were yielded.
        """
        size = min(BLOCK_BYTES, block_bytes or BLOCK_BYTES)
        while True:
            # Rows may have been read together with the names.
            block = self._next_block()
            if block.n_rows:
                yield block
            elif self._ended:
                self._check_failure()
                return
            # As much again, lest a long row be looked at many times.
            self._read(max(size, len(self._pending)))

    @property
    def _is_whole(self) -> bool:
        """Return whether no more bytes follow those that were read."""
        return self._ended and self._failure is None

    def _read(self, size: int) -> None:
        """Read on, up to the end or to what is no text."""
        content, self._ahead = self._ahead[:size], self._ahead[size:]
        try:
            content = content or self._stream.read(size)
        except UnicodeError as failure:
            self._failure = failure
        self._ended = not content
        self._pending += content

    def _check_failure(self) -> None:
        """Raise what the stream raised; all rows before were delivered."""
        if self._failure is not None:
            raise self._failure

    def _next_block(self) -> RowBlock:
        """Take all rows that are whole, or those up to one that is too long."""
        if not self._finder.is_sharing:
            block = self._plain() if self._is_plain() else self._scanned()
            if block is not None:
                return block
        return self._one_by_one()

    def _is_plain(self) -> bool:
        """Return whether every line feed, and nothing else, ends a row."""
        return b'"' not in self._pending and b"\r" not in self._pending

    def _plain(self) -> RowBlock | None:
        """Take rows without quotes; None if one may be too long."""
        text = self._pending
        end = len(text) if self._is_whole else text.rfind(b"\n") + 1
        position = 0
        while len(text) - position > LONGEST_ROW_BYTES:
            position = text.rfind(b"\n", position, position + LONGEST_ROW_BYTES + 1) + 1
            if not position:
                return None
        n_lines, n_empty = count_plain(text, end)
        is_open = text[end - 1 : end] not in (b"", b"\n")
        return self._taken(end, n_lines - n_empty + is_open, n_lines=n_lines)

    def _scanned(self) -> RowBlock | None:
        """Take rows of which none is wrong; None if one may be."""
        text = self._pending
        scan = Scan(text, self._separator)
        ends = scan.row_ends
        if not self._is_whole and ends.size and ends[-1] == len(text) - 1:
            # A line feed may follow a carriage return.
            ends = ends if text[-1:] == b"\n" else ends[:-1]
        gaps = np.diff(ends, prepend=-1, append=len(text))
        if scan.is_wrong(self._is_whole) or gaps.max() > LONGEST_ROW_BYTES:
            return None
        end, n_rows = 0, int(ends.size)
        if ends.size:
            end = int(ends[-1]) + 1
            end += text[end - 1 : end + 1] == b"\r\n"
        if self._is_whole:
            n_rows += text[-1:] not in (b"", b"\n", b"\r")
            end = len(text)
        return self._taken(end, n_rows)

    def _one_by_one(self) -> RowBlock:
        """Take rows of which some are wrong."""
        position, n_rows = self._finder.skip(self._pending, 0)
        wrong: list[WrongRow] = []
        while record := self._finder.find(self._pending, position, self._is_whole):
            if record.is_cut:
                return self._before_cut(record, position, n_rows, wrong)
            if record.wrong is not None:
                wrong.append(WrongRow(n_rows, record.start, record.stop, record.wrong))
            position, n_skipped = self._finder.skip(self._pending, record.stop)
            n_rows += 1 + n_skipped
        if self._is_whole:
            position = len(self._pending)
        return self._taken(position, n_rows, wrong)

    def _before_cut(
        self, record: Record, position: int, n_rows: int, wrong: list[WrongRow]
    ) -> RowBlock:
        """Take the rows before one that is too long, or the beginning of that."""
        if n_rows or record.wrong is None:
            return self._taken(position, n_rows, wrong)
        self._taken(record.start, 0)
        row = WrongRow(0, 0, record.stop - record.start, record.wrong)
        block = self._taken(record.stop - record.start, 1, [row])
        self._skip_line()
        return block

    def _skip_line(self) -> None:
        """Leave out what follows up to the end of the line, without keeping it."""
        while not self._take_line_end():
            # A line feed may follow a carriage return.
            n_kept = 1 if self._pending.endswith(b"\r") else 0
            self._taken(len(self._pending) - n_kept, 0)
            if self._ended:
                return
            self._read(BLOCK_BYTES)

    def _take_line_end(self) -> bool:
        """Take what is left of a line, if its end was read."""
        found = _LINE_END.search(self._pending)
        if found is None or (
            found.end() == len(self._pending)
            and found.group() == b"\r"
            and not self._ended
        ):
            return False
        self._taken(found.end(), 0)
        return True

    def _taken(
        self,
        end: int,
        n_rows: int,
        wrong: Sequence[WrongRow] = (),
        n_lines: int | None = None,
    ) -> RowBlock:
        """Take the rows before a position."""
        content, self._pending = self._pending[:end], self._pending[end:]
        self._finder.forget(end)
        block = RowBlock(
            content,
            self.next_row,
            n_rows,
            self._offset,
            self._line,
            tuple(wrong),
            ends_open=content[-1:] not in (b"", b"\n", b"\r"),
        )
        self.next_row += n_rows
        self._offset += end
        self._line += count_lines(content) if n_lines is None else n_lines
        return block
