"""Columns as a frame that scikit-learn takes; knows arrays, but no files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["PANDAS", "as_frame", "frame_of_numbers"]

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
        # Given the arrays alone, pandas 3 would turn a missing text None into NaN.
        series = {n: PANDAS.Series(c, dtype=c.dtype) for n, c in columns.items()}
        return PANDAS.DataFrame(series)
    return pa.table(
        {name: pa.array(column, from_pandas=True) for name, column in columns.items()}
    )


def frame_of_numbers(block: NDArray[np.float64], names: Sequence[str]) -> Any:
    """Return a block of numbers as a frame, without a copy if pandas is installed.

    Parameters
    ----------
    block : ndarray of shape (n_columns, n_rows)
        The numbers, column by column.
    names : sequence of str
        The columns.

    Returns
    -------
    pandas.DataFrame or pyarrow.Table
        As of `as_frame`.
    """
    if PANDAS is not None:
        return PANDAS.DataFrame(block.T, columns=list(names), copy=False)
    return as_frame(dict(zip(names, block, strict=True)))
