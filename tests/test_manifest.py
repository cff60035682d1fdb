"""What a model file says of itself, and what `load` makes of it."""

import json
import re
import warnings

import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pytest
import scipy.sparse
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from builders import pipe
from torch_binary_classifier import ModelFileWarning, load, save
from torch_binary_classifier.persistence import describe_model, read_model_file

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(5, 3, size=(100, 3)), columns=["a", "b", "c"])
Y = np.where(X["a"] > 5, "yes", "no")
NETWORK = pipe(max_iter=3, random_state=0).fit(X, Y)
LOGISTIC = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)


def manifest_of(path):
    return read_model_file(path).manifest


def test_network_is_described(tmp_path):
    path = tmp_path / "model.joblib"
    save(NETWORK, path, X=X, metrics={"AUC": np.float64(0.9)}, notes="größe")
    told = manifest_of(path)
    clf = NETWORK[-1]
    assert told["format"] == 1
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT[\d:]{8}\+00:00", told["created"])
    assert told["versions"]["numpy"] == np.__version__
    assert told["classes"] == ["no", "yes"]
    assert told["columns"] == ["a", "b", "c"]
    assert told["training"]["epochs"] == clf.n_iter_
    assert told["training"]["best_loss"] == clf.best_loss_
    assert told["training"]["layers"][0][0] == 3
    assert told["parameters"]["clf__max_iter"] == 3
    assert [column["name"] for column in told["schema"]["columns"]] == ["a", "b", "c"]
    assert told["schema"]["n_rows"] == 100
    assert told["metrics"] == {"AUC": 0.9}
    assert told["notes"] == "größe"
    expected = NETWORK.predict_proba(X.iloc[::6][:16])[:, 1]
    scores = [float.fromhex(score) for score in told["examples"]["scores"]]
    np.testing.assert_array_equal(scores, expected)


def test_scale_is_that_of_the_last_step_s_input():
    told = describe_model(LOGISTIC, X=X)["input_scale"]
    assert told["n_inputs"] == 3
    np.testing.assert_allclose(told["mean"], 0, atol=1e-12)
    np.testing.assert_allclose(told["deviation"], 1, rtol=1e-12)
    raw = LogisticRegression().fit(X, Y)
    told = describe_model(raw, X=X)["input_scale"]
    np.testing.assert_allclose(told["mean"], [X.mean().min(), X.mean().max()])
    assert told["sha256"] != describe_model(raw, X=X + 1)["input_scale"]["sha256"]
    assert told["sha256"] == describe_model(raw, X=X.copy())["input_scale"]["sha256"]


@pytest.mark.parametrize(
    "table",
    [
        X.to_numpy(),
        X.to_numpy(np.float32),
        scipy.sparse.csr_array(X.to_numpy()),
        polars.from_pandas(X),
        pa.Table.from_pandas(X),
    ],
    ids=["array", "float32", "sparse", "polars", "pyarrow"],
)
def test_tables_of_all_kinds(tmp_path, table):
    model = LogisticRegression()
    array = table.toarray() if scipy.sparse.issparse(table) else np.asarray(table)
    model.fit(table if scipy.sparse.issparse(table) else array, Y)
    path = tmp_path / "model.joblib"
    save(model, path, X=table)
    told = manifest_of(path)
    assert told["schema"]["n_rows"] == 100
    assert len(told["examples"]["scores"]) == 16
    assert told["input_scale"]["n_inputs"] == 3
    load(path)


@pytest.mark.parametrize("model", [{"threshold": 0.5}, None, LogisticRegression()])
def test_whatever_pickles_can_be_saved(tmp_path, model):
    path = tmp_path / "model.joblib"
    save(model, path)
    told = manifest_of(path)
    assert told["holds"] == type(model).__name__
    assert told["training"] is told["schema"] is told["examples"] is None
    load(path)


def test_search_is_described():
    grid = {"logisticregression__C": [0.1, 1.0]}
    search = GridSearchCV(LOGISTIC, grid, cv=2).fit(X, Y)
    told = describe_model(search)
    assert told["search"]["best_params_"] == search.best_params_
    assert told["steps"][1] == ["logisticregression", "LogisticRegression"]
    json.dumps(told, allow_nan=False)


