"""The command `train`: what it writes, reports and refuses."""

import re
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest

N_ROWS = 80


METRICS = ["log-loss", "Brier score", "AUC", "PR-AUC", "accuracy", "precision",
           "recall"]  # fmt: skip


def held_out_table(out):
    """Return the held-out metrics of a report, by name of the classifier."""
    lines = out.splitlines()
    start = next(n for n, line in enumerate(lines) if "this pipeline" in line)
    models = re.split("  +", lines[start].strip())
    rows = [re.split("  +", line.strip()) for line in lines[start + 1 : start + 8]]
    return {
        model: {name: row[place] for name, *row in rows}
        for place, model in enumerate(models)
    }


def models_in(folder):
    return sorted(path.name for path in (folder / "models").iterdir())


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_train_saves_a_pipeline_that_scores_its_table(folder, run, suffix):
    code, out, err = run("train", f"people.{suffix}", "--target", "bought")
    assert (code, err) == (0, "")
    assert models_in(folder) == ["people.joblib"]
    assert out.splitlines()[-1] == (
        f"Saved {Path('models/people.joblib')}, "
        "fitted on the 60 rows that were not held out"
    )
    code, out, err = run("score", "models/people.joblib", f"people.{suffix}",
                         "--out", "scored.csv")  # fmt: skip
    assert (code, err) == (0, "")
    assert "Ignored columns: 'nothing', 'bought'" in out
    scored = pd.read_csv("scored.csv")
    right = scored["prediction"] == pd.read_csv("people.csv")["bought"]
    assert right.mean() > 0.8


@pytest.mark.usefixtures("folder")
def test_train_reports_what_it_read(run):
    _, out, _ = run("train", "people.csv", "--target", "bought")
    assert "Read 80 rows of people.csv (" in out
    assert "3 numeric and 1 categorical columns" in " ".join(out.split())


@pytest.mark.usefixtures("folder")
def test_train_sets_its_metrics_beside_baselines(run):
    _, out, _ = run("train", "people.csv", "--target", "bought")
    metrics = held_out_table(out)
    assert list(metrics) == [
        "this pipeline",
        "boosted trees",
        "logistic regression",
        "prior only",
    ]
    assert all(list(values) == METRICS for values in metrics.values())
    ours, prior = metrics["this pipeline"], metrics["prior only"]
    assert prior["AUC"] == "0.5000"
    assert prior["precision"] in {"-", "0.5000"}
    assert float(ours["log-loss"]) < 0.8 * float(prior["log-loss"])
    assert "On 20 rows held out" in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.usefixtures("folder")
def test_train_holds_out_the_same_share_of_each_class(run, seed):
    table = pd.read_csv("people.csv")
    table["bought"] = ["yes"] * 12 + ["no"] * (N_ROWS - 12)
    table.to_csv("people.csv", index=False)
    _, out, _ = run("train", "people.csv", "--target", "bought", "--seed", seed)
    prior = held_out_table(out)["prior only"]
    assert prior["accuracy"] == f"{17 / 20:.4f}"
    assert (prior["precision"], prior["recall"]) == ("-", "0.0000")


@pytest.mark.usefixtures("folder")
def test_train_takes_codes_as_texts_and_leaves_columns_out(run):
    code, out, _ = run("train", "people.csv", "--target", "bought",
                       "--categorical", "code", "--drop", "member", "--drop", "city",
                       "--out", "other.joblib")  # fmt: skip
    assert code == 0
    assert "1 numeric and 1 categorical columns" in " ".join(out.split())
    names = joblib.load("other.joblib").feature_names_in_.tolist()
    assert names == ["age", "code"]


@pytest.mark.usefixtures("folder")
def test_train_gives_the_same_bits_for_the_same_seed(run):
    outs = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run("train", "people.csv", "--target", "bought", "--seed", seed,
            "--out", f"{name}.joblib")  # fmt: skip
        outs.append(joblib.load(f"{name}.joblib")["clf"].oof_decision_function_)
    np.testing.assert_array_equal(outs[0], outs[1])
    assert not np.array_equal(outs[0], outs[2])


@pytest.mark.usefixtures("folder")
def test_train_searches_a_grid(run, monkeypatch):
    grid = [{"clf__alpha": alpha, "clf__max_iter": 20} for alpha in (0.01, 100.0)]
    monkeypatch.setattr(
        "torch_binary_classifier.cli.tuning.default_grid", lambda _: grid
    )
    code, out, err = run("train", "people.csv", "--target", "bought", "--grid")
    assert (code, err) == (0, "")
    assert "Best: alpha=0.01, max_iter=20" in out
    assert joblib.load("models/people.joblib")["clf"].alpha == 0.01


@pytest.mark.usefixtures("folder")
def test_train_names_columns_that_may_not_be_meant_as_texts(run):
    table = pd.read_csv("people.csv")
    table["id"] = [f"person {number}" for number in range(N_ROWS)]
    table["code"] = ["?", *table["code"].astype(str)[1:]]
    table.to_csv("people.csv", index=False)
    _, out, _ = run("train", "people.csv", "--target", "bought")
    out = " ".join(out.split())
    assert "column 'id' holds 80 different texts, of which the 63 most frequent" in out
    assert "column 'code' is taken for text, because row 0" in out
    assert "'city'" not in out


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("absent", [], "--target must be a column of people.csv, got 'absent'"),
        (
            "age",
            [],
            "column 'age' of people.csv must have a label in every row, got no",
        ),
        ("code", [], "must hold two classes, got 3: 1, 2, 3."),
        ("bought", ["--drop", "x"], "--drop must be a column of people.csv, got 'x'"),
        ("bought", ["--categorical", "x"], "--categorical must be a column of"),
        (
            "bought",
            [f"--drop={name}" for name in ("age", "member", "city", "code")],
            "people.csv must have a column to learn from, got none with values",
        ),
    ],
    ids=["unknown", "empty", "three", "drop", "categorical", "none"],
)
def test_train_refuses_unfit_tables(folder, run, target, options, message):
    code, _, err = run("train", "people.csv", "--target", target, *options)
    assert code == 3
    assert message in err
    assert len(err.splitlines()) == 1
    assert not (folder / "models").exists()


@pytest.mark.usefixtures("folder")
def test_train_refuses_a_rare_class(run):
    table = pd.read_csv("people.csv")
    table["bought"] = ["yes"] * 9 + ["no"] * (N_ROWS - 9)
    table.to_csv("people.csv", index=False)
    code, _, err = run("train", "people.csv", "--target", "bought")
    assert code == 3
    assert "must hold each class in at least 10 rows, got 9 of 'yes'." in err


@pytest.mark.usefixtures("folder")
def test_train_looks_at_its_folder_before_it_works(run):
    code, out, err = run("train", "people.csv", "--target", "bought",
                         "--out", "absent/model.joblib")  # fmt: skip
    assert (code, out) == (4, "")
    assert "absent/model.joblib must lie in a folder that exists" in err


def test_train_reports_a_models_folder_that_cannot_be(folder, run):
    (folder / "models").write_text("a file")
    code, _, err = run("train", "people.csv", "--target", "bought")
    assert code == 4
    assert "models must be a folder, got File exists." in err


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
@pytest.mark.usefixtures("folder")
def test_train_does_not_overwrite_its_input(run, link):
    link(Path("link.joblib"), "people.csv")
    before = Path("people.csv").read_bytes()
    code, _, err = run("train", "people.csv", "--target", "bought",
                       "--out", "link.joblib")  # fmt: skip
    assert code == 2
    assert "argument --out: must be no input, got 'link.joblib'" in err
    assert Path("people.csv").read_bytes() == before
