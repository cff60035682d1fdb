"""The command `inspect`: networks, other models, and what is none."""

from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from torch_binary_classifier.preparation import TimesAsNumbers


@pytest.mark.usefixtures("folder")
def test_inspect_tells_how_each_column_is_read(run):
    table = pd.read_csv("people.csv").fillna({"city": "Oslo"}).assign(day="2020-01-31")
    columns = make_column_transformer(
        (OneHotEncoder(), ["city"]),
        (FunctionTransformer(np.sqrt), ["code"]),
        (TimesAsNumbers(), ["day"]),
    )
    pipe = make_pipeline(columns, LogisticRegression())
    joblib.dump(pipe.fit(table, table["bought"]), "model.joblib")
    _, out, _ = run("inspect", "model.joblib")
    assert (
        "columns    7: age (dropped), member (dropped), city (text), "
        "code (as the file says), nothing (dropped), bought (dropped), day (time)\n"
    ) in out


@pytest.mark.usefixtures("folder")
def test_inspect_describes_a_network(run):
    run("train", "people.csv", "--target", "bought")
    code, out, err = run("inspect", "models/people.joblib")
    assert (code, err) == (0, "")
    facts = {line[:16].strip(): line[16:].strip() for line in out.splitlines()}
    size = Path("models/people.joblib").stat().st_size
    assert facts["file"] == f"{Path('models/people.joblib')}, {size} bytes"
    assert facts["steps"] == "columns (ColumnTransformer), clf (TorchBinaryClassifier)"
    assert facts["classes"] == "'no', 'yes'; probability of 'yes'"
    assert facts["columns"] == "4: age, member, city (text), code"
    assert facts["layers"] == "6-100-1 and 12-64-1"
    assert facts["members"] == "8 and 8"
    clf = joblib.load("models/people.joblib")["clf"]
    assert facts["epochs"] == str(clf.n_iter_)
    assert facts["best loss"] == f"{clf.best_loss_:.4f}"
    assert facts["validation loss"].startswith(f"{clf.validation_loss_curve_[-1]:.4f}")
    assert f"numpy {np.__version__}" in facts["installed"]


def test_inspect_describes_other_models(age_model, run):
    code, out, _ = run("inspect", age_model)
    assert code == 0
    assert "logisticregression (LogisticRegression)" in out
    assert "layers" not in out


def test_inspect_describes_a_search(age_model, run):
    table = pd.read_csv("people.csv").dropna(subset=["age"])
    search = GridSearchCV(
        joblib.load(age_model), {"logisticregression__C": [1.0]}, cv=2
    )
    joblib.dump(search.fit(table[["age"]], table["bought"]), age_model)
    _, out, _ = run("inspect", age_model)
    assert "holds      GridSearchCV" in out
    assert "best       C=1.0" in out


def test_inspect_copes_with_what_is_no_classifier(age_model, run):
    joblib.dump({"a": 1}, age_model)
    code, out, _ = run("inspect", age_model)
    assert code == 0
    assert "holds      dict" in out
    assert "columns    unknown: model must be a fitted binary classifier" in out


def test_inspect_refuses_a_damaged_file(age_model, run):
    age_model.write_bytes(age_model.read_bytes()[:100])
    code, out, err = run("inspect", age_model)
    assert (code, out) == (3, "")
    assert "model.joblib must be a whole joblib file" in err
