"""The command `score`: what it writes, warns of and refuses, and its progress."""

import io
import json
import re
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from builders import Terminal
from torch_binary_classifier import progress, save
from torch_binary_classifier.cli.main import main

NOTE = (
    "Note: The model carries no schema of its training table, so what its columns hold "
    "is taken from its fitted steps.\n"
)


def test_score_writes_rows_probabilities_and_predictions(age_model, run):
    code, out, err = run("score", age_model, "new.csv", "--out", "scored.csv")
    assert (code, err) == (0, "")
    assert out == NOTE + "Scored 2 of 2 rows into scored.csv, 0 rejected\n"
    scored = pd.read_csv("scored.csv")
    expected = joblib.load(age_model).predict_proba(pd.read_csv("new.csv"))[:, 1]
    np.testing.assert_array_equal(scored["probability"], expected)
    assert scored["_row"].tolist() == [0, 1]
    assert scored["prediction"].tolist() == ["no", "yes"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["absent.joblib", "new.csv"],
            "absent.joblib must be a model file, got no file",
        ),
        (["new.csv", "new.csv"], "new.csv must be a joblib file, got one of another"),
        (["model.joblib", "absent.csv"], "absent.csv must be a file, got no file"),
        (
            ["model.joblib", "bad.csv"],
            "bad.csv: column 'age' must hold numbers, got 'x' in row 0",
        ),
        (["model.joblib", "model.joblib"], "model.joblib must end in .csv, .csv.gz"),
    ],
    ids=["no model", "not a model", "no table", "bad cell", "not a table"],
)
def test_score_refuses_unfit_input(age_model, run, arguments, message):
    age_model.with_name("bad.csv").write_text("age\nx\n")
    code, out, err = run("score", *arguments, "--out", "scored.csv")
    assert (code, out) == (3, "")
    assert err.startswith(f"torch-binary-classifier: error: {message}")
    assert len(err.splitlines()) == 1
    assert not age_model.with_name("scored.csv").exists()


def test_score_reports_a_missing_folder(age_model, run):
    code, _, err = run("score", age_model, "new.csv", "--out", "absent/scored.csv")
    assert code == 4
    assert "absent/scored.csv must lie in a folder that exists" in err


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
@pytest.mark.parametrize("target", ["model.joblib", "new.csv"])
@pytest.mark.usefixtures("age_model")
def test_score_does_not_overwrite_what_a_link_leads_to(run, link, target):
    link(Path("link.csv"), target)
    code, _, err = run("score", "model.joblib", "new.csv", "--out", "link.csv")
    assert code == 2
    assert "argument --out: must be no input, got 'link.csv'" in err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("loop", "new.csv", "--out", "scored.csv"), 3),
        (("model.joblib", "loop.csv", "--out", "scored.csv"), 3),
        (("model.joblib", "new.csv", "--out", "loop.csv"), 4),
    ],
)
@pytest.mark.usefixtures("age_model")
def test_links_that_lead_nowhere_are_told(run, arguments, code):
    for name in ("loop", "loop.csv"):
        Path(name).symlink_to(name)
    found, out, err = run("score", *arguments)
    assert (found, out) == (code, "")
    assert "got Too many levels of symbolic links." in err


def test_score_does_not_overwrite_its_input(age_model, run):
    before = Path("new.csv").read_bytes()
    code, _, err = run("score", age_model, "new.csv", "--out", "./new.csv")
    assert code == 2
    assert "argument --out: must be no input, got 'new.csv'" in err
    assert Path("new.csv").read_bytes() == before


