"""What is different in a table from the one that a model was trained on."""

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from torch_binary_classifier import check_table, schema
from torch_binary_classifier.schemas import carried_schema, schema_of

N_ROWS = 40


class Model:
    """Stands in for a model that was loaded with its manifest."""

    def __init__(self, manifest=None):
        self._manifest = manifest


@pytest.fixture
def table():
    """Return a frame of one column of each kind."""
    return pd.DataFrame(
        {
            "age": np.arange(N_ROWS) + 20.0,
            "city": ["Oslo", "Bergen"] * (N_ROWS // 2),
            "member": [True, False] * (N_ROWS // 2),
            "when": pd.Timestamp("2020-01-01")
            + pd.to_timedelta(np.arange(N_ROWS), "D"),
            "took": pd.to_timedelta(np.arange(N_ROWS), "s"),
        }
    )


def found(report):
    """Return the kinds of findings by column."""
    return {name: [f.what for f in found] for name, found in report.columns.items()}


def test_training_table_fits(table):
    report = check_table(schema(table), table)
    assert report.fits
    assert report.findings == ()
    assert str(report) == "The table fits."


def test_some_rows_fit(table):
    assert check_table(schema(table), table.iloc[5:9]).findings == ()
    assert check_table(schema(table), table.iloc[5:6]).findings == ()
    assert check_table(schema(table), table.iloc[:0]).findings == ()


@pytest.mark.parametrize(
    ("changes", "what", "share", "message"),
    [
        (
            {"age": lambda t: t["age"].astype(str)},
            "kind", None, "age: holds texts, in training numbers",
        ),
        (
            {"age": lambda t: t["age"] > 30},
            "kind", None, "age: holds truth values, in training numbers",
        ),
        (
            {"when": lambda t: t["took"]},
            "kind", None, "when: holds durations, in training dates",
        ),
        (
            {"city": lambda _: [["Oslo"]] * N_ROWS},
            "kind", None, "city: holds lists or bytes, in training texts",
        ),
        (
            {"city": lambda t: t["city"].where(t.index > 3, "Rome")},
            "unseen", 0.1, "city: 10.0% were never seen in training: 'Rome'",
        ),
        (
            {"age": lambda t: t["age"].where(t.index > 3, 99.5)},
            "range", 0.1,
            "age: 10.0% are outside 20 to 59, the range of training; here 24 to 99.5",
        ),
        (
            {"when": lambda t: t["when"] + pd.Timedelta(30, "D")},
            "range", 0.75,
            "when: 75.0% are outside 2020-01-01 00:00:00.000000 to "
            "2020-02-09 00:00:00.000000, the range of training; here "
            "2020-01-31 00:00:00.000000 to 2020-03-10 00:00:00.000000",
        ),
        (
            {"took": lambda t: t["took"] - pd.Timedelta(2, "s")},
            "range", 0.05,
            "took: 5.0% are outside 0 days 00:00:00.000000 to 0 days 00:00:39.000000"
            ", the range of training; here -1 days +23:59:58.000000 to "
            "0 days 00:00:37.000000",
        ),
        (
            {"age": lambda t: t["age"].where(t.index > 9)},
            "gaps", 0.25, "age: 25.0% are missing, in training none was",
        ),
        (
            {"city": lambda _: None},
            "empty", 1.0, "city: all cells are missing, in training none was",
        ),
        (
            {"age": lambda _: 30.0},
            "constant", None,
            "age: is 30.0 in every row, in training there were 40 values",
        ),
        (
            {"when": lambda t: t["when"].iloc[0]},
            "constant", None,
            "when: is '2020-01-01 00:00:00.000000' in every row, in training there "
            "were 40 values",
        ),
    ],
)  # fmt: skip
def test_difference_is_found(changes, what, share, message, table):
    new = table.assign(**changes)
    report = check_table(schema(table), new)
    (finding,) = report.findings
    assert found(report) == {next(iter(changes)): [what]}
    assert finding.message == str(report) == message
    assert finding.share == (share if share is None else pytest.approx(share))
    assert not report.fits
    # The other way round there is another difference or none, but no crash.
    str(check_table(schema(new), table))


def test_values_are_kept_as_data(table):
    new = table.assign(city=[f"c{i % 12}" for i in range(N_ROWS)], age=-1.5)
    report = check_table(schema(table), new)
    age, city = report.columns["age"], report.columns["city"]
    assert age[0].values == (-1.5, -1.5)
    assert len(city[0].values) == 10
    assert city[0].share == 1.0
    assert str(city[0].message).endswith("'c0', 'c1', 'c2' and 9 more")


def test_categories_are_not_unseen_if_the_list_is_not_whole():
    words = pd.DataFrame({"word": [f"w{i}" for i in range(101)]})
    new = pd.DataFrame({"word": ["other", "one"]})
    assert check_table(schema(words), new).fits
    assert not check_table(schema(words.iloc[:100]), new).fits


def test_gaps_pass_where_training_had_some(table):
    table.loc[::4, "age"] = np.nan
    taken = schema(table)
    table.loc[::2, "age"] = np.nan
    assert check_table(taken, table).fits
    table["age"] = np.nan
    (finding,) = check_table(taken, table).findings
    assert finding.message == "age: all cells are missing, in training 25.0% were"


def test_columns_are_found_by_name(table):
    taken = schema(table)
    new = table.drop(columns="city").assign(more=1)
    report = check_table(taken, new)
    assert found(report) == {"city": ["missing"], "more": ["extra"]}
    assert str(report).splitlines() == [
        "city: the column is missing",
        "more: training had no such column",
    ]
    report = check_table(taken, table[[*table][::-1]])
    assert report.fits
    assert str(report).startswith("note: the columns have another order, in training")


def test_another_type_of_a_kind_is_a_note(table):
    report = check_table(schema(table), table.astype({"age": np.float32}))
    assert report.fits
    assert str(report) == "note: age: is of type float32, in training float64"


def test_other_packages_have_other_words_for_types(table):
    arrow = pa.Table.from_pandas(table)
    assert check_table(schema(table), arrow).findings == ()
    polars = pytest.importorskip("polars")
    assert check_table(schema(arrow), polars.from_arrow(arrow)).findings == ()


def test_arrays_are_compared_by_place():
    X = np.arange(12.0).reshape(6, 2)
    taken = schema(X)
    assert check_table(taken, X).findings == ()
    (finding,) = check_table(taken, X[:, :1]).findings
    assert (finding.what, finding.column) == ("shape", None)
    assert finding.message == "the table must have 2 columns, got 1"
    assert found(check_table(taken, X + np.array([0, 9]))) == {"x1": ["range"]}


@pytest.mark.parametrize("is_named", [True, False])
def test_names_on_one_side_only_are_a_note(is_named):
    X = np.arange(12.0).reshape(6, 2)
    frame = pd.DataFrame(X, columns=["a", "b"])
    report = check_table(schema(frame if is_named else X), X if is_named else frame)
    assert report.fits
    which = "this table" if is_named else "training"
    assert str(report) == (
        f"note: the columns of {which} have no names, so their order counts"
    )


def test_dates_are_compared_in_any_type(table):
    days = table[["when"]].assign(when=table["when"].dt.date.astype(object))
    assert isinstance(days["when"][0], datetime.date)
    report = check_table(schema(table[["when"]]), days)
    assert [f.what for f in report.findings] == ["dtype"]


def test_zones_are_compared_as_moments(table):
    zoned = table[["when"]].assign(when=table["when"].dt.tz_localize("UTC"))
    shifted = zoned.assign(when=zoned["when"].dt.tz_convert("Asia/Tokyo"))
    assert check_table(schema(zoned), shifted).fits


# Whose schema.


def test_loaded_model_carries_its_schema(table):
    taken = schema(table)
    model = Model({"schema": taken.to_dict()})
    assert schema_of(model) == schema_of(taken) == taken
    assert check_table(model, table).fits


@pytest.mark.parametrize(
    "model", [object(), Model(), Model({}), Model({"schema": None})]
)
def test_model_without_schema_is_refused(model, table):
    assert carried_schema(model) is None
    match = r"model must carry the schema .* Save it with save\(model, path, X=X\)\."
    with pytest.raises(ValueError, match=match):
        check_table(model, table)


def test_damaged_schema_is_refused(table):
    with pytest.raises(ValueError, match="TableSchema must have the entries"):
        schema_of(Model({"schema": {}}))
    with pytest.raises(ValueError, match="table must be a frame"):
        check_table(schema(table), [1])
