"""What a table holds, from tables of every package."""

import datetime
import json
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import sparse

from torch_binary_classifier import TableSchema, schema
from torch_binary_classifier.schemas import ColumnSchema

N_ROWS = 1000


@pytest.fixture
def table(rng):
    """Return a frame with a column of every kind."""
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(
        rng.integers(0, 99, N_ROWS), "D"
    )
    return pd.DataFrame(
        {
            "x": rng.normal(size=N_ROWS),
            "single": rng.normal(size=N_ROWS).astype(np.float32),
            "grade": rng.integers(1, 4, N_ROWS),
            "id": np.arange(N_ROWS),
            "member": rng.random(N_ROWS) < 0.5,
            "city": rng.choice(["Oslo", "Bergen", "Rome"], N_ROWS).astype(object),
            "word": [f"w{i % 150}" for i in range(N_ROWS)],
            "when": days,
            "zoned": days.tz_localize("Europe/Oslo"),
            "took": pd.to_timedelta(np.arange(N_ROWS), "s"),
            "size": pd.Categorical(
                rng.choice(["m", "s"], N_ROWS), ["s", "m", "l"], ordered=True
            ),
        }
    )


def column(values, **options):
    """Return the schema of a table of one column."""
    (found,) = schema(pd.DataFrame({"c": values}, **options)).columns
    return found


def through_json(taken):
    """Return a schema that was written as strict JSON and read again."""
    return TableSchema.from_dict(
        json.loads(json.dumps(taken.to_dict(), allow_nan=False))
    )


# What is taken.


def test_columns_have_kinds_and_types(table):
    taken = schema(table)
    assert (taken.container, taken.is_named, taken.n_rows) == ("pandas", True, N_ROWS)
    assert taken.names == tuple(table)
    kinds = ["number"] * 4 + ["truth value", "text", "text"] + ["time"] * 3 + ["text"]
    assert [c.kind for c in taken.columns] == kinds
    assert [c.dtype for c in taken.columns] == [str(dtype) for dtype in table.dtypes]


@pytest.mark.parametrize("name", ["x", "single", "grade", "id"])
def test_numbers_are_spread_as_numpy_says(name, table):
    (taken,) = schema(table[[name]]).columns
    values = table[name].to_numpy()
    places = (0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1)
    expected = np.quantile(values, places, method="nearest")
    np.testing.assert_array_equal(taken.numbers.quantiles, expected)
    assert taken.numbers.mean == pytest.approx(values.astype(float).mean(), abs=1e-12)
    assert taken.numbers.deviation == pytest.approx(values.astype(float).std())
    assert taken.n_distinct == table[name].nunique()


@pytest.mark.parametrize("name", ["grade", "member", "city", "word", "size"])
def test_categories_are_counted_as_pandas_does(name, table):
    (taken,) = schema(table[[name]]).columns
    counts = table[name].value_counts(normalize=True)
    counts = counts[counts > 0]
    assert taken.n_distinct == len(counts)
    assert taken.categories.is_whole == (len(counts) <= 100)
    assert len(taken.categories.values) == min(100, len(counts))
    for value, share in zip(
        taken.categories.values, taken.categories.shares, strict=True
    ):
        assert share == pytest.approx(counts[value])
    assert [*taken.categories.shares] == sorted(taken.categories.shares, reverse=True)


def test_many_whole_numbers_are_no_categories(table):
    assert schema(table[["id"]]).columns[0].categories is None
    assert column(np.arange(100)).categories.is_whole
    assert column(np.arange(101)).categories is None


def test_levels_keep_the_order_of_the_type(table):
    (taken,) = schema(table[["size"]]).columns
    assert taken.levels.values == ("s", "m", "l")
    assert taken.levels.is_ordered
    assert set(taken.categories.values) == {"s", "m"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            pd.to_datetime(["2020-01-01 12:30", "2019-05-01 00:00"]).as_unit("ns"),
            ("moment", "ns", None, "2019-05-01 00:00:00.000000000",
             "2020-01-01 12:30:00.000000000"),
        ),
        (
            pd.to_datetime(["2020-01-01"]).as_unit("s").tz_localize("Europe/Oslo"),
            ("moment", "s", "Europe/Oslo", *["2020-01-01 00:00:00+0100"] * 2),
        ),
        (
            pd.Series([datetime.date(2020, 1, 2), None], dtype=object),
            ("date", "day", None, "2020-01-02", "2020-01-02"),
        ),
        (
            pd.to_timedelta([90, 3], "s").as_unit("us"),
            ("duration", "us", None, "0 days 00:00:03.000000",
             "0 days 00:01:30.000000"),
        ),
        (
            pd.Series([datetime.time(12, 30)], dtype=object),
            ("time of day", "us", None, *["12:30:00.000000"] * 2),
        ),
        (
            pd.Series([pd.NaT], dtype="datetime64[us]"),
            ("moment", "us", None, None, None),
        ),
    ],
    ids=["moment", "zone", "date", "duration", "clock", "empty"],
)  # fmt: skip
def test_times_have_a_unit_and_ends(values, expected):
    found = column(values)
    times = found.times
    assert found.kind == "time"
    ends = (times.what, times.unit, times.zone, times.earliest, times.latest)
    assert ends == expected


