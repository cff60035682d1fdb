"""What a file alone says of a column, for models that cannot tell; knows no models.

The word counts for the whole file, so that no cell is read otherwise for the chunk that
it happens to lie in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from torch_binary_classifier.scoring.cells import Cells
from torch_binary_classifier.tables.chunk import Chunk
from torch_binary_classifier.tables.frame import PANDAS
from torch_binary_classifier.tables.kinds import is_text
from torch_binary_classifier.tables.missing import where_missing
from torch_binary_classifier.tables.numbers import NUMBER
from torch_binary_classifier.tables.parquet_file import ParquetTable
from torch_binary_classifier.tables.table import Table

__all__ = ["FileColumn", "file_columns", "read_as_file", "whole_numbers"]

_TRUTHS = ("true", "false")
# What fits into 64 bits.
_WHOLE = r"^[+-]?[0-9]{1,18}$"


@dataclass(frozen=True)
class FileColumn:
    """What all cells of a column have in common.

    Attributes
    ----------
    kind : {"typed", "truth value", "whole", "number", "text"}
        What every cell of a CSV file can be read as; "typed" in a Parquet file.
    has_gaps : bool
        Whether a cell is missing.
    """

    kind: Literal["typed", "truth value", "whole", "number", "text"]
    has_gaps: bool


def file_columns(
    tables: Sequence[Table], names: Sequence[str]
) -> Mapping[str, FileColumn]:
    """Return what files say of some of their columns.

    Parameters
    ----------
    tables : sequence of Table
        The files, of which these columns are read from end to end; records that
        cannot be read do not count.
    names : sequence of str
        The columns.

    Returns
    -------
    mapping of str to FileColumn
        A column of CSV files holds truth values, whole numbers or numbers if all
        its cells do that are not missing, otherwise text.
    """
    if not names:
        return {}
    kinds: dict[str, set[str]] = {name: set() for name in names}
    gaps = dict.fromkeys(names, False)
    for table in tables:
        for chunk in _chunks(table, names):
            for name in names:
                kind, has_gaps = _said(chunk.columns[name], table)
                kinds[name].add(kind)
                gaps[name] |= has_gaps
    return {name: FileColumn(_common(kinds[name]), gaps[name]) for name in names}


def _chunks(table: Table, names: Sequence[str]) -> Iterator[Chunk]:
    """Yield the records of a file that can be read."""
    for part in table.parts():
        for chunk, _ in part.read(names, {}):
            yield chunk


def _said(cells: Any, table: Table) -> tuple[str, bool]:
    """Return what some cells of a file can be read as, and whether one is missing."""
    if isinstance(table, ParquetTable):
        return "typed", cells.null_count > 0
    words, n_missing = _words(cells)
    return _kind(words), n_missing > 0


def read_as_file(chunk: Chunk, name: str, column: FileColumn) -> Cells:
    """Return the cells of a column as the file says.

    Parameters
    ----------
    chunk : Chunk
        Some rows of the file.
    name : str
        The column.
    column : FileColumn
        What the whole file says of it.

    Returns
    -------
    Cells
        Text in dtype object; otherwise numbers, truth values or times. Where the
        file has gaps, whole numbers are float64 and truth values objects.
    """
    values = (
        _typed(chunk, name, column)
        if column.kind == "typed"
        else _read(chunk, name, column)
    )
    is_number = getattr(values.dtype, "kind", "O") == "f"
    n_missing = np.isnan(values).sum() if is_number else chunk.columns[name].null_count
    return Cells(values, 0, int(n_missing))


def whole_numbers(cells: Any) -> Any:
    """Return texts that are whole numbers as such.

    Parameters
    ----------
    cells : pyarrow.StringArray
        The texts.

    Returns
    -------
    pyarrow.Int64Array
        The numbers, null where one is missing.
    """
    words = pc.utf8_trim_whitespace(cells)
    words = pc.if_else(where_missing(cells), pa.scalar(None, words.type), words)
    # pyarrow takes no plus for a whole number.
    return pc.cast(pc.utf8_ltrim(words, "+"), pa.int64())


def _read(chunk: Chunk, name: str, column: FileColumn) -> np.ndarray[Any, Any]:
    """Return a column of a CSV file."""
    if column.kind == "text":
        return chunk.texts(name)
    if column.kind == "whole" and not column.has_gaps:
        return np.asarray(whole_numbers(chunk.columns[name]))
    numbers = chunk.numbers(name)
    return _truths(numbers, column) if column.kind == "truth value" else numbers


def _words(cells: Any) -> tuple[Any, int]:
    """Return the different texts that are not missing, and how many cells are."""
    kept = cells.filter(pc.invert(where_missing(cells)))
    words = pc.utf8_lower(pc.utf8_trim_whitespace(kept))
    return words.unique(), len(cells) - len(kept)


def _kind(words: Any) -> str:
    """Return what texts can all be read as, or nothing if there are none."""
    if not len(words):
        return ""
    if pc.all(pc.is_in(words, value_set=pa.array(_TRUTHS))).as_py():
        return "truth value"
    if pc.all(pc.match_substring_regex(words, _WHOLE)).as_py():
        return "whole"
    is_number = pc.all(pc.match_substring_regex(words, f"^{NUMBER}$")).as_py()
    return "number" if is_number else "text"


def _common(kinds: set[str]) -> Any:
    """Return what the chunks' kinds have in common."""
    kinds = kinds - {""}
    if len(kinds) == 1:
        return kinds.pop()
    return "number" if kinds <= {"whole", "number"} else "text"


def _typed(chunk: Chunk, name: str, column: FileColumn) -> Any:
    """Return a column of a Parquet file in its own type."""
    cells = chunk.columns[name]
    if is_text(cells.type):
        return chunk.texts(name)
    if column.has_gaps and pa.types.is_integer(cells.type):
        return pc.cast(cells, pa.float64()).to_numpy(zero_copy_only=False)
    if column.has_gaps and pa.types.is_boolean(cells.type):
        return _truths(chunk.numbers(name), column)
    if PANDAS is not None:
        return cells.to_pandas()
    return cells.to_numpy(zero_copy_only=False)


def _truths(numbers: np.ndarray[Any, Any], column: FileColumn) -> Any:
    """Return 0 and 1 as truth values, beside NaN as objects."""
    if not column.has_gaps:
        return numbers.astype(bool)
    truths = numbers.astype(object)
    is_known = ~np.isnan(numbers)
    truths[is_known] = numbers[is_known].astype(bool)
    return truths
