"""Cells as numbers; knows arrays of cells, but no tables and no models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from torch_binary_classifier.tables.missing import MISSING_WORDS

__all__ = [
    "NUMBER",
    "first_non_number",
    "parse_numbers",
    "to_numpy",
]

# How a text writes a number, as a whole; no infinity, no gap.
NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"


def parse_numbers(cells: Any) -> Any:
    """Return strings as float64; raises ArrowInvalid if one is no number."""
    try:
        return pc.cast(cells, pa.float64())
    except pa.ArrowInvalid:
        words = pc.utf8_lower(pc.utf8_trim_whitespace(pc.cast(cells, pa.string())))
        words = _replaced(words, MISSING_WORDS, None)
        words = _replaced(words, ("true",), "1")
        words = _replaced(words, ("false",), "0")
        return pc.cast(words, pa.float64())


def _replaced(words: Any, former: Sequence[str], new: str | None) -> Any:
    """Return strings with some of them replaced by another or by null."""
    found = pc.is_in(words, value_set=pa.array(former, pa.string()))
    return pc.if_else(found, pa.scalar(new, pa.string()), words)


def first_non_number(cells: Any) -> int:
    """Return the position of the first string that is no number."""
    low, high = 0, len(cells)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            parse_numbers(cells[low:middle])
            low = middle
        except pa.ArrowInvalid:
            high = middle
    return low


def to_numpy(cells: Any) -> np.ndarray[Any, Any]:
    """Return numbers as an array, missing ones as NaN."""
    own_type = pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type)
    if not own_type or pa.types.is_float16(cells.type):
        cells = pc.cast(cells, pa.float64())
    values: np.ndarray[Any, Any] = cells.to_numpy(zero_copy_only=False)
    return values
