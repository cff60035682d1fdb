"""Rows are cut by the rules on quotes, wherever a block of bytes ends."""

import csv
import io
import warnings

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from torch_binary_classifier.exceptions import TableError, TableWarning
from torch_binary_classifier.scoring import open_table
from torch_binary_classifier.tables import csv_rows
from torch_binary_classifier.tables.csv_rows import RowError, RowReader

WHOLE = 1 << 22
BLOCK_SIZES = (1, 2, 3, 7, WHOLE)


def rows_of(content, separator=","):
    """Return the blocks after the line of names."""
    reader = RowReader(io.BytesIO(content), separator)
    reader.header()
    return list(reader.blocks())


def rows_of_table(path):
    """Return names and rows of a file as lists of texts."""
    table = open_table(path)
    rows = [list(table.names)]
    for chunk in table.chunks(table.names):
        assert chunk.first_row == len(rows) - 1
        cells = (chunk.columns[name].to_pylist() for name in table.names)
        rows += [[cell or "" for cell in row] for row in zip(*cells, strict=True)]
    return rows


def rows_of_csv_module(content):
    """Return names and rows as Python's own reader sees them; None if it refuses."""
    lines = io.StringIO(content.decode(), newline="")
    try:
        return [row for row in csv.reader(lines, strict=True) if row]
    except csv.Error:
        return None


def outcome(path, content, block_size):
    """Return the rows of a file, or the message that refuses it."""
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        patch.setattr(csv_rows, "BLOCK_BYTES", block_size)
        try:
            return rows_of_table(path)
        except TableError as error:
            return str(error)


def is_unfit(rows):
    """Return whether rows are none of a table, or its names no separate ones."""
    if not rows or len(set(rows[0])) < len(rows[0]):
        return True
    return len({len(row) for row in rows}) > 1


@settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    head=st.sampled_from(["", "x\n", "x,y\n", '"x\n1",y\r\n', "x,y,z\r"]),
    body=st.text('a,"\n\r1 ', max_size=14),
)
@example(head="x,y\n", body='2,"a\n3,b\n4,5" c\n')
@example(head="x,y\n", body='1,5" a\n')
@example(head="x,y\n", body='1,"a""\r\n"\n')
@example(head="x\n", body='""""\n""\n"a"')
def test_rows_are_those_of_the_csv_module_or_refused(tmp_path, head, body):
    path = tmp_path / "fuzz.csv"
    content = (head + body).encode()
    expected = rows_of_csv_module(content)
    found = [outcome(path, content, size) for size in BLOCK_SIZES]
    if isinstance(found[-1], list):
        assert all(rows == expected for rows in found)
        return
    assert expected is None or is_unfit(expected)
    for message in found:
        assert any(
            words in message
            for words in (
                "in row ",
                "in the line of names",
                "the names of",
                "once, got",
            )
        )


@pytest.mark.parametrize("block_size", range(1, 30))
def test_quoted_line_end_keeps_both_characters(tmp_path, block_size):
    content = b'x,y\r\n1,"a\r\nb"\r\n2,"\r\n"\r\n'
    rows = outcome(tmp_path / "new.csv", content, block_size)
    assert rows == [["x", "y"], ["1", "a\r\nb"], ["2", "\r\n"]]


@pytest.mark.parametrize("block_size", BLOCK_SIZES)
@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"x,y\r\n1,2\r\n\r\n3,4\r\n", [["1", "2"], ["3", "4"]]),
        (b"x,y\r1,2\r\r3,4\r", [["1", "2"], ["3", "4"]]),
        (b"\n\r\nx,y\n\n\n1,2\n", [["1", "2"]]),
        (b"x,y\n", []),
        (b"\xef\xbb\xbfx,y\n1,2\n", [["1", "2"]]),
        (b"x,y\n1\x00,2\n\x00,4\n", [["1\x00", "2"], ["\x00", "4"]]),
        (b'x,y\n"",""\n,\n', [["", ""], ["", ""]]),
        (b'x,y\n1,5" pipe\n2,a""b\n', [["1", '5" pipe'], ["2", 'a""b']]),
        ('x,y\n\ufeff1,é"\n'.encode(), [["\ufeff1", 'é"']]),
    ],
    ids=["crlf", "cr", "empty", "none", "mark", "nul", "blank", "inch", "mark within"],
)
def test_rows_do_not_depend_on_the_blocks(tmp_path, content, rows, block_size):
    assert outcome(tmp_path / "new.csv", content, block_size) == [["x", "y"], *rows]


