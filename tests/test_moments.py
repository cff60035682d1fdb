"""Texts are read as moments each for itself, whatever stands beside it."""

import itertools

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from torch_binary_classifier.schemas import Times
from torch_binary_classifier.scoring.moments import (
    parsed_moments,
    unread_moments,
    without_gaps,
)

DAYS = [
    "2020-01-01",
    "1600-02-29",
    "1900-02-29",
    "2000-02-29",
    "2020-02-30",
    "soon",
    "2020-13-01",
    "9999-12-31",
    "2021-04-31",
    "2020-1-1",
    "",
    "NaT",
    " NA",
]
CLOCKS = ["", " 00", "T23:59", "T24:00", " 12:30:15.", "T12:30:15.1234567", " 12:60"]
ZONES = ["", "Z", "+02", "-0530", "+05:30", "+2", "UTC", "+24:00", "+00:60"]
TEXTS = ["".join(parts) for parts in itertools.product(DAYS, CLOCKS, ZONES)]
TARGETS = [("us", None), ("s", "UTC"), ("ns", None), ("ms", "Europe/Oslo")]


def read(texts, unit, zone):
    """Return texts as whole numbers of a unit."""
    target = pa.timestamp(unit, zone)
    moments = parsed_moments(without_gaps(pa.array(texts)), target)
    return pc.cast(pc.cast(moments, target, safe=False), pa.int64()).to_pylist()


def alone(text, unit, zone):
    """Return what a text is if nothing is beside it; "none" if it cannot be read."""
    try:
        return read([text], unit, zone)[0]
    except pa.ArrowInvalid:
        return "none"


@pytest.mark.parametrize(("unit", "zone"), TARGETS)
def test_texts_are_read_together_as_alone(unit, zone, rng):
    is_unread = unread_moments(pa.array(TEXTS), Times("moment", unit, zone, None, None))
    found = [alone(text, unit, zone) for text in TEXTS]
    assert is_unread.tolist() == [value == "none" for value in found]
    good = np.flatnonzero(~is_unread)
    assert len(good) > 30
    for _ in range(10):
        some = rng.choice(good, size=9)
        assert read([TEXTS[i] for i in some], unit, zone) == [found[i] for i in some]


def test_years_and_digits_that_no_unit_holds_are_read_side_by_side():
    texts = ["1500-01-01", "2020-01-01 01:00+01:00", "2020-01-01T00:00:00.123456789"]
    assert read(texts, "s", "UTC") == [alone(text, "s", "UTC") for text in texts]
    assert read(texts[1:], "s", "UTC") == [1577836800] * 2
