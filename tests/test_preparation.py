"""Transformers take every kind of frame, and refuse what they cannot read."""

import datetime as dt

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone

from torch_binary_classifier.preparation import CategoriesAsTexts, TimesAsNumbers

DATES = ["1970-01-02", None, "1970-01-11 12:00"]


def date_frames():
    """Return the same dates in every kind of frame, as texts and by type."""
    texts = pd.DataFrame({"day": DATES})
    typed = pd.DataFrame({"day": pd.to_datetime(texts["day"], format="mixed")})
    moments = [dt.datetime(1970, 1, 2), None, dt.datetime(1970, 1, 11, 12)]
    return {
        "texts": texts,
        "strings": texts.astype("string"),
        "categories": texts.astype("category"),
        "moments": typed,
        "zoned": typed.assign(day=typed["day"].dt.tz_localize("UTC")),
        "objects": pd.DataFrame({"day": pd.Series(moments, dtype=object)}),
        "pyarrow": pa.table({"day": moments}),
        "polars": pl.DataFrame({"day": moments}),
        "polars texts": pl.DataFrame({"day": DATES}),
    }


@pytest.mark.parametrize("kind", date_frames())
def test_times_of_every_kind_of_frame_are_the_same_numbers(kind):
    frames = date_frames()
    fitted = TimesAsNumbers().fit(frames["texts"])
    np.testing.assert_array_equal(
        fitted.transform(frames[kind]), [[1.0], [np.nan], [10.5]]
    )
    refitted = clone(fitted).fit(frames[kind])
    assert refitted.time_formats_ == fitted.time_formats_ == ("year-month-day",)
    assert refitted.get_feature_names_out().tolist() == ["day"]


def test_times_of_an_array_need_no_names():
    spans = np.array([[60], [120]], dtype="timedelta64[s]")
    assert TimesAsNumbers().fit_transform(spans).tolist() == [[60.0], [120.0]]


def test_given_formats_read_what_tells_nothing_itself():
    frame = pd.DataFrame({"day": ["02/01/1970"]})
    assert TimesAsNumbers(["day-month-year"]).fit_transform(frame) == [[1.0]]
    with pytest.raises(
        ValueError,
        match=r"column 'day' must tell days from months, got dates that can be read "
        r"as day-month-year and as month-day-year\. Set formats\.",
    ):
        TimesAsNumbers().fit(frame)


def test_a_column_without_a_value_is_missing_everywhere():
    frame = pd.DataFrame({"day": [None, None]})
    assert np.isnan(TimesAsNumbers().fit_transform(frame)).all()


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["1970-01-01", "soon"], "column 'day' must hold dates .* got 'soon'"),
        ([1, 2], "column 'day' must hold dates, got cells of type int64"),
        ([dt.date(1970, 1, 1), "x"], "column 'day' must hold .* a mixture of types"),
    ],
)
def test_what_is_no_time_is_refused_in_fit_and_after(cells, message):
    frame = pd.DataFrame({"day": pd.Series(cells, dtype=object)})
    if isinstance(cells[0], int):
        frame = frame.astype("int64")
    fitted = TimesAsNumbers().fit(pd.DataFrame({"day": DATES}))
    for attempt in (fitted.transform, clone(fitted).fit):
        with pytest.raises(ValueError, match=message):
            attempt(frame)


@pytest.mark.parametrize(
    ("formats", "message"),
    [
        (["iso"], "formats must be one of .* per column, got 'iso'"),
        (["duration"] * 2, "per column, got 2 for 1 columns"),
    ],
)
def test_unfit_formats_are_refused(formats, message):
    with pytest.raises(ValueError, match=message):
        TimesAsNumbers(formats).fit(pd.DataFrame({"day": DATES}))


def test_codes_are_one_category_however_they_are_written():
    fitted = CategoriesAsTexts().fit(pd.DataFrame({"code": [1, 2, 3]}))
    cells = [1, 1.0, "1", "01", "1.0", True, np.int64(1), np.float32(1), "true"]
    frame = pd.DataFrame({"code": pd.Series(cells, dtype=object)})
    assert set(fitted.transform(frame).ravel()) == {"1"}
    others = pd.DataFrame({"code": ["blue", "1.5", 10**18, float("inf")]})
    assert fitted.transform(others).ravel().tolist() == [
        "blue",
        "1.5",
        str(10**18),
        "inf",
    ]


def test_texts_stay_as_they_are():
    frame = pd.DataFrame({"city": ["1", "1.0", "01", "True", "NA", " x"]})
    fitted = CategoriesAsTexts().fit(frame)
    assert fitted.number_codes_ == (False,)
    assert fitted.transform(frame).ravel().tolist() == frame["city"].tolist()


@pytest.mark.parametrize(
    "cells",
    [
        pd.Series([1, None], dtype="Int64"),
        pd.Series([1, np.nan]),
        pd.Series([1, None], dtype=object),
        pd.Series([1, pd.NA], dtype=object),
        pd.Series([1, pd.NaT], dtype=object),
        pd.Series([1, np.datetime64("NaT")], dtype=object),
        pd.Series([1, np.float32("nan")], dtype=object),
        pd.Series([1, "NA"], dtype=object),
        pd.Series([1, None], dtype="category"),
    ],
    ids=[
        "Int64",
        "NaN",
        "None",
        "NA",
        "NaT",
        "NumPy's NaT",
        "float32",
        "word",
        "category",
    ],
)
def test_every_mark_of_a_gap_is_one_category(cells):
    fitted = CategoriesAsTexts().fit(pd.DataFrame({"code": [1, 2]}))
    texts = fitted.transform(pd.DataFrame({"code": cells})).ravel().tolist()
    assert texts == ["1", "(missing)"]


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.table])
def test_categories_of_every_kind_of_frame_are_the_same(kind):
    columns = {"city": ["Oslo", None], "code": [1, 2], "member": [True, False]}
    fitted = CategoriesAsTexts().fit(kind(columns))
    expected = [["Oslo", "1", "1"], ["(missing)", "2", "0"]]
    assert fitted.transform(kind(columns)).tolist() == expected
    assert fitted.number_codes_ == (False, True, True)


def test_fitted_transformers_outlive_a_file(tmp_path):
    frame = pd.DataFrame({"day": DATES})
    for transformer in (TimesAsNumbers(), CategoriesAsTexts()):
        before = transformer.fit_transform(frame)
        joblib.dump(transformer, tmp_path / "t.joblib")
        after = joblib.load(tmp_path / "t.joblib").transform(frame)
        np.testing.assert_array_equal(after, before)
