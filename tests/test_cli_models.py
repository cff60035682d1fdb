"""The commands `verify`, `sign` and `convert`, and what `score` does with bad files."""

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from torch_binary_classifier import load, save
from torch_binary_classifier.persistence import read_model_file

TABLE = pd.DataFrame({"age": np.arange(40.0), "size": np.tile([1.0, 2.0], 20)})


@pytest.fixture
def model_path(tmp_path, monkeypatch):
    """A saved pipeline, a key, another and a table in the current folder."""
    monkeypatch.chdir(tmp_path)
    pipe = make_pipeline(StandardScaler(), LogisticRegression())
    save(pipe.fit(TABLE, TABLE["age"] > 20), "model.joblib", X=TABLE, notes="kept")
    (tmp_path / "key").write_bytes(b"of enough bytes, surely")
    (tmp_path / "other").write_bytes(b"another one of enough bytes")
    (tmp_path / "short").write_bytes(b"short")
    TABLE.to_csv("table.csv", index=False)
    return tmp_path / "model.joblib"


def damage(path):
    """Change one bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_verify_tells_of_the_digest(model_path, run):
    code, out, err = run("verify", "model.joblib")
    assert (code, err) == (0, "")
    assert out.startswith("model.joblib is whole, unsigned, format 1, created 20")
    damage(model_path)
    code, out, err = run("verify", "model.joblib")
    assert (code, out) == (3, "")
    assert "model.joblib must be as it was when it was saved, got other bytes" in err


def test_verify_tells_of_the_signature(model_path, run):
    code, _, err = run("verify", "model.joblib", "--key-file", "key")
    assert code == 3
    assert "got an unsigned one" in err
    assert run("sign", "model.joblib", "--key-file", "key") == (
        0,
        "Signed model.joblib\n",
        "",
    )
    code, out, _ = run("verify", "model.joblib", "--key-file", "key")
    assert code == 0
    assert "is whole, signed with the key, format 1" in out
    assert "is whole, signed, format 1" in run("verify", "model.joblib")[1]
    code, _, err = run("verify", "model.joblib", "--key-file", "other")
    assert code == 3
    assert "got one signed with another" in err
    np.testing.assert_array_equal(
        load(model_path, verify_with="key").predict(TABLE), TABLE["age"] > 20
    )


def test_keys_are_looked_at(model_path, run):
    before = model_path.read_bytes()
    for name, expected in [
        ("short", "at least 16 bytes, got 5"),
        ("absent", "No such"),
    ]:
        code, _, err = run("sign", "model.joblib", "--key-file", name)
        assert code == 3
        assert "--key-file must be a key" in err
        assert expected in err
    assert model_path.read_bytes() == before


def test_plain_files_are_neither_verified_nor_signed(model_path, run):
    joblib.dump(load(model_path), "plain.joblib")
    code, _, err = run("verify", "plain.joblib")
    assert code == 3
    assert "plain.joblib must have a digest, got a file" in err
    code, _, err = run("sign", "plain.joblib", "--key-file", "key")
    assert code == 3
    assert "must be a file of torch_binary_classifier.save, got another" in err


def test_convert_there_and_back(model_path, run):
    assert run("convert", "model.joblib", "model.skops") == (
        0,
        "Wrote model.skops\n",
        "",
    )
    safe = load("model.skops", trust="safe")
    expected = load(model_path).predict_proba(TABLE)
    np.testing.assert_array_equal(safe.predict_proba(TABLE), expected)
    assert run("convert", "model.skops", "again.joblib")[0] == 0
    first, again = (
        read_model_file(path).manifest for path in ("model.joblib", "again.joblib")
    )
    first.pop("created"), again.pop("created")
    assert first == again
    assert first["notes"] == "kept"


@pytest.mark.usefixtures("model_path")
def test_convert_keeps_the_signature(run):
    run("sign", "model.joblib", "--key-file", "key")
    run("convert", "model.joblib", "model.skops", "--key-file", "key")
    assert run("verify", "model.skops", "--key-file", "key")[0] == 0
    code, _, err = run("convert", "model.joblib", "b.skops", "--key-file", "other")
    assert code == 3
    assert "signed with another" in err


@pytest.mark.usefixtures("model_path")
@pytest.mark.parametrize(
    ("out", "expected"),
    [
        ("model.joblib", "argument OUT: must be no input"),
        ("model.pkl", "must end in .joblib, .skops, got 'model.pkl'"),
    ],
)
def test_convert_refuses_paths(run, out, expected):
    code, _, err = run("convert", "model.joblib", out)
    assert code == 2
    assert expected in err


def test_score_refuses_damaged_files_before_it_reads_the_table(model_path, run):
    damage(model_path)
    code, _, err = run("score", "model.joblib", "absent.csv", "--out", "out.csv")
    assert code == 3
    assert "model.joblib must be as it was when it was saved" in err


def test_score_asks_for_a_signature(model_path, run):
    arguments = ["table.csv", "--out", "out.csv", "--key-file", "key"]
    code, _, err = run("score", "model.joblib", *arguments)
    assert code == 3
    assert "got an unsigned one" in err
    run("sign", "model.joblib", "--key-file", "key")
    assert run("score", "model.joblib", *arguments)[0] == 0
    scored = pd.read_csv("out.csv")["probability"]
    np.testing.assert_allclose(scored, load(model_path).predict_proba(TABLE)[:, 1])
