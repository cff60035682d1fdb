"""The command `inspect`: what model files say of themselves, and those that do not."""

import json
import re
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from torch_binary_classifier import save


def facts_of(out):
    """Return the facts by name."""
    out = re.sub("\n +", " ", out)  # what is told in several lines
    return dict(re.split(" {2,}", line, maxsplit=1) for line in out.splitlines())


@pytest.mark.usefixtures("folder")
def test_inspect_describes_a_network(run):
    run("train", "people.csv", "--target", "bought")
    code, out, err = run("inspect", "models/people.joblib")
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    facts = facts_of(out)
    size = Path("models/people.joblib").stat().st_size
    assert facts["file"] == f"{Path('models/people.joblib')}, {size} bytes"
    assert facts["state"] == "joblib, whole, not signed"
    assert facts["steps"] == "columns (ColumnTransformer), clf (TorchBinaryClassifier)"
    assert facts["classes"] == "'no', 'yes'; probability of 'yes'"
    assert facts["columns"] == "age, member, city (text), code"
    assert facts["layers"] == "6-100-1 and 12-64-1"
    assert facts["members"] == "8 and 8"
    clf = joblib.load("models/people.joblib")["clf"]
    assert facts["epochs"] == str(clf.n_iter_)
    assert facts["best loss"] == f"{clf.best_loss_:.4f}"
    assert facts["validation loss"] == f"{clf.validation_loss_curve_[-1]:.4f}"
    assert f"numpy {np.__version__}" in facts["written by"]
    assert "log-loss" in facts["held out"]
    assert facts["examples"] == "16"


@pytest.mark.usefixtures("folder")
def test_inspect_writes_json(run):
    run("train", "people.csv", "--target", "bought")
    code, out, _ = run("inspect", "models/people.joblib", "--json")
    described = json.loads(out)
    assert code == 0
    assert described["is_signed"] is False
    assert described["manifest"]["classes"] == ["no", "yes"]
    names = [column["name"] for column in described["manifest"]["schema"]["columns"]]
    assert names == ["age", "member", "city", "code"]


def test_inspect_loads_nothing(age_model, run, monkeypatch):
    monkeypatch.setattr(joblib, "load", None)
    code, out, err = run("inspect", age_model)
    assert (code, err) == (0, "")
    assert facts_of(out)["steps"].endswith("logisticregression (LogisticRegression)")
    assert "layers" not in out


@pytest.mark.filterwarnings("default::torch_binary_classifier.ModelFileWarning")
def test_file_that_says_nothing_is_loaded_if_one_asks(age_model, run):
    joblib.dump(joblib.load(age_model), age_model)
    code, out, err = run("inspect", age_model)
    assert (code, err) == (0, "")
    assert facts_of(out)["manifest"] == "none; --load describes it by loading it"
    assert "steps" not in out
    code, out, err = run("inspect", age_model, "--load")
    assert code == 0
    assert "warning: " in err
    assert "could not be verified" in err
    assert facts_of(out)["steps"].endswith("logisticregression (LogisticRegression)")


def test_inspect_describes_a_search(tmp_path, run):
    table = pd.DataFrame({"age": np.arange(40.0)})
    pipe = make_pipeline(StandardScaler(), LogisticRegression())
    search = GridSearchCV(pipe, {"logisticregression__C": [1.0]}, cv=2)
    path = tmp_path / "model.joblib"
    save(search.fit(table, table["age"] % 20 > 9), path, notes="weekly\nrun")
    _, out, _ = run("inspect", path)
    facts = facts_of(out)
    assert facts["holds"] == "GridSearchCV"
    assert facts["best"] == "C=1.0"
    assert facts["columns"] == "age"
    assert facts["notes"] == r"weekly\nrun"


def test_inspect_copes_with_what_is_no_classifier(tmp_path, run):
    path = tmp_path / "model.joblib"
    save({"a": 1}, path)
    code, out, _ = run("inspect", path)
    assert code == 0
    assert facts_of(out)["holds"] == "dict"


def test_inspect_refuses_a_damaged_file(tmp_path, run):
    path = tmp_path / "model.joblib"
    save({"a": 1}, path)
    path.write_bytes(path.read_bytes()[:-1])
    code, out, err = run("inspect", path)
    assert (code, out) == (3, "")
    assert "model.joblib must be a whole model file, got one that is cut short" in err