def test_what_json_has_not_is_written_as_python_shows_it():
    model = make_pipeline(FunctionTransformer(np.log1p), LogisticRegression(C=np.inf))
    told = describe_model(model.fit(X.abs(), Y))["parameters"]
    assert told["logisticregression__C"] == "inf"
    assert "log1p" in told["functiontransformer__func"]


def test_loaded_model_keeps_what_its_file_said(tmp_path):
    first, second = tmp_path / "a.joblib", tmp_path / "b.joblib"
    save(LOGISTIC, first, X=X, notes="old", metrics={"AUC": 0.5})
    save(load(first), second, notes="new")
    before, after = manifest_of(first), manifest_of(second)
    assert after["notes"] == "new"
    for name in ("schema", "examples", "metrics", "input_scale"):
        assert after[name] == before[name]
    assert b"_manifest" not in second.read_bytes().split(b'"examples"')[0]


def test_model_that_is_fitted_anew_is_not_that_of_its_file(tmp_path):
    path = tmp_path / "model.joblib"
    save(LOGISTIC, path, X=X, metrics={"AUC": 0.5})
    model = load(path).fit(X, Y[::-1])
    save(model, path)
    told = manifest_of(path)
    assert told["schema"] is told["examples"] is told["metrics"] is None
    load(path)


def test_x_must_be_a_table(tmp_path):
    for table, expected in [
        ("people.csv", "X must be a frame of pandas, .* got str"),
        (X.to_numpy()[:, :2], "X must have the 3 columns that .* got 2"),
        (X[["b", "a", "c"]], "X must have the columns that .* 'a', 'b', 'c', got 'b'"),
    ]:
        with pytest.raises(ValueError, match=expected):
            save(LOGISTIC, tmp_path / "model.joblib", X=table)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"notes": 3}, "notes must be a text, got 3"),
        ({"metrics": [1]}, r"metrics must be numbers by their names, got \[1\]"),
        ({"metrics": {"a": "b"}}, "metrics must be numbers by their names, got {'a'"),
    ],
)
def test_what_is_told_is_checked(tmp_path, told, expected):
    with pytest.raises(ValueError, match=expected):
        save(LOGISTIC, tmp_path / "model.joblib", **told)
    assert list(tmp_path.iterdir()) == []


def test_examples_that_cannot_be_taken_are_left_out(tmp_path):
    """Rows of X are a service; those that a user hands over are a wish."""
    table = X.assign(listed=[[1]] * 100)
    path = tmp_path / "model.joblib"
    save(
        make_pipeline(FunctionTransformer(of_numbers), LogisticRegression()).fit(
            table, Y
        ),
        path,
        X=table,
    )
    assert manifest_of(path)["examples"] is None


def of_numbers(table):
    """Return the columns of numbers."""
    return table[["a", "b", "c"]]


def written_by(path, model, monkeypatch, **versions):
    """Save a model as if with other versions."""
    home = "torch_binary_classifier.persistence.manifest.installed_versions"
    told = {**describe_model(model)["versions"], **versions}
    with monkeypatch.context() as patch:
        patch.setattr(home, lambda: told)
        save(model, path, X=X)


def test_other_versions_are_told_once(tmp_path, monkeypatch):
    path = tmp_path / "model.joblib"
    written_by(path, LOGISTIC, monkeypatch, **{"scikit-learn": "1.2.0", "numpy": "1.0"})
    expected = (
        r"model\.joblib was written with numpy 1\.0 \(here [\d.]+\), scikit-learn "
        r"1\.2\.0 \(here [\d.]+\)\. It scores its 16 examples as it did then"
    )
    with pytest.warns(ModelFileWarning, match=expected) as told:
        load(path)
    assert len(told) == 1
    assert told[0].filename == __file__


def test_versions_that_change_no_score_are_not_told(tmp_path, monkeypatch):
    path = tmp_path / "model.joblib"
    written_by(path, LOGISTIC, monkeypatch, torch="1.0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(path)


def test_scikit_learn_need_not_say_it_too(tmp_path, monkeypatch):
    path = tmp_path / "model.joblib"
    with monkeypatch.context() as patch:
        patch.setattr("sklearn.base.__version__", "1.2.0")
        written_by(path, LOGISTIC, monkeypatch, **{"scikit-learn": "1.2.0"})
    with pytest.warns(ModelFileWarning) as told:
        load(path)
    kinds = [type(one.message) for one in told]
    assert InconsistentVersionWarning not in kinds
