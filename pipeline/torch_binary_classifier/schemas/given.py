"""Tables of any package as columns of Arrow; knows no schema."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from torch_binary_classifier.tables.missing import is_gap
from torch_binary_classifier.wording import shown

__all__ = ["GivenColumn", "GivenTable", "given_table"]


@dataclass(frozen=True)
class GivenColumn:
    """One column of a table.

    Attributes
    ----------
    dtype : str
        Its type as the table's package calls it.
    cells : pyarrow.Array
        The cells, without a dictionary; NaN is null.
    levels : pyarrow.Array or None
        The categories of the type, in its order.
    is_ordered : bool
        Whether that order counts.
    """

    dtype: str
    cells: Any
    levels: Any = None
    is_ordered: bool = False


@dataclass(frozen=True)
class GivenTable:
    """A table of some package.

    Attributes
    ----------
    container : {"pandas", "polars", "pyarrow", "array"}
        Which package.
    names : tuple of str
        The columns; x0, x1 and so on if they have no names.
    is_named : bool
        Whether they have.
    n_rows : int
        How many rows there are.
    table : object
        The table itself.
    """

    container: Literal["pandas", "polars", "pyarrow", "array"]
    names: tuple[str, ...]
    is_named: bool
    n_rows: int
    table: Any

    def columns(self) -> Iterator[GivenColumn]:
        """Yield the columns in order, one at a time."""
        for position in range(len(self.names)):
            yield self.column(position)

    def column(self, position: int) -> GivenColumn:
        """Return one column."""
        if self.container == "pandas":
            return _of_series(self.table.iloc[:, position])
        if self.container == "array":
            is_sparse = hasattr(self.table, "toarray")
            values = self.table[:, [position]] if is_sparse else self.table[:, position]
            values = values.toarray().ravel() if is_sparse else values
            return GivenColumn(str(values.dtype), *_decoded(_cells(values)))
        table, dtypes = self.table
        return GivenColumn(dtypes[position], *_decoded(table.column(position)))


def given_table(table: Any) -> GivenTable:
    """Return a table of any package as columns.

    Parameters
    ----------
    table : frame or array
        As in `schema`.

    Returns
    -------
    GivenTable
        Its columns; they are turned into Arrow one by one.

    Raises
    ------
    ValueError
        If it is no table, has no column, or has two of one name.
    """
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(table, pandas.DataFrame):
        names, is_named = _names(list(table.columns))
        given = GivenTable("pandas", names, is_named, len(table), table)
    elif hasattr(table, "__arrow_c_stream__") or isinstance(table, pa.RecordBatch):
        given = _of_arrow(table)
    elif hasattr(table, "tocsc") or (isinstance(table, np.ndarray) and table.ndim == 2):
        names = tuple(f"x{i}" for i in range(table.shape[1]))
        columns = table.tocsc() if hasattr(table, "tocsc") else table
        given = GivenTable("array", names, False, table.shape[0], columns)
    else:
        raise ValueError(_no_table(table))
    if not given.names:
        msg = "table must have at least one column, got none."
        raise ValueError(msg)
    return given


def _no_table(table: Any) -> str:
    """Return why something is no table."""
    got = f"an array of shape {table.shape}" if isinstance(table, np.ndarray) else ""
    return (
        "table must be a frame of pandas, polars or Arrow, or an array or a sparse "
        f"matrix of two dimensions, got {got or type(table).__name__}."
    )


def _of_arrow(table: Any) -> GivenTable:
    """Return a table of Arrow, or one that can be turned into such."""
    try:
        arrow = (
            pa.Table.from_batches([table])
            if isinstance(table, pa.RecordBatch)
            else pa.table(table)
        )
    except (pa.ArrowException, TypeError) as error:
        raise ValueError(_no_table(table)) from error
    names, is_named = _names(arrow.column_names)
    is_polars = type(table).__module__.partition(".")[0] == "polars"
    types = table.dtypes if is_polars else arrow.schema.types
    return GivenTable(
        "polars" if is_polars else "pyarrow",
        names,
        is_named,
        arrow.num_rows,
        (arrow, [str(kind) for kind in types]),
    )


def _names(labels: Sequence[Any]) -> tuple[tuple[str, ...], bool]:
    """Return names for the columns, and whether theirs are names to scikit-learn."""
    n_texts = sum(isinstance(label, str) for label in labels)
    if n_texts == 0:
        return tuple(f"x{i}" for i in range(len(labels))), False
    if n_texts < len(labels):
        other = next(label for label in labels if not isinstance(label, str))
        msg = f"names of table's columns must be texts, got {shown(other)}."
        raise ValueError(msg)
    repeated = [name for i, name in enumerate(labels) if name in labels[:i]]
    if repeated:
        msg = f"table must have one column of each name, got two of {repeated[0]!r}."
        raise ValueError(msg)
    return tuple(map(str, labels)), True


def _of_series(series: Any) -> GivenColumn:
    """Return a column of pandas."""
    return GivenColumn(str(series.dtype), *_decoded(_cells(series)))


def _cells(values: Any) -> Any:
    """Return values as Arrow; those of several types, or of one it lacks, as texts."""
    for attempt in (values, np.asarray(values)):
        with contextlib.suppress(pa.ArrowException, TypeError, OverflowError):
            cells = pa.array(attempt, from_pandas=True)
            if not _is_extension(cells.type):
                return cells
    return pa.array(
        [None if is_gap(value) else str(value) for value in np.asarray(values)],
        pa.string(),
    )


def _is_extension(kind: Any) -> bool:
    """Return whether a type is one that another package has added, or holds such."""
    values = kind.value_type if pa.types.is_dictionary(kind) else kind
    return isinstance(values, pa.BaseExtensionType)


def _decoded(cells: Any) -> tuple[Any, Any, bool]:
    """Return cells in one piece and without dictionary, and what was in that."""
    if isinstance(cells, pa.ChunkedArray):
        cells = cells.unify_dictionaries().combine_chunks()
        if isinstance(cells, pa.ChunkedArray):  # as pyarrow 16 does for no chunk
            cells = pa.concat_arrays(cells.chunks or [pa.nulls(0, cells.type)])
    if not pa.types.is_dictionary(cells.type):
        return _plain(cells), None, False
    kind = cells.type
    levels = _plain(cells.dictionary)
    return levels.take(cells.indices), levels, bool(kind.ordered)


def _plain(cells: Any) -> Any:
    """Return cells in a type that all kernels of Arrow know, NaN as null."""
    if _is_extension(cells.type):
        return _plain(cells.storage)
    if pa.types.is_string_view(cells.type):
        with contextlib.suppress(pa.ArrowNotImplementedError):  # before pyarrow 18
            return pc.cast(cells, pa.large_string())
        return pa.array(cells.to_pylist(), pa.large_string())
    if pa.types.is_float16(cells.type):
        cells = pc.cast(cells, pa.float32())
    if pa.types.is_floating(cells.type):
        return pc.if_else(pc.is_nan(cells), pa.scalar(None, cells.type), cells)
    return cells
