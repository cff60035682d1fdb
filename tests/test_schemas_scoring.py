"""A model with a schema scores files as it scores the table in Python."""

import datetime
import warnings
import zlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from tests.table_files import write
from tests.test_scoring_property import models, options

from row_scoring import score_file
from torch_binary_classifier import schema
from torch_binary_classifier.exceptions import TableError
from torch_binary_classifier.preparation import CategoriesAsTexts, TimesAsNumbers
from torch_binary_classifier.scoring import (
    input_columns,
    trained_cells,
    training_types,
)
from torch_binary_classifier.tables import csv_rows, parquet_parts
from torch_binary_classifier.tables import frame as frames
from torch_binary_classifier.tables.bad_rows import BadRow
from torch_binary_classifier.tables.missing import is_gap

N_ROWS = 60
ONE_HOT = OneHotEncoder(handle_unknown="ignore")


def looked_at(X):
    """Return numbers that change with every type and every writing of a cell."""
    return np.column_stack([numbers_of(X[name]) for name in X])


def numbers_of(column):
    """Return a number between 0 and 1 for each cell."""
    seen = [f"{column.dtype} {'gap' if is_gap(cell) else cell}" for cell in column]
    return [zlib.crc32(words.encode()) / 2**32 for words in seen]


LOOK = FunctionTransformer(looked_at)


def trained(step, X, y=None):
    """Return a model of a step that carries the schema of its table."""
    y = np.arange(len(X)) % 2 if y is None else y
    model = make_pipeline(step, LogisticRegression()).fit(X, y)
    model._manifest = {"schema": schema(X).to_dict()}
    return model


def scored(model, path):
    """Return probabilities and summary of a file."""
    found = score_file(model, path, part_bytes=csv_rows.BLOCK_BYTES)
    assert not found.bad
    return found.frame["probability"].to_numpy(), found


def check_like_python(model, frame, tmp_path, expected=None):
    """Compare the scores of both kinds of file with those of the frame."""
    probabilities = model.predict_proba(frame if expected is None else expected)[:, 1]
    for suffix in (".csv", ".parquet"):
        found, summary = scored(model, write(frame, tmp_path / f"new{suffix}"))
        np.testing.assert_allclose(found, probabilities, rtol=0, atol=1e-12)
        assert summary.expected.as_file == {}
    return summary


def days(n_rows):
    """Return a series of different days."""
    return pd.Series(pd.Timestamp("2020-01-01") + pd.to_timedelta(range(n_rows), "D"))


