"""Parts of CSV files give the same records, good and bad, wherever they are cut."""

import csv
import errno
import gzip
import hashlib
import io
import os
import pickle
import sys
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from broken_csv import SCHEMA, STRUCTURAL, broken_csv
from torch_binary_classifier.exceptions import TableError, TableWarning
from torch_binary_classifier.tables import csv_rows
from torch_binary_classifier.tables.bad_rows import BadRow, Place
from torch_binary_classifier.tables.csv_cells import GAP_SPELLINGS
from torch_binary_classifier.tables.missing import is_missing_word
from torch_binary_classifier.tables.numbers import parse_numbers
from torch_binary_classifier.tables.reading import open_table
from torch_binary_classifier.tables.table import PART_BYTES

PART_SIZES = (1, 64, 1000, 1 << 20)
FLOAT, WHOLE = pa.float64(), pa.int64()
TEXT = "näme,y\né,1\nß,2\n"


def file_of(tmp_path, content, name="new.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def records_of(parts, columns, types=None):
    """Return the good rows of parts as lists of cells by row, and the bad ones."""
    good, bad = {}, []
    next_row = 0
    for part in parts:
        assert part.first_row == next_row
        rows = []
        for chunk, wrong in part.read(columns, types or {}):
            cells = [chunk.columns[name].to_pylist() for name in columns]
            assert all(len(column) == chunk.n_rows for column in cells)
            found = zip(*cells, strict=True) if cells else [()] * chunk.n_rows
            good.update(zip(chunk.all_rows.tolist(), map(list, found), strict=True))
            bad += wrong
            rows += [*chunk.all_rows.tolist(), *(one.row for one in wrong)]
        next_row += part.n_rows
        assert sorted(rows) == list(range(part.first_row, next_row))
    return good, bad


def parts_of(path, part_bytes=PART_BYTES, **options):
    return list(open_table(path, **options).parts(part_bytes))


def places_of(parts):
    """Return the place of every record."""
    return [
        part.place(row)
        for part in parts
        for row in range(part.first_row, part.first_row + part.n_rows)
    ]


def read_whole(tmp_path, text, types=None, columns=None, **options):
    """Return the good and the bad rows of a text."""
    parts = parts_of(file_of(tmp_path, text), **options)
    return records_of(parts, columns or open_table(tmp_path / "new.csv").names, types)


# A corpus of records that are wrong.


@pytest.fixture(params=[b"\n", b"\r\n"], ids=["lf", "crlf"])
def corpus(request, monkeypatch):
    monkeypatch.setattr(csv_rows, "LONGEST_ROW_BYTES", 4000)
    return broken_csv(
        600, 7, STRUCTURAL, n_each=8, line_end=request.param, long_bytes=4100
    )


def without_wrong(content, truth):
    """Return the rows of Python's own reader without what the truth calls wrong."""
    kept, position = [], 0
    for one in truth:
        kept.append(content[position : one.byte_offset])
        position = one.byte_offset + len(one.raw)
    text = b"".join([*kept, content[position:]]).decode()
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    return [row for row in rows if row][1:]


@pytest.mark.parametrize("part_bytes", PART_SIZES)
def test_wrong_records_are_told_and_all_others_read(tmp_path, corpus, part_bytes):
    content, truth = corpus
    parts = parts_of(file_of(tmp_path, content), part_bytes)
    good, bad = records_of(parts, list(SCHEMA), {"a": FLOAT, "b": WHOLE})
    assert [(one.row, one.kind, one.column) for one in bad] == [
        (one.row, one.kind, one.column) for one in truth
    ]
    wrong = {one.row for one in truth}
    assert sorted(good) == [row for row in range(600) if row not in wrong]
    expected = [
        [name, float(a), int(b), *others]
        for name, a, b, *others in without_wrong(content, truth)
    ]
    assert list(good.values()) == expected


@pytest.mark.parametrize("part_bytes", PART_SIZES)
def test_places_are_those_of_the_truth(tmp_path, corpus, part_bytes):
    content, truth = corpus
    places = places_of(parts_of(file_of(tmp_path, content), part_bytes))
    for one in truth:
        # Of a record that is too long the beginning is kept.
        raw = one.raw if one.kind != "too long" else one.raw[:1024]
        expected = Place(
            one.line, one.byte_offset, raw.decode(errors="backslashreplace")
        )
        assert places[one.row] == expected
    wrong = {one.row for one in truth}
    for row, place in enumerate(places):
        before, after = content[: place.byte_offset], content[place.byte_offset :]
        assert place.line == len(before.splitlines()) + 1
        assert row in wrong or after.startswith(place.raw.encode() + content[12:13])


@pytest.mark.parametrize("n_threads", [1, 4])
def test_parts_are_read_in_any_order_and_by_many(tmp_path, corpus, n_threads):
    content, _ = corpus
    parts = parts_of(file_of(tmp_path, content), 2000)
    assert len(parts) > 10
    expected = records_of(parts, ["id", "a"], {"a": FLOAT})
    found = [None] * len(parts)

    def read(first):
        for number in range(first, len(parts), n_threads):
            found[number] = list(parts[number].read(["id", "a"], {"a": FLOAT}))

    threads = [threading.Thread(target=read, args=(i,)) for i in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bad = [one for pairs in found for _, wrong in pairs for one in wrong]
    assert bad == expected[1]
    n_good = sum(chunk.n_rows for pairs in found for chunk, _ in pairs)
    assert n_good == len(expected[0])


# Messages.


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("x,y\n1\n", BadRow(0, "too few fields", "must have 2 fields, got 1")),
        ("x,y\n1,2,3\n", BadRow(0, "too many fields", "must have 2 fields, got 3")),
        (
            'x,y\n1,"2"3\n',
            BadRow(
                0,
                "quote",
                "must have a separator or a line end after a closing quote, got "
                "other text",
                "y",
            ),
        ),
        (
            'x,y\n1,2\n"3,4\n',
            BadRow(1, "quote", "must close every quote, got one that stays open", "x"),
        ),
        (
            'x,y\n1,2,"3"4\n',
            BadRow(
                0,
                "quote",
                "must have a separator or a line end after a closing quote, got "
                "other text",
            ),
        ),
        (
            b"x,y\n1,2\n3,\xff\n",
            BadRow(1, "encoding", "must be text in UTF-8, got other bytes", "y"),
        ),
        (
            "x,y\n1," + 41 * "2" + "\n",
            BadRow(
                0, "too long", "must have rows of at most 40 bytes, got a longer one"
            ),
        ),
    ],
    ids=["few", "many", "after", "open", "beyond", "encoding", "long"],
)
def test_what_is_wrong_is_said_without_its_place(tmp_path, monkeypatch, text, bad):
    monkeypatch.setattr(csv_rows, "LONGEST_ROW_BYTES", 40)
    assert read_whole(tmp_path, text)[1] == [bad]


