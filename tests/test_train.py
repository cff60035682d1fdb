"""What `train` makes of the columns that real tables have, and what it says of them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest

from torch_binary_classifier.cli.main import main
from torch_binary_classifier.scoring import input_columns

N_ROWS = 120
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def table(rng, tmp_path, monkeypatch):
    """Return a table with one column to learn from, in an empty working folder."""
    monkeypatch.chdir(tmp_path)
    x = rng.normal(size=N_ROWS)
    noisy = x + 0.5 * rng.normal(size=N_ROWS)
    return pd.DataFrame({"x": x, "y": np.where(noisy > 0, "yes", "no")})


@pytest.fixture
def train(capsys):
    """Return what trains on a table by the command: exit code, output, errors."""

    def run(table, *options, suffix="csv", **how):
        if suffix == "csv":
            table.to_csv("t.csv", **{"index": False, **how})
        else:
            table.to_parquet("t.parquet", index=False)
        code = main(["train", f"t.{suffix}", "--target", "y", "--out", "m.joblib",
                     *options])  # fmt: skip
        out, err = capsys.readouterr()
        assert max(map(len, out.splitlines()), default=0) <= 80
        return code, re.sub("\n  (?=[^ ])", " ", out), err  # in whole paragraphs

    return run


def held_out(out):
    """Return the pipeline's held-out log-loss and AUC."""
    found = (re.search(rf" {name} +(\S+)", out)[1] for name in ("log-loss", "AUC"))
    return [float(value) for value in found]


def score(name="t.csv"):
    assert main(["score", "m.joblib", name, "--out", "s.csv", "--restart"]) == 0
    return pd.read_csv("s.csv")


def columns_of_the_model():
    return joblib.load("m.joblib").feature_names_in_.tolist()


@pytest.mark.parametrize("header", ["", "Unnamed: 0"])
def test_an_index_without_a_name_is_left_out(table, train, header):
    table = table.sort_values("y")
    table["x"] = table["x"].to_numpy()[np.random.default_rng(0).permutation(N_ROWS)]
    table.index = pd.RangeIndex(N_ROWS, name=header or None)
    code, out, _ = train(table, index=True)
    assert code == 0
    assert f"column {header!r} is left out, because it has no name" in out
    assert columns_of_the_model() == ["x"]
    assert len(score()) == N_ROWS
    table[["x"]].to_csv("new.csv", index=False)
    assert len(score("new.csv")) == N_ROWS


def test_a_column_that_counts_the_rows_is_told(table, train):
    _, out, _ = train(table.assign(number=np.arange(1, N_ROWS + 1)))
    assert "column 'number' counts the rows" in out
    assert "number" in columns_of_the_model()


def test_a_running_id_of_16_digits_does_no_harm(table, train, rng):
    _, out, _ = train(table)
    plain, _ = held_out(out)
    code, out, err = train(
        table.assign(id=rng.permutation(9 * 10**15 + np.arange(N_ROWS)))
    )
    assert (code, err) == (0, "")
    loss, auc = held_out(out)
    assert loss < plain + 0.1
    assert auc > 0.85


def test_a_column_that_floats_do_not_resolve_is_left_out(table, train):
    code, out, err = train(table.assign(id=[str(10**25 + i) for i in range(N_ROWS)]))
    assert (code, err) == (0, "")
    assert "column 'id' is left out, because its spread is too small beside" in out
    assert columns_of_the_model() == ["x"]


def test_columns_without_information_are_left_out(table, train):
    _, out, _ = train(table.assign(one=5, none=np.nan, word="a"))
    assert "column 'one' is left out, because every cell holds" in out
    assert "column 'none' is left out, because no cell holds a value" in out
    assert "column 'word' is left out, because every cell holds" in out
    assert columns_of_the_model() == ["x"]


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d.%m.%Y", "%Y-%m-%d %H:%M"])
def test_dates_are_numbers(table, train, rng, form):
    days = rng.integers(0, 1000, N_ROWS)
    when = pd.Timestamp("2021-03-01") + pd.to_timedelta(days, "D")
    given = table.assign(when=when.strftime(form), y=np.where(days > 500, "yes", "no"))
    given.loc[3, "when"] = None
    code, out, _ = train(given)
    assert code == 0
    assert "column 'when' holds dates written" in out
    assert held_out(out)[1] > 0.95
    found = score().probability
    given = given.assign(when=when)
    given.loc[3, "when"] = pd.NaT
    given.to_parquet("t.parquet", index=False)
    np.testing.assert_array_equal(score("t.parquet").probability, found)
    model = joblib.load("m.joblib")
    assert input_columns(model).of_kind("time") == ("when",)
    np.testing.assert_array_equal(model.predict_proba(given)[:, 1], found)