# Each is one column as a pipeline may be given it.
COLUMNS = {
    "float64": pd.Series(np.linspace(-1, 1, N_ROWS)),
    "whole floats": pd.Series(np.arange(N_ROWS) * 1.0),
    "float32": pd.Series(np.linspace(-1, 1, N_ROWS), dtype=np.float32),
    "int64": pd.Series(np.arange(N_ROWS)),
    "large": pd.Series(np.arange(N_ROWS) + 2**62),
    "int8": pd.Series(np.arange(N_ROWS), dtype=np.int8),
    "uint64": pd.Series(np.arange(N_ROWS).astype(np.uint64) + 2**63),
    "objects": pd.Series([None, *range(1, N_ROWS)], dtype=object),
    "nullable": pd.Series([None, *range(1, N_ROWS)], dtype="Int64"),
    "nullable floats": pd.Series([None, *range(1, N_ROWS)], dtype="Float64"),
    "truths": pd.Series([True, False] * (N_ROWS // 2)),
    "truths and gaps": pd.Series([True, None, False] * (N_ROWS // 3), dtype=object),
    "nullable truths": pd.Series([True, None, False] * (N_ROWS // 3), dtype="boolean"),
    "codes": pd.Series([f"{i:03}" for i in range(N_ROWS)]),
    "digits": pd.Series([str(i) for i in range(N_ROWS)], dtype=object),
    "truth words": pd.Series(["true", "FALSE", "True"] * (N_ROWS // 3)),
    "dates as texts": days(N_ROWS).dt.strftime("%Y-%m-%d").astype(object),
    "words": pd.Series(["NA", "none", " x", "x ", "é"] * (N_ROWS // 5)),
    "words and gaps": pd.Series(["NA", None, "x"] * (N_ROWS // 3), dtype=object),
    "empty texts": pd.Series(["", "x"] * (N_ROWS // 2), dtype=object),
    "category": pd.Series(["m", "s", None] * (N_ROWS // 3)).astype(
        pd.CategoricalDtype(["s", "m", "l"], ordered=True)
    ),
    "number category": pd.Series([3, 1, 2] * (N_ROWS // 3)).astype("category"),
    "string": pd.Series(["a", None, "1"] * (N_ROWS // 3), dtype="string"),
    "arrow": pd.Series([1, 2, None] * (N_ROWS // 3), dtype="int64[pyarrow]"),
    "moments": days(N_ROWS) + pd.Timedelta("01:02:03.5"),
    "moments and gaps": days(N_ROWS).where(days(N_ROWS).index % 3 > 0),
    "nanoseconds": days(N_ROWS).astype("datetime64[ns]") + pd.Timedelta(7, "ns"),
    "seconds": days(N_ROWS).astype("datetime64[s]"),
    "zoned": days(N_ROWS).dt.tz_localize("Europe/Oslo"),
    "durations": pd.Series(pd.to_timedelta(np.arange(N_ROWS) * 3661, "s")),
    "dates": pd.Series(days(N_ROWS).dt.date, dtype=object),
    "times of day": pd.Series(
        [datetime.time(i % 24, i, 5) for i in range(N_ROWS)], dtype=object
    ),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_function_sees_in_files_what_it_sees_in_python(name, tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_parts, "CHUNK_CELLS", 5)
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", 64)
    X = pd.DataFrame({"c": COLUMNS[name]})
    model = trained(LOOK, X)
    summary = check_like_python(model, X, tmp_path)
    assert summary.columns[0].unseen == 0
    assert summary.columns[0].missing == X["c"].isna().mean()
    assert summary.columns[0].had_gaps == X["c"].isna().any()
    assert input_columns(model).of_kind("file") == ()


def check_any_table(drawn, chunk_size, path):
    """Compare a drawn model, and one that looks at every cell, with Python."""
    X, model, y = drawn
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # From the fit of absurd tables.
        try:
            expected = model.fit(X, y).predict_proba(X)[:, 1]
        except (TypeError, ValueError):
            return  # scikit-learn does not take the table either.
        model._manifest = {"schema": schema(X).to_dict()}
        looking = trained(LOOK, X, y)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet_parts, "CHUNK_CELLS", chunk_size)
        check_like_python(looking, X, path)
        for suffix in (".csv", ".parquet"):
            found, summary = scored(model, write(X, path / f"new{suffix}"))
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
            assert not any(column.unseen for column in summary.columns)


@given(drawn=models(), chunk_size=st.sampled_from([7, 40, 10**6]))
@settings(max_examples=10, **options)
def test_any_table_and_any_encoders(drawn, chunk_size, tmp_path_factory):
    check_any_table(drawn, chunk_size, tmp_path_factory.mktemp("any"))


@pytest.mark.slow
@given(drawn=models(), chunk_size=st.sampled_from([7, 40, 10**6]))
@settings(max_examples=200, **options)
def test_many_tables_and_any_encoders(drawn, chunk_size, tmp_path_factory):
    check_any_table(drawn, chunk_size, tmp_path_factory.mktemp("many"))


# Cells that training had not.


@pytest.mark.parametrize("chunk", [5, 10**6])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_gaps_and_fractions_change_nothing_for_other_rows(
    chunk, suffix, tmp_path, monkeypatch
):
    monkeypatch.setattr(parquet_parts, "CHUNK_CELLS", chunk)
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", 64 if chunk < N_ROWS else 1 << 20)
    X = pd.DataFrame(
        {
            "n": np.arange(N_ROWS),
            "m": np.arange(N_ROWS, dtype=np.int8),
            "t": [True, False] * (N_ROWS // 2),
            "x": np.linspace(-1, 1, N_ROWS),
        }
    )
    model = trained(LOOK, X)
    new = X.astype({"n": float, "t": object, "m": int})
    new.loc[7, "n"], new.loc[8, "t"], new.loc[9, "n"] = np.nan, None, 9.5
    new.loc[10, "m"] = 1000  # Too large for its type, which the model copes with.
    rest = np.setdiff1d(np.arange(N_ROWS), [7, 8, 9, 10])
    found, summary = scored(model, write(new, tmp_path / f"new{suffix}"))
    expected = model.predict_proba(X)[:, 1]
    np.testing.assert_allclose(found[rest], expected[rest], rtol=0, atol=1e-12)
    loose = X.astype({"n": float, "m": float, "t": object})
    loose.loc[7, "n"], loose.loc[8, "t"], loose.loc[9, "n"] = np.nan, None, 9.5
    apart = model.predict_proba(loose)[:, 1]
    np.testing.assert_allclose(found[[7, 8, 9]], apart[[7, 8, 9]], rtol=0, atol=1e-12)
    assert [column.missing * N_ROWS for column in summary.columns] == [1, 0, 1, 0]


def test_texts_stay_texts_however_files_hold_them(tmp_path):
    X = pd.DataFrame({"code": [f"{i % 20:03}" for i in range(N_ROWS)]})
    model = trained(LOOK, X)
    expected = model.predict_proba(X)[:, 1]
    for dtype in (int, float):
        new = X.astype(dtype)
        found, summary = scored(model, write(new, tmp_path / "new.parquet"))
        np.testing.assert_array_equal(found, expected)
        assert summary.columns[0].unseen == 0
    # In a file of texts, "1" is not "001".
    found, summary = scored(model, write(X.astype(int), tmp_path / "new.csv"))
    assert summary.columns[0].unseen == 1.0


def test_numbers_are_the_same_however_they_are_written(tmp_path):
    X = pd.DataFrame({"n": np.arange(N_ROWS) % 7, "t": np.arange(N_ROWS) % 2 == 0})
    model = trained(LOOK, X)
    expected = model.predict_proba(X)[:, 1]
    words = X.assign(
        n=[["1.0", " 01", "+1", "1e0"][i % 4].replace("1", str(n), 1)
           for i, n in enumerate(X["n"])],
        t=["true", "FALSE", "1", "0"] * (N_ROWS // 4),
    )  # fmt: skip
    words["n"] = [
        f"0{n}" if word == " 0" + str(n) else word
        for word, n in zip(words["n"], X["n"], strict=True)
    ]
    for suffix in (".csv", ".parquet"):
        found, _ = scored(model, write(words, tmp_path / f"new{suffix}"))
        np.testing.assert_array_equal(found, expected)
    numbers = X.astype({"n": float, "t": int})
    found, _ = scored(model, write(numbers, tmp_path / "new.parquet"))
    np.testing.assert_array_equal(found, expected)


def test_times_are_the_same_in_any_unit_and_type(tmp_path):
    X = pd.DataFrame({"day": days(N_ROWS), "zoned": COLUMNS["zoned"]})
    model = trained(LOOK, X)
    expected = model.predict_proba(X)[:, 1]
    others = [
        X.astype({"day": "datetime64[s]"}),
        X.astype({"day": "datetime64[ns]", "zoned": "datetime64[ns, Europe/Oslo]"}),
        X.assign(day=X["day"].dt.date, zoned=X["zoned"].dt.tz_convert("UTC")),
        X.assign(zoned=X["zoned"].dt.tz_convert("UTC").dt.tz_localize(None)),
    ]
    for new in others:
        for suffix in (".csv", ".parquet"):
            found, _ = scored(model, write(new, tmp_path / f"new{suffix}"))
            np.testing.assert_array_equal(found, expected)


def test_digits_finer_than_the_unit_of_training_are_cut_off(tmp_path):
    X = pd.DataFrame({"day": days(N_ROWS).astype("datetime64[s]")})
    fine = X.astype("datetime64[us]") + pd.Timedelta("0.5s")
    check_like_python(trained(LOOK, X), fine, tmp_path, expected=X)


def test_codes_of_categories_are_those_of_training(tmp_path):
    X = pd.DataFrame({"size": pd.Categorical(["m", "s", "l"] * (N_ROWS // 3))})
    codes = FunctionTransformer(lambda X: X.apply(lambda column: column.cat.codes))
    model = trained(codes, X, (X["size"] == "m").to_numpy())
    expected = model.predict_proba(X)[:, 1]
    new = X.astype(object).replace("l", "a")
    for suffix in (".csv", ".parquet"):
        found, _ = scored(model, write(new, tmp_path / f"new{suffix}"))
        known = (new["size"] != "a").to_numpy()
        np.testing.assert_allclose(found[known], expected[known], rtol=0, atol=1e-12)
        assert not np.isclose(found[~known], expected[~known]).any()


def test_words_are_gaps_where_training_had_gaps(tmp_path):
    X = pd.DataFrame({"word": ["a", "b", None] * (N_ROWS // 3)}, dtype=object)
    words = X.assign(word=["a", "b", " NA"] * (N_ROWS // 3))
    summary = check_like_python(trained(LOOK, X), words, tmp_path, expected=X)
    assert summary.columns[0].missing == 1 / 3
    model = trained(LOOK, X.fillna("c"))
    summary = check_like_python(model, words, tmp_path)
    assert (summary.columns[0].missing, summary.columns[0].unseen) == (0, 1 / 3)


def test_categories_never_seen_are_counted(tmp_path):
    X = pd.DataFrame(
        {
            "city": ["Oslo", "Rome"] * (N_ROWS // 2),
            "size": pd.Categorical(["m", "s"] * (N_ROWS // 2)),
            "n": [1, 2] * (N_ROWS // 2),
            "id": [f"i{i}" for i in range(N_ROWS)],
        }
    )
    words = pd.DataFrame({"word": [f"w{i}" for i in range(120)]})
    new = X.assign(city="Oslo", size=["m", "xl"] * (N_ROWS // 2), n=7, id="other")
    summary = check_like_python(
        trained(LOOK, X),
        new.astype({"size": "category"}),
        tmp_path,
        expected=new.assign(size=pd.Categorical(new["size"], ["m", "s", "xl"])),
    )
    assert [column.unseen for column in summary.columns] == [0, 0.5, 0, 1]
    _, summary = scored(trained(LOOK, words), write(words + "x", tmp_path / "w.csv"))
    assert summary.columns[0].unseen == 0  # The schema does not list all words.
    codes = pd.DataFrame({"word": [f"{i:03}" for i in range(120)]})
    new = codes.astype(int)  # The encoder does not take "0" for "000".
    _, summary = scored(trained(ONE_HOT, codes), write(new, tmp_path / "w.csv"))
    assert summary.columns[0].unseen == 100 / 120
    model = trained(ONE_HOT, words)
    _, summary = scored(model, write(words + "x", tmp_path / "w.csv"))
    assert summary.columns[0].unseen == 1


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize(
    ("name", "cell", "wanted"),
    [
        ("int64", "four", "numbers, got 'four'"),
        ("float64", "four", "numbers, got 'four'"),
        ("truths", "2", "truth values, got '2'"),
        ("truths", "yes", "truth values, got 'yes'"),
        ("moments", "soon", "dates written year-month-day, got 'soon'"),
        ("dates", "2020-02-30", "dates written year-month-day, got '2020-02-30'"),
        ("durations", "long", "durations, got 'long'"),
    ],
)
def test_cell_of_another_kind_is_refused(name, cell, wanted, suffix, tmp_path):
    X = pd.DataFrame({"c": COLUMNS[name]})
    new = X.astype(str).astype(object)
    new.loc[3, "c"] = cell
    path = write(new, tmp_path / f"new{suffix}")
    found = score_file(trained(LOOK, X), path)
    assert found.bad == [BadRow(3, "cast", f"column 'c' must hold {wanted}", "c")]
    assert found.frame["_row"].tolist() == [i for i in range(N_ROWS) if i != 3]


def test_column_of_another_type_is_refused(tmp_path):
    model = trained(LOOK, pd.DataFrame({"c": COLUMNS["moments"]}))
    new = pd.DataFrame({"c": [1, 2]})
    with pytest.raises(TableError, match=r"must hold dates .* got 1 in row 0"):
        scored(model, write(new, tmp_path / "new.parquet"))


# Steps that are known go on as before.


def people():
    """Return a table of a code, a truth value, a text, a date and a number."""
    return pd.DataFrame(
        {
            "grade": np.arange(N_ROWS) % 3,
            "member": np.arange(N_ROWS) % 5 > 2,
            "code": [f"{i % 4:02}" for i in range(N_ROWS)],
            "day": days(N_ROWS),
            "x": np.linspace(-1, 1, N_ROWS).astype(np.float32),
            "unused": np.arange(N_ROWS),
        }
    )


@pytest.mark.parametrize("has_gaps", [False, True])
def test_known_and_unknown_steps_side_by_side(has_gaps, tmp_path):
    X = people()
    if has_gaps:
        X = X.mask(np.random.default_rng(0).random(X.shape) < 0.2)
        X["member"] = X["member"].astype(object)
        X["x"] = X["x"].astype(np.float32)
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    codes = make_pipeline(CategoriesAsTexts(), ONE_HOT)
    step = make_column_transformer(
        (FeatureUnion([("look", LOOK), ("codes", codes)]), ["grade", "member", "code"]),
        (FeatureUnion([("look", LOOK), ("scaled", numbers)]), ["x"]),
        (FeatureUnion([("look", LOOK), ("days", ONE_HOT)]), ["day"]),
    )
    model = trained(step, X)
    kinds = ["number", "truth value", "text", "time", "number", "dropped"]
    assert [c.kind for c in input_columns(model).columns] == kinds
    check_like_python(model, X, tmp_path)
    check_like_python(model, X.drop(columns="unused"), tmp_path, expected=X)


def test_categories_of_gradient_boosting_are_those_of_training(tmp_path):
    X = people()[["code", "grade", "x"]].astype(
        {"code": "category", "grade": "category"}
    )
    model = HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=2)
    model.fit(X, people()["grade"] == 1)
    model._manifest = {"schema": schema(X).to_dict()}
    assert input_columns(model).columns[0].dtype == "category"
    check_like_python(model, X, tmp_path)


class Wrapper(ClassifierMixin, BaseEstimator):
    """A classifier of another package that looks at rows before it hands them on."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y):
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        self.estimator_ = clone(self.estimator).fit(X, y)
        self.looker_ = LogisticRegression().fit(looked_at(X), y)
        self.classes_ = self.estimator_.classes_
        return self

    def predict_proba(self, X):
        seen = self.looker_.predict_proba(looked_at(X))
        return (seen + self.estimator_.predict_proba(X)) / 2

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def test_wrappers_of_other_packages_may_look_as_well(tmp_path):
    X = people()[["grade", "code"]].astype({"grade": "Int64", "code": "category"})
    inner = make_pipeline(ONE_HOT, LogisticRegression())
    model = Wrapper(inner).fit(X, people()["member"])
    model._manifest = {"schema": schema(X).to_dict()}
    check_like_python(model, X, tmp_path)


def test_dates_as_texts_are_read_as_they_are_written(tmp_path):
    X = pd.DataFrame({"day": days(N_ROWS).dt.strftime("%d/%m/%Y").astype(object)})
    model = trained(TimesAsNumbers(), X)
    assert input_columns(model).of_kind("time") == ("day",)
    check_like_python(model, X, tmp_path)


def test_lists_reach_functions(tmp_path):
    X = pd.DataFrame({"words": [["a"] * (i % 3) for i in range(N_ROWS)]})
    model = trained(FunctionTransformer(lambda X: X.map(len)), X)
    assert input_columns(model).of_kind("file") == ("words",)
    found, summary = scored(model, write(X, tmp_path / "new.parquet"))
    np.testing.assert_array_equal(found, model.predict_proba(X)[:, 1])
    assert [*summary.expected.as_file] == ["words"]


@pytest.mark.parametrize("package", ["polars", "pyarrow"])
def test_models_of_other_frames_are_given_their_types(package, tmp_path):
    frame = people()
    table = pa.Table.from_pandas(frame)
    if package == "polars":
        table = pytest.importorskip("polars").from_arrow(table)
    model = trained(LOOK, frame)
    model._manifest = {"schema": schema(table).to_dict()}
    expected = frame.astype({"code": object})
    check_like_python(model, frame, tmp_path, expected=expected)


def test_columns_that_the_schema_lacks_are_read_as_before(tmp_path):
    X = people()[["code", "x"]]
    model = trained(make_column_transformer((ONE_HOT, ["code"]), (LOOK, ["x"])), X)
    model._manifest = {"schema": schema(X[["x"]]).to_dict()}
    check_like_python(model, X, tmp_path)


def test_files_are_scored_without_pandas(tmp_path, monkeypatch):
    X = people()[["grade", "code"]]
    model = trained(ONE_HOT, X)
    data = write(X, tmp_path / "new.csv")
    expected, _ = scored(model, data)
    monkeypatch.setattr(frames, "PANDAS", None)
    monkeypatch.setattr(training_types, "PANDAS", None)
    monkeypatch.setattr(trained_cells, "PANDAS", None)
    np.testing.assert_array_equal(scored(model, data)[0], expected)
