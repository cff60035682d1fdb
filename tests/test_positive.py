"""A chosen class is reported, and nothing else changes."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from torch_binary_classifier.positive import PositiveClassifier, with_positive


@pytest.fixture
def fitted(tiny_data):
    """Return (X, y, pipe) with labels that are sorted good, late."""
    X, y = tiny_data
    labels = np.where(y, "late", "good")
    pipe = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, labels)
    return X, labels, pipe


def test_the_other_class_is_reported_without_another_training(fitted):
    X, _, pipe = fitted
    swapped = with_positive(pipe, "good")
    assert swapped.classes_.tolist() == ["late", "good"]
    np.testing.assert_array_equal(
        swapped.predict_proba(X), pipe.predict_proba(X)[:, ::-1]
    )
    np.testing.assert_array_equal(swapped.predict(X), pipe.predict(X))


def test_the_second_class_needs_no_wrapper(fitted):
    _, _, pipe = fitted
    assert with_positive(pipe, "late") is pipe


def test_it_can_be_fitted_anew_and_searched(fitted):
    X, labels, pipe = fitted
    swapped = with_positive(pipe, "good")
    again = clone(swapped).fit(X, labels)
    np.testing.assert_array_equal(again.predict_proba(X), swapped.predict_proba(X))
    search = GridSearchCV(
        PositiveClassifier(LogisticRegression(), "good"),
        {"estimator__C": [1e-6, 1.0]},
        cv=2,
        scoring="accuracy",
    )
    assert search.fit(X, labels).best_params_ == {"estimator__C": 1.0}


def test_an_unknown_label_is_refused(fitted):
    X, labels, pipe = fitted
    match = "positive must be one of the labels 'good', 'late', got 'bad'"
    with pytest.raises(ValueError, match=match):
        with_positive(pipe, "bad")
    with pytest.raises(ValueError, match=match):
        PositiveClassifier(LogisticRegression(), np.str_("bad")).fit(X, labels)
