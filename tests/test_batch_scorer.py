"""Batches of Arrow are scored as files are, by Spark's hands as by ours."""

import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from tests.table_files import write
from tests.test_row_scorer import arrow, fitted, people

from builders import network
from row_scoring import score_file
from torch_binary_classifier import scorer
from torch_binary_classifier.exceptions import TableError

N_ROWS = 120


@pytest.fixture
def X(rng):  # noqa: N802
    return people(rng).assign(id=np.arange(N_ROWS))


@pytest.fixture
def model(X):
    return fitted(X.drop(columns="id"))


def test_scores_are_those_of_files_and_of_the_model(X, model, tmp_path):
    found = scorer(model, keep=["id", "city"], logit=True)(arrow(X))
    assert isinstance(found, pa.RecordBatch)
    assert found.schema.names == ["id", "city", "probability", "prediction", "logit"]
    np.testing.assert_array_equal(found["id"], X["id"])
    assert found["city"].to_pylist() == X["city"].tolist()
    np.testing.assert_array_equal(found["logit"], model.decision_function(X))
    np.testing.assert_array_equal(found["prediction"], model.predict(X))
    file = score_file(model, write(X, tmp_path / "new.parquet"))
    np.testing.assert_array_equal(found["probability"], file.frame["probability"])


@pytest.mark.parametrize("sizes", [[1, 7, 112], [60, 0, 60]])
def test_batches_are_scored_one_by_one(X, model, sizes):
    table = arrow(X)
    starts = np.cumsum([0, *sizes[:-1]])
    batches = [
        table.slice(start, size).to_batches()[0] if size else table.schema.empty_table()
        for start, size in zip(starts, sizes, strict=True)
    ]
    score = pickle.loads(pickle.dumps(scorer(model, keep=["id"])))
    found = pa.Table.from_batches(score.batches(iter(batches)))
    assert found.equals(pa.Table.from_batches([score(table)]))
    assert [len(score(batch)) for batch in batches] == sizes


def test_columns_may_come_in_any_type_and_piece(X, model):
    table = arrow(X)
    texts = table.column("city")
    pieces = pa.chunked_array([texts.chunk(0)[:50], texts.chunk(0)[50:]])
    score = scorer(model, keep=["city"])
    expected = score(table)["probability"]
    for cities in (
        pieces,
        texts.dictionary_encode(),
        pieces.dictionary_encode(),
        texts.cast(pa.large_string()),
        texts.cast(pa.string_view()),
    ):
        new = table.set_column(table.column_names.index("city"), "city", cities)
        found = score(new)
        assert found["probability"].equals(expected)
        assert found.schema == score.schema_for(new.schema)
        assert found["city"].to_pylist() == X["city"].tolist()
    ages = pa.ExtensionArray.from_storage(Age(), table.column("age").chunk(0))
    new = table.set_column(0, "age", ages)
    assert score(new)["probability"].equals(expected)


class Age(pa.ExtensionType):
    """A type of its own for a number."""

    def __init__(self):
        super().__init__(pa.float64(), "tests.age")

    def __arrow_ext_serialize__(self):
        return b""


def test_frames_of_other_packages_are_taken_over(X, model):
    polars = pytest.importorskip("polars")
    score = scorer(model)
    found = score(polars.from_pandas(X))
    assert found["probability"].equals(score(arrow(X))["probability"])


def test_what_no_table_is_is_refused(model):
    match = "batch must be a RecordBatch or Table of Arrow, or a table .* got list"
    with pytest.raises(TableError, match=match):
        scorer(model)([1, 2])


@pytest.mark.parametrize("labels", [[0, 1], ["no", "yes"], [False, True]])
def test_schema_is_known_before_the_first_batch(X, labels):
    y = np.asarray(labels)[(X["age"] > 50).to_numpy().astype(int)]
    model = make_pipeline(StandardScaler(), network()).fit(X[["age"]], y)
    score = scorer(model, threshold=0.4, logit=True, keep=["day"])
    table = arrow(X)
    assert score.schema_for(table.schema) == score(table).schema
    p = model.predict_proba(X[["age"]])[:, 1]
    expected = np.asarray(labels)[(p >= 0.4).astype(int)]
    assert score(table)["prediction"].to_pylist() == expected.tolist()


