"""CSV and Parquet files as chunks of named columns; knows nothing about models."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from pipeline.exceptions import TableError
from pipeline.missing import MISSING_WORDS
from pipeline.times import written

# pandas is no dependency: where it is absent, pyarrow's own tables do.
PANDAS = import_module("pandas") if find_spec("pandas") else None

__all__ = [
    "SUFFIXES",
    "Chunk",
    "RowWriter",
    "Table",
    "as_frame",
    "open_table",
    "open_writer",
    "read_table",
]

SUFFIXES = (".csv", ".parquet", ".pq")

# A chunk of text is what pyarrow parses at a time, so it also bounds one record.
CSV_CHUNK_BYTES = 1 << 22
# 8 MB of float64 per chunk, whatever the number of columns.
PARQUET_CHUNK_CELLS = 1 << 20
PARQUET_BUFFER_BYTES = 1 << 20

# The trainer works in float32 as soon as the data needs more than one batch.
LARGEST_NUMBER = float(np.finfo(np.float32).max)

_NUMBER = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"
ROW_COUNT = "rows are counted from 0"
_FAILED_ROW = re.compile(r"In CSV column #(\d+): Row #(\d+): .*UTF8")


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of a table, column by column.

    Attributes
    ----------
    source : str
        The file, as the user named it.
    first_row : int
        Position in the file of the chunk's first row, counted from 0.
    n_rows : int
        Number of rows.
    columns : mapping of str to pyarrow.Array
        The cells; text in a CSV file, whatever the type in a Parquet file.
    read_fraction : float
        How much of the file ends with this chunk, roughly, 0 to 1.
    """

    source: str
    first_row: int
    n_rows: int
    columns: Mapping[str, Any]
    read_fraction: float

    def kind(self, name: str) -> Literal["numeric", "text", "empty"]:
        """Return what the cells of a column are.

        Parameters
        ----------
        name : str
            The column.

        Returns
        -------
        {"numeric", "text", "empty"}
            Numeric if every cell is a number, a truth value or missing; empty if
            every cell is missing.

        Raises
        ------
        TableError
            If the cells are neither numbers nor text, but lists for example.
        """
        cells = self.columns[name]
        if _is_text(cells.type):
            try:
                cells = _parse_numbers(cells)
            except pa.ArrowInvalid:
                return "text"
        if cells.null_count == len(cells):
            return "empty"
        return "numeric" if _is_numeric(cells.type) else self._text_kind(name)

    def numbers(self, name: str) -> np.ndarray[Any, Any]:
        """Return a column as numbers, NaN where a cell is missing.

        Parameters
        ----------
        name : str
            The column.

        Returns
        -------
        ndarray of shape (n_rows,)
            In the file's own type if that is a type of numbers and no cell is
            missing, otherwise in float64. True is 1 and False is 0.

        Raises
        ------
        TableError
            If a cell is no number, is infinite, or is beyond the range of float32;
            the message names the column and the row.
        """
        cells = self.columns[name]
        if _is_text(cells.type):
            cells = self._parsed(name)
        elif not _is_numeric(cells.type):
            msg = (
                f"column {name!r} of {self.source} must hold numbers, "
                f"got cells of type {cells.type}."
            )
            raise TableError(msg)
        values = _to_numpy(cells)
        self._check_range(name, values)
        return values

    def texts(self, name: str, missing: object = np.nan) -> np.ndarray[Any, Any]:
        """Return a column as strings.

        Parameters
        ----------
        name : str
            The column.
        missing : object, default=nan
            What stands for a missing cell.

        Returns
        -------
        ndarray of shape (n_rows,) and dtype object
            The cells.

        Raises
        ------
        TableError
            If the cells cannot be written as text, being lists for example.
        """
        self._text_kind(name)
        cells = self.columns[name]
        is_duration = pa.types.is_duration(cells.type)
        cells = written(cells) if is_duration else pc.cast(cells, pa.string())
        values: np.ndarray[Any, Any] = cells.to_numpy(zero_copy_only=False)
        if cells.null_count:
            values = values.copy()
            values[cells.is_null().to_numpy(zero_copy_only=False)] = missing
        return values

    def labels(self, name: str) -> np.ndarray[Any, Any]:
        """Return a column as class labels.

        Parameters
        ----------
        name : str
            The column.

        Returns
        -------
        ndarray of shape (n_rows,)
            Whole numbers if every cell is one, otherwise numbers, otherwise strings
            as they are written; truth values of a Parquet file stay such.

        Raises
        ------
        TableError
            If a cell is missing, or holds a word such as "NA" that stands for a
            missing one; the message names the first few rows.
        """
        cells = self.columns[name]
        missing = _is_missing(cells).to_numpy(zero_copy_only=False)
        if missing.any():
            rows = (self.first_row + np.flatnonzero(missing)).tolist()
            msg = (
                f"column {name!r} of {self.source} must have a label in every row, "
                f"got none in rows {_listed(rows)} ({ROW_COUNT})."
            )
            raise TableError(msg)
        for kind in (pa.int64(), pa.float64()) if _is_text(cells.type) else ():
            with contextlib.suppress(pa.ArrowInvalid):
                return _to_numpy(pc.cast(cells, kind))
        if _is_numeric(cells.type) and not pa.types.is_decimal(cells.type):
            return np.asarray(cells.to_numpy(zero_copy_only=False))
        return self.texts(name)

    def _text_kind(self, name: str) -> Literal["text"]:
        """Refuse a column whose cells cannot be written as text."""
        kind = self.columns[name].type
        if pa.types.is_nested(kind) or pa.types.is_binary(kind):
            msg = (
                f"column {name!r} of {self.source} must hold numbers or text, "
                f"got cells of type {kind}."
            )
            raise TableError(msg)
        return "text"

    def _parsed(self, name: str) -> Any:
        """Return a column of text as float64, or name the cell that is no number."""
        cells = self.columns[name]
        try:
            return _parse_numbers(cells)
        except pa.ArrowInvalid as error:
            position = _first_non_number(cells)
            msg = (
                f"column {name!r} of {self.source} must hold numbers, got "
                f"{cells[position].as_py()!r} in row {self.first_row + position} "
                f"({ROW_COUNT})."
            )
            raise TableError(msg) from error

    def _check_range(self, name: str, values: np.ndarray[Any, Any]) -> None:
        """Refuse infinite numbers and those that overflow float32."""
        beyond = np.flatnonzero(np.abs(values) > LARGEST_NUMBER)
        if beyond.size:
            position = int(beyond[0])
            msg = (
                f"column {name!r} of {self.source} must hold numbers between "
                f"{-LARGEST_NUMBER:.3g} and {LARGEST_NUMBER:.3g}, got "
                f"{float(values[position])!r} in row {self.first_row + position} "
                f"({ROW_COUNT})."
            )
            raise TableError(msg)


