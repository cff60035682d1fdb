"""CSV files of any separator, encoding and source give the same chunks."""

import gzip
import io
import os
import sys
import threading
import zipfile

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from tests.table_files import score_anew

from torch_binary_classifier.exceptions import TableError, TableWarning
from torch_binary_classifier.scoring import open_table, read_table
from torch_binary_classifier.tables import csv_file, csv_rows

TEXT = "näme,y\né,1\nß,2\n"
COLUMNS = {"näme": ["é", "ß"], "y": ["1", "2"]}
BLOCK_SIZES = (1, 2, 3, 5, 1 << 22)


def columns_of(path, **options):
    """Return the cells of a table by column."""
    chunk = read_table(path, **options)
    return {name: cells.to_pylist() for name, cells in chunk.columns.items()}


def file_of(tmp_path, content, name="new.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def give(monkeypatch, content):
    """Make bytes the standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.fixture
def pipe(tmp_path):
    """Return a function that makes a pipe which a thread writes into."""
    threads = []

    def make(content, name="pipe.csv"):
        path = tmp_path / name
        os.mkfifo(path)
        # The other end waits until this one is open.
        threads.append(threading.Thread(target=path.write_bytes, args=(content,)))
        threads[-1].start()
        return path

    yield make
    for thread in threads:
        thread.join()


# Separators and encodings.


@pytest.mark.parametrize("block_size", BLOCK_SIZES)
@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-32"],
)
def test_encodings_give_the_same_cells(tmp_path, monkeypatch, encoding, block_size):
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", block_size)
    path = file_of(tmp_path, TEXT.encode(encoding))
    assert columns_of(path, encoding=encoding) == COLUMNS


@pytest.mark.parametrize("separator", [";", "tab", "\t", "\\t", "|", " "])
def test_separators_give_the_same_cells(tmp_path, separator):
    character = "\t" if "t" in separator else separator
    path = file_of(tmp_path, TEXT.replace(",", character))
    assert columns_of(path, separator=separator) == COLUMNS


def test_a_comma_is_an_ordinary_character_beside_another_separator(tmp_path):
    path = file_of(tmp_path, 'a;b\n1,5;"x;,""y"\n')
    assert columns_of(path, separator=";") == {"a": ["1,5"], "b": ['x;,"y']}


@pytest.mark.parametrize(
    ("text", "separator", "match"),
    [
        (
            "a;b;c\n1,5;2;3\n",
            ",",
            "must have commas between its cells, got semicolons in its line of names, "
            r"'a;b;c'\. Read it with separator=';' \(--separator ';'\), or quote",
        ),
        ("a\tb\n", ",", r"got tabs .*, 'a\\tb'\. .* separator='tab'"),
        ("a|b\n", ",", r"got bars .*, 'a\|b'\."),
        (
            '"a";"b"\n',
            ",",
            r"got other text in the line of names, cell 0 \(counted from 0\)\. "
            r"Read it with separator=';' \(--separator ';'\), if that separates",
        ),
        ("a,b\n", ";", r"must have semicolons .*, got commas .*, 'a,b'\."),
    ],
    ids=["semicolon", "tab", "bar", "quoted", "comma"],
)
def test_another_separator_is_named(tmp_path, text, separator, match):
    with pytest.raises(TableError, match=match):
        open_table(file_of(tmp_path, text), separator=separator)


def test_a_single_quoted_name_may_hold_a_separator(tmp_path):
    assert columns_of(file_of(tmp_path, '"a;b"\n1\n')) == {"a;b": ["1"]}


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"separator": ";;"}, "^separator must be"),
        ({"encoding": "?"}, "^encoding must"),
    ],
)
def test_unfit_options_are_refused_before_the_file_is_opened(tmp_path, options, match):
    for read in (open_table, read_table):
        with pytest.raises(ValueError, match=match):
            read(tmp_path / "absent.csv", **options)


@pytest.mark.parametrize("block_size", BLOCK_SIZES)
@pytest.mark.parametrize(
    ("content", "encoding", "place"),
    [
        (b"x\na\n\nb\n\xe9\nc\n", "ascii", r"ASCII, got other bytes in row 2 \("),
        (b"x\na\n\nb\n\xe9\nc\n", "utf-8", r"UTF-8, got other bytes in row 2 \("),
        (b"n\xe4me,y\n1,2\n", "utf-8", "UTF-8, got other bytes in the line of names"),
        (b"n\xe4me,y\n1,2\n", "ascii", "ASCII, got other bytes in the line of names"),
        ("x\na\n\nb".encode("utf-16")[:-1], "utf-16", r"bytes in row 1 \("),
        (b"x\n\x81\x30\x81\x30\n\xff\n", "gb18030", r"bytes in row 1 \("),
    ],
    ids=["row", "utf-8", "names", "names in ascii", "cut", "pending"],
)
def test_other_bytes_are_told_with_file_and_row(
    tmp_path, monkeypatch, content, encoding, place, block_size
):
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", block_size)
    path = file_of(tmp_path, content)
    with pytest.raises(TableError, match=rf"new\.csv must be text in .*{place}"):
        read_table(path, encoding=encoding)


def test_other_bytes_in_a_short_row_leave_no_trace(tmp_path, capfd):
    path = file_of(tmp_path, b"x,y\n1\xe9,2\xe9,3\n")
    with pytest.raises(
        TableError, match="must have 2 cells in every row, got 3 in row"
    ):
        read_table(path)
    assert capfd.readouterr() == ("", "")


def test_names_are_shown_without_what_a_terminal_obeys(tmp_path):
    path = file_of(tmp_path, "\x1b[31mx;y\n")
    with pytest.raises(TableError) as caught:
        open_table(path)
    assert r"'\x1b[31mx;y'" in str(caught.value)
    path = file_of(tmp_path, '\x1b[31mx,y\n"1"\x1b[2J,2\n')
    with pytest.raises(TableError) as caught:
        read_table(path)
    assert r"column '\x1b[31mx'" in str(caught.value)
    assert "\x1b" not in str(caught.value)


# Files of another kind.


def parquet_bytes():
    """Return a small Parquet file."""
    buffer = io.BytesIO()
    pd.DataFrame({"x": [1.0]}).to_parquet(buffer)
    return buffer.getvalue()


def zip_bytes():
    """Return a small zip file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("xl/workbook.xml", "")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (gzip.compress(b"x\n1\n"), r"got a gzip file\. Name it \.csv\.gz if it holds"),
        (zip_bytes(), r"got a zip file or a workbook\. Unpack it, or save it as CSV"),
        (b"\xd0\xcf\x11\xe0 and so on", r"got an old workbook\. Save it as CSV"),
        (parquet_bytes(), r"got a Parquet file\. Name it \.parquet"),
        (b"ARROW1\0\0", "got an Arrow file"),
        (b"BZh9", "got a bzip2 file"),
        (b"\xfd7zXZ\0", "got an xz file"),
        (b"\x28\xb5\x2f\xfd", r"got a zstd file\. Name it \.csv\.zst if it holds CSV"),
        (
            "x\n1\n".encode("utf-16"),
            r"got UTF-16\. Read it with encoding='utf-16' \(--",
        ),
        ("\ufeffx\n".encode("utf-16-be"), r"text in UTF-8, got UTF-16\."),
        ("x\n1\n".encode("utf-32"), r"got UTF-32\. Read it with encoding='utf-32'"),
    ],
    ids=[
        "gzip",
        "zip",
        "xls",
        "parquet",
        "arrow",
        "bz2",
        "xz",
        "zstd",
        "16",
        "be",
        "32",
    ],
)
def test_other_kinds_are_told_by_their_first_bytes(tmp_path, capfd, content, match):
    with pytest.raises(TableError, match=match):
        open_table(file_of(tmp_path, content))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (gzip.compress(b"x\n1\n"), "must be a Parquet file, got a gzip file"),
        (zip_bytes(), "must be a Parquet file, got a zip file or a workbook"),
        (b"x\n1\n", "must be a readable table, got Parquet"),
    ],
    ids=["gzip", "zip", "csv"],
)
def test_other_kinds_are_no_parquet_files(tmp_path, content, match):
    with pytest.raises(TableError, match=match):
        open_table(file_of(tmp_path, content, "new.parquet"))


