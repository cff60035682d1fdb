"""A few rows and their scores go into a model file and are scored when it is loaded."""

import json

import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pytest
import scipy.sparse
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from torch_binary_classifier import SelfTestError, load, save
from torch_binary_classifier.persistence.examples import (
    UnwritableRowsError,
    check_examples,
    describe_examples,
)
from torch_binary_classifier.persistence.manifest import rows_of


class Digest:
    """A model whose scores tell every value and type of a table apart."""

    classes_ = np.array([0, 1])

    def predict_proba(self, X):
        """Return a hash of each row's cells and of the columns' types."""
        if hasattr(X, "columns") and not isinstance(X, pa.Table):
            kinds = [str(X[name].dtype) for name in X.columns]
        elif isinstance(X, pa.Table):
            kinds, X = [str(t) for t in X.schema.types], X.to_pandas()
        else:
            kinds, X = [str(X.dtype)], X.toarray() if hasattr(X, "toarray") else X
        rows = X.to_numpy().tolist() if hasattr(X, "to_numpy") else X.tolist()
        hashes = [hash((repr(row), *kinds)) % 10**6 / 10**6 for row in rows]
        return np.column_stack([1 - np.array(hashes), hashes])


FRAME = pd.DataFrame(
    {
        "float": [0.1, np.nan, 1e300],
        "float32": np.array([0.1, 2, 3], np.float32),
        "int": [1, 2, 2**60],
        "bool": [True, False, False],
        "text": ["größe", None, ""],
        "object": np.array(["a", None, 1.5], dtype=object),
        "category": pd.Categorical(["b", None, "c"], ["b", "c"], ordered=True),
        "codes": pd.Categorical([3, 1, None]),
        "day": pd.to_datetime(["2020-01-01T01:02:03.5", None, "1999-12-31T23:59:59.5"]),
        "zone": pd.to_datetime(["2020-01-01", None, "2021-01-01"]).tz_localize("UTC"),
        "nullable": pd.array([1, None, 3], dtype="Int64"),
        "truth": pd.array([True, None, False], dtype="boolean"),
        "string": pd.array(["x", None, "z"], dtype="string"),
    }
)
ARROW = pa.table(
    {
        "number": [1.5, None, -0.0],
        "text": ["a", None, "b"],
        "day": pa.array([0, 1, None], pa.timestamp("us")),
        "whole": pa.array([1, 2, 3], pa.int8()),
    }
)
CONTAINERS = {
    **{f"pandas {name}": FRAME[[name]] for name in FRAME},
    "pandas": FRAME,
    "pyarrow": ARROW,
    "polars": polars.DataFrame({"a": [0.1, None], "b": ["x", None], "c": [1, 2]}),
    "float64": np.array([[0.1, np.nan], [np.inf, -0.0]]),
    "float32": np.array([[0.1, 2], [3, 4]], np.float32),
    "ints": np.array([[1, 2], [3, 4]]),
    "objects": np.array([["a", 1, 0.1, None], [True, 2, 3, 4]], dtype=object),
    "texts": np.array([["a", "bc"], ["d", "e"]]),
    "csr": scipy.sparse.csr_array([[0.0, 0.1], [2.0, 0.0]]),
    "csc": scipy.sparse.csc_array([[0.0, 0.1], [2.0, 0.0]]),
}


@pytest.mark.parametrize("rows", CONTAINERS.values(), ids=CONTAINERS)
def test_rows_survive_json(rows):
    examples = json.loads(
        json.dumps(describe_examples(Digest(), rows), allow_nan=False)
    )
    assert check_examples(Digest(), examples) == 0.0


@pytest.mark.parametrize("rows", CONTAINERS.values(), ids=CONTAINERS)
def test_other_rows_are_noticed(rows):
    backwards = rows_of(rows, slice(None, None, -1))
    examples = describe_examples(Digest(), rows)
    examples["rows"] = describe_examples(Digest(), backwards)["rows"]
    with pytest.raises(SelfTestError, match="that differ by"):
        check_examples(Digest(), examples)