def test_records_that_share_an_open_quote_name_their_own_column(tmp_path):
    _, bad = read_whole(tmp_path, 'x,y\n"1,2\n3","\n4,5\n')
    assert [(one.row, one.kind, one.column) for one in bad] == [
        (0, "quote", "x"),
        (1, "quote", "y"),
    ]


def test_chunks_refuse_a_row_that_is_too_long(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_rows, "LONGEST_ROW_BYTES", 40)
    table = open_table(file_of(tmp_path, "x\n1\n" + 41 * "2" + "\n"))
    match = r"must have rows of at most 40 bytes, got a longer one in row 1 \(rows are"
    with pytest.raises(TableError, match=match):
        list(table.chunks(["x"]))


# Recovery.


@pytest.mark.parametrize("part_bytes", PART_SIZES)
@pytest.mark.parametrize(
    ("text", "good", "bad"),
    [
        ('x,y\n1,"a\n2,b\n3,c\n', {1: "2", 2: "3"}, {0: "quote"}),
        ('x,y\n1,"a\n2,"b"\n3,c\n', {1: "2", 2: "3"}, {0: "quote"}),
        ('x,y\n1,"a\n2,b"\n3,c\n', {0: "1", 1: "3"}, {}),
        ('x,y\n1,"a" b\n2,"c\nd"\n3,c\n', {1: "2", 2: "3"}, {0: "quote"}),
        ('x,y\n1,"a\nb" c\n3,c\n', {2: "3"}, {0: "quote", 1: "too few fields"}),
        ('x,y\n"\n"\n"\n', {}, {0: "too few fields", 1: "quote"}),
        ('x,y\r1,"a\r\r2,b\r', {1: "2"}, {0: "quote"}),
        ('x,y\r\n1,"a\r\n\r\n2,b', {1: "2"}, {0: "quote"}),
        ('x,y\n1,"', {}, {0: "quote"}),
        ('x,y\n1,2\n"', {0: "1"}, {1: "quote"}),
    ],
)
@pytest.mark.filterwarnings("ignore:.*ends without a line end:UserWarning")
def test_a_wrong_quote_spoils_one_line(tmp_path, text, good, bad, part_bytes):
    parts = parts_of(file_of(tmp_path, text), part_bytes)
    cells, wrong = records_of(parts, ["x"])
    assert {row: cell for row, (cell,) in cells.items()} == good
    assert {one.row: one.kind for one in wrong} == bad


