"""The schema of a table; knows no models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from torch_binary_classifier.schemas.description import (
    QUANTILES,
    Categories,
    ColumnSchema,
    Kind,
    Levels,
    Moment,
    Numbers,
    TableSchema,
    Times,
)
from torch_binary_classifier.schemas.given import GivenColumn, given_table
from torch_binary_classifier.tables.kinds import is_numeric, is_text
from torch_binary_classifier.tables.numbers import to_numpy
from torch_binary_classifier.tables.times import written

__all__ = [
    "kind_of",
    "n_distinct",
    "plain_values",
    "schema",
    "what_of",
]

MOST_CATEGORIES = 100
# A type's own categories are kept beyond that, as their order is the model's code.
MOST_LEVELS = 1000


def schema(table: Any) -> TableSchema:
    """Return what a table holds: the kind, type and values of each column.

    Parameters
    ----------
    table : frame or array of shape (n_rows, n_columns)
        A frame of pandas or polars, a Table or RecordBatch of pyarrow or any other
        with ``__arrow_c_stream__``, an array of NumPy, or a sparse matrix.

    Returns
    -------
    TableSchema
        Plain values only; nothing of the table is held.

    Raises
    ------
    ValueError
        If it is no table, has no column, two of one name, or names of which some
        are no texts.

    See Also
    --------
    check_table : Hold another table against a schema.

    Notes
    -----
    All figures are exact, of all rows; each column is sorted or counted once, which
    takes some 0.1 seconds per million cells. Texts of categories are kept as they
    are: a schema holds up to 100 different values of each such column.

    Examples
    --------
    >>> import pyarrow as pa
    >>> taken = schema(pa.table({"age": [31, 47, None], "city": ["Oslo", "", "Oslo"]}))
    >>> taken.n_rows, taken.names
    (3, ('age', 'city'))
    >>> age, city = taken.columns
    >>> age.kind, age.dtype, round(age.missing_share, 2), age.numbers.mean
    ('number', 'int64', 0.33, 39.0)
    >>> city.categories.values, city.categories.is_whole
    (('Oslo', ''), True)
    """
    given = given_table(table)
    columns = zip(given.names, given.columns(), strict=True)
    return TableSchema(
        given.container,
        given.is_named,
        given.n_rows,
        tuple(_column(name, column) for name, column in columns),
    )


def _column(name: str, column: GivenColumn) -> ColumnSchema:
    """Return what one column holds."""
    cells = column.cells
    kind = kind_of(cells.type)
    present = cells.drop_null()
    in_order = np.sort(to_numpy(present)) if kind == "number" else None
    categories, n_distinct = _distinct(kind, column, present, in_order)
    return ColumnSchema(
        name,
        kind,
        column.dtype,
        missing_share=cells.null_count / max(1, len(cells)),
        n_distinct=n_distinct,
        categories=categories,
        levels=_levels(column),
        numbers=None if in_order is None else _numbers(in_order),
        times=_times(present) if kind == "time" else None,
    )


def kind_of(kind: Any) -> Kind:
    """Return what cells of a type of Arrow are."""
    if pa.types.is_boolean(kind):
        return "truth value"
    if is_text(kind) or pa.types.is_null(kind):
        return "text"
    if pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        return "time"
    return "number" if is_numeric(kind) else "other"


def what_of(kind: Any) -> Moment:
    """Return what times of a type of Arrow are."""
    if pa.types.is_timestamp(kind):
        return "moment"
    if pa.types.is_date(kind):
        return "date"
    return "duration" if pa.types.is_duration(kind) else "time of day"


def n_distinct(present: Any) -> int:
    """Return how many different cells there are, none of them missing."""
    if pa.types.is_temporal(present.type):
        present = _as_counts(present)
    return int(pc.count_distinct(present).as_py())


def plain_values(cells: Any) -> list[Any]:
    """Return cells that are not missing as texts, truth values and numbers."""
    if pa.types.is_decimal(cells.type):
        cells = pc.cast(cells, pa.float64())
    if pa.types.is_duration(cells.type):
        cells = written(cells)
    elif pa.types.is_temporal(cells.type):
        cells = pc.cast(cells, pa.string())
    return list(cells.to_pylist())


def _numbers(in_order: NDArray[Any]) -> Numbers | None:
    """Return how sorted numbers are spread."""
    if not in_order.size:
        return None
    places = np.rint(np.array(QUANTILES) * (in_order.size - 1)).astype(int)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = in_order.mean(dtype=np.float64)
        deviation = in_order.std(dtype=np.float64)
    return Numbers(tuple(in_order[places].tolist()), float(mean), float(deviation))


def _distinct(
    kind: Kind, column: GivenColumn, present: Any, in_order: NDArray[Any] | None
) -> tuple[Categories | None, int | None]:
    """Return the values of a column where they may be names, and how many they are."""
    if kind in ("text", "truth value") or column.levels is not None:
        return _counted(present)
    if in_order is None:
        return None, None if kind == "other" else n_distinct(present)
    n_steps = np.count_nonzero(in_order[1:] != in_order[:-1])
    n_values = int(n_steps) + bool(in_order.size)
    is_code = pa.types.is_integer(present.type) and n_values <= MOST_CATEGORIES
    return _counted(present)[0] if is_code else None, n_values


def _counted(present: Any) -> tuple[Categories, int]:
    """Return the most frequent values of a column, and how many there are."""
    counted = present.value_counts()
    values, counts = counted.field("values"), counted.field("counts").to_numpy()
    first = np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]
    shares = counts[first] / max(1, len(present))
    kept = plain_values(values.take(pa.array(first)))
    is_whole = len(values) <= MOST_CATEGORIES
    return Categories(tuple(kept), tuple(shares.tolist()), is_whole), len(values)


def _levels(column: GivenColumn) -> Levels | None:
    """Return the categories of a column's own type."""
    if column.levels is None or len(column.levels) > MOST_LEVELS:
        return None
    return Levels(tuple(plain_values(column.levels)), column.is_ordered)


def _times(present: Any) -> Times:
    """Return what times are, and the first and the last."""
    kind = present.type
    ends: list[str | None] = [None, None]
    if len(present):
        counts = _as_counts(present)
        places = pc.min_max(counts)
        both = pa.array([places["min"], places["max"]], counts.type).view(kind)
        ends = [*plain_values(both)]
    unit: Any = "day" if pa.types.is_date(kind) else kind.unit
    return Times(what_of(kind), unit, getattr(kind, "tz", None), *ends)


def _as_counts(times: Any) -> Any:
    """Return times as whole numbers of their unit, which all kernels know."""
    return times.view(pa.int32() if times.type.bit_width == 32 else pa.int64())
