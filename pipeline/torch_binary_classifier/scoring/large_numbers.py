"""Whole numbers of which a float has not all digits, beside others; knows no tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from torch_binary_classifier.tables.kinds import is_text

__all__ = ["are_whole", "with_all_digits"]

_DIGITS = r"^-?[0-9]{1,20}$"


def with_all_digits(cells: Any, values: NDArray[Any]) -> NDArray[Any]:
    """Return numbers as objects, whole ones with all the digits that cells have.

    Parameters
    ----------
    cells : pyarrow.Array
        The cells of a table.
    values : ndarray of shape (n_rows,)
        The same as floats, NaN where one is missing.

    Returns
    -------
    ndarray of shape (n_rows,) and dtype object
        Whole numbers are of Python's int, the others of its float.

    Examples
    --------
    >>> with_all_digits(pa.array(["9007199254740993", "1.5"]), np.array([2.0**53, 1.5]))
    array([9007199254740993, 1.5], dtype=object)
    """
    objects = values.astype(object)
    for position in np.flatnonzero(np.isfinite(values) & (values == np.trunc(values))):
        objects[position] = int(values[position])
    if is_text(cells.type):
        words = pc.utf8_trim_whitespace(cells)
        is_plain = pc.fill_null(pc.match_substring_regex(words, _DIGITS), False)
    else:
        words = cells
        is_plain = pa.array(np.full(len(cells), pa.types.is_integer(cells.type)))
        is_plain = pc.and_(is_plain, cells.is_valid())
    places = np.flatnonzero(is_plain.to_numpy(zero_copy_only=False))
    for place, word in zip(
        places, words.take(pa.array(places)).to_pylist(), strict=True
    ):
        objects[place] = int(word)
    return objects


def are_whole(
    objects: NDArray[Any], limits: Any, *, takes_gaps: bool
) -> NDArray[np.bool_]:
    """Return which numbers are whole, and within limits if there are some.

    Parameters
    ----------
    objects : ndarray of shape (n_rows,) and dtype object
        As `with_all_digits` returns them.
    limits : numpy.iinfo or None
        The limits.
    takes_gaps : bool
        Whether NaN passes.

    Returns
    -------
    ndarray of shape (n_rows,)
        Truth values.
    """
    low, high = (-np.inf, np.inf) if limits is None else (limits.min, limits.max)
    found = [
        low <= value <= high
        if isinstance(value, int)
        else takes_gaps and bool(np.isnan(value))
        for value in objects
    ]
    return np.array(found, dtype=bool)
