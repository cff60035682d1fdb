"""A classifier is asked once, and says what its own methods say."""

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from builders import network
from torch_binary_classifier.positive import PositiveClassifier
from torch_binary_classifier.scoring.predicting import Predictor


@pytest.fixture
def X(rng):  # noqa: N802
    return pd.DataFrame(rng.normal(size=(80, 2)), columns=["a", "b"])


@pytest.fixture
def y(X, rng):
    return np.where(X["a"] + rng.normal(size=len(X)) > 0, "yes", "no")


CLASSIFIERS = {
    "ours": network(),
    "members": network(n_members=3),
    "logistic": LogisticRegression(),
    "mlp": MLPClassifier(max_iter=5),
    "forest": RandomForestClassifier(5, random_state=0),
    "boosting": HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=2),
    "bayes": GaussianNB(),
    "calibrated": CalibratedClassifierCV(LogisticRegression(), cv=2),
    "positive": PositiveClassifier(network(), "no"),
    "fixed": FixedThresholdClassifier(network(), threshold=0.3),
    "tuned": TunedThresholdClassifierCV(LogisticRegression(), cv=2),
    "svc": CalibratedClassifierCV(SVC(), cv=2),
}
WRAPS = {
    "alone": lambda clf: clf,
    "pipeline": lambda clf: make_pipeline(StandardScaler(), clf),
    "search": lambda clf: GridSearchCV(
        make_pipeline(StandardScaler(), clf),
        {"standardscaler__with_mean": [True]},
        cv=2,
    ),
}


class Counting:
    """A model that counts how often it is asked for what."""

    def __init__(self, model):
        self.model = model
        self.calls = []
        self.classes_ = model.classes_

    def __getattr__(self, name):
        self.calls.append(name)
        return getattr(self.model, name)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_scores_are_what_the_methods_say(X, y, name, wrap):
    model = WRAPS[wrap](CLASSIFIERS[name]).fit(X, y)
    scores = Predictor(model, with_logits=True).scores(X)
    both = model.predict_proba(X)
    np.testing.assert_array_equal(scores.probabilities, both[:, 1])
    np.testing.assert_array_equal(scores.predictions, model.predict(X))
    assert scores.predictions.dtype == model.predict(X).dtype
    if name in ("ours", "members", "fixed"):
        np.testing.assert_array_equal(scores.logits, model.decision_function(X))
    else:
        with np.errstate(divide="ignore"):
            expected = np.log(both[:, 1]) - np.log(both[:, 0])
        np.testing.assert_array_equal(scores.logits, expected)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("name", "calls"),
    [
        ("ours", ["decision_function"]),
        ("logistic", ["predict_proba"]),
        ("mlp", ["predict_proba"]),
        ("positive", ["predict_proba"]),
        ("fixed", ["decision_function"]),
        ("tuned", ["predict_proba"]),
    ],
)
def test_models_are_asked_no_more_than_need_be(X, y, name, calls):
    model = make_pipeline(StandardScaler(), CLASSIFIERS[name]).fit(X, y)
    predictor = Predictor(model)
    predictor.estimator = Counting(model)
    predictor.scores(X)
    assert predictor.estimator.calls == calls


def test_frozen_models_are_looked_through(X, y):
    model = FrozenEstimator(make_pipeline(StandardScaler(), network()).fit(X, y))
    scores = Predictor(model).scores(X)
    np.testing.assert_array_equal(scores.predictions, model.predict(X))
    np.testing.assert_array_equal(scores.probabilities, model.predict_proba(X)[:, 1])


@pytest.mark.parametrize("name", ["ours", "logistic", "forest"])
@pytest.mark.parametrize("threshold", [0, 0.4, 1.0, np.float64(0.9)])
def test_a_threshold_is_of_the_second_class_and_counts_itself(X, y, name, threshold):
    model = CLASSIFIERS[name].fit(X, y)
    p = model.predict_proba(X)[:, 1]
    found = Predictor(model, threshold=threshold).scores(X).predictions
    np.testing.assert_array_equal(found, np.where(p >= threshold, "yes", "no"))
    exact = Predictor(model, threshold=p[3]).scores(X).predictions
    assert exact[3] == "yes"


@pytest.mark.parametrize("name", ["ours", "logistic"])
@pytest.mark.parametrize("as_array", [True, False])
def test_at_one_half_predict_has_the_say(X, y, name, as_array):
    X = X.to_numpy() if as_array else X
    model = CLASSIFIERS[name].fit(X, y)
    if name == "logistic":
        # Logits of less than 1e-17 are above 0 for predict, and 0.5 for predict_proba.
        model.coef_[:], model.intercept_[:] = [[1e-20, 0]], 0
    else:
        model.coefs_ = [coef * 0 for coef in model.coefs_]
        model.intercepts_ = [bias * 0 for bias in model.intercepts_]
    scores = Predictor(model).scores(X)
    assert (scores.probabilities == 0.5).all()
    np.testing.assert_array_equal(scores.predictions, model.predict(X))
    assert ("yes" in scores.predictions) == (name == "logistic")


def test_subclasses_may_predict_as_they_like(X, y):
    class Contrary(LogisticRegression):
        def predict(self, X):
            return super().predict(X)[::-1]

    model = Contrary().fit(X, y)
    scores = Predictor(model).scores(X)
    np.testing.assert_array_equal(scores.predictions, model.predict(X))


def test_certain_rows_have_infinite_logits(X, y):
    model = RandomForestClassifier(1, bootstrap=False).fit(X, y)
    scores = Predictor(model, with_logits=True).scores(X)
    np.testing.assert_array_equal(scores.logits, np.where(y == "yes", np.inf, -np.inf))


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan"), "0.5", True])
def test_thresholds_that_are_no_probabilities_are_refused(X, y, threshold):
    model = LogisticRegression().fit(X, y)
    match = f"threshold must be a number from 0 to 1, got {threshold!r}."
    with pytest.raises(ValueError, match=match):
        Predictor(model, threshold=threshold)
