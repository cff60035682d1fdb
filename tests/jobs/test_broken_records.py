"""Files with wrong records of every kind: which are rejected, and which are scored."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from broken_csv import CITIES, KINDS, SCHEMA, broken_csv
from scored_tables import scored
from torch_binary_classifier import load, save, score_table
from torch_binary_classifier.preparation import TimesAsNumbers
from torch_binary_classifier.tables import csv_rows

N_ROWS, N_EACH = 250, 2
LONGEST = 10_000
OPTIONS = {"max_bad_records": "50%", "unseen": "fail"}


@pytest.fixture(autouse=True)
def _short_rows(monkeypatch):
    monkeypatch.setattr(csv_rows, "LONGEST_ROW_BYTES", LONGEST)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Return a model that needs a number in "a" and has met all cities but one."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "a": rng.normal(size=100),
            "b": rng.integers(-50, 50, 100),
            "c": rng.choice(CITIES, 100),
            "d": rng.random(100) < 0.5,
            "e": pd.Timestamp("2024-01-01") + pd.to_timedelta(range(100), "D"),
        }
    )
    columns = make_column_transformer(
        (StandardScaler(), ["a", "b"]),
        (OneHotEncoder(handle_unknown="ignore"), ["c"]),
        ("passthrough", ["d"]),
        (TimesAsNumbers(), ["e"]),
    )
    pipeline = make_pipeline(columns, StandardScaler(with_mean=False))
    model = make_pipeline(pipeline, LogisticRegression())
    path = tmp_path_factory.mktemp("model") / "model.joblib"
    save(model.fit(frame, frame.a > 0), path, X=frame)
    return load(path)


def records(out):
    """Return the rejected records that a job wrote."""
    lines = (out / "_rejects.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture
def corpus(tmp_path):
    """Return a file with every kind of wrong record, and where they are."""
    path = tmp_path / "new.csv"
    content, truth = broken_csv(N_ROWS, 7, n_each=N_EACH, long_bytes=LONGEST + 1)
    path.write_bytes(content)
    assert {one.fault for one in truth} == set(KINDS)
    return path, truth


@pytest.mark.parametrize("n_threads", [1, 2, 4])
@pytest.mark.parametrize("part_bytes", [64, 1_000, 1 << 20])
def test_each_is_rejected_where_it_stands(
    model, corpus, tmp_path, part_bytes, n_threads
):
    path, truth = corpus
    out = tmp_path / "scored"
    summary = score_table(
        model, path, out, part_bytes=part_bytes, n_threads=n_threads, **OPTIONS
    )
    found = records(out)
    places = [
        (one["row"], one["line"], one["byte_offset"], one["kind"], one["column"])
        for one in found
    ]
    assert places == [
        (one.row, one.line, one.byte_offset, one.kind, one.column) for one in truth
    ]
    for one, true in zip(found, truth, strict=True):
        written = true.raw.decode(errors="backslashreplace").split("\n")[0]
        assert one["raw"][:500] == written[:500]
        assert one["message"]
    bad = {one.row for one in truth}
    assert scored(out)._row.tolist() == [r for r in range(N_ROWS) if r not in bad]
    assert (summary.n_rows, summary.n_rejected) == (N_ROWS, len(bad))
    assert summary.n_scored == N_ROWS - len(bad)
    # Cells that are written as training had them score as in Python.
    assert np.isfinite(scored(out).probability).all()


def test_wrong_records_cost_the_others_nothing(model, corpus, tmp_path):
    _, truth = corpus
    clean = tmp_path / "clean.csv"
    content, none = broken_csv(N_ROWS, 8, [], n_each=0)
    clean.write_bytes(content)
    assert not none
    alone, among = tmp_path / "alone", tmp_path / "among"
    # The same good records, with wrong ones between them.
    lines = content.split(b"\n", 1)
    wrong = b"\n".join(one.raw for one in truth if b"\n" not in one.raw)
    clean_rows = lines[1]
    mixed = tmp_path / "mixed.csv"
    mixed.write_bytes(lines[0] + b"\n" + wrong + b"\n" + clean_rows)
    score_table(model, clean, alone, **OPTIONS)
    score_table(model, mixed, among, **OPTIONS)
    found, expected = scored(among).probability, scored(alone).probability
    # The products of a logistic regression are rounded by the rows beside a row.
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_duckdb_accepts_the_same_rows(model, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    # DuckDB lets an open quote take all rows up to the next quote: here, up to the end.
    kinds = [kind for kind in KINDS if kind != "open quote"]
    content, truth = broken_csv(2_000, 9, kinds, n_each=20, long_bytes=LONGEST + 1)
    path = tmp_path / "new.csv"
    path.write_bytes(content + b'"open,1.0,2,Oslo,true,2024-01-01\n')
    assert len(kinds) == 12
    out = tmp_path / "scored"
    summary = score_table(model, path, out, keep=["id"], **OPTIONS)
    names = dict(zip(SCHEMA, ["VARCHAR", "DOUBLE", "BIGINT", "VARCHAR"], strict=False))
    names |= {"d": "BOOLEAN", "e": "DATE"}
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in names.items())
    cities = ", ".join(f"'{city}'" for city in CITIES)
    with duckdb.connect() as connection:
        accepted = connection.execute(
            f"SELECT * FROM read_csv('{path}', header=true, auto_detect=false, "
            "delim=',', quote='\"', escape='\"', store_rejects=true, "
            f"max_line_size={LONGEST}, columns={{{columns}}}) "
            # What is no matter of reading.
            f"WHERE isfinite(a) AND c IN ({cities})"
        ).fetchall()
        n_errors = connection.execute(
            "SELECT count(DISTINCT line) FROM reject_errors"
        ).fetchone()[0]
    assert n_errors > 100
    assert [row[0] for row in accepted] == scored(out).id.tolist()
    assert summary.n_rejected == len(truth) + 1