@pytest.mark.parametrize(
    ("values", "share"),
    [
        ([1.0, np.nan, 2.0, np.nan], 0.5),
        (pd.Series(["a", None, np.nan, pd.NA], dtype=object), 0.75),
        (pd.array([1, None, 2, 3], dtype="Int64"), 0.25),
        (pd.Categorical(["a", None, "b", "a"]), 0.25),
        ([None] * 4, 1.0),
        (["", "NA", "nan", "None"], 0.0),
    ],
    ids=["floats", "objects", "nullable", "category", "nothing", "words"],
)
def test_missing_cells_are_counted(values, share):
    assert column(values).missing_share == share


def test_cells_of_several_types_are_texts():
    mixed = column(pd.Series([1, "a", None, 2.5, True, (1,)], dtype=object))
    assert (mixed.kind, mixed.n_distinct) == ("text", 5)
    assert set(mixed.categories.values) == {"1", "a", "2.5", "True", "(1,)"}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([[1], [2, 3], None], "other"),
        ([{"a": 1}, {}, None], "other"),
        ([b"x", b"y", None], "other"),
        ([{"a": 1}, [1], None], "text"),
        ([2**70, 1, None], "text"),
        ([1j, 2j, 3j], "text"),
        (pd.period_range("2020-01", periods=3, freq="M"), "text"),
        (pd.cut([1.0, 2.0, 3.0], 2), "text"),
        (pd.Categorical(pd.to_datetime(["2020", "2021", "2020"])), "time"),
        (pd.arrays.SparseArray([0.0, 1.0, 0.0]), "number"),
    ],
    ids=repr,
)
def test_strange_cells_have_a_schema(values, kind):
    found = schema(pd.DataFrame({"c": values}))
    assert found.columns[0].kind == kind
    assert through_json(found) == found


def test_intervals_and_periods_are_written_as_pandas_does():
    assert column(
        pd.period_range("2020-01", periods=1, freq="M")
    ).categories.values == ("2020-01",)
    assert "(0.998, 2.0]" in column(pd.cut([1.0, 2.0, 3.0], 2)).categories.values


# Tables of other packages.


def test_other_frames_hold_the_same(table):
    frame = table.drop(columns="took")
    expected = schema(frame).columns
    others = [pa.Table.from_pandas(frame), pa.RecordBatch.from_pandas(frame)]
    polars = pytest.importorskip("polars")
    others.append(polars.from_arrow(others[0]))
    for other, container in zip(others, ["pyarrow", "pyarrow", "polars"], strict=True):
        taken = schema(other)
        assert (taken.container, taken.n_rows) == (container, N_ROWS)
        for one, two in zip(taken.columns, expected, strict=True):
            assert (one.name, one.kind, one.n_distinct) == (
                two.name, two.kind, two.n_distinct
            )  # fmt: skip
            assert one.numbers == two.numbers
            assert one.categories == two.categories
            assert one.times == two.times


def test_anything_of_arrow_is_a_table():
    class Foreign:
        def __arrow_c_stream__(self, requested_schema=None):
            return pa.table({"a": [1, 2]}).__arrow_c_stream__(requested_schema)

    taken = schema(Foreign())
    assert (taken.container, taken.names) == ("pyarrow", ("a",))


def test_types_of_polars_keep_their_names():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(
        {
            "size": polars.Series(["m", None], dtype=polars.Enum(["s", "m"])),
            "x": polars.Series([float("nan"), 1.0], dtype=polars.Float32),
        }
    )
    size, x = schema(frame).columns
    assert (size.levels.values, x.dtype) == (("s", "m"), "Float32")
    assert (size.missing_share, x.missing_share) == (0.5, 0.5)


@pytest.mark.parametrize(
    "array",
    [
        np.eye(3, dtype=np.float32),
        np.eye(3).astype(object),
        sparse.csr_matrix(np.eye(3)),
        sparse.coo_array(np.eye(3)),
        pd.DataFrame(np.eye(3)),
    ],
    ids=["array", "objects", "matrix", "sparse array", "numbered"],
)
def test_arrays_have_no_names(array):
    taken = schema(array)
    assert taken.names == ("x0", "x1", "x2")
    assert not taken.is_named
    assert [c.numbers.mean for c in taken.columns] == [pytest.approx(1 / 3)] * 3


