"""Tables come into the commands by any name, separator and encoding."""

import gzip
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from torch_binary_classifier import save
from torch_binary_classifier.cli.main import main

N_ROWS = 60
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def people(tmp_path, monkeypatch, rng):
    """Return a table of two classes, and a working folder with a model of it."""
    monkeypatch.chdir(tmp_path)
    age = rng.normal(50, 10, size=N_ROWS)
    table = pd.DataFrame({"âge": age, "b": np.where(age > 50, "yes", "no")})
    save(LogisticRegression().fit(table[["âge"]], table["b"]), "model.joblib")
    return table


def give(monkeypatch, content):
    """Make bytes the standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def probabilities(path="out.csv"):
    return pd.read_csv(path)["probability"]


def expected(people):
    return joblib.load("model.joblib").predict_proba(people[["âge"]])[:, 1]


def test_score_reads_another_separator_and_encoding(people, run):
    people.to_csv("new.csv", index=False, sep="\t", encoding="cp1252")
    code, out, err = run("score", "model.joblib", "new.csv", "--out", "out.csv",
                         "--separator", "tab", "--encoding", "cp1252")  # fmt: skip
    assert (code, err) == (0, "")
    assert "\nIgnored columns: 'b'\n" in out
    np.testing.assert_array_equal(probabilities(), expected(people))


def test_score_reads_standard_input(people, run, monkeypatch):
    give(monkeypatch, people.to_csv(index=False).encode())
    code, out, err = run("score", "model.joblib", "-", "--out", "out.csv")
    assert (code, err) == (0, "")
    assert out.endswith("Scored 60 of 60 rows into out.csv, 0 rejected\n")
    np.testing.assert_array_equal(probabilities(), expected(people))


def test_progress_of_standard_input_knows_no_share(people, monkeypatch):
    monkeypatch.setattr("torch_binary_classifier.progress.LOG_SECONDS", 0.0)
    give(monkeypatch, people[["âge"]].to_csv(index=False).encode())
    errors = io.StringIO()
    monkeypatch.setattr(sys, "stderr", errors)
    assert main(["score", "model.joblib", "-", "--out", "out.csv"]) == 0
    assert re.match(r"60 rows scored, [0-9,]+ per second\n", errors.getvalue())


def test_score_reads_a_fifo_and_compressed_files(people, run):
    content = people.to_csv(index=False).encode()
    Path("new.csv.gz").write_bytes(gzip.compress(content))
    os.mkfifo("fifo.csv")
    writer = subprocess.Popen(
        [sys.executable, "-c", "import sys, pathlib as p; "
         "p.Path('fifo.csv').write_bytes(p.Path('new.csv').read_bytes())"]
    )  # fmt: skip
    Path("new.csv").write_bytes(content)
    for name in ("fifo.csv", "new.csv.gz"):
        code, _, err = run(
            "score", "model.joblib", name, "--out", "out.csv", "--restart"
        )
        assert (code, err) == (0, "")
        np.testing.assert_array_equal(probabilities(), expected(people))
    assert writer.wait(10) == 0


def test_train_reads_what_score_reads(people, run, monkeypatch):
    content = people.to_csv(index=False, sep=";").encode("utf-16")
    give(monkeypatch, content)
    options = ("--target", "b", "--separator", ";", "--encoding", "utf-16")
    code, out, err = run("train", "-", *options, "--out", "from_input.joblib")
    assert (code, err) == (0, "")
    assert "Read 60 rows of standard input (" in out
    Path("people.csv.gz").write_bytes(gzip.compress(content))
    code, _, err = run("train", "people.csv.gz", *options)
    assert (code, err) == (0, "")
    one, other = (
        joblib.load(path).predict_proba(people[["âge"]])
        for path in ("from_input.joblib", "models/people.joblib")
    )
    np.testing.assert_array_equal(one, other)


@pytest.mark.usefixtures("people")
def test_train_on_standard_input_needs_a_file_to_write(run):
    code, out, err = run("train", "-", "--target", "b")
    assert (code, out) == (2, "")
    assert "argument --out: must be given if DATA is standard input" in err
    assert not Path("models").exists()


@pytest.mark.parametrize("command", ["train", "score"])
@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--separator=;;", "argument --separator: must be one ASCII character other"),
        ("--separator=", "argument --separator: must be one ASCII character other"),
        ("--encoding=latin", None),
        ("--encoding=utf-99", "argument --encoding: must be an encoding of text that"),
    ],
)
@pytest.mark.usefixtures("people")
def test_unfit_formats_are_refused_as_arguments(run, command, option, message):
    arguments = {
        "train": ["absent.csv", "--target", "b", "--out", "new.joblib"],
        "score": ["model.joblib", "absent.csv", "--out", "out.csv"],
    }
    code, out, err = run(command, *arguments[command], option)
    assert out == ""
    if message is None:
        assert (code, "absent.csv must be a file" in err) == (3, True)
    else:
        assert (code, message in err) == (2, True)


def test_lost_rows_are_refused(people, run):
    header, *rows = people.to_csv(index=False).splitlines()
    rows[1] += ',"open'
    rows[4] += ',5" pipe'
    rows = [row if '"' in row else f"{row},x" for row in rows]
    Path("new.csv").write_text("\n".join([f"{header},note", *rows, ""]))
    code, out, err = run("score", "model.joblib", "new.csv", "--out", "out.csv")
    assert (code, out) == (3, "")
    assert "after a closing quote, got other text in row 1 (rows are counted" in err
    assert not Path("out.csv").exists()


@pytest.mark.filterwarnings("always::torch_binary_classifier.TableWarning")
@pytest.mark.parametrize("command", ["train", "score"])
def test_a_cut_file_is_told_and_done(people, run, command):
    Path("new.csv").write_text(people.to_csv(index=False)[:-1])
    arguments = {
        "train": ["new.csv", "--target", "b"],
        "score": ["model.joblib", "new.csv", "--out", "out.csv"],
    }
    code, _, err = run(command, *arguments[command])
    last = people["b"].iloc[-1]
    assert (code, err) == (
        0,
        "torch-binary-classifier: warning: new.csv ends without a line end: its last "
        f"row, 59 (rows are counted from 0), may be cut, holding {last!r} in column "
        "'b'.\n",
    )


def test_names_are_printed_without_what_a_terminal_obeys(people, run):
    people.assign(**{"\x1b[2J": 1, "": 2}).to_csv("new.csv", index=False)
    _, out, _ = run("score", "model.joblib", "new.csv", "--out", "out.csv")
    assert "\nIgnored columns: 'b', '\\x1b[2J', ''\n" in out