class Table(Protocol):
    """A file of named columns that can be read in chunks."""

    @property
    def source(self) -> str:
        """Return the file, as the user named it."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the columns of the file."""

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Yield the rows of the file in order."""


@dataclass(frozen=True)
class CsvTable:
    """A comma-separated file in UTF-8 whose first line names the columns.

    Attributes
    ----------
    source : str
        The file, as the user named it.
    names : tuple of str
        The columns of the file.

    Notes
    -----
    Every cell is read as text, and an empty one as missing. Lines without any
    character are not rows.
    """

    source: str
    names: tuple[str, ...]

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Yield the rows in order.

        Parameters
        ----------
        columns : sequence of str
            The columns to read; the others are skipped.

        Yields
        ------
        Chunk
            Some thousand rows, as many as fit into a few MB of text.

        Raises
        ------
        TableError
            If the file cannot be read, a column is missing or occurs twice, a row
            has too few or too many cells, or a quote is left open.
        """
        _check_columns(self, columns)
        bad_rows: list[Any] = []
        with _reading(self.source, bad_rows), Path(self.source).open("rb") as file:
            counted = _QuoteCounter(file)
            n_blocks = max(1.0, Path(self.source).stat().st_size / CSV_CHUNK_BYTES)
            first_row = 0
            # pyarrow makes one batch of each block, and reads many blocks ahead.
            for done, batch in enumerate(_csv_reader(counted, columns, bad_rows), 1):
                yield _chunk(self.source, first_row, batch, min(1.0, done / n_blocks))
                first_row += batch.num_rows
            counted.check(self.source)


@dataclass(frozen=True)
class ParquetTable:
    """A Parquet file.

    Attributes
    ----------
    source : str
        The file, as the user named it.
    names : tuple of str
        The columns of the file.
    """

    source: str
    names: tuple[str, ...]

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Yield the rows in order.

        Parameters
        ----------
        columns : sequence of str
            The columns to read; the others are skipped.

        Yields
        ------
        Chunk
            As many rows as make about a million cells.

        Raises
        ------
        TableError
            If the file cannot be read, or a column is missing or occurs twice.
        """
        _check_columns(self, columns)
        batch_size = max(1, PARQUET_CHUNK_CELLS // max(1, len(columns)))
        with _reading(self.source), _parquet_file(self.source) as file:
            n_rows = file.metadata.num_rows
            first_row = 0
            for batch in file.iter_batches(batch_size, columns=list(columns)):
                last_row = first_row + batch.num_rows
                yield _chunk(self.source, first_row, batch, last_row / n_rows)
                first_row = last_row


def open_table(path: str | Path) -> Table:
    r"""Return a table of which only the column names have been read.

    Parameters
    ----------
    path : str or path
        A file whose name ends in ``.csv``, ``.parquet`` or ``.pq``.

    Returns
    -------
    CsvTable or ParquetTable
        The table.

    Raises
    ------
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
    source = str(path)
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        msg = f"{source} must end in {', '.join(SUFFIXES)}, got {suffix!r}."
        raise TableError(msg)
    if suffix == ".csv":
        bad_rows: list[Any] = []
        with _reading(source, bad_rows), Path(source).open("rb") as file:
            reader = _csv_reader(file, (), bad_rows)
            return CsvTable(source, tuple(reader.schema.names))
    with _reading(source), _parquet_file(source) as file:
        return ParquetTable(source, _named_columns(file.schema_arrow))


