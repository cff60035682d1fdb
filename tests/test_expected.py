"""What a model expects of a table: by its schema, its steps, or a file."""

import gzip

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from tests.table_files import csv_of, write

from row_scoring import score_file
from torch_binary_classifier import schema
from torch_binary_classifier.exceptions import ModelFileError, TableError
from torch_binary_classifier.scoring import expected_columns, open_table
from torch_binary_classifier.scoring.columns import Scale
from torch_binary_classifier.scoring.expected import schema_of_file
from torch_binary_classifier.tables.csv_format import CsvFormat


@pytest.fixture
def X(rng):  # noqa: N802
    return pd.DataFrame(
        {
            "age": rng.normal(50, 10, size=60),
            "pets": rng.integers(0, 5, size=60),
            "city": rng.choice(["Oslo", "Rome"], size=60).astype(object),
            "member": rng.random(60) > 0.5,
        }
    )


def looking(X):
    """Return a model with a step of which nothing is known."""
    step = FunctionTransformer(lambda X: X[["age", "pets"]].astype(float))
    return make_pipeline(step, LogisticRegression()).fit(X, X["age"] > 50)


def of_arrays(X):
    """Return a model of an array without names."""
    model = make_pipeline(StandardScaler(), LogisticRegression())
    return model.fit(X[["age", "pets"]].to_numpy(), X["age"] > 50)


# Models without names.


def test_columns_without_names_are_numbered(X):
    expected = expected_columns(of_arrays(X))
    assert expected.is_positional
    assert expected.columns.names == ("x0", "x1")
    assert expected.columns.of_kind("number") == ("x0", "x1")
    assert expected.notes[0] == (
        "The model was trained without names of columns, so the 2 columns are taken in "
        "the order of the table."
    )


def test_functions_of_arrays_are_given_numbers(X):
    step = FunctionTransformer(np.abs, validate=True)
    model = make_pipeline(step, LogisticRegression())
    model.fit(X[["age", "pets"]].to_numpy(), X["age"] > 50)
    assert expected_columns(model).columns.of_kind("number") == ("x0", "x1")


def test_models_that_tell_neither_names_nor_number_are_refused():
    class Odd:
        classes_ = (0, 1)

        def predict_proba(self, X):
            return X

    match = "must tell which columns it takes, got Odd without feature_names_in_ and"
    with pytest.raises(ModelFileError, match=match):
        expected_columns(Odd())


# Schemas.


def test_a_schema_says_what_the_steps_do_not(X):
    model = looking(X)
    assert expected_columns(model).columns.of_kind("file") == tuple(X)
    expected = expected_columns(model, schema(X.assign(label=1)))
    kinds = [column.kind for column in expected.columns.columns]
    assert kinds == ["number", "number", "text", "truth value"]
    assert expected.notes == ()


def test_schemas_of_arrays_are_taken_by_order(X):
    model = of_arrays(X)
    for table in (X[["age", "pets"]], X[["age", "pets"]].to_numpy()):
        expected = expected_columns(model, schema(table))
        age = expected.columns.columns[0]
        assert (age.name, age.schema.name) == ("x0", "x0")
        assert age.scale.mean == pytest.approx(X["age"].mean())
    match = "schema must have 2 columns, as the model was trained on so many .* got 4"
    with pytest.raises(TableError, match=match):
        expected_columns(model, schema(X))


def test_schemas_that_do_not_fit_are_refused(X):
    model = looking(X)
    match = "schema must have all columns of the model, got none named 'pets', 'member'"
    with pytest.raises(TableError, match=match):
        expected_columns(model, schema(X[["age", "city"]]))
    model._manifest = {"schema": schema(X).to_dict()}
    match = "schema must be left out for a model that carries one, got one of 4 columns"
    with pytest.raises(ValueError, match=match):
        expected_columns(model, schema(X))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_schema_of_a_file_is_that_of_its_table(X, tmp_path, suffix):
    X.loc[3, "age"] = np.nan
    X["day"] = "2020-01-01"
    found = schema_of_file(write(X, tmp_path / f"train{suffix}"))
    for column, expected in zip(found.columns, schema(X).columns, strict=True):
        assert (column.name, column.kind) == (expected.name, expected.kind)
        assert column.missing_share == expected.missing_share
        assert column.categories == expected.categories
        if expected.numbers is not None:
            assert column.numbers.quantiles == expected.numbers.quantiles
            assert column.numbers.mean == pytest.approx(expected.numbers.mean)


