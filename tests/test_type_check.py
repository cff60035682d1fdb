"""Types of a table are held against those of training before the first row."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from torch_binary_classifier import schema
from torch_binary_classifier.exceptions import TableError
from torch_binary_classifier.scoring import RowScorer, expected_columns

TYPES = {
    "n": pa.float64(),
    "c": pa.string(),
    "t": pa.bool_(),
    "d": pa.timestamp("us"),
    "s": pa.duration("us"),
}


def scorer_of(*, has_schema, types="strict"):
    """Return a scorer of a model of each kind of column."""
    X = pd.DataFrame(
        {
            "n": np.arange(8.0),
            "c": list("abababab"),
            "t": [True, False] * 4,
            "d": pd.Timestamp("2020-01-01"),
            "s": pd.Timedelta("1s"),
            "unused": "a",
        }
    )
    steps = make_column_transformer(
        (StandardScaler(), ["n"]), (OneHotEncoder(), ["c", "t", "d", "s"])
    )
    model = make_pipeline(steps, LogisticRegression()).fit(X, X["t"])
    if has_schema:
        model._manifest = {"schema": schema(X).to_dict()}
    return RowScorer(model, expected_columns(model), types=types)


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("n", pa.string(), "texts instead of numbers"),
        ("n", pa.bool_(), "truth values instead of numbers"),
        ("n", pa.timestamp("s"), "dates instead of numbers"),
        ("c", pa.int64(), "numbers instead of texts"),
        ("t", pa.int8(), "numbers instead of truth values"),
        ("t", pa.large_string(), "texts instead of truth values"),
        ("d", pa.string(), "texts instead of dates"),
        ("d", pa.duration("s"), "durations instead of dates"),
        ("s", pa.time64("us"), "times of day instead of durations"),
        ("c", pa.list_(pa.string()), "lists or bytes instead of texts"),
        ("n", pa.dictionary(pa.int8(), pa.string()), "texts instead of numbers"),
    ],
)
def test_columns_of_other_kinds_are_refused_if_strict(name, kind, words):
    types = TYPES | {name: kind}
    match = (
        f"new.parquet must have columns of the kinds of training if types are strict, "
        rf"got '{name}' with {words}\. With types='coerce' \(--types coerce\), cells"
    )
    with pytest.raises(TableError, match=match):
        scorer_of(has_schema=True).check_types(types, "new.parquet")
    scorer_of(has_schema=True, types="coerce").check_types(types, "new.parquet")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("n", pa.int8()),
        ("n", pa.uint64()),
        ("n", pa.float32()),
        ("n", pa.decimal128(9, 2)),
        ("n", pa.null()),
        ("n", None),
        ("c", pa.large_string()),
        ("c", pa.dictionary(pa.int8(), pa.string())),
        ("d", pa.timestamp("ns", "Europe/Oslo")),
        ("d", pa.date32()),
        ("s", pa.duration("ns")),
        ("unused", pa.int64()),
    ],
)
@pytest.mark.parametrize("has_schema", [True, False])
def test_types_of_the_same_kind_fit(name, kind, has_schema):
    scorer_of(has_schema=has_schema).check_types(TYPES | {name: kind})


def test_all_wrong_columns_are_named():
    wrong = {"n": pa.string(), "c": pa.int8(), "t": pa.int8(), "d": pa.string()}
    match = (
        "the table must .* got 'n' with texts instead of numbers, 'c' with numbers "
        "instead of texts, 't' with numbers instead of truth values, 'd' with texts"
    )
    with pytest.raises(TableError, match=match):
        scorer_of(has_schema=True).check_types(wrong)


def test_many_wrong_columns_are_counted():
    X = pd.DataFrame(np.arange(24.0).reshape(3, 8), columns=list("abcdefgh"))
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, [0, 1, 0])
    scorer = RowScorer(model, expected_columns(model), types="strict")
    with pytest.raises(TableError, match="'e' with texts instead of numbers and 3"):
        scorer.check_types(dict.fromkeys(X, pa.string()))


def test_without_a_schema_dates_and_what_files_say_pass():
    X = pd.DataFrame({"a": [1.0, 2.0, 3.0]})
    step = FunctionTransformer(lambda X: X)
    model = make_pipeline(step, LogisticRegression()).fit(X, [0, 1, 0])
    expected = expected_columns(model)
    assert expected.columns.of_kind("file") == ("a",)
    from torch_binary_classifier.scoring.type_check import check_types

    check_types(expected.columns, {"a": pa.string()})
