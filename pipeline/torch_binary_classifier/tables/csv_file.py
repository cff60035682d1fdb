"""CSV files: their names, their parts, and their chunks of text; holds no types."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv

from torch_binary_classifier.exceptions import TableError, TableWarning
from torch_binary_classifier.tables import csv_rows
from torch_binary_classifier.tables.chunk import ROW_COUNT, Chunk
from torch_binary_classifier.tables.csv_cells import CellReader
from torch_binary_classifier.tables.csv_format import CsvFormat
from torch_binary_classifier.tables.csv_parts import CsvFile, CsvPart
from torch_binary_classifier.tables.csv_records import Wrong
from torch_binary_classifier.tables.csv_rows import RowBlock, RowError, RowReader
from torch_binary_classifier.tables.csv_scan import Scan
from torch_binary_classifier.tables.streams import TextStream, shown_path, telling
from torch_binary_classifier.tables.table import PART_BYTES, check_columns

__all__ = ["CsvTable"]

# What else often stands between two cells, by the name that one says to it.
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


class CsvTable:
    """A CSV file whose first line names the columns.

    Parameters
    ----------
    path : str or path
        The file, compressed if its name ends in ``.gz`` or ``.zst``; ``-`` is standard
        input.
    csv_format : CsvFormat, default=CsvFormat()
        Separator and encoding.

    Attributes
    ----------
    source : str
        The file, as the user named it.
    names : tuple of str
        The columns of the file.
    types : mapping of str to pyarrow.DataType
        What their cells are, which is text.

    Raises
    ------
    TableError
        If the file is missing, empty, of another kind, or not readable.

    Notes
    -----
    Every cell is read as text, and an empty one as missing. Lines without any
    character are not rows. A pipe is opened once: its rows follow its names from the
    same stream, and can be read once.
    """

    def __init__(self, path: str | Path, csv_format: CsvFormat | None = None) -> None:
        self.source = shown_path(path)
        self._path = path
        self._format = CsvFormat() if csv_format is None else csv_format
        opened = self._open()
        self.names = opened.names
        self.types = dict.fromkeys(self.names, pa.string())
        self._is_pipe = opened.stream.is_pipe
        self._held: _OpenFile | None = opened if self._is_pipe else None
        if not self._is_pipe:
            opened.stream.close()

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Yield the rows in order, as `Table` says: a few MB of text at a time.

        Raises
        ------
        TableError
            Also if a row has too few or too many cells, a quote is open or misplaced,
            or rows of a pipe are read a second time.

        Warns
        -----
        TableWarning
            If the last line has no end: its last cell may have been cut.
        """
        check_columns(self, columns)
        for part in self.parts(csv_rows.BLOCK_BYTES):
            for chunk, wrong in part.read_rows(columns, {}):
                if wrong:
                    row, what = wrong[0]
                    raise TableError(self._wrong_message(what, row))
                yield chunk

    def parts(self, part_bytes: int = PART_BYTES) -> Iterator[CsvPart]:
        """Yield the rows in parts, as `Table` says, in one pass over the file.

        Parameters
        ----------
        part_bytes : int, default=16 MiB
            About how many bytes of text a part has. It is held in memory as long as
            the part is.

        Yields
        ------
        CsvPart
            At least one record.

        Raises
        ------
        TableError
            If the file cannot be read, is no text of its encoding any more, or is
            a pipe that was read before.

        Warns
        -----
        TableWarning
            If the last line has no end: its last cell may have been cut.
        """
        opened = self._taken() if self._is_pipe else self._open()
        file = self._file(opened.stream)
        with opened.stream, self._telling(opened.rows):
            if opened.names != self.names:
                msg = f"{self.source} must stay as it is while it is read, got other "
                raise TableError(msg + "names than before.")
            if opened.ends_open:
                self._warn("its line of names may be cut")
            for blocks in _gathered(opened.rows.blocks(part_bytes), part_bytes):
                if blocks[-1].ends_open:
                    self._warn_of_last(blocks[-1])
                yield CsvPart(file, blocks, opened.stream.read_fraction)

    def _file(self, stream: TextStream) -> CsvFile:
        """Return what all parts of the file know of it."""
        path = Path(self._path).absolute() if stream.is_plain else None
        return CsvFile(
            self.source, self.names, self._format.delimiter, stream.mark_bytes, path
        )

    def _open(self) -> _OpenFile:
        """Open the file and read the names."""
        with telling(self.source):
            stream = TextStream(self._path, self._format)
        rows = RowReader(stream, self._format.delimiter)
        try:
            with self._telling(rows):
                header = rows.header()
                names = self._named(header)
                return _OpenFile(stream, rows, names, header.ends_open)
        except BaseException:
            stream.close()
            raise

    def _taken(self) -> _OpenFile:
        """Return what was opened when the names were read, once."""
        opened, self._held = self._held, None
        if opened is None:
            msg = (
                f"{self.source} must be read once, being a pipe, got a second reading. "
                "Save it as a file first."
            )
            raise TableError(msg)
        return opened

    def _named(self, header: RowBlock) -> tuple[str, ...]:
        """Return the names that the first line holds."""
        if not header.n_rows:
            msg = f"{self.source} must begin with the names of its columns, got none."
            raise TableError(msg)
        try:
            header.content.decode()
        except UnicodeDecodeError as error:
            raise TableError(self._encoding_message(header.first_row)) from error
        table = pa_csv.read_csv(
            # pyarrow sees no names in a line without an end.
            pa.py_buffer(header.content + b"\n"),
            parse_options=self._parse_options(),
        )
        names = tuple(table.column_names)
        self._check_separator(header.content, names)
        return names

    def _check_separator(self, line: bytes, names: tuple[str, ...]) -> None:
        """Refuse a single name that holds what often stands between two."""
        if len(names) > 1 or line.lstrip(b"\r\n").startswith(b'"'):
            return
        delimiter = self._format.delimiter
        for other, word in SEPARATORS.items():
            if other != delimiter and other in names[0]:
                msg = (
                    f"{self.source} must have {SEPARATORS.get(delimiter, delimiter)} "
                    f"between its cells, got {word} in its line of names, "
                    f"{_shortened(names[0])}. {_advice(other)}, or quote the name."
                )
                raise TableError(msg)

    def _parse_options(self) -> Any:
        """Return how pyarrow has to cut rows into cells."""
        return pa_csv.ParseOptions(
            delimiter=self._format.delimiter, newlines_in_values=True
        )

    def _warn_of_last(self, block: RowBlock) -> None:
        """Warn that the last cell of the last row may be cut, if it is a whole row."""
        last = block.n_rows - 1
        if block.wrong and block.wrong[-1].row == last:
            return
        start = int(Scan(block.content, self._format.delimiter).row_starts[-1])
        n_columns = len(self.names)
        reader = CellReader(self._format.delimiter, n_columns, (n_columns - 1,), {})
        cells = reader.read(block.content[start:])
        if cells.wrong:
            return
        cell = cells.columns[0][0].as_py() or ""
        self._warn(
            f"its last row, {block.first_row + last} ({ROW_COUNT}), may be "
            f"cut, holding {_shortened(cell)} in column {self.names[-1]!r}"
        )

    def _warn(self, consequence: str) -> None:
        """Warn that the last line has no end."""
        msg = f"{self.source} ends without a line end: {consequence}."
        warnings.warn(msg, TableWarning, stacklevel=4)

    @contextlib.contextmanager
    def _telling(self, rows: RowReader) -> Iterator[None]:
        """Translate what can be wrong with bytes, and say in which row."""
        try:
            with telling(self.source):
                yield
        except RowError as error:
            raise TableError(self._wrong_message(error.wrong, -1)) from error
        except UnicodeError as error:
            raise TableError(self._encoding_message(rows.next_row)) from error

    def _wrong_message(self, wrong: Wrong, row: int) -> str:
        """Describe what is wrong with a row, or with the line of names."""
        if wrong.kind == "encoding":
            return self._encoding_message(row)
        is_counted = wrong.kind in ("too few fields", "too many fields")
        rule = wrong.rule
        if is_counted:
            rule = f"have {len(self.names)} cells in every row"
        msg = f"{self.source} must {rule}, got {wrong.got} "
        msg += self._place(row, wrong.cell)
        if wrong.after in SEPARATORS:
            msg += f" {_advice(wrong.after)}, if that separates its cells."
        return msg

    def _encoding_message(self, row: int) -> str:
        """Describe bytes that are no text."""
        return (
            f"{self.source} must be text in {self._format.encoding.upper()}, got other "
            f"bytes {self._place(row)} If it has another encoding, name that, as in "
            "encoding='cp1252' (--encoding cp1252)."
        )

    def _place(self, row: int, cell: int | None = None) -> str:
        """Return row and column as the end of a sentence."""
        place = "in the line of names"
        if row >= 0:
            place = f"in row {row} ({ROW_COUNT})"
        if cell is None:
            return f"{place}."
        if row >= 0 and cell < len(self.names):
            return f"{place}, column {self.names[cell]!r}."
        return f"{place}, cell {cell} (counted from 0)."


@dataclass(frozen=True)
class _OpenFile:
    """A file whose names have been read, and whose rows come next."""

    stream: TextStream
    rows: RowReader
    names: tuple[str, ...]
    ends_open: bool


def _gathered(blocks: Iterator[RowBlock], part_bytes: int) -> Iterator[list[RowBlock]]:
    """Yield blocks that follow upon each other, of some bytes together."""
    part: list[RowBlock] = []
    try:
        for block in blocks:
            # Of a row that is too long, not all is in the block before.
            if part and block.offset != part[-1].offset + len(part[-1].content):
                yield part
                part = []
            part.append(block)
            if block.offset + len(block.content) - part[0].offset >= part_bytes:
                yield part
                part = []
    except UnicodeError:
        # What stands before the bytes that are no text is whole.
        if part:
            yield part
        raise
    if part:
        yield part


def _advice(separator: str) -> str:
    """Return how to read a file of another separator."""
    spelt = "tab" if separator == "\t" else separator
    return f"Read it with separator={spelt!r} (--separator {spelt!r})"


def _shortened(text: str, n_shown: int = 60) -> str:
    """Return a text in quotes, without what a terminal would obey."""
    return repr(text if len(text) <= n_shown else f"{text[:n_shown]}...")