def test_durations_are_numbers(table, train, rng):
    seconds = rng.integers(0, 10**6, N_ROWS)
    given = table.assign(took=pd.to_timedelta(seconds, "s"))
    _, out, _ = train(given)
    assert "column 'took' holds durations" in out
    assert input_columns(joblib.load("m.joblib")).of_kind("time") == ("took",)
    found = score().probability
    given.to_parquet("t.parquet", index=False)
    np.testing.assert_array_equal(score("t.parquet").probability, found)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (lambda v: f"{1000 + v:,.1f}", "numbers with thousands separators"),
        (lambda v: f"{v:.1f}%", "percentages"),
        (lambda v: "?" if v > 80 else str(v), "is taken for text, because row"),
    ],
    ids=["thousands", "percent", "mostly numbers"],
)
def test_what_looks_like_numbers_is_told(table, train, rng, cells, words):
    values = rng.integers(0, 99, N_ROWS)
    _, out, _ = train(table.assign(a=[cells(v) for v in values]))
    assert words in out


@pytest.mark.parametrize("word", ["NA", "", "nan", "null"])
def test_a_word_for_a_gap_is_no_label(table, train, word):
    table.loc[[2, 5], "y"] = word
    code, _, err = train(table)
    assert code == 3
    assert (
        "column 'y' of t.csv must have a label in every row, got none in rows 2" in err
    )


def test_a_list_column_is_left_out(table, train):
    code, out, _ = train(table.assign(l=[[1, 2]] * N_ROWS), suffix="parquet")
    assert code == 0
    assert "column 'l' is left out, because its cells are of type list" in out


def test_worse_than_the_class_frequencies_is_told_last(table, train, monkeypatch):
    from torch_binary_classifier import assembly

    monkeypatch.setattr(
        assembly.TorchBinaryClassifier,
        "predict_proba",
        lambda _, X: np.tile([0.999, 0.001], (len(X), 1)),
    )
    _, out, _ = train(table)
    assert "class frequencies" in out.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "positive"), [((), "yes"), (("--positive", "no"), "no")]
)
def test_the_probability_is_that_of_a_named_class(table, train, options, positive):
    _, out, _ = train(table, *options)
    assert f"The probability is that of {positive!r}" in out
    found = score()
    second = (found.prediction == positive).to_numpy()
    np.testing.assert_array_equal(second, found.probability > 0.5)
    assert (found.prediction == table.y).mean() > 0.7


def test_an_unknown_positive_label_is_refused(table, train):
    code, _, err = train(table, "--positive", "maybe")
    assert code == 3
    assert "--positive must be one of the labels 'no', 'yes', got 'maybe'." in err


@pytest.mark.usefixtures("table")
def test_a_failed_train_leaves_no_folder(tmp_path):
    assert main(["train", "absent.csv", "--target", "y"]) == 3
    assert not (tmp_path / "models").exists()


def command(*arguments, **options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C"}
    environment |= {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    return subprocess.Popen(
        [sys.executable, "-m", "torch_binary_classifier", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def test_names_of_any_script_on_a_terminal_of_ascii(table, tmp_path):
    table.rename(columns={"x": "größe"}).to_csv("t.csv", index=False)
    done = command("train", "t.csv", "--target", "y", "--out", "m.joblib")
    out, err = done.communicate(timeout=60)
    assert (done.returncode, err) == (0, b"")
    table.assign(größe=table.x, **{"\x1b[2J": 1}).to_csv("new.csv", index=False)
    done = command("score", "m.joblib", "new.csv", "--out", "s.csv", "--restart")
    out, err = done.communicate(timeout=60)
    assert (done.returncode, err) == (0, b"")
    assert b"\x1b" not in out
    assert b"'\\x1b[2J'" in out
    assert (tmp_path / "s.csv").exists()


def test_a_reader_that_leaves_does_not_end_the_training(table, tmp_path):
    table.to_csv("t.csv", index=False)
    done = command("train", "t.csv", "--target", "y", "--out", "m.joblib")
    done.stdout.close()
    err = done.stderr.read().decode()
    assert done.wait(60) == 4
    done.stderr.close()
    assert "the report must be writable to its end" in err
    assert joblib.load(tmp_path / "m.joblib").predict(table).shape == (N_ROWS,)
