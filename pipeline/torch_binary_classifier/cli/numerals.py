"""What a column of numbers or of texts looks like; knows cells, but no options.

Everything here is about kinds of columns that are easily taken for something else:
rows that are counted, numbers that a float cannot hold, texts that are nearly numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from torch_binary_classifier.tables.missing import where_missing
from torch_binary_classifier.tables.numbers import NUMBER
from torch_binary_classifier.tables.times import FORMATS, unread

__all__ = ["counts_rows", "is_index", "is_unresolved", "nearly"]

# From this share of cells on, the others are told as odd ones.
NEARLY = 2 / 3
# Numbers that are written otherwise than this package reads them.
OTHERWISE = {
    "numbers with thousands separators": r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?",
    "percentages": NUMBER + r" ?%",
    "numbers with a decimal comma": r"[+-]?([0-9]+|[0-9]{1,3}(\.[0-9]{3})+),[0-9]+",
    "amounts of money": r"[+-]?[$€£¥] ?[+-]?[0-9][0-9,.]*|[+-]?[0-9][0-9,.]* ?[$€£¥]",
}
# The least deviation, in units of the last place, that rounding leaves alone.
_FEW_UNITS = 16
_LARGEST_ERROR = 0.1  # of the deviation


def is_index(values: NDArray[Any]) -> bool:
    """Return whether numbers name the rows, each row by a whole number of its own."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        return False
    whole = bool((values == np.floor(values)).all())
    return whole and len(np.unique(values)) == len(values) > 1


def counts_rows(cells: Any, values: NDArray[Any]) -> bool:
    """Return whether numbers grow from row to row by the same whole number.

    Parameters
    ----------
    cells : pyarrow.Array
        The cells as the file has them, numbers or texts.
    values : ndarray of shape (n_rows,)
        The numbers, NaN where a cell is missing.

    Returns
    -------
    bool
        Never true of less than three rows.

    Examples
    --------
    >>> counts_rows(pa.array(["5", "7", "9"]), np.array([5.0, 7.0, 9.0]))
    True
    """
    if len(values) < 3 or not np.isfinite(values).all():
        return False
    steps = np.diff(_shifted(cells, values))
    is_whole = bool(values[0] == np.floor(values[0]) and steps[0] == np.floor(steps[0]))
    return is_whole and bool(steps[0] != 0 and (steps == steps[0]).all())


def is_unresolved(cells: Any, values: NDArray[Any]) -> bool:
    """Return whether the numbers of a file differ by less than floats can tell.

    Parameters
    ----------
    cells : pyarrow.Array
        The cells as the file has them, numbers or texts.
    values : ndarray of shape (n_rows,)
        The numbers, NaN where a cell is missing.

    Returns
    -------
    bool
        Whether rounding moves a number by more than a tenth of their deviation.

    Examples
    --------
    >>> ids = pa.array([str(10**25 + i) for i in range(10)])
    >>> is_unresolved(ids, np.array([1e25] * 10))
    True
    """
    exact = _exact(cells) if _is_narrow(values) else []
    if not exact:
        return False
    with localcontext(prec=100):
        rounded = map(Decimal, values[np.isfinite(values)].astype(np.float64).tolist())
        error = max(abs(a - b) for a, b in zip(exact, rounded, strict=True))
    return float(error) > _LARGEST_ERROR * float(_differences(exact).std())


def nearly(cells: Any) -> Iterator[str]:
    """Yield what most texts of a column look like, and the first one that does not.

    Parameters
    ----------
    cells : pyarrow.StringArray
        The cells of a column that is taken for text.

    Yields
    ------
    str
        The rest of a sentence that begins with the column's name.

    Examples
    --------
    >>> for words in nearly(pa.array(["12.5%", "3%", "0", "unknown"])):
    ...     print(words)
    looks like percentages, but is taken for text: row 0 (rows are counted from 0) \
holds '12.5%'
    is taken for text, because row 3 (rows are counted from 0) holds 'unknown'
    """
    words = pc.utf8_trim_whitespace(cells)
    present = ~_mask(where_missing(cells))
    looks, odd = _most_like(words, present)
    if looks is not None:
        name, like = looks
        yield f"looks like {name}, but is taken for text: {_place(cells, like)}"
    if odd is not None and odd.any():
        yield f"is taken for text, because {_place(cells, odd)}"


def _place(cells: Any, where: NDArray[np.bool_]) -> str:
    """Return the first of some rows, and what it holds."""
    row = int(where.argmax())
    return f"row {row} (rows are counted from 0) holds {cells[row].as_py()!r}"


def _most_like(
    words: Any, present: NDArray[np.bool_]
) -> tuple[tuple[str, NDArray[np.bool_]] | None, NDArray[np.bool_] | None]:
    """Return the kind that most texts are and where, and where the odd ones are."""
    n_needed = NEARLY * present.sum()
    plain = _matches(words, NUMBER) & present
    found: tuple[str, NDArray[np.bool_]] | None = None
    fits = plain
    for name, like in _kinds(words):
        fits_like = (plain | like) & present
        if fits_like.sum() > fits.sum():
            found, fits = (name, like & present), fits_like
    if not present.any() or fits.sum() < n_needed:
        return None, None
    return found, present & ~fits


def _kinds(words: Any) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield kinds of texts that are nearly numbers, and where they are."""
    patterns: Mapping[str, str] = OTHERWISE
    for name, pattern in patterns.items():
        yield name, _matches(words, pattern)
    for form in FORMATS:
        yield f"times written {form}", _mask(words.is_valid()) & ~unread(words, form)


def _matches(words: Any, pattern: str) -> NDArray[np.bool_]:
    """Return where the whole of a text is like a pattern."""
    found = pc.match_substring_regex(words, f"^({pattern})$")
    return _mask(pc.fill_null(found, False))


def _mask(values: Any) -> NDArray[np.bool_]:
    """Return truth values as an array."""
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=bool)


def _shifted(cells: Any, values: NDArray[Any]) -> NDArray[np.float64]:
    """Return numbers as distances from the first one, exact for narrow columns."""
    exact = _exact(cells) if _is_narrow(values) else []
    if exact:
        return _differences(exact)
    values = values.astype(np.float64)
    return np.asarray(values - values[0])


def _is_narrow(values: NDArray[Any]) -> bool:
    """Return whether numbers differ by a few units in the last place only."""
    finite = np.asarray(values[np.isfinite(values)], dtype=np.float64)
    if not finite.size:
        return False
    unit = np.spacing(np.abs(finite).max())
    return bool((finite - finite[0]).std() < _FEW_UNITS * unit)


def _exact(cells: Any) -> list[Decimal]:
    """Return the numbers of a file as they are; none where floats hold them anyway."""
    if pa.types.is_floating(cells.type) or pa.types.is_boolean(cells.type):
        return []
    texts = pc.utf8_trim_whitespace(pc.cast(cells, pa.string()))
    known = texts.filter(pc.invert(where_missing(texts))).to_pylist()
    if any(text.lower() in {"true", "false"} for text in known):
        return []
    return [Decimal(text) for text in known]


def _differences(exact: list[Decimal]) -> NDArray[np.float64]:
    """Return distances from the first number."""
    with localcontext(prec=100):
        return np.array([float(number - exact[0]) for number in exact])
