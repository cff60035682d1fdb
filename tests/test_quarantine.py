"""Wrong records of all kinds are set apart, and all others scored as in Python."""

import csv
import io

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from broken_csv import CITIES, KINDS, broken_csv
from row_scoring import score_file
from torch_binary_classifier import schema
from torch_binary_classifier.preparation import TimesAsNumbers
from torch_binary_classifier.tables import csv_rows

N_RECORDS = 300
LONGEST = 3000


def table(rng, n_rows=N_RECORDS):
    """Return a training table."""
    return pd.DataFrame(
        {
            "a": rng.normal(size=n_rows),
            "b": rng.integers(-50, 50, size=n_rows),
            "c": rng.choice(CITIES, size=n_rows).astype(object),
            "d": rng.random(n_rows) > 0.5,
            "e": pd.Timestamp("2024-01-01")
            + pd.to_timedelta(rng.integers(0, 366, size=n_rows), "D"),
        }
    )


@pytest.fixture
def model(rng):
    X = table(rng)
    steps = make_column_transformer(
        (StandardScaler(), ["a", "b"]),
        (OneHotEncoder(handle_unknown="ignore"), ["c"]),
        ("passthrough", ["d"]),
        (make_pipeline(TimesAsNumbers(), StandardScaler()), ["e"]),
    )
    fitted = make_pipeline(steps, LogisticRegression()).fit(X, X["a"] > 0)
    fitted._manifest = {"schema": schema(X).to_dict()}
    return fitted


@pytest.mark.parametrize("part_bytes", [64, 1000, 1 << 20])
@pytest.mark.parametrize("seed", [0, 1])
def test_wrong_records_are_set_apart(model, tmp_path, monkeypatch, seed, part_bytes):
    monkeypatch.setattr(csv_rows, "LONGEST_ROW_BYTES", LONGEST)
    content, truth = broken_csv(N_RECORDS, seed, long_bytes=LONGEST + 10)
    path = tmp_path / "new.csv"
    path.write_bytes(content)
    found = score_file(model, path, part_bytes=part_bytes, unseen="fail")
    assert len(truth) == 3 * len(KINDS)
    wrong = sorted((one.row, one.kind) for one in truth)
    assert [(bad.row, bad.kind) for bad in found.bad] == wrong
    told = {bad.row: bad.column for bad in found.bad}
    for one in truth:
        assert told[one.row] == one.column or one.kind in ("quote", "encoding")
    rows = found.frame["_row"].to_numpy()
    assert [*rows] == [i for i in range(N_RECORDS) if i not in told]
    expected = model.predict_proba(good_records(content, truth))[:, 1]
    np.testing.assert_allclose(found.frame["probability"], expected, rtol=1e-12)


def good_records(content, truth):
    """Return the other records, read by Python's own reader."""
    for one in reversed(truth):
        end = one.byte_offset + len(one.raw) + 1
        content = content[: one.byte_offset] + content[end:]
    lines = io.StringIO(content.decode(), newline="")
    X = pd.DataFrame(filter(None, csv.DictReader(lines)))[["a", "b", "c", "d", "e"]]
    X = X.astype({"a": float, "b": int, "c": object, "e": "datetime64[us]"})
    return X.assign(d=X["d"] == "true")
