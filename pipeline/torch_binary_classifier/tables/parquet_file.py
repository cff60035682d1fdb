"""Parquet files as chunks of named columns; read by pyarrow, page by page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from torch_binary_classifier.exceptions import TableError
from torch_binary_classifier.tables.chunk import Chunk
from torch_binary_classifier.tables.parquet_parts import (
    ParquetPart,
    decoded,
    opened_parquet,
    parquet_parts,
)
from torch_binary_classifier.tables.streams import check_kind, telling
from torch_binary_classifier.tables.table import PART_BYTES, check_columns

__all__ = ["ParquetTable", "open_parquet"]

# 8 MB of float64 per chunk, whatever the number of columns.
PARQUET_CHUNK_CELLS = 1 << 20
# Parquet files begin and end with these.
MAGIC = b"PAR1"


@dataclass(frozen=True)
class ParquetTable:
    """A Parquet file.

    Attributes
    ----------
    source : str
        The file, as the user named it.
    names : tuple of str
        The columns of the file.
    types : mapping of str to pyarrow.DataType
        What their cells are.
    """

    source: str
    names: tuple[str, ...]
    types: Mapping[str, Any]

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Yield the rows in order, as `Table` says: about a million cells at a time."""
        check_columns(self, columns)
        batch_size = max(1, PARQUET_CHUNK_CELLS // max(1, len(columns)))
        with opened_parquet(self.source, self.source) as file:
            n_rows = file.metadata.num_rows
            first_row = 0
            for batch in file.iter_batches(batch_size, columns=list(columns)):
                last_row = first_row + batch.num_rows
                cells = {
                    name: decoded(column)
                    for name, column in zip(
                        batch.schema.names, batch.columns, strict=True
                    )
                }
                yield Chunk(
                    self.source, first_row, batch.num_rows, cells, last_row / n_rows
                )
                first_row = last_row

    def parts(self, part_bytes: int = PART_BYTES) -> Iterator[ParquetPart]:
        """Yield the rows in parts, as `Table` says, whole row groups each."""
        return parquet_parts(self.source, self.names, part_bytes)


def open_parquet(path: str | Path) -> ParquetTable:
    """Return a Parquet file of which only the column names have been read.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    ParquetTable
        The table.

    Raises
    ------
    TableError
        If the file is missing, a pipe, of another kind, or not readable.
    """
    source = str(path)
    with telling(source):
        if Path(path).is_fifo():
            msg = (
                f"{source} must be an ordinary file, as Parquet is not read in one "
                "pass, got a pipe."
            )
            raise TableError(msg)
        with Path(path).open("rb") as file:
            head = file.read(len(MAGIC))
    if head != MAGIC:
        check_kind(source, "a Parquet file", head)
    with opened_parquet(source, source) as file:
        schema = file.schema_arrow
    names = _named_columns(schema)
    kinds = dict(zip(schema.names, map(_type_of_cells, schema.types), strict=True))
    return ParquetTable(source, names, {name: kinds[name] for name in names})


def _type_of_cells(kind: Any) -> Any:
    """Return what cells are, be they in a dictionary or not."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _named_columns(schema: Any) -> tuple[str, ...]:
    """Return the columns of a Parquet file but the index that pandas keeps there."""
    index = (schema.pandas_metadata or {}).get("index_columns", [])
    unnamed = {name for name in index if str(name).startswith("__index_level_")}
    return tuple(name for name in schema.names if name not in unnamed)
