"""Dates and durations as numbers; knows arrays of cells, but no tables and no models.

Dates, with or without a time of day, become days since 1970-01-01 in UTC; times
without a zone are taken for UTC. Durations and times of day become seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from torch_binary_classifier.tables.kinds import is_text
from torch_binary_classifier.tables.missing import MISSING_WORDS

__all__ = ["DURATION", "FORMATS", "fitting_formats", "numbers", "unread", "written"]

# What pandas writes for a missing time, beside the words for other missing cells.
GAPS = pa.array([*MISSING_WORDS, "nat"], pa.string())

_CLOCK = (
    r"(?P<hour>\d{1,2}):(?P<minute>[0-5]\d)"
    r"(?::(?P<second>[0-5]\d)(?:\.(?P<fraction>\d+))?)?"
)
_TIME = rf"(?:[T ]{_CLOCK})? ?(?:Z|UTC|(?P<ahead>[+-])(?P<zone>\d\d:?\d\d))?"
_YEAR, _MONTH, _DAY = r"(?P<year>\d{4})", r"(?P<month>\d{1,2})", r"(?P<day>\d{1,2})"
_DAYS = r"(?P<days>-?\d+) days?"

YEAR_FIRST, DAY_FIRST, MONTH_FIRST = (
    "year-month-day",
    "day-month-year",
    "month-day-year",
)
DURATION = "duration"

# How a column of texts may write its times; one way for a whole column. RE2 has no
# references back, hence a pattern with each separator.
FORMATS: Mapping[str, tuple[str, ...]] = {
    YEAR_FIRST: tuple(f"^{_YEAR}{s}{_MONTH}{s}{_DAY}{_TIME}$" for s in "-/."),
    DAY_FIRST: tuple(f"^{_DAY}{s}{_MONTH}{s}{_YEAR}{_TIME}$" for s in "-/."),
    MONTH_FIRST: tuple(f"^{_MONTH}{s}{_DAY}{s}{_YEAR}{_TIME}$" for s in "-/."),
    DURATION: (
        f"^{_DAYS}$",
        r"^(?:"
        + _DAYS
        + r",? )?(?P<sign>[+-])?"
        + _CLOCK.replace("{1,2}", "+", 1)
        + "$",
    ),
}

SECOND = 1_000_000  # microseconds
DAY = 86_400 * SECOND
# No time at all, as in datetime64.
NO_TIME = np.iinfo(np.int64).min


def fitting_formats(cells: Any) -> list[str]:
    """Return the formats in which every cell that is not missing can be read.

    Parameters
    ----------
    cells : pyarrow.Array
        Texts, or dates, times or durations by type.

    Returns
    -------
    list of str
        Keys of `FORMATS`; more than one where the day cannot be told from the month,
        none if a cell is no time or all are missing.

    Examples
    --------
    >>> fitting_formats(pa.array(["31/01/2024", None, "01/02/2024"]))
    ['day-month-year']
    >>> fitting_formats(pa.array(["01/02/2024"]))
    ['day-month-year', 'month-day-year']
    >>> fitting_formats(pa.array(["01/02/2024", "soon"]))
    []
    """
    if cells.null_count == len(cells):
        return []
    if pa.types.is_temporal(cells.type):
        return [_format_of_type(cells.type)]
    if not is_text(cells.type):
        return []
    words = _words(cells)
    if words.null_count == len(words):
        return []
    return [form for form in FORMATS if not unread(words, form).any()]


def unread(texts: Any, form: str) -> NDArray[np.bool_]:
    """Return where a text is neither a time in a format nor a word for a gap.

    Parameters
    ----------
    texts : pyarrow.StringArray
        The texts.
    form : str
        A key of `FORMATS`.

    Returns
    -------
    ndarray of shape (n_rows,)
        Truth values.

    Examples
    --------
    >>> unread(pa.array(["2024-01-31", "soon", "NA"]), "year-month-day").tolist()
    [False, True, False]
    """
    words = _words(texts)
    return _unread(words, _read(words, form))


def numbers(cells: Any, form: str, name: str = "X") -> NDArray[np.float64]:
    """Return times as days since 1970-01-01, or as seconds in the case of durations.

    Parameters
    ----------
    cells : pyarrow.Array
        Texts, or dates, times or durations by type.
    form : str
        A key of `FORMATS`; texts are read so, dates with the year first too.
    name : str, default="X"
        What an error calls the column.

    Returns
    -------
    ndarray of shape (n_rows,)
        NaN where a cell is missing.

    Raises
    ------
    ValueError
        If a cell is no time of this kind; the message has the first such cell.

    Examples
    --------
    >>> numbers(pa.array(["1970-01-02 12:00", None]), "year-month-day")
    array([1.5, nan])
    >>> numbers(pa.array(["0:01:30", "1 days 00:00:00.5"]), "duration")
    array([   90. , 86400.5])
    """
    if cells.null_count == len(cells):
        return np.full(len(cells), np.nan)
    if pa.types.is_temporal(cells.type):
        _check_type(cells.type, form, name)
        times = _microseconds(cells)
    elif is_text(cells.type):
        words = _words(cells)
        times = _read(words, form)
        if form != DURATION:  # the year first is clear among dates of any format
            iso = _read(words, YEAR_FIRST)
            times = np.where(times == NO_TIME, iso, times)
        _check_read(cells, _unread(words, times), form, name)
    else:
        msg = f"{name} must hold {_kind(form)}, got cells of type {cells.type}."
        raise ValueError(msg)
    unit = SECOND if form == DURATION else DAY
    return np.where(times == NO_TIME, np.nan, times / unit)


def written(cells: Any) -> Any:
    """Return durations as pandas writes them, which no cast of pyarrow does.

    Parameters
    ----------
    cells : pyarrow.Array
        Durations.

    Returns
    -------
    pyarrow.StringArray
        Texts like ``1 days 02:03:04.000000``, null where a cell is missing.

    Examples
    --------
    >>> written(pa.array([93784, None], pa.duration("s"))).to_pylist()
    ['1 days 02:03:04.000000', None]
    """
    texts = [
        None if time == NO_TIME else _written(*divmod(time, DAY))
        for time in _microseconds(cells).tolist()
    ]
    return pa.array(texts, pa.string())


def _written(days: int, rest: int) -> str:
    """Return a duration of whole days and microseconds as text."""
    seconds, fraction = divmod(rest, SECOND)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    sign = "+" if days < 0 else ""
    return f"{days} days {sign}{hour:02}:{minute:02}:{second:02}.{fraction:06}"


def _words(cells: Any) -> Any:
    """Return texts without blanks around them, null where one stands for a gap."""
    words = pc.utf8_trim_whitespace(pc.cast(cells, pa.string()))
    gaps = pc.is_in(pc.utf8_lower(words), value_set=GAPS)
    return pc.if_else(gaps, pa.scalar(None, pa.string()), words)


def _read(words: Any, form: str) -> NDArray[np.int64]:
    """Return texts as microseconds; NO_TIME for those that are none."""
    times = np.full(len(words), NO_TIME, dtype=np.int64)
    for pattern in FORMATS[form]:
        parts = pc.extract_regex(words, pattern)
        found = np.flatnonzero(parts.is_valid().to_numpy(zero_copy_only=False))
        times[found] = _composed(_Parts(parts.take(pa.array(found))), form)
    return times


class _Parts:
    """The parts of times that a pattern found in texts."""

    def __init__(self, parts: Any) -> None:
        self._parts = parts
        self._names = {field.name for field in parts.type}

    def __len__(self) -> int:
        """Return how many texts there are."""
        return len(self._parts)

    def whole(self, name: str) -> NDArray[np.int64]:
        """Return a part as whole numbers, 0 where it is absent."""
        digits = pc.replace_substring(self.text(name), ":", "")
        filled = pc.if_else(pc.equal(digits, ""), "0", digits)
        return np.asarray(pc.cast(filled, pa.int64()).to_numpy(zero_copy_only=False))

    def fraction(self) -> NDArray[np.int64]:
        """Return the fractions of the seconds in whole microseconds."""
        digits = pc.utf8_slice_codeunits(self.text("fraction"), 0, 6)
        filled = pc.utf8_rpad(digits, 6, "0")
        return np.asarray(pc.cast(filled, pa.int64()).to_numpy(zero_copy_only=False))

    def is_minus(self, name: str) -> NDArray[np.bool_]:
        """Return where a part is a minus."""
        return np.asarray(
            pc.equal(self.text(name), "-").to_numpy(zero_copy_only=False), dtype=bool
        )

    def text(self, name: str) -> Any:
        """Return a part as texts, empty where it is absent."""
        if name not in self._names:
            return pa.array([""] * len(self._parts), pa.string())
        return pc.fill_null(pc.struct_field(self._parts, name), "")


def _composed(parts: _Parts, form: str) -> NDArray[np.int64]:
    """Return the microseconds that the parts of times make."""
    seconds = parts.whole("hour") * 3600 + parts.whole("minute") * 60
    clock = (seconds + parts.whole("second")) * SECOND + parts.fraction()
    if form == DURATION:
        clock = np.where(parts.is_minus("sign"), -clock, clock)
        return parts.whole("days") * DAY + clock
    hours, minutes = np.divmod(parts.whole("zone"), 100)
    offset = (hours * 60 + minutes) * 60 * SECOND
    clock += np.where(parts.is_minus("ahead"), offset, -offset)
    days, exists = _days(*(parts.whole(name) for name in ("year", "month", "day")))
    exists &= parts.whole("hour") < 24
    return np.where(exists, days * DAY + clock, NO_TIME)


def _days(
    year: NDArray[np.int64], month: NDArray[np.int64], day: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the days since 1970 and whether the calendar has such a day."""
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int64)
    length = (months + 1).astype("datetime64[D]").astype(np.int64) - first
    exists = (month >= 1) & (month <= 12) & (day >= 1) & (day <= length)
    return first + day - 1, exists