@pytest.mark.parametrize("part_bytes", PART_SIZES)
@pytest.mark.parametrize(("last", "kind"), [('b"', "too long"), ('bb"', "quote")])
def test_a_long_quoted_cell_is_read_or_given_up(
    tmp_path, monkeypatch, part_bytes, last, kind
):
    monkeypatch.setattr(csv_rows, "LONGEST_ROW_BYTES", 100)
    cell = 49 * "a\n"
    path = file_of(tmp_path, f'x\n"{cell}"\n"{cell}{last}\nz\n')
    good, bad = records_of(parts_of(path, part_bytes), ["x"])
    assert good.pop(0) == [cell]
    # The first line is given up; the last one of the cell holds an ordinary quote.
    assert [(one.row, one.kind) for one in bad] == [(1, kind)]
    assert list(good.values()) == [*([["a"]] * 48), [last], ["z"]]


@pytest.mark.parametrize("part_bytes", [*PART_SIZES, PART_BYTES])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b""])
@pytest.mark.parametrize("n_bytes", [100, 101, 102, 5000])
def test_the_longest_line_is_of_exact_length(
    tmp_path, monkeypatch, part_bytes, end, n_bytes
):
    monkeypatch.setattr(csv_rows, "LONGEST_ROW_BYTES", 100)
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", 700)
    line = b"b" * n_bytes
    end_before = end or b"\n"
    before = end_before.join([b"x", b"1", b"", b"2", line])
    after = end_before.join([b"", b"3", b"4"]) + end if end else b""
    table = open_table(file_of(tmp_path, before + after))
    with pytest.warns(TableWarning) if not end and n_bytes == 100 else no_warning():
        parts = list(table.parts(part_bytes))
    good, bad = records_of(parts, ["x"])
    is_good = n_bytes == 100
    kinds = [] if is_good else [(2, "too long")]
    assert [(one.row, one.kind) for one in bad] == kinds
    others = [["3"], ["4"]] if end else []
    expected = [["1"], ["2"], *([[line.decode()]] if is_good else []), *others]
    assert list(good.values()) == expected
    offset = before.index(line)
    assert parts[-1].place(2 if not end else 4).line == (5 if not end else 7)
    place = next(p for p in parts if p.first_row <= 2 < p.first_row + p.n_rows).place(2)
    shown = line if is_good else line[:100]
    assert place == Place(5, offset, shown.decode())


def no_warning():
    return pytest.MonkeyPatch.context()


@pytest.mark.parametrize("line", ['x","\n', 'a,"b\n', '","\n', 'a,"b"c\n'])
def test_many_wrong_quotes_take_little_time(tmp_path, line):
    n_rows = 100_000
    path = file_of(tmp_path, "x,y\n1,2\n" + n_rows * line + "3,4\n")
    (part,) = open_table(path).parts()
    good, bad = records_of([part], ["x"])
    assert good[0] == ["1"]
    assert good[part.n_rows - 1] == ["3"]
    assert len(bad) >= n_rows / 2 - 1
    assert part.place(part.n_rows - 1).line == n_rows + 3


