"""A few rows in a model file and what the model says of them; knows no files.

The rows are written as plain values, so reading them runs nothing, and are given back
in the container that they came in: a DataFrame of pandas or polars, a pyarrow Table, an
array or a sparse matrix.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import scipy.sparse

from torch_binary_classifier.exceptions import SelfTestError
from torch_binary_classifier.wording import one_line

__all__ = ["MOST_ROWS", "check_examples", "describe_examples"]

MOST_ROWS = 16
# What another version or processor may change a probability by.
TOLERANCE = 1e-6
_SAME = 1e-9


class UnwritableRowsError(ValueError):
    """Rows hold what can not be written as plain values."""


def describe_examples(model: Any, rows: Any) -> dict[str, Any]:
    """Return rows and their scores as JSON has it.

    Parameters
    ----------
    model : object
        With ``predict_proba``.
    rows : DataFrame, Table, array or sparse matrix
        At most `MOST_ROWS`.

    Returns
    -------
    dict
        ``"rows"``, and ``"scores"``: the probabilities of the second class in
        hexadecimal, which loses no bit.

    Raises
    ------
    UnwritableRowsError
        If the rows hold what cannot be written.
    """
    written = _written(rows)
    scores = _scores(model, _restored(written))
    # Not bit for bit: the order of an array in memory may change a last digit.
    if not np.allclose(scores, _scores(model, rows), rtol=0, atol=_SAME):
        msg = "rows that score alike when written as plain values"
        raise UnwritableRowsError(msg)
    return {"rows": written, "scores": [float(score).hex() for score in scores]}


def check_examples(model: Any, examples: Mapping[str, Any]) -> float:
    """Score examples, and refuse a model that scores them otherwise than once.

    Parameters
    ----------
    model : object
        A loaded model.
    examples : dict
        Of `describe_examples`.

    Returns
    -------
    float
        Largest difference of a probability.

    Raises
    ------
    SelfTestError
        If it is above `TOLERANCE`, or the examples cannot be scored at all. The
        message lacks the file's name.
    """
    expected = np.array([float.fromhex(score) for score in examples["scores"]])
    try:
        found = _scores(model, _restored(examples["rows"]))
    # A model of other versions can raise any exception whatever.
    except Exception as error:
        words = one_line(error).rstrip(".")
        msg = (
            "a model that scores its examples, got "
            f"{type(error).__name__}: {words}. Install what it was trained with."
        )
        raise SelfTestError(msg) from error
    difference = float(np.max(np.abs(found - expected)))
    if not difference <= TOLERANCE:
        msg = (
            "a model that scores its examples as when it was saved, got probabilities "
            f"that differ by {difference:.3g}. Install what it was trained with."
        )
        raise SelfTestError(msg)
    return difference


def _scores(model: Any, rows: Any) -> Any:
    """Return the probabilities of the second class."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whatever there is to say of them, is not new
        return np.asarray(model.predict_proba(rows), dtype=float)[:, 1]


def _written(rows: Any) -> dict[str, Any]:
    """Return rows as plain values, column by column."""
    sparse: bool = scipy.sparse.issparse(rows)
    if sparse:
        written = _written(rows.toarray())
        return written | {"container": "sparse", "format": rows.format}
    package = type(rows).__module__.partition(".")[0]
    if package in ("pandas", "polars", "pyarrow"):
        names = rows.column_names if package == "pyarrow" else list(rows.columns)
        if not all(isinstance(name, str) for name in names):
            msg = "rows whose columns are named by texts"
            raise UnwritableRowsError(msg)
        write = _written_series if package == "pandas" else _written_vector
        columns = [{"name": n, **write(rows[n])} for n in names]
    elif isinstance(rows, np.ndarray) and rows.ndim == 2:
        package = "array"
        columns = [_written_array(column) for column in rows.T]
    else:
        msg = "rows in a known container"
        raise UnwritableRowsError(msg)
    return {"container": package, "columns": columns}


def _written_series(series: Any) -> dict[str, Any]:
    """Return a column of pandas."""
    dtype = str(series.dtype)
    if dtype == "category":
        categories = _written_series(series.cat.categories.to_series())
        codes = series.cat.codes.tolist()
        ordered = bool(series.cat.ordered)
        known = {"categories": categories, "codes": codes, "ordered": ordered}
        return {"dtype": dtype, **known}
    if isinstance(series.dtype, np.dtype):
        return _written_array(series.to_numpy())
    cells = series.astype(object).where(series.notna(), None).tolist()
    return {"dtype": dtype, "cells": [_cell(cell) for cell in cells]}


def _written_array(values: Any) -> dict[str, Any]:
    """Return a column of NumPy."""
    kind = values.dtype.kind
    if kind == "f":
        cells: list[Any] = [float(value).hex() for value in values]
    elif kind in "mM":
        cells = values.astype(np.int64).tolist()
    else:
        cells = [_cell(cell) for cell in values.tolist()]
    return {"dtype": values.dtype.str, "cells": cells}


