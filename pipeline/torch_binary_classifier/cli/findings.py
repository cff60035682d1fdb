"""What one column of a table is good for in training; knows cells, but no options."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from torch_binary_classifier.assembly import MAX_CATEGORIES
from torch_binary_classifier.cli.numerals import (
    counts_rows,
    is_index,
    is_unresolved,
    nearly,
)
from torch_binary_classifier.exceptions import TableError
from torch_binary_classifier.scoring import Chunk
from torch_binary_classifier.tables.times import DURATION, fitting_formats

__all__ = ["Finding", "examine", "examine_codes"]

# Above it, two whole numbers may be one float.
LARGEST_CODE = 2.0**53


@dataclass(frozen=True)
class Finding:
    """What a column is taken for, and what there is to say about it.

    Attributes
    ----------
    kind : {"number", "text", "code", "time", "left out"}
        What its cells are; a code is a number that is no quantity.
    notes : tuple of str
        Sentences that name the column.
    form : str, default=""
        How texts write its times.
    """

    kind: Literal["number", "text", "code", "time", "left out"]
    notes: tuple[str, ...] = ()
    form: str = ""


def examine(table: Chunk, name: str, *, may_be_index: bool) -> Finding:
    """Return what a column is good for, judging by its cells.

    Parameters
    ----------
    table : Chunk
        The whole table.
    name : str
        The column.
    may_be_index : bool
        Whether it is left out if it only numbers the rows.

    Returns
    -------
    Finding
        Its kind, and sentences on it.

    Raises
    ------
    TableError
        If a number is infinite or beyond the range of float32.
    """
    kind, cells = _kind(table, name), table.columns[name]
    if kind == "other":
        return _left_out(name, f"its cells are of type {cells.type}")
    if kind == "empty":
        return _left_out(name, "no cell holds a value")
    if kind == "numeric":
        return _examine_numbers(table, name, may_be_index=may_be_index)
    formats = fitting_formats(cells)
    if len(formats) == 1:
        return _examine_times(cells, name, formats[0])
    return _examine_texts(cells, name, formats)


def examine_codes(table: Chunk, name: str) -> Finding:
    """Return what a column is good for that is declared to hold codes.

    Parameters
    ----------
    table : Chunk
        The whole table.
    name : str
        The column.

    Returns
    -------
    Finding
        Its kind, and sentences on it.

    Raises
    ------
    TableError
        If its cells can be no codes, being lists for example.
    """
    kind, cells = _kind(table, name), table.columns[name]
    if kind == "other":
        table.texts(name)  # Says of which type they are.
    if kind == "empty":
        return _left_out(name, "no cell holds a value")
    if len(cells.unique()) == 1:
        return _left_out(name, _sameness(cells))
    notes = tuple(_category_notes(cells, name))
    is_number = kind == "numeric"
    if is_number and np.nanmax(np.abs(table.numbers(name))) < LARGEST_CODE:
        return Finding("code", notes)
    return Finding("text", notes)


def _kind(table: Chunk, name: str) -> Literal["numeric", "text", "empty", "other"]:
    """Return what the cells of a column are; "other" if nothing can be learnt."""
    try:
        return table.kind(name)
    except TableError:
        return "other"


def _examine_numbers(table: Chunk, name: str, *, may_be_index: bool) -> Finding:
    """Return what a column of numbers is good for."""
    cells, values = table.columns[name], table.numbers(name)
    if may_be_index and is_index(values):
        reason = "it has no name and a whole number of its own in every row: an index"
        return _left_out(name, reason)
    if is_unresolved(cells, values):
        mean = np.nanmean(values.astype(np.float64))
        return _left_out(
            name,
            f"its spread is too small beside its mean, {mean:.3g}, for floats to tell "
            "its numbers apart",
            f" If they are codes: --categorical {name!r}.",
        )
    if np.nanmin(values) == np.nanmax(values):
        return _left_out(name, _sameness(cells))
    if not counts_rows(cells, values):
        return Finding("number")
    note = (
        f"column {name!r} counts the rows. If it only says where a row stands in the "
        f"file, leave it out: --drop {name!r}."
    )
    return Finding("number", (note,))


def _examine_times(cells: Any, name: str, form: str) -> Finding:
    """Return what a column of dates or durations is good for."""
    if len(cells.unique().drop_null()) == 1:
        return _left_out(name, _sameness(cells))
    if form == DURATION:
        what = "durations, which count as numbers: seconds"
    else:
        written = "" if pa.types.is_temporal(cells.type) else f" written {form}"
        what = f"dates{written}, which count as numbers: days since 1970-01-01"
    return Finding("time", (f"column {name!r} holds {what}.",), form)


def _examine_texts(cells: Any, name: str, formats: Sequence[str]) -> Finding:
    """Return what a column of texts is good for, of which all may be dates."""
    if len(cells.unique()) == 1:
        return _left_out(name, _sameness(cells))
    if formats:
        notes = [
            f"column {name!r} is taken for text, because its dates may be written "
            f"{' or '.join(formats)}. Write them year-month-day."
        ]
    else:
        texts = pc.cast(cells, pa.string())
        notes = [f"column {name!r} {words}." for words in nearly(texts)]
    return Finding("text", (*notes, *_category_notes(cells, name)))


def _left_out(name: str, reason: str, advice: str = "") -> Finding:
    """Return that a column is not learnt from, and why."""
    note = f"column {name!r} is left out, because {reason}.{advice}"
    return Finding("left out", (note,))


def _sameness(cells: Any) -> str:
    """Return what a column without any difference holds."""
    known = cells.drop_null()
    gaps = " or nothing" if len(known) < len(cells) else ""
    return f"every cell holds {known[0].as_py()!r}{gaps}"


def _category_notes(cells: Any, name: str) -> Iterator[str]:
    """Yield a note on a column with more categories than are learnt."""
    n_texts = len(cells.unique().drop_null())
    if n_texts >= MAX_CATEGORIES:
        yield (
            f"column {name!r} holds {n_texts} different texts, of which the "
            f"{MAX_CATEGORIES - 1} most frequent count. If it only identifies rows, "
            f"leave it out: --drop {name!r}."
        )