def test_a_line_without_end_is_not_held(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_rows, "LONGEST_ROW_BYTES", 1 << 16)
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", 1 << 16)
    path = file_of(tmp_path, b"x\n1\n" + b"y" * (1 << 22) + b"\n2\n")
    seen = []
    read_on = csv_rows.RowReader._read

    def reading(reader, size):
        read_on(reader, size)
        seen.append(len(reader._pending))

    monkeypatch.setattr(csv_rows.RowReader, "_read", reading)
    parts = list(open_table(path).parts())
    assert records_of(parts, ["x"])[0] == {0: ["1"], 2: ["2"]}
    assert max(seen) < 4 << 16
    assert places_of(parts)[1] == Place(3, 4, 1024 * "y")


# Any bytes.


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    body=st.lists(
        st.sampled_from(
            [
                b"a",
                b",",
                b'"',
                b"\n",
                b"\r",
                b'""',
                b"1",
                b"\xff",
                "é".encode(),
                b"aaaa",
            ]
        ),
        max_size=40,
    ).map(b"".join),
    longest=st.sampled_from([3, 8, 1 << 22]),
    part_bytes=st.integers(1, 12),
)
@example(body=b'x","\nx","\nx","\n', longest=1 << 22, part_bytes=3)
@example(body=b'"a\n"\n1,"\r\n\r', longest=8, part_bytes=1)
@example(body=b'"a"b\r\n1,2\r\n', longest=1 << 22, part_bytes=5)
@example(body=b"aaaaaaaa\r\n1,2\n", longest=3, part_bytes=9)
@pytest.mark.filterwarnings("ignore:.*ends without a line end:UserWarning")
def test_any_bytes_give_the_same_records_in_any_parts(
    tmp_path_factory, body, longest, part_bytes
):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(b"x,y\n" + body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_rows, "LONGEST_ROW_BYTES", longest)
        whole, cut = (parts_of(path, size) for size in (PART_BYTES, part_bytes))
    assert records_of(cut, ["y"]) == records_of(whole, ["y"])
    assert places_of(cut) == places_of(whole)
    again = pickle.loads(pickle.dumps(cut))
    assert records_of(again, ["y"]) == records_of(whole, ["y"])
    text = body.replace(b"\r", b"\n").replace(b"\n", b"")
    if longest > len(body):
        raws = "".join(place.raw for place in places_of(whole))
        shown = text.decode(errors="backslashreplace")
        assert raws.replace("\r", "").replace("\n", "") == shown


# Where the bytes come from.


@pytest.mark.parametrize("part_bytes", [1, 7, PART_BYTES])
@pytest.mark.parametrize(
    ("name", "encoding", "offset"),
    [
        ("new.csv", "utf-8", 13),
        ("new.csv", "utf-8-sig", 16),
        ("new.csv.gz", "utf-8", 13),
        ("new.csv.zst", "utf-8-sig", 16),
        ("new.csv", "cp1252", 13),
        ("new.csv.zst", "utf-16", 13),
    ],
)
def test_sources_give_the_same_records(tmp_path, name, encoding, offset, part_bytes):
    content = TEXT.replace("2", "\n2").encode(encoding)
    pack = {"gz": gzip.compress, "zst": zstd}.get(name.rpartition(".")[2], bytes)
    path = file_of(tmp_path, pack(content), name)
    parts = parts_of(path, part_bytes, encoding=encoding)
    is_plain = name == "new.csv" and encoding.startswith("utf-8")
    for copies in (parts, pickle.loads(pickle.dumps(parts))):
        good, bad = records_of(copies, ["näme", "y"], {"y": WHOLE})
        assert (list(good.values())[:1], len(bad)) == ([["é", 1]], 1)
        assert [place.raw for place in places_of(copies)] == ["é,1", "ß,", "2"]
    place = places_of(parts)[1]
    assert (place.line, place.byte_offset) == (3, offset)
    if is_plain:
        assert content[offset:].startswith("ß".encode())


