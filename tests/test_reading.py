"""Tables are opened by the names of their files, or refused."""

import pandas as pd
import pyarrow.parquet as pq
import pytest

from torch_binary_classifier.exceptions import TableError
from torch_binary_classifier.scoring import open_table


@pytest.mark.parametrize("name", ["new.xlsx", "new"])
def test_file_of_an_unknown_kind_is_refused(tmp_path, name):
    with pytest.raises(
        TableError, match=r"must end in .csv, .csv.gz, .csv.zst, .parquet, .pq, got '"
    ):
        open_table(tmp_path / name)


@pytest.mark.parametrize("name", ["absent.csv", "absent.parquet"])
def test_missing_file_is_refused(tmp_path, name):
    with pytest.raises(TableError, match=f"{name} must be a file, got no file"):
        open_table(tmp_path / name)


def test_folder_is_refused(tmp_path):
    folder = tmp_path / "new.csv"
    folder.mkdir()
    with pytest.raises(
        TableError, match="must be a readable table, got Is a directory"
    ):
        open_table(folder)


def test_file_that_is_no_parquet_file_is_refused(tmp_path):
    path = tmp_path / "new.parquet"
    path.write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(TableError, match=r"new\.parquet must be a readable table, got"):
        open_table(path)


def test_open_table_leaves_out_the_unnamed_index_of_pandas(tmp_path):
    path = tmp_path / "rows.parquet"
    pd.DataFrame({"a": [1.0, 2.0]}, index=[7, 3]).to_parquet(path)
    assert "__index_level_0__" in pq.read_schema(path).names
    assert open_table(path).names == ("a",)
