"""Files, folders and patterns name tables, each once."""

import os
from pathlib import Path

import pytest

from torch_binary_classifier.exceptions import TableError
from torch_binary_classifier.tables.inputs import table_paths


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder of tables and of other files, being in the one above it."""
    for name in (
        "b.csv",
        "a.parquet",
        "c.CSV.GZ",
        "d.csv.zst",
        "e.pq",
        "notes.txt",
        "_SUCCESS",
        "_part.csv",
        ".hidden.csv",
        "deep/er/z.csv",
        "deep/y.csv",
        "_temporary/x.csv",
        ".git/w.csv",
        "empty/readme.md",
    ):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return Path("in")


def test_a_folder_is_all_its_tables_in_order(folder):
    assert table_paths([folder]) == [
        "in/a.parquet",
        "in/b.csv",
        "in/c.CSV.GZ",
        "in/d.csv.zst",
        "in/deep/er/z.csv",
        "in/deep/y.csv",
        "in/e.pq",
    ]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("in/*.csv", ["in/b.csv"]),
        ("in/[ab].*", ["in/a.parquet", "in/b.csv"]),
        ("in/?.csv*", ["in/b.csv", "in/d.csv.zst"]),
        ("in/**/*.csv", ["in/b.csv", "in/deep/er/z.csv", "in/deep/y.csv"]),
        (
            "in/*",
            ["in/a.parquet", "in/b.csv", "in/c.CSV.GZ", "in/d.csv.zst", "in/e.pq"],
        ),
    ],
)
def test_a_pattern_is_the_tables_that_it_fits(pattern, found):
    assert table_paths([pattern]) == found


def test_inputs_keep_their_order(folder):
    given = ["-", "in/b.csv", folder / "deep", "absent.csv", "in/*.pq"]
    found = ["-", "in/b.csv", "in/deep/er/z.csv", "in/deep/y.csv", "absent.csv"]
    assert table_paths(given) == [*found, "in/e.pq"]


def test_a_file_may_be_named_like_a_pattern(folder):
    (folder / "[x].csv").touch()
    (folder / "x.csv").touch()
    assert table_paths(["in/[x].csv"]) == ["in/[x].csv"]


def test_pipes_are_named_like_files(folder):
    os.mkfifo(folder / "pipe.csv")
    assert table_paths(["in/pipe.csv"]) == ["in/pipe.csv"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("given", "match"),
    [
        ("in/empty", r"^in/empty must be a folder with files that end in \.csv, "),
        ("in/*.txt", r"^in/\*\.txt must fit the names of files .*\.pq, got none\.$"),
        ("in/*.xlsx", r"^in/\*\.xlsx must fit the names of files"),
        ("in/_*.csv", r"^in/_\*\.csv must fit the names of files"),
    ],
)
def test_what_names_nothing_is_told(given, match):
    with pytest.raises(TableError, match=match):
        table_paths(["in/b.csv", given])


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("inputs", "match"),
    [
        (["in/b.csv", "in/b.csv"], r"^inputs must .* once, got 'in/b\.csv' twice\.$"),
        (["in/b.csv", "in"], "got 'in/b.csv' twice"),
        (
            ["in/deep", "in/deep/../deep/*.csv"],
            r"got 'in/deep/\.\./deep/y\.csv' and 'in/deep/y\.csv', which is the same",
        ),
        (["-", "-"], "got '-' twice"),
    ],
)
def test_a_file_is_named_once(inputs, match):
    with pytest.raises(TableError, match=match):
        table_paths(inputs)
