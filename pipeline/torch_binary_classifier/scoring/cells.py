"""The cells of a file as a fitted model knows them; scores nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from torch_binary_classifier.scoring.columns import InputColumn
from torch_binary_classifier.scoring.vocabulary import Vocabulary
from torch_binary_classifier.tables.chunk import Chunk
from torch_binary_classifier.tables.missing import is_gap, is_missing_word

__all__ = ["Cells", "chosen", "distinct_cells", "read_cells"]


@dataclass(frozen=True)
class Cells:
    """Some cells of one column, ready for the model.

    Attributes
    ----------
    values : ndarray of shape (n_rows,)
        The cells, known categories as the model writes them.
    n_unseen : int
        How many hold a category that the model does not know.
    n_missing : int
        How many are missing.
    is_unseen : ndarray of shape (n_rows,) or None, default=None
        Which hold an unknown category, if some do.
    """

    values: np.ndarray[Any, Any]
    n_unseen: int
    n_missing: int
    is_unseen: NDArray[np.bool_] | None = None


def read_cells(chunk: Chunk, column: InputColumn) -> Cells:
    """Return the cells of a column in the kind that the model was trained on.

    Parameters
    ----------
    chunk : Chunk
        Some rows of a table.
    column : InputColumn
        What the model knows of the column, any kind but "file" and "dropped".

    Returns
    -------
    Cells
        The values, and how many of them are unseen or missing.

    Raises
    ------
    TableError
        If a cell cannot be what the model needs, a number for example.
    """
    if column.vocabulary is not None:
        return _categories(chunk, column, column.vocabulary)
    if column.kind == "number":
        values = chunk.numbers(column.name)
        is_missing = np.isnan(values)
    else:
        values = chunk.texts(column.name).copy()
        is_missing = _missing_texts(values, column)
        values[is_missing] = column.gap
    return Cells(values, 0, int(is_missing.sum()))


def _missing_texts(
    values: np.ndarray[Any, Any], column: InputColumn
) -> np.ndarray[Any, Any]:
    """Return which texts are missing; words for it count where gaps are known."""
    is_missing = [
        is_gap(value) or (column.is_imputed and is_missing_word(value))
        for value in values.tolist()
    ]
    return np.array(is_missing, dtype=bool)


def _categories(chunk: Chunk, column: InputColumn, vocabulary: Vocabulary) -> Cells:
    """Return the cells of a column that the model encodes."""
    if column.needs_numbers:
        chunk.numbers(column.name)  # Refuses what is none.
    distinct, positions = distinct_cells(chunk.scalars(column.name))
    found = [_resolved(cell, column, vocabulary) for cell in distinct]
    values = _array([value for value, _ in found], vocabulary)[positions]
    states = np.array([state for _, state in found])
    is_missing = (states == "missing")[positions]
    is_unseen = chosen(states == "unseen", positions)
    n_unseen = 0 if is_unseen is None else int(is_unseen.sum())
    return Cells(values, n_unseen, int(is_missing.sum()), is_unseen)


def chosen(
    is_chosen: NDArray[np.bool_], positions: NDArray[np.intp]
) -> NDArray[np.bool_] | None:
    """Return which rows hold one of the chosen cells, or None if no row does."""
    found = is_chosen[positions] if is_chosen.any() else np.zeros(0, dtype=bool)
    return found if found.any() else None


def distinct_cells(cells: Any) -> tuple[list[object], np.ndarray[Any, Any]]:
    """Return the different cells, None last, and which of them stands in each row."""
    encoded = cells.dictionary_encode()
    distinct = [*encoded.dictionary.to_numpy(zero_copy_only=False), None]
    positions = pc.fill_null(encoded.indices, len(distinct) - 1).to_numpy()
    if pa.types.is_timestamp(cells.type) and cells.type.tz is not None:
        distinct = [None if is_gap(cell) else _aware(cell) for cell in distinct]
    return distinct, positions


def _aware(moment: np.datetime64) -> datetime:
    """Return a moment that is known to be in UTC."""
    naive: datetime = moment.astype("datetime64[us]").item()
    return naive.replace(tzinfo=UTC)


def _resolved(
    cell: object, column: InputColumn, vocabulary: Vocabulary
) -> tuple[object, Literal["known", "unseen", "missing"]]:
    """Return a cell as the model knows it, and whether it does."""
    if is_gap(cell):
        # CSV cannot tell an empty text from none.
        is_text = not column.had_gaps and vocabulary.find("") is not None
        return ("", "known") if is_text else (column.gap, "missing")
    category = vocabulary.find(cell)
    if category is not None:
        return category, "known"
    takes_words = column.kind != "text" or column.is_imputed or column.had_gaps
    if takes_words and isinstance(cell, str) and is_missing_word(cell):
        return column.gap, "missing"
    return vocabulary.native(cell), "unseen"


def _array(values: list[object], vocabulary: Vocabulary) -> np.ndarray[Any, Any]:
    """Return cells in one of NumPy's own types if the categories are in one."""
    objects = np.empty(len(values), dtype=object)
    objects[:] = values
    if not vocabulary.is_typed or any(isinstance(value, str) for value in values):
        return objects
    array = np.array(values)
    # Of gaps alone, no unit follows.
    return array.astype(vocabulary.dtype) if array.dtype == "M8" else array
