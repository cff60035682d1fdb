"""Dates that are written as texts, each read for itself; knows no tables."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from torch_binary_classifier.schemas import Times
from torch_binary_classifier.tables.missing import where_missing

__all__ = ["parsed_moments", "unread_moments", "without_gaps"]

# What Arrow reads as a moment; which days a month has, it knows better.
_ZONE = r"(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)"
_MOMENT = (
    r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
    rf"([ T]([01]\d|2[0-3])(:[0-5]\d(:[0-5]\d(\.\d{{1,9}})?)?)?{_ZONE}?)?$"
)
_ZONED = rf"[ T][^+Z-]*{_ZONE}$"
_FEW_DAYS = r"^(\d{4}-(02-3|(04|06|09|11)-31)|\d{4}-02-29)"
_LEAP = r"^(\d\d([02468][48]|[13579][26]|[2468]0)|([02468][048]|[13579][26])00)-02-29"


def without_gaps(cells: Any) -> Any:
    """Return texts without blanks around them, null where one stands for a gap.

    Parameters
    ----------
    cells : pyarrow.StringArray
        The texts.

    Returns
    -------
    pyarrow.StringArray
        As many.
    """
    words = pc.utf8_trim_whitespace(cells)
    is_gone = pc.or_(
        where_missing(cells), pc.fill_null(pc.equal(pc.utf8_lower(words), "nat"), False)
    )
    return pc.if_else(is_gone, pa.scalar(None, words.type), words)


def unread_moments(cells: Any, times: Times) -> NDArray[np.bool_]:
    """Return which texts are neither dates with the year first nor gaps.

    Parameters
    ----------
    cells : pyarrow.StringArray
        The texts.
    times : Times
        What training had.

    Returns
    -------
    ndarray of shape (n_rows,)
        Truth values.
    """
    words = pc.cast(without_gaps(cells), pa.string())
    is_day = pc.and_(
        pc.match_substring_regex(words, _MOMENT),
        pc.or_(
            pc.invert(pc.match_substring_regex(words, _FEW_DAYS)),
            pc.match_substring_regex(words, _LEAP),
        ),
    )
    is_read = pc.fill_null(is_day, True).to_numpy(zero_copy_only=False)
    # Whole days of which 64 bits hold the nanoseconds.
    if times.unit == "ns":
        day = pc.utf8_slice_codeunits(words, 0, 10)
        is_near = pc.and_(pc.greater(day, "1677-09-21"), pc.less(day, "2262-04-11"))
        is_read = is_read & pc.fill_null(is_near, True).to_numpy(zero_copy_only=False)
    return np.asarray(~is_read, dtype=bool)


def parsed_moments(words: Any, target: Any) -> Any:
    """Return texts as moments; those without a zone are taken for UTC.

    Parameters
    ----------
    words : pyarrow.StringArray
        As `without_gaps` returns them.
    target : pyarrow.DataType
        The type of moments to come as near to as the texts allow.

    Returns
    -------
    pyarrow.TimestampArray
        As many.

    Raises
    ------
    pyarrow.ArrowInvalid
        If a text is no date with the year first.
    """
    # Of microseconds, too many years fit for nanoseconds.
    for unit in ("ns",) if target.unit == "ns" else (target.unit, "us", "ns"):
        for zone in dict.fromkeys((target.tz, None)):
            with contextlib.suppress(pa.ArrowInvalid):
                return pc.cast(words, pa.timestamp(unit, zone))
    # Some have a zone and others none, or too many digits for the years of others.
    zoned = _with_zone(words)
    if target.unit == "ns":
        return pc.cast(zoned, pa.timestamp("ns", "UTC"))
    few = pc.replace_substring_regex(zoned, r"(\.\d{6})\d+", r"\1")
    return pc.cast(few, pa.timestamp("us", "UTC"))


def _with_zone(words: Any) -> Any:
    """Return moments with a zone each, UTC where they have none."""
    is_zoned = pc.match_substring_regex(words, _ZONED)
    is_day = pc.equal(pc.utf8_length(words), 10)
    suffix = pc.if_else(is_zoned, "", pc.if_else(is_day, " 00Z", "Z"))
    suffix = pc.cast(suffix, words.type)
    return pc.binary_join_element_wise(words, suffix, pa.scalar("", words.type))
