"""The cells of a file as the training table had them; knows the schema, no steps."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from torch_binary_classifier.exceptions import TableError
from torch_binary_classifier.schemas import ColumnSchema, Times
from torch_binary_classifier.scoring.cells import Cells, chosen, distinct_cells
from torch_binary_classifier.scoring.columns import InputColumn
from torch_binary_classifier.scoring.large_numbers import with_all_digits
from torch_binary_classifier.scoring.moments import parsed_moments, without_gaps
from torch_binary_classifier.scoring.training_types import is_whole
from torch_binary_classifier.scoring.vocabulary import Vocabulary
from torch_binary_classifier.tables.chunk import ROW_COUNT, Chunk
from torch_binary_classifier.tables.frame import PANDAS
from torch_binary_classifier.tables.kinds import is_text
from torch_binary_classifier.tables.missing import (
    is_gap,
    is_missing_word,
    where_missing,
)
from torch_binary_classifier.tables.times import (
    DURATION,
    YEAR_FIRST,
    numbers,
    unread,
)

__all__ = ["read_as_trained"]

# Above it, floats skip whole numbers.
LARGEST_WHOLE = 2.0**53
MICROSECONDS = 1e6


def read_as_trained(chunk: Chunk, column: InputColumn) -> Cells:
    """Return the cells of a column in the kind of the training table.

    Parameters
    ----------
    chunk : Chunk
        Some rows of a table.
    column : InputColumn
        A column with a schema, of any kind but "file" and "dropped".

    Returns
    -------
    Cells
        Numbers, whole ones as such if all are and training had them; texts in dtype
        object; truth values, as objects beside gaps; or times.

    Raises
    ------
    TableError
        If a cell is not of that kind.
    """
    schema = column.schema
    assert schema is not None, "of columns with a schema only"
    values = _READERS[schema.kind](chunk, column, schema)
    # Whole numbers that no float can hold are looked up without their last digits.
    is_large = schema.kind == "number" and values.dtype == object
    rounded = values.astype(np.float64) if is_large else values
    if rounded.dtype.kind in "iufb" and schema.known is None and not column.vocabulary:
        is_float = rounded.dtype.kind == "f"
        return Cells(values, 0, int(np.isnan(rounded).sum()) if is_float else 0)
    typed = pa.array(rounded, from_pandas=True)
    is_unseen = _unseen(typed, column, schema)
    n_unseen = 0 if is_unseen is None else int(is_unseen.sum())
    return Cells(values, n_unseen, typed.null_count, is_unseen)


def _numbers(chunk: Chunk, column: InputColumn, schema: ColumnSchema) -> Any:
    """Return numbers, NaN where one is missing."""
    if not is_whole(schema):
        return chunk.numbers(column.name)
    cells = chunk.columns[column.name]
    if is_text(cells.type):
        trimmed = pc.utf8_trim_whitespace(cells)
        nothing = pa.scalar(None, trimmed.type)
        words = pc.if_else(where_missing(cells), nothing, trimmed)
        with contextlib.suppress(pa.ArrowInvalid):  # Not all in plain digits.
            kind = pa.uint64() if column.dtype == "uint64" else pa.int64()
            return pc.cast(words, kind).to_numpy(zero_copy_only=False)
    values = chunk.numbers(column.name)
    if values.dtype.kind == "f" and np.all(
        (values == np.trunc(values)) & (np.abs(values) <= LARGEST_WHOLE)
    ):
        return values.astype(np.int64)
    is_large = column.is_opaque and (np.abs(values) > LARGEST_WHOLE).any()
    return with_all_digits(cells, values) if is_large else values


def _truths(chunk: Chunk, column: InputColumn, _: ColumnSchema) -> Any:
    """Return truth values, as objects if one is missing."""
    cells = chunk.columns[column.name]
    if is_text(cells.type) and not cells.null_count:
        with contextlib.suppress(pa.ArrowInvalid):  # Not all are true, false, 1 or 0.
            return pc.cast(cells, pa.bool_()).to_numpy(zero_copy_only=False)
    values = chunk.numbers(column.name)
    is_missing = np.isnan(values)
    wrong = np.flatnonzero(~is_missing & (values != 0) & (values != 1))
    if wrong.size:
        raise TableError(_message(chunk, column.name, "truth values", int(wrong[0])))
    truths = values == 1
    if not is_missing.any():
        return truths
    objects = truths.astype(object)
    objects[is_missing] = column.gap
    return objects


def _texts(chunk: Chunk, column: InputColumn, schema: ColumnSchema) -> Any:
    """Return texts as they are written, gaps where training had such."""
    cells = chunk.columns[column.name]
    values = chunk.texts(column.name, missing=column.gap).copy()
    known = () if schema.categories is None else schema.categories.values
    if not is_text(cells.type):
        return _resolved(chunk.scalars(column.name), values, column, known)
    if schema.has_gaps or column.is_imputed:
        words = pa.array([c for c in known if is_missing_word(c)], cells.type)
        is_missing = pc.and_(
            where_missing(cells), pc.invert(pc.is_in(cells, value_set=words))
        )
        values[is_missing.to_numpy(zero_copy_only=False)] = column.gap
    elif "" in known:  # CSV cannot tell an empty text from none.
        values[cells.is_null().to_numpy(zero_copy_only=False)] = ""
    return values


def _resolved(
    cells: Any, values: NDArray[Any], column: InputColumn, known: tuple[str, ...]
) -> Any:
    """Return cells of other types as the texts that training had for them."""
    vocabulary = column.vocabulary
    if vocabulary is None and known:
        vocabulary = Vocabulary([np.array(known, dtype=object)])
    if vocabulary is None:
        return values
    distinct, positions = distinct_cells(cells)
    for position, cell in enumerate(distinct):
        category = None if is_gap(cell) else vocabulary.find(cell)
        if category is not None:
            values[positions == position] = str(category)
    return values


def _times(chunk: Chunk, column: InputColumn, schema: ColumnSchema) -> Any:
    """Return times in the unit and zone of training."""
    times = schema.times
    assert times is not None, "a schema of times has them"
    cells = chunk.scalars(column.name)
    form = DURATION if times.is_duration else YEAR_FIRST
    try:
        typed = _TIME_READERS[times.what](cells, times)
    except (pa.ArrowException, ValueError) as error:
        position = int(unread(cells, form).argmax()) if is_text(cells.type) else 0
        kind = "durations" if times.is_duration else "dates written year-month-day"
        raise TableError(_message(chunk, column.name, kind, position)) from error
    return _as_array(typed, column)


def _moments(cells: Any, times: Times) -> Any:
    """Return dates, or moments in the unit and zone of training."""
    target = pa.timestamp("s" if times.unit == "day" else times.unit, times.zone)
    if is_text(cells.type):
        cells = parsed_moments(without_gaps(cells), target)
    if not (pa.types.is_timestamp(cells.type) or pa.types.is_date(cells.type)):
        msg = f"{cells.type} is no type of dates"
        raise ValueError(msg)
    if times.what == "date":
        target = pa.date32()
    # Digits finer than the unit of training are cut off.
    return pc.cast(cells, target, safe=False)


def _durations(cells: Any, times: Times) -> Any:
    """Return durations in the unit of training."""
    target = pa.duration(times.unit)
    if pa.types.is_duration(cells.type):
        return pc.cast(cells, target, safe=False)
    return pc.cast(_microseconds(cells).view(pa.duration("us")), target, safe=False)


def _times_of_day(cells: Any, _: Times) -> Any:
    """Return times of day in microseconds."""
    return _microseconds(cells).view(pa.time64("us"))


def _microseconds(cells: Any) -> Any:
    """Return durations or times of day as whole numbers of microseconds."""
    seconds = numbers(cells, DURATION)
    is_missing = np.isnan(seconds)
    counts = np.rint(np.where(is_missing, 0, seconds) * MICROSECONDS)
    return pa.array(counts.astype(np.int64), mask=is_missing)


def _as_array(typed: Any, column: InputColumn) -> Any:
    """Return times as an array; of pandas if they have a zone, as NumPy's have none."""
    if column.dtype == "object":
        objects = np.empty(len(typed), dtype=object)
        objects[:] = typed.to_pylist()
        objects[typed.is_null().to_numpy(zero_copy_only=False)] = column.gap
        return objects
    if getattr(typed.type, "tz", None) is not None and PANDAS is not None:
        return typed.to_pandas().array
    values = typed.to_numpy(zero_copy_only=False)
    # pandas counts no times in days.
    is_date = values.dtype == np.dtype("datetime64[D]")
    return values.astype("datetime64[s]") if is_date else values