@pytest.mark.parametrize("block_size", BLOCK_SIZES)
def test_empty_lines_of_a_single_column_are_no_rows(tmp_path, block_size):
    content = b'x\n1\n\n""\n2\n'
    rows = outcome(tmp_path / "new.csv", content, block_size)
    assert rows == [["x"], ["1"], [""], ["2"]]


@pytest.mark.parametrize("block_size", BLOCK_SIZES)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'x,y\n1,a\n\n2,"open\n3,b\n4,5" pipe\n5,c\n',
            "have a separator or a line end after a closing quote, got other text "
            "in row 1 (rows are counted from 0), column 'y'.",
        ),
        (
            'x,y\n1,a\n"2,b\n3,c\n',
            "close every quote, got one that stays open "
            "in row 1 (rows are counted from 0), column 'x'.",
        ),
        (
            'x,y\n1,a,"b"é\n',
            "have a separator or a line end after a closing quote, got other text "
            "in row 0 (rows are counted from 0), cell 2 (counted from 0).",
        ),
        (
            'x,"y"z\n1,2\n',
            "have a separator or a line end after a closing quote, got other text "
            "in the line of names, cell 1 (counted from 0).",
        ),
        (
            'x,"y\n1,2\n',
            "close every quote, got one that stays open "
            "in the line of names, cell 1 (counted from 0).",
        ),
        (
            "x,y\n1,2\n\n3\n",
            "have 2 cells in every row, got 1 in row 1 (rows are counted from 0).",
        ),
    ],
    ids=["text after", "open", "beyond", "names", "open names", "short"],
)
def test_misplaced_quotes_are_told_with_their_row(tmp_path, text, message, block_size):
    path = tmp_path / "new.csv"
    assert outcome(path, text.encode(), block_size) == f"{path} must {message}"


@pytest.mark.parametrize("size", [1, 5, WHOLE])
def test_blocks_hold_whole_rows_and_know_their_place(monkeypatch, size):
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", size)
    content = b'x;y\n1;"a\n"\n\n2;b\n3;c'
    blocks = rows_of(content, ";")
    n_rows = 0
    for block in blocks:
        assert content[block.offset :].startswith(block.content)
        assert block.first_line == content[: block.offset].count(b"\n")
        assert block.first_row == n_rows
        n_rows += block.n_rows
    assert n_rows == 3
    assert [block.ends_open for block in blocks] == [False] * (len(blocks) - 1) + [True]


@pytest.mark.parametrize("size", [1, 16, WHOLE])
def test_a_row_without_end_is_not_waited_for(monkeypatch, size):
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", size)
    monkeypatch.setattr(csv_rows, "LONGEST_ROW_BYTES", 40)
    stream = io.BytesIO(b'x\n1\n2\n"' + b"a\n" * 1000)
    reader = RowReader(stream, ",")
    reader.header()
    rows, wrong = 0, []
    for block in reader.blocks():
        wrong += [(rows + one.row, one.wrong.kind) for one in block.wrong]
        rows += block.n_rows
    assert (rows, wrong) == (1002, [(2, "quote")])


def test_names_without_end_are_not_waited_for(monkeypatch):
    monkeypatch.setattr(csv_rows, "HEAD_BYTES", 16)
    monkeypatch.setattr(csv_rows, "LONGEST_ROW_BYTES", 40)
    stream = io.BytesIO(b"x" * 1000)
    with pytest.raises(RowError) as caught:
        RowReader(stream, ",").header()
    assert caught.value.wrong.rule == "have rows of at most 40 bytes"
    assert stream.tell() < 100