# Compressed files.


@pytest.mark.parametrize("block_size", BLOCK_SIZES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_compressed_files_give_the_same_cells(
    tmp_path, monkeypatch, encoding, block_size
):
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", block_size)
    half = len(TEXT) // 2
    # A gzip file may consist of several.
    content = gzip.compress(TEXT[:half].encode(encoding))
    content += gzip.compress(TEXT[half:].encode(encoding.replace("16", "16-le")))
    path = file_of(tmp_path, content, "new.CSV.gz")
    assert columns_of(path, encoding=encoding) == COLUMNS


def test_compressed_files_know_how_much_was_read(tmp_path, monkeypatch, rng):
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", 4096)
    text = "x\n" + "".join(f"{x}\n" for x in rng.normal(size=20_000).tolist())
    table = open_table(file_of(tmp_path, gzip.compress(text.encode()), "new.csv.gz"))
    fractions = [chunk.read_fraction for chunk in table.chunks(["x"])]
    assert fractions == sorted(fractions)
    assert (fractions[0] < 0.2, fractions[-1]) == (True, 1.0)


@pytest.mark.parametrize("n_bytes", [1, 9, 15, 3000])
def test_cut_gzip_files_are_refused(tmp_path, rng, n_bytes):
    content = gzip.compress(b"x\n" + rng.bytes(6000).hex("\n").encode() + b"\n")
    path = file_of(tmp_path, content[:n_bytes], "new.csv.gz")
    with pytest.raises(TableError, match=r"new\.csv\.gz must be a (whole )?gzip file"):
        read_table(path)


def test_damaged_gzip_files_are_refused(tmp_path):
    content = bytearray(gzip.compress(b"x\n" + b"1\n" * 1000))
    content[-6] ^= 1
    path = file_of(tmp_path, bytes(content), "new.csv.gz")
    with pytest.raises(TableError, match="must be a whole gzip file, got a damaged or"):
        read_table(path)


def test_text_with_the_suffix_of_gzip_is_told(tmp_path):
    path = file_of(tmp_path, b"x\n1\n", "new.csv.gz")
    with pytest.raises(TableError, match=r"must be a gzip file, got other .* \.csv\."):
        open_table(path)


# Pipes and standard input.


@pytest.mark.parametrize("block_size", BLOCK_SIZES)
def test_a_pipe_is_opened_once(monkeypatch, pipe, block_size):
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", block_size)
    assert columns_of(pipe(TEXT.encode())) == COLUMNS


def test_a_compressed_pipe_is_read(pipe):
    path = pipe(gzip.compress(TEXT.encode()), "pipe.csv.gz")
    assert columns_of(path) == COLUMNS


def test_the_rows_of_a_pipe_are_read_once(pipe):
    path = pipe(b"x\n1\n")
    table = open_table(path)
    with pytest.raises(TableError, match="must have the columns 'z'"):
        next(table.chunks(["z"]))
    (chunk,) = table.chunks(["x"])
    assert np.isnan(chunk.read_fraction)
    match = r"pipe\.csv must be read once, being a pipe, got a second reading\. Save it"
    with pytest.raises(TableError, match=match):
        next(table.chunks(["x"]))


@pytest.mark.parametrize("name", ["pipe.parquet", "pipe.pq"])
def test_a_pipe_is_no_parquet_file(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(TableError, match=r"must be an ordinary file, .*, got a pipe"):
        open_table(tmp_path / name)


def test_standard_input_is_read(monkeypatch):
    give(monkeypatch, TEXT.encode("cp1252").replace(b",", b";"))
    assert columns_of("-", separator=";", encoding="cp1252") == COLUMNS
    assert not sys.stdin.buffer.closed


def test_messages_name_standard_input(monkeypatch):
    give(monkeypatch, gzip.compress(b"x\n"))
    with pytest.raises(
        TableError, match=r"^standard input must be CSV text, got a gzip"
    ):
        open_table("-")
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(TableError, match=r"^standard input must be open, got none"):
        open_table("-")


def test_tables_of_ordinary_files_can_be_read_again(tmp_path):
    table = open_table(file_of(tmp_path, "x\n1\n"))
    for _ in range(2):
        (chunk,) = table.chunks(["x"])
        assert chunk.columns["x"].to_pylist() == ["1"]


def test_a_file_that_changes_its_names_is_noticed(tmp_path):
    path = file_of(tmp_path, "x,y\n1,2\n")
    table = open_table(path)
    path.write_text("y,x\n1,2\n")
    with pytest.raises(
        TableError, match="must stay as it is while it is read, got oth"
    ):
        next(table.chunks(["x"]))


def test_scores_take_separator_and_encoding(tmp_path):
    frame = pd.DataFrame({"å": [0.0, 1.0, 2.0, 3.0]})
    model = LogisticRegression().fit(frame, [0, 0, 1, 1])
    path = tmp_path / "new.csv"
    frame.assign(z=1).to_csv(path, index=False, sep=";", encoding="cp1252")
    out = tmp_path / "out.csv"
    score_anew(model, path, out, separator=";", encoding="cp1252")
    np.testing.assert_array_equal(
        pd.read_csv(out)["probability"], model.predict_proba(frame)[:, 1]
    )
    out.unlink()
    with pytest.raises(ValueError, match=r"^separator must be"):
        score_anew(model, path, out, separator="")
    assert not out.exists()


# Lines without an end, and what pyarrow might do.


@pytest.mark.parametrize("block_size", BLOCK_SIZES)
@pytest.mark.parametrize(
    ("content", "match"),
    [
        (
            "x,y\n1,2\n\n3,12.",
            r"new\.csv ends without a line end: its last row, 1 \(rows are counted "
            r"from 0\), may be cut, holding '12\.' in column 'y'\.$",
        ),
        ("x,y\n1,2\n3,", "holding '' in column 'y'"),
        ('x,y\n1,2\n3,"a\x1b"', r"holding 'a\\x1b' in column 'y'"),
        ("x,y\n1," + 100 * "2", rf"holding '{60 * '2'}\.\.\.' in column 'y'"),
        ("x,y", "its line of names may be cut"),
    ],
    ids=["number", "empty", "escape", "long", "names"],
)
def test_a_last_line_without_its_end_is_told(
    tmp_path, monkeypatch, content, match, block_size
):
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", block_size)
    table = open_table(file_of(tmp_path, content))
    with pytest.warns(TableWarning, match=match) as caught:
        rows = [row for chunk in table.chunks(["x"]) for row in chunk.columns["x"]]
    assert len(caught) == 1
    assert len(rows) == content.replace("\n\n", "\n").count("\n")


def test_a_damaged_count_of_rows_is_noticed(tmp_path, monkeypatch):
    path = file_of(tmp_path, "x\n1\n2\n3\n")
    table = open_table(path)
    read_csv = csv_file.pa_csv.read_csv
    monkeypatch.setattr(
        csv_file.pa_csv,
        "read_csv",
        lambda *arguments, **options: read_csv(*arguments, **options).slice(0, 2),
    )
    with pytest.raises(TableError, match="quotes say, 3, got 2 from row 0 on"):
        next(table.chunks(["x"]))