def _unseen(
    cells: Any, column: InputColumn, schema: ColumnSchema
) -> NDArray[np.bool_] | None:
    """Return which cells hold a category that training never saw, if any does."""
    known, vocabulary = schema.known, column.vocabulary
    if known is None and vocabulary is None:
        return None
    distinct, positions = distinct_cells(cells)
    is_unseen = [
        not (is_gap(cell) or _is_known(cell, schema.kind, known, vocabulary))
        for cell in distinct
    ]
    return chosen(np.array(is_unseen), positions)


def _is_known(
    cell: object,
    kind: str,
    known: Collection[object] | None,
    vocabulary: Vocabulary | None,
) -> bool:
    """Return whether training had a category; a text counts as it is written."""
    if known is not None and kind != "time":
        return cell in known
    if vocabulary is None:
        return True
    return cell in vocabulary if kind == "text" else vocabulary.find(cell) is not None


def _message(chunk: Chunk, name: str, kind: str, position: int) -> str:
    """Return why a cell is refused."""
    cell = chunk.columns[name][position].as_py()
    return (
        f"column {name!r} of {chunk.source} must hold {kind}, as in training, got "
        f"{cell!r} in row {chunk.first_row + position} ({ROW_COUNT})."
    )


_TIME_READERS: Mapping[str, Callable[[Any, Times], Any]] = {
    "moment": _moments,
    "date": _moments,
    "duration": _durations,
    "time of day": _times_of_day,
}
_READERS: Mapping[str, Callable[[Chunk, InputColumn, ColumnSchema], Any]] = {
    "number": _numbers,
    "text": _texts,
    "truth value": _truths,
    "time": _times,
}
