"""Records of CSV one by one, where some of them are wrong; knows bytes and quotes.

The rules on quotes are those of `csv_scan`. A record that breaks them, or is longer
than any that is waited for, is one only up to the end of its first line, and the next
line begins the next record: what stands there may be whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from torch_binary_classifier.tables.bad_rows import Fault

__all__ = ["Record", "RecordFinder", "Wrong"]

# How much is kept of a line that is too long.
SHOWN_BYTES = 1 << 10

QUOTE, CARRIAGE_RETURN = b'"\r'
LINE_ENDS = b"\r\n"

_EMPTY_LINES = re.compile(rb"[\r\n]*+")
_LINE = re.compile(rb"[^\r\n]*+")
# Another line feed may follow a carriage return that is the last byte.
_KNOWN_END = rb"(?:\n|\r\n|\r(?=[^\n]))"
_UNQUOTED = re.compile(rb"[\r\n]*+[^\"\r\n]++" + _KNOWN_END)


@dataclass(frozen=True)
class Wrong:
    """What is wrong with a record.

    Attributes
    ----------
    kind : str
        As a `BadRow` has it.
    rule : str
        What must be.
    got : str
        What is instead.
    cell : int or None, default=None
        Where in the record, counted from 0; None if it says nothing.
    after : str, default=""
        The character after a closing quote that should not be there.
    """

    kind: Fault
    rule: str
    got: str
    cell: int | None = None
    after: str = ""


@dataclass(frozen=True)
class Record:
    """Where a record stands.

    Attributes
    ----------
    start, end : int
        Its first byte, and the byte after its last one.
    stop : int
        The byte after its line end.
    wrong : Wrong or None
        What is wrong with it.
    is_cut : bool, default=False
        Whether its line goes on after ``stop``, to an end that was not yet read.
    """

    start: int
    end: int
    stop: int
    wrong: Wrong | None
    is_cut: bool = False


class RecordFinder:
    """What finds one record after another.

    Parameters
    ----------
    separator : str
        One character of ASCII.
    longest : int
        How many bytes a record may have.

    Notes
    -----
    A quote that stays open makes one record wrong after megabytes were looked at.
    The next line may open a quote as well. Where its end is within quotes, it was so
    for the record before, as that would have ended there otherwise: both go on alike
    and share their fate, which is not looked for again. So the time is in proportion
    to the bytes, however many quotes are wrong.
    """

    def __init__(self, separator: str, longest: int) -> None:
        self._longest = longest
        sign = re.escape(separator.encode())
        cell = rb'(?>"(?:[^"]++|"")*+"|[^"' + sign + rb"\r\n][^" + sign + rb"\r\n]*+|)"
        # Possessive: what was once taken for a cell is never looked at again.
        self._cells = re.compile(cell + rb"(?:" + sign + cell + rb")*+")
        self._cell_before = re.compile(cell + sign)
        self._good = re.compile(rb"[\r\n]*+" + self._cells.pattern + _KNOWN_END)
        self._shared: tuple[int, Wrong] | None = None

    @property
    def is_sharing(self) -> bool:
        """Return whether the next record may share the fate of one before."""
        return self._shared is not None

    def forget(self, n_bytes: int) -> None:
        """Take positions for counted from a later byte on.

        Parameters
        ----------
        n_bytes : int
            How many bytes were taken away from the beginning of the text.
        """
        if self._shared is not None:
            until, wrong = self._shared
            self._shared = (until - n_bytes, wrong) if until > n_bytes else None

    def skip(self, text: bytes, position: int) -> tuple[int, int]:
        """Return where records end that are right, as far as that is told quickly.

        Parameters
        ----------
        text : bytes
            The text.
        position : int
            Where a record or an empty line begins.

        Returns
        -------
        position, n_records : int
            Where the next record or empty line begins, and how many come before.
        """
        n_records = 0
        # A line without quotes shares no fate.
        pattern = self._good if self._shared is None else _UNQUOTED
        while found := pattern.match(text, position):
            if found.end() - position > self._longest:
                break
            position = found.end()
            n_records += 1
        return position, n_records

    def find(self, text: bytes, position: int, is_whole: bool) -> Record | None:
        """Return the first record after a position.

        Parameters
        ----------
        text : bytes
            The text.
        position : int
            Where a record or an empty line begins.
        is_whole : bool
            Whether no more bytes follow the text.

        Returns
        -------
        Record or None
            None if there is none, or more of the text must be known.
        """
        start = _end(_EMPTY_LINES, text, position, len(text))
        if self._shared is not None and start >= self._shared[0]:
            self._shared = None
        limit = min(len(text), start + self._longest + 1)
        is_full = limit - start > self._longest
        line_end = _end(_LINE, text, start, limit)
        is_known = is_full or is_whole
        if line_end < limit:
            is_known = _is_ended(text, line_end, is_whole)
        if start == len(text) or not is_known:
            return None
        if line_end == limit and is_full:
            wrong = self._wrong(text, start, line_end, limit)
            shown = start + min(SHOWN_BYTES, self._longest)
            return Record(start, shown, shown, wrong or self._too_long(), is_cut=True)
        if self._shared is not None and line_end < self._shared[0]:
            return self._sharing(text, start, line_end, self._shared[1])
        return self._judged(text, start, line_end, limit, is_whole)

    def _judged(
        self, text: bytes, start: int, line_end: int, limit: int, is_whole: bool
    ) -> Record | None:
        """Return a record by what stands before a limit, if that is enough."""
        end = _end(self._cells, text, start, limit)
        is_full = limit - start > self._longest
        if end < limit and text[end] in LINE_ENDS:
            is_ended = _is_ended(text, end, is_whole)
            return Record(start, end, _after(text, end), None) if is_ended else None
        if end == limit and is_whole and not is_full:
            return Record(start, end, end, None)
        is_open = end == limit or text[end] == QUOTE
        if is_open and not is_full and not is_whole:
            return None
        wrong = self._wrong(text, start, line_end, limit) or self._too_long()
        stop = _after(text, line_end)
        if (limit if is_open else end) > stop:
            self._shared = (limit if is_open else end, wrong)
        return Record(start, line_end, stop, wrong)

    def _sharing(self, text: bytes, start: int, line_end: int, shared: Wrong) -> Record:
        """Return a record by its first line, and by the fate that it may share."""
        end = _end(self._cells, text, start, line_end)
        wrong = None
        if end < line_end:
            wrong = self._wrong(text, start, line_end, line_end)
            is_open = text[end] == QUOTE
            if is_open and wrong is not None:
                cell = None if shared.cell is None else wrong.cell
                wrong = replace(shared, cell=cell)
        return Record(start, line_end, _after(text, line_end), wrong)

    def _wrong(
        self, text: bytes, start: int, line_end: int, limit: int
    ) -> Wrong | None:
        """Return which quote is wrong before a limit, and the cell of the first line.

        That is the cell which the quote closes, or in which the line ends.
        """
        end = _end(self._cells, text, start, limit)
        if end == limit:
            return None
        cell = self._cell(text, start, _end(self._cells, text, start, line_end))
        if text[end] == QUOTE:
            return Wrong("quote", "close every quote", "one that stays open", cell)
        rule = "have a separator or a line end after a closing quote"
        return Wrong("quote", rule, "other text", cell, chr(text[end]))

    def _too_long(self) -> Wrong:
        """Return what is wrong with a record that does not end in time."""
        rule = f"have rows of at most {self._longest} bytes"
        return Wrong("too long", rule, "a longer one")

    def _cell(self, text: bytes, start: int, position: int) -> int:
        """Return how many cells of a record end before a position."""
        n_cells = 0
        while found := self._cell_before.match(text, start, position):
            start = found.end()
            n_cells += 1
        return n_cells


def _end(pattern: re.Pattern[bytes], text: bytes, start: int, limit: int) -> int:
    """Return where what a pattern finds at a position ends."""
    found = pattern.match(text, start, limit)
    return start if found is None else found.end()


def _after(text: bytes, line_end: int) -> int:
    """Return where the line begins after a line end."""
    n_bytes = 2 if text[line_end : line_end + 2] == b"\r\n" else 1
    return min(line_end + n_bytes, len(text))


def _is_ended(text: bytes, line_end: int, is_whole: bool) -> bool:
    """Return whether a line end is known to its last byte, as a line feed may come."""
    if line_end == len(text):
        return False
    is_last_return = line_end + 1 == len(text) and text[line_end] == CARRIAGE_RETURN
    return is_whole or not is_last_return
