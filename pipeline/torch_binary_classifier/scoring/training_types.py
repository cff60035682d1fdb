"""Columns in the types that the model was trained on; knows no files and no steps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from torch_binary_classifier.schemas import ColumnSchema, TableSchema
from torch_binary_classifier.schemas.description import QUANTILES
from torch_binary_classifier.scoring.columns import InputColumn, InputColumns, Scale
from torch_binary_classifier.scoring.large_numbers import are_whole
from torch_binary_classifier.scoring.vocabulary import Kind
from torch_binary_classifier.tables.frame import PANDAS
from torch_binary_classifier.tables.missing import is_gap

__all__ = ["in_training_types", "is_whole", "with_schema"]

# Types of NumPy that cells can be handed in; half precision overflows early.
PLAIN = re.compile(r"u?int(8|16|32|64)|float(32|64)|bool")
WHOLE = re.compile(r"u?int(8|16|32|64)")
# What NumPy calls the types of Arrow and polars, in lower case.
NAMES_OF_ARROW = {"float": "float32", "double": "float64", "boolean": "bool"}


def with_schema(columns: InputColumns, schema: TableSchema) -> InputColumns:
    """Return what a model expects, with what its training table held.

    Parameters
    ----------
    columns : InputColumns
        What the fitted steps know.
    schema : TableSchema
        What the training table held.

    Returns
    -------
    InputColumns
        Kinds, types and whether there were gaps by the schema, all else as before.
    """
    trained = {column.name: column for column in schema.columns}
    is_typed = schema.container in ("pandas", "array")
    found = []
    for column in columns.columns:
        held = trained.get(column.name)
        if held is None or column.kind == "dropped":
            found.append(column)
            continue
        dtype = held.dtype if is_typed else _name_of_arrow(held)
        # Texts that a step reads as times are shown as such.
        kind: Kind | Literal["file"] = "file" if held.kind == "other" else held.kind
        kind = "time" if column.kind == "time" and kind == "text" else kind
        found.append(
            replace(
                column,
                kind=kind,
                had_gaps=held.has_gaps,
                schema=held,
                dtype=dtype,
                scale=_scale(held),
            )
        )
    return InputColumns(tuple(found))


def is_whole(schema: ColumnSchema) -> bool:
    """Return whether a column of numbers was one of whole numbers by its type."""
    return schema.numbers is not None and isinstance(schema.numbers.quantiles[0], int)


def _scale(schema: ColumnSchema) -> Scale | None:
    """Return how the numbers of a column were spread."""
    numbers = schema.numbers
    if numbers is None or not np.isfinite([numbers.mean, numbers.deviation]).all():
        return None
    low, high = (numbers.quantiles[QUANTILES.index(share)] for share in (0.05, 0.95))
    return Scale(numbers.mean, numbers.deviation, is_narrow=low == high)


def in_training_types(
    values: Mapping[str, Any], columns: InputColumns
) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield rows and their columns in the types of training.

    Parameters
    ----------
    values : mapping of str to ndarray of shape (n_rows,)
        Columns as `read_as_trained` and its like return them.
    columns : InputColumns
        What the model expects.

    Yields
    ------
    rows : slice or ndarray of shape (n_chosen,)
        Which rows.
    typed : dict of str to array
        All columns of those.

    Notes
    -----
    All rows come at once, unless some have a gap or a fraction in a column that a step
    of which nothing is known has met in a type without gaps or fractions. These come
    apart, so that how a step writes the others does not depend on them.
    """
    exact = [column for column in columns.columns if _is_exact(column)]
    fit = np.ones(len(next(iter(values.values()))), dtype=bool)
    for column in exact:
        fit &= _fits(values[column.name], column)
    if fit.all():
        yield slice(None), _typed(values, columns, slice(None))
        return
    if fit.any():
        yield np.flatnonzero(fit), _typed(values, columns, fit)
    loose = {column.name for column in exact}
    rest = tuple(
        replace(c, dtype="float64" if c.kind == "number" else "object")
        if c.name in loose
        else c
        for c in columns.columns
    )
    yield np.flatnonzero(~fit), _typed(values, InputColumns(rest), ~fit)