@pytest.mark.parametrize(
    "rows",
    [
        pd.DataFrame({"a": [1 + 2j]}),
        pd.DataFrame({"a": [[1, 2]]}),
        pd.DataFrame({0: [1]}),
        [[1, 2]],
        polars.DataFrame({"a": [[1]]}),
    ],
    ids=["complex", "lists", "no text as name", "list", "polars lists"],
)
def test_rows_that_cannot_be_written(rows):
    with pytest.raises(UnwritableRowsError):
        describe_examples(Digest(), rows)


def test_difference_is_told():
    rows = np.array([[1.0], [2.0]])
    examples = describe_examples(Digest(), rows)
    score = float.fromhex(examples["scores"][0])
    examples["scores"][0] = (score + 5e-7).hex()
    assert check_examples(Digest(), examples) == pytest.approx(5e-7, rel=1e-6)
    examples["scores"][0] = (score + 2e-6).hex()
    with pytest.raises(SelfTestError, match="that differ by 2e-06"):
        check_examples(Digest(), examples)


def test_not_a_number_is_a_difference():
    examples = describe_examples(Digest(), np.array([[1.0]]))
    examples["scores"] = ["nan"]
    with pytest.raises(SelfTestError, match="differ by nan"):
        check_examples(Digest(), examples)


def shift(X):
    """Return numbers further up."""
    return X + SHIFT


SHIFT = 0.0


def test_load_refuses_a_model_that_scores_otherwise(tmp_path, monkeypatch):
    X = np.random.default_rng(0).normal(size=(40, 2))
    pipe = make_pipeline(FunctionTransformer(shift), LogisticRegression())
    path = tmp_path / "model.joblib"
    save(pipe.fit(X, X[:, 0] > 0), path, examples=X[:3])
    load(path)
    monkeypatch.setattr(f"{__name__}.SHIFT", 0.1)
    with pytest.raises(
        SelfTestError, match=r"model\.joblib must hold a model that scores its examples"
    ):
        load(path)


def fail(_X):
    """Stand for what another version no longer has."""
    msg = "no such\nthing"
    raise AttributeError(msg)


def test_load_refuses_a_model_that_cannot_score(tmp_path, monkeypatch):
    X = np.random.default_rng(0).normal(size=(40, 2))
    pipe = make_pipeline(FunctionTransformer(shift), LogisticRegression())
    path = tmp_path / "model.joblib"
    save(pipe.fit(X, X[:, 0] > 0), path, examples=X[:3])
    monkeypatch.setattr(f"{__name__}.shift", fail)
    with pytest.raises(SelfTestError, match="got AttributeError: no such thing"):
        load(path)


def test_frame_of_pandas_is_scored_without_pandas(monkeypatch):
    X = pd.DataFrame(
        {
            "a": [1.0, 2.0, 3.0, 4.0],
            "b": pd.Categorical(["u", "v", "u", None]),
            "c": ["x", "y", "y", "y"],
        }
    )
    pipe = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["b", "c"]), ("passthrough", ["a"])),
        LogisticRegression(),
    ).fit(X, [0, 1, 0, 1])
    examples = describe_examples(pipe, X)
    home = "torch_binary_classifier.persistence.examples"
    monkeypatch.setattr(f"{home}.find_spec", lambda _name: None)
    assert check_examples(pipe, examples) == 0.0


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (np.zeros((17, 2)), "examples must be 1 to 16 rows, got 17"),
        (np.zeros((0, 2)), "examples must be 1 to 16 rows, got 0"),
        ([[0.0, 1.0]], "examples must be rows in a known container"),
    ],
)
def test_save_refuses_examples(tmp_path, rows, expected):
    X = np.random.default_rng(0).normal(size=(40, 2))
    model = LogisticRegression().fit(X, X[:, 0] > 0)
    with pytest.raises(ValueError, match=expected):
        save(model, tmp_path / "model.joblib", examples=rows)
    assert list(tmp_path.iterdir()) == []
