"""A fitted classifier over a whole file; knows scikit-learn's words, not ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from torch_binary_classifier.exceptions import ModelFileError, TableError
from torch_binary_classifier.persistence import replaced_file
from torch_binary_classifier.scoring.cells import Cells, read_cells
from torch_binary_classifier.scoring.columns import InputColumns
from torch_binary_classifier.scoring.drift import ColumnShares
from torch_binary_classifier.scoring.file_types import (
    FileColumn,
    file_columns,
    read_as_file,
)
from torch_binary_classifier.scoring.following import input_columns
from torch_binary_classifier.scoring.trained_cells import read_as_trained
from torch_binary_classifier.scoring.training_types import in_training_types
from torch_binary_classifier.tables.chunk import ROW_COUNT, Chunk
from torch_binary_classifier.tables.frame import as_frame
from torch_binary_classifier.tables.reading import open_table
from torch_binary_classifier.tables.suffixes import WRITE_SUFFIXES
from torch_binary_classifier.tables.table import Table
from torch_binary_classifier.tables.writing import open_writer
from torch_binary_classifier.wording import one_line

__all__ = ["ScoreSummary", "score_table"]


@dataclass(frozen=True)
class ScoreSummary:
    """What was scored.

    Attributes
    ----------
    n_rows : int
        Rows of the input, each of which has one row in the output.
    ignored : tuple of str
        Columns of the input that the model does not know or drops.
    columns : tuple of ColumnShares
        Of each column that was read, which share of its cells the model has never
        met, and which is missing. Empty if there are no rows.
    as_file : tuple of str
        Columns that were read as the file says, because the model does not tell
        what they hold.
    """

    n_rows: int
    ignored: tuple[str, ...]
    columns: tuple[ColumnShares, ...] = ()
    as_file: tuple[str, ...] = ()


def score_table(
    estimator: Any,
    data: str | Path,
    out: str | Path,
    *,
    strict: bool = False,
    separator: str = ",",
    encoding: str = "utf-8",
    report: Callable[[int, float], None] | None = None,
) -> ScoreSummary:
    """Write the probability and the predicted label of every row of a table.

    Parameters
    ----------
    estimator : object
        A fitted binary classifier that was trained on named columns: a Pipeline, a
        search, a calibrated classifier and so on.
    data : str or path
        The rows to score, a CSV or Parquet file with at least the columns that the
        model looks at, in any order; ``-`` is a CSV file at standard input.
    out : str or path
        The CSV or Parquet file to write. It has one row per row of ``data``, in the
        same order, with the columns ``_row`` (counted from 0), ``probability`` (of
        ``classes_[1]``) and ``prediction`` (the label).
    strict : bool, default=False
        Whether to refuse a table with a column of which the model knows no cell:
        every one holds a category never seen in training or is missing. A column
        of gaps alone passes if the model has met gaps in training.
    separator : str, default=","
        What stands between two cells of ``data``, if that is a CSV file: one
        character of ASCII, or ``"tab"``.
    encoding : str, default="utf-8"
        Encoding of ``data``, if that is a CSV file.
    report : callable, default=None
        Called after each chunk with the rows done so far and roughly the fraction
        of the input that they are, 0 to 1; NaN if that is a pipe.

    Returns
    -------
    ScoreSummary
        How many rows were scored, which columns were ignored, and how much of the
        others the model has never met.

    Raises
    ------
    ModelFileError
        If the estimator is no fitted binary classifier with named columns.
    TableError
        If the input cannot be read, lacks a column, or has a cell that cannot be
        scored, or if it is refused as ``strict`` says. Nothing is written then.
    OutputError
        If the output cannot be written. Nothing is left at its path then, or what
        was there before.
    ValueError
        If ``out`` ends in no known suffix, or there is no such separator or
        encoding.

    Notes
    -----
    Rows are read, scored and written some thousand at a time, so memory does not
    grow with the file. What is a number and what is text comes from what the fitted
    steps know of each column, never from the first rows of the file. A cell is taken
    for the category that is written as it is, otherwise for the only one of the same
    value: 1, 1.0 and 01, True and true, a date and its midnight. Words such as NA
    are gaps in a column of text only if the model knows gaps there or imputes them.

    A model that `save` was given the training table for, and `load` returned, is
    handed columns of the kinds and types of that table instead: a text is a text
    even if all its cells are digits, a cell that is no number where training had
    numbers is refused, and any step scores as it does in Python. Rows with a gap or a
    fraction where training had whole numbers throughout are scored apart, in float64,
    so that they change nothing for the others.

    Without that, where the model cannot tell (functions, steps of other packages), the
    file says what a column holds: a Parquet file by its types, a CSV file by all of its
    cells, for which these columns are read once more before anything is scored.
    """
    suffix = Path(out).suffix.lower()
    if suffix not in WRITE_SUFFIXES:
        msg = f"out must end in {', '.join(WRITE_SUFFIXES)}, got {str(out)!r}."
        raise ValueError(msg)
    columns = input_columns(estimator)
    if not hasattr(estimator, "feature_names_in_"):
        msg = (
            "model must be trained on named columns, got "
            f"{type(estimator).__name__} without names. Train it on a DataFrame."
        )
        raise ModelFileError(msg)
    table = open_table(data, separator=separator, encoding=encoding)
    reading = _Reading(columns, file_columns([table], columns.of_kind("file")))
    with (
        replaced_file(out) as file,
        open_writer(file, suffix, _output_schema(estimator)) as writer,
    ):
        for chunk in table.chunks(columns.names):
            writer.write(_scored(estimator, reading, chunk))
            if report is not None:
                report(chunk.first_row + chunk.n_rows, chunk.read_fraction)
        summary = reading.summary(table)
        if strict:
            _check_known(table, summary)
    return summary


@dataclass
class _Reading:
    """The columns to read, and how many of their cells were strange so far."""

    columns: InputColumns
    as_file: Mapping[str, FileColumn]
    n_rows: int = 0
    n_unseen: Counter[str] = field(default_factory=Counter)
    n_missing: Counter[str] = field(default_factory=Counter)

    def values(self, chunk: Chunk) -> dict[str, Any]:
        """Return the columns of a chunk as the model was trained on them."""
        values = {}
        for column in self.columns.columns:
            name = column.name
            if column.kind == "dropped":
                # Some estimators look for the column before they drop it.
                values[name] = np.zeros(chunk.n_rows)
                continue
            if column.kind == "file":
                cells = read_as_file(chunk, name, self.as_file[name])
            elif column.schema is not None:
                cells = read_as_trained(chunk, column)
            else:
                cells = read_cells(chunk, column)
            self._count(name, cells)
            values[name] = cells.values
        self.n_rows += chunk.n_rows
        return values

    def _count(self, name: str, cells: Cells) -> None:
        """Count what the model has never met."""
        self.n_unseen[name] += cells.n_unseen
        self.n_missing[name] += cells.n_missing

    def summary(self, table: Table) -> ScoreSummary:
        """Return what was read."""
        read = self.columns.names
        shares = [
            ColumnShares(
                column.name,
                self.n_unseen[column.name] / self.n_rows,
                self.n_missing[column.name] / self.n_rows,
                column.had_gaps,
            )
            for column in self.columns.columns
            if column.kind != "dropped" and self.n_rows
        ]
        ignored = tuple(name for name in table.names if name not in set(read))
        return ScoreSummary(self.n_rows, ignored, tuple(shares), tuple(self.as_file))


def _check_known(table: Table, summary: ScoreSummary) -> None:
    """Refuse a table with columns that tell the model nothing."""
    lost = [column.description for column in summary.columns if column.is_lost]
    if lost:
        msg = (
            f"{table.source} must hold cells that the model knows in every column if "
            f"strict, got {len(lost)} columns without: {'; '.join(lost)}."
        )
        raise TableError(msg)


def _output_schema(estimator: Any) -> Any:
    """Return names and types of the scored table's columns."""
    labels = pa.array(estimator.classes_)
    return pa.schema(
        [
            ("_row", pa.int64()),
            ("probability", pa.float64()),
            ("prediction", labels.type),
        ]
    )