def zstd(content):
    return pa.compress(content, codec="zstd", asbytes=True)


@pytest.mark.parametrize("n_bytes", [1, 9, 15, 3000])
def test_cut_zstd_files_are_refused(tmp_path, rng, n_bytes):
    content = zstd(b"x\n" + rng.bytes(6000).hex("\n").encode() + b"\n")
    path = file_of(tmp_path, content[:n_bytes], "new.csv.zst")
    with pytest.raises(TableError, match=r"new\.csv\.zst must be a (whole )?zstd file"):
        list(open_table(path).parts())


def test_damaged_zstd_files_are_refused(tmp_path, rng):
    content = bytearray(zstd(b"x\n" + rng.bytes(6000).hex("\n").encode() + b"\n"))
    content[20] ^= 255
    path = file_of(tmp_path, bytes(content), "new.csv.zst")
    match = r"must be a whole zstd file, got a damaged or a cut one\.$"
    with pytest.raises(TableError, match=match):
        list(open_table(path).parts())


def test_text_with_the_suffix_of_zstd_is_told(tmp_path):
    path = file_of(tmp_path, b"x\n1\n", "new.csv.zst")
    with pytest.raises(TableError, match=r"must be a zstd file, got other .* \.csv\."):
        open_table(path)


def test_a_zstd_file_on_a_failing_disk_is_told(monkeypatch):
    class Failing(io.BytesIO):
        def read(self, size=-1):
            if self.tell():
                raise OSError(errno.EIO, "Input/output error")
            return super().read(size)

    packed = Failing(zstd(os.urandom(100_000).hex().encode()))
    monkeypatch.setattr(Path, "open", lambda *_: packed)
    with pytest.raises(TableError, match="must be a readable table, got Input/output"):
        open_table("new.csv.zst")


def test_standard_input_is_read_once_in_parts(monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(b"x\n1\n2\n3\n"))
    monkeypatch.setattr(sys, "stdin", stdin)
    table = open_table("-")
    parts = list(table.parts(2))
    assert [part.n_rows for part in parts] == [1, 1, 1]
    assert np.isnan(parts[0].read_fraction)
    assert records_of(pickle.loads(pickle.dumps(parts)), ["x"])[0][2] == ["3"]
    with pytest.raises(TableError, match="standard input must be read once"):
        list(table.parts())


def test_a_transcoded_text_ends_where_it_is_none(tmp_path):
    path = file_of(tmp_path, b"x\n1\n2\n\xe9\n")
    parts = open_table(path, encoding="ascii").parts()
    assert records_of([next(parts)], ["x"])[0] == {0: ["1"], 1: ["2"]}
    with pytest.raises(TableError, match="text in ASCII, got other bytes in row 2"):
        next(parts)


# Parts.


def test_parts_know_their_size_and_digest(tmp_path):
    path = file_of(tmp_path, "x\n" + "".join(f"{i}\n" for i in range(1000, 3000)))
    parts = parts_of(path, 1000)
    assert all(1000 <= part.n_rows * 5 < 2100 for part in parts[:-1])
    content = path.read_bytes()
    first = content[2 : 2 + 5 * parts[0].n_rows]
    assert parts[0].digest == hashlib.sha256(first).hexdigest()
    assert len({part.digest for part in parts}) == len(parts)
    fractions = [part.read_fraction for part in parts]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_a_pickled_part_drops_its_text_if_that_can_be_read_again(tmp_path, monkeypatch):
    text = "x\n" + 10_000 * "1\n"
    monkeypatch.chdir(tmp_path)
    file_of(tmp_path, text)
    (part,) = open_table("new.csv").parts()
    packed = pickle.dumps(part)
    assert len(packed) < 2000
    monkeypatch.chdir("/")
    again = pickle.loads(packed)
    assert again.digest == part.digest
    assert again.place(9_999) == Place(10_001, 20_000, "1")
    assert len(records_of([again], ["x"])[0]) == 10_000
    path = file_of(tmp_path, gzip.compress(text.encode()), "new.csv.gz")
    (part,) = open_table(path).parts()
    assert len(pickle.dumps(part)) > 20_000