def test_functions_see_the_types_of_the_batch(X):
    step = FunctionTransformer(lambda X: np.column_stack([X["age"], X["pets"] % 2]))
    model = make_pipeline(step, StandardScaler(), LogisticRegression())
    model.fit(X[["age", "pets"]], X["age"] > 50)
    table = arrow(X)
    whole = scorer(model)(table)["probability"]
    expected = model.predict_proba(X[["age", "pets"]])[:, 1]
    np.testing.assert_allclose(whole, expected, rtol=0, atol=1e-12)
    gap = pa.table({"age": [50.0, 50.0], "pets": pa.array([3, None])})
    with pytest.raises(TableError, match=r"must fit the model, .* NaN.* in row 1 of"):
        scorer(model)(gap)


# Models of arrays.


def test_models_of_arrays_take_the_columns_beside_those_to_keep(X):
    numbers = X[["age", "pets"]]
    model = make_pipeline(StandardScaler(), network())
    model.fit(numbers.to_numpy(), X["age"] > 50)
    expected = model.predict_proba(numbers.to_numpy())[:, 1]
    score = scorer(model, keep=["id"])
    found = score(arrow(X[["id", "age", "pets"]]))
    np.testing.assert_array_equal(found["probability"], expected)
    # Where the number fits, a column may be taken and kept.
    ages = scorer(model, keep=["age"])(arrow(numbers))
    np.testing.assert_array_equal(ages["probability"], expected)
    match = "must have 2 columns beside those to keep, as the model was .* got 6"
    with pytest.raises(TableError, match=match):
        score(arrow(X))
    with pytest.raises(TableError, match="must have the columns 'id' once each, got 0"):
        score(arrow(numbers))


# What is refused.


def test_rows_without_a_score_are_an_error(X, model):
    new = X.astype({"age": object})
    new.loc[3, "age"], new.loc[9, "age"] = "abc", "x"
    table = arrow(new.astype({"age": str}))
    match = (
        r"column 'age' must hold numbers, got 'abc' in row 3 of the batch \(rows are "
        r"counted from 0\)\. The same batch has 1 more such rows\."
    )
    with pytest.raises(TableError, match=match):
        scorer(model)(table)
    match = r"got inf in row 0 of the batch \(rows are counted from 0\)\.$"
    with pytest.raises(TableError, match=match):
        scorer(model)(arrow(X.assign(age=X["age"].where(X.index > 0, np.inf))))


def test_columns_that_are_missing_or_twice_are_an_error(X, model):
    table = arrow(X)
    match = "the table must have the columns 'age', .* once each, got 0 named 'pets'"
    with pytest.raises(TableError, match=match):
        scorer(model)(table.drop_columns("pets"))
    with pytest.raises(TableError, match=match):
        scorer(model).schema_for(table.drop_columns("pets").schema)
    twice = table.append_column("age", table.column("age"))
    with pytest.raises(TableError, match="once each, got 2 named 'age'"):
        scorer(model)(twice)
    with pytest.raises(TableError, match="got 0 named 'name'"):
        scorer(model, keep=["name"])(table)


@pytest.mark.parametrize("keep", [["logit"], ["id", "id"]])
def test_columns_to_keep_must_differ_from_the_scores(model, keep):
    match = (
        "keep must be columns of other names than 'probability', 'prediction', 'logit'"
    )
    with pytest.raises(ValueError, match=match):
        scorer(model, keep=keep, logit=True)
    assert scorer(model, keep=["logit"]).keep == ("logit",)


# Spark.


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Spark's own, of pandas and of sockets.
def test_spark_gives_the_same_bytes(X, model):
    pyspark = pytest.importorskip("pyspark.sql")
    builder = pyspark.SparkSession.builder.master("local[2]")
    spark = builder.config("spark.ui.enabled", "false").getOrCreate()
    try:
        score = scorer(model, keep=["id"], logit=True)
        kinds = "id long, probability double, prediction boolean, logit double"
        frame = spark.createDataFrame(arrow(X)).repartition(5)
        found = frame.mapInArrow(score.batches, kinds).toArrow().sort_by("id")
    finally:
        spark.stop()
    expected = pa.Table.from_batches([score(arrow(X))])
    for name in expected.column_names:
        assert found.column(name).to_numpy().tobytes() == (
            expected.column(name).to_numpy().tobytes()
        )
    assert pd.Series(found.column("probability")).between(0, 1).all()
