"""Parts of Parquet files give the rows of the file, each on its own."""

import hashlib
import json
import pickle
import threading

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from torch_binary_classifier.exceptions import TableError
from torch_binary_classifier.tables import parquet_parts
from torch_binary_classifier.tables.bad_rows import Place
from torch_binary_classifier.tables.reading import open_table

N_ROWS = 1000


@pytest.fixture
def table(rng):
    return pa.table(
        {
            "number": rng.normal(size=N_ROWS),
            "whole": np.arange(N_ROWS),
            "text": pa.array(rng.choice(["a", "b"], N_ROWS)).dictionary_encode(),
        }
    )


@pytest.fixture
def path(table, tmp_path):
    path = tmp_path / "new.parquet"
    pq.write_table(table, path, row_group_size=100, write_page_checksum=True)
    return path


def parts_of(path):
    """Return parts of three row groups, if all groups are as large as the first."""
    metadata = pq.ParquetFile(path).metadata
    n_bytes = metadata.row_group(0).total_byte_size if metadata.num_row_groups else 1
    return open_table(path).parts(int(2.5 * n_bytes))


def rows_of(parts, columns):
    """Return the cells of parts by column, having checked their positions."""
    cells = {name: [] for name in columns}
    next_row = 0
    for part in parts:
        assert part.first_row == next_row
        for chunk, bad in part.read(columns, {"whole": pa.float64()}):
            assert (chunk.first_row, bad) == (next_row, [])
            next_row += chunk.n_rows
            for name in columns:
                cells[name] += chunk.columns[name].to_pylist()
        assert part.first_row + part.n_rows == next_row
    return cells


def test_parts_are_whole_row_groups_of_so_many_rows(path, table):
    parts = list(parts_of(path))
    assert [part.n_rows for part in parts] == [300, 300, 300, 100]
    assert [part.read_fraction for part in parts] == [0.3, 0.6, 0.9, 1.0]
    columns = ["text", "whole", "number"]
    assert rows_of(parts, columns) == table.select(columns).to_pydict()


def test_types_of_the_file_stay(path):
    part = next(parts_of(path))
    chunk, _ = next(part.read(["whole", "text"], {"whole": pa.float64()}))
    kinds = [str(chunk.columns[name].type) for name in ("whole", "text")]
    assert kinds == ["int64", "string"]


@pytest.mark.parametrize(
    ("n_columns", "n_rows"), [(1, [128, 128, 44]), (2, [100, 100, 100]), (3, [66] * 5)]
)
def test_chunks_have_so_many_cells_and_rows(path, monkeypatch, n_columns, n_rows):
    monkeypatch.setattr(parquet_parts, "CHUNK_CELLS", 200)
    monkeypatch.setattr(parquet_parts, "CHUNK_ROWS", 128)
    part = next(parts_of(path))
    columns = ["number", "whole", "text"][:n_columns]
    found = [chunk.n_rows for chunk, _ in part.read(columns, {})]
    # pyarrow may end a batch where a row group does.
    assert max(found) == max(n_rows)
    assert sum(found) == 300


def test_parts_are_read_in_one_thread_each(path, monkeypatch):
    seen = []
    iter_batches = pq.ParquetFile.iter_batches

    def watched(file, *arguments, **options):
        seen.append(options["use_threads"])
        return iter_batches(file, *arguments, **options)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", watched)
    parts = list(parts_of(path))
    found = {}

    def read(part):
        found[part.first_row] = rows_of_one(part)

    threads = [threading.Thread(target=read, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [False] * 4
    assert [row for part in parts for row in found[part.first_row]] == [*range(N_ROWS)]


def rows_of_one(part):
    chunks = [chunk for chunk, _ in part.read(["whole"], {})]
    return [row for chunk in chunks for row in chunk.columns["whole"].to_pylist()]


def test_digests_are_of_footer_and_row_groups(path, table):
    content = path.read_bytes()
    n_bytes = int.from_bytes(content[-8:-4], "little")
    footer = hashlib.sha256(content[-8 - n_bytes :]).hexdigest()
    digests = [part.digest for part in parts_of(path)]
    assert digests[1] == hashlib.sha256(f"{footer}:3,4,5".encode()).hexdigest()
    pq.write_table(table.slice(1), path, row_group_size=100)
    others = [part.digest for part in parts_of(path)]
    assert not set(digests) & set(others)


def test_pickled_parts_find_their_file(path, monkeypatch, table):
    monkeypatch.chdir(path.parent)
    parts = list(parts_of("new.parquet"))
    parts[0].place(7)
    packed = pickle.dumps(parts)
    assert len(packed) < 2000
    monkeypatch.chdir("/")
    again = pickle.loads(packed)
    assert rows_of(again, ["number"]) == table.select(["number"]).to_pydict()
    assert [part.digest for part in again] == [part.digest for part in parts]


def test_a_file_that_was_replaced_is_noticed(path, table):
    parts = list(parts_of(path))
    pq.write_table(table.slice(1), path, row_group_size=100)
    match = r"new\.parquet must stay as it is while it is read, got another footer"
    with pytest.raises(TableError, match=match):
        next(parts[0].read(["whole"], {}))
    path.unlink()
    with pytest.raises(TableError, match=r"new\.parquet must be a file, got no file"):
        next(parts[0].read(["whole"], {}))


def test_damaged_pages_are_noticed(path):
    parts = list(parts_of(path))
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    with pytest.raises(TableError, match=r"must be a readable table, got .*CRC"):
        rows_of(parts, ["number"])


def test_places_show_the_cells(path, table):
    parts = list(parts_of(path))
    for row in (301, 302, 599, 300, 450):
        place = parts[1].place(row)
        assert (place.line, place.byte_offset) == (None, None)
        assert json.loads(place.raw) == table.slice(row, 1).to_pylist()[0]


def test_places_show_what_json_does_not_know(tmp_path):
    path = tmp_path / "new.parquet"
    frame = pd.DataFrame(
        {
            "day": [pd.Timestamp("2024-01-31")],
            "bytes": [b"\xff"],
            "name": ["Tromsø"],
            "gap": [None],
            "number": [float("nan")],
        },
        index=[7],
    )
    pq.write_table(pa.Table.from_pandas(frame), path)
    (part,) = parts_of(path)
    assert part.place(0) == Place(
        None,
        None,
        '{"day": "2024-01-31 00:00:00", "bytes": "b\'\\\\xff\'", "name": "Tromsø", '
        '"gap": null, "number": null}',
    )


def test_a_file_without_rows_has_no_parts(tmp_path):
    path = tmp_path / "new.parquet"
    pq.write_table(pa.table({"x": pa.array([], pa.float64())}), path)
    assert list(parts_of(path)) == []


def test_empty_row_groups_belong_to_a_part(tmp_path):
    path = tmp_path / "new.parquet"
    schema = pa.schema({"whole": pa.int64()})
    with pq.ParquetWriter(path, schema) as writer:
        for n_rows in (0, 3, 0, 2, 0):
            writer.write_table(pa.table({"whole": np.arange(n_rows)}))
    (part,) = open_table(path).parts()
    assert (part.n_rows, rows_of_one(part)) == (5, [0, 1, 2, 0, 1])


def test_rows_are_counted_with_no_column(path):
    part = next(parts_of(path))
    assert sum(chunk.n_rows for chunk, _ in part.read([], {})) == 300
