"""Rows of CSV as columns of cells, read by pyarrow; knows neither files nor quotes.

A column is read as numbers at once where all its cells in a block are such, and as text
otherwise. What a cell means does not depend on that: the words and the blanks that are
understood on the first way are read alike from a text.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from torch_binary_classifier.tables.bad_rows import Fault
from torch_binary_classifier.tables.csv_records import Wrong
from torch_binary_classifier.tables.csv_scan import Scan
from torch_binary_classifier.tables.missing import MISSING_WORDS

__all__ = ["BlockCells", "CellReader", "without"]

# Words for a missing cell as they are usually written; where one is written otherwise,
# the column is left as text.
GAP_SPELLINGS = sorted(
    {
        spelt
        for word in MISSING_WORDS
        for spelt in (word, word.upper(), word.capitalize(), word.replace("nan", "NaN"))
    }
)
NUMBER_TYPES = (pa.int64(), pa.float64())
# What pyarrow overlooks around a number.
BLANKS = " \t"
# Every byte beyond ASCII becomes a question mark.
_ASCII_ONLY = bytes(range(128)) + b"?" * 128


@dataclass(frozen=True)
class BlockCells:
    """The cells of some rows.

    Attributes
    ----------
    columns : list of pyarrow.Array
        One array for each column, without the rows that are wrong.
    n_rows : int
        How many rows were found, wrong ones included.
    wrong : mapping of int to Wrong
        What is wrong, by the position of the row, counted from 0.
    """

    columns: list[Any]
    n_rows: int
    wrong: Mapping[int, Wrong] = field(default_factory=dict)


@dataclass(frozen=True)
class CellReader:
    """What reads some columns of rows.

    Attributes
    ----------
    delimiter : str
        What stands between two cells.
    n_columns : int
        How many cells a row has.
    columns : tuple of int
        Positions of the columns to read.
    types : mapping of int to pyarrow.DataType
        Columns to read as int64 or float64 if that can be; the others are text.
    """

    delimiter: str
    n_columns: int
    columns: tuple[int, ...]
    types: Mapping[int, Any]

    def read(self, content: bytes) -> BlockCells:
        """Return the cells of rows whose quotes are right.

        Parameters
        ----------
        content : bytes
            Whole rows, one after another.

        Returns
        -------
        BlockCells
            The cells; text is null where it is empty. A row of too few or too many
            fields is wrong, and so is one with bytes that are no text in a column to
            read.

        Raises
        ------
        pyarrow.ArrowInvalid
            If pyarrow cannot read it for another reason.
        """
        if not content:
            return self._none()
        if not _is_utf8(content):
            return self._read_bytes(content)
        for types in self._attempts(content):
            try:
                return self._parsed(content, types)
            except pa.ArrowInvalid:
                continue
        cells = self._parsed(content, {})
        return BlockCells(self._converted(cells.columns), cells.n_rows, cells.wrong)

    def _none(self) -> BlockCells:
        """Return the cells of no rows."""
        kinds = [self.types.get(column, pa.string()) for column in self.columns]
        return BlockCells([pa.array([], kind) for kind in kinds], 0)

    def _attempts(self, content: bytes) -> list[Mapping[int, Any]]:
        """Return as what columns of numbers are to be read, the best first."""
        if not self.types:
            return []
        floats = dict.fromkeys(self.types, pa.float64())
        if floats == self.types:
            return [floats]
        # pyarrow takes 0x10 for a whole number, but not for another one.
        is_hex = b"0x" in content or b"0X" in content
        return [floats] if is_hex else [self.types, floats]

    def _parsed(
        self, content: bytes, types: Mapping[int, Any], text: Any = None
    ) -> BlockCells:
        """Return cells in given types, the others as text."""
        wrong: dict[int, Wrong] = {}

        def skip(row: Any) -> str:
            # pyarrow counts from 1.
            wrong[row.number - 1] = _miscounted(
                row.expected_columns, row.actual_columns
            )
            return "skip"

        table = pa_csv.read_csv(
            pa.py_buffer(_unmarked(content)),
            # With threads, pyarrow does not know the number of a bad row.
            read_options=pa_csv.ReadOptions(
                block_size=len(content) + 1,
                use_threads=False,
                column_names=[str(column) for column in range(self.n_columns)],
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=self.delimiter,
                newlines_in_values=b'"' in content,
                invalid_row_handler=skip,
            ),
            convert_options=self._convert_options(types, text or pa.string()),
        )
        columns = [
            _one_array(table.column(str(column)), is_read=not types)
            for column in self.columns
        ]
        return BlockCells(columns, table.num_rows + len(wrong), wrong)

    def _convert_options(self, types: Mapping[int, Any], text: Any) -> Any:
        """Return how pyarrow has to read cells."""
        # By position, because names may repeat; one at least, to count the rows.
        names = [str(column) for column in self.columns or (0,)]
        kinds = dict.fromkeys(names, text)
        kinds.update({str(column): kind for column, kind in types.items()})
        return pa_csv.ConvertOptions(
            # It was checked for the whole.
            check_utf8=False,
            include_columns=names,
            column_types=kinds,
            null_values=GAP_SPELLINGS if types else [""],
            strings_can_be_null=not types,
        )

    def _converted(self, columns: Sequence[Any]) -> list[Any]:
        """Return columns of text as the numbers that they are to be, if they are."""
        return [
            _as_numbers(cells, self.types[column]) if column in self.types else cells
            for column, cells in zip(self.columns, columns, strict=True)
        ]

    def _read_bytes(self, content: bytes) -> BlockCells:
        """Return the cells of rows some of which hold bytes that are no text."""
        # pyarrow hands a row to Python as text, whatever it is.
        whole = CellReader(self.delimiter, self.n_columns, (), {})
        found = whole._parsed(content.translate(_ASCII_ONLY), {})
        kept = _without_rows(content, list(found.wrong), self.delimiter)
        rows = np.delete(np.arange(found.n_rows), list(found.wrong))
        if not len(rows):
            return BlockCells(self._none().columns, found.n_rows, found.wrong)
        columns = self._parsed(kept, {}, text=pa.binary()).columns
        wrong = dict(found.wrong)
        is_text = np.ones(len(rows), dtype=bool)
        order = np.argsort(self.columns, kind="stable")
        for position in order[::-1].tolist():
            for row in _undecodable(columns[position]):
                is_text[row] = False
                wrong[int(rows[row])] = Wrong(
                    "encoding",
                    "be text in UTF-8",
                    "other bytes",
                    self.columns[position],
                )
        mask = pa.array(is_text)
        texts = [pc.cast(cells.filter(mask), pa.string()) for cells in columns]
        return BlockCells(
            self._converted(texts), found.n_rows, dict(sorted(wrong.items()))
        )


def without(content: bytes, spans: Sequence[tuple[int, int]]) -> bytes:
    """Return a text without some of its parts.

    Parameters
    ----------
    content : bytes
        The text.
    spans : sequence of (int, int)
        Where the parts begin and end, in order.

    Returns
    -------
    bytes
        What is left.
    """
    if not spans:
        return content
    starts = [0, *(stop for _, stop in spans)]
    stops = [*(start for start, _ in spans), len(content)]
    return b"".join(content[i:j] for i, j in zip(starts, stops, strict=True))


def _without_rows(content: bytes, rows: Sequence[int], separator: str) -> bytes:
    """Return a text without some of its rows, by their positions."""
    if not rows:
        return content
    starts = np.append(Scan(content, separator).row_starts, len(content))
    return without(content, [(int(starts[i]), int(starts[i + 1])) for i in rows])


def _miscounted(expected: int, got: int) -> Wrong:
    """Return what is wrong with a row of another number of fields."""
    kind: Fault = "too few fields" if got < expected else "too many fields"
    return Wrong(kind, f"have {expected} fields", str(got))


def _is_utf8(content: bytes) -> bool:
    """Return whether bytes are text."""
    if content.isascii():
        return True
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _unmarked(content: bytes) -> bytes:
    """Return a text so that pyarrow takes no byte order mark for none of it."""
    return b"\n" + content if content.startswith(codecs.BOM_UTF8) else content


def _one_array(cells: Any, is_read: bool) -> Any:
    """Return a column as one array, with null for an empty text."""
    # A block is one piece, which would be copied to be made one.
    cells = cells.chunk(0) if cells.num_chunks == 1 else cells.combine_chunks()
    if is_read or not pa.types.is_string(cells.type):
        return cells
    is_empty = pc.equal(cells, "")
    if not pc.any(is_empty).as_py():
        return cells
    return pc.if_else(is_empty, pa.scalar(None, pa.string()), cells)


def _as_numbers(cells: Any, kind: Any) -> Any:
    """Return texts as numbers where pyarrow would read all of them so from a file."""
    words = pc.ascii_trim(cells, characters=BLANKS)
    is_gap = pc.is_in(cells, value_set=pa.array(GAP_SPELLINGS))
    words = pc.if_else(is_gap, pa.scalar(None, pa.string()), words)
    is_hex = pc.any(pc.match_substring(words, "x", ignore_case=True)).as_py()
    for number in NUMBER_TYPES:
        if number == pa.int64() and (kind != number or is_hex):
            continue
        try:
            return pc.cast(words, number)
        except pa.ArrowInvalid:
            continue
    return cells


def _undecodable(cells: Any) -> list[int]:
    """Return which cells are no text."""
    return [
        position
        for position, cell in enumerate(cells.to_pylist())
        if cell is not None and not _is_utf8(cell)
    ]