def test_table_without_rows_has_a_schema(table):
    taken = schema(table.iloc[:0])
    assert taken.n_rows == 0
    assert [c.kind for c in taken.columns if c.name != "city"] == [
        c.kind for c in schema(table).columns if c.name != "city"
    ]
    assert through_json(taken) == taken


@pytest.mark.parametrize(
    ("table", "match"),
    [
        (np.zeros(3), r"table must be a frame .* got an array of shape \(3,\)\."),
        ([[1, 2]], r"table must be a frame .* got list\."),
        (None, r"table must be a frame .* got NoneType\."),
        (pd.Series([1]), r"table must be a frame .* got Series\."),
        (pd.DataFrame(), r"table must have at least one column, got none\."),
        (np.zeros((3, 0)), r"table must have at least one column, got none\."),
        (
            pd.DataFrame([[1, 2]], columns=["a", "a"]),
            r"table must have one column of each name, got two of 'a'\.",
        ),
        (
            pd.DataFrame([[1, 2]], columns=["a", 1]),
            r"names of table's columns must be texts, got 1\.",
        ),
    ],
    ids=["vector", "list", "none", "series", "empty", "narrow", "twice", "mixed"],
)
def test_what_is_no_table_is_refused(table, match):
    with pytest.raises(ValueError, match=match):
        schema(table)


# As plain values.


def test_schema_survives_strict_json(table):
    taken = schema(table)
    assert through_json(taken) == taken
    hash(taken)


def test_numbers_that_json_lacks_survive():
    taken = schema(pd.DataFrame({"c": [np.inf, -np.inf, 1.0], "i": [2**63 - 1, 1, 2]}))
    again = through_json(taken)
    assert again.columns[0].numbers.quantiles == (*[-np.inf] * 4, 1.0, *[np.inf] * 4)
    assert np.isnan(again.columns[0].numbers.mean)
    assert again.columns[1].numbers.quantiles[-1] == 2**63 - 1
    assert "inf" in taken.to_dict()["columns"][0]["numbers"]["quantiles"]


def changed(plain, **entries):
    """Return the plain form of a schema whose first column is changed."""
    return {**plain, "columns": [{**plain["columns"][0], **entries}]}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda plain: {**plain, "more": 1}, r"TableSchema must have .*named 'more'\."),
        (
            lambda plain: {k: v for k, v in plain.items() if k != "n_rows"},
            r"TableSchema must have the entries .* got none named 'n_rows'\.",
        ),
        (lambda plain: [plain], r"TableSchema must be a dict, got \["),
        (
            lambda plain: {**plain, "n_rows": -1},
            r"n_rows of TableSchema must be a whole number, 0 or more, got -1\.",
        ),
        (
            lambda plain: {**plain, "n_rows": True},
            r"n_rows of TableSchema must be a whole number, 0 or more, got True\.",
        ),
        (
            lambda plain: {**plain, "container": "csv"},
            r"container of TableSchema must be one of 'pandas', .* got 'csv'\.",
        ),
        (
            lambda plain: {**plain, "columns": "c"},
            r"columns of TableSchema must be a list, got 'c'\.",
        ),
        (
            lambda plain: changed(plain, name=1),
            r"name of ColumnSchema must be a text, got 1\.",
        ),
        (
            lambda plain: changed(plain, missing_share="many"),
            r"missing_share of ColumnSchema must be a number, got 'many'\.",
        ),
        (
            lambda plain: changed(plain, numbers={}),
            r"Numbers must have the entries .* got none named",
        ),
        (
            lambda plain: {**plain, "is_named": 1},
            r"is_named of TableSchema must be true or false, got 1\.",
        ),
        (
            lambda plain: changed(
                plain, levels={"values": [None], "is_ordered": False}
            ),
            r"values of Levels must be a text, a truth value or a number, got None\.",
        ),
    ],
)  # fmt: skip
def test_what_is_no_schema_is_refused(change, match):
    plain = schema(pd.DataFrame({"c": [1, 2]})).to_dict()
    TableSchema.from_dict(plain)
    with pytest.raises(ValueError, match=match):
        TableSchema.from_dict(change(plain))


def test_known_categories_are_those_of_names():
    assert column(["a", "b"]).known == {"a", "b"}
    assert column([1, 2]).known is None
    assert column(pd.Categorical([1, 2])).known == {1, 2}
    assert column([f"w{i}" for i in range(101)]).known is None
    assert isinstance(column([1.0]), ColumnSchema)


def test_cost_grows_with_the_cells_only(rng):
    n_rows = 100_000
    frame = pd.DataFrame({f"x{i}": rng.normal(size=n_rows) for i in range(10)})
    frame["city"] = rng.choice(["Oslo", "Rome"], n_rows)
    started = time.perf_counter()
    schema(frame)
    assert time.perf_counter() - started < 2  # a loop over cells takes longer
