"""Columns as a frame that scikit-learn takes; knows arrays, but no files."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import pyarrow as pa

__all__ = ["PANDAS", "as_frame"]

# pandas is no dependency: where it is absent, pyarrow's own tables do.
PANDAS = import_module("pandas") if find_spec("pandas") else None


def as_frame(columns: Mapping[str, np.ndarray[Any, Any]]) -> Any:
    """Return columns as a frame whose names scikit-learn recognises.

    Parameters
    ----------
    columns : mapping of str to ndarray of shape (n_rows,)
        The columns, in the order that the frame will have.

    Returns
    -------
    pandas.DataFrame or pyarrow.Table
        A DataFrame if pandas is installed. A ColumnTransformer of scikit-learn
        1.7 and before takes no Table.
    """
    if PANDAS is not None:
        if all(column.dtype == np.float64 for column in columns.values()):
            return _frame_of_numbers(columns, PANDAS)
        # Given the arrays alone, pandas 3 would turn a missing text None into NaN.
        series = {n: PANDAS.Series(c, dtype=c.dtype) for n, c in columns.items()}
        return PANDAS.DataFrame(series)
    return pa.table(
        {name: pa.array(column, from_pandas=True) for name, column in columns.items()}
    )


def _frame_of_numbers(columns: Mapping[str, np.ndarray[Any, Any]], pandas: Any) -> Any:
    """Return a DataFrame of one block, which pandas need not put together again."""
    n_rows = len(next(iter(columns.values()), ()))
    block = np.empty((len(columns), n_rows))
    for row, column in zip(block, columns.values(), strict=True):
        row[:] = column
    return pandas.DataFrame(block.T, columns=list(columns), copy=False)
