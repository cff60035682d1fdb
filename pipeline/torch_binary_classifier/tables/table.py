"""What a table is, and which columns can be read of it; knows no format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Protocol

from torch_binary_classifier.exceptions import TableError
from torch_binary_classifier.tables.chunk import Chunk
from torch_binary_classifier.wording import listed

__all__ = ["Table", "check_columns"]


class Table(Protocol):
    """A file of named columns that can be read in chunks."""

    @property
    def source(self) -> str:
        """Return the file, as the user named it."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the columns of the file."""

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
