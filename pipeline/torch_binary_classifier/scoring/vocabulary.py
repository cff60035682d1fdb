"""Canonical forms of single cells; knows neither tables nor estimators.

The same category is written in many ways: 1, 1.0 and 01; True and true; a date and its
midnight. What is the same has the same form here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal

import numpy as np

from torch_binary_classifier.tables.missing import MISSING_WORDS

__all__ = ["Kind", "Vocabulary", "is_gap", "is_missing_word"]

Kind = Literal["number", "text", "truth value", "time"]

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
# More digits than these overflow a float.
_WHOLE = re.compile(r"[+-]?[0-9]{1,300}")
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?)(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TRUTHS = {"true": True, "false": False}
_NUMBERS = (int, float, Decimal, np.number)
_MOMENTS = (date, np.datetime64)
_DURATIONS = (timedelta, np.timedelta64)
_TIMES = (*_MOMENTS, *_DURATIONS, time)
_LARGEST_SINGLE = float(np.finfo(np.float32).max)
_FINE_UNITS = ("ns", "ps", "fs", "as")


class Vocabulary:
    """The categories of a column that a fitted encoder knows.

    Parameters
    ----------
    categories : sequence of ndarray
        The categories, as each encoder keeps them; gaps among them are left out.
    fills : collection, default=()
        Categories that an imputer put in the place of gaps. They do not tell what
        kind of cells the column holds.

    Attributes
    ----------
    kind : {"number", "text", "truth value", "time"}
        What the categories are.
    is_typed : bool
        Whether the encoders keep them in an array of NumPy's own types, so that
        cells must come in such an array as well.

    Examples
    --------
    >>> codes = Vocabulary([np.array(["1", "2", "n"], dtype=object)])
    >>> codes.kind, codes.find("1"), codes.find(1.0), codes.find("02")
    ('text', '1', '1', '2')
    >>> codes.find("N") is None
    True
    """

    def __init__(
        self,
        categories: Sequence[np.ndarray[Any, Any]],
        fills: Collection[object] = (),
    ) -> None:
        known = [c for array in categories for c in array if not is_gap(c)]
        genuine = [c for c in known if c not in fills]
        self.kind: Kind = _kind(genuine or known, categories)
        self.is_typed = all(array.dtype != object for array in categories)
        forms = {form for category in genuine for form in _forms(category)}
        # Only they may have lost the last digits of a whole number.
        self._is_floating = any(isinstance(c, float | np.floating) for c in genuine)
        self._is_binary = forms <= {0, 1, ("truth", False), ("truth", True)}
        # A category of text is found as it is written before any other.
        self._written = {str(c): c for c in known if not isinstance(c, str)}
        self._written |= {c: c for c in known if isinstance(c, str)}
        owners = defaultdict(set)
        for written, category in self._written.items():
            for form in self._forms(category):
                owners[form].add(written)
        self._by_form = {
            form: self._written[next(iter(writings))]
            for form, writings in owners.items()
            if len(writings) == 1
        }

    def find(self, cell: object) -> Any:
        """Return the category that a cell is, or None.

        Parameters
        ----------
        cell : object
            A cell of a file: text, number, truth value or time.

        Returns
        -------
        object or None
            The category that is written so; failing that, the only one that has a
            canonical form of the cell.
        """
        if str(cell) in self._written:
            return self._written[str(cell)]
        for form in self._forms(cell):
            if form in self._by_form:
                return self._by_form[form]
        return None

    def native(self, cell: object) -> Any:
        """Return a cell in the kind of the categories, if it can be one of them.

        Parameters
        ----------
        cell : object
            A cell that is none of the categories.

        Returns
        -------
        object
            The cell as text, number, truth value or time; otherwise as it is.
        """
        if self.kind == "text":
            return str(cell)
        if not isinstance(cell, str):
            return cell
        form = _text_form(cell)
        match (self.kind, form):
            case ("number", int() | float()):
                return form
            case ("number", ("truth", bool(truth))):
                return int(truth)
            case ("truth value", ("truth", truth)):
                return truth
            case ("time", ("time", int(nanoseconds))):
                return _from_nanoseconds(nanoseconds)
        return cell

    def _forms(self, cell: object) -> Iterator[Hashable]:
        """Yield the canonical forms of a cell; 1 is True where all is 0 or 1."""
        for form in _forms(cell):
            if isinstance(form, tuple) and form[0] == "truth" and self._is_binary:
                yield int(form[1])
                continue
            yield form
            if isinstance(form, int) and self._is_floating:
                yield float(form)


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
    >>> is_gap(None), is_gap(np.nan), is_gap(0), is_gap("")
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


def _kind(categories: Sequence[object], arrays: Sequence[np.ndarray[Any, Any]]) -> Kind:
    """Return what categories are; where there are none, what their arrays hold."""
    kinds = {_kind_of(category) for category in categories}
    if not kinds:
        kinds = {
            _kind_of(array.dtype.type(0)) for array in arrays if array.dtype != "O"
        }
    return kinds.pop() if len(kinds) == 1 else "text"


def _kind_of(value: object) -> Kind:
    """Return what a scalar is."""
    if isinstance(value, bool | np.bool_):
        return "truth value"
    if isinstance(value, str):
        return "text"
    if isinstance(value, _TIMES):
        return "time"
    return "number" if isinstance(value, _NUMBERS) else "text"


def _forms(cell: object) -> Iterator[Hashable]:
    """Yield the canonical forms of a scalar, the preferred one first."""
    if isinstance(cell, str):
        yield _text_form(cell)
    elif isinstance(cell, bool | np.bool_):
        yield "truth", bool(cell)
    elif isinstance(cell, _DURATIONS):
        yield "duration", int(np.timedelta64(cell, "ns").astype(np.int64))
    elif isinstance(cell, _MOMENTS):
        yield _time_form(cell)
    elif isinstance(cell, _NUMBERS):
        yield _number(str(cell))
        if isinstance(cell, float | np.floating):
            yield from _single_forms(float(cell))
    else:
        yield str(cell)


def _single_forms(number: float) -> Iterator[float]:
    """Yield the forms of a number in single precision: 0.1 is 0.1 there as well."""
    if abs(number) > _LARGEST_SINGLE:
        return
    single = np.float32(number)
    if float(single) == number:
        yield number
        yield float(str(single))


def _text_form(text: str) -> Hashable:
    """Return the canonical form of a text: what it denotes, or itself."""
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


def _from_nanoseconds(nanoseconds: int) -> np.datetime64:
    """Return a moment of NumPy's, as fine as it need be."""
    if nanoseconds % 1000:
        return np.datetime64(nanoseconds, "ns")
    return np.datetime64(nanoseconds // 1000, "us")