def _scored(estimator: Any, reading: _Reading, chunk: Chunk) -> Any:
    """Return the output rows of one chunk."""
    schema = _output_schema(estimator)
    if chunk.n_rows == 0:
        return schema.empty_table()
    values = reading.values(chunk)
    probabilities = np.empty(chunk.n_rows)
    predictions = np.empty(chunk.n_rows, dtype=np.asarray(estimator.classes_).dtype)
    try:
        for rows, typed in in_training_types(values, reading.columns):
            frame = as_frame(typed)
            probabilities[rows] = np.asarray(estimator.predict_proba(frame))[:, 1]
            predictions[rows] = estimator.predict(frame)
    except (TypeError, ValueError) as error:
        raise TableError(_unfit_message(chunk, values, error)) from error
    _check_finite(chunk, probabilities)
    places = np.arange(chunk.first_row, chunk.first_row + chunk.n_rows)
    return pa.table([places, probabilities, predictions], schema=schema)


def _unfit_message(
    chunk: Chunk, cells: Mapping[str, np.ndarray[Any, Any]], error: Exception
) -> str:
    """Describe why the model refused a chunk, by the missing number if that is it."""
    words = one_line(error).rstrip(".")
    gap = _first_gap(cells) if "NaN" in words else None
    if gap is not None:
        name, row = gap
        return (
            f"column {name!r} of {chunk.source} must have a number in every row, "
            f"got none in row {chunk.first_row + row} ({ROW_COUNT}). "
            "The model imputes no missing values."
        )
    last_row = chunk.first_row + chunk.n_rows - 1
    return (
        f"{chunk.source} must fit the model, got, in rows {chunk.first_row} to "
        f"{last_row} ({ROW_COUNT}): {words}."
    )


def _first_gap(
    cells: Mapping[str, np.ndarray[Any, Any]],
) -> tuple[str, int] | None:
    """Return column and position of the first missing number."""
    for name, column in cells.items():
        if column.dtype.kind == "f" and np.isnan(column).any():
            return name, int(np.isnan(column).argmax())
    return None


def _check_finite(chunk: Chunk, probabilities: np.ndarray[Any, Any]) -> None:
    """Refuse scores that are no numbers."""
    bad = np.flatnonzero(~np.isfinite(probabilities))
    if bad.size:
        row = chunk.first_row + int(bad[0])
        msg = (
            f"{chunk.source} must give finite probabilities, got "
            f"{float(probabilities[bad[0]])!r} in row {row} ({ROW_COUNT})."
        )
        raise TableError(msg)
