"""What a table is, and which columns can be read of it; knows no format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from torch_binary_classifier.exceptions import TableError
from torch_binary_classifier.tables.bad_rows import BadRow, Place
from torch_binary_classifier.tables.chunk import Chunk
from torch_binary_classifier.wording import listed

__all__ = ["PART_BYTES", "Part", "Table", "check_columns"]

# Enough to hide the cost of beginning anew, and few enough to hold some in memory.
PART_BYTES = 1 << 24


class Part(Protocol):
    """Consecutive rows of a file, read apart from all others.

    Parts can be pickled and read in another process that sees the same files.

    Attributes
    ----------
    first_row : int
        Position in the file of its first record, counted from 0.
    n_rows : int
        How many records it has, bad ones included.
    digest : str
        What changes if the rows change.
    read_fraction : float
        How much of the file ends with this part, roughly, 0 to 1; NaN of a pipe.
    """

    first_row: int
    n_rows: int
    read_fraction: float

    @property
    def digest(self) -> str:
        """Return what changes if the rows change."""

    def read(
        self, columns: Sequence[str], types: Mapping[str, Any]
    ) -> Iterator[tuple[Chunk, list[BadRow]]]:
        """Yield the records in order.

        Parameters
        ----------
        columns : sequence of str
            The columns to read; the others are skipped.
        types : mapping of str to pyarrow.DataType
            Columns that are better read as numbers at once, where the file has text.

        Yields
        ------
        chunk : Chunk
            The records that could be read. A column of ``types`` has that type, or is
            text where some cell of the chunk is not of the type.
        bad : list of BadRow
            The others, in order.
        """

    def place(self, row: int) -> Place:
        """Return where a record stands.

        Parameters
        ----------
        row : int
            Position in the file of one of the part's records, counted from 0.

        Returns
        -------
        Place
            Its line, its first byte and its text.
        """


class Table(Protocol):
    """A file of named columns that can be read in chunks."""

    @property
    def source(self) -> str:
        """Return the file, as the user named it."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the columns of the file."""

    @property
    def types(self) -> Mapping[str, Any]:
        """Return the types of the columns' cells; text in a CSV file."""

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Yield the rows in order.

        Parameters
        ----------
        columns : sequence of str
            The columns to read; the others are skipped.

        Yields
        ------
        Chunk
            Some thousand rows, however long the file is.

        Raises
        ------
        TableError
            If the file cannot be read, or a column is missing or occurs twice.
        """

    def parts(self, part_bytes: int = PART_BYTES) -> Iterator[Part]:
        """Yield the rows in parts, in order, that can be read apart from each other.

        Parameters
        ----------
        part_bytes : int, default=16 MiB
            About how many bytes of text a part has, where the file is one of text.

        Yields
        ------
        Part
            At least one row. A record that is wrong ends no iteration: its part
            tells of it when it is read.

        Raises
        ------
        TableError
            If the file cannot be read.
        """


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
            f"{table.source} must have the columns {listed(columns, n_shown=5)}, "
            f"got none named {listed(missing, n_shown=5)}."
        )
        raise TableError(msg)
    repeated = [name for name in dict.fromkeys(columns) if counts[name] > 1]
    if repeated:
        msg = (
            f"{table.source} must name each column once, "
            f"got {listed(repeated, n_shown=5)} more than once."
        )
        raise TableError(msg)
