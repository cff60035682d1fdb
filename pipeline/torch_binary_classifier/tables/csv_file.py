"""CSV files as chunks of named columns of text; parsed by pyarrow, block by block."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv

from torch_binary_classifier.exceptions import TableError, TableWarning
from torch_binary_classifier.tables.chunk import ROW_COUNT, Chunk
from torch_binary_classifier.tables.csv_format import CsvFormat
from torch_binary_classifier.tables.csv_rows import RowBlock, RowError, RowReader
from torch_binary_classifier.tables.streams import TextStream, shown_path, telling
from torch_binary_classifier.tables.table import check_columns
from torch_binary_classifier.wording import one_line

__all__ = ["CsvTable"]

# What else often stands between two cells, by the name that one says to it.
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}

_SHORT_ROW = re.compile(r"CSV parse error: Row #(\d+): Expected (\d+) .*, got (\d+)")
_FAILED_ROW = re.compile(r"In CSV column #\d+: Row #(\d+): .*UTF8")


class CsvTable:
    """A CSV file whose first line names the columns.

    Parameters
    ----------
    path : str or path
        The file, compressed if its name ends in ``.gz``; ``-`` is standard input.
    csv_format : CsvFormat, default=CsvFormat()
        Separator and encoding.

    Attributes
    ----------
    source : str
        The file, as the user named it.
    names : tuple of str
        The columns of the file.

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
        opened = self._taken() if self._is_pipe else self._open()
        with opened.stream, self._telling(opened.rows):
            if opened.names != self.names:
                msg = f"{self.source} must stay as it is while it is read, got other "
                raise TableError(msg + "names than before.")
            if opened.ends_open:
                self._warn("its line of names may be cut")
            positions = [self.names.index(name) for name in columns]
            for block in opened.rows.blocks():
                cells = self._parsed(block, positions)
                if block.ends_open:
                    self._warn_of_last(block)
                yield Chunk(
                    self.source,
                    block.first_row,
                    block.n_rows,
                    dict(zip(columns, cells, strict=True)),
                    opened.stream.read_fraction,
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
            pa.py_buffer(header.content), parse_options=self._parse_options()
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

    def _parsed(self, block: RowBlock, positions: Sequence[int]) -> list[Any]:
        """Return some columns of a block as pyarrow Arrays of strings."""
        # By position, because names may repeat.
        names = [str(position) for position in range(len(self.names))]
        wanted = [names[position] for position in positions]
        # pyarrow takes a byte order mark at the very start for none of the text.
        content = b"\n" + block.content
        try:
            table = pa_csv.read_csv(
                pa.py_buffer(content),
                # With threads, pyarrow does not know the number of a bad row.
                read_options=pa_csv.ReadOptions(
                    block_size=len(content), use_threads=False, column_names=names
                ),
                parse_options=self._parse_options(),
                convert_options=_text_only(wanted or names[:1]),
            )
        except pa.ArrowInvalid as error:
            raise TableError(self._parse_message(error, block.first_row)) from error
        if table.num_rows != block.n_rows:
            msg = (
                f"{self.source} must have as many rows as its line ends and quotes "
                f"say, {block.n_rows}, got {table.num_rows} from row "
                f"{block.first_row} on ({ROW_COUNT})."
            )
            raise TableError(msg)
        return [table.column(name).combine_chunks() for name in wanted]

    def _parse_options(self) -> Any:
        """Return how pyarrow has to cut rows into cells."""
        return pa_csv.ParseOptions(
            delimiter=self._format.delimiter, newlines_in_values=True
        )

    def _warn_of_last(self, block: RowBlock) -> None:
        """Warn that the last cell of the last row may be cut."""
        (cells,) = self._parsed(block, [len(self.names) - 1])
        cell = cells[-1].as_py() or ""
        self._warn(
            f"its last row, {block.first_row + block.n_rows - 1} ({ROW_COUNT}), may be "
            f"cut, holding {_shortened(cell)} in column {self.names[-1]!r}"
        )

    def _warn(self, consequence: str) -> None:
        """Warn that the last line has no end."""
        msg = f"{self.source} ends without a line end: {consequence}."
        warnings.warn(msg, TableWarning, stacklevel=3)

    @contextlib.contextmanager
    def _telling(self, rows: RowReader) -> Iterator[None]:
        """Translate what can be wrong with bytes, and say in which row."""
        try:
            with telling(self.source):
                yield
        except RowError as error:
            msg = f"{self.source} must {error.rule}, got {error.got} "
            msg += self._place(error.row, error.cell)
            if error.after in SEPARATORS:
                msg += f" {_advice(error.after)}, if that separates its cells."
            raise TableError(msg) from error
        except UnicodeError as error:
            raise TableError(self._encoding_message(rows.next_row)) from error

    def _parse_message(self, error: Exception, first_row: int) -> str:
        """Describe what pyarrow says about a block of rows."""
        words = one_line(error).rstrip(".")
        short = _SHORT_ROW.match(words)
        if short:
            # pyarrow counts from 1.
            row, expected, got = (int(number) for number in short.groups())
            return (
                f"{self.source} must have {expected} cells in every row, got {got} "
                f"{self._place(first_row + row - 1)}"
            )
        failed = _FAILED_ROW.match(words)
        if failed:
            return self._encoding_message(first_row + int(failed[1]) - 1)
        return f"{self.source} must be a readable table, got {words!r}."

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


def _text_only(columns: Sequence[str]) -> Any:
    """Return how pyarrow has to read cells: as text, the empty ones as missing."""
    return pa_csv.ConvertOptions(
        include_columns=list(columns),
        column_types=dict.fromkeys(columns, pa.string()),
        null_values=[""],
        strings_can_be_null=True,
    )


def _advice(separator: str) -> str:
    """Return how to read a file of another separator."""
    spelt = "tab" if separator == "\t" else separator
    return f"Read it with separator={spelt!r} (--separator {spelt!r})"


def _shortened(text: str, n_shown: int = 60) -> str:
    """Return a text in quotes, without what a terminal would obey."""
    return repr(text if len(text) <= n_shown else f"{text[:n_shown]}...")
