"""Rows into files; knows the formats, but no cells."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

__all__ = ["ByteSink", "RowWriter", "csv_header", "open_writer"]

# Rows that are encoded at once, whatever number of them comes at a time: so the bytes
# of a file do not depend on how it was read.
GROUP_ROWS = 1 << 17
SUFFIXES = (".csv", ".parquet", ".pq", ".arrow")


class ByteSink(Protocol):
    """What bytes are written to, as pyarrow asks for it."""

    @property
    def closed(self) -> bool:
        """Return whether the writing has ended."""

    def write(self, content: Any, /) -> int:
        """Write some bytes."""

    def tell(self) -> int:
        """Return how many bytes have been written."""

    def flush(self) -> None:
        """Hand on what was written."""

    def close(self) -> None:
        """End the writing."""


class RowWriter(Protocol):
    """What writes rows into an open file."""

    def write(self, rows: Any) -> None:
        """Append a pyarrow Table or RecordBatch."""


@contextlib.contextmanager
def open_writer(
    file: ByteSink, suffix: str, schema: Any, *, ascending: Sequence[str] = ()
) -> Iterator[RowWriter]:
    """Open a writer of rows upon an open file.

    Parameters
    ----------
    file : binary file
        Where the bytes go.
    suffix : {".csv", ".parquet", ".pq", ".arrow"}
        The kind of file. One of CSV gets no names: they are `csv_header`.
    schema : pyarrow.Schema
        Names and types of the columns.
    ascending : sequence of str, default=()
        Columns of whole numbers that mostly grow from row to row, which a Parquet file
        then holds as differences.

    Yields
    ------
    RowWriter
        The writer; the file is finished at the end of the block.
    """
    writer = _writer(file, suffix, schema, ascending)
    groups = _Groups(writer, schema)
    try:
        yield groups
        groups.end()
    except BaseException:
        # The file is thrown away: what closing it reports would hide the cause.
        with contextlib.suppress(OSError, pa.ArrowException):
            writer.close()
        raise
    writer.close()


def csv_header(schema: Any) -> bytes:
    """Return the line of names of a CSV file.

    Parameters
    ----------
    schema : pyarrow.Schema
        Names of the columns.

    Returns
    -------
    bytes
        The line with its end.
    """
    sink = pa.BufferOutputStream()
    with pa_csv.CSVWriter(sink, schema):
        pass
    return bytes(sink.getvalue())


def _writer(file: ByteSink, suffix: str, schema: Any, ascending: Sequence[str]) -> Any:
    """Return pyarrow's writer of a kind of file."""
    if suffix == ".csv":
        options = pa_csv.WriteOptions(include_header=False)
        return pa_csv.CSVWriter(file, schema, write_options=options)
    if suffix == ".arrow":
        return pa.ipc.new_file(file, schema)
    return pq.ParquetWriter(
        file,
        schema,
        write_page_checksum=True,
        # Probabilities are all different, so that a dictionary is tried in vain.
        use_dictionary=[
            field.name
            for field in schema
            if field.name not in ascending and not pa.types.is_floating(field.type)
        ],
        column_encoding=dict.fromkeys(ascending, "DELTA_BINARY_PACKED"),
    )


class _Groups:
    """Gathers rows until they are as many as are encoded at once."""

    def __init__(self, writer: Any, schema: Any) -> None:
        self._writer = writer
        self._schema = schema
        self._held: list[Any] = []
        self._n_held = 0

    def write(self, rows: Any) -> None:
        """Append a pyarrow Table or RecordBatch."""
        if isinstance(rows, pa.RecordBatch):
            rows = pa.Table.from_batches([rows])
        self._held.append(rows)
        self._n_held += rows.num_rows
        if self._n_held < GROUP_ROWS:
            return
        table = pa.concat_tables(self._held)
        n_whole = table.num_rows - table.num_rows % GROUP_ROWS
        for start in range(0, n_whole, GROUP_ROWS):
            self._encode(table.slice(start, GROUP_ROWS))
        self._held, self._n_held = [table.slice(n_whole)], table.num_rows - n_whole

    def end(self) -> None:
        """Encode what is left."""
        if self._n_held:
            self._encode(pa.concat_tables(self._held))

    def _encode(self, table: Any) -> None:
        """Write rows as one group."""
        self._writer.write_table(table.combine_chunks(), GROUP_ROWS)
