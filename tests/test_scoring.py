"""Files are scored by name, row by row, or not at all."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tests.table_files import N_ROWS, csv_of, fitted, people, score_anew, write

from builders import mlp
from torch_binary_classifier.assembly import tabular_pipeline
from torch_binary_classifier.exceptions import ModelFileError, OutputError, TableError
from torch_binary_classifier.scoring import (
    as_frame,
    open_table,
    read_table,
)
from torch_binary_classifier.tables import csv_rows, parquet_file
from torch_binary_classifier.tables import frame as frames


@pytest.fixture
def table(rng):
    return people(rng)


@pytest.fixture
def model(table):
    return fitted(table)


@pytest.fixture
def numbers_model(table):
    """Return a pipeline that imputes nothing."""
    numbers = table[["age", "income"]]
    pipe = make_pipeline(StandardScaler(), LogisticRegression())
    return pipe.fit(numbers, numbers["age"] > 50)


def scored(model, data, suffix=".parquet"):
    """Return the scores of a file as a DataFrame."""
    out = data.with_name(f"scored{suffix}")
    score_anew(model, data, out)
    return pd.read_csv(out) if suffix == ".csv" else pd.read_parquet(out)


def whole(path):
    """Return all chunks of a file, all columns."""
    table = open_table(path)
    return list(table.chunks(table.names))


@pytest.mark.parametrize("in_suffix", [".csv", ".parquet", ".pq"])
@pytest.mark.parametrize("out_suffix", [".csv", ".parquet"])
def test_scores_are_those_of_the_model(model, table, tmp_path, in_suffix, out_suffix):
    data = write(table, tmp_path / f"new{in_suffix}")
    result = scored(model, data, out_suffix)
    assert result.columns.tolist() == ["_row", "probability", "prediction"]
    np.testing.assert_array_equal(result["_row"], np.arange(N_ROWS))
    expected = model.predict_proba(table)[:, 1]
    np.testing.assert_array_equal(result["probability"], expected)
    np.testing.assert_array_equal(result["prediction"], model.predict(table))
    assert not (result["probability"] == model.predict_proba(table)[:, 0]).any()


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("size", [64, 300, 1 << 20])
def test_scores_do_not_depend_on_the_chunks(table, tmp_path, monkeypatch, suffix, size):
    network = mlp(learning_rate="cosine", max_iter=3, random_state=0)
    model = tabular_pipeline(
        numeric=["age", "income"], categorical=["city"], classifier=network
    ).fit(table, table["age"] > 50)
    data = write(table, tmp_path / f"new{suffix}")
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", size)
    monkeypatch.setattr(parquet_file, "PARQUET_CHUNK_CELLS", size // 10)
    n_chunks = len(whole(data))
    assert n_chunks == 1 if size > 10_000 else n_chunks > 1
    np.testing.assert_array_equal(
        scored(model, data)["probability"], model.predict_proba(table)[:, 1]
    )


def test_columns_may_come_in_any_order_and_company(model, table, tmp_path):
    data = write(
        table[["city", "income", "age"]].assign(extra="?"), tmp_path / "new.csv"
    )
    summary = score_anew(model, data, tmp_path / "out.csv")
    assert (summary.n_rows, summary.ignored) == (N_ROWS, ("extra",))
    np.testing.assert_array_equal(
        pd.read_csv(tmp_path / "out.csv")["probability"],
        model.predict_proba(table)[:, 1],
    )


def test_report_counts_rows_and_ends_with_the_file(model, table, tmp_path, monkeypatch):
    data = write(table, tmp_path / "new.csv")
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", 500)
    reports = []
    score_anew(
        model,
        data,
        tmp_path / "out.csv",
        part_bytes=500,
        report=lambda *report: reports.append(report),
    )
    rows, fractions = zip(*reports, strict=True)
    assert len(rows) > 2
    assert sorted(rows) == list(rows)
    assert rows[-1] == N_ROWS
    assert sorted(fractions) == list(fractions)
    assert 0 < fractions[0] < 0.5
    assert fractions[-1] == 1.0


def test_missing_cells_are_the_imputers_business(model, tmp_path):
    words = ["", "NA", " nan ", "NULL", "#N/A"]
    rows = "".join(f"{word},1,Oslo\n" for word in words)
    data = csv_of(tmp_path, f"age,income,city\n{rows}50,1,\n")
    expected = pd.DataFrame(
        {"age": [np.nan] * 5 + [50], "income": 1.0, "city": ["Oslo"] * 5 + [None]}
    )
    np.testing.assert_array_equal(
        scored(model, data)["probability"], model.predict_proba(expected)[:, 1]
    )


def test_text_that_looks_like_a_number_stays_text(model, tmp_path):
    data = csv_of(tmp_path, "age,income,city\n50,1,1\n50,1,1.0\n50,1,2\n50,1,NA\n")
    cities = ["1", "1", "2", "NA"]
    expected = pd.DataFrame({"age": 50.0, "income": 1.0, "city": cities})
    probabilities = scored(model, data)["probability"]
    np.testing.assert_array_equal(probabilities, model.predict_proba(expected)[:, 1])
    assert probabilities[1] != probabilities[2]


def test_numbers_of_a_parquet_file_become_text_where_the_model_has_text(
    model, tmp_path
):
    frame = pd.DataFrame({"age": [50.0], "income": [1.0], "city": [1]})
    data = write(frame, tmp_path / "new.parquet")
    expected = model.predict_proba(frame.assign(city="1"))[:, 1]
    np.testing.assert_array_equal(scored(model, data)["probability"], expected)


def test_table_without_rows_gives_a_table_without_rows(model, tmp_path):
    data = csv_of(tmp_path, "age,income,city\n")
    assert scored(model, data).shape == (0, 3)
    frame = pd.DataFrame({"age": [1.0], "income": [1.0], "city": ["a"]})
    data = write(frame.iloc[:0], tmp_path / "new.parquet")
    assert scored(model, data).shape == (0, 3)


@pytest.mark.parametrize("labels", [[0, 1], [False, True], [-1.0, 2.0], ["b", "a"]])
def test_predictions_have_the_type_of_the_labels(table, tmp_path, labels):
    y = np.asarray(labels)[(table["age"] > 50).to_numpy().astype(int)]
    pipe = make_pipeline(StandardScaler(), LogisticRegression())
    pipe.fit(table[["age"]], y)
    result = scored(pipe, write(table, tmp_path / "new.csv"))
    assert result["prediction"].tolist() == pipe.predict(table[["age"]]).tolist()


def test_a_tuned_threshold_counts(numbers_model, table, tmp_path):
    X, y = table[["age", "income"]], table["age"] > 65
    tuned = TunedThresholdClassifierCV(
        numbers_model, scoring="balanced_accuracy", cv=2
    ).fit(X, y)
    result = scored(tuned, write(table, tmp_path / "new.csv"))
    np.testing.assert_array_equal(result["prediction"], tuned.predict(X))
    assert (result["prediction"] != (result["probability"] > 0.5)).any()


def test_tables_without_pandas_give_the_same_scores(
    model, table, tmp_path, monkeypatch
):
    table = table.assign(city=table["city"].where(table.index % 7 > 0, None))
    data = write(table, tmp_path / "new.csv")
    expected = scored(model, data)
    monkeypatch.setattr(frames, "PANDAS", None)
    assert isinstance(as_frame({"a": np.ones(2)}), pa.Table)
    pd.testing.assert_frame_equal(scored(model, data), expected)


# Input that must be refused, each with nothing written.


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("age,city\n1,a\n", "the columns 'age', 'income', 'city', got none named 'inc"),
        ("age,income,city,age\n1,1,a,1\n", "name each column once, got 'age' more"),
        ("age,income,city\nabc,1,a\n", "must hold numbers, got 'abc' in row 0"),
        (
            "age,income,city\n1,1,a\n1,1e39,a\n",
            r"'income' must .*, got 1e\+39 in row 1",
        ),
        ("age,income,city\n1,1,a\n-inf,1,a\n", r"and 3.4e\+38, got -inf in row 1"),
        ("age,income,city\n1,1,a\n1,1\n", "must have 3 fields, got 2 in row 1"),
        ("age,income,city\n1,1,a,1\n", "must have 3 fields, got 4 in row 0"),
        (
            'age,income,city\n1,1,"b\n1,1,c\n',
            r"close every quote, got one .* in row 0 .*, line 2\.",
        ),
        (b"age,income,city\n1,1,\xe9\n", "text in UTF-8, got other bytes in row 0"),
        ("", "must begin with the names of its columns, got none"),
    ],
    ids=[
        "missing",
        "twice",
        "word",
        "large",
        "infinite",
        "short",
        "long",
        "quote",
        "bytes",
        "empty",
    ],
)
def test_unfit_tables_are_refused_whole(model, tmp_path, text, match):
    data = csv_of(tmp_path, text)
    out = tmp_path / "out.csv"
    out.write_text("former")
    with pytest.raises(TableError, match=match):
        score_anew(model, data, out)
    assert out.read_text() == "former"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new.csv", "out.csv"]


def test_row_numbers_count_over_chunks(model, tmp_path, monkeypatch):
    good = "50,1,Oslo\n" * 100
    data = csv_of(tmp_path, f"age,income,city\n{good}x,1,Oslo\n{good}")
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", 64)
    with pytest.raises(TableError, match="got 'x' in row 100 "):
        scored(model, data)


def test_row_numbers_of_short_rows_count_over_chunks(model, tmp_path, monkeypatch):
    good = '50,1,"Oslo\nNorway"\n\n' * 100
    data = csv_of(tmp_path, f"age,income,city\n{good}1,Oslo\n{good}")
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", 64)
    with pytest.raises(TableError, match="got 2 in row 100 "):
        scored(model, data)


def test_rows_longer_than_a_chunk_are_refused(model, tmp_path, monkeypatch):
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", 64)
    monkeypatch.setattr(csv_rows, "LONGEST_ROW_BYTES", 64)
    data = csv_of(tmp_path, f"age,income,city\n1,1,{'a' * 200}\n")
    with pytest.raises(TableError, match="must have rows of at most 64 bytes"):
        scored(model, data)


def test_missing_number_without_an_imputer_is_named(numbers_model, tmp_path):
    data = csv_of(tmp_path, "age,income\n1,1\n1,\n")
    match = "column 'income' must hold a number in every row, got none in row 1"
    with pytest.raises(TableError, match=match):
        scored(numbers_model, data)


def test_what_the_model_refuses_is_reported_with_its_rows(table, tmp_path):
    columns = ColumnTransformer(
        [("age", SimpleImputer(), ["age"]), ("city", OneHotEncoder(), ["city"])]
    )
    model = make_pipeline(columns, LogisticRegression(max_iter=1000))
    model.fit(table, table["age"] > 50)
    data = csv_of(tmp_path, "age,city,income\n,Oslo,1\n1,Tokyo,1\n")
    match = "'city' must hold a category of training, got 'Tokyo' in row 1 .*line 3"
    with pytest.raises(TableError, match=match):
        scored(model, data)


def test_scores_that_are_no_numbers_are_refused(numbers_model, tmp_path):
    numbers_model[-1].coef_[:] = np.nan
    data = csv_of(tmp_path, "age,income\n50,30000\n")
    with pytest.raises(TableError, match="finite probability, got nan in row 0"):
        scored(numbers_model, data)


def test_model_without_two_classes_is_refused(table, tmp_path):
    model = LinearRegression().fit(table[["age"]], table["income"])
    match = "binary classifier with predict_proba, got LinearRegression with 0 classes"
    with pytest.raises(ModelFileError, match=match):
        scored(model, csv_of(tmp_path, "age\n1\n"))


def test_model_without_column_names_counts_columns(table, tmp_path):
    model = LogisticRegression().fit(table[["age"]].to_numpy(), table["age"] > 50)
    data = csv_of(tmp_path, "years\n1\n99\n")
    expected = model.predict_proba([[1], [99]])[:, 1]
    np.testing.assert_array_equal(scored(model, data)["probability"], expected)
    with pytest.raises(TableError, match=r"must have 1 columns, .* got 2"):
        scored(model, csv_of(tmp_path, "years,city\n1,Oslo\n"))


def test_output_of_another_kind_is_refused(model, tmp_path):
    with pytest.raises(ValueError, match=r"out must end in .csv, .parquet, .pq, or be"):
        score_anew(model, tmp_path / "new.csv", tmp_path / "out.xlsx")


def test_output_in_a_missing_folder_is_refused(model, table, tmp_path):
    data = write(table, tmp_path / "new.csv")
    with pytest.raises(OutputError, match="must lie in a folder that exists"):
        score_anew(model, data, tmp_path / "absent" / "out.csv")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_full_disk_leaves_nothing(model, table, tmp_path, monkeypatch, suffix):
    def fail(*_):
        raise OSError(28, "No space left on device")

    class FullWriter:
        def __init__(self, file, *_, **__):
            file.write(b"half")

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.close()

        write = write_table = close = fail

    data = write(table, tmp_path / f"new{suffix}")
    monkeypatch.setattr(pa_csv, "CSVWriter", FullWriter)
    monkeypatch.setattr(pq, "ParquetWriter", FullWriter)
    with pytest.raises(OutputError, match="must be writable, got No space left"):
        score_anew(model, data, tmp_path / f"out{suffix}")
    # What is done of a Parquet file is kept for the next attempt.
    kept = {f"out{suffix}.parts"} if suffix == ".parquet" else set()
    assert {path.name for path in tmp_path.iterdir()} == {data.name} | kept


@pytest.mark.parametrize("missing", [None, np.nan], ids=["none", "nan"])
def test_missing_text_is_what_it_was_in_training(table, tmp_path, missing):
    X = table[["city"]].astype(object)
    X.loc[::3, "city"] = missing
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    model.fit(X, X["city"].isna() ^ (table["age"] > 60))
    probabilities = scored(model, csv_of(tmp_path, 'city\n""\nTokyo\n'))["probability"]
    assert probabilities[0] == model.predict_proba(X.iloc[:1])[0, 1]
    assert probabilities[0] != probabilities[1]


def test_damaged_page_of_a_scored_table_is_noticed(numbers_model, table, tmp_path):
    data = write(table, tmp_path / "new.csv")
    path = tmp_path / "scores.parquet"
    score_anew(numbers_model, data, path)
    before = read_table(path).numbers("probability")
    place = path.read_bytes().index(before[7].tobytes())
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(TableError, match=r"scores\.parquet must be a readable table"):
        read_table(path)
