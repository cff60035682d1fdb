"""A table beside the schema of another; knows no files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from torch_binary_classifier.schemas.carried import schema_of
from torch_binary_classifier.schemas.description import ColumnSchema, TableSchema
from torch_binary_classifier.schemas.given import GivenColumn, GivenTable, given_table
from torch_binary_classifier.schemas.report import Finding, TableReport
from torch_binary_classifier.schemas.taking import (
    kind_of,
    n_distinct,
    plain_values,
    what_of,
)
from torch_binary_classifier.tables.numbers import to_numpy
from torch_binary_classifier.tables.times import DURATION, YEAR_FIRST, numbers
from torch_binary_classifier.wording import listed, name, shown

__all__ = ["check_table"]

# How many unseen categories a finding keeps, and how many its message shows.
N_KEPT = 10
N_SHOWN = 3
KINDS = {
    "number": "numbers",
    "text": "texts",
    "truth value": "truth values",
    "time": "times",
    "other": "lists or bytes",
}
MOMENTS = {
    "moment": "dates",
    "date": "dates",
    "duration": "durations",
    "time of day": "times of day",
}


def check_table(model: Any, table: Any) -> TableReport:
    """Return what is different in a table from the one that a model was trained on.

    Parameters
    ----------
    model : object
        A model that `load` returned and that was saved with its training table
        (``save(model, path, X=X)``), or the `TableSchema` of that.
    table : frame or array of shape (n_rows, n_columns)
        A table as `schema` takes it.

    Returns
    -------
    TableReport
        Its ``fits`` is whether nothing was found but notes, its ``findings`` and
        ``columns`` are what was found, as data, and ``str`` of it is a short text.

    Raises
    ------
    ValueError
        If the model carries no schema, or the table is none.

    See Also
    --------
    schema : Take the schema of a table.

    Notes
    -----
    Columns are found by name, or by their place if either table has no names. What
    is told: columns missing or too many; cells of another kind; categories that
    training never saw, if the schema lists all; numbers and times beyond those of
    training; missing cells in a column that had none, or nothing else; and one value
    throughout where there were more. Another type of the same kind, another order
    and names on one side only are notes.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from torch_binary_classifier import schema
    >>> trained = pa.table({"age": [31, 47], "city": ["Oslo", "Bergen"]})
    >>> report = check_table(schema(trained), pa.table({"age": [31, 99, None, 40]}))
    >>> report.fits, [(f.what, f.column, f.share) for f in report.findings]
    (False, [('range', 'age', 0.25), ('gaps', 'age', 0.25), ('missing', 'city', None)])
    >>> print(report)
    age: 25.0% are outside 31 to 47, the range of training; here 31 to 99
    age: 25.0% are missing, in training none was
    city: the column is missing
    """
    expected = schema_of(model)
    given = given_table(table)
    by_place = not (expected.is_named and given.is_named)
    if by_place and len(given.names) != len(expected.columns):
        n_columns, n_expected = len(given.names), len(expected.columns)
        msg = f"the table must have {n_expected} columns, got {n_columns}"
        return TableReport((Finding("shape", None, msg),))
    names = expected.names if by_place else given.names
    found = [*_of_table(expected, given)]
    for column in expected.columns:
        if column.name in names:
            taken = given.column(names.index(column.name))
            found += _of_column(column, taken, expected.container == given.container)
        else:
            msg = f"{name(column.name)}: the column is missing"
            found.append(Finding("missing", column.name, msg))
    for label in names:
        if label not in expected.names:
            msg = f"{name(label)}: training had no such column"
            found.append(Finding("extra", label, msg))
    return TableReport(tuple(found))


def _of_table(expected: TableSchema, given: GivenTable) -> Iterator[Finding]:
    """Yield what concerns all columns."""
    if expected.is_named != given.is_named:
        which = "training" if given.is_named else "this table"
        msg = f"the columns of {which} have no names, so their order counts"
        yield Finding("names", None, msg)
    elif expected.is_named:
        common = set(expected.names) & set(given.names)
        orders = [
            [label for label in names if label in common]
            for names in (expected.names, given.names)
        ]
        if orders[0] != orders[1]:
            msg = f"the columns have another order, in training {listed(orders[0])}"
            yield Finding("order", None, msg)


def _of_column(
    expected: ColumnSchema, column: GivenColumn, is_same_package: bool
) -> Iterator[Finding]:
    """Yield what is different in one column."""
    label = name(expected.name)
    present = column.cells.drop_null()
    found, trained = _held(present), _held_in_training(expected)
    if len(present) and found != trained:
        msg = f"{label}: holds {found}, in training {trained}"
        yield Finding("kind", expected.name, msg, values=(found, trained))
    elif len(present):
        if is_same_package and column.dtype != expected.dtype:
            msg = f"{label}: is of type {column.dtype}, in training {expected.dtype}"
            values = (column.dtype, expected.dtype)
            yield Finding("dtype", expected.name, msg, values=values)
        yield from _unseen(expected, present, len(column.cells))
        yield from _beyond(expected, present, len(column.cells))
        yield from _constant(expected, present)
    yield from _gaps(expected, column.cells)


def _held(cells: Any) -> str:
    """Return what cells are, as a message says it."""
    kind = kind_of(cells.type)
    return MOMENTS[what_of(cells.type)] if kind == "time" else KINDS[kind]


def _held_in_training(expected: ColumnSchema) -> str:
    """Return what the cells of training were, as a message says it."""
    return (
        KINDS[expected.kind] if expected.times is None else MOMENTS[expected.times.what]
    )


def _unseen(expected: ColumnSchema, present: Any, n_rows: int) -> Iterator[Finding]:
    """Yield the categories that training never saw."""
    known = expected.known
    if known is None:
        return
    counted = present.value_counts()
    values = plain_values(counted.field("values"))
    counts = counted.field("counts").to_numpy()
    new = [i for i, value in enumerate(values) if value not in known]
    if not new:
        return
    new.sort(key=lambda i: -counts[i])
    names = [values[i] for i in new]
    share = float(counts[new].sum()) / n_rows
    msg = (
        f"{name(expected.name)}: {share:.1%} were never seen in training: "
        f"{listed(names, N_SHOWN)}"
    )
    yield Finding("unseen", expected.name, msg, share, tuple(names[:N_KEPT]))


def _beyond(expected: ColumnSchema, present: Any, n_rows: int) -> Iterator[Finding]:
    """Yield the numbers or times beyond those of training."""
    trained: tuple[Any, Any]
    if expected.numbers is not None:
        values = to_numpy(present)
        low, high = expected.numbers.quantiles[0], expected.numbers.quantiles[-1]
        trained, here = (low, high), (values.min().item(), values.max().item())
    elif expected.times is not None and expected.times.earliest is not None:
        trained = (expected.times.earliest, expected.times.latest)
        form = DURATION if expected.times.is_duration else YEAR_FIRST
        values = numbers(present, form)
        low, high = numbers(pa.array(trained), form)
        ends = present.take(pa.array([values.argmin(), values.argmax()]))
        here = tuple(plain_values(ends))
    else:
        return
    share = float(np.count_nonzero((values < low) | (values > high))) / n_rows
    if share:
        msg = (
            f"{name(expected.name)}: {share:.1%} are outside {_span(trained)}, the "
            f"range of training; here {_span(here)}"
        )
        yield Finding("range", expected.name, msg, share, here)


def _span(ends: tuple[Any, ...]) -> str:
    """Return the first and the last as a phrase."""
    return " to ".join(f"{x:.6g}" if isinstance(x, float) else str(x) for x in ends)


def _constant(expected: ColumnSchema, present: Any) -> Iterator[Finding]:
    """Yield that there is one value where training had more."""
    n_trained = expected.n_distinct or 0
    if n_trained > 1 and len(present) > 1 and n_distinct(present) == 1:
        value = plain_values(present[:1])[0]
        msg = (
            f"{name(expected.name)}: is {shown(value)} in every row, in training there "
            f"were {n_trained} values"
        )
        yield Finding("constant", expected.name, msg, values=(value,))


def _gaps(expected: ColumnSchema, cells: Any) -> Iterator[Finding]:
    """Yield missing cells where training had none, and that all are missing."""
    n_missing = cells.null_count
    label = name(expected.name)
    if n_missing and n_missing == len(cells) and expected.missing_share < 1:
        trained = (
            f"{expected.missing_share:.1%} were" if expected.has_gaps else "none was"
        )
        msg = f"{label}: all cells are missing, in training {trained}"
        yield Finding("empty", expected.name, msg, 1.0)
    elif n_missing and not expected.has_gaps:
        share = n_missing / len(cells)
        msg = f"{label}: {share:.1%} are missing, in training none was"
        yield Finding("gaps", expected.name, msg, share)