def test_score_warns_of_cells_that_training_never_saw(city_model, run):
    Path("new.csv").write_text("city,code,\nOslo,1,0\nRome,4,0\n,9,0\nOslo,1,0\n")
    code, out, err = run("score", city_model, "new.csv", "--out", "s.csv")
    assert code == 0
    assert out == (
        f"{NOTE}Note: The model does not tell what 'code' hold, so the file says, by "
        "all of their cells.\n"
        "Ignored columns: ''\n"
        "Scored 4 of 4 rows into s.csv, 0 rejected\n"
    )
    assert err == (
        "torch-binary-classifier: warning: column 'city' has cells new to the model: "
        "25% hold categories never seen in training, 25% are missing "
        "(in training none was missing).\n"
    )


def test_score_refuses_a_strange_table_on_request(city_model, run):
    Path("new.csv").write_text("city,code\nRome,1\nPisa,1\n")
    arguments = ("score", city_model, "new.csv", "--out", "s.csv")
    code, out, err = run(*arguments, "--fail-on-drift")
    assert (code, out) == (3, "")
    assert "the rows must be like those of training, got column 'city' has no" in err
    assert not Path("s.csv").exists()
    code, out, warning = run(*arguments)
    assert code == 0
    assert "Went on after 1 parts of a former run\n" in out
    assert warning.count("column 'city' has no cell that the model knows") == 1
    assert Path("s.csv").exists()
    code, out, err = run(*arguments)
    assert (code, err) == (0, "")
    assert out == "Was scored before: 2 of 2 rows into s.csv, 0 rejected\n"
    code, _, err = run(*arguments, "--logit")
    assert code == 4
    assert "s.csv must be for what it was written with, got logit True" in err
    assert "--restart" in err


def test_score_puts_bad_records_aside(age_model, run):
    Path("new.csv").write_text("age\n30\nold\n40\n")
    arguments = ["score", age_model, "new.csv", "--out", "s.csv", "--quiet"]
    code, out, err = run(*arguments, "--max-bad-records", "50%")
    assert (code, out) == (0, "")
    assert err.endswith("warning: 1 records were rejected: 1 cast.\n")
    (line,) = Path("s.csv.rejects.jsonl").read_text().splitlines()
    told = {"file": "new.csv", "row": 1, "line": 3, "byte_offset": 7, "raw": "old"}
    assert json.loads(line).items() >= told.items()


def test_score_takes_a_schema_from_a_table(city_model, run):
    Path("new.csv").write_text("city,code\nOslo,x\n")
    arguments = ["score", city_model, "new.csv", "--out", "s.csv"]
    code, _, err = run(*arguments, "--schema", "people.csv")
    assert code == 3
    assert "column 'code' must hold numbers, got 'x' in row 0" in err


@pytest.fixture
def city_model(folder):
    """Return the path of a model of cities, whose function sees the code."""
    table = pd.read_csv("people.csv").fillna({"city": "Oslo"})
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["city"]),
        (FunctionTransformer(np.sqrt), ["code"]),
    )
    pipe = make_pipeline(columns, LogisticRegression())
    save(pipe.fit(table, table["bought"]), "model.joblib")
    return folder / "model.joblib"


def test_progress_rewrites_a_line_on_a_terminal(age_model, monkeypatch):
    monkeypatch.setattr(progress, "TERMINAL_SECONDS", 0.0)
    errors, stream = Terminal(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", errors)
    assert main(["score", str(age_model), "new.csv", "--out", "out.csv"], stream) == 0
    drawn, left = errors.getvalue().rsplit("\x1b[2K", 1)
    assert re.search(r"2 rows scored, [0-9,]+ per second, 0 s left", drawn)
    assert left == ""
    assert stream.getvalue() == NOTE + "Scored 2 of 2 rows into out.csv, 0 rejected\n"


def test_progress_in_a_log_is_plain_lines(age_model, monkeypatch):
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    errors, stream = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", errors)
    assert main(["score", str(age_model), "new.csv", "--out", "out.csv"], stream) == 0
    line = r"2 rows scored, [0-9,]+ per second, 0 s left\n"
    assert re.fullmatch(line, errors.getvalue())
    assert stream.getvalue() == NOTE + "Scored 2 of 2 rows into out.csv, 0 rejected\n"