def test_cells_of_a_csv_file_say_what_a_column_holds(tmp_path):
    text = "a;b;c;d;e\n1; 1.5;true;x;\n NA;NA;FALSE;1;NA\n+3;3;;1.5;null\n"
    path = tmp_path / "train.csv"
    path.write_text(text)
    found = schema_of_file(path, CsvFormat(";"))
    kinds = {column.name: (column.kind, column.dtype) for column in found.columns}
    assert kinds == {
        "a": ("number", "int64"),
        "b": ("number", "double"),
        "c": ("truth value", "bool"),
        "d": ("text", "string"),
        "e": ("number", "double"),
    }
    assert found.columns[0].numbers.quantiles[0] == 1


def test_a_schema_of_a_file_serves_a_model_of_the_frame(X, tmp_path):
    model = looking(X)
    path = write(X, tmp_path / "new.csv")
    found = score_file(model, path, schema=schema_of_file(path))
    expected = model.predict_proba(X)[:, 1]
    np.testing.assert_allclose(found.frame["probability"], expected, atol=1e-12)
    assert found.expected.as_file == {}


# What files say.


def test_bad_records_do_not_say_what_a_column_holds(X, tmp_path):
    model = looking(X)
    path = csv_of(tmp_path, "age,pets,city,member\n50,1,Oslo,true\n1\n,2,Rome,false\n")
    other = tmp_path / "other.csv.gz"
    other.write_bytes(gzip.compress(b"age,pets,city,member\n1.5,1,Oslo,true\n"))
    seen = expected_columns(model).seen_in([open_table(path)])
    kinds = {name: column.kind for name, column in seen.as_file.items()}
    assert kinds == {
        "age": "whole",
        "pets": "whole",
        "city": "text",
        "member": "truth value",
    }
    seen = expected_columns(model).seen_in([open_table(path), open_table(other)])
    assert (seen.as_file["age"].kind, seen.as_file["age"].has_gaps) == ("number", True)
    assert not seen.as_file["pets"].has_gaps


def test_notes_are_sentences(X):
    assert expected_columns(looking(X)).notes == (
        "The model carries no schema of its training table, so what its columns hold "
        "is taken from its fitted steps.",
        "The model does not tell what 'age', 'pets', 'city', 'member' hold, so the "
        "file says, by all of their cells.",
    )


# How numbers were spread.


def test_scales_come_from_scalers_that_look_at_the_column_itself(X):
    steps = make_column_transformer(
        (StandardScaler(), ["age"]),
        (make_pipeline(SimpleImputer(), StandardScaler()), ["pets"]),
        (OneHotEncoder(), ["city"]),
    )
    model = make_pipeline(steps, LogisticRegression()).fit(X, X["age"] > 50)
    scales = [column.scale for column in expected_columns(model).columns.columns]
    age = X["age"]
    assert scales[0].mean == pytest.approx(age.mean())
    assert scales[0].deviation == pytest.approx(age.std(ddof=0))
    assert scales[1:] == [None, None, None]
    model._manifest = {"schema": schema(X).to_dict()}
    scales = [column.scale for column in expected_columns(model).columns.columns]
    assert scales[1].mean == pytest.approx(X["pets"].mean())
    assert scales[2:] == [None, None]


@pytest.mark.parametrize("parameters", [{"with_std": False}, {"with_mean": False}])
def test_scalers_may_know_half(X, parameters):
    scaler = StandardScaler(**parameters)
    model = make_pipeline(scaler, LogisticRegression()).fit(X[["age"]], X["age"] > 50)
    scale = expected_columns(model).columns.columns[0].scale
    assert (scale is None) == ("with_std" in parameters)


def test_infinite_and_narrow_columns_have_no_scale_or_say_so(X):
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(X[["age", "pets"]], X["member"])
    X["age"] = X["age"].where(X.index > 0, np.inf)
    X["pets"] = np.where(X.index > 0, 0, 9)
    model._manifest = {"schema": schema(X).to_dict()}
    age, pets = expected_columns(model).columns.columns
    assert age.scale is None
    deviation = pytest.approx(X["pets"].std(ddof=0))
    assert pets.scale == Scale(X["pets"].mean(), deviation, is_narrow=True)