@pytest.mark.parametrize("text", ["x\n1\n3\n", "x\n1\n"], ids=["other", "shorter"])
def test_a_file_that_changed_is_noticed(tmp_path, text):
    path = file_of(tmp_path, "x\n1\n2\n")
    packed = pickle.dumps(parts_of(path))
    path.write_text(text)
    (part,) = pickle.loads(packed)
    match = r"must stay as it is while it is read, got other bytes .* from byte 2 on\.$"
    with pytest.raises(TableError, match=match):
        next(part.read(["x"], {}))
    path.unlink()
    with pytest.raises(TableError, match="must be a file, got no file"):
        part.place(0)


@pytest.mark.parametrize("text", ["x,y\n", "x,y", "x,y\n\n\r\n\n"])
@pytest.mark.filterwarnings("ignore:.*ends without a line end:UserWarning")
def test_a_file_without_rows_has_no_parts(tmp_path, text):
    assert parts_of(file_of(tmp_path, text)) == []


@pytest.mark.parametrize("part_bytes", PART_SIZES)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_empty_lines_are_lines_but_no_rows(tmp_path, end, part_bytes):
    lines = ["x", "", "", "1", "", "2", "", "", "3", ""]
    path = file_of(tmp_path, end.join([*lines, "", ""]))
    places = places_of(parts_of(path, part_bytes))
    assert [place.line for place in places] == [4, 6, 9]
    assert [place.raw for place in places] == ["1", "2", "3"]


def test_nothing_but_the_rows_is_counted_with_no_column(tmp_path):
    good, bad = records_of(parts_of(file_of(tmp_path, "x,y\n1,2\n3\n4,5\n")), [])
    assert (sorted(good), [one.row for one in bad]) == ([0, 2], [1])


def test_a_cut_last_row_is_warned_of_unless_it_is_wrong(tmp_path):
    path = file_of(tmp_path, "x,y\n1,2\n3,4")
    with pytest.warns(
        TableWarning, match="its last row, 1 .*, may be cut, holding '4'"
    ):
        parts_of(path)
    for text in ("x,y\n1,2\n3", 'x,y\n1,2\n3,"'):
        parts_of(file_of(tmp_path, text))


# Cells.


@pytest.mark.parametrize("kind", [FLOAT, WHOLE])
@pytest.mark.parametrize(
    "cell",
    [
        *(" 1.5 ", "true", "1_000", "0x10", "0X1f", "-0x10", "inf", "-inf", "Infinity"),
        *(
            "nan",
            "NaN",
            "-nan",
            "nAn",
            "1e999",
            "+5",
            ".5",
            "5.",
            "-0",
            "007",
            " 5",
            "5 ",
        ),
        *("\t5", "\u00a05", "9223372036854775807", "9223372036854775808", "1e3", "1e"),
        *("1d", "NA", " NA", "N/A", "none", "nULL", "", " ", "#N/A", "<NA>", "5", "x"),
        *('""', '"5"', '" 5"', '"NA"', "1e-400", "4.9e-324", "0.1", "1" * 40),
    ],
)
def test_a_number_means_the_same_on_either_way(tmp_path, cell, kind):
    text = f"x,y\n{cell},1\n7,2\n"
    typed, bad = read_whole(tmp_path, text, {"x": kind})
    # A cell of another column sends the whole block the other way.
    other, _ = read_whole(tmp_path, text + "8,z\n", {"x": kind, "y": FLOAT})
    texts, _ = read_whole(tmp_path, text)
    assert bad == []
    found = [typed[0][0], other[0][0], texts[0][0]]
    numbers = [as_number(value) for value in found]
    assert numbers[0] == numbers[2]
    assert numbers[1] == numbers[2]