def read_table(path: str | Path) -> Chunk:
    """Return a whole table as one chunk.

    Parameters
    ----------
    path : str or path
        A file as in `open_table`.

    Returns
    -------
    Chunk
        All rows and all columns.

    Raises
    ------
    TableError
        If the file cannot be read.
    """
    table = open_table(path)
    chunks = list(table.chunks(table.names))
    n_rows = sum(chunk.n_rows for chunk in chunks)
    columns = {
        name: pa.concat_arrays(
            [chunk.columns[name] for chunk in chunks] or [pa.nulls(0)]
        )
        for name in table.names
    }
    return Chunk(table.source, 0, n_rows, columns, 1.0)


def as_frame(columns: Mapping[str, np.ndarray[Any, Any]]) -> Any:
    """Return columns as a frame whose names scikit-learn recognises.

    Parameters
    ----------
    columns : mapping of str to ndarray of shape (n_rows,)
        The columns, in the order that the frame will have.

    Returns
    -------
    pandas.DataFrame or pyarrow.Table
        A DataFrame if pandas is installed. A ColumnTransformer of scikit-learn
        1.7 and before takes no Table.
    """
    if PANDAS is not None:
        # Given the arrays alone, pandas 3 would turn a missing text None into NaN.
        series = {n: PANDAS.Series(c, dtype=c.dtype) for n, c in columns.items()}
        return PANDAS.DataFrame(series)
    return pa.table(
        {name: pa.array(column, from_pandas=True) for name, column in columns.items()}
    )


class RowWriter(Protocol):
    """What writes rows into an open file."""

    def write(self, rows: Any) -> None:
        """Append a pyarrow Table or RecordBatch."""

    def close(self) -> None:
        """Finish the file."""


def _named_columns(schema: Any) -> tuple[str, ...]:
    """Return the columns of a Parquet file but the index that pandas keeps there."""
    index = (schema.pandas_metadata or {}).get("index_columns", [])
    unnamed = {name for name in index if str(name).startswith("__index_level_")}
    return tuple(name for name in schema.names if name not in unnamed)


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


class _QuoteCounter:
    """A binary file that counts the quotes that were read from it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._n_quotes = 0

    @property
    def closed(self) -> bool:
        """Return whether the file is closed; pyarrow asks."""
        return self._file.closed

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        content = self._file.read(size)
        self._n_quotes += content.count(b'"')
        return content

    def check(self, source: str) -> None:
        """Refuse an odd number: pyarrow reads an open quote up to the file's end."""
        if self._n_quotes % 2:
            msg = (
                f"{source} must close every quote, got an odd number of them "
                f"({self._n_quotes})."
            )
            raise TableError(msg)


@contextlib.contextmanager
def _reading(source: str, bad_rows: Sequence[Any] = ()) -> Iterator[None]:
    """Translate whatever can happen while a file is read."""
    try:
        yield
    except TableError:
        raise
    except FileNotFoundError as error:
        msg = f"{source} must be a file, got no file."
        raise TableError(msg) from error
    except (OSError, pa.ArrowException) as error:
        if bad_rows:
            msg = _row_message(source, bad_rows[0])
        else:
            msg = _read_message(source, error)
        raise TableError(msg) from error


def _row_message(source: str, row: Any) -> str:
    """Describe a row with too few or too many cells."""
    # pyarrow counts from 1, the line of the names included.
    return (
        f"{source} must have {row.expected_columns} cells in every row, got "
        f"{row.actual_columns} in row {row.number - 2} ({ROW_COUNT})."
    )


def _read_message(source: str, error: Exception) -> str:
    """Describe what pyarrow or the system say about a file."""
    words = " ".join(str(error).split()).rstrip(".")
    failed_row = _FAILED_ROW.match(words)
    if failed_row:
        row = int(failed_row[2]) - 2
        return (
            f"{source} must be text in UTF-8, got other bytes in row {row} "
            f"({ROW_COUNT})."
        )
    if "straddling" in words:
        return (
            f"{source} must have rows of at most {CSV_CHUNK_BYTES} bytes, got a "
            "longer one. A quote may have been left open."
        )
    if "mpty CSV file" in words:
        return f"{source} must begin with the names of its columns, got none."
    if isinstance(error, OSError) and error.strerror:
        words = error.strerror
    return f"{source} must be a readable table, got {words}."


