"""Canonical forms of single cells; knows neither tables nor estimators.

The same category is written in many ways: 1, 1.0 and 01; True and true; a date and its
midnight. What is the same has the same form here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from torch_binary_classifier.tables.numbers import NUMBER

__all__ = ["NUMBERS", "TIMES", "code", "forms", "text_form"]

_NUMBER = re.compile(NUMBER)
# More digits than these overflow a float.
_WHOLE = re.compile(r"[+-]?[0-9]{1,300}")
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?)(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TRUTHS = {"true": True, "false": False}
_MOMENTS = (date, np.datetime64)
_DURATIONS = (timedelta, np.timedelta64)
# The types of scalars that are numbers, and of those that are times.
NUMBERS = (int, float, Decimal, np.integer, np.floating)
TIMES = (*_MOMENTS, *_DURATIONS, time)
_LARGEST_SINGLE = float(np.finfo(np.float32).max)
_FINE_UNITS = ("ns", "ps", "fs", "as")


def forms(cell: object) -> Iterator[Hashable]:
    """Yield the canonical forms of a scalar, the preferred one first.

    Parameters
    ----------
    cell : object
        Text, number, truth value or time.

    Yields
    ------
    hashable
        Numbers as such; truth values and times in a pair with what they are; other
        texts as they are written.

    Examples
    --------
    >>> [*forms("01")], [*forms(" TRUE")], [*forms("blue")]
    ([1], [('truth', True)], ['blue'])
    >>> [*forms(np.float32(0.1))]
    [0.1, 0.10000000149011612, 0.1]
    """
    if isinstance(cell, str):
        yield text_form(cell)
    elif isinstance(cell, bool | np.bool_):
        yield "truth", bool(cell)
    elif isinstance(cell, _DURATIONS):
        yield "duration", int(np.timedelta64(cell, "ns").astype(np.int64))
    elif isinstance(cell, _MOMENTS):
        yield _time_form(cell)
    elif isinstance(cell, NUMBERS):
        if isinstance(cell, float | np.floating):
            yield from _float_forms(cell)
        else:
            yield _number(str(cell))
    else:
        yield str(cell)


def text_form(text: str) -> Hashable:
    """Return the canonical form of a text: what it denotes, or itself.

    Parameters
    ----------
    text : str
        A cell.

    Returns
    -------
    hashable
        As `forms` yields it.

    Examples
    --------
    >>> text_form("1.50"), text_form("1970-01-01 00:00:01"), text_form(" blue")
    (1.5, ('time', 1000000000), ' blue')
    """
    word = text.strip()
    if word.lower() in _TRUTHS:
        return "truth", _TRUTHS[word.lower()]
    if _NUMBER.fullmatch(word):
        return _number(word)
    written = _TIME.fullmatch(word)
    if written:
        try:
            moment = datetime.fromisoformat(written[1] + (written[3] or ""))
        except ValueError:
            return text
        name, nanoseconds = _time_form(moment)
        return name, nanoseconds + int((written[2] or ".0")[1:].ljust(9, "0"))
    return text


def code(cell: object) -> str:
    """Return a category as the shortest text for the number that it is.

    Parameters
    ----------
    cell : object
        Text, number or truth value; True is 1.

    Returns
    -------
    str
        What is no number stays as it is written.

    Examples
    --------
    >>> code(1.0), code("01"), code("true"), code("1.50"), code(" blue")
    ('1', '1', '1', '1.5', ' blue')
    """
    match None if isinstance(cell, TIMES) else next(forms(cell)):
        case ("truth", bool(truth)):
            return str(int(truth))
        case int(whole):
            return str(whole)
        case float(number) if math.isfinite(number):
            return str(int(number) if number.is_integer() else number)
    return str(cell)


def _float_forms(cell: float | np.floating[Any]) -> Iterator[float]:
    """Yield the forms of a number; in single precision 0.1 is 0.1 as well."""
    number = float(cell)
    # Whole numbers are exact, but a short text of one in single precision is not.
    yield number if number.is_integer() else _number(str(cell))
    if abs(number) > _LARGEST_SINGLE:
        return
    single = np.float32(number)
    if float(single) == number:
        yield number
        yield float(str(single))


def _number(text: str) -> int | float:
    """Return the number that a text denotes, whole if it is written so."""
    return int(text) if _WHOLE.fullmatch(text) else float(text)


def _time_form(moment: Any) -> tuple[str, int]:
    """Return a moment as nanoseconds since 1970, and whether its zone is known."""
    if isinstance(moment, np.datetime64):
        if np.datetime_data(moment.dtype)[0] in _FINE_UNITS:
            return "time", int(moment.astype("datetime64[ns]").astype(np.int64))
        return "time", int(moment.astype("datetime64[us]").astype(np.int64)) * 1000
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    name = "time" if moment.tzinfo is None else "instant"
    zoned = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    microseconds = (zoned - _EPOCH) // timedelta(microseconds=1)
    # pandas' timestamps know more digits than the datetimes that they are.
    return name, int(microseconds) * 1000 + getattr(moment, "nanosecond", 0)
