"""Chunks of named columns, and writers of rows; knows nothing about models."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, BinaryIO, Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from torch_binary_classifier.exceptions import TableError
from torch_binary_classifier.tables.missing import MISSING_WORDS
from torch_binary_classifier.tables.times import written

# pandas is no dependency: where it is absent, pyarrow's own tables do.
PANDAS = import_module("pandas") if find_spec("pandas") else None

__all__ = [
    "SUFFIXES",
    "Chunk",
    "RowWriter",
    "Table",
    "as_frame",
    "check_columns",
    "open_writer",
]

SUFFIXES = (".csv", ".parquet", ".pq")

# The trainer works in float32 as soon as the data needs more than one batch.
LARGEST_NUMBER = float(np.finfo(np.float32).max)

ROW_COUNT = "rows are counted from 0"


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

    def scalars(self, name: str) -> Any:
        """Return a column as the file holds it, if its cells are single values.

        Parameters
        ----------
        name : str
            The column.

        Returns
        -------
        pyarrow.Array
            The cells.

        Raises
        ------
        TableError
            If they are lists or bytes for example.
        """
        self._text_kind(name)
        return self.columns[name]

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


def check_columns(table: Table, columns: Sequence[str]) -> None:
    """Refuse columns that a table lacks or has more than once.

    Parameters
    ----------
    table : Table
        The table.
    columns : sequence of str
        The columns that are wanted of it.

    Raises
    ------
    TableError
        If one is missing or occurs twice.
    """
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


def _listed(names: Sequence[object], n_shown: int = 5) -> str:
    """Return names as a phrase, the first few of many."""
    shown = ", ".join(repr(name) for name in names[:n_shown])
    rest = len(names) - n_shown
    return f"{shown} and {rest} more" if rest > 0 else shown


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