def _csv_reader(file: Any, columns: Sequence[str], bad_rows: list[Any]) -> Any:
    """Return pyarrow's reader of a CSV file, every cell as text."""

    def note_bad_row(row: Any) -> str:
        bad_rows.append(row)
        return "error"

    return pa_csv.open_csv(
        file,
        # With threads, pyarrow does not know the number of a bad row.
        read_options=pa_csv.ReadOptions(block_size=CSV_CHUNK_BYTES, use_threads=False),
        parse_options=pa_csv.ParseOptions(
            newlines_in_values=True, invalid_row_handler=note_bad_row
        ),
        convert_options=pa_csv.ConvertOptions(
            include_columns=list(columns),
            column_types=dict.fromkeys(columns, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
        ),
    )


def _parquet_file(source: str) -> Any:
    """Return pyarrow's reader of a Parquet file, which reads page by page."""
    return pq.ParquetFile(
        source,
        buffer_size=PARQUET_BUFFER_BYTES,
        pre_buffer=False,
        page_checksum_verification=True,
    )


def _check_columns(table: Table, columns: Sequence[str]) -> None:
    """Refuse columns that the table lacks or has more than once."""
    counts = Counter(table.names)
    missing = [name for name in columns if not counts[name]]
    if missing:
        msg = (
            f"{table.source} must have the columns {_listed(columns)}, "
            f"got none named {_listed(missing)}."
        )
        raise TableError(msg)
    repeated = [name for name in dict.fromkeys(columns) if counts[name] > 1]
    if repeated:
        msg = (
            f"{table.source} must name each column once, "
            f"got {_listed(repeated)} more than once."
        )
        raise TableError(msg)


def _listed(names: Sequence[object], n_shown: int = 5) -> str:
    """Return names as a phrase, the first few of many."""
    shown = ", ".join(repr(name) for name in names[:n_shown])
    rest = len(names) - n_shown
    return f"{shown} and {rest} more" if rest > 0 else shown


def _chunk(source: str, first_row: int, batch: Any, read_fraction: float) -> Chunk:
    """Return a pyarrow RecordBatch as a chunk."""
    columns = {
        name: _decoded(column)
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    }
    return Chunk(source, first_row, batch.num_rows, columns, read_fraction)


def _decoded(cells: Any) -> Any:
    """Return a pyarrow Array without dictionary encoding."""
    if pa.types.is_dictionary(cells.type):
        return cells.dictionary_decode()
    return cells


def _is_text(kind: Any) -> bool:
    """Return whether a pyarrow type is one of strings."""
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
    )


def _is_numeric(kind: Any) -> bool:
    """Return whether a pyarrow type counts as one of numbers."""
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_null(kind)
    )


def _is_missing(cells: Any) -> Any:
    """Return which cells are null, NaN, or a word for a missing cell."""
    missing = cells.is_null(nan_is_null=True)
    if not _is_text(cells.type):
        return missing
    words = pc.utf8_lower(pc.utf8_trim_whitespace(cells))
    gaps = pc.is_in(words, value_set=pa.array(MISSING_WORDS, words.type))
    return pc.or_(missing, gaps)


def _parse_numbers(cells: Any) -> Any:
    """Return strings as float64; raises ArrowInvalid if one is no number."""
    try:
        return pc.cast(cells, pa.float64())
    except pa.ArrowInvalid:
        words = pc.utf8_lower(pc.utf8_trim_whitespace(pc.cast(cells, pa.string())))
        words = _replaced(words, MISSING_WORDS, None)
        words = _replaced(words, ("true",), "1")
        words = _replaced(words, ("false",), "0")
        return pc.cast(words, pa.float64())


def _replaced(words: Any, former: Sequence[str], new: str | None) -> Any:
    """Return strings with some of them replaced by another or by null."""
    found = pc.is_in(words, value_set=pa.array(former, pa.string()))
    return pc.if_else(found, pa.scalar(new, pa.string()), words)


def _first_non_number(cells: Any) -> int:
    """Return the position of the first string that is no number."""
    low, high = 0, len(cells)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            _parse_numbers(cells[low:middle])
            low = middle
        except pa.ArrowInvalid:
            high = middle
    return low


def _to_numpy(cells: Any) -> np.ndarray[Any, Any]:
    """Return numbers as an array, missing ones as NaN."""
    own_type = pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type)
    if not own_type or pa.types.is_float16(cells.type):
        cells = pc.cast(cells, pa.float64())
    values: np.ndarray[Any, Any] = cells.to_numpy(zero_copy_only=False)
    return values
