"""Which rows a model is measured on; knows tables and columns, but no networks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from torch_binary_classifier import wording
from torch_binary_classifier.assembly import baselines
from torch_binary_classifier.cli.columns import MIN_ROWS_PER_CLASS, Columns
from torch_binary_classifier.cli.measuring import Measuring
from torch_binary_classifier.exceptions import TableError
from torch_binary_classifier.schemas import schema
from torch_binary_classifier.scoring import (
    Chunk,
    RowScorer,
    as_frame,
    expected_columns,
    open_table,
    read_table,
)
from torch_binary_classifier.scoring.rows import Blocks, read_rows
from torch_binary_classifier.tables.chunk import ROW_COUNT
from torch_binary_classifier.tables.csv_format import CsvFormat
from torch_binary_classifier.tables.table import check_columns

__all__ = ["HELD_OUT_FRACTION", "Split", "split"]

HELD_OUT_FRACTION = 0.25


@dataclass(frozen=True)
class Split:
    """Rows to train on and rows to measure on.

    Attributes
    ----------
    X, y : frame and ndarray
        The rows to train on, and their labels.
    rows_held_out, labels_held_out : frame and ndarray
        Those to measure on.
    words : str
        Which these are: "20 rows held out".
    """

    X: Any
    y: Any
    rows_held_out: Any
    labels_held_out: Any
    words: str


def split(
    measuring: Measuring,
    table: Chunk,
    columns: Columns,
    rows: tuple[Any, Any],
    *,
    target: str,
    seed: int,
    csv_format: CsvFormat,
) -> Split:
    """Return which rows are trained on and which are measured on.

    Parameters
    ----------
    measuring : Measuring
        What was asked for.
    table : Chunk
        The whole table.
    columns : Columns
        Those to learn from.
    rows : tuple of frame and ndarray
        All rows and their labels.
    target : str
        The column of the labels.
    seed : int
        Draws the rows, if they are drawn.
    csv_format : CsvFormat
        How a table of their own is written.

    Returns
    -------
    Split
        Both classes are in both parts.

    Raises
    ------
    TableError
        If they are not, or the table of their own does not fit.
    """
    X, y = rows
    if measuring.file is not None:
        found = _of_file(measuring.file, table, columns, rows, target, csv_format)
        n_rows, source = len(found[1]), wording.plain(str(measuring.file))
        return Split(X, y, *found, f"the {n_rows} rows of {source}")
    if measuring.last is not None:
        n_last = _number(measuring.last, table)
        parts = X[:-n_last], y[:-n_last], X[-n_last:], y[-n_last:]
        _check_parts(parts[1], parts[3], table.source)
        return Split(*parts, f"the last {n_last} rows")
    X, rows_held_out, y, labels_held_out = train_test_split(
        X, y, test_size=HELD_OUT_FRACTION, stratify=y, random_state=seed
    )
    return Split(
        X, y, rows_held_out, labels_held_out, f"{len(labels_held_out)} rows held out"
    )


def _number(last: int | Fraction, table: Chunk) -> int:
    """Return how many rows at the end are meant, some left before them."""
    n_rows = table.n_rows
    n_last = last if isinstance(last, int) else max(1, round(last * n_rows))
    if n_last >= n_rows:
        msg = (
            f"--validate-last must leave rows to train on, got {n_last} of the "
            f"{n_rows} rows of {table.source}."
        )
        raise TableError(msg)
    return n_last


def _check_parts(y: Any, labels_held_out: Any, source: str) -> None:
    """Refuse rows in an order that leaves one part without a class."""
    labels = sorted({*y.tolist(), *labels_held_out.tolist()})
    counts = Counter(y.tolist())
    rarest = min(labels, key=counts.__getitem__)
    if counts[rarest] < MIN_ROWS_PER_CLASS:
        msg = (
            f"--validate-last must leave each class in at least {MIN_ROWS_PER_CLASS} "
            f"rows to train on, got {counts[rarest]} of {rarest!r} in the first "
            f"{len(y)} rows of {source}. Sort them by time, or hold out fewer."
        )
        raise TableError(msg)
    found = sorted(set(labels_held_out.tolist()))
    if len(found) < len(labels):
        msg = (
            f"--validate-last must hold out both classes, got only {found[0]!r} in the "
            f"last {len(labels_held_out)} rows of {source}. Sort them by time, or hold "
            "out more."
        )
        raise TableError(msg)


def _of_file(
    path: Path,
    table: Chunk,
    columns: Columns,
    rows: tuple[Any, Any],
    target: str,
    csv_format: CsvFormat,
) -> tuple[Any, Any]:
    """Return the rows of another table as a model of these gets them in scoring."""
    how = {"separator": csv_format.separator, "encoding": csv_format.encoding}
    X, y = rows
    check_columns(open_table(path, **how), [*X.columns, target])
    other = read_table(path, **how)
    labels = _labels(other, target, y, table.source)
    # What scoring knows of the columns it learns from the fitted steps.
    prior = baselines(**columns.by_kind)["prior only"].fit(X, y)
    expected = expected_columns(prior, schema(X))
    bad = RowScorer(prior, expected).score(other).bad
    if bad:
        more = f" ({len(bad)} such rows)" if len(bad) > 1 else ""
        msg = (
            f"{path} must hold rows that the model can score, got row {bad[0].row} "
            f"({ROW_COUNT}){more}: {bad[0].message}"
        )
        raise TableError(msg)
    return as_frame(read_rows(other, expected, Blocks()).values), labels


def _labels(other: Chunk, target: str, y: Any, source: str) -> Any:
    """Return the labels of another table, or refuse those that are not of both."""
    labels = other.labels(target)
    known, found = set(y.tolist()), set(labels.tolist())
    if known != found:
        msg = (
            f"column {target!r} of {other.source} must hold the labels of {source}, "
            f"{wording.listed(sorted(known))}, both and no other, got "
            f"{wording.listed(sorted(found))}."
        )
        raise TableError(msg)
    return np.asarray(labels).astype(y.dtype)
