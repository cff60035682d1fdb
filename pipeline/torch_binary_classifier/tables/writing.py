"""Rows into files; knows the formats, but no cells."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Protocol

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

__all__ = ["RowWriter", "open_writer"]


class RowWriter(Protocol):
    """What writes rows into an open file."""

    def write(self, rows: Any) -> None:
        """Append a pyarrow Table or RecordBatch."""

    def close(self) -> None:
        """Finish the file."""


@contextlib.contextmanager
def open_writer(file: BinaryIO, suffix: str, schema: Any) -> Iterator[RowWriter]:
    """Open a writer of rows upon an open file.

    Parameters
    ----------
    file : binary file
        Where the bytes go.
    suffix : {".csv", ".parquet", ".pq"}
        The kind of file.
    schema : pyarrow.Schema
        Names and types of the columns.

    Yields
    ------
    RowWriter
        The writer; it is closed at the end of the block.
    """
    if suffix == ".csv":
        writer = pa_csv.CSVWriter(file, schema)
    else:
        writer = pq.ParquetWriter(file, schema, write_page_checksum=True)
    try:
        yield writer
    except BaseException:
        # The file is thrown away: what closing it reports would hide the cause.
        with contextlib.suppress(OSError, pa.ArrowException):
            writer.close()
        raise
    writer.close()
