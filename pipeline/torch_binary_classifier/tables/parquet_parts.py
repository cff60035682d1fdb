"""Parts of a Parquet file, each read apart from the others; knows row groups."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from torch_binary_classifier.exceptions import TableError
from torch_binary_classifier.tables.bad_rows import BadRow, Place
from torch_binary_classifier.tables.chunk import Chunk
from torch_binary_classifier.tables.streams import telling
from torch_binary_classifier.wording import one_line

__all__ = ["ParquetPart", "decoded", "opened_parquet", "parquet_parts"]

# A chunk has 5 MB of float64, but no more rows than are scored at a time: memory that
# is used again costs less than memory that is taken from the system.
CHUNK_ROWS = 1 << 15
CHUNK_CELLS = 20 * CHUNK_ROWS
# How many rows are looked through at a time for one of them.
SHOWN_ROWS = 1 << 10

# Read at a time of each column.
BUFFER_BYTES = 1 << 18
# The end of a file: how long its footer is in four bytes, and four of a mark.
TAIL_BYTES = 8


@dataclass(frozen=True)
class ParquetFile:
    """What all parts of a file have in common.

    Attributes
    ----------
    source : str
        The file, as the user named it.
    path : str
        Where it is.
    names : tuple of str
        The columns that a row shows.
    footer : str
        The SHA-256 of the footer, which says where and how many the rows are.
    """

    source: str
    path: str
    names: tuple[str, ...]
    footer: str


class ParquetPart:
    """Consecutive row groups of a Parquet file, as `Part` says.

    Parameters
    ----------
    file : ParquetFile
        The file.
    row_groups : tuple of int
        Their numbers.
    first_row, n_rows : int
        Their rows.
    read_fraction : float
        How much of the file ends with them.
    """

    def __init__(
        self,
        file: ParquetFile,
        row_groups: tuple[int, ...],
        first_row: int,
        n_rows: int,
        read_fraction: float,
    ) -> None:
        self.first_row = first_row
        self.n_rows = n_rows
        self.read_fraction = read_fraction
        self._file = file
        self._row_groups = row_groups
        self._shown: Iterator[tuple[int, Any]] | None = None
        self._batch: tuple[int, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_shown": None, "_batch": None}

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the footer and the numbers of the row groups."""
        numbers = ",".join(map(str, self._row_groups))
        return hashlib.sha256(f"{self._file.footer}:{numbers}".encode()).hexdigest()

    def read(
        self,
        columns: Sequence[str],
        types: Mapping[str, Any],  # noqa: ARG002
    ) -> Iterator[tuple[Chunk, list[BadRow]]]:
        """Yield the rows in order, as `Part` says; all in the types of the file.

        Raises
        ------
        TableError
            If the file is damaged, or no longer as it was.
        """
        n_rows = min(CHUNK_ROWS, max(1, CHUNK_CELLS // max(1, len(columns))))
        for first_row, batch in self._batches(n_rows, columns):
            cells = {
                name: decoded(column)
                for name, column in zip(batch.schema.names, batch.columns, strict=True)
            }
            chunk = Chunk(
                self._file.source,
                first_row,
                batch.num_rows,
                cells,
                self.read_fraction,
            )
            yield chunk, []

    def place(self, row: int) -> Place:
        """Return the cells of a row as JSON, as `Part` says.

        Notes
        -----
        Cheap for rows in ascending order, as these are found in one pass.
        """
        while self._batch is None or not self._holds(self._batch, row):
            if self._shown is None or (self._batch and row < self._batch[0]):
                self._shown = self._batches(SHOWN_ROWS, self._file.names)
            self._batch = next(self._shown)
        first_row, batch = self._batch
        (cells,) = batch.slice(row - first_row, 1).to_pylist()
        return Place(None, None, json.dumps(cells, ensure_ascii=False, default=str))

    def _holds(self, batch: tuple[int, Any], row: int) -> bool:
        """Return whether some rows have one among them."""
        first_row, rows = batch
        return first_row <= row < first_row + len(rows)

    def _batches(
        self, n_rows: int, columns: Sequence[str]
    ) -> Iterator[tuple[int, Any]]:
        """Yield some rows at a time after the position of the first one."""
        first_row = self.first_row
        with opened_parquet(self._file.source, self._file.path) as file:
            self._check_footer()
            for batch in file.iter_batches(
                n_rows,
                row_groups=list(self._row_groups),
                columns=list(columns),
                use_threads=False,
            ):
                yield first_row, batch
                first_row += len(batch)

    def _check_footer(self) -> None:
        """Refuse a file that was replaced."""
        if _footer_digest(self._file.path) != self._file.footer:
            msg = (
                f"{self._file.source} must stay as it is while it is read, got another "
                "footer than before."
            )
            raise TableError(msg)


def parquet_parts(
    source: str, names: tuple[str, ...], part_bytes: int
) -> Iterator[ParquetPart]:
    """Yield the parts of a file.

    Parameters
    ----------
    source : str
        The file.
    names : tuple of str
        The columns that a row shows.
    part_bytes : int
        How much a part holds at least, uncompressed.

    Yields
    ------
    ParquetPart
        So much, or what is left.

    Raises
    ------
    TableError
        If the file cannot be read.
    """
    path = str(Path(source).absolute())
    with opened_parquet(source, path) as opened:
        metadata = opened.metadata
        file = ParquetFile(source, path, names, _footer_digest(path))
    groups: list[int] = []
    first_row = n_rows = n_bytes = 0
    for group in range(metadata.num_row_groups):
        groups.append(group)
        n_rows += metadata.row_group(group).num_rows
        n_bytes += metadata.row_group(group).total_byte_size
        is_last = group + 1 == metadata.num_row_groups
        if n_rows and (is_last or n_bytes >= part_bytes):
            last_row = first_row + n_rows
            fraction = last_row / metadata.num_rows
            yield ParquetPart(file, tuple(groups), first_row, n_rows, fraction)
            groups, first_row, n_rows, n_bytes = [], last_row, 0, 0


@contextlib.contextmanager
def opened_parquet(source: str, path: str) -> Iterator[Any]:
    """Open pyarrow's reader of a file, and translate what it says.

    Parameters
    ----------
    source : str
        The file, as the user named it.
    path : str
        Where it is.

    Yields
    ------
    pyarrow.parquet.ParquetFile
        The open file.

    Raises
    ------
    TableError
        If the file is missing, damaged or none.
    """
    try:
        with (
            telling(source),
            pq.ParquetFile(
                path,
                buffer_size=BUFFER_BYTES,
                pre_buffer=False,
                page_checksum_verification=True,
            ) as file,
        ):
            yield file
    except pa.ArrowException as error:
        words = one_line(error).rstrip(".")
        msg = f"{source} must be a readable table, got {words}."
        raise TableError(msg) from error


def decoded(cells: Any) -> Any:
    """Return cells without dictionary encoding.

    Parameters
    ----------
    cells : pyarrow.Array
        The cells.

    Returns
    -------
    pyarrow.Array
        The same.
    """
    if pa.types.is_dictionary(cells.type):
        return cells.dictionary_decode()
    return cells


def _footer_digest(path: str) -> str:
    """Return the SHA-256 of a file's footer."""
    with Path(path).open("rb") as file:
        file.seek(-TAIL_BYTES, 2)
        n_bytes = int.from_bytes(file.read(TAIL_BYTES)[:4], "little")
        file.seek(-TAIL_BYTES - n_bytes, 2)
        return hashlib.sha256(file.read()).hexdigest()
