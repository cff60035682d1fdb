"""Rows unlike those of training are told of, and others are not."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
)
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tests.test_row_scorer import arrow

from row_scoring import chunk_of
from torch_binary_classifier import schema
from torch_binary_classifier.scoring import RowScorer, expected_columns
from torch_binary_classifier.scoring.counts import counts_of
from torch_binary_classifier.scoring.drift import column_shares, drift_findings

SETS = {
    "breast cancer": load_breast_cancer,
    "diabetes": load_diabetes,
    "digits": load_digits,
    "iris": load_iris,
    "wine": load_wine,
}


def expected_of(X, *, has_schema):
    """Return what a model of a table of numbers expects."""
    y = np.arange(len(X)) % 2
    model = make_pipeline(StandardScaler(), DummyClassifier()).fit(X, y)
    if has_schema:
        model._manifest = {"schema": schema(X).to_dict()}
    return expected_columns(model)


def findings(trained, new, *, has_schema=True):
    """Return what is found in a table beside that of training."""
    expected = expected_of(trained, has_schema=has_schema)
    counts = {name: counts_of(new[name].to_numpy()) for name in new}
    return drift_findings(counts, expected, len(new))


@pytest.fixture
def X(rng):  # noqa: N802
    return pd.DataFrame(
        {
            "a": rng.normal(size=200),
            "b": rng.normal(size=200),
            "c": rng.normal(size=200),
        }
    )


def told(found):
    """Return columns and what is found in them."""
    return [(finding.column, finding.what) for finding in found]


@pytest.mark.parametrize("has_schema", [True, False])
@pytest.mark.parametrize("name", SETS)
def test_halves_of_one_table_are_alike(name, has_schema, rng):
    X = SETS[name](as_frame=True).data
    halves = [np.arange(len(X)) < len(X) // 2]
    halves += [rng.permutation(len(X)) % 2 == 0 for _ in range(8)]
    for half in halves:
        for one, other in ((X[half], X[~half]), (X[~half], X[half])):
            kinds = {f.what for f in findings(one, other, has_schema=has_schema)}
            assert not kinds & {"unscaled", "scaled twice", "scale"}, (half[:9], kinds)


@pytest.mark.parametrize("name", SETS)
def test_random_halves_of_one_table_have_not_moved(name, rng):
    X = SETS[name](as_frame=True).data
    half = rng.permutation(len(X)) % 2 == 0
    assert findings(X[half], X[~half]) == []


@pytest.mark.parametrize("has_schema", [True, False])
def test_a_column_that_moved_is_told_of(X, has_schema):
    found = findings(X, X.assign(b=X["b"] + 4), has_schema=has_schema)
    assert told(found) == [("b", "shifted")]
    assert found[0].message.startswith("column 'b' has moved: here mean ")
    assert found[0].figures["mean"] == pytest.approx(X["b"].mean() + 4)
    assert found[0].figures["training_deviation"] == pytest.approx(X["b"].std(ddof=0))
    assert json.loads(json.dumps(found[0].to_dict()))["column"] == "b"
    assert findings(X, X.assign(b=X["b"] + 2.5), has_schema=has_schema) == []


@pytest.mark.parametrize("factor", [20, 0.05, -20])
def test_a_column_of_another_scale_is_told_of(X, factor):
    (found,) = findings(X, X.assign(b=X["b"] * factor))
    assert (found.column, found.what) == ("b", "scale")
    assert found.message.startswith("column 'b' is on another scale: here mean ")
    assert findings(X, X.assign(b=X["b"] * abs(factor) ** 0.5)) == []


def test_a_column_of_one_number_is_told_of(X):
    (found,) = findings(X, X.assign(b=0.1))
    assert (found.column, found.what) == ("b", "constant")
    assert found.message.startswith(
        "column 'b' is 0.1 in every row, in training it had"
    )
    assert findings(X.assign(b=0.1), X.assign(b=0.1)) == []
    assert findings(X.assign(b=0.1), X) == []


def test_columns_of_nearly_one_number_vary_by_chance(X):
    X["b"] = np.where(X.index > 0, 0, 1)
    assert findings(X, X[1:]) == []
    assert findings(X, X.assign(b=np.where(X.index > 40, 0, 9))) != []
    assert findings(X, X.assign(b=np.where(X.index > 5, 0, 2))) == []


def test_few_numbers_tell_nothing(X):
    far = X * 100 + 1000
    assert findings(X, far[:29]) == []
    assert len(findings(X, far[:30])) == 1 + 6
    gaps = far.copy()
    gaps[29:] = np.nan
    assert not {f.what for f in findings(X, gaps)} & {"shifted", "unscaled", "scale"}


def raw(X):
    """Return a table as it was before a scaler."""
    return X * [10, 100, 0.001] + [50, 3e4, 0.2]


def test_unscaled_tables_are_named_first(X):
    found = findings(X, raw(X))
    assert found[0].column is None
    assert found[0].what == "unscaled"
    assert found[0].message.startswith(
        "you are scoring unscaled data: 3 of 3 columns of numbers had mean 0 and "
        "deviation 1 in training, here 'a' has mean 5"
    )
    assert found[0].figures == {"n_moved": 3.0, "n_columns": 3.0}
    assert ("b", "shifted") in told(found)


def test_tables_scaled_twice_are_named_first(X):
    found = findings(raw(X), X)
    assert (found[0].column, found[0].what) == (None, "scaled twice")
    assert found[0].message.startswith(
        "you are scoring data that was scaled twice: 3 of 3 columns of numbers have "
        "mean 0 and deviation 1 here, in training 'a' had mean 5"
    )


def test_one_column_of_three_is_not_the_table(X):
    assert (None, "unscaled") not in told(findings(X, X.assign(b=raw(X)["b"])))


def test_lost_columns_are_told_of(rng):
    X = pd.DataFrame({"c": rng.choice(["a", "b"], size=50).astype(object)})
    encoder = OneHotEncoder(handle_unknown="ignore")
    model = make_pipeline(encoder, LogisticRegression()).fit(X, X["c"] == "a")
    expected = expected_columns(model)
    scored = RowScorer(model, expected).score(chunk_of(arrow(X + "x")))
    (found,) = drift_findings(scored.counts, expected, 50)
    assert (found.column, found.what) == ("c", "lost")
    assert found.message.startswith("column 'c' has no cell that the model knows: 100%")
    assert found.figures == {"unseen": 1.0, "missing": 0.0}
    (share,) = column_shares(scored.counts, expected, 50)
    assert (share.unseen, share.missing, share.had_gaps) == (1, 0, False)
    assert column_shares(scored.counts, expected, 0) == ()
