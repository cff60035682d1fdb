"""What DuckDB accepts of a file with wrong records, and what parts of it give."""

import duckdb
import pytest

from broken_csv import KINDS, SCHEMA, STRUCTURAL, broken_csv
from torch_binary_classifier.tables import csv_rows
from torch_binary_classifier.tables.reading import open_table

LONGEST = 10_000
# What DuckDB calls what is wrong.
ERRORS = {
    "a field less": "MISSING COLUMNS",
    "a field more": "TOO MANY COLUMNS",
    "text after a quote": "UNQUOTED VALUE",
    "other bytes": "INVALID ENCODING",
    "too long": "LINE SIZE OVER MAXIMUM",
}


def duckdb_rows(path, names):
    """Return DuckDB's rows, and the byte and the kind of what it rejects."""
    options = "header=true, auto_detect=false, delim=',', quote='\"', escape='\"'"
    kinds = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"SELECT * FROM read_csv('{path}', {options}, columns={{{kinds}}}, "
            f"store_rejects=true, max_line_size={LONGEST})"
        ).fetchall()
        errors = connection.execute(
            "SELECT line_byte_position, error_type FROM reject_errors"
        ).fetchall()
    return rows, dict(errors)


def our_rows(path, names):
    """Return our rows, and the byte of each one that is wrong."""
    rows, places = [], []
    for part in open_table(path).parts():
        for chunk, bad in part.read(names, {}):
            cells = [chunk.columns[name].to_pylist() for name in names]
            rows += zip(*cells, strict=True)
            places += [part.place(one.row).byte_offset for one in bad]
    return rows, places


@pytest.mark.parametrize("fault", ERRORS)
def test_duckdb_accepts_the_same_rows(tmp_path, monkeypatch, fault):
    monkeypatch.setattr(csv_rows, "LONGEST_ROW_BYTES", LONGEST)
    path = tmp_path / "new.csv"
    content, truth = broken_csv(2000, 5, [fault], n_each=40, long_bytes=LONGEST + 1)
    path.write_bytes(content)
    rows, errors = duckdb_rows(path, SCHEMA)
    ours, places = our_rows(path, list(SCHEMA))
    assert ours == rows
    assert len(rows) == 2000 - 40
    assert set(errors.values()) == {ERRORS[fault]}
    # It counts some bytes from 0 and some from 1.
    gaps = {byte - place for byte, place in zip(sorted(errors), places, strict=True)}
    assert gaps <= {0, 1}
    assert places == [one.byte_offset for one in truth]


def test_all_kinds_are_known_to_duckdb_or_met_by_design():
    assert {*ERRORS, "open quote"} == set(STRUCTURAL) <= set(KINDS)


def test_an_open_quote_costs_duckdb_the_rows_after_it(tmp_path):
    # DuckDB rejects all up to the line end after the next quote, or to the end of the
    # file. We reject one line by design: a quote is left open by accident, and the rows
    # after it are as whole as others.
    path = tmp_path / "new.csv"
    path.write_text('x,y\n1,2\n3,"a\n4,b\n5,c\n6,"d"\n7,e\n')
    assert duckdb_rows(path, "xy")[0] == [("1", "2"), ("7", "e")]
    ours = [("1", "2"), ("4", "b"), ("5", "c"), ("6", "d"), ("7", "e")]
    assert our_rows(path, ["x", "y"])[0] == ours


def test_open_quotes_cost_us_their_rows_alone(tmp_path):
    path = tmp_path / "new.csv"
    content, truth = broken_csv(2000, 6, ["open quote"], n_each=40)
    path.write_bytes(content)
    rows, _ = duckdb_rows(path, SCHEMA)
    ours, places = our_rows(path, list(SCHEMA))
    assert places == [one.byte_offset for one in truth]
    assert len(ours) == 2000 - 40 > len(rows)
