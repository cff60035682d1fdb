"""What stands for a missing cell; knows nothing else."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from torch_binary_classifier.tables.kinds import is_text

__all__ = ["MISSING_WORDS", "is_gap", "is_missing_word", "where_missing"]

# What spreadsheets, R, SQL and pandas write for "no value", in lower case.
MISSING_WORDS = (
    "",
    "#n/a",
    "<na>",
    "n/a",
    "na",
    "nan",
    "-nan",
    "none",
    "null",
)


def is_gap(value: object) -> bool:
    """Return whether a cell or category stands for a missing value.

    Parameters
    ----------
    value : object
        A scalar.

    Returns
    -------
    bool
        True for None, NaN, NaT and pandas' NA.

    Examples
    --------
    >>> is_gap(None), is_gap(float("nan")), is_gap(0), is_gap("")
    (True, True, False, False)
    """
    if value is None or type(value).__name__ == "NAType":
        return True
    return not isinstance(value, str) and bool(value != value)


def is_missing_word(text: str) -> bool:
    """Return whether a text is one of those that stand for "no value".

    Parameters
    ----------
    text : str
        A cell of text.

    Returns
    -------
    bool
        Whether it is, in any case and with spaces around it.

    Examples
    --------
    >>> is_missing_word(" NA"), is_missing_word("Nadia")
    (True, False)
    """
    return text.strip().lower() in MISSING_WORDS


def where_missing(cells: Any) -> Any:
    """Return which cells are null, NaN, or a word for a missing cell.

    Parameters
    ----------
    cells : pyarrow.Array
        Cells of any type.

    Returns
    -------
    pyarrow.BooleanArray
        Truth values.

    Examples
    --------
    >>> where_missing(pa.array([" NA", "Nadia", None])).to_pylist()
    [True, False, True]
    >>> where_missing(pa.array([1.0, float("nan")])).to_pylist()
    [False, True]
    """
    missing = cells.is_null(nan_is_null=True)
    if not is_text(cells.type):
        return missing
    words = pc.utf8_lower(pc.utf8_trim_whitespace(cells))
    gaps = pc.is_in(words, value_set=pa.array(MISSING_WORDS, words.type))
    return pc.or_(missing, gaps)
