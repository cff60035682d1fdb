"""What a column of some rows holds: numbers, texts, labels or nothing."""

from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.table_files import csv_of, write

from torch_binary_classifier.exceptions import TableError
from torch_binary_classifier.scoring import read_table


def test_float32_columns_stay_float32(tmp_path):
    frame = pd.DataFrame({"age": np.array([0.1, 0.2], dtype=np.float32)})
    chunk = read_table(write(frame, tmp_path / "new.parquet"))
    assert chunk.numbers("age").dtype == np.float32


@pytest.mark.parametrize(
    ("cells", "kind", "numbers"),
    [
        (["1", "-2.5e3", "007"], "numeric", [1, -2500, 7]),
        (["1", "", "NA"], "numeric", [1, np.nan, np.nan]),
        (["true", "False", ""], "numeric", [1, 0, np.nan]),
        ([" 4", "4 ", "+4"], "numeric", [4, 4, 4]),
        (["", "NaN", "null"], "empty", [np.nan] * 3),
        (["1", "?", "3"], "text", None),
        (["2020-01-01", "1,5", "x"], "text", None),
    ],
    ids=["numbers", "gaps", "truths", "spaces", "empty", "mark", "words"],
)
def test_kind_of_a_csv_column(tmp_path, cells, kind, numbers):
    frame = pd.DataFrame({"a": cells, "b": "x"})
    chunk = read_table(write(frame, tmp_path / "new.csv"))
    assert chunk.kind("a") == kind
    if numbers is None:
        assert chunk.texts("a").tolist() == cells
    else:
        np.testing.assert_array_equal(chunk.numbers("a"), numbers)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (pa.array([1, None]), "numeric"),
        (pa.array([1.5, 2.5], pa.float32()), "numeric"),
        (pa.array(np.array([1.5, 2.5], np.float16)), "numeric"),
        (pa.array([True, None]), "numeric"),
        (pa.array([Decimal("1.5"), None]), "numeric"),
        (pa.array(["1", "2"]), "numeric"),
        (pa.array(["a", "b"]).dictionary_encode(), "text"),
        (pa.array(["a", "b"], pa.large_string()), "text"),
        (pa.array([date(2020, 1, 1), None]), "text"),
        (pa.nulls(2), "empty"),
        (pa.nulls(2, pa.float64()), "empty"),
    ],
    ids=str,
)
def test_kind_of_a_parquet_column(tmp_path, cells, kind):
    path = tmp_path / "new.parquet"
    pq.write_table(pa.table({"a": cells}), path)
    chunk = read_table(path)
    assert chunk.kind("a") == kind
    expected = [
        np.nan if cell is None else cell if kind == "text" else float(cell)
        for cell in cells.to_pylist()
    ]
    values = chunk.texts("a") if kind == "text" else chunk.numbers("a")
    assert [str(value) for value in values] == [str(value) for value in expected]


def test_columns_of_lists_are_refused(tmp_path):
    path = tmp_path / "new.parquet"
    pq.write_table(pa.table({"a": [[1], [2]]}), path)
    for read in (read_table(path).kind, read_table(path).texts):
        with pytest.raises(TableError, match="must hold numbers or text, got cells of"):
            read("a")


def test_dates_are_no_numbers(tmp_path):
    path = tmp_path / "new.parquet"
    pq.write_table(pa.table({"a": [date(2020, 1, 1)]}), path)
    with pytest.raises(
        TableError, match=r"must hold numbers, got cells of type date32"
    ):
        read_table(path).numbers("a")


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (["0", "1"], [0, 1]),
        (["0.5", "1"], [0.5, 1.0]),
        (["true", "false"], ["true", "false"]),
        (["N", "x"], ["N", "x"]),
    ],
    ids=["whole", "numbers", "truths", "words"],
)
def test_labels_of_a_csv_file_are_numbers_or_as_written(tmp_path, cells, labels):
    chunk = read_table(write(pd.DataFrame({"y": cells}), tmp_path / "new.csv"))
    found = chunk.labels("y").tolist()
    assert found == labels
    assert [type(label) for label in found] == [type(label) for label in labels]


@pytest.mark.parametrize("labels", [[True, False], [0, 1], [0.5, 1.0], ["a", "b"]])
def test_labels_of_a_parquet_file_keep_their_type(tmp_path, labels):
    path = tmp_path / "new.parquet"
    pq.write_table(pa.table({"y": labels}), path)
    assert read_table(path).labels("y").tolist() == labels


def test_missing_labels_are_named(tmp_path):
    path = csv_of(tmp_path, "y,x\n" + "1,1\n,1\n" * 7)
    match = (
        "column 'y' of .* must have a label in every row, "
        r"got none in rows 1, 3, 5, 7, 9 and 2 more \(rows are counted from 0\)"
    )
    with pytest.raises(TableError, match=match):
        read_table(path).labels("y")
