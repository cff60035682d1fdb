"""How `train` measures, decides and records: its options from the shell to the file."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, log_loss

from torch_binary_classifier import export_onnx, load, report, save
from torch_binary_classifier.cli.deciding import _unseen
from torch_binary_classifier.persistence import read_model_file
from torch_binary_classifier.report_page.measures import (
    cheapest_threshold,
    f1_threshold,
)

FAST = ("--param", "max_iter=15", "--param", "n_members=2")
TABLE = "people.csv"


@pytest.fixture
def train(folder, run):  # noqa: ARG001
    """Return what trains in the folder: exit code, output in paragraphs, errors."""

    def train(*options):
        code, out, err = run("train", TABLE, "--target", "bought", "--out",
                             "m.joblib", *FAST, *options)  # fmt: skip
        assert max(map(len, out.splitlines()), default=0) <= 80
        return code, re.sub("\n  (?=[^ ])", " ", out), err

    return train


def manifest(path="m.joblib"):
    return read_model_file(path).manifest


def other_table(change=lambda table: table):
    """Write a table like the one to train on, with other rows."""
    table = pd.read_csv(TABLE).sample(frac=1, random_state=1).head(40)
    change(table.reset_index(drop=True)).to_csv("other.csv", index=False)


def test_metrics_of_another_table_are_those_of_its_scores(train, run):
    other_table()
    code, out, err = train("--validate", "other.csv")
    assert (code, err) == (0, "")
    assert "On the 40 rows of other.csv:" in out
    assert "Saved m.joblib, fitted on all 80 rows" in out
    run("score", "m.joblib", "other.csv", "--out", "s.csv")
    truth, shares = pd.read_csv("other.csv").bought, pd.read_csv("s.csv").probability
    loss = log_loss(truth == "yes", shares)
    assert manifest()["metrics"]["log-loss"] == pytest.approx(loss)
    assert manifest()["evaluation"]["held_out"] == "the 40 rows of other.csv"
    assert manifest()["schema"]["n_rows"] == 80


def word_for_number(table):
    return table.astype({"age": object}).assign(age=["old", *table.age[1:]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="age"), r"other\.csv must have the columns .* 'age'"),
        (lambda t: t.drop(columns="bought"), r"other\.csv must have .* 'bought'"),
        (
            lambda t: t.replace({"bought": {"no": "never"}}),
            r"column 'bought' of other\.csv must hold the labels of people\.csv, 'no', "
            r"'yes', both and no other, got 'never', 'yes'\.",
        ),
        (lambda t: t[t.bought == "yes"], "both and no other, got 'yes'"),
        (word_for_number, r"other\.csv must hold rows that .* row 0 .*'age' .*'old'"),
    ],
    ids=["column", "target", "labels", "one class", "cell"],
)
def test_another_table_must_fit(train, change, message):
    other_table(change)
    code, out, err = train("--validate", "other.csv")
    assert code == 3
    assert re.search(message, err)
    assert len(err.splitlines()) == 1
    assert "Training" not in out


@pytest.mark.parametrize(("given", "n_last"), [("16", 16), ("20%", 16)])
def test_the_last_rows_are_held_out(train, given, n_last):
    code, out, _ = train("--validate-last", given)
    assert code == 0
    assert f"On the last {n_last} rows:" in out
    assert "fitted on the 64 rows that were not held out" in out
    table = pd.read_csv(TABLE).tail(n_last)
    shares = load("m.joblib").predict_proba(table)[:, 1]
    loss = log_loss(table.bought == "yes", shares)
    assert manifest()["metrics"]["log-loss"] == pytest.approx(loss)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("80", r"--validate-last must leave rows to train on, got 80 of the 80 rows"),
        ("30", r"must hold out both classes, got only 'yes' in the last 30 rows"),
        ("78%", r"leave each class in at least 10 rows to train on, got 0 of 'yes' in"),
    ],
)
def test_last_rows_without_a_class_are_refused(train, given, message):
    pd.read_csv(TABLE).sort_values("bought").to_csv(TABLE, index=False)
    code, _, err = train("--validate-last", given)
    assert code == 3
    assert re.search(message, err)


def test_a_model_is_fitted_anew_on_all_rows(train):
    _, out, _ = train("--refit-all", "--report", "r.html", "--json", "r.json")
    assert "fitted on all 80 rows" in out
    anew = manifest()
    assert anew["training"]["n_rows"] == 80
    assert anew["evaluation"]["refitted_on_all_rows"] is True
    assert anew["evaluation"]["n_trained"] == 60
    assert "fitted anew on all rows" in Path("r.html").read_text()
    assert json.loads(Path("r.json").read_text())["refitted_on_all_rows"] is True
    train()
    assert manifest()["metrics"] == anew["metrics"]
    assert manifest()["training"]["n_rows"] == 60


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--validate", "a.csv", "--validate-last", "5"], "not allowed with argument"),
        (["--validate", "a.csv", "--refit-all"], "--refit-all: not allowed with"),
        (["--validate", "-"], "argument --validate: must be a file, got '-'"),
        (["--validate-last", "0"], "must be a number of rows, or a share such as 20%"),
        (["--validate-last", "120%"], "a share such as 20%, got '120%'"),
        (["--param", "alpha"], "argument --param: must be NAME=VALUE, got 'alpha'"),
        (["--param", "n_member=4"], "got 'n_member'; near are n_members"),
        (["--class-weight", "yes"], "must be balanced or LABEL=WEIGHT with a weight"),
        (["--class-weight", "yes=-1"], "with a weight >= 0, got 'yes=-1'"),
        (["--threshold", "1.5"], "must be a number from 0 to 1, f1, or cost=FP:FN"),
        (["--threshold", "cost=1:0"], "got 'cost=1:0'"),
        (["--json", "m.joblib"], "--json: must be another file than that of --out"),
        (["--card", "--json", "m.md"], "--json: must be another file than that of"),
        (
            ["--json", "r.html", "--report", "r.html"],
            "another file than that of --json",
        ),
        (["--json", TABLE], "argument --json: must be no input, got 'people.csv'"),
    ],
)
def test_unfit_arguments_are_refused(train, options, message):
    code, out, err = train(*options)
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--param", "dropout=2"], "dropout must be 'auto' or a number >= 0 and < 1"),
        (["--param", "alpha=1", "--param", "alpha=2"], "once, got 'alpha' twice"),
        (
            ["--param", "class_weight=balanced", "--class-weight", "balanced"],
            "got 'class_weight' twice",
        ),
        (["--class-weight", "balanced", "--class-weight", "a=1"], "balanced alone"),
        (["--class-weight", "a=1", "--class-weight", "a=2"], "name a label once"),
    ],
)
def test_unfit_parameters_are_refused_before_the_table_is_read(train, options, message):
    Path(TABLE).unlink()
    code, out, err = train(*options)
    assert (code, out) == (3, "")
    assert message in err


def test_a_weight_of_no_label_is_refused(train):
    code, _, err = train("--class-weight", "maybe=2")
    assert code == 3
    assert "--class-weight must be one of the labels 'no', 'yes', got 'maybe'." in err


def test_parameters_and_weights_reach_the_network(train):
    given = ["encoding=piecewise", "hidden_layer_sizes=(8,4)", "dropout=0.1"]
    options = [word for pair in given for word in ("--param", pair)]
    code, _, _ = train(*options, "--class-weight", "yes=2", "--class-weight", "no=1")
    assert code == 0
    clf = load("m.joblib")["clf"]
    assert (clf.encoding, clf.hidden_layer_sizes, clf.dropout) == (
        "piecewise",
        (8, 4),
        0.1,
    )
    assert clf.class_weight == {"yes": 2.0, "no": 1.0}
    assert clf.n_members == 2


@pytest.mark.parametrize("positive", ["yes", "no"])
@pytest.mark.parametrize("suffix", ["joblib", "skops"])
def test_a_threshold_is_kept(train, run, positive, suffix):
    code, out, err = train("--threshold", "0.8", "--positive", positive, "--card",
                           "--report", "r.html")  # fmt: skip
    assert (code, err) == (0, "")
    assert "all with a threshold of 0.8" in out
    if suffix == "skops":
        run("convert", "m.joblib", "m.skops")
    path = f"m.{suffix}"
    assert run("verify", path)[0] == 0
    assert re.search(r"^threshold +0\.8$", run("inspect", path)[1], re.MULTILINE)
    table = pd.read_csv(TABLE)
    model = load(path)
    taken = model.predict_proba(table)[:, 1] >= 0.8
    assert 0 < taken.sum() < (model.predict_proba(table)[:, 1] >= 0.5).sum()
    np.testing.assert_array_equal(model.predict(table) == positive, taken)
    assert run("score", path, TABLE, "--out", "s.csv", "--restart")[0] == 0
    scored = pd.read_csv("s.csv")
    np.testing.assert_array_equal(scored.prediction == positive, taken)
    np.testing.assert_array_equal(scored.probability,
                                  model.predict_proba(table)[:, 1])  # fmt: skip
    run("score", path, TABLE, "--out", "s.csv", "--restart", "--threshold", "0.5")
    scored = pd.read_csv("s.csv")
    np.testing.assert_array_equal(scored.prediction == positive,
                                  scored.probability >= 0.5)  # fmt: skip
    assert "predicted from a probability of `0.8`" in Path("m.md").read_text() or (
        "predicted from a probability of 0.8 on" in Path("m.md").read_text()
    )
    assert "its tuned threshold of 0.8" in Path("r.html").read_text()


@pytest.mark.parametrize("positive", ["yes", "no"])
def test_a_threshold_is_exported(train, positive):
    onnxruntime = pytest.importorskip("onnxruntime")
    train("--threshold", "0.8", "--positive", positive)
    model, table = load("m.joblib"), pd.read_csv(TABLE).dropna(subset=["age"])
    export_onnx(model, "m.onnx")
    session = onnxruntime.InferenceSession("m.onnx")
    kinds = {one.name: one.type for one in session.get_inputs()}
    given = {
        name: (
            table[[name]].fillna("(missing)").astype(str).to_numpy(object)
            if "string" in kind
            else table[[name]].to_numpy(float)
        )
        for name, kind in kinds.items()
    }
    label, _ = session.run(["label", "probability"], given)
    np.testing.assert_array_equal(label, model.predict(table))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("rule", ["f1", "cost=5:1"])
@pytest.mark.parametrize("more", [(), ("--param", "early_stopping=False")])
def test_a_threshold_is_found_on_rows_that_the_networks_have_not_seen(
    train, rule, more
):
    code, out, _ = train("--threshold", rule, "--json", "r.json", *more)
    assert code == 0
    model = load("m.joblib")
    own = model[-1].threshold
    assert f"Threshold: {own:.4f}, best for {rule}" in out
    assert json.loads(Path("r.json").read_text())["threshold"] == {
        "value": own,
        "rule": rule,
    }
    has_unseen = hasattr(model[-1].estimator_, "oof_decision_function_")
    assert has_unseen == (not more)


def test_unseen_probabilities_are_those_of_the_members(train):
    train()
    model = load("m.joblib")
    logits = model[-1].oof_decision_function_
    shares = _unseen(model, None, None, "yes")
    np.testing.assert_allclose(shares, 1 / (1 + np.exp(-logits)))
    np.testing.assert_allclose(_unseen(model, None, None, "no"), 1 - shares)


def test_thresholds_are_the_best_of_all(rng):
    shares = rng.random(200).round(2)
    truth = rng.random(200) < shares**2
    found = f1_threshold(truth, shares)
    scores = [f1_score(truth, shares >= one) for one in np.unique(shares)]
    assert f1_score(truth, shares >= found) == max(scores)

    def cost(threshold):
        taken = shares >= threshold
        return 5 * (taken & ~truth).sum() + (~taken & truth).sum()

    found = cheapest_threshold(truth, shares, 5, 1)
    assert cost(found) == min(map(cost, [*np.unique(shares), 1.1]))
    assert cheapest_threshold(truth, np.full(200, 0.3), 1e6, 1) == 1


def test_all_that_was_measured_is_written_as_json(train):
    table = pd.read_csv(TABLE)
    table = table.drop(table.index[table.bought == "no"][:16])
    table.to_csv(TABLE, index=False)
    code, out, err = train("--json", "r.json", "--importances", "--refit-all")
    assert (code, err) == (0, "")
    assert "Wrote r.json" in out
    told = json.loads(Path("r.json").read_text())
    assert told["data"] == TABLE
    assert told["counts"] == {
        "trained": 48,
        "trained_by_class": {"yes": 32, "no": 16},
        "held_out": 16,
        "held_out_positive": 10,
    }
    assert next(iter(told["metrics"])) == "this pipeline"
    assert told["metrics"]["prior only"]["AUC"] == 0.5
    assert told["metrics"]["this pipeline"] == manifest()["metrics"]
    assert "this pipeline" not in manifest()["evaluation"]["others"]
    assert told["threshold"] == {"value": None, "rule": None}
    assert told["parameters"]["clf__max_iter"] == 15
    assert told["versions"]["numpy"] == np.__version__
    assert told["findings"][0]["what"] == "still_falling"
    assert next(iter(told["importances"]["columns"])) == "age"


def test_json_must_have_a_folder(train):
    code, out, err = train("--json", "absent/r.json")
    assert (code, out) == (4, "")
    assert "absent/r.json must lie in a folder that exists" in err


def test_inspect_tells_how_a_model_was_measured(train, run):
    _, out, _ = train("--importances")
    assert "rises when a column is shuffled" in out
    _, out, _ = run("inspect", "m.joblib")
    assert max(map(len, out.splitlines())) <= 80
    assert re.search(r"^measured +on 20 rows held out, trained on people\.csv", out,
                     re.MULTILINE)  # fmt: skip
    assert re.search(r"^importances +age \d", out, re.MULTILINE)
    rises = list(manifest()["evaluation"]["importances"]["columns"].values())
    shown = re.findall(r"\b0\.\d{4}", out[out.index("\nimportances") :])
    assert shown[0] == f"{max(rises):.4f}"


def test_findings_of_the_fit_are_told(train):
    _, out, _ = train()
    assert "Finding: The loss was still falling when max_iter=15 ended" in out


def test_the_page_of_a_training_has_the_manifest(train):
    train("--report", "r.html")
    page = Path("r.html").read_text()
    assert ">Saved model</h2>" in page
    assert manifest()["payload"]["sha256"] in page
    assert TABLE in page


def test_a_page_tells_the_manifest_that_it_is_given(train, tmp_path):
    train()
    model, table = load("m.joblib"), pd.read_csv(TABLE)
    told = {**model._manifest, "notes": "of another file"}
    report(model, table, table.bought, tmp_path / "r.html", manifest=told)
    assert "of another file" in (tmp_path / "r.html").read_text()


def test_evaluation_must_be_values_by_name(tmp_path):
    match = "evaluation must be values by their names, got 'weekly'"
    with pytest.raises(ValueError, match=match):
        save({"a": 1}, tmp_path / "m.joblib", evaluation="weekly")


def test_parameters_that_are_given_are_not_searched_for(train, monkeypatch):
    changes = [("clf__alpha", 100.0), ("clf__n_bins", 4)]
    monkeypatch.setattr("torch_binary_classifier.cli.tuning.CHANGES", changes)
    code, out, err = train("--tune", "--param", "n_bins=6")
    assert (code, err) == (0, "")
    found = re.findall(r"log-loss \S+ with (the default|\S+)", out)
    assert found == ["the default", "alpha=100.0"]
    assert load("m.joblib")["clf"].n_bins == 6