def _unread(words: Any, times: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return where a text is no gap and could not be read."""
    present = words.is_valid().to_numpy(zero_copy_only=False)
    return np.asarray(present & (times == NO_TIME), dtype=bool)


def _microseconds(cells: Any) -> NDArray[np.int64]:
    """Return times of a type in microseconds, rounded down; NO_TIME for gaps."""
    if pa.types.is_date(cells.type):
        cells = pc.cast(cells, pa.timestamp("s"))
    unit = str(cells.type.unit)
    width = pa.int32() if pa.types.is_time32(cells.type) else pa.int64()
    counts = pc.cast(pc.cast(cells, width), pa.int64())
    values = np.asarray(pc.fill_null(counts, 0).to_numpy(zero_copy_only=False))
    scaled = {
        "s": lambda: values * SECOND,
        "ms": lambda: values * 1000,
        "us": lambda: values,
        "ns": lambda: values // 1000,
    }[unit]()
    gaps = cells.is_null().to_numpy(zero_copy_only=False)
    return np.where(gaps, NO_TIME, scaled)


def _format_of_type(kind: Any) -> str:
    """Return the format that stands for a type of times."""
    return (
        DURATION if pa.types.is_duration(kind) or pa.types.is_time(kind) else YEAR_FIRST
    )


def _check_type(kind: Any, form: str, name: str) -> None:
    """Refuse durations among dates and dates among durations."""
    if (_format_of_type(kind) == DURATION) != (form == DURATION):
        msg = f"{name} must hold {_kind(form)}, got cells of type {kind}."
        raise ValueError(msg)


def _check_read(cells: Any, unread: NDArray[np.bool_], form: str, name: str) -> None:
    """Refuse texts that are no times."""
    if unread.any():
        first = cells[int(unread.argmax())].as_py()
        how = "" if form == DURATION else f" written {form}"
        msg = f"{name} must hold {_kind(form)}{how}, got {first!r}."
        raise ValueError(msg)


def _kind(form: str) -> str:
    """Return what a format writes."""
    return "durations or times of day" if form == DURATION else "dates"
