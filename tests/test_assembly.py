"""Columns become a Pipeline that copes with what tables hold."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

from torch_binary_classifier.assembly import (
    MAX_CATEGORIES,
    baselines,
    tabular_pipeline,
)
from torch_binary_classifier.classifier import TorchBinaryClassifier

N_ROWS = 60


@pytest.fixture
def table(rng):
    """Return (X, y): a numeric column decides, a text one says nothing."""
    age = rng.normal(50, 10, size=N_ROWS)
    city = rng.choice(["Oslo", "Bergen"], size=N_ROWS).astype(object)
    y = (age > 50).astype(int)
    age[::7] = np.nan
    city[::5] = np.nan
    return pd.DataFrame({"age": age, "city": city}), y


def linear(**columns):
    return tabular_pipeline(**columns, classifier=LogisticRegression())


def prepared(pipe, X):
    """Return what the last step is given."""
    features = pipe[:-1].transform(X)
    return features.toarray() if hasattr(features, "toarray") else features


def one_hot(values, X=None):
    """Return the one-hot columns of texts, or of X after a fit to the texts."""
    fitted_to = pd.DataFrame({"city": np.asarray(values, dtype=object)})
    y = np.arange(len(values)) % 2
    pipe = linear(numeric=[], categorical=["city"]).fit(fitted_to, y)
    return prepared(pipe, fitted_to if X is None else X)


def test_numbers_are_imputed_by_the_median_and_standardised(table):
    X, y = table
    pipe = linear(numeric=["age"], categorical=[]).fit(X, y)
    filled = X["age"].fillna(X["age"].median()).to_numpy()
    expected = (filled - filled.mean()) / filled.std()
    np.testing.assert_allclose(prepared(pipe, X)[:, 0], expected, atol=1e-12)


def test_default_classifier_is_the_bare_one(table):
    X, y = table
    pipe = tabular_pipeline(numeric=["age"], categorical=["city"])
    clf = pipe.set_params(clf__random_state=0, clf__max_iter=5).fit(X, y)["clf"]
    assert isinstance(clf, TorchBinaryClassifier)
    bare = TorchBinaryClassifier(random_state=0, max_iter=5)
    assert clf.get_params() == bare.get_params()
    assert hasattr(clf, "oof_decision_function_")


def test_columns_named_in_neither_list_are_dropped(table):
    X, y = table
    pipe = linear(numeric=["age"], categorical=[]).fit(X, y)
    assert prepared(pipe, X).shape == (N_ROWS, 1)


def test_a_number_missing_everywhere_is_no_error(table):
    X, y = table
    X = X.assign(age=np.nan)
    pipe = linear(numeric=["age"], categorical=["city"]).fit(X, y)
    np.testing.assert_array_equal(prepared(pipe, X)[:, 0], 0.0)


def test_missing_text_is_a_category_of_its_own():
    features = one_hot(["Oslo", None, "Bergen"] * 3)
    assert features.shape[1] == 3
    assert len(np.unique(features[1::3], axis=0)) == 1
    assert not (features[1] == features[0]).all()


def test_both_marks_of_a_missing_text_are_the_same():
    features = one_hot(["Oslo", None, np.nan, None, "Oslo", np.nan])
    np.testing.assert_array_equal(features[1], features[2])
    assert not (features[0] == features[1]).all()


def test_every_kind_of_frame_gives_the_same_scores(table):
    X, y = table
    X = X.assign(city=X["city"].where(X["city"].notna(), None))
    pipe = linear(numeric=["age"], categorical=["city"]).fit(X, y)
    expected = pipe.predict_proba(X)
    columns = {name: X[name].tolist() for name in X}
    ages = [None if np.isnan(age) else age for age in columns["age"]]
    cities = [c if isinstance(c, str) else None for c in columns["city"]]
    for frame in (
        pl.DataFrame({"age": ages, "city": cities}),
        pa.table({"age": ages, "city": cities}),
        X.astype({"city": "str"}),
        X.astype({"city": "category"}),
    ):
        np.testing.assert_array_equal(pipe.predict_proba(frame), expected)
    other = X.assign(city="Oslo")
    assert not (pipe.predict_proba(other) == expected).all()


def test_texts_of_a_single_row_share_a_column():
    features = one_hot(["Oslo"] * 4 + ["Rome", "Paris"])
    assert features.shape[1] == 2
    np.testing.assert_array_equal(features[-1], features[-2])


def test_unseen_text_counts_as_a_rare_one():
    frame = pd.DataFrame({"city": ["Rome", "Tokyo", "Oslo"]})
    rare, unseen, common = one_hot(["Oslo"] * 4 + ["Rome", "Paris"], frame)
    np.testing.assert_array_equal(rare, unseen)
    assert not (unseen == common).all()


def test_unseen_text_without_rare_ones_is_no_category():
    frame = pd.DataFrame({"city": ["Tokyo"]})
    np.testing.assert_array_equal(one_hot(["Oslo", "Rome"] * 2, frame), [[0.0, 0.0]])


def test_number_of_one_hot_columns_is_limited():
    texts = [f"id{number}" for number in range(3 * MAX_CATEGORIES)] * 2
    assert one_hot(texts).shape[1] == MAX_CATEGORIES


def test_tabular_pipeline_refuses_no_columns():
    with pytest.raises(ValueError, match="must name at least one column, got none"):
        tabular_pipeline(numeric=[], categorical=[])


def test_tabular_pipeline_refuses_a_column_of_two_kinds():
    with pytest.raises(ValueError, match=r"name a column once, got \['age'\] twice"):
        tabular_pipeline(numeric=["age"], categorical=["age", "city"])


def test_baselines_prepare_the_columns_alike(table):
    X, y = table
    columns = {"numeric": ["age"], "categorical": ["city"]}
    ours = linear(**columns).fit(X, y)
    rivals = {name: b.fit(X, y) for name, b in baselines(**columns).items()}
    np.testing.assert_array_equal(
        prepared(rivals["logistic regression"], X), prepared(ours, X)
    )
    prior = rivals["prior only"].predict_proba(X)
    np.testing.assert_allclose(prior[:, 1], y.mean())
