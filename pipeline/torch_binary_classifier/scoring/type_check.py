"""Whether the types of a table are those of training; knows types, but no cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from torch_binary_classifier.exceptions import TableError
from torch_binary_classifier.schemas.checking import KINDS, MOMENTS
from torch_binary_classifier.schemas.taking import kind_of, what_of
from torch_binary_classifier.scoring.columns import InputColumn, InputColumns

__all__ = ["check_types"]

# How many columns a message names.
N_NAMED = 5


def check_types(
    columns: InputColumns, types: Mapping[str, Any], source: str = "the table"
) -> None:
    """Refuse a table whose columns are of other kinds than in training.

    Parameters
    ----------
    columns : InputColumns
        What a model expects.
    types : mapping of str to pyarrow.DataType or None
        The types of a table's columns; None, or no entry, where the table does not
        tell them, as in a CSV file.
    source : str, default="the table"
        What the message calls the table.

    Raises
    ------
    TableError
        If a column is of another kind. Whole numbers and others are of one kind, and
        so are dates in any unit.
    """
    wrong = []
    for column in columns.columns:
        kind = types.get(column.name)
        if kind is None or pa.types.is_null(kind):
            continue
        held, trained = _held(kind), _trained(column)
        if trained is not None and held != trained:
            wrong.append(f"{column.name!r} with {held} instead of {trained}")
    if wrong:
        rest = len(wrong) - N_NAMED
        more = f" and {rest} more" if rest > 0 else ""
        msg = (
            f"{source} must have columns of the kinds of training if types are strict, "
            f"got {', '.join(wrong[:N_NAMED])}{more}. With types='coerce' "
            "(--types coerce), cells are turned into what training had."
        )
        raise TableError(msg)


def _held(kind: Any) -> str:
    """Return what cells of a type are."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    what = kind_of(kind)
    return MOMENTS[what_of(kind)] if what == "time" else KINDS[what]


def _trained(column: InputColumn) -> str | None:
    """Return what the cells of training were, if that is known."""
    schema = column.schema
    if column.kind == "dropped":
        return None
    if schema is not None:
        return (
            KINDS[schema.kind] if schema.times is None else MOMENTS[schema.times.what]
        )
    # Dates may have been texts or not.
    return None if column.kind in ("file", "time") else KINDS[column.kind]
