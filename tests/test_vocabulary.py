"""A cell is the category that is written so, or the only one of the same value."""

import datetime

import numpy as np
import pandas as pd
import pytest

from torch_binary_classifier.scoring.vocabulary import Vocabulary


def vocabulary(*categories, dtype=None):
    return Vocabulary([np.array(categories, dtype=dtype)])


@pytest.mark.parametrize(
    ("known", "cell", "category"),
    [
        (vocabulary("1", "2", dtype=object), "1.0", "1"),
        (vocabulary("1", "2", dtype=object), "01", "1"),
        (vocabulary("1", "2", dtype=object), " 1", "1"),
        (vocabulary("1", "2", dtype=object), 1.0, "1"),
        (vocabulary("1.0", "2.0", dtype=object), 1, "1.0"),
        (vocabulary("1", "01", dtype=object), "01", "01"),
        (vocabulary("1", "01", dtype=object), "1.0", None),
        (vocabulary("a", " a", dtype=object), "a ", None),
        (vocabulary("a", "b", dtype=object), "A", None),
        (vocabulary(1, 2), "1.0", 1),
        (vocabulary(1, 2), "one", None),
        (vocabulary(10**17, 10**17 + 1), str(10**17 + 1), 10**17 + 1),
        (vocabulary(10**17), str(10**17 + 1), None),
        (vocabulary(1e17), 10**17 + 1, 1e17),
        (vocabulary(0.1, 0.5, dtype=np.float32), "0.1", np.float32(0.1)),
        (vocabulary(0.1, 0.5), np.float32(0.1), 0.1),
        (vocabulary(0.5), "9" * 400, None),
        (vocabulary(False, True), "true", True),
        (vocabulary(False, True), "FALSE", False),
        (vocabulary(False, True), "1", True),
        (vocabulary("False", "True", dtype=object), True, "True"),
        (vocabulary("False", "True", dtype=object), "0", "False"),
        (vocabulary("0", "1", "2", dtype=object), "true", None),
        (vocabulary("True", "a", dtype=object), "1", None),
        (vocabulary("2020-01-01", dtype=object), "2020-01-01 00:00:00", "2020-01-01"),
        (vocabulary("2020-01-01", dtype=object), np.datetime64("2020-01-01"),
         "2020-01-01"),
        (vocabulary("2020-01-01", dtype="M8[us]"), "2020-01-01T00:00",
         np.datetime64("2020-01-01")),
        (vocabulary("2020-01-01", dtype="M8[us]"), "2020-01-01T00:00Z", None),
        (vocabulary("2020-01-01", dtype="M8[ns]"), "2020-13-01", None),
        (vocabulary("2020-01-01T00:00:00.000000001", dtype="M8[ns]"),
         pd.Timestamp("2020-01-01T00:00:00.000000001"),
         np.datetime64("2020-01-01T00:00:00.000000001")),
        (vocabulary(datetime.date(2020, 1, 1), dtype=object),
         np.datetime64("2020-01-01", "ms"), datetime.date(2020, 1, 1)),
        (vocabulary(pd.Timestamp("2020-01-01", tz="UTC"), dtype=object),
         "2020-01-01 01:00:00+01:00", pd.Timestamp("2020-01-01", tz="UTC")),
        (vocabulary(pd.Timedelta(hours=1), dtype=object), np.timedelta64(60, "m"),
         pd.Timedelta(hours=1)),
    ],
    ids=lambda one: None if isinstance(one, Vocabulary) else str(one),
)  # fmt: skip
def test_category_is_found_as_written_or_by_its_only_value(known, cell, category):
    found = known.find(cell)
    assert found == category
    assert (found is None) == (category is None)


@pytest.mark.parametrize(
    ("known", "cell", "native"),
    [
        (vocabulary(1, 2), "3", 3),
        (vocabulary(1, 2), "3.5", 3.5),
        (vocabulary(1, 2), "x", "x"),
        (vocabulary("a", dtype=object), 3, "3"),
        (vocabulary(True), "false", False),
        (vocabulary("2020", dtype="M8[us]"), "2021-01-01", np.datetime64("2021-01-01")),
        (vocabulary("2020", dtype="M8[us]"), "2021-01-01 00:00:00.000000001",
         np.datetime64("2021-01-01T00:00:00.000000001")),
    ],
    ids=lambda one: None if isinstance(one, Vocabulary) else str(one),
)  # fmt: skip
def test_unknown_cell_comes_in_the_kind_of_the_categories(known, cell, native):
    assert known.find(cell) is None
    assert known.native(cell) == native
