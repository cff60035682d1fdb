"""Some rows of a table, column by column; knows cells, but neither files nor models."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from torch_binary_classifier.exceptions import TableError
from torch_binary_classifier.tables.kinds import is_numeric, is_text
from torch_binary_classifier.tables.missing import where_missing
from torch_binary_classifier.tables.numbers import (
    first_non_number,
    parse_numbers,
    to_numpy,
)
from torch_binary_classifier.tables.times import written
from torch_binary_classifier.wording import listed

__all__ = ["ROW_COUNT", "Chunk"]

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
    rows : ndarray of shape (n_rows,) or None, default=None
        Positions in the file of all rows, where these are not consecutive because
        some between them are left out.
    """

    source: str
    first_row: int
    n_rows: int
    columns: Mapping[str, Any]
    read_fraction: float
    rows: NDArray[np.int64] | None = None

    def row(self, position: int) -> int:
        """Return the position in the file of one of the chunk's rows.

        Parameters
        ----------
        position : int
            Its position in the chunk, counted from 0.

        Returns
        -------
        int
            Counted from 0.
        """
        return (
            self.first_row + position if self.rows is None else int(self.rows[position])
        )

    @property
    def all_rows(self) -> NDArray[np.int64]:
        """Return the positions in the file of all rows."""
        if self.rows is not None:
            return self.rows
        return np.arange(self.first_row, self.first_row + self.n_rows)

    def taken(self, chosen: NDArray[np.bool_] | slice) -> Chunk:
        """Return some of the rows.

        Parameters
        ----------
        chosen : ndarray of bool of shape (n_rows,) or slice
            Which; a slice is of step 1.

        Returns
        -------
        Chunk
            Those.
        """
        rows = self.all_rows[chosen]
        if isinstance(chosen, slice):
            columns = {name: cells[chosen] for name, cells in self.columns.items()}
        else:
            kept = pa.array(chosen)
            columns = {n: cells.filter(kept) for n, cells in self.columns.items()}
        first_row = int(rows[0]) if len(rows) else self.first_row
        return replace(
            self, first_row=first_row, n_rows=len(rows), columns=columns, rows=rows
        )

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
        if is_text(cells.type):
            try:
                cells = parse_numbers(cells)
            except pa.ArrowInvalid:
                return "text"
        if cells.null_count == len(cells):
            return "empty"
        return "numeric" if is_numeric(cells.type) else self._text_kind(name)

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
        if is_text(cells.type):
            cells = self._parsed(name)
        elif not is_numeric(cells.type):
            msg = (
                f"column {name!r} of {self.source} must hold numbers, "
                f"got cells of type {cells.type}."
            )
            raise TableError(msg)
        values = to_numpy(cells)
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
        missing = where_missing(cells).to_numpy(zero_copy_only=False)
        if missing.any():
            rows = self.all_rows[missing].tolist()
            msg = (
                f"column {name!r} of {self.source} must have a label in every row, "
                f"got none in rows {listed(rows, n_shown=5)} ({ROW_COUNT})."
            )
            raise TableError(msg)
        for kind in (pa.int64(), pa.float64()) if is_text(cells.type) else ():
            with contextlib.suppress(pa.ArrowInvalid):
                return to_numpy(pc.cast(cells, kind))
        if is_numeric(cells.type) and not pa.types.is_decimal(cells.type):
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
            return parse_numbers(cells)
        except pa.ArrowInvalid as error:
            position = first_non_number(cells)
            msg = (
                f"column {name!r} of {self.source} must hold numbers, got "
                f"{cells[position].as_py()!r} in row {self.row(position)} "
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
                f"{float(values[position])!r} in row {self.row(position)} "
                f"({ROW_COUNT})."
            )
            raise TableError(msg)