def as_number(value):
    """Return what a cell means to those who want a number, as text."""
    if isinstance(value, str):
        try:
            value = parse_numbers(pa.array([value, "7"]))[0].as_py()
        except pa.ArrowInvalid:
            return "no number"
    return "missing" if value is None or value != value else repr(float(value) + 0.0)


def test_columns_have_their_type_where_all_cells_have(tmp_path):
    text = "x,y,z\n1,2.5,NA\n,NA,\n"
    (part,) = parts_of(file_of(tmp_path, text))
    types = {"x": WHOLE, "y": FLOAT}
    ((chunk, _),) = part.read(["x", "y", "z"], types)
    kinds = [str(chunk.columns[name].type) for name in "xyz"]
    assert kinds == ["int64", "double", "string"]
    assert [chunk.columns[name].to_pylist() for name in "xyz"] == [
        [1, None],
        [2.5, None],
        ["NA", None],
    ]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("x,y,z\n1.5,1,a\n", ["double", "double", "string"]),
        ("x,y,z\none,1,a\n", ["string", "double", "string"]),
        ("x,y,z\n1,one,a\n", ["int64", "string", "string"]),
        ("x,y,z\n1.5,one,a\n", ["double", "string", "string"]),
        ("x,y,z\n0x1,one,a\n", ["string", "string", "string"]),
        ("x,y,z\n 1 ,one,a\nNA,two,b\n", ["int64", "string", "string"]),
        ("x,y,z\n1,1,0x\n", ["double", "double", "string"]),
        (b"x,y,z\n1,1,a\n1,1,\xff\n", ["int64", "double", "string"]),
    ],
)
def test_other_columns_keep_their_type_beside_one_that_has_another(
    tmp_path, text, kinds
):
    (part,) = parts_of(file_of(tmp_path, text))
    ((chunk, _),) = part.read(["x", "y", "z"], {"x": WHOLE, "y": FLOAT})
    assert [str(chunk.columns[name].type) for name in "xyz"] == kinds


def test_spellings_of_gaps_are_words_for_missing_cells():
    assert all(is_missing_word(word) for word in GAP_SPELLINGS)
    usual = {
        "",
        "NA",
        "N/A",
        "n/a",
        "NaN",
        "nan",
        "null",
        "NULL",
        "Null",
        "None",
        "<NA>",
    }
    assert usual <= set(GAP_SPELLINGS)


@pytest.mark.parametrize("types", [{}, {"x": FLOAT}])
def test_bytes_that_are_no_text_matter_where_they_are_read(tmp_path, types):
    content = b"x,y,z\n1,a,\xff\n2,\xff,\n3\xff\n\xff,\xff,\n" + "4,é,\n".encode()
    parts = parts_of(file_of(tmp_path, content))
    kinds = {2: "too few fields", 3: "encoding"}
    good, bad = records_of(parts, ["x"], types)
    assert ([*good], {one.row: one.kind for one in bad}) == ([0, 1, 4], kinds)
    good, bad = records_of(parts, ["y", "x"], types)
    assert [(one.row, one.column) for one in bad] == [(1, "y"), (2, None), (3, "x")]
    assert good[4] == ["é", 4.0 if types else "4"]
    good, bad = records_of(parts, ["z"])
    assert [one.row for one in bad] == [0, 2]
    assert good[4] == [None]


def test_a_block_may_hold_nothing_that_can_be_read(tmp_path, capfd):
    content = b'x,y\n1\xff\n2\n3\xff\n"4" 5\n'
    (part,) = parts_of(file_of(tmp_path, content))
    ((chunk, bad),) = part.read(["x"], {"x": FLOAT})
    assert (chunk.n_rows, len(chunk.columns["x"]), len(bad)) == (0, 0, 4)
    assert part.place(0).raw == "1\\xff"
    assert capfd.readouterr() == ("", "")


def test_a_mark_within_the_text_is_text(tmp_path):
    content = "x\n\ufeff1\n\ufeff2\n".encode()
    parts = parts_of(file_of(tmp_path, content), 1)
    assert list(records_of(parts, ["x"])[0].values()) == [["\ufeff1"], ["\ufeff2"]]
