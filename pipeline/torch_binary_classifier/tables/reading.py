"""Tables by the names of their files; knows the kinds of files, but no format."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from torch_binary_classifier.exceptions import TableError
from torch_binary_classifier.tables.chunk import Chunk
from torch_binary_classifier.tables.csv_file import CsvTable
from torch_binary_classifier.tables.csv_format import CsvFormat
from torch_binary_classifier.tables.parquet_file import open_parquet
from torch_binary_classifier.tables.streams import STANDARD_INPUT
from torch_binary_classifier.tables.suffixes import CSV_SUFFIXES, READ_SUFFIXES
from torch_binary_classifier.tables.table import Table

__all__ = ["open_table", "read_table"]


def open_table(
    path: str | Path, *, separator: str = ",", encoding: str = "utf-8"
) -> Table:
    r"""Return a table of which only the column names have been read.

    Parameters
    ----------
    path : str or path
        A file whose name ends in ``.csv``, ``.csv.gz``, ``.csv.zst``, ``.parquet`` or
        ``.pq``, or ``-`` for a CSV file at standard input. What comes through a pipe
        can be read once.
    separator : str, default=","
        What stands between two cells of a CSV file: one character of ASCII, or
        ``"tab"``.
    encoding : str, default="utf-8"
        Encoding of a CSV file, by a name that Python knows.

    Returns
    -------
    CsvTable or ParquetTable
        The table.

    Raises
    ------
    ValueError
        If there can be no such separator, or is no such encoding.
    TableError
        If the file is missing, empty, of another kind, or not readable.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "people.csv"
    ...     _ = path.write_text("age,city\n31,Oslo\n,Bergen\n")
    ...     table = open_table(path)
    ...     chunk = next(table.chunks(["age"]))
    >>> table.names
    ('age', 'city')
    >>> chunk.numbers("age")
    array([31., nan])
    """
    csv_format = CsvFormat(separator, encoding)
    name = str(path).lower()
    if name == STANDARD_INPUT or name.endswith(CSV_SUFFIXES):
        return CsvTable(path, csv_format)
    if name.endswith(READ_SUFFIXES):
        return open_parquet(path)
    suffix = Path(path).suffix.lower()
    msg = f"{path} must end in {', '.join(READ_SUFFIXES)}, got {suffix!r}."
    raise TableError(msg)


def read_table(
    path: str | Path, *, separator: str = ",", encoding: str = "utf-8"
) -> Chunk:
    """Return a whole table as one chunk.

    Parameters
    ----------
    path : str or path
        A file as in `open_table`.
    separator : str, default=","
        As in `open_table`.
    encoding : str, default="utf-8"
        As in `open_table`.

    Returns
    -------
    Chunk
        All rows and all columns.

    Raises
    ------
    ValueError
        If there can be no such separator, or is no such encoding.
    TableError
        If the file cannot be read.
    """
    table = open_table(path, separator=separator, encoding=encoding)
    chunks = list(table.chunks(table.names))
    n_rows = sum(chunk.n_rows for chunk in chunks)
    columns = {
        name: pa.concat_arrays(
            [chunk.columns[name] for chunk in chunks] or [pa.nulls(0)]
        )
        for name in table.names
    }
    return Chunk(table.source, 0, n_rows, columns, 1.0)
