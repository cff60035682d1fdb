"""Parts of a CSV file, each read apart from the others; knows rows, but no models."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from torch_binary_classifier.exceptions import TableError
from torch_binary_classifier.tables.bad_rows import BadRow, Place
from torch_binary_classifier.tables.chunk import ROW_COUNT, Chunk
from torch_binary_classifier.tables.csv_cells import BlockCells, CellReader, without
from torch_binary_classifier.tables.csv_records import LINE_ENDS, Wrong
from torch_binary_classifier.tables.csv_rows import RowBlock
from torch_binary_classifier.tables.csv_scan import Scan, line_ends
from torch_binary_classifier.tables.streams import telling
from torch_binary_classifier.wording import one_line

__all__ = ["CsvFile", "CsvPart"]


@dataclass(frozen=True)
class CsvFile:
    """What all parts of a file have in common.

    Attributes
    ----------
    source : str
        The file, as the user named it.
    names : tuple of str
        Its columns.
    delimiter : str
        What stands between two cells.
    mark_bytes : int
        Length of the byte order mark, if there is one.
    path : Path or None
        Where the bytes can be read again as they are; None of a file that is
        compressed, transcoded or a pipe.
    """

    source: str
    names: tuple[str, ...]
    delimiter: str
    mark_bytes: int
    path: Path | None


class CsvPart:
    """Consecutive rows of a CSV file, as `Part` says.

    Parameters
    ----------
    file : CsvFile
        The file.
    blocks : sequence of RowBlock
        The rows, one block after another without gaps.
    read_fraction : float
        How much of the file ends with them.

    Notes
    -----
    The part keeps its text. When it is pickled, it does so only if the file cannot be
    read again at that place.
    """

    def __init__(
        self, file: CsvFile, blocks: Sequence[RowBlock], read_fraction: float
    ) -> None:
        self.first_row = blocks[0].first_row
        self.n_rows = sum(block.n_rows for block in blocks)
        self.read_fraction = read_fraction
        self._file = file
        self._blocks = list(blocks)
        self._offset = file.mark_bytes + blocks[0].offset
        self._sizes = [len(block.content) for block in blocks]

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        state.pop("_layouts", None)
        if self._file.path is not None:
            # By this it is told later whether the file still is as it was.
            state["digest"] = self.digest
            state["_blocks"] = [replace(block, content=b"") for block in self._blocks]
        return state

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 of the text in hexadecimal."""
        digest = hashlib.sha256()
        for block in self._blocks:
            digest.update(block.content)
        return digest.hexdigest()

    def read(
        self, columns: Sequence[str], types: Mapping[str, Any]
    ) -> Iterator[tuple[Chunk, list[BadRow]]]:
        """Yield the rows block by block, as `Part` says.

        Raises
        ------
        TableError
            If the file is no longer as it was.
        """
        for chunk, wrong in self.read_rows(columns, types):
            yield chunk, [self._bad_row(row, what) for row, what in wrong]

    def read_rows(
        self, columns: Sequence[str], types: Mapping[str, Any]
    ) -> Iterator[tuple[Chunk, list[tuple[int, Wrong]]]]:
        """Yield the rows block by block, and in other words what is wrong.

        Parameters
        ----------
        columns : sequence of str
            The columns to read.
        types : mapping of str to pyarrow.DataType
            Columns that are better read as numbers.

        Yields
        ------
        chunk : Chunk
            The rows that could be read.
        wrong : list of (int, Wrong)
            The others, in order.
        """
        positions = {name: self._file.names.index(name) for name in columns}
        reader = CellReader(
            self._file.delimiter,
            len(self._file.names),
            tuple(positions.values()),
            {positions[name]: types[name] for name in columns if name in types},
        )
        for block in self._with_text():
            spans = [(wrong.start, wrong.stop) for wrong in block.wrong]
            cells = self._cells(reader, without(block.content, spans), block)
            yield self._chunk(block, columns, cells)

    def place(self, row: int) -> Place:
        """Return where a record stands, as `Part` says."""
        firsts = [block.first_row for block in self._blocks]
        number = bisect_right(firsts, row) - 1
        block = self._with_text()[number]
        layouts = self.__dict__.setdefault("_layouts", {})
        if number not in layouts:
            layouts[number] = _Layout(block, self._file.delimiter)
        line, start, raw = layouts[number].place(row - block.first_row)
        offset = self._file.mark_bytes + block.offset + start
        return Place(line, offset, raw.decode(errors="backslashreplace"))

    def _with_text(self) -> list[RowBlock]:
        """Return the blocks, having read their text again if need be."""
        if not self._blocks[0].content:
            content = self._reread()
            stops = np.cumsum(self._sizes).tolist()
            self._blocks = [
                replace(block, content=content[stop - size : stop])
                for block, size, stop in zip(
                    self._blocks, self._sizes, stops, strict=True
                )
            ]
        return self._blocks

    def _reread(self) -> bytes:
        """Return the text from the file, which must be as it was."""
        assert self._file.path is not None
        with telling(self._file.source), self._file.path.open("rb") as file:
            file.seek(self._offset)
            content = file.read(sum(self._sizes))
        if hashlib.sha256(content).hexdigest() != self.digest:
            msg = (
                f"{self._file.source} must stay as it is while it is read, got other "
                f"bytes than before from byte {self._offset} on."
            )
            raise TableError(msg)
        return content

    def _cells(self, reader: CellReader, content: bytes, block: RowBlock) -> BlockCells:
        """Return the cells of the rows of a block that are not yet known as wrong."""
        try:
            cells = reader.read(content)
        except pa.ArrowInvalid as error:
            words = one_line(error).rstrip(".")
            msg = f"{self._file.source} must be a readable table, got {words!r}."
            raise TableError(msg) from error
        n_rows = block.n_rows - len(block.wrong)
        if cells.n_rows != n_rows:
            msg = (
                f"{self._file.source} must have as many rows as its line ends and "
                f"quotes say, {n_rows}, got {cells.n_rows} from row "
                f"{block.first_row} on ({ROW_COUNT})."
            )
            raise TableError(msg)
        return cells

    def _chunk(
        self, block: RowBlock, columns: Sequence[str], cells: BlockCells
    ) -> tuple[Chunk, list[tuple[int, Wrong]]]:
        """Return a block's rows, and those that are wrong for either reason."""
        rows = None
        wrong = {wrong.row: wrong.wrong for wrong in block.wrong}
        first_row = block.first_row
        if wrong or cells.wrong:
            parsed = np.delete(np.arange(block.n_rows), list(wrong))
            wrong |= {int(parsed[row]): what for row, what in cells.wrong.items()}
            rows = first_row + np.delete(np.arange(block.n_rows), list(wrong))
            first_row = int(rows[0]) if len(rows) else first_row
        chunk = Chunk(
            self._file.source,
            first_row,
            block.n_rows - len(wrong),
            dict(zip(columns, cells.columns, strict=True)),
            self.read_fraction,
            rows,
        )
        return chunk, [(block.first_row + row, wrong[row]) for row in sorted(wrong)]

    def _bad_row(self, row: int, wrong: Wrong) -> BadRow:
        """Return what is wrong with a row in the words of a list of bad rows."""
        column = None
        if wrong.cell is not None and wrong.cell < len(self._file.names):
            column = self._file.names[wrong.cell]
        message = f"must {wrong.rule}, got {wrong.got}"
        return BadRow(row, wrong.kind, message, column)


class _Layout:
    """Where the rows of a block stand."""

    def __init__(self, block: RowBlock, separator: str) -> None:
        self._block = block
        self._line_ends = line_ends(block.content)
        content = _masked(block)
        scan = Scan(content, separator)
        self._starts = scan.row_starts
        self._ends = scan.row_ends
        if len(self._ends) < len(self._starts):
            self._ends = np.append(self._ends, len(content))

    def place(self, row: int) -> tuple[int, int, bytes]:
        """Return the line, the first byte and the text of a row."""
        start, end = int(self._starts[row]), int(self._ends[row])
        n_before = int(np.searchsorted(self._line_ends, start))
        return (
            self._block.first_line + n_before + 1,
            start,
            self._block.content[start:end],
        )


def _masked(block: RowBlock) -> bytes:
    """Return a block's text so that each wrong row is one of a single word."""
    if not block.wrong:
        return block.content
    content = bytearray(block.content)
    for wrong in block.wrong:
        line = content[wrong.start : wrong.stop].rstrip(LINE_ENDS)
        content[wrong.start : wrong.start + len(line)] = b"x" * len(line)
    return bytes(content)
