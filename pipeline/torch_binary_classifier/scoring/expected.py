"""What a fitted classifier expects of a table; reads no rows to score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from torch_binary_classifier.exceptions import TableError
from torch_binary_classifier.schemas import TableSchema, carried_schema
from torch_binary_classifier.schemas import schema as schema_of_table
from torch_binary_classifier.scoring.columns import InputColumns
from torch_binary_classifier.scoring.file_types import (
    FileColumn,
    file_columns,
    whole_numbers,
)
from torch_binary_classifier.scoring.following import input_columns
from torch_binary_classifier.scoring.training_types import with_schema
from torch_binary_classifier.tables.chunk import Chunk
from torch_binary_classifier.tables.csv_format import CsvFormat
from torch_binary_classifier.tables.numbers import parse_numbers
from torch_binary_classifier.tables.reading import open_table, read_table
from torch_binary_classifier.tables.table import Table
from torch_binary_classifier.wording import listed

__all__ = ["Expected", "expected_columns", "schema_of_file"]

# How many columns a note names.
N_NAMED = 5


@dataclass(frozen=True)
class Expected:
    """What a fitted classifier expects of a table.

    Attributes
    ----------
    columns : InputColumns
        Its columns, in the order of training.
    is_positional : bool, default=False
        Whether training had no names of columns, so that those of a table count by
        their order; the columns are called x0, x1 and so on then.
    as_file : mapping of str to FileColumn
        What files say of the columns of which the model does not tell what they
        hold, those of kind "file".
    notes : tuple of str
        What was assumed, as sentences.
    """

    columns: InputColumns
    is_positional: bool = False
    as_file: Mapping[str, FileColumn] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def seen_in(self, tables: Sequence[Table]) -> Expected:
        """Return the same with what files say where the model does not tell.

        Parameters
        ----------
        tables : sequence of Table
            All files to score. Columns of kind "file" are read from end to end.

        Returns
        -------
        Expected
            With ``as_file``.
        """
        return self.told(file_columns(tables, self.columns.of_kind("file")))

    def told(self, as_file: Mapping[str, FileColumn]) -> Expected:
        """Return the same with what is said where the model does not tell.

        Parameters
        ----------
        as_file : mapping of str to FileColumn
            What columns of kind "file" hold.

        Returns
        -------
        Expected
            With ``as_file``.
        """
        return replace(self, as_file=as_file)


def expected_columns(estimator: Any, schema: TableSchema | None = None) -> Expected:
    """Return what a fitted classifier expects of a table.

    Parameters
    ----------
    estimator : object
        A fitted binary classifier.
    schema : TableSchema or None, default=None
        What its training table held, for a model that does not carry that. It may
        have more columns than the model, such as that of the labels, unless the model
        was trained without names.

    Returns
    -------
    Expected
        Its columns and what is known of them.

    Raises
    ------
    ModelFileError
        If the estimator has no ``predict_proba`` or no two ``classes_``, or tells
        neither names nor number of its columns.
    TableError
        If the schema lacks a column of the model.
    ValueError
        If there are two schemas.
    """
    columns = input_columns(estimator)
    is_positional = getattr(estimator, "feature_names_in_", None) is None
    is_carried = carried_schema(estimator) is not None
    if schema is not None:
        if is_carried:
            msg = (
                "schema must be left out for a model that carries one, got one of "
                f"{len(schema.columns)} columns."
            )
            raise ValueError(msg)
        columns = with_schema(columns, _matched(schema, columns, is_positional))
    if is_positional:
        columns = InputColumns(
            tuple(
                replace(column, kind="number") if column.kind == "file" else column
                for column in columns.columns
            )
        )
    has_schema = is_carried or schema is not None
    notes = tuple(_notes(columns, is_positional, has_schema))
    return Expected(columns, is_positional, notes=notes)


def schema_of_file(
    path: str | Path, csv_format: CsvFormat | None = None
) -> TableSchema:
    """Return what a file holds, of which a model was trained.

    Parameters
    ----------
    path : str or path
        A CSV or Parquet file.
    csv_format : CsvFormat or None, default=None
        How it is written, if it is a CSV file; as `CsvFormat` is by default if None.

    Returns
    -------
    TableSchema
        Of a Parquet file by its types; a column of a CSV file holds truth values,
        whole numbers or numbers if all its cells do that are not missing, else text.

    Raises
    ------
    TableError
        If the file cannot be read.
    """
    written = csv_format or CsvFormat()
    options = {"separator": written.separator, "encoding": written.encoding}
    whole = read_table(path, **options)
    told = file_columns([open_table(path, **options)], list(whole.columns))
    columns = {name: _typed(whole, name, told[name].kind) for name in whole.columns}
    return schema_of_table(pa.table(columns))


def _matched(
    schema: TableSchema, columns: InputColumns, is_positional: bool
) -> TableSchema:
    """Return a schema that has all columns of a model, by the model's names."""
    names = [column.name for column in columns.columns]
    if is_positional:
        if len(schema.columns) != len(names):
            msg = (
                f"schema must have {len(names)} columns, as the model was trained on "
                f"so many without names, got {len(schema.columns)}."
            )
            raise TableError(msg)
        pairs = zip(schema.columns, names, strict=True)
        return replace(
            schema, columns=tuple(replace(column, name=name) for column, name in pairs)
        )
    missing = [name for name in columns.names if name not in schema.names]
    if missing:
        msg = (
            "schema must have all columns of the model, got none named "
            f"{listed(missing, N_NAMED)}."
        )
        raise TableError(msg)
    return schema


def _notes(
    columns: InputColumns, is_positional: bool, has_schema: bool
) -> Iterator[str]:
    """Yield what is assumed of a table, as sentences."""
    if is_positional:
        yield (
            "The model was trained without names of columns, so the "
            f"{len(columns.columns)} columns are taken in the order of the table."
        )
    if not has_schema:
        yield (
            "The model carries no schema of its training table, so what its columns "
            "hold is taken from its fitted steps."
        )
    if told := columns.of_kind("file"):
        yield (
            f"The model does not tell what {listed(told, N_NAMED)} hold, so the file "
            "says, by all of their cells."
        )


def _typed(whole: Chunk, name: str, kind: str) -> Any:
    """Return a column in the type that its cells have in common."""
    cells = whole.columns[name]
    if kind in ("typed", "text"):
        return cells
    if kind == "whole":
        return whole_numbers(cells)
    numbers = parse_numbers(cells)
    return pc.cast(numbers, pa.bool_()) if kind == "truth value" else numbers
