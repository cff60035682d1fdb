"""Dates and durations, as texts and by type, are the same numbers."""

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from torch_binary_classifier.tables.times import (
    DURATION,
    fitting_formats,
    numbers,
    unread,
    written,
)

YEAR_FIRST, DAY_FIRST, MONTH_FIRST = (
    "year-month-day",
    "day-month-year",
    "month-day-year",
)
DAY = 86_400


def days(moment):
    """Return Python's own days since 1970."""
    return moment.replace(tzinfo=moment.tzinfo or dt.UTC).timestamp() / DAY


@pytest.mark.parametrize(
    ("text", "form", "moment"),
    [
        ("2024-02-29", YEAR_FIRST, dt.datetime(2024, 2, 29)),
        ("2024/1/3", YEAR_FIRST, dt.datetime(2024, 1, 3)),
        (" 1969-12-31 23:59 ", YEAR_FIRST, dt.datetime(1969, 12, 31, 23, 59)),
        (
            "2024-01-31T12:30:01.25Z",
            YEAR_FIRST,
            dt.datetime(2024, 1, 31, 12, 30, 1, 250_000),
        ),
        ("2024-01-31 12:30+02:00", YEAR_FIRST, dt.datetime(2024, 1, 31, 10, 30)),
        ("2024-01-31 12:30-0530", YEAR_FIRST, dt.datetime(2024, 1, 31, 18, 0)),
        ("31.1.2024", DAY_FIRST, dt.datetime(2024, 1, 31)),
        ("31/01/2024 7:05", DAY_FIRST, dt.datetime(2024, 1, 31, 7, 5)),
        ("01-31-2024", MONTH_FIRST, dt.datetime(2024, 1, 31)),
    ],
)
def test_text_is_the_date_that_python_knows(text, form, moment):
    assert numbers(pa.array([text]), form)[0] == pytest.approx(days(moment), abs=1e-9)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1 days 01:01:01.500000", DAY + 3661.5),
        ("-1 days +23:59:59", -1),
        ("3 days", 3 * DAY),
        ("1 day, 0:00:05", DAY + 5),
        ("36:15", 36.25 * 3600),
        ("-00:00:10", -10),
    ],
)
def test_text_is_a_duration_in_seconds(text, seconds):
    assert numbers(pa.array([text]), DURATION)[0] == seconds


def test_types_and_their_texts_are_the_same_numbers():
    moments = pd.to_datetime(
        ["2024-01-31 12:30:01.123456789", "1969-12-31 23:59:59.999999999", None],
        format="mixed",
    ).to_series()
    waits = pd.Series(pd.to_timedelta([1.5, -1e-9, 90_061, None], unit="s"))
    for column, form in ((moments, YEAR_FIRST), (waits, DURATION)):
        by_type = numbers(pa.array(column, from_pandas=True), form)
        np.testing.assert_array_equal(
            numbers(pa.array(column.astype(str)), form), by_type
        )
        assert np.isnan(by_type).tolist() == column.isna().tolist()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_every_unit_is_the_same_moment(unit):
    moments = pa.array([0, 86_400_000_000, None], pa.timestamp("us"))
    cells = moments.cast(pa.timestamp(unit))
    np.testing.assert_array_equal(numbers(cells, YEAR_FIRST), [0.0, 1.0, np.nan])


def test_dates_times_of_day_and_zones_by_type():
    one_day = [dt.date(1970, 1, 2)]
    assert numbers(pa.array(one_day), YEAR_FIRST) == [1.0]
    assert numbers(pa.array(one_day, pa.date64()), YEAR_FIRST) == [1.0]
    assert numbers(pa.array([dt.time(0, 1, 30)]), DURATION) == [90.0]
    zone = pa.timestamp("s", tz="Europe/Oslo")
    assert numbers(pa.array([DAY], pa.int64()).cast(zone), YEAR_FIRST) == [1.0]


@pytest.mark.parametrize("word", ["", "NA", " nan ", "NaT", "None", "null"])
def test_words_for_gaps_are_missing(word):
    assert np.isnan(numbers(pa.array([word, "1970-01-01"]), YEAR_FIRST)).tolist() == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("cells", "formats"),
    [
        (["2024-01-31", None, "NA"], [YEAR_FIRST]),
        (["01/02/2024", "31/01/2024"], [DAY_FIRST]),
        (["01/02/2024", "01/31/2024"], [MONTH_FIRST]),
        (["01/02/2024"], [DAY_FIRST, MONTH_FIRST]),
        (["12:30", "1 days 00:00:00"], [DURATION]),
        (["2024-01-31", "12:30"], []),
        (["2024-02-30"], []),
        (["2024", "12"], []),
        (["", None], []),
        ([1.5], []),
    ],
)
def test_formats_are_those_that_fit_every_cell(cells, formats):
    assert fitting_formats(pa.array(cells)) == formats


@pytest.mark.parametrize(
    ("cells", "form", "message"),
    [
        (["2023-02-29"], YEAR_FIRST, "X must hold dates written year-month-day, got"),
        (["2024-01-01 24:00"], YEAR_FIRST, "got '2024-01-01 24:00'"),
        (["2024-01-01", "soon"], YEAR_FIRST, "year-month-day, got 'soon'."),
        (["2024-01-01"], DURATION, "X must hold durations or times of day, got '2024"),
        ([dt.time(1)], YEAR_FIRST, "X must hold dates, got cells of type time64"),
        ([dt.date(2024, 1, 1)], DURATION, "durations or times of day, got cells of"),
        ([1.0], YEAR_FIRST, "X must hold dates, got cells of type double."),
    ],
)
def test_other_cells_are_refused(cells, form, message):
    with pytest.raises(ValueError, match=message):
        numbers(pa.array(cells), form)


def test_unread_texts_are_found():
    found = unread(pa.array(["2024-01-31", "soon", None]), YEAR_FIRST)
    assert found.tolist() == [False, True, False]


def test_durations_are_written_as_pandas_does():
    waits = pd.Series(pd.to_timedelta([1.5, -0.25, 90_061, None], unit="s"))
    texts = written(pa.array(waits, from_pandas=True)).to_pylist()
    assert texts == [
        "0 days 00:00:01.500000",
        "-1 days +23:59:59.750000",
        "1 days 01:01:01.000000",
        None,
    ]
    seconds = pd.to_timedelta(pd.Series(texts)).dt.total_seconds()
    np.testing.assert_array_equal(seconds, waits.dt.total_seconds())