def _name_of_arrow(column: ColumnSchema) -> str:
    """Return the type of NumPy for one of Arrow or polars; texts are objects."""
    if column.times is not None:
        return "time"
    dtype = column.dtype.lower()
    name = NAMES_OF_ARROW.get(dtype, dtype)
    return name if PLAIN.fullmatch(name) else "object"


def _is_exact(column: InputColumn) -> bool:
    """Return whether a step may see if a column has gaps or fractions by its type."""
    schema = column.schema
    if schema is None or not column.is_opaque:
        return False
    return column.kind == "truth value" or (
        column.kind == "number" and is_whole(schema)
    )


def _fits(values: Any, column: InputColumn) -> NDArray[np.bool_]:
    """Return which cells fit the type of training."""
    is_plain = PLAIN.fullmatch(column.dtype) is not None
    if column.kind == "truth value":
        if values.dtype != object or not is_plain:
            return np.ones(len(values), dtype=bool)
        return np.array([not is_gap(value) for value in values], dtype=bool)
    name = column.dtype.lower().partition("[")[0]  # Int64, int64[pyarrow]
    limits = np.iinfo(name) if WHOLE.fullmatch(name) else None
    if values.dtype == object:
        return are_whole(values, limits, takes_gaps=not is_plain)
    is_gone = np.isnan(values)
    fits = values == np.trunc(values)
    if limits is not None:
        # The largest whole numbers of 64 bits are no floats; the next one is.
        is_float = values.dtype.kind == "f"
        is_within = values < limits.max + 1.0 if is_float else values <= limits.max
        fits &= (values >= limits.min) & is_within
    return np.asarray(fits | (is_gone & (not is_plain)), dtype=bool)


def _typed(
    values: Mapping[str, Any], columns: InputColumns, rows: Any
) -> dict[str, Any]:
    """Return some rows of all columns in the types of training, where they can be."""
    typed = {}
    for column in columns.columns:
        cells = values[column.name][rows]
        known = column.schema is not None and column.kind not in ("dropped", "file")
        typed[column.name] = _in_type(cells, column) if known else cells
    return typed


def _in_type(values: Any, column: InputColumn) -> Any:
    """Return cells in the type of training, or as they are if it cannot hold them."""
    dtype = column.dtype
    if PLAIN.fullmatch(dtype):
        return _in_plain_type(values, np.dtype(dtype))
    if dtype == "object":
        return _objects(values, column)
    # Steps that are known take these in any type, and the others cost time.
    if PANDAS is None or not column.is_opaque:
        return values
    if dtype == "category":
        return _categories(values, column, PANDAS)
    try:
        kind = PANDAS.api.types.pandas_dtype(dtype)
        # Where pandas has no type of its own for texts, "str" is Python's.
        if isinstance(kind, np.dtype) and kind.kind not in "mM":
            return values
        return PANDAS.Series(values, dtype=values.dtype).astype(kind).array
    except (TypeError, ValueError, ImportError):
        return values


def _in_plain_type(values: Any, dtype: np.dtype[Any]) -> Any:
    """Return numbers or truth values in a type of NumPy, if no cell is changed."""
    if values.dtype.kind not in "iufbO":
        return values
    if dtype.kind == "f":
        return values.astype(dtype, copy=False)
    if values.dtype == object and any(map(is_gap, values)):
        return values
    with np.errstate(invalid="ignore"):
        cast = values.astype(dtype)
    return cast if np.array_equal(cast, values) else values


def _objects(values: Any, column: InputColumn) -> Any:
    """Return cells as objects of Python, whole numbers as such beside gaps."""
    objects = values.astype(object)
    if (
        values.dtype.kind == "f"
        and column.schema is not None
        and is_whole(column.schema)
    ):
        whole = values == np.trunc(values)
        objects[whole] = values[whole].astype(np.int64).astype(object)
    return objects


def _categories(values: Any, column: InputColumn, pandas: Any) -> Any:
    """Return cells as pandas' categories, those of training first and in order."""
    schema = column.schema
    if schema is None or schema.levels is None or schema.kind == "time":
        return values
    levels = dict.fromkeys(schema.levels.values)
    cells = dict.fromkeys(values.tolist())
    unseen = [cell for cell in cells if not is_gap(cell) and cell not in levels]
    return pandas.Categorical(
        values, categories=[*levels, *unseen], ordered=schema.levels.is_ordered
    )