def _written_vector(column: Any) -> dict[str, Any]:
    """Return a column of polars or pyarrow."""
    dtype = str(getattr(column, "dtype", None) or column.type)
    cells = column.to_list() if hasattr(column, "to_list") else column.to_pylist()
    return {"dtype": dtype, "cells": [_cell(cell) for cell in cells]}


def _cell(cell: Any) -> Any:
    """Return one cell; a float as hexadecimal digits."""
    if cell is None or type(cell) in (bool, int, str):
        return cell
    if isinstance(cell, float):
        return {"float": float(cell).hex()}
    if hasattr(cell, "isoformat"):
        return {"time": cell.isoformat()}
    msg = f"rows of numbers, texts, truth values and times, got {type(cell).__name__}"
    raise UnwritableRowsError(msg)


def _restored(written: Mapping[str, Any]) -> Any:
    """Return the rows in their container."""
    container, columns = written["container"], written["columns"]
    if container == "sparse":
        dense = _restored_array(columns)
        return getattr(scipy.sparse, f"{written['format']}_array")(dense)
    if container == "array":
        return _restored_array(columns)
    if container == "pandas" and find_spec("pandas") is None:
        from torch_binary_classifier.tables.frame import as_frame

        return as_frame({c["name"]: _restored_plain(c) for c in columns})
    restore = {
        "pandas": _restored_series,
        "polars": _restored_polars,
        "pyarrow": _restored_arrow,
    }[container]
    restored = {column["name"]: restore(column) for column in columns}
    make = import_module(container)
    if container == "pyarrow":
        return make.table(restored)
    return make.DataFrame(restored, **{"copy": False} if container == "pandas" else {})


def _restored_array(columns: Any) -> Any:
    """Return a matrix."""
    return np.column_stack([_restored_vector(column) for column in columns])


def _restored_vector(column: Mapping[str, Any]) -> Any:
    """Return a column of NumPy."""
    dtype, cells = np.dtype(column["dtype"]), column["cells"]
    if dtype.kind == "f":
        return np.array([float.fromhex(cell) for cell in cells], dtype)
    if dtype.kind in "mM":
        return np.array(cells, np.int64).view(np.dtype(dtype).newbyteorder("="))
    restored = np.empty(len(cells), dtype)
    restored[:] = [_restored_cell(cell) for cell in cells]
    return restored


def _restored_series(column: Mapping[str, Any]) -> Any:
    """Return a column of pandas."""
    pandas = import_module("pandas")
    if column["dtype"] == "category":
        categories = pandas.Index(_restored_series(column["categories"]))
        return pandas.Series(
            pandas.Categorical.from_codes(
                column["codes"], categories, ordered=column["ordered"]
            )
        )
    if column["dtype"].startswith(("<", ">", "|", "=")):
        values = _restored_vector(column)
        return pandas.Series(values, dtype=values.dtype)
    cells = [_restored_cell(cell) for cell in column["cells"]]
    return pandas.Series(cells, dtype=column["dtype"])


def _restored_plain(column: Mapping[str, Any]) -> Any:
    """Return a column of pandas as an array, where pandas is not installed."""
    if column["dtype"] == "category":
        known = [*_restored_plain(column["categories"]).tolist(), np.nan]
        cells = [known[code] for code in column["codes"]]
    elif column["dtype"].startswith(("<", ">", "|", "=")):
        return _restored_vector(column)
    else:
        cells = [_restored_cell(cell) for cell in column["cells"]]
        cells = [np.nan if cell is None else cell for cell in cells]
    restored = np.empty(len(cells), object)
    restored[:] = cells
    return restored


def _restored_polars(column: Mapping[str, Any]) -> Any:
    """Return a column of polars, of a type without parameters."""
    polars = import_module("polars")
    dtype = getattr(polars, column["dtype"], None)
    if not (isinstance(dtype, type) and issubclass(dtype, polars.DataType)):
        msg = f"rows of plain types, got {column['dtype']}"
        raise UnwritableRowsError(msg)
    return polars.Series(
        [_restored_cell(cell) for cell in column["cells"]], dtype=dtype
    )


def _restored_arrow(column: Mapping[str, Any]) -> Any:
    """Return a column of pyarrow, of a type that has a name."""
    arrow = import_module("pyarrow")
    cells = [_restored_cell(cell) for cell in column["cells"]]
    return arrow.array(cells, arrow.type_for_alias(column["dtype"]))


def _restored_cell(cell: Any) -> Any:
    """Return one cell."""
    if not isinstance(cell, dict):
        return cell
    if "float" in cell:
        return float.fromhex(cell["float"])
    return import_module("datetime").datetime.fromisoformat(cell["time"])
